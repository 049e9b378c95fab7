//! What happened in a run: the lines of its journal, and the only thing that leaves the lab.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::Class;
use crate::lora::{Amount, UpdateNorm};
use crate::measure::{Contextual, Counts, TextSimilarity, WordSimilarity};
use crate::recipe::{LoraRecipe, Mode, Recipe};

/// The version of the journal's format.
pub const JOURNAL_VERSION: u32 = 1;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Format version, [`JOURNAL_VERSION`].
    pub v: u32,
    /// 0, 1, 2, … within the run.
    pub seq: u64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened. `index` is a row of the accuracy matrix: 0 is the untouched backbone, t the
/// state after task t of the sequence (`recipe.tasks[t - 1]`). `training` counts the trainings of this run
/// (1, 2, …) and is never reused; it is the NNN of `adapters/NNN-STEP/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Event {
    /// The run exists: all that a screen needs to label what follows.
    RunStarted {
        /// This program's version.
        version: String,
        /// The resolved recipe, seed included.
        recipe: Box<Recipe>,
        /// SHA-256 of the recipe without name, description and seed.
        recipe_hash: String,
        /// `cpu` or `cuda:N`.
        device: String,
        /// Whether step and merge happen by themselves.
        automatic: bool,
        /// The pretrained network.
        backbone: BackboneSummary,
        /// The columns of the matrix: the foundation first, then one a distinct task.
        test_sets: Vec<TestSet>,
        /// Where a branch's first rows come from; empty for a run of its own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ancestry: Vec<Ancestor>,
    },
    /// Automatic advance was switched on or off.
    Advance {
        /// On or off.
        automatic: bool,
    },
    /// Training of task `index` begins (or begins again after an undo or a discard).
    TaskStarted {
        /// Row that this training leads to.
        index: usize,
        /// The task's id.
        step_id: String,
        /// Number of this training in the run.
        training: u32,
        /// Optimiser steps planned.
        steps: usize,
        /// Optimiser steps an epoch.
        steps_per_epoch: usize,
        /// Images a step.
        batch_size: usize,
        /// Parameters trained, adapter and head.
        trainable: usize,
    },
    /// Which foundation classes the task is about, fixed before its first step.
    Context {
        /// Number of the training.
        training: u32,
        /// Similarity of each foundation class to this task's classes by pretrained features, in [-1, 1].
        #[serde(with = "crate::float")]
        similarity: Vec<f32>,
        /// Foundation classes in the task's context.
        classes: Vec<usize>,
        /// Their similarity by WordNet, where the task has a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wordnet: Option<WordSimilarity>,
        /// Likewise by CLIP's text embeddings, where one is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<TextSimilarity>,
    },
    /// One optimiser step was taken.
    Step {
        /// Number of the training.
        training: u32,
        /// 1-based step within the task.
        step: usize,
        /// Mean cross-entropy of the batch.
        #[serde(with = "crate::float")]
        loss: f32,
        /// Learning rate of this step.
        lr: f64,
        /// Right answers in the batch.
        correct: usize,
        /// Images in the batch.
        images: usize,
        /// Seconds the step took, loading included.
        seconds: f64,
        /// Of these, seconds in which it waited for its batch; absent in journals of before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waited: Option<f64>,
    },
    /// The unmerged adapter was measured on fixed parts of test sets; provisional, never in the matrix.
    Watched {
        /// Number of the training.
        training: u32,
        /// After this step.
        step: usize,
        /// The foundation's fixed part.
        foundation: Counts,
        /// The same images after the last merge.
        before: Counts,
        /// The same images in row 0.
        start: Counts,
        /// The task's own test set's fixed part.
        task: Counts,
    },
    /// The state of a training was stored.
    Checkpoint {
        /// Number of the training.
        training: u32,
        /// After this step.
        step: usize,
        /// Path within the run's folder.
        file: String,
        /// Of the file.
        sha256: String,
    },
    /// All steps of a task were taken; adapter and head are stored.
    Trained {
        /// Row that this training leads to.
        index: usize,
        /// Number of the training.
        training: u32,
        /// Folder of the adapter within the run's folder; empty with rank 0.
        adapter: String,
        /// File of the head within the run's folder.
        head: String,
        /// SHA-256 of the adapter's files and the head's, by path within the run's folder.
        sha256: BTreeMap<String, String>,
        /// Seconds of training, without pauses.
        seconds: f64,
    },
    /// The adapter became the stack's last entry.
    Merged {
        /// Row that is now being measured.
        index: usize,
        /// Number of the training.
        training: u32,
        /// How much of the update: 1 and no rank for a plain merge.
        #[serde(flatten)]
        amount: Amount,
        /// Size of the update so far against the pretrained weights, by module.
        update: Vec<UpdateNorm>,
        /// Size of the whole update so far, ‖W_i − W_0‖ / ‖W_0‖ over all target modules (Frobenius).
        #[serde(with = "crate::float")]
        update_total: f64,
        /// Largest absolute difference between the logits of the adapter and of the merged weights.
        #[serde(with = "crate::float")]
        fidelity: f64,
        /// What both answer to the same images; absent in journals of before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreement: Option<Agreement>,
    },
    /// Another amount of a merged update was merged: the weights of row `index` and of those after it are others, and
    /// what was measured in them is void.
    Reweighed {
        /// The row whose merge was changed.
        index: usize,
        /// How much of its update.
        #[serde(flatten)]
        amount: Amount,
        /// Size of the update in row `index` and in each row after it.
        rows: Vec<UpdateSize>,
    },
    /// Other amounts of an update are going to be measured, for the user to look at: no row, and in no export.
    PreviewBegan {
        /// The row that each would be instead of, or after.
        index: usize,
        /// The row whose update is varied.
        row: usize,
        /// A fixed few images of each class are measured instead of all.
        quick: bool,
        /// The amounts.
        amounts: Vec<Amount>,
    },
    /// One of them was measured.
    Previewed {
        /// How much of the update.
        #[serde(flatten)]
        amount: Amount,
        /// What the row's test sets would be.
        sets: Vec<PreviewedSet>,
        /// Seconds that it took.
        seconds: f64,
    },
    /// The preview is over.
    PreviewEnded,
    /// A test set was measured after `index`.
    Evaluated {
        /// Row.
        index: usize,
        /// Id of the test set, a column.
        test_set: String,
        /// Right and total by class.
        counts: Counts,
        /// New errors and hits by class against row before; zeros when there is none.
        new_errors: Vec<u32>,
        /// Wrong before this merge and right after it, by class.
        new_hits: Vec<u32>,
        /// By class, its most frequent wrong answers as (class, count), at most three.
        wrong: Vec<Vec<(usize, u32)>>,
        /// Where lost predictions went: by class, the answers to its new errors as (class, count). Empty where there is
        /// nothing to compare with, and in journals of before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lost: Vec<Vec<(usize, u32)>>,
        /// The answer to each image, [`crate::answers::Answers`]: path within the run's folder.
        file: String,
        /// Of the file.
        sha256: String,
        /// Seconds the measurement took.
        seconds: f64,
    },
    /// The features of row `index` were probed.
    Probed {
        /// Row.
        index: usize,
        /// What was found.
        probes: Probes,
        /// Seconds it took.
        seconds: f64,
    },
    /// Row `index` is complete.
    Measured {
        /// Row.
        index: usize,
        /// Whether the classes that the task touched lost more; absent in row 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contextual: Option<Contextual>,
    },
    /// The adapter in training or trained was thrown away; the same task is next.
    Discarded {
        /// Number of the training.
        training: u32,
    },
    /// The last merge was undone: row `index` is void, its task is next.
    Undone {
        /// The row that is gone.
        index: usize,
    },
    /// A task was left out.
    Skipped {
        /// The row that stays empty.
        index: usize,
        /// The task's id.
        step_id: String,
    },
    /// Training or measuring stands still.
    Paused,
    /// It goes on, or the run was opened again: later steps of `training` are void.
    Resumed {
        /// The training that goes on, if one was under way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        training: Option<u32>,
        /// The last step that counts.
        from_step: usize,
    },
    /// A command was refused, or something else worth a line.
    Note {
        /// How much it matters.
        level: Level,
        /// One sentence.
        message: String,
    },
    /// The run was stopped by its user; `resume` continues it.
    Stopped,
    /// The run ended by an error.
    Failed {
        /// One sentence.
        message: String,
    },
    /// Every task is measured or skipped.
    Finished,
}

