//! Whether a merge cost the classes most that are most similar to its task, by any measure of similarity.
//!
//! Three figures for each: the rank correlation of a class's drop and its similarity; the mean drop of the most
//! similar tenth of the classes against the rest's; and the mean similarity of what was newly lost, each new error
//! counting for its class, against that of all classes.
//!
//! The intervals are percentile bootstraps (Efron, "Bootstrap methods: another look at the jackknife", Ann. Statist.
//! 7, 1979) over test images: of each class as many images as it has are drawn with replacement from its own, the
//! classes and their similarities stay. So they tell what other test images might have shown, not other classes. An
//! image counts 1 where it is a new error, -1 where it is a new hit, 0 otherwise; a class's drop is their mean.

use serde::{Deserialize, Serialize};

use super::matrix::mean;
use super::rank::spearman;
use crate::random::Key;

/// What differs by less than this is a tie: sums in another order differ in their last bits.
const TIE: f64 = 1e-10;
/// Share of the bootstrap's distribution below an interval, and above it.
const TAIL: f64 = 0.025;

/// The share of resamples that an interval holds.
pub const CONFIDENCE: f64 = 1.0 - 2.0 * TAIL;

/// What a merge did to each foundation class's test images, `[classes]`.
#[derive(Clone, Copy, Debug)]
pub struct Turned<'a> {
    /// Right before, wrong after.
    pub new_errors: &'a [u32],
    /// Wrong before, right after.
    pub new_hits: &'a [u32],
    /// All of them.
    pub total: &'a [u32],
}

impl Turned<'_> {
    fn drop(&self, class: usize) -> f64 {
        let lost = f64::from(self.new_errors[class]) - f64::from(self.new_hits[class]);
        lost / f64::from(self.total[class])
    }

    /// The drop on images drawn with replacement.
    fn resampled_drop(&self, class: usize, key: Key) -> f64 {
        let (errors, hits) = (self.new_errors[class], self.new_hits[class]);
        let total = self.total[class];
        let mut lost = 0_i64;
        for draw in 0..u64::from(total) {
            // The order of a class's images decides nothing: the new errors are its first, then the new hits.
            let image = key.below(draw, total as usize) as u32;
            if image < errors {
                lost += 1;
            } else if image < errors + hits {
                lost -= 1;
            }
        }
        lost as f64 / f64::from(total)
    }
}

/// A figure and what it is between in [`CONFIDENCE`] of the resamples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// On the images as they are.
    #[serde(with = "crate::float")]
    pub value: f64,
    /// Lower end of the interval.
    #[serde(with = "crate::float")]
    pub low: f64,
    /// Upper end.
    #[serde(with = "crate::float")]
    pub high: f64,
}

/// How the drops of classes go with one measure of similarity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// `features`, `wordnet` or `clip`.
    pub similarity: String,
    /// Classes that have both a similarity and images.
    pub classes: usize,
    /// Spearman's ρ of drop and similarity.
    #[serde(with = "crate::float")]
    pub rho: f64,
    /// Two-sided p of ρ under permutation of classes.
    #[serde(with = "crate::float")]
    pub rho_p: f64,
    /// Classes in the most similar tenth, rounded up; of equally similar ones the lower.
    pub decile: usize,
    /// Their mean drop.
    pub decile_drop: Estimate,
    /// Mean drop of the others.
    pub rest_drop: Estimate,
    /// The first less the second.
    pub difference: Estimate,
    /// New errors of these classes.
    pub new_errors: u32,
    /// Mean similarity of the new errors, each counting for its class; NaN without any.
    #[serde(with = "crate::float")]
    pub error_similarity: f64,
    /// Mean similarity of the classes.
    #[serde(with = "crate::float")]
    pub class_similarity: f64,
    /// Two-sided p of their difference under permutation of classes.
    #[serde(with = "crate::float")]
    pub error_p: f64,
}

/// The effect by each of `similarities`, named and `[classes]`; NaN where a class has none. `permutations` and
/// `resamples` are drawn from `key`, the resamples and ρ's permutations the same for every measure of similarity: by
/// features ρ and its p are those of [`super::contextual`] with the same key.
pub fn effects(
    turned: Turned,
    similarities: &[(&str, &[f32])],
    permutations: usize,
    resamples: usize,
    key: Key,
) -> Vec<Effect> {
    let classes = turned.total.len();
    let draws: Vec<Vec<f64>> = (0..resamples)
        .map(|i| {
            let key = key.named("bootstrap").index(i as u64);
            (0..classes)
                .map(|c| turned.resampled_drop(c, key.index(c as u64)))
                .collect()
        })
        .collect();
    similarities
        .iter()
        .map(|&(name, similarity)| effect(turned, name, similarity, permutations, &draws, key))
        .collect()
}

