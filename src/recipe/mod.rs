//! What to run: the resolved content of a preset, after overrides and validation.
//!
//! A recipe says everything that decides a run's bits except the machine. It is written in TOML, unknown
//! keys are refused, and `presets/demo.toml` documents every key.

use serde::{Deserialize, Serialize};

/// One experiment: a backbone, how adapters are made and trained, and the sequence of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The preset's name; run folders are named after it.
    pub name: String,
    /// One sentence on what the experiment shows.
    #[serde(default)]
    pub description: String,
    /// Root of all randomness.
    #[serde(default)]
    pub seed: u64,
    /// The pretrained network.
    pub backbone: BackboneRecipe,
    /// How a task changes the weights.
    pub lora: LoraRecipe,
    /// How a task is trained.
    pub train: TrainRecipe,
    /// How accuracy is measured.
    #[serde(default)]
    pub measure: MeasureRecipe,
    /// Task 0: what the backbone was pretrained on; measured, never trained.
    pub foundation: FoundationRecipe,
    /// The steps of the sequence, in order.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskRecipe>,
}

/// `[backbone]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneRecipe {
    /// `bundled:NAME`, `path:DIR` (timm's hub layout) or `hub:OWNER/NAME[@REV]`.
    pub source: String,
}

/// `[lora]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraRecipe {
    /// What happens to a task's update once it is learned.
    #[serde(default)]
    pub mode: Mode,
    /// Rank r of the update BA. 0: the backbone is frozen and only heads are trained.
    pub rank: usize,
    /// The update is scaled by alpha/rank. Absent: 2·rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Dropout on the adapter's input, in [0, 1).
    #[serde(default)]
    pub dropout: f64,
    /// A regex that must match the whole of a module's timm name, or `default` for the study's choice:
    /// `blocks\..*\.attn\.qkv` for a ViT, `layer.*\..*\.conv3` for a ResNet.
    #[serde(default = "default_targets")]
    pub targets: String,
}

fn default_targets() -> String {
    "default".into()
}

impl LoraRecipe {
    /// alpha, with the study's default of twice the rank.
    pub fn alpha(&self) -> f64 {
        self.alpha.unwrap_or(2.0 * self.rank as f64)
    }

    /// The factor on BA: alpha/rank (0 when frozen).
    pub fn scale(&self) -> f64 {
        if self.rank == 0 {
            0.0
        } else {
            self.alpha() / self.rank as f64
        }
    }
}

/// `lora.mode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The adapter is added into the weights after its task.
    #[default]
    Merge,
    /// The adapter is stored and used for its own task's head only.
    Drop,
}

/// `[train]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainRecipe {
    /// Passes over a task's training images; one for all tasks, or one a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<Budget>,
    /// Optimiser steps instead of epochs; exactly one of the two is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Budget>,
    /// Images a step.
    pub batch_size: usize,
    /// AdamW's peak learning rate.
    pub lr: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Fraction of a task's steps over which the learning rate rises linearly, in [0, 1].
    pub warmup: f64,
    /// Every so many steps the unmerged adapter is measured on a fixed part of the foundation, for the
    /// screen only; 0 never. Changes no bit of the run.
    #[serde(default)]
    pub watch_every: usize,
    /// Steps between checkpoints inside a task.
    #[serde(default = "default_checkpoint_every")]
    pub checkpoint_every: usize,
    /// What is done to a training image.
    #[serde(default)]
    pub augment: Augment,
}

fn default_checkpoint_every() -> usize {
    200
}

/// One number for every task, or one a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Budget {
    /// For every task.
    All(usize),
    /// Entry `i` is for `tasks[i]`.
    Each(Vec<usize>),
}

/// `[train.augment]`: a random affine map and now and then a change of stroke, made for characters. All
/// zero: images are used as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Rotation, uniform in ± this many degrees.
    pub rotate: f32,
    /// Scale, uniform in 1 ± this.
    pub scale: f32,
    /// Horizontal shear, uniform in ± this.
    pub shear: f32,
    /// Shift in both directions, uniform in ± this many pixels of a 32-pixel image.
    pub shift: f32,
    /// Probability of one of erosion, dilation or blur, 3×3.
    pub stroke: f32,
}

/// `[measure]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureRecipe {
    /// Images a batch in evaluation.
    pub batch_size: usize,
    /// Permutations of the test of in-context drops.
    pub permutations: usize,
}

impl Default for MeasureRecipe {
    fn default() -> Self {
        Self {
            batch_size: 64,
            permutations: 9_999,
        }
    }
}

/// `[foundation]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundationRecipe {
    /// Where its images are: `bundled:latin`.
    pub data: String,
}

/// `[[task]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRecipe {
    /// Unique in the sequence; names files, columns and rows. Letters, digits, `-`, `_`, `.`.
    pub id: String,
    /// Where its images are: `bundled:NAME`.
    pub data: String,
    /// Which groups of foundation classes the task is about. Empty: the decile of foundation classes most
    /// similar to the task's, by pretrained features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
}
