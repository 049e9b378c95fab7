//! Multi-head self-attention of a whole layer as one operation.
//!
//! Each image is a piece of work; queries, keys and values are read where the qkv layer left them. The attention
//! weights are not kept for the backward pass but computed again: at 197 tokens they are larger than everything
//! else of a block together.

use candle_core::Tensor;

use super::activation::softmax_row;
use super::cpu::{for_pieces, plain, values, zeros};
use super::gemm::{Mat, gemm};
use super::linear::tensor;
use super::math::{dot, simd};
use super::node::{Output, node};
use crate::Result;

/// One head of one image's `[tokens, 3·dim]`.
#[derive(Clone, Copy)]
struct Shape {
    tokens: usize,
    dim: usize,
    heads: usize,
}

impl Shape {
    fn size(self) -> usize {
        self.dim / self.heads
    }

    fn scale(self) -> f32 {
        (self.size() as f32).powf(-0.5)
    }

    /// Query (0), key (1) or value (2) of a head, `[tokens, size]`.
    fn part(self, qkv: &[f32], which: usize, head: usize) -> Mat<'_> {
        let start = which * self.dim + head * self.size();
        Mat::strided(&qkv[start..], self.tokens, self.size(), 3 * self.dim)
    }

    /// The attention weights of a head, `[tokens, tokens]`.
    fn weights(self, out: &mut [f32], qkv: &[f32], head: usize) {
        let (q, k) = (self.part(qkv, 0, head), self.part(qkv, 1, head));
        gemm(out, self.tokens, q, k.t(), false);
        let scale = self.scale();
        simd(
            #[inline(always)]
            || {
                for row in out.chunks_exact_mut(self.tokens) {
                    for v in row.iter_mut() {
                        *v *= scale;
                    }
                    softmax_row(row);
                }
            },
        );
    }

    fn forward(self, out: &mut [f32], qkv: &[f32]) {
        let mut weights = zeros(self.tokens * self.tokens);
        for head in 0..self.heads {
            self.weights(&mut weights, qkv, head);
            gemm(
                &mut out[head * self.size()..],
                self.dim,
                Mat::new(&weights, self.tokens, self.tokens),
                self.part(qkv, 2, head),
                false,
            );
        }
    }

    fn backward(self, d_qkv: &mut [f32], qkv: &[f32], g: &[f32]) {
        let n = self.tokens;
        let mut weights = zeros(n * n);
        let mut d_scores = zeros(n * n);
        for head in 0..self.heads {
            let at = |which: usize| which * self.dim + head * self.size();
            let step = 3 * self.dim;
            let g = Mat::strided(&g[head * self.size()..], n, self.size(), self.dim);
            self.weights(&mut weights, qkv, head);
            let p = Mat::new(&weights, n, n);
            gemm(&mut d_qkv[at(2)..], step, p.t(), g, false);
            gemm(&mut d_scores, n, g, self.part(qkv, 2, head).t(), false);
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
            let d = Mat::new(&d_scores, n, n);
            gemm(&mut d_qkv[at(0)..], step, d, self.part(qkv, 1, head), false);
            gemm(
                &mut d_qkv[at(1)..],
                step,
                d.t(),
                self.part(qkv, 0, head),
                false,
            );
        }
    }
}

pub(super) fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, width) = qkv.dims3()?;
    if heads == 0 || width % (3 * heads) != 0 || qkv.elem_count() == 0 {
        return Err(super::shape_error("attention", &[qkv]));
    }
    let dim = width / 3;
    let shape = Shape { tokens, dim, heads };
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
