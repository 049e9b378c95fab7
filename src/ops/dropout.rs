//! Dropout.

use candle_core::Tensor;
use rayon::prelude::*;

use super::cpu::{for_pieces, plain, values, zeros};
use super::linear::tensor;
use super::node::{Output, node};
use crate::Result;
use crate::random::Key;

/// Elements in a piece.
const ELEMENTS: usize = 1 << 14;

/// Whether element `i` is dropped.
#[inline(always)]
fn drops(key: Key, i: u64, p: f32) -> bool {
    key.unit(i) < p
}

/// What element `i` is multiplied by.
#[inline(always)]
fn factor(key: Key, i: u64, p: f32) -> f32 {
    if drops(key, i, p) {
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

/// The same elsewhere. The mask is drawn here, as on the CPU, and goes to the device as a bit an element; there each
/// byte is looked up in a table of the eight factors that it stands for.
pub(super) fn dropout_elsewhere(x: &Tensor, p: f32, key: Key) -> Result<Tensor> {
    let bytes = dropped(key, x.elem_count(), p);
    let count = bytes.len();
    let bytes = Tensor::from_vec(bytes, count, x.device())?;
    let table: Vec<f32> = (0..256 * 8)
        .map(|i| match (i / 8) >> (i % 8) & 1 {
            0 => 1.0 / (1.0 - p),
            _ => 0.0,
        })
        .collect();
    let table = Tensor::from_vec(table, (256, 8), x.device())?;
    let masked = move |x: &Tensor| -> Result<Tensor> {
        let mask = table.index_select(&bytes, 0)?.flatten_all()?;
        let mask = mask.narrow(0, 0, x.elem_count())?.reshape(x.shape())?;
        Ok((x * mask)?)
    };
    let y = Output::Tensor(masked(&x.detach())?);
    node("dropout", &[x], y, x.shape(), move |_, g| {
        Ok(vec![Some(masked(g)?)])
    })
}

/// Which of `count` elements are dropped: a bit each, the lowest of a byte first. candle takes the index 255 for none and
/// gives zeros, which is what eight dropped elements are.
fn dropped(key: Key, count: usize, p: f32) -> Vec<u8> {
    let mut bytes = vec![0; count.div_ceil(8)];
    bytes
        .par_chunks_mut(ELEMENTS / 8)
        .enumerate()
        .for_each(|(piece, bytes)| {
            super::math::simd(
                #[inline(always)]
                || {
                    for (i, byte) in bytes.iter_mut().enumerate() {
                        let first = (piece * ELEMENTS + 8 * i) as u64;
                        *byte = (0..8).fold(0, |byte, bit| {
                            byte | u8::from(drops(key, first + bit, p)) << bit
                        });
                    }
                },
            );
        });
    bytes
}
