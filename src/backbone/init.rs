//! timm's initialisation.

use candle_core::{Device, Tensor};

use super::params::{Init, classifier};
use super::{Config, Weights, weight_key};
use crate::Result;
use crate::random::Key;

/// Fresh weights as timm initialises the model, the classifier's among them. Each is a function of `key` and its
/// name.
pub fn initialise(config: &Config, key: Key, device: &Device) -> Result<Weights> {
    let architecture = config.resolve()?;
    let mut params = architecture.params();
    params.extend(classifier(config, &architecture));
    params
        .into_iter()
        .map(|p| {
            let key = weight_key(key, &p.name);
            let count = p.shape.iter().product::<usize>() as u64;
            let values: Vec<f32> = match p.init {
                Init::Constant(c) => vec![c; count as usize],
                Init::Uniform(bound) => (0..count).map(|i| key.uniform(i, -bound, bound)).collect(),
                Init::Normal(std) => (0..count)
                    .map(|i| (std * key.normal(i)).clamp(-2.0, 2.0))
                    .collect(),
            };
            Ok((p.name, Tensor::from_vec(values, p.shape, device)?))
        })
        .collect()
}
