//! The operations on other devices than the CPU that have a backward of their own there: made of candle's operations,
//! outside its graph. candle's graph would keep every step of them, add each gradient to zeros, and compute gradients
//! for frozen weights; its CUDA kernel for the gradient of a convolution's input is no matrix product.

use candle_core::{D, DType, Tensor};

use super::composed::{self, product};
use super::node::{Output, node};
use super::{After, Conv2dSpec, conv, tracks};
use crate::Result;

/// As [`super::linear`].
pub(super) fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    if tracks(w) || b.is_some_and(tracks) || !tracks(x) {
        return composed::linear(x, w, b);
    }
    let y = composed::linear(&x.detach(), w, b)?;
    let (outputs, w) = (w.dim(0)?, w.clone());
    let (x_shape, y_shape) = (x.shape().clone(), y.shape().clone());
    node("linear", &[x], Output::Tensor(y), y_shape, move |_, g| {
        let dx = composed::product(&g.reshape(((), outputs))?, &w, Tensor::matmul)?;
        Ok(vec![Some(dx.reshape(&x_shape)?)])
    })
}

/// As [`super::conv2d_after`].
pub(super) fn conv2d(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    spec: &Conv2dSpec,
    then: &After,
) -> Result<Tensor> {
    let frozen = !tracks(w) && !b.is_some_and(tracks) && tracks(x);
    if !frozen || spec.groups != 1 {
        return composed::conv2d_after(x, w, b, spec, then);
    }
    let (x, padding) = composed::aligned(x, w, spec)?;
    let spec = Conv2dSpec { padding, ..*spec };
    let y = composed::conv2d(&x.detach(), w, b, &spec)?;
    let (w, shape) = (w.clone(), y.shape().clone());
    let y = node(
        conv::name(&w),
        &[&x],
        Output::Tensor(y),
        shape,
        move |_, g| {
            Ok(vec![Some(input_gradient(
                &g.to_dtype(w.dtype())?,
                &w,
                &spec,
            )?)])
        },
    )?;
    Ok(composed::after(&y, then)?.to_dtype(x.dtype())?)
}

/// The gradient of a convolution's input, as a convolution of the output's gradient `g` by the turned kernel, which is
/// a matrix product, where the kernel is a square and the padding within its reach. Windows end at the input's borders.
fn input_gradient(g: &Tensor, w: &Tensor, spec: &Conv2dSpec) -> Result<Tensor> {
    let (_, _, k, width) = w.dims4()?;
    let reach = spec.dilation * (k - 1);
    if k != width || spec.padding > reach {
        return product(g, w, |g, w| {
            g.conv_transpose2d(w, spec.padding, 0, spec.stride, spec.dilation)
        });
    }
    let turned = match reach {
        0 => w.clone(),
        _ => w.contiguous()?.flip(&[2, 3])?,
    };
    let turned = turned.transpose(0, 1)?.contiguous()?;
    let by_kernel = |g: &Tensor| {
        product(g, &turned, |g, w| {
            g.conv2d(w, reach - spec.padding, 1, spec.dilation, 1)
        })
    };
    if reach == 0 {
        return spread(&by_kernel(g)?, spec.stride);
    }
    by_kernel(&spread(g, spec.stride)?)
}

/// Images `[b, c, h, w]` with `stride` − 1 zeros between their pixels.
fn spread(x: &Tensor, stride: usize) -> Result<Tensor> {
    if stride == 1 {
        return Ok(x.clone());
    }
    let (b, c, h, w) = x.dims4()?;
    let x = x.reshape((b, c, h, 1, w, 1))?;
    let x = x.pad_with_zeros(3, 0, stride - 1)?;
    let x = x.pad_with_zeros(5, 0, stride - 1)?;
    let x = x.reshape((b, c, h * stride, w * stride))?;
    let x = x.narrow(2, 0, (h - 1) * stride + 1)?;
    Ok(x.narrow(3, 0, (w - 1) * stride + 1)?.contiguous()?)
}

/// As [`super::layer_norm`].
pub(super) fn layer_norm(x: &Tensor, w: &Tensor, b: &Tensor, eps: f64) -> Result<Tensor> {
    if tracks(w) || tracks(b) || !tracks(x) {
        return composed::layer_norm(x, w, b, eps);
    }
    let values = x.detach();
    let centred = values.broadcast_sub(&values.mean_keepdim(D::Minus1)?)?;
    let var = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let scale = (var + eps)?.sqrt()?.recip()?;
    let normal = centred.broadcast_mul(&scale)?;
    let y = normal.broadcast_mul(w)?.broadcast_add(b)?;
    let w = w.clone();
    node(
        "layer_norm",
        &[x],
        Output::Tensor(y),
        x.shape(),
        move |_, g| {
            let g = g.broadcast_mul(&w)?;
            let along = (&g * &normal)?.mean_keepdim(D::Minus1)?;
            let rest = g.broadcast_sub(&g.mean_keepdim(D::Minus1)?)?;
            let rest = (rest - normal.broadcast_mul(&along)?)?;
            Ok(vec![Some(rest.broadcast_mul(&scale)?)])
        },
    )
}

/// As [`super::attention`].
pub(super) fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, width) = qkv.dims3()?;
    let dim = width / 3;
    let size = dim / heads;
    let factor = (size as f64).powf(-0.5);
    let dtype = qkv.dtype();
    let matmul = |x: &Tensor, y: &Tensor| product(x, y, Tensor::matmul);
    let split = qkv.detach().reshape((batch, tokens, 3, heads, size))?;
    let split = split.permute((2, 0, 3, 1, 4))?;
    let q = (split.get(0)?.contiguous()? * factor)?;
    let k = split.get(1)?.contiguous()?;
    let v = split.get(2)?.contiguous()?;
    let scores = matmul(&q, &k.t()?)?.to_dtype(DType::F32)?;
    // candle's own has no backward, and needs none here.
    let weights = candle_nn::ops::softmax_last_dim(&scores)?.to_dtype(dtype)?;
    let mixed = matmul(&weights, &v)?.transpose(1, 2)?;
    let y = mixed.reshape((batch, tokens, dim))?;
    node(
        "attention",
        &[qkv],
        Output::Tensor(y),
        (batch, tokens, dim),
        move |_, g| {
            let g = g.reshape((batch, tokens, heads, size))?;
            let g = g.transpose(1, 2)?.contiguous()?;
            let dv = matmul(&weights.t()?, &g)?;
            let wide = weights.to_dtype(DType::F32)?;
            let dw = (matmul(&g, &v.t()?)?.to_dtype(DType::F32)? * &wide)?;
            let ds = (&dw - wide.broadcast_mul(&dw.sum_keepdim(D::Minus1)?)?)?.to_dtype(dtype)?;
            let dq = (matmul(&ds, &k)? * factor)?;
            let dk = matmul(&ds.t()?, &q)?;
            let all = Tensor::stack(&[dq, dk, dv], 0)?.permute((1, 3, 0, 2, 4))?;
            Ok(vec![Some(all.reshape((batch, tokens, width))?)])
        },
    )
}

/// As [`super::relu`].
pub(super) fn relu(x: &Tensor) -> Result<Tensor> {
    let y = composed::relu(&x.detach())?;
    node("relu", &[x], Output::Tensor(y), x.shape(), |y, g| {
        let zeros = g.zeros_like()?;
        Ok(vec![Some(y.gt(&zeros)?.where_cond(g, &zeros)?)])
    })
}
