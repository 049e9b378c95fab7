//! The backbone as a run left it, in timm's hub layout: `pentimento export RUN --backbone DIR`.

use std::path::Path;

use candle_core::{Device, Tensor};

use super::bench::CHECKED_IMAGES;
use super::event::Ancestor;
use super::material::open_backbone;
use super::resume::{Standing, check_files, load_update};
use crate::backbone::{self, Backbone, Config, Pass, Weights};
use crate::folder::RunFolder;
use crate::lora::{Entry, Stack};
use crate::progress::Onlooker;
use crate::random::Key;
use crate::recipe::{Precision, Recipe};
use crate::train::Head;
use crate::{Result, files};

/// Writes `config.json`, `model.safetensors`, the pretrained weights with everything that was merged into them and
/// the pretrained classifier, and `check.safetensors`: `input` `[n, c, h, w]`, normal noise, and the `logits` of it.
///
/// # Errors
/// [`crate::Error::Input`] where the run's files are missing or not those that its journal recorded.
pub fn write_backbone(
    recipe: &Recipe,
    standing: &Standing,
    from: &RunFolder,
    to: &Path,
    onlooker: &mut dyn Onlooker,
) -> Result<()> {
    let device = Device::Cpu;
    let (mut config, weights) = merged_backbone(recipe, standing, from, &device, onlooker)?;
    // The files are f32, and what others compute from them is held against this.
    config.precision = Precision::F32;
    let compiled = Backbone::new(&config, &weights)?;
    let key = Key::new(0).named("check");
    let [c, h, w] = compiled.input_size();
    let pixels = (0..(CHECKED_IMAGES * c * h * w) as u64).map(|i| key.normal(i));
    let input = Tensor::from_vec(
        pixels.collect::<Vec<f32>>(),
        (CHECKED_IMAGES, c, h, w),
        &device,
    )?;
    let features = compiled.features(&input, &Pass::eval())?;
    let logits = Head::pretrained(&config, &weights)?.logits(&features)?;
    backbone::save(to, &config, &weights)?;
    let check = Weights::from([("input".to_owned(), input), ("logits".to_owned(), logits)]);
    files::write_atomic(
        &to.join("check.safetensors"),
        &backbone::to_safetensors(&check)?,
    )
}

/// The pretrained weights, the classifier's among them, with everything that a run merged into them.
///
/// # Errors
/// As [`write_backbone`].
pub fn merged_backbone(
    recipe: &Recipe,
    standing: &Standing,
    from: &RunFolder,
    device: &Device,
    onlooker: &mut dyn Onlooker,
) -> Result<(Config, Weights)> {
    let (config, weights, _) = open_backbone(&recipe.backbone, device, onlooker)?;
    let layers = backbone::layers(&config)?;
    let mut stack = Stack::new(weights, &layers);
    for (index, row) in standing.rows.iter().enumerate() {
        check_files(from, &row.sha256)?;
        if let Some(update) = load_update(from, &row.adapter, device)? {
            let mode = Ancestor::mode(&standing.ancestry, index, recipe.lora.mode);
            stack.push(Entry::of(mode, &update, row.amount)?)?;
        }
    }
    Ok((config, stack.weights()?))
}
