//! Where tensors live.

use candle_core::Device;

use crate::{Error, Result};

/// Opens `auto`, `cpu` or `cuda:N`; `auto` is the first GPU if this binary can use one. Gives the device
/// and the name that journals record.
pub fn open_device(name: &str) -> Result<(Device, String)> {
    match name {
        "cpu" => Ok((Device::Cpu, "cpu".into())),
        "auto" => Ok(open_cuda(0).unwrap_or((Device::Cpu, "cpu".into()))),
        _ => {
            let number = name
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .ok_or_else(|| {
                    Error::input(format!(
                        "device {name:?} is not understood: write auto, cpu or cuda:N"
                    ))
                })?;
            open_cuda(number)
        }
    }
}

/// Every device that runs can be done on beside each other: the GPUs that this binary can use, or else the CPU.
pub fn devices() -> Vec<String> {
    match gpus() {
        0 => vec!["cpu".into()],
        n => (0..n).map(|i| format!("cuda:{i}")).collect(),
    }
}

#[cfg(feature = "cuda")]
fn gpus() -> i32 {
    use candle_core::cuda_backend::cudarc::driver::CudaContext;
    CudaContext::device_count().unwrap_or(0)
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> i32 {
    0
}

fn open_cuda(number: usize) -> Result<(Device, String)> {
    if !candle_core::utils::cuda_is_available() {
        return Err(Error::input(format!(
            "cuda:{number} cannot be used: this binary was built without the feature `cuda`; use --device cpu, or build with --features cuda"
        )));
    }
    match Device::new_cuda(number) {
        Ok(device) => Ok((device, format!("cuda:{number}"))),
        Err(error) => {
            // What follows is a backtrace, where RUST_BACKTRACE asks for one.
            let error = error.to_string();
            let error = error.lines().next().unwrap_or_default();
            Err(Error::input(format!(
                "cuda:{number} cannot be opened: {error}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_or_refused() {
        assert_eq!(open_device("cpu").unwrap().1, "cpu");
        for name in ["gpu", "cuda", "cuda:x", ""] {
            assert_eq!(open_device(name).unwrap_err().exit_code(), 2, "{name}");
        }
    }
}
