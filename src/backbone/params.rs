//! The list of a model's tensors: names, shapes, and how timm initialises them.

use super::arch::Architecture;
use super::{Config, Weights};
use crate::{Error, Result};

/// How a tensor starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Init {
    /// The same number everywhere.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation, cut at ±2 as PyTorch's `trunc_normal_`.
    Normal(f32),
    /// Uniform within ± this bound.
    Uniform(f32),
}

/// One tensor of a model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Param {
    pub name: String,
    pub shape: Vec<usize>,
    pub init: Init,
    /// Whether training changes it: not so for running statistics.
    pub trainable: bool,
}

impl Param {
    pub(super) fn new(name: impl Into<String>, shape: &[usize], init: Init) -> Self {
        Self {
            name: name.into(),
            shape: shape.to_vec(),
            init,
            trainable: true,
        }
    }

    /// PyTorch's default for a Linear's or Conv2d's weight and bias: `kaiming_uniform_(a=√5)` is U(±1/√fan_in).
    pub(super) fn torch_default(name: impl Into<String>, shape: &[usize], fan_in: usize) -> Self {
        Self::new(name, shape, Init::Uniform((fan_in as f32).powf(-0.5)))
    }

    pub(super) fn buffer(name: impl Into<String>, shape: &[usize], init: Init) -> Self {
        Self {
            trainable: false,
            ..Self::new(name, shape, init)
        }
    }
}

/// Weight and bias of a normalisation.
pub(super) fn norm(name: &str, dim: usize) -> [Param; 2] {
    [
        Param::new(format!("{name}.weight"), &[dim], Init::Constant(1.0)),
        Param::new(format!("{name}.bias"), &[dim], Init::Constant(0.0)),
    ]
}

/// The classifier's tensors.
pub(super) fn classifier(config: &Config, architecture: &Architecture) -> Vec<Param> {
    if config.num_classes == 0 {
        return Vec::new();
    }
    let (name, dim, classes) = (config.classifier(), architecture.dim(), config.num_classes);
    let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
    match architecture {
        Architecture::Vit(_) => vec![
            Param::new(weight, &[classes, dim], Init::Normal(0.02)),
            Param::new(bias, &[classes], Init::Constant(0.0)),
        ],
        Architecture::Resnet(_) => vec![
            Param::torch_default(weight, &[classes, dim], dim),
            Param::torch_default(bias, &[classes], dim),
        ],
    }
}

/// Checks that `weights` are the model's, no tensor missing, left over or misshapen. The classifier's may be
/// absent.
pub(super) fn check(config: &Config, architecture: &Architecture, weights: &Weights) -> Result<()> {
    let named = &config.architecture;
    let params = architecture.params();
    let classifier = classifier(config, architecture);
    for param in &params {
        if !weights.contains_key(&param.name) {
            return Err(Error::input(format!(
                "the weights for {named} lack the tensor {}: config.json and model.safetensors are not of the \
                 same model",
                param.name
            )));
        }
    }
    for (name, tensor) in weights {
        let Some(param) = params.iter().chain(&classifier).find(|p| p.name == *name) else {
            return Err(Error::input(format!(
                "the weights for {named} hold the tensor {name}, which that model does not have: config.json \
                 and model.safetensors are not of the same model"
            )));
        };
        if tensor.dims() != param.shape {
            return Err(Error::input(format!(
                "the weights for {named} hold the tensor {name} of shape {:?}, but config.json makes it {:?}",
                tensor.dims(),
                param.shape
            )));
        }
    }
    Ok(())
}
