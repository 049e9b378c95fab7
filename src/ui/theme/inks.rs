//! The colours of text, and of the ground that it is read on.

use ratatui::style::Color;

use super::{Ink, Palette};

/// The colours of a palette, sRGB.
pub(super) struct Inks {
    pub plain: [u8; 3],
    pub ground: [u8; 3],
    faint: [u8; 3],
    accent: [u8; 3],
    second: [u8; 3],
    third: [u8; 3],
    warning: [u8; 3],
    bad: [u8; 3],
    beside: [[u8; 3]; RUNS],
    sixteen: Sixteen,
}

/// Runs that lie over another and have a colour of their own.
const RUNS: usize = 4;

/// The same among the terminal's own sixteen; what is faint is dimmed there.
struct Sixteen {
    plain: Color,
    ground: Color,
    accent: Color,
    second: Color,
    third: Color,
    warning: Color,
    bad: Color,
    beside: [Color; RUNS],
}

const DARK: Inks = Inks {
    plain: [225, 225, 225],
    ground: [16, 17, 20],
    faint: [150, 150, 150],
    accent: [86, 178, 224],
    second: [224, 150, 70],
    third: [104, 190, 130],
    warning: [222, 170, 60],
    bad: [240, 120, 110],
    beside: [
        [190, 140, 235],
        [235, 130, 180],
        [165, 195, 95],
        [200, 170, 135],
    ],
    sixteen: Sixteen {
        plain: Color::White,
        ground: Color::Black,
        accent: Color::Cyan,
        second: Color::Yellow,
        third: Color::Green,
        warning: Color::Yellow,
        bad: Color::LightRed,
        beside: [
            Color::LightMagenta,
            Color::LightGreen,
            Color::LightCyan,
            Color::White,
        ],
    },
};

const LIGHT: Inks = Inks {
    plain: [30, 30, 30],
    ground: [252, 252, 250],
    faint: [96, 96, 96],
    accent: [0, 96, 150],
    second: [140, 78, 0],
    third: [20, 104, 56],
    warning: [128, 82, 0],
    bad: [176, 28, 28],
    // Greens, cyans and yellows are too light for a light ground; curves have letters too.
    beside: [[110, 60, 160], [160, 40, 105], [80, 105, 20], [115, 80, 45]],
    sixteen: Sixteen {
        plain: Color::Black,
        ground: Color::White,
        accent: Color::Blue,
        second: Color::Magenta,
        third: Color::Black,
        warning: Color::Magenta,
        bad: Color::Red,
        beside: [Color::Blue, Color::Magenta, Color::Red, Color::Black],
    },
};

const CONTRAST: Inks = Inks {
    plain: [255, 255, 255],
    ground: [0, 0, 0],
    faint: [190, 190, 190],
    accent: [110, 210, 255],
    second: [255, 190, 80],
    third: [120, 240, 150],
    warning: [255, 220, 0],
    bad: [255, 140, 140],
    beside: [
        [220, 180, 255],
        [255, 170, 215],
        [200, 230, 120],
        [235, 205, 170],
    ],
    sixteen: Sixteen {
        plain: Color::White,
        ground: Color::Black,
        accent: Color::LightCyan,
        second: Color::LightYellow,
        third: Color::LightGreen,
        warning: Color::LightYellow,
        bad: Color::LightYellow,
        beside: [
            Color::LightCyan,
            Color::LightGreen,
            Color::Yellow,
            Color::White,
        ],
    },
};

/// After Okabe and Ito, Color Universal Design (2008).
const COLOUR_BLIND: Inks = Inks {
    plain: [225, 225, 225],
    ground: [16, 17, 20],
    faint: [150, 150, 150],
    accent: [86, 180, 233],
    second: [230, 159, 0],
    third: [0, 168, 122],
    warning: [240, 228, 66],
    bad: [235, 120, 40],
    beside: [
        [214, 135, 178],
        [160, 160, 250],
        [190, 190, 190],
        [190, 150, 100],
    ],
    sixteen: Sixteen {
        plain: Color::White,
        ground: Color::Black,
        accent: Color::Cyan,
        second: Color::Yellow,
        third: Color::White,
        warning: Color::LightYellow,
        bad: Color::LightYellow,
        beside: [
            Color::LightMagenta,
            Color::LightCyan,
            Color::White,
            Color::LightYellow,
        ],
    },
};

