//! The runs below some folders, each reduced to what a report needs of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::export::plot::svg::clean;
use crate::folder::RunFolder;
use crate::lab::State;
use crate::measure::{Contextual, Matrix};
use crate::recipe::Recipe;
use crate::run::RunView;
use crate::run::view::{Row, Started};
use crate::sweep::Sweep;
use crate::{Error, Result, files};

/// How far below a folder runs are looked for.
const DEPTH: usize = 3;

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The end of its folder's path, as long as it takes to tell the runs apart.
    pub path: String,
    pub recipe: Recipe,
    pub hash: String,
    /// The version of the program that made it.
    pub version: String,
    /// When it was begun, RFC 3339; tells which of two equal runs is the newer one, and is in no file.
    pub begun: String,
    /// Of the backbone, without its classifier.
    pub parameters: usize,
    /// Of one adapter, without a head; at full rank of the modules that are trained.
    pub trainable: usize,
    pub weights_sha256: String,
    /// The foundation first.
    pub test_sets: Vec<Column>,
    pub matrix: Matrix,
    /// `[rows]`
    pub contexts: Vec<Option<Contextual>>,
}

/// A test set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    pub id: String,
    pub images: usize,
    pub classes: usize,
    /// SHA-256 of the names of its classes.
    pub names: String,
}

/// A run that no figure is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// As [`Run::path`].
    pub path: String,
    /// Continues "because".
    pub why: String,
}

/// Every run in `folders` and up to three levels below them, in order of their paths.
///
/// # Errors
/// [`Error::Input`] for a folder that is not there or holds no run.
pub fn gather(folders: &[PathBuf]) -> Result<(Vec<Run>, Vec<LeftOut>)> {
    let mut found = Vec::new();
    for folder in folders {
        let shown = folder.display();
        if !folder.is_dir() {
            return Err(Error::input(match folder.exists() {
                true => format!("{shown} is a file, not a folder of runs"),
                false => format!("there is no folder {shown}"),
            }));
        }
        let mut below = Vec::new();
        runs_below(folder, DEPTH, &mut below);
        if below.is_empty() {
            return Err(Error::input(format!(
                "{shown} holds no run, and neither does any folder up to three levels below it: a run has a \
                 manifest.json and a journal.jsonl"
            )));
        }
        found.extend(below);
    }
    let named = named(found);
    let read: Vec<std::result::Result<Run, LeftOut>> = named
        .par_iter()
        .map(|(found, name)| {
            let run = match &found.unbegun {
                Some(why) => Err(why.clone()),
                None => read(&found.path, name),
            };
            run.map_err(|why| LeftOut {
                path: name.clone(),
                why,
            })
        })
        .collect();
    let (mut runs, mut left_out) = (Vec::new(), Vec::new());
    for one in read {
        match one {
            Ok(run) => runs.push(run),
            Err(one) => left_out.push(one),
        }
    }
    Ok((runs, left_out))
}

/// A folder that holds a run, or would if it had been begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    path: PathBuf,
    /// Of a run of a sweep that is not there: why it is not, behind "because".
    unbegun: Option<String>,
}

impl Found {
    fn at(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            unbegun: None,
        }
    }
}

/// The runs of a sweep that never began.
fn unbegun(sweep: &Sweep) -> Vec<Found> {
    // A folder that cannot be looked into is found by itself.
    let is_unbegun = |run: PathBuf| match fs::read_dir(&run) {
        Ok(_) => RunFolder::of_any_state(&run).is_err(),
        Err(e) => e.kind() != ErrorKind::PermissionDenied,
    };
    let cells = sweep.cells.iter();
    let found = cells
        .filter(|cell| is_unbegun(sweep.run(cell)))
        .map(|cell| Found {
            path: sweep.run(cell),
            unbegun: Some(match fs::read_to_string(sweep.refusal(cell)) {
                Ok(why) => format!("it could not begin: {}", clean(why.trim())),
                Err(_) => "nobody has begun it".into(),
            }),
        });
    found.collect()
}

/// A folder that is a run, or else those below it that are.
fn runs_below(folder: &Path, depth: usize, into: &mut Vec<Found>) {
    if RunFolder::of_any_state(folder).is_ok() {
        into.push(Found::at(folder));
        return;
    }
    // Of a damaged list no more is known than its runs' folders.
    if let Ok(Some(sweep)) = Sweep::at(folder) {
        into.extend(unbegun(&sweep));
    }
    if depth == 0 {
        return;
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten(),
        // What cannot be looked into may be a run: it is named among those that are left out.
        Err(_) => {
            into.push(Found::at(folder));
            return;
        }
    };
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for folder in folders {
        runs_below(&folder, depth - 1, into);
    }
}

