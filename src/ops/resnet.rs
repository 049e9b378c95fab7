//! The frozen stem and residual blocks of a ResNet (He et al., arXiv 1512.03385) as one operation, their BatchNorms
//! folded into the convolutions, with low-rank factors beside these.
//!
//! For the backward pass a stage keeps its input and what follows each of its ReLUs, from the first on that is
//! trained; below it nothing is computed.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::activation::through_relu;
use super::buffer::Buffer;
use super::chain::{Factors, Held, Link, cut, lowest, node_of_chain};
use super::conv::{Ending, Shifted, Sizes, window_name};
use super::cpu::{for_pieces, plain, values};
use super::dropout::mask;
use super::gemm::{Mat, multiply_shifted, with_scratch};
use super::linear::tensor;
use super::math::{add, simd};
use super::pool::MaxPool;
use super::{Conv2dSpec, Phase, timed};
use crate::Result;
use crate::random::Key;

/// Elements in a piece of an element-wise loop.
const ELEMENTS: usize = 1 << 15;

/// A frozen convolution into which its BatchNorm was folded.
#[derive(Clone)]
pub struct FrozenConv {
    /// `[outputs, inputs / groups, kh, kw]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Tensor,
    /// What the BatchNorm scales each channel by, and so what the factors give, `[outputs]`.
    pub gain: Tensor,
    /// The geometry.
    pub spec: Conv2dSpec,
    /// What is trained beside it: A `[rank, inputs, kh, kw]` with the convolution's stride and padding, B
    /// `[outputs, rank, 1, 1]`.
    pub factors: Option<Factors>,
}

/// Convolutions one after the other, with a ReLU behind each, and what ends them.
#[derive(Clone)]
pub struct FrozenStage {
    /// The convolutions; at least one.
    pub path: Vec<FrozenConv>,
    /// How they end.
    pub end: StageEnd,
}

/// What ends a stage's path.
#[derive(Clone)]
pub enum StageEnd {
    /// A max pool of 3×3 windows with stride 2, as a stem's.
    MaxPool,
    /// The sum with the stage's input, or with this convolution of it, before the last ReLU: a residual block.
    Sum(Option<FrozenConv>),
}

impl FrozenStage {
    fn shortcut(&self) -> Option<&FrozenConv> {
        match &self.end {
            StageEnd::Sum(shortcut) => shortcut.as_ref(),
            StageEnd::MaxPool => None,
        }
    }

    fn convs(&self) -> impl Iterator<Item = &FrozenConv> {
        self.path.iter().chain(self.shortcut())
    }
}

impl Link for FrozenStage {
    fn frozen(&self) -> Vec<&Tensor> {
        self.convs()
            .flat_map(|c| [&c.weight, &c.bias, &c.gain])
            .collect()
    }

    fn factors(&self) -> Vec<&Factors> {
        self.convs().filter_map(|c| c.factors.as_ref()).collect()
    }
}

/// A convolution for images of one size.
struct Conv {
    sizes: Sizes,
    by: Option<Shifted>,
    weight: Tensor,
    bias: Vec<f32>,
    low: Option<Low>,
}

/// Its factors, B with the channels' gains and the scale on it.
struct Low {
    sizes_a: Sizes,
    by: Option<Shifted>,
    a: Vec<f32>,
    sizes_b: Sizes,
    b: Vec<f32>,
    gains: Vec<f32>,
    dropout: Option<(f32, Key)>,
}

fn numbers(t: &Tensor) -> Result<Vec<f32>> {
    Ok(t.detach().flatten_all()?.to_vec1::<f32>()?)
}

impl Conv {
    fn new(conv: &FrozenConv, x: [usize; 4]) -> Result<Self> {
        let sizes = Sizes::new(x, conv.weight.dims4()?.into(), conv.spec)?;
        let bias = numbers(&conv.bias)?;
        let low = |f: &Factors| -> Result<Low> {
            let spec = Conv2dSpec {
                groups: 1,
                ..conv.spec
            };
            let sizes_a = Sizes::new(x, f.a.dims4()?.into(), spec)?;
            let plain = Conv2dSpec::default();
            let sizes_b = Sizes::new(sizes_a.output(), f.b.dims4()?.into(), plain)?;
            let mut gains = numbers(&conv.gain)?;
            let mut b = numbers(&f.b)?;
            if sizes_b.output() != sizes.output() || gains.len() != sizes.output()[1] {
                return Err(super::shape_error("stages", &[&f.a, &f.b]));
            }
            for (gain, row) in gains.iter_mut().zip(b.chunks_exact_mut(f.b.dim(1)?)) {
                *gain *= f.scale as f32;
                row.iter_mut().for_each(|b| *b *= *gain);
            }
            Ok(Low {
                by: sizes_a.shifted(),
                sizes_a,
                a: numbers(&f.a)?,
                sizes_b,
                b,
                gains,
                dropout: f.dropout.filter(|(p, _)| *p > 0.0),
            })
        };
        if bias.len() != sizes.output()[1] {
            return Err(super::shape_error("stages", &[&conv.weight, &conv.bias]));
        }
        Ok(Self {
            by: sizes.shifted(),
            sizes,
            weight: plain(&conv.weight)?,
            bias,
            low: conv.factors.as_ref().map(low).transpose()?,
        })
    }

