//! What a screen, an export or a report knows of a run. All of it is computed by the fold over the journal.

use std::collections::BTreeMap;

use crate::folder::RunFolder;
use crate::lab::{
    Agreement, Ancestor, BackboneSummary, Level, PreviewedSet, Probes, State, TestSet,
};
use crate::lora::{Amount, UpdateNorm};
use crate::measure::{Contextual, Counts, TextSimilarity, WordSimilarity};
use crate::recipe::Recipe;
use crate::{Error, Result};

/// Everything that a run's journal says, up to the last record applied.
#[derive(Clone, Debug, Default)]
pub struct RunView {
    /// Content of `RunStarted`; `None` before it.
    pub started: Option<Started>,
    /// Where the run stands.
    pub state: State,
    /// Whether it stands still.
    pub paused: bool,
    /// Whether its user stopped it: no lab is at work on it.
    pub stopped: bool,
    /// Whether step and merge happen by themselves.
    pub automatic: bool,
    /// The rows of the matrix on the present path; `rows[0]` is the untouched backbone. The last one may be incomplete.
    pub rows: Vec<Row>,
    /// Every training of the run in order, discarded and undone ones included.
    pub trainings: Vec<Training>,
    /// The last preview of the row that is next or present; gone once the run goes on.
    pub preview: Option<PreviewView>,
    /// Lines for the log, oldest first.
    pub log: Vec<LogLine>,
    /// The sentence of `Failed`.
    pub failure: Option<String>,
    /// Records applied.
    pub records: u64,
}

/// What is known from the start.
#[derive(Clone, Debug)]
pub struct Started {
    /// The resolved recipe.
    pub recipe: Recipe,
    /// Its hash.
    pub recipe_hash: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The program's version.
    pub version: String,
    /// The pretrained network.
    pub backbone: BackboneSummary,
    /// Columns of the matrix, the foundation first.
    pub test_sets: Vec<TestSet>,
    /// Where a branch's first rows come from; empty for a run of its own.
    pub ancestry: Vec<Ancestor>,
    /// When.
    pub time: String,
}

/// What other amounts of an update would make of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewView {
    /// The row that each would be.
    pub index: usize,
    /// The row whose update is varied.
    pub row: usize,
    /// A fixed few images of each class were measured.
    pub quick: bool,
    /// All amounts that were asked for.
    pub amounts: Vec<Amount>,
    /// Those that are measured, each with its test sets.
    pub done: Vec<(Amount, Vec<PreviewedSet>)>,
    /// Whether it is over.
    pub over: bool,
    /// Where the run stood when it began.
    pub from: State,
}

/// A row of the matrix.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its number: tasks of the sequence up to it.
    pub index: usize,
    /// The training that led to it; `None` in row 0 and in a skipped row.
    pub training: Option<u32>,
    /// The task was left out.
    pub skipped: bool,
    /// All test sets are measured.
    pub complete: bool,
    /// Measurements by test set id.
    pub evaluations: BTreeMap<String, Evaluation>,
    /// Whether the touched classes lost more.
    pub contextual: Option<Contextual>,
    /// What probes of its features found, where they were asked for.
    pub probes: Option<Probes>,
    /// Seconds that they took.
    pub probing: f64,
    /// Size of the update so far, by module.
    pub update: Vec<UpdateNorm>,
    /// Size of the whole update so far against the target modules' pretrained weights.
    pub update_total: f64,
    /// Largest logit difference, adapter against merged.
    pub fidelity: f64,
    /// What both answer to the same images, where the journal says.
    pub agreement: Option<Agreement>,
    /// How much of the update is merged.
    pub amount: Amount,
    /// How often it was measured anew because the amount of a merge was changed.
    pub revision: u32,
}

