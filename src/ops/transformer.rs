//! The frozen blocks of a vision transformer (Dosovitskiy et al., arXiv 2010.11929) as one operation, with low-rank
//! factors beside their layers.
//!
//! Everything but attention is row by row, so some rows at a time go through a whole half of a block while they are in
//! the second cache. For the backward pass a block keeps its input, its queries, keys and values, the sum after its
//! attention, and GELU's input or slope; what lies between is computed again where factors need it. Nothing is computed
//! below the first block that is trained, nor kept where nothing is.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::activation::{gelu_rows, gelu_slope_rows};
use super::attention::Heads;
use super::buffer::Buffer;
use super::chain::{Factors, Held, Link, cut, lowest, node_of_chain};
use super::cpu::{packed, plain, row_block, values, zeros};
use super::dropout::mask;
use super::gemm::{Mat, add_few, multiply, with_scratch};
use super::linear::{add_to_rows, tensor};
use super::math::{add, simd};
use super::norm::{backward_rows, normalise};
use super::residual::{residual, scaled};
use super::{Phase, timed};
use crate::Result;
use crate::random::Key;

/// Most shares that the gradients of factors are summed from.
const SHARES: usize = 32;

/// A frozen Linear: `weight` `[outputs, inputs]`, `bias` `[outputs]`.
#[derive(Clone)]
pub struct FrozenLinear {
    /// `[outputs, inputs]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Option<Tensor>,
    /// What is trained beside it.
    pub factors: Option<Factors>,
}

/// A frozen layer normalisation over `dim` values.
#[derive(Clone)]
pub struct FrozenNorm {
    /// `[dim]`.
    pub weight: Tensor,
    /// `[dim]`.
    pub bias: Tensor,
    /// Added to the variance.
    pub eps: f64,
}

/// A frozen block: `x + γ₁·attention(norm₁(x))`, then `x + γ₂·mlp(norm₂(x))`.
#[derive(Clone)]
pub struct FrozenBlock {
    /// Before attention.
    pub norm1: FrozenNorm,
    /// Queries, keys and values, `[3·dim, dim]`.
    pub qkv: FrozenLinear,
    /// After attention.
    pub proj: FrozenLinear,
    /// LayerScale's γ₁, `[dim]`.
    pub gamma1: Option<Tensor>,
    /// Before the MLP.
    pub norm2: FrozenNorm,
    /// Before GELU.
    pub fc1: FrozenLinear,
    /// After GELU.
    pub fc2: FrozenLinear,
    /// LayerScale's γ₂, `[dim]`.
    pub gamma2: Option<Tensor>,
}

impl FrozenBlock {
    fn linears(&self) -> [&FrozenLinear; 4] {
        [&self.qkv, &self.proj, &self.fc1, &self.fc2]
    }
}

impl Link for FrozenBlock {
    fn frozen(&self) -> Vec<&Tensor> {
        let norms = [&self.norm1, &self.norm2].map(|n| [&n.weight, &n.bias]);
        let linears = self.linears().map(|l| [Some(&l.weight), l.bias.as_ref()]);
        norms
            .into_iter()
            .flatten()
            .chain(linears.into_iter().flatten().flatten())
            .chain([&self.gamma1, &self.gamma2].into_iter().flatten())
            .collect()
    }

