//! 2-d convolution: im2col and one matrix product a few images, both ways.
//!
//! With X̃ the matrix of windows `[inputs·kh·kw, places]`: Y = W·X̃, dX̃ = Wᵀ·dY, dW = dY·X̃ᵀ summed over images.
//! Small images are taken together until there are enough places for an efficient product; what goes together depends on
//! the shape alone. Of a large image with stride 1, X̃ is not made: a row of it, seen over the padded image's rows one
//! after the other, is the padded image itself from some pixel on, so the product reads it there, and a few places
//! more than there are. dX of stride 1 is a convolution of dY with the turned kernel.

use candle_core::Tensor;

use super::activation::relu_gradient;
use super::buffer::Buffer;
use super::cpu::{for_pieces, plain, sum_pieces, values, zeros};
use super::dots::{add_dots, add_dots_shifted};
use super::gemm::{
    Mat, gemm, multiply, multiply_shifted, pack_panel, packed_len, panel_width, with_scratch,
};
use super::linear::tensor;
use super::math::{simd, sum};
use super::node::{Output, node};
use super::{After, Conv2dSpec, tracks};
use crate::{Error, Result};

/// The places that a matrix product should have at least.
const PLACES: usize = 256;
/// Most shares that dW is summed from, and most elements of all shares together (beyond two).
const SHARES: usize = 8;
const SHARE_ELEMENTS: usize = 1 << 22;

/// Outputs for which an image is read where it is.
const FEW: usize = 32;
/// Elements of packed panels that stay in the second cache beside what else is there.
const PANELS: usize = 1 << 16;
/// Places from which on X̃ is not made.
const LARGE: usize = 100;

/// How the rows of a group's X̃ lie in its padded images: row `k` from `offsets[k]` on, `columns` long, `width` of
/// them a row of the output.
pub(super) struct Shifted {
    width: usize,
    plane: usize,
    columns: usize,
    /// Of all channels of a group, with what is read beyond.
    elements: usize,
    offsets: Vec<usize>,
    /// Whether an image is its own padded one, and every column a place.
    direct: bool,
}

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    batch: usize,
    inputs: usize,
    h: usize,
    w: usize,
    outputs: usize,
    kh: usize,
    kw: usize,
    oh: usize,
    ow: usize,
    spec: Conv2dSpec,
}

impl Sizes {
    /// Of images and a kernel of these shapes.
    pub(super) fn new(x: [usize; 4], w: [usize; 4], spec: Conv2dSpec) -> Result<Self> {
        let wrong = || Error::internal(format!("conv2d: shapes {x:?} and {w:?} do not fit"));
        let [batch, inputs, h, width] = x;
        let [outputs, group_inputs, kh, kw] = w;
        let Conv2dSpec {
            stride,
            padding,
            dilation,
            groups,
        } = spec;
        if stride == 0 || dilation == 0 || groups == 0 || kh == 0 || kw == 0 {
            return Err(wrong());
        }
        let windows = |size: usize, k: usize| {
            let reach = dilation * (k - 1) + 1;
            Some((size + 2 * padding).checked_sub(reach)? / stride + 1)
        };
        let (Some(oh), Some(ow)) = (windows(h, kh), windows(width, kw)) else {
            return Err(wrong());
        };
        if group_inputs * groups != inputs || outputs % groups != 0 || inputs == 0 {
            return Err(wrong());
        }
        Ok(Self {
            batch,
            inputs,
            h,
            w: width,
            outputs,
            kh,
            kw,
            oh,
            ow,
            spec,
        })
    }

    pub(super) fn places(&self) -> usize {
        self.oh * self.ow
    }

    /// Shapes of the images, of the kernel and of the output.
    pub(super) fn input(&self) -> [usize; 4] {
        [self.batch, self.inputs, self.h, self.w]
    }

    pub(super) fn weight(&self) -> [usize; 4] {
        let inputs = self.inputs / self.spec.groups;
        [self.outputs, inputs, self.kh, self.kw]
    }

    pub(super) fn output(&self) -> [usize; 4] {
        [self.batch, self.outputs, self.oh, self.ow]
    }

