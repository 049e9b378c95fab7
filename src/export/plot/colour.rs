//! Colours that people with any colour vision, and printers without colour, tell apart.

/// Of what stands in context, by Okabe and Ito, "Color universal design", 2008: vermilion.
pub const IN: &str = "#d55e00";
/// Of all else: blue.
pub const OUT: &str = "#0072b2";

/// A colour, each part from 0 to 255.
pub type Rgb = [f64; 3];

/// Nine of the 256 colours of cividis, 0, 1/8, …, 1 (Nuñez, Anderton and Renslow, "Optimizing colormaps with
/// consideration for color vision deficiency", PLOS ONE 13, 2018; figures as in matplotlib).
const CIVIDIS: [Rgb; 9] = [
    [0.0, 34.0, 78.0],
    [26.0, 56.0, 111.0],
    [67.0, 78.0, 108.0],
    [97.0, 101.0, 111.0],
    [125.0, 124.0, 120.0],
    [155.0, 148.0, 118.0],
    [188.0, 174.0, 108.0],
    [222.0, 201.0, 88.0],
    [254.0, 232.0, 56.0],
];

/// ColorBrewer's PuOr with nine classes, purple to white to orange, which its authors found safe for every colour
/// vision (Harrower and Brewer, "ColorBrewer.org", The Cartographic Journal 40, 2003).
const PUOR: [Rgb; 9] = [
    [84.0, 39.0, 136.0],
    [128.0, 115.0, 172.0],
    [178.0, 171.0, 210.0],
    [216.0, 218.0, 235.0],
    [247.0, 247.0, 247.0],
    [254.0, 224.0, 182.0],
    [253.0, 184.0, 99.0],
    [224.0, 130.0, 20.0],
    [179.0, 88.0, 6.0],
];

/// Colours along a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ramp {
    /// From little to much: cividis, lighter all along.
    Sequential,
    /// From loss of one sign over nothing to the other: darker from the middle to either end.
    Diverging,
}

impl Ramp {
    /// The colour at `share`, 0 to 1; beyond them that of the end.
    pub fn at(self, share: f64) -> Rgb {
        let colours = match self {
            Self::Sequential => &CIVIDIS,
            Self::Diverging => &PUOR,
        };
        let last = colours.len() - 1;
        let at = share.clamp(0.0, 1.0) * last as f64;
        let below = (at.floor() as usize).min(last - 1);
        let part = at - below as f64;
        std::array::from_fn(|i| {
            colours[below][i] + part * (colours[below + 1][i] - colours[below][i])
        })
    }
}

/// As it stands in a file.
pub fn hex(rgb: Rgb) -> String {
    let [r, g, b] = rgb.map(|part| part.round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Relative luminance, 0 to 1 (sRGB's, as WCAG 2 has it).
pub fn luminance(rgb: Rgb) -> f64 {
    let linear = rgb.map(|part| {
        let part = part / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

/// Black or white, whichever is read better on `rgb`: the contrast is equal where the luminance is 0.20.
pub fn ink_on(rgb: Rgb) -> &'static str {
    if luminance(rgb) > 0.2 {
        super::svg::INK
    } else {
        "#ffffff"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminances(ramp: Ramp, from: f64, to: f64) -> Vec<f64> {
        let at = |i: usize| from + (to - from) * i as f64 / 100.0;
        (0..=100).map(|i| luminance(ramp.at(at(i)))).collect()
    }

    #[test]
    fn more_is_lighter_all_along() {
        let all = luminances(Ramp::Sequential, 0.0, 1.0);
        assert!(all.windows(2).all(|w| w[0] < w[1]), "{all:?}");
        assert!(all[100] - all[0] > 0.7);
    }

    #[test]
    fn either_sign_is_the_darker_the_larger() {
        for end in [0.0, 1.0] {
            let all = luminances(Ramp::Diverging, 0.5, end);
            assert!(all.windows(2).all(|w| w[0] > w[1]), "{all:?}");
        }
    }

    /// As the three common kinds of colour blindness see them (Machado, Oliveira and Fernandes, "A physiologically-based
    /// model for simulation of color vision deficiency", IEEE TVCG 15, 2009, severity 1), the ends and the two marks stay
    /// apart.
    #[test]
    fn colours_stay_apart_in_every_colour_vision() {
        const SEEN: [[[f64; 3]; 3]; 3] = [
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ];
        let parse = |hex: &str| -> Rgb {
            std::array::from_fn(|i| {
                f64::from(u8::from_str_radix(&hex[1 + 2 * i..3 + 2 * i], 16).unwrap())
            })
        };
        let pairs = [
            (Ramp::Diverging.at(0.0), Ramp::Diverging.at(1.0)),
            (Ramp::Diverging.at(0.2), Ramp::Diverging.at(0.8)),
            (Ramp::Sequential.at(0.0), Ramp::Sequential.at(1.0)),
            (parse(IN), parse(OUT)),
        ];
        for vision in SEEN {
            for (a, b) in pairs {
                let seen =
                    |rgb: Rgb| vision.map(|row| (0..3).map(|i| row[i] * rgb[i]).sum::<f64>());
                let (a, b) = (seen(a), seen(b));
                let distance = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
                assert!(distance > 60.0, "{a:?} {b:?} {distance}");
            }
        }
    }

    #[test]
    fn letters_are_read_on_any_cell() {
        for ramp in [Ramp::Sequential, Ramp::Diverging] {
            for i in 0..=100 {
                let rgb = ramp.at(f64::from(i) / 100.0);
                let letter = if ink_on(rgb) == "#ffffff" {
                    1.0
                } else {
                    luminance([26.0; 3])
                };
                let (a, b) = (luminance(rgb), letter);
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast > 3.9, "{ramp:?} {i} {contrast}");
            }
        }
    }
}
