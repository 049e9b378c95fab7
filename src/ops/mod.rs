//! Tensor operations with the right gradients, in f32, their products in bf16 where that is asked for.
//!
//! candle's own operations are a trap for training: some cut the gradient silently, others compute one for
//! frozen weights (both cost more than the rest of a step), and none is fast in its backward pass on a CPU. So
//! every operation that a backbone or an adapter needs is here. On a CPU it is a fused operation with a
//! backward of its own; on any other device it is composed of candle's, with a backward of its own where that saves
//! much (`elsewhere`) and of the differentiable ones otherwise ([`composed`]). The tests compare all of them.
//!
//! With operands of bf16, products are taken in bf16 (summed in f32) and everything else is computed in f32 and
//! rounded to bf16 at the end, as PyTorch's autocast does it.
//!
//! Results on the CPU are the same bits with any number of threads: work is split by the shape of the data
//! alone, and sums over the parts are taken in their order.

mod activation;
mod attention;
mod batch_norm;
mod buffer;
mod chain;
mod clock;
pub mod composed;
mod conv;
mod cpu;
mod dots;
mod dropout;
mod elsewhere;
mod gemm;
mod linear;
mod loss;
mod math;
mod node;
mod norm;
mod pool;
mod residual;
mod resnet;
#[cfg(test)]
mod tests;
mod transformer;

use candle_core::{DType, Tensor};

use crate::random::Key;
use crate::{Error, Result};

pub use buffer::give_back as give_back_memory;
pub use chain::Factors;
pub(crate) use clock::timed;
pub use clock::{Account, Phase, Spent, account};
pub use resnet::{FrozenConv, FrozenStage, StageEnd};
pub use transformer::{FrozenBlock, FrozenLinear, FrozenNorm};

/// The geometry of a 2-d convolution, the same along both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2dSpec {
    /// Step between windows, in pixels.
    pub stride: usize,
    /// Zeros added at each border, in pixels.
    pub padding: usize,
    /// Distance between the elements of a window, in pixels.
    pub dilation: usize,
    /// Number of groups that the channels are split into.
    pub groups: usize,
}

impl Default for Conv2dSpec {
    fn default() -> Self {
        Self {
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
        }
    }
}

/// What follows a convolution: `act(y + gain·delta + residual)`.
#[derive(Clone, Copy, Default)]
pub struct After<'a> {
    /// A tensor of the output's shape and its factor for each channel, `[outputs]`; the gain is not trained.
    pub delta: Option<(&'a Tensor, &'a Tensor)>,
    /// A tensor of the output's shape.
    pub residual: Option<&'a Tensor>,
    /// Whether a ReLU comes last.
    pub relu: bool,
}

/// What [`batch_norm`] gives.
pub struct Normalised {
    /// The output, `[b, c, h, w]`.
    pub output: Tensor,
    /// The batch's mean of each channel, `[c]`, outside the graph.
    pub mean: Tensor,
    /// The batch's biased variance of each channel, `[c]`, outside the graph.
    pub var: Tensor,
}

/// Whether a gradient flows into `t`: it is a variable or depends on one.
pub fn tracks(t: &Tensor) -> bool {
    t.track_op()
}

/// Whether the fused operations apply: f32 on the CPU.
fn fused(tensors: &[&Tensor]) -> bool {
    tensors
        .iter()
        .all(|t| t.device().is_cpu() && t.dtype() == DType::F32)
}

/// An operation on one tensor: fused, composed, or, on a tensor of bf16, in f32 and rounded at the end.
fn apply(
    x: &Tensor,
    fast: impl FnOnce(&Tensor) -> Result<Tensor>,
    composed: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    if x.dtype() == DType::BF16 {
        let y = apply(&x.to_dtype(DType::F32)?, fast, composed)?;
        return Ok(y.to_dtype(DType::BF16)?);
    }
    if fused(&[x]) { fast(x) } else { composed(x) }
}

/// The forward pass of an operation on the device of `x`, accounted if somebody asked.
fn forward<T>(name: &'static str, x: &Tensor, work: impl FnOnce() -> T) -> T {
    timed(name, Phase::Forward, x.device(), work)
}

