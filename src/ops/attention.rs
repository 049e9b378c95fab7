//! Multi-head self-attention of a whole layer as one operation.
//!
//! Each image is a piece of work; queries, keys and values are read where the qkv layer left them. The attention
//! weights are not kept for the backward pass but computed again: at 197 tokens they are larger than everything
//! else of a block together.

use candle_core::Tensor;

use super::activation::softmax_row;
use super::cpu::{for_pieces, plain, values, zeros};
use super::gemm::{Mat, gemm, with_scratch};
use super::linear::tensor;
use super::math::{dot, simd};
use super::node::{Output, node};
use crate::Result;

/// The heads of one image's `[tokens, 3·dim]`.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub tokens: usize,
    pub dim: usize,
    pub heads: usize,
    /// How many of the tokens ask, from the first on.
    pub queries: usize,
}

impl Heads {
    fn size(self) -> usize {
        self.dim / self.heads
    }

    fn scale(self) -> f32 {
        (self.size() as f32).powf(-0.5)
    }

    /// Queries (0) `[queries, size]`, keys (1) or values (2) `[tokens, size]` of a head.
    fn part(self, qkv: &[f32], which: usize, head: usize) -> Mat<'_> {
        let start = which * self.dim + head * self.size();
        let rows = if which == 0 {
            self.queries
        } else {
            self.tokens
        };
        Mat::strided(&qkv[start..], rows, self.size(), 3 * self.dim)
    }

    /// The attention weights of a head, `[queries, tokens]`.
    fn weights(self, out: &mut [f32], qkv: &[f32], head: usize) {
        let (q, k) = (self.part(qkv, 0, head), self.part(qkv, 1, head));
        gemm(out, self.tokens, q, k.t(), false);
        let scale = self.scale();
        simd(
            #[inline(always)]
            || {
                for row in out.chunks_exact_mut(self.tokens) {
                    softmax_row(row, scale);
                }
            },
        );
    }

    /// `out` is `[queries, dim]`.
    pub(super) fn forward(self, out: &mut [f32], qkv: &[f32]) {
        with_scratch(self.queries * self.tokens, |weights| {
            for head in 0..self.heads {
                self.weights(weights, qkv, head);
                gemm(
                    &mut out[head * self.size()..],
                    self.dim,
                    Mat::new(weights, self.queries, self.tokens),
                    self.part(qkv, 2, head),
                    false,
                );
            }
        });
    }

    /// `g` is `[queries, dim]`.
    pub(super) fn backward(self, d_qkv: &mut [f32], qkv: &[f32], g: &[f32]) {
        let (asking, n, step) = (self.queries, self.tokens, 3 * self.dim);
        for row in d_qkv.chunks_exact_mut(step).skip(asking) {
            row[..self.dim].fill(0.0);
        }
        with_scratch(2 * asking * n, |both| {
            let (weights, d_scores) = both.split_at_mut(asking * n);
            for head in 0..self.heads {
                let at = |which: usize| which * self.dim + head * self.size();
                let g = Mat::strided(&g[head * self.size()..], asking, self.size(), self.dim);
                self.weights(weights, qkv, head);
                let p = Mat::new(weights, asking, n);
                gemm(&mut d_qkv[at(2)..], step, p.t(), g, false);
                gemm(d_scores, n, g, self.part(qkv, 2, head).t(), false);
                let scale = self.scale();
                simd(
                    #[inline(always)]
                    || {
                        for (d, p) in d_scores.chunks_exact_mut(n).zip(weights.chunks_exact(n)) {
                            let mean = dot(d, p);
                            for (d, p) in d.iter_mut().zip(p) {
                                *d = scale * p * (*d - mean);
                            }
                        }
                    },
                );
                let d = Mat::new(d_scores, asking, n);
                gemm(&mut d_qkv[at(0)..], step, d, self.part(qkv, 1, head), false);
                gemm(
                    &mut d_qkv[at(1)..],
                    step,
                    d.t(),
                    self.part(qkv, 0, head),
                    false,
                );
            }
        });
    }
}

pub(super) fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, width) = qkv.dims3()?;
    if heads == 0 || width % (3 * heads) != 0 || qkv.elem_count() == 0 {
        return Err(super::shape_error("attention", &[qkv]));
    }
    let dim = width / 3;
    let shape = Heads {
        tokens,
        dim,
        heads,
        queries: tokens,
    };
    let plain_qkv = plain(qkv)?;
    let mut out = zeros(batch * tokens * dim);
    {
        let all = values(&plain_qkv)?;
        let all: &[f32] = &all;
        for_pieces(&mut out, tokens * dim, |i, out| {
            shape.forward(out, &all[i * tokens * width..(i + 1) * tokens * width]);
        });
    }
    node(
        "attention",
        &[qkv],
        Output::Values(out),
        (batch, tokens, dim),
        move |_, g| {
            let (all, gs) = (values(&plain_qkv)?, values(g)?);
            let (all, gs): (&[f32], &[f32]) = (&all, &gs);
            let mut d_qkv = zeros(all.len());
            for_pieces(&mut d_qkv, tokens * width, |i, d_qkv| {
                shape.backward(
                    d_qkv,
                    &all[i * tokens * width..(i + 1) * tokens * width],
                    &gs[i * tokens * dim..(i + 1) * tokens * dim],
                );
            });
            Ok(vec![Some(tensor(d_qkv, (batch, tokens, width))?)])
        },
    )
}