fn effect(
    turned: Turned,
    name: &str,
    similarity: &[f32],
    permutations: usize,
    draws: &[Vec<f64>],
    key: Key,
) -> Effect {
    let similar = |c: usize| similarity.get(c).map_or(f64::NAN, |s| f64::from(*s));
    let classes: Vec<usize> = (0..turned.total.len())
        .filter(|&c| turned.total[c] > 0 && !similar(c).is_nan())
        .collect();
    let (mut decile, mut rest) = (classes.clone(), Vec::new());
    // Stable: equally similar classes stay in order.
    decile.sort_by(|&a, &b| similar(b).total_cmp(&similar(a)));
    if !classes.is_empty() {
        rest = decile.split_off(classes.len().div_ceil(10));
    }
    // Where all are equally similar no tenth is the most similar one.
    let same = |c: &usize| (similar(*c) - similar(classes[0])).abs() <= TIE;
    if classes.iter().all(same) {
        (decile, rest) = (Vec::new(), classes.clone());
    }
    let sides = |of: &dyn Fn(usize) -> f64| {
        let [inside, outside] = [&decile, &rest].map(|side| mean(side.iter().map(|&c| of(c))));
        [inside, outside, inside - outside]
    };
    let resampled: Vec<[f64; 3]> = draws.iter().map(|drops| sides(&|c| drops[c])).collect();
    let values = sides(&|c| turned.drop(c));
    let [decile_drop, rest_drop, difference] = [0, 1, 2].map(|which| {
        let (low, high) = interval(resampled.iter().map(|d| d[which]).collect());
        Estimate {
            value: values[which],
            low,
            high,
        }
    });
    let drops: Vec<f64> = classes.iter().map(|&c| turned.drop(c)).collect();
    let similarities: Vec<f64> = classes.iter().map(|&c| similar(c)).collect();
    let errors: Vec<u32> = classes.iter().map(|&c| turned.new_errors[c]).collect();
    let (rho, rho_p) = spearman(&drops, &similarities, permutations, key.named("similarity"));
    let (error_similarity, error_p) = weighted(
        &errors,
        &similarities,
        permutations,
        key.named(name).named("errors"),
    );
    Effect {
        similarity: name.into(),
        classes: classes.len(),
        rho,
        rho_p,
        decile: decile.len(),
        decile_drop,
        rest_drop,
        difference,
        new_errors: errors.iter().sum(),
        error_similarity,
        class_similarity: mean(similarities.iter().copied()),
        error_p,
    }
}

/// The mean of `values` weighted by `weights`, and the two-sided p of its difference from the plain mean, by
/// permuting the values.
fn weighted(weights: &[u32], values: &[f64], permutations: usize, key: Key) -> (f64, f64) {
    let weights: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
    let sum: f64 = weights.iter().sum();
    if sum == 0.0 {
        return (f64::NAN, f64::NAN);
    }
    let plain = mean(values.iter().copied());
    let observed = weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>() / sum;
    let extreme = (0..permutations)
        .filter(|&i| {
            let order = key.index(i as u64).permutation(values.len());
            let drawn = weights.iter().zip(order).map(|(w, j)| w * values[j]);
            let drawn = drawn.sum::<f64>() / sum;
            (drawn - plain).abs() >= (observed - plain).abs() - TIE
        })
        .count();
    (observed, (extreme + 1) as f64 / (permutations + 1) as f64)
}

/// Where [`CONFIDENCE`] of a distribution lies; NaN of an empty one and of one with a NaN.
fn interval(mut distribution: Vec<f64>) -> (f64, f64) {
    if distribution.is_empty() || distribution.iter().any(|x| x.is_nan()) {
        return (f64::NAN, f64::NAN);
    }
    distribution.sort_by(f64::total_cmp);
    (
        quantile(&distribution, TAIL),
        quantile(&distribution, 1.0 - TAIL),
    )
}

/// A quantile of sorted values, linear between them (NumPy's default; Hyndman and Fan's type 7, "Sample quantiles in
/// statistical packages", Am. Stat. 50, 1996).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, share) = (at.floor() as usize, at.fract());
    let above = sorted.len().min(below + 2) - 1;
    sorted[below] + share * (sorted[above] - sorted[below])
}

/// How values are spread over `bins` of equal width from `low` to `high`, as shares of the weights, `[bins]`; both ends
/// take what lies beyond them. NaN values are left out; all 0 if nothing is left.
pub fn distribution(
    values: &[f32],
    weight: &dyn Fn(usize) -> f64,
    (low, high): (f64, f64),
    bins: usize,
) -> Vec<f64> {
    let mut shares = vec![0.0; bins];
    for (i, value) in values.iter().enumerate().filter(|(_, v)| !v.is_nan()) {
        // A figure that stands exactly on an edge belongs above it: 0.3_f32 is not below 0.3.
        let at = (f64::from(*value) - low) / (high - low) * bins as f64;
        let bin = ((at + 1e-6).floor().max(0.0) as usize).min(bins.saturating_sub(1));
        if let Some(share) = shares.get_mut(bin) {
            *share += weight(i);
        }
    }
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|s| *s /= sum);
    }
    shares
}

#[cfg(test)]
mod tests;
