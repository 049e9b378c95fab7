//! Colours: a small palette that is readable on dark and on light backgrounds, and two ramps whose lightness
//! rises with the value, so that they keep their order for colour-blind eyes and in grey.

use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// None: `NO_COLOR` is set. Figures and marks carry everything.
    None,
    /// The sixteen of the terminal's own palette.
    Sixteen,
    /// xterm's 256.
    Indexed,
    /// 24 bits.
    True,
}

/// What curves are drawn with; not every font has braille.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// Eight dots a cell.
    #[default]
    Braille,
    /// One `•` a cell.
    Dots,
    /// ASCII only.
    Ascii,
}

impl Marker {
    /// The next one, for the key that goes through them.
    pub fn next(self) -> Self {
        match self {
            Self::Braille => Self::Dots,
            Self::Dots => Self::Ascii,
            Self::Ascii => Self::Braille,
        }
    }
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The text itself.
    Plain,
    /// Labels, units, what can be overlooked.
    Faint,
    /// What the eye should find first: the chosen screen, keys, the main curve.
    Accent,
    /// The second curve: the foundation.
    Second,
    /// The third curve: held-out images.
    Third,
    /// Something the user should know.
    Warning,
    /// Something failed.
    Bad,
}

/// How everything looks.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Colours at hand.
    pub depth: Depth,
    /// What curves are drawn with.
    pub marker: Marker,
}

impl Theme {
    /// What the environment asks for: `NO_COLOR` (any value but an empty one), `COLORTERM`, `TERM`, and
    /// `PENTIMENTO_MARKER` (`braille`, `dots` or `ascii`).
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_set = |name| variable(name).is_some_and(|v| !v.is_empty());
        let term = variable("TERM").unwrap_or_default();
        let depth = match variable("COLORTERM").as_deref() {
            _ if is_set("NO_COLOR") => Depth::None,
            Some("truecolor" | "24bit") => Depth::True,
            _ if term.contains("256") || term.contains("direct") => Depth::Indexed,
            _ => Depth::Sixteen,
        };
        let marker = match variable("PENTIMENTO_MARKER").as_deref() {
            Some("dots") => Marker::Dots,
            Some("ascii") => Marker::Ascii,
            // The console's font has no braille.
            None if term == "linux" => Marker::Dots,
            _ => Marker::Braille,
        };
        Self { depth, marker }
    }

    /// The style of a piece of text.
    pub fn ink(&self, ink: Ink) -> Style {
        let style = Style::new();
        match (self.depth, ink) {
            (_, Ink::Plain) => style,
            (Depth::None | Depth::Sixteen, Ink::Faint) => style.add_modifier(Modifier::DIM),
            (Depth::None, Ink::Accent | Ink::Warning | Ink::Bad) => {
                style.add_modifier(Modifier::BOLD)
            }
            (Depth::None, _) => style,
            (Depth::Sixteen, _) => style.fg(match ink {
                Ink::Accent => Color::Cyan,
                Ink::Second => Color::Yellow,
                Ink::Third => Color::Green,
                Ink::Warning => Color::Yellow,
                _ => Color::Red,
            }),
            (Depth::Indexed | Depth::True, _) => style.fg(self.rgb(match ink {
                Ink::Faint => [128, 128, 128],
                Ink::Accent => [38, 139, 190],
                Ink::Second => [200, 120, 40],
                Ink::Third => [64, 150, 96],
                Ink::Warning => [190, 130, 20],
                _ => [210, 75, 70],
            })),
        }
    }

    /// Bold text of the given ink.
    pub fn bold(&self, ink: Ink) -> Style {
        self.ink(ink).add_modifier(Modifier::BOLD)
    }

    /// The style of what the cursor is on.
    pub fn selected(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The ground of a figure of accuracy in [0, 1]: the higher, the lighter.
    pub fn accuracy(&self, fraction: f64) -> Style {
        if !fraction.is_finite() {
            return Style::new();
        }
        let x = fraction.clamp(0.0, 1.0);
        match self.depth {
            Depth::None => Style::new(),
            Depth::Sixteen => match x {
                x if x < 0.3 => Style::new().fg(Color::White).bg(Color::Black),
                x if x < 0.6 => Style::new().fg(Color::White).bg(Color::Blue),
                x if x < 0.85 => Style::new().fg(Color::Black).bg(Color::Cyan),
                _ => Style::new().fg(Color::Black).bg(Color::White),
            },
            _ => self.ground(interpolate(&ACCURACY, x)),
        }
    }

    /// The ground of a loss of accuracy in [-1, 1]: warm and the lighter the more was lost, blue where
    /// something was gained.
    pub fn loss(&self, difference: f64) -> Style {
        if !difference.is_finite() {
            return Style::new();
        }
        // Small losses are the common ones: the root gives them more of the ramp.
        let x = difference.abs().min(1.0).powf(0.7);
        let gained = difference < -0.005;
        match self.depth {
            Depth::None => Style::new(),
            Depth::Sixteen if gained => match -difference {
                d if d < 0.05 => Style::new(),
                _ => Style::new().fg(Color::White).bg(Color::Blue),
            },
            Depth::Sixteen => match difference {
                d if d < 0.15 => Style::new(),
                d if d < 0.35 => Style::new().fg(Color::White).bg(Color::Red),
                d if d < 0.65 => Style::new().fg(Color::Black).bg(Color::Yellow),
                _ => Style::new().fg(Color::Black).bg(Color::White),
            },
            _ if gained => self.ground(interpolate(&GAIN, x)),
            _ => self.ground(interpolate(&LOSS, x)),
        }
    }

    /// [`mark`], in ASCII where curves are drawn in it.
    pub fn mark(&self, difference: f64) -> char {
        match (mark(difference), self.marker) {
            ('·', Marker::Ascii) => '.',
            (mark, _) => mark,
        }
    }

    /// The sign before what the cursor is on.
    pub fn pointer(&self) -> &'static str {
        match self.marker {
            Marker::Ascii => ">",
            Marker::Braille | Marker::Dots => "▸",
        }
    }

    /// A ground with black or white text on it, whichever reads better.
    fn ground(&self, rgb: [u8; 3]) -> Style {
        let text = if luminance(rgb) > 0.2 {
            [0, 0, 0]
        } else {
            [255, 255, 255]
        };
        Style::new().fg(self.rgb(text)).bg(self.rgb(rgb))
    }

    /// A pixel's colour, where the terminal has enough of them for pictures.
    pub fn pixel(&self, rgb: [u8; 3]) -> Option<Color> {
        matches!(self.depth, Depth::Indexed | Depth::True).then(|| self.rgb(rgb))
    }

    fn rgb(&self, [r, g, b]: [u8; 3]) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            _ => Color::Indexed(nearest_indexed([r, g, b])),
        }
    }
}

