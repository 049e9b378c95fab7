//! A run on the screen: the fold over its journal, and what only the present moment knows.

use std::path::PathBuf;
use std::time::Duration;

use super::pace::Pace;
use super::replay::Replay;
use crate::lab::{Pulse, Record, STANDING_STILL, State};
use crate::run::view::Training;
use crate::run::{Machine, RunView};

/// A run, live or read.
pub struct OpenRun {
    /// What the journal says.
    pub view: RunView,
    /// The run's folder.
    pub folder: PathBuf,
    /// Whether a lab is at work on it.
    pub lab: bool,
    /// Whether another process is at work on it; with `lab`, this program has the control of it too.
    pub elsewhere: bool,
    /// All its records, where no lab of this program is at work on it.
    pub replay: Option<Replay>,
    /// What the lab is doing, and since when.
    pub pulse: Option<(Pulse, Duration)>,
    /// Where it was made, if its folder says so.
    pub machine: Option<Machine>,
    pace: Pace,
}

impl OpenRun {
    /// A run without a record yet.
    pub fn new(folder: PathBuf, lab: bool) -> Self {
        Self {
            view: RunView::default(),
            machine: None,
            folder,
            lab,
            elsewhere: false,
            replay: None,
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
            && !self.elsewhere
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

    /// Whether the lab waits for a disk that refuses to be written to.
    fn stands_still(&self) -> bool {
        let pulse = self.pulse.as_ref();
        self.lab && pulse.is_some_and(|(pulse, _)| pulse.what == STANDING_STILL)
    }

    /// Seconds that the rest of a training should take.
    pub fn remaining(&self, training: &Training) -> Option<f64> {
        let done = training.points.last().map_or(0, |p| p.step);
        let left = training.steps.saturating_sub(done);
        Some(self.pace.of(training.number)? * left as f64)
    }

    /// Seconds that a step takes, by the newest that are past a training's first ones.
    pub fn pace(&self) -> Option<f64> {
        self.pace.latest()
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
        let rests = matches!(
            self.view.state,
            State::Finished | State::Failed | State::Idle
        );
        let latest = self.replay.as_ref().is_none_or(Replay::follows);
        match (self.view.paused, self.view.stopped) {
            (_, true) => format!("{status}, stopped"),
            _ if !self.lab && !self.elsewhere && !rests && latest => {
                format!("{status}, interrupted")
            }
            (true, _) => format!("{status}, paused"),
            _ if self.stands_still() => format!("{status}, stands still"),
            _ => status,
        }
    }
}
