//! Rank correlation.

use crate::random::Key;

/// What differs by less than this is a tie: a difference of two fractions is exact only up to its last bits.
const TIE: f64 = 1e-10;

/// Ranks 1, 2, …, equal values at the mean of the ranks that they share.
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&a, &b| (values[a] - values[b]).abs() <= TIE) {
        for &i in tied {
            ranks[i] = before as f64 + (tied.len() + 1) as f64 / 2.0;
        }
        before += tied.len();
    }
    ranks
}

/// Spearman's rank correlation of `x` and `y`, Pearson's of their average ranks (Spearman, "The proof and
/// measurement of association between two things", Am. J. Psychol. 15, 1904), and its two-sided p by
/// `permutations` permutations of one against the other, (k+1)/(n+1). Pairs with a NaN are left out. NaN where
/// all of `x` or all of `y` is equal.
pub fn spearman(x: &[f64], y: &[f64], permutations: usize, key: Key) -> (f64, f64) {
    let (x, y): (Vec<f64>, Vec<f64>) = x
        .iter()
        .zip(y)
        .filter(|(x, y)| !x.is_nan() && !y.is_nan())
        .unzip();
    let centred = |values: &[f64]| {
        let middle = (values.len() + 1) as f64 / 2.0;
        let ranks = average_ranks(values);
        ranks.into_iter().map(|r| r - middle).collect::<Vec<f64>>()
    };
    let (x, y) = (centred(&x), centred(&y));
    let square = |v: &[f64]| v.iter().map(|r| r * r).sum::<f64>();
    let norm = (square(&x) * square(&y)).sqrt();
    if norm == 0.0 {
        return (f64::NAN, f64::NAN);
    }
    let rho = x.iter().zip(&y).map(|(a, b)| a * b).sum::<f64>() / norm;
    let extreme = (0..permutations)
        .filter(|&i| {
            let order = key.index(i as u64).permutation(y.len());
            let drawn = x.iter().zip(order).map(|(a, j)| a * y[j]).sum::<f64>() / norm;
            drawn.abs() >= rho.abs() - TIE
        })
        .count();
    (rho, (extreme + 1) as f64 / (permutations + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rho(x: &[f64], y: &[f64]) -> f64 {
        spearman(x, y, 0, Key::new(0)).0
    }

    #[test]
    fn ties_share_the_mean_of_their_ranks() {
        assert_eq!(
            average_ranks(&[0.3, 0.1, 0.3, 0.2, 0.3]),
            [4.0, 1.0, 4.0, 2.0, 4.0]
        );
        // Equal as fractions, not as floats.
        assert_eq!(average_ranks(&[0.1 + 0.2, 0.3, 0.0]), [2.5, 2.5, 1.0]);
        assert!(average_ranks(&[]).is_empty());
    }

    #[test]
    fn rho_is_of_ranks_alone() {
        assert_eq!(rho(&[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0, 100.0, 1e6]), 1.0);
        assert_eq!(rho(&[1.0, 2.0, 3.0, 4.0], &[3.0, 2.0, 1.0, 0.0]), -1.0);
        // No ties: 1 − 6 Σd² / n(n² − 1) with d = 1, 1, 1, 1, 0.
        let by_formula = 1.0 - 6.0 * 4.0 / (5.0 * 24.0);
        assert!(
            (rho(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 5.0]) - by_formula).abs()
                < 1e-12
        );
        // Ranks 1 2.5 2.5 4 5.5 5.5 and 2 1 4.5 4.5 3 6: Pearson's is 9.75 / √(16.5 · 17).
        let tied = rho(
            &[1.0, 2.0, 2.0, 3.0, 5.0, 5.0],
            &[2.0, 1.0, 4.0, 4.0, 3.0, 6.0],
        );
        assert!(
            (tied - 9.75 / (16.5_f64 * 17.0).sqrt()).abs() < 1e-12,
            "{tied}"
        );
    }

    #[test]
    fn its_p_is_that_of_the_permutation_distribution() {
        // Of the 24 orders of four values only the two extreme ones reach |ρ| = 1.
        let (_, p) = spearman(
            &[1.0, 2.0, 3.0, 4.0],
            &[5.0, 6.0, 7.0, 8.0],
            9_999,
            Key::new(2),
        );
        assert!((p - 2.0 / 24.0).abs() < 0.01, "{p}");
    }

    #[test]
    fn no_rho_without_variation() {
        assert!(rho(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]).is_nan());
        assert!(rho(&[1.0], &[1.0]).is_nan());
        assert!(rho(&[], &[]).is_nan());
        assert_eq!(rho(&[1.0, f64::NAN, 2.0], &[3.0, 9.0, 4.0]), 1.0);
    }
}
