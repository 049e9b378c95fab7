//! Layers for the tests of this folder.

use crate::backbone::{Layer, LayerKind};

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
