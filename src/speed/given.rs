//! A batch, and what a training begins with, from a file: so that another program can be given the same.

use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::backbone::{Weights, to_safetensors};
use crate::data::Batch;
use crate::lora::from_safetensors;
use crate::train::{Head, TaskTrainer};
use crate::{Error, Result, files};

/// The content of the file.
pub(super) struct Given {
    /// The file, for sentences.
    file: String,
    images: Tensor,
    labels: Vec<i64>,
    /// Everything else.
    parameters: Weights,
}

impl Given {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = path.display().to_string();
        if !path.is_file() {
            return Err(Error::input(format!(
                "--inputs {file} is no file: name one of safetensors with images, labels and what the adapter begins with"
            )));
        }
        let bytes = files::read(path)?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(|e| {
            Error::input(format!(
                "--inputs {file} is not a whole safetensors file ({e}): write it again"
            ))
        })?;
        let mut parameters: Weights = tensors.into_iter().collect();
        let mut take =
            |name: &str, dtype: DType, axes: &str, rank: usize| match parameters.remove(name) {
                Some(t) if t.dtype() == dtype && t.rank() == rank && t.elem_count() > 0 => Ok(t),
                found => Err(Error::input(format!(
                    "--inputs {file} needs {name} as {} of the shape {axes}, and has {}",
                    dtype.as_str(),
                    found.map_or("none".to_owned(), |t| format!(
                        "it as {} of the shape {:?}",
                        t.dtype().as_str(),
                        t.dims()
                    ))
                ))),
            };
        let images = take("images", DType::F32, "[images, channels, height, width]", 4)?;
        let labels = take("labels", DType::I64, "[images]", 1)?.to_vec1::<i64>()?;
        if images.dim(0)? != labels.len() {
            return Err(Error::input(format!(
                "--inputs {file} has {} images and {} labels: give each image its label",
                images.dim(0)?,
                labels.len()
            )));
        }
        // A sum with a value that is no finite number is none; 0 times the others is 0.
        if (&images * 0.0)?.sum_all()?.to_scalar::<f32>()? != 0.0 {
            return Err(Error::input(format!(
                "--inputs {file} has images with values that are no finite numbers: write them again"
            )));
        }
        Ok(Self {
            file,
            images,
            labels,
            parameters,
        })
    }

    /// The images with their labels.
    pub(super) fn batch(&self) -> Result<Batch> {
        let (_, c, h, w) = self.images.dims4()?;
        Ok(Batch {
            pixels: self.images.flatten_all()?.to_vec1()?,
            // Within the head's classes, or `head` refuses them.
            labels: self.labels.iter().map(|&l| l as u32).collect(),
            size: [c, h, w],
        })
    }

    /// The head that the labels are for, on features `[b, dim]`.
    pub(super) fn head(&self, dim: usize, device: &Device) -> Result<Head> {
        let bias = self.parameters.get("head.bias");
        let get = |name: &str, shape: &[usize]| match self.parameters.get(name) {
            Some(t) if t.dims() == shape && t.dtype() == DType::F32 => Ok(t.to_device(device)?),
            _ => Err(Error::input(format!(
                "--inputs {} has no {name} of f32 and the shape {shape:?}: the head takes the backbone's {dim} \
                 features, and has a bias for each class",
                self.file
            ))),
        };
        let classes = bias.map_or(1, |b| b.elem_count().max(1));
        let bias = get("head.bias", &[classes])?;
        let weight = get("head.weight", &[classes, dim])?;
        let head = Head { weight, bias };
        match self
            .labels
            .iter()
            .find(|l| !(0..classes as i64).contains(*l))
        {
            None => Ok(head),
            Some(label) => Err(Error::input(format!(
                "--inputs {} has the label {label}, but its head has the classes 0 to {}",
                self.file,
                classes - 1
            ))),
        }
    }

    /// Lets a training that has not begun begin with the adapter and the head of the file.
    pub(super) fn put_into(&self, trainer: &mut TaskTrainer) -> Result<()> {
        let mut state = from_safetensors(&trainer.checkpoint()?, &Device::Cpu, "the training")?;
        for (name, value) in &mut state {
            let Some(name) = name.strip_prefix("value.") else {
                continue;
            };
            match self.parameters.get(name) {
                Some(t) if t.dims() == value.dims() && t.dtype() == DType::F32 => {
                    *value = t.clone();
                }
                _ => {
                    return Err(Error::input(format!(
                        "--inputs {} has no {name} of f32 and the shape {:?}, with which the training would begin: \
                         write it for these --targets and this --rank",
                        self.file,
                        value.dims()
                    )));
                }
            }
        }
        let unknown = |name: &&String| !state.contains_key(&format!("value.{name}"));
        if let Some(name) = self.parameters.keys().find(unknown) {
            return Err(Error::input(format!(
                "--inputs {} has {name}, which is not trained with these --targets: leave it out",
                self.file
            )));
        }
        trainer.restore(&to_safetensors(&state)?)
    }
}
