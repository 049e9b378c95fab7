//! The ramps of accuracy, loss and gain. Their lightness only rises with the value, or only falls on light grounds.

use std::sync::LazyLock;

use ratatui::style::Color;

use super::Palette;

/// What a ramp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ramp {
    Accuracy,
    Loss,
    Gain,
}

/// Colours of a ramp at places from 0 to 1; two at one place are a jump.
type Stop = (f64, [u8; 3]);

/// Steps in which a ramp is shown.
const STEPS: usize = 200;

/// A ramp in 24 bits, [`STEPS`] + 1 colours, and whether text on each is black.
type Shades = Vec<([u8; 3], bool)>;

/// The ramps of all palettes.
static TABLES: LazyLock<Vec<Shades>> = LazyLock::new(|| {
    let palettes = Palette::ALL.into_iter();
    palettes
        .flat_map(|palette| Ramp::ALL.map(|ramp| table(ramp.stops(palette))))
        .collect()
});

fn table(stops: &[Stop]) -> Vec<([u8; 3], bool)> {
    let colour = |step: usize| interpolate(stops, step as f64 / STEPS as f64);
    let steps = (0..=STEPS).map(colour);
    steps.map(|rgb| (rgb, reads_black(rgb))).collect()
}

/// Whether black reads better than white on a ground.
fn reads_black(ground: [u8; 3]) -> bool {
    luminance(ground) > EVEN
}

impl Ramp {
    pub const ALL: [Self; 3] = [Self::Accuracy, Self::Loss, Self::Gain];

    /// Text and ground in 24 bits; `amount` in [0, 1].
    pub fn rgb(self, palette: Palette, amount: f64) -> (Color, Color) {
        let step = (self.place(amount) * STEPS as f64).round() as usize;
        let ([r, g, b], black) = self.table(palette)[step.min(STEPS)];
        let text = if black { 0 } else { 255 };
        (Color::Rgb(text, text, text), Color::Rgb(r, g, b))
    }

    /// Text and ground among the 256; `amount` in [0, 1].
    pub fn indexed(self, palette: Palette, amount: f64) -> (Color, Color) {
        let colours = self.indices(palette);
        let step = (self.place(amount) * colours.len() as f64) as usize;
        let ground = colours[step.min(colours.len() - 1)];
        let text = if reads_black(indexed_rgb(ground)) {
            16
        } else {
            231
        };
        (Color::Indexed(text), Color::Indexed(ground))
    }

    /// Text and ground among the sixteen, none where the terminal's own will do; `amount` in [0, 1].
    pub fn of_sixteen(self, palette: Palette, amount: f64) -> Option<(Color, Color)> {
        let light = palette == Palette::Light;
        let warm = matches!(palette, Palette::Dark | Palette::Light);
        Some(match (self, amount) {
            (Self::Accuracy, x) => match (x, light) {
                (x, false) if x < 0.3 => (Color::White, Color::Black),
                (x, false) if x < 0.6 => (Color::White, Color::Blue),
                (x, false) if x < 0.85 => (Color::Black, Color::Cyan),
                (_, false) => (Color::Black, Color::White),
                (x, true) if x < 0.3 => (Color::Black, Color::White),
                (x, true) if x < 0.6 => (Color::Black, Color::Cyan),
                (x, true) if x < 0.85 => (Color::White, Color::Blue),
                (_, true) => (Color::White, Color::Black),
            },
            (Self::Gain, x) if x < 0.05 => return None,
            (Self::Gain, _) => (Color::White, Color::Blue),
            (Self::Loss, x) if x < 0.15 => return None,
            // Red is neither bright enough for the highest contrast nor seen by everybody.
            (Self::Loss, x) if !warm => match x {
                x if x < 0.35 => (Color::Black, Color::Yellow),
                x if x < 0.65 => (Color::Black, Color::LightYellow),
                _ => (Color::Black, Color::White),
            },
            (Self::Loss, x) => match (x, light) {
                (x, false) if x < 0.35 => (Color::White, Color::Red),
                (x, true) if x < 0.35 => (Color::Black, Color::Yellow),
                (x, false) if x < 0.65 => (Color::Black, Color::Yellow),
                (x, true) if x < 0.65 => (Color::White, Color::Red),
                (_, false) => (Color::Black, Color::White),
                (_, true) => (Color::White, Color::Black),
            },
        })
    }

