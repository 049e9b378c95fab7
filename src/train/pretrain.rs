//! A backbone from scratch: how the bundled ones were made.

use std::sync::Arc;

use candle_core::Device;

use super::full::decays_as_timm;
use super::{FullTrainer, learning_rate, tensors};
use crate::backbone::{Config, Weights, initialise};
use crate::data::{Dataset, TrainBatches, Transform, TransformSpec};
use crate::random::Key;
use crate::recipe::PretrainRecipe;
use crate::{Error, Result};

/// Where a pretraining stands after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PretrainReport {
    /// Steps taken.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// The epoch of the step, from 1.
    pub epoch: usize,
    /// Whether the step was its epoch's last.
    pub epoch_ends: bool,
    /// Mean loss of the epoch so far, label smoothing included.
    pub loss: f64,
    /// Share of right answers on the augmented training images of the epoch so far.
    pub accuracy: f64,
    /// Learning rate of the step.
    pub lr: f64,
}

/// What the backbone's config says of its input.
pub fn transform_spec(config: &Config) -> TransformSpec {
    let cfg = &config.pretrained_cfg;
    let crop_mode = cfg.other.get("crop_mode").and_then(|v| v.as_str());
    TransformSpec {
        size: cfg.input_size,
        mean: cfg.mean.clone(),
        std: cfg.std.clone(),
        interpolation: cfg.interpolation.clone(),
        crop_pct: cfg.crop_pct,
        crop_mode: crop_mode.unwrap_or("center").to_string(),
    }
}

/// Trains every weight of the recipe's backbone from timm's initialisation on the dataset's training images:
/// AdamW (no decay of biases, norms and embeddings), label smoothing, BatchNorm in training mode, linear warm-up
/// and cosine (see [`learning_rate`]). Returns timm's config and weights, the classifier among them.
///
/// `progress` is called after every step, `cancel` asked before every step.
///
/// # Errors
/// [`Error::Input`] where config and dataset do not fit together, or the loss diverges; [`Error::Cancelled`].
pub fn pretrain(
    recipe: &PretrainRecipe,
    dataset: &Arc<Dataset>,
    device: &Device,
    cancel: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(&PretrainReport),
) -> Result<(Config, Weights)> {
    let config = config(recipe, dataset)?;
    let transform = Arc::new(Transform::new(&transform_spec(&config))?);
    let train = &recipe.train;
    let key = Key::new(recipe.seed).named("pretrain");
    let weights = initialise(&config, key.named("initialise"), device)?;
    let mut trainer = FullTrainer::new(
        &config,
        &weights,
        train.weight_decay,
        train.label_smoothing,
        decays_as_timm,
    )?;
    let batches = Arc::new(TrainBatches::new(
        dataset.clone(),
        transform,
        train.augment.clone(),
        train.batch_size,
        key.named("batches"),
    ));
    let per_epoch = batches.steps_per_epoch();
    let steps = train.epochs * per_epoch;
    let mut epoch = Epoch::default();
    for (step, batch) in batches.prefetch(0, steps).enumerate() {
        if cancel() {
            return Err(Error::Cancelled);
        }
        let batch = batch?;
        let (x, labels) = tensors(&batch, device)?;
        let lr = learning_rate(train.lr, step, steps, train.warmup);
        let (loss, correct) = trainer.step(&x, &labels, lr)?;
        epoch.add(loss, correct, batch.labels.len());
        let report = PretrainReport {
            step: step + 1,
            steps,
            epoch: step / per_epoch + 1,
            epoch_ends: (step + 1) % per_epoch == 0,
            loss: epoch.loss / epoch.images as f64,
            accuracy: epoch.correct as f64 / epoch.images as f64,
            lr,
        };
        progress(&report);
        if report.epoch_ends {
            epoch = Epoch::default();
        }
    }
    trainer.check_finite(train.lr)?;
    Ok((config, trainer.weights()?))
}

/// Sums over an epoch's images.
#[derive(Default)]
struct Epoch {
    loss: f64,
    correct: usize,
    images: usize,
}

impl Epoch {
    fn add(&mut self, loss: f32, correct: usize, images: usize) {
        self.loss += f64::from(loss) * images as f64;
        self.correct += correct;
        self.images += images;
    }
}