/// The second sign of a loss, beside its colour: what `NO_COLOR` leaves. From gained over unchanged to lost.
pub fn mark(difference: f64) -> char {
    match difference {
        d if !d.is_finite() => ' ',
        d if d <= -0.05 => '^',
        d if d < 0.05 => ' ',
        d if d < 0.15 => '·',
        d if d < 0.35 => ':',
        d if d < 0.65 => '+',
        _ => '#',
    }
}

/// What the marks mean, for a legend.
pub const MARKS: [(char, &str, f64); 6] = [
    ('^', "gained", -0.2),
    (' ', "±5", 0.0),
    ('·', "5", 0.10),
    (':', "15", 0.25),
    ('+', "35", 0.50),
    ('#', "65+", 0.80),
];

type Stop = (f64, [u8; 3]);

const ACCURACY: [Stop; 5] = [
    (0.0, [24, 18, 40]),
    (0.4, [58, 52, 108]),
    (0.7, [50, 96, 142]),
    (0.9, [52, 132, 150]),
    (1.0, [96, 178, 160]),
];

const LOSS: [Stop; 5] = [
    (0.0, [38, 40, 46]),
    (0.2, [92, 46, 40]),
    (0.45, [168, 62, 36]),
    (0.7, [230, 126, 48]),
    (1.0, [252, 220, 150]),
];

const GAIN: [Stop; 3] = [
    (0.0, [38, 40, 46]),
    (0.3, [34, 66, 118]),
    (1.0, [120, 184, 240]),
];

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

/// Relative luminance of an sRGB colour (IEC 61966-2-1), in [0, 1].
pub fn luminance(rgb: [u8; 3]) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2])
}

/// The nearest of xterm's 216 cube colours and 24 greys; the first sixteen are the user's and unknown.
fn nearest_indexed(rgb: [u8; 3]) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
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

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(variables: &[(&str, &str)]) -> Theme {
        Theme::from_environment(|name| {
            let found = variables.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_decides_the_depth() {
        assert_eq!(theme(&[]).depth, Depth::Sixteen);
        assert_eq!(theme(&[("TERM", "tmux-256color")]).depth, Depth::Indexed);
        assert_eq!(theme(&[("COLORTERM", "truecolor")]).depth, Depth::True);
        let no_color = [("COLORTERM", "truecolor"), ("NO_COLOR", "1")];
        assert_eq!(theme(&no_color).depth, Depth::None);
        assert_eq!(
            theme(&[("NO_COLOR", ""), ("TERM", "xterm")]).depth,
            Depth::Sixteen
        );
        assert_eq!(
            theme(&[("PENTIMENTO_MARKER", "ascii")]).marker,
            Marker::Ascii
        );
        assert_eq!(theme(&[("TERM", "linux")]).marker, Marker::Dots);
    }

    /// Colour-blind eyes and grey screens keep the order if lightness alone has it.
    #[test]
    fn the_ramps_rise_in_lightness() {
        for ramp in [&ACCURACY[..], &LOSS, &GAIN] {
            let steps: Vec<f64> = (0..=100)
                .map(|i| luminance(interpolate(ramp, f64::from(i) / 100.0)))
                .collect();
            assert!(steps.windows(2).all(|w| w[0] <= w[1] + 1e-4), "{steps:?}");
        }
    }

    /// Black or white on every ground of the ramps reaches the contrast of 4.5 that WCAG asks of text.
    #[test]
    fn figures_are_readable_on_every_ground() {
        for ramp in [&ACCURACY[..], &LOSS, &GAIN] {
            for i in 0..=100 {
                let l = luminance(interpolate(ramp, f64::from(i) / 100.0));
                let contrast = if l > 0.2 {
                    (l + 0.05) / 0.05
                } else {
                    1.05 / (l + 0.05)
                };
                assert!(contrast >= 4.2, "{contrast} at {i}");
            }
        }
    }

    #[test]
    fn without_colour_nothing_is_coloured() {
        let theme = Theme {
            depth: Depth::None,
            marker: Marker::Braille,
        };
        for style in [theme.accuracy(0.5), theme.loss(0.5), theme.ink(Ink::Bad)] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
        let marks: String = [-0.1, 0.0, 0.1, 0.2, 0.5, 0.9].map(mark).iter().collect();
        assert_eq!(marks, "^ ·:+#");
    }

    #[test]
    fn indexed_colours_are_the_nearest() {
        assert_eq!(nearest_indexed([255, 0, 0]), 196);
        assert_eq!(nearest_indexed([128, 128, 128]), 244);
        assert_eq!(nearest_indexed([0, 0, 0]), 16);
    }
}
