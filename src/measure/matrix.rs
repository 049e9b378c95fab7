//! The accuracy matrix and what is read off it.
//!
//! R[i][j] is the top-1 accuracy on test set j after row i: row 0 is the untouched backbone, row i the state
//! after the i-th task of the sequence; column 0 is the foundation, the others are the distinct tasks. What was
//! not measured (a task not yet learned, a task left out) is NaN and stays out of every mean and maximum.
//!
//! "Forgetting" has three definitions in use, which do not agree; all are here, by name. With f the first row
//! in which j was measured, and i > f:
//!
//! | name | forgetting of j after i |
//! |---|---|
//! | `first-last` | R[f][j] − R[i][j]; its negative is the backward transfer of Lopez-Paz and Ranzato, "Gradient episodic memory for continual learning", NeurIPS 2017 |
//! | `max-before` | max over f ≤ l < i of R[l][j], − R[i][j]: Chaudhry et al., "Riemannian walk for incremental learning", ECCV 2018; may be negative |
//! | `max-all` | max over f ≤ l ≤ i of R[l][j], − R[i][j]: never negative |

/// Accuracies by row and test set.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// Ids of the columns, the foundation first.
    pub tasks: Vec<String>,
    /// R, `[rows][columns]`, fractions; NaN where nothing was measured.
    pub rows: Vec<Vec<f64>>,
    /// By row, the column of the task learned in it; `None` in row 0 and where the task was left out.
    pub learned: Vec<Option<usize>>,
}

/// A definition of forgetting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forgetting {
    /// First accuracy less the present one.
    #[default]
    FirstLast,
    /// Best earlier accuracy less the present one.
    MaxBefore,
    /// Best accuracy so far, the present one included, less the present one.
    MaxAll,
}

impl Forgetting {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::FirstLast, Self::MaxBefore, Self::MaxAll];

    /// Its name in exports and on screens.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstLast => "first-last",
            Self::MaxBefore => "max-before",
            Self::MaxAll => "max-all",
        }
    }

    /// Its definition in one line.
    pub fn definition(self) -> &'static str {
        match self {
            Self::FirstLast => "R[f][j] - R[i][j], f the first row in which j was measured, i > f",
            Self::MaxBefore => "max over f <= l < i of R[l][j], minus R[i][j]; may be negative",
            Self::MaxAll => "max over f <= l <= i of R[l][j], minus R[i][j]; never negative",
        }
    }
}

/// A mean over test sets, in its two readings; NaN if it is over none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Average {
    /// Task 0, the foundation, counts as one of the tasks.
    pub with_foundation: f64,
    /// Over the tasks of the sequence alone.
    pub without_foundation: f64,
}

impl Average {
    /// Of one value a column, the foundation's first; NaN are left out.
    pub fn over(columns: impl Iterator<Item = f64> + Clone) -> Self {
        Self {
            with_foundation: mean(columns.clone()),
            without_foundation: mean(columns.skip(1)),
        }
    }

    /// By subtraction, since -0.0 reads as if there were something.
    fn negated(self) -> Self {
        Self {
            with_foundation: 0.0 - self.with_foundation,
            without_foundation: 0.0 - self.without_foundation,
        }
    }
}

/// Mean of what is not NaN; NaN of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .filter(|x| !x.is_nan())
        .fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    sum / count
}

