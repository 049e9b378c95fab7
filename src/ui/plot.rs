//! Curves in characters: braille where the font has it, dots or ASCII where not. Axes end where what is shown
//! ends, at round figures.

mod ticks;

use ratatui::style::Style;

pub use ticks::ticks;

use ticks::log_ticks;

use super::pen::Pen;
use super::text::width;
use super::theme::{Ink, Marker, Theme};

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A point each.
    Points,
    /// Points joined.
    Line,
    /// A character each.
    Mark(char),
}

/// Points of one colour. Those that are not finite, or lie outside the axes, are left out.
pub struct Series {
    /// (x, y), x rising.
    pub points: Vec<(f64, f64)>,
    /// Its colour.
    pub style: Style,
    /// Points or a line.
    pub kind: Kind,
    /// A letter at its end, so that curves differ without colour too.
    pub letter: Option<char>,
    /// What the line is drawn with where a cell holds one sign; `None` as any line.
    pub sign: Option<char>,
}

/// An upright line with a name: where a task ends.
pub struct Boundary {
    /// Where.
    pub x: f64,
    /// What begins there.
    pub name: String,
}

/// A sign on the upper edge: something has no place of its own.
pub struct Mark {
    /// Where.
    pub x: f64,
    /// The sign.
    pub sign: char,
    /// Its colour.
    pub style: Style,
}

/// A plot: later series lie over earlier ones.
#[derive(Default)]
pub struct Plot {
    /// From and to.
    pub x: (f64, f64),
    /// From and to.
    pub y: (f64, f64),
    /// Whether y is the common logarithm of what is written beside its axis.
    pub log: bool,
    /// What the x axis counts, written at its beginning; may be empty.
    pub name: &'static str,
    /// What the y axis' figures are multiplied by when written: 100 for percent.
    pub unit: f64,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Where tasks end.
    pub boundaries: Vec<Boundary>,
    /// What is above the upper edge; later ones lie over earlier ones.
    pub marks: Vec<Mark>,
}

/// A scale for `values`: from 0 or a round figure below the least, to one above the greatest. `least_span` keeps
/// a flat curve from filling the height with noise.
pub fn scale(values: impl Iterator<Item = f64>, least_span: f64) -> (f64, f64) {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
    if low > high {
        return (0.0, least_span.max(1e-9));
    }
    let span = (high - low).max(least_span);
    (low - 0.05 * span, low + 1.08 * span)
}

/// Decimals that tell figures so far apart from one another.
fn decimals(step: f64) -> usize {
    (-(step + 1e-9).log10().floor()).clamp(0.0, 6.0) as usize
}

/// Dots a cell has in x and y.
fn dots(marker: Marker) -> (usize, usize) {
    match marker {
        Marker::Braille => (2, 4),
        Marker::Dots | Marker::Ascii => (1, 1),
    }
}

/// Points in one column of dots from which they are drawn as a bar from the least to the greatest.
const CROWD: usize = 24;

/// What falls into one column of dots. Where it came in, its least, its greatest and where it left draw the same
/// line as all of it (Jugel et al., "M4: a visualization-oriented time series data aggregation", VLDB 2014).
struct Stack {
    x: i64,
    last: i64,
    low: i64,
    high: i64,
    points: usize,
}

impl Stack {
    fn at(x: i64, y: i64) -> Self {
        Self {
            x,
            last: y,
            low: y,
            high: y,
            points: 1,
        }
    }

    fn add(&mut self, y: i64) {
        self.last = y;
        self.low = self.low.min(y);
        self.high = self.high.max(y);
        self.points += 1;
    }
}

/// The dots of one series, a bit a dot in every cell.
struct Layer {
    columns: usize,
    rows: usize,
    bits: Vec<u8>,
}

/// Braille's bit for the dot in column x (0, 1) and row y (0 to 3) of a cell.
const BRAILLE: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

impl Layer {
    fn new(columns: usize, rows: usize) -> Self {
        let bits = vec![0; columns * rows];
        Self {
            columns,
            rows,
            bits,
        }
    }

    fn set(&mut self, marker: Marker, x: i64, y: i64) {
        let (across, down) = dots(marker);
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        let (column, row) = (x / across, y / down);
        if column < self.columns && row < self.rows {
            self.bits[row * self.columns + column] |= BRAILLE[y % down][x % across];
        }
    }

    /// Draws what a column of dots has: a line all that it went through, points where they are too many to tell apart.
    fn close(&mut self, stack: Option<Stack>, kind: Kind, marker: Marker) {
        let Some(stack) = stack else {
            return;
        };
        let crowded = kind == Kind::Points && stack.points > CROWD;
        if kind == Kind::Line || crowded {
            self.join(marker, (stack.x, stack.low), (stack.x, stack.high));
        }
    }

