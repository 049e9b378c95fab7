//! A convolution and the BatchNorm behind it, folded into one wherever possible.

use candle_core::{DType, Tensor};

use super::Weights;
use super::layer::{Layer, Pass};
use super::params::{Init, Param};
use super::vit::tensor;
use crate::ops::{self, After, Conv2dSpec, FrozenConv};
use crate::recipe::Precision;
use crate::{Error, Result};

/// timm's and PyTorch's default.
const EPS: f64 = 1e-5;

/// A BatchNorm's tensors, in timm's order.
pub(super) fn bn_params(name: &str, channels: usize, gain: f32) -> [Param; 4] {
    let at = |what: &str| format!("{name}.{what}");
    let shape = [channels];
    [
        Param::new(at("weight"), &shape, Init::Constant(gain)),
        Param::new(at("bias"), &shape, Init::Constant(0.0)),
        Param::buffer(at("running_mean"), &shape, Init::Constant(0.0)),
        Param::buffer(at("running_var"), &shape, Init::Constant(1.0)),
    ]
}

/// A convolution into which its BatchNorm was folded: `bn(conv(x)) = conv'(x)`.
#[derive(Clone)]
struct Folded {
    weight: Tensor,
    bias: Tensor,
    /// γ / √(running variance + ε), by which the convolution's output is scaled, `[c]`.
    gain: Tensor,
}

/// `act(bn(conv(x) + delta(x)) + residual)`.
pub(super) struct ConvNorm {
    /// Index among the backbone's layers.
    layer: usize,
    bn: String,
    spec: Conv2dSpec,
    weight: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    var: Tensor,
    precision: Precision,
    /// Computed once where nothing of the pair is trained.
    folded: Option<Folded>,
}

impl ConvNorm {
    pub(super) fn new(
        index: usize,
        layer: &Layer,
        bn: &str,
        weights: &Weights,
        precision: Precision,
    ) -> Result<Self> {
        let get = |what: &str| tensor(weights, &format!("{bn}.{what}"));
        let mut pair = Self {
            layer: index,
            bn: bn.to_string(),
            spec: layer
                .conv_spec()
                .ok_or_else(|| Error::internal(format!("{} is no convolution", layer.name)))?,
            weight: tensor(weights, &layer.weight_name())?,
            gamma: get("weight")?,
            beta: get("bias")?,
            mean: get("running_mean")?,
            var: get("running_var")?,
            precision,
            folded: None,
        };
        if ![&pair.weight, &pair.gamma, &pair.beta]
            .into_iter()
            .any(ops::tracks)
        {
            pair.folded = Some(pair.fold()?);
        }
        Ok(pair)
    }

    fn fold(&self) -> Result<Folded> {
        let gain = (&self.gamma / (&self.var + EPS)?.sqrt()?)?;
        Ok(Folded {
            weight: self.precision.of(&ops::scale_rows(&self.weight, &gain)?)?,
            bias: (&self.beta - (&self.mean * &gain)?)?,
            gain,
        })
    }

    /// The pair as a part of one operation, if nothing of it is trained and its delta is factors.
    pub(super) fn frozen(&self, layers: &[Layer], pass: &Pass) -> Option<FrozenConv> {
        let folded = self.folded.as_ref().filter(|_| pass.running.is_none())?;
        Some(FrozenConv {
            weight: folded.weight.clone(),
            bias: folded.bias.clone(),
            gain: folded.gain.clone(),
            spec: self.spec,
            factors: pass.factors(layers.get(self.layer)?)?,
        })
    }

    /// `layers` are the backbone's.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        relu: bool,
        layers: &[Layer],
        pass: &Pass,
    ) -> Result<Tensor> {
        let layer = layers
            .get(self.layer)
            .ok_or_else(|| Error::internal("a convolution is not among the layers"))?;
        let x = &self.precision.of(x)?;
        let delta = pass.delta(layer, x)?;
        let mut after = After {
            residual,
            relu,
            ..After::default()
        };
        if let Some(running) = pass.running {
            let weight = self.precision.of(&self.weight)?;
            let y = ops::conv2d(x, &weight, None, &self.spec)?;
            let y = match delta {
                Some(delta) => ops::add(&y, &delta)?,
                None => y,
            };
            let y = y.to_dtype(DType::F32)?;
            let count = y.elem_count() / y.dim(1)?.max(1);
            let residual = residual.map(|r| r.to_dtype(DType::F32)).transpose()?;
            let normal =
                ops::batch_norm(&y, &self.gamma, &self.beta, EPS, residual.as_ref(), relu)?;
            running.update(&self.bn, &normal.mean, &normal.var, count)?;
            return Ok(normal.output);
        }
        let folded = match &self.folded {
            Some(folded) => folded.clone(),
            None => self.fold()?,
        };
        after.delta = delta.as_ref().map(|d| (d, &folded.gain));
        ops::conv2d_after(x, &folded.weight, Some(&folded.bias), &self.spec, &after)
    }
}