/// What the unmerged adapter and the merged weights answer to the same test images of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// How many images.
    pub images: usize,
    /// Right answers of the adapter.
    pub adapter: usize,
    /// Right answers of the merged weights.
    pub merged: usize,
}

impl Agreement {
    /// Accuracy of the merged weights less that of the adapter.
    pub fn difference(&self) -> f64 {
        (self.merged as f64 - self.adapter as f64) / self.images as f64
    }
}

/// Size of the update so far in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateSize {
    /// By module, against the pretrained weights.
    pub update: Vec<UpdateNorm>,
    /// Of all target modules together.
    #[serde(with = "crate::float")]
    pub update_total: f64,
}

/// A test set in a preview.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreviewedSet {
    /// Id of the test set.
    pub test_set: String,
    /// Right and total by class.
    pub counts: Counts,
    /// The same images in the row that is there; absent where it does not measure the test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<Counts>,
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// What the lab does.
    Info,
    /// Something the user should know.
    Warning,
    /// Something failed.
    Error,
}

/// A run that a branch's first rows were learned in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ancestor {
    /// The last row that is its.
    pub last_row: usize,
    /// Hash of its recipe.
    pub recipe_hash: String,
    /// Its seed.
    pub seed: u64,
    /// How its tasks changed the weights.
    pub lora: LoraRecipe,
}