/// Each run once, by the shortest end of its path that tells all of them apart; in order of these names.
fn named(found: Vec<Found>) -> Vec<(Found, String)> {
    let real: BTreeSet<Found> = found
        .into_iter()
        .map(|found| Found {
            path: real(&found.path),
            ..found
        })
        .collect();
    let parts: Vec<Vec<String>> = real
        .iter()
        .map(|found| {
            let parts = found.path.iter().map(|part| clean(&part.to_string_lossy()));
            parts.filter(|part| part != "/").collect()
        })
        .collect();
    let ends = |length: usize| -> Vec<String> {
        let end = |p: &Vec<String>| p[p.len().saturating_sub(length)..].join("/");
        parts.iter().map(end).collect()
    };
    let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
    let distinct = |names: &[String]| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let names = (1..longest).map(ends).find(|names| distinct(names));
    let names = names.unwrap_or_else(|| ends(longest));
    let mut named: Vec<(Found, String)> = real.into_iter().zip(names).collect();
    named.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    named
}

/// A path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent != Path::new("") => real(parent).join(name),
        _ => path.to_path_buf(),
    })
}

/// The finished run in a folder, or why it is left out.
fn read(path: &Path, name: &str) -> std::result::Result<Run, String> {
    // Where the run lies on this machine is not for the report.
    let plain = |error: Error| clean(&error.to_string().replace(&*path.to_string_lossy(), name));
    let folder = RunFolder::open(path).map_err(plain)?;
    let view = RunView::of(&folder).map_err(plain)?;
    let started = view.begun(&folder).map_err(plain)?;
    let tasks = started.recipe.tasks.len();
    let done = view
        .rows
        .iter()
        .filter(|r| r.index > 0 && (r.complete || r.skipped));
    let done = match (done.count(), tasks) {
        (0, 1) => "its task is not measured".into(),
        (1, 1) => "its task is measured".into(),
        (done, _) => format!("{done} of its {tasks} tasks are measured"),
    };
    match view.state {
        State::Finished => {}
        State::Failed => {
            let why = view
                .failure
                .as_deref()
                .map_or(String::new(), |why| format!(" ({})", clean(why)));
            return Err(format!("it failed{why}: {done}"));
        }
        _ => return Err(format!("it is not finished: {done}")),
    }
    if let Some(odd) = view.rows.iter().find_map(|row| unlike(row, started)) {
        return Err(odd);
    }
    let own = |a: &crate::lab::Ancestor| a.lora == started.recipe.lora;
    if !started.ancestry.iter().all(own) {
        return Err("it is a branch whose first rows were learned with other adapters".into());
    }
    let matrix = view.matrix();
    Ok(Run {
        path: name.to_owned(),
        hash: started.recipe_hash.clone(),
        version: started.version.clone(),
        begun: started.time.clone(),
        parameters: started.backbone.parameters,
        trainable: match started.recipe.lora.is_frozen() {
            true => 0,
            false => started.backbone.adapter_parameters,
        },
        weights_sha256: started.backbone.weights_sha256.clone(),
        test_sets: started.test_sets.iter().map(column).collect(),
        contexts: view.rows.iter().map(|r| r.contextual.clone()).collect(),
        recipe: started.recipe.clone(),
        matrix,
    })
}

fn column(set: &crate::lab::TestSet) -> Column {
    let names: Vec<&str> = set.classes.iter().map(|c| c.name.as_str()).collect();
    Column {
        id: set.id.clone(),
        images: set.images,
        classes: set.classes.len(),
        names: files::sha256(names.join("\n").as_bytes()),
    }
}

/// What makes a row unlike that of another run of its recipe.
fn unlike(row: &Row, started: &Started) -> Option<String> {
    let task = started.recipe.tasks.get(row.index.checked_sub(1)?)?;
    if row.skipped {
        return Some(format!("its task {} was left out by hand", clean(&task.id)));
    }
    (!row.amount.is_whole()).then(|| {
        format!(
            "its merge of {} was of part of the update: {}",
            clean(&task.id),
            row.amount
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_long_as_it_takes_to_tell_runs_apart() {
        let names = |paths: &[&str]| -> Vec<String> {
            let found = paths
                .iter()
                .map(|path| Found::at(Path::new(path)))
                .collect();
            named(found).into_iter().map(|(_, name)| name).collect()
        };
        assert_eq!(names(&["/no/such/a/r1", "/no/such/a/r2"]), ["r1", "r2"]);
        assert_eq!(names(&["/no/a/r1", "/no/b/r1"]), ["a/r1", "b/r1"]);
        assert_eq!(names(&["/no/such/run"]), ["run"]);
        assert_eq!(names(&["/no/run", "/no/run"]), ["run"]);
    }
}
