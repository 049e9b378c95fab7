//! One task's adapter.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::delta::LowRankDelta;
use super::patterns::Patterns;
use super::targets;
use crate::backbone::{Delta, Deltas, Layer, Weights};
use crate::ops;
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
    /// The update's alpha.
    pub alpha: f64,
}

impl LowRank {
    /// r, which may differ by module.
    pub fn rank(&self) -> usize {
        self.a.dims().first().copied().unwrap_or(0)
    }

    fn copied(&self) -> Result<Self> {
        // A Var's storage is overwritten by training, so a shallow clone would change too.
        Ok(Self {
            a: self.a.detach().copy()?,
            b: self.b.detach().copy()?,
            alpha: self.alpha,
        })
    }
}

/// Low-rank updates of some of a backbone's layers.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The rank of every update that no pattern names.
    pub rank: usize,
    /// The alpha of every update that no pattern names.
    pub alpha: f64,
    /// Updates are scaled by alpha/√rank (rsLoRA) instead of alpha/rank, each by its own rank and alpha.
    pub rslora: bool,
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
        if lora.rank == 0 {
            return Err(Error::internal("an adapter of rank 0 was asked for"));
        }
        let patterns = Patterns::new(lora)?;
        patterns.check(layers)?;
        let modules = layers
            .iter()
            .map(|layer| {
                let [a, b] = shapes(layer, patterns.rank(&layer.name));
                let bound = (targets::fan_in(layer) as f32).powf(-0.5);
                let key = key.named("lora_A").named(&layer.name);
                let count = a.iter().product::<usize>() as u64;
                let values: Vec<f32> = (0..count).map(|i| key.uniform(i, -bound, bound)).collect();
                let pair = LowRank {
                    a: Tensor::from_vec(values, a, device)?,
                    b: Tensor::zeros(b, candle_core::DType::F32, device)?,
                    alpha: patterns.alpha(&layer.name),
                };
                Ok((layer.name.clone(), pair))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            rank: lora.rank,
            alpha: lora.alpha(),
            rslora: lora.rslora,
            dropout: lora.dropout,
            modules,
        })
    }

    /// The factor s on the BA of one of its modules: alpha/rank, or alpha/√rank.
    pub fn scale(&self, pair: &LowRank) -> f64 {
        let rank = pair.rank() as f64;
        pair.alpha / if self.rslora { rank.sqrt() } else { rank }
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
            let [a, b] = shapes(layer, pair.rank());
            if pair.a.dims() != a || pair.b.dims() != b {
                return Err(Error::input(format!(
                    "the adapter's factors for {name} have the shapes {:?} and {:?}, but rank {} of this \
                     backbone takes {a:?} and {b:?}: the adapter was made for another backbone",
                    pair.a.dims(),
                    pair.b.dims(),
                    pair.rank()
                )));
            }
        }
        Ok(())
    }

    /// What the adapter adds to each layer's output, for a [`Pass`](crate::backbone::Pass).
    pub fn deltas(&self, layers: &[Layer]) -> Result<Deltas> {
        self.check(layers)?;
        let delta = |pair: &LowRank| -> Arc<dyn Delta> {
            Arc::new(LowRankDelta {
                pair: pair.clone(),
                scale: self.scale(pair),
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
        merge_all(&[(self, lambda)], weights, layers)
    }
}

/// Several adapters merged one after the other, each with its λ: layer by layer, so that a layer's weights stay near.
pub(super) fn merge_all(
    adapters: &[(&Adapter, f64)],
    weights: &mut Weights,
    layers: &[Layer],
) -> Result<()> {
    for (adapter, _) in adapters {
        adapter.check(layers)?;
    }
    for layer in layers {
        let name = layer.weight_name();
        for (adapter, lambda) in adapters {
            let Some(pair) = adapter.modules.get(&layer.name) else {
                continue;
            };
            let weight = weights.get_mut(&name).ok_or_else(|| {
                Error::internal(format!("an adapter is to be merged into no {name}"))
            })?;
            let (a, b) = (pair.a.flatten_from(1)?, pair.b.flatten_from(1)?);
            *weight = ops::add_low_rank(weight, &a, &b, lambda * adapter.scale(pair))?;
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::testing::{pair_adapter as adapter, pair_layers as layers, recipe, values};

    #[test]
    fn initial_values_are_pefts() {
        let adapter =
            Adapter::initialise(&layers(), &recipe(6, 0.1), Key::new(1), &Device::Cpu).unwrap();
        assert_eq!(adapter.scale(&adapter.modules["fc"]), 2.0);
        assert_eq!(adapter.alpha, 12.0);
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
    fn an_adapter_of_another_backbone_is_refused_by_name() {
        let mut adapter = adapter(2, 0.0);
        let text = adapter.check(&layers()[..1]).unwrap_err().to_string();
        assert!(text.contains("module conv"), "{text}");
        let pair = adapter.modules.get_mut("conv").unwrap();
        pair.a = pair.a.narrow(1, 0, 2).unwrap();
        let text = adapter.deltas(&layers()).err().unwrap().to_string();
        assert!(
            text.contains("for conv have the shapes [2, 2, 3, 3]"),
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
