//! The runs of a sweep one below the other, in its order: where there are no columns, or no room for them.

use super::super::super::pen::Pen;
use super::super::super::sweep::{OpenSweep, Planned, Sight};
use super::super::super::text::{fit_end, percent, points, width};
use super::super::super::theme::{Ink, Theme};
use super::geometry::MARKS;
use super::{Geometry, cell, glyph, ink, whole_percent};
use crate::sweep::Progress;

/// Columns of the figures before the curve, and of those behind it.
const BEFORE: [(&str, u16); 3] = [("", 10), ("tasks", 6), ("done", 6)];
const BEHIND: [(&str, u16); 3] = [("accuracy", 9), ("forgot", 7), ("foundation", 11)];
/// What is left out of them where there is less room than this.
const DISPENSABLE: [&str; 2] = ["tasks", "accuracy"];
const ROOMY: u16 = 76;
/// Columns of a curve at most.
const CURVE: u16 = 60;

/// Draws the list.
pub fn draw(theme: &Theme, open: &OpenSweep, geometry: &Geometry, pen: &mut Pen) {
    let faint = theme.ink(Ink::Faint);
    let columns = pen.width();
    let sum = |of: &[(&str, u16)]| of.iter().map(|(_, columns)| columns).sum::<u16>();
    let shown = |of: [(&'static str, u16); 3]| -> Vec<(&'static str, u16)> {
        let kept = |head: &str| columns >= ROOMY || !DISPENSABLE.contains(&head);
        of.into_iter().filter(|(head, _)| kept(head)).collect()
    };
    let (heads_before, heads_behind) = (shown(BEFORE), shown(BEHIND));
    let (before, behind) = (sum(&heads_before), sum(&heads_behind));
    let names = open.runs.runs.iter().map(|run| width(&run.id) as u16);
    let room = columns.saturating_sub(MARKS + before + behind + 1);
    // A curve of a few columns is more than the end of a long name.
    let name = names.max().unwrap_or(0).min(room.saturating_sub(7).max(8));
    let from = MARKS + name + before + 2;
    let curve = columns.saturating_sub(from + behind).min(CURVE);
    let ends = |mut end: u16, of: &[(&'static str, u16)]| -> Vec<(&'static str, u16)> {
        of.iter()
            .map(|(head, columns)| {
                end += columns;
                (*head, end)
            })
            .collect()
    };
    let left = ends(MARKS + name, &heads_before);
    let right = ends(from + curve, &heads_behind);
    let y = geometry.heads;
    let count = format!("{}/{}", open.chosen + 1, open.runs.runs.len());
    if !open.runs.runs.is_empty() {
        pen.fitted(1, y, MARKS + name, &count, faint);
    }
    for (head, end) in left.iter().chain(&right) {
        pen.right(*end, y, head, faint);
    }
    pen.fitted(from, y, curve, "loss (log)", faint);
    let runs = open.runs.runs.iter().zip(&open.sights).enumerate();
    for (i, (run, sight)) in runs.skip(geometry.from).take(geometry.shown) {
        let y = geometry.top + (i - geometry.from) as u16;
        let here = i == open.chosen;
        draw_name(theme, run, sight.as_ref(), here, (name, y), pen);
        let Some(sight) = sight else {
            continue;
        };
        let style = theme.ink(ink(&sight.progress));
        for (head, end) in left.iter().chain(&right) {
            let (text, style) = match *head {
                "" => (sight.progress.name().to_owned(), style),
                _ if sight.progress == Progress::Waiting => continue,
                head => (figure(sight, head), theme.ink(Ink::Plain)),
            };
            pen.right(*end, y, &text, style);
        }
        if sight.progress != Progress::Waiting {
            cell::curve(theme, open, sight, &mut pen.part(from, y, curve, 1));
        }
    }
}

/// What stands below a head.
fn figure(sight: &Sight, head: &str) -> String {
    match head {
        "tasks" => format!("{}/{}", sight.done, sight.tasks),
        "done" => whole_percent(sight.share),
        "accuracy" => percent(sight.accuracy.with_foundation),
        "forgot" => points(sight.forgetting.without_foundation),
        _ => points(sight.foundation),
    }
}

fn draw_name(
    theme: &Theme,
    run: &Planned,
    sight: Option<&Sight>,
    here: bool,
    (name, y): (u16, u16),
    pen: &mut Pen,
) {
    let (sign, colour) = match sight {
        Some(sight) => (glyph(&sight.progress), ink(&sight.progress)),
        None => ("…", Ink::Faint),
    };
    let cursor = if here { "▸" } else { " " };
    pen.text(0, y, cursor, theme.bold(Ink::Accent));
    pen.text(2, y, sign, theme.bold(colour));
    let style = match here {
        true => theme.bold(Ink::Accent),
        false => theme.ink(Ink::Plain),
    };
    // Runs differ at the ends of their names: rank and seed.
    pen.text(MARKS, y, &fit_end(&run.id, name.into()), style);
}