    /// Elements of all images and of the whole output.
    pub(super) fn inputs(&self) -> usize {
        self.batch * self.image()
    }

    pub(super) fn outputs(&self) -> usize {
        self.batch * self.out_image()
    }

    /// Elements of one input image and of one output image.
    pub(super) fn image(&self) -> usize {
        self.inputs * self.h * self.w
    }

    pub(super) fn out_image(&self) -> usize {
        self.outputs * self.places()
    }

    /// Rows of X̃ in one group of channels.
    fn depth(&self) -> usize {
        self.inputs / self.spec.groups * self.kh * self.kw
    }

    fn group_outputs(&self) -> usize {
        self.outputs / self.spec.groups
    }

    /// Images in one matrix product.
    pub(super) fn together(&self) -> usize {
        PLACES.div_ceil(self.places()).min(self.batch).max(1)
    }

    /// Whether X̃ is the image itself.
    fn is_pointwise(&self) -> bool {
        (self.kh, self.kw, self.spec.stride, self.spec.padding) == (1, 1, 1, 0)
    }

    /// How X̃ is read out of padded images, where that pays.
    pub(super) fn shifted(&self) -> Option<Shifted> {
        let Conv2dSpec {
            stride,
            padding,
            dilation,
            groups,
        } = self.spec;
        if stride != 1 || self.places() < LARGE {
            return None;
        }
        // The zeros right of a row are those left of the next.
        let width = self.ow.max(self.w + padding);
        let plane = (self.h + 2 * padding) * width;
        let inputs = self.inputs / groups;
        let direct = padding == 0 && self.ow == self.w;
        let columns = if direct {
            self.places()
        } else {
            (self.oh * width).next_multiple_of(panel_width())
        };
        let offsets: Vec<usize> = (0..inputs)
            .flat_map(|c| {
                let row = move |ky: usize| c * plane + ky * dilation * width;
                (0..self.kh).flat_map(move |ky| (0..self.kw).map(move |kx| row(ky) + kx * dilation))
            })
            .collect();
        let last = offsets.last().copied().unwrap_or(0);
        Some(Shifted {
            width,
            plane,
            columns,
            elements: (last + columns).max(inputs * plane),
            offsets,
            direct,
        })
    }

    /// The sizes of dX as a convolution of dY with the turned kernel, where it is one.
    fn turned(&self) -> Option<Self> {
        let padding = (self.kh - 1) * self.spec.dilation;
        let padding = padding.checked_sub(self.spec.padding)?;
        (self.spec.stride == 1 && self.kh == self.kw).then_some(Self {
            inputs: self.outputs,
            h: self.oh,
            w: self.ow,
            outputs: self.inputs,
            oh: self.h,
            ow: self.w,
            spec: Conv2dSpec {
                padding,
                ..self.spec
            },
            ..*self
        })
    }

    /// The kernel of [`Sizes::turned`], `[inputs, outputs / groups, kh, kw]`.
    fn turn(&self, ws: &[f32]) -> Buffer {
        let (rows, window) = (self.group_outputs(), self.kh * self.kw);
        let columns = self.inputs / self.spec.groups;
        let mut turned = Buffer::new(ws.len());
        for_pieces(&mut turned, rows * window, |input, out| {
            let (group, c) = (input / columns, input % columns);
            for (o, out) in out.chunks_exact_mut(window).enumerate() {
                let w = &ws[((group * rows + o) * columns + c) * window..][..window];
                for (out, w) in out.iter_mut().zip(w.iter().rev()) {
                    *out = *w;
                }
            }
        });
        turned
    }

    /// For element `k` of the kernel along an axis of `size`: the first and one past the last window whose element
    /// is inside, and the place of the first's.
    #[inline(always)]
    fn inside(&self, k: usize, size: usize, windows: usize) -> (usize, usize, usize) {
        let Conv2dSpec {
            stride,
            padding,
            dilation,
            ..
        } = self.spec;
        let offset = k * dilation;
        let first = padding.saturating_sub(offset).div_ceil(stride);
        let last = (size + padding)
            .saturating_sub(offset)
            .div_ceil(stride)
            .min(windows);
        if first >= last {
            return (0, 0, 0);
        }
        (first, last, first * stride + offset - padding)
    }

