//! One task's adapter.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::targets;
use crate::backbone::{Delta, Deltas, Layer, LayerKind, Pass, Weights};
use crate::ops::{self, Conv2dSpec};
use crate::random::Key;
use crate::recipe::LoraRecipe;
use crate::{Error, Result};

/// The two factors of a layer's update.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// Of a Linear `[r, in]`; of a Conv2d `[r, in, kh, kw]`, with the layer's stride and padding.
    pub a: Tensor,
    /// Of a Linear `[out, r]`; of a Conv2d `[out, r, 1, 1]`.
    pub b: Tensor,
}

impl LowRank {
    /// BA in the shape of the layer's weight, unscaled: `B [out, r] · A [r, in·kh·kw]`.
    pub fn product(&self) -> Result<Tensor> {
        let flat = self.b.flatten_from(1)?.matmul(&self.a.flatten_from(1)?)?;
        let mut shape = self.a.dims().to_vec();
        if let Some(outputs) = shape.first_mut() {
            *outputs = self.b.dim(0)?;
        }
        Ok(flat.reshape(shape)?)
    }

    fn copied(&self) -> Result<Self> {
        // A Var's storage is overwritten by training, so a shallow clone would change too.
        Ok(Self {
            a: self.a.detach().copy()?,
            b: self.b.detach().copy()?,
        })
    }
}

/// Low-rank updates of some of a backbone's layers.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The rank r of every update.
    pub rank: usize,
    /// The updates are scaled by alpha/rank.
    pub alpha: f64,
    /// Dropout on the adapter's input while it is trained, in [0, 1).
    pub dropout: f64,
    /// Layer name → factors.
    pub modules: BTreeMap<String, LowRank>,
}

impl Adapter {
    /// A fresh adapter on these layers (see [`targets::select`]), as PEFT initialises it: A is
    /// `kaiming_uniform_(a=√5)`, i.e. U(±1/√fan-in), fan-in in or in·kh·kw, and B is zero, so that nothing
    /// changes at first. A's values are a function of `key` and the layer's name.
    ///
    /// # Errors
    /// [`Error::Internal`] for rank 0, which has no adapter.
    pub fn initialise(
        layers: &[Layer],
        lora: &LoraRecipe,
        key: Key,
        device: &Device,
    ) -> Result<Self> {
        let rank = lora.rank;
        if rank == 0 {
            return Err(Error::internal("an adapter of rank 0 was asked for"));
        }
        let modules = layers
            .iter()
            .map(|layer| {
                let [a, b] = shapes(layer, rank);
                let bound = (targets::fan_in(layer) as f32).powf(-0.5);
                let key = key.named("lora_A").named(&layer.name);
                let count = a.iter().product::<usize>() as u64;
                let values: Vec<f32> = (0..count).map(|i| key.uniform(i, -bound, bound)).collect();
                let pair = LowRank {
                    a: Tensor::from_vec(values, a, device)?,
                    b: Tensor::zeros(b, candle_core::DType::F32, device)?,
                };
                Ok((layer.name.clone(), pair))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            rank,
            alpha: lora.alpha(),
            dropout: lora.dropout,
            modules,
        })
    }

    /// The factor on BA: alpha/rank.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// Number of parameters, A and B.
    pub fn parameters(&self) -> usize {
        self.modules
            .values()
            .map(|m| m.a.elem_count() + m.b.elem_count())
            .sum()
    }

    /// A copy with tensors of its own, which no training changes.
    pub fn copied(&self) -> Result<Self> {
        let modules = self
            .modules
            .iter()
            .map(|(name, pair)| Ok((name.clone(), pair.copied()?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            modules,
            ..self.clone()
        })
    }

    /// Checks that every module is one of `layers` and that the factors have its shapes.
    ///
    /// # Errors
    /// [`Error::Input`] naming the module: an adapter read from a file may be of another backbone.
    pub fn check(&self, layers: &[Layer]) -> Result<()> {
        for (name, pair) in &self.modules {
            let layer = find(layers, name)?;
            let [a, b] = shapes(layer, self.rank);
            if pair.a.dims() != a || pair.b.dims() != b {
                return Err(Error::input(format!(
                    "the adapter's factors for {name} have the shapes {:?} and {:?}, but rank {} of this \
                     backbone takes {a:?} and {b:?}: the adapter was made for another backbone",
                    pair.a.dims(),
                    pair.b.dims(),
                    self.rank
                )));
            }
        }
        Ok(())
    }

    /// What the adapter adds to each layer's output, for a [`Pass`].
    pub fn deltas(&self, layers: &[Layer]) -> Result<Deltas> {
        self.check(layers)?;
        let delta = |pair: &LowRank| -> Arc<dyn Delta> {
            Arc::new(LowRankDelta {
                pair: pair.clone(),
                scale: self.scale(),
                dropout: self.dropout,
            })
        };
        Ok(self
            .modules
            .iter()
            .map(|(name, pair)| (name.clone(), delta(pair)))
            .collect())
    }

    /// Adds λ·s·BA to the weights of the adapted layers, the product computed apart, then added.
    pub fn merge_into(&self, weights: &mut Weights, layers: &[Layer], lambda: f64) -> Result<()> {
        self.check(layers)?;
        for (name, pair) in &self.modules {
            let weight_name = find(layers, name)?.weight_name();
            let weight = weights.get_mut(&weight_name).ok_or_else(|| {
                Error::internal(format!("an adapter is to be merged into no {weight_name}"))
            })?;
            *weight = (&*weight + pair.product()?.affine(lambda * self.scale(), 0.0)?)?;
        }
        Ok(())
    }
}

fn find<'a>(layers: &'a [Layer], name: &str) -> Result<&'a Layer> {
    layers.iter().find(|l| l.name == name).ok_or_else(|| {
        Error::input(format!(
            "the adapter has a module {name}, which is not among the backbone's adapted ones: it was made for \
             another backbone or other lora.targets"
        ))
    })
}

