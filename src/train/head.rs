//! A linear head on a backbone's features.

use std::path::Path;

use candle_core::{Device, Tensor};

use crate::backbone::{Config, Weights, to_safetensors};
use crate::files;
use crate::lora::from_safetensors;
use crate::ops;
use crate::random::Key;
use crate::{Error, Result};

/// A linear classifier.
#[derive(Clone, Debug)]
pub struct Head {
    /// `[classes, dim]`
    pub weight: Tensor,
    /// `[classes]`
    pub bias: Tensor,
}

impl Head {
    /// A fresh head, as PyTorch initialises an `nn.Linear`: `kaiming_uniform_(a=√5)` for the weight, i.e.
    /// U(±1/√dim), and the same for the bias. A function of `key`.
    pub fn initialise(classes: usize, dim: usize, key: Key, device: &Device) -> Result<Self> {
        let bound = (dim as f32).powf(-0.5);
        let draw = |name: &str, count: usize| -> Vec<f32> {
            let key = key.named(name);
            (0..count as u64)
                .map(|i| key.uniform(i, -bound, bound))
                .collect()
        };
        Ok(Self {
            weight: Tensor::from_vec(draw("weight", classes * dim), (classes, dim), device)?,
            bias: Tensor::from_vec(draw("bias", classes), classes, device)?,
        })
    }

    /// The pretrained classifier among a backbone's weights.
    ///
    /// # Errors
    /// [`Error::Input`] where the model has none.
    pub fn pretrained(config: &Config, weights: &Weights) -> Result<Self> {
        let name = config.classifier();
        let get = |what: &str| {
            weights.get(&format!("{name}.{what}")).cloned().ok_or_else(|| {
                Error::input(format!(
                    "the weights for {} have no {name}.{what}: a backbone with its pretrained classifier is needed",
                    config.architecture
                ))
            })
        };
        let head = Self {
            weight: get("weight")?,
            bias: get("bias")?,
        };
        head.check(&format!("the classifier of {}", config.architecture))?;
        Ok(head)
    }

    /// Features `[b, dim]` → logits `[b, classes]`.
    pub fn logits(&self, features: &Tensor) -> Result<Tensor> {
        ops::linear(features, &self.weight, Some(&self.bias))
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.bias.elem_count()
    }

    /// A copy with tensors of its own, which no training changes.
    pub fn copied(&self) -> Result<Self> {
        Ok(Self {
            weight: self.weight.detach().copy()?,
            bias: self.bias.detach().copy()?,
        })
    }

    /// Writes a safetensors file with `weight` and `bias`; equal heads give equal bytes.
    pub fn save(&self, path: &Path) -> Result<()> {
        let tensors = Weights::from([
            ("weight".to_string(), self.weight.detach()),
            ("bias".to_string(), self.bias.detach()),
        ]);
        files::write_atomic(path, &to_safetensors(&tensors)?)
    }

    /// Reads what [`Head::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Input`] where the file is damaged or holds no head.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let what = path.display().to_string();
        let mut tensors = from_safetensors(&files::read(path)?, device, &what)?;
        let (Some(weight), Some(bias)) = (tensors.remove("weight"), tensors.remove("bias")) else {
            return Err(Error::input(format!(
                "{what} has no weight and bias: it is not the file of a head"
            )));
        };
        let head = Self { weight, bias };
        head.check(&what)?;
        Ok(head)
    }

    fn check(&self, what: &str) -> Result<()> {
        match (self.weight.dims(), self.bias.dims()) {
            ([k, _], [n]) if k == n && *k > 0 => Ok(()),
            (weight, bias) => Err(Error::input(format!(
                "{what} is no linear head: its weight has the shape {weight:?}, its bias {bias:?}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_values_are_uniform_within_one_by_root_dim() {
        let head = Head::initialise(50, 64, Key::new(1), &Device::Cpu).unwrap();
        let weight: Vec<f32> = head.weight.flatten_all().unwrap().to_vec1().unwrap();
        let bias: Vec<f32> = head.bias.to_vec1().unwrap();
        assert!(weight.iter().chain(&bias).all(|v| v.abs() <= 0.125));
        assert!(weight.iter().any(|v| *v > 0.12) && weight.iter().any(|v| *v < -0.12));
        assert_ne!(&weight[..50], &bias[..]);
        assert_eq!(head.classes(), 50);
    }

    #[test]
    fn a_file_gives_the_head_back_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads/001-parity.safetensors");
        let head = Head::initialise(3, 5, Key::new(1), &Device::Cpu).unwrap();
        head.save(&path).unwrap();
        let again = Head::load(&path, &Device::Cpu).unwrap();
        assert_eq!(
            head.weight.to_vec2::<f32>().unwrap(),
            again.weight.to_vec2::<f32>().unwrap()
        );
        assert_eq!(
            head.bias.to_vec1::<f32>().unwrap(),
            again.bias.to_vec1::<f32>().unwrap()
        );
        let swapped = Head {
            weight: head.bias.clone(),
            bias: head.bias.clone(),
        };
        swapped.save(&path).unwrap();
        let text = Head::load(&path, &Device::Cpu).unwrap_err().to_string();
        assert!(
            text.contains("no linear head") && text.contains("001-parity"),
            "{text}"
        );
        std::fs::write(&path, b"not a file of tensors").unwrap();
        assert!(matches!(
            Head::load(&path, &Device::Cpu),
            Err(Error::Input(_))
        ));
    }
}
