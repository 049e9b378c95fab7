//! The accuracy matrix and the forgettings: rows after each merge, columns test sets.

use super::super::app::App;
use super::super::beside::Beside;
use super::super::cells::{Cells, written};
use super::super::look::Figure;
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::text::{fit, width};
use super::super::theme::Ink;
use super::{behind, trial, typed};
use crate::measure::{Forgetting, Matrix};
use ratatui::style::{Modifier, Style};

/// Columns of a cell where there is room: as much as `−100.0` needs with a space around it.
const CELL: u16 = 7;
/// Columns of a cell where many columns are to be seen at once: as much as `93.1` needs, and a space.
const NARROW: u16 = 5;
/// Columns of a row's mean at least, for its name.
const MEAN: u16 = 6;
/// Columns of a cell with a mean and its deviation.
const WIDE: u16 = 11;
/// Columns of the rows' names that many columns are narrowed for.
const LABEL: u16 = 16;
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
    /// Columns of a row's mean.
    mean: u16,
    /// The matrix's columns that are shown.
    pub shown: Vec<usize>,
    first_row: usize,
    rows: usize,
}

/// Draws the screen.
pub fn draw(app: &App, run: &OpenRun, pen: &mut Pen) {
    let theme = &app.theme;
    let matrix = run.view.matrix();
    let cells = Cells::of(app, matrix);
    let matrix = &cells.matrix;
    draw_title(app, &cells, pen);
    if matrix.rows.is_empty() {
        let text = "the untouched backbone is measured first: row 0";
        pen.text(0, NAMES, text, theme.ink(Ink::Faint));
        return;
    }
    let at = (
        app.matrix.row(run),
        app.matrix.column.min(matrix.tasks.len().saturating_sub(1)),
    );
    let cut = cut(run, &cells, at, (pen.width(), pen.height()));
    draw_names(app, matrix, at.1, &cut, pen);
    let mut y = NAMES + 2;
    for row in cut.first_row..(cut.first_row + cut.rows).min(matrix.rows.len()) {
        draw_row(app, run, &cells, row, at, &cut, y, pen);
        y += 1;
    }
    if cut.first_row + cut.rows >= matrix.rows.len() {
        y += draw_would_be(app, run, matrix, &cut, y, pen);
        y += trial::draw(app, run, matrix, &cut, y, pen);
    }
    draw_means(app, &cells, &cut, y, pen);
    let columns = pen.width();
    let rows = pen.height().saturating_sub(y + 2);
    behind::draw(app, run, &cells, at, &mut pen.part(0, y + 2, columns, rows));
}

/// What is shown, and the runs that it is of.
fn draw_title(app: &App, cells: &Cells, pen: &mut Pen) {
    let theme = &app.theme;
    let (figure, room) = (cells.figure, pen.width());
    if let Some(typed) = &app.matrix.typed {
        let label = "preview an amount, a λ as 0.6 or a rank as r4:";
        let x = pen.text(0, 0, label, theme.ink(Ink::Accent)) + 1;
        let style = theme.bold(Ink::Plain);
        typed::draw(
            theme,
            typed,
            (x, 0),
            usize::from(room - x.min(room)),
            style,
            pen,
        );
        pen.fitted(0, 1, room, &figure.definition(), theme.ink(Ink::Faint));
        return;
    }
    let x = pen.text(0, 0, &figure.name(), theme.bold(Ink::Plain)) + 2;
    let text = match (figure, app.compared()) {
        (Figure::Difference, Some((place, other))) => {
            let name = format!("this run less {} {}", Beside::letter(place), other.name);
            match app.unlike(&other.view).as_slice() {
                [] => name,
                ids => format!("{name}; other test images: {}", ids.join(", ")),
            }
        }
        (Figure::Forgetting(_), _) => "means leave out the task just learned".into(),
        (Figure::Mean | Figure::Deviation, _) => seeds(app),
        _ => "row i, test set j".into(),
    };
    pen.fitted(x, 0, room, &text, theme.ink(Ink::Faint));
    pen.fitted(0, 1, room, &figure.definition(), theme.ink(Ink::Faint));
}

/// The seeds that means are over.
fn seeds(app: &App) -> String {
    let own = app.view().and_then(|v| v.started.as_ref());
    let own = own.map(|s| s.recipe.seed);
    let others = app.siblings();
    let all: Vec<String> = own
        .into_iter()
        .chain(others.into_iter().map(|(seed, _)| seed))
        .map(|seed| seed.to_string())
        .collect();
    format!("seeds {}", all.join(", "))
}

