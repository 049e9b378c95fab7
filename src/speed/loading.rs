//! How fast pictures become batches here: `pentimento bench --loading`.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::config_of;
use super::report::spread;
use crate::data::{self, Dataset, TrainBatches, Transform};
use crate::progress::{Onlooker, Progress};
use crate::random::Key;
use crate::recipe::{Augment, DataOptions, LoadingRecipe};
use crate::run::Machine;
use crate::train::transform_spec;
use crate::{Error, Result};

/// The area that a random crop shows and how often it is flipped: timm's, and the study's.
const CROP_SCALE: [f64; 2] = [0.08, 1.0];
const FLIP: f64 = 0.5;
/// Rounds before those that count: files come into the system's cache.
const WARM_UP: usize = 1;

/// What is loaded.
#[derive(Clone, Debug)]
pub struct LoadingRequest {
    /// A folder of class folders, or a source as in a recipe, of which the test images are taken.
    pub data: String,
    /// As [`super::Request::backbone`]: who takes the images, in its size and with its interpolation, mean and std.
    pub backbone: String,
    /// Side of the square images, where it is to differ from the backbone's.
    pub image_size: Option<usize>,
    /// Images a batch.
    pub batch_size: usize,
    /// Threads that decode.
    pub workers: usize,
}

/// Pictures, and what training makes of them: decoded, cut at random, resized, flipped, normalised.
pub struct Loading {
    batches: Arc<TrainBatches>,
    request: LoadingRequest,
    size: [usize; 3],
    images: usize,
    /// Where the next round begins.
    step: usize,
}

/// All images once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LoadingSample {
    /// How many there were.
    pub images: usize,
    /// By the wall clock.
    pub seconds: f64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct LoadingReport {
    /// CPU model.
    pub cpu: String,
    /// The data.
    pub data: String,
    /// Channels, height, width of what the backbone takes.
    pub input_size: [usize; 3],
    /// Images a batch.
    pub batch_size: usize,
    /// Threads that decode.
    pub workers: usize,
    /// Images a second of all of them together, by the median of the samples.
    pub images_per_second: f64,
    /// Every round that counts.
    pub samples: Vec<LoadingSample>,
}

impl Loading {
    /// Opens the data; every picture is decoded once meanwhile.
    ///
    /// # Errors
    /// [`Error::Input`] where the data or the backbone does not exist or is not sound; [`Error::Cancelled`] if the onlooker
    /// cancels.
    pub fn open(request: LoadingRequest, onlooker: &mut dyn Onlooker) -> Result<Self> {
        let config = config_of(&request.backbone, request.image_size, onlooker)?;
        let transform = Transform::new(&transform_spec(&config))?;
        let loading = LoadingRecipe {
            workers: request.workers,
            ..LoadingRecipe::default()
        };
        let folder = Path::new(&request.data).is_dir();
        let (source, options) = match request.data.contains(':') && !folder {
            true => (request.data.clone(), DataOptions::default()),
            false => {
                let split = Some(".".to_owned());
                let options = DataOptions {
                    train_split: split.clone(),
                    test_split: split,
                    ..DataOptions::default()
                };
                (format!("folder:{}", request.data), options)
            }
        };
        let by_argument = |error| match error {
            Error::Input(text) => Error::Input(text.replace("`data.data`", "--loading")),
            other => other,
        };
        let (dataset, _) =
            data::open_test(&source, &options, &loading, onlooker).map_err(by_argument)?;
        let dataset = Dataset {
            train: dataset.test.clone(),
            ..dataset
        };
        let augment = Augment {
            crop_scale: Some(CROP_SCALE),
            flip: FLIP,
            ..Augment::default()
        };
        Ok(Self {
            size: transform.size(),
            images: dataset.train.len(),
            batches: Arc::new(TrainBatches::new(
                Arc::new(dataset),
                Arc::new(transform),
                augment,
                request.batch_size,
                Key::new(1),
            )),
            request,
            step: 0,
        })
    }

    /// Loads every image once, in another order and changed in another way each time.
    ///
    /// # Errors
    /// [`Error::Input`] where a file can no longer be read.
    pub fn round(&mut self) -> Result<LoadingSample> {
        let end = self.step + self.batches.steps_per_epoch();
        let begun = Instant::now();
        let mut images = 0;
        for batch in self.batches.prefetch(self.step, end) {
            images += batch?.labels.len();
        }
        self.step = end;
        Ok(LoadingSample {
            images,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    /// Measures `rounds` rounds, after one that does not count.
    ///
    /// # Errors
    /// As [`Loading::round`]; [`Error::Cancelled`] if the onlooker cancels.
    pub fn measure(mut self, rounds: usize, onlooker: &mut dyn Onlooker) -> Result<LoadingReport> {
        let mut samples = Vec::new();
        for round in 0..WARM_UP + rounds {
            if onlooker.cancels() {
                return Err(Error::Cancelled);
            }
            let all = (WARM_UP + rounds) * self.images;
            onlooker.tell(&Progress::images("loading", round * self.images, all));
            samples.push(self.round()?);
        }
        samples.drain(..WARM_UP);
        let rates: Vec<f64> = samples
            .iter()
            .map(|s| s.images as f64 / s.seconds)
            .collect();
        Ok(LoadingReport {
            cpu: Machine::here().cpu,
            data: self.request.data,
            input_size: self.size,
            batch_size: self.request.batch_size,
            workers: self.request.workers,
            images_per_second: spread(&rates)[1],
            samples,
        })
    }
}

impl fmt::Display for LoadingReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [c, h, w] = self.input_size;
        let images = self.samples.first().map_or(0, |s| s.images);
        let seconds: Vec<f64> = self.samples.iter().map(|s| s.seconds).collect();
        let [least, median, most] = spread(&seconds);
        writeln!(out, "{:12} {}", "cpu", self.cpu)?;
        writeln!(
            out,
            "{:12} {images} of {} to {c}×{h}×{w}, batches of {}",
            "images", self.data, self.batch_size
        )?;
        writeln!(
            out,
            "{:12} {:.0} images/s by {} threads, {:.0} each: {median:.2} s for all, the median of {} from {least:.2} to {most:.2}",
            "loading",
            self.images_per_second,
            self.workers,
            self.images_per_second / self.workers.max(1) as f64,
            seconds.len()
        )
    }
}
