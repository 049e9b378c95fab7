//! How long runs will take, from a step that is measured here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;

use crate::backbone::{Backbone, Pass};
use crate::data::{self, Batch};
use crate::lab::{PROTOTYPE_PER_CLASS, WATCH_LIMIT, open_backbone};
use crate::progress::Onlooker;
use crate::random::Key;
use crate::recipe::Recipe;
use crate::speed::noise;
use crate::train::{Head, Start, TaskTrainer, Teacher, tensors};
use crate::{Error, Result};

/// Rounds that count, after one that does not.
const ROUNDS: usize = 3;
/// Images that inference is measured on.
const IMAGES: usize = 32;
/// Steps of the training that is measured: so many that its schedule has not ended.
const ENDLESS: usize = 1 << 20;

/// What a run has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Training steps.
    pub steps: usize,
    /// Images that go through the backbone without training.
    pub images: usize,
}

impl Work {
    /// Counts it, without decoding a picture: the steps of all tasks, every test set after every merge, the images that
    /// similarity is taken from, and the provisional measurements.
    ///
    /// # Errors
    /// [`Error::Input`] where data is not there: of the hub only what is in its cache can be counted.
    pub fn of(recipe: &Recipe, onlooker: &mut dyn Onlooker) -> Result<Self> {
        let opened = data::listed(recipe, onlooker)?;
        let foundation = opened.foundation.test.len();
        let prototypes = |classes: usize, images: usize| images.min(PROTOTYPE_PER_CLASS * classes);
        let mut images = foundation + prototypes(opened.foundation.classes.len(), foundation);
        let mut steps = 0;
        let mut seen: Vec<(&str, usize)> = Vec::new();
        for (i, (task, data)) in recipe.tasks.iter().zip(&opened.tasks).enumerate() {
            let batch = recipe.train.batch_size.max(1);
            let own = recipe.budget(i).steps(data.train.len().div_ceil(batch));
            steps += own;
            if seen.iter().all(|(column, _)| *column != task.column()) {
                seen.push((task.column(), data.test.len()));
            }
            let watches = own.checked_div(recipe.train.watch_every).unwrap_or(0);
            let row = foundation + seen.iter().map(|(_, n)| n).sum::<usize>();
            images += row
                + prototypes(data.classes.len(), data.train.len())
                + watches * (2 * WATCH_LIMIT).min(foundation + data.test.len());
        }
        Ok(Self { steps, images })
    }
}

/// How fast this machine does it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Seconds of a training step.
    pub step: f64,
    /// Seconds of an image that goes through the backbone without training.
    pub image: f64,
}

impl Rate {
    /// Measures it on noise, with the backbone, the batch, the targets and the mode of `recipe`, on all threads of this
    /// process: the median of three.
    ///
    /// # Errors
    /// [`Error::Input`] where the backbone is not to be had; [`Error::Cancelled`] if the onlooker cancels.
    pub fn measure(recipe: &Recipe, device: &Device, onlooker: &mut dyn Onlooker) -> Result<Self> {
        let (config, mut weights, _) = open_backbone(&recipe.backbone, device, onlooker)?;
        let head = Head::pretrained(&config, &weights)?;
        weights.retain(|name, _| !name.starts_with(&format!("{}.", config.classifier())));
        let backbone = Arc::new(Backbone::new(&config, &weights)?);
        let size = backbone.input_size();
        let key = Key::new(1);
        let classes = head.classes();
        let batch = noise(recipe.train.batch_size, classes, size, key.named("batch"));
        let teacher = recipe.train.lwf.map(|lwf| Teacher {
            backbone: Arc::clone(&backbone),
            heads: vec![head.clone()],
            lwf,
        });
        let start = Start {
            backbone: Arc::clone(&backbone),
            weights,
            head: Some(head.clone()),
            teacher,
        };
        let mut trainer =
            TaskTrainer::new(start, &recipe.lora, &recipe.train, classes, ENDLESS, key)?;
        let step = median(onlooker, || {
            trainer.step(&batch)?;
            Ok(device.synchronize()?)
        })?;
        drop(trainer);
        let batch = noise(IMAGES, classes, size, key.named("images"));
        let image = median(onlooker, || {
            infer(&backbone, &head, &batch, device)?;
            Ok(device.synchronize()?)
        })?;
        Ok(Self {
            step,
            image: image / IMAGES as f64,
        })
    }

    /// The time that work takes at this rate.
    pub fn time(&self, work: &Work) -> Duration {
        let seconds = self.step * work.steps as f64 + self.image * work.images as f64;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

fn infer(backbone: &Backbone, head: &Head, batch: &Batch, device: &Device) -> Result<()> {
    let (x, _) = tensors(batch, device)?;
    head.logits(&backbone.features(&x, &Pass::eval())?)?;
    Ok(())
}

/// Seconds that `work` takes, the median of some rounds.
fn median(onlooker: &mut dyn Onlooker, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let mut seconds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        if onlooker.cancels() {
            return Err(Error::Cancelled);
        }
        let begun = Instant::now();
        work()?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[ROUNDS / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Nobody;

    #[test]
    fn the_work_of_the_demo_is_what_it_does() {
        let recipe = Recipe::load("demo", &["train.watch_every=0".into()]).unwrap();
        let opened = data::open(&recipe, None, &mut Nobody).unwrap();
        let work = Work::of(&recipe, &mut Nobody).unwrap();
        let steps: usize = (0..recipe.tasks.len())
            .map(|i| {
                let images = opened.tasks[i].train.len();
                recipe
                    .budget(i)
                    .steps(images.div_ceil(recipe.train.batch_size))
            })
            .sum();
        assert_eq!(work.steps, steps);
        let test = |i: usize| opened.tasks[i].test.len();
        let n = recipe.tasks.len();
        let tasks: usize = (0..n).map(|i| (n - i) * test(i)).sum();
        let prototypes: usize = opened
            .tasks
            .iter()
            .map(|t| t.train.len().min(50 * t.classes.len()))
            .sum();
        let foundation = opened.foundation.test.len();
        let own = foundation.min(50 * opened.foundation.classes.len());
        assert_eq!(work.images, (n + 1) * foundation + tasks + prototypes + own);
        // With provisional measurements there is more to do.
        let watched = Recipe::load("demo", &["train.watch_every=10".into()]).unwrap();
        assert!(Work::of(&watched, &mut Nobody).unwrap().images > work.images);
    }

    #[test]
    fn a_rate_is_measured_for_every_mode() {
        for set in ["lora.mode=merge", "lora.mode=full", "train.lwf={}"] {
            let overrides = [set.to_owned(), "train.batch_size=2".into()];
            let recipe = Recipe::load("demo", &overrides).unwrap();
            let rate = Rate::measure(&recipe, &Device::Cpu, &mut Nobody).unwrap();
            assert!(rate.step > 0.0 && rate.image > 0.0, "{set}: {rate:?}");
            let work = Work {
                steps: 10,
                images: 100,
            };
            let seconds = 10.0 * rate.step + 100.0 * rate.image;
            assert!((rate.time(&work).as_secs_f64() - seconds).abs() < 1e-6);
        }
    }
}
