//! Where the classes of a foundation stand in WordNet.

use std::collections::{BTreeMap, HashMap};

use crate::Result;
use crate::data::Class;
use crate::measure::{WordSimilarity, class_synsets};
use crate::wordnet::{Synset, nouns};

/// The synsets above each class.
#[derive(Clone, Debug, Default)]
pub struct Ancestry {
    /// From the root to the class's own, `[classes]`; empty for a name that WordNet does not have.
    paths: Vec<Vec<Synset>>,
    /// All of them in plain words.
    names: HashMap<Synset, String>,
    /// Names in words of classes that are called by a synset's number, as ImageNet's folders are, `[classes]`.
    words: Vec<Option<String>>,
}

impl Ancestry {
    /// Looks the classes up. Of the meanings of a name that which was `chosen` counts, else that by which every
    /// similarity was `measured`, else the most frequent one.
    ///
    /// # Errors
    /// [`crate::Error::Input`] as [`class_synsets`].
    pub fn of(
        classes: &[Class],
        chosen: &BTreeMap<String, String>,
        measured: &[&WordSimilarity],
    ) -> Result<Self> {
        let nouns = nouns()?;
        let meanings = class_synsets(classes, chosen)?;
        let paths = meanings.iter().enumerate().map(|(class, meanings)| {
            let agreed = agreed(measured, class).and_then(|name| nouns.synset(name));
            let synset = agreed
                .filter(|s| meanings.contains(s))
                .or_else(|| meanings.first().copied());
            synset.map_or_else(Vec::new, |s| nouns.path(s))
        });
        let paths: Vec<Vec<Synset>> = paths.collect();
        let plain = |s: &Synset| (*s, nouns.plain(&nouns.name(*s)));
        let names = paths.iter().flatten().map(plain).collect();
        let words = classes.iter().map(|class| {
            let synset = nouns.synset(class.name.trim())?;
            Some(format!(
                "{} ({})",
                nouns.plain(&nouns.name(synset)),
                class.name
            ))
        });
        Ok(Self {
            paths,
            names,
            words: words.collect(),
        })
    }

    /// The synset above a class at a depth, 1 for the root; its own where it is not that deep.
    pub fn above(&self, class: usize, depth: usize) -> Option<Synset> {
        let path = self.paths.get(class)?;
        path.get(depth.saturating_sub(1)).or(path.last()).copied()
    }

    /// The class's own synset.
    pub fn own(&self, class: usize) -> Option<Synset> {
        self.paths.get(class)?.last().copied()
    }

    /// A synset on the way to a class, in plain words.
    pub fn name(&self, synset: Synset) -> &str {
        self.names.get(&synset).map_or("", String::as_str)
    }

    /// The name of a class in words, where its own is a synset's number.
    pub fn words(&self, class: usize) -> Option<&str> {
        self.words.get(class)?.as_deref()
    }

    /// The class's own synset as WordNet writes it: `dog.n.01`.
    pub fn synset(&self, class: usize) -> Option<String> {
        let synset = self.own(class)?;
        nouns().ok().map(|nouns| nouns.name(synset))
    }

    /// Classes that WordNet does not have.
    pub fn missing(&self) -> usize {
        self.paths.iter().filter(|p| p.is_empty()).count()
    }

    /// Whether it has none of them.
    pub fn is_empty(&self) -> bool {
        self.paths.iter().all(Vec::is_empty)
    }

    /// The depth of the deepest class.
    pub fn deepest(&self) -> usize {
        self.paths.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// The class's synset where every measurement that has one has the same.
fn agreed<'a>(measured: &[&'a WordSimilarity], class: usize) -> Option<&'a str> {
    let mut names = measured
        .iter()
        .filter_map(|w| w.class_synsets.get(class))
        .filter(|name| !name.is_empty());
    let first = names.next()?;
    names.all(|name| name == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(names: &[&str]) -> Vec<Class> {
        let class = |name: &&str| Class {
            name: (*name).into(),
            group: String::new(),
        };
        names.iter().map(class).collect()
    }

    #[test]
    fn classes_stand_below_what_they_are() {
        let classes = classes(&["tench, Tinca tinca", "dog", "ÿ", "sports car"]);
        let found = Ancestry::of(&classes, &BTreeMap::new(), &[]).unwrap();
        let above = |class, depth| found.above(class, depth).map(|s| found.name(s));
        assert_eq!(above(0, 1), Some("entity"));
        assert_eq!(above(1, 1), Some("entity"));
        assert_eq!(above(2, 1), None);
        assert_eq!((found.missing(), found.is_empty()), (1, false));
        // A fish and a dog part where a car has left them long ago.
        let together = |a, b| {
            let same = |d: &usize| found.above(a, *d) == found.above(b, *d);
            (1..30).take_while(same).count()
        };
        assert!(together(0, 1) > together(0, 3));
        assert_eq!(above(3, 99), Some("sports car"));
        assert_eq!(found.own(3).map(|s| found.name(s)), Some("sports car"));
        assert!(found.deepest() > 8);
        assert!(Ancestry::default().is_empty() && Ancestry::default().above(0, 7).is_none());
    }

    #[test]
    fn a_class_called_by_its_number_has_a_name_in_words() {
        let classes = classes(&["n02084071", "dog"]);
        let found = Ancestry::of(&classes, &BTreeMap::new(), &[]).unwrap();
        assert_eq!(found.words(0), Some("dog (n02084071)"));
        assert_eq!((found.words(1), found.words(2)), (None, None));
        assert_eq!(found.synset(0).as_deref(), Some("dog.n.01"));
    }

    #[test]
    fn the_meaning_that_was_measured_by_counts_where_it_is_always_the_same() {
        let classes = classes(&["crane"]);
        let measured = |synset: &str| WordSimilarity {
            class_synsets: vec![synset.into()],
            ..WordSimilarity::default()
        };
        let (bird, machine) = (measured("crane.n.05"), measured("crane.n.04"));
        let own = |chosen: &[(&str, &str)], by: &[&WordSimilarity]| {
            let chosen = chosen.iter().map(|(a, b)| ((*a).into(), (*b).into()));
            let found = Ancestry::of(&classes, &chosen.collect(), by).unwrap();
            found.own(0).map(|s| nouns().unwrap().name(s)).unwrap()
        };
        assert_eq!(own(&[], &[&bird, &bird]), "crane.n.05");
        let frequent = own(&[], &[]);
        assert_eq!(own(&[], &[&bird, &machine]), frequent);
        assert_eq!(own(&[("crane", "crane.n.04")], &[&bird]), "crane.n.04");
    }
}
