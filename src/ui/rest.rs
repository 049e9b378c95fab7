//! How long the rest of a run should take: its steps at the pace of now, and each measurement as long as the last
//! one of the same test set took.

use std::collections::BTreeSet;

use super::open_run::OpenRun;
use crate::lab::State;
use crate::run::RunView;
use crate::run::view::Started;

/// Seconds of work that are left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rest {
    /// In the training under way; `None` where none is.
    pub task: Option<f64>,
    /// In all trainings.
    pub training: f64,
    /// In all measurements.
    pub measuring: f64,
}

impl Rest {
    /// In words, the trainings and the measurements together: `about 12 min, of which 3 min measuring`.
    pub fn words(&self) -> String {
        let all = duration(self.training + self.measuring);
        match self.measuring {
            m if m < 1.0 => format!("about {all}"),
            _ if self.training < 1.0 => format!("about {all} of measuring"),
            m => format!("about {all}, of which {} measuring", duration(m)),
        }
    }
}

/// Seconds as precise as an estimate is: `40 s`, `12 min`, `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    // Nothing takes a hundred years.
    let seconds = seconds.clamp(0.0, 3.2e9);
    match seconds {
        s if s < 20.0 => format!("{:.0} s", s.ceil()),
        s if s < 95.0 => format!("{:.0} s", 5.0 * (s / 5.0).round()),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => {
            let minutes = (s / 60.0).round() as u64;
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    }
}

impl OpenRun {
    /// What is left of the run; `None` where nothing is, or where no pace is known yet.
    pub fn rest(&self) -> Option<Rest> {
        let view = &self.view;
        let started = view.started.as_ref()?;
        if matches!(view.state, State::Failed | State::Finished) {
            return None;
        }
        let open = view.open_training();
        let left = open.map_or(0, |t| {
            let done = t.points.last().map_or(0, |p| p.step);
            t.steps.saturating_sub(done)
        });
        let begun = open.map_or(view.rows.len().max(1), |t| t.index + 1);
        let tasks = started.recipe.tasks.len();
        let to_come: usize = (begun..=tasks).map(|row| steps(view, started, row)).sum();
        let pace = match left + to_come {
            0 => Some(0.0),
            _ => self.pace(),
        }?;
        let task = open.and_then(|t| self.remaining(t)).filter(|_| left > 0);
        let measuring = measuring(view, started)?;
        let rest = Rest {
            task,
            training: pace * (left + to_come) as f64,
            measuring,
        };
        (rest.training + rest.measuring > 0.0).then_some(rest)
    }
}

/// Steps of the training that will lead to a row.
fn steps(view: &RunView, started: &Started, row: usize) -> usize {
    let recipe = &started.recipe;
    let Some(task) = row.checked_sub(1).and_then(|t| recipe.tasks.get(t)) else {
        return 0;
    };
    let before = view.trainings.iter().rev().find(|t| t.step_id == task.id);
    let an_epoch = || {
        let set = started.test_sets.iter().find(|s| s.id == task.column());
        let images = set.map_or(0, |s| s.train_images);
        images.div_ceil(recipe.train.batch_size.max(1))
    };
    let an_epoch = before.map_or_else(an_epoch, |t| t.steps_per_epoch);
    recipe.budget(row - 1).steps(an_epoch)
}

/// Seconds of measuring that are left; `None` before anything was measured.
fn measuring(view: &RunView, started: &Started) -> Option<f64> {
    let images = |id: &str| {
        let set = started.test_sets.iter().find(|s| s.id == id);
        set.map_or(0, |s| s.images) as f64
    };
    let known = || view.rows.iter().flat_map(|row| &row.evaluations);
    let seconds: f64 = known().map(|(_, e)| e.seconds).sum();
    let measured: f64 = known().map(|(id, _)| images(id)).sum();
    let an_image = (measured > 0.0).then(|| seconds / measured)?;
    let one = |id: &str| {
        let last = view.rows.iter().rev().find_map(|r| r.evaluations.get(id));
        last.map_or(an_image * images(id), |e| e.seconds)
    };
    let last_probed = view.rows.iter().rev().find(|r| r.probes.is_some());
    let probing = last_probed.map_or(0.0, |r| r.probing);
    let mut left = 0.0;
    for row in 0..=started.recipe.tasks.len() {
        let there = view.rows.get(row);
        if there.is_some_and(|r| r.complete) {
            continue;
        }
        let missing = |id: &&str| there.is_none_or(|r| !r.evaluations.contains_key(*id));
        left += columns(started, row)
            .into_iter()
            .filter(missing)
            .map(one)
            .sum::<f64>();
        left += there.map_or(probing, |r| if r.probes.is_some() { 0.0 } else { probing });
    }
    Some(left)
}