/// The shapes of A and B.
fn shapes(layer: &Layer, rank: usize) -> [Vec<usize>; 2] {
    let mut a = layer.weight_shape();
    let mut b = vec![1; a.len()];
    if let [outputs, r, ..] = &mut b[..] {
        (*outputs, *r) = (targets::outputs(layer), rank);
    }
    if let Some(first) = a.first_mut() {
        *first = rank;
    }
    [a, b]
}

/// `s·B(A(dropout(x)))`.
struct LowRankDelta {
    pair: LowRank,
    scale: f64,
    dropout: f64,
}

impl Delta for LowRankDelta {
    fn forward(&self, layer: &Layer, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let dropped;
        let x = match pass.dropout {
            Some(key) if self.dropout > 0.0 => {
                dropped = ops::dropout(x, self.dropout as f32, key.named(&layer.name))?;
                &dropped
            }
            _ => x,
        };
        let LowRank { a, b } = &self.pair;
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
    use super::*;
    use crate::lora::testing;
    use crate::recipe::Mode;

    fn recipe(rank: usize, dropout: f64) -> LoraRecipe {
        LoraRecipe {
            mode: Mode::Merge,
            rank,
            alpha: None,
            dropout,
            targets: ".*".into(),
        }
    }

    fn layers() -> Vec<Layer> {
        vec![
            testing::linear("fc", 24, 40),
            testing::conv("conv", 3, 10, 3, 2, 1),
        ]
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn randn(shape: &[usize], key: Key) -> Tensor {
        let n: usize = shape.iter().product();
        let v: Vec<f32> = (0..n as u64).map(|i| key.normal(i)).collect();
        Tensor::from_vec(v, shape, &Device::Cpu).unwrap()
    }

    /// With B no longer zero.
    fn adapter(rank: usize, dropout: f64) -> Adapter {
        let mut adapter =
            Adapter::initialise(&layers(), &recipe(rank, dropout), Key::new(4), &Device::Cpu)
                .unwrap();
        for (name, pair) in &mut adapter.modules {
            pair.b = randn(pair.b.dims(), Key::new(5).named(name));
        }
        adapter
    }

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
    fn initial_values_are_pefts() {
        let adapter =
            Adapter::initialise(&layers(), &recipe(6, 0.1), Key::new(1), &Device::Cpu).unwrap();
        assert_eq!((adapter.scale(), adapter.alpha), (2.0, 12.0));
        assert_eq!(adapter.parameters(), 6 * (24 + 40) + 6 * (27 + 10));
        for (name, fan_in) in [("fc", 24.0f32), ("conv", 27.0)] {
            let pair = &adapter.modules[name];
            assert!(values(&pair.b).iter().all(|v| *v == 0.0));
            let a = values(&pair.a);
            let bound = fan_in.powf(-0.5);
            assert!(a.iter().all(|v| v.abs() <= bound));
            assert!(a.iter().any(|v| v.abs() > 0.9 * bound));
            // The variance of a uniform within ± bound is bound²/3.
            let variance = a.iter().map(|v| v * v).sum::<f32>() / a.len() as f32;
            assert!((variance * fan_in * 3.0 - 1.0).abs() < 0.3, "{variance}");
        }
        assert_eq!(adapter.modules["conv"].a.dims(), [6, 3, 3, 3]);
        assert_eq!(adapter.modules["conv"].b.dims(), [10, 6, 1, 1]);
    }

    #[test]
    fn initial_values_depend_on_the_key_and_the_layers_name_alone() {
        let make = |layers: &[Layer], key| {
            Adapter::initialise(layers, &recipe(2, 0.0), key, &Device::Cpu).unwrap()
        };
        let all = make(&layers(), Key::new(1));
        let alone = make(&layers()[1..], Key::new(1));
        let other = make(&layers(), Key::new(2));
        let a = |adapter: &Adapter| values(&adapter.modules["conv"].a);
        assert_eq!(a(&all), a(&alone));
        assert_ne!(a(&all), a(&other));
        assert!(
            Adapter::initialise(&layers(), &recipe(0, 0.0), Key::new(1), &Device::Cpu).is_err()
        );
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

    #[test]
    fn an_adapter_of_another_backbone_is_refused_by_name() {
        let mut adapter = adapter(2, 0.0);
        let text = adapter.check(&layers()[..1]).unwrap_err().to_string();
        assert!(text.contains("module conv"), "{text}");
        adapter.rank = 3;
        let text = adapter.deltas(&layers()).err().unwrap().to_string();
        assert!(
            text.contains("for conv have the shapes [2, 3, 3, 3]"),
            "{text}"
        );
    }

    #[test]
    fn a_copy_does_not_follow_training() {
        let var = candle_core::Var::zeros((2, 24), candle_core::DType::F32, &Device::Cpu).unwrap();
        let mut adapter = adapter(2, 0.0);
        adapter.modules.get_mut("fc").unwrap().a = var.as_tensor().clone();
        let copy = adapter.copied().unwrap();
        var.set(&var.ones_like().unwrap()).unwrap();
        assert_eq!(values(&adapter.modules["fc"].a), vec![1.0; 48]);
        assert_eq!(values(&copy.modules["fc"].a), vec![0.0; 48]);
        assert!(!copy.modules["fc"].a.track_op());
    }
}
