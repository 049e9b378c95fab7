//! What is said of the run under the cursor: what sets it apart, how it stands, what it found, and its loss.

use super::super::super::app::App;
use super::super::super::pen::Pen;
use super::super::super::plot::{Boundary, Kind, Plot, Series, scale};
use super::super::super::sweep::{OpenSweep, Planned, Sight};
use super::super::super::text::{percent, points, width, wrap};
use super::super::super::theme::{Ink, Theme};
use super::{glyph, ink};
use crate::sweep::Progress;

/// Columns from which the curve stands beside the text.
const BESIDE: u16 = 100;
/// Columns of the text then.
const TEXT: u16 = 56;
/// Lines of a curve at least.
const CURVE: u16 = 5;

/// Between two figures.
const GAP: &str = "   ";

/// A piece of a line.
pub type Piece = (String, Ink, bool);

/// Columns for the text, where the card has so many lines.
pub fn text_columns(columns: u16, rows: u16) -> u16 {
    match columns >= BESIDE && rows > CURVE {
        true => TEXT,
        false => columns,
    }
}

/// Draws the card.
pub fn draw(app: &App, open: &OpenSweep, pen: &mut Pen) {
    let (columns, rows) = (pen.width(), pen.height());
    let theme = &app.theme;
    let room = text_columns(columns, rows + 1);
    let lines = lines(open, room);
    for (y, line) in lines.iter().enumerate() {
        let mut x = 0;
        for (text, ink, bold) in line {
            let style = if *bold {
                theme.bold(*ink)
            } else {
                theme.ink(*ink)
            };
            x = pen.fitted(x, y as u16, room.saturating_sub(x), text, style);
        }
    }
    let sight = open.run().and_then(|(_, sight)| sight);
    let Some(sight) = sight.filter(|s| s.curve.len() > 1) else {
        return;
    };
    let mut part = match room < columns {
        true => pen.part(room + 2, 0, columns - room - 2, rows),
        false => {
            let top = lines.len() as u16 + 1;
            pen.part(0, top, columns, rows.saturating_sub(top))
        }
    };
    if part.height() >= CURVE {
        draw_curve(theme, sight, &mut part);
    }
}

fn draw_curve(theme: &Theme, sight: &Sight, pen: &mut Pen) {
    let faint = theme.ink(Ink::Faint);
    let x = pen.text(0, 0, "loss", theme.bold(Ink::Plain));
    pen.text(x + 1, 0, "smoothed", faint);
    let every = sight.all_steps as f64 / sight.curve.len() as f64;
    let points = sight.curve.iter().enumerate();
    let points = points.map(|(i, y)| ((i as f64 + 0.5) * every, f64::from(*y)));
    let boundaries = sight.begun.iter().map(|(step, task)| Boundary {
        x: *step as f64,
        name: task.clone(),
    });
    let plot = Plot {
        x: (0.0, sight.all_steps as f64),
        y: scale(sight.curve.iter().map(|y| f64::from(*y)), 0.1),
        log: true,
        name: "step",
        unit: 1.0,
        series: vec![Series {
            points: points.collect(),
            style: theme.ink(Ink::Accent),
            kind: Kind::Line,
            letter: None,
            sign: None,
        }],
        boundaries: boundaries.collect(),
        ..Plot::default()
    };
    let (columns, rows) = (pen.width(), pen.height());
    plot.draw(&mut pen.part(0, 1, columns, rows.saturating_sub(1)), theme);
}

/// The text, line by line, in so many columns.
pub fn lines(open: &OpenSweep, columns: u16) -> Vec<Vec<Piece>> {
    let Some((run, sight)) = open.run() else {
        return Vec::new();
    };
    let mut lines = vec![title(run, sight)];
    if let Some(Progress::Failed(why)) = sight.map(|s| &s.progress) {
        let wrapped = wrap(why, usize::from(columns).saturating_sub(2));
        lines.extend(
            wrapped
                .into_iter()
                .map(|line| vec![(format!("  {line}"), Ink::Bad, false)]),
        );
    }
    let mut figures: Vec<(&str, String)> = Vec::new();
    figures.extend(
        run.apart
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    let sight = sight.filter(|s| s.progress != Progress::Waiting);
    match sight {
        Some(sight) => {
            figures.push(("tasks done", format!("{} of {}", sight.done, sight.tasks)));
            if let Some(task) = sight.task() {
                figures.push((task, format!("step {} of {}", sight.steps.0, sight.steps.1)));
            }
        }
        None => figures.push(("tasks", run.tasks.to_string())),
    }
    lines.extend(flow(figures.into_iter(), columns));
    let Some(sight) = sight else {
        return lines;
    };
    if sight.accuracy.with_foundation.is_finite() {
        let accuracy = [
            ("accuracy", percent(sight.accuracy.with_foundation)),
            (
                "without foundation",
                percent(sight.accuracy.without_foundation),
            ),
        ];
        lines.extend(flow(accuracy.into_iter(), columns));
        let forgetting = [
            (
                "forgetting first-last",
                points(sight.forgetting.with_foundation),
            ),
            (
                "without foundation",
                points(sight.forgetting.without_foundation),
            ),
            ("foundation lost", points(sight.foundation)),
        ];
        if sight.foundation.is_finite() {
            lines.extend(flow(forgetting.into_iter(), columns));
        }
    }
    lines
}

fn title(run: &Planned, sight: Option<&Sight>) -> Vec<Piece> {
    let id = (format!("{}  ", run.id), Ink::Plain, true);
    let Some(sight) = sight else {
        return vec![id, ("not read yet".into(), Ink::Faint, false)];
    };
    let colour = ink(&sight.progress);
    let more = match &sight.progress {
        Progress::Waiting => ": nobody has begun it yet".to_owned(),
        Progress::AtWork(who) => format!(": {who}"),
        Progress::Stopped => ": nobody is at work on it, and it is not finished".to_owned(),
        Progress::Finished | Progress::Failed(_) => String::new(),
    };
    vec![
        id,
        (format!("{} ", glyph(&sight.progress)), colour, true),
        (sight.progress.name().into(), colour, true),
        (more, Ink::Plain, false),
    ]
}

/// Names and values, as many on a line as it takes.
fn flow<'a>(figures: impl Iterator<Item = (&'a str, String)>, columns: u16) -> Vec<Vec<Piece>> {
    let mut lines: Vec<Vec<Piece>> = Vec::new();
    let (columns, mut used) = (usize::from(columns), 0);
    for (name, value) in figures {
        let needed = width(name) + 1 + width(&value);
        let gap = match lines.is_empty() || used + GAP.len() + needed > columns {
            true => {
                lines.push(Vec::new());
                used = 0;
                ""
            }
            false => GAP,
        };
        used += gap.len() + needed;
        if let Some(line) = lines.last_mut() {
            line.push((format!("{gap}{name} "), Ink::Faint, false));
            line.push((value, Ink::Plain, false));
        }
    }
    lines
}
