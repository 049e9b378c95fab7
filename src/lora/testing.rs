//! Layers, adapters and values for the tests of this folder.

use candle_core::{Device, Tensor};

use super::Adapter;
use crate::backbone::{Layer, LayerKind};
use crate::random::Key;
use crate::recipe::{LoraRecipe, Mode};

pub(crate) fn linear(name: &str, inputs: usize, outputs: usize) -> Layer {
    Layer {
        name: name.into(),
        kind: LayerKind::Linear { inputs, outputs },
    }
}

pub(crate) fn conv(
    name: &str,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Layer {
    Layer {
        name: name.into(),
        kind: LayerKind::Conv2d {
            inputs,
            outputs,
            kernel: [kernel; 2],
            stride,
            padding,
            dilation: 1,
            groups: 1,
        },
    }
}

/// A ViT's of width 24 and depth 2.
pub(crate) fn vit_layers() -> Vec<Layer> {
    let mut layers = vec![conv("patch_embed.proj", 1, 24, 8, 8, 0)];
    for i in 0..2 {
        layers.extend([
            linear(&format!("blocks.{i}.attn.qkv"), 24, 72),
            linear(&format!("blocks.{i}.attn.proj"), 24, 24),
            linear(&format!("blocks.{i}.mlp.fc1"), 24, 96),
            linear(&format!("blocks.{i}.mlp.fc2"), 96, 24),
        ]);
    }
    layers
}

/// One layer of each kind.
pub(crate) fn pair_layers() -> Vec<Layer> {
    vec![linear("fc", 24, 40), conv("conv", 3, 10, 3, 2, 1)]
}

/// An adapter on both of [`pair_layers`], B no longer zero.
pub(crate) fn pair_adapter(rank: usize, dropout: f64) -> Adapter {
    let recipe = recipe(rank, dropout);
    let mut adapter =
        Adapter::initialise(&pair_layers(), &recipe, Key::new(4), &Device::Cpu).unwrap();
    for (name, pair) in &mut adapter.modules {
        pair.b = randn(pair.b.dims(), Key::new(5).named(name));
    }
    adapter
}

pub(crate) fn recipe(rank: usize, dropout: f64) -> LoraRecipe {
    LoraRecipe {
        mode: Mode::Merge,
        rank,
        alpha: None,
        rslora: false,
        rank_pattern: Default::default(),
        alpha_pattern: Default::default(),
        dropout,
        targets: ".*".into(),
    }
}

/// Standard normal values.
pub(crate) fn randn(shape: &[usize], key: Key) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f32> = (0..n as u64).map(|i| key.normal(i)).collect();
    Tensor::from_vec(v, shape, &Device::Cpu).unwrap()
}

/// All values in row-major order.
pub(crate) fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}
