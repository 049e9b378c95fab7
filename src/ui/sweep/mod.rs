//! A sweep on the screen: its runs as a grid, as far as other processes and other machines are with them.

mod arrange;
mod sight;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::actions::{Action, PAGE, Screen};
use super::app::{App, Busy};
use super::effect::Effect;
use super::theme::Ink;
use super::views::{body, sweep::Geometry};
use crate::sweep::Progress;

pub use arrange::{Arrangement, Planned};
pub use sight::{Sight, Totals};
pub use watch::{News, follow};

/// Time without a word from the folder after which it is said that it does not answer.
const PATIENCE: Duration = Duration::from_secs(6);

/// The sweep that is open.
pub struct OpenSweep {
    /// Its folder.
    pub folder: PathBuf,
    /// Its runs; nothing until they are read.
    pub runs: Arc<Arrangement>,
    /// What is known of each of them, in the sweep's order; `None` of those that are not read yet.
    pub sights: Vec<Option<Sight>>,
    /// All of them together.
    pub totals: Totals,
    /// Logarithms of the losses that the lowest and the highest dot of every curve stand for.
    pub range: (f32, f32),
    /// How many runs are read, until all of them are.
    pub reading: Option<usize>,
    /// Why the folder cannot be read now.
    pub trouble: Option<String>,
    /// The run under the cursor, by its place in the sweep.
    pub chosen: usize,
    /// Whether runs are listed one below the other even where there is room for a grid.
    pub listed: bool,
    /// Whether more is said of the run under the cursor.
    pub details: bool,
    /// When the folder was last heard of.
    heard: Duration,
}

impl OpenSweep {
    /// A sweep of which nothing is read yet.
    pub fn new(folder: PathBuf, now: Duration) -> Self {
        Self {
            folder,
            runs: Arc::default(),
            sights: Vec::new(),
            totals: Totals::default(),
            range: (0.0, 1.0),
            reading: Some(0),
            trouble: None,
            chosen: 0,
            listed: false,
            details: true,
            heard: now,
        }
    }

    /// The run under the cursor, and what is known of it.
    pub fn run(&self) -> Option<(&Planned, Option<&Sight>)> {
        let run = self.runs.runs.get(self.chosen)?;
        Some((run, self.sights.get(self.chosen)?.as_ref()))
    }

    /// Seconds for which the folder has not answered, where these are many.
    pub fn silence(&self, now: Duration) -> Option<u64> {
        let silent = now.saturating_sub(self.heard);
        (silent >= PATIENCE).then_some(silent.as_secs())
    }

    /// Whether a run has failed.
    pub fn has_failed(&self) -> bool {
        self.totals.failed > 0
    }

    /// Takes what was found; says whether anything is shown otherwise than before.
    fn take(&mut self, news: News, now: Duration) -> bool {
        let silent = self.silence(now).is_some();
        self.heard = now;
        let shown = (news.reading, &news.trouble);
        // A folder that is away says nothing of what was read of it.
        let reading = match news.trouble {
            Some(_) => self.reading,
            None => news.reading,
        };
        let mut changed = silent || shown != (self.reading, &self.trouble);
        (self.reading, self.trouble) = (reading, news.trouble);
        if let Some(runs) = news.runs {
            self.rearrange(runs);
            changed = true;
        }
        changed |= !news.sights.is_empty();
        for (run, sight) in news.sights {
            if let Some(place) = self.sights.get_mut(run) {
                *place = Some(sight);
            }
        }
        if changed {
            self.totals = Totals::of(&self.sights);
            self.range = range(&self.sights);
        }
        changed
    }

    /// Other runs than before: the cursor and what is known go with their names.
    fn rearrange(&mut self, runs: Arc<Arrangement>) {
        let before = std::mem::replace(&mut self.runs, runs);
        let mut known = std::mem::take(&mut self.sights);
        let place = |id: &str| before.runs.iter().position(|run| run.id == id);
        let of = |run: &Planned| known.get_mut(place(&run.id)?)?.take();
        self.sights = self.runs.runs.iter().map(of).collect();
        let under = before.runs.get(self.chosen).map(|run| run.id.as_str());
        let mut now = self.runs.runs.iter();
        self.chosen = now
            .position(|run| Some(run.id.as_str()) == under)
            .unwrap_or(0);
    }

    fn go(&mut self, action: Action, is_grid: bool) {
        let last = self.runs.runs.len().saturating_sub(1);
        match self.runs.place(self.chosen).filter(|_| is_grid) {
            Some(place) => self.go_in_grid(action, place),
            None => self.chosen = action.moved(self.chosen, last),
        }
    }

