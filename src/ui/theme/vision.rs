//! How colours are seen: contrast, and what eyes without one kind of cones make of a colour.

use ratatui::style::Color;

use super::ramps::{indexed_rgb, linear};

/// Whose eyes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Eyes {
    Common,
    /// Protanopia.
    NoRed,
    /// Deuteranopia.
    NoGreen,
}

impl Eyes {
    pub const ALL: [Self; 3] = [Self::Common, Self::NoRed, Self::NoGreen];

    /// What linear sRGB looks like: Machado, Oliveira and Fernandes, A physiologically-based model for simulation of
    /// color vision deficiency, IEEE TVCG 15(6), 2009, severity 1.0.
    fn matrix(self) -> [[f64; 3]; 3] {
        match self {
            Self::Common => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Self::NoRed => [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            Self::NoGreen => [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        }
    }
}

/// WCAG 2.1's contrast ratio of two luminances, in [1, 21].
pub(super) fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn times(matrix: &[[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| matrix[i].iter().zip(vector).map(|(m, v)| m * v).sum())
}

/// CIE 1976 L*a*b* of linear sRGB under D65.
fn lab(rgb: [f64; 3]) -> [f64; 3] {
    let [x, y, z] = times(
        &[
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ],
        rgb,
    );
    let f = |t: f64| {
        if t > 0.008856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    };
    let (x, y, z) = (f(x / 0.95047), f(y), f(z / 1.08883));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// How far apart two sRGB colours are to these eyes: Euclid's distance in CIE 1976 L*a*b*.
pub(super) fn distance(eyes: Eyes, one: [u8; 3], other: [u8; 3]) -> f64 {
    let seen = |rgb: [u8; 3]| {
        let seen = times(&eyes.matrix(), rgb.map(linear));
        lab(seen.map(|c| c.clamp(0.0, 1.0)))
    };
    let (one, other) = (seen(one), seen(other));
    let squares = one.iter().zip(other).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

/// An indexed colour beyond the sixteen.
pub(super) fn of_indexed(index: u8) -> [u8; 3] {
    indexed_rgb(index)
}

/// The sixteen as xterm has them.
pub(super) fn of_sixteen(colour: Color) -> [u8; 3] {
    match colour {
        Color::Black => [0, 0, 0],
        Color::Red => [205, 0, 0],
        Color::Green => [0, 205, 0],
        Color::Yellow => [205, 205, 0],
        Color::Blue => [0, 0, 238],
        Color::Magenta => [205, 0, 205],
        Color::Cyan => [0, 205, 205],
        Color::Gray => [229, 229, 229],
        Color::DarkGray => [127, 127, 127],
        Color::LightRed => [255, 0, 0],
        Color::LightGreen => [0, 255, 0],
        Color::LightYellow => [255, 255, 0],
        Color::LightBlue => [92, 92, 255],
        Color::LightMagenta => [255, 0, 255],
        Color::LightCyan => [0, 255, 255],
        Color::White => [255, 255, 255],
        other => panic!("{other:?} is none of the sixteen"),
    }
}

#[test]
fn red_and_green_look_alike_without_green_cones() {
    let (red, green) = ([190, 70, 50], [100, 125, 40]);
    assert!(distance(Eyes::Common, red, green) > 60.0);
    assert!(distance(Eyes::NoGreen, red, green) < 20.0);
    assert!((contrast(1.0, 0.0) - 21.0).abs() < 1e-9);
}
