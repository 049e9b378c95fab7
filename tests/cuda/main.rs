//! What must hold on an NVIDIA GPU, against the CPU: operations, trainings, bf16, merges, determinism, and what becomes
//! of a run whose GPU has no memory left.
//!
//! Every check is a function of the device. Here each runs on the CPU, which shows that the checks themselves are
//! sound, and with the feature `cuda` each runs on the first GPU too. Where there is none, its test says so and is
//! passed, unless `PENTIMENTO_REQUIRE_CUDA=1`:
//!
//! ```sh
//! PENTIMENTO_REQUIRE_CUDA=1 cargo test --release --features cuda --test cuda
//! ```

mod operations;
#[cfg(feature = "cuda")]
mod runs;
mod trainings;

use candle_core::{DType, Device, Tensor};
use pentimento::random::Key;

/// Each check as a test on the CPU and one on the GPU.
macro_rules! on_every_device {
    ($($module:ident::$check:ident),* $(,)?) => {
        mod cpu {
            $(#[test]
            fn $check() {
                super::$module::$check(&super::Device::Cpu);
            })*
        }

        #[cfg(feature = "cuda")]
        mod gpu {
            $(#[test]
            fn $check() {
                if let Some(device) = super::gpu(stringify!($check)) {
                    super::$module::$check(&device);
                }
            })*
        }
    };
}

on_every_device! {
    operations::every_operation_is_checked,
    operations::operations_agree,
    operations::operations_in_bf16_are_those_of_f32_rounded,
    trainings::a_vit_trains_as_on_the_cpu,
    trainings::a_resnet_trains_as_on_the_cpu,
    trainings::full_rank_trains_as_on_the_cpu,
    trainings::every_weight_trains_as_on_the_cpu,
    trainings::bf16_stays_near_f32,
    trainings::merges_are_exact_and_taken_back_bit_for_bit,
    trainings::a_training_repeats_bit_for_bit,
}

/// The first GPU, opened anew: each thread works on a stream of its own. Without one `check` says that it did not run.
#[cfg(feature = "cuda")]
fn gpu(check: &str) -> Option<Device> {
    match Device::new_cuda(0) {
        Ok(device) => Some(device),
        Err(error) => {
            // What follows is a backtrace, where RUST_BACKTRACE asks for one.
            let error = error.to_string();
            let error = error.lines().next().unwrap_or_default();
            let required = std::env::var("PENTIMENTO_REQUIRE_CUDA").is_ok_and(|v| v == "1");
            assert!(!required, "{check} needs a GPU: {error}");
            eprintln!("{check} did not run on a GPU: {error}");
            None
        }
    }
}

/// Normal values that are a function of the key.
fn normal(shape: &[usize], key: Key, scale: f32) -> Tensor {
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..count).map(|i| scale * key.normal(i)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    let t = t.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
    t.to_vec1().unwrap()
}

fn bits(t: &Tensor) -> Vec<u32> {
    numbers(t).into_iter().map(f32::to_bits).collect()
}

/// Largest difference relative to the largest value of `b`; not a number where one of them is none.
fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (numbers(a), numbers(b));
    let scale = b.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    let differences = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
    differences.fold(0f32, |m, d| if m.is_nan() || d <= m { m } else { d }) / scale
}
