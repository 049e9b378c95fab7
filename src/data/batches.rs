//! Batches: what is shown at a step is a function of a key and the step, whoever asks and when.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Dataset, Images, Prefetch, Transform};
use crate::random::Key;
use crate::recipe::Augment;
use crate::{Error, Result};

/// Batches that a single prefetching thread makes ahead; several hold the one that they are at.
const AHEAD: usize = 3;
/// Orders of epochs that are kept: threads work at the end of one and at the start of the next.
const ORDERS: usize = 2;

/// Images ready for the backbone.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[b, c, h, w]`, normalised.
    pub pixels: Vec<f32>,
    /// `[b]`
    pub labels: Vec<u32>,
    /// Channels, height, width.
    pub size: [usize; 3],
}

/// The training batches of one task: a pure function of (key, step).
pub struct TrainBatches {
    dataset: Arc<Dataset>,
    transform: Arc<Transform>,
    augment: Augment,
    batch_size: usize,
    key: Key,
    /// The orders of the last epochs, since steps come one after another.
    orders: Mutex<Vec<(usize, Arc<Vec<usize>>)>>,
}

impl TrainBatches {
    /// Batches of `dataset`'s training images, the order and the changes of the images all from `key`.
    pub fn new(
        dataset: Arc<Dataset>,
        transform: Arc<Transform>,
        augment: Augment,
        batch_size: usize,
        key: Key,
    ) -> Self {
        Self {
            orders: Mutex::new(Vec::new()),
            dataset,
            transform,
            augment,
            batch_size: batch_size.max(1),
            key,
        }
    }

    /// Steps in which every image is shown once; the last batch of them may be smaller.
    pub fn steps_per_epoch(&self) -> usize {
        self.dataset.train.len().div_ceil(self.batch_size)
    }

    /// The batch of a step, counted from 0.
    ///
    /// # Errors
    /// [`Error::Input`] if there are no training images.
    pub fn batch(&self, step: usize) -> Result<Batch> {
        let steps = self.steps_per_epoch();
        if steps == 0 {
            let id = &self.dataset.id;
            return Err(Error::input(format!(
                "the data {id} has no training images"
            )));
        }
        let (epoch, within) = (step / steps, step % steps);
        let order = self.order(epoch);
        let first = within * self.batch_size;
        let chosen = &order[first..order.len().min(first + self.batch_size)];
        let key = self.key.named("augment").index(epoch as u64);
        make(&self.dataset.train, chosen, &self.transform, |i, out| {
            let key = key.index(i as u64);
            self.transform
                .train(&self.dataset.train, i, &self.augment, key, out)
        })
    }

    fn order(&self, epoch: usize) -> Arc<Vec<usize>> {
        let mut kept = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = kept.iter().find(|(of, _)| *of == epoch) {
            return Arc::clone(order);
        }
        let key = self.key.named("shuffle").index(epoch as u64);
        let order = Arc::new(key.permutation(self.dataset.train.len()));
        kept.truncate(ORDERS - 1);
        kept.insert(0, (epoch, Arc::clone(&order)));
        order
    }

    /// The batches of steps `first..end`, made ahead on threads of their own.
    pub fn prefetch(self: &Arc<Self>, first: usize, end: usize) -> Prefetch<Batch> {
        let threads = self.dataset.train.workers();
        let batches = Arc::clone(self);
        Prefetch::new([first, end], threads, ahead(threads), move |step| {
            batches.batch(step)
        })
    }
}

fn ahead(threads: usize) -> usize {
    if threads == 1 { AHEAD } else { 0 }
}

/// The images in order, in batches, as evaluation wants them.
/// Encoded images are decoded ahead, on threads of their own.
pub fn eval_batches(
    images: &Images,
    transform: &Transform,
    batch_size: usize,
) -> Box<dyn Iterator<Item = Result<Batch>>> {
    let batch_size = batch_size.max(1);
    let (images, transform) = (images.clone(), transform.clone());
    let (threads, batches) = (images.workers(), images.len().div_ceil(batch_size));
    let batch = move |b: usize| {
        let first = b * batch_size;
        let chosen: Vec<usize> = (first..images.len().min(first + batch_size)).collect();
        make(&images, &chosen, &transform, |i, out| {
            transform.evaluate(&images, i, out)
        })
    };
    if threads == 1 {
        Box::new((0..batches).map(batch))
    } else {
        Box::new(Prefetch::new([0, batches], threads, 0, batch))
    }
}

