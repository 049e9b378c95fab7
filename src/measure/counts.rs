//! Right and wrong answers by class.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

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

/// Right answers and images by class. `predictions` and `labels` are `[images]`, classes are 0..`classes`.
///
/// # Errors
/// [`Error::Internal`] if the lengths differ or a label is no class.
pub fn counts(predictions: &[u32], labels: &[u32], classes: usize) -> Result<Counts> {
    let right = tally(labels, classes, predictions.len(), |i, label| {
        predictions.get(i) == Some(&label)
    })?;
    let total = tally(labels, classes, predictions.len(), |_, _| true)?;
    Ok(Counts {
        correct: right,
        total,
    })
}

/// By class, the images that were right before a merge and are wrong after it. All are `[images]`.
///
/// # Errors
/// As [`counts`].
pub fn new_errors(
    before: &[u32],
    after: &[u32],
    labels: &[u32],
    classes: usize,
) -> Result<Vec<u32>> {
    same_length(before, after)?;
    tally(labels, classes, after.len(), |i, label| {
        before.get(i) == Some(&label) && after.get(i) != Some(&label)
    })
}

/// By class, the images that were wrong before a merge and are right after it.
///
/// # Errors
/// As [`counts`].
pub fn new_hits(before: &[u32], after: &[u32], labels: &[u32], classes: usize) -> Result<Vec<u32>> {
    new_errors(after, before, labels, classes)
}

/// By class, its most frequent wrong answers as (class, count), at most three, the most frequent first and of
/// equally frequent ones the lower class.
///
/// # Errors
/// As [`counts`].
pub fn wrong_answers(
    predictions: &[u32],
    labels: &[u32],
    classes: usize,
) -> Result<Vec<Vec<(usize, u32)>>> {
    tally(labels, classes, predictions.len(), |_, _| true)?;
    let mut answers = vec![std::collections::BTreeMap::<usize, u32>::new(); classes];
    for (&answer, &label) in predictions.iter().zip(labels) {
        if answer != label
            && let Some(of_class) = answers.get_mut(label as usize)
        {
            *of_class.entry(answer as usize).or_default() += 1;
        }
    }
    Ok(answers
        .into_iter()
        .map(|of_class| {
            let mut sorted: Vec<(usize, u32)> = of_class.into_iter().collect();
            // Stable: equal counts stay in order of class.
            sorted.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
            sorted.truncate(WRONG_ANSWERS);
            sorted
        })
        .collect())
}

fn same_length(a: &[u32], b: &[u32]) -> Result<()> {
    if a.len() == b.len() {
        return Ok(());
    }
    Err(Error::internal(format!(
        "{} predictions are compared with {}",
        a.len(),
        b.len()
    )))
}

/// Counts, by label, the images for which `counted(image, label)`.
fn tally(
    labels: &[u32],
    classes: usize,
    predictions: usize,
    counted: impl Fn(usize, u32) -> bool,
) -> Result<Vec<u32>> {
    if predictions != labels.len() {
        return Err(Error::internal(format!(
            "{predictions} predictions for {} labels",
            labels.len()
        )));
    }
    let mut by_class = vec![0; classes];
    for (i, &label) in labels.iter().enumerate() {
        let count = by_class.get_mut(label as usize).ok_or_else(|| {
            Error::internal(format!("image {i} has label {label} of {classes} classes"))
        })?;
        *count += u32::from(counted(i, label));
    }
    Ok(by_class)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [u32; 7] = [0, 0, 0, 1, 1, 3, 3];
    const BEFORE: [u32; 7] = [0, 0, 1, 1, 1, 0, 3];
    const AFTER: [u32; 7] = [0, 2, 0, 1, 0, 3, 2];

    #[test]
    fn right_answers_by_class() {
        let counts = counts(&BEFORE, &LABELS, 4).unwrap();
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
        assert_eq!(
            new_errors(&BEFORE, &AFTER, &LABELS, 4).unwrap(),
            [1, 1, 0, 1]
        );
        assert_eq!(new_hits(&BEFORE, &AFTER, &LABELS, 4).unwrap(), [1, 0, 0, 1]);
        assert_eq!(new_errors(&AFTER, &AFTER, &LABELS, 4).unwrap(), [0; 4]);
    }

    #[test]
    fn errors_less_hits_are_the_loss_of_right_answers() {
        let before = counts(&BEFORE, &LABELS, 4).unwrap().correct;
        let after = counts(&AFTER, &LABELS, 4).unwrap().correct;
        let errors = new_errors(&BEFORE, &AFTER, &LABELS, 4).unwrap();
        let hits = new_hits(&BEFORE, &AFTER, &LABELS, 4).unwrap();
        for class in 0..4 {
            assert_eq!(before[class] + hits[class], after[class] + errors[class]);
        }
    }

    #[test]
    fn wrong_answers_most_frequent_first_then_by_class() {
        let labels = [0; 9];
        let predictions = [4, 2, 2, 4, 3, 1, 0, 0, 5];
        let wrong = wrong_answers(&predictions, &labels, 6).unwrap();
        assert_eq!(wrong[0], [(2, 2), (4, 2), (1, 1)]);
        assert!(wrong[1..].iter().all(Vec::is_empty));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(counts(&[0], &[0, 1], 2).is_err());
        assert!(counts(&[0, 1], &[0, 2], 2).is_err());
        assert!(new_errors(&[0], &[0, 1], &[0, 1], 2).is_err());
        assert!(wrong_answers(&[0], &[0, 1], 2).is_err());
    }
}
