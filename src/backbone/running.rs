//! BatchNorm's running statistics while a model is pretrained.

use std::collections::BTreeMap;
use std::sync::Mutex;

use candle_core::Tensor;

use super::Weights;
use crate::{Error, Result};

/// PyTorch's default: the share of a batch's statistics in the running ones.
const MOMENTUM: f64 = 0.1;

/// Running mean and variance of every BatchNorm, updated by each training pass:
/// `new = 0.9·old + 0.1·batch`, the batch's variance unbiased, as PyTorch's.
pub struct RunningStats {
    stats: Mutex<BTreeMap<String, (Tensor, Tensor)>>,
}

impl RunningStats {
    /// Starts from the statistics among `weights`.
    pub fn new(weights: &Weights) -> Self {
        let stats = weights
            .iter()
            .filter_map(|(name, mean)| {
                let module = name.strip_suffix(".running_mean")?;
                let var = weights.get(&format!("{module}.running_var"))?;
                Some((module.to_string(), (mean.detach(), var.detach())))
            })
            .collect();
        Self {
            stats: Mutex::new(stats),
        }
    }

    /// Takes in a batch's mean and biased variance `[c]` over `count` values a channel.
    pub(super) fn update(
        &self,
        module: &str,
        mean: &Tensor,
        var: &Tensor,
        count: usize,
    ) -> Result<()> {
        let mut stats = self
            .stats
            .lock()
            .map_err(|_| Error::internal("a pass over the running statistics panicked"))?;
        let old = stats.get_mut(module).ok_or_else(|| {
            Error::internal(format!("no running statistics were given for {module}"))
        })?;
        let unbiased = count as f64 / (count.max(2) - 1) as f64;
        let mix = |old: &Tensor, new: &Tensor, factor: f64| -> Result<Tensor> {
            let old = old.affine(1.0 - MOMENTUM, 0.0)?;
            Ok((old + new.detach().affine(MOMENTUM * factor, 0.0)?)?)
        };
        *old = (mix(&old.0, mean, 1.0)?, mix(&old.1, var, unbiased)?);
        Ok(())
    }

    /// Writes the present statistics into `weights`.
    pub fn write(&self, weights: &mut Weights) -> Result<()> {
        let stats = self
            .stats
            .lock()
            .map_err(|_| Error::internal("a pass over the running statistics panicked"))?;
        for (module, (mean, var)) in stats.iter() {
            weights.insert(format!("{module}.running_mean"), mean.clone());
            weights.insert(format!("{module}.running_var"), var.clone());
        }
        Ok(())
    }
}
