//! Questions that are asked before something is lost.

use std::path::PathBuf;

use super::setup::Request;
use crate::lab::State;
use crate::lora::Amount;
use crate::recipe::Recipe;
use crate::run::RunView;

/// A question that lies over the screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Leave while the lab works?
    Quit,
    /// Leave a run of another process standing still?
    LeavePaused,
    /// Throw the adapter of this training away?
    Discard {
        /// The training's number.
        training: u32,
        /// Its task.
        task: String,
    },
    /// Take the last row back?
    Undo {
        /// The row's number.
        index: usize,
        /// Its task.
        task: String,
        /// Whether the task was left out, so that there is no merge.
        skipped: bool,
    },
    /// Merge another amount of a merged update?
    Reweigh {
        /// Its row.
        row: usize,
        /// Its task.
        task: String,
        /// How much of it.
        amount: Amount,
    },
    /// Leave this run for another?
    Leave(Request),
    /// Put a lab to work on a run that was interrupted?
    TakeUp,
    /// Write a preset over a file that is there?
    Replace {
        /// The file.
        path: PathBuf,
        /// The preset.
        recipe: Box<Recipe>,
    },
}

impl Question {
    /// Asks about the adapter that is in training or trained.
    pub fn discard(view: &RunView) -> Option<Self> {
        let training = view.open_training()?;
        Some(Self::Discard {
            training: training.number,
            task: training.step_id.clone(),
        })
    }

    /// Asks about the last row.
    pub fn undo(view: &RunView) -> Option<Self> {
        let row = view.rows.last().filter(|row| row.index > 0)?;
        let task = view.task_ids().get(row.index - 1)?.to_string();
        Some(Self::Undo {
            index: row.index,
            task,
            skipped: row.skipped,
        })
    }

    /// Why what was asked about is not there any more; `None` while it is.
    pub fn overtaken(&self, view: &RunView) -> Option<String> {
        match self {
            Self::Discard { training, task } => {
                let there = matches!(view.state, State::Training(_) | State::Trained(_))
                    && view.open_training().is_some_and(|t| t.number == *training);
                (!there).then(|| format!("discard: {task}'s adapter is merged meanwhile"))
            }
            Self::Undo { index, task, .. } => {
                let last = view.rows.last().map(|row| row.index);
                (last != Some(*index) || view.open_training().is_some())
                    .then(|| format!("undo: the run has gone on from {task}"))
            }
            Self::Reweigh { row, task, .. } => {
                let there = view.rows.get(*row).is_some_and(|r| r.training.is_some());
                (!there || view.open_training().is_some())
                    .then(|| format!("the run has gone on from {task}"))
            }
            Self::Quit
            | Self::LeavePaused
            | Self::TakeUp
            | Self::Leave(_)
            | Self::Replace { .. } => None,
        }
    }

    /// The question, and what yes does.
    pub fn text(&self) -> (String, &'static str) {
        match self {
            Self::Quit => (
                "Leave while the lab works?".into(),
                "It stops within one batch and writes a checkpoint; `pentimento resume` goes on from there.",
            ),
            Self::LeavePaused => (
                "Leave the run paused?".into(),
                "Another process is at work on it and stands still until somebody lets it go on, here or by opening the \
                 run again.",
            ),
            Self::Discard { task, .. } => (
                format!("Throw {task}'s adapter away?"),
                "Its training is lost; the same task is next.",
            ),
            Self::Undo {
                task,
                skipped: true,
                ..
            } => (
                format!("Take {task} in again?"),
                "It was left out; it becomes the next task.",
            ),
            Self::Undo { task, .. } => (
                format!("Take the merge of {task} back?"),
                "The weights become what they were, bit for bit. The task is next and would train again.",
            ),
            Self::Replace { path, .. } => (
                format!("Replace {}?", path.display()),
                "There is such a file already; what it holds now is lost.",
            ),
            Self::Reweigh { task, amount, .. } => (
                format!("Merge {task} with {amount} instead?"),
                "The rows from there on are measured anew; what was learned after it stays as it is.",
            ),
            Self::TakeUp => (
                "This run was interrupted: go on with it?".into(),
                "A lab takes it up where it stopped, and stands still until a key lets it go on. Without it the run is \
                 only looked at; g asks for it later.",
            ),
            Self::Leave(_) => (
                "Leave this run and start another?".into(),
                "It stops with a checkpoint and can be resumed from its folder.",
            ),
        }
    }
}
