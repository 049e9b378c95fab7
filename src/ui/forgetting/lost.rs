//! The images of a class that a merge lost: right before it, wrong after it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::data::{self, Dataset};
use crate::folder::RunFolder;
use crate::measure::{self, Counts};
use crate::progress::Onlooker;
use crate::recipe::{FoundationRecipe, LoadingRecipe};
use crate::run::view::Evaluation;
use crate::{Error, Result};

/// Pixels of a thumbnail in both directions, where characters are what it is drawn with.
pub const SIDE: usize = 32;
/// Images of a class that are read at most.
const MOST: usize = 96;

/// A measurement of the foundation, and its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answers' file within the run's folder.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
    /// What the journal counted in it.
    pub counts: Counts,
}

impl Answered {
    /// That of a measurement.
    pub fn of(evaluation: &Evaluation) -> Self {
        Self {
            file: evaluation.file.clone(),
            sha256: evaluation.sha256.clone(),
            counts: evaluation.counts.clone(),
        }
    }
}

/// Which images are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct LostRequest {
    /// The run's folder.
    pub folder: PathBuf,
    /// Where the images are.
    pub foundation: FoundationRecipe,
    /// How they are read.
    pub loading: LoadingRecipe,
    /// Their class.
    pub class: usize,
    /// Pixels that each is shown with in both directions.
    pub side: usize,
    /// Where they were right.
    pub before: Answered,
    /// Where they are wrong.
    pub after: Answered,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LostImages {
    /// How many there are.
    pub total: usize,
    /// The first of them.
    pub images: Vec<LostImage>,
}

/// An image that was lost.
#[derive(Clone, Debug, PartialEq)]
pub struct LostImage {
    /// What it is found by.
    pub name: String,
    /// Red, green and blue, `[side × side]` in rows.
    pub pixels: Vec<[u8; 3]>,
    /// The class that it is taken for.
    pub taken_for: usize,
    /// How surely, where the run kept it.
    pub confidence: Option<f32>,
}

impl LostImage {
    /// Pixels in both directions.
    pub fn side(&self) -> usize {
        self.pixels.len().isqrt()
    }
}

/// The lost images on the card: asked for, there, or why not.
#[derive(Clone, Debug, Default)]
pub enum Lost {
    /// None were asked for.
    #[default]
    Nothing,
    /// They are being read; how far.
    Reading(Arc<LostRequest>, String),
    /// They are there.
    There(Arc<LostRequest>, Arc<LostImages>),
    /// They cannot be read.
    Failed(Arc<LostRequest>, String),
}

impl Lost {
    /// What was asked for.
    pub fn request(&self) -> Option<&Arc<LostRequest>> {
        match self {
            Self::Nothing => None,
            Self::Reading(request, _) | Self::There(request, _) | Self::Failed(request, _) => {
                Some(request)
            }
        }
    }
}

/// Data sets that images were taken from, the last one.
type Open = Option<(FoundationRecipe, LoadingRecipe, Arc<Dataset>)>;

/// Reads lost images, and keeps the data set that they were read from open.
#[derive(Clone, Default)]
pub struct Gallery(Arc<Mutex<Open>>);

impl Gallery {
    /// The images that `request` asks for.
    ///
    /// # Errors
    /// [`Error::Input`] where the data is not on this machine, or not what was measured, or the run's answers are gone;
    /// [`Error::Cancelled`] if the onlooker cancels.
    pub fn lost(&self, request: &LostRequest, onlooker: &mut dyn Onlooker) -> Result<LostImages> {
        let folder = RunFolder::open(&request.folder)?;
        let read = |of: &Answered| folder.read_predictions(&of.file, &of.sha256);
        let (before, after) = (read(&request.before)?, read(&request.after)?);
        let answers = [&before.classes, &after.classes].map(Vec::as_slice);
        let dataset = self.open(request, answers, onlooker)?;
        let images = &dataset.test;
        let lost: Vec<usize> = (0..images.len())
            .filter(|&i| {
                let label = images.labels[i];
                label as usize == request.class && answers[0][i] == label && answers[1][i] != label
            })
            .collect();
        let mut found = LostImages {
            total: lost.len(),
            images: Vec::new(),
        };
        for &i in lost.iter().take(MOST) {
            if onlooker.cancels() {
                return Err(Error::Cancelled);
            }
            found.images.push(LostImage {
                name: images.name(i),
                pixels: images.thumbnail(i, request.side)?,
                taken_for: answers[1][i] as usize,
                confidence: after.confidence.get(i).copied(),
            });
        }
        Ok(found)
    }

