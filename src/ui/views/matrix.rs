//! The accuracy matrix and the forgettings: rows after each merge, columns test sets.

use super::super::app::App;
use super::super::look::{Figure, MatrixLook};
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::text::{fit, percent, points, width};
use super::super::theme::Ink;
use super::{chrome::Figures, trial};
use crate::export::thousands;
use crate::measure::{Average, Forgetting, Matrix};
use ratatui::style::{Modifier, Style};

/// Columns of a cell at least; as much as `−100.0` needs with a space around it.
const CELL: u16 = 7;
/// Line of the first of two lines of column names.
const NAMES: u16 = 2;
/// Lines for the figures behind the cell.
const DETAILS: u16 = 6;

/// The label of the last line.
const MEANS: &str = "mean of rows";

/// How the matrix is cut to the screen.
pub(super) struct Cut {
    pub label: u16,
    pub cell: u16,
    pub first_column: usize,
    pub columns: usize,
    first_row: usize,
    rows: usize,
}

/// Draws the screen.
pub fn draw(app: &App, run: &OpenRun, pen: &mut Pen) {
    let theme = &app.theme;
    let matrix = run.view.matrix();
    let figure = app.matrix.figure;
    let x = pen.text(0, 0, &figure.name(), theme.bold(Ink::Plain));
    pen.text(x + 2, 0, "row i, test set j", theme.ink(Ink::Faint));
    let room = pen.width();
    pen.fitted(0, 1, room, &figure.definition(), theme.ink(Ink::Faint));
    if matrix.rows.is_empty() {
        let text = "the untouched backbone is measured first: row 0";
        pen.text(0, NAMES, text, theme.ink(Ink::Faint));
        return;
    }
    let at = (
        app.matrix.row(run),
        app.matrix.column.min(matrix.tasks.len().saturating_sub(1)),
    );
    let cut = cut(run, &matrix, at, (pen.width(), pen.height()));
    draw_names(app, &matrix, at.1, &cut, pen);
    let mut y = NAMES + 2;
    for row in cut.first_row..(cut.first_row + cut.rows).min(matrix.rows.len()) {
        draw_row(app, run, &matrix, row, at, &cut, y, pen);
        y += 1;
    }
    if cut.first_row + cut.rows >= matrix.rows.len() {
        y += draw_would_be(app, run, &matrix, &cut, y, pen);
        y += trial::draw(app, run, &matrix, &cut, y, pen);
    }
    draw_means(app, &matrix, &cut, y, pen);
    let columns = pen.width();
    let rows = pen.height().saturating_sub(y + 2);
    draw_details(
        app,
        run,
        &matrix,
        at,
        &mut pen.part(0, y + 2, columns, rows),
    );
}

/// The cell at a place of a part of the screen of this size, by its row and column, if there is one.
pub fn cell_at(
    run: &OpenRun,
    look: &MatrixLook,
    size: (u16, u16),
    (x, y): (u16, u16),
) -> Option<(usize, usize)> {
    let matrix = run.view.matrix();
    let last = matrix.tasks.len().checked_sub(1)?;
    let cut = cut(run, &matrix, (look.row(run), look.column.min(last)), size);
    let down = usize::from(y.checked_sub(NAMES + 2)?);
    let right = usize::from(x.checked_sub(cut.label)? / cut.cell);
    let (row, column) = (cut.first_row + down, cut.first_column + right);
    let there = down < cut.rows && row < matrix.rows.len() && right < cut.columns;
    (there && column <= last).then_some((row, column))
}

fn cut(run: &OpenRun, matrix: &Matrix, at: (usize, usize), (wide, height): (u16, u16)) -> Cut {
    let labels = (0..matrix.rows.len() + 1).map(|row| width(&label(run, row)) as u16 + 1);
    let longest = labels.max().unwrap_or(0).max(width(MEANS) as u16 + 2);
    let all = matrix.tasks.len();
    let room = wide.saturating_sub(2 * CELL);
    let needed = CELL.saturating_mul(all as u16);
    let label = longest.min(room.saturating_sub(needed).max(10));
    let names = matrix.tasks.iter().map(|t| width(t) as u16 + 2).max();
    let fair = room.saturating_sub(label) / (all.max(1) as u16);
    let cell = fair.min(names.unwrap_or(CELL)).max(CELL);
    let columns = usize::from(room.saturating_sub(label) / cell).clamp(1, all.max(1));
    let would_be = run
        .view
        .open_training()
        .is_some_and(|t| !t.watched.is_empty());
    // Names, the row that would be, the means, an empty line, the figures behind the cell.
    let rest = NAMES + 2 + u16::from(would_be) + trial::lines(run) + 1 + 1 + DETAILS;
    let rows = usize::from(height.saturating_sub(rest)).max(3);
    Cut {
        label,
        cell,
        first_column: (at.1 + 1)
            .saturating_sub(columns)
            .min(all - columns.min(all)),
        columns,
        first_row: (at.0 + 1).saturating_sub(rows),
        rows,
    }
}

