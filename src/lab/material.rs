//! What a recipe names, opened: the pretrained network, its data, and how an image becomes its input.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;

use crate::backbone::{self, Config, Layer, Weights};
use crate::data::{self, Dataset, Transform};
use crate::hub::{self, Hub, Repo};
use crate::progress::Onlooker;
use crate::recipe::{BackboneRecipe, BackboneSource, Recipe};
use crate::shared::Shared;
use crate::train::{self, Head};
use crate::{Error, Result, files};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

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
    /// What its user should know.
    pub warnings: Vec<String>,
}

impl Material {
    /// Opens what `recipe` names; what is on the hub alone is downloaded.
    /// With `shared`, what it takes of the data is found out once for all runs that have it.
    pub fn open(
        recipe: &Recipe,
        device: &Device,
        shared: Option<&Shared>,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Self> {
        let (config, mut weights, weights_sha256) =
            open_backbone(&recipe.backbone, device, onlooker)?;
        let foundation_head = Head::pretrained(&config, &weights)?;
        weights.retain(|name, _| !name.starts_with(&format!("{}.", config.classifier())));
        data::check(recipe)?;
        let opened = data::open(recipe, shared, onlooker)?;
        let transform = Arc::new(Transform::new(&train::transform_spec(&config))?);
        if let Some(shared) = shared {
            opened.share_crops(&transform, shared, onlooker)?;
        }
        let data::Opened {
            foundation,
            tasks,
            mut warnings,
        } = opened;
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
        if device.is_cpu() && !recipe.backbone.precision.is_f32() {
            warnings.push(
                "backbone.precision = \"bf16\" is imitated on a CPU, many times slower than f32: it is meant for a GPU"
                    .into(),
            );
        }
        Ok(Self {
            config,
            weights,
            weights_sha256,
            foundation_head,
            foundation,
            tasks,
            transform,
            warnings,
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
                "`task.{i}` and `task.{first}` share the head {:?}, but {} and {} have not the same classes, in the \
                 same groups, and test images: give one of them another head",
                task.column(),
                task.data,
                recipe.tasks[first].data
            )));
        }
    }
    Ok(())
}

/// The config alone, without reading the weights where that can be avoided, and without asking a network: none
/// where a model of the hub is not in its cache.
///
/// # Errors
/// [`Error::Input`] where the source has none of a supported form.
pub fn open_config(recipe: &BackboneRecipe) -> Result<Option<Config>> {
    let config = match recipe.parse()? {
        BackboneSource::Bundled(name) => backbone::bundled_config(&name),
        BackboneSource::Path(folder) => backbone::load_config(&folder),
        // The shapes of the weights are a part of it.
        BackboneSource::File(_) => Ok(read_file(recipe, &Device::Cpu)?.0),
        BackboneSource::Hub(repo) => match Hub::new()?.cached(&repo, CONFIG) {
            Some(config) => Config::from_json(&files::read(&config)?),
            None => return Ok(None),
        },
    }?;
    as_asked(config, recipe).map(Some)
}

/// A backbone's config with the image size and the precision that a recipe asks for.
pub(super) fn as_asked(config: Config, recipe: &BackboneRecipe) -> Result<Config> {
    let mut config = match recipe.image_size {
        Some(side) => config.at_size(side)?,
        None => config,
    };
    config.precision = recipe.precision;
    Ok(config)
}

/// A backbone from its source, with the SHA-256 of its weights file. What is on the hub alone is downloaded.
///
/// # Errors
/// [`Error::Input`] where there is none of a supported form; [`Error::Cancelled`] if the onlooker cancels.
pub fn open_backbone(
    recipe: &BackboneRecipe,
    device: &Device,
    onlooker: &mut dyn Onlooker,
) -> Result<(Config, Weights, String)> {
    let (config, weights, sha256) = match recipe.parse()? {
        BackboneSource::Bundled(name) => backbone::bundled(&name, device),
        BackboneSource::Path(folder) => backbone::load(&folder, device),
        BackboneSource::File(_) => read_file(recipe, device),
        BackboneSource::Hub(repo) => load_cached(&repo, &fetch_backbone(&repo, onlooker)?, device),
    }?;
    let (mut config, weights) = match recipe.image_size {
        Some(side) => backbone::at_size(config, weights, side)?,
        None => (config, weights),
    };
    config.precision = recipe.precision;
    Ok((config, weights, sha256))
}

/// A backbone of the hub's cache, whose weights are still those that the hub gave: a process that was killed before it
/// had looked may have left others, and a disk may have changed them.
fn load_cached(repo: &Repo, folder: &Path, device: &Device) -> Result<(Config, Weights, String)> {
    let loaded = backbone::load(folder, device).map_err(|e| match e {
        Error::Input(text) => Error::Input(format!("hub:{repo} in {text}")),
        other => other,
    })?;
    let file = folder.join(WEIGHTS);
    if let Some(blob) = hub::other_than(&file, &loaded.2) {
        return Err(Error::input(format!(
            "hub:{repo}: {} is not the file that the hub gave, its SHA-256 differs: delete {} and fetch it again",
            file.display(),
            blob.display()
        )));
    }
    Ok(loaded)
}

/// The config alone, from the network where it is on the hub alone, without its weights.
///
/// # Errors
/// As [`open_backbone`].
pub fn fetch_config(recipe: &BackboneRecipe, onlooker: &mut dyn Onlooker) -> Result<Config> {
    if let BackboneSource::Hub(repo) = recipe.parse()? {
        Hub::new()?.file(&repo, CONFIG, onlooker)?;
    }
    open_config(recipe)?.ok_or_else(|| Error::internal("a config that was fetched is not there"))
}

/// Brings a model of the hub into the cache, and says in which folder it lies.
pub(super) fn fetch_backbone(repo: &Repo, onlooker: &mut dyn Onlooker) -> Result<PathBuf> {
    let hub = Hub::new()?;
    let config = hub.file(repo, CONFIG, onlooker)?;
    // An architecture that is not supported is refused before its weights are fetched.
    Config::from_json(&files::read(&config)?).map_err(|e| match e {
        Error::Input(text) => Error::Input(format!("hub:{repo}: {text}")),
        other => other,
    })?;
    let weights = hub.file(repo, WEIGHTS, onlooker)?;
    match (config.parent(), weights.parent()) {
        (Some(folder), Some(other)) if folder == other => Ok(folder.to_path_buf()),
        _ => Err(Error::input(format!(
            "hub:{repo} was changed while it was fetched: try again, or name a revision by @COMMIT"
        ))),
    }
}

/// Brings everything that a recipe names on the hub into its cache, for a machine without a network.
///
/// # Errors
/// [`Error::Input`] where something is not to be had; [`Error::Cancelled`] if the onlooker cancels.
pub fn fetch(recipe: &Recipe, onlooker: &mut dyn Onlooker) -> Result<Vec<PathBuf>> {
    let mut brought = Vec::new();
    if let BackboneSource::Hub(repo) = recipe.backbone.parse()? {
        brought.push(fetch_backbone(&repo, onlooker)?);
    }
    brought.extend(data::fetch(recipe, onlooker)?);
    Ok(brought)
}

fn read_file(recipe: &BackboneRecipe, device: &Device) -> Result<(Config, Weights, String)> {
    let (BackboneSource::File(path), Some(architecture)) = (recipe.parse()?, &recipe.architecture)
    else {
        return Err(Error::internal("a file of weights without an architecture"));
    };
    let (args, cfg) = (&recipe.model_args, &recipe.pretrained_cfg);
    backbone::load_file(&path, architecture, args, cfg, device)
}