fn shape_error(op: &str, tensors: &[&Tensor]) -> Error {
    let shapes: Vec<_> = tensors.iter().map(|t| t.dims()).collect();
    Error::internal(format!("{op}: shapes {shapes:?} do not fit"))
}

/// `x·wᵀ + b` over the last axis: `x` `[…, inputs]`, `w` `[outputs, inputs]`, `b` `[outputs]` → `[…, outputs]`.
///
/// No gradient is computed for a `w` or `b` that does not track. All three are f32, or all bf16.
pub fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    forward(linear::name(w), x, || {
        if fused(&[x, w]) {
            linear::linear(x, w, b)
        } else {
            elsewhere::linear(x, w, b)
        }
    })
}

/// `w + factor·(b·a)`, the product computed apart, then added: `w` `[outputs, …]` of outputs·inputs elements, `a`
/// `[rank, inputs]`, `b` `[outputs, rank]`, all f32 → as `w`, outside the graph on the CPU.
pub fn add_low_rank(w: &Tensor, a: &Tensor, b: &Tensor, factor: f64) -> Result<Tensor> {
    let (outputs, rank) = b.dims2()?;
    let (ranks, inputs) = a.dims2()?;
    if rank != ranks || w.elem_count() != outputs * inputs || w.dims().first() != Some(&outputs) {
        return Err(shape_error("add_low_rank", &[w, a, b]));
    }
    if fused(&[w, a, b]) && w.elem_count() > 0 {
        linear::add_low_rank(w, a, b, factor as f32)
    } else {
        composed::add_low_rank(w, a, b, factor)
    }
}

/// A 2-d cross-correlation: `x` `[batch, inputs, h, w]`, `w` `[outputs, inputs / groups, kh, kw]`, `b`
/// `[outputs]` → `[batch, outputs, h', w']` with h' = (h + 2·padding − dilation·(kh − 1) − 1) / stride + 1.
///
/// No gradient is computed for a `w` or `b` that does not track. `x` and `w` are f32, or both bf16, as is then the
/// output; `b` is f32.
pub fn conv2d(x: &Tensor, w: &Tensor, b: Option<&Tensor>, spec: &Conv2dSpec) -> Result<Tensor> {
    conv2d_after(x, w, b, spec, &After::default())
}

/// [`conv2d`] and what follows it, as one operation; with bf16, what follows is computed in f32 before it is rounded.
pub fn conv2d_after(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    spec: &Conv2dSpec,
    after: &After,
) -> Result<Tensor> {
    forward(conv::name(w), x, || {
        if !fused(&[x, w]) {
            return elsewhere::conv2d(x, w, b, spec, after);
        }
        match after.delta {
            // A trained gain: its gradient is left to candle.
            Some((_, gain)) if tracks(gain) => {
                let y = conv::conv2d(x, w, b, spec, &After::default())?;
                composed::after(&y, after)
            }
            _ => conv::conv2d(x, w, b, spec, after),
        }
    })
}

/// Layer normalisation of the last axis (Ba, Kiros and Hinton, arXiv 1607.06450), the variance biased:
/// `x` `[…, dim]`, `w` and `b` `[dim]` → `[…, dim]`.
pub fn layer_norm(x: &Tensor, w: &Tensor, b: &Tensor, eps: f64) -> Result<Tensor> {
    forward("layer_norm", x, || {
        if fused(&[x]) {
            norm::layer_norm(x, w, b, eps)
        } else {
            elsewhere::layer_norm(x, w, b, eps)
        }
    })
}

/// Softmax over the last axis.
pub fn softmax_last_dim(x: &Tensor) -> Result<Tensor> {
    forward("softmax", x, || {
        apply(x, activation::softmax_last_dim, composed::softmax_last_dim)
    })
}

/// Logarithm of the softmax over the last axis.
pub fn log_softmax_last_dim(x: &Tensor) -> Result<Tensor> {
    forward("log_softmax", x, || {
        apply(
            x,
            activation::log_softmax_last_dim,
            composed::log_softmax_last_dim,
        )
    })
}

