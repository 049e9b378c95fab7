//! Classes by merges, with their names.

use ratatui::style::Modifier;

use super::super::super::forgetting::{ForgettingLook, Group, Losses, Merge};
use super::super::super::pen::Pen;
use super::super::super::text::{points, whole_points, width};
use super::super::super::theme::{Ink, mark};
use super::cells::Shown;
use crate::run::RunView;

/// Columns of a figure, and as many as its heading gets at most.
const CELL: (u16, u16) = (8, 14);
/// Columns of a figure in whole points, where there are more merges than have room with a decimal.
const NARROW: u16 = 4;

/// Columns that the name of a group may widen the names' to.
const HEADING: usize = 24;

/// A row of the list.
#[derive(Clone, Copy)]
enum Line<'a> {
    Group(&'a Group),
    Class(usize),
}

/// The columns: which merges, and where.
struct Columns<'a> {
    merges: Vec<(Merge, Losses<'a>)>,
    chosen: Merge,
    /// Columns of the names, and of a merge.
    label: u16,
    cell: u16,
}

impl<'a> Columns<'a> {
    /// As many merges as there is room for, the chosen one the last of them unless there are earlier ones only.
    fn new(view: &'a RunView, chosen: Merge, shown: &Shown, columns: u16) -> Self {
        let merges = ForgettingLook::merges(view);
        let names = shown.order.classes().map(|c| width(shown.name(c)));
        let longest = names.max().unwrap_or(0) + 2;
        let heading = |g: &Group| width(&titled(g)) + 1;
        let headings = shown.order.groups.iter().filter(|g| !g.name.is_empty());
        let headings = headings.map(heading).max().unwrap_or(0).min(HEADING);
        let label = (longest.max(headings) as u16).min(columns / 2).max(8);
        let room = columns.saturating_sub(label);
        let each = usize::from(room) / merges.len().max(1);
        let cell = match each {
            each if each < usize::from(CELL.0) => NARROW,
            each => each.min(usize::from(CELL.1)) as u16,
        };
        let fit = usize::from(room / cell).max(1);
        let here = merges.iter().position(|m| *m == chosen).unwrap_or(0);
        let merges = merges
            .into_iter()
            .skip((here + 1).saturating_sub(fit))
            .take(fit);
        Self {
            merges: merges
                .filter_map(|m| Some((m, Losses::of(view, m)?)))
                .collect(),
            chosen,
            label,
            cell,
        }
    }

    /// A loss as it has room: the figure alone, and with its mark.
    fn figure(&self, loss: f64) -> String {
        match self.cell {
            NARROW => format!("{:>3}", whole_points(loss)),
            _ => format!("{:>6}", points(loss)),
        }
    }

    fn draw_head(&self, shown: &Shown, pen: &mut Pen) {
        let mut x = self.label;
        for (merge, column) in &self.merges {
            let ink = if *merge == self.chosen {
                Ink::Accent
            } else {
                Ink::Faint
            };
            let name = match merge {
                Merge::Row(row) if self.cell == NARROW => format!("{row:>3}"),
                Merge::Row(row) => format!("{row} {}", column.task),
                Merge::WouldBe => format!("~{}", column.task),
            };
            pen.fitted(x, 0, self.cell - 1, &name, shown.theme.ink(ink));
            x = x.saturating_add(self.cell);
        }
    }
}

/// Rows that a list of this order needs.
pub fn height(order: &super::super::super::forgetting::Order) -> usize {
    1 + order.len() + order.headings()
}

/// Draws as many classes as there are rows, the one under the cursor among them; returns the rows it took.
pub fn draw(view: &RunView, chosen: Merge, shown: &Shown, pen: &mut Pen) -> u16 {
    let columns = Columns::new(view, chosen, shown, pen.width());
    columns.draw_head(shown, pen);
    let mut lines = Vec::with_capacity(height(shown.order));
    for group in &shown.order.groups {
        if !group.name.is_empty() {
            lines.push(Line::Group(group));
        }
        lines.extend(group.classes.iter().map(|c| Line::Class(*c)));
    }
    let rows = usize::from(pen.height()).saturating_sub(1);
    let here = |line: &Line| matches!(line, Line::Class(c) if *c == shown.look.class);
    let at = lines.iter().position(here).unwrap_or(0);
    let from = (at + 1 + rows / 2)
        .saturating_sub(rows)
        .min(lines.len().saturating_sub(rows));
    let mut y = 1;
    for line in lines.iter().skip(from).take(rows) {
        match line {
            Line::Group(group) => draw_group(shown, group, &columns, y, pen),
            Line::Class(class) => draw_class(shown, *class, &columns, y, pen),
        }
        y += 1;
    }
    y
}

/// A group's name, and how many classes of it are shown.
fn titled(group: &Group) -> String {
    format!("{} ({})", group.name, group.classes.len())
}

fn draw_group(shown: &Shown, group: &Group, columns: &Columns, y: u16, pen: &mut Pen) {
    let theme = shown.theme;
    let text = titled(group);
    pen.fitted(0, y, columns.label - 1, &text, theme.bold(Ink::Plain));
    let mut x = columns.label;
    for (_, column) in &columns.merges {
        let mean = column.mean_loss(&group.classes, shown.look.since_start);
        pen.text(x, y, &columns.figure(mean), theme.bold(Ink::Plain));
        x = x.saturating_add(columns.cell);
    }
}

fn draw_class(shown: &Shown, class: usize, columns: &Columns, y: u16, pen: &mut Pen) {
    let theme = shown.theme;
    let name = shown.name(class);
    let mut style = theme.ink(Ink::Plain);
    if shown.look.class == class {
        pen.text(0, y, "▸", theme.bold(Ink::Accent));
        style = theme.ink(Ink::Accent);
    }
    if shown.losses.in_context(class) {
        style = style.add_modifier(Modifier::UNDERLINED);
    }
    pen.fitted(1, y, columns.label - 2, name, style);
    let mut x = columns.label;
    for (_, column) in &columns.merges {
        let loss = column.loss(class, shown.look.since_start);
        let text = format!("{}{}", columns.figure(loss), mark(loss));
        let wide = usize::from(columns.cell);
        pen.text(x, y, &format!("{text:<wide$}"), theme.loss(loss));
        x = x.saturating_add(columns.cell);
    }
}
