//! Whether a merge cost the classes that its task touched more than the rest.
//!
//! The classes of the foundation are the units: each has a drop, its accuracy before the merge less its
//! accuracy after it. Two questions are asked of them, each by permuting classes: did those in the task's
//! context lose more than the others, and does the drop go with the similarity to the task? The p-value is
//! (k+1)/(n+1) with k of n permutations at least as extreme (Phipson and Smyth, "Permutation P-values should
//! never be zero", Stat. Appl. Genet. Mol. Biol. 9, 2010). Permuting assumes that classes are exchangeable;
//! the classes of a group share shapes and errors, so a p says less than it seems to.

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::effect::Effect;
use super::matrix::mean;
use super::rank::spearman;
use crate::data::Class;
use crate::random::Key;
use crate::{Error, Result};

/// Said wherever a p-value of [`Contextual`] is shown.
pub const NOT_INDEPENDENT: &str = "p-values are by permutation of classes as if they were exchangeable; \
     the classes of a group are not independent of one another";

/// What differs by less than this is a tie: sums in another order differ in their last bits.
const TIE: f64 = 1e-10;

/// Did the merge cost the classes that the task was about more than the rest? Drops are in accuracy of a
/// foundation class, before this merge minus after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contextual {
    /// Mean drop of the classes of each group, in order of first appearance.
    #[serde(with = "crate::float")]
    pub groups: Vec<(String, f64)>,
    /// Mean drop of the classes in context.
    #[serde(with = "crate::float")]
    pub in_context: f64,
    /// Mean drop of the others.
    #[serde(with = "crate::float")]
    pub rest: f64,
    /// P(difference at least as large) under permutation of classes, (k+1)/(n+1).
    #[serde(with = "crate::float")]
    pub p_one_sided: f64,
    /// Likewise for the absolute difference.
    #[serde(with = "crate::float")]
    pub p_two_sided: f64,
    /// Spearman's ρ between a class's drop and its similarity to the task.
    #[serde(with = "crate::float")]
    pub rho: f64,
    /// Two-sided p of ρ under permutation of classes.
    #[serde(with = "crate::float")]
    pub rho_p: f64,
    /// The same question asked of each measure of similarity; empty in journals of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
}

/// The foundation classes in a task's context, ascending: those of the `stated` groups, or without any stated
/// the tenth of the classes (rounded up) with the highest `similarity`, of equal ones the lower class.
///
/// # Errors
/// [`Error::Input`] for a stated group that no class has.
pub fn context(classes: &[Class], stated: &[String], similarity: &[f32]) -> Result<Vec<usize>> {
    if let Some(unknown) = stated
        .iter()
        .find(|g| classes.iter().all(|c| &c.group != *g))
    {
        let mut groups: Vec<&str> = Vec::new();
        for class in classes {
            if !class.group.is_empty() && !groups.contains(&class.group.as_str()) {
                groups.push(&class.group);
            }
        }
        return Err(Error::input(format!(
            "a task's context names the group `{unknown}`, which no foundation class has: the groups are \
             {}",
            if groups.is_empty() {
                "none".into()
            } else {
                groups.join(", ")
            }
        )));
    }
    if !stated.is_empty() {
        return Ok((0..classes.len())
            .filter(|&c| stated.contains(&classes[c].group))
            .collect());
    }
    let score = |c: usize| match similarity.get(c) {
        Some(s) if !s.is_nan() => *s,
        _ => f32::NEG_INFINITY,
    };
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    order.truncate(classes.len().div_ceil(10));
    order.sort_unstable();
    Ok(order)
}

/// Compares the drops of foundation classes in and out of `context`, and with `similarity`; the test set was
/// measured `before` and `after` a merge. `groups` and `similarity` are `[classes]`, `permutations` are drawn
/// from `key`. Classes without images are left out; a figure that cannot be computed (no class in context,
/// all drops equal) is NaN.
pub fn contextual(
    before: &Counts,
    after: &Counts,
    groups: &[String],
    context: &[usize],
    similarity: &[f32],
    permutations: usize,
    key: Key,
) -> Contextual {
    let classes: Vec<usize> = (0..before.total.len())
        .filter(|&c| !drop_of(before, after, c).is_nan())
        .collect();
    let drops: Vec<f64> = classes.iter().map(|&c| drop_of(before, after, c)).collect();
    let inside: Vec<bool> = classes.iter().map(|c| context.contains(c)).collect();
    let [in_context, rest] = [true, false].map(|side| {
        mean(
            drops
                .iter()
                .zip(&inside)
                .filter(|(_, i)| **i == side)
                .map(|(d, _)| *d),
        )
    });
    let (p_one_sided, p_two_sided) =
        difference_p(&drops, &inside, permutations, key.named("in-context"));
    let similarity: Vec<f64> = classes
        .iter()
        .map(|&c| similarity.get(c).map_or(f64::NAN, |s| f64::from(*s)))
        .collect();
    let (rho, rho_p) = spearman(&drops, &similarity, permutations, key.named("similarity"));
    Contextual {
        groups: group_means(groups, &classes, &drops),
        in_context,
        rest,
        p_one_sided,
        p_two_sided,
        rho,
        rho_p,
        effects: Vec::new(),
    }
}

