//! Right answers by class.

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
        f64::from(self.correct[class]) / f64::from(self.total[class])
    }
}
