//! What the screen keeps of a run of a sweep, and what all of them are together.

use crate::measure::{Average, smoothed};
use crate::sweep::{Progress, Seen};

/// Points that are kept of a curve at most: more than any screen has dots for.
const POINTS: usize = 600;
/// Weight of the past in the curves of losses.
const BETA: f64 = 0.9;
/// The least loss that has a place on a curve of logarithms.
const LEAST: f64 = 1e-6;

/// A run as the grid shows it.
#[derive(Clone, Debug)]
pub struct Sight {
    /// How it stands.
    pub progress: Progress,
    /// Tasks that are measured or left out.
    pub done: usize,
    /// Tasks of its sequence.
    pub tasks: usize,
    /// Steps of the present training that are done, and all of them; zeros where none is under way.
    pub steps: (usize, usize),
    /// Share of its sequence that is done, from 0 to 1.
    pub share: f64,
    /// Seconds of training and measuring that this took.
    pub seconds: f64,
    /// Common logarithms of the smoothed loss, evenly over all steps, no more than a curve is wide at most.
    pub curve: Vec<f32>,
    /// All steps.
    pub all_steps: usize,
    /// At which of them each training begins, and its task's id.
    pub begun: Vec<(usize, String)>,
    /// Mean accuracy in the last complete row.
    pub accuracy: Average,
    /// Mean forgetting there, first-last.
    pub forgetting: Average,
    /// What the foundation lost until there.
    pub foundation: f64,
}

impl From<&Seen> for Sight {
    fn from(seen: &Seen) -> Self {
        Self {
            progress: seen.progress.clone(),
            done: seen.done,
            tasks: seen.tasks,
            steps: seen.steps,
            share: seen.share,
            seconds: seen.seconds,
            curve: thinned(&seen.losses, &seen.begun),
            all_steps: seen.losses.len(),
            begun: seen.begun.clone(),
            accuracy: seen.accuracy,
            forgetting: seen.forgetting,
            foundation: seen.foundation,
        }
    }
}

impl Sight {
    /// The training under way, by its task's id.
    pub fn task(&self) -> Option<&str> {
        let (_, task) = self.begun.last()?;
        (self.steps.1 > 0).then_some(task.as_str())
    }
}

/// Logarithms of the losses, smoothed within each training, a mean for each of [`POINTS`] equal parts of all of them.
fn thinned(losses: &[f32], begun: &[(usize, String)]) -> Vec<f32> {
    let starts = begun.iter().map(|(step, _)| (*step).min(losses.len()));
    let ends = starts.clone().skip(1).chain([losses.len()]);
    let mut smooth = Vec::with_capacity(losses.len());
    for (from, to) in starts.zip(ends) {
        let training = losses.get(from..to).unwrap_or_default();
        smooth.extend(smoothed(training.iter().map(|l| f64::from(*l)), BETA));
    }
    let points = smooth.len().min(POINTS);
    let part = |i: usize| {
        let (from, to) = (i * smooth.len() / points, (i + 1) * smooth.len() / points);
        let part = &smooth[from..to];
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        mean.max(LEAST).log10() as f32
    };
    (0..points).map(part).collect()
}

/// All runs of a sweep together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Runs.
    pub runs: usize,
    /// Finished ones.
    pub finished: usize,
    /// Those that a process is at work on.
    pub at_work: usize,
    /// Those that nobody has begun.
    pub waiting: usize,
    /// Those that were begun and left.
    pub stopped: usize,
    /// Those that ended by an error.
    pub failed: usize,
    /// Share of all tasks that is done, from 0 to 1.
    pub share: f64,
    /// Seconds until all that can be done is done, if as many work on it as do now; `None` where nobody works or nothing is
    /// known of how long a run takes.
    pub left: Option<f64>,
}

/// Share of a run from which on what it took tells how long it takes.
const TELLING: f64 = 0.05;

impl Totals {
    /// The totals of runs; `None` of those that are not read yet.
    pub fn of(sights: &[Option<Sight>]) -> Self {
        let mut totals = Self {
            runs: sights.len(),
            ..Self::default()
        };
        for sight in sights.iter().flatten() {
            let count = match sight.progress {
                Progress::Waiting => &mut totals.waiting,
                Progress::AtWork(_) => &mut totals.at_work,
                Progress::Stopped => &mut totals.stopped,
                Progress::Finished => &mut totals.finished,
                Progress::Failed(_) => &mut totals.failed,
            };
            *count += 1;
            totals.share += sight.share;
        }
        totals.share /= sights.len().max(1) as f64;
        totals.left = left(sights, totals.at_work);
        totals
    }
}

