//! One run in a cell: its state, how far it is, its loss, and what it forgot, as much as there is room for.

use super::super::super::pen::Pen;
use super::super::super::spark::spark;
use super::super::super::sweep::{OpenSweep, Sight};
use super::super::super::text::{points, width};
use super::super::super::theme::{Ink, Theme};
use super::{Geometry, bar, glyph, ink, whole_percent};
use crate::sweep::Progress;

/// Columns of the cursor and the glyph.
const SIGNS: u16 = 3;
/// Columns of a figure in points.
const FIGURE: u16 = 5;
/// Columns in which it can be said that a run is not read yet.
const UNREAD: u16 = 15;
/// Columns of a bar that says anything.
const BAR: u16 = 6;
/// Columns of a curve that says anything.
const CURVE: u16 = 4;
/// From so many columns on, two lines have room for the state in words.
const WIDE: u16 = 26;
/// From so many columns on, figures have their names.
const NAMED: u16 = 31;

/// Whether cells have figures without names, so that a line has to say what they are.
pub fn is_unlabelled(geometry: &Geometry) -> bool {
    geometry.height < 3 || geometry.column <= NAMED
}

/// What cells of this size show.
pub fn legend(geometry: &Geometry) -> &'static str {
    let room = geometry.column.saturating_sub(SIGNS + FIGURE + 2);
    match geometry.height == 1 {
        true if room < CURVE => {
            "share that is done, then points of forgetting, without the foundation"
        }
        true if room < CURVE + FIGURE + 1 => {
            "loss (log), then points of forgetting, without the foundation"
        }
        _ => "loss (log), then points of forgetting without the foundation, and lost by it",
    }
}

/// Draws the run at a place of the sweep.
pub fn draw(theme: &Theme, open: &OpenSweep, run: usize, pen: &mut Pen) {
    let chosen = open.chosen == run;
    let columns = pen.width();
    let sight = open.sights.get(run).and_then(Option::as_ref);
    if chosen {
        for y in 0..pen.height() {
            let sign = if y == 0 { "▸" } else { "┃" };
            pen.text(0, y, sign, theme.bold(Ink::Accent));
        }
    }
    let Some(sight) = sight else {
        let text = match columns >= UNREAD {
            true => "… not read yet",
            false => "…",
        };
        pen.fitted(1, 0, columns.saturating_sub(1), text, theme.ink(Ink::Faint));
        return;
    };
    let strong = match chosen {
        true => theme.bold(ink(&sight.progress)),
        false => theme.ink(ink(&sight.progress)),
    };
    pen.text(1, 0, glyph(&sight.progress), strong);
    match pen.height() {
        0 => {}
        1 => draw_line(theme, open, sight, pen),
        2 if columns < WIDE => draw_two_lines(theme, open, sight, pen),
        height => {
            draw_state(theme, sight, strong, pen);
            draw_more(theme, open, sight, height, pen);
        }
    }
    if chosen {
        let rest = columns.saturating_sub(1);
        pen.paint(1, 0, rest, 1, theme.selected());
    }
}

/// All in one line: a curve, and the figures at the right.
fn draw_line(theme: &Theme, open: &OpenSweep, sight: &Sight, pen: &mut Pen) {
    let columns = pen.width();
    let word = match sight.progress {
        Progress::Waiting | Progress::Failed(_) => sight.progress.name().to_owned(),
        Progress::AtWork(_) | Progress::Stopped => format!("{:>3}", whole_percent(sight.share)),
        Progress::Finished => String::new(),
    };
    let mut x = SIGNS;
    if !word.is_empty() {
        x = pen.fitted(
            x,
            0,
            columns.saturating_sub(x),
            &word,
            theme.ink(ink(&sight.progress)),
        ) + 1;
    }
    if sight.progress == Progress::Waiting {
        return;
    }
    let mut end = columns;
    let both = columns >= SIGNS + CURVE + 2 * FIGURE + 3;
    let figures = [sight.foundation, sight.forgetting.without_foundation];
    for value in figures.into_iter().skip(usize::from(!both)) {
        if end >= x + FIGURE {
            pen.right(end, 0, &points(value), theme.ink(Ink::Plain));
            end -= FIGURE + 1;
        }
    }
    let room = end.saturating_sub(x);
    if room >= CURVE {
        curve(theme, open, sight, &mut pen.part(x, 0, room, 1));
    }
}

