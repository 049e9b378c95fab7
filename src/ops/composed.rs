//! The operations composed of candle's own differentiable ones.
//!
//! They run on any device, and they are what the CPU's fast paths are compared with in the tests, forward and
//! backward. Where candle's own operation has no backward or a wrong one (`max_pool2d` with overlapping
//! windows, relu at 0), it is built from smaller ones that have the right one.

use candle_core::{D, DType, Tensor};

use super::{After, Conv2dSpec, Normalised};
use crate::{Error, Result};

/// A product of two tensors. candle's CPU has none of bf16: there it is done as a GPU's tensor cores do it, exact
/// products summed in f32 and rounded once.
pub(super) fn product(
    x: &Tensor,
    y: &Tensor,
    of: impl FnOnce(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> Result<Tensor> {
    if x.dtype() == DType::BF16 && x.device().is_cpu() {
        let product = of(&x.to_dtype(DType::F32)?, &y.to_dtype(DType::F32)?)?;
        return Ok(product.to_dtype(DType::BF16)?);
    }
    Ok(of(x, y)?)
}

fn matmul(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    product(x, y, Tensor::matmul)
}

/// `x·wᵀ + b`, as [`super::linear`].
pub fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = w.dims2()?;
    let mut shape = x.dims().to_vec();
    if shape.pop() != Some(inputs) {
        return Err(super::shape_error("linear", &[x, w]));
    }
    shape.push(outputs);
    let y = matmul(&x.reshape(((), inputs))?, &w.t()?)?.reshape(shape)?;
    Ok(match b {
        Some(b) => y.broadcast_add(b)?,
        None => y,
    })
}

/// A 2-d cross-correlation, as [`super::conv2d`], but f32 where there is a bias.
pub fn conv2d(x: &Tensor, w: &Tensor, b: Option<&Tensor>, spec: &Conv2dSpec) -> Result<Tensor> {
    let (x, padding) = aligned(x, w, spec)?;
    let y = product(&x, w, |x, w| {
        x.conv2d(w, padding, spec.stride, spec.dilation, spec.groups)
    })?;
    Ok(match b {
        Some(b) => y
            .to_dtype(b.dtype())?
            .broadcast_add(&b.reshape((1, (), 1, 1))?)?,
        None => y,
    })
}

/// The images padded or cut so that the windows of a strided convolution end exactly at their borders, and the
/// padding left to do: candle's backward pass goes wrong where the two axes have remainders that differ.
pub(super) fn aligned(x: &Tensor, w: &Tensor, spec: &Conv2dSpec) -> Result<(Tensor, usize)> {
    if spec.stride == 1 {
        return Ok((x.clone(), spec.padding));
    }
    let (_, _, kh, kw) = w.dims4()?;
    let mut x = x.clone();
    for (axis, k) in [(2, kh), (3, kw)] {
        let padded = x.dim(axis)? + 2 * spec.padding;
        let reach = spec.dilation * (k - 1) + 1;
        let windows = padded.saturating_sub(reach) / spec.stride;
        let needed = windows * spec.stride + reach;
        x = x.pad_with_zeros(axis, spec.padding, spec.padding)?.narrow(
            axis,
            0,
            needed.min(padded),
        )?;
    }
    Ok((x.contiguous()?, 0))
}

/// Layer normalisation of the last axis, as [`super::layer_norm`].
pub fn layer_norm(x: &Tensor, w: &Tensor, b: &Tensor, eps: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let var = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normal = centred.broadcast_div(&(var + eps)?.sqrt()?)?;
    Ok(normal.broadcast_mul(w)?.broadcast_add(b)?)
}

/// Softmax over the last axis, as [`super::softmax_last_dim`].
pub fn softmax_last_dim(x: &Tensor) -> Result<Tensor> {
    let max = x.max_keepdim(D::Minus1)?.detach();
    let e = x.broadcast_sub(&max)?.exp()?;
    Ok(e.broadcast_div(&e.sum_keepdim(D::Minus1)?)?)
}

/// Logarithm of the softmax over the last axis, as [`super::log_softmax_last_dim`].
pub fn log_softmax_last_dim(x: &Tensor) -> Result<Tensor> {
    let max = x.max_keepdim(D::Minus1)?.detach();
    let centred = x.broadcast_sub(&max)?;
    let log_sum = centred.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(centred.broadcast_sub(&log_sum)?)
}

/// Multi-head self-attention, as [`super::attention`].
pub fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, width) = qkv.dims3()?;
    let dim = width / 3;
    let size = dim / heads;
    let split = qkv
        .reshape((batch, tokens, 3, heads, size))?
        .permute((2, 0, 3, 1, 4))?;
    let q = (split.get(0)?.contiguous()? * (size as f64).powf(-0.5))?;
    let k = split.get(1)?.contiguous()?;
    let v = split.get(2)?.contiguous()?;
    let weights = super::apply(&matmul(&q, &k.t()?)?, softmax_last_dim, softmax_last_dim)?;
    let mixed = matmul(&weights, &v)?.transpose(1, 2)?;
    Ok(mixed.reshape((batch, tokens, dim))?)
}

