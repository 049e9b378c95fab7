//! The fold: what a screen, an export or a report knows of a run, computed from its journal alone.

use std::collections::BTreeMap;

use crate::lab::{BackboneSummary, Event, Level, Record, State, TestSet};
use crate::lora::UpdateNorm;
use crate::measure::{Contextual, Counts};
use crate::recipe::Recipe;

/// Everything that a run's journal says, up to the last record applied.
#[derive(Clone, Debug, Default)]
pub struct RunView {
    /// Content of `RunStarted`; `None` before it.
    pub started: Option<Started>,
    /// Where the run stands.
    pub state: State,
    /// Whether it stands still.
    pub paused: bool,
    /// Whether its user stopped it: no lab is at work on it.
    pub stopped: bool,
    /// Whether step and merge happen by themselves.
    pub automatic: bool,
    /// The rows of the matrix on the present path; `rows[0]` is the untouched backbone. The last one may be incomplete.
    pub rows: Vec<Row>,
    /// Every training of the run in order, discarded and undone ones included.
    pub trainings: Vec<Training>,
    /// Lines for the log, oldest first.
    pub log: Vec<LogLine>,
    /// The sentence of `Failed`.
    pub failure: Option<String>,
    /// Records applied.
    pub records: u64,
}

/// What is known from the start.
#[derive(Clone, Debug)]
pub struct Started {
    /// The resolved recipe.
    pub recipe: Recipe,
    /// Its hash.
    pub recipe_hash: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The program's version.
    pub version: String,
    /// The pretrained network.
    pub backbone: BackboneSummary,
    /// Columns of the matrix, the foundation first.
    pub test_sets: Vec<TestSet>,
    /// When.
    pub time: String,
}

/// A row of the matrix.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its number: tasks of the sequence up to it.
    pub index: usize,
    /// The training that led to it; `None` in row 0 and in a skipped row.
    pub training: Option<u32>,
    /// The task was left out.
    pub skipped: bool,
    /// All test sets are measured.
    pub complete: bool,
    /// Measurements by test set id.
    pub evaluations: BTreeMap<String, Evaluation>,
    /// Whether the touched classes lost more.
    pub contextual: Option<Contextual>,
    /// Size of the update so far, by module.
    pub update: Vec<UpdateNorm>,
    /// Size of the whole update so far against the target modules' pretrained weights.
    pub update_total: f64,
    /// Largest logit difference, adapter against merged.
    pub fidelity: f64,
    /// λ of this merge.
    pub lambda: f64,
}

/// One test set, measured once.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Right and total by class.
    pub counts: Counts,
    /// Right before this merge, wrong after, by class.
    pub new_errors: Vec<u32>,
    /// Wrong before, right after.
    pub new_hits: Vec<u32>,
    /// Most frequent wrong answers by class.
    pub wrong: Vec<Vec<(usize, u32)>>,
    /// Predictions file within the run's folder.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
}

/// One training of one task.
#[derive(Clone, Debug, Default)]
pub struct Training {
    /// Its number in the run.
    pub number: u32,
    /// Row that it leads to.
    pub index: usize,
    /// Task id.
    pub step_id: String,
    /// Steps planned.
    pub steps: usize,
    /// Steps an epoch.
    pub steps_per_epoch: usize,
    /// Parameters trained.
    pub trainable: usize,
    /// Loss by step; `points[i].step` rises.
    pub points: Vec<Point>,
    /// Provisional measurements, by step.
    pub watched: Vec<Watch>,
    /// Similarity of foundation classes to the task.
    pub similarity: Vec<f32>,
    /// Foundation classes in context.
    pub context: Vec<usize>,
    /// How it ended, or that it has not.
    pub end: TrainingEnd,
    /// Last checkpoint.
    pub checkpoint: Option<StoredCheckpoint>,
    /// Folder of the adapter once trained.
    pub adapter: String,
    /// File of the head once trained.
    pub head: String,
}

/// A stored state of a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// After this step.
    pub step: usize,
    /// Path within the run's folder.
    pub file: String,
    /// Of the file.
    pub sha256: String,
}

/// How a training ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrainingEnd {
    /// Under way, or trained and not decided on.
    #[default]
    Open,
    /// On the present path.
    Merged,
    /// Thrown away before a merge.
    Discarded,
    /// Merged once, then undone.
    Undone,
}