    fn name(&self) -> &'static str {
        window_name(&self.weight)
    }

    /// Values of what the factors keep: A's output.
    fn z(&self) -> usize {
        self.low.as_ref().map_or(0, |l| l.sizes_a.outputs())
    }

    /// `relu(conv(x) + b + factors + residual)`; A's output goes into `z`, unless that is empty.
    fn forward(
        &self,
        x: &[f32],
        residual: Option<&[f32]>,
        relu: bool,
        z: &mut Buffer,
    ) -> Result<Buffer> {
        let weight = values(&self.weight)?;
        let (sizes, ws): (_, &[f32]) = (&self.sizes, &weight);
        let mut out = Buffer::new(sizes.outputs());
        let images = sizes.together();
        let piece = images * sizes.out_image();
        let end = Ending {
            b: Some(&self.bias),
            gain: None,
            delta: None,
            residual,
            relu,
        };
        let count = out.len().div_ceil(piece);
        let z_image = self.low.as_ref().map_or(0, |l| l.sizes_a.out_image());
        let zs = cut(z, images, z_image, count);
        timed(self.name(), Phase::Forward, &Device::Cpu, || {
            cut(&mut out, 1, piece, count)
                .into_par_iter()
                .zip(zs)
                .enumerate()
                .for_each(|(i, (out, z))| {
                    let first = i * images;
                    let x = &x[first * sizes.image()..];
                    let x = &x[..out.len() / sizes.out_image() * sizes.image()];
                    sizes.forward(self.by.as_ref(), x, ws, out);
                    if let Some(low) = &self.low {
                        low.forward(x, out, z, first);
                    }
                    simd(
                        #[inline(always)]
                        || end.apply(out, i * piece, sizes.output()[1], sizes.places()),
                    );
                });
        });
        Ok(out)
    }

    /// The gradients before the convolution and of its factors, from that behind it: the former, if there is room for
    /// it in `dx`, is 0 where `x` is where `x` is what a ReLU gave (`masked`).
    fn backward(
        &self,
        dx: &mut Buffer,
        g: &[f32],
        x: &[f32],
        z: &[f32],
        masked: bool,
    ) -> Result<Vec<Tensor>> {
        if !dx.is_empty() {
            let ws = values(&self.weight)?;
            backwards(self.name(), || self.sizes.backward_x(g, &ws, dx));
        }
        let mut grads = Vec::new();
        if let Some(low) = &self.low {
            let (da, db) = backwards("factors", || low.backward(dx, g, x, z));
            grads.push(tensor(da, &low.sizes_a.weight())?);
            grads.push(tensor(db, &low.sizes_b.weight())?);
        }
        if masked {
            mask_by(dx, x);
        }
        Ok(grads)
    }
}

impl Low {
    /// Adds B·A(dropout(x)) to some images, of which the first is image `first` of the batch.
    fn forward(&self, x: &[f32], out: &mut [f32], z: &mut [f32], first: usize) {
        let images = x.len() / self.sizes_a.image();
        let (z_image, image) = (self.sizes_a.out_image(), self.sizes_b.out_image());
        with_scratch(images * z_image, |own| {
            let z = if z.is_empty() { own } else { z };
            match self.dropout {
                None => self.sizes_a.forward(self.by.as_ref(), x, &self.a, z),
                Some((p, key)) => with_scratch(x.len(), |kept| {
                    let start = first * self.sizes_a.image();
                    mask(kept, x, start as u64, p, key, false);
                    self.sizes_a.forward(self.by.as_ref(), kept, &self.a, z);
                }),
            }
            let [_, rank, ..] = self.sizes_b.input();
            let places = self.sizes_b.places();
            let offsets: Vec<usize> = (0..rank).map(|k| k * places).collect();
            let b = Mat::new(&self.b, self.sizes_b.output()[1], rank);
            for (out, z) in out.chunks_exact_mut(image).zip(z.chunks_exact(z_image)) {
                multiply_shifted(out, places, b, z, &offsets, places, true);
            }
        });
    }

