//! Layer normalisation.

use candle_core::Tensor;

use super::cpu::{for_pieces, for_pieces2, plain, rows_per_piece, sum_pieces, values, zeros};
use super::linear::tensor;
use super::math::{dot, simd, sum, sum_by};
use super::node::{Output, node};
use super::tracks;
use crate::Result;

pub(super) fn layer_norm(x: &Tensor, w: &Tensor, b: &Tensor, eps: f64) -> Result<Tensor> {
    let dim = w.elem_count();
    if x.dims().last() != Some(&dim) || w.dims() != [dim] || b.dims() != [dim] || dim == 0 {
        return Err(super::shape_error("layer_norm", &[x, w, b]));
    }
    let rows = x.elem_count() / dim;
    let (plain_x, plain_w, plain_b) = (plain(x)?, plain(w)?, plain(b)?);
    let mut out = zeros(rows * dim);
    // Mean and 1 / standard deviation of each row.
    let mut stats = vec![[0f32; 2]; rows];
    {
        let (xs, ws, bs) = (values(&plain_x)?, values(&plain_w)?, values(&plain_b)?);
        let (xs, ws, bs): (&[f32], &[f32], &[f32]) = (&xs, &ws, &bs);
        let piece = rows_per_piece(rows, 20 * dim, 1);
        for_pieces2(&mut out, piece * dim, &mut stats, piece, |i, out, stats| {
            let xs = &xs[i * piece * dim..];
            simd(
                #[inline(always)]
                || {
                    for ((x, y), stats) in xs
                        .chunks_exact(dim)
                        .zip(out.chunks_exact_mut(dim))
                        .zip(stats)
                    {
                        *stats = normalise(y, x, ws, bs, eps as f32);
                    }
                },
            );
        });
    }
    let (train_x, train_w, train_b) = (tracks(x), tracks(w), tracks(b));
    let shape = x.shape().clone();
    let grads_of = move |g: &Tensor| {
        let (gs, xs, ws) = (values(g)?, values(&plain_x)?, values(&plain_w)?);
        let (gs, xs, ws): (&[f32], &[f32], &[f32]) = (&gs, &xs, &ws);
        let mut grads = vec![None, None, None];
        if train_x {
            let mut dx = zeros(rows * dim);
            let piece = rows_per_piece(rows, 30 * dim, 1);
            for_pieces(&mut dx, piece * dim, |i, dx| {
                let rows = i * piece..;
                simd(
                    #[inline(always)]
                    || {
                        backward_rows(
                            dx,
                            Some(&gs[rows.start * dim..]),
                            &xs[rows.start * dim..],
                            ws,
                            &stats[rows],
                        );
                    },
                );
            });
            grads[0] = Some(tensor(dx, g.shape().clone())?);
        }
        if train_w || train_b {
            let both = weight_sums(gs, xs, &stats, dim);
            if train_w {
                grads[1] = Some(tensor(both[..dim].to_vec(), dim)?);
            }
            if train_b {
                grads[2] = Some(tensor(both[dim..].to_vec(), dim)?);
            }
        }
        Ok(grads)
    };
    node(
        "layer_norm",
        &[x, w, b],
        Output::Values(out),
        shape,
        move |_, g| grads_of(g),
    )
}

/// Mean and 1 / standard deviation of a row.
#[inline(always)]
pub(super) fn stats(x: &[f32], eps: f32) -> [f32; 2] {
    let dim = x.len();
    let mean = sum(x) / dim as f32;
    let var = sum_by(dim, |i| (x[i] - mean) * (x[i] - mean)) / dim as f32;
    [mean, 1.0 / (var + eps).sqrt()]
}

/// Normalises one row, and gives its [`stats`].
#[inline(always)]
pub(super) fn normalise(y: &mut [f32], x: &[f32], w: &[f32], b: &[f32], eps: f32) -> [f32; 2] {
    let [mean, rstd] = stats(x, eps);
    for ((y, x), (w, b)) in y.iter_mut().zip(x).zip(w.iter().zip(b)) {
        *y = (x - mean) * rstd * w + b;
    }
    [mean, rstd]
}

/// With x̂ = (x − mean)·rstd and h = g·w: dx = rstd·(h − mean(h) − x̂·mean(h·x̂)). Without `gs`, `dx` holds g.
#[inline(always)]
pub(super) fn backward_rows(
    dx: &mut [f32],
    gs: Option<&[f32]>,
    xs: &[f32],
    ws: &[f32],
    stats: &[[f32; 2]],
) {
    let dim = ws.len();
    for (i, ((dx, x), [mean, rstd])) in dx
        .chunks_exact_mut(dim)
        .zip(xs.chunks_exact(dim))
        .zip(stats)
        .enumerate()
    {
        match gs {
            Some(gs) => {
                for ((h, g), w) in dx.iter_mut().zip(&gs[i * dim..]).zip(ws) {
                    *h = g * w;
                }
            }
            None => {
                for (h, w) in dx.iter_mut().zip(ws) {
                    *h *= w;
                }
            }
        }
        let h_mean = sum(dx) / dim as f32;
        let hx = dot(dx, x) - mean * h_mean * dim as f32;
        let hx_mean = hx * rstd / dim as f32;
        for (h, x) in dx.iter_mut().zip(x) {
            *h = rstd * (*h - h_mean - (x - mean) * rstd * hx_mean);
        }
    }
}

/// The gradients of the weight and of the bias, one after the other.
fn weight_sums(gs: &[f32], xs: &[f32], stats: &[[f32; 2]], dim: usize) -> Vec<f32> {
    const ROWS: usize = 64;
    sum_pieces(stats.len().div_ceil(ROWS), 2 * dim, |i, sums| {
        let start = i * ROWS;
        let (dw, db) = sums.split_at_mut(dim);
        simd(
            #[inline(always)]
            || {
                for ((g, x), [mean, rstd]) in gs[start * dim..]
                    .chunks_exact(dim)
                    .zip(xs[start * dim..].chunks_exact(dim))
                    .zip(&stats[start..])
                    .take(ROWS)
                {
                    for ((dw, db), (g, x)) in dw.iter_mut().zip(db.iter_mut()).zip(g.iter().zip(x))
                    {
                        *dw += g * (x - mean) * rstd;
                        *db += g;
                    }
                }
            },
        );
    })
}
