//! Named tensors from the bytes of a safetensors file.

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use crate::backbone::Weights;
use crate::{Error, Result};

/// Reads every tensor, as f32; `what` names the file in errors.
///
/// # Errors
/// [`Error::Input`] where the bytes are not a whole safetensors file of floating-point tensors.
pub(crate) fn from_safetensors(bytes: &[u8], device: &Device, what: &str) -> Result<Weights> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| {
        Error::input(format!(
            "{what} is not a whole safetensors file ({e}): it is damaged or was cut short"
        ))
    })?;
    file.iter()
        .map(|(name, view)| {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F16 => DType::F16,
                Dtype::BF16 => DType::BF16,
                Dtype::F64 => DType::F64,
                other => {
                    return Err(Error::input(format!(
                        "{what} has the tensor {name} as {other:?}: only floating-point ones are supported"
                    )));
                }
            };
            let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?
                .to_dtype(DType::F32)?
                .to_device(device)?;
            Ok((name.to_string(), tensor))
        })
        .collect()
}
