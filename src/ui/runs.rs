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
    /// Place of the cursor in that order.
    pub cursor: usize,
    /// Whether they are being read.
    pub looking: bool,
}

impl Runs {
    /// The run under the cursor.
    pub fn chosen(&self) -> Option<&Listed> {
        let twig = self.order.get(self.cursor)?;
        self.listed.as_ref()?.get(twig.run)
    }

    fn take(&mut self, base: PathBuf, listed: Vec<Listed>) {
        let before = self.chosen().map(|run| run.folder.clone());
        self.order = tree(&listed);
        let place = |folder: &Path| {
            let at = |twig: &Twig| listed[twig.run].folder == folder;
            self.order.iter().position(at)
        };
        let last = self.order.len().saturating_sub(1);
        let same = before.as_deref().and_then(place);
        self.cursor = same.unwrap_or(self.cursor.min(last));
        (self.base, self.listed, self.looking) = (base, Some(listed), false);
    }

    fn go(&mut self, action: Action) {
        self.cursor = action.moved(self.cursor, self.order.len().saturating_sub(1));
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
        let folder = self.folder();
        match folder.as_deref().map(Path::parent) {
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
    fn compare(&mut self, folder: &Path) -> Vec<Effect> {
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
