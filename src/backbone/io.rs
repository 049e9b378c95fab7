//! Reading and writing a backbone's folder: timm's `config.json` and `model.safetensors`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors, View};
use serde_json::{Map, Value};

use super::{Config, Weights, pickle, positions};
use crate::files;
use crate::{Error, Result};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

/// Reads `config.json` and `model.safetensors` from a folder, with the SHA-256 of the weights file.
///
/// # Errors
/// [`Error::Input`] where a file is missing or not of timm's form, or the architecture is not supported.
pub fn load(folder: &Path, device: &Device) -> Result<(Config, Weights, String)> {
    let (config, weights) = (read(folder, CONFIG)?, read(folder, WEIGHTS)?);
    let sha256 = files::sha256(&weights);
    let (config, weights) = parse(&config, &weights, device).map_err(|e| match e {
        Error::Input(text) => Error::Input(format!("{}: {text}", folder.display())),
        other => other,
    })?;
    Ok((config, weights, sha256))
}

/// The config of a backbone's folder, without its weights.
///
/// # Errors
/// As [`load`].
pub fn load_config(folder: &Path) -> Result<Config> {
    Config::from_json(&read(folder, CONFIG)?)
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    if path.is_file() {
        return files::read(&path);
    }
    Err(Error::input(format!(
        "{} has no {name}: a backbone's folder holds {CONFIG} and {WEIGHTS}, as timm writes them",
        folder.display()
    )))
}

/// The same from the files' bytes. Half-precision weights become f32; BatchNorm's step counters are dropped.
pub fn parse(config_json: &[u8], safetensors: &[u8], device: &Device) -> Result<(Config, Weights)> {
    let config = Config::from_json(config_json)?;
    let weights = from_stored(
        &config,
        read_safetensors(safetensors, WEIGHTS)?,
        WEIGHTS,
        device,
    )?;
    Ok((config, weights))
}

/// A backbone from a file of weights alone, `.safetensors` or PyTorch's `.pth`, `.pt` or `.bin`, with the SHA-256 of
/// the file. What `config.json` would say comes from timm's name of the architecture, from the weights' shapes
/// (classes, channels), and from `model_args` and `pretrained_cfg`, whose keys go first.
///
/// A pickle is read as data: nothing in it is run. The weights may lie under `state_dict` or `model`, and behind the
/// prefix `module.` of a data-parallel training.
///
/// # Errors
/// [`Error::Input`] where the file cannot be read, or does not hold that architecture's weights.
pub fn load_file(
    path: &Path,
    architecture: &str,
    model_args: &Map<String, Value>,
    pretrained_cfg: &Map<String, Value>,
    device: &Device,
) -> Result<(Config, Weights, String)> {
    let shown = path.display().to_string();
    if !path.is_file() {
        return Err(Error::input(format!(
            "backbone.source file:{shown} names no file: give one of weights, .safetensors or .pth"
        )));
    }
    let bytes = files::read(path)?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let stored = match extension {
        "safetensors" => read_safetensors(&bytes, &shown)?,
        "pth" | "pt" | "bin" => pickle::read(path)?,
        _ => {
            return Err(Error::input(format!(
                "{shown} has no ending that tells what it holds: .safetensors, .pth, .pt or .bin"
            )));
        }
    };
    let shapes = stored.iter().map(|(n, t)| (n.as_str(), t.dims()));
    let config = Config::of_weights(architecture, model_args, pretrained_cfg, shapes.collect())?;
    let weights = from_stored(&config, stored, &shown, device)?;
    Ok((config, weights, files::sha256(&bytes)))
}

/// Tensors as they lie in a file, on the CPU, whatever their type.
pub(super) type Stored = Vec<(String, Tensor)>;

fn read_safetensors(bytes: &[u8], file: &str) -> Result<Stored> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| {
        Error::input(format!(
            "the backbone's {file} cannot be read ({e}): fetch the file again"
        ))
    })?;
    let mut stored = Stored::new();
    for (name, view) in tensors.iter() {
        if is_counter(name) {
            continue;
        }
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F64 => DType::F64,
            other => return Err(no_float(file, name, &format!("{other:?}"))),
        };
        let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
        stored.push((name.to_owned(), tensor));
    }
    Ok(stored)
}

/// BatchNorm's count of training steps, which nothing here needs.
pub(super) fn is_counter(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

pub(super) fn no_float(file: &str, name: &str, dtype: &str) -> Error {
    Error::input(format!(
        "the backbone's {file} has {name} as {dtype}: only floating-point weights are supported"
    ))
}

/// Weights in f32 on `device`, position embeddings brought to the config's grid.
fn from_stored(config: &Config, stored: Stored, file: &str, device: &Device) -> Result<Weights> {
    let mut weights = Weights::new();
    for (name, tensor) in stored {
        let tensor = tensor.to_dtype(DType::F32)?;
        // 0 · x is 0 unless x is infinite or no number, and a sum with one of those is no number.
        if (&tensor * 0.0)?.sum_all()?.to_scalar::<f32>()? != 0.0 {
            return Err(Error::input(format!(
                "the backbone's {file} has values in {name} that are no finite numbers: fetch the file again"
            )));
        }
        weights.insert(name, tensor.to_device(device)?);
    }
    positions::fit(config, &mut weights)?;
    Ok(weights)
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
