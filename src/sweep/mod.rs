//! Sweeps: a grid of ordinary runs in one folder, done on this machine or by Slurm.
//!
//! ```text
//! sweep.json     the runs: name, hash and recipe of each
//! runs/ID/       their folders, as of any run
//! logs/ID.log    what each of them said; logs/ID.failed why one could not begin
//! shared/        what they have in common, computed once; can be deleted when all are finished
//! slurm/         scripts that were given to Slurm, and the jobs that came of them
//! engines/       the processes that do runs beside each other on a machine, while they are at it
//! ```
//!
//! A sweep's truth is its runs' journals: whoever works on it, from whatever machine, finds there what is done.

pub mod estimate;
mod grid;
pub mod listing;
pub mod local;
pub mod slurm;
mod state;

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, files};

pub use grid::{Axes, Cell};
pub use state::{Progress, Seen, Watch};

/// The version of `sweep.json`.
pub const SWEEP_VERSION: u32 = 1;

/// The file that makes a folder a sweep's.
const FILE: &str = "sweep.json";
/// Locked by whoever writes that.
const WRITING: &str = "sweep.lock";
/// What else is in such a folder.
const PARTS: [&str; 6] = ["runs", "logs", "shared", "slurm", "engines", WRITING];

/// A sweep's folder and the runs that it has.
#[derive(Clone, Debug)]
pub struct Sweep {
    root: PathBuf,
    /// The runs, in the order in which they are begun.
    pub cells: Vec<Cell>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    v: u32,
    cells: Vec<Cell>,
}

impl Sweep {
    /// The sweep in a folder; none where the folder holds something else.
    ///
    /// # Errors
    /// [`Error::Input`] where `sweep.json` is damaged or of a newer version.
    pub fn at(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(e) => return Err(Error::io(path)(e)),
        };
        let wrong = |what: String| {
            Error::input(format!(
                "{} is damaged: {what}; restore it from a copy, or delete it and give `pentimento sweep` the presets and \
                 axes once more: the runs are kept",
                path.display()
            ))
        };
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let version: Version = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        if version.v != SWEEP_VERSION {
            return Err(Error::input(format!(
                "{} is of version {} and this program reads {SWEEP_VERSION}: take the pentimento that made it",
                path.display(),
                version.v
            )));
        }
        let document: Document =
            serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        if let Some(cell) = document
            .cells
            .iter()
            .find(|c| crate::folder::file_name(&c.id) != c.id)
        {
            return Err(wrong(format!("{:?} cannot be a run's name", cell.id)));
        }
        Ok(Some(Self {
            root: folder.to_path_buf(),
            cells: document.cells,
        }))
    }

    /// As [`Sweep::at`], where there has to be one.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::at(folder)?.ok_or_else(|| {
            Error::input(format!(
                "{} holds no sweep: there is no {FILE}; `pentimento sweep PRESET --out {}` makes one",
                folder.display(),
                files::word(folder)
            ))
        })
    }

    /// The sweep that `folder` holds or gets, with these runs added where it has not got them, and which of its runs they
    /// are. Nothing is written.
    ///
    /// # Errors
    /// [`Error::Input`] where the folder holds something else.
    pub fn with(folder: &Path, wanted: Vec<Cell>) -> Result<(Self, Vec<usize>)> {
        let mut sweep = match Self::at(folder)? {
            Some(sweep) => sweep,
            None => {
                free(folder)?;
                Self {
                    root: folder.to_path_buf(),
                    cells: Vec::new(),
                }
            }
        };
        let mut asked = Vec::with_capacity(wanted.len());
        for mut cell in wanted {
            let known = sweep.cells.iter().position(|c| c.repeats(&cell));
            asked.push(known.unwrap_or(sweep.cells.len()));
            if let Some(known) = known {
                // What changes no figure, such as what is asked of Slurm, may be another one now.
                sweep.cells[known].recipe = cell.recipe;
            } else {
                // Another recipe may have had the name before.
                let name = cell.id.clone();
                let taken = |id: &str| sweep.cells.iter().any(|c| c.id == id);
                let free = (2_usize..).map(|n| format!("{name}-v{n}"));
                if taken(&name)
                    && let Some(free) = free.into_iter().find(|id| !taken(id))
                {
                    cell.id = free;
                }
                sweep.cells.push(cell);
            }
        }
        Ok((sweep, asked))
    }

    /// Writes `sweep.json`, with what another process added meanwhile; where nothing is new, nothing is written.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn write(&self) -> Result<()> {
        let folders = [self.root.join("runs"), self.root.join("logs")];
        let known = |cells: &[Cell]| self.cells.iter().all(|cell| cells.contains(cell));
        if folders.iter().all(|folder| folder.is_dir())
            && Self::at(&self.root)?.is_some_and(|there| known(&there.cells))
        {
            return Ok(());
        }
        // Of several that write at once each adds to what the one before wrote.
        fs::create_dir_all(&self.root).map_err(|e| self.unfit(&e))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join(WRITING));
        let lock = lock.map_err(|e| self.unfit(&e))?;
        // A file system without locks is taken as it is.
        let _ = lock.lock();
        let mut cells = self.cells.clone();
        for cell in Self::at(&self.root)?.map_or_else(Vec::new, |there| there.cells) {
            if cells.iter().all(|c| c.id != cell.id) {
                cells.push(cell);
            }
        }
        let document = Document {
            v: SWEEP_VERSION,
            cells,
        };
        let json = serde_json::to_string_pretty(&document)
            .map_err(|e| Error::internal(format!("the sweep could not be written as JSON: {e}")))?;
        for folder in &folders {
            fs::create_dir_all(folder).map_err(|e| self.unfit(&e))?;
        }
        let text = files::plain_json(json) + "\n";
        files::write_atomic(&self.root.join(FILE), text.as_bytes())
    }

    fn unfit(&self, why: &std::io::Error) -> Error {
        Error::input(format!(
            "{} cannot be a sweep's folder: {why}; give another one by --out",
            self.root.display()
        ))
    }

    /// Where the processes that work on it from this machine and others say so, by themselves.
    pub fn engines(&self) -> PathBuf {
        self.root.join("engines")
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The run of this name.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none.
    pub fn cell(&self, id: &str) -> Result<&Cell> {
        self.cells.iter().find(|c| c.id == id).ok_or_else(|| {
            Error::input(format!(
                "the sweep {} has no run {id:?}",
                self.root.display()
            ))
        })
    }

    /// The folder of a run, whether or not it was begun.
    pub fn run(&self, cell: &Cell) -> PathBuf {
        self.root.join("runs").join(&cell.id)
    }

    /// Where what a run says goes.
    pub fn log(&self, cell: &Cell) -> PathBuf {
        self.root.join("logs").join(format!("{}.log", cell.id))
    }

    /// Why a run could not even begin, where that was so.
    pub fn refusal(&self, cell: &Cell) -> PathBuf {
        self.root.join("logs").join(format!("{}.failed", cell.id))
    }

    /// What the runs have in common.
    pub fn shared(&self) -> PathBuf {
        self.root.join("shared")
    }
}