/// Multi-head self-attention (Vaswani et al., arXiv 1706.03762) of what timm's `qkv` layer gives: `qkv`
/// `[batch, tokens, 3·dim]`, in the order (q, k, v) × head × size → `[batch, tokens, dim]`, the heads side by side.
pub fn attention(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    forward("attention", qkv, || {
        if fused(&[qkv]) {
            attention::attention(qkv, heads)
        } else {
            elsewhere::attention(qkv, heads)
        }
    })
}

/// Whether [`blocks`] can take these: f32 on the CPU, and nothing but factors is trained.
pub fn blocks_apply(x: &Tensor, blocks: &[FrozenBlock]) -> bool {
    chain::applies(x, blocks)
}

/// A vision transformer's blocks one after the other, `[batch, tokens, dim]` → the same; with `only_first` what
/// concerns the first token alone, `[batch, 1, dim]`: less work in the last block.
///
/// # Errors
/// [`Error::Internal`] for what [`blocks_apply`] refuses, and for shapes that do not fit.
pub fn blocks(
    x: &Tensor,
    blocks: &[FrozenBlock],
    heads: usize,
    only_first: bool,
) -> Result<Tensor> {
    if !blocks_apply(x, blocks) {
        return Err(shape_error("blocks", &[x]));
    }
    transformer::blocks(x, blocks, heads, only_first)
}

/// Whether [`stages`] can take these: f32 on the CPU, and nothing but factors is trained.
pub fn stages_apply(x: &Tensor, stages: &[FrozenStage]) -> bool {
    !stages.iter().any(|s| s.path.is_empty()) && chain::applies(x, stages)
}

/// A ResNet's stem and blocks one after the other, `[batch, channels, h, w]` → what the last of them gives.
///
/// # Errors
/// [`Error::Internal`] for what [`stages_apply`] refuses, and for shapes that do not fit.
pub fn stages(x: &Tensor, stages: &[FrozenStage]) -> Result<Tensor> {
    if !stages_apply(x, stages) {
        return Err(shape_error("stages", &[x]));
    }
    resnet::stages(x, stages)
}

/// Exact GELU, `x·Φ(x)` (Hendrycks and Gimpel, arXiv 1606.08415).
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    forward("gelu", x, || apply(x, activation::gelu, composed::gelu))
}

/// `max(x, 0)`; the gradient at 0 is 0, as PyTorch's.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    forward("relu", x, || apply(x, activation::relu, elsewhere::relu))
}

/// Max pooling with square windows: `[b, c, h, w]` → `[b, c, h', w']`, h' = (h + 2·padding − kernel) / stride + 1.
/// The gradient goes to the first maximum of a window in row-major order, as PyTorch's.
pub fn max_pool2d(x: &Tensor, kernel: usize, stride: usize, padding: usize) -> Result<Tensor> {
    forward("max_pool2d", x, || {
        apply(
            x,
            |x| pool::max_pool2d(x, kernel, stride, padding),
            |x| composed::max_pool2d(x, kernel, stride, padding),
        )
    })
}

/// Average pooling with square windows, PyTorch's `ceil_mode=True, count_include_pad=False`: a window that
/// hangs over the border is the mean of what is inside. `[b, c, h, w]` → `[b, c, h', w']`.
pub fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    forward("avg_pool2d", x, || {
        apply(
            x,
            |x| pool::avg_pool2d(x, kernel, stride),
            |x| composed::avg_pool2d(x, kernel, stride),
        )
    })
}

/// Mean over height and width: `[b, c, h, w]` → `[b, c]`.
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    forward("global_avg_pool2d", x, || {
        apply(x, pool::global_avg_pool2d, composed::global_avg_pool2d)
    })
}

