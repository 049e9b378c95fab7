//! Batches: what to show at a step is a function of a key and the step.
use std::sync::Arc;

use super::{Dataset, Images, Transform};
use crate::Result;
use crate::random::Key;
use crate::recipe::Augment;

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
pub struct TrainBatches {}

impl TrainBatches {
    /// All from the same key.
    pub fn new(
        _dataset: Arc<Dataset>,
        _transform: Arc<Transform>,
        _augment: Augment,
        _batch_size: usize,
        _key: Key,
    ) -> Self {
        todo!()
    }

    /// Steps in which every image is seen once; the last may be a smaller batch.
    pub fn steps_per_epoch(&self) -> usize {
        todo!()
    }

    /// The batch of a step, counted from 0.
    pub fn batch(&self, _step: usize) -> Result<Batch> {
        todo!()
    }

    /// The batches of steps `first..end`, made ahead on a thread of their own.
    pub fn prefetch(self: &Arc<Self>, _first: usize, _end: usize) -> Prefetch {
        todo!()
    }
}

/// Batches made ahead of their use; dropped, its thread ends.
pub struct Prefetch {}

impl Iterator for Prefetch {
    type Item = Result<Batch>;
    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}

/// The images in order, in batches, for evaluation.
pub fn eval_batches(
    images: &Images,
    _transform: &Transform,
    batch_size: usize,
) -> impl Iterator<Item = Result<Batch>> {
    (0..images.len())
        .step_by(batch_size.max(1))
        .map(|_| todo!())
}