fn label(run: &OpenRun, row: usize) -> String {
    match row {
        0 => "0 start".into(),
        _ => format!("{row} {}", run.task_id(row)),
    }
}

/// A name in two lines, broken after a hyphen where there is one.
fn two_lines(name: &str, columns: usize) -> (String, String) {
    if width(name) <= columns {
        return (String::new(), name.to_owned());
    }
    let broken = name
        .char_indices()
        .rev()
        .find(|(i, c)| matches!(c, '-' | '_' | '.' | ' ') && width(&name[..*i]) < columns);
    match broken {
        Some((i, c)) => {
            let (first, second) = name.split_at(i + c.len_utf8());
            (first.to_owned(), fit(second, columns))
        }
        None => (String::new(), fit(name, columns)),
    }
}

fn draw_names(app: &App, matrix: &Matrix, here: usize, cut: &Cut, pen: &mut Pen) {
    let theme = &app.theme;
    let columns = usize::from(cut.cell) - 1;
    let shown = matrix.tasks.iter().enumerate().skip(cut.first_column);
    let mut end = cut.label;
    for (column, name) in shown.take(cut.columns) {
        end += cut.cell;
        let ink = if column == here {
            Ink::Accent
        } else {
            Ink::Faint
        };
        let (first, second) = two_lines(name, columns);
        pen.right(end - 1, NAMES, &first, theme.ink(ink));
        pen.right(end - 1, NAMES + 1, &second, theme.ink(ink));
    }
    for (first, second) in [("mean", "all"), ("mean", "tasks")] {
        end += CELL;
        pen.right(end - 1, NAMES, first, theme.ink(Ink::Faint));
        pen.right(end - 1, NAMES + 1, second, theme.ink(Ink::Faint));
    }
    let hidden = (
        cut.first_column,
        matrix
            .tasks
            .len()
            .saturating_sub(cut.first_column + cut.columns),
    );
    if hidden != (0, 0) {
        let text = format!("◂ {}  {} ▸", hidden.0, hidden.1);
        pen.fitted(0, NAMES + 1, cut.label, &text, theme.ink(Ink::Warning));
    }
}

fn value(matrix: &Matrix, figure: Figure, row: usize, column: usize) -> f64 {
    match figure {
        Figure::Accuracy => matrix.accuracy(row, column),
        Figure::Forgetting(kind) => matrix.forgetting(kind, row, column),
    }
}

fn written(figure: Figure, value: f64) -> String {
    match figure {
        _ if !value.is_finite() => String::new(),
        Figure::Accuracy => percent(value),
        Figure::Forgetting(_) => points(value),
    }
}

fn average(matrix: &Matrix, figure: Figure, row: usize) -> Average {
    match figure {
        Figure::Accuracy => matrix.average_accuracy(row),
        Figure::Forgetting(kind) => matrix.average_forgetting(kind, row),
    }
}

#[expect(clippy::too_many_arguments, reason = "one line of a table")]
fn draw_row(
    app: &App,
    run: &OpenRun,
    matrix: &Matrix,
    row: usize,
    at: (usize, usize),
    cut: &Cut,
    y: u16,
    pen: &mut Pen,
) {
    let theme = &app.theme;
    let (sign, ink) = if row == at.0 {
        ("▸", Ink::Accent)
    } else {
        (" ", Ink::Plain)
    };
    pen.text(0, y, sign, theme.bold(Ink::Accent));
    pen.fitted(1, y, cut.label - 1, &label(run, row), theme.ink(ink));
    if run.view.rows.get(row).is_some_and(|r| r.skipped) {
        pen.text(cut.label + 1, y, "left out", theme.ink(Ink::Faint));
        return;
    }
    let figure = app.matrix.figure;
    let mut x = cut.label;
    for column in cut.first_column..cut.first_column + cut.columns {
        let value = value(matrix, figure, row, column);
        let mut style = match figure {
            Figure::Accuracy => theme.accuracy(value),
            Figure::Forgetting(_) => theme.loss(value),
        };
        if (row, column) == at {
            style = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
        }
        draw_cell(&written(figure, value), style, x, y, cut.cell, pen);
        x += cut.cell;
    }
    let mean = average(matrix, figure, row);
    for value in [mean.with_foundation, mean.without_foundation] {
        draw_cell(
            &written(figure, value),
            theme.ink(Ink::Plain),
            x,
            y,
            CELL,
            pen,
        );
        x += CELL;
    }
}