fn drop_of(before: &Counts, after: &Counts, class: usize) -> f64 {
    before.class_accuracy(class) - after.class_accuracy(class)
}

/// Mean drop by group, in order of first appearance; classes without a group are in none.
fn group_means(groups: &[String], classes: &[usize], drops: &[f64]) -> Vec<(String, f64)> {
    let mut names: Vec<&String> = Vec::new();
    for name in groups {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    let of = |name: &String| {
        mean(
            classes
                .iter()
                .zip(drops)
                .filter(|(c, _)| groups.get(**c) == Some(name))
                .map(|(_, d)| *d),
        )
    };
    names
        .into_iter()
        .map(|name| (name.clone(), of(name)))
        .collect()
}

/// One- and two-sided p of the mean drop `inside` less the mean drop outside.
fn difference_p(drops: &[f64], inside: &[bool], permutations: usize, key: Key) -> (f64, f64) {
    let n = drops.len();
    let k = inside.iter().filter(|i| **i).count();
    let differ = drops.iter().any(|d| (d - drops[0]).abs() > TIE);
    if k == 0 || k == n || !differ {
        return (f64::NAN, f64::NAN);
    }
    let all: f64 = drops.iter().sum();
    let difference = |sum: f64| sum / k as f64 - (all - sum) / (n - k) as f64;
    let observed = difference(
        drops
            .iter()
            .zip(inside)
            .filter(|(_, i)| **i)
            .map(|(d, _)| d)
            .sum(),
    );
    let (mut one, mut two) = (0, 0);
    for i in 0..permutations {
        let order = key.index(i as u64).permutation(n);
        let drawn = difference(order.iter().take(k).map(|&c| drops[c]).sum());
        one += usize::from(drawn >= observed - TIE);
        two += usize::from(drawn.abs() >= observed.abs() - TIE);
    }
    let p = |count: usize| (count + 1) as f64 / (permutations + 1) as f64;
    (p(one), p(two))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(correct: &[u32]) -> Counts {
        Counts {
            correct: correct.to_vec(),
            total: vec![100; correct.len()],
        }
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn classes(groups: &[&str]) -> Vec<Class> {
        groups
            .iter()
            .enumerate()
            .map(|(i, group)| Class {
                name: i.to_string(),
                group: (*group).into(),
            })
            .collect()
    }

    #[test]
    fn means_by_group_and_context_by_hand() {
        let groups = strings(&["digits", "lower", "digits", "lower", "", "upper"]);
        let before = counts(&[100, 100, 90, 100, 100, 100]);
        let after = counts(&[50, 100, 60, 90, 70, 100]);
        let similarity = [0.9, 0.1, 0.8, 0.2, 0.5, 0.0];
        let c = contextual(
            &before,
            &after,
            &groups,
            &[0, 2],
            &similarity,
            999,
            Key::new(1),
        );
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        assert_eq!(c.groups.len(), 3);
        for (got, want) in c
            .groups
            .iter()
            .zip([("digits", 0.4), ("lower", 0.05), ("upper", 0.0)])
        {
            assert_eq!(got.0, want.0);
            close(got.1, want.1);
        }
        close(c.in_context, 0.4);
        close(c.rest, 0.1);
        // Drops .5 0 .3 .1 .3 0 have ranks 6 1.5 4.5 3 4.5 1.5, similarities 6 2 5 3 4 1: ρ by Pearson's
        // formula is 16.5 / √(16.5 · 17.5).
        close(c.rho, 16.5 / (16.5_f64 * 17.5).sqrt());
    }

    /// With 2 of 6 classes inside there are 15 equally likely contexts, which can be counted by hand.
    #[test]
    fn p_values_are_those_of_the_permutation_distribution() {
        let drops = [0.5, 0.0, 0.3, 0.1, 0.3, 0.0];
        let inside = [true, false, true, false, false, false];
        // The sum inside is .8; {0,2} and {0,4} reach it: 2 of 15. Two-sided, the difference is .3; the
        // lowest sum, {1,5}, gives 0 − .3, as far below: 3 of 15.
        let n = 9_999;
        let (one, two) = difference_p(&drops, &inside, n, Key::new(3));
        assert!((one - 2.0 / 15.0).abs() < 0.01, "{one}");
        assert!((two - 3.0 / 15.0).abs() < 0.012, "{two}");
        let times = one * 10_000.0;
        assert!((times - times.round()).abs() < 1e-6);
    }

    #[test]
    fn a_p_is_never_zero_and_the_same_key_gives_it_again() {
        let before = counts(&[100; 20]);
        let mut after = vec![100; 20];
        after[..10].fill(10);
        let similarity: Vec<f32> = (0..20).map(|c| -(c as f32)).collect();
        let inside: Vec<usize> = (0..10).collect();
        let of = |key| {
            contextual(
                &before,
                &counts(&after),
                &[],
                &inside,
                &similarity,
                999,
                Key::new(key),
            )
        };
        let c = of(1);
        assert_eq!(
            (c.p_one_sided, c.p_two_sided, c.rho_p),
            (0.001, 0.001, 0.001)
        );
        assert!(c.groups.is_empty() && c.rho > 0.8);
        assert_eq!(c, of(1));
    }

    #[test]
    fn the_sign_decides_the_one_sided_p() {
        let before = counts(&[100; 12]);
        let mut after = vec![80; 12];
        after[..4].fill(99);
        let inside = [0, 1, 2, 3];
        let c = contextual(
            &before,
            &counts(&after),
            &[],
            &inside,
            &[0.0; 12],
            999,
            Key::new(1),
        );
        assert!(c.in_context < c.rest);
        assert_eq!(c.p_one_sided, 1.0);
        assert!(c.p_two_sided < 0.02);
        assert!(c.rho.is_nan() && c.rho_p.is_nan());
    }

    #[test]
    fn what_cannot_be_computed_is_nan() {
        let (before, after) = (counts(&[100; 3]), counts(&[90, 80, 70]));
        let of = |context: &[usize]| {
            contextual(
                &before,
                &after,
                &[],
                context,
                &[0.1, 0.2, 0.3],
                99,
                Key::new(1),
            )
        };
        assert!(of(&[]).in_context.is_nan() && of(&[]).p_one_sided.is_nan());
        assert!(of(&[0, 1, 2]).rest.is_nan() && of(&[0, 1, 2]).p_two_sided.is_nan());
        assert!((of(&[7]).rest - 0.2).abs() < 1e-12);
        let empty = contextual(
            &Counts::default(),
            &Counts::default(),
            &[],
            &[0],
            &[],
            9,
            Key::new(1),
        );
        assert!(empty.rest.is_nan() && empty.rho.is_nan());
    }

    #[test]
    fn a_class_without_images_is_left_out() {
        let mut before = counts(&[100, 100, 100, 0]);
        let mut after = counts(&[50, 100, 90, 0]);
        before.total[3] = 0;
        after.total[3] = 0;
        let groups = strings(&["a", "a", "b", "b"]);
        let c = contextual(
            &before,
            &after,
            &groups,
            &[0, 3],
            &[0.4, 0.3, 0.2, 0.1],
            99,
            Key::new(1),
        );
        assert_eq!(c.in_context, 0.5);
        assert!((c.groups[1].1 - 0.1).abs() < 1e-12);
        assert!(c.rho.is_finite());
    }

    #[test]
    fn a_stated_context_is_its_groups() {
        let classes = classes(&["digits", "lower", "upper", "digits"]);
        let of = |stated: &[&str]| context(&classes, &strings(stated), &[]);
        assert_eq!(of(&["digits"]).unwrap(), [0, 3]);
        assert_eq!(of(&["upper", "lower"]).unwrap(), [1, 2]);
        let text = of(&["digit"]).unwrap_err().to_string();
        assert!(
            text.contains("`digit`") && text.contains("digits, lower, upper"),
            "{text}"
        );
    }

    #[test]
    fn without_a_stated_context_it_is_the_most_similar_tenth() {
        let classes = classes(&[""; 21]);
        let mut similarity = vec![0.0; 21];
        similarity[20] = 0.9;
        similarity[4] = 0.5;
        similarity[7] = f32::NAN;
        assert_eq!(context(&classes, &[], &similarity).unwrap(), [0, 4, 20]);
        assert_eq!(context(&classes[..1], &[], &similarity).unwrap(), [0]);
    }
}
