//! What each class of the foundation lost by a merge: the model behind the forgetting screen.

use super::super::text::clean;
use super::{ForgettingLook, Merge};
use crate::lab::TestSet;
use crate::measure::{Contextual, Counts};
use crate::run::RunView;
use crate::run::view::{Evaluation, Row, Training};

/// Accuracies of one class; NaN where it was not measured.
#[derive(Clone, Copy, Debug)]
pub struct ClassAccuracy {
    /// In row 0.
    pub start: f64,
    /// In the row before the merge.
    pub before: f64,
    /// After the merge.
    pub after: f64,
    /// Right and total after it.
    pub count: (u32, u32),
}

impl ClassAccuracy {
    /// What was lost, by the merge or since the start.
    pub fn loss(&self, since_start: bool) -> f64 {
        let from = if since_start { self.start } else { self.before };
        from - self.after
    }
}

/// All classes of the foundation, around one merge.
pub struct Losses<'a> {
    /// The foundation.
    pub foundation: &'a TestSet,
    /// Id of the merged task.
    pub task: &'a str,
    /// By class.
    pub classes: Vec<ClassAccuracy>,
    /// The measurement after it, if it is more than provisional.
    pub evaluation: Option<&'a Evaluation>,
    /// The measurement before it, and that of row 0.
    pub earlier: Option<[&'a Evaluation; 2]>,
    /// The training that led to it.
    pub training: Option<&'a Training>,
    /// Whether the touched classes lost more.
    pub contextual: Option<&'a Contextual>,
    /// Whether each class is in the task's context.
    inside: Vec<bool>,
}

/// What the backbone was pretrained on.
pub fn foundation(view: &RunView) -> Option<&TestSet> {
    view.started.as_ref()?.test_sets.first()
}

impl<'a> Losses<'a> {
    /// What `merge` cost.
    pub fn of(view: &'a RunView, merge: Merge) -> Option<Self> {
        let foundation = foundation(view)?;
        let rows = &view.rows;
        let measured = |row: &'a Row| row.evaluations.get(&foundation.id);
        let (row, training) = match merge {
            Merge::Row(index) => {
                let row = rows.get(index)?;
                (Some(row), row.training.and_then(|n| view.training(n)))
            }
            Merge::WouldBe => (None, view.open_training()),
        };
        let earlier = match row {
            Some(row) => {
                let before = rows.get(..row.index)?.iter().rev().find_map(measured)?;
                Some([before, rows.first().and_then(measured)?])
            }
            None => None,
        };
        let (start, before, after) = match (row, earlier) {
            (Some(row), Some([before, start])) => {
                (&start.counts, &before.counts, &measured(row)?.counts)
            }
            // On the watched images all three: other images would be a difference of their own.
            _ => {
                let watch = training?.watched.last()?;
                (&watch.start, &watch.before, &watch.foundation)
            }
        };
        let classes = (0..foundation.classes.len())
            .map(|class| ClassAccuracy {
                start: accuracy(start, class),
                before: accuracy(before, class),
                after: accuracy(after, class),
                count: (at(&after.correct, class), at(&after.total, class)),
            })
            .collect();
        let mut inside = vec![false; foundation.classes.len()];
        for class in training.map_or(&[][..], |t| t.context.as_slice()) {
            if let Some(inside) = inside.get_mut(*class) {
                *inside = true;
            }
        }
        Some(Self {
            foundation,
            inside,
            task: training.map_or("", |t| t.step_id.as_str()),
            classes,
            evaluation: row.and_then(measured),
            earlier,
            training,
            contextual: row.and_then(|r| r.contextual.as_ref()),
        })
    }

    /// Whether it is of a part of the test images, by the adapter in training.
    pub fn provisional(&self) -> bool {
        self.evaluation.is_none()
    }

    /// Whether the class is one that the task was about.
    pub fn in_context(&self, class: usize) -> bool {
        self.inside.get(class).copied().unwrap_or(false)
    }

    /// What a class lost.
    pub fn loss(&self, class: usize, since_start: bool) -> f64 {
        let class = self.classes.get(class);
        class.map_or(f64::NAN, |c| c.loss(since_start))
    }

    /// What each class lost, `[classes]`.
    pub fn drops(&self, since_start: bool) -> Vec<f64> {
        self.classes.iter().map(|c| c.loss(since_start)).collect()
    }

    /// What classes lost on average, of those that were measured.
    pub fn mean_loss(&self, classes: &[usize], since_start: bool) -> f64 {
        mean(classes.iter().map(|c| self.loss(*c, since_start)))
    }

    /// Similarity of each class to the task by the measure that counts, `[classes]`; empty where there is none.
    pub fn similarities(&self, look: &ForgettingLook) -> Vec<f64> {
        let measure = look.measure(self.training);
        let similarity = self.training.and_then(|t| measure.of(t));
        let similarity = similarity.unwrap_or_default();
        similarity.iter().map(|s| f64::from(*s)).collect()
    }
}

fn at(counts: &[u32], class: usize) -> u32 {
    counts.get(class).copied().unwrap_or(0)
}

fn accuracy(counts: &Counts, class: usize) -> f64 {
    f64::from(at(&counts.correct, class)) / f64::from(at(&counts.total, class))
}

/// Whether every class is a character, so that the grid can show the characters themselves.
pub fn are_glyphs(foundation: &TestSet) -> bool {
    let one = |name: &str| clean(name).chars().filter(|c| *c != '◌').count() == 1;
    !foundation.classes.is_empty() && foundation.classes.iter().all(|c| one(&c.name))
}

/// Mean of what is a number.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .filter(|v| v.is_finite())
        .fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
    sum / count
}
