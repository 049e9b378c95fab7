//! How everything looks: four themes, each in as many colours as the terminal has, and what is drawn with which
//! characters. Ramps keep their order in lightness alone, so colour-blind eyes and grey screens can read them.

mod inks;
mod ramps;
#[cfg(test)]
mod vision;

use ratatui::style::{Color, Modifier, Style};

use inks::Inks;
use ramps::Ramp;

pub use ramps::luminance;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// None: `NO_COLOR` is set. Figures and marks carry everything.
    None,
    /// The sixteen of the terminal's own palette.
    #[default]
    Sixteen,
    /// xterm's 256.
    Indexed,
    /// 24 bits.
    True,
}

impl Depth {
    /// All of them, from the poorest.
    pub const ALL: [Self; 4] = [Self::None, Self::Sixteen, Self::Indexed, Self::True];
}

/// What curves are drawn with; not every font has braille.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// Eight dots a cell.
    #[default]
    Braille,
    /// One `•` a cell.
    Dots,
    /// ASCII only, in everything that the program draws.
    Ascii,
}

impl Marker {
    /// All of them, in the order of the key that goes through them.
    pub const ALL: [Self; 3] = [Self::Braille, Self::Dots, Self::Ascii];

    /// How the settings name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Braille => "braille",
            Self::Dots => "dots",
            Self::Ascii => "ascii",
        }
    }

    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Self::Braille => Self::Dots,
            Self::Dots => Self::Ascii,
            Self::Ascii => Self::Braille,
        }
    }
}

/// A set of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// For dark terminals.
    #[default]
    Dark,
    /// For light terminals.
    Light,
    /// White on black; text reaches a contrast of 7 everywhere.
    Contrast,
    /// Orange against blue, which eyes without red or green cones keep apart.
    ColourBlind,
}

impl Palette {
    /// All of them, in the order of the key that goes through them.
    pub const ALL: [Self; 4] = [Self::Dark, Self::Light, Self::Contrast, Self::ColourBlind];

