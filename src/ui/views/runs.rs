//! The runs around this one: a tree of branches, how far each is, what it found, and in what the chosen one differs.

use std::path::Path;

use super::super::actions::Action;
use super::super::app::App;
use super::super::beside::Beside;
use super::super::pen::Pen;
use super::super::runs::Runs;
use super::super::text::{percent, points, width, wrap};
use super::super::theme::Ink;
use super::chrome::Figures;
use crate::recipe::Difference;
use crate::run::{Listed, RunStanding, Twig};
use crate::sweep::listing::Summary;

/// Lines above the runs: where they are, and the columns' names.
const HEAD: u16 = 2;
/// Lines below them at least.
const FOOT: u16 = 7;
/// Columns of the figures: tasks done, standing, mean accuracy and mean forgetting in the last row, and what the
/// foundation lost until there.
const FIGURES: [(&str, u16); 5] = [
    ("tasks", 7),
    ("", 10),
    ("accuracy", 9),
    ("forgot", 7),
    ("foundation", 11),
];

/// Column of the runs' names, behind the cursor and the mark of a run that lies beside.
const NAME: u16 = 3;

/// Draws the screen.
pub fn draw(app: &App, pen: &mut Pen) {
    let theme = &app.theme;
    let runs = &app.runs;
    let faint = theme.ink(Ink::Faint);
    let base = runs.base.display().to_string();
    let (columns, height) = (pen.width(), pen.height());
    let listed = runs.listed.as_deref().unwrap_or_default();
    if runs.lines() == 0 {
        let text = match &runs.listed {
            None => "reading the runs".to_owned(),
            Some(_) => format!("no run lies in {base}: start one on the set-up screen (1)"),
        };
        for (y, line) in wrap(&text, usize::from(columns)).iter().enumerate() {
            pen.text(0, y as u16, line, faint);
        }
        return;
    }
    let x = pen.fitted(
        0,
        0,
        columns / 2,
        &format!("runs in {base}"),
        theme.bold(Ink::Plain),
    );
    let count = format!("{}/{}", runs.cursor + 1, runs.lines());
    pen.text(x + 2, 0, &count, faint);
    let names = runs
        .order
        .iter()
        .map(|twig| width(&name(listed, *twig)) as u16)
        .chain(
            runs.sweeps
                .iter()
                .map(|sweep| width(&last(&sweep.folder)) as u16),
        );
    let figures: u16 = FIGURES.iter().map(|(_, columns)| columns).sum();
    let room = columns.saturating_sub(figures + NAME);
    let label = names.max().unwrap_or(0).min(room).max(8);
    if !listed.is_empty() {
        draw_heads(app, label, pen);
    }
    let rows = usize::from(height.saturating_sub(HEAD + FOOT)).max(1);
    let from = (runs.cursor + 1).saturating_sub(rows);
    for i in (from..runs.lines()).take(rows) {
        let y = HEAD + (i - from) as u16;
        let here = i == runs.cursor;
        match (runs.sweeps.get(i), i.checked_sub(runs.sweeps.len())) {
            (Some(sweep), _) => draw_sweep(app, sweep, here, (label, y), pen),
            (None, Some(at)) => draw_run(app, listed, runs.order[at], here, (label, y), pen),
            (None, None) => {}
        }
    }
    let top = HEAD + runs.lines().min(rows) as u16 + 1;
    draw_chosen(
        app,
        runs,
        &mut pen.part(0, top, columns, height.saturating_sub(top)),
    );
}

