//! SVG, written by hand.
//!
//! A library of charts (plotters) was looked at first. It measures text with the fonts of the machine it runs on, so
//! that equal runs would not export equal bytes, knows pixels and no millimetres, and has no `<title>` and `<desc>`; what
//! a figure of a paper needs beyond lines, rectangles and text is little.
//!
//! One user unit is a point, 1/72 inch, so that sizes of letters are what a journal asks for.

use std::fmt::Write;

/// Points in a millimetre.
pub const MM: f64 = 72.0 / 25.4;
/// Size of letters, in points.
pub const TEXT: f64 = 8.0;
/// Size of letters where many stand together, in points.
pub const SMALL: f64 = 6.5;
/// Colour of letters and axes.
pub const INK: &str = "#1a1a1a";
/// Colour of what is not there, and of rules.
pub const FAINT: &str = "#8c8c8c";

/// The family that is measured, and those that are as wide to the last letter.
const FAMILIES: &str = "Arimo, Arial, Helvetica, 'Liberation Sans', sans-serif";

/// A picture that grows downwards: its height is known when all is drawn.
pub struct Svg {
    /// In points.
    pub width: f64,
    body: String,
}

/// Where a text is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text stands.
#[derive(Clone, Copy, Debug)]
pub struct Letters<'a> {
    /// In points.
    pub size: f64,
    pub anchor: Anchor,
    pub colour: &'a str,
    /// Read from below upwards.
    pub upright: bool,
}

impl Letters<'_> {
    /// Plain text held at its start, middle or end.
    pub fn held(anchor: Anchor) -> Self {
        Self {
            size: TEXT,
            anchor,
            colour: INK,
            upright: false,
        }
    }

    /// The same, small.
    pub fn small(anchor: Anchor) -> Self {
        Self {
            size: SMALL,
            ..Self::held(anchor)
        }
    }
}

impl Svg {
    pub fn new(width: f64) -> Self {
        Self {
            width,
            body: String::new(),
        }
    }

    /// An element without content; `attributes` are as they stand in the file.
    fn element(&mut self, name: &str, numbers: &[(&str, f64)], attributes: &str) {
        let _ = write!(self.body, "<{name}");
        for (key, value) in numbers {
            let _ = write!(self.body, " {key}=\"{}\"", number(*value));
        }
        let space = if attributes.is_empty() { "" } else { " " };
        let _ = writeln!(self.body, "{space}{attributes}/>");
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), attributes: &str) {
        let ends = [("x1", from.0), ("y1", from.1), ("x2", to.0), ("y2", to.1)];
        self.element("line", &ends, attributes);
    }

    pub fn rect(&mut self, area: &Area, attributes: &str) {
        let numbers = [
            ("x", area.x),
            ("y", area.y),
            ("width", area.width),
            ("height", area.height),
        ];
        self.element("rect", &numbers, attributes);
    }

    pub fn circle(&mut self, centre: (f64, f64), radius: f64, attributes: &str) {
        let numbers = [("cx", centre.0), ("cy", centre.1), ("r", radius)];
        self.element("circle", &numbers, attributes);
    }

    /// Nothing is drawn for an empty path.
    pub fn path(&mut self, path: &Path, attributes: &str) {
        if !path.0.is_empty() {
            let _ = writeln!(
                self.body,
                "<path d=\"{}\" {attributes}/>",
                path.0.trim_end()
            );
        }
    }

    /// What `draw` draws, under common attributes.
    pub fn group(&mut self, attributes: &str, draw: impl FnOnce(&mut Self)) {
        let _ = writeln!(self.body, "<g {attributes}>");
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// An area under a name, which a `clip-path` of that name cuts to.
    pub fn clip(&mut self, name: &str, area: &Area) {
        let _ = writeln!(self.body, "<clipPath id=\"{name}\">");
        self.rect(area, "");
        self.body.push_str("</clipPath>\n");
    }

    /// A text whose base line begins, is centred or ends at a point. Names in it may come from anywhere.
    pub fn text(&mut self, (x, y): (f64, f64), text: &str, letters: Letters) {
        let anchor = match letters.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let size = match letters.size {
            TEXT => String::new(),
            size => format!(" font-size=\"{}\"", number(size)),
        };
        let colour = match letters.colour {
            INK => String::new(),
            colour => format!(" fill=\"{colour}\""),
        };
        let (x, y) = (number(x), number(y));
        let turned = match letters.upright {
            true => format!(" transform=\"rotate(-90 {x} {y})\""),
            false => String::new(),
        };
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\"{anchor}{size}{colour}{turned}>{}</text>",
            escape(text)
        );
    }

    /// The file. `height` is in points; title and description are for whoever opens it, and not drawn.
    pub fn finish(self, height: f64, title: &str, description: &str) -> String {
        let (width, height) = (number(self.width), number(height));
        let mm = |points: &str| number(points.parse::<f64>().unwrap_or(0.0) / MM);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}mm\" height=\"{}mm\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"{FAMILIES}\" font-size=\"{}\" fill=\"{INK}\">\n\
             <title>{}</title>\n<desc>{}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            mm(&width),
            mm(&height),
            number(TEXT),
            escape(title),
            escape(description),
            self.body
        )
    }
}

/// A rectangle, in points from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub fn centre(&self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// What a path goes along.
#[derive(Default)]
pub struct Path(String);

impl Path {
    pub fn rect(&mut self, area: &Area) {
        let _ = write!(
            self.0,
            "M{} {}h{}v{}h-{}z",
            number(area.x),
            number(area.y),
            number(area.width),
            number(area.height),
            number(area.width)
        );
    }

    /// A line through these points, broken where one is not finite.
    pub fn through(&mut self, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut drawing = false;
        for (x, y) in points {
            let finite = x.is_finite() && y.is_finite();
            if finite {
                let command = if drawing { 'L' } else { 'M' };
                let _ = write!(self.0, "{command}{} {}", number(x), number(y));
            }
            drawing = finite;
        }
    }

    pub fn close(&mut self) {
        if !self.0.is_empty() {
            self.0.push('z');
        }
    }
}

/// Two decimals at most: a hundredth of a point is 0.1 pixels at 600 dpi. What is not finite has no place in a
/// picture; callers leave it out.
pub fn number(x: f64) -> String {
    debug_assert!(x.is_finite(), "{x} is drawn");
    if !x.is_finite() {
        return "0".into();
    }
    let text = format!("{x:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".into(),
        _ => text.into(),
    }
}

/// Text without what a reader does not see: control characters, which XML has no place for, and those that turn the
/// direction of what stands around them.
pub fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let seen = text.chars().filter(|&c| !turns(c));
    seen.map(|c| match c {
        c if c.is_control() => ' ',
        '\u{fffe}' | '\u{ffff}' => ' ',
        c => c,
    })
    .collect()
}

/// Text as markup has it.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in clean(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [1.0, 0.126, -0.001, 10.0].map(number),
            ["1", "0.13", "0", "10"]
        );
    }

    #[test]
    fn nothing_in_a_name_is_markup() {
        assert_eq!(escape("a<b>&\u{1}\u{202e}c\n"), "a&lt;b&gt;&amp; c ");
    }

    #[test]
    fn a_path_is_broken_where_a_figure_is_missing() {
        let mut path = Path::default();
        path.through([(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0)]);
        assert_eq!(path.0, "M0 1M2 1L3 2");
    }
}
