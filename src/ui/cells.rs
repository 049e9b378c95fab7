//! What stands in the cells of the matrix: one of several figures, of this run or of it and others.

use ratatui::style::Style;

use super::app::App;
use super::look::{Comparable, Figure};
use super::text::{percent, points, whole_points, width};
use super::theme::Theme;
use crate::measure::{Average, Matrix, Spread};

/// The figure that is shown, with all that it is computed from.
pub struct Cells {
    /// Which.
    pub figure: Figure,
    /// This run's accuracies.
    pub matrix: Matrix,
    /// This run's less those of the run it is compared with.
    less: Matrix,
    /// Over seeds.
    spread: Option<Spread>,
}

impl Cells {
    /// The figure that the user looks at, of the run that is shown.
    pub fn of(app: &App, matrix: Matrix) -> Self {
        let figure = app.matrix.figure;
        let less = match (figure, app.compared()) {
            (Figure::Difference, Some((_, other))) => matrix.less(&other.view.matrix()),
            _ => Matrix::default(),
        };
        let spread = matches!(figure, Figure::Mean | Figure::Deviation);
        Self {
            figure,
            less,
            spread: spread.then(|| app.spread()).flatten(),
            matrix,
        }
    }

    /// The figure of a cell; NaN where there is none.
    pub fn value(&self, row: usize, column: usize) -> f64 {
        let of = |grid: &[Vec<f64>]| {
            let cell = grid.get(row).and_then(|r| r.get(column));
            cell.copied().unwrap_or(f64::NAN)
        };
        let spread = self.spread.as_ref();
        match self.figure {
            Figure::Accuracy => self.matrix.accuracy(row, column),
            Figure::Forgetting(kind) => self.matrix.forgetting(kind, row, column),
            Figure::Difference => self.less.accuracy(row, column),
            Figure::Mean => spread.map_or(f64::NAN, |s| of(&s.mean.rows)),
            Figure::Deviation => spread.map_or(f64::NAN, |s| of(&s.deviation)),
        }
    }

    /// Runs that a cell of means is of, and their deviation.
    pub fn spread(&self, row: usize, column: usize) -> Option<(usize, f64)> {
        let spread = self.spread.as_ref()?;
        let runs = *spread.runs.get(row)?.get(column)?;
        Some((runs, *spread.deviation.get(row)?.get(column)?))
    }

    /// A row's mean.
    pub fn average(&self, row: usize) -> Average {
        match self.figure {
            Figure::Accuracy => self.matrix.average_accuracy(row),
            Figure::Forgetting(kind) => self.matrix.average_forgetting(kind, row),
            _ => Average::over((0..self.matrix.tasks.len()).map(|c| self.value(row, c))),
        }
    }

    /// The mean of a column over the rows in which it has a figure.
    pub fn mean(&self, column: usize) -> f64 {
        let rows = 0..self.matrix.rows.len();
        crate::measure::mean(rows.map(|row| self.value(row, column)))
    }

    /// A cell's text in so many columns: with its deviation where there is room, without decimals where there is none
    /// for them.
    pub fn text(&self, row: usize, column: usize, columns: usize) -> String {
        let value = self.value(row, column);
        let text = written(self.figure, value, columns);
        let deviation = self
            .spread(row, column)
            .filter(|_| self.figure == Figure::Mean);
        match deviation {
            Some((_, deviation)) if deviation.is_finite() => {
                let both = format!("{text}±{}", percent(deviation));
                if width(&both) <= columns { both } else { text }
            }
            _ => text,
        }
    }

    /// A cell's colours.
    pub fn style(&self, row: usize, column: usize, theme: &Theme) -> Style {
        let value = self.value(row, column);
        match self.figure {
            Figure::Accuracy | Figure::Mean => theme.accuracy(value),
            Figure::Forgetting(_) => theme.loss(value),
            // Where this run has less, it lost.
            Figure::Difference => theme.loss(0.0 - value),
            Figure::Deviation => Style::new(),
        }
    }
}

/// A figure in so many columns; empty where there is none.
pub fn written(figure: Figure, value: f64, columns: usize) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let signed = matches!(figure, Figure::Forgetting(_) | Figure::Difference);
    let text = if signed {
        points(value)
    } else {
        percent(value)
    };
    if width(&text) <= columns {
        return text;
    }
    // 100.0 and −12.3 need more than the narrowest cell has.
    whole_points(value)
}

impl App {
    /// What lies beside the run that is shown.
    pub fn comparable(&self) -> Comparable {
        Comparable {
            any: !self.beside.is_empty(),
            seeds: !self.siblings().is_empty(),
        }
    }
}
