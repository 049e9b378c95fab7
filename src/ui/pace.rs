//! How long steps take.

use std::collections::VecDeque;

use crate::lab::{Event, Record};

/// First steps that say nothing of the rest: memory is touched, caches fill, kernels are chosen.
const WARM_UP: usize = 5;
/// Steps that the pace is taken from.
const WINDOW: usize = 100;

/// How long steps take by the journal's own clock, so that what lies between them counts too.
#[derive(Default)]
pub struct Pace {
    training: u32,
    seen: usize,
    steps: VecDeque<(usize, i64)>,
    /// That of the training before, for what is yet to come.
    before: Option<f64>,
}

impl Pace {
    /// Hears of a record.
    pub fn note(&mut self, record: &Record) {
        match &record.event {
            Event::TaskStarted { training, .. } => self.begin(*training),
            // Standing still is no pace.
            Event::Paused | Event::Resumed { .. } => self.begin(self.training),
            Event::Step { training, step, .. } => {
                if *training != self.training {
                    self.begin(*training);
                }
                self.seen += 1;
                let time = record.time.parse::<jiff::Timestamp>();
                if let (true, Ok(time)) = (self.seen > WARM_UP, time) {
                    self.steps.push_back((*step, time.as_millisecond()));
                    if self.steps.len() > WINDOW {
                        self.steps.pop_front();
                    }
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, training: u32) {
        *self = Self {
            training,
            before: self.latest(),
            ..Self::default()
        };
    }

    /// Seconds a step of this training, once it is past its first ones.
    pub fn of(&self, training: u32) -> Option<f64> {
        self.present().filter(|_| self.training == training)
    }

    /// Seconds a step of the present training, or of the one before as long as that has no pace.
    pub fn latest(&self) -> Option<f64> {
        self.present().or(self.before)
    }

    fn present(&self) -> Option<f64> {
        let (first, last) = (self.steps.front()?, self.steps.back()?);
        let steps = last.0.checked_sub(first.0).filter(|n| *n > 2)?;
        let seconds = (last.1 - first.1) as f64 / 1000.0;
        Some(seconds.max(0.0) / steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::JOURNAL_VERSION;

    fn at(second: f64, event: Event) -> Record {
        let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let time = start + jiff::SignedDuration::from_millis((second * 1000.0) as i64);
        Record {
            v: JOURNAL_VERSION,
            seq: 0,
            time: time.to_string(),
            event,
        }
    }

    fn step(step: usize, second: f64) -> Record {
        at(
            second,
            Event::Step {
                training: 1,
                step,
                loss: 1.0,
                lr: 1e-3,
                correct: 1,
                images: 32,
                seconds: 0.1,
                waited: None,
            },
        )
    }

    #[test]
    fn slow_first_steps_are_no_pace() {
        let mut pace = Pace::default();
        (1..=5).for_each(|i| pace.note(&step(i, 30.0 * i as f64)));
        assert_eq!((pace.of(1), pace.latest()), (None, None));
        (6..=26).for_each(|i| pace.note(&step(i, 150.0 + 0.5 * i as f64)));
        assert!((pace.of(1).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(pace.of(2), None);
    }

    #[test]
    fn a_pause_is_no_step_and_what_was_before_is_remembered() {
        let mut pace = Pace::default();
        (1..=26).for_each(|i| pace.note(&step(i, 0.5 * i as f64)));
        pace.note(&at(13.5, Event::Paused));
        assert_eq!(pace.of(1), None);
        assert!((pace.latest().unwrap() - 0.5).abs() < 1e-9);
        (27..=40).for_each(|i| pace.note(&step(i, 9000.0 + 0.25 * i as f64)));
        assert!((pace.of(1).unwrap() - 0.25).abs() < 1e-9);
    }
}
