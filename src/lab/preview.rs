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

/// Figures for `recipe`; none where its backbone is on the hub alone so far. Fails where the backbone is unknown or
/// the targets match nothing.
pub fn preview(recipe: &Recipe) -> Result<Option<Preview>> {
    let Some(config) = material::open_config(&recipe.backbone)? else {
        return Ok(None);
    };
    let targets = lora::target_modules(&recipe.lora, &config)?;
    Ok(Some(Preview {
        parameters: backbone::parameters(&config)?,
        adapter_parameters: targets.iter().map(|m| m.parameters).sum(),
        targets: targets.into_iter().map(|m| m.name).collect(),
        input: config.pretrained_cfg.input_size,
        architecture: config.architecture,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_image_size_is_another_grid_of_patches() {
        let at = |overrides: &[String]| {
            preview(&Recipe::load("demo", overrides).unwrap()).map(Option::unwrap)
        };
        let usual = at(&[]).unwrap();
        let larger = at(&["backbone.image_size=48".into()]).unwrap();
        assert_eq!((usual.input, larger.input), ([1, 32, 32], [1, 48, 48]));
        // 36 patches instead of 16, each with an embedding of 96.
        assert_eq!(larger.parameters - usual.parameters, 20 * 96);
        let error = at(&["backbone.image_size=30".into()]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("[30, 30]"), "{error}");
    }
}
