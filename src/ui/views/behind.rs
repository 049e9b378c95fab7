//! The figures behind a cell of the matrix, and those of its row.

use super::super::app::App;
use super::super::beside::Beside;
use super::super::cells::Cells;
use super::super::look::Figure;
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::text::{percent, points};
use super::super::theme::Ink;
use super::chrome::Figures;
use super::matrix::label;
use crate::export::thousands;
use crate::measure::{Average, Forgetting, Matrix};
use crate::run::RunView;

/// The numbers behind the cell, and the row's own.
pub fn draw(app: &App, run: &OpenRun, cells: &Cells, at: (usize, usize), pen: &mut Pen) {
    let theme = &app.theme;
    let matrix = &cells.matrix;
    let (row, column) = at;
    let id = matrix.tasks.get(column).map_or("", String::as_str);
    let x = pen.text(0, 0, id, theme.bold(Ink::Plain));
    let after = match row {
        0 => "before the first task".into(),
        _ => format!("after {}", label(run, row)),
    };
    pen.text(x + 1, 0, &after, theme.ink(Ink::Plain));
    let mut figures = Figures::at(1);
    let behind = run.view.rows.get(row);
    match behind.and_then(|r| r.evaluations.get(id)) {
        Some(evaluation) => {
            let sum = |v: &[u32]| v.iter().map(|x| *x as usize).sum::<usize>();
            let (correct, total) = (
                sum(&evaluation.counts.correct),
                sum(&evaluation.counts.total),
            );
            figures.add(pen, app, "accuracy", &percent(evaluation.counts.accuracy()));
            figures.add(
                pen,
                app,
                "right",
                &format!("{}/{}", thousands(correct), thousands(total)),
            );
            if row > 0 {
                figures.add(
                    pen,
                    app,
                    "new errors",
                    &thousands(sum(&evaluation.new_errors)),
                );
                figures.add(pen, app, "new hits", &thousands(sum(&evaluation.new_hits)));
            }
        }
        None => figures.add(pen, app, "not measured:", "this task was not learned yet"),
    }
    draw_beside(app, cells, at, &mut figures, pen);
    figures.next_line();
    for kind in Forgetting::ALL {
        let forgetting = points(matrix.forgetting(kind, row, column));
        let label = match kind == Forgetting::default() {
            true => format!("forgetting {}", kind.name()),
            false => kind.name().to_owned(),
        };
        figures.add(pen, app, &label, &forgetting);
    }
    figures.next_line();
    draw_row_figures(app, run, matrix, row, &mut figures, pen);
}

/// What other runs have in the cell.
fn draw_beside(
    app: &App,
    cells: &Cells,
    (row, column): (usize, usize),
    figures: &mut Figures,
    pen: &mut Pen,
) {
    if let Some((runs, deviation)) = cells.spread(row, column).filter(|(runs, _)| *runs > 0) {
        let mean = cells.value(row, column);
        let text = match cells.figure {
            Figure::Mean => format!("{} ± {}", percent(mean), percent(deviation)),
            _ => percent(deviation),
        };
        let label = match cells.figure {
            Figure::Mean => format!("mean ± sd of {runs} seeds"),
            _ => format!("sd of {runs} seeds"),
        };
        figures.add(pen, app, &label, &text);
    }
    let Some((place, other)) = app
        .compared()
        .filter(|_| cells.figure == Figure::Difference)
    else {
        return;
    };
    let id = cells.matrix.tasks.get(column).map_or("", String::as_str);
    let there = other.view.matrix().accuracy_on(row, id);
    let label = format!("{} after {row}", Beside::letter(place));
    figures.add(pen, app, &label, &percent(there));
    figures.add(pen, app, "difference", &points(cells.value(row, column)));
    let task = |view: &RunView| {
        let ids = view.task_ids();
        row.checked_sub(1)
            .and_then(|i| ids.get(i).map(|id| (*id).to_owned()))
    };
    if let Some(task) = task(&other.view).filter(|t| app.view().and_then(task).as_ref() != Some(t))
    {
        figures.add(pen, app, "its task there", &task);
    }
}

fn draw_row_figures(
    app: &App,
    run: &OpenRun,
    matrix: &Matrix,
    row: usize,
    figures: &mut Figures,
    pen: &mut Pen,
) {
    let both = |a: Average, text: fn(f64) -> String| {
        format!(
            "{} ({} without {})",
            text(a.with_foundation),
            text(a.without_foundation),
            matrix.tasks.first().map_or("", String::as_str)
        )
    };
    let accuracy = both(matrix.average_accuracy(row), percent);
    figures.add(pen, app, "average accuracy", &accuracy);
    let Some(behind) = run.view.rows.get(row).filter(|r| r.training.is_some()) else {
        return;
    };
    let kind = match app.matrix.figure {
        Figure::Forgetting(kind) => kind,
        _ => Forgetting::default(),
    };
    let forgetting = both(matrix.average_forgetting(kind, row), points);
    figures.add(pen, app, &format!("average {}", kind.name()), &forgetting);
    let transfer = both(matrix.backward_transfer(row), points);
    figures.add(pen, app, "backward transfer", &transfer);
    figures.add(pen, app, "plasticity", &percent(matrix.plasticity(row)));
    figures.add(pen, app, "‖ΔW‖/‖W‖", &format!("{:.3}", behind.update_total));
    if !behind.amount.is_whole() {
        figures.add(pen, app, "merged with", &behind.amount.to_string());
    }
    let within = format!("{:.0e}", behind.fidelity);
    let text = match behind.agreement {
        Some(both) => format!(
            "{within}, right {} and {} of {}",
            both.merged, both.adapter, both.images
        ),
        None => within,
    };
    figures.add(pen, app, "merged = adapter within", &text);
}
