//! Sums and scalings that give gradients only to what is trained: candle's own store one for both sides.

use candle_core::Tensor;

use super::cpu::{for_pieces, plain, sum_pieces, values, zeros};
use super::linear::tensor;
use super::math::{dot, simd};
use super::node::{Output, node};
use super::tracks;
use crate::Result;

/// Elements in a piece.
const ELEMENTS: usize = 1 << 15;

/// `x + gamma·branch`, `gamma` along the last axis.
pub(super) fn add_scaled(x: &Tensor, branch: &Tensor, gamma: Option<&Tensor>) -> Result<Tensor> {
    let dim = branch.dims().last().copied().unwrap_or(1).max(1);
    if x.shape() != branch.shape() || gamma.is_some_and(|g| g.dims() != [dim]) {
        return Err(super::shape_error("add_scaled", &[x, branch]));
    }
    let plain_branch = plain(branch)?;
    let plain_gamma = gamma.map(plain).transpose()?;
    let piece = (ELEMENTS / dim).max(1) * dim;
    let mut out = zeros(x.elem_count());
    {
        let plain_x = plain(x)?;
        let (xs, bs) = (values(&plain_x)?, values(&plain_branch)?);
        let (xs, bs): (&[f32], &[f32]) = (&xs, &bs);
        let gamma = plain_gamma.as_ref().map(values).transpose()?;
        let gamma = gamma.as_deref();
        for_pieces(&mut out, piece, |i, out| {
            residual(out, &xs[i * piece..], &bs[i * piece..], gamma);
        });
    }
    let mut args = vec![x, branch];
    args.extend(gamma);
    let (train_x, train_branch) = (tracks(x), tracks(branch));
    let train_gamma = gamma.is_some_and(tracks);
    let output = Output::Values(out);
    node("add_scaled", &args, output, x.shape(), move |_, g| {
        let mut grads = vec![train_x.then(|| g.clone()), None, None];
        let Some(gamma) = &plain_gamma else {
            grads[1] = train_branch.then(|| g.clone());
            return Ok(grads);
        };
        let (gs, bs, gamma) = (values(g)?, values(&plain_branch)?, values(gamma)?);
        let (gs, bs, gamma): (&[f32], &[f32], &[f32]) = (&gs, &bs, &gamma);
        if train_branch {
            let mut d = zeros(gs.len());
            for_pieces(&mut d, piece, |i, d| scaled(d, &gs[i * piece..], gamma));
            grads[1] = Some(tensor(d, g.shape().clone())?);
        }
        if train_gamma {
            let sums = sum_pieces(gs.len().div_ceil(piece), dim, |i, sums| {
                let end = gs.len().min((i + 1) * piece);
                let (gs, bs) = (&gs[i * piece..end], &bs[i * piece..end]);
                simd(
                    #[inline(always)]
                    || {
                        for (g, b) in gs.chunks_exact(dim).zip(bs.chunks_exact(dim)) {
                            for ((s, g), b) in sums.iter_mut().zip(g).zip(b) {
                                *s += g * b;
                            }
                        }
                    },
                );
            });
            grads[2] = Some(tensor(sums, dim)?);
        }
        Ok(grads)
    })
}

/// `out = x + gamma·y`, row by row.
pub(super) fn residual(out: &mut [f32], x: &[f32], y: &[f32], gamma: Option<&[f32]>) {
    simd(
        #[inline(always)]
        || match gamma {
            None => {
                for ((o, x), y) in out.iter_mut().zip(x).zip(y) {
                    *o = x + y;
                }
            }
            Some(gamma) => {
                let dim = gamma.len();
                for ((o, x), y) in out
                    .chunks_exact_mut(dim)
                    .zip(x.chunks_exact(dim))
                    .zip(y.chunks_exact(dim))
                {
                    for (((o, x), y), g) in o.iter_mut().zip(x).zip(y).zip(gamma) {
                        *o = x + y * g;
                    }
                }
            }
        },
    );
}

/// `out = gamma·g`, row by row.
pub(super) fn scaled(out: &mut [f32], g: &[f32], gamma: &[f32]) {
    simd(
        #[inline(always)]
        || {
            let dim = gamma.len();
            for (o, g) in out.chunks_exact_mut(dim).zip(g.chunks_exact(dim)) {
                for ((o, g), gamma) in o.iter_mut().zip(g).zip(gamma) {
                    *o = g * gamma;
                }
            }
        },
    );
}

