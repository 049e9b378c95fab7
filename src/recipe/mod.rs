//! What to run: the resolved content of a preset, after overrides and validation.
//!
//! A recipe says everything that decides a run's bits except the machine. It is written in TOML, unknown
//! keys are refused, and `presets/demo.toml` documents every key.

mod data;
mod difference;
mod document;
mod nearest;
mod overrides;
mod own;
mod presets;
mod pretrain;
mod schema;
mod slurm;
mod source;
mod validate;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result};
use document::Document;

#[cfg(test)]
mod tests;

pub use data::{DataOptions, FoundationRecipe, LoadingRecipe};
pub use difference::Difference;
pub(crate) use nearest::suggestion;
pub use own::preset_files;
pub use presets::{Preset, preset, presets, pretrain_presets};
pub use pretrain::{PretrainRecipe, PretrainTrain};
pub use slurm::SlurmRecipe;
pub use source::{
    BUNDLED_BACKBONES, BUNDLED_DATA, BackboneSource, DataSource, GroupSource, Layout,
};
pub use validate::MOST_RANK;

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
    /// How images are read.
    #[serde(default, skip_serializing_if = "LoadingRecipe::is_default")]
    pub data: LoadingRecipe,
    /// What each of its runs asks Slurm for.
    #[serde(default, skip_serializing_if = "SlurmRecipe::is_default")]
    pub slurm: SlurmRecipe,
    /// Task 0: what the backbone was pretrained on; measured, never trained.
    pub foundation: FoundationRecipe,
    /// The steps of the sequence, in order.
    #[serde(rename = "task")]
    pub tasks: Vec<TaskRecipe>,
}

/// How long a task is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskBudget {
    /// Optimiser steps.
    Steps(usize),
    /// Passes over the task's training images.
    Epochs(usize),
}

impl TaskBudget {
    /// Optimiser steps, given those of an epoch.
    pub fn steps(self, steps_per_epoch: usize) -> usize {
        match self {
            Self::Steps(n) => n,
            Self::Epochs(n) => n.saturating_mul(steps_per_epoch),
        }
    }
}

impl Recipe {
    /// Parses, overrides (`key.path=value`, in order) and validates; `origin` names the text in errors.
    ///
    /// # Errors
    /// [`crate::Error::Input`], one sentence with the key and, for the text's own keys, the line.
    pub fn from_toml(text: &str, origin: &str, overrides: &[String]) -> Result<Self> {
        let document = Document::new(schema::RECIPE, text, origin, presets::inherit, overrides)?;
        let recipe: Self = document.typed()?;
        validate::recipe(&recipe).map_err(|fault| document.error(&fault))?;
        Ok(recipe)
    }

    /// The preset of this name or the file at this path, overridden and validated.
    ///
    /// # Errors
    /// [`crate::Error::Input`] when there is neither, or the content is wrong.
    pub fn load(preset_or_path: &str, overrides: &[String]) -> Result<Self> {
        let (text, origin) = presets::find(presets::Kind::Experiment, preset_or_path)?;
        Self::from_toml(&text, &origin, overrides)
    }

    /// Refuses every impossible value in one sentence that names its key. What depends on the backbone or
    /// the data (a rank larger than a layer, groups that the foundation lacks) is checked where those are.
    ///
    /// # Errors
    /// [`crate::Error::Input`].
    pub fn validate(&self) -> Result<()> {
        validate::recipe(self).map_err(|fault| Error::input(fault.message))
    }