    /// Writes the windows of one image's channels into columns `at..at + places` of X̃, whose rows are `step` long.
    fn unfold(&self, x: &[f32], cols: &mut [f32], step: usize, at: usize) {
        let (plane, stride) = (self.h * self.w, self.spec.stride);
        let mut row = 0;
        for x in x.chunks_exact(plane) {
            for ky in 0..self.kh {
                let (top, bottom, y0) = self.inside(ky, self.h, self.oh);
                for kx in 0..self.kw {
                    let (left, right, x0) = self.inside(kx, self.w, self.ow);
                    let cols = &mut cols[row * step + at..][..self.places()];
                    cols[..top * self.ow].fill(0.0);
                    cols[bottom * self.ow..].fill(0.0);
                    for (i, cols) in cols[top * self.ow..bottom * self.ow]
                        .chunks_exact_mut(self.ow)
                        .enumerate()
                    {
                        let x = &x[(y0 + i * stride) * self.w..][..self.w];
                        cols[..left].fill(0.0);
                        cols[right..].fill(0.0);
                        let cols = &mut cols[left..right];
                        if stride == 1 {
                            cols.copy_from_slice(&x[x0..x0 + cols.len()]);
                        } else {
                            for (c, x) in cols.iter_mut().zip(x[x0..].iter().step_by(stride)) {
                                *c = *x;
                            }
                        }
                    }
                    row += 1;
                }
            }
        }
    }

    /// Adds columns `at..at + places` of dX̃ to the gradient of one image's channels.
    fn fold(&self, cols: &[f32], dx: &mut [f32], step: usize, at: usize) {
        let (plane, stride) = (self.h * self.w, self.spec.stride);
        let mut row = 0;
        for dx in dx.chunks_exact_mut(plane) {
            for ky in 0..self.kh {
                let (top, bottom, y0) = self.inside(ky, self.h, self.oh);
                for kx in 0..self.kw {
                    let (left, right, x0) = self.inside(kx, self.w, self.ow);
                    let cols = &cols[row * step + at..][..self.places()];
                    for (i, cols) in cols[top * self.ow..bottom * self.ow]
                        .chunks_exact(self.ow)
                        .enumerate()
                    {
                        let dx = &mut dx[(y0 + i * stride) * self.w..][..self.w];
                        let cols = &cols[left..right];
                        if stride == 1 {
                            for (d, c) in dx[x0..x0 + cols.len()].iter_mut().zip(cols) {
                                *d += c;
                            }
                        } else {
                            for (d, c) in dx[x0..].iter_mut().step_by(stride).zip(cols) {
                                *d += c;
                            }
                        }
                    }
                    row += 1;
                }
            }
        }
    }

    /// Calls `f(group, X̃)` for each group of channels of some images, X̃ dense.
    fn each_unfolded(&self, xs: &[f32], images: usize, mut f: impl FnMut(usize, &[f32])) {
        let (depth, groups) = (self.depth(), self.spec.groups);
        let part = self.image() / groups;
        let columns = images * self.places();
        if self.is_pointwise() && images == 1 {
            for (group, x) in xs.chunks_exact(part).enumerate().take(groups) {
                f(group, x);
            }
            return;
        }
        with_scratch(depth * columns, |cols| {
            for group in 0..groups {
                for (i, x) in xs.chunks_exact(self.image()).enumerate().take(images) {
                    let x = &x[group * part..(group + 1) * part];
                    simd(
                        #[inline(always)]
                        || self.unfold(x, cols, columns, i * self.places()),
                    );
                }
                f(group, cols);
            }
        });
    }

