//! Smoothed curves, remembered from frame to frame: a step more costs a step.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::measure::MovingAverage;
use crate::run::view::{Point, Training};

/// How strong curves are smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strength(usize);

/// Weights of the past that can be chosen: 0 leaves the curve as it is.
const STRENGTHS: [f64; 6] = [0.0, 0.6, 0.8, 0.9, 0.97, 0.99];

impl Default for Strength {
    /// About the last ten steps count.
    fn default() -> Self {
        Self(3)
    }
}

impl Strength {
    /// The weight of the past.
    pub fn beta(self) -> f64 {
        STRENGTHS[self.0 % STRENGTHS.len()]
    }

    /// Stronger, and after the strongest none.
    pub fn more(self) -> Self {
        Self((self.0 + 1) % STRENGTHS.len())
    }

    /// Weaker, and after none the strongest.
    pub fn less(self) -> Self {
        Self((self.0 + STRENGTHS.len() - 1) % STRENGTHS.len())
    }
}

/// A training's smoothed curves, a value a point.
#[derive(Clone)]
pub struct Smooth {
    /// Of the loss.
    pub loss: Vec<f64>,
    /// Of the accuracy on training batches.
    pub accuracy: Vec<f64>,
    beta: f64,
    averages: [MovingAverage; 2],
    last: Option<Mark>,
}

/// What tells a point from one that replaced it.
type Mark = (usize, u32, u64);

fn mark(point: &Point) -> Mark {
    (
        point.step,
        point.loss.to_bits(),
        point.spent.seconds.to_bits(),
    )
}

impl Smooth {
    fn new(beta: f64) -> Self {
        Self {
            loss: Vec::new(),
            accuracy: Vec::new(),
            beta,
            averages: [MovingAverage::new(beta); 2],
            last: None,
        }
    }

    /// Whether the points begin with those that are in it.
    fn holds(&self, points: &[Point], beta: f64) -> bool {
        let last = self.loss.len().checked_sub(1);
        let there = last.and_then(|at| points.get(at)).map(mark);
        self.beta == beta && there == self.last
    }

    fn extend(&mut self, points: &[Point]) {
        for point in points.iter().skip(self.loss.len()) {
            let [loss, accuracy] = &mut self.averages;
            self.loss.push(loss.push(f64::from(point.loss)));
            let value = accuracy.push(f64::from(point.accuracy));
            self.accuracy.push(value);
        }
        self.last = points.last().map(mark);
    }
}

/// What was smoothed before, by run (0 is the one on the screen) and number of the training.
#[derive(Default)]
pub struct Memo(RefCell<HashMap<(usize, u32), Rc<Smooth>>>);

impl Memo {
    /// The training's smoothed curves.
    pub fn of(&self, run: usize, training: &Training, strength: Strength) -> Rc<Smooth> {
        let beta = strength.beta();
        let mut memo = self.0.borrow_mut();
        let known = memo
            .entry((run, training.number))
            .or_insert_with(|| Rc::new(Smooth::new(beta)));
        if !known.holds(&training.points, beta) {
            *known = Rc::new(Smooth::new(beta));
        }
        if known.loss.len() < training.points.len() {
            Rc::make_mut(known).extend(&training.points);
        }
        Rc::clone(known)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::training;
    use super::*;
    use crate::measure::smoothed;

    fn afresh(training: &Training, beta: f64) -> Vec<f64> {
        smoothed(training.points.iter().map(|p| f64::from(p.loss)), beta)
    }

    #[test]
    fn strengths_go_around() {
        let mut strength = Strength::default();
        assert_eq!(strength.beta(), 0.9);
        let betas: Vec<f64> = (0..6)
            .map(|_| {
                strength = strength.more();
                strength.beta()
            })
            .collect();
        assert_eq!(betas, [0.97, 0.99, 0.0, 0.6, 0.8, 0.9]);
        assert_eq!(strength.more().less(), strength);
    }

    /// A step more, a diverged step, another strength, steps that are void and taken again: always as from the start.
    #[test]
    fn what_is_remembered_is_what_would_be_computed() {
        let memo = Memo::default();
        let strength = Strength::default();
        let mut losses = vec![2.0, 1.0, f32::NAN, 0.5];
        for more in [0.4, f32::INFINITY, 0.3] {
            losses.push(more);
            let training = training(&losses);
            let smooth = memo.of(0, &training, strength);
            assert_eq!(smooth.loss, afresh(&training, 0.9));
            assert_eq!(smooth.accuracy.len(), losses.len());
        }
        let mut again = training(&losses);
        assert_eq!(
            memo.of(0, &again, strength.more()).loss,
            afresh(&again, 0.97)
        );
        again.points.truncate(3);
        assert_eq!(memo.of(0, &again, strength).loss, afresh(&again, 0.9));
        let other = training(&[9.0, 8.0, 7.0, 6.0]);
        assert_eq!(memo.of(0, &other, strength).loss, afresh(&other, 0.9));
        assert_eq!(memo.of(1, &again, strength).loss, afresh(&again, 0.9));
        let unsmoothed = memo.of(0, &other, strength.less().less().less());
        assert_eq!(unsmoothed.loss, [9.0, 8.0, 7.0, 6.0]);
    }
}
