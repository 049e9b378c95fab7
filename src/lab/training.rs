//! The training of one task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::bench::{About, CHECKED_IMAGES, TrainedTask};
use super::desk::{Interrupt, Recorder};
use super::machine::Lab;
use super::{Event, State};
use crate::backbone::{Weights, to_safetensors};
use crate::data::TrainBatches;
use crate::folder::RunFolder;
use crate::train::TaskTrainer;
use crate::{Error, Result, files, ops};

impl<R: Recorder> Lab<R> {
    /// Trains the task of row `index`, from its beginning or from where it was interrupted.
    pub(super) fn train(&mut self, index: usize) -> Result<()> {
        let reopened = self.reopened.take();
        self.last_checkpoint = reopened
            .as_ref()
            .and_then(|r| Some(r.checkpoint.as_ref()?.0.clone()));
        if reopened.is_none() {
            self.trainings += 1;
        }
        let training = self.trainings;
        let task = self.bench.task(index).clone();
        let train = self.bench.recipe.train.clone();
        self.pulse(format!("preparing {}", task.id), 0, 0);
        let data = Arc::clone(&self.bench.material.tasks[index - 1]);
        let key = self.bench.training_key(index);
        let batches = Arc::new(TrainBatches::new(
            Arc::clone(&data),
            Arc::clone(self.bench.transform()),
            train.augment.clone(),
            train.batch_size,
            key.named("batches"),
        ));
        let steps_per_epoch = batches.steps_per_epoch();
        let steps = self.bench.recipe.budget(index - 1).steps(steps_per_epoch);
        let mut trainer = TaskTrainer::new(
            self.bench.start(index)?,
            &self.bench.recipe.lora,
            &train,
            data.classes.len(),
            steps,
            key,
        )?;
        match reopened.as_ref() {
            None => self.record(Event::TaskStarted {
                index,
                step_id: task.id.clone(),
                training,
                steps,
                steps_per_epoch,
                batch_size: train.batch_size,
                trainable: trainer.trainable(),
            })?,
            Some(reopened) => {
                if let Some((_, checkpoint)) = &reopened.checkpoint {
                    trainer.restore(checkpoint)?;
                }
                self.record(Event::Resumed {
                    training: Some(training),
                    from_step: trainer.steps_done(),
                })?;
            }
        }
        let about = match reopened.and_then(|r| r.about) {
            Some(about) => about,
            None => self.look_at_context(index, training)?,
        };
        let begun = Instant::now();
        self.take_steps(index, training, &mut trainer, &batches, steps)?;
        ops::give_back_memory();
        self.keep(
            index,
            training,
            &trainer,
            about,
            begun.elapsed().as_secs_f64(),
        )
    }

    /// Computes and journals which foundation classes the task of row `index` is about.
    fn look_at_context(&mut self, index: usize, training: u32) -> Result<About> {
        let id = &self.bench.task(index).id;
        self.pulse(
            format!("comparing {id} with the foundation's classes"),
            0,
            0,
        );
        let desk = &self.desk;
        let similarity = self
            .bench
            .similarity(index, &|| desk.borrow_mut().leaves())?;
        let classes = self.bench.context(index, &similarity)?;
        let clip = self
            .bench
            .text_similarity(index, &|| desk.borrow_mut().leaves())?;
        let wordnet = self.bench.word_similarity(index)?;
        if let Some(missing) = wordnet.as_ref().map(|w| w.missing()).filter(|n| *n > 0) {
            let all = similarity.len();
            self.warn(format!(
                "WordNet has no noun for {missing} of the foundation's {all} classes: they have no similarity by it"
            ))?;
        }
        self.record(Event::Context {
            training,
            similarity: similarity.clone(),
            classes: classes.clone(),
            wordnet: wordnet.clone(),
            clip: clip.clone(),
        })?;
        Ok(About {
            similarity,
            classes,
            wordnet,
            clip,
        })
    }

