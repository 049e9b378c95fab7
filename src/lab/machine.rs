//! The state machine: what the lab does next, until its user stops it or the sequence is finished.

use std::cell::RefCell;

use super::bench::{About, Bench, LearnedRow, TrainedTask};
use super::desk::{Desk, Interrupt, Recorder, Request};
use super::event::UpdateSize;
use super::previewing::Asked;
use super::{Event, Level, State, memory};
use crate::folder::RunFolder;
use crate::lora::Amount;
use crate::{Error, Result, files};

/// The lab: a bench, a desk, and where in the sequence they are.
pub struct Lab<R> {
    pub(super) bench: Bench,
    pub(super) desk: RefCell<Desk<R>>,
    pub(super) state: State,
    /// Trained and waiting for its merge.
    pub(super) trained: Option<TrainedTask>,
    /// How much of it the user wants.
    wanted: Amount,
    /// The preview under way.
    pub(super) asked: Option<Asked>,
    /// A training to go on with.
    pub(super) reopened: Option<Reopened>,
    /// The last checkpoint of the training under way, within the run's folder.
    pub(super) last_checkpoint: Option<String>,
    /// Trainings begun so far in this run.
    pub(super) trainings: u32,
    /// End when the sequence is finished, instead of waiting for an undo.
    leave_when_finished: bool,
}

/// A training that a stop or a crash interrupted.
pub struct Reopened {
    /// Name and content of its last checkpoint; `None` if it has to begin again.
    pub checkpoint: Option<(String, Vec<u8>)>,
    /// The checkpoint's step; 0 without one.
    pub from_step: usize,
    /// Which foundation classes it is about, if that was journaled.
    pub about: Option<About>,
}

/// How the lab's work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every task is measured or skipped.
    Finished,
    /// The user stopped it before.
    Stopped,
}

impl<R: Recorder> Lab<R> {
    /// A lab at which nothing has happened.
    pub fn new(bench: Bench, desk: Desk<R>, leave_when_finished: bool) -> Self {
        Self {
            bench,
            desk: RefCell::new(desk),
            state: State::Idle,
            trained: None,
            wanted: Amount::WHOLE,
            asked: None,
            reopened: None,
            last_checkpoint: None,
            trainings: 0,
            leave_when_finished,
        }
    }

    /// The first event of a run.
    pub fn beginning(bench: &Bench, device: String, automatic: bool) -> Result<Event> {
        Ok(Event::RunStarted {
            version: env!("CARGO_PKG_VERSION").into(),
            recipe_hash: bench.recipe.hash()?,
            recipe: Box::new(bench.recipe.clone()),
            device,
            automatic,
            backbone: bench.summary()?,
            test_sets: bench.test_sets(),
            ancestry: bench.ancestry.clone(),
        })
    }

    /// Journals that the run exists.
    pub fn announce(&self, device: String) -> Result<()> {
        let automatic = self.desk.borrow().automatic;
        self.record(Self::beginning(&self.bench, device, automatic)?)?;
        let warnings = &self.bench.material.warnings;
        warnings.iter().try_for_each(|w| self.warn(w.clone()))
    }

    /// Journals that a run is taken up again; what was after its last checkpoint is void.
    pub fn go_on(&self) -> Result<()> {
        self.record(Event::Resumed {
            training: None,
            from_step: 0,
        })
    }

    /// Stands still until the user says to go on; where the run waits for its user anyway, that is enough.
    pub fn hold(&self) -> Result<()> {
        let waits = matches!(self.state, State::Trained(_) | State::Measured(_));
        if waits && !self.desk.borrow().automatic {
            return self.go_on();
        }
        if let Some(reopened) = &self.reopened {
            // What came after the checkpoint is void already, and whoever looks on sees where it will begin.
            self.record(Event::Resumed {
                training: Some(self.trainings),
                from_step: reopened.from_step,
            })?;
        }
        self.desk.borrow_mut().hold()
    }

    /// Journals a warning.
    pub fn warn(&self, message: String) -> Result<()> {
        self.desk.borrow_mut().note(Level::Warning, message)
    }

    /// Journals an error as the run's end. A journal that cannot be written any more is left as it is.
    pub fn fail(&self, error: &Error) {
        let _ = self.record(Event::Failed {
            message: error.to_string(),
        });
    }

