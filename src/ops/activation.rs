//! GELU, ReLU, softmax and its logarithm.

use candle_core::Tensor;

use super::cpu::{for_pieces, for_pieces2, plain, rows_per_piece, values, zeros};
use super::linear::tensor;
use super::math::{dot, exp, max, normal, simd, sum, sum_by};
use super::node::{Output, node};
use super::tracks;
use crate::Result;

/// Elements in a piece of an element-wise loop.
const ELEMENTS: usize = 1 << 15;

pub(super) fn gelu(x: &Tensor) -> Result<Tensor> {
    let plain_x = plain(x)?;
    let mut out = zeros(x.elem_count());
    // The derivative shares the exponential with the value, so it is taken now.
    let mut slope = zeros(if tracks(x) { x.elem_count() } else { 0 });
    {
        let xs = values(&plain_x)?;
        let xs: &[f32] = &xs;
        let value = |i: usize, out: &mut [f32], slope: &mut [f32]| {
            out.copy_from_slice(&xs[i * ELEMENTS..][..out.len()]);
            gelu_rows(out, slope, false);
        };
        if slope.is_empty() {
            for_pieces(&mut out, ELEMENTS, |i, out| value(i, out, &mut []));
        } else {
            for_pieces2(&mut out, ELEMENTS, &mut slope, ELEMENTS, value);
        }
    }
    node("gelu", &[x], Output::Values(out), x.shape(), move |_, g| {
        let mut dx = zeros(slope.len());
        let gs = values(g)?;
        let gs: &[f32] = &gs;
        for_pieces(&mut dx, ELEMENTS, |i, dx| {
            let start = i * ELEMENTS;
            dx.copy_from_slice(&gs[start..start + dx.len()]);
            gelu_slope_rows(dx, &slope[start..], false);
        });
        Ok(vec![Some(tensor(dx, g.shape().clone())?)])
    })
}

/// GELU in place. What its gradient needs goes into `kept` unless that is empty: the input, or the slope.
pub(super) fn gelu_rows(x: &mut [f32], kept: &mut [f32], input: bool) {
    simd(
        #[inline(always)]
        || {
            if kept.is_empty() || input {
                if !kept.is_empty() {
                    kept.copy_from_slice(x);
                }
                for x in x {
                    *x *= normal(*x).0;
                }
                return;
            }
            for (x, d) in x.iter_mut().zip(kept) {
                let (cdf, density) = normal(*x);
                *d = cdf + *x * density;
                *x *= cdf;
            }
        },
    );
}

/// The gradient before GELU in place, from what was kept.
pub(super) fn gelu_slope_rows(g: &mut [f32], kept: &[f32], input: bool) {
    simd(
        #[inline(always)]
        || {
            if input {
                for (g, x) in g.iter_mut().zip(kept) {
                    let (cdf, density) = normal(*x);
                    *g *= cdf + x * density;
                }
            } else {
                for (g, d) in g.iter_mut().zip(kept) {
                    *g *= d;
                }
            }
        },
    );
}

pub(super) fn relu(x: &Tensor) -> Result<Tensor> {
    let plain_x = plain(x)?;
    let mut out = zeros(x.elem_count());
    {
        let xs = values(&plain_x)?;
        let xs: &[f32] = &xs;
        for_pieces(&mut out, ELEMENTS, |i, out| {
            let xs = &xs[i * ELEMENTS..];
            simd(
                #[inline(always)]
                || {
                    for (y, x) in out.iter_mut().zip(xs) {
                        // Not `x > 0`: what is no number stays none, so that a diverged run is found out.
                        *y = if *x <= 0.0 { 0.0 } else { *x };
                    }
                },
            );
        });
    }
    node("relu", &[x], Output::Values(out), x.shape(), |y, g| {
        Ok(vec![Some(relu_gradient(y, g)?)])
    })
}

/// The gradient before a ReLU, from its output and the gradient behind it.
pub(super) fn relu_gradient(y: &Tensor, g: &Tensor) -> Result<Tensor> {
    let (ys, gs) = (values(y)?, values(g)?);
    let (ys, gs): (&[f32], &[f32]) = (&ys, &gs);
    let mut dx = zeros(gs.len());
    for_pieces(&mut dx, ELEMENTS, |i, dx| {
        let start = i * ELEMENTS;
        dx.copy_from_slice(&gs[start..start + dx.len()]);
        through_relu(dx, &ys[start..]);
    });
    tensor(dx, g.shape().clone())
}