    /// SHA-256 of what decides the experiment: JSON with sorted keys and no blanks, without name,
    /// description, seed, `[slurm]` and what changes no bit of `[data]`, and with alpha resolved; the
    /// batch of evaluation counts as 64 where the device chooses it.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] if the recipe cannot be written as JSON.
    pub fn hash(&self) -> Result<String> {
        let mut resolved = self.clone();
        resolved.lora.alpha = Some(self.lora.alpha());
        resolved.measure.batch_size.get_or_insert(64);
        resolved.slurm = SlurmRecipe::default();
        resolved.data = LoadingRecipe {
            bad_images: self.data.bad_images,
            ..LoadingRecipe::default()
        };
        let mut value =
            serde_json::to_value(&resolved).map_err(|e| Error::internal(e.to_string()))?;
        if let Value::Object(map) = &mut value {
            map.retain(|key, _| !matches!(key.as_str(), "name" | "description" | "seed"));
        }
        value.sort_all_objects();
        Ok(crate::files::sha256(value.to_string().as_bytes()))
    }

    /// TOML that parses to this recipe again.
    ///
    /// # Errors
    /// [`crate::Error::Input`] if a value has no place in TOML, which [`Recipe::validate`] rules out.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::input(format!("not to be written as TOML: {e}")))
    }

    /// How long `tasks[task]` is trained. A list that is too short repeats its last number.
    pub fn budget(&self, task: usize) -> TaskBudget {
        match (&self.train.steps, &self.train.epochs) {
            (Some(steps), _) => TaskBudget::Steps(steps.of(task)),
            (None, Some(epochs)) => TaskBudget::Epochs(epochs.of(task)),
            (None, None) => TaskBudget::Steps(0),
        }
    }

    /// Keeps the tasks of these indices in this order, each with its own budget. Indices that do not exist
    /// are passed over.
    pub fn arrange(&mut self, order: &[usize]) {
        let pick = |list: &mut Vec<usize>| {
            *list = order.iter().filter_map(|&i| list.get(i).copied()).collect();
        };
        for budget in [&mut self.train.epochs, &mut self.train.steps] {
            if let Some(Budget::Each(list)) = budget {
                pick(list);
            }
        }
        self.tasks = order
            .iter()
            .filter_map(|&i| self.tasks.get(i).cloned())
            .collect();
    }
}

impl TaskRecipe {
    /// The name of its head and of its column of the matrix.
    pub fn column(&self) -> &str {
        self.head.as_deref().unwrap_or(&self.id)
    }
}

impl BackboneRecipe {
    /// A source as it is typed: one with a scheme, or a folder in timm's hub layout.
    pub fn from_argument(text: &str) -> Self {
        let known = ["bundled:", "path:", "hub:", "file:"];
        let has_scheme = known.iter().any(|scheme| text.starts_with(scheme));
        Self {
            source: if has_scheme {
                text.to_owned()
            } else {
                format!("path:{text}")
            },
            image_size: None,
            precision: Precision::F32,
            architecture: None,
            model_args: Map::new(),
            pretrained_cfg: Map::new(),
        }
    }

    /// The parsed source.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for an unknown scheme or name.
    pub fn parse(&self) -> Result<BackboneSource> {
        BackboneSource::parse(&self.source)
            .map_err(|message| Error::input(format!("`backbone.source` {message}")))
    }
}

/// `[backbone]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneRecipe {
    /// `bundled:NAME`, `path:DIR` (timm's hub layout), `hub:OWNER/NAME[@REV]`, or `file:FILE` with an architecture.
    pub source: String,
    /// Side of the square input, where it is to differ from the one that the weights were trained for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<usize>,
    /// What products are computed in.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// timm's name of the architecture, for a `file:` that has no config.json beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// For a `file:`: arguments that differ from the architecture's.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub model_args: Map<String, Value>,
    /// For a `file:`: what timm's pretrained_cfg would say of its input, such as `mean`, `std`, `crop_pct`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub pretrained_cfg: Map<String, Value>,
}

/// What the products of a backbone's layers, and of what is added to them, are computed in, as by PyTorch's autocast:
/// weights, adapters and what is merged stay f32, and so do LayerNorm, BatchNorm, softmax, GELU, the sums of a ViT's
/// residual stream, heads and losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// Operands and results rounded to 16-bit brain floats, sums in f32.
    Bf16,
}