impl Ancestor {
    /// The mode that row `index` was learned in: that of its run, or `own` where it is the branch itself.
    pub fn mode(ancestry: &[Self], index: usize, own: Mode) -> Mode {
        let of = ancestry.iter().find(|a| index <= a.last_row);
        of.map_or(own, |a| a.lora.mode)
    }
}

/// The pretrained network in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackboneSummary {
    /// timm's architecture name.
    pub architecture: String,
    /// Parameters without the classifier.
    pub parameters: usize,
    /// Names of the modules that get an adapter.
    pub targets: Vec<String>,
    /// Parameters of one adapter (all targets), without a head.
    pub adapter_parameters: usize,
    /// SHA-256 of the weights file.
    pub weights_sha256: String,
}

/// A column of the matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestSet {
    /// `latin`, `parity`, …
    pub id: String,
    /// Its classes in label order.
    pub classes: Vec<Class>,
    /// Test images.
    pub images: usize,
    /// Training images (0 for the foundation).
    pub train_images: usize,
}

/// What probes of a row's features found. Where a figure does not exist (no training images, one head alone, adapters
/// that are stored) its list lacks the test set or is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// A fresh head by test set, of tasks that are yet to be learned too.
    pub linear: Vec<ProbedSet>,
    /// The heads whose classes are numbered through in the answers of the following two, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<String>,
    /// Class-incremental: the largest of all heads' logits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joint: Vec<ProbedSet>,
    /// Class-incremental after a task-balanced probe over the classes of all heads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub balanced: Vec<ProbedSet>,
}

/// A test set under a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbedSet {
    /// Id of the test set.
    pub test_set: String,
    /// Right and total by class.
    pub counts: Counts,
    /// The answer to each image: path within the run's folder.
    pub file: String,
    /// Of the file.
    pub sha256: String,
}
