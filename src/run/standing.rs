//! From what a journal says to where a lab has to go on.

use super::view::{RunView, Training};
use crate::Result;
use crate::folder::RunFolder;
use crate::lab::{About, OpenTraining, Standing, State, StoredRow};
use crate::recipe::Recipe;

/// What the run in a folder is of, and where it stands.
///
/// # Errors
/// As [`RunView::of`] and [`RunView::begun`].
pub fn standing_of(run: &RunFolder) -> Result<(Recipe, Standing)> {
    let view = RunView::of(run)?;
    let recipe = view.begun(run)?.recipe.clone();
    Ok((recipe, standing(&view)))
}

/// Where the run of `view` stands. A row without all its measurements is measured on; a training that was
/// not merged or discarded is gone on with.
pub fn standing(view: &RunView) -> Standing {
    Standing {
        rows: view
            .rows
            .iter()
            .map(|row| {
                let training = row.training.and_then(|n| view.training(n));
                StoredRow {
                    training: row.training,
                    skipped: row.skipped,
                    complete: row.complete,
                    adapter: training.map(|t| t.adapter.clone()).unwrap_or_default(),
                    head: training.map(|t| t.head.clone()).unwrap_or_default(),
                    sha256: training.map(|t| t.sha256.clone()).unwrap_or_default(),
                    predictions: row
                        .evaluations
                        .iter()
                        .map(|(id, e)| (id.clone(), e.file.clone(), e.sha256.clone()))
                        .collect(),
                    about: training.map(about).unwrap_or_default(),
                    probed: row.probes.is_some(),
                    amount: row.amount,
                    revision: row.revision,
                }
            })
            .collect(),
        open: view.open_training().map(|t| OpenTraining {
            training: t.number,
            index: t.index,
            adapter: t.adapter.clone(),
            head: t.head.clone(),
            sha256: t.sha256.clone(),
            checkpoint: t
                .checkpoint
                .as_ref()
                .map(|c| (c.file.clone(), c.sha256.clone())),
            from_step: t.checkpoint.as_ref().map_or(0, |c| c.step),
            about: about(t),
        }),
        trainings: view.trainings.iter().map(|t| t.number).max().unwrap_or(0),
        finished: view.state == State::Finished,
        ancestry: view
            .started
            .as_ref()
            .map_or_else(Vec::new, |s| s.ancestry.clone()),
    }
}

fn about(training: &Training) -> About {
    About {
        similarity: training.similarity.clone(),
        classes: training.context.clone(),
        wordnet: training.wordnet.clone(),
        clip: training.clip.clone(),
    }
}
