//! The random changes that photographs are trained with, as timm's training transform has them.

use fast_image_resize::ResizeAlg;

use super::raster::{Raster, luma};
use crate::Result;
use crate::random::Key;
use crate::recipe::Augment;

/// Tries of a random crop before the centre is taken.
const TRIES: u64 = 10;
/// Width over height of a random crop where the recipe does not say.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

/// Cuts a random part out and resizes it, if `augment` asks for that; `None` otherwise.
pub(super) fn random_resized(
    raster: &Raster,
    [height, width]: [usize; 2],
    augment: &Augment,
    filter: ResizeAlg,
    key: Key,
) -> Result<Option<Raster>> {
    let Some(scale) = augment.crop_scale else {
        return Ok(None);
    };
    let ratio = augment.crop_ratio.unwrap_or(RATIO);
    let area = area(
        [raster.height, raster.width],
        scale,
        ratio,
        key.named("crop"),
    );
    raster.cut(area).resize(height, width, filter).map(Some)
}

/// torchvision's `RandomResizedCrop.get_params`, of an image of height, width.
fn area([h, w]: [usize; 2], scale: [f64; 2], ratio: [f64; 2], key: Key) -> Area {
    let draw = |i: u64, [low, high]: [f64; 2]| low + (high - low) * f64::from(key.unit(i));
    let whole = |x: f64| x.round_ties_even() as usize;
    for i in (0..TRIES).map(|i| 4 * i) {
        let target = (h * w) as f64 * draw(i, scale);
        let aspect = draw(i + 1, ratio.map(f64::ln)).exp();
        let (width, height) = (
            whole((target * aspect).sqrt()),
            whole((target / aspect).sqrt()),
        );
        if (1..=w).contains(&width) && (1..=h).contains(&height) {
            return Area {
                top: key.below(i + 2, h - height + 1),
                left: key.below(i + 3, w - width + 1),
                height,
                width,
            };
        }
    }
    let proportion = w as f64 / h as f64;
    let (width, height) = if proportion < ratio[0] {
        (w, whole(w as f64 / ratio[0]).clamp(1, h))
    } else if proportion > ratio[1] {
        (whole(h as f64 * ratio[1]).clamp(1, w), h)
    } else {
        (w, h)
    };
    Area {
        top: (h - height) / 2,
        left: (w - width) / 2,
        height,
        width,
    }
}

/// Flips and jitters as `key` decides.
pub(super) fn recolour(raster: Raster, augment: &Augment, key: Key) -> Raster {
    let mut raster = raster;
    if f64::from(key.named("flip").unit(0)) < augment.flip {
        raster = raster.flipped();
    }
    let Some(strength) = augment.jitter else {
        return raster;
    };
    let key = key.named("jitter");
    for which in key.named("order").permutation(3) {
        let extent = strength[which];
        if extent == 0.0 {
            continue;
        }
        let drawn = 1.0 - extent + 2.0 * extent * f64::from(key.unit(which as u64));
        let factor = drawn as f32;
        raster = match which {
            0 => brightness(raster, factor),
            1 => contrast(raster, factor),
            _ => saturation(raster, factor),
        };
    }
    raster
}

/// Pillow's `ImageEnhance.Brightness`.
pub(super) fn brightness(raster: Raster, factor: f32) -> Raster {
    raster.map(|v| blend(0, v, factor))
}

/// Pillow's `ImageEnhance.Contrast`: away from the mean of the luma.
pub(super) fn contrast(raster: Raster, factor: f32) -> Raster {
    let sum: u64 = raster.lumas().map(u64::from).sum();
    let pixels = (raster.height * raster.width).max(1);
    let mean = (sum as f64 / pixels as f64 + 0.5) as u8;
    raster.map(|v| blend(mean, v, factor))
}

/// Pillow's `ImageEnhance.Color`: away from each pixel's luma.
pub(super) fn saturation(raster: Raster, factor: f32) -> Raster {
    let mut raster = raster;
    if raster.channels == 3 {
        for pixel in raster.pixels.chunks_exact_mut(3) {
            let grey = luma(pixel);
            for v in pixel {
                *v = blend(grey, *v, factor);
            }
        }
    }
    raster
}

/// Pillow's `Image.blend`: `from` at 0, `to` at 1, beyond them clipped, all else cut off.
fn blend(from: u8, to: u8, amount: f32) -> u8 {
    // `as` saturates and cuts off.
    (f32::from(from) + amount * (f32::from(to) - f32::from(from))) as u8
}

#[cfg(test)]
mod tests {
    use fast_image_resize::FilterType;

    use super::*;
    use crate::data::decode::decode;
    use crate::data::fixtures::{bytes, difference, image, json};

    fn numbers(value: &serde_json::Value) -> Vec<usize> {
        let list = value.as_array().unwrap();
        list.iter().map(|v| v.as_u64().unwrap() as usize).collect()
    }

