//! The stack of updates over the pretrained weights.

use std::sync::Arc;

use candle_core::Tensor;
use rayon::prelude::*;

use super::adapter::merge_all;
use super::{Adapter, Amount, Dense, Update, UpdateNorm};
use crate::backbone::{Layer, Weights};
use crate::recipe::Mode;
use crate::{Error, Result};

/// One task's contribution.
#[derive(Clone, Debug)]
pub enum Entry {
    /// Merged: the weights become W + λ·s·BA.
    LowRank {
        /// The update.
        adapter: Arc<Adapter>,
        /// Factor on it, 1 for a plain merge.
        lambda: f64,
    },
    /// Trained at full rank: the modules' tensors are replaced by those after the task.
    Dense {
        /// The tensors.
        dense: Arc<Dense>,
        /// 1, or 0 for an entry that is left out.
        lambda: f64,
    },
    /// Kept beside the weights for its own task's head, never added (mode `drop`).
    Stored {
        /// The update.
        adapter: Arc<Adapter>,
    },
}

impl Entry {
    /// What a task of a run in this mode puts on the stack.
    ///
    /// # Errors
    /// [`Error::Input`] for an amount that the mode cannot take.
    pub fn of(mode: Mode, update: &Update, amount: Amount) -> Result<Self> {
        amount.check(mode)?;
        let lambda = amount.lambda;
        Ok(match (update, amount.rank) {
            (Update::LowRank(adapter), _) if mode == Mode::Drop => Self::Stored {
                adapter: Arc::clone(adapter),
            },
            (Update::LowRank(adapter), Some(rank)) => Self::LowRank {
                adapter: Arc::new(adapter.truncated(rank)?),
                lambda,
            },
            (Update::LowRank(adapter), None) => Self::LowRank {
                adapter: Arc::clone(adapter),
                lambda,
            },
            (Update::Dense(dense), _) => Self::Dense {
                dense: Arc::clone(dense),
                lambda,
            },
        })
    }

    /// Whether it changes this layer's weight.
    fn touches(&self, layer: &Layer) -> bool {
        match self {
            Self::LowRank { adapter, .. } => adapter.modules.contains_key(&layer.name),
            Self::Dense { dense, lambda } => *lambda != 0.0 && dense.holds(layer),
            Self::Stored { .. } => false,
        }
    }
}

/// The pretrained weights W_0, which never change, and the entries on them.
///
/// W_i = W_{i−1} + λ·s·(BA), each product computed apart, then added, first to last; where modules were trained at
/// full rank, W_i is what they were after the task. The weights are a function
/// of W_0 and the entries alone, so that taking one off gives back the former weights' bits.
#[derive(Clone)]
pub struct Stack {
    base: Weights,
    layers: Vec<Layer>,
    entries: Vec<Entry>,
}

impl Stack {
    /// No entries yet. `layers` are the backbone's, or those of them that may get adapters.
    pub fn new(base: Weights, layers: &[Layer]) -> Self {
        Self {
            base,
            layers: layers.to_vec(),
            entries: Vec::new(),
        }
    }

    /// The pretrained weights.
    pub fn base(&self) -> &Weights {
        &self.base
    }

