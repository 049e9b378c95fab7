//! Batch normalisation in training mode, with what follows it in a residual block.

use candle_core::Tensor;

use super::cpu::{for_pieces, for_pieces2, plain, values, zeros};
use super::linear::tensor;
use super::math::{dot, simd, sum, sum_by};
use super::node::{Output, node};
use super::{Normalised, tracks};
use crate::Result;

/// Sizes of `[batch, channels, plane]`.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    channels: usize,
    plane: usize,
}

impl Sizes {
    fn image(self) -> usize {
        self.channels * self.plane
    }

    /// Values a channel.
    fn count(self) -> f64 {
        (self.batch * self.plane) as f64
    }
}

/// Mean and sum of squared deviations of each plane, then of each channel by the parallel formula of Chan, Golub
/// and LeVeque (1979): exact even where the mean is far from 0. Returns the channels' means and biased variances.
fn statistics(xs: &[f32], sizes: Sizes) -> (Vec<f32>, Vec<f32>) {
    let (channels, plane, image) = (sizes.channels, sizes.plane, sizes.image());
    let mut planes = zeros(sizes.batch * channels * 2);
    for_pieces(&mut planes, channels * 2, |i, out| {
        let xs = &xs[i * image..(i + 1) * image];
        simd(
            #[inline(always)]
            || {
                for (x, out) in xs.chunks_exact(plane).zip(out.chunks_exact_mut(2)) {
                    let mean = sum(x) / plane as f32;
                    out[0] = mean;
                    out[1] = sum_by(plane, |i| (x[i] - mean) * (x[i] - mean));
                }
            },
        );
    });
    let per_plane = plane as f64;
    (0..channels)
        .map(|c| {
            let (mut n, mut mean, mut m2) = (0.0, 0.0, 0.0);
            for image in planes.chunks_exact(channels * 2) {
                let (plane_mean, plane_m2) = (f64::from(image[2 * c]), f64::from(image[2 * c + 1]));
                let d = plane_mean - mean;
                let total = n + per_plane;
                mean += d * per_plane / total;
                m2 += plane_m2 + d * d * n * per_plane / total;
                n = total;
            }
            (mean as f32, (m2 / n) as f32)
        })
        .unzip()
}

pub(super) fn batch_norm(
    x: &Tensor,
    w: &Tensor,
    b: &Tensor,
    eps: f64,
    residual: Option<&Tensor>,
    relu: bool,
) -> Result<Normalised> {
    let (batch, channels, h, width) = x.dims4()?;
    let sizes = Sizes {
        batch,
        channels,
        plane: h * width,
    };
    let fits = residual.is_none_or(|r| r.shape() == x.shape());
    if w.dims() != [channels] || b.dims() != [channels] || !fits || x.elem_count() == 0 {
        return Err(super::shape_error("batch_norm", &[x, w, b]));
    }
    let (plain_x, plain_w, plain_b) = (plain(x)?, plain(w)?, plain(b)?);
    let mut out = zeros(x.elem_count());
    let (mean, var, rstd) = {
        let (xs, ws, bs) = (values(&plain_x)?, values(&plain_w)?, values(&plain_b)?);
        let (xs, ws, bs): (&[f32], &[f32], &[f32]) = (&xs, &ws, &bs);
        let plain_residual = residual.map(plain).transpose()?;
        let rs = plain_residual.as_ref().map(values).transpose()?;
        let rs = rs.as_deref();
        let (mean, var) = statistics(xs, sizes);
        let rstd: Vec<f32> = var
            .iter()
            .map(|v| (1.0 / (f64::from(*v) + eps).sqrt()) as f32)
            .collect();
        let (image, plane) = (sizes.image(), sizes.plane);
        for_pieces(&mut out, image, |i, out| {
            simd(
                #[inline(always)]
                || {
                    for (c, y) in out.chunks_exact_mut(plane).enumerate() {
                        let start = i * image + c * plane;
                        let (scale, mean, b) = (rstd[c] * ws[c], mean[c], bs[c]);
                        for (y, x) in y.iter_mut().zip(&xs[start..]) {
                            *y = (x - mean) * scale + b;
                        }
                        if let Some(rs) = rs {
                            for (y, r) in y.iter_mut().zip(&rs[start..]) {
                                *y += r;
                            }
                        }
                        if relu {
                            for y in y.iter_mut() {
                                *y = if *y <= 0.0 { 0.0 } else { *y };
                            }
                        }
                    }
                },
            );
        });
        (mean, var, rstd)
    };
    let mut args = vec![x, w, b];
    args.extend(residual);
    let train_residual = residual.is_some_and(tracks);
    let batch_mean = tensor(mean.clone(), channels)?;
    let batch_var = tensor(var, channels)?;
    let backward = Backward {
        sizes,
        x: plain_x,
        w: plain_w,
        mean,
        rstd,
        relu,
    };
    let output = Output::Values(out);
    let output = node("batch_norm", &args, output, x.shape(), move |y, g| {
        let (dx, dw, db, g) = backward.run(y, g, train_residual)?;
        Ok(vec![Some(dx), Some(dw), Some(db), g])
    })?;
    Ok(Normalised {
        output,
        mean: batch_mean,
        var: batch_var,
    })
}