impl Precision {
    /// As a recipe has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether it is the default.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

/// `[lora]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraRecipe {
    /// What happens to a task's update once it is learned.
    #[serde(default)]
    pub mode: Mode,
    /// Rank r of the update BA. 0: the backbone is frozen and only heads are trained. Not used at full rank.
    pub rank: usize,
    /// The update is scaled by alpha/rank. Absent: 2·rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// The update is scaled by alpha/√rank instead (Kalajdzievski, "A Rank Stabilization Scaling Factor for
    /// Fine-Tuning with LoRA", arXiv 2312.03732).
    #[serde(default, skip_serializing_if = "is_false")]
    pub rslora: bool,
    /// Regex on the end of a module's name → its rank instead of `rank`, as PEFT's `rank_pattern`: it must match
    /// the whole name, or all that follows a dot. The first in alphabetical order that matches counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rank_pattern: BTreeMap<String, usize>,
    /// The same for alpha, as PEFT's `alpha_pattern`. A module that only `rank_pattern` names keeps `alpha`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Dropout on the adapter's input, in [0, 1).
    #[serde(default)]
    pub dropout: f64,
    /// A regex that must match the whole of a module's timm name, or one of [`TARGET_NAMES`].
    #[serde(default = "default_targets")]
    pub targets: String,
}

/// What `lora.targets` may be instead of a regex: `default`, the study's choice (`qkv` for a ViT, `conv3` for a
/// ResNet); `qkv`, `blocks\..*\.attn\.qkv`; `all-linear`, every Linear but the classifier; `conv3`,
/// `layer.*\..*\.conv3`; `all-conv`, every convolution.
pub const TARGET_NAMES: [&str; 5] = ["default", "qkv", "all-linear", "conv3", "all-conv"];

fn default_targets() -> String {
    "default".into()
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl LoraRecipe {
    /// Adapters of one rank on these targets, everything else as it is by default.
    pub fn of_rank(rank: usize, targets: String) -> Self {
        Self {
            mode: Mode::Merge,
            rank,
            alpha: None,
            rslora: false,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            dropout: 0.0,
            targets,
        }
    }

    /// Whether the backbone is frozen, so that only heads are trained.
    pub fn is_frozen(&self) -> bool {
        self.rank == 0 && !self.mode.is_full()
    }

    /// alpha, with the study's default of twice the rank.
    pub fn alpha(&self) -> f64 {
        self.alpha.unwrap_or(2.0 * self.rank as f64)
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
    /// No adapter: the target modules themselves are trained, their weights and biases, each task going on from the
    /// one before. Rank, alpha and dropout are not used.
    Full,
    /// As `full`, but each task begins from the pretrained weights.
    FullReset,
}

impl Mode {
    /// Whether the target modules are trained at full rank.
    pub fn is_full(self) -> bool {
        matches!(self, Self::Full | Self::FullReset)
    }
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
    /// Distillation from the model before the task; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lwf: Option<LwfRecipe>,
}

/// `[train.lwf]`: Learning without Forgetting; the formula stands with the trainer's teacher.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LwfRecipe {
    /// Factor on the distillation.
    pub alpha: f64,
    /// What logits are divided by before the softmax.
    pub temperature: f64,
}

impl Default for LwfRecipe {
    /// The study's.
    fn default() -> Self {
        Self {
            alpha: 5.0,
            temperature: 2.0,
        }
    }
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

impl Budget {
    fn of(&self, task: usize) -> usize {
        match self {
            Self::All(n) => *n,
            Self::Each(list) => list.get(task).or(list.last()).copied().unwrap_or(0),
        }
    }
}

/// `[train.augment]`. All absent or zero: images are used as they are.
///
/// The first five are a random affine map and now and then a change of stroke, made for characters; the others
/// are timm's for photographs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Rotation, uniform in ± this many degrees.
    pub rotate: f64,
    /// Scale, uniform in 1 ± this.
    pub scale: f64,
    /// Horizontal shear, uniform in ± this.
    pub shear: f64,
    /// Shift in both directions, uniform in ± this many pixels of a 32-pixel image.
    pub shift: f64,
    /// Probability of one of erosion, dilation or blur, 3×3.
    pub stroke: f64,
    /// Share of the image's area that a random crop shows, least and most. Absent: no random crop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_scale: Option<[f64; 2]>,
    /// Width over height of that crop, least and most. Absent: 3/4 to 4/3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop_ratio: Option<[f64; 2]>,
    /// Probability of a flip from left to right.
    #[serde(skip_serializing_if = "is_zero")]
    pub flip: f64,
    /// Brightness, contrast and saturation, each changed by a factor uniform in 1 ± this, in random order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<[f64; 3]>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// `[measure]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasureRecipe {
    /// Images a batch in evaluation. Absent: what suits the device. Changes speed only, on a GPU but for rounding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Permutations of the test of in-context drops.
    pub permutations: usize,
    /// Resamples of the test images behind each bootstrap interval.
    #[serde(skip_serializing_if = "MeasureRecipe::usual_resamples")]
    pub resamples: usize,
    /// Synsets of WordNet for foundation classes, by a class's name or its number: a wnid or a name as nltk
    /// writes it. Every other class is looked up by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub synsets: BTreeMap<String, String>,
    /// A CLIP for the similarity of names, `path:DIR` in the layout of the Hugging Face hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// Linear probes and class-incremental accuracy.
    #[serde(skip_serializing_if = "ProbeRecipe::is_default")]
    pub probe: ProbeRecipe,
}

/// `[measure.probe]`: the default budget is the study's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeRecipe {
    /// After which rows.
    pub when: ProbeWhen,
    /// Steps of Adam.
    pub iterations: usize,
    /// Images an iteration.
    pub batch_size: usize,
    /// Adam's learning rate, constant.
    pub lr: f64,
}

