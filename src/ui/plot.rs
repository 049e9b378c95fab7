//! Curves in characters: braille where the font has it, dots or ASCII where not. Axes end where what is shown
//! ends, at round figures.

use ratatui::style::Style;

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
}

/// An upright line with a name: where a task ends.
pub struct Boundary {
    /// Where.
    pub x: f64,
    /// What begins there.
    pub name: String,
}

/// A plot: later series lie over earlier ones.
pub struct Plot {
    /// From and to.
    pub x: (f64, f64),
    /// From and to.
    pub y: (f64, f64),
    /// What the y axis' figures are multiplied by when written: 100 for percent.
    pub unit: f64,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Where tasks end.
    pub boundaries: Vec<Boundary>,
}

/// Round figures from `from` to `to`, about `count` of them (1, 2 or 5 times a power of ten apart).
pub fn ticks(from: f64, to: f64, count: usize) -> Vec<f64> {
    let span = to - from;
    if !span.is_finite() || span <= 0.0 || count == 0 {
        return Vec::new();
    }
    let raw = span / count as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = power
        * match raw / power {
            r if r <= 1.0 => 1.0,
            r if r <= 2.0 => 2.0,
            r if r <= 5.0 => 5.0,
            _ => 10.0,
        };
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
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

/// Decimals that tell figures apart which lie `step` apart.
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

impl Plot {
    /// Draws axes and series into the whole of the pen's area; nothing where that is too small to say anything.
    pub fn draw(&self, pen: &mut Pen, theme: &Theme) {
        let faint = theme.ink(Ink::Faint);
        let rows = usize::from(pen.height()).saturating_sub(1);
        if rows < 2 || pen.width() < 14 {
            return;
        }
        let labels = self.labels((rows / 2).clamp(1, 8));
        let gutter = labels.iter().map(|(_, l)| width(l)).max().unwrap_or(0) as u16 + 1;
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
    }

    /// Ticks of the y axis with as many decimals as tell them apart.
    fn labels(&self, count: usize) -> Vec<(f64, String)> {
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
            _ => 0,
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

    /// A point's place in dots, if it has one.
    fn place(&self, (x, y): (f64, f64), across: usize, down: usize) -> Option<(i64, i64)> {
        let part_x = (x - self.x.0) / (self.x.1 - self.x.0);
        let part_y = (y - self.y.0) / (self.y.1 - self.y.0);
        let inside = (0.0..=1.0).contains(&part_x) && (0.0..=1.0).contains(&part_y);
        inside.then(|| {
            let x = (part_x * (across as f64 - 1.0)).round() as i64;
            let y = ((1.0 - part_y) * (down as f64 - 1.0)).round() as i64;
            (x, y)
        })
    }

    fn draw_series(&self, pen: &mut Pen, series: &Series, marker: Marker) {
        let (columns, rows) = (usize::from(pen.width()), usize::from(pen.height()));
        let (across, down) = dots(marker);
        let mut layer = Layer::new(columns, rows);
        let mut last = None;
        for point in &series.points {
            let Some(at) = self.place(*point, columns * across, rows * down) else {
                last = None;
                continue;
            };
            match last {
                Some(from) if series.kind == Kind::Line => layer.join(marker, from, at),
                _ => layer.set(marker, at.0, at.1),
            }
            last = Some(at);
        }
        for (i, bits) in layer.bits.iter().enumerate().filter(|(_, b)| **b != 0) {
            let symbol = match (marker, series.kind) {
                (_, Kind::Mark(mark)) => mark,
                (Marker::Braille, _) => char::from_u32(0x2800 + u32::from(*bits)).unwrap_or('•'),
                (Marker::Dots, Kind::Line) => '•',
                (Marker::Dots, Kind::Points) => '·',
                (Marker::Ascii, Kind::Line) => '*',
                (Marker::Ascii, Kind::Points) => '.',
            };
            let (x, y) = ((i % columns) as u16, (i / columns) as u16);
            pen.text(x, y, symbol.encode_utf8(&mut [0; 4]), series.style);
        }
    }

    fn draw_letter(&self, pen: &mut Pen, series: &Series) {
        let (columns, rows) = (usize::from(pen.width()), usize::from(pen.height()));
        let last = series.points.last();
        if let (Some(letter), Some(point)) = (series.letter, last)
            && let Some((x, y)) = self.place(*point, columns, rows)
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
mod tests {
    use super::*;
    use crate::ui::theme::Depth;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    fn plot(points: Vec<(f64, f64)>) -> Plot {
        Plot {
            x: (0.0, 10.0),
            y: (0.0, 1.0),
            unit: 1.0,
            series: vec![Series {
                points,
                style: Style::new(),
                kind: Kind::Line,
                letter: Some('h'),
            }],
            boundaries: Vec::new(),
        }
    }

    fn drawn(plot: &Plot, marker: Marker) -> Vec<String> {
        let area = Rect::new(0, 0, 24, 6);
        let mut buffer = Buffer::empty(area);
        let theme = Theme {
            depth: Depth::None,
            marker,
        };
        plot.draw(&mut Pen::new(&mut buffer, area), &theme);
        let line = |y| (0..24).map(|x| buffer[(x, y)].symbol()).collect();
        (0..6).map(line).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 600.0, 4), [0.0, 200.0, 400.0, 600.0]);
        let ticks = ticks(0.83, 1.0, 4);
        assert!(
            (ticks[0] - 0.85).abs() < 1e-9 && ticks.len() == 4,
            "{ticks:?}"
        );
        assert!(super::ticks(1.0, 1.0, 4).is_empty());
        assert!(super::ticks(0.0, f64::NAN, 4).is_empty());
    }

    #[test]
    fn a_rising_line_in_ascii() {
        let lines = drawn(&plot(vec![(0.0, 0.0), (10.0, 1.0)]), Marker::Ascii);
        assert!(lines[0].starts_with("1.0 +") && lines[0].trim_end().ends_with('h'));
        assert!(lines[4].starts_with("0.0 +*"), "{lines:#?}");
        assert!(lines.iter().all(|l| l.is_ascii()));
    }

    /// A loss that is no number must not tear the plot down.
    #[test]
    fn what_is_not_finite_is_left_out() {
        let lines = drawn(
            &plot(vec![(1.0, f64::NAN), (2.0, f64::INFINITY)]),
            Marker::Dots,
        );
        assert!(!lines.concat().contains('•'));
    }

    #[test]
    fn the_scale_is_of_what_is_shown() {
        let (low, high) = scale([0.9, 0.95, f64::NAN].into_iter(), 0.1);
        assert!(low < 0.9 && low > 0.85 && high > 0.95 && high < 1.02);
        assert_eq!(scale([].into_iter(), 1.0), (0.0, 1.0));
    }
}
