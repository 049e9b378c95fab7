//! A run on the screen: the fold over its journal, and what only the present moment knows.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use crate::lab::{Event, Pulse, Record, State};
use crate::run::RunView;
use crate::run::view::Training;

/// A run, live or read.
pub struct OpenRun {
    /// What the journal says.
    pub view: RunView,
    /// The run's folder.
    pub folder: PathBuf,
    /// Whether a lab is at work on it.
    pub lab: bool,
    /// What the lab is doing, and since when.
    pub pulse: Option<(Pulse, Duration)>,
    pace: Pace,
}

impl OpenRun {
    /// A run without a record yet.
    pub fn new(folder: PathBuf, lab: bool) -> Self {
        Self {
            view: RunView::default(),
            folder,
            lab,
            pulse: None,
            pace: Pace::default(),
        }
    }

    /// Adds a record.
    pub fn apply(&mut self, record: &Record) {
        self.view.apply(record);
        self.pace.note(record);
    }

    /// Whether something would be interrupted by leaving.
    pub fn works(&self) -> bool {
        let goes_on = self.view.automatic && self.view.next_index().is_some();
        self.lab
            && match self.view.state {
                State::Idle
                | State::Training(_)
                | State::Merging(_)
                | State::Measuring(_)
                | State::Previewing(_) => true,
                State::Trained(_) => self.view.automatic,
                State::Measured(_) => goes_on,
                State::Failed | State::Finished => false,
            }
    }

    /// Seconds that the rest of a training should take.
    pub fn remaining(&self, training: &Training) -> Option<f64> {
        let done = training.points.last().map_or(0, |p| p.step);
        let left = training.steps.saturating_sub(done);
        Some(self.pace.seconds_per_step(training.number)? * left as f64)
    }

    /// The foundation's id and how many classes it has.
    pub fn foundation(&self) -> Option<&crate::lab::TestSet> {
        self.view.started.as_ref()?.test_sets.first()
    }

    /// The id of the task that leads to row `index`.
    pub fn task_id(&self, index: usize) -> &str {
        let started = self.view.started.as_ref();
        let task = started.and_then(|s| s.recipe.tasks.get(index.checked_sub(1)?));
        task.map_or("", |t| t.id.as_str())
    }

    /// Where the run stands, in words.
    pub fn status(&self) -> String {
        let tasks = self.view.task_ids().len();
        let task = |t: usize| format!("{t}/{tasks} {}", self.task_id(t));
        let status = match self.view.state {
            _ if self.view.failure.is_some() => "failed".into(),
            State::Failed => "failed".into(),
            State::Idle if self.view.started.is_none() => "opening".into(),
            State::Idle => "measuring the untouched backbone".into(),
            State::Training(t) => format!("training {}", task(t)),
            State::Trained(t) => format!("trained {}, not merged", task(t)),
            State::Merging(t) => format!("merging {}", task(t)),
            State::Measuring(0) => "measuring the untouched backbone".into(),
            State::Measuring(t) => format!("measuring after {}", task(t)),
            State::Previewing(t) => format!("previewing {}", task(t)),
            State::Measured(0) => "ready for the first task".into(),
            State::Measured(t) if self.view.rows.get(t).is_some_and(|r| r.skipped) => {
                format!("left out {}", task(t))
            }
            State::Measured(t) => format!("measured after {}", task(t)),
            State::Finished => "finished".into(),
        };
        match (self.view.paused, self.view.stopped) {
            (_, true) => format!("{status}, stopped"),
            (true, _) => format!("{status}, paused"),
            _ => status,
        }
    }
}

/// First steps that say nothing of the rest: memory is touched, caches fill, kernels are chosen.
const WARM_UP: usize = 5;
/// Steps that the pace is taken from.
const WINDOW: usize = 100;

/// How long steps take by the journal's own clock, so that what lies between them counts too.
#[derive(Default)]
struct Pace {
    training: u32,
    seen: usize,
    steps: VecDeque<(usize, i64)>,
}

impl Pace {
    fn note(&mut self, record: &Record) {
        match &record.event {
            Event::TaskStarted { training, .. } => *self = Self::of(*training),
            // Standing still is no pace.
            Event::Paused | Event::Resumed { .. } => *self = Self::of(self.training),
            Event::Step { training, step, .. } => {
                if *training != self.training {
                    *self = Self::of(*training);
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

    fn of(training: u32) -> Self {
        Self {
            training,
            ..Self::default()
        }
    }

    fn seconds_per_step(&self, training: u32) -> Option<f64> {
        let (first, last) = (self.steps.front()?, self.steps.back()?);
        let steps = last.0.checked_sub(first.0).filter(|n| *n > 2)?;
        let seconds = (last.1 - first.1) as f64 / 1000.0;
        (self.training == training).then_some(seconds / steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::JOURNAL_VERSION;

    fn step(step: usize, second: f64) -> Record {
        let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let time = start + jiff::SignedDuration::from_millis((second * 1000.0) as i64);
        Record {
            v: JOURNAL_VERSION,
            seq: step as u64,
            time: time.to_string(),
            event: Event::Step {
                training: 1,
                step,
                loss: 1.0,
                lr: 1e-3,
                correct: 1,
                images: 32,
                seconds: 0.1,
                waited: None,
            },
        }
    }

    #[test]
    fn slow_first_steps_are_no_pace() {
        let mut pace = Pace::default();
        (1..=5).for_each(|i| pace.note(&step(i, 30.0 * i as f64)));
        assert_eq!(pace.seconds_per_step(1), None);
        (6..=26).for_each(|i| pace.note(&step(i, 150.0 + 0.5 * i as f64)));
        assert!((pace.seconds_per_step(1).unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(pace.seconds_per_step(2), None);
    }
}
