//! What the matrix would be with other amounts of an update, before any of them is merged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::command::Ask;
use super::desk::Recorder;
use super::event::{Event, PreviewedSet};
use super::machine::Lab;
use super::state::State;
use crate::lora::{Amount, Update};
use crate::{Error, Result, measure};

/// A preview under way.
pub struct Asked {
    /// The row whose update is varied.
    row: usize,
    quick: bool,
    left: VecDeque<Amount>,
    /// Where the run stood.
    from: State,
}

impl<R: Recorder> Lab<R> {
    /// Begins what the user asks for, or says why it cannot be.
    pub(super) fn begin_preview(&mut self, ask: Ask) -> Result<()> {
        let amounts = match self.amounts(ask) {
            Ok(amounts) => amounts,
            Err(Error::Input(refusal)) => return self.warn(format!("preview: {refusal}")),
            Err(error) => return Err(error),
        };
        let index = match self.state {
            State::Trained(index) => index,
            _ => self.bench.rows.len() - 1,
        };
        self.record(Event::PreviewBegan {
            index,
            row: ask.row,
            quick: ask.quick,
            amounts: amounts.clone(),
        })?;
        self.asked = Some(Asked {
            row: ask.row,
            quick: ask.quick,
            left: amounts.into(),
            from: self.state,
        });
        self.state = State::Previewing(index);
        Ok(())
    }

    /// The amounts that are asked for, each of which the mode can take.
    fn amounts(&self, ask: Ask) -> Result<Vec<Amount>> {
        let waits = matches!(self.state, State::Trained(index) if index == ask.row);
        let merged = self.bench.rows.get(ask.row).and_then(|r| r.task.as_ref());
        let task = if waits { self.trained.as_ref() } else { merged };
        if !waits && matches!(self.state, State::Trained(_)) {
            return Err(Error::input(
                "the trained adapter comes first: merge it or discard it, then look at earlier merges",
            ));
        }
        let rank = match task.and_then(|t| t.update.as_ref()) {
            Some(Update::LowRank(adapter)) => adapter.rank,
            Some(Update::Dense(_)) => 0,
            None => {
                return Err(Error::input(format!(
                    "row {} has no update whose amount could be varied",
                    ask.row
                )));
            }
        };
        let amounts = ask.amounts.list(rank);
        let mode = self.bench.mode(ask.row);
        amounts.iter().try_for_each(|amount| amount.check(mode))?;
        Ok(amounts)
    }

    /// Measures the next amount.
    pub(super) fn preview(&mut self, index: usize) -> Result<()> {
        let Some(asked) = &self.asked else {
            return Err(Error::internal("no preview was asked for"));
        };
        let (row, quick) = (asked.row, asked.quick);
        let Some(&amount) = asked.left.front() else {
            return self.end_preview();
        };
        let begun = Instant::now();
        let trained = self.trained.as_ref();
        let backbone = self.bench.what_if(row, trained, amount)?;
        let mut columns = self.bench.columns(index.min(self.bench.rows.len() - 1));
        let own = self.bench.column(row).to_owned();
        if !columns.contains(&own) {
            columns.push(own.clone());
        }
        // The row that is there; one that was left out measures nothing.
        let present = match trained {
            Some(_) => self.bench.row_before(index),
            None => self.bench.row_before(index + 1),
        };
        let mut sets = Vec::new();
        for column in columns {
            let data = Arc::clone(self.bench.dataset(&column)?);
            let chosen: Vec<usize> = match quick {
                true => self.bench.watched(&column)?,
                false => (0..data.test.len()).collect(),
            };
            let images = data.test.subset(&chosen);
            let head = match trained {
                Some(task) if column == own => &task.head,
                _ => self.bench.head(&column)?,
            };
            let what = format!("previewing {amount}: {column}");
            let answers = self.predict(&backbone, &column, head, &images, &what)?;
            let (labels, classes) = (&images.labels, data.classes.len());
            let before = present.predictions.get(&column);
            sets.push(PreviewedSet {
                counts: measure::counts(&answers.classes, labels, classes),
                present: before.map(|all| measure::counts_of(all, &chosen, labels, classes)),
                test_set: column,
            });
        }
        self.record(Event::Previewed {
            amount,
            sets,
            seconds: begun.elapsed().as_secs_f64(),
        })?;
        if let Some(asked) = &mut self.asked {
            asked.left.pop_front();
        }
        Ok(())
    }

    /// Goes back to where the run stood before.
    pub(super) fn end_preview(&mut self) -> Result<()> {
        self.record(Event::PreviewEnded)?;
        if let Some(asked) = self.asked.take() {
            self.state = asked.from;
        }
        Ok(())
    }
}