/// The test sets that a row measures.
fn columns(started: &Started, row: usize) -> BTreeSet<&str> {
    let foundation = started.test_sets.first().map(|s| s.id.as_str());
    let tasks = started.recipe.tasks.iter().take(row);
    foundation
        .into_iter()
        .chain(tasks.map(|t| t.column()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Event;
    use crate::lab::Record;
    use crate::run::testing::{evaluated, measured, sample, started};

    fn run(upto: impl Fn(&Event) -> bool) -> OpenRun {
        let mut run = OpenRun::new("runs/none".into(), true);
        for record in sample() {
            run.apply(&record);
            if upto(&record.event) {
                break;
            }
        }
        run
    }

    #[test]
    fn durations_are_as_precise_as_estimates() {
        let said = [0.2, 19.4, 52.0, 96.0, 754.0, 5399.0, 7512.0].map(duration);
        assert_eq!(
            said,
            [
                "1 s",
                "20 s",
                "50 s",
                "2 min",
                "13 min",
                "90 min",
                "2 h 05 min"
            ]
        );
        assert!(!duration(f64::NAN).is_empty() && !duration(f64::INFINITY).is_empty());
    }

    #[test]
    fn the_rest_is_said_with_its_parts() {
        let words = |training, measuring| {
            let rest = Rest {
                task: None,
                training,
                measuring,
            };
            rest.words()
        };
        assert_eq!(
            words(540.0, 180.0),
            "about 12 min, of which 3 min measuring"
        );
        assert_eq!(words(540.0, 0.0), "about 9 min");
        assert_eq!(words(0.0, 30.0), "about 30 s of measuring");
    }

    /// Before the foundation is measured nothing is known of what measuring takes; before a pace, nothing of training.
    #[test]
    fn there_is_no_estimate_before_there_is_a_pace() {
        assert_eq!(run(|e| matches!(e, Event::RunStarted { .. })).rest(), None);
        assert_eq!(run(|e| matches!(e, Event::Evaluated { .. })).rest(), None);
        assert_eq!(run(|_| false).rest(), None, "the sample is finished");
    }

    /// 240 images of the foundation took 10 s, 26 of 100 steps half a second each.
    #[test]
    fn what_is_left_is_the_steps_and_the_measurements_to_come() {
        let mut run = run(|e| matches!(e, Event::RunStarted { .. }));
        let mut foundation = evaluated(0, "latin", 8);
        if let Event::Evaluated { seconds, .. } = &mut foundation {
            *seconds = 10.0;
        }
        let mut begun = started(1, 1, 100);
        if let Event::TaskStarted { step_id, .. } = &mut begun {
            *step_id = "parity".into();
        }
        let steps = (1..=26).map(|i| crate::run::testing::step(1, i));
        let events = [foundation, measured(0), begun].into_iter().chain(steps);
        let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (i, event) in (0..).zip(events) {
            run.apply(&Record {
                v: crate::lab::JOURNAL_VERSION,
                seq: i,
                time: (start + jiff::SignedDuration::from_millis(500 * i as i64)).to_string(),
                event,
            });
        }
        let rest = run.rest().unwrap();
        // 74 steps of this task, and 4 of each of the three others.
        assert_eq!(rest.task, Some(37.0));
        assert_eq!(rest.training, 43.0);
        // The foundation four times, the tasks of 60, 90, 90 and 60 images four times to once.
        let expected = 40.0 + 4.0 * 2.5 + 3.0 * 3.75 + 2.0 * 3.75 + 2.5;
        assert!((rest.measuring - expected).abs() < 1e-9, "{rest:?}");
    }
}