/// One optimiser step.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// 1-based.
    pub step: usize,
    /// Mean cross-entropy of the batch.
    pub loss: f32,
    /// Learning rate.
    pub lr: f64,
    /// Accuracy on the batch.
    pub accuracy: f32,
    /// Images a second.
    pub rate: f64,
}

/// A provisional measurement.
#[derive(Clone, Debug)]
pub struct Watch {
    /// After this step.
    pub step: usize,
    /// The foundation's fixed part.
    pub foundation: Counts,
    /// The task's own fixed part.
    pub task: Counts,
}

/// A line of the log.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// RFC 3339.
    pub time: String,
    /// How much it matters.
    pub level: Level,
    /// One sentence.
    pub text: String,
}

impl RunView {
    /// The fold over a whole journal.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut view = Self::default();
        for record in records {
            view.apply(record);
        }
        view
    }

    /// Task ids of the sequence in order.
    pub fn task_ids(&self) -> Vec<&str> {
        self.started
            .iter()
            .flat_map(|s| s.recipe.tasks.iter().map(|t| t.id.as_str()))
            .collect()
    }

    /// The row of the next task, if one is left.
    pub fn next_index(&self) -> Option<usize> {
        let tasks = self.started.as_ref()?.recipe.tasks.len();
        let next = self.rows.len();
        (1..=tasks).contains(&next).then_some(next)
    }

    /// The training that is under way, or trained and not yet merged.
    pub fn open_training(&self) -> Option<&Training> {
        self.trainings.last().filter(|t| t.end == TrainingEnd::Open)
    }

    /// The training with this number.
    pub fn training(&self, number: u32) -> Option<&Training> {
        self.trainings.iter().find(|t| t.number == number)
    }

    /// Accuracy of test set `id` after row `index`, if it was measured.
    pub fn accuracy(&self, index: usize, id: &str) -> Option<f64> {
        Some(self.rows.get(index)?.evaluations.get(id)?.counts.accuracy())
    }

    /// The last row with all its measurements that was not skipped.
    pub fn last_complete(&self) -> Option<&Row> {
        self.rows.iter().rev().find(|r| r.complete && !r.skipped)
    }

    /// Adds one record.
    pub fn apply(&mut self, record: &Record) {
        self.records += 1;
        if let Some((level, text)) = describe(&record.event) {
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
            } => {
                self.automatic = *automatic;
                self.started = Some(Started {
                    recipe: (**recipe).clone(),
                    recipe_hash: recipe_hash.clone(),
                    device: device.clone(),
                    version: version.clone(),
                    backbone: backbone.clone(),
                    test_sets: test_sets.clone(),
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
            } => self.with_training(*training, |t| {
                t.similarity.clone_from(similarity);
                t.context.clone_from(classes);
            }),
            Event::Step {
                training,
                step,
                loss,
                lr,
                correct,
                images,
                seconds,
            } => {
                let point = Point {
                    step: *step,
                    loss: *loss,
                    lr: *lr,
                    accuracy: *correct as f32 / *images as f32,
                    rate: *images as f64 / seconds,
                };
                self.with_training(*training, |t| t.points.push(point));
            }
            Event::Watched {
                training,
                step,
                foundation,
                task,
            } => {
                let watch = Watch {
                    step: *step,
                    foundation: foundation.clone(),
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
                ..
            } => {
                self.state = State::Trained(*index);
                self.with_training(*training, |t| {
                    t.adapter.clone_from(adapter);
                    t.head.clone_from(head);
                });
            }
            Event::Merged {
                index,
                training,
                lambda,
                update,
                update_total,
                fidelity,
            } => {
                self.state = State::Measuring(*index);
                self.with_training(*training, |t| t.end = TrainingEnd::Merged);
                self.rows.truncate(*index);
                self.rows.push(Row {
                    index: *index,
                    training: Some(*training),
                    lambda: *lambda,
                    update: update.clone(),
                    update_total: *update_total,
                    fidelity: *fidelity,
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
                file,
                sha256,
                ..
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
                            file: file.clone(),
                            sha256: sha256.clone(),
                        },
                    );
                }
            }
            Event::Measured { index, contextual } => {
                self.state = State::Measured(*index);
                if let Some(row) = self.rows.get_mut(*index) {
                    row.complete = true;
                    row.contextual.clone_from(contextual);
                }
            }
            Event::Discarded { training } => {
                let mut index = 1;
                self.with_training(*training, |t| {
                    t.end = TrainingEnd::Discarded;
                    index = t.index;
                });
                self.paused = false;
                self.state = State::Measured(index - 1);
            }
            Event::Undone { index } => {
                if let Some(number) = self.rows.get(*index).and_then(|r| r.training) {
                    self.with_training(number, |t| t.end = TrainingEnd::Undone);
                }
                self.rows.truncate(*index);
                self.automatic = false;
                self.state = State::Measured(index.saturating_sub(1));
            }
            Event::Skipped { index, .. } => {
                self.rows.truncate(*index);
                self.rows.push(Row {
                    index: *index,
                    skipped: true,
                    complete: true,
                    ..Row::default()
                });
                self.state = State::Measured(*index);
            }
            Event::Paused => self.paused = true,
            Event::Resumed {
                training,
                from_step,
            } => {
                self.paused = false;
                self.stopped = false;
                self.failure = None;
                if let Some(number) = training {
                    let from = *from_step;
                    self.with_training(*number, |t| {
                        t.points.retain(|p| p.step <= from);
                        t.watched.retain(|w| w.step <= from);
                    });
                }
                self.state = self.resting_state();
            }
            Event::Note { .. } => {}
            Event::Stopped => self.stopped = true,
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
        match self.rows.last() {
            None => State::Idle,
            Some(row) if !row.complete => State::Measuring(row.index),
            Some(row) => State::Measured(row.index),
        }
    }

    fn with_training(&mut self, number: u32, change: impl FnOnce(&mut Training)) {
        if let Some(training) = self.trainings.iter_mut().rev().find(|t| t.number == number) {
            change(training);
        }
    }
}

/// The log's line for an event; none for those that are too many to list.
fn describe(event: &Event) -> Option<(Level, String)> {
    let percent = |x: f64| format!("{:.1} %", 100.0 * x);
    let text = match event {
        Event::RunStarted {
            recipe,
            device,
            backbone,
            ..
        } => format!(
            "{} on {device}: {} with {} parameters, rank {}, seed {}",
            recipe.name, backbone.architecture, backbone.parameters, recipe.lora.rank, recipe.seed
        ),
        Event::Advance { automatic: true } => "automatic: step and merge by themselves".into(),
        Event::Advance { automatic: false } => "manual: each step and merge waits for a key".into(),
        Event::TaskStarted {
            index,
            step_id,
            steps,
            trainable,
            ..
        } => {
            format!("task {index}, {step_id}: {steps} steps, {trainable} trainable parameters")
        }
        Event::Step { loss, step, .. } if !loss.is_finite() => {
            return Some((Level::Warning, format!("the loss of step {step} is {loss}")));
        }
        Event::Context { .. } | Event::Step { .. } | Event::Watched { .. } | Event::Paused => {
            return None;
        }
        Event::Checkpoint { step, file, .. } => format!("checkpoint of step {step}: {file}"),
        Event::Trained { index, seconds, .. } => format!("task {index} trained in {seconds:.1} s"),
        Event::Merged {
            index,
            update_total,
            fidelity,
            ..
        } => format!(
            "task {index} merged: ‖ΔW‖/‖W‖ {update_total:.3}, logits within {fidelity:.1e} of the adapter's"
        ),
        Event::Evaluated {
            index,
            test_set,
            counts,
            ..
        } => {
            format!("row {index}: {test_set} {}", percent(counts.accuracy()))
        }
        Event::Measured { index, .. } => format!("row {index} is complete"),
        Event::Discarded { .. } => "adapter discarded".into(),
        Event::Undone { index } => format!("merge {index} undone"),
        Event::Skipped { index, step_id } => format!("task {index}, {step_id}, skipped"),
        Event::Resumed {
            training: Some(_),
            from_step,
        } => format!("going on from step {from_step}"),
        Event::Resumed { training: None, .. } => "going on".into(),
        Event::Note { level, message } => return Some((*level, message.clone())),
        Event::Stopped => "stopped".into(),
        Event::Failed { message } => return Some((Level::Error, message.clone())),
        Event::Finished => "finished".into(),
    };
    Some((Level::Info, text))
}