    #[test]
    fn crop_flip_and_colours_are_those_of_torchvision() {
        let original = decode(&bytes("rgb.png")).unwrap();
        for (i, how) in json()["train"].as_array().unwrap().iter().enumerate() {
            let (crop, size) = (numbers(&how["crop"]), numbers(&how["size"]));
            let area = Area {
                top: crop[0],
                left: crop[1],
                height: crop[2],
                width: crop[3],
            };
            let filter = ResizeAlg::Convolution(FilterType::CatmullRom);
            let mut got = original.cut(area).resize(size[0], size[1], filter).unwrap();
            if how["flip"].as_bool().unwrap() {
                got = got.flipped();
            }
            for change in how["jitter"].as_array().unwrap() {
                let factor = change[1].as_f64().unwrap() as f32;
                got = match change[0].as_str().unwrap() {
                    "brightness" => brightness(got, factor),
                    "contrast" => contrast(got, factor),
                    _ => saturation(got, factor),
                };
            }
            let want = image(&format!("train{i}"));
            assert_eq!((got.height, got.width), (want.height, want.width));
            let (mean, most) = difference(&got.pixels, &want.pixels);
            println!("{i}: mean {mean:.4}, most {most}");
            // Resizing is to within 1; factors above 1 enlarge that.
            assert!(mean < 0.05 && most <= 3, "{i}: {mean} {most}");
        }
    }

    #[test]
    fn colours_alone_are_exact() {
        // Pillow's ImageEnhance on the pixels (0, 1, 2), (250, 128, 7), (9, 200, 77), (255, 255, 255).
        let pixels = [0, 1, 2, 250, 128, 7, 9, 200, 77, 255, 255, 255];
        let raster = || Raster {
            channels: 3,
            height: 2,
            width: 2,
            pixels: pixels.to_vec(),
        };
        assert_eq!(brightness(raster(), 1.0), raster());
        assert_eq!(saturation(raster(), 1.0), raster());
        assert_eq!(contrast(raster(), 0.0).pixels, [134; 12]);
        let grey = saturation(raster(), 0.0);
        assert_eq!(grey.pixels[3..6], [151; 3]);
        let bright = brightness(raster(), 1.4).pixels;
        assert_eq!(bright, [0, 1, 2, 255, 179, 9, 12, 255, 107, 255, 255, 255]);
    }

    /// Deciles of area, width over height, and position against torchvision's over 200,000 draws.
    #[test]
    fn random_crops_are_distributed_as_timms() {
        for case in json()["crops"].as_array().unwrap() {
            let size = ["height", "width"].map(|key| case[key].as_u64().unwrap() as usize);
            let pair = |key: &str| [0, 1].map(|i| case[key][i].as_f64().unwrap());
            let n = 50_000;
            let draw = |i| area(size, pair("scale"), pair("ratio"), Key::new(9).index(i));
            let drawn: Vec<Area> = (0..n).map(draw).collect();
            let [h, w] = size.map(|s| s as f64);
            for (what, of) in [
                (
                    "area",
                    (|a, h, w| (a.height * a.width) as f64 / (h * w)) as fn(&Area, f64, f64) -> f64,
                ),
                ("ratio", |a, _, _| a.width as f64 / a.height as f64),
                ("top", |a, h, _| a.top as f64 / h),
                ("left", |a, _, w| a.left as f64 / w),
            ] {
                let mut values: Vec<f64> = drawn.iter().map(|a| of(a, h, w)).collect();
                values.sort_by(f64::total_cmp);
                for decile in 1..10 {
                    let got = values[decile * n as usize / 10];
                    let want = case["quantiles"][what][decile - 1].as_f64().unwrap();
                    assert!((got - want).abs() < 0.012, "{what} {decile}: {got} {want}");
                }
            }
            assert!(
                drawn
                    .iter()
                    .all(|a| a.top + a.height <= size[0] && a.left + a.width <= size[1])
            );
        }
    }

    #[test]
    fn flips_and_orders_are_as_often_as_they_should_be() {
        let raster = || Raster {
            channels: 1,
            height: 1,
            width: 2,
            pixels: vec![3, 9],
        };
        let flip = Augment {
            flip: 0.3,
            ..Augment::default()
        };
        let flipped = |s: &u64| recolour(raster(), &flip, Key::new(*s)).pixels == [9, 3];
        let n = (0..2000).filter(flipped).count();
        assert!((520..680).contains(&n), "{n}");
        assert_eq!(
            recolour(raster(), &Augment::default(), Key::new(1)),
            raster()
        );
        // Of a grey picture only brightness and contrast change, by factors within their range.
        let jitter = Augment {
            jitter: Some([0.4, 0.0, 0.4]),
            ..Augment::default()
        };
        let grey = || Raster {
            pixels: vec![100, 100],
            ..raster()
        };
        let values: Vec<u8> = (0..2000)
            .map(|s| recolour(grey(), &jitter, Key::new(s)).pixels[0])
            .collect();
        let (least, most) = (values.iter().min().unwrap(), values.iter().max().unwrap());
        assert!(
            (60..=61).contains(least) && (138..=140).contains(most),
            "{least} {most}"
        );
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / 2000.0;
        assert!((mean - 99.5).abs() < 1.5, "{mean}");
    }
}