    fn table(self, palette: Palette) -> &'static [([u8; 3], bool)] {
        &TABLES[palette as usize * Self::ALL.len() + self as usize]
    }

    /// Where on the ramp an amount is, both in [0, 1].
    fn place(self, amount: f64) -> f64 {
        match self {
            Self::Accuracy => amount,
            // Small losses are the common ones: the root gives them more of the ramp.
            Self::Loss | Self::Gain => amount.powf(0.7),
        }
    }

    /// The ramp among xterm's 256: chosen by hand, since the nearest of few colours lose their hue where they are dark.
    fn indices(self, palette: Palette) -> &'static [u8] {
        match (palette, self) {
            (Palette::Dark, Self::Accuracy) => &[16, 17, 18, 54, 60, 61, 67, 73, 79, 115],
            (Palette::Dark, Self::Loss) => &[235, 52, 88, 124, 130, 166, 208, 215, 222],
            (Palette::Dark | Palette::ColourBlind, Self::Gain) => {
                &[235, 19, 25, 26, 68, 75, 111, 117]
            }
            (Palette::Light, Self::Accuracy) => &[255, 189, 153, 117, 74, 67, 31, 25, 24],
            (Palette::Light, Self::Loss) => &[255, 223, 216, 209, 202, 166, 160, 124, 88],
            (Palette::Light, Self::Gain) => &[255, 189, 153, 111, 75, 69, 33, 27, 25, 20],
            (Palette::Contrast, Self::Accuracy) => &[16, 17, 18, 24, 74, 110, 153, 189, 231],
            (Palette::Contrast, Self::Loss) => &[16, 52, 88, 209, 215, 222, 229],
            (Palette::Contrast, Self::Gain) => &[16, 18, 19, 75, 111, 153, 195],
            (Palette::ColourBlind, Self::Accuracy) => {
                &[17, 18, 236, 239, 242, 244, 143, 179, 185, 221, 227]
            }
            (Palette::ColourBlind, Self::Loss) => &[235, 58, 94, 130, 136, 172, 178, 214, 220, 227],
        }
    }

    fn stops(self, palette: Palette) -> &'static [Stop] {
        match (palette, self) {
            (Palette::Dark, Self::Accuracy) => &[
                (0.0, [24, 18, 40]),
                (0.4, [58, 52, 108]),
                (0.7, [50, 96, 142]),
                (0.9, [52, 132, 150]),
                (1.0, [96, 178, 160]),
            ],
            (Palette::Dark, Self::Loss) => &[
                (0.0, [38, 40, 46]),
                (0.2, [92, 46, 40]),
                (0.45, [168, 62, 36]),
                (0.7, [230, 126, 48]),
                (1.0, [252, 220, 150]),
            ],
            (Palette::Dark, Self::Gain) => &[
                (0.0, [38, 40, 46]),
                (0.3, [34, 66, 118]),
                (1.0, [120, 184, 240]),
            ],
            (Palette::Light, Self::Accuracy) => &[
                (0.0, [246, 244, 238]),
                (0.4, [218, 224, 238]),
                (0.7, [160, 190, 222]),
                (0.9, [84, 148, 190]),
                (1.0, [24, 104, 140]),
            ],
            (Palette::Light, Self::Loss) => &[
                (0.0, [244, 244, 242]),
                (0.2, [252, 220, 196]),
                (0.45, [244, 160, 110]),
                (0.7, [206, 84, 48]),
                (1.0, [120, 24, 16]),
            ],
            (Palette::Light, Self::Gain) => &[
                (0.0, [244, 244, 242]),
                (0.3, [176, 206, 240]),
                (1.0, [30, 80, 160]),
            ],
            // Neither black nor white has a contrast of 7 to grounds of a luminance between 0.1 and 0.3.
            (Palette::Contrast, Self::Accuracy) => &[
                (0.0, [0, 0, 0]),
                (0.6, [0, 62, 130]),
                (0.6, [90, 162, 212]),
                (1.0, [255, 255, 255]),
            ],
            (Palette::Contrast, Self::Loss) => &[
                (0.0, [0, 0, 0]),
                (0.35, [130, 20, 20]),
                (0.35, [255, 122, 60]),
                (1.0, [255, 255, 170]),
            ],
            (Palette::Contrast, Self::Gain) => &[
                (0.0, [0, 0, 0]),
                (0.3, [0, 40, 150]),
                (0.3, [110, 170, 250]),
                (1.0, [210, 235, 255]),
            ],
            // After cividis: Nuñez, Anderton and Renslow, PLOS ONE 13(7), 2018.
            (Palette::ColourBlind, Self::Accuracy) => &[
                (0.0, [0, 32, 77]),
                (0.25, [66, 78, 108]),
                (0.5, [124, 123, 120]),
                (0.75, [187, 173, 108]),
                (1.0, [255, 234, 70]),
            ],
            (Palette::ColourBlind, Self::Loss) => &[
                (0.0, [38, 40, 46]),
                (0.25, [120, 66, 10]),
                (0.5, [200, 104, 0]),
                (0.75, [230, 159, 0]),
                (1.0, [248, 232, 120]),
            ],
            (Palette::ColourBlind, Self::Gain) => &[
                (0.0, [38, 40, 46]),
                (0.3, [0, 84, 150]),
                (0.7, [86, 160, 225]),
                (1.0, [190, 225, 250]),
            ],
        }
    }
}