    /// The foundation's test images, those that `answers` are of.
    fn open(
        &self,
        request: &LostRequest,
        answers: [&[u32]; 2],
        onlooker: &mut dyn Onlooker,
    ) -> Result<Arc<Dataset>> {
        let (foundation, loading) = (&request.foundation, &request.loading);
        let fits = |dataset: &Dataset| {
            let labels = &dataset.test.labels;
            let count = |answers: &[u32]| measure::counts(answers, labels, dataset.classes.len());
            let same = |answers: &[u32], of: &Answered| {
                answers.len() == labels.len() && count(answers) == of.counts
            };
            same(answers[0], &request.before) && same(answers[1], &request.after)
        };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if onlooker.cancels() {
            return Err(Error::Cancelled);
        }
        if let Some((known, how, dataset)) = &*open
            && (known, how) == (foundation, loading)
            && fits(dataset)
        {
            return Ok(Arc::clone(dataset));
        }
        let mut dataset = data::peek(foundation, loading, onlooker)?;
        if !fits(&dataset) && loading.bad_images > 0 {
            // Those that could not be read were left out, and which they are is known once all are decoded.
            let (data, options) = (&foundation.data, &foundation.options);
            dataset = data::open_test(data, options, loading, onlooker)?.0;
        }
        if !fits(&dataset) {
            return Err(Error::input(format!(
                "{} is not what the run was measured on: its test images are others now",
                foundation.data
            )));
        }
        let dataset = Arc::new(dataset);
        *open = Some((foundation.clone(), loading.clone(), Arc::clone(&dataset)));
        Ok(dataset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answers;
    use crate::progress::Nobody;
    use crate::recipe::Recipe;

    /// A run's folder with two measurements of latin's test images: all right, then every third 0 taken for an O.
    fn asked(folder: &std::path::Path) -> LostRequest {
        std::fs::write(folder.join("manifest.json"), "{}").unwrap();
        std::fs::write(folder.join("journal.jsonl"), "{}\n").unwrap();
        let recipe = Recipe::load("demo", &[]).unwrap();
        let latin = data::peek(&recipe.foundation, &recipe.data, &mut Nobody).unwrap();
        let right = latin.test.labels.clone();
        let mut wrong = right.clone();
        let zeros = (0..right.len()).filter(|&i| right[i] == 0);
        zeros.step_by(3).for_each(|i| wrong[i] = 24);
        let run = RunFolder::open(folder).unwrap();
        let write = |file: &str, classes: Vec<u32>| {
            let answers = Answers {
                confidence: vec![0.5; classes.len()],
                classes,
            };
            Answered {
                sha256: run.write_predictions(file, &answers).unwrap(),
                file: file.into(),
                counts: measure::counts(&answers.classes, &right, latin.classes.len()),
            }
        };
        LostRequest {
            folder: folder.into(),
            foundation: recipe.foundation,
            loading: recipe.data,
            class: 0,
            side: SIDE,
            before: write("predictions/000-foundation/latin.answers", right.clone()),
            after: write("predictions/001-parity/latin.answers", wrong),
        }
    }

    #[test]
    fn images_that_were_right_and_are_wrong_are_shown_with_what_they_are_taken_for() {
        let dir = tempfile::tempdir().unwrap();
        let request = asked(dir.path());
        let gallery = Gallery::default();
        let found = gallery.lost(&request, &mut Nobody).unwrap();
        let zeros = request.before.counts.total[0] as usize;
        assert_eq!(found.total, zeros.div_ceil(3));
        assert_eq!(found.images.len(), found.total.min(MOST));
        for image in &found.images {
            assert_eq!((image.taken_for, image.pixels.len()), (24, SIDE * SIDE));
            assert!((image.confidence.unwrap() - 0.5).abs() < 1e-3);
            // A glyph has ink and ground.
            assert!(image.pixels.iter().any(|p| p[0] != image.pixels[0][0]));
        }
        let finer = LostRequest {
            side: 50,
            ..request.clone()
        };
        let finer = gallery.lost(&finer, &mut Nobody).unwrap();
        assert_eq!((finer.total, finer.images[0].side()), (found.total, 50));
        let other = LostRequest {
            class: 1,
            ..request
        };
        assert_eq!(gallery.lost(&other, &mut Nobody).unwrap().total, 0);
    }

    #[test]
    fn what_is_not_there_or_not_the_same_is_refused_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let request = asked(dir.path());
        let refusal = |request: &LostRequest| {
            let refused = Gallery::default().lost(request, &mut Nobody);
            refused.unwrap_err().to_string()
        };
        let mut other = request.clone();
        other.after.counts.correct[0] += 1;
        assert!(refusal(&other).contains("is not what the run was measured on"));
        let mut other = request.clone();
        other.foundation.data = "folder:/no/such/folder".into();
        assert!(refusal(&other).contains("/no/such/folder"));
        let mut other = request.clone();
        other.foundation.data = "hub:nobody/nothing-of-this-name".into();
        assert!(refusal(&other).contains("is not in the cache of this machine"));
        std::fs::remove_dir_all(dir.path().join("predictions")).unwrap();
        assert!(refusal(&request).contains("is missing"));
    }
}