/// Batch normalisation in training mode (Ioffe and Szegedy, arXiv 1502.03167) and what follows it in a residual
/// block: `x` `[b, c, h, w]`, `w` and `b` `[c]`, `residual` of `x`'s shape → `act(bn(x) + residual)` and the
/// batch's statistics.
///
/// # Errors
/// [`Error::Input`] where a channel has one value alone, whose deviation is 0, as PyTorch.
pub fn batch_norm(
    x: &Tensor,
    w: &Tensor,
    b: &Tensor,
    eps: f64,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Normalised> {
    forward("batch_norm", x, || {
        let (batch, _, height, width) = x.dims4()?;
        if batch * height * width == 1 {
            return Err(Error::input(
                "BatchNorm cannot be trained on one value a channel: choose a batch_size that leaves no last batch of one \
                 image, or larger images",
            ));
        }
        if fused(&[x]) {
            batch_norm::batch_norm(x, w, b, eps, residual, relu)
        } else {
            composed::batch_norm(x, w, b, eps, residual, relu)
        }
    })
}

/// The sum of two tensors of one shape.
pub fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    add_scaled(x, y, None)
}

/// `x + gamma·branch`, a residual sum with LayerScale (Touvron et al., arXiv 2103.17239): `x` and `branch`
/// `[…, dim]`, `gamma` `[dim]`. The sum is of `x`'s type.
pub fn add_scaled(x: &Tensor, branch: &Tensor, gamma: Option<&Tensor>) -> Result<Tensor> {
    forward("add_scaled", x, || {
        if fused(&[x, branch]) {
            residual::add_scaled(x, branch, gamma)
        } else {
            composed::add_scaled(x, branch, gamma)
        }
    })
}

/// Each row (the first axis) of `x` `[rows, …]` times its element of `gain` `[rows]`.
pub fn scale_rows(x: &Tensor, gain: &Tensor) -> Result<Tensor> {
    forward("scale_rows", x, || {
        if fused(&[x, gain]) {
            residual::scale_rows(x, gain)
        } else {
            composed::scale_rows(x, gain)
        }
    })
}

/// Images cut into square patches of `size` pixels a side: `[b, c, h, w]` → `[b, h/size · w/size, c·size·size]`, each by
/// channel, row and column; `size` divides both sides.
pub fn patches(x: &Tensor, size: usize) -> Result<Tensor> {
    forward("patches", x, || {
        let (_, _, h, w) = x.dims4()?;
        if size == 0 || h % size != 0 || w % size != 0 {
            return Err(shape_error("patches", &[x]));
        }
        if fused(&[x]) && !tracks(x) {
            residual::patches(x, size)
        } else {
            composed::patches(x, size)
        }
    })
}

/// A ViT's tokens: the class token `[1, 1, dim]` if there is one, then the patches `[batch, patches, dim]`, plus the
/// positions `[1, tokens, dim]` → `[batch, tokens, dim]`, of the positions' type.
pub fn embed(patches: &Tensor, positions: &Tensor, token: Option<&Tensor>) -> Result<Tensor> {
    forward("embed", patches, || {
        if fused(&[patches, positions]) {
            residual::embed(patches, positions, token)
        } else {
            composed::embed(patches, positions, token)
        }
    })
}

/// Dropout: each element is 0 with probability `p`, and divided by 1 − p otherwise. Which ones is a function of
/// `key` and the element's row-major index alone.
pub fn dropout(x: &Tensor, p: f32, key: Key) -> Result<Tensor> {
    forward("dropout", x, || {
        apply(
            x,
            |x| dropout::dropout(x, p, key),
            |x| dropout::dropout_elsewhere(x, p, key),
        )
    })
}

/// Mean cross-entropy of `logits` `[b, k]` against `labels` `[b]` (u32), as a scalar. `label_smoothing` ε puts
/// 1 − ε on the label and spreads ε over all k classes (Szegedy et al., arXiv 1512.00567), as PyTorch's.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, label_smoothing: f64) -> Result<Tensor> {
    forward("cross_entropy", logits, || {
        if fused(&[logits]) {
            loss::cross_entropy(logits, labels, label_smoothing)
        } else {
            composed::cross_entropy(logits, labels, label_smoothing)
        }
    })
}