    /// First to last.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`Error::Input`] where it does not fit the backbone.
    pub fn push(&mut self, entry: Entry) -> Result<()> {
        self.check(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    /// Puts an entry in the place of another one; those after it stay.
    ///
    /// # Errors
    /// [`Error::Input`] where it does not fit the backbone.
    pub fn replace(&mut self, at: usize, entry: Entry) -> Result<()> {
        self.check(&entry)?;
        match self.entries.get_mut(at) {
            Some(place) => *place = entry,
            None => return Err(Error::internal(format!("the stack has no entry {at}"))),
        }
        Ok(())
    }

    fn check(&self, entry: &Entry) -> Result<()> {
        match entry {
            Entry::LowRank { adapter, .. } | Entry::Stored { adapter } => {
                adapter.check(&self.layers)?;
            }
            Entry::Dense { dense, lambda } if [0.0, 1.0].contains(lambda) => {
                dense.check(&self.base)?;
            }
            Entry::Dense { lambda, .. } => {
                return Err(Error::input(format!(
                    "modules trained at full rank count whole or not at all: λ is 0 or 1, not {lambda}"
                )));
            }
        }
        Ok(())
    }

    /// Takes the last entry off, if there is one.
    pub fn pop(&mut self) -> Option<Entry> {
        self.entries.pop()
    }

    /// The weights with every merged entry, of all modules; those that no entry touches are W_0's own tensors.
    pub fn weights(&self) -> Result<Weights> {
        self.weights_of(self.entries.len())
    }

    /// The weights with the first `count` entries alone.
    pub fn weights_of(&self, count: usize) -> Result<Weights> {
        let mut weights = self.base.clone();
        // Adapters with nothing of full rank between them.
        let mut adapters: Vec<(&Adapter, f64)> = Vec::new();
        for entry in self.entries.iter().take(count) {
            match entry {
                Entry::LowRank { adapter, lambda } => adapters.push((adapter, *lambda)),
                Entry::Dense { dense, lambda } if *lambda != 0.0 => {
                    merge_all(&adapters, &mut weights, &self.layers)?;
                    adapters.clear();
                    dense.replace_in(&mut weights);
                }
                Entry::Dense { .. } | Entry::Stored { .. } => {}
            }
        }
        merge_all(&adapters, &mut weights, &self.layers)?;
        Ok(weights)
    }

    /// How large the whole update is: ‖W_i − W_0‖ / ‖W_0‖ (Frobenius, in f64) of each module that an entry was
    /// merged into, in the layers' order, and over all of them together; 0 where nothing was merged. Biases, which
    /// training at full rank changes too, are not part of it.
    pub fn norms(&self) -> Result<(Vec<UpdateNorm>, f64)> {
        self.norms_of(self.entries.len())
    }

    /// The same of the first `count` entries alone.
    pub fn norms_of(&self, count: usize) -> Result<(Vec<UpdateNorm>, f64)> {
        let weights = self.weights_of(count)?;
        let entries = &self.entries[..count.min(self.entries.len())];
        let touched = |layer: &&Layer| entries.iter().any(|e| e.touches(layer));
        let touched: Vec<&Layer> = self.layers.iter().filter(touched).collect();
        let squares = |layer: &&Layer| {
            let name = layer.weight_name();
            match (weights.get(&name), self.base.get(&name)) {
                (Some(now), Some(base)) => squares(now, base),
                _ => Err(Error::internal(format!("the stack has no {name}"))),
            }
        };
        // Layers side by side, their sums in order.
        let squares: Vec<(f64, f64)> = touched.par_iter().map(squares).collect::<Result<_>>()?;
        let norms = touched.iter().zip(&squares);
        let norms = norms.map(|(layer, (update, base))| UpdateNorm {
            module: layer.name.clone(),
            relative: ratio(*update, *base),
        });
        let all = squares
            .iter()
            .fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        Ok((norms.collect(), ratio(all.0, all.1)))
    }
}

/// ‖now − base‖² and ‖base‖².
fn squares(now: &Tensor, base: &Tensor) -> Result<(f64, f64)> {
    let host = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
    let (now, base) = (host(now)?, host(base)?);
    Ok(now
        .iter()
        .zip(&base)
        .fold((0.0, 0.0), |(update, square), (n, b)| {
            let (n, b) = (f64::from(*n), f64::from(*b));
            (update + (n - b).powi(2), square + b * b)
        }))
}

/// √(update / base), 0 for no update of zero weights.
fn ratio(update: f64, base: f64) -> f64 {
    if update == 0.0 {
        0.0
    } else {
        (update / base).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::lora::{select, testing};
    use crate::random::Key;
    use crate::recipe::LoraRecipe;

    /// Weights of a likely size.
    fn randn(shape: &[usize], key: Key) -> Tensor {
        testing::randn(shape, key).affine(0.3, 0.0).unwrap()
    }

    fn layers() -> Vec<Layer> {
        let mut layers = testing::vit_layers();
        layers.push(testing::conv("layer1.0.conv2", 6, 8, 3, 1, 1));
        layers
    }

    fn base() -> Weights {
        layers()
            .iter()
            .map(|l| {
                let name = l.weight_name();
                let weight = randn(&l.weight_shape(), Key::new(1).named(&name));
                (name, weight)
            })
            .collect()
    }

    fn adapter(rank: usize, targets: &str, seed: u64) -> Arc<Adapter> {
        let recipe = LoraRecipe {
            alpha: Some(1.7 * rank as f64),
            ..testing::recipe(rank, 0.0)
        };
        let chosen = select(&layers(), targets).unwrap();
        let mut adapter =
            Adapter::initialise(&chosen, &recipe, Key::new(seed), &Device::Cpu).unwrap();
        for (name, pair) in &mut adapter.modules {
            pair.b = randn(pair.b.dims(), Key::new(seed).named(name));
        }
        Arc::new(adapter)
    }

    fn merged(rank: usize, targets: &str, seed: u64, lambda: f64) -> Entry {
        Entry::LowRank {
            adapter: adapter(rank, targets, seed),
            lambda,
        }
    }

    fn bits(weights: &Weights) -> Vec<(String, Vec<u32>)> {
        weights
            .iter()
            .map(|(name, t)| {
                let v = t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                (name.clone(), v.iter().map(|x| x.to_bits()).collect())
            })
            .collect()
    }

    #[test]
    fn undo_gives_the_old_weights_bits() {
        let mut stack = Stack::new(base(), &layers());
        let mut history = vec![bits(&stack.weights().unwrap())];
        assert_eq!(history[0], bits(&base()));
        for (i, (rank, lambda)) in [(1, 1.0), (16, 1.0), (4, 0.5), (3, 1.0)]
            .into_iter()
            .enumerate()
        {
            stack
                .push(merged(rank, ".*", 10 + i as u64, lambda))
                .unwrap();
            history.push(bits(&stack.weights().unwrap()));
        }
        for i in (0..4).rev() {
            assert_ne!(history[i], history[i + 1]);
            assert!(stack.pop().is_some());
            assert_eq!(bits(&stack.weights().unwrap()), history[i]);
        }
        assert!(stack.pop().is_none());
        // The same entries again give the same weights again.
        stack.push(merged(1, ".*", 10, 1.0)).unwrap();
        assert_eq!(bits(&stack.weights().unwrap()), history[1]);
    }

    #[test]
    fn weights_are_sums_in_order_of_products_computed_apart() {
        let mut stack = Stack::new(base(), &layers());
        stack
            .push(merged(2, r".*qkv|layer1\.0\.conv2", 1, 1.0))
            .unwrap();
        stack
            .push(merged(3, r".*qkv|layer1\.0\.conv2", 2, 0.5))
            .unwrap();
        let weights = stack.weights().unwrap();
        for name in ["blocks.1.attn.qkv", "layer1.0.conv2"] {
            let weight_name = format!("{name}.weight");
            let mut expected: Vec<f32> = base()[&weight_name]
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap();
            for (rank, seed, lambda) in [(2, 1, 1.0), (3, 2, 0.5)] {
                let adapter = adapter(rank, r".*qkv|layer1\.0\.conv2", seed);
                let pair = &adapter.modules[name];
                let b: Vec<Vec<f32>> = pair.b.flatten_from(1).unwrap().to_vec2().unwrap();
                let a: Vec<Vec<f32>> = pair.a.flatten_from(1).unwrap().to_vec2().unwrap();
                let columns = a[0].len();
                for (i, e) in expected.iter_mut().enumerate() {
                    let (o, c) = (i / columns, i % columns);
                    let product: f64 = (0..rank)
                        .map(|r| f64::from(b[o][r]) * f64::from(a[r][c]))
                        .sum();
                    *e += (lambda * 1.7 * product) as f32;
                }
            }
            let got: Vec<f32> = weights[&weight_name]
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap();
            for (g, e) in got.iter().zip(&expected) {
                assert!((g - e).abs() < 1e-5, "{name}: {g} {e}");
            }
        }
        let untouched = "blocks.0.mlp.fc1.weight";
        assert_eq!(
            bits(&weights).iter().find(|(n, _)| n == untouched),
            bits(&base()).iter().find(|(n, _)| n == untouched)
        );
    }

    fn dense(seed: u64) -> Arc<Dense> {
        let name = "blocks.1.attn.qkv.weight".to_string();
        let weight = randn(base()[&name].dims(), Key::new(seed));
        Arc::new(Dense {
            weights: Weights::from([(name, weight)]),
        })
    }

    /// Full rank and low rank compose in their order, and come off again bit for bit.
    #[test]
    fn a_dense_entry_replaces_what_was_before_it() {
        let mut stack = Stack::new(base(), &layers());
        let name = "blocks.1.attn.qkv.weight";
        let of = |weights: &Weights| testing::values(&weights[name]);
        stack.push(merged(2, ".*qkv", 1, 1.0)).unwrap();
        let low = bits(&stack.weights().unwrap());
        let full = |seed, lambda| Entry::Dense {
            dense: dense(seed),
            lambda,
        };
        stack.push(full(7, 0.0)).unwrap();
        assert_eq!(bits(&stack.weights().unwrap()), low);
        stack.pop();
        stack.push(full(7, 1.0)).unwrap();
        let after = stack.weights().unwrap();
        assert_eq!(of(&after), of(&dense(7).weights));
        // The other block keeps its merged adapter, and both count in the norms.
        assert_eq!(stack.norms().unwrap().0.len(), 2);
        stack.push(merged(2, ".*qkv", 3, 1.0)).unwrap();
        let on_top = of(&stack.weights().unwrap());
        assert_ne!(on_top, of(&after));
        stack.push(full(8, 1.0)).unwrap();
        assert_eq!(of(&stack.weights().unwrap()), of(&dense(8).weights));
        stack.pop();
        assert_eq!(of(&stack.weights().unwrap()), on_top);
        stack.pop();
        stack.pop();
        assert_eq!(bits(&stack.weights().unwrap()), low);
        let text = stack.push(full(7, 0.5)).unwrap_err().to_string();
        assert!(text.contains("λ is 0 or 1, not 0.5"), "{text}");
    }

    #[test]
    fn a_stored_entry_is_never_added() {
        let mut stack = Stack::new(base(), &layers());
        stack
            .push(Entry::Stored {
                adapter: adapter(4, ".*", 1),
            })
            .unwrap();
        assert_eq!(bits(&stack.weights().unwrap()), bits(&base()));
        let (norms, total) = stack.norms().unwrap();
        assert!(norms.is_empty() && total == 0.0);
    }

    #[test]
    fn norms_are_frobenius_by_module_and_in_all() {
        let mut stack = Stack::new(base(), &layers());
        stack.push(merged(2, ".*qkv", 1, 1.0)).unwrap();
        stack.push(merged(2, ".*qkv", 2, 1.0)).unwrap();
        let (norms, total) = stack.norms().unwrap();
        let names: Vec<_> = norms.iter().map(|n| n.module.as_str()).collect();
        assert_eq!(names, ["blocks.0.attn.qkv", "blocks.1.attn.qkv"]);
        let weights = stack.weights().unwrap();
        let norm = |t: &Tensor| {
            let v = t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>()
        };
        let (mut updates, mut bases) = (0.0, 0.0);
        for n in &norms {
            let name = format!("{}.weight", n.module);
            let update = norm(&(&weights[&name] - &base()[&name]).unwrap());
            let square = norm(&base()[&name]);
            assert!((n.relative - (update / square).sqrt()).abs() < 1e-6);
            updates += update;
            bases += square;
        }
        assert!(total > 0.0 && (total - (updates / bases).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn an_earlier_entry_can_be_put_in_another_way_and_back() {
        let mut stack = Stack::new(base(), &layers());
        for seed in [1, 2, 3] {
            stack.push(merged(4, ".*", seed, 1.0)).unwrap();
        }
        let (whole, first) = (stack.weights().unwrap(), stack.weights_of(1).unwrap());
        let half = Amount::of(0.5);
        let update = Update::LowRank(adapter(4, ".*", 2));
        stack
            .replace(1, Entry::of(Mode::Merge, &update, half).unwrap())
            .unwrap();
        assert_eq!(bits(&stack.weights_of(1).unwrap()), bits(&first));
        assert_ne!(bits(&stack.weights().unwrap()), bits(&whole));
        // What is left of it, and what was merged after it.
        let mut other = Stack::new(base(), &layers());
        for (seed, lambda) in [(1, 1.0), (2, 0.5), (3, 1.0)] {
            other.push(merged(4, ".*", seed, lambda)).unwrap();
        }
        assert_eq!(
            bits(&stack.weights().unwrap()),
            bits(&other.weights().unwrap())
        );
        let whole_again = Entry::of(Mode::Merge, &update, Amount::WHOLE).unwrap();
        stack.replace(1, whole_again).unwrap();
        assert_eq!(bits(&stack.weights().unwrap()), bits(&whole));
        assert!(stack.replace(3, merged(4, ".*", 1, 1.0)).is_err());
        let (two, all) = (stack.norms_of(2).unwrap(), stack.norms().unwrap());
        assert!(two.1 > 0.0 && two.1 != all.1);
    }

    #[test]
    fn an_entry_that_does_not_fit_is_refused() {
        let mut stack = Stack::new(base(), &layers()[..3]);
        assert!(stack.push(merged(2, r".*conv2", 1, 1.0)).is_err());
        assert!(stack.entries().is_empty());
    }
}