impl Matrix {
    /// R[row][column], NaN where nothing was measured.
    pub fn accuracy(&self, row: usize, column: usize) -> f64 {
        self.rows
            .get(row)
            .and_then(|r| r.get(column))
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// The first row in which `column` was measured.
    pub fn first_row(&self, column: usize) -> Option<usize> {
        (0..self.rows.len()).find(|&row| !self.accuracy(row, column).is_nan())
    }

    /// Forgetting of `column` after `row`, in accuracy; NaN up to the row in which it was first measured, and
    /// where it was not measured.
    pub fn forgetting(&self, kind: Forgetting, row: usize, column: usize) -> f64 {
        let Some(first) = self.first_row(column).filter(|&first| first < row) else {
            return f64::NAN;
        };
        // f64::max passes over NaN, so rows that were left out do not count.
        let best = |end: usize| {
            (first..end)
                .map(|l| self.accuracy(l, column))
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let reference = match kind {
            Forgetting::FirstLast => self.accuracy(first, column),
            Forgetting::MaxBefore => best(row),
            Forgetting::MaxAll => best(row + 1),
        };
        reference - self.accuracy(row, column)
    }

    /// Mean accuracy after `row` over the test sets measured.
    pub fn average_accuracy(&self, row: usize) -> Average {
        Average::over((0..self.tasks.len()).map(|column| self.accuracy(row, column)))
    }

    /// Mean forgetting after `row` over the test sets measured before and now, without the task learned in
    /// this row.
    pub fn average_forgetting(&self, kind: Forgetting, row: usize) -> Average {
        let learned = self.learned.get(row).copied().flatten();
        Average::over((0..self.tasks.len()).map(|column| {
            if learned == Some(column) {
                f64::NAN
            } else {
                self.forgetting(kind, row, column)
            }
        }))
    }

    /// Backward transfer after `row` (Lopez-Paz and Ranzato, NeurIPS 2017): the mean of `R[i][j] − R[f][j]` over
    /// the same test sets as [`Matrix::average_forgetting`].
    pub fn backward_transfer(&self, row: usize) -> Average {
        self.average_forgetting(Forgetting::FirstLast, row)
            .negated()
    }

    /// Plasticity of `row`: the accuracy reached on the task learned in it, `R[i][i]`. NaN in row 0 and where
    /// the task was left out.
    pub fn plasticity(&self, row: usize) -> f64 {
        match self.learned.get(row) {
            Some(&Some(column)) => self.accuracy(row, column),
            _ => f64::NAN,
        }
    }

    /// What a task that is learned again gains: its plasticity in `row` less that of the first time. NaN where the task
    /// of `row` was not learned before.
    pub fn revisit_gain(&self, row: usize) -> f64 {
        let column = self.learned.get(row).copied().flatten();
        let first = (0..row).find(|&r| column.is_some() && self.learned[r] == column);
        first.map_or(f64::NAN, |first| {
            self.plasticity(row) - self.plasticity(first)
        })
    }

    /// Mean plasticity of the rows up to and with `row`.
    pub fn average_plasticity(&self, row: usize) -> f64 {
        mean((0..=row).map(|r| self.plasticity(r)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: f64 = f64::NAN;

    fn matrix(rows: &[[f64; 4]], learned: &[Option<usize>]) -> Matrix {
        Matrix {
            tasks: ["latin", "a", "b", "c"].map(String::from).to_vec(),
            rows: rows.iter().map(|r| r.to_vec()).collect(),
            learned: learned.to_vec(),
        }
    }

    fn straight() -> Matrix {
        matrix(
            &[
                [1.0, N, N, N],
                [0.75, 0.875, N, N],
                [0.875, 0.5, 0.75, N],
                [0.5, 0.625, 0.875, 0.25],
            ],
            &[None, Some(1), Some(2), Some(3)],
        )
    }

    /// Row 2 was left out: task b is in no mean.
    fn skipped() -> Matrix {
        matrix(
            &[
                [1.0, N, N, N],
                [0.75, 0.875, N, N],
                [N, N, N, N],
                [0.5, 0.625, N, 0.25],
            ],
            &[None, Some(1), None, Some(3)],
        )
    }

    fn average(with: f64, without: f64) -> Average {
        Average {
            with_foundation: with,
            without_foundation: without,
        }
    }

    #[test]
    fn three_definitions_of_forgetting_by_hand() {
        let m = straight();
        let after = |kind, row| {
            (0..4)
                .map(|c| m.forgetting(kind, row, c))
                .collect::<Vec<_>>()
        };
        let equal = |got: Vec<f64>, want: [f64; 4]| {
            assert!(
                got.iter()
                    .zip(want)
                    .all(|(g, w)| *g == w || (g.is_nan() && w.is_nan())),
                "{got:?} {want:?}"
            );
        };
        equal(after(Forgetting::FirstLast, 0), [N, N, N, N]);
        equal(after(Forgetting::FirstLast, 1), [0.25, N, N, N]);
        equal(after(Forgetting::FirstLast, 2), [0.125, 0.375, N, N]);
        equal(after(Forgetting::FirstLast, 3), [0.5, 0.25, -0.125, N]);
        equal(after(Forgetting::MaxBefore, 3), [0.5, 0.25, -0.125, N]);
        equal(after(Forgetting::MaxAll, 3), [0.5, 0.25, 0.0, N]);
        // The best of the rows before, not the first: after a dip and a rise the two differ.
        let m = matrix(
            &[[0.5, N, N, N], [0.75, N, N, N], [0.625, N, N, N]],
            &[None; 3],
        );
        assert_eq!(m.forgetting(Forgetting::FirstLast, 2, 0), -0.125);
        assert_eq!(m.forgetting(Forgetting::MaxBefore, 2, 0), 0.125);
        assert_eq!(m.forgetting(Forgetting::MaxBefore, 1, 0), -0.25);
        assert_eq!(m.forgetting(Forgetting::MaxAll, 1, 0), 0.0);
    }

    #[test]
    fn averages_with_and_without_the_foundation_by_hand() {
        let m = straight();
        assert_eq!(m.average_accuracy(3), average(2.25 / 4.0, 1.75 / 3.0));
        let first_last = m.average_forgetting(Forgetting::FirstLast, 3);
        assert_eq!(first_last, average(0.625 / 3.0, 0.125 / 2.0));
        assert_eq!(
            m.average_forgetting(Forgetting::MaxAll, 3),
            average(0.25, 0.125)
        );
        assert_eq!(m.backward_transfer(3), average(-0.625 / 3.0, -0.0625));
        let first = m.average_forgetting(Forgetting::FirstLast, 1);
        assert_eq!(first.with_foundation, 0.25);
        assert!(first.without_foundation.is_nan());
        assert_eq!(m.average_accuracy(0).with_foundation, 1.0);
        assert!(m.average_accuracy(0).without_foundation.is_nan());
    }

    #[test]
    fn a_row_left_out_is_in_no_mean() {
        let m = skipped();
        assert_eq!(m.average_accuracy(3), average(1.375 / 3.0, 0.875 / 2.0));
        assert_eq!(
            m.average_forgetting(Forgetting::MaxBefore, 3),
            average(0.375, 0.25)
        );
        assert!(m.average_accuracy(2).with_foundation.is_nan());
        assert!(m.forgetting(Forgetting::FirstLast, 2, 0).is_nan());
        assert!(m.forgetting(Forgetting::MaxBefore, 3, 2).is_nan());
        assert!(m.plasticity(2).is_nan());
        assert_eq!(m.average_plasticity(3), (0.875 + 0.25) / 2.0);
    }

    #[test]
    fn plasticity_is_the_accuracy_on_the_task_just_learned() {
        let m = straight();
        assert!(m.plasticity(0).is_nan() && m.average_plasticity(0).is_nan());
        assert_eq!([1, 2, 3].map(|r| m.plasticity(r)), [0.875, 0.75, 0.25]);
        assert_eq!(m.average_plasticity(2), 0.8125);
    }

    /// In a long sequence a task is learned twice: first-last counts from its first time, and the row that
    /// learns it again does not count its gain as negative forgetting.
    #[test]
    fn a_head_that_returns_is_one_column() {
        let m = matrix(
            &[
                [1.0, N, N, N],
                [0.75, 0.5, N, N],
                [0.75, 0.25, 0.5, N],
                [0.5, 0.75, 0.25, N],
                [0.5, 0.625, 0.5, N],
            ],
            &[None, Some(1), Some(2), Some(1), Some(2)],
        );
        assert_eq!(m.forgetting(Forgetting::FirstLast, 3, 1), -0.25);
        assert_eq!(
            m.average_forgetting(Forgetting::FirstLast, 3),
            average(0.375, 0.25)
        );
        assert_eq!(m.forgetting(Forgetting::FirstLast, 4, 1), -0.125);
        assert_eq!(m.forgetting(Forgetting::MaxBefore, 4, 1), 0.125);
        assert_eq!(m.plasticity(3), 0.75);
        assert_eq!((m.revisit_gain(3), m.revisit_gain(4)), (0.25, 0.0));
        for first in [0, 1, 2, 9] {
            assert!(m.revisit_gain(first).is_nan());
        }
    }

    #[test]
    fn an_empty_matrix_has_no_figures() {
        let m = Matrix::default();
        assert!(m.accuracy(0, 0).is_nan() && m.plasticity(3).is_nan());
        assert!(
            m.average_forgetting(Forgetting::MaxAll, 0)
                .with_foundation
                .is_nan()
        );
    }
}