/// The first axis of `x` times `gain`.
pub(super) fn scale_rows(x: &Tensor, gain: &Tensor) -> Result<Tensor> {
    let rows = x.dims().first().copied().unwrap_or(1);
    let row = x.elem_count() / rows.max(1);
    if gain.dims() != [rows] || row == 0 {
        return Err(super::shape_error("scale_rows", &[x, gain]));
    }
    let (plain_x, plain_gain) = (plain(x)?, plain(gain)?);
    let scaled = move |x: &Tensor| -> Result<Vec<f32>> {
        let (xs, gain) = (values(x)?, values(&plain_gain)?);
        let (xs, gain): (&[f32], &[f32]) = (&xs, &gain);
        let mut out = zeros(xs.len());
        for_pieces(&mut out, row, |i, out| {
            for (y, x) in out.iter_mut().zip(&xs[i * row..]) {
                *y = x * gain[i];
            }
        });
        Ok(out)
    };
    let (train_x, train_gain) = (tracks(x), tracks(gain));
    let output = Output::Values(scaled(&plain_x)?);
    node("scale_rows", &[x, gain], output, x.shape(), move |_, g| {
        let mut grads = vec![None, None];
        if train_x {
            grads[0] = Some(tensor(scaled(g)?, g.shape().clone())?);
        }
        if train_gain {
            let (gs, xs) = (values(g)?, values(&plain_x)?);
            let sums = gs
                .chunks_exact(row)
                .zip(xs.chunks_exact(row))
                .map(|(g, x)| dot(g, x))
                .collect();
            grads[1] = Some(tensor(sums, rows)?);
        }
        Ok(grads)
    })
}

/// See [`super::patches`]; outside the graph.
pub(super) fn patches(x: &Tensor, size: usize) -> Result<Tensor> {
    let (batch, channels, h, w) = x.dims4()?;
    let (rows, columns) = (h / size, w / size);
    let patch = channels * size * size;
    let plain_x = plain(x)?;
    let xs = values(&plain_x)?;
    let xs: &[f32] = &xs;
    let mut out = zeros(batch * rows * columns * patch);
    for_pieces(&mut out, (columns * patch).max(1), |i, out| {
        let (image, row) = (i / rows, i % rows);
        for c in 0..channels {
            for y in 0..size {
                let start = ((image * channels + c) * h + row * size + y) * w;
                let line = xs[start..start + columns * size].chunks_exact(size);
                for (out, x) in out.chunks_exact_mut(patch).zip(line) {
                    out[(c * size + y) * size..][..size].copy_from_slice(x);
                }
            }
        }
    });
    tensor(out, (batch, rows * columns, patch))
}

/// `[token; patches] + positions`: see [`super::embed`].
pub(super) fn embed(
    patches: &Tensor,
    positions: &Tensor,
    token: Option<&Tensor>,
) -> Result<Tensor> {
    let (batch, count, dim) = patches.dims3()?;
    let prefix = usize::from(token.is_some());
    let tokens = prefix + count;
    if positions.dims() != [1, tokens, dim] || token.is_some_and(|t| t.dims() != [1, 1, dim]) {
        return Err(super::shape_error("embed", &[patches, positions]));
    }
    let image = tokens * dim;
    let mut out = zeros(batch * image);
    {
        let (patches, positions) = (plain(patches)?, plain(positions)?);
        let (ps, positions) = (values(&patches)?, values(&positions)?);
        let (ps, positions): (&[f32], &[f32]) = (&ps, &positions);
        let token = token.map(plain).transpose()?;
        let token = token.as_ref().map(values).transpose()?;
        let token = token.as_deref().unwrap_or_default();
        for_pieces(&mut out, image.max(1), |i, out| {
            let patches = &ps[i * count * dim..(i + 1) * count * dim];
            let values = token.iter().chain(patches);
            for ((y, x), p) in out.iter_mut().zip(values).zip(positions) {
                *y = x + p;
            }
        });
    }
    let mut args = vec![patches, positions];
    args.extend(token);
    let (train_patches, train_positions) = (tracks(patches), tracks(positions));
    let train_token = token.is_some_and(tracks);
    let output = Output::Values(out);
    node("embed", &args, output, (batch, tokens, dim), move |_, g| {
        let mut grads = vec![None, None, None];
        if train_patches {
            grads[0] = Some(g.narrow(1, prefix, count)?.contiguous()?);
        }
        if train_positions || train_token {
            let sums = super::linear::sum_rows(&values(g)?, image);
            if train_token {
                grads[2] = Some(tensor(sums[..dim].to_vec(), (1, 1, dim))?);
            }
            if train_positions {
                grads[1] = Some(tensor(sums, (1, tokens, dim))?);
            }
        }
        Ok(grads)
    })
}
