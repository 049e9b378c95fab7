//! Right and wrong answers by class.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Right answers and images, by class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Right answers of each class.
    pub correct: Vec<u32>,
    /// Images of each class.
    pub total: Vec<u32>,
}

impl Counts {
    /// Top-1 accuracy over images, NaN without any.
    pub fn accuracy(&self) -> f64 {
        let sum = |v: &[u32]| v.iter().map(|&x| f64::from(x)).sum::<f64>();
        sum(&self.correct) / sum(&self.total)
    }

    /// Accuracy of one class, NaN without images.
    pub fn class_accuracy(&self, class: usize) -> f64 {
        match (self.correct.get(class), self.total.get(class)) {
            (Some(&correct), Some(&total)) => f64::from(correct) / f64::from(total),
            _ => f64::NAN,
        }
    }
}

/// How many wrong answers of a class are kept.
const WRONG_ANSWERS: usize = 3;

/// Right answers and images by class. `predictions` and `labels` are `[images]`, labels are below `classes`.
pub fn counts(predictions: &[u32], labels: &[u32], classes: usize) -> Counts {
    let answers = || predictions.iter().zip(labels);
    Counts {
        correct: tally(classes, answers().filter(|(p, l)| p == l).map(|(_, &l)| l)),
        total: tally(classes, answers().map(|(_, &l)| l)),
    }
}

/// The same of the predictions at `chosen`, indices into `predictions`, whose `labels` are `[chosen]`.
pub fn counts_of(predictions: &[u32], chosen: &[usize], labels: &[u32], classes: usize) -> Counts {
    let chosen: Vec<u32> = chosen.iter().map(|&i| predictions[i]).collect();
    counts(&chosen, labels, classes)
}

/// By class, the new errors (right before a merge, wrong after it) and the new hits (wrong before, right
/// after). `before`, `after` and `labels` are `[images]`, labels are below `classes`.
pub fn changes(
    before: &[u32],
    after: &[u32],
    labels: &[u32],
    classes: usize,
) -> (Vec<u32>, Vec<u32>) {
    let turned = |was_right: bool| {
        let pairs = before.iter().zip(after).zip(labels);
        let turned =
            pairs.filter(move |((b, a), l)| (b == l) == was_right && (a == l) != was_right);
        tally(classes, turned.map(|(_, &l)| l))
    };
    (turned(true), turned(false))
}

/// Where lost predictions went: by class, the answers to its new errors as (class, count), the most frequent first and
/// of equally frequent ones the lower class. As [`changes`].
pub fn lost_to(
    before: &[u32],
    after: &[u32],
    labels: &[u32],
    classes: usize,
) -> Vec<Vec<(usize, u32)>> {
    let lost = before.iter().zip(after).zip(labels);
    let lost = lost.filter(|((b, a), l)| b == l && a != l);
    frequent(classes, lost.map(|((_, &answer), &label)| (label, answer)))
}

/// By class, its most frequent wrong answers as (class, count), at most three, the most frequent first and of
/// equally frequent ones the lower class.
pub fn wrong_answers(
    predictions: &[u32],
    labels: &[u32],
    classes: usize,
) -> Vec<Vec<(usize, u32)>> {
    let wrong = predictions.iter().zip(labels).filter(|(p, l)| p != l);
    let mut answers = frequent(classes, wrong.map(|(&answer, &label)| (label, answer)));
    answers.iter_mut().for_each(|a| a.truncate(WRONG_ANSWERS));
    answers
}

/// By class, how often it got which answer, the most frequent first and of equally frequent ones the lower class.
fn frequent(
    classes: usize,
    label_and_answer: impl Iterator<Item = (u32, u32)>,
) -> Vec<Vec<(usize, u32)>> {
    let mut answers = vec![BTreeMap::<usize, u32>::new(); classes];
    for (label, answer) in label_and_answer {
        if let Some(of_class) = answers.get_mut(label as usize) {
            *of_class.entry(answer as usize).or_default() += 1;
        }
    }
    let sorted = |of_class: BTreeMap<usize, u32>| {
        let mut sorted: Vec<(usize, u32)> = of_class.into_iter().collect();
        // Stable: equal counts stay in order of class.
        sorted.sort_by_key(|&(_, count)| Reverse(count));
        sorted
    };
    answers.into_iter().map(sorted).collect()
}

/// How often each class occurs.
fn tally(classes: usize, labels: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut by_class = vec![0; classes];
    for label in labels {
        if let Some(count) = by_class.get_mut(label as usize) {
            *count += 1;
        }
    }
    by_class
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [u32; 7] = [0, 0, 0, 1, 1, 3, 3];
    const BEFORE: [u32; 7] = [0, 0, 1, 1, 1, 0, 3];
    const AFTER: [u32; 7] = [0, 2, 0, 1, 0, 3, 2];

    #[test]
    fn right_answers_by_class() {
        let counts = counts(&BEFORE, &LABELS, 4);
        assert_eq!(counts.correct, [2, 2, 0, 1]);
        assert_eq!(counts.total, [3, 2, 0, 2]);
        assert_eq!(counts.accuracy(), 5.0 / 7.0);
        assert_eq!(counts.class_accuracy(0), 2.0 / 3.0);
        assert!(counts.class_accuracy(2).is_nan() && counts.class_accuracy(9).is_nan());
        assert!(Counts::default().accuracy().is_nan());
    }

    #[test]
    fn new_errors_and_hits_are_of_single_images() {
        // Class 0 has as many right before as after: one image lost, one won.
        let (errors, hits) = changes(&BEFORE, &AFTER, &LABELS, 4);
        assert_eq!((errors, hits), (vec![1, 1, 0, 1], vec![1, 0, 0, 1]));
        assert_eq!(
            changes(&AFTER, &AFTER, &LABELS, 4),
            (vec![0; 4], vec![0; 4])
        );
    }

    #[test]
    fn errors_less_hits_are_the_loss_of_right_answers() {
        let before = counts(&BEFORE, &LABELS, 4).correct;
        let after = counts(&AFTER, &LABELS, 4).correct;
        let (errors, hits) = changes(&BEFORE, &AFTER, &LABELS, 4);
        for class in 0..4 {
            assert_eq!(before[class] + hits[class], after[class] + errors[class]);
        }
    }

    #[test]
    fn lost_predictions_went_somewhere_each() {
        let lost = lost_to(&BEFORE, &AFTER, &LABELS, 4);
        assert_eq!(lost, [vec![(2, 1)], vec![(0, 1)], vec![], vec![(2, 1)]]);
        let (errors, _) = changes(&BEFORE, &AFTER, &LABELS, 4);
        for (went, errors) in lost.iter().zip(errors) {
            assert_eq!(went.iter().map(|w| w.1).sum::<u32>(), errors);
        }
    }

    #[test]
    fn wrong_answers_most_frequent_first_then_by_class() {
        let labels = [0; 9];
        let predictions = [4, 2, 2, 4, 3, 1, 0, 0, 5];
        let wrong = wrong_answers(&predictions, &labels, 6);
        assert_eq!(wrong[0], [(2, 2), (4, 2), (1, 1)]);
        assert!(wrong[1..].iter().all(Vec::is_empty));
    }
}
