//! A backbone from scratch, measured and stored in timm's hub layout: `pentimento pretrain`.

use std::path::Path;

use candle_core::Device;

use super::bench::{CHECKED_IMAGES, input_of};
use crate::backbone::{self, Backbone, Pass};
use crate::measure::{self, Counts};
use crate::progress::Until;
use crate::recipe::PretrainRecipe;
use crate::train::{self, Head, PretrainReport};
use crate::{Result, data, files};

/// Trains the backbone of `recipe`, measures it on its data's test split, and writes `config.json`,
/// `model.safetensors` and `check.safetensors` (`input` `[n, c, h, w]`, `logits` `[n, classes]`) to `folder`.
pub fn pretrain(
    recipe: &PretrainRecipe,
    folder: &Path,
    device: &Device,
    cancel: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(&PretrainReport),
) -> Result<Counts> {
    let (dataset, _) = data::open_foundation(&recipe.foundation, &recipe.data, &mut Until(cancel))?;
    let (config, weights) = train::pretrain(recipe, &dataset, device, cancel, progress)?;
    let head = Head::pretrained(&config, &weights)?;
    let compiled = Backbone::new(&config, &weights)?;
    let transform = data::Transform::new(&train::transform_spec(&config))?;
    let predictions = measure::predict(
        &compiled,
        None,
        &head,
        &dataset.test,
        &transform,
        64,
        cancel,
        &mut |_| {},
    )?;
    let checked = data::spread(dataset.test.len(), CHECKED_IMAGES);
    let input = input_of(&dataset.test.subset(&checked), &transform, device)?;
    let logits = head.logits(&compiled.features(&input, &Pass::eval())?)?;
    backbone::save(folder, &config, &weights)?;
    let check =
        backbone::Weights::from([("input".to_owned(), input), ("logits".to_owned(), logits)]);
    files::write_atomic(
        &folder.join("check.safetensors"),
        &backbone::to_safetensors(&check)?,
    )?;
    Ok(measure::counts(
        &predictions.classes,
        &dataset.test.labels,
        dataset.classes.len(),
    ))
}
