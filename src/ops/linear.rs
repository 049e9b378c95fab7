//! The Linear layer.

use candle_core::Tensor;

use super::cpu::{for_pieces, matmul, matmul_then, packed, plain, sum_pieces, values, zeros};
use super::gemm::{Mat, ROWS, multiply, with_scratch};
use super::math::{add, simd};
use super::node::{Output, node};
use super::tracks;
use crate::Result;

/// What it is accounted as: of frozen or of trained weights.
pub(super) fn name(w: &Tensor) -> &'static str {
    if tracks(w) {
        "linear, trained"
    } else {
        "linear"
    }
}

pub(super) fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = w.dims2()?;
    let mut shape = x.dims().to_vec();
    if shape.pop() != Some(inputs) || b.is_some_and(|b| b.dims() != [outputs]) {
        return Err(super::shape_error("linear", &[x, w]));
    }
    shape.push(outputs);
    let rows = x.elem_count() / inputs.max(1);
    let (plain_x, plain_w) = (plain(x)?, plain(w)?);
    let mut out = zeros(rows * outputs);
    {
        let (xs, ws) = (values(&plain_x)?, values(&plain_w)?);
        let plain_b = b.map(plain).transpose()?;
        let bias = plain_b.as_ref().map(values).transpose()?;
        let bias = bias.as_deref();
        matmul_then(
            &mut out,
            Mat::new(&xs, rows, inputs),
            Mat::new(&ws, outputs, inputs).t(),
            |_, out| {
                if let Some(bias) = bias {
                    add_to_rows(out, bias);
                }
            },
        );
    }
    let mut args = vec![x, w];
    args.extend(b);
    let (train_x, train_w, train_b) = (tracks(x), tracks(w), b.is_some_and(tracks));
    // What no gradient needs is not kept alive.
    let kept_x = train_w.then_some(plain_x);
    let kept_w = train_x.then_some(plain_w);
    let x_shape = x.shape().clone();
    node(name(w), &args, Output::Values(out), shape, move |_, g| {
        let gs = values(g)?;
        let g = Mat::new(&gs, rows, outputs);
        let mut grads = vec![None, None, None];
        if let Some(w) = &kept_w {
            let mut dx = zeros(rows * inputs);
            matmul(&mut dx, g, Mat::new(&values(w)?, outputs, inputs));
            grads[0] = Some(tensor(dx, x_shape.clone())?);
        }
        if let Some(x) = &kept_x {
            let mut dw = zeros(outputs * inputs);
            matmul(&mut dw, g.t(), Mat::new(&values(x)?, rows, inputs));
            grads[1] = Some(tensor(dw, (outputs, inputs))?);
        }
        if train_b {
            grads[2] = Some(tensor(sum_rows(&gs, outputs), outputs)?);
        }
        Ok(grads)
    })
}

/// See [`super::add_low_rank`]; outside the graph.
pub(super) fn add_low_rank(w: &Tensor, a: &Tensor, b: &Tensor, factor: f32) -> Result<Tensor> {
    let ((outputs, rank), (_, inputs)) = (b.dims2()?, a.dims2()?);
    let (plain_w, plain_a, plain_b) = (plain(w)?, plain(a)?, plain(b)?);
    let (ws, a, b) = (values(&plain_w)?, values(&plain_a)?, values(&plain_b)?);
    let (ws, b): (&[f32], &[f32]) = (&ws, &b);
    let a = packed(Mat::new(&a, rank, inputs));
    let mut out = zeros(ws.len());
    for_pieces(&mut out, (ROWS * inputs).max(1), |i, out| {
        let (n, start) = (out.len() / inputs, i * ROWS);
        let b = Mat::new(b, outputs, rank).rows(start..start + n);
        with_scratch(out.len(), |product| {
            multiply(product, inputs, b, &a, inputs, false);
            simd(
                #[inline(always)]
                || {
                    for ((o, w), p) in out.iter_mut().zip(&ws[start * inputs..]).zip(product) {
                        *o = w + factor * *p;
                    }
                },
            );
        });
    });
    tensor(out, w.shape().clone())
}

pub(super) fn tensor(values: Vec<f32>, shape: impl Into<candle_core::Shape>) -> Result<Tensor> {
    Ok(Tensor::from_vec(
        values,
        shape.into(),
        &candle_core::Device::Cpu,
    )?)
}

/// Adds a vector to each row.
pub(super) fn add_to_rows(out: &mut [f32], bias: &[f32]) {
    simd(
        #[inline(always)]
        || {
            for row in out.chunks_exact_mut(bias.len().max(1)) {
                add(row, bias);
            }
        },
    );
}

/// The sum of the rows.
pub(super) fn sum_rows(x: &[f32], cols: usize) -> Vec<f32> {
    const ROWS: usize = 64;
    let size = (ROWS * cols).max(1);
    sum_pieces(x.len().div_ceil(size), cols, |i, sums| {
        let piece = &x[i * size..x.len().min((i + 1) * size)];
        simd(
            #[inline(always)]
            || {
                for row in piece.chunks_exact(cols) {
                    add(sums, row);
                }
            },
        );
    })
}
