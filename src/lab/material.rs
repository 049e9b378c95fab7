//! What a recipe names, opened: the pretrained network, its data, and how an image becomes its input.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;

use crate::backbone::{self, Config, Layer, Weights};
use crate::data::{self, Dataset, Transform};
use crate::recipe::{BackboneRecipe, Recipe};
use crate::train::{self, Head};
use crate::{Error, Result, files};

/// Everything that a run is made of and never changes.
pub struct Material {
    /// timm's config.
    pub config: Config,
    /// The pretrained weights, without the classifier.
    pub weights: Weights,
    /// SHA-256 of the weights file.
    pub weights_sha256: String,
    /// The pretrained classifier, frozen throughout.
    pub foundation_head: Head,
    /// What the backbone was pretrained on.
    pub foundation: Arc<Dataset>,
    /// Data of each task of the sequence.
    pub tasks: Vec<Arc<Dataset>>,
    /// Image to input.
    pub transform: Arc<Transform>,
}

impl Material {
    /// Opens what `recipe` names.
    pub fn open(recipe: &Recipe, device: &Device) -> Result<Self> {
        let (config, mut weights, weights_sha256) = open_backbone(&recipe.backbone, device)?;
        let foundation_head = Head::pretrained(&config, &weights)?;
        weights.retain(|name, _| !name.starts_with(&format!("{}.", config.classifier())));
        data::check(recipe)?;
        let foundation = data::open(&recipe.foundation.data)?;
        let tasks = recipe
            .tasks
            .iter()
            .map(|task| data::open(&task.data))
            .collect::<Result<Vec<_>>>()?;
        same_classes(recipe, &tasks)?;
        let classes = foundation_head.classes();
        if classes != foundation.classes.len() {
            return Err(Error::input(format!(
                "backbone.source {} was pretrained on {classes} classes but foundation.data {} has {}",
                recipe.backbone.source,
                recipe.foundation.data,
                foundation.classes.len()
            )));
        }
        let transform = Arc::new(Transform::new(&train::transform_spec(&config))?);
        Ok(Self {
            config,
            weights,
            weights_sha256,
            foundation_head,
            foundation,
            tasks,
            transform,
        })
    }

    /// Modules that an adapter can be put on.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        backbone::layers(&self.config)
    }

    /// Parameters of the backbone without its classifier (BatchNorm's running statistics are none).
    pub fn parameters(&self) -> Result<usize> {
        backbone::parameters(&self.config)
    }
}

/// Steps of one head are measured on one test set with one list of classes.
fn same_classes(recipe: &Recipe, data: &[Arc<Dataset>]) -> Result<()> {
    for (i, task) in recipe.tasks.iter().enumerate() {
        let first = recipe
            .tasks
            .iter()
            .position(|t| t.column() == task.column());
        let first = first.unwrap_or(i);
        let (one, other) = (&data[first], &data[i]);
        if one.classes != other.classes || one.test.labels != other.test.labels {
            return Err(Error::input(format!(
                "`task.{i}` and `task.{first}` share the head {:?}, but {} and {} have not the same classes and test \
                 images: give one of them another head",
                task.column(),
                task.data,
                recipe.tasks[first].data
            )));
        }
    }
    Ok(())
}

/// The config alone, without reading the weights where that can be avoided.
pub fn open_config(recipe: &BackboneRecipe) -> Result<Config> {
    let source = recipe.source.as_str();
    let config = match source.split_once(':') {
        Some(("bundled", name)) => backbone::bundled_config(name),
        Some(("path", folder)) => {
            Config::from_json(&files::read(&Path::new(folder).join("config.json"))?)
        }
        _ => Err(unknown_source(source)),
    }?;
    match recipe.image_size {
        Some(side) => config.at_size(side),
        None => Ok(config),
    }
}

/// A backbone from its source, with the SHA-256 of its weights file.
pub fn open_backbone(
    recipe: &BackboneRecipe,
    device: &Device,
) -> Result<(Config, Weights, String)> {
    let source = recipe.source.as_str();
    let (config, weights, sha256) = match source.split_once(':') {
        Some(("bundled", name)) => backbone::bundled(name, device),
        Some(("path", folder)) => backbone::load(Path::new(folder), device),
        _ => Err(unknown_source(source)),
    }?;
    let (config, weights) = match recipe.image_size {
        Some(side) => backbone::at_size(config, weights, side)?,
        None => (config, weights),
    };
    Ok((config, weights, sha256))
}

fn unknown_source(source: &str) -> Error {
    Error::input(format!(
        "backbone.source {source:?} is not understood: write bundled:NAME or path:DIR"
    ))
}
