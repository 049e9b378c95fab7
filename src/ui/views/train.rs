//! Training as it goes: progress, what the lab is doing, loss and accuracy.

use super::super::actions::Action;
use super::super::app::App;
use super::super::curves;
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::plot::Plot;
use super::super::text::{clock, percent};
use super::super::theme::{Ink, Marker};
use super::chrome::Figures;
use crate::export::thousands;
use crate::lab::{Command, State};
use crate::lora::Amount;
use crate::run::view::{Training, TrainingEnd};

/// Columns from which two plots stand side by side.
const SIDE_BY_SIDE: u16 = 70;

/// Draws the screen.
pub fn draw(app: &App, run: &OpenRun, pen: &mut Pen) {
    let trainings = &run.view.trainings;
    let newest = trainings.len().saturating_sub(1);
    let at = app.train.training.unwrap_or(newest).min(newest);
    let training = trainings.get(at);
    title(app, run, training, pen);
    let mut y = 1;
    if let Some(training) = training {
        gauge(app, training, &mut pen.part(0, y, pen.width(), 1));
        y += 1;
        let mut figures = Figures::at(y);
        add_figures(app, run, training, &mut figures, pen);
        y = figures.end();
    }
    activity(app, run, &mut pen.part(0, y, pen.width(), 1));
    y += 1;
    let (columns, rows) = (pen.width(), pen.height().saturating_sub(y));
    let drawn = |t: &&Training| app.train.whole || !t.points.is_empty();
    let Some(training) = training.filter(drawn) else {
        if rows > 2 {
            let text = "curves appear with the first steps";
            pen.text(0, y + 1, text, app.theme.ink(Ink::Faint));
        }
        return;
    };
    // An empty line where there is room for it.
    let air = u16::from(rows > 8);
    let mut plots = pen.part(0, y + air, columns, rows - air.min(rows));
    draw_plots(app, run, training, &mut plots);
}

fn title(app: &App, run: &OpenRun, training: Option<&Training>, pen: &mut Pen) {
    let theme = &app.theme;
    let mode = if run.view.automatic {
        "automatic"
    } else {
        "step by step"
    };
    let end = pen.width();
    let right = |x: u16, pen: &mut Pen| {
        if x + 2 + mode.len() as u16 <= end {
            pen.right(end, 0, mode, theme.ink(Ink::Faint));
        }
    };
    let Some(training) = training else {
        let text = "the untouched backbone";
        let x = pen.text(0, 0, text, theme.bold(Ink::Plain));
        right(x, pen);
        return;
    };
    let tasks = run.view.task_ids().len();
    let task = format!("task {}/{tasks}  {}", training.index, training.step_id);
    let x = pen.text(0, 0, &task, theme.bold(Ink::Plain));
    let fate = match training.end {
        TrainingEnd::Open => "",
        TrainingEnd::Merged => "merged",
        TrainingEnd::Discarded => "discarded",
        TrainingEnd::Undone => "merged, then undone",
    };
    let x = pen.text(x + 2, 0, fate, theme.ink(Ink::Faint));
    right(x, pen);
}

fn gauge(app: &App, training: &Training, pen: &mut Pen) {
    let theme = &app.theme;
    let done = training.points.last().map_or(0, |p| p.step);
    let part = done as f64 / training.steps.max(1) as f64;
    let text = format!(
        "  {}/{} steps  {:>3.0} %",
        thousands(done),
        thousands(training.steps),
        100.0 * part
    );
    let room = pen.width().saturating_sub(text.chars().count() as u16);
    let full = ((f64::from(room) * part).round() as u16).min(room);
    let (on, off) = match theme.marker {
        Marker::Ascii => ("=", "-"),
        _ => ("━", "─"),
    };
    let x = pen.text(0, 0, &on.repeat(full.into()), theme.ink(Ink::Accent));
    let x = pen.text(
        x,
        0,
        &off.repeat((room - full).into()),
        theme.ink(Ink::Faint),
    );
    pen.text(x, 0, &text, theme.ink(Ink::Plain));
}

fn add_figures(
    app: &App,
    run: &OpenRun,
    training: &Training,
    figures: &mut Figures,
    pen: &mut Pen,
) {
    if let Some(last) = training.points.last() {
        let recent = training.points.iter().rev().take(20).map(|p| p.rate);
        let rates: Vec<f64> = recent.filter(|r| r.is_finite()).collect();
        let rate = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        figures.add(pen, app, "images/s", &thousands(rate.round() as usize));
        if training.end == TrainingEnd::Open && last.step < training.steps {
            let left = run.remaining(training).map_or("—".into(), clock);
            figures.add(pen, app, "left", &left);
        }
        let lr = match last.lr {
            0.0 => "0".into(),
            lr => format!("{lr:.1e}"),
        };
        figures.add(pen, app, "lr", &lr);
    }
    figures.add(pen, app, "trainable", &thousands(training.trainable));
    let row = run.view.rows.iter().rev().find(|r| r.training.is_some());
    if let Some(row) = row {
        figures.add(pen, app, "‖ΔW‖/‖W‖", &format!("{:.3}", row.update_total));
    }
}