    /// How the settings name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Contrast => "high-contrast",
            Self::ColourBlind => "colour-blind",
        }
    }

    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::Contrast,
            Self::Contrast => Self::ColourBlind,
            Self::ColourBlind => Self::Dark,
        }
    }

    /// What a terminal that describes itself in `COLORFGBG` (`15;0`: its text and its ground among the sixteen) needs.
    fn of_terminal(colorfgbg: &str) -> Self {
        let ground = colorfgbg.rsplit(';').next().unwrap_or_default();
        match ground.parse() {
            Ok(7 | 9..=15) => Self::Light,
            Ok(0..=6 | 8 | 16..=u8::MAX) | Err(_) => Self::Dark,
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Theme {
    /// The colours.
    pub palette: Palette,
    /// Whether the theme paints its own ground; one that was only guessed leaves the terminal's.
    pub painted: bool,
    /// Colours at hand.
    pub depth: Depth,
    /// What curves are drawn with.
    pub marker: Marker,
}

impl Theme {
    /// What the terminal can show, by `NO_COLOR` (any value but an empty one), `COLORTERM`, `TERM` and `COLORFGBG`. One
    /// that says nothing of its colours has sixteen.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_set = |name| variable(name).is_some_and(|v| !v.is_empty());
        let term = variable("TERM").unwrap_or_default();
        let depth = match variable("COLORTERM").as_deref() {
            _ if is_set("NO_COLOR") => Depth::None,
            Some("truecolor" | "24bit") => Depth::True,
            _ if term.contains("256") || term.contains("direct") => Depth::Indexed,
            _ => Depth::Sixteen,
        };
        let marker = match term.as_str() {
            // The console's font has no braille.
            "linux" => Marker::Dots,
            _ => Marker::Braille,
        };
        Self {
            palette: Palette::of_terminal(&variable("COLORFGBG").unwrap_or_default()),
            painted: false,
            depth,
            marker,
        }
    }

    /// The theme with colours that its user chose.
    pub fn with_palette(self, palette: Palette) -> Self {
        Self {
            palette,
            painted: true,
            ..self
        }
    }

    /// The style of a piece of text.
    pub fn ink(&self, ink: Ink) -> Style {
        let style = Style::new();
        let inks = Inks::of(self.palette);
        match (self.depth, ink) {
            (_, Ink::Plain) => style,
            (Depth::None | Depth::Sixteen, Ink::Faint) => style.add_modifier(Modifier::DIM),
            (Depth::None, Ink::Accent | Ink::Warning | Ink::Bad) => {
                style.add_modifier(Modifier::BOLD)
            }
            (Depth::None, _) => style,
            (Depth::Sixteen, _) => style.fg(inks.of_sixteen(ink)),
            (Depth::Indexed | Depth::True, _) => style.fg(self.rgb(inks.rgb(ink))),
        }
    }

    /// The colour of the `number`th run that lies over another; a letter tells them apart as well.
    pub fn beside(&self, number: usize) -> Style {
        let (style, inks) = (Style::new(), Inks::of(self.palette));
        match self.depth {
            Depth::None => style,
            Depth::Sixteen => style.fg(inks.beside_of_sixteen(number)),
            Depth::Indexed | Depth::True => style.fg(self.rgb(inks.beside(number))),
        }
    }

    /// A pixel's colour, where the terminal has enough of them for pictures.
    pub fn pixel(&self, rgb: [u8; 3]) -> Option<Color> {
        matches!(self.depth, Depth::Indexed | Depth::True).then(|| self.rgb(rgb))
    }

    /// Bold text of the given ink.
    pub fn bold(&self, ink: Ink) -> Style {
        self.ink(ink).add_modifier(Modifier::BOLD)
    }

    /// The style of what the cursor is on.
    pub fn selected(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The colours of text and ground where nothing else is said; none where they are the terminal's.
    pub fn ground(&self) -> Option<(Color, Color)> {
        let inks = Inks::of(self.palette);
        match self.depth {
            _ if !self.painted => None,
            Depth::None => None,
            Depth::Sixteen => Some(inks.sixteen_ground()),
            Depth::Indexed | Depth::True => Some((self.rgb(inks.plain), self.rgb(inks.ground))),
        }
    }

    /// The ground of a figure of accuracy in [0, 1]: the higher, the further from the terminal's own ground.
    pub fn accuracy(&self, fraction: f64) -> Style {
        match fraction.is_finite() {
            true => self.on(Ramp::Accuracy, fraction.clamp(0.0, 1.0)),
            false => Style::new(),
        }
    }

    /// The ground of a loss of accuracy in [-1, 1]: warm and the further from the terminal's own ground the more was
    /// lost, blue where something was gained.
    pub fn loss(&self, difference: f64) -> Style {
        if !difference.is_finite() {
            return Style::new();
        }
        let amount = difference.abs().min(1.0);
        match difference < -0.005 {
            true => self.on(Ramp::Gain, amount),
            false => self.on(Ramp::Loss, amount),
        }
    }

    fn on(&self, ramp: Ramp, amount: f64) -> Style {
        let (text, ground) = match self.depth {
            Depth::None => return Style::new(),
            Depth::Sixteen => match ramp.of_sixteen(self.palette, amount) {
                Some(colours) => colours,
                None => return Style::new(),
            },
            Depth::Indexed => ramp.indexed(self.palette, amount),
            Depth::True => ramp.rgb(self.palette, amount),
        };
        Style::new().fg(text).bg(ground)
    }

    fn rgb(&self, rgb: [u8; 3]) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(rgb[0], rgb[1], rgb[2]),
            _ => Color::Indexed(ramps::nearest_indexed(rgb)),
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
        assert_eq!(theme(&[("TERM", "linux")]).marker, Marker::Dots);
    }

    #[test]
    fn the_terminals_own_ground_decides_between_dark_and_light() {
        let of = |value| theme(&[("COLORFGBG", value)]).palette;
        assert_eq!(theme(&[]).palette, Palette::Dark);
        assert_eq!(
            ["15;0", "7;8", "0;15", "0;default;7", "0;default", ""].map(of),
            [
                Palette::Dark,
                Palette::Dark,
                Palette::Light,
                Palette::Light,
                Palette::Dark,
                Palette::Dark
            ]
        );
    }

    #[test]
    fn without_colour_nothing_is_coloured() {
        for palette in Palette::ALL {
            let theme = Theme {
                depth: Depth::None,
                ..Theme::default().with_palette(palette)
            };
            for style in [theme.accuracy(0.5), theme.loss(0.5), theme.ink(Ink::Bad)] {
                assert_eq!((style.fg, style.bg), (None, None));
            }
            assert_eq!(theme.ground(), None);
        }
        let marks: String = [-0.1, 0.0, 0.1, 0.2, 0.5, 0.9].map(mark).iter().collect();
        assert_eq!(marks, "^ ·:+#");
    }

    #[test]
    fn keys_go_through_all_palettes_and_markers() {
        for (i, palette) in Palette::ALL.into_iter().enumerate() {
            assert_eq!(palette.next(), Palette::ALL[(i + 1) % 4]);
        }
        for (i, marker) in Marker::ALL.into_iter().enumerate() {
            assert_eq!(marker.next(), Marker::ALL[(i + 1) % 3]);
        }
    }

    /// Only colours that were chosen are painted over the terminal's own.
    #[test]
    fn a_guess_leaves_the_terminals_ground() {
        let guess = theme(&[("COLORTERM", "truecolor")]);
        assert_eq!(guess.ground(), None);
        let chosen = guess.with_palette(Palette::Contrast);
        let (black, white) = (Color::Rgb(0, 0, 0), Color::Rgb(255, 255, 255));
        assert_eq!(chosen.ground(), Some((white, black)));
    }
}
