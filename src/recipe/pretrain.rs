//! How a bundled backbone was made: `pentimento pretrain`.

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::{Augment, FoundationRecipe, LoadingRecipe, presets, schema, validate};
use crate::{Error, Result};

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
    /// How images are read.
    #[serde(default, skip_serializing_if = "LoadingRecipe::is_default")]
    pub data: LoadingRecipe,
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
    ///
    /// # Errors
    /// [`crate::Error::Input`], one sentence with the key and, for the text's own keys, the line.
    pub fn from_toml(text: &str, origin: &str, overrides: &[String]) -> Result<Self> {
        let document = Document::new(
            schema::PRETRAIN,
            text,
            origin,
            |tree, _| Ok(tree),
            overrides,
        )?;
        let recipe: Self = document.typed()?;
        validate::pretrain(&recipe).map_err(|fault| document.error(&fault))?;
        Ok(recipe)
    }

    /// The preset of this name or the file at this path, overridden and validated.
    ///
    /// # Errors
    /// [`crate::Error::Input`] when there is neither, or the content is wrong.
    pub fn load(preset_or_path: &str, overrides: &[String]) -> Result<Self> {
        let (text, origin) = presets::find(presets::Kind::Pretraining, preset_or_path)?;
        Self::from_toml(&text, &origin, overrides)
    }

    /// Refuses every impossible value in one sentence that names its key. The backbone's config is checked
    /// where it is built.
    ///
    /// # Errors
    /// [`crate::Error::Input`].
    pub fn validate(&self) -> Result<()> {
        validate::pretrain(self).map_err(|fault| Error::input(fault.message))
    }

    /// TOML that parses to this recipe again.
    ///
    /// # Errors
    /// [`crate::Error::Input`] if a value has no place in TOML, such as a null in the config.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::input(format!("not to be written as TOML: {e}")))
    }
}