/// A curve and the tasks that are done, and the figures below: the sign alone tells the state.
fn draw_two_lines(theme: &Theme, open: &OpenSweep, sight: &Sight, pen: &mut Pen) {
    let columns = pen.width();
    if sight.progress == Progress::Waiting {
        pen.text(SIGNS, 0, sight.progress.name(), theme.ink(Ink::Faint));
        return;
    }
    let plain = theme.ink(Ink::Plain);
    let tasks = format!("{}/{}", sight.done, sight.tasks);
    pen.right(columns, 0, &tasks, plain);
    let room = columns.saturating_sub(SIGNS + width(&tasks) as u16 + 1);
    curve(theme, open, sight, &mut pen.part(SIGNS, 0, room, 1));
    draw_figures(theme, sight, 1, pen);
}

/// Forgetting and what the foundation lost, at the right of a line.
fn draw_figures(theme: &Theme, sight: &Sight, y: u16, pen: &mut Pen) {
    let forgetting = points(sight.forgetting.without_foundation);
    let text = format!("{forgetting:>5} {:>5}", points(sight.foundation));
    let end = pen.width();
    pen.right(end, y, &text, theme.ink(Ink::Plain));
}

/// The state in words, a bar where there is room, and how many tasks are done.
fn draw_state(theme: &Theme, sight: &Sight, style: ratatui::style::Style, pen: &mut Pen) {
    let columns = pen.width();
    let x = pen.text(SIGNS, 0, sight.progress.name(), style) + 1;
    if sight.progress == Progress::Waiting {
        return;
    }
    let tasks = format!("{}/{}", sight.done, sight.tasks);
    let with_percent = format!("{tasks}  {:>4}", whole_percent(sight.share));
    let text = match x + width(&with_percent) as u16 <= columns {
        true => with_percent,
        false => tasks,
    };
    pen.right(columns, 0, &text, theme.ink(Ink::Plain));
    let room = columns.saturating_sub(x + width(&text) as u16 + 1);
    if room >= BAR {
        bar(theme, (x, 0), room, sight.share, ink(&sight.progress), pen);
    }
}

/// The curve, and below it, or behind it, the figures.
fn draw_more(theme: &Theme, open: &OpenSweep, sight: &Sight, height: u16, pen: &mut Pen) {
    if sight.progress == Progress::Waiting {
        return;
    }
    let columns = pen.width();
    let forgetting = points(sight.forgetting.without_foundation);
    let foundation = points(sight.foundation);
    if height == 2 {
        draw_figures(theme, sight, 1, pen);
        let room = columns.saturating_sub(SIGNS + 2 * FIGURE + 2);
        curve(theme, open, sight, &mut pen.part(SIGNS, 1, room, 1));
        return;
    }
    let room = columns.saturating_sub(SIGNS);
    curve(
        theme,
        open,
        sight,
        &mut pen.part(SIGNS, 1, room, height - 2),
    );
    let y = height - 1;
    if columns < NAMED {
        draw_figures(theme, sight, y, pen);
        return;
    }
    let faint = theme.ink(Ink::Faint);
    let plain = theme.ink(Ink::Plain);
    let x = pen.pieces(SIGNS, y, &[("forgot ", faint), (&forgetting, plain)]);
    // As wide in every cell, so that figures stand below one another.
    let x = x.max(SIGNS + 7 + FIGURE) + 2;
    pen.pieces(x, y, &[("foundation ", faint), (&foundation, plain)]);
}

/// The loss, over as much of the width as of the run is done.
pub fn curve(theme: &Theme, open: &OpenSweep, sight: &Sight, pen: &mut Pen) {
    let size = (usize::from(pen.width()), usize::from(pen.height()));
    let ink = match sight.progress {
        Progress::AtWork(_) => Ink::Accent,
        Progress::Failed(_) => Ink::Bad,
        _ => Ink::Faint,
    };
    let lines = spark(
        &sight.curve,
        sight.share.max(0.02),
        open.range,
        size,
        theme.marker,
    );
    for (y, line) in lines.iter().enumerate() {
        pen.text(0, y as u16, line, theme.ink(ink));
    }
}
