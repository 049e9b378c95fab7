//! From the names that data sets give their classes to synsets.

use std::collections::BTreeMap;

use super::{Nouns, Synset, key, wnid};

/// What a name means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Its synsets, the most frequent sense first; empty if WordNet has no such noun.
    pub synsets: Vec<Synset>,
    /// The words that were found, as WordNet's index spells them; empty for a wnid or a synset's name.
    pub word: String,
}

/// WordNet's own rules of detachment for nouns (morphy(7WN)): an ending and what takes its place.
const ENDINGS: [(&str, &str); 9] = [
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
];

impl Nouns {
    /// The noun synsets that the name of a class may mean.
    ///
    /// - `n02084071` is a wnid, `dog.n.01` the name of a synset.
    /// - `tench, Tinca tinca` lists synonyms, as ImageNet does: the synsets that most of them share.
    /// - Numbers around a name and what is in brackets are no part of it: `001.Black_footed_Albatross`, `crane_2`,
    ///   `crane (bird)`.
    /// - Lower and upper case are the same, and so are a blank, `_` and `-`; full stops and apostrophes are
    ///   passed over.
    /// - What is no word of WordNet may be a plural: an irregular one, or one by WordNet's rules.
    /// - Of several words that together are none, the last ones count: `red sports car` is a `sports car`.
    pub fn resolve(&self, name: &str) -> Resolved {
        let name = name.trim();
        if wnid(name).is_some() || name.contains(".n.") {
            let synsets: Vec<Synset> = self.synset(name).into_iter().collect();
            if !synsets.is_empty() {
                return Resolved {
                    synsets,
                    word: String::new(),
                };
            }
        }
        let synonyms: Vec<(String, &[Synset])> = name
            .split([',', ';', '/'])
            .filter_map(|part| self.words(part))
            .collect();
        let mut votes: BTreeMap<Synset, usize> = BTreeMap::new();
        for (_, synsets) in &synonyms {
            for &synset in *synsets {
                *votes.entry(synset).or_default() += 1;
            }
        }
        let most = votes.values().copied().max().unwrap_or(0);
        let mut resolved = Resolved::default();
        for (word, synsets) in synonyms {
            for synset in synsets {
                if votes.get(synset) == Some(&most) && !resolved.synsets.contains(synset) {
                    if resolved.word.is_empty() {
                        resolved.word.clone_from(&word);
                    }
                    resolved.synsets.push(*synset);
                }
            }
        }
        resolved
    }

    /// A name in plain words: the first of its synonyms without the numbers around it, of a wnid or a synset the first
    /// word.
    pub fn plain(&self, name: &str) -> String {
        if let Some(synset) = self.synset(name.trim()) {
            return self.node(synset).name.0.replace('_', " ");
        }
        let first = name.split([',', ';']).next().unwrap_or_default();
        let first = first.split(['(', '[']).next().unwrap_or_default();
        let words = spaced(first).replace('_', " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        let letters = |word: &&str| word.chars().any(|c| !c.is_ascii_digit());
        let begin = words.iter().position(letters).unwrap_or(0);
        let end = words
            .iter()
            .rposition(letters)
            .map_or(words.len(), |i| i + 1);
        words[begin..end].join(" ")
    }

    /// The synsets of one name without synonyms, and the words found.
    fn words(&self, name: &str) -> Option<(String, &[Synset])> {
        let name = name.split(['(', '[']).next().unwrap_or_default();
        // Every part that is a number by itself, but not the 4 of "4-poster" nor the 33 of "u-235".
        let whole = key(name);
        let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let spaced = key(&spaced(name));
        let parts: Vec<&str> = spaced.split('_').collect();
        let first = parts.iter().position(|p| !number(p)).unwrap_or(parts.len());
        let last = parts.iter().rposition(|p| !number(p)).map_or(0, |i| i + 1);
        let parts = parts.get(first..last).unwrap_or_default();
        let tails = (0..parts.len()).map(|from| parts[from..].join("_"));
        std::iter::once(whole)
            .filter(|whole| !number(whole))
            .chain(tails)
            .find_map(|word| self.word(word))
    }

    /// The synsets of a word or of its singular.
    fn word(&self, word: String) -> Option<(String, &[Synset])> {
        if let Some(synsets) = self.by_word.get(&word) {
            return Some((word, synsets));
        }
        let irregular = self.irregular.get(&word).into_iter().flatten().cloned();
        let regular = ENDINGS.iter().filter_map(|(ending, singular)| {
            Some(format!("{}{singular}", word.strip_suffix(ending)?))
        });
        // "boxesful": the plural of a measure is within.
        let full = word
            .strip_suffix("sful")
            .map(|measure| format!("{measure}ful"));
        irregular.chain(regular).chain(full).find_map(|singular| {
            let synsets = self.by_word.get(&singular)?;
            Some((singular, synsets.as_slice()))
        })
    }
}

/// A name with a blank wherever `001.Laysan` and the like hide one: after a number and a full stop.
fn spaced(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len());
    let mut before = ' ';
    for c in name.chars() {
        let hides = c == '.' && before.is_ascii_digit();
        spaced.push(if hides { ' ' } else { c });
        before = c;
    }
    spaced
}
