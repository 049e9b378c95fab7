//! Pooling.

use candle_core::Tensor;

use super::cpu::{for_pieces, for_pieces2, plain, rows_per_piece, values, zeros};
use super::gemm::with_scratch;
use super::linear::tensor;
use super::math::{simd, sum};
use super::node::{Output, node};
use super::tracks;
use crate::Result;

/// Number of windows along an axis in PyTorch's ceil mode: the last one must start inside.
pub(super) fn ceil_outputs(size: usize, kernel: usize, stride: usize) -> usize {
    let outputs = size.saturating_sub(kernel).div_ceil(stride) + 1;
    if (outputs - 1) * stride >= size {
        outputs - 1
    } else {
        outputs
    }
}

/// Sizes of a pool over planes.
#[derive(Clone, Copy)]
struct Planes {
    h: usize,
    w: usize,
    oh: usize,
    ow: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Planes {
    /// The part of an axis of length `size` that window `o` covers.
    #[inline(always)]
    fn window(self, o: usize, size: usize) -> std::ops::Range<usize> {
        let start = o * self.stride;
        start.saturating_sub(self.padding)..(start + self.kernel - self.padding).min(size)
    }

    /// How many planes make a piece.
    fn per_piece(self, planes: usize) -> usize {
        rows_per_piece(planes, 4 * self.oh * self.ow * self.kernel * self.kernel, 1)
    }

    /// The maxima alone: of the rows of a window first, which are next to each other in memory.
    #[inline(always)]
    fn only_max(self, x: &[f32], out: &mut [f32]) {
        with_scratch(self.w, |tops| {
            for (oy, out) in out.chunks_exact_mut(self.ow).enumerate() {
                let rows = self.window(oy, self.h);
                tops.copy_from_slice(&x[rows.start * self.w..][..self.w]);
                for y in rows.skip(1) {
                    for (top, v) in tops.iter_mut().zip(&x[y * self.w..][..self.w]) {
                        *top = greater(*top, *v);
                    }
                }
                for (ox, out) in out.iter_mut().enumerate() {
                    let window = &tops[self.window(ox, self.w)];
                    *out = window.iter().fold(f32::NEG_INFINITY, |m, v| greater(m, *v));
                }
            }
        });
    }

    /// The maxima, and the place of the first of each.
    fn max(self, x: &[f32], out: &mut [f32], first: &mut [u32]) {
        for oy in 0..self.oh {
            let rows = self.window(oy, self.h);
            for ox in 0..self.ow {
                let cols = self.window(ox, self.w);
                let mut at = rows.start * self.w + cols.start;
                for y in rows.clone() {
                    for i in y * self.w + cols.start..y * self.w + cols.end {
                        // Strictly greater keeps the first; NaN wins, as in PyTorch.
                        if x[i] > x[at] || x[i].is_nan() {
                            at = i;
                        }
                    }
                }
                out[oy * self.ow + ox] = x[at];
                first[oy * self.ow + ox] = at as u32;
            }
        }
    }

    fn average(self, x: &[f32], out: &mut [f32]) {
        for oy in 0..self.oh {
            let rows = self.window(oy, self.h);
            for ox in 0..self.ow {
                let cols = self.window(ox, self.w);
                let mut total = 0.0;
                for y in rows.clone() {
                    for v in &x[y * self.w + cols.start..y * self.w + cols.end] {
                        total += v;
                    }
                }
                out[oy * self.ow + ox] = total / (rows.len() * cols.len()) as f32;
            }
        }
    }

    fn average_backward(self, g: &[f32], dx: &mut [f32]) {
        for oy in 0..self.oh {
            let rows = self.window(oy, self.h);
            for ox in 0..self.ow {
                let cols = self.window(ox, self.w);
                let share = g[oy * self.ow + ox] / (rows.len() * cols.len()) as f32;
                for y in rows.clone() {
                    for d in &mut dx[y * self.w + cols.start..y * self.w + cols.end] {
                        *d += share;
                    }
                }
            }
        }
    }
}

pub(super) fn max_pool2d(
    x: &Tensor,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let (batch, channels, h, w) = x.dims4()?;
    if padding * 2 > kernel || stride == 0 || h.min(w) + 2 * padding < kernel || kernel == 0 {
        return Err(super::shape_error("max_pool2d", &[x]));
    }
    let pool = MaxPool::new([h, w], kernel, stride, padding);
    let [oh, ow] = pool.output();
    let planes = batch * channels;
    let mut out = zeros(planes * oh * ow);
    let mut first = vec![0u32; if tracks(x) { out.len() } else { 0 }];
    pool.forward(&values(&plain(x)?)?, &mut out, &mut first);
    let shape = (batch, channels, oh, ow);
    node(
        "max_pool2d",
        &[x],
        Output::Values(out),
        shape,
        move |_, g| {
            let mut dx = zeros(planes * h * w);
            pool.backward(&values(g)?, &first, &mut dx);
            Ok(vec![Some(tensor(dx, (batch, channels, h, w))?)])
        },
    )
}

/// The larger; what is no number is larger than any, as in PyTorch.
#[inline(always)]
fn greater(m: f32, v: f32) -> f32 {
    if v > m || v.is_nan() { v } else { m }
}

/// Max pooling of planes of one size.
pub(super) struct MaxPool(Planes);

impl MaxPool {
    /// Of planes `[h, w]` that a window fits into.
    pub(super) fn new(size: [usize; 2], kernel: usize, stride: usize, padding: usize) -> Self {
        let [oh, ow] = size.map(|size| (size + 2 * padding - kernel) / stride + 1);
        Self(Planes {
            h: size[0],
            w: size[1],
            oh,
            ow,
            kernel,
            stride,
            padding,
        })
    }

