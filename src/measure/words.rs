//! How similar foundation classes are to a task by the meaning of their names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::Class;
use crate::wordnet::{Nouns, Synset, nouns};
use crate::{Error, Result};

/// Similarity of the foundation's classes to a task's word in WordNet, and the synsets that it is of. All `[classes]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WordSimilarity {
    /// Wu and Palmer's, in (0, 1], of the most similar pair of a synset of the class and one of the task's word; NaN
    /// for a class whose name WordNet does not have.
    #[serde(with = "crate::float")]
    pub similarity: Vec<f32>,
    /// The class's synset of that pair, as `car.n.01`; empty without one.
    pub class_synsets: Vec<String>,
    /// The task's synset of that pair.
    pub task_synsets: Vec<String>,
}

impl WordSimilarity {
    /// How many classes have no figure.
    pub fn missing(&self) -> usize {
        self.similarity.iter().filter(|s| s.is_nan()).count()
    }
}

/// The similarity of each of `classes` to `word`. `chosen` are synsets for classes whose name means something else
/// too, by the class's name, or by its number where no class has it as a name.
///
/// # Errors
/// [`Error::Input`] for a chosen synset of no class, or one that WordNet does not have.
pub fn word_similarity(
    classes: &[Class],
    chosen: &BTreeMap<String, String>,
    word: &str,
) -> Result<WordSimilarity> {
    let nouns = nouns()?;
    let task = nouns.resolve(word).synsets;
    let mut found = WordSimilarity::default();
    for synsets in class_synsets(classes, chosen)? {
        let pair = nouns.nearest(&synsets, &task);
        let name = |synset: Option<Synset>| synset.map_or(String::new(), |s| nouns.name(s));
        found
            .similarity
            .push(pair.map_or(f32::NAN, |p| p.similarity as f32));
        found.class_synsets.push(name(pair.map(|p| p.a)));
        found.task_synsets.push(name(pair.map(|p| p.b)));
    }
    Ok(found)
}

/// The synsets that the name of each of `classes` may mean, the most frequent first, `[classes]`; of a class with a
/// `chosen` one that alone.
///
/// # Errors
/// As [`word_similarity`].
pub fn class_synsets(
    classes: &[Class],
    chosen: &BTreeMap<String, String>,
) -> Result<Vec<Vec<Synset>>> {
    let nouns = nouns()?;
    let chosen = chosen_synsets(nouns, classes, chosen)?;
    let of = |(index, class): (usize, &Class)| match chosen.get(&index) {
        Some(&synset) => vec![synset],
        None => nouns.resolve(&class.name).synsets,
    };
    Ok(classes.iter().enumerate().map(of).collect())
}

fn chosen_synsets(
    nouns: &Nouns,
    classes: &[Class],
    chosen: &BTreeMap<String, String>,
) -> Result<BTreeMap<usize, Synset>> {
    let mut by_class = BTreeMap::new();
    for (key, id) in chosen {
        let synset = nouns.synset(id).ok_or_else(|| {
            Error::input(format!(
                "`measure.synsets.{key}` = {id:?} is no noun synset of WordNet 3.0"
            ))
        })?;
        let mut of: Vec<usize> = (0..classes.len())
            .filter(|&c| classes[c].name == *key)
            .collect();
        let number = key.parse::<usize>().ok().filter(|n| *n < classes.len());
        if of.is_empty() {
            of.extend(number);
        }
        if of.is_empty() {
            return Err(Error::input(format!(
                "`measure.synsets` names the class {key:?}, which the foundation does not have: write a class's name, \
                 or its number from 0 to {}",
                classes.len().saturating_sub(1)
            )));
        }
        by_class.extend(of.into_iter().map(|c| (c, synset)));
    }
    Ok(by_class)
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

    fn chosen(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(a, b): &(&str, &str)| ((*a).into(), (*b).into());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn the_pair_that_gave_the_figure_is_told_and_a_name_without_a_noun_has_none() {
        let classes = classes(&["sports car, sport car", "quail", "ÿ", "crane"]);
        let found = word_similarity(&classes, &chosen(&[]), "bird").unwrap();
        assert_eq!(
            found.class_synsets,
            ["sports_car.n.01", "quail.n.02", "", "crane.n.05"]
        );
        assert_eq!(found.task_synsets[1], "bird.n.01");
        assert!((found.similarity[1] - 0.952_381).abs() < 1e-6);
        assert!(found.similarity[2].is_nan() && found.missing() == 1);
        // As a machine a crane is no bird; without a word of the task nothing is similar.
        let machine = chosen(&[("crane", "crane.n.04")]);
        let other = word_similarity(&classes, &machine, "bird").unwrap();
        assert_eq!(other.class_synsets[3], "crane.n.04");
        assert!(other.similarity[3] < found.similarity[3]);
        assert_eq!(other.similarity[..2], found.similarity[..2]);
        assert_eq!(
            word_similarity(&classes, &machine, "").unwrap().missing(),
            4
        );
    }

    #[test]
    fn a_synset_is_chosen_by_name_or_number_of_a_class() {
        let classes = classes(&["crane", "1", "crane"]);
        let synsets = |pairs: &[(&str, &str)]| {
            let chosen = chosen(pairs);
            word_similarity(&classes, &chosen, "bird").map(|w| w.class_synsets)
        };
        // Both cranes by name, one of them by number; a class that is called 1 is meant by its name.
        let (by_name, by_number) = (
            synsets(&[("crane", "n03126707")]).unwrap(),
            synsets(&[("2", "n02012849"), ("1", "dog.n.01")]).unwrap(),
        );
        assert_eq!((&by_name[0], &by_name[2]), (&by_name[2], &by_name[0]));
        assert_eq!(by_name[0], "crane.n.04");
        assert_eq!(by_number[1..], ["dog.n.01", "crane.n.05"]);
        for (pairs, complaint) in [
            ([("heron", "n02012849")], "names the class \"heron\""),
            ([("3", "n02012849")], "from 0 to 2"),
            ([("crane", "bird")], "is no noun synset"),
        ] {
            let error = synsets(&pairs).unwrap_err();
            assert!(matches!(&error, Error::Input(text) if text.contains(complaint)));
        }
    }
}
