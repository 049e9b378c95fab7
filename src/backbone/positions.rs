//! Position embeddings for another grid of patches, resampled as timm does it: bicubic and antialiased
//! (PyTorch's `interpolate(mode="bicubic", antialias=True)`, whose kernel has a = −1/2).

use candle_core::Tensor;

use super::config::Config;
use super::{Architecture, Weights};
use crate::{Error, Result};

const NAME: &str = "pos_embed";

/// The same model for square images of `side` pixels: a ViT gets another grid of patches, its position embeddings
/// resampled; a ResNet takes any size as it is.
///
/// # Errors
/// [`Error::Input`] where the side is no multiple of a ViT's patch.
pub fn at_size(config: Config, mut weights: Weights, side: usize) -> Result<(Config, Weights)> {
    let config = config.at_size(side)?;
    fit(&config, &mut weights)?;
    Ok((config, weights))
}

/// Gives a ViT's position embeddings the size that its config asks for, where they have another.
///
/// # Errors
/// [`Error::Input`] where they belong to no square grid, which is what timm takes them for.
pub(super) fn fit(config: &Config, weights: &mut Weights) -> Result<()> {
    let Architecture::Vit(spec) = config.resolve()? else {
        return Ok(());
    };
    let Some(embed) = weights.get(NAME) else {
        return Ok(());
    };
    let grid = spec.grid();
    let prefix = spec.embedded_prefix();
    let &[1, tokens, dim] = embed.dims() else {
        return Ok(());
    };
    if tokens == grid[0] * grid[1] + prefix {
        return Ok(());
    }
    let patches = tokens.saturating_sub(prefix);
    let side = patches.isqrt();
    if side * side != patches || side == 0 {
        return Err(Error::input(format!(
            "the backbone's {NAME} is of {patches} patches, which are no square: it cannot be resampled to {} × {}",
            grid[0], grid[1]
        )));
    }
    let all = embed.flatten_all()?.to_vec1::<f32>()?;
    let (kept, patches) = all.split_at(prefix * dim);
    let wide = resample(patches, [side, side, dim], grid[1]);
    let resampled = resample(&wide, [1, side, grid[1] * dim], grid[0]);
    let values = [kept, &resampled].concat();
    let shape = (1, prefix + grid[0] * grid[1], dim);
    let fitted = Tensor::from_vec(values, shape, embed.device())?;
    weights.insert(NAME.into(), fitted);
    Ok(())
}

/// `[a, n, b]` → `[a, size, b]`
fn resample(x: &[f32], [a, n, b]: [usize; 3], size: usize) -> Vec<f32> {
    let mut out = vec![0.0; a * size * b];
    for (to, (first, weights)) in taps(n, size).into_iter().enumerate() {
        for row in 0..a {
            let out = &mut out[(row * size + to) * b..][..b];
            for (i, weight) in weights.iter().enumerate() {
                let x = &x[(row * n + first + i) * b..][..b];
                for (o, x) in out.iter_mut().zip(x) {
                    *o += weight * x;
                }
            }
        }
    }
    out
}

/// For each place of the result: the first of its neighbours, and what each weighs.
fn taps(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    // Where it gets smaller the kernel widens, so that nothing is skipped.
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let tap = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let weights: Vec<f64> = (first..end)
            .map(|j| cubic((j as f64 - centre + 0.5) / stretch))
            .collect();
        let sum: f64 = weights.iter().sum();
        (first, weights.iter().map(|w| (w / sum) as f32).collect())
    };
    (0..to).map(tap).collect()
}

/// Keys' cubic convolution kernel with a = −1/2.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    match x {
        x if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_the_same_size_changes_nothing() {
        for (from, to) in [(14, 24), (24, 14), (7, 7), (4, 1), (1, 3)] {
            for (first, weights) in taps(from, to) {
                assert!(first + weights.len() <= from);
                let sum: f32 = weights.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6, "{from} {to}");
            }
        }
        let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
        assert_eq!(resample(&x, [2, 3, 2], 3), x);
    }
}