    /// Y of one image by [`Sizes::shifted`].
    fn forward_shifted(&self, by: &Shifted, x: &[f32], ws: &[f32], out: &mut [f32]) {
        let groups = self.spec.groups;
        let (rows, depth, places) = (self.group_outputs(), self.depth(), self.places());
        let part = self.image() / groups;
        for group in 0..groups {
            let w = Mat::new(&ws[group * rows * depth..], rows, depth);
            let x = &x[group * part..(group + 1) * part];
            let out = &mut out[group * rows * places..(group + 1) * rows * places];
            if by.direct && rows <= FEW {
                multiply_shifted(out, places, w, x, &by.offsets, places, false);
                continue;
            }
            if by.direct {
                // Rows far apart cost more to read than to copy, where many outputs read them.
                let (x, width) = (Mat::new(x, depth, places), panel_width());
                let some = (PANELS / (depth * width)).max(1) * width;
                for from in (0..places).step_by(some) {
                    let cols = some.min(places - from);
                    with_scratch(packed_len(depth, cols, width), |panels| {
                        for (i, panel) in panels.chunks_exact_mut(depth * width).enumerate() {
                            pack_panel(panel, x, from + i * width, width);
                        }
                        multiply(&mut out[from..], places, w, panels, cols, false);
                    });
                }
                continue;
            }
            with_scratch(by.elements + rows * by.columns, |scratch| {
                let (padded, wide) = scratch.split_at_mut(by.elements);
                self.pad(by, x, padded);
                multiply_shifted(wide, by.columns, w, padded, &by.offsets, by.columns, false);
                for (out, wide) in out
                    .chunks_exact_mut(places)
                    .zip(wide.chunks_exact(by.columns))
                {
                    for (out, wide) in out.chunks_exact_mut(self.ow).zip(wide.chunks(by.width)) {
                        out.copy_from_slice(&wide[..self.ow]);
                    }
                }
            });
        }
    }

    /// Writes some channels with zeros around them.
    fn pad(&self, by: &Shifted, x: &[f32], padded: &mut [f32]) {
        let padding = self.spec.padding;
        padded.fill(0.0);
        let planes = x.chunks_exact(self.h * self.w);
        for (padded, x) in padded.chunks_mut(by.plane).zip(planes) {
            let rows = padded[padding * by.width..].chunks_mut(by.width);
            for (padded, x) in rows.zip(x.chunks_exact(self.w)) {
                padded[padding..padding + self.w].copy_from_slice(x);
            }
        }
    }

    /// Y of some images: `out` is `[images, outputs, places]`.
    pub(super) fn forward(&self, by: Option<&Shifted>, xs: &[f32], ws: &[f32], out: &mut [f32]) {
        if let Some(by) = by {
            let images = xs.chunks_exact(self.image());
            for (out, x) in out.chunks_exact_mut(self.out_image()).zip(images) {
                self.forward_shifted(by, x, ws, out);
            }
            return;
        }
        let images = out.len() / self.out_image();
        let (rows, columns) = (self.group_outputs(), images * self.places());
        // The product of several images has the channels outermost.
        let mut apart = zeros(if images > 1 {
            self.outputs * columns
        } else {
            0
        });
        self.each_unfolded(xs, images, |group, cols| {
            let w = Mat::new(&ws[group * rows * self.depth()..], rows, self.depth());
            let target = if images > 1 { &mut apart } else { &mut *out };
            let cols = Mat::new(cols, self.depth(), columns);
            gemm(
                &mut target[group * rows * columns..],
                columns,
                w,
                cols,
                false,
            );
        });
        if images > 1 {
            self.swap(&mut apart, out, images, |a, o| o.copy_from_slice(a));
        }
    }

    /// Pairs `[outputs, images, places]` with `[images, outputs, places]`.
    fn swap(
        &self,
        apart: &mut [f32],
        images_first: &mut [f32],
        images: usize,
        f: impl Fn(&mut [f32], &mut [f32]),
    ) {
        let places = self.places();
        for (i, image) in images_first.chunks_exact_mut(self.out_image()).enumerate() {
            for (c, o) in image.chunks_exact_mut(places).enumerate() {
                f(&mut apart[(c * images + i) * places..][..places], o);
            }
        }
    }

