//! Dropout.

use candle_core::Tensor;

use super::cpu::{for_pieces, plain, values, zeros};
use super::linear::tensor;
use super::node::{Output, node};
use crate::Result;
use crate::random::Key;

/// Elements in a piece.
const ELEMENTS: usize = 1 << 14;

/// What element `i` is multiplied by.
#[inline(always)]
pub(super) fn factor(key: Key, i: u64, p: f32) -> f32 {
    if key.unit(i) < p {
        0.0
    } else {
        1.0 / (1.0 - p)
    }
}

/// `out = mask·x`, or `out += mask·x`, of elements from `start` on.
pub(super) fn mask(out: &mut [f32], x: &[f32], start: u64, p: f32, key: Key, sum: bool) {
    super::math::simd(
        #[inline(always)]
        || {
            for (i, (y, x)) in out.iter_mut().zip(x).enumerate() {
                let v = x * factor(key, start + i as u64, p);
                *y = if sum { *y + v } else { v };
            }
        },
    );
}

/// `x` by the mask of `key`. The mask is drawn again in the backward pass instead of being kept.
fn masked(x: &Tensor, p: f32, key: Key) -> Result<Vec<f32>> {
    let xs = values(x)?;
    let xs: &[f32] = &xs;
    let mut out = zeros(xs.len());
    for_pieces(&mut out, ELEMENTS, |piece, out| {
        let start = piece * ELEMENTS;
        mask(out, &xs[start..], start as u64, p, key, false);
    });
    Ok(out)
}

pub(super) fn dropout(x: &Tensor, p: f32, key: Key) -> Result<Tensor> {
    let out = Output::Values(masked(&plain(x)?, p, key)?);
    node("dropout", &[x], out, x.shape(), move |_, g| {
        Ok(vec![Some(tensor(masked(g, p, key)?, g.shape().clone())?)])
    })
}
