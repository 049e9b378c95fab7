//! The random change of a training image: an affine map, and now and then another stroke.
//!
//! Everything is drawn from the image's own key, so neither the order of loading nor a resume changes it.

use super::raster::Raster;
use crate::random::Key;
use crate::recipe::Augment;

/// Changes an image as `key` decides, at the size it is stored in; what comes from outside is black.
pub(super) fn apply(raster: Raster, augment: &Augment, key: Key) -> Raster {
    let draw = |i: u64, extent: f64| f64::from(key.uniform(i, -1.0, 1.0)) * extent;
    let mut raster = raster;
    if [augment.rotate, augment.scale, augment.shear, augment.shift] != [0.0; 4] {
        let side = raster.height.max(raster.width) as f64 / 32.0;
        let map = Affine::new(
            draw(0, augment.rotate).to_radians(),
            1.0 + draw(1, augment.scale),
            draw(2, augment.shear),
            [draw(3, augment.shift) * side, draw(4, augment.shift) * side],
        );
        raster = map.warp(&raster);
    }
    if f64::from(key.unit(5)) < augment.stroke {
        // Partly, since a stroke of a small glyph can be as thin as the 3×3 window.
        let amount = key.uniform(7, 0.25, 0.75);
        let change = [erode, dilate, blur][key.below(6, 3)];
        raster = mix(&raster, &window(&raster, change), amount);
    }
    raster
}

/// From a pixel of the result to the place in the image that it shows, both relative to the centre.
struct Affine {
    /// `[[xx, xy], [yx, yy]]`
    matrix: [[f64; 2]; 2],
    /// What the result is moved by: x, y.
    shift: [f64; 2],
}

impl Affine {
    /// The inverse of: shear, scale, rotate, shift.
    fn new(angle: f64, scale: f64, shear: f64, shift: [f64; 2]) -> Self {
        let (sin, cos) = angle.sin_cos();
        // (scale · R(angle) · [[1, shear], [0, 1]])⁻¹ = [[1, −shear], [0, 1]] · R(−angle) / scale
        let matrix = [
            [(cos + shear * sin) / scale, (sin - shear * cos) / scale],
            [-sin / scale, cos / scale],
        ];
        Self { matrix, shift }
    }

    fn warp(&self, raster: &Raster) -> Raster {
        let centre = [
            (raster.width as f64 - 1.0) / 2.0,
            (raster.height as f64 - 1.0) / 2.0,
        ];
        let mut pixels = Vec::with_capacity(raster.pixels.len());
        let [[xx, xy], [yx, yy]] = self.matrix;
        for row in 0..raster.height {
            let y = row as f64 - centre[1] - self.shift[1];
            for column in 0..raster.width {
                let x = column as f64 - centre[0] - self.shift[0];
                let from = [xx * x + xy * y + centre[0], yx * x + yy * y + centre[1]];
                for channel in 0..raster.channels {
                    pixels.push(sample(raster, from, channel));
                }
            }
        }
        Raster { pixels, ..*raster }
    }
}

/// The image between its pixels, by cubic convolution (Keys, 1981, a = −1/2), which keeps edges sharper than
/// a bilinear mean: test images are not softened either.
fn sample(raster: &Raster, [x, y]: [f64; 2], channel: usize) -> u8 {
    let ((left, tx), (top, ty)) = (split(x), split(y));
    let (wx, wy) = (cubic(tx), cubic(ty));
    let (left, top) = (left - 1, top - 1);
    let inside = |at: isize, size: usize| usize::try_from(at).ok().filter(|&at| at < size);
    let mut sum = 0.0;
    for (dy, wy) in wy.iter().enumerate() {
        let Some(row) = inside(top + dy as isize, raster.height) else {
            continue;
        };
        let mut line = 0.0;
        for (dx, wx) in wx.iter().enumerate() {
            if let Some(column) = inside(left + dx as isize, raster.width) {
                let at = (row * raster.width + column) * raster.channels + channel;
                line += wx * f32::from(raster.pixels[at]);
            }
        }
        sum += wy * line;
    }
    // `as` saturates at 0 and 255: cubic weights overshoot at edges.
    (sum + 0.5) as u8
}