/// One line: what the lab does, or which keys come next.
fn activity(app: &App, run: &OpenRun, pen: &mut Pen) {
    let theme = &app.theme;
    if let Some(failure) = &run.view.failure {
        let room = pen.width();
        pen.fitted(0, 0, room, failure, theme.ink(Ink::Bad));
        return;
    }
    let next = |command, what: &str| format!("{} {what}", app.keys.of(Action::Lab(command)));
    let keys = match run.view.state {
        _ if !run.lab => {
            let key = app.keys.of(Action::TakeUp);
            let text = format!("looking on: {key} puts a lab to work on this run");
            pen.text(0, 0, &text, theme.ink(Ink::Faint));
            return;
        }
        _ if run.view.paused => vec![next(Command::Resume, "goes on")],
        State::Trained(_) if !run.view.automatic => vec![
            next(Command::Merge(Amount::WHOLE), "merges the adapter"),
            next(Command::Discard, "discards it"),
        ],
        State::Measured(t) if !run.view.automatic && run.view.next_index().is_some() => {
            vec![next(
                Command::Step,
                &format!("trains {}", run.task_id(t + 1)),
            )]
        }
        State::Finished => vec![next(Command::Undo, "takes the last merge back")],
        _ => Vec::new(),
    };
    if !keys.is_empty() {
        pen.text(0, 0, &keys.join(" · "), theme.ink(Ink::Accent));
        return;
    }
    let Some((pulse, since)) = &run.pulse else {
        pen.text(0, 0, "waiting for the lab", theme.ink(Ink::Faint));
        return;
    };
    let mut text = pulse.what.clone();
    if pulse.total > 0 {
        text.push_str(&format!(
            "  {}/{}",
            thousands(pulse.done),
            thousands(pulse.total)
        ));
    }
    let seconds = app.now.saturating_sub(*since).as_secs();
    if seconds >= 2 {
        text.push_str(&format!("  for {seconds} s"));
    }
    let room = pen.width();
    pen.fitted(0, 0, room, &text, theme.ink(Ink::Faint));
}

fn draw_plots(app: &App, run: &OpenRun, training: &Training, pen: &mut Pen) {
    let (columns, rows) = (pen.width(), pen.height());
    let (loss, accuracy) = match app.train.whole {
        true => curves::whole(&run.view, &app.theme),
        false => curves::of(training, &app.theme),
    };
    let beside = columns >= SIDE_BY_SIDE;
    // The accuracies have the longer legend.
    let left = columns * 2 / 5;
    let (width, first_rows) = match (beside, rows >= 12) {
        (true, _) => (left - 1, rows),
        (false, true) => (columns, rows / 2),
        (false, false) => (columns, rows),
    };
    draw_loss(app, training, &loss, &mut pen.part(0, 0, width, first_rows));
    let mut second = match (beside, rows >= 12) {
        (true, _) => pen.part(left + 1, 0, columns - left - 1, rows),
        (false, true) => pen.part(0, first_rows, columns, rows - first_rows),
        (false, false) => return,
    };
    draw_accuracy(app, run, training, &accuracy, &mut second);
}

fn draw_loss(app: &App, training: &Training, plot: &Plot, pen: &mut Pen) {
    let theme = &app.theme;
    let faint = theme.ink(Ink::Faint);
    let mut x = pen.text(0, 0, "loss", theme.bold(Ink::Plain)) + 2;
    let smooth = curves::smooth_loss(training);
    if let (Some(point), Some(smooth)) = (training.points.last(), smooth.last()) {
        let pieces = [
            (format!("{:.3}", point.loss), faint),
            ("  smoothed ".into(), faint),
            (format!("{smooth:.3}"), theme.ink(Ink::Accent)),
        ];
        for (text, style) in &pieces {
            x = pen.text(x, 0, text, *style);
        }
    }
    let (columns, rows) = (pen.width(), pen.height().saturating_sub(1));
    plot.draw(&mut pen.part(0, 1, columns, rows), theme);
}

fn draw_accuracy(app: &App, run: &OpenRun, training: &Training, plot: &Plot, pen: &mut Pen) {
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
    let train = curves::smooth_accuracy(training).last().copied();
    // What is watched is measured on a part of the images only: `~`, as in the matrix.
    let values = [
        ("t", "train", train.map(percent), Ink::Accent),
        (
            "h",
            "held-out",
            run.view
                .column(training.index)
                .and_then(measured)
                .or(last.map(|w| provisional(w.task.accuracy()))),
            Ink::Third,
        ),
        (
            "f",
            foundation,
            measured(foundation).or(last.map(|w| provisional(w.foundation.accuracy()))),
            Ink::Second,
        ),
    ];
    let mut x = 0;
    for (letter, name, value, ink) in values {
        let Some(value) = value else {
            continue;
        };
        let pieces = [
            (letter, theme.bold(ink)),
            (" ", faint),
            (name, faint),
            (" ", faint),
            (&value, theme.ink(ink)),
        ];
        x = pen.pieces(x, 0, &pieces) + 2;
    }
    // On a line of its own where there is no room beside the figures.
    let watched = last.is_some() && row.is_none_or(|r| !r.complete);
    let text = match watched {
        true => "% right  ~ provisional",
        false => "% right",
    };
    let beside = x + text.len() as u16 <= pen.width();
    let (x, y) = if beside { (x, 0) } else { (0, 1) };
    pen.text(x, y, text, faint);
    let (columns, rows) = (pen.width(), pen.height().saturating_sub(y + 1));
    plot.draw(&mut pen.part(0, y + 1, columns, rows), theme);
}

fn provisional(accuracy: f64) -> String {
    format!("~{}", percent(accuracy))
}