/// Exact GELU, as [`super::gelu`].
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    Ok(x.gelu_erf()?)
}

/// `max(x, 0)` with a gradient of 0 at 0, as [`super::relu`].
pub fn relu(x: &Tensor) -> Result<Tensor> {
    let zeros = x.zeros_like()?;
    Ok(x.le(&zeros)?.where_cond(&zeros, x)?)
}

/// Where a pooling window's element `k` of `kernel` falls, for each of `outputs` places along an axis of
/// length `size` padded by `padding`: the index into the axis (0 where outside) and whether it is inside.
fn taps(
    size: usize,
    outputs: usize,
    k: usize,
    stride: usize,
    padding: usize,
) -> (Vec<u32>, Vec<u8>) {
    (0..outputs)
        .map(|o| {
            let at = o * stride + k;
            let inside = at >= padding && at - padding < size;
            (
                if inside { (at - padding) as u32 } else { 0 },
                u8::from(inside),
            )
        })
        .unzip()
}

/// One element of each pooling window, `[b, c, oh, ow]`, and the mask `[1, 1, oh, ow]` of those inside.
fn tap(
    x: &Tensor,
    at: [usize; 2],
    outputs: [usize; 2],
    stride: usize,
    padding: usize,
) -> Result<(Tensor, Tensor)> {
    let (_, _, h, w) = x.dims4()?;
    let device = x.device();
    let (rows, rows_in) = taps(h, outputs[0], at[0], stride, padding);
    let (cols, cols_in) = taps(w, outputs[1], at[1], stride, padding);
    let picked = x
        .index_select(&Tensor::new(rows, device)?, 2)?
        .index_select(&Tensor::new(cols, device)?, 3)?;
    let inside: Vec<u8> = rows_in
        .iter()
        .flat_map(|r| cols_in.iter().map(move |c| r & c))
        .collect();
    let inside = Tensor::from_vec(inside, (1, 1, outputs[0], outputs[1]), device)?;
    Ok((picked, inside))
}

/// Max pooling, as [`super::max_pool2d`].
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let outputs = [h, w].map(|s| (s + 2 * padding - kernel) / stride + 1);
    let mut best: Option<Tensor> = None;
    for ky in 0..kernel {
        for kx in 0..kernel {
            let (picked, inside) = tap(x, [ky, kx], outputs, stride, padding)?;
            let low = Tensor::full(f32::NEG_INFINITY, picked.shape(), x.device())?;
            let inside = inside.broadcast_as(picked.shape())?.contiguous()?;
            let picked = inside.where_cond(&picked, &low)?;
            // Strictly greater: the first maximum of a window keeps the gradient.
            best = Some(match best {
                None => picked,
                Some(best) => picked.gt(&best)?.where_cond(&picked, &best)?,
            });
        }
    }
    best.ok_or_else(|| Error::internal("max_pool2d with an empty kernel"))
}

/// Average pooling, as [`super::avg_pool2d`].
pub fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let outputs = [h, w].map(|s| super::pool::ceil_outputs(s, kernel, stride));
    let mut sum: Option<(Tensor, Tensor)> = None;
    for ky in 0..kernel {
        for kx in 0..kernel {
            let (picked, inside) = tap(x, [ky, kx], outputs, stride, 0)?;
            let inside = inside.to_dtype(DType::F32)?;
            let picked = picked.broadcast_mul(&inside)?;
            sum = Some(match sum {
                None => (picked, inside),
                Some((total, count)) => ((total + picked)?, (count + inside)?),
            });
        }
    }
    let (total, count) = sum.ok_or_else(|| Error::internal("avg_pool2d with an empty kernel"))?;
    Ok(total.broadcast_div(&count)?)
}

