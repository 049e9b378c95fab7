//! How far the runs of a sweep are, as their journals say, whoever writes them.

use std::ops::Index;
use std::path::{Path, PathBuf};

use super::Sweep;
use crate::Error;
use crate::lab::State;
use crate::measure::{Average, Forgetting};
use crate::run::view::{Row, TrainingEnd};
use crate::run::{Follower, RunView, lock};

/// Minutes without a record after which that is said, and again after as many more.
const QUIET: u64 = 10;

/// Whether somebody works on a run of a sweep, and whether there is anything left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was done yet.
    Waiting,
    /// A process works on it: which, and where.
    AtWork(String),
    /// It was begun, nobody works on it, and it is not finished.
    Stopped,
    /// Every task is measured or left out.
    Finished,
    /// This ended it.
    Failed(String),
}

impl Progress {
    /// In a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::AtWork(_) => "at work",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether a process that begins now has something to do for it.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Finished | Self::AtWork(_))
    }
}

/// A run of a sweep at this moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How it stands.
    pub progress: Progress,
    /// Tasks that are measured or left out.
    pub done: usize,
    /// Tasks of its sequence.
    pub tasks: usize,
    /// Steps of the present training that are done, and all of them; zeros where none is under way.
    pub steps: (usize, usize),
    /// Share of its sequence that is done, every task counting the same, from 0 to 1.
    pub share: f64,
    /// Training losses of all steps so far, one after another.
    pub losses: Vec<f32>,
    /// Where among them each training begins, and its task's id.
    pub begun: Vec<(usize, String)>,
    /// Seconds of training and of measuring that `share` took.
    pub seconds: f64,
    /// Mean accuracy in the last complete row; NaN before there is one.
    pub accuracy: Average,
    /// Mean forgetting there, first-last.
    pub forgetting: Average,
    /// What the foundation lost until there, first-last; NaN before there is a row.
    pub foundation: f64,
}

/// The runs of a sweep, followed as other processes write them.
pub struct Watch {
    followed: Vec<Followed>,
}

struct Followed {
    folder: PathBuf,
    refusal: PathBuf,
    tasks: usize,
    journal: Follower,
    /// Of a run that was finished when it was last read: nothing. A sweep has many of them, and each takes as much memory as
    /// a quarter of its journal.
    view: RunView,
    /// The journal is damaged so.
    trouble: Option<String>,
    /// The file system refused so.
    unread: Option<String>,
    seen: Seen,
}

impl Watch {
    /// Nothing is read before [`Watch::look`].
    pub fn new(sweep: &Sweep) -> Self {
        let mut watch = Self {
            followed: Vec::new(),
        };
        watch.follow(sweep);
        watch
    }

    /// Follows the runs that the sweep has now; of those that were followed before nothing is read again.
    pub fn follow(&mut self, sweep: &Sweep) {
        let mut before = std::mem::take(&mut self.followed);
        let followed = sweep.cells.iter().map(|cell| {
            let folder = sweep.run(cell);
            match before.iter().position(|f| f.folder == folder) {
                Some(place) => before.swap_remove(place),
                None => Followed::new(folder, sweep.refusal(cell), cell.recipe.tasks.len()),
            }
        });
        self.followed = followed.collect();
    }

    /// Reads what is new, until `enough` says so (asked between two runs); says whether anything changed.
    pub fn look(&mut self, enough: &dyn Fn() -> bool) -> bool {
        let mut changed = false;
        for followed in &mut self.followed {
            if enough() {
                break;
            }
            changed |= followed.look();
        }
        changed
    }

    /// Reads what is new of one run; says whether anything changed.
    pub fn look_at(&mut self, cell: usize) -> bool {
        self.followed.get_mut(cell).is_some_and(Followed::look)
    }

    /// Why a run's journal cannot be read at this moment, where the file system refuses; what was read before stays.
    pub fn unread(&self) -> Option<&str> {
        self.followed.iter().find_map(|f| f.unread.as_deref())
    }

    /// Why the run at this place cannot be read now.
    pub fn unread_of(&self, cell: usize) -> Option<&str> {
        self.followed.get(cell)?.unread.as_deref()
    }

    /// The runs, in the sweep's order.
    pub fn seen(&self) -> impl ExactSizeIterator<Item = &Seen> {
        self.followed.iter().map(|f| &f.seen)
    }
}

impl Index<usize> for Watch {
    type Output = Seen;

    /// The run at this place of the sweep.
    fn index(&self, cell: usize) -> &Seen {
        &self.followed[cell].seen
    }
}