    /// Takes the steps that are left.
    fn take_steps(
        &mut self,
        index: usize,
        training: u32,
        trainer: &mut TaskTrainer,
        batches: &Arc<TrainBatches>,
        steps: usize,
    ) -> Result<()> {
        let train = self.bench.recipe.train.clone();
        let id = self.bench.task(index).id.clone();
        let watch_sets = (train.watch_every > 0)
            .then(|| self.watch_sets(index))
            .transpose()?;
        let mut prefetch = batches.prefetch(trainer.steps_done(), steps);
        self.pulse(
            format!("training {id}: the first step"),
            trainer.steps_done(),
            steps,
        );
        while trainer.steps_done() < steps {
            self.desk.borrow_mut().progress = Some((training, trainer.steps_done()));
            if self.leaves() {
                if self.desk.borrow().interrupt() == Some(Interrupt::Stop) {
                    self.checkpoint(training, &id, trainer)?;
                }
                return Err(Error::Cancelled);
            }
            let begun = Instant::now();
            let Some(batch) = prefetch.next() else {
                return Err(Error::internal("the loader ended before the training"));
            };
            let batch = batch?;
            let waited = begun.elapsed().as_secs_f64();
            let report = trainer.step(&batch)?;
            // A pause within what follows goes on after this step.
            self.desk.borrow_mut().progress = Some((training, report.step));
            self.record(Event::Step {
                training,
                step: report.step,
                loss: report.loss,
                lr: report.lr,
                correct: report.correct,
                images: batch.labels.len(),
                seconds: begun.elapsed().as_secs_f64(),
                waited: Some(waited),
            })?;
            self.pulse(format!("training {id}"), report.step, steps);
            if report.step < steps && report.step % train.checkpoint_every == 0 {
                self.checkpoint(training, &id, trainer)?;
            }
            let due = train.watch_every > 0 && report.step % train.watch_every == 0;
            if let Some(sets) = watch_sets.as_ref().filter(|_| due) {
                self.pulse(format!("watching {id}"), report.step, steps);
                match self.watch(trainer, sets) {
                    Ok((foundation, task)) => self.record(Event::Watched {
                        training,
                        step: report.step,
                        foundation,
                        before: sets.before.clone(),
                        start: sets.start.clone(),
                        task,
                    })?,
                    // Left between two of its batches: the loop's next look decides what to do.
                    Err(Error::Cancelled) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Stores what a resume needs; the file of a training replaces its earlier one.
    fn checkpoint(&mut self, training: u32, id: &str, trainer: &TaskTrainer) -> Result<()> {
        let step = trainer.steps_done();
        let file = RunFolder::checkpoint(training, id, step);
        let state = trainer.checkpoint()?;
        let sha256 = self.persist(|folder| folder.write(&file, &state))?;
        self.record(Event::Checkpoint {
            training,
            step,
            file: file.clone(),
            sha256,
        })?;
        // The journal names the new one now; nothing needs the one before.
        match self.last_checkpoint.replace(file.clone()) {
            Some(old) if old != file => self.persist(|folder| folder.remove(&old)),
            _ => Ok(()),
        }
    }

    /// Stores the adapter and the head of a training that took all its steps.
    fn keep(
        &mut self,
        index: usize,
        training: u32,
        trainer: &TaskTrainer,
        about: About,
        seconds: f64,
    ) -> Result<()> {
        let id = self.bench.task(index).id.clone();
        let update = trainer.update()?;
        let mut adapter_folder = String::new();
        let head_file = RunFolder::head(training, &id);
        let mut kept = vec![head_file.clone()];
        if let Some(update) = &update {
            adapter_folder = RunFolder::adapter(training, &id);
            let files = self.persist(|folder| update.save(&folder.path(&adapter_folder)?))?;
            // For a reviewer: PEFT's logits on the timm model of this point are these.
            let (input, _) = self.bench.probe(self.bench.column(index), CHECKED_IMAGES)?;
            let logits = trainer.logits(&input)?;
            let check = [("input".to_owned(), input), ("logits".to_owned(), logits)];
            let (file, check) = (
                format!("{adapter_folder}/check.safetensors"),
                to_safetensors(&Weights::from(check))?,
            );
            self.persist(|folder| folder.write(&file, &check))?;
            kept.extend(files.iter().map(|name| format!("{adapter_folder}/{name}")));
        }
        let head = trainer.head()?;
        self.persist(|folder| head.save(&folder.path(&head_file)?))?;
        let mut sha256 = BTreeMap::new();
        for file in kept {
            let bytes = self.persist(|folder| files::read(&folder.path(&file)?))?;
            sha256.insert(file, files::sha256(&bytes));
        }
        self.record(Event::Trained {
            index,
            training,
            adapter: adapter_folder,
            head: head_file,
            sha256,
            seconds,
        })?;
        if let Some(checkpoint) = self.last_checkpoint.take() {
            self.persist(|folder| folder.remove(&checkpoint))?;
        }
        self.trained = Some(TrainedTask {
            training,
            update,
            head,
            about,
        });
        self.state = State::Trained(index);
        Ok(())
    }
}
