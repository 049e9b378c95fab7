//! The accuracy matrix of a run.

use super::view::RunView;
use crate::measure::Matrix;

impl RunView {
    /// The accuracy matrix of the present path, incomplete rows included; NaN where nothing was measured.
    pub fn matrix(&self) -> Matrix {
        let Some(started) = &self.started else {
            return Matrix::default();
        };
        let tasks: Vec<String> = started.test_sets.iter().map(|t| t.id.clone()).collect();
        let learned = |row: &super::view::Row| {
            let task = started.recipe.tasks.get(row.index.checked_sub(1)?)?;
            let column = tasks.iter().position(|id| id == task.column())?;
            (!row.skipped).then_some(column)
        };
        Matrix {
            rows: self
                .rows
                .iter()
                .map(|row| {
                    let accuracy = |id| row.evaluations.get(id).map(|e| e.counts.accuracy());
                    tasks
                        .iter()
                        .map(|id| accuracy(id).unwrap_or(f64::NAN))
                        .collect()
                })
                .collect(),
            learned: self.rows.iter().map(learned).collect(),
            tasks,
        }
    }
}
