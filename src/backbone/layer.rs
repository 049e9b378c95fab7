//! The layers that something can be added to, and what a forward pass may vary.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;

use super::RunningStats;
use crate::Result;
use crate::ops::{Conv2dSpec, Factors};
use crate::random::Key;

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// `[…, inputs]` → `[…, outputs]`.
    Linear {
        /// Width of the input.
        inputs: usize,
        /// Width of the output.
        outputs: usize,
    },
    /// `[batch, inputs, h, w]` → `[batch, outputs, h', w']`.
    Conv2d {
        /// Channels of the input.
        inputs: usize,
        /// Channels of the output.
        outputs: usize,
        /// Height and width of the kernel, in pixels.
        kernel: [usize; 2],
        /// Step, in pixels.
        stride: usize,
        /// Zeros at each border, in pixels.
        padding: usize,
        /// Distance between the kernel's elements, in pixels.
        dilation: usize,
        /// Groups of channels.
        groups: usize,
    },
}

/// A Linear or Conv2d of a backbone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// timm's module name, such as `blocks.0.attn.qkv`.
    pub name: String,
    /// What it computes.
    pub kind: LayerKind,
}

impl Layer {
    /// A Linear layer.
    pub(super) fn linear(name: impl Into<String>, inputs: usize, outputs: usize) -> Self {
        Self {
            name: name.into(),
            kind: LayerKind::Linear { inputs, outputs },
        }
    }

    /// The weight's name: the module's and `.weight`.
    pub fn weight_name(&self) -> String {
        format!("{}.weight", self.name)
    }

    /// The bias's name, where the layer has one.
    pub fn bias_name(&self) -> String {
        format!("{}.bias", self.name)
    }

    /// The weight's shape: `[outputs, inputs]`, or `[outputs, inputs / groups, kh, kw]`.
    pub fn weight_shape(&self) -> Vec<usize> {
        match self.kind {
            LayerKind::Linear { inputs, outputs } => vec![outputs, inputs],
            LayerKind::Conv2d {
                inputs,
                outputs,
                kernel: [kh, kw],
                groups,
                ..
            } => vec![outputs, inputs / groups, kh, kw],
        }
    }

    /// The geometry of a convolution; a Linear has none.
    pub fn conv_spec(&self) -> Option<Conv2dSpec> {
        match self.kind {
            LayerKind::Linear { .. } => None,
            LayerKind::Conv2d {
                stride,
                padding,
                dilation,
                groups,
                ..
            } => Some(Conv2dSpec {
                stride,
                padding,
                dilation,
                groups,
            }),
        }
    }
}

/// What is added to a layer's output; an adapter implements it.
pub trait Delta: Send + Sync {
    /// What to add to `layer(x)`: of the shape of the layer's output for `x`, the layer's input. For a
    /// convolution with a BatchNorm behind it, it is added before the BatchNorm.
    fn forward(&self, layer: &Layer, x: &Tensor, pass: &Pass) -> Result<Tensor>;

    /// The factors of which [`Delta::forward`] is the product, with which several layers can be computed as one; none
    /// where it is something else.
    fn factors(&self, _layer: &Layer, _pass: &Pass) -> Option<Factors> {
        None
    }
}

/// Layer name → delta.
pub type Deltas = BTreeMap<String, Arc<dyn Delta>>;

/// What a forward pass may vary. [`Pass::eval`] varies nothing.
#[derive(Clone, Copy, Default)]
pub struct Pass<'a> {
    /// What is added to layers.
    pub deltas: Option<&'a Deltas>,
    /// The key of this training step's dropout; only while an adapter is trained.
    pub dropout: Option<Key>,
    /// If given, BatchNorm normalises by the batch's statistics and updates these; only in pretraining.
    pub running: Option<&'a RunningStats>,
}

impl Pass<'static> {
    /// Evaluation: no deltas, no dropout, BatchNorm by its running statistics.
    pub fn eval() -> Self {
        Self::default()
    }
}

impl Pass<'_> {
    /// What is added to a layer, as factors: `None` where it is not a product of factors, `Some(None)` where it is nothing.
    pub(super) fn factors(&self, layer: &Layer) -> Option<Option<Factors>> {
        match self.deltas.and_then(|d| d.get(&layer.name)) {
            None => Some(None),
            Some(delta) => delta.factors(layer, self).map(Some),
        }
    }

    /// The delta of a layer applied to its input, if there is one.
    pub(super) fn delta(&self, layer: &Layer, x: &Tensor) -> Result<Option<Tensor>> {
        match self.deltas.and_then(|d| d.get(&layer.name)) {
            None => Ok(None),
            Some(delta) => delta.forward(layer, x, self).map(Some),
        }
    }
}
