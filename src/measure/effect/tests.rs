use super::*;
use crate::measure::{changes, counts};

/// What scipy computes from the same draws.
#[derive(Deserialize)]
struct Reference {
    seed: u64,
    permutations: usize,
    resamples: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    new_errors: Vec<u32>,
    new_hits: Vec<u32>,
    total: Vec<u32>,
    similarity: Vec<Option<f32>>,
    rho: f64,
    rho_p: f64,
    /// Over every permutation, where they are few.
    rho_p_exact: Option<f64>,
    decile: [f64; 3],
    rest: [f64; 3],
    difference: [f64; 3],
    error_similarity: f64,
    class_similarity: f64,
    error_p: f64,
}

fn reference() -> Reference {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/effects.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn close(got: f64, wanted: f64, what: &str) {
    assert!((got - wanted).abs() < 1e-9, "{what}: {got} {wanted}");
}

#[test]
fn figures_p_values_and_intervals_are_scipy_s() {
    let reference = reference();
    assert!(reference.cases.len() > 3);
    for case in &reference.cases {
        let similarity: Vec<f32> = case
            .similarity
            .iter()
            .map(|s| s.unwrap_or(f32::NAN))
            .collect();
        let turned = Turned {
            new_errors: &case.new_errors,
            new_hits: &case.new_hits,
            total: &case.total,
        };
        let found = effects(
            turned,
            &[("features", &similarity)],
            reference.permutations,
            reference.resamples,
            Key::new(reference.seed).named(&case.name),
        );
        let [effect] = found.as_slice() else {
            panic!("one measure of similarity, one effect");
        };
        let name = &case.name;
        close(effect.rho, case.rho, name);
        close(effect.rho_p, case.rho_p, name);
        if let Some(exact) = case.rho_p_exact {
            // Drawn permutations against all of them: four standard errors.
            let n = reference.permutations as f64;
            let error = 4.0 * (exact * (1.0 - exact) / n).sqrt() + 1.0 / n;
            assert!((effect.rho_p - exact).abs() < error, "{name}");
        }
        for (got, wanted) in [
            (effect.decile_drop, case.decile),
            (effect.rest_drop, case.rest),
            (effect.difference, case.difference),
        ] {
            for (got, wanted) in [got.value, got.low, got.high].into_iter().zip(wanted) {
                close(got, wanted, name);
            }
        }
        close(effect.error_similarity, case.error_similarity, name);
        close(effect.class_similarity, case.class_similarity, name);
        close(effect.error_p, case.error_p, name);
        let errors: u32 = (0..similarity.len())
            .filter(|&c| !similarity[c].is_nan() && case.total[c] > 0)
            .map(|c| case.new_errors[c])
            .sum();
        assert_eq!(effect.new_errors, errors);
    }
}

const CLASSES: usize = 62;
const IMAGES: usize = 40;

/// Predictions before and after a merge that turns images of class c wrong with probability `lost(c)`, and of the
/// wrong ones a tenth right.
fn planted(key: Key, lost: impl Fn(usize) -> f32) -> [Vec<u32>; 3] {
    let labels: Vec<u32> = (0..CLASSES * IMAGES)
        .map(|i| (i % CLASSES) as u32)
        .collect();
    let wrong = |label: u32| (label + 1) % CLASSES as u32;
    let before: Vec<u32> = (0..)
        .zip(&labels)
        .map(|(i, &l)| {
            if key.named("before").unit(i) < 0.9 {
                l
            } else {
                wrong(l)
            }
        })
        .collect();
    let turn = |(i, (&label, &was)): (u64, (&u32, &u32))| {
        let draw = key.named("after").unit(i);
        match was == label {
            true if draw < lost(label as usize) => wrong(label),
            false if draw < 0.1 => label,
            _ => was,
        }
    };
    let after = (0..).zip(labels.iter().zip(&before)).map(turn).collect();
    [labels, before, after]
}

fn found(planted: &[Vec<u32>; 3], similarity: &[f32], key: Key) -> Effect {
    let [labels, before, after] = planted;
    let (new_errors, new_hits) = changes(before, after, labels, CLASSES);
    let turned = Turned {
        new_errors: &new_errors,
        new_hits: &new_hits,
        total: &counts(after, labels, CLASSES).total,
    };
    effects(turned, &[("features", similarity)], 199, 200, key)
        .pop()
        .unwrap()
}

fn similarities(key: Key) -> Vec<f32> {
    (0..CLASSES as u64)
        .map(|c| key.named("similarity").unit(c))
        .collect()
}

#[test]
fn a_loss_of_similar_classes_is_found() {
    let key = Key::new(11);
    let similarity = similarities(key);
    let lost = |c: usize| if similarity[c] > 0.85 { 0.4 } else { 0.02 };
    let effect = found(&planted(key, lost), &similarity, key);
    assert_eq!((effect.classes, effect.decile), (62, 7));
    assert!(effect.rho > 0.3 && effect.rho_p < 0.02, "{effect:?}");
    assert!(effect.difference.low > 0.15 && effect.difference.high < 0.6);
    assert!(effect.error_similarity > effect.class_similarity + 0.1);
    assert_eq!(effect.error_p, 1.0 / 200.0);
    // The same loss of classes that are the least similar goes the other way.
    let reversed: Vec<f32> = similarity.iter().map(|s| -s).collect();
    let effect = found(&planted(key, lost), &reversed, key);
    assert!(effect.rho < -0.3 && effect.difference.high < 0.0);
}

/// Losses that know nothing of the similarity: each p is below 5 % in 5 % of the data sets.
#[test]
fn random_losses_are_called_an_effect_as_often_as_the_level_says() {
    const SETS: u64 = 600;
    let mut positive = [0_u32; 3];
    for set in 0..SETS {
        let key = Key::new(7).index(set);
        // A few classes lose a lot, as after a real merge, but which ones is chance.
        let lost = |c: usize| {
            if key.named("lost").unit(c as u64) < 0.1 {
                0.4
            } else {
                0.03
            }
        };
        let [labels, before, after] = planted(key, lost);
        let (new_errors, new_hits) = changes(&before, &after, &labels, CLASSES);
        let total = counts(&after, &labels, CLASSES).total;
        let turned = Turned {
            new_errors: &new_errors,
            new_hits: &new_hits,
            total: &total,
        };
        let similarity = similarities(key);
        // Intervals are looked at below.
        let effect = effects(turned, &[("features", &similarity)], 199, 1, key)
            .pop()
            .unwrap();
        let context: Vec<usize> = (0..7).collect();
        let counts = [&before, &after].map(|p| counts(p, &labels, CLASSES));
        let contextual = crate::measure::contextual(
            &counts[0],
            &counts[1],
            &[],
            &context,
            &similarity,
            199,
            key,
        );
        // One question, one p.
        assert_eq!(effect.rho_p, contextual.rho_p);
        let ps = [effect.rho_p, effect.error_p, contextual.p_two_sided];
        for (count, p) in positive.iter_mut().zip(ps) {
            *count += u32::from(p <= 0.05);
        }
    }
    // 30 of 600 are expected, with a standard deviation of 5.3.
    for count in positive {
        assert!((12..=48).contains(&count), "{positive:?} of {SETS}");
    }
}

/// Every class loses alike, so that the true difference is 0: the interval leaves it out in about 5 % of test sets.
#[test]
fn intervals_miss_the_truth_as_often_as_they_say() {
    const SETS: u64 = 300;
    let misses = (0..SETS)
        .filter(|&set| {
            let key = Key::new(23).index(set);
            let effect = found(&planted(key, |_| 0.1), &similarities(key), key);
            let Estimate { value, low, high } = effect.difference;
            assert!(low <= value && value <= high);
            low > 0.0 || high < 0.0
        })
        .count();
    // 15 expected; resamples are a little narrower than the truth, and few.
    assert!((5..=30).contains(&misses), "{misses} of {SETS}");
}

#[test]
fn what_cannot_be_computed_is_nan_and_nothing_panics() {
    let none = Turned {
        new_errors: &[],
        new_hits: &[],
        total: &[],
    };
    let effect = effects(none, &[("clip", &[])], 9, 9, Key::new(1))
        .pop()
        .unwrap();
    assert_eq!(
        (effect.classes, effect.decile, effect.new_errors),
        (0, 0, 0)
    );
    for nan in [
        effect.rho,
        effect.rho_p,
        effect.difference.value,
        effect.difference.low,
        effect.error_p,
    ] {
        assert!(nan.is_nan());
    }
    // A class without images, one without a similarity, and no error at all.
    let turned = Turned {
        new_errors: &[0; 4],
        new_hits: &[0; 4],
        total: &[5, 0, 5, 5],
    };
    let similarity = [0.1, 0.2, f32::NAN, 0.3];
    let effect = effects(turned, &[("wordnet", &similarity)], 9, 9, Key::new(1))
        .pop()
        .unwrap();
    assert_eq!((effect.classes, effect.decile), (2, 1));
    assert_eq!(
        (effect.difference.value, effect.difference.high),
        (0.0, 0.0)
    );
    assert!(effect.error_similarity.is_nan() && effect.rho.is_nan());
}

#[test]
fn a_distribution_is_of_shares() {
    let values = [0.0, 0.3, 0.31, 1.0, f32::NAN, 2.0];
    let all = distribution(&values, &|_| 1.0, (0.0, 1.0), 10);
    assert_eq!(all[0], 0.2);
    assert_eq!((all[3], all[9]), (0.4, 0.4));
    assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let weights = [0.0, 3.0, 0.0, 1.0, 9.0, 0.0];
    let some = distribution(&values, &|i| weights[i], (0.0, 1.0), 10);
    assert_eq!((some[3], some[9]), (0.75, 0.25));
    assert_eq!(distribution(&values, &|_| 0.0, (0.0, 1.0), 2), [0.0, 0.0]);
}
