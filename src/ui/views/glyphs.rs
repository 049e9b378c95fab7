//! The foundation's characters themselves, each on a ground that says what it lost.

use super::super::app::App;
use super::super::classes::{Losses, groups, mean};
use super::super::pen::Pen;
use super::super::text::{points, width};
use super::super::theme::{Ink, mark};
use crate::lab::TestSet;
use ratatui::style::Modifier;

/// A line of the grid.
pub enum Line<'a> {
    /// A group's name.
    Group(&'a str, Vec<usize>),
    /// Classes side by side.
    Classes(Vec<usize>),
}

/// Where each class stands.
pub struct Grid<'a> {
    /// From the top; a line of classes is `cell.1` rows high.
    pub lines: Vec<Line<'a>>,
    /// Columns and rows of a cell.
    pub cell: (u16, u16),
    /// Empty rows before a group's name.
    gap: u16,
}

impl<'a> Grid<'a> {
    /// The largest cells with which everything fits; the smallest if nothing does.
    pub fn new(foundation: &'a TestSet, columns: u16, rows: u16) -> Self {
        let widest = foundation.classes.iter().map(|c| width(&c.name)).max();
        let extra = widest.unwrap_or(1).saturating_sub(1) as u16;
        let sizes = [(15, 5), (11, 3), (9, 3), (7, 3), (7, 1), (5, 1), (3, 1)];
        let grids = [1, 0].into_iter().flat_map(|gap| {
            sizes.map(|(w, h)| Self::with(foundation, columns, (w + extra, h), gap))
        });
        let mut last = None;
        for grid in grids {
            let fits = grid.height() <= rows && grid.cell.0 <= columns;
            last = Some(grid);
            if fits {
                break;
            }
        }
        last.unwrap_or_else(|| Self::with(foundation, columns, (3 + extra, 1), 0))
    }

    fn with(foundation: &'a TestSet, columns: u16, cell: (u16, u16), gap: u16) -> Self {
        let most = usize::from(columns / cell.0).max(1);
        let mut lines = Vec::new();
        for (name, classes) in groups(foundation) {
            // Even lines read better than full ones and a rest.
            let each = classes
                .len()
                .div_ceil(classes.len().div_ceil(most).max(1))
                .max(1);
            lines.push(Line::Group(name, classes.clone()));
            lines.extend(classes.chunks(each).map(|c| Line::Classes(c.to_vec())));
        }
        Self { lines, cell, gap }
    }

    fn rows_of(&self, i: usize) -> u16 {
        match self.lines.get(i) {
            Some(Line::Group("", _)) | None => 0,
            Some(Line::Group(..)) => 1 + if i > 0 { self.gap } else { 0 },
            Some(Line::Classes(_)) => self.cell.1,
        }
    }

    /// Rows in all.
    pub fn height(&self) -> u16 {
        (0..self.lines.len()).map(|i| self.rows_of(i)).sum()
    }

    /// Lines of classes only.
    fn classes(&self) -> Vec<&Vec<usize>> {
        let only = self.lines.iter().filter_map(|line| match line {
            Line::Classes(classes) => Some(classes),
            Line::Group(..) => None,
        });
        only.collect()
    }

    /// The class that lies `down` lines and `right` places from `class`.
    pub fn neighbour(&self, class: usize, down: isize, right: isize) -> usize {
        let lines = self.classes();
        let place = lines.iter().enumerate().find_map(|(y, line)| {
            let x = line.iter().position(|c| *c == class)?;
            Some((y, x))
        });
        let Some((y, x)) = place else {
            return 0;
        };
        if right != 0 {
            let all: Vec<usize> = lines.iter().flat_map(|l| l.iter().copied()).collect();
            let at = all.iter().position(|c| *c == class).unwrap_or(0);
            let to = at.saturating_add_signed(right).min(all.len() - 1);
            return all[to];
        }
        let y = y.saturating_add_signed(down).min(lines.len() - 1);
        let x = x.min(lines[y].len().saturating_sub(1));
        lines[y].get(x).copied().unwrap_or(class)
    }

    /// The first row shown, so that the line of `class` is on a screen of `rows` rows.
    fn scroll(&self, class: usize, rows: u16) -> u16 {
        let mut top = 0;
        for (i, line) in self.lines.iter().enumerate() {
            let end = top + self.rows_of(i);
            if matches!(line, Line::Classes(c) if c.contains(&class)) {
                return end.saturating_sub(rows);
            }
            top = end;
        }
        0
    }
}

/// Draws the grid and returns the rows it took.
pub fn draw(app: &App, losses: &Losses, grid: &Grid, pen: &mut Pen) -> u16 {
    let class = app.forgetting.class;
    let scroll = grid.scroll(class, pen.height());
    let mut y = 0;
    for (i, line) in grid.lines.iter().enumerate() {
        let rows = grid.rows_of(i);
        if y >= scroll && y - scroll < pen.height() {
            let top = y - scroll;
            match line {
                Line::Group("", _) => {}
                Line::Group(name, classes) => {
                    draw_group(app, losses, name, classes, top + rows - 1, pen);
                }
                Line::Classes(classes) => {
                    for (place, class) in classes.iter().enumerate() {
                        let x = place as u16 * grid.cell.0;
                        let cell = &mut pen.part(x, top, grid.cell.0, grid.cell.1);
                        draw_class(app, losses, *class, cell);
                    }
                }
            }
        }
        y += rows;
    }
    y.saturating_sub(scroll).min(pen.height())
}

fn draw_group(app: &App, losses: &Losses, name: &str, classes: &[usize], y: u16, pen: &mut Pen) {
    let theme = &app.theme;
    let since_start = app.forgetting.since_start;
    let lost = classes.iter().filter_map(|c| losses.classes.get(*c));
    let lost = mean(lost.map(|c| c.loss(since_start)));
    let x = pen.text(0, y, name, theme.ink(Ink::Plain));
    let x = pen.text(x + 1, y, "lost", theme.ink(Ink::Faint));
    let x = pen.text(x + 1, y, &points(lost), theme.bold(Ink::Plain));
    let in_context = classes.iter().filter(|c| losses.in_context(**c)).count();
    let text = match in_context {
        0 => return,
        n if n == classes.len() => "in context".to_owned(),
        n => format!("{n} of {} in context", classes.len()),
    };
    pen.text(x + 2, y, &text, theme.ink(Ink::Accent));
}

fn draw_class(app: &App, losses: &Losses, class: usize, pen: &mut Pen) {
    let theme = &app.theme;
    let name = losses
        .foundation
        .classes
        .get(class)
        .map_or("", |c| c.name.as_str());
    let loss = losses
        .classes
        .get(class)
        .map_or(f64::NAN, |c| c.loss(app.forgetting.since_start));
    let style = theme.loss(loss);
    let (columns, rows) = (pen.width(), pen.height());
    let blank = " ".repeat(usize::from(columns));
    for y in 0..rows {
        pen.text(0, y, &blank, style);
    }
    let (x, y) = ((columns.saturating_sub(width(name) as u16)) / 2, rows / 2);
    let mut glyph = style;
    if losses.in_context(class) {
        glyph = glyph.add_modifier(Modifier::UNDERLINED);
    }
    let end = pen.text(x, y, name, glyph);
    let mark = mark(loss);
    pen.text(end, y, mark.encode_utf8(&mut [0; 4]), style);
    if app.forgetting.class == class {
        // A sign as well: reversed colours alone may look like any other ground.
        pen.text(x.saturating_sub(1), y, "▸", style);
        let cursor = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
        pen.paint(0, 0, columns, rows, cursor);
    }
}
