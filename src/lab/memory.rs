//! Batches that fit a device, and a GPU without memory left, in a sentence that says what fits.

use candle_core::Device;

use super::preview::Memory;
use crate::backbone::Config;
use crate::recipe::Recipe;
use crate::{Error, Result, lora};

/// What candle hands on of the driver and of cuBLAS where there is no memory.
const SIGNS: [&str; 3] = [
    "CUDA_ERROR_OUT_OF_MEMORY",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "out of memory",
];

/// Images a batch of evaluation on a CPU: more of them are no faster, by measurement.
const ON_CPU: usize = 64;
/// And on a GPU, at most.
const ON_GPU: usize = 256;

/// Images a batch of evaluation: the recipe's, or on a GPU with so much memory as many as half of it holds by estimate.
///
/// # Errors
/// As [`Memory::of`].
pub(super) fn evaluation_batch(
    recipe: &Recipe,
    config: &Config,
    there: Option<usize>,
) -> Result<usize> {
    if let Some(images) = recipe.measure.batch_size {
        return Ok(images);
    }
    let Some(there) = there else {
        return Ok(ON_CPU);
    };
    let mut batch = ON_GPU;
    while batch > 1 && Use::Measuring.estimate(recipe, config, batch)? > there / 2 {
        batch /= 2;
    }
    Ok(batch)
}

/// Whether a device had no memory left for what was asked of it.
pub(super) fn is_out_of_memory(error: &Error) -> bool {
    let Error::Tensor(error) = error else {
        return false;
    };
    let text = error.to_string();
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// What was at work when the memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A training, with batches of `train.batch_size`.
    Training,
    /// A measurement, with batches of `measure.batch_size`.
    Measuring,
}

impl Use {
    fn key(self) -> &'static str {
        match self {
            Self::Training => "train.batch_size",
            Self::Measuring => "measure.batch_size",
        }
    }

    /// The estimate with batches of this size, in bytes.
    fn estimate(self, recipe: &Recipe, config: &Config, batch: usize) -> Result<usize> {
        let mut recipe = recipe.clone();
        // What is not at work does not count.
        let (train, measure) = match self {
            Self::Training => (batch, 1),
            Self::Measuring => (1, batch),
        };
        (recipe.train.batch_size, recipe.measure.batch_size) = (train, Some(measure));
        let targets = lora::target_modules(&recipe.lora, config)?;
        Ok(Memory::of(&recipe, config, &targets)?.total())
    }
}

/// The sentence for it: how much was needed, what there is, and which batch would fit, halved as often as the estimate
/// asks for and once at least. The driver does not say how much it was asked for.
///
/// # Errors
/// As [`Memory::of`].
pub(super) fn shortage(
    recipe: &Recipe,
    config: &Config,
    at_work: Use,
    there: Option<usize>,
) -> Result<String> {
    let mut batch = match at_work {
        Use::Training => recipe.train.batch_size,
        Use::Measuring => evaluation_batch(recipe, config, there)?,
    };
    let (key, before) = (at_work.key(), batch);
    let needed = at_work.estimate(recipe, config, batch)?;
    let gigabytes = |bytes: usize| format!("{:.1} GB", bytes as f64 / 1e9);
    let limit = there.unwrap_or(usize::MAX);
    let mut fits = false;
    while batch > 1 && !fits {
        batch /= 2;
        fits = at_work.estimate(recipe, config, batch)? <= limit;
    }
    let has = there.map_or_else(String::new, |there| {
        format!(" and it has {}", gigabytes(there))
    });
    let asked = gigabytes(needed);
    let advice = match fits {
        true => format!("{key}={batch} would fit by the same estimate"),
        false => {
            "no batch fits: take another backbone, fewer targets or a smaller image".to_owned()
        }
    };
    Ok(format!(
        "the GPU has no memory left: {key}={before} takes about {asked} by estimate{has}; {advice}"
    ))
}

/// Bytes of a GPU's memory, where its driver tells.
pub(super) fn capacity(device: &Device) -> Option<usize> {
    usize::try_from(gpu(device)?.memory).ok()
}

/// A GPU as its driver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// `NVIDIA H100 80GB HBM3`
    pub name: String,
    /// Bytes in use, by anyone.
    pub used: u64,
    /// Bytes that there are.
    pub memory: u64,
}

/// The GPU that a device is, by its driver; none for a CPU.
pub fn gpu(device: &Device) -> Option<Gpu> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            let stream = device.cuda_stream();
            let (free, memory) = stream.context().mem_get_info().ok()?;
            Some(Gpu {
                name: stream.context().name().ok()?,
                used: (memory - free) as u64,
                memory: memory as u64,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As candle 0.11 and cudarc 0.19 print them: the error of the driver by its Debug, and cuBLAS's.
    #[test]
    fn the_texts_of_candles_cuda_errors_are_recognised() {
        let of = |text: &str| Error::Tensor(candle_core::Error::Cuda(text.into()));
        for text in [
            r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#,
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, <Failure when calling cuGetErrorString()>)",
            "CublasError(CUBLAS_STATUS_ALLOC_FAILED)",
        ] {
            assert!(is_out_of_memory(&of(text)), "{text}");
            let with_trace = Error::Tensor(candle_core::Error::Cuda(text.into()).bt());
            assert!(is_out_of_memory(&with_trace), "{text}");
        }
        let other = r#"DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")"#;
        assert!(!is_out_of_memory(&of(other)));
        assert!(!is_out_of_memory(&Error::input("out of memory")));
    }

    #[test]
    fn evaluation_takes_what_the_recipe_says_or_what_fits() {
        let json = br#"{"architecture": "vit_base_patch16_224", "num_classes": 1000}"#;
        let config = Config::from_json(json).unwrap();
        let mut recipe = Recipe::load("demo", &["measure.batch_size=7".into()]).unwrap();
        let of = |recipe: &Recipe, there| evaluation_batch(recipe, &config, there).unwrap();
        assert_eq!([of(&recipe, None), of(&recipe, Some(0))], [7, 7]);
        recipe.measure.batch_size = None;
        assert_eq!(of(&recipe, None), ON_CPU);
        assert_eq!(of(&recipe, Some(80 << 30)), ON_GPU);
        let small = 2 * Use::Measuring.estimate(&recipe, &config, 32).unwrap();
        assert_eq!(of(&recipe, Some(small)), 32);
        assert_eq!(of(&recipe, Some(0)), 1);
    }

    #[test]
    fn a_batch_is_halved_until_it_fits() {
        let overrides = [
            "train.batch_size=256".to_owned(),
            "measure.batch_size=64".into(),
        ];
        let recipe = Recipe::load("demo", &overrides).unwrap();
        let json = br#"{"architecture": "vit_base_patch16_224", "num_classes": 1000}"#;
        let config = Config::from_json(json).unwrap();
        let says = |at_work, there| shortage(&recipe, &config, at_work, there).unwrap();
        let of = |batch| Use::Training.estimate(&recipe, &config, batch).unwrap();
        let text = says(Use::Training, Some(of(32)));
        assert!(text.contains("train.batch_size=256 takes about "), "{text}");
        assert!(text.contains("train.batch_size=32 would fit"), "{text}");
        // Where the estimate was too low, or nobody knows what there is, half of it is worth a try.
        for there in [Some(of(512)), None] {
            let text = says(Use::Training, there);
            assert!(text.contains("train.batch_size=128 would fit"), "{text}");
        }
        assert!(says(Use::Training, Some(0)).contains("no batch fits"));
        let text = says(Use::Measuring, None);
        assert!(text.contains("measure.batch_size=32 would fit"), "{text}");
    }
}