struct Backward {
    sizes: Sizes,
    x: Tensor,
    w: Tensor,
    mean: Vec<f32>,
    rstd: Vec<f32>,
    relu: bool,
}

impl Backward {
    /// With x̂ = (x − mean)·rstd and h the gradient before the ReLU: db = Σh, dw = Σh·x̂,
    /// dx = w·rstd·(h − (db + x̂·dw) / n), and the residual's gradient is h.
    fn run(
        &self,
        y: &Tensor,
        g: &Tensor,
        residual: bool,
    ) -> Result<(Tensor, Tensor, Tensor, Option<Tensor>)> {
        let shape = g.shape().clone();
        let Sizes {
            batch,
            channels,
            plane,
        } = self.sizes;
        let image = self.sizes.image();
        let (xs, ys, gs, ws) = (values(&self.x)?, values(y)?, values(g)?, values(&self.w)?);
        let (xs, ys, gs, ws): (&[f32], &[f32], &[f32], &[f32]) = (&xs, &ys, &gs, &ws);
        let mut h = zeros(gs.len());
        let mut sums = zeros(batch * channels * 2);
        for_pieces2(&mut h, image, &mut sums, channels * 2, |i, h, sums| {
            simd(
                #[inline(always)]
                || {
                    for (c, (h, sums)) in h
                        .chunks_exact_mut(plane)
                        .zip(sums.chunks_exact_mut(2))
                        .enumerate()
                    {
                        let at = i * image + c * plane..i * image + (c + 1) * plane;
                        let (x, y, g) = (&xs[at.clone()], &ys[at.clone()], &gs[at]);
                        if self.relu {
                            for ((h, g), y) in h.iter_mut().zip(g).zip(y) {
                                *h = if *y <= 0.0 { 0.0 } else { *g };
                            }
                        } else {
                            h.copy_from_slice(g);
                        }
                        let total = sum(h);
                        sums[0] = total;
                        sums[1] = (dot(h, x) - total * self.mean[c]) * self.rstd[c];
                    }
                },
            );
        });
        let (db, dw): (Vec<f64>, Vec<f64>) = (0..channels)
            .map(|c| {
                sums.chunks_exact(channels * 2)
                    .fold((0.0, 0.0), |(b, w), s| {
                        (b + f64::from(s[2 * c]), w + f64::from(s[2 * c + 1]))
                    })
            })
            .unzip();
        let n = self.sizes.count();
        let mut dx = zeros(gs.len());
        for_pieces(&mut dx, image, |i, dx| {
            simd(
                #[inline(always)]
                || {
                    for (c, dx) in dx.chunks_exact_mut(plane).enumerate() {
                        let start = i * image + c * plane;
                        let scale = ws[c] * self.rstd[c];
                        let slope = (-dw[c] / n) as f32 * self.rstd[c];
                        let offset = (-db[c] / n) as f32 - slope * self.mean[c];
                        for ((d, h), x) in dx.iter_mut().zip(&h[start..]).zip(&xs[start..]) {
                            *d = scale * (h + (offset + slope * x));
                        }
                    }
                },
            );
        });
        let narrow = |v: Vec<f64>| tensor(v.into_iter().map(|v| v as f32).collect(), channels);
        let h = residual.then(|| tensor(h, shape.clone())).transpose()?;
        Ok((tensor(dx, shape)?, narrow(dw)?, narrow(db)?, h))
    }
}