    /// Bresenham's line.
    fn join(&mut self, marker: Marker, from: (i64, i64), to: (i64, i64)) {
        let (dx, dy) = ((to.0 - from.0).abs(), -(to.1 - from.1).abs());
        let (sx, sy) = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
        let (mut at, mut error) = (from, dx + dy);
        loop {
            self.set(marker, at.0, at.1);
            if at == to {
                return;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                at.0 += sx;
            }
            if twice <= dx {
                error += dx;
                at.1 += sy;
            }
        }
    }
}

/// Where points lie among dots.
struct Grid {
    from: (f64, f64),
    to_part: (f64, f64),
    last: (f64, f64),
}

impl Grid {
    /// A point's place in dots, from the upper left, if it has one.
    fn place(&self, (x, y): (f64, f64)) -> Option<(i64, i64)> {
        let part_x = (x - self.from.0) * self.to_part.0;
        let part_y = (y - self.from.1) * self.to_part.1;
        let inside = (0.0..=1.0).contains(&part_x) && (0.0..=1.0).contains(&part_y);
        // Nothing is below 0 here, so cutting rounds.
        let near = |part: f64, last: f64| (part * last + 0.5) as i64;
        inside.then(|| (near(part_x, self.last.0), near(1.0 - part_y, self.last.1)))
    }
}

impl Plot {
    /// Draws axes and series into the whole of the pen's area; nothing where that is too small to say anything.
    pub fn draw(&self, pen: &mut Pen, theme: &Theme) {
        let faint = theme.ink(Ink::Faint);
        let rows = usize::from(pen.height()).saturating_sub(1);
        if rows < 2 || pen.width() < 14 {
            return;
        }
        let labels = self.labels((rows / 2).clamp(1, 8));
        let named = width(self.name);
        let widest = labels.iter().map(|(_, l)| width(l)).fold(named, usize::max);
        let gutter = widest as u16 + 1;
        let columns = usize::from(pen.width().saturating_sub(gutter + 1));
        let (bar, corner, flat) = match theme.marker {
            Marker::Ascii => ("|", "+", "-"),
            _ => ("│", "└", "─"),
        };
        for row in 0..rows {
            pen.text(gutter, row as u16, bar, faint);
        }
        for (y, label) in &labels {
            let row = self.row(*y, rows);
            pen.right(gutter - 1, row, label, faint);
            pen.text(gutter, row, if bar == "│" { "┤" } else { "+" }, faint);
        }
        pen.right(gutter - 1, rows as u16, self.name, faint);
        pen.text(gutter, rows as u16, corner, faint);
        for column in 0..columns {
            pen.text(gutter + 1 + column as u16, rows as u16, flat, faint);
        }
        self.draw_x_labels(pen, gutter + 1, columns, rows as u16, faint);
        let height = pen.height() - 1;
        let mut inside = pen.part(gutter + 1, 0, columns as u16, height);
        self.draw_boundaries(&mut inside, bar, faint);
        for series in &self.series {
            self.draw_series(&mut inside, series, theme.marker);
        }
        for series in &self.series {
            self.draw_letter(&mut inside, series);
        }
        self.name_boundaries(&mut inside, faint);
        self.draw_marks(&mut inside);
    }

    /// Ticks of the y axis with as many decimals as tell them apart.
    fn labels(&self, count: usize) -> Vec<(f64, String)> {
        if self.log {
            return log_ticks(self.y.0, self.y.1, count);
        }
        let ticks = ticks(self.y.0, self.y.1, count);
        let step = match ticks.as_slice() {
            [first, second, ..] => (second - first) * self.unit,
            _ => (self.y.1 - self.y.0) * self.unit / 10.0,
        };
        let decimals = decimals(step);
        let label = |y: f64| (y, format!("{:.decimals$}", y * self.unit));
        ticks.into_iter().map(label).collect()
    }

    fn row(&self, y: f64, rows: usize) -> u16 {
        let part = (y - self.y.0) / (self.y.1 - self.y.0);
        ((1.0 - part) * (rows as f64 - 1.0))
            .round()
            .clamp(0.0, rows as f64) as u16
    }

    fn draw_x_labels(&self, pen: &mut Pen, left: u16, columns: usize, y: u16, style: Style) {
        let span = self.x.1 - self.x.0;
        let mut free_from = 0;
        let ticks = ticks(self.x.0, self.x.1, (columns / 8).clamp(1, 8));
        let decimals = match ticks.as_slice() {
            [first, second, ..] => decimals(second - first),
            _ => decimals(span / 10.0),
        };
        for x in ticks {
            let label = format!("{x:.decimals$}");
            let at = ((x - self.x.0) / span * (columns as f64 - 1.0)).round() as usize;
            let last = columns.saturating_sub(label.len());
            let start = at.saturating_sub(label.len() / 2).min(last);
            if start >= free_from && start + label.len() <= columns {
                pen.text(left + start as u16, y, &label, style);
                free_from = start + label.len() + 1;
            }
        }
    }

