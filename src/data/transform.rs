//! From stored pixels to a backbone's input: timm's evaluation transform.
use super::Images;
use crate::Result;
use crate::random::Key;
use crate::recipe::Augment;

/// What a backbone wants, in the words of timm's `pretrained_cfg`.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformSpec {
    /// Channels, height, width.
    pub size: [usize; 3],
    /// One a channel, of samples in [0, 1].
    pub mean: Vec<f32>,
    /// Likewise.
    pub std: Vec<f32>,
    /// `bicubic`, `bilinear`, `nearest`, `lanczos`, `box` or `hamming`.
    pub interpolation: String,
    /// The image is resized to size/crop_pct before the central crop.
    pub crop_pct: f64,
    /// `center` or `squash`.
    pub crop_mode: String,
}

/// A checked [`TransformSpec`].
#[derive(Clone, Debug)]
pub struct Transform {}

impl Transform {
    /// Checks the specification.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for what timm would not accept or this program does not know.
    pub fn new(_spec: &TransformSpec) -> Result<Self> {
        todo!()
    }

    /// Channels, height, width of what comes out.
    pub fn size(&self) -> [usize; 3] {
        todo!()
    }

    /// Writes image `i` to `out` (`[c, h, w]`, normalised) as timm's evaluation transform has it.
    pub fn evaluate(&self, _images: &Images, _i: usize, _out: &mut [f32]) -> Result<()> {
        todo!()
    }

    /// The same after a random change of the image that `key` decides.
    pub fn train(
        &self,
        _images: &Images,
        _i: usize,
        _augment: &Augment,
        _key: Key,
        _out: &mut [f32],
    ) -> Result<()> {
        todo!()
    }
}
