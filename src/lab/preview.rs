//! What a recipe would train, from its backbone's config alone: the set-up screen moves the rank by it.

mod memory;

use std::cell::RefCell;

use super::material;
use crate::backbone::{self, Config};
use crate::recipe::{BackboneRecipe, BackboneSource, Recipe};
use crate::{Error, Result, data, hub, lora};

pub use memory::Memory;

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
    /// What training needs.
    pub memory: Memory,
    /// Whether the config is at hand; otherwise the architecture's name alone speaks, and the model is on the hub.
    pub here: bool,
}

/// Previews of recipes, one after the other. What was read of a backbone is kept: a file of weights is read once, and
/// the hub's cache is looked into once, however often the rank moves.
#[derive(Default)]
pub struct Previews {
    known: RefCell<Vec<(BackboneRecipe, Config)>>,
}

impl Previews {
    /// Figures for `recipe`; none where its backbone is on the hub alone so far and its name says nothing. Fails where
    /// the backbone is unknown, has not as many classes as the foundation, or the targets match nothing.
    pub fn of(&self, recipe: &Recipe) -> Result<Option<Preview>> {
        let (config, here) = match self.config(&recipe.backbone)? {
            Some(config) => (config, true),
            None => match by_name(&recipe.backbone)? {
                Some(config) => (config, false),
                None => return Ok(None),
            },
        };
        if let Some(classes) = data::known_classes(&recipe.foundation)?
            && here
            && classes != config.num_classes
        {
            return Err(Error::input(format!(
                "backbone.source {} was pretrained on {} classes but foundation.data {} has {classes}: choose data that \
                 it knows",
                recipe.backbone.source, config.num_classes, recipe.foundation.data
            )));
        }
        let targets = lora::target_modules(&recipe.lora, &config)?;
        Ok(Some(Preview {
            parameters: backbone::parameters(&config)?,
            adapter_parameters: targets.iter().map(|m| m.parameters).sum(),
            memory: Memory::of(recipe, &config, &targets)?,
            targets: targets.into_iter().map(|m| m.name).collect(),
            input: config.pretrained_cfg.input_size,
            architecture: config.architecture,
            here,
        }))
    }

    fn config(&self, recipe: &BackboneRecipe) -> Result<Option<Config>> {
        if let Some((_, config)) = self.known.borrow().iter().find(|(of, _)| of == recipe) {
            return Ok(Some(config.clone()));
        }
        if let BackboneSource::Hub(repo) = recipe.parse()?
            && !hub::may_have(&repo)
        {
            return Ok(None);
        }
        let config = material::open_config(recipe)?;
        if let Some(config) = &config {
            let entry = (recipe.clone(), config.clone());
            self.known.borrow_mut().push(entry);
        }
        Ok(config)
    }
}

/// What timm's name says of a model of timm's that is not here yet; none of others' models.
fn by_name(recipe: &BackboneRecipe) -> Result<Option<Config>> {
    let BackboneSource::Hub(repo) = recipe.parse()? else {
        return Ok(None);
    };
    if repo.owner != "timm" {
        return Ok(None);
    }
    let architecture = repo.name.split('.').next().unwrap_or(&repo.name);
    let config = Config::of_name(architecture)
        .map_err(|e| Error::input(format!("backbone.source hub:{repo}: {e}")))?;
    material::as_asked(config, recipe).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(overrides: &[&str]) -> Result<Option<Preview>> {
        let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
        Previews::default().of(&Recipe::load("demo", &overrides).unwrap())
    }

    #[test]
    fn another_image_size_is_another_grid_of_patches() {
        let at = |overrides: &[&str]| preview(overrides).map(Option::unwrap);
        let usual = at(&[]).unwrap();
        let larger = at(&["backbone.image_size=48"]).unwrap();
        assert_eq!((usual.input, larger.input), ([1, 32, 32], [1, 48, 48]));
        // 36 patches instead of 16, each with an embedding of 96.
        assert_eq!(larger.parameters - usual.parameters, 20 * 96);
        assert!(larger.memory.activations > 2 * usual.memory.activations);
        let error = at(&["backbone.image_size=30"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("[30, 30]"), "{error}");
    }

    #[test]
    fn a_backbone_of_other_classes_is_refused_before_it_is_loaded() {
        let text = preview(&["foundation.data=bundled:hebrew"])
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("62 classes but foundation.data bundled:hebrew has"),
            "{text}"
        );
    }

    /// The hub's cache has none of these.
    #[test]
    fn a_model_that_is_not_here_is_known_by_its_name() {
        let of = |source: &str| preview(&[&format!("backbone.source=hub:{source}")]);
        let vit = of("timm/vit_base_patch16_384.no-such-tag")
            .unwrap()
            .unwrap();
        assert_eq!((vit.input, vit.here), ([3, 384, 384], false));
        assert_eq!(vit.targets.len(), 12);
        assert_eq!(of("somebody/no-such-model").unwrap(), None);
        let text = of("timm/swin_tiny_patch4_window7_224.no-such")
            .unwrap_err()
            .to_string();
        assert!(text.contains("swin_tiny"), "{text}");
    }

    #[test]
    fn what_was_read_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let root =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/backbones/glyph-vit");
        let config = dir.path().join("config.json");
        std::fs::copy(root.join("config.json"), &config).unwrap();
        let source = format!("backbone.source=path:{}", dir.path().display());
        let recipe = Recipe::load("demo", &[source]).unwrap();
        let previews = Previews::default();
        let first = previews.of(&recipe).unwrap();
        std::fs::remove_file(config).unwrap();
        assert_eq!(previews.of(&recipe).unwrap(), first);
        assert!(Previews::default().of(&recipe).is_err());
    }
}