/// The whole number at or below, and the rest in [0, 1). `f64::floor` is a call into the C library on the
/// oldest CPUs that we compile for, and this runs for every pixel.
fn split(x: f64) -> (isize, f32) {
    let toward_zero = x as isize;
    let below = toward_zero - isize::from(x < toward_zero as f64);
    (below, (x - below as f64) as f32)
}

/// Weights of the four neighbours of a place `t` in [0, 1) behind the second.
fn cubic(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        0.5 * (-t3 + 2.0 * t2 - t),
        0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
        0.5 * (-3.0 * t3 + 4.0 * t2 + t),
        0.5 * (t3 - t2),
    ]
}

fn erode(a: u8, b: u8, c: u8) -> u8 {
    a.min(b).min(c)
}

fn dilate(a: u8, b: u8, c: u8) -> u8 {
    a.max(b).max(c)
}

fn blur(a: u8, b: u8, c: u8) -> u8 {
    ((u16::from(a) + 2 * u16::from(b) + u16::from(c) + 2) / 4) as u8
}

/// A separable 3×3 window: along rows, then along columns; at an edge the last pixel stands for the missing.
fn window(raster: &Raster, of: fn(u8, u8, u8) -> u8) -> Raster {
    let (c, row) = (raster.channels, raster.channels * raster.width);
    let slide = |pixels: &[u8], step: usize, period: usize| -> Vec<u8> {
        let near = |i: usize| {
            let position = i % period;
            let before = if position < step { i } else { i - step };
            let after = if position + step >= period {
                i
            } else {
                i + step
            };
            of(pixels[before], pixels[i], pixels[after])
        };
        (0..pixels.len()).map(near).collect()
    };
    let rows = slide(&raster.pixels, c, row);
    Raster {
        pixels: slide(&rows, row, raster.pixels.len()),
        ..*raster
    }
}

