//! From stored pixels to a backbone's input: timm's evaluation transform, and the same after a random change.

use fast_image_resize::{FilterType, ResizeAlg};

use super::raster::Raster;
use super::{Images, augment, crop};
use crate::random::Key;
use crate::recipe::Augment;
use crate::{Error, Result};

/// What a backbone wants, in the words of timm's `pretrained_cfg`.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformSpec {
    /// Channels, height, width.
    pub size: [usize; 3],
    /// One, or one a channel; of samples in [0, 1].
    pub mean: Vec<f32>,
    /// Likewise.
    pub std: Vec<f32>,
    /// `bicubic`, `bilinear`, `nearest`, `lanczos`, `box` or `hamming`, antialiased as in Pillow.
    pub interpolation: String,
    /// The image is resized to size/crop_pct, then the centre is cut out.
    pub crop_pct: f64,
    /// `center`: the short side is resized and proportions are kept; `squash`: both sides are.
    pub crop_mode: String,
}

/// A checked [`TransformSpec`].
#[derive(Clone, Debug)]
pub struct Transform {
    frame: Frame,
    /// What a sample becomes, by channel and 8-bit value.
    normalised: Vec<[f32; 256]>,
}

/// What decides the pixels that evaluation cuts out of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    /// Channels, height, width.
    size: [usize; 3],
    /// What to resize to before cropping: height, width.
    scaled: [usize; 2],
    squash: bool,
    filter: ResizeAlg,
}

impl Transform {
    /// Checks the specification.
    ///
    /// # Errors
    /// [`Error::Input`] for what timm would not accept or this program does not know.
    pub fn new(spec: &TransformSpec) -> Result<Self> {
        let refuse = |what: String| {
            Err(Error::input(format!(
                "the backbone's pretrained_cfg {what}"
            )))
        };
        let [channels, height, width] = spec.size;
        if !matches!(channels, 1 | 3) {
            return refuse(format!(
                "asks for {channels} channels; only 1 and 3 can be made"
            ));
        }
        let sides = 1..=16_384;
        if !sides.contains(&height) || !sides.contains(&width) {
            return refuse(format!(
                "asks for images of {height}×{width}; sides are 1 to 16384"
            ));
        }
        if !(spec.crop_pct > 0.05 && spec.crop_pct <= 4.0) {
            return refuse(format!(
                "has crop_pct {}; it must be 0.05 to 4",
                spec.crop_pct
            ));
        }
        let squash = match spec.crop_mode.as_str() {
            "center" => false,
            "squash" => true,
            other => {
                return refuse(format!(
                    "has crop_mode {other:?}; known are \"center\" and \"squash\""
                ));
            }
        };
        let filter = match spec.interpolation.as_str() {
            "nearest" => ResizeAlg::Nearest,
            // Pillow's bicubic has a = -1/2, which others call Catmull-Rom.
            "bicubic" => ResizeAlg::Convolution(FilterType::CatmullRom),
            "bilinear" => ResizeAlg::Convolution(FilterType::Bilinear),
            "lanczos" => ResizeAlg::Convolution(FilterType::Lanczos3),
            "box" => ResizeAlg::Convolution(FilterType::Box),
            "hamming" => ResizeAlg::Convolution(FilterType::Hamming),
            other => {
                return refuse(format!(
                    "has interpolation {other:?}; known are bicubic, bilinear, nearest, lanczos, box, hamming"
                ));
            }
        };
        let fits = |values: &[f32]| {
            [1, channels].contains(&values.len()) && values.iter().all(|v| v.is_finite())
        };
        if !fits(&spec.mean) || !fits(&spec.std) || spec.std.iter().any(|&s| s <= 0.0) {
            return refuse(format!(
                "has mean {:?} and std {:?}; each needs one number, or one for each of {channels} channels, std above 0",
                spec.mean, spec.std
            ));
        }
        let normalised = (0..channels).map(|c| {
            let of = |values: &[f32]| values[c % values.len()];
            let (mean, std) = (of(&spec.mean), of(&spec.std));
            std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std)
        });
        let scaled = |side: usize| ((side as f64 / spec.crop_pct).floor() as usize).max(1);
        Ok(Self {
            frame: Frame {
                size: spec.size,
                scaled: [scaled(height), scaled(width)],
                squash,
                filter,
            },
            normalised: normalised.collect(),
        })
    }

    /// Channels, height, width of what comes out.
    pub fn size(&self) -> [usize; 3] {
        self.frame.size
    }

    /// Writes image `i` to `out` (`[c, h, w]`, normalised) as timm's evaluation transform has it: resize,
    /// crop the centre, normalise. Grey images become three equal channels where three are wanted, and
    /// colours become ITU-R 601 luma where one is, as Pillow does it.
    ///
    /// # Errors
    /// [`Error::Input`] if its file can no longer be read; [`Error::Internal`] if there is no image `i` or
    /// `out` has another length.
    pub fn evaluate(&self, images: &Images, i: usize, out: &mut [f32]) -> Result<()> {
        self.fits(out)?;
        let make = || self.cut(images.raster(i)?);
        images.with_crop(i, &self.frame, make, |crop| self.write(crop, out))
    }

    /// The same after a random change of the image that `key` decides; nothing changes where `augment` asks
    /// for nothing. In this order: the affine map and stroke, the random crop (instead of the centre), the
    /// flip, and the changes of colour.
    ///
    /// # Errors
    /// As [`Transform::evaluate`].
    pub fn train(
        &self,
        images: &Images,
        i: usize,
        augment: &Augment,
        key: Key,
        out: &mut [f32],
    ) -> Result<()> {
        self.fits(out)?;
        let raster = augment::apply(self.raster(images, i)?, augment, key);
        let [_, height, width] = self.frame.size;
        let size = [height, width];
        let raster = match crop::random_resized(&raster, size, augment, self.frame.filter, key)? {
            Some(cropped) => cropped,
            None => self.frame.cut(raster)?,
        };
        self.write(&crop::recolour(raster, augment, key).pixels, out);
        Ok(())
    }

    /// What decides the pixels of evaluation.
    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The part of a picture that evaluation sees, before it is normalised: with one channel, or those that are wanted.
    pub(super) fn cut(&self, raster: Raster) -> Result<Raster> {
        self.frame.cut(match self.frame.size[0] {
            1 => raster.grey(),
            _ => raster,
        })
    }

    /// Image `i` as stored, grey if one channel is wanted.
    fn raster(&self, images: &Images, i: usize) -> Result<Raster> {
        let raster = images.raster(i)?;
        Ok(match self.frame.size[0] {
            1 => raster.grey(),
            _ => raster,
        })
    }

    fn fits(&self, out: &[f32]) -> Result<()> {
        let size = self.frame.size;
        if out.len() == size.iter().product::<usize>() {
            return Ok(());
        }
        Err(Error::internal(format!(
            "{} samples for {size:?}",
            out.len()
        )))
    }

    /// Normalises a crop, `[h, w, c]` with one channel or those that are wanted.
    fn write(&self, crop: &[u8], out: &mut [f32]) {
        let [_, height, width] = self.frame.size;
        let channels = (crop.len() / (height * width)).max(1);
        let planes = out.chunks_exact_mut(height * width).zip(&self.normalised);
        for (channel, (plane, normalised)) in planes.enumerate() {
            let samples = crop.iter().skip(channel % channels).step_by(channels);
            for (sample, &value) in plane.iter_mut().zip(samples) {
                *sample = normalised[usize::from(value)];
            }
        }
    }
}