/// The luminance to which black and white have the same contrast, 4.58: √(0.05 · 1.05) − 0.05.
const EVEN: f64 = 0.179;

fn interpolate(stops: &[Stop], x: f64) -> [u8; 3] {
    let above = stops
        .iter()
        .position(|s| s.0 >= x)
        .unwrap_or(stops.len() - 1);
    let (low, high) = (stops[above.saturating_sub(1)], stops[above]);
    let span = high.0 - low.0;
    let part = if span > 0.0 { (x - low.0) / span } else { 0.0 };
    std::array::from_fn(|i| {
        let (a, b) = (f64::from(low.1[i]), f64::from(high.1[i]));
        (a + part * (b - a)).round() as u8
    })
}

/// An sRGB component in linear light (IEC 61966-2-1), in [0, 1].
pub(super) fn linear(component: u8) -> f64 {
    let c = f64::from(component) / 255.0;
    if c <= 0.04045 {
        c / 12.92
    } else {
        ((c + 0.055) / 1.055).powf(2.4)
    }
}

/// Relative luminance of an sRGB colour, in [0, 1].
pub fn luminance(rgb: [u8; 3]) -> f64 {
    let [r, g, b] = rgb.map(linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest of xterm's 216 cube colours and 24 greys; the first sixteen are the user's and unknown.
pub(super) fn nearest_indexed(rgb: [u8; 3]) -> u8 {
    let nearest = |c: u8| {
        (0..6)
            .min_by_key(|&i| LEVELS[i].abs_diff(c))
            .unwrap_or_default()
    };
    let cube = rgb.map(nearest);
    let grey_level = (rgb.iter().map(|&c| u32::from(c)).sum::<u32>() / 3) as i32;
    let grey = ((grey_level - 3) / 10).clamp(0, 23) as u8;
    let distance = |other: [u8; 3]| -> u32 {
        rgb.iter()
            .zip(other)
            .map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2))
            .sum()
    };
    if distance([8 + 10 * grey; 3]) < distance(cube.map(|i| LEVELS[i])) {
        232 + grey
    } else {
        (16 + 36 * cube[0] + 6 * cube[1] + cube[2]) as u8
    }
}

