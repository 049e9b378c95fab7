//! Vision backbones as timm defines them: VisionTransformer and ResNet, driven by timm's `config.json`, their
//! weights under timm's names. A [`Delta`] can be put on any Linear or Conv2d; every weight can be trained.
//!
//! Sources: Dosovitskiy et al., "An Image is Worth 16x16 Words" (arXiv 2010.11929); He et al., "Deep Residual
//! Learning" (arXiv 1512.03385) and "Bag of Tricks" (arXiv 1812.01187) for the `d` variants; timm
//! (github.com/huggingface/pytorch-image-models) for names, options, defaults and initialisation.

mod arch;
mod bundled;
mod config;
mod convnorm;
mod init;
mod io;
mod layer;
mod params;
mod pickle;
mod positions;
mod precision;
mod resnet;
mod running;
mod vit;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::random::Key;
use crate::{Error, Result};

use arch::Architecture;
pub use bundled::{bundled, bundled_config, bundled_names};
pub use config::{Config, PretrainedConfig};
pub use init::initialise;
pub use io::{load, load_config, load_file, parse, save, to_safetensors};
pub use layer::{Delta, Deltas, Layer, LayerKind, Pass};
pub use positions::at_size;
pub use running::RunningStats;
pub use vit::is_vit;

/// timm's names → f32 tensors; a trained weight's tensor is its `Var`'s.
pub type Weights = BTreeMap<String, Tensor>;

/// A backbone ready to compute features: the weights checked against the config, and each BatchNorm folded into
/// its convolution unless batch statistics are asked for by the [`Pass`].
///
/// A weight that tracks gradients (a `Var`'s tensor) is trained; the others are frozen, and no gradient is
/// computed for them. A `Var` that is set to new values is seen at the next pass, without a new `Backbone`.
pub struct Backbone {
    config: Config,
    layers: Vec<Layer>,
    device: Device,
    model: Model,
}

enum Model {
    Vit(vit::Vit),
    Resnet(resnet::Resnet),
}

impl Backbone {
    /// Builds the backbone. The classifier's weights may be among `weights`; they are not used here.
    ///
    /// # Errors
    /// [`Error::Input`] where the config is not supported, or a tensor is missing, left over or misshapen.
    pub fn new(config: &Config, weights: &Weights) -> Result<Self> {
        let architecture = config.resolve()?;
        params::check(config, &architecture, weights)?;
        let model = match &architecture {
            Architecture::Vit(spec) => Model::Vit(vit::Vit::new(spec, weights, config.precision)?),
            Architecture::Resnet(spec) => {
                Model::Resnet(resnet::Resnet::new(spec, weights, config.precision)?)
            }
        };
        Ok(Self {
            config: config.clone(),
            layers: architecture.layers(),
            device: weights
                .values()
                .next()
                .map_or(Device::Cpu, |t| t.device().clone()),
            model,
        })
    }

    /// The config that the backbone was built from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Every Linear and Conv2d that a [`Delta`] can be put on, in timm's order; the classifier is not one.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Where the weights are, and where inputs must be.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Width of the features.
    pub fn dim(&self) -> usize {
        match &self.model {
            Model::Vit(m) => m.spec().dim,
            Model::Resnet(m) => m.spec().dim(),
        }
    }

    /// Channels, height and width of the images that the backbone was made for.
    pub fn input_size(&self) -> [usize; 3] {
        match &self.model {
            Model::Vit(m) => {
                let spec = m.spec();
                [spec.in_chans, spec.img_size[0], spec.img_size[1]]
            }
            Model::Resnet(m) => {
                let [_, h, w] = self.config.pretrained_cfg.input_size;
                [m.spec().in_chans, h, w]
            }
        }
    }

    /// The pooled features before the classifier: `x` `[batch, channels, h, w]`, normalised, → `[batch, dim]`.
    ///
    /// # Errors
    /// [`Error::Input`] where the images are not of the size that the backbone takes.
    pub fn features(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let [channels, h, w] = self.input_size();
        let fits = match (x.dims(), &self.model) {
            ([_, c, xh, xw], Model::Vit(_)) => [*c, *xh, *xw] == [channels, h, w],
            ([_, c, xh, xw], Model::Resnet(_)) => *c == channels && *xh >= 32 && *xw >= 32,
            _ => false,
        };
        if !fits {
            return Err(Error::input(format!(
                "images of shape {:?} were given to {}, which takes [batch, {channels}, {h}, {w}]",
                x.dims(),
                self.config.architecture
            )));
        }
        match &self.model {
            Model::Vit(m) => m.features(x, &self.layers, pass),
            Model::Resnet(m) => m.features(x, &self.layers, pass),
        }
    }
}

impl Architecture {
    fn layers(&self) -> Vec<Layer> {
        match self {
            Self::Vit(spec) => spec.layers(),
            Self::Resnet(spec) => spec.layers(),
        }
    }

    fn params(&self) -> Vec<params::Param> {
        match self {
            Self::Vit(spec) => spec.params(),
            Self::Resnet(spec) => spec.params(),
        }
    }

    fn dim(&self) -> usize {
        match self {
            Self::Vit(spec) => spec.dim,
            Self::Resnet(spec) => spec.dim(),
        }
    }
}

/// The layers of [`Backbone::layers`], from the config alone.
pub fn layers(config: &Config) -> Result<Vec<Layer>> {
    Ok(config.resolve()?.layers())
}

/// Width of the features, from the config alone.
pub fn dim(config: &Config) -> Result<usize> {
    Ok(config.resolve()?.dim())
}

/// Number of trainable parameters without the classifier, from the config alone.
pub fn parameters(config: &Config) -> Result<usize> {
    Ok(config
        .resolve()?
        .params()
        .iter()
        .filter(|p| p.trainable)
        .map(|p| p.shape.iter().product::<usize>())
        .sum())
}

/// Names of the trainable weights without the classifier's, from the config alone: everything but the running
/// statistics of BatchNorm.
pub fn trainable(config: &Config) -> Result<Vec<String>> {
    Ok(config
        .resolve()?
        .params()
        .into_iter()
        .filter(|p| p.trainable)
        .map(|p| p.name)
        .collect())
}

/// Names and shapes of the trainable weights without the classifier's, from the config alone.
pub fn trainable_shapes(config: &Config) -> Result<BTreeMap<String, Vec<usize>>> {
    Ok(config
        .resolve()?
        .params()
        .into_iter()
        .filter(|p| p.trainable)
        .map(|p| (p.name, p.shape))
        .collect())
}

/// A key's child for a weight's name, so that a weight's values do not depend on the others.
fn weight_key(key: Key, name: &str) -> Key {
    key.named("weight").named(name)
}

#[cfg(test)]
mod tests;
