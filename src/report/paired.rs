//! Paired differences: Student's t, a sign-flip permutation test, and Holm's correction.
//!
//! Of n differences with mean m and sample standard deviation s: t = m / (s/√n) with n − 1 degrees of freedom (Student,
//! "The probable error of a mean", Biometrika 6, 1908), the 95 % interval m ± t₀.₉₇₅·s/√n, and Cohen's d_z = m / s
//! (Lakens, "Calculating and reporting effect sizes", Front. Psychol. 4, 2013). The permutation p flips the sign of each
//! difference in all 2ⁿ ways and counts those whose mean is at least as far from 0 (Fisher's, "The Design of Experiments",
//! 1935): it assumes only that differences are symmetric about 0, and is never below 2^(1 − n).

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::random::Key;

/// Differences that a test needs at least.
pub const FEWEST: usize = 3;
/// Up to so many differences every flip of signs is looked at.
const EXACT: usize = 20;
/// Beyond, so many random ones.
const FLIPS: usize = 9_999;
/// What differs by less than this is the same: accuracies are shares of images, sums differ in their last bits.
const TIE: f64 = 1e-10;

/// What paired differences show.
#[derive(Clone, Debug, PartialEq)]
pub enum Paired {
    /// Too few to say anything; the mean difference, NaN of none.
    Few { n: usize, mean: f64 },
    /// All the same: there is no variance that a mean could be measured by.
    Constant { n: usize, mean: f64 },
    /// Tested.
    Tested(Tested),
}

/// A paired t-test and what stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// Differences.
    pub n: usize,
    pub mean: f64,
    /// Ends of the 95 % interval.
    pub low: f64,
    pub high: f64,
    /// Student's t.
    pub t: f64,
    /// Its two-sided p.
    pub p: f64,
    /// Two-sided p by flips of signs.
    pub flip_p: f64,
    /// Cohen's d_z.
    pub d_z: f64,
}

impl Tested {
    /// Of the second sides less the first.
    #[must_use]
    pub fn turned(&self) -> Self {
        Self {
            mean: -self.mean,
            low: -self.high,
            high: -self.low,
            t: -self.t,
            d_z: -self.d_z,
            ..self.clone()
        }
    }
}

impl Paired {
    /// Of these differences, all finite.
    pub fn of(differences: &[f64]) -> Self {
        let n = differences.len();
        let mean = differences.iter().sum::<f64>() / n as f64;
        if n < FEWEST {
            return Self::Few { n, mean };
        }
        if differences
            .iter()
            .all(|d| (d - differences[0]).abs() <= TIE)
        {
            return Self::Constant { n, mean };
        }
        let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
        let deviation = (squares / (n - 1) as f64).sqrt();
        let error = deviation / (n as f64).sqrt();
        let t = mean / error;
        // Its parameters are always valid: location 0, scale 1, at least 2 degrees of freedom.
        let Ok(student) = StudentsT::new(0.0, 1.0, (n - 1) as f64) else {
            return Self::Constant { n, mean };
        };
        let reach = student.inverse_cdf(0.975) * error;
        Self::Tested(Tested {
            n,
            mean,
            low: mean - reach,
            high: mean + reach,
            t,
            p: (2.0 * student.sf(t.abs())).min(1.0),
            flip_p: flip_p(differences),
            d_z: mean / deviation,
        })
    }

    /// The mean difference.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Few { mean, .. } | Self::Constant { mean, .. } => *mean,
            Self::Tested(tested) => tested.mean,
        }
    }

    /// Pairs.
    pub fn n(&self) -> usize {
        match self {
            Self::Few { n, .. } | Self::Constant { n, .. } => *n,
            Self::Tested(tested) => tested.n,
        }
    }

    /// The test, where there was one.
    pub fn tested(&self) -> Option<&Tested> {
        match self {
            Self::Tested(tested) => Some(tested),
            _ => None,
        }
    }
}