/// The same in place.
pub(super) fn through_relu(g: &mut [f32], ys: &[f32]) {
    simd(
        #[inline(always)]
        || {
            for (g, y) in g.iter_mut().zip(ys) {
                *g = if *y <= 0.0 { 0.0 } else { *g };
            }
        },
    );
}

/// Softmax of `scale` times one row, in place; `scale` is above 0.
#[inline(always)]
pub(super) fn softmax_row(row: &mut [f32], scale: f32) {
    let top = max(row);
    for v in row.iter_mut() {
        *v = exp(scale * (*v - top));
    }
    let norm = 1.0 / sum(row);
    for v in row.iter_mut() {
        *v *= norm;
    }
}

pub(super) fn softmax_last_dim(x: &Tensor) -> Result<Tensor> {
    let mut out = plain(x)?.flatten_all()?.to_vec1::<f32>()?;
    let dim = x.dims().last().copied().unwrap_or(1).max(1);
    let piece = rows_per_piece(out.len() / dim, 20 * dim, 1);
    for_pieces(&mut out, piece * dim, |_, out| {
        simd(
            #[inline(always)]
            || {
                for row in out.chunks_exact_mut(dim) {
                    softmax_row(row, 1.0);
                }
            },
        );
    });
    node(
        "softmax",
        &[x],
        Output::Values(out),
        x.shape(),
        move |y, g| {
            let (ys, gs) = (values(y)?, values(g)?);
            let (ys, gs): (&[f32], &[f32]) = (&ys, &gs);
            let mut dx = zeros(gs.len());
            for_pieces(&mut dx, piece * dim, |i, dx| {
                let start = i * piece * dim;
                simd(
                    #[inline(always)]
                    || {
                        for ((dx, g), y) in dx
                            .chunks_exact_mut(dim)
                            .zip(gs[start..].chunks_exact(dim))
                            .zip(ys[start..].chunks_exact(dim))
                        {
                            let mean = dot(g, y);
                            for ((dx, g), y) in dx.iter_mut().zip(g).zip(y) {
                                *dx = y * (g - mean);
                            }
                        }
                    },
                );
            });
            Ok(vec![Some(tensor(dx, g.shape().clone())?)])
        },
    )
}

pub(super) fn log_softmax_last_dim(x: &Tensor) -> Result<Tensor> {
    let mut out = plain(x)?.flatten_all()?.to_vec1::<f32>()?;
    let dim = x.dims().last().copied().unwrap_or(1).max(1);
    let piece = rows_per_piece(out.len() / dim, 20 * dim, 1);
    for_pieces(&mut out, piece * dim, |_, out| {
        simd(
            #[inline(always)]
            || {
                for row in out.chunks_exact_mut(dim) {
                    let top = max(row);
                    let log_sum = sum_by(dim, |i| exp(row[i] - top)).ln();
                    for v in row.iter_mut() {
                        *v = *v - top - log_sum;
                    }
                }
            },
        );
    });
    node(
        "log_softmax",
        &[x],
        Output::Values(out),
        x.shape(),
        move |y, g| {
            let (ys, gs) = (values(y)?, values(g)?);
            let (ys, gs): (&[f32], &[f32]) = (&ys, &gs);
            let mut dx = zeros(gs.len());
            for_pieces(&mut dx, piece * dim, |i, dx| {
                let start = i * piece * dim;
                simd(
                    #[inline(always)]
                    || {
                        for ((dx, g), y) in dx
                            .chunks_exact_mut(dim)
                            .zip(gs[start..].chunks_exact(dim))
                            .zip(ys[start..].chunks_exact(dim))
                        {
                            let total = sum(g);
                            for ((dx, g), y) in dx.iter_mut().zip(g).zip(y) {
                                *dx = g - exp(*y) * total;
                            }
                        }
                    },
                );
            });
            Ok(vec![Some(tensor(dx, g.shape().clone())?)])
        },
    )
}