fn left(sights: &[Option<Sight>], at_work: usize) -> Option<f64> {
    let sights: Option<Vec<&Sight>> = sights.iter().map(Option::as_ref).collect();
    let sights = sights.filter(|_| at_work > 0)?;
    let whole = |sight: &Sight| {
        let tells = sight.share >= TELLING && sight.seconds > 0.0;
        tells.then(|| sight.seconds / sight.share)
    };
    let known: Vec<f64> = sights.iter().filter_map(|s| whole(s)).collect();
    let usual = known.iter().sum::<f64>() / known.len() as f64;
    let rest = |sight: &&Sight| (1.0 - sight.share) * whole(sight).unwrap_or(usual);
    let open = |sight: &&&Sight| {
        let over = matches!(sight.progress, Progress::Finished | Progress::Failed(_));
        !over
    };
    let all: f64 = sights.iter().filter(open).map(&rest).sum();
    let longest = sights.iter().filter(open).map(rest);
    let longest = longest.fold(0.0, f64::max);
    let left = (all / at_work as f64).max(longest);
    (!known.is_empty()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(progress: Progress, share: f64, seconds: f64) -> Option<Sight> {
        let none = Average {
            with_foundation: f64::NAN,
            without_foundation: f64::NAN,
        };
        Some(Sight {
            progress,
            done: 0,
            tasks: 5,
            steps: (0, 0),
            share,
            seconds,
            curve: Vec::new(),
            all_steps: 0,
            begun: Vec::new(),
            accuracy: none,
            forgetting: none,
            foundation: f64::NAN,
        })
    }

    fn at_work() -> Progress {
        Progress::AtWork("process 1 on here".into())
    }

    #[test]
    fn curves_are_thinned_to_means_of_equal_parts() {
        let once = [(0, "parity".to_owned())];
        let thinned = |losses: &[f32]| super::thinned(losses, &once);
        assert!(thinned(&[]).is_empty());
        let constant = thinned(&[0.1; 6001]);
        assert_eq!(constant.len(), POINTS);
        assert!(constant.iter().all(|p| (p + 1.0).abs() < 1e-4));
        assert_eq!(thinned(&[1.0, 1.0]).len(), 2);
        // What is no number leaves the curve as it was, and a loss of nothing has a logarithm.
        assert!(
            thinned(&[1.0, f32::NAN, f32::INFINITY])
                .iter()
                .all(|p| p.abs() < 1e-6)
        );
        assert_eq!(thinned(&[0.0]), [-6.0]);
        let falling: Vec<f32> = (0..2000).map(|i| 2.0 - i as f32 / 1000.0).collect();
        assert!(thinned(&falling).windows(2).all(|w| w[1] < w[0]));
    }

    /// A new task begins where it begins, not where the one before has been forgotten by the average.
    #[test]
    fn each_training_is_smoothed_by_itself() {
        let losses = [[0.01_f32; 10], [1.0; 10]].concat();
        let begun = [(0, "parity".to_owned()), (10, "greek".to_owned())];
        let curve = thinned(&losses, &begun);
        assert!(
            (curve[9] + 2.0).abs() < 1e-4 && curve[10].abs() < 1e-4,
            "{curve:?}"
        );
    }

    #[test]
    fn totals_count_and_say_what_is_left() {
        let sights = [
            sight(Progress::Finished, 1.0, 100.0),
            sight(at_work(), 0.5, 50.0),
            sight(at_work(), 0.0, 0.0),
            sight(Progress::Waiting, 0.0, 0.0),
            sight(Progress::Failed("no".into()), 0.5, 10.0),
            sight(Progress::Stopped, 0.2, 20.0),
        ];
        let totals = Totals::of(&sights);
        let counts = [
            totals.finished,
            totals.at_work,
            totals.waiting,
            totals.failed,
            totals.stopped,
        ];
        assert_eq!(counts, [1, 2, 1, 1, 1]);
        assert!((totals.share - 2.2 / 6.0).abs() < 1e-12);
        // A run takes 100 s, but for the failed one's 20 s: 80 s in the mean. 50, 80, 80 and 80 s of work are left for two.
        assert_eq!(totals.left, Some(145.0));
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        let nobody = [
            sight(Progress::Finished, 1.0, 9.0),
            sight(Progress::Waiting, 0.0, 0.0),
        ];
        assert_eq!(Totals::of(&nobody).left, None);
        assert_eq!(Totals::of(&[sight(at_work(), 0.01, 1.0)]).left, None);
        assert_eq!(Totals::of(&[sight(at_work(), 0.5, 1.0), None]).left, None);
        // One that is nearly alone takes as long as it takes.
        let last = [sight(at_work(), 0.1, 10.0), sight(at_work(), 0.9, 90.0)];
        assert_eq!(Totals::of(&last).left, Some(90.0));
        assert_eq!(Totals::of(&[]).share, 0.0);
    }
}
