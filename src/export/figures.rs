//! What all files of an export are written from.

use crate::lab::{ProbedSet, Probes, TestSet};
use crate::measure::Matrix;
use crate::recipe::Mode;
use crate::run::RunView;
use crate::run::view::{Evaluation, Row, Started, Training};
use crate::{Error, Result};

/// The complete rows of a run and their matrix.
pub struct Figures<'a> {
    pub started: &'a Started,
    /// Complete rows, those that were left out included; `rows[i].index == i`.
    pub rows: &'a [Row],
    pub matrix: Matrix,
    view: &'a RunView,
}

impl<'a> Figures<'a> {
    pub fn of(view: &'a RunView) -> Result<Self> {
        let complete = view.rows.iter().take_while(|r| r.complete).count();
        let rows = &view.rows[..complete];
        let started = view.started.as_ref().filter(|_| !rows.is_empty());
        let started = started.ok_or_else(|| {
            Error::input(
                "nothing is measured yet, so there is nothing to export: let the run go on",
            )
        })?;
        let mut matrix = view.matrix();
        matrix.rows.truncate(complete);
        matrix.learned.truncate(complete);
        Ok(Self {
            started,
            rows,
            matrix,
            view,
        })
    }

    /// Columns of the matrix, the foundation first.
    pub fn test_sets(&self) -> &'a [TestSet] {
        &self.started.test_sets
    }

    /// Id of the foundation.
    pub fn foundation(&self) -> &'a str {
        self.test_sets().first().map_or("", |t| t.id.as_str())
    }

    /// What row `index` comes after: the foundation, or the task of the sequence.
    pub fn after(&self, index: usize) -> &'a str {
        let task = index
            .checked_sub(1)
            .map(|i| self.started.recipe.tasks.get(i));
        match task {
            None => self.foundation(),
            Some(task) => task.map_or("", |t| t.id.as_str()),
        }
    }

    /// The training that led to a row.
    pub fn training(&self, row: &Row) -> Option<&'a Training> {
        self.view.training(row.training?)
    }

    /// Similarity of each foundation class to the task learned in a row, by the measure of this name.
    pub fn similarity(&self, row: &Row, name: &str) -> Option<&'a [f32]> {
        let training = self.training(row)?;
        match name {
            "features" => Some(&training.similarity),
            "wordnet" => training.wordnet.as_ref().map(|w| w.similarity.as_slice()),
            "clip" => training.clip.as_ref().map(|c| c.similarity.as_slice()),
            _ => None,
        }
    }

    /// What probes of a kind found of each test set after row `index`, NaN where nothing; `None` if the row was not
    /// probed.
    pub fn probed(&self, index: usize, kind: ProbeKind) -> Option<Vec<f64>> {
        let probes = self.rows.get(index)?.probes.as_ref()?;
        let sets = kind.of(probes);
        let accuracy = |id: &str| sets.iter().find(|s| s.test_set == id);
        let accuracies = self.test_sets().iter().map(|set| {
            let probed = accuracy(&set.id);
            probed.map_or(f64::NAN, |p| p.counts.accuracy())
        });
        Some(accuracies.collect())
    }

    /// Forward transfer to the task learned in row `index`: its linear probe's accuracy on the features before that
    /// less that on the pretrained features. NaN where one of them is missing, where nothing was learned before or the
    /// task itself was, and in the modes in which a task begins from the pretrained weights, so that nothing carries over.
    pub fn forward_transfer(&self, index: usize) -> f64 {
        if matches!(self.started.recipe.lora.mode, Mode::Drop | Mode::FullReset) {
            return f64::NAN;
        }
        let learned = |row: usize| self.matrix.learned.get(row).copied().flatten();
        if (1..index).any(|row| learned(row).is_some() && learned(row) == learned(index)) {
            return f64::NAN;
        }
        let before = (1..index).rev().find(|&i| !self.rows[i].skipped);
        let column = self.matrix.learned.get(index).copied().flatten();
        let (Some(before), Some(column)) = (before, column) else {
            return f64::NAN;
        };
        let probe = |row: usize| {
            let all = self.probed(row, ProbeKind::Linear);
            all.and_then(|a| a.get(column).copied()).unwrap_or(f64::NAN)
        };
        probe(before) - probe(0)
    }

    /// The measurement of a test set just before `row`'s merge: rows that were left out changed nothing.
    pub fn before(&self, row: &Row, test_set: &str) -> Option<&'a Evaluation> {
        let earlier = self.rows.get(..row.index)?;
        earlier
            .iter()
            .rev()
            .find(|r| !r.skipped)?
            .evaluations
            .get(test_set)
    }

    /// The last row that was measured.
    pub fn last(&self) -> usize {
        self.rows.iter().rposition(|r| !r.skipped).unwrap_or(0)
    }
}

/// What is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A fresh head of a test set's own.
    Linear,
    /// All heads side by side.
    ClassIncremental,
    /// A balanced probe over all classes.
    Balanced,
}

impl ProbeKind {
    pub const ALL: [Self; 3] = [Self::Linear, Self::ClassIncremental, Self::Balanced];

    /// Its name in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::ClassIncremental => "class_incremental",
            Self::Balanced => "class_incremental_balanced",
        }
    }

    /// Its part of what was found.
    pub fn of(self, probes: &Probes) -> &[ProbedSet] {
        match self {
            Self::Linear => &probes.linear,
            Self::ClassIncremental => &probes.joint,
            Self::Balanced => &probes.balanced,
        }
    }
}

/// A source without the path on this machine that may be in it: `bundled:glyph-vit`, but `path`.
pub fn portable(source: &str) -> &str {
    match source.split_once(':') {
        Some(("bundled" | "hub", _)) | None => source,
        Some((scheme, _)) => scheme,
    }
}