/// The colour of an index of xterm's cube or greys.
pub(super) fn indexed_rgb(index: u8) -> [u8; 3] {
    match index.checked_sub(232) {
        Some(grey) => [8 + 10 * grey; 3],
        None => {
            let i = usize::from(index.saturating_sub(16));
            [LEVELS[i / 36], LEVELS[i / 6 % 6], LEVELS[i % 6]]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vision::{Eyes, contrast, distance, of_sixteen};
    use super::*;

    fn all() -> impl Iterator<Item = (Palette, Ramp)> {
        let palettes = Palette::ALL.into_iter();
        palettes.flat_map(|p| Ramp::ALL.map(|r| (p, r)))
    }

    /// What a terminal shows of a colour, the sixteen as xterm has them.
    fn shown(colour: Color) -> [u8; 3] {
        match colour {
            Color::Rgb(r, g, b) => [r, g, b],
            Color::Indexed(index) => indexed_rgb(index),
            named => of_sixteen(named),
        }
    }

    /// Text and ground of a ramp from `from` percent to 100, in 24 bits, in 256 and in 16 colours.
    fn depths(palette: Palette, ramp: Ramp, from: u32) -> [Vec<([u8; 3], [u8; 3])>; 3] {
        let amounts = || (from..=100).map(|i| f64::from(i) / 100.0);
        let both = |(text, ground): (Color, Color)| (shown(text), shown(ground));
        [
            amounts().map(|x| both(ramp.rgb(palette, x))).collect(),
            amounts().map(|x| both(ramp.indexed(palette, x))).collect(),
            amounts()
                .filter_map(|x| ramp.of_sixteen(palette, x).map(both))
                .collect(),
        ]
    }

    /// Colour-blind eyes and grey screens keep the order if lightness alone has it.
    #[test]
    fn the_ramps_are_monotone_in_lightness() {
        for (palette, ramp) in all() {
            for colours in depths(palette, ramp, 0) {
                let steps: Vec<f64> = colours
                    .iter()
                    .map(|(_, ground)| luminance(*ground))
                    .collect();
                let light = palette == Palette::Light;
                let ordered = |w: &[f64]| match light {
                    true => w[0] >= w[1] - 1e-4,
                    false => w[0] <= w[1] + 1e-4,
                };
                assert!(
                    steps.windows(2).all(ordered),
                    "{palette:?} {ramp:?}: {steps:?}"
                );
            }
            let [full, few, _] = depths(palette, ramp, 0);
            for colours in [full, few] {
                let (first, last) = (colours[0].1, colours[colours.len() - 1].1);
                assert!(
                    (luminance(first) - luminance(last)).abs() > 0.2,
                    "{palette:?} {ramp:?}"
                );
            }
        }
    }

    /// WCAG 2.1's contrast of text: 4.5, and 7 in the theme of high contrast.
    #[test]
    fn figures_can_be_read_on_every_ground() {
        for (palette, ramp) in all() {
            let least = if palette == Palette::Contrast {
                7.0
            } else {
                4.5
            };
            for (text, ground) in depths(palette, ramp, 0).concat() {
                let reached = contrast(luminance(text), luminance(ground));
                assert!(
                    reached >= least,
                    "{palette:?} {ramp:?} {ground:?}: {reached:.2}"
                );
            }
        }
    }

    /// A loss of ten points or more looks unlike any gain of ten points or more, to eyes without red or green cones
    /// too: 2.3 in CIE 1976 is a difference that is just noticed; 25 is kept everywhere, 50 in the theme made for it.
    #[test]
    fn losses_and_gains_stay_apart_for_colour_blind_eyes() {
        for palette in Palette::ALL {
            let least = if palette == Palette::ColourBlind {
                50.0
            } else {
                25.0
            };
            let [losses, gains] = [Ramp::Loss, Ramp::Gain].map(|ramp| depths(palette, ramp, 10));
            for (losses, gains) in losses.iter().zip(&gains) {
                for (eyes, (_, loss)) in Eyes::ALL
                    .iter()
                    .flat_map(|e| losses.iter().map(move |l| (e, l)))
                {
                    for (_, gain) in gains {
                        let apart = distance(*eyes, *loss, *gain);
                        assert!(
                            apart >= least,
                            "{palette:?} {eyes:?} {loss:?} {gain:?}: {apart:.1}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn indexed_colours_are_the_nearest() {
        assert_eq!(nearest_indexed([255, 0, 0]), 196);
        assert_eq!(nearest_indexed([128, 128, 128]), 244);
        assert_eq!(nearest_indexed([0, 0, 0]), 16);
        for index in 16..=255 {
            let shown = indexed_rgb(nearest_indexed(indexed_rgb(index)));
            assert_eq!(shown, indexed_rgb(index), "{index}");
        }
    }
}