/// Refuses a folder that holds something which is no sweep.
fn free(folder: &Path) -> Result<()> {
    let shown = folder.display();
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            return Err(Error::input(format!(
                "{shown} cannot be a sweep's folder: {e}; give another one"
            )));
        }
    };
    // A sweep whose list was lost is taken with its runs.
    let foreign = entries.find(|entry| {
        let name = entry.as_ref().map(std::fs::DirEntry::file_name);
        name.map_or(true, |name| PARTS.iter().all(|part| name != *part))
    });
    match foreign {
        None => Ok(()),
        Some(_) => Err(Error::input(format!(
            "{shown} is not empty and holds no sweep: give another folder by --out"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(ranks: &[usize]) -> Vec<Cell> {
        let axes = Axes {
            presets: vec!["demo".into()],
            ranks: ranks.to_vec(),
            seeds: vec![1],
            ..Axes::default()
        };
        axes.cells().unwrap()
    }

    #[test]
    fn a_sweep_grows_and_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("S");
        let (sweep, asked) = Sweep::with(&root, cells(&[1, 4])).unwrap();
        assert_eq!(asked, [0, 1]);
        assert!(!root.exists());
        sweep.write().unwrap();
        let (sweep, asked) = Sweep::with(&root, cells(&[16, 4])).unwrap();
        assert_eq!(asked, [2, 1]);
        // Another process adds one meanwhile.
        let (other, _) = Sweep::with(&root, cells(&[32])).unwrap();
        other.write().unwrap();
        sweep.write().unwrap();
        assert_eq!(Sweep::open(&root).unwrap().cells.len(), 4);
        let sweep = Sweep::open(&root).unwrap();
        let again = Sweep::open(&root).unwrap();
        assert_eq!(again.cells, sweep.cells);
        assert_eq!(
            again.run(again.cell("r16-s1").unwrap()),
            root.join("runs/r16-s1")
        );
        assert!(again.cell("r2-s1").is_err());
    }

    #[test]
    fn another_recipe_under_a_taken_name_gets_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let (sweep, _) = Sweep::with(dir.path(), cells(&[1])).unwrap();
        sweep.write().unwrap();
        let mut other = cells(&[1]);
        other[0].hash = "other".into();
        let (sweep, asked) = Sweep::with(dir.path(), other).unwrap();
        assert_eq!((asked, sweep.cells[1].id.as_str()), (vec![1], "r1-s1-v2"));
    }

    #[test]
    fn what_is_no_sweep_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Sweep::at(dir.path()).unwrap().is_none());
        let text = Sweep::open(dir.path()).unwrap_err().to_string();
        assert!(text.contains("holds no sweep"), "{text}");
        for (json, what) in [
            ("{", "is damaged"),
            ("{\"v\":9}", "version 9"),
            ("{\"v\":1}", "cells"),
        ] {
            fs::write(dir.path().join(FILE), json).unwrap();
            let text = Sweep::open(dir.path()).unwrap_err().to_string();
            assert!(text.contains(what), "{text}");
        }
        let mut wicked = cells(&[1]);
        wicked[0].id = "../../out".into();
        let document = Document {
            v: 1,
            cells: wicked,
        };
        let json = serde_json::to_vec(&document).unwrap();
        fs::write(dir.path().join(FILE), json).unwrap();
        let text = Sweep::open(dir.path()).unwrap_err().to_string();
        assert!(text.contains("cannot be a run's name"), "{text}");
        fs::remove_file(dir.path().join(FILE)).unwrap();
        // Without its list it is a sweep nevertheless.
        fs::create_dir(dir.path().join("runs")).unwrap();
        assert!(Sweep::with(dir.path(), cells(&[1])).is_ok());
        fs::write(dir.path().join("thesis.txt"), "").unwrap();
        let text = Sweep::with(dir.path(), cells(&[1]))
            .unwrap_err()
            .to_string();
        assert!(text.contains("not empty"), "{text}");
    }
}