    /// The gradients of A and of B; that of the input is added to `dx`, unless it is empty.
    fn backward(&self, dx: &mut [f32], g: &[f32], x: &[f32], z: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut dz = Buffer::new(self.sizes_a.outputs());
        self.sizes_b.backward_x(g, &self.b, &mut dz);
        let mut db = self.sizes_b.backward_w(g, z);
        let rank = self.sizes_b.input()[1];
        for (gain, row) in self.gains.iter().zip(db.chunks_exact_mut(rank)) {
            row.iter_mut().for_each(|b| *b *= gain);
        }
        let da = match self.dropout {
            None => self.sizes_a.backward_w(&dz, x),
            Some((p, key)) => {
                let mut kept = Buffer::new(x.len());
                for_pieces(&mut kept, ELEMENTS, |i, kept| {
                    let start = i * ELEMENTS;
                    mask(kept, &x[start..], start as u64, p, key, false);
                });
                self.sizes_a.backward_w(&dz, &kept)
            }
        };
        if !dx.is_empty() {
            let mut beside = Buffer::new(dx.len());
            self.sizes_a.backward_x(&dz, &self.a, &mut beside);
            for_pieces(dx, ELEMENTS, |i, dx| {
                let start = i * ELEMENTS;
                let beside = &beside[start..];
                match self.dropout {
                    None => simd(
                        #[inline(always)]
                        || add(dx, beside),
                    ),
                    Some((p, key)) => mask(dx, beside, start as u64, p, key, true),
                }
            });
        }
        (da, db)
    }
}

/// Work of the backward pass, accounted.
fn backwards<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    timed(name, Phase::Backward, &Device::Cpu, work)
}

/// The gradient before a ReLU in place, from what the ReLU gave.
fn mask_by(g: &mut [f32], y: &[f32]) {
    backwards("sum", || {
        for_pieces(g, ELEMENTS, |i, g| through_relu(g, &y[i * ELEMENTS..]));
    });
}

/// What a block keeps for its backward pass.
struct Kept {
    x: Held,
    size: [usize; 4],
    /// What follows each convolution of the path but the last, before a pool that one too.
    inner: Vec<Buffer>,
    /// Where the maxima of a pool are.
    first: Vec<u32>,
    /// A's output of each convolution of the path, then of the shortcut's.
    z: Vec<Buffer>,
}

/// See [`super::stages`].
pub(super) fn stages(x: &Tensor, blocks: &[FrozenStage]) -> Result<Tensor> {
    let lowest = lowest(x, blocks);
    let mut size: [usize; 4] = x.dims4()?.into();
    let mut input = Held::Given(plain(x)?);
    let mut kept: Vec<Kept> = Vec::new();
    for (i, block) in blocks.iter().enumerate() {
        let (out, state, shape) = forward(input, block, size, i >= lowest)?;
        input = Held::Computed(out);
        size = shape;
        kept.extend(state);
    }
    let own = blocks.to_vec();
    node_of_chain("stages", x, blocks, &input, &size, move |i, g, deep, y| {
        let kept = &kept[i - lowest..];
        let last = Held::Given(y.clone());
        let output = kept.get(1).map_or(&last, |next| &next.x);
        backward(g, &own[i], &kept[0], output, deep)
    })
}

