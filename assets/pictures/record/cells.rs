//! A row of the terminal as SVG: grounds and blocks, lines and dots as strokes, so that no font can tear them; the rest
//! as text, each run as wide as its cells.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::recorder::SIZE;

/// Width and height of a cell.
pub const CELL: (usize, usize) = (10, 20);
/// What the terminal's own colours are taken to be.
pub const GROUND: Colour = Colour(0x14, 0x14, 0x14);
const INK: Colour = Colour(0xd0, 0xd0, 0xd0);
/// From a row's top to the foot of its letters.
const BASELINE: usize = 15;
/// Columns and rows of a braille character's dots, and the bit of each.
const DOTS: [(usize, [usize; 4]); 2] = [(3, [0, 1, 2, 6]), (7, [3, 4, 5, 7])];

/// Red, green, blue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Colour(pub u8, pub u8, pub u8);

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Strokes and text of a row.
#[derive(Default)]
struct Row {
    /// By kind and colour, the path.
    strokes: BTreeMap<(Kind, Colour), String>,
    texts: String,
    run: Option<Run>,
}

/// How thick a stroke is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Whole,
    Half,
    Line,
    Heavy,
    Dot,
    Filled,
}

impl Kind {
    /// Its class in the picture's style.
    fn class(self) -> &'static str {
        match self {
            Kind::Whole => "w",
            Kind::Half => "h",
            Kind::Line => "l",
            Kind::Heavy => "L",
            Kind::Dot => "d",
            Kind::Filled => "f",
        }
    }
}

/// The style of what [`row`] writes.
pub const STYLE: &str = "text{white-space:pre}path{fill:none;shape-rendering:crispEdges}.w{stroke-width:20}.h{stroke-width:10}\
    .l{stroke-width:1.4}.L{stroke-width:3}.d{stroke-width:2.8;stroke-linecap:round;shape-rendering:auto}\
    .b{font-weight:bold}";

/// Letters of one colour that stand beside each other.
struct Run {
    from: usize,
    to: usize,
    colour: Colour,
    bold: bool,
    text: String,
}

/// A row, from (0, 0) on.
pub fn row(screen: &vt100::Screen, y: u16) -> String {
    let mut row = Row::default();
    let mut x = 0;
    while x < SIZE.0 {
        let Some(cell) = screen.cell(y, x) else {
            break;
        };
        let columns = if cell.is_wide() { 2 } else { 1 };
        row.cell(cell, usize::from(x), usize::from(columns));
        x += columns;
    }
    row.end_run();
    let mut svg = String::new();
    for ((kind, colour), path) in &row.strokes {
        let paint = if *kind == Kind::Filled {
            "style=\"fill:"
        } else {
            "stroke=\""
        };
        let _ = write!(
            svg,
            "<path class=\"{}\" {paint}{colour}\" d=\"{path}\"/>",
            kind.class()
        );
    }
    svg + &row.texts
}

impl Row {
    fn cell(&mut self, cell: &vt100::Cell, x: usize, columns: usize) {
        let (mut ink, mut ground) = (colour(cell.fgcolor(), INK), colour(cell.bgcolor(), GROUND));
        if cell.inverse() {
            std::mem::swap(&mut ink, &mut ground);
        }
        if cell.dim() {
            ink = between(ink, ground);
        }
        let (left, wide) = (x * CELL.0, columns * CELL.0);
        let symbol = cell.contents().chars().next().unwrap_or(' ');
        let (upper, lower) = match symbol {
            '█' => (ink, ink),
            '▀' => (ink, ground),
            '▄' => (ground, ink),
            _ => (ground, ground),
        };
        match upper == lower {
            true => self.level(Kind::Whole, upper, left, 10, wide),
            false => {
                self.level(Kind::Half, upper, left, 5, wide);
                self.level(Kind::Half, lower, left, 15, wide);
            }
        }
        match symbol {
            ' ' | '█' | '▀' | '▄' => self.space(x),
            '▁'..='▇' => {
                let height = 20 * (symbol as usize - 0x2580) / 8;
                let bar = format!("M{left} 20v-{height}h{wide}v{height}z");
                self.stroke(Kind::Filled, ink).push_str(&bar);
            }
            '\u{2800}'..='\u{28ff}' => self.dots(symbol as usize - 0x2800, ink, left),
            _ => match lines(symbol) {
                Some((kind, sides)) => self.lines(kind, sides, ink, left),
                None => self.letter(cell, x, columns, ink),
            },
        }
    }

    fn stroke(&mut self, kind: Kind, colour: Colour) -> &mut String {
        self.strokes.entry((kind, colour)).or_default()
    }

