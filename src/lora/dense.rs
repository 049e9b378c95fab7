//! Modules trained at full rank, without an adapter.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;

use super::tensors::from_safetensors;
use crate::backbone::{Layer, Weights, to_safetensors};
use crate::files;
use crate::{Error, Result};

/// The file of a folder that holds what [`Dense::save`] wrote.
pub const DENSE_FILE: &str = "weights.safetensors";

/// What some modules hold after a task that trained them at full rank: their weights, and their biases where they
/// have one, by timm's names.
#[derive(Clone, Debug)]
pub struct Dense {
    /// timm's name of a tensor → its value after the task.
    pub weights: Weights,
}

impl Dense {
    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.weights.values().map(|t| t.elem_count()).sum()
    }

    /// Whether the module's weight is among them.
    pub fn holds(&self, layer: &Layer) -> bool {
        self.weights.contains_key(&layer.weight_name())
    }

    /// Checks that each tensor is one of `base`'s, of its shape.
    ///
    /// # Errors
    /// [`Error::Input`] naming the tensor: the file may be of another backbone.
    pub fn check(&self, base: &Weights) -> Result<()> {
        for (name, tensor) in &self.weights {
            let wanted = base.get(name).map(|t| t.dims());
            if wanted != Some(tensor.dims()) {
                return Err(Error::input(format!(
                    "the trained weights hold {name} of shape {:?}, which the backbone {}: they were made for another \
                     backbone",
                    tensor.dims(),
                    match wanted {
                        None => "does not have".to_string(),
                        Some(wanted) => format!("has as {wanted:?}"),
                    }
                )));
            }
        }
        Ok(())
    }

    /// Puts the tensors in the place of those of the same names.
    pub fn replace_in(&self, weights: &mut Weights) {
        for (name, tensor) in &self.weights {
            weights.insert(name.clone(), tensor.clone());
        }
    }

    /// Writes `weights.safetensors` into a folder; equal weights give equal bytes.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let detached: BTreeMap<_, _> = self
            .weights
            .iter()
            .map(|(name, t)| (name.clone(), t.detach()))
            .collect();
        files::write_atomic(&folder.join(DENSE_FILE), &to_safetensors(&detached)?)
    }

    /// Reads what [`Dense::save`] wrote. Whether it fits a backbone is [`Dense::check`]'s to say.
    ///
    /// # Errors
    /// [`Error::Input`] where the file is damaged.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        let path = folder.join(DENSE_FILE);
        let what = path.display().to_string();
        Ok(Self {
            weights: from_safetensors(&files::read(&path)?, device, &what)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::testing::{randn, values};
    use crate::random::Key;

    #[test]
    fn a_file_gives_the_weights_back_and_a_foreign_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let weights = Weights::from([
            ("a.weight".to_string(), randn(&[4, 3], Key::new(1))),
            ("a.bias".to_string(), randn(&[4], Key::new(2))),
        ]);
        let dense = Dense { weights };
        dense.save(dir.path()).unwrap();
        let again = Dense::load(dir.path(), &Device::Cpu).unwrap();
        assert_eq!((again.parameters(), again.weights.len()), (16, 2));
        for (name, t) in &dense.weights {
            assert_eq!(values(t), values(&again.weights[name]));
        }
        dense.check(&dense.weights).unwrap();
        let other = Weights::from([("a.weight".to_string(), randn(&[3, 4], Key::new(1)))]);
        let text = dense.check(&other).unwrap_err().to_string();
        assert!(text.contains("a.bias"), "{text}");
        let mut other = dense.weights.clone();
        other.insert("a.weight".into(), randn(&[3, 4], Key::new(1)));
        let text = dense.check(&other).unwrap_err().to_string();
        assert!(text.contains("has as [3, 4]"), "{text}");
        std::fs::write(dir.path().join(DENSE_FILE), b"cut").unwrap();
        assert!(matches!(
            Dense::load(dir.path(), &Device::Cpu),
            Err(Error::Input(_))
        ));
    }
}