/// Two-sided p by all flips of signs; by 9,999 random ones and (k+1)/(n+1) where these are too many.
fn flip_p(differences: &[f64]) -> f64 {
    let n = differences.len();
    let far = differences.iter().sum::<f64>().abs() - TIE * n as f64;
    let reaches = |negative: &dyn Fn(usize) -> bool| {
        let signed = differences
            .iter()
            .enumerate()
            .map(|(i, d)| if negative(i) { -d } else { *d });
        signed.sum::<f64>().abs() >= far
    };
    if n <= EXACT {
        let all = 1_u64 << n;
        let count = (0..all)
            .filter(|flips| reaches(&|i| flips >> i & 1 == 1))
            .count();
        return count as f64 / all as f64;
    }
    let key = Key::new(0).named("sign flips");
    let count = (0..FLIPS)
        .filter(|&draw| {
            let key = key.index(draw as u64);
            reaches(&|i| key.bits(i as u64) & 1 == 1)
        })
        .count();
    (count + 1) as f64 / (FLIPS + 1) as f64
}

/// Holm's step-down correction over a family of p-values, in their order ("A simple sequentially rejective multiple test
/// procedure", Scand. J. Statist. 6, 1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut highest = 0.0_f64;
    for (place, &i) in order.iter().enumerate() {
        highest = highest.max((p.len() - place) as f64 * p[i]).min(1.0);
        adjusted[i] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn numbers(value: &Value) -> Vec<f64> {
        let list = value.as_array().unwrap().iter();
        list.map(|x| x.as_f64().unwrap()).collect()
    }

    fn near(a: f64, b: f64, what: &str) {
        let tolerance = 1e-9 * b.abs().max(1.0);
        assert!((a - b).abs() < tolerance, "{what}: {a} {b}");
    }

    #[test]
    fn as_scipy_has_it() {
        let text = include_str!("../../tests/fixtures/paired.json");
        let cases: Value = serde_json::from_str(text).unwrap();
        let cases = cases.as_object().unwrap();
        let tests = cases["tests"].as_array().unwrap();
        assert!(tests.len() >= 8);
        for case in tests {
            let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
            let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            let Paired::Tested(found) = Paired::of(&differences) else {
                panic!("{case}");
            };
            let figure = |name: &str| case[name].as_f64().unwrap();
            assert_eq!(found.n, a.len());
            near(found.mean, figure("mean"), "mean");
            near(found.low, figure("low"), "low");
            near(found.high, figure("high"), "high");
            near(found.t, figure("t"), "t");
            // A small p is compared by its own size.
            near(found.p / figure("p"), 1.0, "p");
            near(found.flip_p, figure("flip_p"), "flip_p");
            near(found.d_z, figure("d_z"), "d_z");
        }
        let family = &cases["holm"];
        let adjusted = holm(&numbers(&family["p"]));
        for (found, wanted) in adjusted.iter().zip(numbers(&family["adjusted"])) {
            near(*found, wanted, "holm");
        }
    }

    #[test]
    fn too_few_and_equal_differences_are_not_tested() {
        assert!(matches!(Paired::of(&[]), Paired::Few { n: 0, mean } if mean.is_nan()));
        assert_eq!(Paired::of(&[0.5, 0.25]), Paired::Few { n: 2, mean: 0.375 });
        // 0.3 − 0.2, 0.2 − 0.1 and 0.4 − 0.3 differ in their last bits.
        let same = [0.3 - 0.2, 0.2 - 0.1, 0.4 - 0.3];
        assert!(same[0] != same[2]);
        assert!(matches!(Paired::of(&same), Paired::Constant { n: 3, .. }));
        assert_eq!(Paired::of(&[0.0; 4]), Paired::Constant { n: 4, mean: 0.0 });
        assert!(Paired::of(&[0.1, 0.1, 0.2]).tested().is_some());
    }

    #[test]
    fn flips_are_counted_by_hand_and_drawn_where_they_are_many() {
        // Of eight signs of 3, 2, 1 only +++ and −−− sum to 6; of 1, 1, −3 the sums ±5, ±3, ±3, ±1 reach 1 always.
        assert_eq!(flip_p(&[3.0, 2.0, 1.0]), 0.25);
        assert_eq!(flip_p(&[1.0, 1.0, -3.0]), 1.0);
        let many: Vec<f64> = (0..25).map(f64::from).collect();
        assert_eq!(flip_p(&many), 1.0 / 10_000.0);
    }

    #[test]
    fn holm_by_hand() {
        assert_eq!(holm(&[0.5, 0.01, 0.02]), [0.5, 0.03, 0.04]);
        assert_eq!(holm(&[0.5, 0.75]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
