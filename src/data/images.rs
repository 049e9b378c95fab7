//! A set of pictures with their labels, in memory or encoded.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::encoded::Encoded;
use super::raster::Raster;
use super::transform::Frame;
use crate::{Error, Result};

/// Pictures with their labels. Parts of a set share its pictures, so that a part costs an index an image.
#[derive(Clone, Debug)]
pub struct Images {
    store: Arc<Store>,
    /// Which of the store's pictures these are.
    picks: Vec<usize>,
    /// A class index for each image.
    pub labels: Vec<u32>,
}

#[derive(Debug)]
enum Store {
    /// Pixels of pictures of one size.
    Raw {
        /// Channels, height, width.
        size: [usize; 3],
        /// `[n, h, w, c]`, 8 bits a sample.
        pixels: Vec<u8>,
    },
    /// JPEG, PNG and so on, of any size.
    Encoded(Encoded),
}

impl Images {
    /// Pictures of one size (channels, height, width) from their pixels, `[n, h, w, c]`.
    pub fn raw(size: [usize; 3], pixels: Vec<u8>, labels: Vec<u32>) -> Self {
        Self {
            picks: (0..labels.len()).collect(),
            store: Arc::new(Store::Raw { size, pixels }),
            labels,
        }
    }

    /// No pictures.
    pub fn none() -> Self {
        Self::raw([1, 1, 1], Vec::new(), Vec::new())
    }

    /// The pictures of `store` at `picks`.
    pub(super) fn encoded(store: Encoded, picks: Vec<usize>, labels: Vec<u32>) -> Self {
        Self {
            store: Arc::new(Store::Encoded(store)),
            picks,
            labels,
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The images at these indices, in this order; an index beyond the end is left out.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let inside = || indices.iter().filter(|&&i| i < self.len());
        Self {
            store: Arc::clone(&self.store),
            picks: inside().map(|&i| self.picks[i]).collect(),
            labels: inside().map(|&i| self.labels[i]).collect(),
        }
    }

    /// What a user finds image `i` by: a path, a file and a row, or its number among those of a bundled set.
    pub fn name(&self, i: usize) -> String {
        match (&*self.store, self.picks.get(i)) {
            (Store::Encoded(encoded), Some(&pick)) => encoded.name(pick),
            (Store::Raw { .. }, Some(pick)) => pick.to_string(),
            (_, None) => String::new(),
        }
    }

    /// The images whose label `rename` gives another one to.
    pub(super) fn relabelled(&self, rename: impl Fn(u32) -> Option<u32>) -> Self {
        let new: Vec<Option<u32>> = self.labels.iter().map(|&l| rename(l)).collect();
        let kept: Vec<usize> = (0..self.len()).filter(|&i| new[i].is_some()).collect();
        let mut part = self.subset(&kept);
        part.labels = new.into_iter().flatten().collect();
        part
    }

    /// Where the pictures are in files: they, and which of them these are.
    pub(super) fn of_files(&self) -> Option<(&Encoded, &[usize])> {
        match &*self.store {
            Store::Raw { .. } => None,
            Store::Encoded(encoded) => Some((encoded, &self.picks)),
        }
    }

    /// Threads that pay off when these are decoded; 1 where there is little to do.
    pub(super) fn workers(&self) -> usize {
        match &*self.store {
            Store::Raw { .. } => 1,
            Store::Encoded(encoded) => encoded.workers,
        }
    }

    /// Image `i`, decoded.
    pub(super) fn raster(&self, i: usize) -> Result<Raster> {
        let pick = self.pick(i)?;
        match &*self.store {
            Store::Encoded(encoded) => encoded.raster(pick),
            Store::Raw { size, pixels } => {
                let n: usize = size.iter().product();
                let pixels = pixels.get(pick * n..(pick + 1) * n).ok_or_else(|| {
                    Error::internal(format!("picture {pick} of a set is not in its pixels"))
                })?;
                let [channels, height, width] = *size;
                Ok(Raster {
                    channels,
                    height,
                    width,
                    pixels: pixels.to_vec(),
                })
            }
        }
    }

    /// Hands `take` image `i` as `make` crops it for `frame`: from memory where it was made before.
    pub(super) fn with_crop(
        &self,
        i: usize,
        frame: &Frame,
        make: impl FnOnce() -> Result<Raster>,
        take: impl FnOnce(&[u8]),
    ) -> Result<()> {
        match &*self.store {
            Store::Raw { .. } => take(&make()?.pixels),
            Store::Encoded(encoded) => encoded.crops.with(self.pick(i)?, frame, make, take)?,
        }
        Ok(())
    }

    /// SHA-256 of what makes these images these.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        self.fingerprint(&mut hash);
        crate::files::hex(&hash.finalize())
    }

    /// Feeds what makes these images these: sizes and pixels, or what the files hold, and labels.
    pub(super) fn fingerprint(&self, hash: &mut Sha256) {
        let number = |n: usize| (n as u64).to_le_bytes();
        match &*self.store {
            Store::Raw { size, pixels } => {
                for n in size.iter().copied().chain([self.len()]) {
                    hash.update(number(n));
                }
                let n: usize = size.iter().product();
                for &pick in &self.picks {
                    hash.update(pixels.get(pick * n..(pick + 1) * n).unwrap_or_default());
                }
            }
            Store::Encoded(encoded) => {
                hash.update(number(self.len()));
                for &pick in &self.picks {
                    hash.update(encoded.digests.get(pick).unwrap_or(&[0; 32]));
                }
            }
        }
        for label in &self.labels {
            hash.update(label.to_le_bytes());
        }
    }

    fn pick(&self, i: usize) -> Result<usize> {
        self.picks
            .get(i)
            .copied()
            .ok_or_else(|| Error::internal(format!("image {i} of {} was asked for", self.len())))
    }

    /// Channels, height, width of raw pictures.
    #[cfg(test)]
    pub(super) fn size(&self) -> Option<[usize; 3]> {
        match &*self.store {
            Store::Raw { size, .. } => Some(*size),
            Store::Encoded(_) => None,
        }
    }

    /// The samples of image `i`, `[h, w, c]`; empty when there is no such image.
    #[cfg(test)]
    pub(super) fn image(&self, i: usize) -> Vec<u8> {
        self.raster(i).map(|r| r.pixels).unwrap_or_default()
    }
}