/// The cell at a place of a part of the screen of this size, by its row and column, if there is one.
pub fn cell_at(
    app: &App,
    run: &OpenRun,
    size: (u16, u16),
    (x, y): (u16, u16),
) -> Option<(usize, usize)> {
    let cells = Cells::of(app, run.view.matrix());
    let (rows, last) = (
        cells.matrix.rows.len(),
        cells.matrix.tasks.len().checked_sub(1)?,
    );
    let at = (app.matrix.row(run), app.matrix.column.min(last));
    let cut = cut(run, &cells, at, size);
    let down = usize::from(y.checked_sub(NAMES + 2)?);
    let right = usize::from(x.checked_sub(cut.label)? / cut.cell);
    let (row, column) = (cut.first_row + down, *cut.shown.get(right)?);
    (down < cut.rows && row < rows).then_some((row, column))
}

fn cut(run: &OpenRun, cells: &Cells, at: (usize, usize), (wide, height): (u16, u16)) -> Cut {
    let matrix = &cells.matrix;
    let labels = (0..matrix.rows.len() + 1).map(|row| width(&label(run, row)) as u16 + 2);
    let longest = labels
        .chain(trial::labels(run))
        .max()
        .unwrap_or(0)
        .max(width(MEANS) as u16 + 2);
    let all = matrix.tasks.len();
    let fits = |cell: u16| {
        let cells = cell.saturating_mul(all as u16);
        let means = 2 * cell.clamp(MEAN, CELL);
        cells.saturating_add(means + LABEL.min(longest)) <= wide
    };
    let spread = cells.figure == Figure::Mean && fits(WIDE);
    let cell = match () {
        () if spread => WIDE,
        () if fits(CELL) => CELL,
        // Narrower only where that brings all of them onto the screen.
        () if fits(NARROW) => (NARROW..CELL).rev().find(|c| fits(*c)).unwrap_or(NARROW),
        () => CELL,
    };
    let mean = cell.clamp(MEAN, CELL);
    let room = wide.saturating_sub(2 * mean);
    let needed = cell.saturating_mul(all as u16);
    let label = longest.min(room.saturating_sub(needed).max(10));
    let names = matrix.tasks.iter().map(|t| width(t) as u16 + 2).max();
    let fair = room.saturating_sub(label) / (all.max(1) as u16);
    let cell = fair.min(names.unwrap_or(cell)).max(cell);
    let columns = usize::from(room.saturating_sub(label) / cell).clamp(1, all.max(1));
    let would_be = run
        .view
        .open_training()
        .is_some_and(|t| !t.watched.is_empty());
    // Names, the row that would be, the means, an empty line, the figures behind the cell.
    let rest = NAMES + 2 + u16::from(would_be) + 1 + 1 + DETAILS;
    let all_rows = matrix.rows.len();
    let room_for = |lines: u16| usize::from(height.saturating_sub(rest + lines)).max(3);
    // The preview stands behind the last row: away from it there is room for others.
    let behind = room_for(trial::lines(run));
    let rows = match at.0 + 1 >= all_rows || all_rows <= behind {
        true => behind,
        false => room_for(0).min(all_rows - 1),
    };
    Cut {
        label,
        cell,
        mean,
        shown: shown(all, columns, at.1),
        first_row: (at.0 + 1).saturating_sub(rows),
        rows,
    }
}

/// So many of all columns that the cursor's is among them; the foundation's is, as soon as there is room for two.
fn shown(all: usize, columns: usize, at: usize) -> Vec<usize> {
    if columns < 2 {
        return vec![at];
    }
    let moving = columns.min(all) - 1;
    let first = (at + 1).saturating_sub(moving).max(1);
    [0].into_iter().chain(first..first + moving).collect()
}

/// A row's number and its task.
pub(super) fn label(run: &OpenRun, row: usize) -> String {
    match row {
        0 => "0 start".into(),
        _ => format!("{row} {}", run.task_id(row)),
    }
}

/// A name in two lines, broken after a hyphen where one fits.
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
        None => {
            let first = head(name, columns);
            (first.to_owned(), fit(&name[first.len()..], columns))
        }
    }
}

/// As much of a name's beginning as so many columns hold.
fn head(name: &str, columns: usize) -> &str {
    let ends = name.char_indices().map(|(i, c)| i + c.len_utf8());
    let last = ends
        .take_while(|end| width(&name[..*end]) <= columns)
        .last();
    &name[..last.unwrap_or(0)]
}

