//! How a bundled backbone was made: `pentimento pretrain`.

use serde::{Deserialize, Serialize};

use super::{Augment, FoundationRecipe};
use crate::Result;

/// One pretraining from scratch: an architecture, data, an optimiser. Every weight is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainRecipe {
    /// The backbone's name.
    pub name: String,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// Root of all randomness.
    #[serde(default)]
    pub seed: u64,
    /// timm's `config.json` as a table: architecture, num_classes, model_args, pretrained_cfg, …
    pub backbone: serde_json::Map<String, serde_json::Value>,
    /// What is learned.
    pub foundation: FoundationRecipe,
    /// How.
    pub train: PretrainTrain,
}

/// `[train]` of a pretraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainTrain {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a step.
    pub batch_size: usize,
    /// AdamW's peak learning rate; cosine to 0.
    pub lr: f64,
    /// AdamW's decoupled weight decay (not on biases, norms and position embeddings).
    pub weight_decay: f64,
    /// Fraction of all steps over which the learning rate rises linearly.
    pub warmup: f64,
    /// Share of the target spread evenly over the classes, in [0, 1).
    #[serde(default)]
    pub label_smoothing: f64,
    /// What is done to a training image.
    #[serde(default)]
    pub augment: Augment,
}

impl PretrainRecipe {
    /// Parses, overrides and validates; `origin` names the text in errors.
    pub fn from_toml(_text: &str, _origin: &str, _overrides: &[String]) -> Result<Self> {
        todo!()
    }

    /// The preset of this name or the file at this path.
    pub fn load(_preset_or_path: &str, _overrides: &[String]) -> Result<Self> {
        todo!()
    }
}