    /// dY of some images with the channels outermost.
    fn gathered(&self, g: &[f32], images: usize) -> Vec<f32> {
        let places = self.places();
        let mut apart = zeros(self.outputs * images * places);
        for (i, image) in g.chunks_exact(self.out_image()).enumerate().take(images) {
            for (c, g) in image.chunks_exact(places).enumerate() {
                apart[(c * images + i) * places..][..places].copy_from_slice(g);
            }
        }
        apart
    }

    /// dX of all images, `[batch, inputs, h, w]`.
    pub(super) fn backward_x(&self, gs: &[f32], ws: &[f32], dx: &mut [f32]) {
        let Some(turned) = self.turned() else {
            for_pieces(dx, self.together() * self.image(), |i, dx| {
                let start = i * self.together() * self.out_image();
                dx.fill(0.0);
                self.add_backward_x(&gs[start..], ws, dx);
            });
            return;
        };
        let (ws, by) = (self.turn(ws), turned.shifted());
        for_pieces(dx, turned.together() * turned.out_image(), |i, dx| {
            let gs = &gs[i * turned.together() * turned.image()..];
            turned.forward(by.as_ref(), gs, &ws, dx);
        });
    }

    /// Adds to dX of some images.
    fn add_backward_x(&self, gs: &[f32], ws: &[f32], dx: &mut [f32]) {
        let images = dx.len() / self.image();
        let (rows, depth) = (self.group_outputs(), self.depth());
        let columns = images * self.places();
        let apart = if images > 1 {
            self.gathered(gs, images)
        } else {
            Vec::new()
        };
        let g = if images > 1 { &apart } else { gs };
        let part = self.image() / self.spec.groups;
        for group in 0..self.spec.groups {
            let w = Mat::new(&ws[group * rows * depth..], rows, depth);
            let g = Mat::new(&g[group * rows * columns..], rows, columns);
            if self.is_pointwise() && images == 1 {
                gemm(&mut dx[group * part..], columns, w.t(), g, false);
                continue;
            }
            with_scratch(depth * columns, |cols| {
                gemm(cols, columns, w.t(), g, false);
                for (i, dx) in dx.chunks_exact_mut(self.image()).enumerate() {
                    let dx = &mut dx[group * part..(group + 1) * part];
                    simd(
                        #[inline(always)]
                        || self.fold(cols, dx, columns, i * self.places()),
                    );
                }
            });
        }
    }

    /// Adds dW of one image by [`Sizes::shifted`]: between the rows of dY are zeros.
    fn add_backward_w(&self, by: &Shifted, g: &[f32], x: &[f32], dw: &mut [f32]) {
        let groups = self.spec.groups;
        let (rows, places) = (self.group_outputs(), self.places());
        let part = self.image() / groups;
        with_scratch(by.elements + rows * by.columns, |scratch| {
            let (padded, wide) = scratch.split_at_mut(by.elements);
            for (group, dw) in dw.chunks_exact_mut(rows * self.depth()).enumerate() {
                self.pad(by, &x[group * part..(group + 1) * part], padded);
                wide.fill(0.0);
                let g = &g[group * rows * places..(group + 1) * rows * places];
                for (wide, g) in wide
                    .chunks_exact_mut(by.columns)
                    .zip(g.chunks_exact(places))
                {
                    for (wide, g) in wide.chunks_mut(by.width).zip(g.chunks_exact(self.ow)) {
                        wide[..self.ow].copy_from_slice(g);
                    }
                }
                add_dots_shifted(dw, wide, padded, &by.offsets, by.columns);
            }
        });
    }

