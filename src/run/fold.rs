//! The fold: a journal's records, one by one, into a [`RunView`]. Live, resumed or replayed, it is the same.
//!
//! Any sequence of records is folded without panic, so that a prefix of a journal, which is what a live run
//! has, always has a view.

use super::log;
use super::view::{
    Evaluation, LogLine, Point, PreviewView, Row, RunView, Spent, Started, StoredCheckpoint,
    Training, TrainingEnd, Watch,
};
use crate::lab::{Event, Record, State};
use crate::recipe::Mode;

impl RunView {
    /// The fold over a whole journal.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut view = Self::default();
        for record in records {
            view.apply(record);
        }
        view
    }

    /// Adds one record.
    pub fn apply(&mut self, record: &Record) {
        self.records += 1;
        let started = self.started.as_ref();
        let mode = started.map_or(Mode::Merge, |s| s.recipe.lora.mode);
        let waiting = self.trainings.last().and_then(|t| t.spent().waiting());
        if let Some((level, text)) = log::describe(&record.event, mode, waiting) {
            self.log.push(LogLine {
                time: record.time.clone(),
                level,
                text,
            });
        }
        match &record.event {
            Event::RunStarted {
                version,
                recipe,
                recipe_hash,
                device,
                automatic,
                backbone,
                test_sets,
                ancestry,
            } => {
                self.automatic = *automatic;
                self.started = Some(Started {
                    recipe: (**recipe).clone(),
                    recipe_hash: recipe_hash.clone(),
                    device: device.clone(),
                    version: version.clone(),
                    backbone: backbone.clone(),
                    test_sets: test_sets.clone(),
                    ancestry: ancestry.clone(),
                    time: record.time.clone(),
                });
            }
            Event::Advance { automatic } => self.automatic = *automatic,
            Event::TaskStarted {
                index,
                step_id,
                training,
                steps,
                steps_per_epoch,
                trainable,
                ..
            } => {
                self.state = State::Training(*index);
                self.preview = None;
                self.trainings.push(Training {
                    number: *training,
                    index: *index,
                    step_id: step_id.clone(),
                    steps: *steps,
                    steps_per_epoch: *steps_per_epoch,
                    trainable: *trainable,
                    ..Training::default()
                });
            }
            Event::Context {
                training,
                similarity,
                classes,
                wordnet,
                clip,
            } => self.with_training(*training, |t| {
                t.similarity.clone_from(similarity);
                t.context.clone_from(classes);
                t.wordnet.clone_from(wordnet);
                t.clip.clone_from(clip);
            }),
            Event::Step {
                training,
                step,
                loss,
                lr,
                correct,
                images,
                seconds,
                waited,
            } => self.with_training(*training, |t| {
                let before = t.points.last().map_or(Spent::NOTHING, |p| p.spent);
                t.points.push(Point {
                    step: *step,
                    loss: *loss,
                    lr: *lr,
                    accuracy: *correct as f32 / *images as f32,
                    // A clock too coarse for one step says nothing about its rate.
                    rate: if *seconds > 0.0 {
                        *images as f64 / seconds
                    } else {
                        f64::NAN
                    },
                    spent: before.and(*seconds, *images, *waited),
                });
            }),
            Event::Watched {
                training,
                step,
                foundation,
                before,
                start,
                task,
            } => {
                let watch = Watch {
                    step: *step,
                    foundation: foundation.clone(),
                    before: before.clone(),
                    start: start.clone(),
                    task: task.clone(),
                };
                self.with_training(*training, |t| t.watched.push(watch));
            }
            Event::Checkpoint {
                training,
                step,
                file,
                sha256,
            } => self.with_training(*training, |t| {
                t.checkpoint = Some(StoredCheckpoint {
                    step: *step,
                    file: file.clone(),
                    sha256: sha256.clone(),
                });
            }),
            Event::Trained {
                index,
                training,
                adapter,
                head,
                sha256,
                ..
            } => {
                self.state = State::Trained(*index);
                self.with_training(*training, |t| {
                    t.adapter.clone_from(adapter);
                    t.head.clone_from(head);
                    t.sha256.clone_from(sha256);
                });
            }
            Event::Merged {
                index,
                training,
                amount,
                update,
                update_total,
                fidelity,
                agreement,
            } => {
                self.state = State::Measuring(*index);
                self.with_training(*training, |t| t.end = TrainingEnd::Merged);
                self.preview = None;
                self.rows.truncate(*index);
                self.rows.push(Row {
                    index: *index,
                    training: Some(*training),
                    amount: *amount,
                    update: update.clone(),
                    update_total: *update_total,
                    fidelity: *fidelity,
                    agreement: *agreement,
                    ..Row::default()
                });
            }
            Event::Evaluated {
                index,
                test_set,
                counts,
                new_errors,
                new_hits,
                wrong,
                lost,
                file,
                sha256,
                seconds,
            } => {
                if *index == 0 && self.rows.is_empty() {
                    self.rows.push(Row::default());
                }
                self.state = State::Measuring(*index);
                if let Some(row) = self.rows.get_mut(*index) {
                    row.evaluations.insert(
                        test_set.clone(),
                        Evaluation {
                            counts: counts.clone(),
                            new_errors: new_errors.clone(),
                            new_hits: new_hits.clone(),
                            wrong: wrong.clone(),
                            lost: lost.clone(),
                            file: file.clone(),
                            sha256: sha256.clone(),
                            seconds: *seconds,
                        },
                    );
                }
            }
            Event::Probed {
                index,
                probes,
                seconds,
            } => {
                if let Some(row) = self.rows.get_mut(*index) {
                    row.probes = Some(probes.clone());
                    row.probing = *seconds;
                }
            }
            Event::Measured { index, contextual } => {
                if let Some(row) = self.rows.get_mut(*index) {
                    row.complete = true;
                    row.contextual.clone_from(contextual);
                }
                // After a merge was changed, the rows behind it are measured anew.
                self.state = match self.rows.iter().find(|r| !r.complete) {
                    Some(row) => State::Measuring(row.index),
                    None => State::Measured(self.rows.last().map_or(*index, |r| r.index)),
                };
            }
            Event::Reweighed {
                index,
                amount,
                rows,
            } => {
                self.state = State::Measuring(*index);
                self.preview = None;
                self.automatic = false;
                let behind = self.rows.iter_mut().skip(*index).zip(rows);
                for (row, size) in behind.filter(|(row, _)| !row.skipped) {
                    *row = Row {
                        index: row.index,
                        training: row.training,
                        amount: row.amount,
                        revision: row.revision + 1,
                        fidelity: row.fidelity,
                        agreement: row.agreement,
                        update: size.update.clone(),
                        update_total: size.update_total,
                        ..Row::default()
                    };
                }
                if let Some(row) = self.rows.get_mut(*index) {
                    row.amount = *amount;
                }
            }
            Event::PreviewBegan {
                index,
                row,
                quick,
                amounts,
            } => {
                self.preview = Some(PreviewView {
                    index: *index,
                    row: *row,
                    quick: *quick,
                    amounts: amounts.clone(),
                    done: Vec::new(),
                    over: false,
                    from: self.state,
                });
                self.state = State::Previewing(*index);
            }
            Event::Previewed { amount, sets, .. } => {
                if let Some(preview) = &mut self.preview {
                    preview.done.push((*amount, sets.clone()));
                }
            }
            Event::PreviewEnded => self.end_preview(),
            Event::Discarded { training } => {
                self.with_training(*training, |t| t.end = TrainingEnd::Discarded);
                self.preview = None;
                self.paused = false;
                // As the lab turns; a crash may come before it says so.
                self.automatic = false;
                self.state = self.resting_state();
            }
            Event::Undone { index } => {
                self.preview = None;
                // Row 0 comes from no merge and cannot be undone.
                let kept = (*index).max(1).min(self.rows.len());
                for number in self.rows.split_off(kept).iter().filter_map(|r| r.training) {
                    self.with_training(number, |t| t.end = TrainingEnd::Undone);
                }
                self.automatic = false;
                self.state = self.resting_state();
            }
            Event::Skipped { index, .. } => {
                self.preview = None;
                self.rows.truncate(*index);
                self.rows.push(Row {
                    index: *index,
                    skipped: true,
                    complete: true,
                    ..Row::default()
                });
                self.state = State::Measured(*index);
            }
            Event::Paused => {
                self.paused = true;
                self.stopped = false;
            }
            Event::Resumed {
                training,
                from_step,
            } => {
                self.paused = false;
                self.stopped = false;
                self.failure = None;
                self.end_preview();
                if let Some(number) = training {
                    self.with_training(*number, |t| t.void_after(*from_step));
                }
                self.state = self.resting_state();
            }
            Event::Note { .. } => {}
            Event::Stopped => {
                self.stopped = true;
                self.end_preview();
            }
            Event::Failed { message } => {
                self.failure = Some(message.clone());
                self.state = State::Failed;
            }
            Event::Finished => self.state = State::Finished,
        }
    }

    /// The state that rows and trainings imply, for a run that is opened again after an end of any kind.
    pub fn resting_state(&self) -> State {
        if let Some(training) = self.open_training() {
            return if training.head.is_empty() {
                State::Training(training.index)
            } else {
                State::Trained(training.index)
            };
        }
        match (self.rows.iter().find(|r| !r.complete), self.rows.last()) {
            (_, None) => State::Idle,
            (Some(row), _) => State::Measuring(row.index),
            (None, Some(row)) => State::Measured(row.index),
        }
    }

    /// The preview under way, if there is one, measures nothing more.
    fn end_preview(&mut self) {
        if let Some(preview) = self.preview.as_mut().filter(|preview| !preview.over) {
            preview.over = true;
            self.state = preview.from;
        }
    }

    /// The last training of this number, if it is known: a journal's prefix or a damaged one may not know it.
    fn with_training(&mut self, number: u32, change: impl FnOnce(&mut Training)) {
        if let Some(training) = self.trainings.iter_mut().rev().find(|t| t.number == number) {
            change(training);
        }
    }
}

#[cfg(test)]
mod tests;