/// What follows a convolution, as in [`super::conv2d_after`], in `y`'s type.
pub fn after(y: &Tensor, after: &After) -> Result<Tensor> {
    let (mut y, dtype) = (y.clone(), y.dtype());
    if let Some((delta, gain)) = after.delta {
        let gain = gain.reshape((1, (), 1, 1))?;
        y = (y + delta.to_dtype(dtype)?.broadcast_mul(&gain)?)?;
    }
    if let Some(residual) = after.residual {
        y = (y + residual.to_dtype(dtype)?)?;
    }
    if after.relu {
        super::elsewhere::relu(&y)
    } else {
        Ok(y)
    }
}

/// A convolution and what follows it, as [`super::conv2d_after`].
pub fn conv2d_after(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    spec: &Conv2dSpec,
    then: &After,
) -> Result<Tensor> {
    let y = conv2d(x, w, b, spec)?;
    Ok(after(&y, then)?.to_dtype(x.dtype())?)
}

/// Batch normalisation in training mode and what follows it, as [`super::batch_norm`].
pub fn batch_norm(
    x: &Tensor,
    w: &Tensor,
    b: &Tensor,
    eps: f64,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Normalised> {
    let channels = x.dim(1)?;
    let mean_of =
        |t: &Tensor| -> Result<Tensor> { Ok(t.mean_keepdim(3)?.mean_keepdim(2)?.mean_keepdim(0)?) };
    let mean = mean_of(x)?;
    let centred = x.broadcast_sub(&mean)?;
    let var = mean_of(&centred.sqr()?)?;
    let y = centred
        .broadcast_div(&(&var + eps)?.sqrt()?)?
        .broadcast_mul(&w.reshape((1, channels, 1, 1))?)?
        .broadcast_add(&b.reshape((1, channels, 1, 1))?)?;
    let rest = After {
        residual,
        relu,
        ..After::default()
    };
    Ok(Normalised {
        output: after(&y, &rest)?,
        mean: mean.detach().reshape(channels)?,
        var: var.detach().reshape(channels)?,
    })
}

/// Mean cross-entropy, as [`super::cross_entropy`].
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, label_smoothing: f64) -> Result<Tensor> {
    let log_p = log_softmax_last_dim(logits)?;
    let picked = log_p
        .gather(&labels.unsqueeze(1)?, 1)?
        .mean_all()?
        .affine(label_smoothing - 1.0, 0.0)?;
    if label_smoothing == 0.0 {
        return Ok(picked);
    }
    Ok((picked + log_p.mean_all()?.affine(-label_smoothing, 0.0)?)?)
}

/// Mean over height and width, as [`super::global_avg_pool2d`].
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    Ok(x.flatten_from(2)?.mean(2)?)
}

/// `x + gamma·branch`, as [`super::add_scaled`].
pub fn add_scaled(x: &Tensor, branch: &Tensor, gamma: Option<&Tensor>) -> Result<Tensor> {
    let branch = &branch.to_dtype(x.dtype())?;
    Ok(match gamma {
        Some(gamma) => (x + branch.broadcast_mul(gamma)?)?,
        None => (x + branch)?,
    })
}

/// The first axis times a gain, as [`super::scale_rows`].
pub fn scale_rows(x: &Tensor, gain: &Tensor) -> Result<Tensor> {
    let mut shape = vec![1; x.dims().len()];
    if let Some(first) = shape.first_mut() {
        *first = gain.elem_count();
    }
    Ok(x.broadcast_mul(&gain.reshape(shape)?)?)
}

/// Class token, patches and positions, as [`super::embed`].
pub fn embed(patches: &Tensor, positions: &Tensor, token: Option<&Tensor>) -> Result<Tensor> {
    let (batch, _, dim) = patches.dims3()?;
    let patches = &patches.to_dtype(positions.dtype())?;
    let x = match token {
        Some(token) => Tensor::cat(&[&token.broadcast_as((batch, 1, dim))?, patches], 1)?,
        None => patches.clone(),
    };
    Ok(x.broadcast_add(positions)?)
}

/// Patches cut out, as [`super::patches`].
pub fn patches(x: &Tensor, size: usize) -> Result<Tensor> {
    let (batch, channels, h, w) = x.dims4()?;
    let (rows, columns) = (h / size, w / size);
    Ok(
        x.reshape(&[batch, channels, rows, size, columns, size][..])?
            .permute([0, 2, 4, 1, 3, 5])?
            .reshape((batch, rows * columns, channels * size * size))?,
    )
}

/// A weight with a low-rank update, as [`super::add_low_rank`].
pub fn add_low_rank(w: &Tensor, a: &Tensor, b: &Tensor, factor: f64) -> Result<Tensor> {
    let product = b.matmul(a)?.reshape(w.shape())?;
    Ok((w + product.affine(factor, 0.0)?)?)
}
