//! Drawing what a grid of any classes has laid out.

use ratatui::style::{Modifier, Style};

use super::super::super::forgetting::{ForgettingLook, Group, Losses, Order};
use super::super::super::pen::Pen;
use super::super::super::text::points;
use super::super::super::theme::{Ink, Theme, mark};
use super::dense::{BESIDE, Cell, Dense, TILE};

/// What is drawn, and how it is looked at.
pub struct Shown<'a> {
    /// How everything looks.
    pub theme: &'a Theme,
    /// Where the user looks.
    pub look: &'a ForgettingLook,
    /// What was lost.
    pub losses: &'a Losses<'a>,
    /// In which order.
    pub order: &'a Order,
}

impl Shown<'_> {
    /// What a class lost.
    pub fn loss(&self, class: usize) -> f64 {
        self.losses.loss(class, self.look.since_start)
    }

    /// The ground of a loss, and the underline of a class in context.
    fn style(&self, class: usize) -> Style {
        let style = self.theme.loss(self.loss(class));
        match self.losses.in_context(class) {
            true => style.add_modifier(Modifier::UNDERLINED),
            false => style,
        }
    }

    /// A class's name.
    pub fn name(&self, class: usize) -> &str {
        self.look.name(self.losses.foundation, class)
    }

    /// A group's name and its mean loss.
    pub fn heading(&self, group: &Group) -> (String, String) {
        let mean = self.losses.mean_loss(&group.classes, self.look.since_start);
        (group.name.clone(), points(mean))
    }
}

/// Draws the classes and returns the rows they took.
pub fn draw(shown: &Shown, dense: &Dense, pen: &mut Pen) -> u16 {
    let scroll = dense.scroll(shown.look.class, pen.height());
    let left = dense.places.iter().map(|p| p.x).min().unwrap_or(0);
    for (row, number) in &dense.headings {
        if let (Some(y), Some(group)) = (row.checked_sub(scroll), shown.order.groups.get(*number)) {
            draw_heading(shown, group, left, y, pen);
        }
    }
    match dense.cell {
        Cell::Half => draw_halves(shown, dense, scroll, pen),
        Cell::Tile(_) | Cell::Mark(_) => {
            for place in &dense.places {
                if let Some(y) = place.y.checked_sub(scroll) {
                    let mut cell = pen.part(place.x, y, dense.cell.columns(), 1);
                    draw_cell(shown, dense.cell, place.class, &mut cell);
                }
            }
        }
    }
    dense.rows.saturating_sub(scroll).min(pen.height())
}

/// A group's name and mean loss, above its classes or in the columns left of them.
pub fn draw_heading(shown: &Shown, group: &Group, left: u16, y: u16, pen: &mut Pen) {
    let theme = shown.theme;
    let (name, lost) = shown.heading(group);
    let inside = group.classes.iter();
    let inside = inside.filter(|c| shown.losses.in_context(**c)).count();
    if left > 0 {
        let name_room = left.saturating_sub(BESIDE.1);
        let mut style = theme.ink(Ink::Plain);
        if inside > 0 {
            style = style.add_modifier(Modifier::UNDERLINED);
        }
        pen.fitted(0, y, name_room, &name, style);
        pen.right(left.saturating_sub(1), y, &lost, theme.bold(Ink::Plain));
        return;
    }
    let x = pen.text(0, y, &name, theme.ink(Ink::Plain));
    let x = pen.text(x + 1, y, "lost", theme.ink(Ink::Faint));
    let x = pen.text(x + 1, y, &lost, theme.bold(Ink::Plain));
    let text = match inside {
        0 => return,
        n if n == group.classes.len() => "in context".to_owned(),
        n => format!("{n} of {} in context", group.classes.len()),
    };
    pen.text(x + 2, y, &text, theme.ink(Ink::Accent));
}

fn draw_cell(shown: &Shown, cell: Cell, class: usize, pen: &mut Pen) {
    let (style, loss) = (shown.style(class), shown.loss(class));
    let here = shown.look.class == class;
    let columns = pen.width();
    let sign = mark(loss);
    match cell {
        Cell::Tile(_) => {
            let gap = columns.saturating_sub(1);
            pen.paint(0, 0, gap, 1, style.remove_modifier(Modifier::UNDERLINED));
            pen.fitted(1, 0, columns.saturating_sub(TILE), shown.name(class), style);
            let plain = style.remove_modifier(Modifier::UNDERLINED);
            pen.right(gap.saturating_sub(1), 0, &points(loss), plain);
            pen.text(gap.saturating_sub(1), 0, &sign.to_string(), plain);
        }
        Cell::Mark(1) if here => {
            pen.text(0, 0, "▸", style);
        }
        Cell::Mark(_) | Cell::Half => {
            let room = usize::from(columns.saturating_sub(1).max(1));
            let sign = seen(sign, loss, style);
            pen.text(0, 0, &format!("{sign:>room$}"), style);
        }
    }
    if here {
        let cursor = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
        let wide = columns.saturating_sub(1).max(1);
        if wide > 1 {
            pen.text(0, 0, "▸", style);
        }
        pen.paint(0, 0, wide, 1, cursor);
    }
}

/// A mark that is seen where neither a name nor a ground says that there is a class.
pub fn seen(mark: char, loss: f64, style: Style) -> char {
    match (mark, style.bg) {
        (' ', _) if !loss.is_finite() => '?',
        (' ', None) => '-',
        (mark, _) => mark,
    }
}

/// Two classes a character cell: the upper is the sign's colour, the lower its ground.
fn draw_halves(shown: &Shown, dense: &Dense, scroll: u16, pen: &mut Pen) {
    let (columns, rows) = (pen.width(), pen.height());
    let mut cells: Vec<[Option<usize>; 2]> =
        vec![[None; 2]; usize::from(columns) * usize::from(rows)];
    for place in &dense.places {
        let row = (place.y / 2).checked_sub(scroll).filter(|r| *r < rows);
        if let Some(row) = row.filter(|_| place.x < columns) {
            let at = usize::from(row) * usize::from(columns) + usize::from(place.x);
            cells[at][usize::from(place.y % 2)] = Some(place.class);
        }
    }
    for (i, pair) in cells.iter().enumerate().filter(|(_, c)| **c != [None; 2]) {
        let (x, y) = (i % usize::from(columns), i / usize::from(columns));
        let (sign, style) = half(shown, *pair);
        pen.text(x as u16, y as u16, sign, style);
    }
}

/// The sign and style of a cell of two classes.
fn half(shown: &Shown, [upper, lower]: [Option<usize>; 2]) -> (&'static str, Style) {
    let here = |class: Option<usize>| class == Some(shown.look.class);
    // The cursor takes the whole of the cell and says which half is meant.
    for (class, sign) in [(upper, "▴"), (lower, "▾")] {
        if let Some(class) = class.filter(|_| here(class)) {
            let style = shown.theme.loss(shown.loss(class));
            return (sign, style.add_modifier(Modifier::BOLD));
        }
    }
    let colour = |class: Option<usize>| shown.theme.loss(shown.loss(class?)).bg;
    match (colour(upper), colour(lower)) {
        (Some(upper), Some(lower)) => ("▀", Style::new().fg(upper).bg(lower)),
        (Some(upper), None) => ("▀", Style::new().fg(upper)),
        (None, Some(lower)) => ("▄", Style::new().fg(lower)),
        // Not measured.
        (None, None) => ("·", shown.theme.ink(Ink::Faint)),
    }
}