    fn go_in_grid(&mut self, action: Action, (row, column): (usize, usize)) {
        let cells = &self.runs.cells;
        let ordered = |reverse: bool| {
            let all = || cells.iter().flatten().flatten();
            if reverse {
                all().next_back()
            } else {
                all().next()
            }
        };
        let sideways = |by: isize| {
            let mut columns: Vec<usize> = (0..cells[row].len()).collect();
            columns.retain(|c| if by < 0 { *c < column } else { *c > column });
            if by < 0 {
                columns.reverse();
            }
            columns.into_iter().find_map(|c| cells[row][c])
        };
        let to = match action {
            Action::Up | Action::Down | Action::PageUp | Action::PageDown => {
                let by = match action {
                    Action::Up => -1,
                    Action::Down => 1,
                    Action::PageUp => -PAGE,
                    _ => PAGE,
                };
                let to = row.saturating_add_signed(by).min(cells.len() - 1);
                // Where nothing is planned in this column, the nearest one.
                let there = cells[to].iter().enumerate();
                let there = there.filter_map(|(c, cell)| Some((c.abs_diff(column), (*cell)?)));
                there.min_by_key(|(far, _)| *far).map(|(_, run)| run)
            }
            Action::Left => sideways(-1),
            Action::Right => sideways(1),
            Action::Home => ordered(false).copied(),
            Action::End => ordered(true).copied(),
            _ => None,
        };
        self.chosen = to.unwrap_or(self.chosen);
    }

    /// Puts the cursor on the next run that has failed, around the end.
    fn next_failed(&mut self) {
        let failed = |run: &usize| {
            let sight = self.sights.get(*run).and_then(Option::as_ref);
            sight.is_some_and(|s| matches!(s.progress, Progress::Failed(_)))
        };
        let after = self.chosen + 1..self.sights.len();
        if let Some(run) = after.chain(0..self.chosen).find(failed) {
            self.chosen = run;
        }
    }
}

/// From where to where all but the outermost hundredths of all points lie.
fn range(sights: &[Option<Sight>]) -> (f32, f32) {
    let curves = sights.iter().flatten().map(|sight| &sight.curve);
    let mut points: Vec<f32> = curves
        .flat_map(|curve| curve.iter().step_by(3))
        .copied()
        .filter(|p| p.is_finite())
        .collect();
    points.sort_unstable_by(f32::total_cmp);
    let Some(last) = points.len().checked_sub(1) else {
        return (0.0, 1.0);
    };
    (points[last / 100], points[last - last / 100])
}

impl App {
    /// Opens the grid of a sweep; its runs come when they are read.
    pub fn open_sweep(&mut self, folder: &Path) {
        let same = self
            .sweep
            .as_ref()
            .is_some_and(|open| open.folder == folder);
        if !same {
            self.sweep = Some(OpenSweep::new(folder.to_path_buf(), self.now));
        }
        self.runs.sweep = Some(folder.to_path_buf());
        self.screen = Screen::Sweep;
        self.touch();
    }

    /// Something new of a sweep's folder; whether a frame is due decides what it is.
    pub fn on_swept(&mut self, folder: &Path, news: News) {
        let now = self.now;
        let open = self.sweep.as_mut().filter(|open| open.folder == folder);
        if open.is_some_and(|open| open.take(news, now)) {
            self.on_sweep_moved();
        }
    }

    /// Goes back from a run to the grid, or from the grid to the list of runs.
    pub(super) fn back(&mut self) -> Vec<Effect> {
        if self.screen != Screen::Sweep {
            self.screen = Screen::Sweep;
            return Vec::new();
        }
        self.sweep = None;
        self.go(Screen::Runs)
    }

    pub(super) fn on_sweep_action(&mut self, action: Action) -> Vec<Effect> {
        let size = body(self.size.0, self.size.1);
        let Some(open) = &mut self.sweep else {
            return Vec::new();
        };
        let chosen = open.run().map(|(run, sight)| {
            let begun = sight.is_some_and(|s| s.progress != Progress::Waiting);
            (run.id.clone(), run.folder.clone(), begun)
        });
        match (action, chosen) {
            (Action::Open | Action::Beside | Action::Compare, Some((id, _, false))) => {
                let text = format!(
                    "{id} waits: nothing was done yet that could be shown; whoever works on the sweep begins it in its turn"
                );
                self.say(Ink::Warning, text);
            }
            (Action::Open, Some((_, folder, true))) if self.busy.is_none() => {
                self.busy = Busy::with("reading the run", false);
                return vec![Effect::Open(folder)];
            }
            (Action::Beside, Some((_, folder, true))) => return self.lay_beside(&folder),
            (Action::Compare, Some((_, folder, true))) => return self.compare(&folder),
            (Action::NextFailed, _) => open.next_failed(),
            (Action::Way, _) => open.listed = !open.listed,
            (Action::Details, _) => open.details = !open.details,
            (action, _) => {
                let is_grid = Geometry::of(open, size).is_grid;
                open.go(action, is_grid);
            }
        }
        Vec::new()
    }
}
