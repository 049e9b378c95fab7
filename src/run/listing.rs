//! The runs in a folder: how far each is, what it found, and which branches from which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Manifest, RunView, lock};
use crate::Result;
use crate::folder::RunFolder;
use crate::lab::State;
use crate::measure::{Average, Forgetting};

/// A run as a list of runs has it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its folder.
    pub folder: PathBuf,
    /// What it was made from.
    pub manifest: Manifest,
    /// What its journal says, or why it cannot be read.
    pub found: std::result::Result<Found, String>,
}

/// How far a run is, and what it found until now.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it stands.
    pub standing: Standing,
    /// Tasks that are measured or left out.
    pub done: usize,
    /// Tasks of its sequence.
    pub tasks: usize,
    /// Mean accuracy in its last complete row; NaN before there is one.
    pub accuracy: Average,
    /// Mean forgetting there, first-last.
    pub forgetting: Average,
    /// What the foundation lost until there, first-last.
    pub foundation: f64,
}

/// Whether somebody works on a run, and whether there is anything left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A process has its journal open to write.
    AtWork,
    /// Every task is measured or left out.
    Finished,
    /// An error ended it.
    Failed,
    /// Neither finished nor at work: it can be resumed.
    Stopped,
}

impl Standing {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtWork => "at work",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// The newest runs right below `base`, at most `most`, the newest first. Nothing of them is read.
pub fn newest(base: &Path, most: usize) -> Vec<RunFolder> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let folder = RunFolder::open(&entry.path()).ok()?;
            let written = folder.manifest_path().metadata().and_then(|m| m.modified());
            Some((written.ok()?, folder))
        })
        .collect();
    found.sort_by(|a, b| (a.0, a.1.root()).cmp(&(b.0, b.1.root())));
    let newest = found.into_iter().rev().take(most);
    newest.map(|(_, folder)| folder).collect()
}

/// Reads the newest runs right below `base`, at most `most`; folders whose manifest cannot be read are left out.
pub fn list(base: &Path, most: usize) -> Vec<Listed> {
    let read = |folder: RunFolder| {
        let manifest = Manifest::read(&folder.manifest_path()).ok()?;
        Some(Listed {
            found: Found::of(&folder).map_err(|problem| problem.to_string()),
            folder: folder.root().to_path_buf(),
            manifest,
        })
    };
    newest(base, most).into_iter().filter_map(read).collect()
}

impl Found {
    /// What the journal in a run's folder says at this moment.
    ///
    /// # Errors
    /// As [`super::journal::read`].
    pub fn of(folder: &RunFolder) -> Result<Self> {
        let view = RunView::of(folder)?;
        let at_work = lock::holder(folder.root()).is_some();
        Ok(Self::from_view(&view, at_work))
    }

    fn from_view(view: &RunView, at_work: bool) -> Self {
        let matrix = view.matrix();
        let last = view.last_complete().map_or(0, |row| row.index);
        let standing = match view.state {
            _ if at_work => Standing::AtWork,
            State::Finished => Standing::Finished,
            State::Failed => Standing::Failed,
            _ if view.failure.is_some() => Standing::Failed,
            _ => Standing::Stopped,
        };
        let done = |row: &&super::view::Row| row.index > 0 && (row.complete || row.skipped);
        Self {
            standing,
            done: view.rows.iter().filter(done).count(),
            tasks: view.task_ids().len(),
            accuracy: matrix.average_accuracy(last),
            forgetting: matrix.average_forgetting(Forgetting::FirstLast, last),
            foundation: matrix.forgetting(Forgetting::FirstLast, last, 0),
        }
    }
}

/// A run in the tree of branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twig {
    /// Its place in the list.
    pub run: usize,
    /// Branches between it and a run of its own.
    pub depth: usize,
}

/// The order in which `runs` are a tree: each branch below the run that it comes from, where that is in the list; else
/// in the order of the list.
pub fn tree(runs: &[Listed]) -> Vec<Twig> {
    let parents: Vec<Option<usize>> = runs.iter().map(|run| parent_of(run, runs)).collect();
    let mut order = Vec::with_capacity(runs.len());
    let mut seen = BTreeSet::new();
    let roots = (0..runs.len()).filter(|i| parents[*i].is_none());
    // Manifests that name each other in a circle have no root.
    for root in roots.chain(0..runs.len()) {
        let mut open = vec![Twig {
            run: root,
            depth: 0,
        }];
        while let Some(twig) = open.pop() {
            if !seen.insert(twig.run) {
                continue;
            }
            order.push(twig);
            let mut branches: Vec<usize> = (0..runs.len())
                .filter(|i| parents[*i] == Some(twig.run))
                .collect();
            // By the row that they leave at, the earliest on top: last in, first out.
            branches.sort_by_key(|i| runs[*i].manifest.parent.as_ref().map(|p| p.row));
            open.extend(branches.into_iter().rev().map(|run| Twig {
                run,
                depth: twig.depth + 1,
            }));
        }
    }
    order
}