fn make(
    images: &Images,
    chosen: &[usize],
    transform: &Transform,
    write: impl Fn(usize, &mut [f32]) -> Result<()>,
) -> Result<Batch> {
    let size = transform.size();
    let samples: usize = size.iter().product();
    let mut pixels = vec![0.0; samples * chosen.len()];
    for (&i, out) in chosen.iter().zip(pixels.chunks_exact_mut(samples)) {
        write(i, out)?;
    }
    Ok(Batch {
        pixels,
        labels: chosen.iter().map(|&i| images.labels[i]).collect(),
        size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Class, TransformSpec};

    /// Ten 2×2 images; image i is all i and has label i.
    fn ten() -> Images {
        Images::raw(
            [1, 2, 2],
            (0..40).map(|i| i / 4).collect(),
            (0..10).collect(),
        )
    }

    fn transform() -> Transform {
        Transform::new(&TransformSpec {
            size: [1, 2, 2],
            mean: vec![0.0],
            std: vec![1.0 / 255.0],
            interpolation: "bicubic".into(),
            crop_pct: 1.0,
            crop_mode: "center".into(),
        })
        .unwrap()
    }

    fn batches(train: Images, augment: Augment, seed: u64) -> Arc<TrainBatches> {
        let class = |i: u32| Class {
            name: i.to_string(),
            group: String::new(),
        };
        let dataset = Dataset {
            id: "ten".into(),
            classes: (0..10).map(class).collect(),
            test: train.clone(),
            train,
        };
        Arc::new(TrainBatches::new(
            Arc::new(dataset),
            Arc::new(transform()),
            augment,
            4,
            Key::new(seed),
        ))
    }

    #[test]
    fn an_epoch_shows_every_image_once_and_each_epoch_in_another_order() {
        let batches = batches(ten(), Augment::default(), 1);
        assert_eq!(batches.steps_per_epoch(), 3);
        let epoch = |e: usize| -> Vec<u32> {
            (3 * e..3 * e + 3)
                .flat_map(|step| batches.batch(step).unwrap().labels)
                .collect()
        };
        let (first, second) = (epoch(0), epoch(1));
        assert_ne!(first, second);
        for mut labels in [first, second] {
            labels.sort_unstable();
            assert_eq!(labels, (0..10).collect::<Vec<u32>>());
        }
        let last = batches.batch(2).unwrap();
        assert_eq!((last.labels.len(), last.pixels.len()), (2, 8));
        for (label, pixels) in last.labels.iter().zip(last.pixels.chunks(4)) {
            assert!(pixels.iter().all(|p| (p - *label as f32).abs() < 1e-4));
        }
    }

    #[test]
    fn batches_depend_on_key_and_step_alone() {
        let augment = Augment {
            rotate: 10.0,
            shift: 1.0,
            stroke: 0.5,
            ..Augment::default()
        };
        let one = batches(ten(), augment.clone(), 1);
        let straight: Vec<Batch> = (0..9).map(|step| one.batch(step).unwrap()).collect();
        let two = batches(ten(), augment.clone(), 1);
        for step in [8, 0, 4, 4, 7] {
            assert_eq!(two.batch(step).unwrap(), straight[step]);
        }
        let resumed: Vec<Batch> = two.prefetch(5, 9).map(Result::unwrap).collect();
        assert_eq!(resumed, straight[5..]);
        assert_ne!(batches(ten(), augment, 2).batch(0).unwrap(), straight[0]);
    }

    #[test]
    fn a_prefetch_that_is_dropped_ends_its_thread() {
        let batches = batches(ten(), Augment::default(), 1);
        let mut prefetch = batches.prefetch(0, 1_000_000);
        assert!(prefetch.next().unwrap().is_ok());
        drop(prefetch);
        assert_eq!(Arc::strong_count(&batches), 1);
        assert_eq!(batches.prefetch(3, 3).count(), 0);
        assert_eq!(batches.prefetch(3, 1).count(), 0);
    }

    #[test]
    fn an_error_comes_once_and_ends_the_batches() {
        let batches = batches(Images::none(), Augment::default(), 1);
        assert_eq!(batches.steps_per_epoch(), 0);
        let mut prefetch = batches.prefetch(0, 5);
        let error = prefetch.next().unwrap().unwrap_err();
        assert!(
            error.to_string().contains("ten has no training images"),
            "{error}"
        );
        assert!(prefetch.next().is_none());
    }

    #[test]
    fn evaluation_takes_the_images_in_order() {
        let (images, transform) = (ten(), transform());
        let all: Vec<Batch> = eval_batches(&images, &transform, 4)
            .map(Result::unwrap)
            .collect();
        let labels: Vec<u32> = all.iter().flat_map(|b| b.labels.clone()).collect();
        assert_eq!((all.len(), labels), (3, images.labels.clone()));
        assert_eq!(all[0].size, [1, 2, 2]);
        assert!((all[2].pixels[4] - 9.0).abs() < 1e-4);
    }
}