/// The last part of a path.
fn last(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// A sweep in a line: how many of its runs are finished.
fn draw_sweep(app: &App, sweep: &Summary, here: bool, (label, y): (u16, u16), pen: &mut Pen) {
    let theme = &app.theme;
    let cursor = if here { "▸" } else { " " };
    pen.text(0, y, cursor, theme.bold(Ink::Accent));
    pen.text(1, y, "▤", theme.ink(Ink::Second));
    let ink = if here { Ink::Accent } else { Ink::Plain };
    pen.fitted(NAME, y, label, &last(&sweep.folder), theme.ink(ink));
    let (text, ink) = match &sweep.found {
        Ok((finished, runs)) => (
            format!("a sweep: {finished} of {runs} finished"),
            Ink::Plain,
        ),
        Err(problem) => (problem.clone(), Ink::Bad),
    };
    let columns = pen.width();
    pen.fitted(NAME + label + 2, y, columns, &text, theme.ink(ink));
}

/// A run's folder behind the mark of a branch.
fn name(listed: &[Listed], twig: Twig) -> String {
    let folder = last(&listed[twig.run].folder);
    match twig.depth {
        0 => folder,
        depth => format!("{}└ {folder}", "  ".repeat(depth - 1)),
    }
}

fn draw_heads(app: &App, label: u16, pen: &mut Pen) {
    let faint = app.theme.ink(Ink::Faint);
    let mut end = NAME + label;
    for (head, columns) in FIGURES {
        end += columns;
        pen.right(end, 1, head, faint);
    }
}

fn draw_run(app: &App, listed: &[Listed], twig: Twig, here: bool, at: (u16, u16), pen: &mut Pen) {
    let theme = &app.theme;
    let (label, y) = at;
    let run = &listed[twig.run];
    let shown = app.folder().is_some_and(|folder| folder == run.folder);
    let beside = app.beside.iter().position(|b| b.folder == run.folder);
    let sign = match beside {
        _ if shown => '●',
        Some(place) => Beside::letter(place),
        None => ' ',
    };
    let cursor = if here { "▸" } else { " " };
    pen.text(0, y, cursor, theme.bold(Ink::Accent));
    pen.text(1, y, &sign.to_string(), theme.bold(Ink::Second));
    let ink = if here { Ink::Accent } else { Ink::Plain };
    pen.fitted(NAME, y, label, &name(listed, twig), theme.ink(ink));
    let found = match &run.found {
        Ok(found) => found,
        Err(problem) => {
            pen.fitted(
                NAME + label + 1,
                y,
                pen.width(),
                problem,
                theme.ink(Ink::Bad),
            );
            return;
        }
    };
    let (standing, ink) = (
        found.standing.name(),
        match found.standing {
            RunStanding::AtWork => Ink::Accent,
            RunStanding::Finished => Ink::Plain,
            RunStanding::Failed => Ink::Bad,
            RunStanding::Stopped => Ink::Warning,
        },
    );
    let texts = [
        (format!("{}/{}", found.done, found.tasks), Ink::Plain),
        (standing.to_owned(), ink),
        (percent(found.accuracy.with_foundation), Ink::Plain),
        (points(found.forgetting.with_foundation), Ink::Plain),
        (points(found.foundation), Ink::Plain),
    ];
    let mut end = NAME + label;
    for ((text, ink), (_, columns)) in texts.iter().zip(FIGURES) {
        end += columns;
        pen.right(end, y, text, theme.ink(*ink));
    }
}

/// The run under the cursor: what it was made from, and in what it differs from the run that is shown.
fn draw_chosen(app: &App, runs: &Runs, pen: &mut Pen) {
    let theme = &app.theme;
    if runs.chosen_sweep().is_some_and(|sweep| sweep.found.is_ok()) {
        let text = format!(
            "a sweep: {} shows its runs as a grid",
            app.keys.of(Action::Open)
        );
        pen.text(0, 0, &text, theme.ink(Ink::Faint));
    }
    let Some(run) = runs.chosen() else {
        return;
    };
    let (recipe, manifest) = (&run.manifest.recipe, &run.manifest);
    let mut figures = Figures::at(0);
    figures.add(pen, app, "preset", &recipe.name);
    figures.add(pen, app, "backbone", &recipe.backbone.source);
    figures.add(pen, app, "rank", &recipe.lora.rank.to_string());
    figures.add(pen, app, "seed", &manifest.seed.to_string());
    figures.add(pen, app, "begun", &manifest.started);
    figures.next_line();
    if let Some(parent) = &manifest.parent {
        let folder = std::path::Path::new(&parent.folder);
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        let text = format!("{} after row {}", name.to_string_lossy(), parent.row);
        figures.add(pen, app, "branches from", &text);
        figures.next_line();
    }
    if let Ok(found) = &run.found {
        let (accuracy, forgetting) = (found.accuracy, found.forgetting);
        let without = "mean of the tasks alone: accuracy";
        figures.add(pen, app, without, &percent(accuracy.without_foundation));
        let forgotten = points(forgetting.without_foundation);
        figures.add(pen, app, "forgetting first-last", &forgotten);
        figures.next_line();
    }
    let (columns, top) = (usize::from(pen.width()), figures.end());
    let own = app.view().and_then(|v| v.started.as_ref());
    let text = match own {
        _ if app.folder().is_some_and(|folder| folder == run.folder) => {
            "this is the run that is shown".to_owned()
        }
        None => return,
        Some(own) => differences(&own.recipe.differences(recipe)),
    };
    for (y, line) in wrap(&text, columns).iter().enumerate() {
        pen.text(0, top + y as u16, line, theme.ink(Ink::Faint));
    }
}

fn differences(all: &[Difference]) -> String {
    if all.is_empty() {
        return "its settings are those of the run that is shown".into();
    }
    let one = |d: &Difference| {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".into());
        format!("{} {} → {}", d.key, side(&d.this), side(&d.that))
    };
    let texts: Vec<String> = all.iter().map(one).collect();
    format!("shown → this: {}", texts.join(" · "))
}
