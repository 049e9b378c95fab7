//! The path of rows: merging onto it, taking back, merging other amounts, and the weights after any of them.

use std::sync::Arc;

use candle_core::Tensor;

use super::super::event::Agreement;
use super::{Ancestor, Bench, FIDELITY_IMAGES, LearnedRow, TrainedTask, logits};
use crate::backbone::Backbone;
use crate::lora::{Amount, Entry, Update, UpdateNorm};
use crate::recipe::Mode;
use crate::{Error, Result, measure};

/// How many of the answers in `logits` `[n, classes]` are right.
fn right(logits: &Tensor, labels: &[u32]) -> Result<usize> {
    let rows = logits.to_vec2::<f32>()?;
    let answers = rows.iter().map(|row| measure::answer(row).0);
    Ok(answers.zip(labels).filter(|(a, l)| a == *l).count())
}

impl Bench {
    /// Merges a trained task as row `index`. Gives the largest absolute difference between logits of the
    /// unmerged adapter and of the weights as they are then, and what both answer to these images.
    pub fn merge(
        &mut self,
        index: usize,
        task: TrainedTask,
        amount: Amount,
    ) -> Result<(f64, Agreement)> {
        let id = self.column(index).to_owned();
        let (probe, labels) = self.probe(&id, FIDELITY_IMAGES)?;
        let before = self.unmerged(&task, amount, &probe)?;
        self.place(index, task, amount)?;
        self.stand_at(index)?;
        let backbone = &self.backbone;
        let after = logits(backbone, self.stored.get(&id), self.head(&id)?, &probe)?;
        let agreement = Agreement {
            images: labels.len(),
            adapter: right(&before, &labels)?,
            merged: right(&after, &labels)?,
        };
        let gap = (before - after)?.abs()?.flatten_all()?.max(0)?;
        Ok((f64::from(gap.to_scalar::<f32>()?), agreement))
    }

    /// Puts a trained task at the end of the path as row `index`; [`Bench::stand_at`] makes it count.
    pub fn place(&mut self, index: usize, task: TrainedTask, amount: Amount) -> Result<()> {
        if let Some(update) = &task.update {
            self.stack
                .push(Entry::of(self.mode(index), update, amount)?)?;
        }
        self.rows.truncate(index);
        self.rows.push(LearnedRow {
            task: Some(task),
            amount,
            ..LearnedRow::default()
        });
        Ok(())
    }

    /// Merges another amount of the update of row `index`; the weights of the rows from there on are others, so what
    /// was measured in them is void.
    ///
    /// # Errors
    /// [`Error::Input`] where the row has no update, or its mode cannot take the amount.
    pub fn reweigh(&mut self, index: usize, amount: Amount) -> Result<()> {
        let entry = self.reweighed(index, amount)?;
        self.stack.replace(self.entries(index) - 1, entry)?;
        self.rows[index].amount = amount;
        for row in self.rows[index..].iter_mut().filter(|r| !r.skipped) {
            row.predictions.clear();
            (row.probed, row.complete) = (false, false);
            row.revision += 1;
        }
        // Whatever row it was, its weights may be others now.
        self.stand_at(index)
    }

    /// The entry of row `index` with another amount of its update.
    fn reweighed(&self, index: usize, amount: Amount) -> Result<Entry> {
        let row = self.rows.get(index).and_then(|row| row.task.as_ref());
        let Some(update) = row.and_then(|task| task.update.as_ref()) else {
            return Err(Error::input(format!(
                "row {index} has no update whose amount could be changed"
            )));
        };
        Entry::of(self.mode(index), update, amount)
    }

    /// Entries on the stack up to row `index`.
    fn entries(&self, index: usize) -> usize {
        let rows = self.rows.iter().take(index + 1);
        rows.filter(|row| row.is_on_stack()).count()
    }

    /// The mode in which row `index` was learned, or is to be.
    pub fn mode(&self, index: usize) -> Mode {
        Ancestor::mode(&self.ancestry, index, self.recipe.lora.mode)
    }

    /// The row whose weights and heads the bench has.
    pub fn standing(&self) -> usize {
        self.standing
    }

    /// The first row that is not measured whole; after a merge was changed there may be others behind it.
    pub fn incomplete(&self) -> Option<usize> {
        self.rows.iter().position(|row| !row.complete)
    }

    /// Whose answers a row's files hold: the training that led to it, its task, and the row's revision.
    pub fn author(&self, index: usize) -> Option<(u32, &str, u32)> {
        let row = self.rows.get(index)?;
        Some((row.training()?, self.task(index).id.as_str(), row.revision))
    }

    /// The backbone as it would be with this amount of an update: that of `trained`, which waits for its merge, or
    /// without one that of row `index`.
    pub fn what_if(
        &self,
        index: usize,
        trained: Option<&TrainedTask>,
        amount: Amount,
    ) -> Result<Backbone> {
        let mut stack = self.stack.clone();
        match trained {
            Some(task) => {
                if let Some(update) = &task.update {
                    stack.push(Entry::of(self.mode(index), update, amount)?)?;
                }
            }
            None => stack.replace(self.entries(index) - 1, self.reweighed(index, amount)?)?,
        }
        Backbone::new(&self.material.config, &stack.weights()?)
    }

    /// Sets weights, heads and stored adapters to what they were after row `index`.
    pub fn stand_at(&mut self, index: usize) -> Result<()> {
        self.standing = index;
        self.heads.clear();
        self.stored.clear();
        for i in 1..self.rows.len().min(index + 1) {
            let Some(task) = &self.rows[i].task else {
                continue;
            };
            let column = self.column(i).to_owned();
            // A second visit of a column replaces what the first one left.
            if let (Mode::Drop, Some(Update::LowRank(adapter))) = (self.mode(i), &task.update) {
                let deltas = adapter.deltas(&self.layers)?;
                self.stored.insert(column.clone(), deltas);
            }
            self.heads.insert(column, task.head.clone());
        }
        let weights = self.stack.weights_of(self.entries(index))?;
        self.backbone = Arc::new(Backbone::new(&self.material.config, &weights)?);
        Ok(())
    }

    /// Size of the update up to row `index`: see [`crate::lora::Stack::norms`].
    pub fn norms(&self, index: usize) -> Result<(Vec<UpdateNorm>, f64)> {
        self.stack.norms_of(self.entries(index))
    }

    /// Takes row `index`, the last one, back: the weights are the bits they were.
    pub fn pop(&mut self, index: usize) -> Result<()> {
        let Some(row) = self.rows.get(index) else {
            return Err(Error::internal(format!("there is no row {index} to undo")));
        };
        if row.is_on_stack() {
            self.stack.pop();
        }
        self.rows.truncate(index);
        self.stand_at(index - 1)
    }

    /// Logits by a trained task's model that is not merged yet, with this much of its update.
    fn unmerged(&self, task: &TrainedTask, amount: Amount, x: &Tensor) -> Result<Tensor> {
        if amount.lambda == 0.0 {
            return logits(&self.backbone, None, &task.head, x);
        }
        let (backbone, mut weights) = self.beginning()?;
        match &task.update {
            None => logits(&backbone, None, &task.head, x),
            Some(Update::LowRank(adapter)) => {
                let adapter = adapter.at(amount)?;
                let deltas = adapter.deltas(&self.layers)?;
                logits(&backbone, Some(&deltas), &task.head, x)
            }
            Some(Update::Dense(dense)) => {
                dense.replace_in(&mut weights);
                let backbone = Backbone::new(&self.material.config, &weights)?;
                logits(&backbone, None, &task.head, x)
            }
        }
    }
}