    /// The column at which something at `x` is drawn.
    fn column(&self, x: f64, columns: u16) -> Option<u16> {
        let part = (x - self.x.0) / (self.x.1 - self.x.0);
        let at = (part * (f64::from(columns) - 1.0)).round();
        (0.0..f64::from(columns)).contains(&at).then_some(at as u16)
    }

    fn draw_boundaries(&self, pen: &mut Pen, bar: &str, style: Style) {
        let (columns, rows) = (pen.width(), pen.height());
        let starts = self.boundaries.iter().map(|b| b.x);
        for at in starts.filter_map(|x| self.column(x, columns)) {
            for row in 0..rows {
                // The first one is the axis itself.
                if at > 0 {
                    pen.text(at, row, bar, style);
                }
            }
        }
    }

    /// Over the curves, which would make the names unreadable.
    fn name_boundaries(&self, pen: &mut Pen, style: Style) {
        for (i, boundary) in self.boundaries.iter().enumerate() {
            let Some(at) = self.column(boundary.x, pen.width()) else {
                continue;
            };
            let next = self.boundaries.get(i + 1);
            let end = next.and_then(|b| self.column(b.x, pen.width()));
            let room = end.unwrap_or(pen.width()).saturating_sub(at + 1);
            pen.fitted(at + 1, 0, room, &boundary.name, style);
        }
    }

    fn draw_marks(&self, pen: &mut Pen) {
        for mark in &self.marks {
            if let Some(at) = self.column(mark.x, pen.width()) {
                pen.text(at, 0, mark.sign.encode_utf8(&mut [0; 4]), mark.style);
            }
        }
    }

    /// Where points lie among so many dots.
    fn grid(&self, across: usize, down: usize) -> Grid {
        Grid {
            from: (self.x.0, self.y.0),
            to_part: (1.0 / (self.x.1 - self.x.0), 1.0 / (self.y.1 - self.y.0)),
            last: (across as f64 - 1.0, down as f64 - 1.0),
        }
    }

    fn draw_series(&self, pen: &mut Pen, series: &Series, marker: Marker) {
        let (columns, rows) = (usize::from(pen.width()), usize::from(pen.height()));
        let (across, down) = dots(marker);
        let mut layer = Layer::new(columns, rows);
        let grid = self.grid(columns * across, rows * down);
        let mut open: Option<Stack> = None;
        for point in &series.points {
            let Some((x, y)) = grid.place(*point) else {
                layer.close(open.take(), series.kind, marker);
                continue;
            };
            if series.kind != Kind::Line {
                layer.set(marker, x, y);
            }
            match &mut open {
                Some(stack) if stack.x == x => stack.add(y),
                _ => {
                    let before = open.replace(Stack::at(x, y));
                    if let (Some(before), Kind::Line) = (&before, series.kind) {
                        layer.join(marker, (before.x, before.last), (x, y));
                    }
                    layer.close(before, series.kind, marker);
                }
            }
        }
        layer.close(open, series.kind, marker);
        for (i, bits) in layer.bits.iter().enumerate().filter(|(_, b)| **b != 0) {
            let symbol = match (marker, series.kind, series.sign) {
                (_, Kind::Mark(mark), _) => mark,
                (Marker::Braille, ..) => char::from_u32(0x2800 + u32::from(*bits)).unwrap_or('•'),
                (_, Kind::Line, Some(sign)) => sign,
                (Marker::Dots, Kind::Line, None) => '•',
                (Marker::Dots, Kind::Points, _) => '·',
                (Marker::Ascii, Kind::Line, None) => '*',
                (Marker::Ascii, Kind::Points, _) => '.',
            };
            let (x, y) = ((i % columns) as u16, (i / columns) as u16);
            pen.text(x, y, symbol.encode_utf8(&mut [0; 4]), series.style);
        }
    }

    fn draw_letter(&self, pen: &mut Pen, series: &Series) {
        let (columns, rows) = (usize::from(pen.width()), usize::from(pen.height()));
        let last = series.points.last();
        if let (Some(letter), Some(point)) = (series.letter, last)
            && let Some((x, y)) = self.grid(columns, rows).place(*point)
        {
            let x = (x + 1).min(columns as i64 - 1);
            pen.text(
                x as u16,
                y as u16,
                letter.encode_utf8(&mut [0; 4]),
                series.style,
            );
        }
    }
}

#[cfg(test)]
mod tests;
