//! What a recipe would train, from its backbone's config alone: the set-up screen moves the rank by it.

use super::material;
use crate::recipe::Recipe;
use crate::{Result, backbone, lora};

/// A recipe in figures, before anything is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// timm's architecture name.
    pub architecture: String,
    /// Parameters of the backbone, without its classifier.
    pub parameters: usize,
    /// Modules that get an adapter.
    pub targets: Vec<String>,
    /// Parameters of one adapter, without a head.
    pub adapter_parameters: usize,
    /// Channels, height and width of the input.
    pub input: [usize; 3],
}

/// Figures for `recipe`. Fails where the backbone is unknown or the targets match nothing.
pub fn preview(recipe: &Recipe) -> Result<Preview> {
    let config = material::open_config(&recipe.backbone.source)?;
    let layers = backbone::layers(&config)?;
    let targets = lora::adapted(&recipe.lora, &config.architecture, &layers)?;
    Ok(Preview {
        parameters: backbone::parameters(&config)?,
        adapter_parameters: lora::adapter_parameters(&targets, recipe.lora.rank),
        targets: targets.into_iter().map(|l| l.name).collect(),
        input: config.pretrained_cfg.input_size,
        architecture: config.architecture,
    })
}