    /// Height and width of a pooled plane.
    pub(super) fn output(&self) -> [usize; 2] {
        [self.0.oh, self.0.ow]
    }

    /// `first` gets the place of each first maximum, unless it is empty.
    pub(super) fn forward(&self, xs: &[f32], out: &mut [f32], first: &mut [u32]) {
        let (plane, out_plane) = (self.0.h * self.0.w, self.0.oh * self.0.ow);
        let piece = self.0.per_piece(out.len() / out_plane);
        let size = piece * out_plane;
        if first.is_empty() {
            for_pieces(out, size, |i, out| {
                let xs = &xs[i * piece * plane..];
                simd(
                    #[inline(always)]
                    || {
                        let planes = xs.chunks_exact(plane);
                        for (x, out) in planes.zip(out.chunks_exact_mut(out_plane)) {
                            self.0.only_max(x, out);
                        }
                    },
                );
            });
            return;
        }
        for_pieces2(out, size, first, size, |i, out, first| {
            for ((x, out), first) in xs[i * piece * plane..]
                .chunks_exact(plane)
                .zip(out.chunks_exact_mut(out_plane))
                .zip(first.chunks_exact_mut(out_plane))
            {
                self.0.max(x, out, first);
            }
        });
    }

    /// The gradient before the pool into `dx`.
    pub(super) fn backward(&self, gs: &[f32], first: &[u32], dx: &mut [f32]) {
        let (plane, out_plane) = (self.0.h * self.0.w, self.0.oh * self.0.ow);
        let piece = self.0.per_piece(gs.len() / out_plane);
        for_pieces(dx, piece * plane, |i, dx| {
            let start = i * piece * out_plane;
            dx.fill(0.0);
            for ((dx, g), first) in dx
                .chunks_exact_mut(plane)
                .zip(gs[start..].chunks_exact(out_plane))
                .zip(first[start..].chunks_exact(out_plane))
            {
                for (g, at) in g.iter().zip(first) {
                    dx[*at as usize] += g;
                }
            }
        });
    }
}

pub(super) fn avg_pool2d(x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
    let (batch, channels, h, w) = x.dims4()?;
    if stride == 0 || kernel == 0 || h.min(w) == 0 {
        return Err(super::shape_error("avg_pool2d", &[x]));
    }
    let sizes = Planes {
        h,
        w,
        oh: ceil_outputs(h, kernel, stride),
        ow: ceil_outputs(w, kernel, stride),
        kernel,
        stride,
        padding: 0,
    };
    let (plane, out_plane) = (h * w, sizes.oh * sizes.ow);
    let planes = batch * channels;
    let piece = sizes.per_piece(planes);
    let mut out = zeros(planes * out_plane);
    let plain_x = plain(x)?;
    {
        let xs = values(&plain_x)?;
        let xs: &[f32] = &xs;
        for_pieces(&mut out, piece * out_plane, |i, out| {
            for (x, out) in xs[i * piece * plane..]
                .chunks_exact(plane)
                .zip(out.chunks_exact_mut(out_plane))
            {
                sizes.average(x, out);
            }
        });
    }
    let shape = (batch, channels, sizes.oh, sizes.ow);
    node(
        "avg_pool2d",
        &[x],
        Output::Values(out),
        shape,
        move |_, g| {
            let gs = values(g)?;
            let gs: &[f32] = &gs;
            let mut dx = zeros(planes * plane);
            for_pieces(&mut dx, piece * plane, |i, dx| {
                for (dx, g) in dx
                    .chunks_exact_mut(plane)
                    .zip(gs[i * piece * out_plane..].chunks_exact(out_plane))
                {
                    sizes.average_backward(g, dx);
                }
            });
            Ok(vec![Some(tensor(dx, (batch, channels, h, w))?)])
        },
    )
}

pub(super) fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, h, w) = x.dims4()?;
    let plane = h * w;
    if plane == 0 {
        return Err(super::shape_error("global_avg_pool2d", &[x]));
    }
    let plain_x = plain(x)?;
    let mut out = zeros(batch * channels);
    let piece = rows_per_piece(batch * channels, 4 * plane, 1);
    {
        let xs = values(&plain_x)?;
        let xs: &[f32] = &xs;
        for_pieces(&mut out, piece, |i, out| {
            simd(
                #[inline(always)]
                || {
                    for (x, y) in xs[i * piece * plane..].chunks_exact(plane).zip(out) {
                        *y = sum(x) / plane as f32;
                    }
                },
            );
        });
    }
    node(
        "global_avg_pool2d",
        &[x],
        Output::Values(out),
        (batch, channels),
        move |_, g| {
            let gs = values(g)?;
            let gs: &[f32] = &gs;
            let mut dx = zeros(batch * channels * plane);
            for_pieces(&mut dx, piece * plane, |i, dx| {
                for (dx, g) in dx.chunks_exact_mut(plane).zip(&gs[i * piece..]) {
                    dx.fill(g / plane as f32);
                }
            });
            Ok(vec![Some(tensor(dx, (batch, channels, h, w))?)])
        },
    )
}
