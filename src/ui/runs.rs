//! The runs screen: what lies in the folder of the run that is shown, as a tree of branches.

use std::path::{Path, PathBuf};

use super::actions::{Action, Screen};
use super::app::{App, Busy};
use super::effect::Effect;
use super::look::Figure;
use super::question::Question;
use super::theme::Ink;
use crate::lab::{Record, State};
use crate::run::{Listed, RunView, Twig, tree};
use crate::sweep::listing::Summary;

/// Runs that are read at most, the newest.
pub const MOST: usize = 200;

/// The runs of a folder, and the one under the cursor.
#[derive(Default)]
pub struct Runs {
    /// The folder.
    pub base: PathBuf,
    /// Its runs; `None` until they are read.
    pub listed: Option<Vec<Listed>>,
    /// Their order as a tree.
    pub order: Vec<Twig>,
    /// The sweeps of the folder, which stand above the runs.
    pub sweeps: Vec<Summary>,
    /// Place of the cursor among the sweeps and then in the order of the runs.
    pub cursor: usize,
    /// The sweep that was open last: its runs are in the folder that it is in, not in one of their own.
    pub(super) sweep: Option<PathBuf>,
    /// Whether they are being read.
    pub looking: bool,
}

impl Runs {
    /// The run under the cursor.
    pub fn chosen(&self) -> Option<&Listed> {
        let at = self.cursor.checked_sub(self.sweeps.len())?;
        let twig = self.order.get(at)?;
        self.listed.as_ref()?.get(twig.run)
    }

    /// The sweep under it.
    pub fn chosen_sweep(&self) -> Option<&Summary> {
        self.sweeps.get(self.cursor)
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.sweeps.len() + self.order.len()
    }

    /// The folder under the cursor.
    fn under(&self) -> Option<PathBuf> {
        let run = self.chosen().map(|run| &run.folder);
        let sweep = self.chosen_sweep().map(|sweep| &sweep.folder);
        run.or(sweep).cloned()
    }

    /// Another list than before: the cursor stays on what it was on.
    fn put_back(&mut self, before: Option<&Path>) {
        let sweeps = self.sweeps.iter().map(|sweep| sweep.folder.as_path());
        let listed = self.listed.as_deref().unwrap_or_default();
        let runs = { self.order.iter() }.map(|twig| listed[twig.run].folder.as_path());
        let same = before.and_then(|before| sweeps.chain(runs).position(|f| f == before));
        let last = self.lines().saturating_sub(1);
        self.cursor = same.unwrap_or(self.cursor.min(last));
    }

    fn take(&mut self, base: PathBuf, listed: Vec<Listed>) {
        let before = self.under();
        self.move_to(base);
        self.order = tree(&listed);
        (self.listed, self.looking) = (Some(listed), false);
        self.put_back(before.as_deref());
    }

    fn take_sweeps(&mut self, base: PathBuf, sweeps: Vec<Summary>) {
        // Nothing to stay on: the sweep that was left, if it is there.
        let before = self.under().or_else(|| self.sweep.clone());
        self.move_to(base);
        self.sweeps = sweeps;
        self.put_back(before.as_deref());
    }

    /// What was read of another folder is gone.
    fn move_to(&mut self, base: PathBuf) {
        if base != self.base {
            self.base = base;
            (self.listed, self.sweeps, self.order) = (None, Vec::new(), Vec::new());
        }
    }

    fn go(&mut self, action: Action) {
        self.cursor = action.moved(self.cursor, self.lines().saturating_sub(1));
    }
}

impl App {
    /// Asks for the runs of the folder that the shown one is in; of `runs` where none is shown.
    pub(super) fn list_runs(&mut self) -> Vec<Effect> {
        if self.runs.looking {
            return Vec::new();
        }
        self.runs.looking = true;
        vec![Effect::ListRuns(self.runs_folder())]
    }

    fn runs_folder(&self) -> PathBuf {
        let shown = self.folder();
        let of_sweep = |sweep: &&PathBuf| match &shown {
            Some(run) => run.starts_with(sweep),
            None => true,
        };
        let sweep = self.runs.sweep.as_ref().filter(of_sweep).cloned();
        match sweep.or(shown).as_deref().map(Path::parent) {
            Some(Some(parent)) if parent.as_os_str().is_empty() => PathBuf::from("."),
            Some(Some(parent)) => parent.to_path_buf(),
            Some(None) => PathBuf::from("."),
            None => PathBuf::from("runs"),
        }
    }

    /// The runs of a folder were read.
    pub fn on_runs(&mut self, base: PathBuf, listed: Vec<Listed>) {
        self.runs.take(base, listed);
        self.touch();
    }

    /// The sweeps of a folder were looked for.
    pub fn on_sweeps(&mut self, base: PathBuf, sweeps: Vec<Summary>) {
        self.runs.take_sweeps(base, sweeps);
        self.touch();
    }

    /// A run was read to be shown, as its journal tells it; `live` where another process works on it. One that was
    /// interrupted is offered to be taken up.
    pub fn on_opened(&mut self, folder: &Path, past: &[Record], live: bool) {
        self.busy = None;
        self.show_run(folder, past, false);
        if let Some(run) = &mut self.run {
            run.elsewhere = live;
        }
        let ended = |view: &RunView| view.state == State::Finished || view.started.is_none();
        self.question = (!live && !self.view().is_some_and(ended)).then_some(Question::TakeUp);
        self.screen = match self.screen {
            Screen::Runs => Screen::Matrix,
            screen => screen,
        };
    }

    pub(super) fn on_runs_action(&mut self, action: Action) -> Vec<Effect> {
        if let (Action::Open, Some(sweep)) = (action, self.runs.chosen_sweep()) {
            let folder = sweep.folder.clone();
            match sweep.found.clone() {
                Ok(_) => self.open_sweep(&folder),
                Err(problem) => self.say(Ink::Bad, problem),
            }
            return Vec::new();
        }
        let chosen = self.runs.chosen().map(|run| run.folder.clone());
        match (action, chosen) {
            (Action::Refresh, _) => return self.list_runs(),
            (Action::Open, Some(folder)) => {
                if self.busy.is_none() {
                    self.busy = Busy::with("reading the run", false);
                    return vec![Effect::Open(folder)];
                }
            }
            (Action::Beside, Some(folder)) => return self.lay_beside(&folder),
            (Action::Compare, Some(folder)) => return self.compare(&folder),
            _ => self.runs.go(action),
        }
        Vec::new()
    }

    /// Goes to the matrix with the difference to a run, which is laid beside the shown one for it.
    pub(super) fn compare(&mut self, folder: &Path) -> Vec<Effect> {
        let place = self.beside.iter().position(|b| b.folder == folder);
        let effects = match place {
            Some(_) => Vec::new(),
            None => self.lay_beside(folder),
        };
        if place.is_none() && effects.is_empty() {
            // It said why.
            return effects;
        }
        self.matrix.beside = place.unwrap_or(self.beside.len());
        self.matrix.figure = Figure::Difference;
        self.screen = Screen::Matrix;
        if place.is_none() {
            self.say(Ink::Accent, "reading the run to compare with".into());
        }
        effects
    }
}