impl Default for ProbeRecipe {
    fn default() -> Self {
        Self {
            when: ProbeWhen::Off,
            iterations: 3_000,
            batch_size: 64,
            lr: 1e-3,
        }
    }
}

impl ProbeRecipe {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `measure.probe.when`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeWhen {
    /// Never.
    #[default]
    Off,
    /// After the last task.
    End,
    /// Before the first task and after each.
    Each,
}

impl MeasureRecipe {
    /// The folder of [`MeasureRecipe::clip`].
    pub fn clip_folder(&self) -> Option<&Path> {
        self.clip.as_deref()?.strip_prefix("path:").map(Path::new)
    }

    const RESAMPLES: usize = 2_000;

    fn usual_resamples(resamples: &usize) -> bool {
        *resamples == Self::RESAMPLES
    }
}

impl Default for MeasureRecipe {
    fn default() -> Self {
        Self {
            batch_size: None,
            permutations: 9_999,
            resamples: Self::RESAMPLES,
            synsets: BTreeMap::new(),
            clip: None,
            probe: ProbeRecipe::default(),
        }
    }
}

/// `[[task]]`. Unknown keys are refused where TOML is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRecipe {
    /// Unique in the sequence; names files and rows, and the column unless `head` does. Letters, digits, `-`, `_`, `.`.
    pub id: String,
    /// The head that is trained, which is also the column: steps of one head share it, and the later one goes on from
    /// where the earlier one left it. Absent: a head of its own, called as the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Where its images are: see [`DataSource`].
    pub data: String,
    /// Which of these images are taken.
    #[serde(flatten)]
    pub options: DataOptions,
    /// Which stretch of the training images, shuffled by the run's seed, is learned from: from and to, as
    /// shares. `[0.0, 0.5]` and `[0.5, 1.0]` have no image in common. The test images are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<[f64; 2]>,
    /// Which groups of foundation classes the task is about. Empty: the decile of foundation classes most
    /// similar to the task's, by pretrained features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<String>,
    /// What the task is about in a word, for its similarity by WordNet: a noun, synonyms separated by commas, a wnid
    /// or the name of a synset. Absent: there is no such similarity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
}