/// One test set, measured once.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Right and total by class.
    pub counts: Counts,
    /// Right before this merge, wrong after, by class.
    pub new_errors: Vec<u32>,
    /// Wrong before, right after.
    pub new_hits: Vec<u32>,
    /// Most frequent wrong answers by class.
    pub wrong: Vec<Vec<(usize, u32)>>,
    /// Where lost predictions went, by class; empty where nothing was measured before.
    pub lost: Vec<Vec<(usize, u32)>>,
    /// Predictions file within the run's folder.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Seconds that it took.
    pub seconds: f64,
}

/// One training of one task.
#[derive(Clone, Debug, Default)]
pub struct Training {
    /// Its number in the run.
    pub number: u32,
    /// Row that it leads to.
    pub index: usize,
    /// Task id.
    pub step_id: String,
    /// Steps planned.
    pub steps: usize,
    /// Steps an epoch.
    pub steps_per_epoch: usize,
    /// Parameters trained.
    pub trainable: usize,
    /// Loss by step; `points[i].step` rises.
    pub points: Vec<Point>,
    /// Provisional measurements, by step.
    pub watched: Vec<Watch>,
    /// Similarity of foundation classes to the task.
    pub similarity: Vec<f32>,
    /// Foundation classes in context.
    pub context: Vec<usize>,
    /// Their similarity by WordNet, where the task has a word.
    pub wordnet: Option<WordSimilarity>,
    /// Likewise by CLIP's text embeddings, where one is given.
    pub clip: Option<TextSimilarity>,
    /// How it ended, or that it has not.
    pub end: TrainingEnd,
    /// Last checkpoint.
    pub checkpoint: Option<StoredCheckpoint>,
    /// Folder of the adapter once trained.
    pub adapter: String,
    /// File of the head once trained.
    pub head: String,
    /// SHA-256 of the files of both.
    pub sha256: BTreeMap<String, String>,
}

/// Steps that a present pace is taken from.
const RECENT: usize = 50;

impl Training {
    /// What the last steps took.
    pub fn recent(&self) -> Spent {
        let spent = |point: &Point| point.spent;
        let before = self
            .points
            .iter()
            .rev()
            .nth(RECENT)
            .map_or(Spent::NOTHING, spent);
        self.spent().since(before)
    }

    /// What all of its steps took.
    pub fn spent(&self) -> Spent {
        self.points.last().map_or(Spent::NOTHING, |p| p.spent)
    }

    /// Forgets what came after step `from`, where the training goes on.
    pub(super) fn void_after(&mut self, from: usize) {
        if self.end != TrainingEnd::Open {
            return;
        }
        self.points.retain(|p| p.step <= from);
        self.watched.retain(|w| w.step <= from);
        self.checkpoint.take_if(|c| c.step > from);
        if from < self.steps {
            self.adapter.clear();
            self.head.clear();
            self.sha256.clear();
        }
    }
}

/// A stored state of a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// After this step.
    pub step: usize,
    /// Path within the run's folder.
    pub file: String,
    /// Of the file.
    pub sha256: String,
}

/// How a training ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrainingEnd {
    /// Under way, or trained and not decided on.
    #[default]
    Open,
    /// On the present path.
    Merged,
    /// Thrown away before a merge.
    Discarded,
    /// Merged once, then undone.
    Undone,
}

/// One optimiser step.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// 1-based.
    pub step: usize,
    /// Mean cross-entropy of the batch.
    pub loss: f32,
    /// Learning rate.
    pub lr: f64,
    /// Accuracy on the batch.
    pub accuracy: f32,
    /// Images a second; NaN where the clock was too coarse.
    pub rate: f64,
    /// What the training took up to and with this step.
    pub spent: Spent,
}

/// What steps of a training took together; pauses, checkpoints and provisional measurements are left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// Seconds.
    pub seconds: f64,
    /// Images trained on.
    pub images: usize,
    /// Of the seconds, those in which a step waited for its batch; `None` where a step does not tell.
    pub waited: Option<f64>,
}

impl Spent {
    /// Before the first step.
    pub const NOTHING: Self = Self {
        seconds: 0.0,
        images: 0,
        waited: Some(0.0),
    };

