//! What a network answered to each image of a test set, and how it stands on disk.
//!
//! A file of answers, `NAME.answers`, has four bytes an image, little-endian: the class as u16, then its probability as
//! u16, of 65,535. Runs of before there were probabilities have `NAME.u32`, the classes alone as u32.

use crate::{Error, Result};

const MOST: f32 = u16::MAX as f32;

/// Answers, `[images]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// The most likely class.
    pub classes: Vec<u32>,
    /// Its softmax probability; empty where it was not kept.
    pub confidence: Vec<f32>,
}

impl Answers {
    /// How a file of answers is called.
    pub const EXTENSION: &'static str = "answers";

    /// The content of a file.
    ///
    /// # Errors
    /// [`Error::Input`] for a class beyond 65,535; [`Error::Internal`] where the two differ in number.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        if self.classes.len() != self.confidence.len() {
            return Err(Error::internal("not every answer has its probability"));
        }
        let mut bytes = Vec::with_capacity(4 * self.classes.len());
        for (&class, &confidence) in self.classes.iter().zip(&self.confidence) {
            let class = u16::try_from(class).map_err(|_| {
                Error::input(format!(
                    "a head of more than 65,536 classes has answers that cannot be kept: class {class}"
                ))
            })?;
            bytes.extend(class.to_le_bytes());
            // NaN becomes 0: no answer was likely.
            let level = (confidence * MOST).round() as u16;
            bytes.extend(level.to_le_bytes());
        }
        Ok(bytes)
    }

    /// The answers in a file of the name `name`.
    ///
    /// # Errors
    /// [`Error::Input`] where the bytes are no whole number of answers.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
        let (words, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(Error::input(format!(
                "{name} holds {} bytes, which is no whole number of predictions",
                bytes.len()
            )));
        }
        let extension = std::path::Path::new(name).extension();
        if extension.is_none_or(|e| e != Self::EXTENSION) {
            return Ok(Self {
                classes: words.iter().map(|w| u32::from_le_bytes(*w)).collect(),
                confidence: Vec::new(),
            });
        }
        let half = |a, b| u16::from_le_bytes([a, b]);
        Ok(Self {
            classes: words.iter().map(|w| half(w[0], w[1]).into()).collect(),
            confidence: words
                .iter()
                .map(|w| f32::from(half(w[2], w[3])) / MOST)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_an_image_give_class_and_confidence_back() {
        let answers = Answers {
            classes: vec![3, 0, 65_535, 7],
            confidence: vec![1.0, 0.25, 0.123_456, f32::NAN],
        };
        let bytes = answers.to_bytes().unwrap();
        assert_eq!(bytes[..4], [3, 0, 255, 255]);
        let back = Answers::from_bytes("predictions/000/latin.answers", &bytes).unwrap();
        assert_eq!(back.classes, answers.classes);
        assert_eq!((back.confidence[0], back.confidence[3]), (1.0, 0.0));
        for (a, b) in back.confidence.iter().zip(&answers.confidence[..3]) {
            assert!((a - b).abs() <= 0.5 / MOST, "{a} {b}");
        }
        assert_eq!(back.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn files_of_classes_alone_are_read() {
        let bytes: Vec<u8> = [3_u32, 70_000]
            .iter()
            .flat_map(|c| c.to_le_bytes())
            .collect();
        let old = Answers::from_bytes("predictions/000/latin.u32", &bytes).unwrap();
        assert_eq!(old.classes, [3, 70_000]);
        assert!(old.confidence.is_empty());
        let odd = Answers::from_bytes("latin.u32", &bytes[1..]).unwrap_err();
        assert!(odd.to_string().contains("7 bytes"), "{odd}");
    }

    #[test]
    fn what_has_no_place_in_a_file_is_refused() {
        let beyond = Answers {
            classes: vec![65_536],
            confidence: vec![0.5],
        };
        let error = beyond.to_bytes().unwrap_err();
        assert!(matches!(&error, Error::Input(text) if text.contains("65536")));
        let unequal = Answers {
            classes: vec![1],
            confidence: vec![],
        };
        assert!(matches!(unequal.to_bytes(), Err(Error::Internal(_))));
    }
}