    /// An error that its user can do something about, with the way on: a training that diverged, a GPU that is too small.
    fn with_way_on(&self, error: Error) -> Error {
        let run = files::word(self.folder().root());
        let branch = format!(
            "`pentimento branch {run} --at {} --set KEY=VALUE`",
            self.bench
                .rows
                .iter()
                .take_while(|row| row.complete)
                .count()
                .saturating_sub(1)
        );
        match error {
            Error::Diverged(text) => {
                let kept = match &self.last_checkpoint {
                    Some(file) => format!("the last good checkpoint is kept, {file}"),
                    None => "the training has no checkpoint yet".to_owned(),
                };
                Error::Diverged(format!(
                    "{text} in a branch ({branch}); {kept}, and whoever opens the run can discard the adapter"
                ))
            }
            error if memory::is_out_of_memory(&error) => {
                let at_work = match self.state {
                    State::Training(_) => memory::Use::Training,
                    _ => memory::Use::Measuring,
                };
                let bench = &self.bench;
                let there = memory::capacity(&bench.device);
                match memory::shortage(&bench.recipe, &bench.material.config, at_work, there) {
                    Ok(text) => Error::input(format!(
                        "{text}; the run is as it was, and {branch} goes on with another batch"
                    )),
                    Err(_) => error,
                }
            }
            error => error,
        }
    }

    /// Works until the sequence is finished or the user stops it.
    pub fn run(&mut self) -> Result<Outcome> {
        loop {
            self.publish();
            // Only a run that stands still is attended to here: between two pieces of work every command is
            // one for `advance`, which must not be taken for an interruption.
            let held = self.desk.borrow().is_paused();
            let advanced = if held && self.leaves() {
                Err(Error::Cancelled)
            } else {
                self.advance().map_err(|error| self.with_way_on(error))
            };
            let interrupt = self.desk.borrow_mut().take_interrupt();
            let failure = self.desk.borrow_mut().take_failure();
            let outcome = match (advanced, failure, interrupt) {
                (_, Some(error), _) => return Err(error),
                (Err(Error::Cancelled) | Ok(None), _, Some(Interrupt::Stop)) => {
                    Some(Outcome::Stopped)
                }
                (Err(Error::Cancelled) | Ok(None), _, Some(Interrupt::Discard)) => {
                    self.discard()?;
                    None
                }
                (Err(Error::Cancelled) | Ok(None), _, Some(Interrupt::EndPreview)) => {
                    self.end_preview()?;
                    None
                }
                (Err(error), _, _) => return Err(error),
                (Ok(outcome), _, _) => outcome,
            };
            match outcome {
                Some(Outcome::Stopped) => {
                    self.record(Event::Stopped)?;
                    return Ok(Outcome::Stopped);
                }
                Some(Outcome::Finished) => return Ok(Outcome::Finished),
                None => {}
            }
        }
    }

