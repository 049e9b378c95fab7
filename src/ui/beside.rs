//! Runs that are laid beside the one that is shown, to be compared with it.

use std::path::{Path, PathBuf};

use super::app::App;
use super::effect::Effect;
use super::theme::Ink;
use crate::Result;
use crate::lab::TestSet;
use crate::measure::{Matrix, Spread};
use crate::run::RunView;

/// How many at most: more curves than that tell nobody apart.
pub const MOST: usize = 8;

/// A run beside the one that is shown.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What its journal says.
    pub view: RunView,
}

impl Beside {
    /// A run in a folder.
    pub fn new(folder: PathBuf, view: RunView) -> Self {
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        Self {
            name: name.to_string_lossy().into_owned(),
            folder,
            view,
        }
    }

    /// The letter of the run at a place: `A`, `B`, …
    pub fn letter(place: usize) -> char {
        (b'A'..=b'Z').nth(place).map_or('Z', char::from)
    }
}

impl App {
    /// The run that differences are against.
    pub fn compared(&self) -> Option<(usize, &Beside)> {
        let place = self.matrix.beside.checked_rem(self.beside.len())?;
        Some((place, self.beside.get(place)?))
    }

    /// Test sets that this run and another one call the same, but that have other numbers of images.
    pub fn unlike<'a>(&'a self, other: &RunView) -> Vec<&'a str> {
        let (Some(own), Some(theirs)) =
            (self.view().and_then(|v| v.started.as_ref()), &other.started)
        else {
            return Vec::new();
        };
        let unlike = |own: &&TestSet| {
            let mut theirs = theirs.test_sets.iter();
            theirs.any(|set| set.id == own.id && set.images != own.images)
        };
        let own = own.test_sets.iter().filter(unlike);
        own.map(|set| set.id.as_str()).collect()
    }

    /// The runs beside this one that differ from it by their seed alone, one a seed, each with its seed.
    pub fn siblings(&self) -> Vec<(u64, &RunView)> {
        let Some(own) = self.view().and_then(|view| view.started.as_ref()) else {
            return Vec::new();
        };
        let mut seeds = vec![own.recipe.seed];
        let mut siblings = Vec::new();
        for view in self.beside.iter().map(|beside| &beside.view) {
            let Some(started) = &view.started else {
                continue;
            };
            let (hash, seed) = (&started.recipe_hash, started.recipe.seed);
            if *hash == own.recipe_hash && !seeds.contains(&seed) {
                seeds.push(seed);
                siblings.push((seed, view));
            }
        }
        siblings
    }

    /// Mean and deviation over this run and its siblings of other seeds; `None` where there are none.
    pub fn spread(&self) -> Option<Spread> {
        let siblings = self.siblings();
        let others: Vec<Matrix> = siblings.iter().map(|(_, view)| view.matrix()).collect();
        (!others.is_empty()).then_some(Spread::of(&self.view()?.matrix(), &others))
    }

    /// Lays a run beside the one that is shown, or takes it away where it lies there.
    pub(super) fn lay_beside(&mut self, folder: &Path) -> Vec<Effect> {
        let lies = self.beside.iter().position(|b| b.folder == folder);
        if let Some(place) = lies {
            self.beside.remove(place);
            self.settle_figure();
            return Vec::new();
        }
        if self.folder().is_some_and(|shown| shown == folder) {
            self.say(Ink::Warning, "this run is the one that is shown".into());
            return Vec::new();
        }
        if self.beside.len() >= MOST {
            let text = format!("{MOST} runs lie beside this one already: take one away with Space");
            self.say(Ink::Warning, text);
            return Vec::new();
        }
        vec![Effect::LayBeside(folder.to_path_buf())]
    }

    /// What the journal of a run beside this one says; the first time, or since it grew.
    pub fn on_beside(&mut self, folder: &Path, view: Result<RunView>) {
        let view = match view {
            Ok(view) if view.started.is_some() => view,
            Ok(_) => {
                let text = format!("{} holds no begun run", folder.display());
                self.say(Ink::Warning, text);
                return;
            }
            Err(problem) => {
                self.beside.retain(|b| b.folder != folder);
                self.settle_figure();
                self.say(Ink::Bad, problem.to_string());
                return;
            }
        };
        let place = self.beside.iter().position(|b| b.folder == folder);
        let beside = Beside::new(folder.to_path_buf(), view);
        match place {
            Some(place) => self.beside[place] = beside,
            None if self.beside.len() < MOST => {
                self.beside.push(beside);
                self.toast = None;
            }
            None => {}
        }
        self.settle_figure();
    }

    /// A figure that needs a run beside this one is left where there is none.
    fn settle_figure(&mut self) {
        self.matrix.figure = self.matrix.figure.among(self.comparable());
        self.touch();
    }
}