fn forward(
    input: Held,
    block: &FrozenStage,
    size: [usize; 4],
    keep: bool,
) -> Result<(Buffer, Option<Kept>, [usize; 4])> {
    let mut zs = Vec::new();
    let mut run = |conv: &FrozenConv,
                   x: &[f32],
                   size: &mut [usize; 4],
                   residual: Option<&[f32]>,
                   relu: bool|
     -> Result<Buffer> {
        let conv = Conv::new(conv, *size)?;
        let mut z = Buffer::new(if keep { conv.z() } else { 0 });
        *size = conv.sizes.output();
        let fits = residual.is_none_or(|r| r.len() == conv.sizes.outputs());
        if x.len() != conv.sizes.inputs() || !fits {
            return Err(super::shape_error("stages", &[&conv.weight]));
        }
        let out = conv.forward(x, residual, relu, &mut z)?;
        zs.push(z);
        Ok(out)
    };
    let mut inner: Vec<Buffer> = Vec::new();
    let mut first = Vec::new();
    let mut shape = size;
    let out = input.read(|x| {
        let mut end = size;
        let shortcut = match block.shortcut() {
            Some(conv) => Some(run(conv, x, &mut end, None, false)?),
            None => None,
        };
        for (i, conv) in block.path.iter().enumerate() {
            let residual = match block.end {
                StageEnd::Sum(_) if i + 1 == block.path.len() => {
                    Some(shortcut.as_deref().unwrap_or(x))
                }
                _ => None,
            };
            let x = inner.last().map_or(x, |b| b);
            let out = run(conv, x, &mut shape, residual, true)?;
            if !keep {
                inner.clear();
            }
            inner.push(out);
        }
        let last = inner.pop().unwrap_or_else(|| Buffer::new(0));
        if let StageEnd::Sum(_) = block.end {
            return Ok(last);
        }
        let [batch, channels, h, w] = shape;
        if h.min(w) == 0 {
            return Err(super::shape_error("stages", &[]));
        }
        let pool = MaxPool::new([h, w], 3, 2, 1);
        let [oh, ow] = pool.output();
        shape = [batch, channels, oh, ow];
        let mut out = Buffer::new(shape.iter().product());
        first.resize(if keep { out.len() } else { 0 }, 0);
        timed("max_pool2d", Phase::Forward, &Device::Cpu, || {
            pool.forward(&last, &mut out, &mut first);
        });
        if keep {
            inner.push(last);
        }
        Ok(out)
    })?;
    if block.shortcut().is_some() {
        // Computed first, told last.
        zs.rotate_left(1);
    }
    let kept = keep.then_some(Kept {
        x: input,
        size,
        inner,
        first,
        z: zs,
    });
    Ok((out, kept, shape))
}

/// The gradient before a block, empty unless it is needed (`deep`), and those of its factors: A and B of each
/// convolution of the path, then of the shortcut's.
fn backward(
    mut g: Buffer,
    block: &FrozenStage,
    kept: &Kept,
    output: &Held,
    deep: bool,
) -> Result<(Buffer, Vec<Tensor>)> {
    let mut convs = Vec::new();
    let mut size = kept.size;
    for conv in &block.path {
        let conv = Conv::new(conv, size)?;
        size = conv.sizes.output();
        convs.push(conv);
    }
    let shortcut = match block.shortcut() {
        Some(conv) => Some(Conv::new(conv, kept.size)?),
        None => None,
    };
    match (&block.end, kept.inner.last()) {
        (StageEnd::MaxPool, Some(last)) => {
            let [.., h, w] = size;
            let mut before = Buffer::new(last.len());
            backwards("max_pool2d", || {
                MaxPool::new([h, w], 3, 2, 1).backward(&g, &kept.first, &mut before);
            });
            mask_by(&mut before, last);
            g = before;
        }
        _ => output.read(|y| {
            mask_by(&mut g, y);
            Ok(())
        })?,
    }
    kept.x.read(|x| {
        let mut grads = Vec::new();
        // From the last convolution down to the first that is trained or has something trained below it.
        let mut behind: Option<Buffer> = None;
        for (j, conv) in convs.iter().enumerate().rev() {
            let needed = deep || convs[..j].iter().any(|c| c.low.is_some());
            let input = if j == 0 { x } else { &kept.inner[j - 1] };
            let mut dx = Buffer::new(if needed { conv.sizes.inputs() } else { 0 });
            let g = behind.as_ref().unwrap_or(&g);
            let found = conv.backward(&mut dx, g, input, &kept.z[j], needed && j > 0)?;
            grads.splice(0..0, found);
            behind = Some(dx);
            if !needed {
                break;
            }
        }
        let mut dx = behind.unwrap_or_else(|| Buffer::new(0));
        let direct = match (&shortcut, &block.end) {
            (None, StageEnd::MaxPool) => Buffer::new(0),
            (None, StageEnd::Sum(_)) => g,
            (Some(conv), _) => {
                let mut d = Buffer::new(if deep { conv.sizes.inputs() } else { 0 });
                if deep || conv.low.is_some() {
                    let z = &kept.z[convs.len()];
                    grads.extend(conv.backward(&mut d, &g, x, z, false)?);
                }
                d
            }
        };
        if deep && !direct.is_empty() {
            backwards("sum", || {
                for_pieces(&mut dx, ELEMENTS, |i, dx| {
                    simd(
                        #[inline(always)]
                        || add(dx, &direct[i * ELEMENTS..]),
                    );
                });
            });
        }
        Ok((dx, grads))
    })
}
