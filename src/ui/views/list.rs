//! Classes by merges, for foundations whose classes are more than a character each.

use super::super::app::App;
use super::super::classes::Losses;
use super::super::look::{ForgettingLook, Merge};
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::text::{points, width};
use super::super::theme::{Ink, mark};
use ratatui::style::Modifier;

/// Columns of a figure, and as many as its heading gets at most.
const CELL: (u16, u16) = (8, 14);

/// Classes in the order in which they are listed.
pub fn order(losses: &Losses, look: &ForgettingLook) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..losses.classes.len()).collect();
    if look.sorted {
        let lost = |class: &usize| match losses.classes[*class].loss(look.since_start) {
            // What was not measured comes last.
            loss if loss.is_nan() => f64::NEG_INFINITY,
            loss => loss,
        };
        classes.sort_by(|a, b| lost(b).total_cmp(&lost(a)));
    }
    classes
}

/// Draws as many classes as there are rows, the one under the cursor among them; returns the rows it took.
pub fn draw(app: &App, run: &OpenRun, chosen: Merge, losses: &Losses, pen: &mut Pen) -> u16 {
    let theme = &app.theme;
    let merges = ForgettingLook::merges(run);
    let columns: Vec<(Merge, Losses)> = merges
        .into_iter()
        .filter_map(|m| Some((m, Losses::of(run, m)?)))
        .collect();
    let names = losses.foundation.classes.iter().map(|c| width(&c.name));
    let longest = names.max().unwrap_or(0) as u16 + 2;
    let label = longest.min(pen.width() / 2).max(8);
    let room = pen.width().saturating_sub(label);
    let cell = (room / columns.len().max(1) as u16).clamp(CELL.0, CELL.1);
    let fit = usize::from(room / cell).max(1);
    let here = columns.iter().position(|(m, _)| *m == chosen).unwrap_or(0);
    let first = (here + 1).saturating_sub(fit);
    let shown = &columns[first..(first + fit).min(columns.len())];
    let mut x = label;
    for (merge, column) in shown {
        let ink = if *merge == chosen {
            Ink::Accent
        } else {
            Ink::Faint
        };
        let name = match merge {
            Merge::Row(row) => format!("{row} {}", column.task),
            Merge::WouldBe => format!("~{}", column.task),
        };
        pen.fitted(x, 0, cell - 1, &name, theme.ink(ink));
        x += cell;
    }
    let order = order(losses, &app.forgetting);
    let rows = usize::from(pen.height()).saturating_sub(1);
    let at = order
        .iter()
        .position(|c| *c == app.forgetting.class)
        .unwrap_or(0);
    let from = (at + 1 + rows / 2)
        .saturating_sub(rows)
        .min(order.len().saturating_sub(rows));
    let mut y = 1;
    for class in order.iter().skip(from).take(rows) {
        draw_class(app, *class, losses, shown, (label, cell), y, pen);
        y += 1;
    }
    y
}

fn draw_class(
    app: &App,
    class: usize,
    losses: &Losses,
    columns: &[(Merge, Losses)],
    (label, cell): (u16, u16),
    y: u16,
    pen: &mut Pen,
) {
    let theme = &app.theme;
    let here = app.forgetting.class == class;
    let name = losses
        .foundation
        .classes
        .get(class)
        .map_or("", |c| c.name.as_str());
    let (sign, ink) = if here {
        ("▸", Ink::Accent)
    } else {
        (" ", Ink::Plain)
    };
    pen.text(0, y, sign, theme.bold(Ink::Accent));
    let mut style = theme.ink(ink);
    if losses.in_context(class) {
        style = style.add_modifier(Modifier::UNDERLINED);
    }
    pen.fitted(1, y, label.saturating_sub(2), name, style);
    let mut x = label;
    for (_, column) in columns {
        let loss = column
            .classes
            .get(class)
            .map_or(f64::NAN, |c| c.loss(app.forgetting.since_start));
        let text = format!("{:>6}{}", points(loss), mark(loss));
        pen.text(x, y, &" ".repeat(cell.into()), theme.loss(loss));
        pen.text(x, y, &text, theme.loss(loss));
        x += cell;
    }
}
