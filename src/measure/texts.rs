//! How similar foundation classes are to a task by CLIP's embeddings of their names.

use serde::{Deserialize, Serialize};

use super::predict::cosine;
use crate::clip::{PROMPT, TextEncoder};
use crate::wordnet::nouns;
use crate::{Error, Result};

/// Similarity of the foundation's classes to a task's word by the embeddings of their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextSimilarity {
    /// Cosine, `[classes]`, to four places: products of another machine differ in their last bits, which must not
    /// change a rank.
    #[serde(with = "crate::float")]
    pub similarity: Vec<f32>,
    /// SHA-256 of the encoder's weights.
    pub sha256: String,
}

/// Embeddings of names, each as `a photo of a NAME`, `[names][dim]`. Of synonyms the first counts, of a wnid or a
/// synset the first word.
///
/// # Errors
/// [`Error::Cancelled`] as soon as `cancel` says so.
pub fn embeddings<'a>(
    encoder: &TextEncoder,
    names: impl IntoIterator<Item = &'a str>,
    cancel: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f32>>> {
    let nouns = nouns()?;
    let embed = |name| {
        if cancel() {
            return Err(Error::Cancelled);
        }
        encoder.embed(&format!("{PROMPT}{}", nouns.plain(name)))
    };
    names.into_iter().map(embed).collect()
}

/// The similarity of each of `classes` to a task's `word`, both as embeddings.
pub fn text_similarity(classes: &[Vec<f32>], word: &[f32]) -> Vec<f32> {
    let wide = |v: &[f32]| -> Vec<f64> { v.iter().map(|x| f64::from(*x)).collect() };
    let word = wide(word);
    let similarity = |class: &Vec<f32>| {
        let exact = cosine(&wide(class), &word);
        ((exact * 1e4).round() / 1e4) as f32
    };
    classes.iter().map(similarity).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use std::path::Path;

    #[test]
    fn similarity_is_the_cosine_of_embeddings() {
        let classes = [vec![3.0, 4.0], vec![-1.0, 0.0], vec![0.0, 0.0]];
        let found = text_similarity(&classes, &[2.0, 0.0]);
        assert_eq!(found[..2], [0.6, -1.0]);
        assert!(found[2].is_nan());
    }

    #[test]
    fn a_name_is_embedded_in_plain_words() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip");
        let encoder = TextEncoder::open(&folder, &Device::Cpu).unwrap();
        let names = ["sports_car, sport car", "n04285008", "sports car"];
        let found = embeddings(&encoder, names, &|| false).unwrap();
        assert_eq!(found[0], encoder.embed("a photo of a sports car").unwrap());
        assert_eq!((&found[1], &found[2]), (&found[0], &found[0]));
        let similarity = text_similarity(&found, &encoder.embed("a photo of a quail").unwrap());
        assert!(
            similarity
                .iter()
                .all(|s| *s == similarity[0] && s.abs() < 1.0)
        );
        let cancelled = embeddings(&encoder, names, &|| true);
        assert!(matches!(cancelled, Err(Error::Cancelled)));
    }
}
