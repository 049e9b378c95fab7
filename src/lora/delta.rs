//! What an adapter adds to a layer's output.

use candle_core::Tensor;

use super::LowRank;
use crate::Result;
use crate::backbone::{Delta, Layer, LayerKind, Pass};
use crate::ops::{self, Conv2dSpec, Factors};
use crate::random::Key;

/// `s·B(A(dropout(x)))`.
pub(super) struct LowRankDelta {
    pub pair: LowRank,
    pub scale: f64,
    pub dropout: f64,
}

impl LowRankDelta {
    /// Probability and key of the dropout on a layer's input, if there is any.
    fn dropout(&self, layer: &Layer, pass: &Pass) -> Option<(f32, Key)> {
        let key = pass.dropout.filter(|_| self.dropout > 0.0)?;
        Some((self.dropout as f32, key.named(&layer.name)))
    }
}

impl Delta for LowRankDelta {
    fn factors(&self, layer: &Layer, pass: &Pass) -> Option<Factors> {
        Some(Factors {
            a: self.pair.a.clone(),
            b: self.pair.b.clone(),
            scale: self.scale,
            dropout: self.dropout(layer, pass),
        })
    }

    fn forward(&self, layer: &Layer, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let dropped;
        let x = match self.dropout(layer, pass) {
            Some((p, key)) => {
                dropped = ops::dropout(x, p, key)?;
                &dropped
            }
            None => x,
        };
        // The factors stay in f32; the product is taken in what the layer's own is.
        let (a, b) = (
            &self.pair.a.to_dtype(x.dtype())?,
            &self.pair.b.to_dtype(x.dtype())?,
        );
        // The scale is put on the r channels in between, the smallest tensor there is.
        match layer.kind {
            LayerKind::Linear { .. } => {
                let z = ops::linear(x, a, None)?.affine(self.scale, 0.0)?;
                ops::linear(&z, b, None)
            }
            LayerKind::Conv2d {
                stride, padding, ..
            } => {
                let spec = Conv2dSpec {
                    stride,
                    padding,
                    ..Conv2dSpec::default()
                };
                let z = ops::conv2d(x, a, None, &spec)?.affine(self.scale, 0.0)?;
                ops::conv2d(&z, b, None, &Conv2dSpec::default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::backbone::Weights;
    use crate::lora::Adapter;
    use crate::lora::testing::{pair_adapter as adapter, pair_layers as layers, randn, values};

    fn inputs(name: &str) -> Tensor {
        let shape: &[usize] = if name == "fc" {
            &[2, 5, 24]
        } else {
            &[2, 3, 9, 9]
        };
        randn(shape, Key::new(6).named(name))
    }

    fn base(layer: &Layer, weight: &Tensor, x: &Tensor) -> Tensor {
        match layer.conv_spec() {
            None => ops::linear(x, weight, None),
            Some(spec) => ops::conv2d(x, weight, None, &spec),
        }
        .unwrap()
    }

    #[test]
    fn the_delta_is_what_merging_adds() {
        let adapter = adapter(3, 0.5);
        let deltas = adapter.deltas(&layers()).unwrap();
        for layer in layers() {
            let x = inputs(&layer.name);
            let weight = randn(&layer.weight_shape(), Key::new(9));
            let delta = deltas[&layer.name]
                .forward(&layer, &x, &Pass::eval())
                .unwrap();
            let beside = (base(&layer, &weight, &x) + delta).unwrap();
            let mut weights = Weights::from([(layer.weight_name(), weight)]);
            let only = Adapter {
                modules: BTreeMap::from([(
                    layer.name.clone(),
                    adapter.modules[&layer.name].clone(),
                )]),
                ..adapter.clone()
            };
            only.merge_into(&mut weights, &layers(), 1.0).unwrap();
            let merged = base(&layer, &weights[&layer.weight_name()], &x);
            assert_eq!(merged.dims(), beside.dims());
            for (m, b) in values(&merged).iter().zip(values(&beside)) {
                assert!((m - b).abs() < 1e-4, "{}: {m} {b}", layer.name);
            }
        }
    }

    #[test]
    fn dropout_is_keyed_and_right_on_average() {
        let adapter = adapter(4, 0.25);
        let deltas = adapter.deltas(&layers()).unwrap();
        for layer in layers() {
            let x = inputs(&layer.name);
            let at = |key: Option<Key>| {
                let pass = Pass {
                    dropout: key,
                    ..Pass::eval()
                };
                values(&deltas[&layer.name].forward(&layer, &x, &pass).unwrap())
            };
            let key = |step| Some(Key::new(3).index(step));
            assert_eq!(at(key(0)), at(key(0)));
            assert_ne!(at(key(0)), at(key(1)));
            assert_ne!(at(key(0)), at(None));
            // The delta is linear in its input, so the mean over masks is the one without dropout.
            let n = 400;
            let plain = at(None);
            let mut mean = vec![0.0; plain.len()];
            for step in 0..n {
                for (m, v) in mean.iter_mut().zip(at(key(step))) {
                    *m += v / n as f32;
                }
            }
            let rms = |v: &[f32]| (v.iter().map(|x| x * x).sum::<f32>() / v.len() as f32).sqrt();
            let off: Vec<f32> = mean.iter().zip(&plain).map(|(m, p)| m - p).collect();
            // One mask is off by √(p/(1−p)) = 0.58 of the whole, n of them by a √n-th of that.
            assert!(
                rms(&off) < 0.06 * rms(&plain),
                "{}",
                rms(&off) / rms(&plain)
            );
        }
    }
}