    /// dW over all images.
    pub(super) fn backward_w(&self, gs: &[f32], xs: &[f32]) -> Vec<f32> {
        let (rows, depth) = (self.group_outputs(), self.depth());
        let elements = self.outputs * depth;
        let most = (SHARE_ELEMENTS / elements).clamp(2, SHARES);
        let products = self.batch.div_ceil(self.together());
        let per_share = products.div_ceil(most) * self.together();
        let shifted = self.shifted().filter(|by| !by.direct);
        sum_pieces(self.batch.div_ceil(per_share), elements, |share, dw| {
            let end = self.batch.min((share + 1) * per_share);
            for start in (share * per_share..end).step_by(self.together()) {
                let images = self.together().min(end - start);
                let columns = images * self.places();
                let gs = &gs[start * self.out_image()..];
                if let Some(by) = &shifted {
                    for i in 0..images {
                        let g = &gs[i * self.out_image()..][..self.out_image()];
                        let x = &xs[(start + i) * self.image()..][..self.image()];
                        self.add_backward_w(by, g, x, dw);
                    }
                    continue;
                }
                let apart = if images > 1 {
                    self.gathered(gs, images)
                } else {
                    Vec::new()
                };
                let g = if images > 1 { &apart } else { gs };
                self.each_unfolded(&xs[start * self.image()..], images, |group, cols| {
                    let g = &g[group * rows * columns..(group + 1) * rows * columns];
                    let dw = &mut dw[group * rows * depth..(group + 1) * rows * depth];
                    add_dots(dw, g, cols, columns);
                });
            }
        })
    }
}

/// What it is accounted as: of frozen weights, by the windows, or of trained ones.
pub(super) fn name(w: &Tensor) -> &'static str {
    if tracks(w) {
        "conv2d, trained"
    } else {
        window_name(w)
    }
}

/// What a convolution of frozen weights is accounted as.
pub(super) fn window_name(w: &Tensor) -> &'static str {
    match w.dims() {
        [_, _, 1, 1] => "conv2d 1×1",
        [_, _, 3, 3] => "conv2d 3×3",
        _ => "conv2d, other windows",
    }
}

/// `act(conv(x) + b + gain·delta + residual)`.
pub(super) fn conv2d(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    spec: &Conv2dSpec,
    after: &After,
) -> Result<Tensor> {
    let sizes = Sizes::new(x.dims4()?.into(), w.dims4()?.into(), *spec)?;
    let shape = (sizes.batch, sizes.outputs, sizes.oh, sizes.ow);
    let (delta, gain) = (after.delta.map(|d| d.0), after.delta.map(|d| d.1));
    let [b1, gain1] = [b, gain].map(|t| t.map(|t| t.dims() == [sizes.outputs]));
    let [delta4, residual4] =
        [delta, after.residual].map(|t| t.map(|t| t.shape() == &shape.into()));
    if [b1, gain1, delta4, residual4].contains(&Some(false)) {
        return Err(super::shape_error("conv2d", &[x, w]));
    }
    let (plain_x, plain_w) = (plain(x)?, plain(w)?);
    let plain_gain = gain.map(plain).transpose()?;
    let mut out = zeros(sizes.batch * sizes.out_image());
    {
        let (xs, ws) = (values(&plain_x)?, values(&plain_w)?);
        let (xs, ws): (&[f32], &[f32]) = (&xs, &ws);
        let [b, delta, residual] = [b, delta, after.residual].map(|t| t.map(plain).transpose());
        let (b, delta, residual) = (b?, delta?, residual?);
        let b = b.as_ref().map(values).transpose()?;
        let gain = plain_gain.as_ref().map(values).transpose()?;
        let delta = delta.as_ref().map(values).transpose()?;
        let residual = residual.as_ref().map(values).transpose()?;
        let end = Ending {
            b: b.as_deref(),
            gain: gain.as_deref(),
            delta: delta.as_deref(),
            residual: residual.as_deref(),
            relu: after.relu,
        };
        let piece = sizes.together() * sizes.out_image();
        let by = sizes.shifted();
        for_pieces(&mut out, piece, |i, out| {
            let xs = &xs[i * sizes.together() * sizes.image()..];
            sizes.forward(by.as_ref(), xs, ws, out);
            simd(
                #[inline(always)]
                || end.apply(out, i * piece, sizes.outputs, sizes.places()),
            );
        });
    }
    let (train_x, train_w, train_b) = (tracks(x), tracks(w), b.is_some_and(tracks));
    let kept_x = train_w.then_some(plain_x);
    let kept_w = train_x.then_some(plain_w);
    let mut args = vec![x, w];
    args.extend(b);
    let at_delta = args.len();
    args.extend(delta);
    let at_residual = args.len();
    args.extend(after.residual);
    let (relu, count) = (after.relu, args.len());
    let train_residual = after.residual.is_some_and(tracks);
    let train_delta = delta.is_some_and(tracks);
    node(name(w), &args, Output::Values(out), shape, move |y, g| {
        let g = if relu {
            relu_gradient(y, g)?
        } else {
            g.clone()
        };
        let gs = values(&g)?;
        let gs: &[f32] = &gs;
        let mut grads = vec![None; count];
        if let Some(w) = &kept_w {
            let ws = values(w)?;
            let ws: &[f32] = &ws;
            let mut dx = zeros(sizes.batch * sizes.image());
            sizes.backward_x(gs, ws, &mut dx);
            let shape = (sizes.batch, sizes.inputs, sizes.h, sizes.w);
            grads[0] = Some(tensor(dx, shape)?);
        }
        if let Some(x) = &kept_x {
            let dw = sizes.backward_w(gs, &values(x)?);
            let inputs = sizes.inputs / sizes.spec.groups;
            grads[1] = Some(tensor(dw, (sizes.outputs, inputs, sizes.kh, sizes.kw))?);
        }
        if train_b {
            grads[2] = Some(tensor(sizes.channel_sums(gs), sizes.outputs)?);
        }
        if let (Some(gain), true) = (&plain_gain, train_delta) {
            grads[at_delta] = Some(tensor(sizes.scaled(gs, &values(gain)?), g.shape().clone())?);
        }
        if train_residual {
            grads[at_residual] = Some(g.clone());
        }
        Ok(grads)
    })
}

