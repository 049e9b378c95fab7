//! Trainings and merges on small networks.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use pentimento::backbone::{self, Backbone, Config, Weights};
use pentimento::data::Batch;
use pentimento::lora::{Adapter, Entry, Stack, adapted};
use pentimento::random::Key;
use pentimento::recipe::{Augment, LoraRecipe, Mode, Precision, TrainRecipe};
use pentimento::train::{FullTrainer, Start, StepReport, TaskTrainer, tensors};

use super::{bits, difference, normal};

const VIT: &str = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": {"img_size": 32,
    "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "in_chans": 1, "init_values": 0.5},
    "pretrained_cfg": {"input_size": [1, 32, 32], "fixed_input_size": true}}"#;

const RESNET: &str = r#"{"architecture": "resnet26d", "num_classes": 5, "model_args": {"in_chans": 1,
    "channels": [8, 8, 12, 12], "layers": [1, 2, 1, 1], "stem_width": 6},
    "pretrained_cfg": {"input_size": [1, 64, 64]}}"#;

const STEPS: usize = 4;
const CLASSES: usize = 5;
const RATE: f64 = 1e-3;
/// How far AdamW can go in these steps.
const REACH: f32 = RATE as f32 * STEPS as f32;
/// Of losses, against the largest of them.
const LOSSES: f32 = 1e-4;
/// Of the mean distance of trained values, against [`REACH`]: AdamW divides by the size of a gradient, so that one that
/// is zero but for the rounding sends a value either way.
const VALUES: f32 = 1e-2;
/// Of losses in bf16 against those in f32.
const BF16: f32 = 3e-2;

fn config(json: &str, precision: Precision) -> Config {
    Config {
        precision,
        ..Config::from_json(json.as_bytes()).unwrap()
    }
}

/// timm's first weights with noise on them, so that none is a special value.
fn weights(config: &Config, device: &Device) -> Weights {
    let weights = backbone::initialise(config, Key::new(1), &Device::Cpu).unwrap();
    let noisy = |(name, t): (String, Tensor)| {
        let noise = normal(t.dims(), Key::new(2).named(&name), 0.02)
            .abs()
            .unwrap();
        let t = (t + noise).unwrap().to_device(device).unwrap();
        (name, t)
    };
    weights.into_iter().map(noisy).collect()
}

fn batch(config: &Config, step: usize) -> Batch {
    const IMAGES: usize = 6;
    let size = config.pretrained_cfg.input_size;
    let key = Key::new(3).index(step as u64);
    let count = (IMAGES * size.iter().product::<usize>()) as u64;
    Batch {
        pixels: (0..count).map(|i| key.normal(i)).collect(),
        labels: (0..IMAGES).map(|i| ((i + step) % CLASSES) as u32).collect(),
        size,
    }
}

fn lora(targets: &str) -> LoraRecipe {
    LoraRecipe {
        dropout: 0.1,
        ..LoraRecipe::of_rank(4, targets.into())
    }
}

fn recipe() -> TrainRecipe {
    TrainRecipe {
        lr: RATE,
        weight_decay: 1e-2,
        warmup: 0.2,
        batch_size: 6,
        epochs: None,
        steps: None,
        watch_every: 0,
        checkpoint_every: 0,
        augment: Augment::default(),
        lwf: None,
    }
}

/// What a training of a few steps reported, and its state.
struct Trained {
    reports: Vec<StepReport>,
    state: Vec<u8>,
}

impl Trained {
    fn losses(&self) -> Tensor {
        let losses: Vec<f32> = self.reports.iter().map(|r| r.loss).collect();
        Tensor::new(losses, &Device::Cpu).unwrap()
    }

    fn values(&self) -> Weights {
        let state = candle_core::safetensors::load_buffer(&self.state, &Device::Cpu).unwrap();
        let values = state.into_iter().filter(|(n, _)| n.starts_with("value."));
        values.collect()
    }
}

fn train(config: &Config, lora: &LoraRecipe, device: &Device) -> Trained {
    let weights = weights(config, device);
    let backbone = Arc::new(Backbone::new(config, &weights).unwrap());
    let start = Start {
        weights,
        ..backbone.into()
    };
    let mut trainer =
        TaskTrainer::new(start, lora, &recipe(), CLASSES, STEPS, Key::new(4)).unwrap();
    let reports = (0..STEPS)
        .map(|s| trainer.step(&batch(config, s)).unwrap())
        .collect();
    Trained {
        reports,
        state: trainer.checkpoint().unwrap(),
    }
}

/// Asserts that values went the same way.
fn near(got: &Weights, want: &Weights) {
    assert!(got.keys().eq(want.keys()));
    for (name, want) in want {
        let far = (&got[name] - want)
            .unwrap()
            .abs()
            .unwrap()
            .mean_all()
            .unwrap();
        let far = far.to_scalar::<f32>().unwrap();
        assert!(far <= VALUES * REACH, "{name} is {far} off");
    }
}

fn trains_as_on_the_cpu(json: &str, lora: &LoraRecipe, device: &Device) {
    let config = config(json, Precision::F32);
    let (got, want) = (
        train(&config, lora, device),
        train(&config, lora, &Device::Cpu),
    );
    let far = difference(&got.losses(), &want.losses());
    assert!(far <= LOSSES, "{:?} {:?}", got.reports, want.reports);
    near(&got.values(), &want.values());
}

pub fn a_vit_trains_as_on_the_cpu(device: &Device) {
    trains_as_on_the_cpu(VIT, &lora(r".*\.(qkv|proj|fc1|fc2)"), device);
}

pub fn a_resnet_trains_as_on_the_cpu(device: &Device) {
    trains_as_on_the_cpu(RESNET, &lora(r".*conv\d|.*downsample.*"), device);
}

