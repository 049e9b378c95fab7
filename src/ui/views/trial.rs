//! The preview below the matrix: what each amount of an update would make of it.

use ratatui::style::Modifier;

use super::super::app::App;
use super::super::cells::written;
use super::super::look::Figure;
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::text::width;
use super::super::theme::Ink;
use super::matrix::{Cut, draw_cell};
use crate::measure::Matrix;
use crate::run::view::PreviewView;

/// Lines that the preview takes.
pub fn lines(run: &OpenRun) -> u16 {
    let preview = run.view.preview.as_ref();
    preview.map_or(0, |p| p.amounts.len() as u16 + 1)
}

/// Columns that the names of its amounts take.
pub fn labels(run: &OpenRun) -> impl Iterator<Item = u16> {
    let amounts = run.view.preview.iter().flat_map(|p| &p.amounts);
    amounts.map(|amount| width(&amount.to_string()) as u16 + 2)
}

/// Draws it; the lines it took.
pub fn draw(app: &App, run: &OpenRun, matrix: &Matrix, cut: &Cut, y: u16, pen: &mut Pen) -> u16 {
    let Some(preview) = &run.view.preview else {
        return 0;
    };
    let theme = &app.theme;
    pen.fitted(
        0,
        y,
        pen.width(),
        &title(run, preview, app.matrix.figure),
        theme.ink(Ink::Accent),
    );
    let chosen = app.matrix.amount(preview);
    for (i, amount) in preview.amounts.iter().enumerate() {
        let y = y + 1 + i as u16;
        let here = i == chosen && i < preview.done.len();
        let (sign, ink) = if here {
            ("▸", Ink::Accent)
        } else {
            (" ", Ink::Plain)
        };
        pen.text(0, y, sign, theme.bold(Ink::Accent));
        pen.fitted(1, y, cut.label - 1, &amount.to_string(), theme.ink(ink));
        let Some((_, sets)) = preview.done.get(i) else {
            let waits = if preview.over { "not measured" } else { "…" };
            pen.text(cut.label + 1, y, waits, theme.ink(Ink::Faint));
            continue;
        };
        let (mut x, room) = (cut.label, usize::from(cut.cell) - 1);
        for &column in &cut.shown {
            let id = matrix.tasks.get(column);
            let set = sets.iter().find(|s| Some(&s.test_set) == id);
            let accuracy = set.map_or(f64::NAN, |s| s.counts.accuracy());
            let present = set.and_then(|s| s.present.as_ref());
            let loss = present.map_or(f64::NAN, |p| p.accuracy() - accuracy);
            let (text, mut style) = match app.matrix.figure {
                _ if set.is_none() => (String::new(), theme.ink(Ink::Faint)),
                // A test set that is new has nothing to lose.
                Figure::Forgetting(_) if present.is_none() => ("new".into(), theme.ink(Ink::Faint)),
                Figure::Forgetting(_) => (written(app.matrix.figure, loss, room), theme.loss(loss)),
                _ => (
                    written(Figure::Accuracy, accuracy, room),
                    theme.accuracy(accuracy),
                ),
            };
            if here {
                style = style.add_modifier(Modifier::BOLD);
            }
            draw_cell(&text, style, x, y, cut.cell, pen);
            x += cut.cell;
        }
    }
    lines(run)
}

fn title(run: &OpenRun, preview: &PreviewView, figure: Figure) -> String {
    let what = match figure {
        Figure::Forgetting(_) => "points lost against the row that is there",
        _ => "accuracy",
    };
    let extent = match preview.quick {
        true => "a few images of each class",
        false => "all images",
    };
    let task = run.task_id(preview.row);
    format!("preview of {task}: {what}, {extent}")
}
