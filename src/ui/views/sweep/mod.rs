//! A sweep as a grid of its runs: how each stands, its loss, what it forgot, and all of them together.

mod card;
mod cell;
mod geometry;
mod list;

use super::super::app::App;
use super::super::pen::Pen;
use super::super::rest::duration;
use super::super::sweep::{OpenSweep, Totals};
use super::super::text::width;
use super::super::theme::{Ink, Theme};
use crate::sweep::Progress;

pub use geometry::Geometry;

/// Draws the screen.
pub fn draw(app: &App, open: &OpenSweep, pen: &mut Pen) {
    let geometry = Geometry::of(open, (pen.width(), pen.height()));
    let theme = &app.theme;
    draw_counts(theme, &open.totals, pen);
    draw_share(theme, open, pen);
    if geometry.note {
        draw_note(app, open, &geometry, pen);
    }
    match geometry.is_grid {
        true => draw_grid(theme, open, &geometry, pen),
        false => list::draw(theme, open, &geometry, pen),
    }
    if open.details {
        let (columns, top) = (pen.width(), geometry.card + 1);
        let rows = pen.height().saturating_sub(top);
        card::draw(app, open, &mut pen.part(0, top, columns, rows));
    }
}

/// A sign for how a run stands: one each, in ASCII too.
pub fn glyph(progress: &Progress) -> &'static str {
    match progress {
        Progress::Waiting => "·",
        Progress::AtWork(_) => "▶",
        Progress::Stopped => "‖",
        Progress::Finished => "✓",
        Progress::Failed(_) => "✗",
    }
}

/// Its colour.
pub fn ink(progress: &Progress) -> Ink {
    match progress {
        Progress::Waiting => Ink::Faint,
        Progress::AtWork(_) => Ink::Accent,
        Progress::Stopped => Ink::Warning,
        Progress::Finished => Ink::Third,
        Progress::Failed(_) => Ink::Bad,
    }
}

/// A share in whole percent; all only where all is done.
pub fn whole_percent(share: f64) -> String {
    let percent = (100.0 * share).clamp(0.0, 100.0);
    match share >= 1.0 {
        true => "100%".into(),
        false => format!("{:.0}%", percent.floor()),
    }
}

/// A bar of so many columns.
pub fn bar(theme: &Theme, at: (u16, u16), columns: u16, share: f64, ink: Ink, pen: &mut Pen) {
    let done = (f64::from(columns) * share.clamp(0.0, 1.0)).floor();
    let done = done as usize;
    let x = pen.text(at.0, at.1, &"━".repeat(done), theme.ink(ink));
    let rest = usize::from(columns).saturating_sub(done);
    pen.text(x, at.1, &"─".repeat(rest), theme.ink(Ink::Faint));
}

fn draw_counts(theme: &Theme, totals: &Totals, pen: &mut Pen) {
    let none = String::new;
    let counts = [
        (totals.finished, Progress::Finished),
        (totals.at_work, Progress::AtWork(none())),
        (totals.waiting, Progress::Waiting),
        (totals.stopped, Progress::Stopped),
        (totals.failed, Progress::Failed(none())),
    ];
    let mut x = 0;
    for (count, progress) in counts {
        // Those that are good to know even where there are none.
        let always = matches!(progress, Progress::Finished | Progress::AtWork(_));
        if count == 0 && !always {
            continue;
        }
        let ink = if count == 0 {
            Ink::Faint
        } else {
            ink(&progress)
        };
        x = pen.text(x, 0, glyph(&progress), theme.bold(ink)) + 1;
        x = pen.text(x, 0, &count.to_string(), theme.bold(ink)) + 1;
        x = pen.text(x, 0, progress.name(), theme.ink(ink)) + 3;
    }
}

fn draw_share(theme: &Theme, open: &OpenSweep, pen: &mut Pen) {
    let left = open.totals.left.map(duration);
    let left = left.map_or_else(String::new, |left| format!("  about {left} left"));
    let text = format!("{} done{left}", whole_percent(open.totals.share));
    let columns = pen.width();
    let room = columns.saturating_sub(width(&text) as u16 + 2);
    bar(theme, (0, 1), room, open.totals.share, Ink::Accent, pen);
    pen.right(columns, 1, &text, theme.ink(Ink::Plain));
}

/// What is wrong with the folder, how much of it is read, or what the figures in cells are.
fn draw_note(app: &App, open: &OpenSweep, geometry: &Geometry, pen: &mut Pen) {
    let (text, ink) = match (&open.trouble, open.silence(app.now), open.reading) {
        (Some(trouble), ..) => (trouble.clone(), Ink::Warning),
        (None, Some(seconds), _) => (
            format!("the folder has not answered for {seconds} s; last seen is shown"),
            Ink::Warning,
        ),
        (None, None, Some(_)) if open.runs.runs.is_empty() => {
            ("reading the sweep".into(), Ink::Accent)
        }
        (None, None, Some(read)) => (
            format!("reading {read} of {}", open.runs.runs.len()),
            Ink::Accent,
        ),
        (None, None, None) if geometry.is_grid && cell::is_unlabelled(geometry) => {
            (cell::legend(geometry).into(), Ink::Faint)
        }
        (None, None, None) => return,
    };
    let columns = pen.width();
    pen.fitted(0, 2, columns, &text, app.theme.ink(ink));
}

fn draw_grid(theme: &Theme, open: &OpenSweep, geometry: &Geometry, pen: &mut Pen) {
    let faint = theme.ink(Ink::Faint);
    let widths = geometry::label_columns(open);
    let place = open.runs.place(open.chosen);
    let mut x = 1;
    for (name, columns) in open.runs.row_names.iter().zip(&widths) {
        let room = geometry.label.saturating_sub(x + 1);
        pen.fitted(x, geometry.heads, room, name, faint);
        x += *columns as u16 + 2;
    }
    let name = &open.runs.column_name;
    for (i, value) in open.runs.columns.iter().enumerate() {
        let here = place.is_some_and(|(_, column)| column == i);
        let style = if here { theme.bold(Ink::Accent) } else { faint };
        let x = geometry.label + i as u16 * geometry.column + 2;
        let room = geometry.column.saturating_sub(3);
        pen.fitted(x, geometry.heads, room, &format!("{name} {value}"), style);
    }
    let rows = open.runs.rows.iter().zip(&open.runs.cells).enumerate();
    for (row, (values, cells)) in rows.skip(geometry.from).take(geometry.shown) {
        let here = place.is_some_and(|(at, _)| at == row);
        let style = match here {
            true => theme.bold(Ink::Accent),
            false => theme.ink(Ink::Plain),
        };
        let Some((_, y)) = geometry.cell(row, 0) else {
            continue;
        };
        let mut x = 1;
        for (value, columns) in values.iter().zip(&widths) {
            let room = geometry.label.saturating_sub(x + 1);
            pen.fitted(x, y, room, value, style);
            x += *columns as u16 + 2;
        }
        for (column, run) in cells.iter().enumerate() {
            let (Some(run), Some((x, y))) = (run, geometry.cell(row, column)) else {
                continue;
            };
            let columns = geometry.column.saturating_sub(1);
            let mut part = pen.part(x, y, columns, geometry.height);
            cell::draw(theme, open, *run, &mut part);
        }
    }
    let all = open.runs.rows.len();
    if geometry.shown < all {
        let text = format!(
            "rows {}–{} of {all}",
            geometry.from + 1,
            geometry.from + geometry.shown
        );
        let end = pen.width();
        pen.right(end, geometry.card, &text, faint);
    }
}
