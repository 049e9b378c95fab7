//! The foundation's characters themselves, each on a ground that says what it lost.

use ratatui::style::Modifier;

use super::super::super::forgetting::{Group, Order};
use super::super::super::pen::Pen;
use super::super::super::text::width;
use super::super::super::theme::mark;
use super::cells::{Shown, draw_heading};
use crate::lab::TestSet;

/// A line of the grid.
pub enum Line<'a> {
    /// A group's name.
    Group(&'a Group),
    /// Classes side by side.
    Classes(&'a [usize]),
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
    pub fn new(order: &'a Order, foundation: &TestSet, columns: u16, rows: u16) -> Self {
        let widest = foundation.classes.iter().map(|c| width(&c.name)).max();
        let extra = widest.unwrap_or(1).saturating_sub(1) as u16;
        let sizes = [(15, 5), (11, 3), (9, 3), (7, 3), (7, 1), (5, 1), (3, 1)];
        let grids = [1, 0]
            .into_iter()
            .flat_map(|gap| sizes.map(|(w, h)| Self::with(order, columns, (w + extra, h), gap)));
        let mut last = None;
        for grid in grids {
            let fits = grid.height() <= rows && grid.cell.0 <= columns;
            last = Some(grid);
            if fits {
                break;
            }
        }
        last.unwrap_or_else(|| Self::with(order, columns, (3 + extra, 1), 0))
    }

    fn with(order: &'a Order, columns: u16, cell: (u16, u16), gap: u16) -> Self {
        let most = usize::from(columns / cell.0).max(1);
        let mut lines = Vec::new();
        for group in &order.groups {
            let classes = group.classes.as_slice();
            // Even lines read better than full ones and a rest.
            let each = classes
                .len()
                .div_ceil(classes.len().div_ceil(most).max(1))
                .max(1);
            lines.push(Line::Group(group));
            lines.extend(classes.chunks(each).map(Line::Classes));
        }
        Self { lines, cell, gap }
    }

    fn rows_of(&self, i: usize) -> u16 {
        match self.lines.get(i) {
            None => 0,
            Some(Line::Group(group)) if group.name.is_empty() => 0,
            Some(Line::Group(_)) => 1 + if i > 0 { self.gap } else { 0 },
            Some(Line::Classes(_)) => self.cell.1,
        }
    }

    /// Rows in all.
    pub fn height(&self) -> u16 {
        (0..self.lines.len()).map(|i| self.rows_of(i)).sum()
    }

    /// Lines of classes only.
    fn classes(&self) -> Vec<&[usize]> {
        let only = self.lines.iter().filter_map(|line| match line {
            Line::Classes(classes) => Some(*classes),
            Line::Group(_) => None,
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
            return class;
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
pub fn draw(shown: &Shown, grid: &Grid, pen: &mut Pen) -> u16 {
    let class = shown.look.class;
    let scroll = grid.scroll(class, pen.height());
    let mut y = 0;
    for (i, line) in grid.lines.iter().enumerate() {
        let rows = grid.rows_of(i);
        if y >= scroll && y - scroll < pen.height() {
            let top = y - scroll;
            match line {
                Line::Group(group) if group.name.is_empty() => {}
                Line::Group(group) => draw_heading(shown, group, 0, top + rows - 1, pen),
                Line::Classes(classes) => {
                    for (place, class) in classes.iter().enumerate() {
                        let x = place as u16 * grid.cell.0;
                        let cell = &mut pen.part(x, top, grid.cell.0, grid.cell.1);
                        draw_class(shown, *class, cell);
                    }
                }
            }
        }
        y += rows;
    }
    y.saturating_sub(scroll).min(pen.height())
}

fn draw_class(shown: &Shown, class: usize, pen: &mut Pen) {
    let name = shown.name(class);
    let loss = shown.loss(class);
    let style = shown.theme.loss(loss);
    let (columns, rows) = (pen.width(), pen.height());
    let blank = " ".repeat(usize::from(columns));
    for y in 0..rows {
        pen.text(0, y, &blank, style);
    }
    let (x, y) = ((columns.saturating_sub(width(name) as u16)) / 2, rows / 2);
    let mut glyph = style;
    if shown.losses.in_context(class) {
        glyph = glyph.add_modifier(Modifier::UNDERLINED);
    }
    let end = pen.text(x, y, name, glyph);
    let sign = mark(loss);
    pen.text(end, y, sign.encode_utf8(&mut [0; 4]), style);
    if shown.look.class == class {
        // A sign as well: reversed colours alone may look like any other ground.
        pen.text(x.saturating_sub(1), y, "▸", style);
        let cursor = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
        pen.paint(0, 0, columns, rows, cursor);
    }
}
