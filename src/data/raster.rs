//! An 8-bit image on its way to a backbone.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::crop::Area;
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

    /// The part of the image in `area`, which lies inside it.
    pub fn cut(&self, area: Area) -> Self {
        let (row, width) = (self.width * self.channels, area.width * self.channels);
        let left = area.left * self.channels;
        let mut pixels = Vec::with_capacity(area.height * width);
        let lines = self.pixels.chunks_exact(row.max(1)).skip(area.top);
        for line in lines.take(area.height) {
            pixels.extend_from_slice(&line[left..left + width]);
        }
        Self {
            height: area.height,
            width: area.width,
            pixels,
            ..*self
        }
    }

    /// The centre, of this size. Where the image is the smaller one, what is missing is black, as torchvision's
    /// `CenterCrop` has it.
    pub fn centre(self, height: usize, width: usize) -> Self {
        if (self.height, self.width) == (height, width) {
            return self;
        }
        let (top, left) = (margin(self.height, height), margin(self.width, width));
        if self.height >= height && self.width >= width {
            return self.cut(Area {
                top: top as usize,
                left: left as usize,
                height,
                width,
            });
        }
        let mut pixels = Vec::with_capacity(height * width * self.channels);
        for y in 0..height as isize {
            for x in 0..width as isize {
                pixels.extend((0..self.channels).map(|c| self.at(y + top, x + left, c)));
            }
        }
        Self {
            height,
            width,
            pixels,
            ..self
        }
    }

    /// Left and right changed.
    pub fn flipped(mut self) -> Self {
        let row = (self.width * self.channels).max(1);
        for line in self.pixels.chunks_exact_mut(row) {
            match self.channels {
                3 => line.as_chunks_mut::<3>().0.reverse(),
                _ => line.reverse(),
            }
        }
        self
    }

    /// Every sample changed.
    pub fn map(self, change: impl Fn(u8) -> u8) -> Self {
        let table: [u8; 256] = std::array::from_fn(|v| change(v as u8));
        let mut pixels = self.pixels;
        for v in &mut pixels {
            *v = table[usize::from(*v)];
        }
        Self { pixels, ..self }
    }

    /// One channel: colours become ITU-R 601 luma.
    pub fn grey(self) -> Self {
        if self.channels == 1 {
            return self;
        }
        Self {
            pixels: self.lumas().collect(),
            channels: 1,
            ..self
        }
    }

    /// The luma of each pixel.
    pub fn lumas(&self) -> impl Iterator<Item = u8> {
        let of = |pixel: &[u8]| {
            if pixel.len() == 3 {
                luma(pixel)
            } else {
                pixel[0]
            }
        };
        self.pixels.chunks_exact(self.channels).map(of)
    }

    /// Resizes as Pillow 13 does, in two passes with rounding in between, which matters where a bicubic
    /// overshoots: along rows first, unless the height shrinks by more than twice what the width does.
    pub fn resize(self, height: usize, width: usize, filter: ResizeAlg) -> Result<Self> {
        let lost = |from: usize, to: usize| from as isize - to as isize;
        let rows = lost(self.height, height);
        let between = match filter {
            ResizeAlg::Convolution(_) if rows > 0 && rows > 2 * lost(self.width, width) => {
                (height, self.width)
            }
            ResizeAlg::Convolution(_) => (self.height, width),
            _ => (height, width),
        };
        self.resize_at_once(between.0, between.1, filter)?
            .resize_at_once(height, width, filter)
    }

    fn resize_at_once(self, height: usize, width: usize, filter: ResizeAlg) -> Result<Self> {
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