fn draw_names(app: &App, matrix: &Matrix, here: usize, cut: &Cut, pen: &mut Pen) {
    let theme = &app.theme;
    let columns = usize::from(cut.cell) - 1;
    let mut end = cut.label;
    for &column in &cut.shown {
        let name = matrix.tasks.get(column).map_or("", String::as_str);
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
        end += cut.mean;
        pen.right(end - 1, NAMES, first, theme.ink(Ink::Faint));
        pen.right(end - 1, NAMES + 1, second, theme.ink(Ink::Faint));
    }
    let all = matrix.tasks.len();
    let first = cut.shown.get(1).or(cut.shown.first()).map_or(0, |c| *c);
    let hidden = (
        first.saturating_sub(usize::from(cut.shown.len() > 1)),
        cut.shown
            .last()
            .map_or(0, |last| all.saturating_sub(last + 1)),
    );
    if hidden != (0, 0) {
        let text = format!("◂ {}  {} ▸", hidden.0, hidden.1);
        pen.fitted(0, NAMES + 1, cut.label, &text, theme.ink(Ink::Warning));
    }
}

#[expect(clippy::too_many_arguments, reason = "one line of a table")]
fn draw_row(
    app: &App,
    run: &OpenRun,
    cells: &Cells,
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
    let mut x = cut.label;
    for &column in &cut.shown {
        let mut style = cells.style(row, column, theme);
        if (row, column) == at {
            style = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
        }
        let text = cells.text(row, column, usize::from(cut.cell) - 1);
        draw_cell(&text, style, x, y, cut.cell, pen);
        x += cut.cell;
    }
    // Of a row that is yet to be measured whole there is no mean.
    let whole = run.view.rows.get(row).is_some_and(|r| r.complete);
    let mean = cells.average(row);
    for value in
        [mean.with_foundation, mean.without_foundation].map(|x| if whole { x } else { f64::NAN })
    {
        let text = written(cells.figure, value, usize::from(cut.mean) - 1);
        draw_cell(&text, theme.ink(Ink::Plain), x, y, cut.mean, pen);
        x += cut.mean;
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
    for &column in &cut.shown {
        let accuracy = match matrix.tasks.get(column) {
            Some(_) if column == 0 => watch.foundation.accuracy(),
            Some(id) if run.view.column(training.index) == Some(id) => watch.task.accuracy(),
            _ => f64::NAN,
        };
        let value = match app.matrix.figure {
            Figure::Accuracy => accuracy,
            Figure::Difference | Figure::Mean | Figure::Deviation => f64::NAN,
            Figure::Forgetting(kind) if column == 0 => {
                // The last measurement, moved by what the watched images moved.
                let last = matrix.rows.last().and_then(|row| row.first());
                let moved = watch.foundation.accuracy() - watch.before.accuracy();
                let accuracy = last.map_or(f64::NAN, |last| last + moved);
                would_be_forgetting(matrix, kind, column, accuracy)
            }
            Figure::Forgetting(kind) => would_be_forgetting(matrix, kind, column, accuracy),
        };
        let text = written(app.matrix.figure, value, usize::from(cut.cell) - 1);
        draw_cell(&text, faint, x, y, cut.cell, pen);
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
fn draw_means(app: &App, cells: &Cells, cut: &Cut, y: u16, pen: &mut Pen) {
    let style = app.theme.ink(Ink::Faint);
    pen.fitted(1, y, cut.label - 1, MEANS, style);
    let mut x = cut.label;
    for &column in &cut.shown {
        let text = written(cells.figure, cells.mean(column), usize::from(cut.cell) - 1);
        draw_cell(&text, style, x, y, cut.cell, pen);
        x += cut.cell;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_foundation_stays_where_columns_scroll() {
        assert_eq!(shown(3, 3, 2), [0, 1, 2]);
        assert_eq!(shown(9, 4, 0), [0, 1, 2, 3]);
        assert_eq!(shown(9, 4, 3), [0, 1, 2, 3]);
        assert_eq!(shown(9, 4, 4), [0, 2, 3, 4]);
        assert_eq!(shown(9, 4, 8), [0, 6, 7, 8]);
        assert_eq!(shown(9, 2, 0), [0, 1]);
        assert_eq!(shown(9, 1, 5), [5]);
        assert_eq!(shown(1, 1, 0), [0]);
    }

    #[test]
    fn names_break_at_hyphens() {
        let two = |name| two_lines(name, 7);
        assert_eq!(two("latin"), (String::new(), "latin".into()));
        assert_eq!(two("lower-thirds"), ("lower-".into(), "thirds".into()));
        assert_eq!(two("hiraganas"), ("hiragan".into(), "as".into()));
        assert_eq!(two("ひらがなひらがな"), ("ひらが".into(), "なひら…".into()));
    }
}