    fn factors(&self) -> Vec<&Factors> {
        self.linears()
            .into_iter()
            .filter_map(|l| l.factors.as_ref())
            .collect()
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    tokens: usize,
    dim: usize,
    hidden: usize,
    heads: usize,
}

impl Sizes {
    fn of(x: &Tensor, blocks: &[FrozenBlock], heads: usize) -> Result<Self> {
        let wrong = || super::shape_error("blocks", &[x]);
        let (batch, tokens, dim) = x.dims3()?;
        let hidden = blocks
            .first()
            .ok_or_else(wrong)?
            .fc1
            .weight
            .dims()
            .first()
            .copied()
            .unwrap_or(0);
        let fits = |l: &FrozenLinear, outputs: usize, inputs: usize| {
            l.weight.dims() == [outputs, inputs]
                && l.bias.as_ref().is_none_or(|b| b.dims() == [outputs])
                && l.factors.as_ref().is_none_or(|f| {
                    let rank = f.a.dims().first().copied().unwrap_or(0);
                    f.a.dims() == [rank, inputs] && f.b.dims() == [outputs, rank]
                })
        };
        let vector = |t: &Tensor| t.dims() == [dim];
        let all = blocks.iter().all(|b| {
            fits(&b.qkv, 3 * dim, dim)
                && fits(&b.proj, dim, dim)
                && fits(&b.fc1, hidden, dim)
                && fits(&b.fc2, dim, hidden)
                && [&b.norm1, &b.norm2]
                    .iter()
                    .all(|n| vector(&n.weight) && vector(&n.bias))
                && [&b.gamma1, &b.gamma2]
                    .iter()
                    .all(|g| g.as_ref().is_none_or(vector))
        });
        if !all || heads == 0 || dim % heads != 0 || x.elem_count() == 0 {
            return Err(wrong());
        }
        Ok(Self {
            batch,
            tokens,
            dim,
            hidden,
            heads,
        })
    }

    fn rows(&self) -> usize {
        self.batch * self.tokens
    }

