//! Small models and batches for the tests of this folder.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::{Start, TaskTrainer};
use crate::backbone::{Backbone, Config, Weights, initialise};
use crate::data::Batch;
use crate::random::Key;
use crate::recipe::{Augment, Budget, LoraRecipe, Mode, TrainRecipe};

pub(super) const CLASSES: usize = 5;

pub(super) const VIT: &str = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 5,
    "model_args": {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "in_chans": 1},
    "pretrained_cfg": {"input_size": [1, 32, 32], "fixed_input_size": true, "mean": [0.5], "std": [0.5]}}"#;

pub(super) const RESNET: &str = r#"{"architecture": "resnet26d", "num_classes": 5,
    "model_args": {"channels": [8, 8, 12, 12], "layers": [1, 1, 1, 1], "stem_width": 6, "in_chans": 1},
    "pretrained_cfg": {"input_size": [1, 32, 32], "mean": [0.5], "std": [0.5]}}"#;

/// A fresh model, but with a part in what it computes for each branch: timm starts a ResNet's branches with a
/// gain of 0, behind which nothing can be learned at first.
pub(super) fn model(json: &str) -> (Config, Weights) {
    let config = Config::from_json(json.as_bytes()).unwrap();
    let mut weights = initialise(&config, Key::new(1), &Device::Cpu).unwrap();
    for (name, weight) in &mut weights {
        if name.ends_with("bn3.weight") {
            *weight = weight.ones_like().unwrap();
        }
    }
    (config, weights)
}

/// One of each family.
pub(super) fn backbones() -> [Arc<Backbone>; 2] {
    [VIT, RESNET].map(|json| {
        let (config, weights) = model(json);
        Arc::new(Backbone::new(&config, &weights).unwrap())
    })
}

/// Six images with their labels, a function of the step.
pub(super) fn batch(step: usize) -> Batch {
    let key = Key::new(77).index(step as u64);
    Batch {
        pixels: (0..6 * 32 * 32).map(|i| key.normal(i)).collect(),
        labels: (0..6)
            .map(|i| key.named("label").below(i, CLASSES) as u32)
            .collect(),
        size: [1, 32, 32],
    }
}

/// The images of a batch.
pub(super) fn images(step: usize) -> Tensor {
    Tensor::from_vec(batch(step).pixels, (6, 1, 32, 32), &Device::Cpu).unwrap()
}

pub(super) fn trainer(backbone: &Arc<Backbone>, rank: usize, steps: usize) -> TaskTrainer {
    trainer_with(backbone, rank, steps, 1e-2, Key::new(5))
}

pub(super) fn trainer_with(
    backbone: &Arc<Backbone>,
    rank: usize,
    steps: usize,
    lr: f64,
    key: Key,
) -> TaskTrainer {
    trainer_that_decays(backbone, rank, steps, lr, 0.01, key)
}

pub(super) fn trainer_that_decays(
    backbone: &Arc<Backbone>,
    rank: usize,
    steps: usize,
    lr: f64,
    weight_decay: f64,
    key: Key,
) -> TaskTrainer {
    let start = Start::from(backbone.clone());
    trainer_from(start, Mode::Merge, rank, steps, lr, weight_decay, key)
}

/// A trainer that begins with this, in this mode.
pub(super) fn trainer_from(
    start: Start,
    mode: Mode,
    rank: usize,
    steps: usize,
    lr: f64,
    weight_decay: f64,
    key: Key,
) -> TaskTrainer {
    let lora = LoraRecipe {
        mode,
        rank,
        alpha: None,
        rslora: false,
        rank_pattern: Default::default(),
        alpha_pattern: Default::default(),
        dropout: 0.1,
        targets: "default".into(),
    };
    let train = TrainRecipe {
        epochs: None,
        steps: Some(Budget::All(steps)),
        batch_size: 6,
        lr,
        weight_decay,
        warmup: 0.1,
        watch_every: 0,
        checkpoint_every: 200,
        augment: Augment::default(),
        lwf: None,
    };
    TaskTrainer::new(start, &lora, &train, CLASSES, steps, key).unwrap()
}