impl Sizes {
    /// The sum over images and places of each channel of `[batch, outputs, places]`.
    fn channel_sums(&self, g: &[f32]) -> Vec<f32> {
        let image = self.out_image();
        sum_pieces(self.batch, self.outputs, |i, sums| {
            let g = &g[i * image..(i + 1) * image];
            simd(
                #[inline(always)]
                || {
                    for (s, g) in sums.iter_mut().zip(g.chunks_exact(self.places())) {
                        *s += sum(g);
                    }
                },
            );
        })
    }

    /// Each channel of `[batch, outputs, places]` times its gain.
    fn scaled(&self, g: &[f32], gain: &[f32]) -> Vec<f32> {
        let mut out = zeros(g.len());
        let image = self.out_image();
        for_pieces(&mut out, image, |i, out| {
            simd(
                #[inline(always)]
                || {
                    let places = self.places();
                    let planes = g[i * image..].chunks_exact(places);
                    for ((o, g), gain) in out.chunks_exact_mut(places).zip(planes).zip(gain) {
                        for (o, g) in o.iter_mut().zip(g) {
                            *o = g * gain;
                        }
                    }
                },
            );
        });
        out
    }
}

/// What is done to the product while it is in the cache.
pub(super) struct Ending<'a> {
    pub b: Option<&'a [f32]>,
    pub gain: Option<&'a [f32]>,
    pub delta: Option<&'a [f32]>,
    pub residual: Option<&'a [f32]>,
    pub relu: bool,
}

impl Ending<'_> {
    #[inline(always)]
    pub(super) fn apply(&self, out: &mut [f32], start: usize, outputs: usize, places: usize) {
        for (plane, out) in out.chunks_exact_mut(places).enumerate() {
            let (channel, start) = (plane % outputs, start + plane * places);
            if let Some(b) = self.b {
                let b = b[channel];
                out.iter_mut().for_each(|y| *y += b);
            }
            if let (Some(delta), Some(gain)) = (self.delta, self.gain) {
                let gain = gain[channel];
                for (y, d) in out.iter_mut().zip(&delta[start..]) {
                    *y += gain * d;
                }
            }
            if let Some(residual) = self.residual {
                for (y, r) in out.iter_mut().zip(&residual[start..]) {
                    *y += r;
                }
            }
            if self.relu {
                out.iter_mut()
                    .for_each(|y| *y = if *y <= 0.0 { 0.0 } else { *y });
            }
        }
    }
}