impl Frame {
    /// Channels, height, width.
    pub(super) fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Resizes and cuts the centre out.
    fn cut(&self, raster: Raster) -> Result<Raster> {
        let [_, height, width] = self.size;
        Ok(self.resize(raster)?.centre(height, width))
    }

    /// torchvision's `Resize` of the short side, or of both (timm's `squash`, and where the sides of the
    /// crop differ timm's `ResizeKeepRatio`).
    fn resize(&self, raster: Raster) -> Result<Raster> {
        let [h, w] = [raster.height, raster.width];
        let [scaled_h, scaled_w] = self.scaled;
        let (height, width) = if self.squash {
            (scaled_h, scaled_w)
        } else if scaled_h != scaled_w {
            let ratio = (h as f64 / scaled_h as f64).min(w as f64 / scaled_w as f64);
            let side = |s: usize| (s as f64 / ratio).round_ties_even() as usize;
            (side(h), side(w))
        } else if h <= w {
            (scaled_h, scaled_h * w / h)
        } else {
            (scaled_h * h / w, scaled_h)
        };
        raster.resize(height, width, self.filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures;

    /// An image whose samples are (3x² + 7y + 5xy + 40c) mod 256.
    ///
    /// The expected values below are Pillow 13.0's for it, e.g. in Python, with `f` the formula over
    /// `numpy.mgrid[0:h, 0:w]`: `Image.fromarray(f).resize((7, 5), Image.BICUBIC)`, cropped by hand.
    fn pattern([c, h, w]: [usize; 3]) -> Images {
        let mut pixels = Vec::new();
        for y in 0..h {
            for x in 0..w {
                pixels
                    .extend((0..c).map(|k| ((3 * x * x + 7 * y + 5 * x * y + 40 * k) % 256) as u8));
            }
        }
        Images::raw([c, h, w], pixels, vec![0])
    }

    fn spec(size: [usize; 3]) -> TransformSpec {
        TransformSpec {
            size,
            mean: vec![0.0],
            std: vec![1.0],
            interpolation: "bicubic".into(),
            crop_pct: 1.0,
            crop_mode: "center".into(),
        }
    }

    /// The transformed image in 0..255.
    fn evaluate(spec: &TransformSpec, images: &Images) -> Vec<f32> {
        let transform = Transform::new(spec).unwrap();
        let mut out = vec![f32::NAN; spec.size.iter().product()];
        transform.evaluate(images, 0, &mut out).unwrap();
        out.iter().map(|v| v * 255.0).collect()
    }

    fn close(got: &[f32], pillow: &[u8], what: &str) {
        assert_eq!(got.len(), pillow.len(), "{what}");
        for (i, (got, want)) in got.iter().zip(pillow).enumerate() {
            assert!(
                (got - f32::from(*want)).abs() < 1.01,
                "{what} {i}: {got} {want}"
            );
        }
    }

    #[test]
    fn the_centre_of_the_resized_image_is_pillows() {
        let pillow = [
            34, 68, 113, 183, 63, 107, 174, 182, 96, 153, 168, 55, 128, 205, 60, 92,
        ];
        let spec = TransformSpec {
            crop_pct: 0.8,
            ..spec([1, 4, 4])
        };
        close(
            &evaluate(&spec, &pattern([1, 7, 10])),
            &pillow,
            "7×10 to 5×7, crop 4",
        );
    }

    #[test]
    fn enlarging_is_pillows() {
        let pillow = [
            0, 1, 4, 8, 14, 22, 1, 4, 7, 12, 19, 28, 6, 9, 14, 20, 29, 40, 10, 15, 22, 30, 39, 52,
            15, 21, 29, 38, 50, 63, 17, 24, 32, 42, 55, 69,
        ];
        close(
            &evaluate(&spec([1, 6, 6]), &pattern([1, 3, 4])),
            &pillow,
            "3×4 to 6×8, crop 6",
        );
        // Rows 30..34, columns 28..36 of the glyphs' own case, 32 to 64.
        let pillow = [
            188, 191, 116, 68, 49, 84, 172, 183, 148, 178, 157, 111, 40, 50, 140, 178, 56, 87, 173,
            180, 110, 69, 55, 95, 43, 49, 135, 171, 155, 114, 49, 66,
        ];
        let all = evaluate(&spec([1, 64, 64]), &pattern([1, 32, 32]));
        let part: Vec<f32> = (30..34)
            .flat_map(|y| all[y * 64 + 28..y * 64 + 36].to_vec())
            .collect();
        close(&part, &pillow, "32×32 to 64×64");
    }

    #[test]
    fn every_filter_is_pillows() {
        for (filter, pillow) in [
            (
                "bilinear",
                [15, 55, 131, 160, 41, 104, 137, 111, 67, 143, 107, 151],
            ),
            (
                "nearest",
                [15, 49, 145, 239, 39, 93, 219, 77, 63, 137, 37, 171],
            ),
            (
                "lanczos",
                [10, 41, 141, 166, 32, 112, 146, 98, 59, 160, 99, 152],
            ),
            (
                "box",
                [11, 50, 129, 179, 41, 111, 136, 110, 71, 173, 100, 170],
            ),
            (
                "hamming",
                [12, 51, 128, 167, 37, 103, 147, 102, 63, 151, 97, 163],
            ),
        ] {
            let spec = TransformSpec {
                interpolation: filter.into(),
                crop_mode: "squash".into(),
                ..spec([1, 3, 4])
            };
            close(&evaluate(&spec, &pattern([1, 7, 10])), &pillow, filter);
        }
    }

    #[test]
    fn sides_that_differ_keep_proportions() {
        let pillow = [10, 48, 136, 164, 35, 107, 143, 103];
        close(
            &evaluate(&spec([1, 2, 4]), &pattern([1, 7, 10])),
            &pillow,
            "7×10 to 3×4, crop 2×4",
        );
    }

    #[test]
    fn channels_become_those_that_are_wanted() {
        let rgb = [
            10, 48, 136, 35, 107, 143, 62, 153, 102, 50, 90, 164, 75, 149, 123, 103, 180, 108, 90,
            134, 158, 116, 181, 112, 151, 146, 112,
        ];
        let colour = spec([3, 3, 3]);
        close(&evaluate(&colour, &pattern([3, 7, 10])), &rgb, "RGB");
        let luma = [43, 83, 155, 68, 141, 127, 97, 168, 107];
        close(
            &evaluate(&spec([1, 3, 3]), &pattern([3, 7, 10])),
            &luma,
            "L",
        );
        let (one, three) = (
            evaluate(&spec([1, 3, 3]), &pattern([1, 7, 10])),
            evaluate(&colour, &pattern([1, 7, 10])),
        );
        assert_eq!(three, [one.clone(), one.clone(), one].concat());
    }

    #[test]
    fn a_fitting_image_is_only_normalised_and_a_small_one_gets_a_black_margin() {
        let image = pattern([1, 4, 4]);
        let spec_ = TransformSpec {
            mean: vec![0.5],
            std: vec![0.25],
            ..spec([1, 4, 4])
        };
        let transform = Transform::new(&spec_).unwrap();
        let mut out = vec![0.0; 16];
        transform.evaluate(&image, 0, &mut out).unwrap();
        for (got, value) in out.iter().zip(image.image(0)) {
            assert_eq!(*got, (f32::from(value) / 255.0 - 0.5) / 0.25);
        }
        let padded = TransformSpec {
            crop_pct: 4.0 / 3.0,
            ..spec([1, 4, 4])
        };
        let image = Images::raw([1, 3, 3], vec![9; 9], vec![0]);
        let out = evaluate(&padded, &image);
        let black: Vec<usize> = (0..16).filter(|&i| out[i] == 0.0).collect();
        assert_eq!(black, [3, 7, 11, 12, 13, 14, 15]);
    }

    /// timm's outputs for small pictures of every format: see `tests/fixtures/images.py`.
    #[test]
    fn pictures_of_every_format_are_evaluated_as_timm_does() {
        let rgb = TransformSpec {
            crop_pct: 0.9,
            ..spec([3, 28, 28])
        };
        let grey = TransformSpec {
            interpolation: "bilinear".into(),
            ..spec([1, 16, 16])
        };
        for name in fixtures::names() {
            let images = decoded(&name);
            for (spec, kind) in [(&rgb, "eval"), (&grey, "eval_grey")] {
                let (_, want) = fixtures::tensor(&format!("{name}.{kind}"));
                let got: Vec<u8> = evaluate(spec, &images)
                    .iter()
                    .map(|v| v.round() as u8)
                    .collect();
                let (mean, most) = fixtures::difference(&got, &want);
                println!("{name} {kind}: mean {mean:.4}, most {most}");
                let (mean_limit, most_limit) = if name.ends_with(".jpg") {
                    (0.6, 8)
                } else {
                    (0.01, 1)
                };
                assert!(
                    mean <= mean_limit && most <= most_limit,
                    "{name} {kind}: {mean} {most}"
                );
            }
        }
    }

    #[test]
    fn normalised_values_are_timms() {
        let spec = TransformSpec {
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
            crop_pct: 0.95,
            ..spec([3, 32, 32])
        };
        let (_, bytes) = fixtures::tensor("444.jpg.normalised");
        let mut out = vec![0.0; 3 * 32 * 32];
        let transform = Transform::new(&spec).unwrap();
        transform
            .evaluate(&decoded("444.jpg"), 0, &mut out)
            .unwrap();
        let want = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        let gaps: Vec<f32> = out
            .iter()
            .zip(want)
            .map(|(a, b)| (a - b).abs() * 0.229 * 255.0)
            .collect();
        let mean = gaps.iter().sum::<f32>() / gaps.len() as f32;
        println!("mean {mean:.4} of 255");
        assert!(mean <= 1.0, "{mean}");
    }

    fn decoded(name: &str) -> Images {
        let raster = super::super::decode::decode(&fixtures::bytes(name)).unwrap();
        let size = [raster.channels, raster.height, raster.width];
        Images::raw(size, raster.pixels, vec![0])
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let good = spec([1, 4, 4]);
        for (bad, want) in [
            (spec([4, 4, 4]), "4 channels"),
            (spec([1, 0, 4]), "images of 0×4"),
            (
                TransformSpec {
                    crop_pct: 0.0,
                    ..good.clone()
                },
                "crop_pct 0",
            ),
            (
                TransformSpec {
                    crop_pct: f64::NAN,
                    ..good.clone()
                },
                "crop_pct NaN",
            ),
            (
                TransformSpec {
                    crop_mode: "border".into(),
                    ..good.clone()
                },
                "crop_mode \"border\"",
            ),
            (
                TransformSpec {
                    interpolation: "random".into(),
                    ..good.clone()
                },
                "interpolation \"random\"",
            ),
            (
                TransformSpec {
                    std: vec![0.0],
                    ..good.clone()
                },
                "std above 0",
            ),
            (
                TransformSpec {
                    mean: vec![0.0; 2],
                    ..good.clone()
                },
                "one for each of 1 channels",
            ),
        ] {
            let error = Transform::new(&bad).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(want), "{error}");
        }
        let transform = Transform::new(&good).unwrap();
        assert!(
            transform
                .evaluate(&pattern([1, 4, 4]), 1, &mut [0.0; 16])
                .is_err()
        );
        assert!(
            transform
                .evaluate(&pattern([1, 4, 4]), 0, &mut [0.0; 15])
                .is_err()
        );
    }
}