impl Inks {
    pub fn of(palette: Palette) -> &'static Self {
        match palette {
            Palette::Dark => &DARK,
            Palette::Light => &LIGHT,
            Palette::Contrast => &CONTRAST,
            Palette::ColourBlind => &COLOUR_BLIND,
        }
    }

    pub fn rgb(&self, ink: Ink) -> [u8; 3] {
        match ink {
            Ink::Plain => self.plain,
            Ink::Faint => self.faint,
            Ink::Accent => self.accent,
            Ink::Second => self.second,
            Ink::Third => self.third,
            Ink::Warning => self.warning,
            Ink::Bad => self.bad,
        }
    }

    pub fn of_sixteen(&self, ink: Ink) -> Color {
        match ink {
            Ink::Plain | Ink::Faint => self.sixteen.plain,
            Ink::Accent => self.sixteen.accent,
            Ink::Second => self.sixteen.second,
            Ink::Third => self.sixteen.third,
            Ink::Warning => self.sixteen.warning,
            Ink::Bad => self.sixteen.bad,
        }
    }

    /// The colour of the `number`th run that lies over another.
    pub fn beside(&self, number: usize) -> [u8; 3] {
        self.beside[number % RUNS]
    }

    pub fn beside_of_sixteen(&self, number: usize) -> Color {
        self.sixteen.beside[number % RUNS]
    }

    /// Text and ground.
    pub fn sixteen_ground(&self) -> (Color, Color) {
        (self.sixteen.plain, self.sixteen.ground)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ramps::{luminance, nearest_indexed};
    use super::super::vision::{contrast, of_indexed, of_sixteen};
    use super::*;

    const INKS: [Ink; 7] = [
        Ink::Plain,
        Ink::Faint,
        Ink::Accent,
        Ink::Second,
        Ink::Third,
        Ink::Warning,
        Ink::Bad,
    ];

    fn least(palette: Palette) -> f64 {
        if palette == Palette::Contrast {
            7.0
        } else {
            4.5
        }
    }

    /// Grounds on which a theme is read: its own, and where it is a guess those that terminals commonly have, with
    /// Solarized's two.
    fn grounds(palette: Palette) -> Vec<[u8; 3]> {
        let own = Inks::of(palette).ground;
        match palette {
            Palette::Dark => vec![own, [0, 0, 0], [30, 30, 30], [0, 43, 54]],
            Palette::Light => vec![own, [255, 255, 255], [253, 246, 227]],
            _ => vec![own],
        }
    }

    /// WCAG 2.1 asks for 4.5, and for 7 where contrast is enhanced.
    #[test]
    fn every_ink_can_be_read_on_every_ground() {
        for palette in Palette::ALL {
            let inks = Inks::of(palette);
            let beside = (0..RUNS).map(|i| inks.beside(i));
            for rgb in INKS.into_iter().map(|ink| inks.rgb(ink)).chain(beside) {
                for ground in grounds(palette) {
                    let shown = of_indexed(nearest_indexed(rgb));
                    let grey = of_indexed(nearest_indexed(ground));
                    for (text, ground) in [(rgb, ground), (shown, ground), (shown, grey)] {
                        let reached = contrast(luminance(text), luminance(ground));
                        assert!(
                            reached >= least(palette),
                            "{palette:?} {rgb:?} on {ground:?}: {reached:.2}"
                        );
                    }
                }
            }
        }
    }

    /// The sixteen are the user's own; these are xterm's.
    #[test]
    fn sixteen_colours_can_be_read_as_xterm_has_them() {
        for palette in Palette::ALL {
            let inks = Inks::of(palette);
            let ground = luminance(of_sixteen(inks.sixteen_ground().1));
            let beside = (0..RUNS).map(|i| inks.beside_of_sixteen(i));
            for ink in INKS
                .into_iter()
                .map(|ink| inks.of_sixteen(ink))
                .chain(beside)
            {
                let text = luminance(of_sixteen(ink));
                let reached = contrast(text, ground);
                assert!(
                    reached >= least(palette),
                    "{palette:?} {ink:?}: {reached:.2}"
                );
            }
        }
    }
}
