//! Where images come from: sources, classes, splits, transforms, loading.

mod batches;
mod bundled;
mod transform;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Result;

pub use batches::{Batch, Prefetch, TrainBatches, eval_batches};
pub use transform::{Transform, TransformSpec};

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name, as data has it; never printed raw to a terminal.
    pub name: String,
    /// Its group, empty if the data has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
}

/// Pictures of one size, with their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Channels, height, width.
    pub size: [usize; 3],
    /// `[n, h, w, c]`, 8 bits a sample.
    pub pixels: Vec<u8>,
    /// A class index for each image.
    pub labels: Vec<u32>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The samples of image `i`, `[h, w, c]`; empty when there is no such image.
    pub fn image(&self, i: usize) -> &[u8] {
        let n: usize = self.size.iter().product();
        self.pixels.get(i * n..(i + 1) * n).unwrap_or_default()
    }
}

/// A labelled set with its split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// `latin`, `parity`, …
    pub id: String,
    /// In label order.
    pub classes: Vec<Class>,
    /// What tasks learn from.
    pub train: Images,
    /// What accuracy is measured on; by designs that are absent from `train`.
    pub test: Images,
}

/// Opens `bundled:NAME`; decoded once per process.
///
/// # Errors
/// [`crate::Error::Input`] for another scheme or an unknown name.
pub fn open(source: &str) -> Result<Arc<Dataset>> {
    bundled::open(source)
}