pub fn full_rank_trains_as_on_the_cpu(device: &Device) {
    let full = |targets: &str| LoraRecipe {
        mode: Mode::Full,
        ..lora(targets)
    };
    // Not qkv: a bias of the keys changes nothing, so that its gradient is the rounding.
    trains_as_on_the_cpu(VIT, &full(r".*\.fc1"), device);
    trains_as_on_the_cpu(RESNET, &full(r"layer4.*\.conv3"), device);
}

/// As a backbone is pretrained, BatchNorm's statistics of the batch included. A shift of a channel that the next
/// BatchNorm takes out again has no gradient but the rounding, so that not each tensor but all of them together must go
/// the same way.
pub fn every_weight_trains_as_on_the_cpu(device: &Device) {
    for json in [VIT, RESNET] {
        let config = config(json, Precision::F32);
        let on = |device: &Device| {
            let weights = weights(&config, device);
            let mut trainer = FullTrainer::new(&config, &weights, 0.05, 0.1, |_, _| true).unwrap();
            let step = |s| {
                let (x, labels) = tensors(&batch(&config, s), device).unwrap();
                trainer.step(&x, &labels, RATE).unwrap().0
            };
            let losses: Vec<f32> = (0..STEPS).map(step).collect();
            let cpu = |(n, t): (String, Tensor)| (n, t.to_device(&Device::Cpu).unwrap());
            let weights: Weights = trainer.weights().unwrap().into_iter().map(cpu).collect();
            (Tensor::new(losses, &Device::Cpu).unwrap(), weights)
        };
        let ((losses, got), (expected, want)) = (on(device), on(&Device::Cpu));
        let far = difference(&losses, &expected);
        assert!(far <= 10.0 * LOSSES, "{}: {far}", config.architecture);
        let (mut off, mut count) = (0.0, 0);
        for (name, want) in &want {
            let far = (&got[name] - want).unwrap().abs().unwrap();
            off += far.sum_all().unwrap().to_scalar::<f32>().unwrap();
            count += want.elem_count();
        }
        let far = off / count as f32 / REACH;
        assert!(far <= VALUES, "{}: {far}", config.architecture);
    }
}

pub fn bf16_stays_near_f32(device: &Device) {
    for (json, targets) in [(VIT, "qkv"), (RESNET, r".*conv3")] {
        let lora = lora(targets);
        let wide = train(&config(json, Precision::F32), &lora, &Device::Cpu);
        let narrow = train(&config(json, Precision::Bf16), &lora, device);
        let far = difference(&narrow.losses(), &wide.losses());
        assert!(far <= BF16, "{:?} {:?}", narrow.reports, wide.reports);
        assert_ne!(narrow.state, wide.state, "products were rounded");
        let values = narrow.values();
        assert!(values.values().all(|t| t.dtype() == DType::F32));
    }
}

/// The weights with two adapters on them are those of the CPU to the last digits; without the second they are, bit for
/// bit, what they were before, and with it again what they were with it.
pub fn merges_are_exact_and_taken_back_bit_for_bit(device: &Device) {
    for (json, targets) in [(VIT, r".*\.(qkv|fc2)"), (RESNET, r".*conv\d")] {
        let config = config(json, Precision::F32);
        let layers = backbone::layers(&config).unwrap();
        let lora = lora(targets);
        let chosen = adapted(&lora, &config.architecture, &layers).unwrap();
        let entry = |seed: u64, device: &Device| {
            let key = Key::new(seed);
            let mut adapter = Adapter::initialise(&chosen, &lora, key, device).unwrap();
            for (name, pair) in &mut adapter.modules {
                let b = normal(pair.b.dims(), key.named(name), 0.1);
                pair.b = b.to_device(device).unwrap();
            }
            Entry::LowRank {
                adapter: Arc::new(adapter),
                lambda: 0.5,
            }
        };
        let on = |device: &Device| {
            let mut stack = Stack::new(weights(&config, device), &layers);
            let mut all = vec![stack.weights().unwrap()];
            for seed in [5, 6] {
                stack.push(entry(seed, device)).unwrap();
                all.push(stack.weights().unwrap());
            }
            stack.pop().unwrap();
            all.push(stack.weights().unwrap());
            stack.push(entry(6, device)).unwrap();
            all.push(stack.weights().unwrap());
            all
        };
        let (got, want) = (on(device), on(&Device::Cpu));
        let bits = |w: &Weights| w.values().map(bits).collect::<Vec<_>>();
        assert!(bits(&got[0]) == bits(&want[0]), "W0 went over as it is");
        assert!(bits(&got[3]) == bits(&got[1]), "taken back");
        assert!(bits(&got[4]) == bits(&got[2]), "and put on again");
        let mut changed = 0;
        for (name, want) in &want[2] {
            let far = difference(&got[2][name], want);
            assert!(far <= 1e-6, "{name} is {far} off");
            changed += usize::from(super::bits(&got[0][name]) != super::bits(&got[2][name]));
        }
        assert_eq!(changed, chosen.len());
    }
}

pub fn a_training_repeats_bit_for_bit(device: &Device) {
    for (json, targets) in [(VIT, ".*"), (RESNET, ".*conv.*")] {
        for precision in [Precision::F32, Precision::Bf16] {
            let (config, lora) = (config(json, precision), lora(targets));
            let (one, two) = (train(&config, &lora, device), train(&config, &lora, device));
            let far = difference(&one.losses(), &two.losses());
            assert_eq!(one.reports, two.reports, "losses differ by {far}");
            assert!(one.state == two.state, "equal losses, other values");
        }
    }
}
