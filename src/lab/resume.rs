//! A lab that goes on where an earlier one stopped, from what that one stored.

use std::collections::BTreeMap;

use candle_core::Device;

use super::State;
use super::bench::{About, LearnedRow, TrainedTask};
use super::desk::Recorder;
use super::event::Ancestor;
use super::machine::{Lab, Reopened};
use crate::folder::RunFolder;
use crate::lora::{Amount, Update};
use crate::train::Head;
use crate::{Error, Result};

/// Where a run stands, as its journal tells it. Paths are within the run's folder.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Rows on the present path, the last one perhaps incomplete.
    pub rows: Vec<StoredRow>,
    /// A training that was not merged or discarded.
    pub open: Option<OpenTraining>,
    /// Trainings begun so far.
    pub trainings: u32,
    /// Every task is measured or skipped, and that was journaled.
    pub finished: bool,
    /// Where a branch's first rows come from.
    pub ancestry: Vec<Ancestor>,
}

/// A row of the matrix, as it was stored.
#[derive(Clone, Debug, Default)]
pub struct StoredRow {
    /// The training that led to it.
    pub training: Option<u32>,
    /// The task was left out.
    pub skipped: bool,
    /// All test sets are measured.
    pub complete: bool,
    /// Folder of the adapter, or of the weights trained at full rank; empty with rank 0.
    pub adapter: String,
    /// File of the head.
    pub head: String,
    /// SHA-256 of the files of both.
    pub sha256: BTreeMap<String, String>,
    /// Test set, predictions file and its SHA-256.
    pub predictions: Vec<(String, String, String)>,
    /// Which foundation classes its task is about.
    pub about: About,
    /// Its features were probed.
    pub probed: bool,
    /// How much of its update is merged.
    pub amount: Amount,
    /// How often it was measured anew.
    pub revision: u32,
}

/// A training that was not merged or discarded.
#[derive(Clone, Debug, Default)]
pub struct OpenTraining {
    /// Its number.
    pub training: u32,
    /// Row that it leads to.
    pub index: usize,
    /// Folder of the adapter, once trained.
    pub adapter: String,
    /// File of the head, once trained.
    pub head: String,
    /// SHA-256 of the files of both.
    pub sha256: BTreeMap<String, String>,
    /// File of the last checkpoint and its SHA-256.
    pub checkpoint: Option<(String, String)>,
    /// Its step; 0 without one.
    pub from_step: usize,
    /// Which foundation classes its task is about; empty if not computed yet.
    pub about: About,
}

impl<R: Recorder> Lab<R> {
    /// Puts the lab where the run stands. The weights are the bits they were.
    pub fn restore(&mut self, standing: &Standing) -> Result<()> {
        let folder = self.folder();
        self.trainings = standing.trainings;
        self.bench.ancestry.clone_from(&standing.ancestry);
        for (index, row) in standing.rows.iter().enumerate() {
            self.restore_row(&folder, index, row)?;
        }
        let last = standing.rows.len().saturating_sub(1);
        let incomplete = self.bench.incomplete();
        self.bench.stand_at(incomplete.unwrap_or(last))?;
        self.state = match incomplete {
            _ if standing.rows.is_empty() => State::Idle,
            Some(row) => State::Measuring(row),
            None if standing.finished => State::Finished,
            None => State::Measured(last),
        };
        let Some(open) = &standing.open else {
            return Ok(());
        };
        let about = open.about.clone();
        if open.head.is_empty() {
            self.state = State::Training(open.index);
            let checkpoint = match &open.checkpoint {
                Some((file, sha256)) => match folder.read(file, sha256) {
                    Ok(bytes) => Some((file.clone(), bytes)),
                    // The task's beginning is always there, and leads to the same bits.
                    Err(Error::Input(what)) => {
                        self.warn(format!("{what}: the training begins again"))?;
                        None
                    }
                    Err(error) => return Err(error),
                },
                None => None,
            };
            self.reopened = Some(Reopened {
                from_step: checkpoint.as_ref().map_or(0, |_| open.from_step),
                checkpoint,
                about: (!about.similarity.is_empty()).then_some(about),
            });
        } else {
            self.state = State::Trained(open.index);
            check_files(&folder, &open.sha256)?;
            self.trained = Some(TrainedTask {
                training: open.training,
                update: load_update(&folder, &open.adapter, &self.bench.device)?,
                head: Head::load(&folder.path(&open.head)?, &self.bench.device)?,
                about,
            });
        }
        Ok(())
    }

    fn restore_row(&mut self, folder: &RunFolder, index: usize, row: &StoredRow) -> Result<()> {
        match row.training {
            Some(training) => {
                check_files(folder, &row.sha256)?;
                let task = TrainedTask {
                    training,
                    update: load_update(folder, &row.adapter, &self.bench.device)?,
                    head: Head::load(&folder.path(&row.head)?, &self.bench.device)?,
                    about: row.about.clone(),
                };
                self.bench.place(index, task, row.amount)?;
            }
            None => self.bench.rows.push(LearnedRow {
                skipped: row.skipped,
                ..LearnedRow::default()
            }),
        }
        if let Some(last) = self.bench.rows.get_mut(index) {
            (last.probed, last.complete) = (row.probed, row.complete);
            last.revision = row.revision;
        }
        for (column, file, sha256) in &row.predictions {
            let answers = folder.read_predictions(file, sha256)?;
            let row = &mut self.bench.rows[index];
            row.predictions.insert(column.clone(), answers.classes);
        }
        Ok(())
    }
}

/// An adapter or a head that is not the one that was trained would give other figures without a word.
pub(super) fn check_files(folder: &RunFolder, sha256: &BTreeMap<String, String>) -> Result<()> {
    for (file, sha256) in sha256 {
        folder.read(file, sha256)?;
    }
    Ok(())
}

pub(super) fn load_update(
    folder: &RunFolder,
    name: &str,
    device: &Device,
) -> Result<Option<Update>> {
    if name.is_empty() {
        return Ok(None);
    }
    Update::load(&folder.path(name)?, device).map(Some)
}
