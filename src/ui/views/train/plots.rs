//! The curves of the train screen: loss, learning rate and accuracy.

use super::super::super::app::App;
use super::super::super::curves::{ABOVE, Curves, Missing, NOT_FINITE, Scene};
use super::super::super::open_run::OpenRun;
use super::super::super::pen::Pen;
use super::super::super::text::{percent, ratio};
use super::super::super::theme::Ink;
use super::super::titled::{Piece, titled};
use crate::run::RunView;
use crate::run::view::Training;

/// Columns from which two plots stand side by side.
const SIDE_BY_SIDE: u16 = 70;
/// Rows from which the learning rate has a plot of its own, and how many that takes.
const WITH_RATE: u16 = 22;
const RATE: u16 = 6;

/// Draws them, as many as there is room for.
pub fn draw(app: &App, run: &OpenRun, training: &Training, pen: &mut Pen) {
    let (columns, rows) = (pen.width(), pen.height());
    let others: Vec<(&str, &RunView)> = app
        .beside
        .iter()
        .map(|beside| (beside.name.as_str(), &beside.view))
        .collect();
    let curves = Scene {
        view: &run.view,
        training,
        look: app.train.curves,
        theme: &app.theme,
        memo: &app.memo,
        beside: &others,
    }
    .curves();
    let beside = columns >= SIDE_BY_SIDE;
    // The accuracies have the longer legend.
    let left = columns * 2 / 5;
    let (width, first_rows) = match (beside, rows >= 12) {
        (true, _) => (left - 1, rows),
        (false, true) => (columns, rows / 2),
        (false, false) => (columns, rows),
    };
    let rate_rows = if first_rows >= WITH_RATE { RATE } else { 0 };
    let loss_rows = first_rows - rate_rows;
    draw_loss(
        app,
        training,
        &curves,
        &mut pen.part(0, 0, width, loss_rows),
    );
    draw_rate(app, &curves, &mut pen.part(0, loss_rows, width, rate_rows));
    let mut second = match (beside, rows >= 12) {
        (true, _) => pen.part(left + 1, 0, columns - left - 1, rows),
        (false, true) => pen.part(0, first_rows, columns, rows - first_rows),
        (false, false) => return,
    };
    draw_accuracy(app, run, training, &curves, &mut second);
}

fn draw_loss(app: &App, training: &Training, curves: &Curves, pen: &mut Pen) {
    let theme = &app.theme;
    let (faint, accent) = (theme.ink(Ink::Faint), theme.ink(Ink::Accent));
    let look = &app.train.curves;
    let mut pieces: Vec<Piece> = Vec::new();
    let name = if look.log { "loss, log" } else { "loss" };
    let mut title = vec![(name.to_owned(), theme.bold(Ink::Plain))];
    if let Some(point) = training.points.last() {
        let smoothed = look.strength.beta() > 0.0;
        let style = if smoothed { faint } else { accent };
        title.push((format!(" {:.3}", point.loss), style));
    }
    pieces.push(title);
    match (curves.smooth, look.strength.beta()) {
        (_, 0.0) => pieces.push(vec![("not smoothed".into(), faint)]),
        (Some((loss, _)), beta) => pieces.push(vec![
            (format!("EMA {} ", ratio(beta, 2)), faint),
            (format!("{loss:.3}"), accent),
        ]),
        (None, _) => {}
    }
    pieces.extend(missing(app, &curves.missing));
    if look.zoom.factor() > 1.0 {
        let newest = if look.zoom.follows() { ", newest" } else { "" };
        let text = format!("{}x{newest}", look.zoom.factor());
        pieces.push(vec![(text, faint)]);
    }
    for (letter, name, style) in &curves.beside {
        pieces.push(vec![(format!("{letter} "), *style), (name.clone(), faint)]);
    }
    titled(&pieces, &curves.loss, app, pen);
}

/// How many losses in sight have no place of their own.
fn missing(app: &App, missing: &Missing) -> Vec<Piece> {
    let theme = &app.theme;
    let bad = format!("{NOT_FINITE} {} not finite", missing.not_finite);
    let above = format!("{ABOVE} {} above", missing.above);
    let without = format!("{} of 0 or less left out", missing.not_positive);
    [
        (missing.not_finite, bad, Ink::Bad),
        (missing.above, above, Ink::Faint),
        (missing.not_positive, without, Ink::Warning),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(_, text, ink)| vec![(text, theme.ink(ink))])
    .collect()
}

fn draw_rate(app: &App, curves: &Curves, pen: &mut Pen) {
    let theme = &app.theme;
    let (plot, peak) = &curves.rate;
    let name = ("learning rate".to_owned(), theme.bold(Ink::Plain));
    let unit = (format!(" % of {peak:.1e}"), theme.ink(Ink::Faint));
    titled(&[vec![name, unit]], plot, app, pen);
}

fn draw_accuracy(app: &App, run: &OpenRun, training: &Training, curves: &Curves, pen: &mut Pen) {
    let theme = &app.theme;
    let faint = theme.ink(Ink::Faint);
    let foundation = run.foundation().map_or("foundation", |f| f.id.as_str());
    let last = training.watched.last();
    // Once the row is measured, that is the figure.
    let rows = &run.view.rows;
    let row = rows.iter().find(|r| r.training == Some(training.number));
    let measured = |id: &str| {
        let evaluation = row.and_then(|r| r.evaluations.get(id))?;
        Some(percent(evaluation.counts.accuracy()))
    };
    // What is watched is measured on a part of the images only: `~`, as in the matrix.
    let held_out = run.view.column(training.index).and_then(measured);
    let held_out = held_out.or(last.map(|w| provisional(w.task.accuracy())));
    let kept = measured(foundation).or(last.map(|w| provisional(w.foundation.accuracy())));
    let values = [
        (
            "t",
            "train",
            curves.smooth.map(|s| percent(s.1)),
            Ink::Accent,
        ),
        ("h", "held-out", held_out, Ink::Third),
        ("f", foundation, kept, Ink::Second),
    ];
    let mut pieces: Vec<Piece> = Vec::new();
    for (letter, name, value, ink) in values {
        pieces.extend(value.map(|value| {
            vec![
                (letter.to_owned(), theme.bold(ink)),
                (format!(" {name} "), faint),
                (value, theme.ink(ink)),
            ]
        }));
    }
    let watched = last.is_some() && row.is_none_or(|r| !r.complete);
    let unit = match watched {
        true => "% right  ~ provisional",
        false => "% right",
    };
    pieces.push(vec![(unit.to_owned(), faint)]);
    titled(&pieces, &curves.accuracy, app, pen);
}

fn provisional(accuracy: f64) -> String {
    format!("~{}", percent(accuracy))
}