fn journal(run: &Path) -> Follower {
    Follower::new(run.join("journal.jsonl"))
}

impl Followed {
    fn new(folder: PathBuf, refusal: PathBuf, tasks: usize) -> Self {
        Self {
            journal: journal(&folder),
            tasks,
            view: RunView::default(),
            trouble: None,
            unread: None,
            seen: Seen::nothing(tasks),
            folder,
            refusal,
        }
    }

    fn look(&mut self) -> bool {
        let mut changed = false;
        self.unread = None;
        // Until nothing is new: what is behind the last records may be damaged, which the next look tells.
        loop {
            match self.journal.advance() {
                Ok(news) => {
                    if news.anew {
                        self.view = RunView::default();
                        self.trouble = None;
                        changed = true;
                    }
                    if news.records.is_empty() {
                        break;
                    }
                    changed = true;
                    // A finished run goes on where its user undoes something: all of it is read again.
                    if self.seen.progress == Progress::Finished && !news.anew {
                        self.journal = journal(&self.folder);
                        self.view = RunView::default();
                        self.seen = Seen::nothing(self.tasks);
                        continue;
                    }
                    for record in &news.records {
                        self.view.apply(record);
                    }
                }
                // A file server that is away for a while says nothing of the run.
                Err(error @ Error::Io { .. }) => {
                    self.unread = Some(error.to_string());
                    return false;
                }
                Err(error) => {
                    let text = Some(error.to_string());
                    changed |= self.trouble != text;
                    self.trouble = text;
                    break;
                }
            }
        }
        if !changed && self.seen.progress == Progress::Finished {
            return false;
        }
        let progress = self.progress();
        if changed {
            self.seen = Seen::of(&self.view, self.tasks, progress);
            if self.seen.progress == Progress::Finished {
                self.view = RunView::default();
            }
            return true;
        }
        let before = std::mem::replace(&mut self.seen.progress, progress);
        before != self.seen.progress
    }

    fn progress(&self) -> Progress {
        if let Some(trouble) = &self.trouble {
            return Progress::Failed(trouble.clone());
        }
        progress_of(&self.view, &self.folder, &self.refusal)
    }
}

/// How a run stands whose journal says `view`; `refusal` may say why there is none.
fn progress_of(view: &RunView, folder: &Path, refusal: &Path) -> Progress {
    if view.state == State::Finished {
        return Progress::Finished;
    }
    if let Some(holder) = lock::holder(folder) {
        let who = format!("process {} on {}", holder.process, holder.host);
        return Progress::AtWork(who + &quiet(folder).unwrap_or_default());
    }
    match &view.failure {
        Some(failure) => Progress::Failed(failure.clone()),
        None if view.state == State::Failed => Progress::Failed("it failed".into()),
        None if view.started.is_none() => match std::fs::read_to_string(refusal) {
            Ok(why) => Progress::Failed(why.trim().to_owned()),
            Err(_) => Progress::Waiting,
        },
        None => Progress::Stopped,
    }
}

/// What is said of a run at work whose journal has not grown for long: it may measure something large, or stand still since
/// the disk is full.
fn quiet(folder: &Path) -> Option<String> {
    let written = std::fs::metadata(folder.join("journal.jsonl")).ok()?;
    let minutes = written.modified().ok()?.elapsed().ok()?.as_secs() / 60;
    // In steps, so that it is no news each minute.
    let minutes = minutes / QUIET * QUIET;
    (minutes > 0).then(|| format!(", nothing new for {minutes} minutes"))
}

impl Seen {
    /// How much of it is done, in percent: all only where all is done.
    pub fn percent(&self) -> f64 {
        match self.progress {
            Progress::Finished => 100.0,
            _ => (100.0 * self.share).min(99.0),
        }
    }

    fn nothing(tasks: usize) -> Self {
        Self::of(&RunView::default(), tasks, Progress::Waiting)
    }

