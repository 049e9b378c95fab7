//! Reading and writing a backbone's folder: timm's `config.json` and `model.safetensors`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors, View};

use super::{Config, Weights, positions};
use crate::files;
use crate::{Error, Result};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

/// Reads `config.json` and `model.safetensors` from a folder, with the SHA-256 of the weights file.
///
/// # Errors
/// [`Error::Input`] where a file is missing or not of timm's form, or the architecture is not supported.
pub fn load(folder: &Path, device: &Device) -> Result<(Config, Weights, String)> {
    let read = |name: &str| {
        let path = folder.join(name);
        if path.is_file() {
            return files::read(&path);
        }
        Err(Error::input(format!(
            "{} has no {name}: a backbone's folder holds {CONFIG} and {WEIGHTS}, as timm writes them",
            folder.display()
        )))
    };
    let (config, weights) = (read(CONFIG)?, read(WEIGHTS)?);
    let sha256 = files::sha256(&weights);
    let (config, weights) = parse(&config, &weights, device).map_err(|e| match e {
        Error::Input(text) => Error::Input(format!("{}: {text}", folder.display())),
        other => other,
    })?;
    Ok((config, weights, sha256))
}

/// The same from the files' bytes. Half-precision weights become f32; BatchNorm's step counters are dropped.
pub fn parse(config_json: &[u8], safetensors: &[u8], device: &Device) -> Result<(Config, Weights)> {
    let config = Config::from_json(config_json)?;
    let file = SafeTensors::deserialize(safetensors).map_err(|e| {
        Error::input(format!(
            "the backbone's {WEIGHTS} cannot be read ({e}): fetch the file again"
        ))
    })?;
    let mut weights = Weights::new();
    for (name, view) in file.iter() {
        if name.ends_with(".num_batches_tracked") {
            continue;
        }
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F64 => DType::F64,
            other => {
                return Err(Error::input(format!(
                    "the backbone's {WEIGHTS} has {name} as {other:?}: only floating-point weights are \
                     supported"
                )));
            }
        };
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?
            .to_dtype(DType::F32)?;
        // 0 · x is 0 unless x is infinite or no number, and a sum with one of those is no number.
        if (&tensor * 0.0)?.sum_all()?.to_scalar::<f32>()? != 0.0 {
            return Err(Error::input(format!(
                "the backbone's {WEIGHTS} has values in {name} that are no finite numbers: fetch the file again"
            )));
        }
        weights.insert(name.to_string(), tensor.to_device(device)?);
    }
    positions::fit(&config, &mut weights)?;
    Ok((config, weights))
}

/// A tensor's bytes for a safetensors file.
struct Bytes {
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }
    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// The bytes of a safetensors file with these f32 tensors: equal tensors give equal bytes.
pub fn to_safetensors(weights: &Weights) -> Result<Vec<u8>> {
    let views = weights
        .iter()
        .map(|(name, tensor)| {
            let values = tensor
                .to_device(&Device::Cpu)?
                .flatten_all()?
                .to_vec1::<f32>()?;
            let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let shape = tensor.dims().to_vec();
            Ok((name, Bytes { shape, data }))
        })
        .collect::<Result<Vec<_>>>()?;
    // One key only: a second would be written in the order of a hash map.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata))
        .map_err(|e| Error::internal(format!("{WEIGHTS} cannot be written: {e}")))
}

/// Writes `config.json` and `model.safetensors` into a folder, so that timm's
/// `create_model('local-dir:FOLDER', pretrained=True)` loads them.
pub fn save(folder: &Path, config: &Config, weights: &Weights) -> Result<()> {
    files::write_atomic(&folder.join(WEIGHTS), &to_safetensors(weights)?)?;
    files::write_atomic(&folder.join(CONFIG), &config.to_json()?)
}
