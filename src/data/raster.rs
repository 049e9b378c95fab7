//! An 8-bit image on its way to a backbone.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::{Error, Result};

/// An image in the making: `[h, w, c]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Raster {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub pixels: Vec<u8>,
}

impl Raster {
    /// A sample; 0 outside the image.
    pub fn at(&self, y: isize, x: isize, channel: usize) -> u8 {
        let inside =
            (0..self.height as isize).contains(&y) && (0..self.width as isize).contains(&x);
        if inside {
            self.pixels[(y as usize * self.width + x as usize) * self.channels + channel]
        } else {
            0
        }
    }

    /// Resizes as Pillow does, to within 1 of 255.
    pub fn resize(self, height: usize, width: usize, filter: ResizeAlg) -> Result<Self> {
        if (height, width) == (self.height, self.width) {
            return Ok(self);
        }
        let failed = |e: &dyn std::fmt::Display| Error::internal(format!("resizing an image: {e}"));
        let pixel = if self.channels == 1 {
            PixelType::U8
        } else {
            PixelType::U8x3
        };
        let (w, h) = (self.width as u32, self.height as u32);
        let source = ImageRef::new(w, h, &self.pixels, pixel).map_err(|e| failed(&e))?;
        let mut target = Image::new(width as u32, height as u32, pixel);
        let options = ResizeOptions::new().resize_alg(filter);
        Resizer::new()
            .resize(&source, &mut target, &options)
            .map_err(|e| failed(&e))?;
        Ok(Self {
            height,
            width,
            pixels: target.into_vec(),
            ..self
        })
    }
}

/// Where a centre crop begins: torchvision rounds halves to even, and where the image is the smaller one
/// pads the shorter half first.
pub(super) fn margin(image: usize, crop: usize) -> isize {
    if image >= crop {
        ((image - crop) as f64 / 2.0).round_ties_even() as isize
    } else {
        -(((crop - image) / 2) as isize)
    }
}

/// Pillow's conversion to `L`.
pub(super) fn luma(rgb: &[u8]) -> u8 {
    let weighted = rgb.iter().zip([19_595, 38_470, 7_471]);
    ((weighted
        .map(|(&v, weight)| u32::from(v) * weight)
        .sum::<u32>()
        + 0x8000)
        >> 16) as u8
}
