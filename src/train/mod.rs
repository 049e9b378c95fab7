//! Training: the optimiser, the schedule, one task's adapter and head, and a backbone from scratch.

mod adamw;
mod full;
mod gradients;
mod head;
mod inplace;
mod lwf;
mod pretrain;
mod schedule;
mod task;

pub use adamw::{AdamW, Constants, Parameter};
pub use full::FullTrainer;
pub use head::Head;
pub use lwf::Teacher;
pub use pretrain::{PretrainReport, pretrain, transform_spec};
pub use schedule::learning_rate;
pub use task::{Start, StepReport, TaskTrainer};

use candle_core::{Device, Tensor};

use crate::data::Batch;
use crate::ops;
use crate::{Error, Result};

/// A batch as tensors on a device: pixels `[b, c, h, w]`, labels `[b]`.
pub fn tensors(batch: &Batch, device: &Device) -> Result<(Tensor, Tensor)> {
    let [c, h, w] = batch.size;
    let b = batch.labels.len();
    Ok((
        Tensor::from_slice(&batch.pixels, (b, c, h, w), device)?,
        Tensor::from_slice(&batch.labels, b, device)?,
    ))
}

/// What one optimiser step did.
struct Descent {
    loss: f32,
    correct: usize,
}

/// One step down the mean cross-entropy of `logits` `[b, k]` against `labels` `[b]`, and whatever is added to it (a
/// scalar). The loss reported is the cross-entropy.
///
/// # Errors
/// [`Error::Diverged`] where the loss is not finite; nothing is changed then.
fn descend(
    logits: &Tensor,
    labels: &Tensor,
    label_smoothing: f64,
    added: Option<Tensor>,
    optimiser: &mut AdamW,
    lr: f64,
) -> Result<Descent> {
    let loss = ops::cross_entropy(logits, labels, label_smoothing)?;
    let value = loss.to_scalar::<f32>()?;
    let whole = match added {
        Some(added) => (loss + added)?,
        None => loss,
    };
    let total = whole.to_scalar::<f32>()?;
    if !total.is_finite() {
        let gradients = optimiser.largest_gradient(&whole.backward()?)?;
        let what = format!("the loss, {total},");
        return Err(diverged(&what, optimiser.steps() + 1, lr, &gradients));
    }
    let grads = whole.backward()?;
    let update = || optimiser.step(&grads, lr);
    ops::timed("adamw", ops::Phase::Update, logits.device(), update)?;
    let predicted = logits.argmax(candle_core::D::Minus1)?.to_vec1::<u32>()?;
    let labels = labels.to_vec1::<u32>()?;
    Ok(Descent {
        loss: value,
        correct: predicted
            .iter()
            .zip(&labels)
            .filter(|(p, l)| p == l)
            .count(),
    })
}

/// The error for a training that left the finite numbers at this step, counted from 1; `gradients` says how they were.
fn diverged(what: &str, step: usize, lr: f64, gradients: &str) -> Error {
    Error::Diverged(format!(
        "{what} is no longer finite at step {step}, learning rate {lr:.3e}; {gradients}: lower train.lr or raise \
         train.warmup"
    ))
}

/// The error for parameters that left the finite numbers at the last step, if they did.
fn finite(optimiser: &AdamW, lr: f64) -> Result<()> {
    if optimiser.is_finite()? {
        return Ok(());
    }
    let gradients = format!("the loss still was{}", optimiser.largest_before()?);
    Err(diverged("a parameter", optimiser.steps(), lr, &gradients))
}

#[cfg(test)]
mod testing;
