//! Trainings made up for tests.

use crate::run::view::{Point, Spent, Training};

/// A training that took these losses, half a second each.
pub fn training(losses: &[f32]) -> Training {
    let point = |(i, loss): (usize, &f32)| Point {
        step: i + 1,
        loss: *loss,
        lr: 1e-3,
        accuracy: 0.5,
        rate: 64.0,
        spent: Spent {
            seconds: 0.5 * (i + 1) as f64,
            images: 32 * (i + 1),
            waited: None,
        },
    };
    Training {
        number: 1,
        index: 1,
        steps: losses.len(),
        steps_per_epoch: 10,
        points: losses.iter().enumerate().map(point).collect(),
        ..Training::default()
    }
}