    fn heads(&self, only_first: bool) -> Heads {
        Heads {
            tokens: self.tokens,
            dim: self.dim,
            heads: self.heads,
            queries: if only_first { 1 } else { self.tokens },
        }
    }
}

/// Which rows of `[batch·tokens, …]` some rows are: the `i`-th is row `(first + i)·step`.
#[derive(Clone, Copy)]
struct Rows {
    first: usize,
    step: usize,
}

fn vector(t: &Tensor) -> Result<Vec<f32>> {
    Ok(t.detach().to_vec1::<f32>()?)
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl Norm {
    fn new(norm: &FrozenNorm) -> Result<Self> {
        Ok(Self {
            weight: vector(&norm.weight)?,
            bias: vector(&norm.bias)?,
            eps: norm.eps as f32,
        })
    }

    fn forward(&self, out: &mut [f32], xs: &[f32]) {
        simd(
            #[inline(always)]
            || {
                let dim = self.weight.len();
                for (y, x) in out.chunks_exact_mut(dim).zip(xs.chunks_exact(dim)) {
                    normalise(y, x, &self.weight, &self.bias, self.eps);
                }
            },
        );
    }

    /// Adds the gradient before the norm to `dx`; `g` is the one behind it and is overwritten.
    fn add_backward(&self, dx: &mut [f32], g: &mut [f32], xs: &[f32]) {
        simd(
            #[inline(always)]
            || {
                let dim = self.weight.len();
                for ((dx, g), x) in dx
                    .chunks_exact_mut(dim)
                    .zip(g.chunks_exact_mut(dim))
                    .zip(xs.chunks_exact(dim))
                {
                    let stats = super::norm::stats(x, self.eps);
                    backward_rows(g, None, x, &self.weight, &[stats]);
                    add(dx, g);
                }
            },
        );
    }
}

fn times(out: &mut [f32], factor: f32) {
    simd(
        #[inline(always)]
        || {
            for o in out {
                *o *= factor;
            }
        },
    );
}

/// `out = mask·x`, or `out += mask·x`, of rows of `width` values.
fn dropped(out: &mut [f32], x: &[f32], width: usize, rows: Rows, p: f32, key: Key, sum: bool) {
    let pairs = out.chunks_exact_mut(width).zip(x.chunks_exact(width));
    for (i, (out, x)) in pairs.enumerate() {
        let start = (rows.first + i) * rows.step * width;
        mask(out, x, start as u64, p, key, sum);
    }
}

/// A Linear's matrices packed for one direction, and its factors'.
struct Linear {
    inputs: usize,
    outputs: usize,
    weight: Buffer,
    bias: Vec<f32>,
    low: Option<Low>,
}

struct Low {
    rank: usize,
    a: Buffer,
    b: Buffer,
    scale: f32,
    dropout: Option<(f32, Key)>,
}

impl Linear {
    fn new(linear: &FrozenLinear, phase: Phase) -> Result<Self> {
        // Forward by the transposed matrices, backward by the matrices themselves.
        let pack = |t: &Tensor| -> Result<Buffer> {
            let (rows, cols) = t.dims2()?;
            let t = plain(t)?;
            let values = values(&t)?;
            let matrix = Mat::new(&values, rows, cols);
            Ok(packed(match phase {
                Phase::Forward => matrix.t(),
                _ => matrix,
            }))
        };
        let (outputs, inputs) = linear.weight.dims2()?;
        let low = |f: &Factors| -> Result<Low> {
            Ok(Low {
                rank: f.a.dim(0)?,
                a: pack(&f.a)?,
                b: pack(&f.b)?,
                scale: f.scale as f32,
                dropout: f.dropout.filter(|(p, _)| *p > 0.0),
            })
        };
        Ok(Self {
            inputs,
            outputs,
            weight: pack(&linear.weight)?,
            bias: match &linear.bias {
                Some(bias) => vector(bias)?,
                None => Vec::new(),
            },
            low: linear.factors.as_ref().map(low).transpose()?,
        })
    }

    /// The layer of some rows; `z` gets `scale·A(dropout(x))` if there is room for it.
    fn forward(&self, out: &mut [f32], x: &[f32], z: &mut [f32], rows: Rows) {
        let n = x.len() / self.inputs;
        let xs = Mat::new(x, n, self.inputs);
        multiply(out, self.outputs, xs, &self.weight, self.outputs, false);
        if let Some(low) = &self.low {
            with_scratch(n * low.rank, |own| {
                let z = if z.is_empty() { own } else { z };
                low.with_input(x, self.inputs, rows, |x| {
                    let x = Mat::new(x, n, self.inputs);
                    multiply(z, low.rank, x, &low.a, low.rank, false);
                });
                times(z, low.scale);
                let z = Mat::new(z, n, low.rank);
                multiply(out, self.outputs, z, &low.b, self.outputs, true);
            });
        }
        if !self.bias.is_empty() {
            add_to_rows(out, &self.bias);
        }
    }

    /// The gradient before the layer into `dx`, unless that is empty, and those of the factors added to `share`: of A
    /// `[rank, inputs]`, then of the transposed B `[rank, outputs]`. `x` is the layer's input and `z` what [`forward`]
    /// gave, both of factors alone.
    ///
    /// [`forward`]: Self::forward
    fn backward(
        &self,
        dx: &mut [f32],
        g: &[f32],
        x: &[f32],
        z: &[f32],
        share: &mut [f32],
        rows: Rows,
    ) {
        let n = g.len() / self.outputs;
        let gs = Mat::new(g, n, self.outputs);
        if !dx.is_empty() {
            multiply(dx, self.inputs, gs, &self.weight, self.inputs, false);
        }
        let Some(low) = &self.low else { return };
        let rank = low.rank;
        let (da, db) = share.split_at_mut(rank * self.inputs);
        add_few(db, self.outputs, Mat::new(z, n, rank).t(), gs);
        with_scratch(n * rank, |dz| {
            multiply(dz, rank, gs, &low.b, rank, false);
            times(dz, low.scale);
            let dz = Mat::new(dz, n, rank);
            low.with_input(x, self.inputs, rows, |x| {
                add_few(da, self.inputs, dz.t(), Mat::new(x, n, self.inputs));
            });
            if dx.is_empty() {
                return;
            }
            match low.dropout {
                None => multiply(dx, self.inputs, dz, &low.a, self.inputs, true),
                Some((p, key)) => with_scratch(dx.len(), |d| {
                    multiply(d, self.inputs, dz, &low.a, self.inputs, false);
                    dropped(dx, d, self.inputs, rows, p, key, true);
                }),
            }
        });
    }

    /// Values of a share of the factors' gradients.
    fn share(&self) -> usize {
        self.low
            .as_ref()
            .map_or(0, |l| l.rank * (self.inputs + self.outputs))
    }
}

impl Low {
    fn with_input(&self, x: &[f32], width: usize, rows: Rows, f: impl FnOnce(&[f32])) {
        match self.dropout {
            None => f(x),
            Some((p, key)) => with_scratch(x.len(), |out| {
                dropped(out, x, width, rows, p, key, false);
                f(out);
            }),
        }
    }
}

/// A block's layers, packed for one direction.
struct Block {
    norm1: Norm,
    norm2: Norm,
    qkv: Linear,
    proj: Linear,
    fc1: Linear,
    fc2: Linear,
    gamma1: Option<Vec<f32>>,
    gamma2: Option<Vec<f32>>,
}

impl Block {
    fn new(block: &FrozenBlock, phase: Phase) -> Result<Self> {
        let gamma = |g: &Option<Tensor>| g.as_ref().map(vector).transpose();
        Ok(Self {
            norm1: Norm::new(&block.norm1)?,
            norm2: Norm::new(&block.norm2)?,
            qkv: Linear::new(&block.qkv, phase)?,
            proj: Linear::new(&block.proj, phase)?,
            fc1: Linear::new(&block.fc1, phase)?,
            fc2: Linear::new(&block.fc2, phase)?,
            gamma1: gamma(&block.gamma1)?,
            gamma2: gamma(&block.gamma2)?,
        })
    }
}

/// What a block keeps for its backward pass; buffers of what is not kept are empty.
struct Kept {
    x: Held,
    qkv: Buffer,
    /// What attention gives, where factors follow it.
    attended: Buffer,
    /// The sum after attention.
    sum: Buffer,
    /// GELU's input where factors follow it, its slope otherwise.
    mid: Buffer,
    /// `scale·A(dropout(x))` of each layer with factors.
    z: [Buffer; 4],
}

/// The rows of `x` that are meant, side by side.
fn gathered<'a>(x: &'a [f32], into: &'a mut [f32], rows: Rows, n: usize, dim: usize) -> &'a [f32] {
    if rows.step == 1 {
        return &x[rows.first * dim..(rows.first + n) * dim];
    }
    for (i, row) in into.chunks_exact_mut(dim).take(n).enumerate() {
        row.copy_from_slice(&x[(rows.first + i) * rows.step * dim..][..dim]);
    }
    &into[..n * dim]
}

/// See [`super::blocks`].
pub(super) fn blocks(
    x: &Tensor,
    blocks: &[FrozenBlock],
    heads: usize,
    only_first: bool,
) -> Result<Tensor> {
    let sizes = Sizes::of(x, blocks, heads)?;
    let lowest = lowest(x, blocks);
    let mut input = Held::Given(plain(x)?);
    let mut kept = Vec::new();
    for (i, block) in blocks.iter().enumerate() {
        let only_first = only_first && i + 1 == blocks.len();
        let (out, state) = forward(input, block, sizes, only_first, i >= lowest)?;
        input = Held::Computed(out);
        kept.extend(state);
    }
    let tokens = if only_first { 1 } else { sizes.tokens };
    let shape = (sizes.batch, tokens, sizes.dim);
    let own = blocks.to_vec();
    node_of_chain("blocks", x, blocks, &input, shape, move |i, g, deep, _| {
        let only_first = only_first && i + 1 == own.len();
        backward(g, &own[i], &kept[i - lowest], sizes, only_first, deep)
    })
}

fn forward(
    input: Held,
    frozen: &FrozenBlock,
    sizes: Sizes,
    only_first: bool,
    keep: bool,
) -> Result<(Buffer, Option<Kept>)> {
    let block = Block::new(frozen, Phase::Forward)?;
    let (dim, all) = (sizes.dim, sizes.rows());
    let (rows, step) = if only_first {
        (sizes.batch, sizes.tokens)
    } else {
        (all, 1)
    };
    let low = [&block.qkv, &block.proj, &block.fc1, &block.fc2];
    let ranks = low.map(|l| l.low.as_ref().filter(|_| keep).map_or(0, |l| l.rank));
    let mut z = [all, rows, rows, rows];
    z.iter_mut().zip(ranks).for_each(|(n, rank)| *n *= rank);
    let [mut z0, mut z1, mut z2, mut z3] = z.map(Buffer::new);

    let mut qkv = Buffer::new(all * 3 * dim);
    let size = row_block(all);
    let pieces = all.div_ceil(size);
    input.read(|x| {
        timed("norm and qkv", Phase::Forward, &Device::Cpu, || {
            cut(&mut qkv, size, 3 * dim, pieces)
                .into_par_iter()
                .zip(cut(&mut z0, size, ranks[0], pieces))
                .enumerate()
                .for_each(|(i, (out, z))| {
                    let n = out.len() / (3 * dim);
                    let first = i * size;
                    with_scratch(n * dim, |normal| {
                        let x = &x[first * dim..(first + n) * dim];
                        block.norm1.forward(normal, x);
                        block.qkv.forward(out, normal, z, Rows { first, step: 1 });
                    });
                });
        });
        Ok(())
    })?;

    let mut attended = Buffer::new(rows * dim);
    let shape = sizes.heads(only_first);
    let image = 3 * dim * sizes.tokens;
    timed("attention", Phase::Forward, &Device::Cpu, || {
        attended
            .par_chunks_mut(shape.queries * dim)
            .zip(qkv.par_chunks(image))
            .for_each(|(out, qkv)| shape.forward(out, qkv));
    });

    let mut out = Buffer::new(rows * dim);
    let mut sum = Buffer::new(if keep { rows * dim } else { 0 });
    let mut mid = Buffer::new(if keep { rows * sizes.hidden } else { 0 });
    let size = row_block(rows);
    let pieces = rows.div_ceil(size);
    input.read(|x| {
        timed("projection and MLP", Phase::Forward, &Device::Cpu, || {
            let parts = cut(&mut sum, size, dim, pieces)
                .into_iter()
                .zip(cut(&mut mid, size, sizes.hidden, pieces))
                .zip(cut(&mut z1, size, ranks[1], pieces))
                .zip(cut(&mut z2, size, ranks[2], pieces))
                .zip(cut(&mut z3, size, ranks[3], pieces))
                .collect::<Vec<_>>();
            cut(&mut out, size, dim, pieces)
                .into_par_iter()
                .zip(parts)
                .enumerate()
                .for_each(|(i, (out, ((((sum, mid), z1), z2), z3)))| {
                    let n = out.len() / dim;
                    let first = i * size;
                    let ids = Rows { first, step };
                    let attended = &attended[first * dim..(first + n) * dim];
                    with_scratch(n * (3 * dim + sizes.hidden), |scratch| {
                        let (y, rest) = scratch.split_at_mut(n * dim);
                        let (own_sum, rest) = rest.split_at_mut(n * dim);
                        let (normal, hidden) = rest.split_at_mut(n * dim);
                        let sum = if sum.is_empty() { own_sum } else { sum };
                        block.proj.forward(y, attended, z1, ids);
                        let x = gathered(x, normal, ids, n, dim);
                        residual(sum, x, y, block.gamma1.as_deref());
                        block.norm2.forward(normal, sum);
                        block.fc1.forward(hidden, normal, z2, ids);
                        gelu_rows(hidden, mid, block.fc2.low.is_some());
                        block.fc2.forward(y, hidden, z3, ids);
                        residual(out, sum, y, block.gamma2.as_deref());
                    });
                });
        });
        Ok(())
    })?;
    if !keep {
        return Ok((out, None));
    }
    let keep_attended = block.proj.low.is_some();
    let kept = Kept {
        x: input,
        qkv,
        attended: if keep_attended {
            attended
        } else {
            Buffer::new(0)
        },
        sum,
        mid,
        z: [z0, z1, z2, z3],
    };
    Ok((out, Some(kept)))
}

/// Rows of a share of the factors' gradients: whole pieces, for at most [`SHARES`] shares.
fn share(rows: usize) -> usize {
    rows.div_ceil(SHARES).next_multiple_of(row_block(rows))
}

/// The factors' gradients of a layer, summed over the shares in order: of A, then of B.
fn sums(linear: &Linear, shares: &Buffer) -> Result<Vec<Tensor>> {
    let Some(low) = &linear.low else {
        return Ok(Vec::new());
    };
    let mut sums = zeros(linear.share());
    for share in shares.chunks_exact(linear.share()) {
        simd(
            #[inline(always)]
            || add(&mut sums, share),
        );
    }
    let db = sums.split_off(low.rank * linear.inputs);
    let db = tensor(db, (low.rank, linear.outputs))?.t()?.contiguous()?;
    Ok(vec![tensor(sums, (low.rank, linear.inputs))?, db])
}

/// The gradient before a block, empty unless it is needed (`deep`), and those of its factors: A and B of each layer.
fn backward(
    mut g: Buffer,
    frozen: &FrozenBlock,
    kept: &Kept,
    sizes: Sizes,
    only_first: bool,
    deep: bool,
) -> Result<(Buffer, Vec<Tensor>)> {
    let block = Block::new(frozen, Phase::Backward)?;
    let (dim, all, hidden) = (sizes.dim, sizes.rows(), sizes.hidden);
    let (rows, step) = if only_first {
        (sizes.batch, sizes.tokens)
    } else {
        (all, 1)
    };
    // Attention is passed through only where something before it is trained.
    let through = deep || block.qkv.low.is_some();
    let ranks = [&block.qkv, &block.proj, &block.fc1, &block.fc2]
        .map(|l| l.low.as_ref().map_or(0, |l| l.rank));

    let size = share(rows);
    let count = rows.div_ceil(size);
    let mut shares = [&block.proj, &block.fc1, &block.fc2].map(|l| Buffer::new(count * l.share()));
    let mut d_attended = Buffer::new(if through { rows * dim } else { 0 });
    timed("projection and MLP", Phase::Backward, &Device::Cpu, || {
        let [proj, fc1, fc2] = &mut shares;
        let parts = cut(&mut d_attended, size, dim, count)
            .into_iter()
            .zip(cut(proj, 1, block.proj.share(), count))
            .zip(cut(fc1, 1, block.fc1.share(), count))
            .zip(cut(fc2, 1, block.fc2.share(), count))
            .collect::<Vec<_>>();
        cut(&mut g, size, dim, count)
            .into_par_iter()
            .zip(parts)
            .enumerate()
            .for_each(|(i, (g, (((d_attended, proj), fc1), fc2)))| {
                for share in [&mut *proj, &mut *fc1, &mut *fc2] {
                    share.fill(0.0);
                }
                let some = row_block(rows);
                let d_attended = cut(d_attended, some, dim, g.len().div_ceil(some * dim));
                for (j, (g, d_attended)) in g.chunks_mut(some * dim).zip(d_attended).enumerate() {
                    let n = g.len() / dim;
                    let ids = Rows {
                        first: i * size + j * some,
                        step,
                    };
                    let part = |b: &'_ Buffer, width: usize| {
                        if b.is_empty() {
                            0..0
                        } else {
                            ids.first * width..(ids.first + n) * width
                        }
                    };
                    let z = |l: usize| &kept.z[l][part(&kept.z[l], ranks[l])];
                    let sum = &kept.sum[part(&kept.sum, dim)];
                    let mid = &kept.mid[part(&kept.mid, hidden)];
                    with_scratch(n * (2 * dim + 2 * hidden), |scratch| {
                        let (normal, rest) = scratch.split_at_mut(n * dim);
                        let (d, rest) = rest.split_at_mut(n * dim);
                        let (inner, d_inner) = rest.split_at_mut(n * hidden);
                        let behind = match &block.gamma2 {
                            None => &*g,
                            Some(gamma) => {
                                scaled(d, g, gamma);
                                &*d
                            }
                        };
                        let recompute = block.fc2.low.is_some();
                        if recompute {
                            inner.copy_from_slice(mid);
                            gelu_rows(inner, &mut [], false);
                        }
                        block.fc2.backward(d_inner, behind, inner, z(3), fc2, ids);
                        gelu_slope_rows(d_inner, mid, recompute);
                        if block.fc1.low.is_some() {
                            block.norm2.forward(normal, sum);
                        }
                        block.fc1.backward(d, d_inner, normal, z(2), fc1, ids);
                        block.norm2.add_backward(g, d, sum);
                        let behind = match &block.gamma1 {
                            None => &*g,
                            Some(gamma) => {
                                scaled(d, g, gamma);
                                &*d
                            }
                        };
                        let attended = &kept.attended[part(&kept.attended, dim)];
                        block
                            .proj
                            .backward(d_attended, behind, attended, z(1), proj, ids);
                    });
                }
            });
    });
    let later = |qkv: Vec<Tensor>| -> Result<Vec<Tensor>> {
        let [proj, fc1, fc2] = &shares;
        Ok([
            qkv,
            sums(&block.proj, proj)?,
            sums(&block.fc1, fc1)?,
            sums(&block.fc2, fc2)?,
        ]
        .concat())
    };
    if !through {
        return Ok((Buffer::new(0), later(Vec::new())?));
    }

    let mut d_qkv = Buffer::new(all * 3 * dim);
    let shape = sizes.heads(only_first);
    let image = 3 * dim * sizes.tokens;
    timed("attention", Phase::Backward, &Device::Cpu, || {
        d_qkv
            .par_chunks_mut(image)
            .zip(kept.qkv.par_chunks(image))
            .zip(d_attended.par_chunks(shape.queries * dim))
            .for_each(|((d_qkv, qkv), g)| shape.backward(d_qkv, qkv, g));
    });
    drop(d_attended);

    let size = share(all);
    let count = all.div_ceil(size);
    let mut qkv_shares = Buffer::new(count * block.qkv.share());
    let mut dx = Buffer::new(if deep { all * dim } else { 0 });
    kept.x.read(|x| {
        timed("norm and qkv", Phase::Backward, &Device::Cpu, || {
            let pieces = cut(&mut qkv_shares, 1, block.qkv.share(), count);
            cut(&mut dx, size, dim, count)
                .into_par_iter()
                .zip(pieces)
                .enumerate()
                .for_each(|(i, (dx, share))| {
                    share.fill(0.0);
                    let end = all.min((i + 1) * size);
                    let some = row_block(all);
                    let firsts = (i * size..end).step_by(some);
                    let dx = cut(dx, some, dim, firsts.len());
                    for (first, dx) in firsts.zip(dx) {
                        let n = some.min(end - first);
                        let ids = Rows { first, step: 1 };
                        let part = |width: usize| first * width..(first + n) * width;
                        let x = &x[part(dim)];
                        with_scratch(2 * n * dim, |scratch| {
                            let (normal, d) = scratch.split_at_mut(n * dim);
                            let d = if deep { d } else { &mut [] };
                            let mut z: &[f32] = &[];
                            if block.qkv.low.is_some() {
                                block.norm1.forward(normal, x);
                                z = &kept.z[0][part(ranks[0])];
                            }
                            let g_qkv = &d_qkv[part(3 * dim)];
                            block.qkv.backward(d, g_qkv, normal, z, share, ids);
                            if deep {
                                if step == 1 {
                                    dx.copy_from_slice(&g[part(dim)]);
                                } else {
                                    for (row, dx) in (first..).zip(dx.chunks_exact_mut(dim)) {
                                        match row % step {
                                            0 => dx.copy_from_slice(&g[row / step * dim..][..dim]),
                                            _ => dx.fill(0.0),
                                        }
                                    }
                                }
                                block.norm1.add_backward(dx, d, x);
                            }
                        });
                    }
                });
        });
        Ok(())
    })?;
    let qkv = sums(&block.qkv, &qkv_shares)?;
    Ok((dx, later(qkv)?))
}
