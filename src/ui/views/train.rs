//! Training as it goes: progress, what the lab is doing, loss and accuracy.

mod plots;

use super::super::actions::Action;
use super::super::app::App;
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::text::{clock, width};
use super::super::theme::Ink;
use super::chrome::Figures;
use super::machine::waiting;
use crate::export::thousands;
use crate::lab::{Command, State};
use crate::lora::Amount;
use crate::run::view::{Training, TrainingEnd};

/// Columns from which the rest of the run is said.
const WITH_REST: u16 = 100;

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
    let room = left(app, run, y, pen);
    activity(app, run, &mut pen.part(0, y, room, 1));
    y += 1;
    let (columns, rows) = (pen.width(), pen.height().saturating_sub(y));
    let drawn = |t: &&Training| app.train.curves.whole || !t.points.is_empty();
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
    plots::draw(app, run, training, &mut plots);
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
    let x = pen.text(0, 0, &"━".repeat(full.into()), theme.ink(Ink::Accent));
    let rest = "─".repeat((room - full).into());
    let x = pen.text(x, 0, &rest, theme.ink(Ink::Faint));
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
        let rate = training.recent().rate();
        let rate = rate.map_or("—".into(), |rate| thousands(rate.round() as usize));
        figures.add(pen, app, "images/s", &rate);
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
    // Of what this training led to; of what it began with while it is not merged.
    let rows = &run.view.rows;
    let own = rows.iter().find(|r| r.training == Some(training.number));
    let before = || {
        rows.iter()
            .rev()
            .find(|r| r.index < training.index && r.training.is_some())
    };
    if let Some(row) = own.or_else(before) {
        figures.add(pen, app, "‖ΔW‖/‖W‖", &format!("{:.3}", row.update_total));
    }
    if let Some(share) = training.recent().waiting() {
        figures.add(pen, app, "waiting for data", &waiting(Some(share)));
    }
}

/// How long the whole run will take, where there is room; returns the columns that are left of it.
fn left(app: &App, run: &OpenRun, y: u16, pen: &mut Pen) -> u16 {
    let columns = pen.width();
    let rest = run.rest().filter(|_| columns >= WITH_REST && run.works());
    let Some(rest) = rest else {
        return columns;
    };
    let text = format!("run left {}", rest.words());
    pen.right(columns, y, &text, app.theme.ink(Ink::Faint));
    columns.saturating_sub(width(&text) as u16 + 2)
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
            let what = match run.elsewhere {
                true => "takes the control of the process at work",
                false => "puts a lab to work on this run",
            };
            let text = format!("looking on: {key} {what}");
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
    let doing = doing(app, run);
    let text = doing.as_deref().unwrap_or("waiting for the lab");
    let room = pen.width();
    pen.fitted(0, 0, room, text, theme.ink(Ink::Faint));
}

/// What the lab says it is doing, and for how long; a slow first step is named so.
pub fn doing(app: &App, run: &OpenRun) -> Option<String> {
    let (pulse, since) = run.pulse.as_ref()?;
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
    Some(text)
}