    /// One piece of work, or one wait, in the present state.
    fn advance(&mut self) -> Result<Option<Outcome>> {
        match self.state {
            State::Idle => self.measure(0)?,
            State::Training(index) => self.train(index)?,
            State::Merging(index) => self.merge(index)?,
            State::Measuring(index) => self.measure(index)?,
            State::Previewing(index) => self.preview(index)?,
            State::Trained(index) => match self.next_request()? {
                Some(Request::Stop) => return Ok(Some(Outcome::Stopped)),
                Some(Request::Discard) => self.discard()?,
                Some(Request::Merge(amount)) => self.merge_amount(index, amount)?,
                Some(Request::Preview(ask)) => self.begin_preview(ask)?,
                None => self.merge_amount(index, Amount::WHOLE)?,
                Some(_) => {}
            },
            State::Measured(_) => {
                let Some(index) = self.next_index() else {
                    self.record(Event::Finished)?;
                    self.state = State::Finished;
                    return Ok(None);
                };
                match self.next_request()? {
                    Some(Request::Stop) => return Ok(Some(Outcome::Stopped)),
                    Some(Request::Undo) => self.undo()?,
                    Some(Request::Skip) => self.skip(index)?,
                    Some(Request::Preview(ask)) => self.begin_preview(ask)?,
                    Some(Request::Reweigh(row, amount)) => self.reweigh(row, amount)?,
                    Some(Request::Step) | None => self.state = State::Training(index),
                    Some(_) => {}
                }
            }
            State::Finished | State::Failed if self.leave_when_finished => {
                return Ok(Some(Outcome::Finished));
            }
            State::Finished | State::Failed => {
                let request = self.desk.borrow_mut().wait()?;
                match request {
                    Request::Stop => return Ok(Some(Outcome::Finished)),
                    Request::Undo => self.undo()?,
                    Request::Preview(ask) => self.begin_preview(ask)?,
                    Request::Reweigh(row, amount) => self.reweigh(row, amount)?,
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    /// What the user asks for between two pieces of work; `None`: go on by itself.
    fn next_request(&self) -> Result<Option<Request>> {
        loop {
            let mut desk = self.desk.borrow_mut();
            let request = if desk.automatic {
                desk.glance()?
            } else {
                Some(desk.wait()?)
            };
            if request != Some(Request::Look) {
                return Ok(request);
            }
        }
    }

    /// The row of the next task.
    pub(super) fn next_index(&self) -> Option<usize> {
        let next = self.bench.rows.len();
        (1..=self.bench.recipe.tasks.len())
            .contains(&next)
            .then_some(next)
    }

    /// Throws the present adapter away.
    fn discard(&mut self) -> Result<()> {
        self.trained = None;
        // One that was reopened and not gone on with still has its checkpoint.
        let reopened = self.reopened.take().and_then(|r| r.checkpoint);
        let checkpoints = [self.last_checkpoint.take(), reopened.map(|(file, _)| file)];
        for checkpoint in checkpoints.into_iter().flatten() {
            self.persist(|folder| folder.remove(&checkpoint))?;
        }
        self.record(Event::Discarded {
            training: self.trainings,
        })?;
        // Without this an automatic run would train the same adapter again at once.
        self.turn_manual()?;
        self.state = State::Measured(self.bench.rows.len() - 1);
        Ok(())
    }

    /// Takes the last row back, a merge or a skip.
    fn undo(&mut self) -> Result<()> {
        let index = self.bench.rows.len() - 1;
        self.bench.pop(index)?;
        self.record(Event::Undone { index })?;
        self.turn_manual()?;
        self.state = State::Measured(index - 1);
        Ok(())
    }

    fn turn_manual(&self) -> Result<()> {
        let mut desk = self.desk.borrow_mut();
        if desk.automatic {
            desk.automatic = false;
            desk.record(Event::Advance { automatic: false })?;
        }
        Ok(())
    }

    fn skip(&mut self, index: usize) -> Result<()> {
        let step_id = self.bench.task(index).id.clone();
        self.record(Event::Skipped { index, step_id })?;
        self.bench.rows.push(LearnedRow {
            skipped: true,
            complete: true,
            ..LearnedRow::default()
        });
        self.state = State::Measured(index);
        Ok(())
    }

    /// Merges so much of the trained adapter next, if the mode can take it.
    fn merge_amount(&mut self, index: usize, amount: Amount) -> Result<()> {
        match amount.check(self.bench.mode(index)) {
            Err(refusal) => self.warn(format!("merge: {refusal}")),
            Ok(()) => {
                self.wanted = amount;
                self.state = State::Merging(index);
                Ok(())
            }
        }
    }

    /// Merges another amount of the update of row `row` and measures the rows from there on anew.
    fn reweigh(&mut self, row: usize, amount: Amount) -> Result<()> {
        let same = self.bench.rows.get(row).is_some_and(|r| r.amount == amount);
        if same {
            return self.warn(format!("row {row} is merged with {amount} already"));
        }
        match self.bench.reweigh(row, amount) {
            Ok(()) => {}
            Err(Error::Input(refusal)) => return self.warn(format!("change a merge: {refusal}")),
            Err(error) => return Err(error),
        }
        let sizes = (row..self.bench.rows.len()).map(|i| {
            let (update, update_total) = self.bench.norms(i)?;
            Ok(UpdateSize {
                update,
                update_total,
            })
        });
        let rows = sizes.collect::<Result<_>>()?;
        self.record(Event::Reweighed {
            index: row,
            amount,
            rows,
        })?;
        self.turn_manual()?;
        self.state = State::Measuring(row);
        Ok(())
    }

    /// Adds the trained adapter into the weights.
    fn merge(&mut self, index: usize) -> Result<()> {
        let Some(task) = self.trained.take() else {
            return Err(Error::internal("there is no trained adapter to merge"));
        };
        let training = task.training;
        let id = &self.bench.task(index).id;
        self.pulse(format!("merging {id}"), 0, 0);
        let amount = self.wanted;
        let (fidelity, agreement) = self.bench.merge(index, task, amount)?;
        let (update, update_total) = self.bench.norms(index)?;
        self.record(Event::Merged {
            index,
            training,
            amount,
            update,
            update_total,
            fidelity,
            agreement: Some(agreement),
        })?;
        self.state = State::Measuring(index);
        Ok(())
    }

    /// Tells the desk where the run stands, so that it can refuse what makes no sense.
    fn publish(&self) {
        let mut desk = self.desk.borrow_mut();
        desk.state = self.state;
        desk.next = self.next_index();
        desk.undoable = self.bench.rows.len() > 1;
        desk.progress = None;
    }

    pub(super) fn record(&self, event: Event) -> Result<()> {
        self.desk.borrow_mut().record(event)
    }

    /// Writes into the run's folder as [`Desk::persist`] does.
    pub(super) fn persist<T>(&self, mut attempt: impl FnMut(&RunFolder) -> Result<T>) -> Result<T> {
        let mut desk = self.desk.borrow_mut();
        desk.persist(|recorder| attempt(recorder.folder()))
    }

    pub(super) fn folder(&self) -> RunFolder {
        self.desk.borrow().folder()
    }

    pub(super) fn pulse(&self, what: impl Into<String>, done: usize, total: usize) {
        self.desk.borrow_mut().pulse(what, done, total);
    }

    /// Whether the work under way is to be left, asked between two batches.
    pub(super) fn leaves(&self) -> bool {
        self.desk.borrow_mut().leaves()
    }
}