    fn of(view: &RunView, tasks: usize, progress: Progress) -> Self {
        let matrix = view.matrix();
        let last = view.last_complete().map_or(0, |row| row.index);
        let done = |row: &&Row| row.index > 0 && (row.complete || row.skipped);
        let done = view.rows.iter().filter(done).count();
        let steps = view.open_training().map_or((0, 0), |training| {
            let taken = training.points.last().map_or(0, |p| p.step);
            (taken, training.steps)
        });
        let void = |end| matches!(end, TrainingEnd::Discarded | TrainingEnd::Undone);
        // A task whose training is over counts wholly while its row is measured.
        let is_whole = |index: usize| {
            view.rows
                .get(index)
                .is_some_and(|r| r.complete || r.skipped)
        };
        let present = view.trainings.last();
        let present = present.filter(|t| !void(t.end) && !is_whole(t.index) && t.steps > 0);
        let part = present.map_or(0.0, |training| {
            let taken = training.points.last().map_or(0, |p| p.step);
            taken as f64 / training.steps as f64
        });
        let kept = || view.trainings.iter().filter(|t| !void(t.end));
        let mut losses = Vec::new();
        let mut begun = Vec::new();
        for training in kept() {
            begun.push((losses.len(), training.step_id.clone()));
            losses.extend(training.points.iter().map(|p| p.loss));
        }
        let trained: f64 = kept().map(|t| t.spent().seconds).sum();
        let measured = |row: &Row| {
            let tests = row.evaluations.values().map(|e| e.seconds);
            row.probing + tests.sum::<f64>()
        };
        Self {
            seconds: trained + view.rows.iter().map(measured).sum::<f64>(),
            share: match progress {
                Progress::Finished => 1.0,
                _ => ((done as f64 + part) / tasks.max(1) as f64).min(1.0),
            },
            losses,
            begun,
            progress,
            done,
            tasks,
            steps,
            accuracy: matrix.average_accuracy(last),
            forgetting: matrix.average_forgetting(Forgetting::FirstLast, last),
            foundation: matrix.forgetting(Forgetting::FirstLast, last, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Axes;
    use super::*;
    use crate::lab::Event;
    use crate::run::journal::to_line;
    use crate::run::testing::{records, sample, whole_sample};

    /// A sweep of one run, its folder, and the way to write its journal.
    fn sweep() -> (tempfile::TempDir, Sweep, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let axes = Axes {
            presets: vec!["demo".into()],
            ..Axes::default()
        };
        let (sweep, _) = Sweep::with(dir.path(), axes.cells().unwrap()).unwrap();
        sweep.write().unwrap();
        let run = sweep.run(&sweep.cells[0]);
        (dir, sweep, run)
    }

    fn put(run: &Path, records: &[crate::lab::Record]) {
        fs::create_dir_all(run).unwrap();
        let lines: Vec<String> = records.iter().map(|r| to_line(r).unwrap() + "\n").collect();
        // Another file, as a journal grows only at its end.
        fs::write(run.join("new"), lines.concat()).unwrap();
        fs::rename(run.join("new"), run.join("journal.jsonl")).unwrap();
    }

    #[test]
    fn runs_are_what_their_journals_say() {
        let (_dir, sweep, run) = sweep();
        let mut watch = Watch::new(&sweep);
        let mut look = || {
            let changed = watch.look(&|| false);
            (changed, watch.seen().next().unwrap().clone())
        };
        let (changed, seen) = look();
        assert!(
            !changed
                && seen.progress == Progress::Waiting
                && seen.accuracy.with_foundation.is_nan()
        );
        assert!(seen.progress.is_open());

        let all = whole_sample();
        put(&run, &all[..all.len() / 2]);
        let (changed, seen) = look();
        assert!(changed && seen.progress == Progress::Stopped, "{seen:?}");
        assert!(!seen.losses.is_empty() && seen.share > 0.0 && seen.share < 1.0);
        assert_eq!(seen.begun[0], (0, "parity".to_owned()));
        assert!(seen.begun.windows(2).all(|w| w[0].0 < w[1].0) && seen.seconds > 0.0);
        assert!(!look().0);

        put(&run, &sample());
        let (changed, seen) = look();
        assert!(changed && seen.progress == Progress::Finished, "{seen:?}");
        assert_eq!((seen.done, seen.share), (seen.tasks.min(seen.done), 1.0));
        assert!(!seen.progress.is_open() && seen.foundation.is_finite());
    }

    /// Of a finished run nothing is kept but its figures; one that goes on is read anew.
    #[test]
    fn a_finished_run_may_go_on() {
        let (_dir, sweep, run) = sweep();
        let mut watch = Watch::new(&sweep);
        let all = sample();
        put(&run, &all);
        assert!(watch.look(&|| false) && watch[0].progress == Progress::Finished);
        let finished = watch[0].clone();
        assert!(!watch.look(&|| false));
        let mut more = records([Event::Undone {
            index: finished.done,
        }]);
        more[0].seq = all.len() as u64;
        let line = to_line(&more[0]).unwrap() + "\n";
        let journal = fs::OpenOptions::new()
            .append(true)
            .open(run.join("journal.jsonl"));
        std::io::Write::write_all(&mut journal.unwrap(), line.as_bytes()).unwrap();
        assert!(watch.look(&|| false) && !watch.look(&|| false));
        assert_eq!(watch[0].progress, Progress::Stopped);
        assert_eq!(watch[0].done, finished.done - 1);
        assert!(!watch[0].losses.is_empty() && watch[0].foundation.is_finite());
    }

    #[test]
    fn a_run_that_stands_still_is_told_of() {
        let (_dir, sweep, run) = sweep();
        put(&run, &whole_sample()[..9]);
        let mut watch = Watch::new(&sweep);
        let journal = fs::File::options()
            .write(true)
            .open(run.join("journal.jsonl"))
            .unwrap();
        let _lock = lock::Lock::take(&journal, &run).unwrap();
        let mut who = |minutes: u64| {
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(60 * minutes);
            journal.set_modified(then).unwrap();
            watch.look(&|| false);
            match &watch[0].progress {
                Progress::AtWork(who) => who.clone(),
                other => panic!("{other:?}"),
            }
        };
        assert!(!who(9).contains("nothing new"));
        assert!(who(25).ends_with(", nothing new for 20 minutes"));
    }

    #[test]
    fn a_failure_and_damage_say_their_sentence() {
        let (_dir, sweep, run) = sweep();
        let mut watch = Watch::new(&sweep);
        let failed = Event::Failed {
            message: "the loss is NaN".into(),
        };
        let mut failing = sample();
        failing.truncate(1);
        failing.extend(records([failed]));
        for (seq, record) in failing.iter_mut().enumerate() {
            record.seq = seq as u64;
        }
        put(&run, &failing);
        assert!(watch.look(&|| false));
        let progress = watch.seen().next().unwrap().progress.clone();
        assert_eq!(progress, Progress::Failed("the loss is NaN".into()));
        // A run that could not begin has no journal.
        fs::remove_file(run.join("journal.jsonl")).unwrap();
        fs::write(sweep.refusal(&sweep.cells[0]), "there is no data\n").unwrap();
        assert!(watch.look(&|| false));
        assert_eq!(
            watch[0].progress,
            Progress::Failed("there is no data".into())
        );
        assert!(watch[0].progress.is_open());
        fs::write(run.join("journal.jsonl"), "{}\n{}\n").unwrap();
        assert!(watch.look(&|| false));
        match &watch.seen().next().unwrap().progress {
            Progress::Failed(text) => assert!(text.contains("damaged at line 1"), "{text}"),
            other => panic!("{other:?}"),
        }
        assert!(!watch.look(&|| false));
        assert!(!watch.look(&|| true));
    }

    #[test]
    fn runs_that_are_added_are_followed_and_the_others_not_read_again() {
        let (_dir, sweep, run) = sweep();
        put(&run, &sample());
        let mut watch = Watch::new(&sweep);
        assert!(watch.look_at(0) && !watch.look_at(0) && !watch.look_at(1));
        let axes = Axes {
            presets: vec!["demo".into()],
            seeds: vec![7],
            ..Axes::default()
        };
        let (mut more, _) = Sweep::with(sweep.root(), axes.cells().unwrap()).unwrap();
        more.cells.rotate_left(1);
        watch.follow(&more);
        let progress: Vec<Progress> = watch.seen().map(|s| s.progress.clone()).collect();
        assert_eq!(progress, [Progress::Waiting, Progress::Finished]);
        assert!(!watch.look(&|| false), "it was read before");
    }

    /// A journal that cannot be read for a while is no failure of its run.
    #[test]
    fn what_was_read_stays_while_the_file_system_refuses() {
        let (_dir, sweep, run) = sweep();
        put(&run, &sample());
        let mut watch = Watch::new(&sweep);
        assert!(watch.look(&|| false) && watch.unread().is_none());
        // Root reads whatever the permissions say: a folder is no file to anybody.
        fs::remove_file(run.join("journal.jsonl")).unwrap();
        fs::create_dir(run.join("journal.jsonl")).unwrap();
        assert!(!watch.look(&|| false));
        assert!(watch.unread().unwrap().contains("journal.jsonl"));
        assert_eq!(watch.seen().next().unwrap().progress, Progress::Finished);
        fs::remove_dir(run.join("journal.jsonl")).unwrap();
        put(&run, &sample());
        watch.look(&|| false);
        assert!(watch.unread().is_none());
        assert_eq!(watch.seen().next().unwrap().progress, Progress::Finished);
    }
}