    /// A stroke from left to right, at one with that which ends where it begins.
    fn level(&mut self, kind: Kind, colour: Colour, left: usize, y: usize, wide: usize) {
        if colour == GROUND && matches!(kind, Kind::Whole | Kind::Half) {
            return;
        }
        let path = self.stroke(kind, colour);
        // The last piece reads "Mx yhw".
        let before = path.rfind('M').and_then(|at| {
            let (from, rest) = path[at + 1..].split_once(' ')?;
            let (level, width) = rest.split_once('h')?;
            let (from, width): (usize, usize) = (from.parse().ok()?, width.parse().ok()?);
            (level.parse() == Ok(y) && from + width == left).then_some((at, from, width))
        });
        match before {
            Some((at, from, width)) => {
                path.truncate(at);
                let _ = write!(path, "M{from} {y}h{}", width + wide);
            }
            None => {
                let _ = write!(path, "M{left} {y}h{wide}");
            }
        }
    }

    fn dots(&mut self, bits: usize, ink: Colour, left: usize) {
        let path = self.stroke(Kind::Dot, ink);
        for (x, column) in DOTS {
            for (row, bit) in column.into_iter().enumerate() {
                if (bits >> bit) & 1 == 1 {
                    let _ = write!(path, "M{} {}h0", left + x, 3 + 5 * row);
                }
            }
        }
    }

    fn lines(&mut self, kind: Kind, [up, down, left, right]: [bool; 4], ink: Colour, x: usize) {
        match (left, right) {
            (true, true) => self.level(kind, ink, x, 10, 10),
            (true, false) => self.level(kind, ink, x, 10, 5),
            (false, true) => self.level(kind, ink, x + 5, 10, 5),
            (false, false) => {}
        }
        let (from, to) = (if up { 0 } else { 10 }, if down { 20 } else { 10 });
        if from < to {
            let _ = write!(self.stroke(kind, ink), "M{} {from}v{}", x + 5, to - from);
        }
    }

    fn letter(&mut self, cell: &vt100::Cell, x: usize, columns: usize, colour: Colour) {
        let bold = cell.bold();
        let goes_on = |run: &Run| run.to == x && run.colour == colour && run.bold == bold;
        if !self.run.as_ref().is_some_and(goes_on) {
            self.end_run();
        }
        let run = self.run.get_or_insert_with(|| Run {
            from: x,
            to: x,
            colour,
            bold,
            text: String::new(),
        });
        run.text.push_str(cell.contents());
        run.to = x + columns;
    }

    /// A single space does not end a run.
    fn space(&mut self, x: usize) {
        match &mut self.run {
            Some(run) if run.to == x && !run.text.ends_with(' ') => {
                run.text.push(' ');
                run.to += 1;
            }
            _ => self.end_run(),
        }
    }

    fn end_run(&mut self) {
        let Some(run) = self.run.take() else {
            return;
        };
        let text = run.text.trim_end();
        let columns = run.to - run.from - (run.text.len() - text.len());
        let bold = if run.bold { " class=\"b\"" } else { "" };
        let width = match columns {
            1 => String::new(),
            n => format!(" textLength=\"{}\"", n * CELL.0),
        };
        let _ = write!(
            self.texts,
            "<text x=\"{}\" y=\"{BASELINE}\" fill=\"{}\"{bold}{width}>{}</text>",
            run.from * CELL.0,
            run.colour,
            escaped(text)
        );
    }
}

/// Text as SVG has it.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;")
}

/// A box-drawing character's strokes: up, down, left, right.
fn lines(symbol: char) -> Option<(Kind, [bool; 4])> {
    let sides = match symbol {
        '─' | '━' => [false, false, true, true],
        '│' => [true, true, false, false],
        '┤' => [true, true, true, false],
        '├' => [true, true, false, true],
        '┴' => [true, false, true, true],
        '┬' => [false, true, true, true],
        '┼' => [true, true, true, true],
        '└' | '╰' => [true, false, false, true],
        '┘' | '╯' => [true, false, true, false],
        '┌' | '╭' => [false, true, false, true],
        '┐' | '╮' => [false, true, true, false],
        _ => return None,
    };
    Some((
        if symbol == '━' {
            Kind::Heavy
        } else {
            Kind::Line
        },
        sides,
    ))
}

fn between(a: Colour, b: Colour) -> Colour {
    let mean = |a, b| u8::midpoint(a, b);
    Colour(mean(a.0, b.0), mean(a.1, b.1), mean(a.2, b.2))
}

/// A terminal's colour; of 256, those of the cube and the greys are fixed, the first 16 are xterm's.
fn colour(colour: vt100::Color, default: Colour) -> Colour {
    match colour {
        vt100::Color::Default => default,
        vt100::Color::Rgb(r, g, b) => Colour(r, g, b),
        vt100::Color::Idx(i @ 232..) => {
            let grey = 8 + 10 * (i - 232);
            Colour(grey, grey, grey)
        }
        vt100::Color::Idx(i @ 16..) => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let i = i - 16;
            Colour(level(i / 36), level(i / 6 % 6), level(i % 6))
        }
        vt100::Color::Idx(i) => {
            let level = match i {
                7 => 0xe5,
                8 => 0x7f,
                0..8 => 0xcd,
                _ => 0xff,
            };
            let part = |bit: u8| {
                if (i >> bit) & 1 == 1 || i == 8 {
                    level
                } else {
                    0
                }
            };
            Colour(part(0), part(1), part(2))
        }
    }
}
