//! Matrices of several runs, cell by cell: rows by their number, columns by their names.

use super::matrix::Matrix;

/// Mean and standard deviation of each cell over runs that differ by their seed.
#[derive(Clone, Debug)]
pub struct Spread {
    /// Means of the runs that have the cell; in the layout of the first run.
    pub mean: Matrix,
    /// By row and column, the sample's standard deviation (n − 1); NaN of fewer than two runs.
    pub deviation: Vec<Vec<f64>>,
    /// By row and column, how many runs have it.
    pub runs: Vec<Vec<usize>>,
}

impl Matrix {
    /// `R[row]` on the test set called `task`, NaN where nothing was measured or there is none.
    pub fn accuracy_on(&self, row: usize, task: &str) -> f64 {
        let column = self.tasks.iter().position(|id| id == task);
        column.map_or(f64::NAN, |column| self.accuracy(row, column))
    }

    /// What this matrix has more than another one, in this one's layout; NaN where either has nothing.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        self.map(|row, column, here| here - other.accuracy_on(row, &self.tasks[column]))
    }

    /// The matrix with each cell replaced by a function of its row, its column and its accuracy.
    fn map(&self, cell: impl Fn(usize, usize, f64) -> f64) -> Self {
        let rows = self.rows.iter().enumerate();
        Self {
            rows: rows
                .map(|(i, row)| {
                    let cells = row.iter().enumerate();
                    cells.map(|(j, value)| cell(i, j, *value)).collect()
                })
                .collect(),
            ..self.clone()
        }
    }
}

impl Spread {
    /// Of the first matrix and the others, cell by cell.
    pub fn of(first: &Matrix, others: &[Matrix]) -> Self {
        let values = |row: usize, column: usize| -> Vec<f64> {
            let there = others
                .iter()
                .map(|m| m.accuracy_on(row, &first.tasks[column]));
            std::iter::once(first.accuracy(row, column))
                .chain(there)
                .filter(|x| !x.is_nan())
                .collect()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let deviation = |values: &[f64]| {
            let centre = mean(values);
            let squares: f64 = values.iter().map(|x| (x - centre).powi(2)).sum();
            match values.len() {
                0 | 1 => f64::NAN,
                n => (squares / (n - 1) as f64).sqrt(),
            }
        };
        let (rows, columns) = (first.rows.len(), first.tasks.len());
        Self {
            mean: first.map(|row, column, _| mean(&values(row, column))),
            deviation: grid(rows, columns, |i, j| deviation(&values(i, j))),
            runs: grid(rows, columns, |i, j| values(i, j).len()),
        }
    }
}

fn grid<T>(rows: usize, columns: usize, cell: impl Fn(usize, usize) -> T) -> Vec<Vec<T>> {
    let row = |i| (0..columns).map(|j| cell(i, j)).collect();
    (0..rows).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: f64 = f64::NAN;

    fn matrix(tasks: &[&str], rows: &[&[f64]]) -> Matrix {
        Matrix {
            tasks: tasks.iter().map(|t| (*t).to_owned()).collect(),
            rows: rows.iter().map(|r| r.to_vec()).collect(),
            learned: vec![None; rows.len()],
        }
    }

    #[test]
    fn columns_meet_by_their_names_and_rows_by_their_numbers() {
        let this = matrix(&["latin", "a", "b"], &[&[1.0, N, N], &[0.5, 0.75, N]]);
        let that = matrix(&["latin", "b", "a"], &[&[0.75, N, N], &[0.75, 0.5, 0.25]]);
        let less = this.less(&that);
        assert_eq!(less.tasks, this.tasks);
        assert_eq!(less.rows[0][0], 0.25);
        assert_eq!(less.rows[1][..2], [-0.25, 0.5]);
        assert!(less.rows[0][1].is_nan() && less.rows[1][2].is_nan());
        let shorter = matrix(&["latin"], &[&[1.0]]);
        let less = this.less(&shorter);
        assert!(less.rows[1].iter().all(|x| x.is_nan()));
    }

    #[test]
    fn means_and_deviations_are_of_the_runs_that_have_the_cell() {
        let runs = [
            matrix(&["latin", "a"], &[&[0.5, N], &[0.2, 0.1]]),
            matrix(&["latin", "a"], &[&[0.7, N], &[0.4, N]]),
            matrix(&["latin", "a"], &[&[0.9, N]]),
        ];
        let spread = Spread::of(&runs[0], &runs[1..]);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(spread.mean.rows[0][0], 0.7);
        near(spread.deviation[0][0], 0.2);
        near(spread.mean.rows[1][0], 0.3);
        near(spread.deviation[1][0], 0.02f64.sqrt());
        assert_eq!(spread.runs, [[3, 0], [2, 1]]);
        near(spread.mean.rows[1][1], 0.1);
        assert!(spread.deviation[1][1].is_nan() && spread.mean.rows[0][1].is_nan());
    }
}