pub(super) fn draw_cell(text: &str, style: Style, x: u16, y: u16, columns: u16, pen: &mut Pen) {
    let room = usize::from(columns) - 1;
    let blank = room.saturating_sub(width(text));
    pen.text(x, y, &format!("{}{text} ", " ".repeat(blank)), style);
}

/// The row that would be, by what is watched while a task trains; the lines it took.
fn draw_would_be(
    app: &App,
    run: &OpenRun,
    matrix: &Matrix,
    cut: &Cut,
    y: u16,
    pen: &mut Pen,
) -> u16 {
    let theme = &app.theme;
    let training = run.view.open_training();
    let Some((training, watch)) = training.and_then(|t| Some((t, t.watched.last()?))) else {
        return 0;
    };
    let faint = theme.ink(Ink::Faint).add_modifier(Modifier::ITALIC);
    let name = format!("~{}", label(run, training.index));
    pen.fitted(0, y, cut.label, &name, faint);
    let mut x = cut.label;
    for column in cut.first_column..cut.first_column + cut.columns {
        let accuracy = match matrix.tasks.get(column) {
            Some(_) if column == 0 => watch.foundation.accuracy(),
            Some(id) if run.view.column(training.index) == Some(id) => watch.task.accuracy(),
            _ => f64::NAN,
        };
        let value = match app.matrix.figure {
            Figure::Accuracy => accuracy,
            Figure::Forgetting(kind) if column == 0 => {
                // The last measurement, moved by what the watched images moved.
                let last = matrix.rows.last().and_then(|row| row.first());
                let moved = watch.foundation.accuracy() - watch.before.accuracy();
                let accuracy = last.map_or(f64::NAN, |last| last + moved);
                would_be_forgetting(matrix, kind, column, accuracy)
            }
            Figure::Forgetting(kind) => would_be_forgetting(matrix, kind, column, accuracy),
        };
        draw_cell(
            &written(app.matrix.figure, value),
            faint,
            x,
            y,
            cut.cell,
            pen,
        );
        x += cut.cell;
    }
    pen.text(x + 1, y, "provisional", faint);
    1
}

fn would_be_forgetting(matrix: &Matrix, kind: Forgetting, column: usize, accuracy: f64) -> f64 {
    let mut with = matrix.clone();
    let mut row = vec![f64::NAN; matrix.tasks.len()];
    if let Some(cell) = row.get_mut(column) {
        *cell = accuracy;
    }
    with.rows.push(row);
    with.learned.push(None);
    with.forgetting(kind, matrix.rows.len(), column)
}

/// The mean of each column over the rows in which it has a figure.
fn draw_means(app: &App, matrix: &Matrix, cut: &Cut, y: u16, pen: &mut Pen) {
    let style = app.theme.ink(Ink::Faint);
    let figure = app.matrix.figure;
    pen.fitted(1, y, cut.label - 1, MEANS, style);
    let mut x = cut.label;
    for column in cut.first_column..cut.first_column + cut.columns {
        let values = (0..matrix.rows.len()).map(|row| value(matrix, figure, row, column));
        let (sum, count) = values
            .filter(|v| v.is_finite())
            .fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
        draw_cell(&written(figure, sum / count), style, x, y, cut.cell, pen);
        x += cut.cell;
    }
}

/// The numbers behind the cell, and the row's own.
fn draw_details(app: &App, run: &OpenRun, matrix: &Matrix, at: (usize, usize), pen: &mut Pen) {
    let theme = &app.theme;
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
        Figure::Accuracy => Forgetting::default(),
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
    figures.add(
        pen,
        app,
        "merged = adapter within",
        &format!("{:.0e}", behind.fidelity),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_at_hyphens() {
        let two = |name| two_lines(name, 7);
        assert_eq!(two("latin"), (String::new(), "latin".into()));
        assert_eq!(two("lower-thirds"), ("lower-".into(), "thirds".into()));
        assert_eq!(two("hiraganas"), (String::new(), "hiraga…".into()));
        assert_eq!(two("ひらがなひらがな"), (String::new(), "ひらが…".into()));
    }
}
