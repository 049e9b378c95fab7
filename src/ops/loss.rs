//! Cross-entropy.

use candle_core::Tensor;

use super::cpu::{plain, values, zeros};
use super::linear::tensor;
use super::math::{exp, max, simd, sum, sum_by};
use super::node::{Output, node};
use crate::{Error, Result};

pub(super) fn cross_entropy(logits: &Tensor, labels: &Tensor, smoothing: f64) -> Result<Tensor> {
    let (batch, classes) = logits.dims2()?;
    let labels: Vec<u32> = labels.to_vec1()?;
    if labels.len() != batch || batch == 0 || classes == 0 {
        return Err(super::shape_error("cross_entropy", &[logits]));
    }
    if let Some(label) = labels.iter().find(|l| **l as usize >= classes) {
        return Err(Error::internal(format!(
            "cross_entropy: label {label} with {classes} classes"
        )));
    }
    let plain_logits = plain(logits)?;
    let xs = values(&plain_logits)?;
    let (on, off) = (1.0 - smoothing, smoothing / classes as f64);
    let mut loss = 0.0;
    // The gradient is (softmax − target) / batch; it is small, so it is computed at once.
    let mut slope = zeros(batch * classes);
    for ((x, slope), label) in xs
        .chunks_exact(classes)
        .zip(slope.chunks_exact_mut(classes))
        .zip(&labels)
    {
        let label = *label as usize;
        let (total, log_sum) = simd(
            #[inline(always)]
            || {
                let top = max(x);
                let total = sum_by(classes, |i| exp(x[i] - top));
                for (s, x) in slope.iter_mut().zip(x) {
                    *s = exp(x - top) / total;
                }
                (sum(x), top + total.ln())
            },
        );
        let log_sum = f64::from(log_sum);
        loss += on * (log_sum - f64::from(x[label]));
        loss += off * (log_sum * classes as f64 - f64::from(total));
        for s in slope.iter_mut() {
            *s = (*s - off as f32) / batch as f32;
        }
        slope[label] -= on as f32 / batch as f32;
    }
    drop(xs);
    let output = Output::Values(vec![(loss / batch as f64) as f32]);
    node("cross_entropy", &[logits], output, (), move |_, g| {
        let dx = tensor(slope.clone(), (batch, classes))?;
        Ok(vec![Some(dx.broadcast_mul(g)?)])
    })
}