    /// With one more step.
    pub(super) fn and(self, seconds: f64, images: usize, waited: Option<f64>) -> Self {
        Self {
            seconds: self.seconds + seconds.max(0.0),
            images: self.images.saturating_add(images),
            waited: self.waited.zip(waited).map(|(a, b)| a + b.max(0.0)),
        }
    }

    /// What came after `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            seconds: self.seconds - earlier.seconds,
            images: self.images.saturating_sub(earlier.images),
            waited: self.waited.zip(earlier.waited).map(|(a, b)| a - b),
        }
    }

    /// Images a second; `None` where no time passed.
    pub fn rate(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.images as f64 / self.seconds)
    }

    /// The part of the time in which steps waited for their batches, in [0, 1].
    pub fn waiting(self) -> Option<f64> {
        let waited = self.waited.filter(|_| self.seconds > 0.0)?;
        Some((waited / self.seconds).clamp(0.0, 1.0))
    }
}

impl Default for Spent {
    fn default() -> Self {
        Self::NOTHING
    }
}

/// A provisional measurement.
#[derive(Clone, Debug)]
pub struct Watch {
    /// After this step.
    pub step: usize,
    /// The foundation's fixed part.
    pub foundation: Counts,
    /// The same images after the last merge.
    pub before: Counts,
    /// The same images in row 0.
    pub start: Counts,
    /// The task's own fixed part.
    pub task: Counts,
}

/// A line of the log.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// RFC 3339.
    pub time: String,
    /// How much it matters.
    pub level: Level,
    /// One sentence.
    pub text: String,
}

impl RunView {
    /// What the journal of the run in a folder says, whoever works on it.
    ///
    /// # Errors
    /// As [`super::journal::read`].
    pub fn of(run: &RunFolder) -> Result<Self> {
        Ok(Self::replay(
            &super::journal::read(&run.journal_path())?.records,
        ))
    }

    /// How the run, whose folder is `run`, was begun.
    ///
    /// # Errors
    /// [`Error::Input`] where it was not.
    pub fn begun(&self, run: &RunFolder) -> Result<&Started> {
        self.started.as_ref().ok_or_else(|| {
            Error::input(format!(
                "{} holds no begun run: its journal is empty; start it again with `pentimento run`",
                run.root().display()
            ))
        })
    }

    /// Task ids of the sequence in order.
    pub fn task_ids(&self) -> Vec<&str> {
        self.started
            .iter()
            .flat_map(|s| s.recipe.tasks.iter().map(|t| t.id.as_str()))
            .collect()
    }

    /// The column of the task that leads to row `index`: its head's name.
    pub fn column(&self, index: usize) -> Option<&str> {
        let tasks = &self.started.as_ref()?.recipe.tasks;
        Some(tasks.get(index.checked_sub(1)?)?.column())
    }

    /// The row of the next task, if one is left.
    pub fn next_index(&self) -> Option<usize> {
        let tasks = self.started.as_ref()?.recipe.tasks.len();
        let next = self.rows.len();
        (1..=tasks).contains(&next).then_some(next)
    }

    /// The training that is under way, or trained and not yet merged.
    pub fn open_training(&self) -> Option<&Training> {
        self.trainings.last().filter(|t| t.end == TrainingEnd::Open)
    }

    /// The training with this number.
    pub fn training(&self, number: u32) -> Option<&Training> {
        self.trainings.iter().find(|t| t.number == number)
    }

    /// Accuracy of test set `id` after row `index`, if it was measured.
    pub fn accuracy(&self, index: usize, id: &str) -> Option<f64> {
        Some(self.rows.get(index)?.evaluations.get(id)?.counts.accuracy())
    }

    /// The last row with all its measurements that was not skipped.
    pub fn last_complete(&self) -> Option<&Row> {
        self.rows.iter().rev().find(|r| r.complete && !r.skipped)
    }
}