/// The run that a branch comes from: that in the folder it names, or one of that name with the same recipe and seed,
/// since folders of runs are moved as a whole.
fn parent_of(run: &Listed, runs: &[Listed]) -> Option<usize> {
    let parent = run.manifest.parent.as_ref()?;
    let named = Path::new(&parent.folder);
    let is_same = |other: &Listed| {
        other.manifest.recipe_hash == parent.recipe_hash && other.manifest.seed == parent.seed
    };
    let exact = |other: &Listed| fs::canonicalize(&other.folder).is_ok_and(|path| path == named);
    let moved = |other: &Listed| other.folder.file_name() == named.file_name();
    let place = |test: &dyn Fn(&Listed) -> bool| {
        let others = runs.iter().enumerate();
        let mut found = others.filter(|(_, other)| !std::ptr::eq(*other, run) && is_same(other));
        found.find(|(_, other)| test(other)).map(|(i, _)| i)
    };
    place(&exact).or_else(|| place(&moved))
}

#[cfg(test)]
mod tests {
    use super::super::testing::sample;
    use super::super::{Fingerprint, Parent};
    use super::*;
    use crate::recipe::Recipe;

    fn listed(name: &str, parent: Option<(&str, usize)>) -> Listed {
        let recipe = Recipe::load("demo", &[]).unwrap();
        let weights = Fingerprint {
            source: String::new(),
            sha256: String::new(),
        };
        let parent = parent.map(|(name, row)| Parent {
            folder: format!("/elsewhere/{name}"),
            row,
            entry: String::new(),
            sha256: String::new(),
            recipe_hash: "hash".into(),
            seed: 0,
        });
        Listed {
            folder: Path::new("runs").join(name),
            manifest: Manifest {
                parent,
                ..Manifest::new(recipe, "hash".into(), "cpu", weights, Vec::new())
            },
            found: Err("not read".into()),
        }
    }

    fn shown(runs: &[Listed]) -> Vec<(String, usize)> {
        let name = |t: &Twig| runs[t.run].folder.file_name().unwrap().to_owned();
        let twigs = tree(runs);
        twigs
            .iter()
            .map(|t| (name(t).into_string().unwrap(), t.depth))
            .collect()
    }

    #[test]
    fn branches_stand_below_their_parents() {
        let runs = [
            listed("late", Some(("root", 3))),
            listed("of-early", Some(("early", 2))),
            listed("early", Some(("root", 1))),
            listed("orphan", Some(("gone", 1))),
            listed("root", None),
        ];
        let expected = [
            ("orphan", 0),
            ("root", 0),
            ("early", 1),
            ("of-early", 2),
            ("late", 1),
        ];
        let expected: Vec<(String, usize)> = expected.map(|(n, d)| (n.to_owned(), d)).to_vec();
        assert_eq!(shown(&runs), expected);
    }

    #[test]
    fn a_circle_is_shown_once() {
        let runs = [listed("a", Some(("b", 1))), listed("b", Some(("a", 1)))];
        assert_eq!(shown(&runs).len(), 2);
        let other = Listed {
            manifest: Manifest {
                seed: 7,
                ..listed("root", None).manifest
            },
            ..listed("root", None)
        };
        // A run of that name, but another one.
        assert_eq!(shown(&[listed("x", Some(("root", 1))), other])[0].1, 0);
    }

    #[test]
    fn what_was_found_is_the_last_complete_row() {
        let view = RunView::replay(&sample());
        let found = Found::from_view(&view, true);
        assert_eq!(found.standing, Standing::AtWork);
        let matrix = view.matrix();
        let last = view.last_complete().unwrap().index;
        assert!(found.done >= last && found.tasks >= found.done);
        assert_eq!(found.accuracy, matrix.average_accuracy(last));
        assert!(found.foundation.is_finite());
        let nothing = Found::from_view(&RunView::default(), false);
        assert_eq!((nothing.done, nothing.standing), (0, Standing::Stopped));
        assert!(nothing.accuracy.with_foundation.is_nan());
    }

    #[test]
    fn a_folder_without_runs_lists_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(list(dir.path(), 9).is_empty());
        assert!(list(&dir.path().join("no"), 9).is_empty());
    }
}