fn mix(one: &Raster, other: &Raster, amount: f32) -> Raster {
    let blend =
        |(&a, &b): (&u8, &u8)| (f32::from(a) + amount * (f32::from(b) - f32::from(a)) + 0.5) as u8;
    Raster {
        pixels: one.pixels.iter().zip(&other.pixels).map(blend).collect(),
        ..*one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raster(width: usize, pixels: &[u8]) -> Raster {
        Raster {
            channels: 1,
            height: pixels.len() / width,
            width,
            pixels: pixels.to_vec(),
        }
    }

    /// A soft disc in the middle of 32×32.
    fn disc() -> Raster {
        let soft = |i: usize| {
            let (y, x) = ((i / 32) as f64 - 15.5, (i % 32) as f64 - 15.5);
            (255.0 * (7.0 - x.hypot(y)).clamp(0.0, 1.0)) as u8
        };
        raster(32, &(0..1024).map(soft).collect::<Vec<_>>())
    }

    /// The centre of the ink relative to the image's, x and y.
    fn centroid(raster: &Raster) -> [f64; 2] {
        let (mut sum, mut at) = (0.0, [0.0; 2]);
        for (i, &ink) in raster.pixels.iter().enumerate() {
            let ink = f64::from(ink);
            sum += ink;
            at[0] += ink * ((i % raster.width) as f64 - (raster.width as f64 - 1.0) / 2.0);
            at[1] += ink * ((i / raster.width) as f64 - (raster.height as f64 - 1.0) / 2.0);
        }
        at.map(|v| v / sum)
    }

    fn everything() -> Augment {
        Augment {
            rotate: 8.0,
            scale: 0.1,
            shear: 0.12,
            shift: 2.0,
            stroke: 0.5,
            ..Augment::default()
        }
    }

    #[test]
    fn all_zero_changes_nothing() {
        for i in 0..20 {
            assert_eq!(apply(disc(), &Augment::default(), Key::new(i)), disc());
        }
        let map = Affine::new(0.0, 1.0, 0.0, [0.0; 2]);
        assert_eq!(map.warp(&disc()), disc());
    }

    #[test]
    fn the_same_key_changes_the_same_way() {
        let change = |seed| apply(disc(), &everything(), Key::new(seed));
        assert_eq!(change(1), change(1));
        assert_ne!(change(1), change(2));
    }

    #[test]
    fn without_shift_the_middle_stays_in_the_middle() {
        let still = Augment {
            shift: 0.0,
            stroke: 1.0,
            ..everything()
        };
        for seed in 0..50 {
            let [x, y] = centroid(&apply(disc(), &still, Key::new(seed)));
            assert!(x.abs() < 0.02 && y.abs() < 0.02, "{seed}: {x} {y}");
        }
    }

    #[test]
    fn shifts_fill_their_range_evenly() {
        let only = Augment {
            shift: 2.0,
            ..Augment::default()
        };
        let n = 400;
        let at: Vec<_> = (0..n)
            .map(|s| centroid(&apply(disc(), &only, Key::new(s))))
            .collect();
        for axis in 0..2 {
            let values: Vec<f64> = at.iter().map(|p| p[axis]).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            let most = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            assert!(
                mean.abs() < 0.2 && most > 1.9 && most < 2.02,
                "{axis}: {mean} {most}"
            );
        }
    }

    #[test]
    fn a_quarter_turn_and_a_whole_shift_are_exact() {
        let image = raster(3, &[10, 20, 30, 40, 50, 60, 70, 80, 90]);
        let turn = Affine::new(std::f64::consts::FRAC_PI_2, 1.0, 0.0, [0.0; 2]);
        assert_eq!(
            turn.warp(&image).pixels,
            [70, 40, 10, 80, 50, 20, 90, 60, 30]
        );
        let shift = Affine::new(0.0, 1.0, 0.0, [1.0, -1.0]);
        assert_eq!(shift.warp(&image).pixels, [0, 40, 50, 0, 70, 80, 0, 0, 0]);
    }

    #[test]
    fn the_map_is_the_inverse_of_shear_scale_and_rotation() {
        let (angle, scale, shear) = (0.3_f64, 1.2, 0.4);
        let (sin, cos) = angle.sin_cos();
        let forward = |x: f64, y: f64| {
            let (x, y) = (x + shear * y, y);
            [scale * (cos * x - sin * y), scale * (sin * x + cos * y)]
        };
        let [[xx, xy], [yx, yy]] = Affine::new(angle, scale, shear, [0.0; 2]).matrix;
        for (x, y) in [(1.0, 0.0), (0.0, 1.0), (-2.0, 3.0)] {
            let [fx, fy] = forward(x, y);
            assert!((xx * fx + xy * fy - x).abs() < 1e-12 && (yx * fx + yy * fy - y).abs() < 1e-12);
        }
    }

    #[test]
    fn windows_are_three_by_three() {
        let mut dot = raster(5, &[0; 25]);
        dot.pixels[12] = 160;
        assert_eq!(window(&dot, erode).pixels, [0; 25]);
        let wide = window(&dot, dilate).pixels;
        assert_eq!(wide.iter().filter(|&&v| v == 160).count(), 9);
        let soft = window(&dot, blur).pixels;
        assert_eq!((soft[12], soft[11], soft[6], soft[10]), (40, 20, 10, 0));
        let full = raster(4, &[200; 12]);
        for of in [erode, dilate, blur] {
            assert_eq!(window(&full, of), full);
        }
        let halfway = mix(&dot, &window(&dot, erode), 0.5);
        assert_eq!(halfway.pixels[12], 80);
    }

    #[test]
    fn strokes_change_as_often_as_asked() {
        let only = Augment {
            stroke: 0.2,
            ..Augment::default()
        };
        let changed = (0..1000).filter(|&s| apply(disc(), &only, Key::new(s)) != disc());
        assert!((150..250).contains(&changed.count()));
    }

    #[test]
    fn channels_stay_apart() {
        let mut colour = Raster {
            channels: 2,
            height: 3,
            width: 3,
            pixels: vec![0; 18],
        };
        colour.pixels.iter_mut().step_by(2).for_each(|v| *v = 100);
        let changed = apply(
            colour,
            &Augment {
                stroke: 1.0,
                ..everything()
            },
            Key::new(3),
        );
        assert!(changed.pixels.iter().skip(1).step_by(2).all(|&v| v == 0));
    }
}