fn config(recipe: &PretrainRecipe, dataset: &Dataset) -> Result<Config> {
    let json = serde_json::to_vec(&recipe.backbone)
        .map_err(|e| Error::internal(format!("a recipe's backbone is no JSON: {e}")))?;
    let config = Config::from_json(&json)?;
    let classes = dataset.classes.len();
    if config.num_classes != classes {
        return Err(Error::input(format!(
            "backbone.num_classes is {}, but {} has {classes} classes: make them equal",
            config.num_classes, dataset.id
        )));
    }
    if dataset.train.is_empty() {
        return Err(Error::input(format!(
            "{} has no training images to pretrain on",
            dataset.id
        )));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::{Backbone, to_safetensors};
    use crate::data::{Class, Images};
    use crate::recipe::{Augment, DataOptions, FoundationRecipe, LoadingRecipe, PretrainTrain};
    use crate::train::{Head, testing};

    /// Bright bars at a height that is the class.
    fn dataset(classes: usize) -> Arc<Dataset> {
        let images = |n: usize| {
            let bar = |i: usize| i % 1024 / 32 / 5 == i / 1024 % classes;
            let pixels = (0..n * 1024).map(|i| if bar(i) { 255 } else { 0 });
            let labels = (0..n).map(|i| (i % classes) as u32);
            Images::raw([1, 32, 32], pixels.collect(), labels.collect())
        };
        let class = |i: usize| Class {
            name: i.to_string(),
            group: String::new(),
        };
        Arc::new(Dataset {
            id: "bars".into(),
            classes: (0..classes).map(class).collect(),
            train: images(23),
            test: images(5),
        })
    }

    fn recipe(json: &str, lr: f64) -> PretrainRecipe {
        PretrainRecipe {
            name: "small".into(),
            description: String::new(),
            seed: 3,
            backbone: serde_json::from_str(json).unwrap(),
            data: LoadingRecipe::default(),
            foundation: FoundationRecipe {
                data: "bundled:bars".into(),
                id: None,
                options: DataOptions::default(),
            },
            train: PretrainTrain {
                epochs: 6,
                batch_size: 6,
                lr,
                weight_decay: 0.05,
                warmup: 0.1,
                label_smoothing: 0.05,
                augment: Augment::default(),
            },
        }
    }

    fn run(json: &str) -> (Vec<PretrainReport>, Config, Weights) {
        let mut reports = Vec::new();
        let (config, weights) = pretrain(
            &recipe(json, 3e-3),
            &dataset(testing::CLASSES),
            &Device::Cpu,
            &|| false,
            &mut |r| reports.push(*r),
        )
        .unwrap();
        (reports, config, weights)
    }

    #[test]
    fn it_learns_reports_and_comes_again_bit_for_bit() {
        for json in [testing::VIT, testing::RESNET] {
            let (reports, config, weights) = run(json);
            // 23 images in batches of 6: four steps an epoch, the last one smaller.
            let steps: Vec<_> = reports.iter().map(|r| (r.step, r.epoch)).collect();
            let expected: Vec<_> = (1..=24).map(|s| (s, (s - 1) / 4 + 1)).collect();
            assert_eq!(steps, expected);
            let epochs: Vec<_> = reports.iter().filter(|r| r.epoch_ends).collect();
            assert_eq!(epochs.len(), 6);
            assert!(epochs[5].loss < epochs[0].loss, "{epochs:?}");
            assert!(epochs[5].accuracy > epochs[0].accuracy, "{epochs:?}");
            assert!(reports[0].lr < reports[2].lr && reports[23].lr < reports[2].lr);
            Backbone::new(&config, &weights).unwrap();
            assert_eq!(Head::pretrained(&config, &weights).unwrap().classes(), 5);
            let again = run(json).2;
            assert!(to_safetensors(&weights).unwrap() == to_safetensors(&again).unwrap());
        }
    }

    #[test]
    fn mistakes_are_told_and_cancel_is_obeyed() {
        let ignore = &mut |_: &PretrainReport| {};
        let mut refused = |recipe, data: &Arc<Dataset>| {
            let result = pretrain(&recipe, data, &Device::Cpu, &|| false, ignore);
            result.err().unwrap().to_string()
        };
        let good = dataset(testing::CLASSES);
        let text = refused(recipe(testing::VIT, 1e-3), &dataset(4));
        assert!(text.contains("num_classes is 5, but bars has 4"), "{text}");
        let text = refused(recipe(r#"{"architecture": "vgg11"}"#, 1e-3), &good);
        assert!(text.contains("vgg11"), "{text}");
        let text = refused(recipe(testing::VIT, 1e38), &good);
        assert!(text.contains("no longer finite at step"), "{text}");
        let recipe = recipe(testing::VIT, 1e-3);
        let mut steps = 0;
        let asked = std::cell::Cell::new(0);
        let cancel = || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        };
        let result = pretrain(&recipe, &good, &Device::Cpu, &cancel, &mut |_| steps += 1);
        assert!(matches!(result, Err(Error::Cancelled)));
        assert_eq!(steps, 3);
    }
}
