//! Measuring a row of the matrix, and the live measurement of an adapter that is not merged yet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::bench::LearnedRow;
use super::desk::Recorder;
use super::machine::Lab;
use super::{Event, State};
use crate::Result;
use crate::answers::Answers;
use crate::backbone::Backbone;
use crate::data::Images;
use crate::folder::RunFolder;
use crate::measure::{self, Contextual, Counts, Features, Turned};
use crate::random::Key;
use crate::train::{Head, TaskTrainer};

/// The fixed images that a training is watched on.
pub struct WatchSets {
    foundation: (Images, usize),
    task: (Images, usize),
    /// The foundation's part after the last merge.
    pub before: Counts,
    /// The foundation's part in row 0.
    pub start: Counts,
}

impl<R: Recorder> Lab<R> {
    /// Measures what row `index` still lacks, then completes it.
    pub(super) fn measure(&mut self, index: usize) -> Result<()> {
        if self.bench.rows.is_empty() {
            self.bench.rows.push(LearnedRow::default());
        }
        if self.bench.standing() != index {
            self.bench.stand_at(index)?;
        }
        let probes = self.is_to_be_probed(index);
        let mut features = BTreeMap::new();
        for column in self.bench.columns(index) {
            if !self.bench.rows[index].predictions.contains_key(&column) {
                let seen = self.measure_column(index, &column, probes)?;
                features.extend(seen.map(|seen| (column, seen)));
            }
        }
        if probes {
            self.probe(index, features)?;
        }
        let contextual = self.contextual(index)?;
        self.record(Event::Measured { index, contextual })?;
        self.bench.rows[index].complete = true;
        // After a merge was changed, the rows behind it follow.
        self.state = match self.bench.incomplete() {
            Some(next) => State::Measuring(next),
            None => State::Measured(self.bench.rows.len() - 1),
        };
        Ok(())
    }

    /// Measures a column; gives the features of its test images where they are to be kept.
    fn measure_column(
        &mut self,
        index: usize,
        column: &str,
        keeps: bool,
    ) -> Result<Option<Features>> {
        let begun = Instant::now();
        let data = Arc::clone(self.bench.dataset(column)?);
        let what = self.describe(index, column);
        let head = self.bench.head(column)?;
        let (answers, features) = if keeps {
            let features = self.features_for(column, &data.test, &what)?;
            let batch = self.bench.evaluation_batch;
            let answers = measure::answers_from(head, &features.values, batch)?;
            (answers, Some(features))
        } else {
            let backbone = &self.bench.backbone;
            let predict = || self.predict(backbone, column, head, &data.test, &what);
            let answers = match index {
                0 => self.bench.first_row(&|| self.leaves(), &predict)?,
                _ => predict()?,
            };
            (answers, None)
        };
        let predictions = &answers.classes;
        let classes = data.classes.len();
        let labels = &data.test.labels;
        let counts = measure::counts(predictions, labels, classes);
        let before = (index > 0).then(|| self.bench.row_before(index).predictions.get(column));
        let none = || (vec![0; classes], vec![0; classes], Vec::new());
        let (new_errors, new_hits, lost) = before.flatten().map_or_else(none, |before| {
            let (errors, hits) = measure::changes(before, predictions, labels, classes);
            let lost = measure::lost_to(before, predictions, labels, classes);
            (errors, hits, lost)
        });
        let file = RunFolder::predictions(self.bench.author(index), column);
        let sha256 = self.persist(|folder| folder.write_predictions(&file, &answers))?;
        self.record(Event::Evaluated {
            index,
            test_set: column.to_owned(),
            wrong: measure::wrong_answers(predictions, labels, classes),
            counts,
            new_errors,
            new_hits,
            lost,
            file,
            sha256,
            seconds: begun.elapsed().as_secs_f64(),
        })?;
        let row = &mut self.bench.rows[index];
        row.predictions.insert(column.to_owned(), answers.classes);
        Ok(features)
    }

    fn describe(&self, index: usize, column: &str) -> String {
        match index {
            0 => format!("measuring {column} before the first task"),
            _ => format!("measuring {column} after {}", self.bench.task(index).id),
        }
    }

    /// The answers of this backbone and head, with what is stored for the column.
    pub(super) fn predict(
        &self,
        backbone: &Backbone,
        column: &str,
        head: &Head,
        images: &Images,
        what: &str,
    ) -> Result<Answers> {
        measure::predict(
            backbone,
            self.bench.stored.get(column),
            head,
            images,
            self.bench.transform(),
            self.bench.evaluation_batch,
            &|| self.leaves(),
            &mut |done| self.pulse(what, done, images.len()),
        )
    }

    /// Compares what the merge of row `index` cost the classes in context and the rest.
    fn contextual(&self, index: usize) -> Result<Option<Contextual>> {
        if index == 0 {
            return Ok(None);
        }
        let Some(about) = self.bench.rows[index].task.as_ref().map(|t| &t.about) else {
            return Ok(None);
        };
        let column = self.bench.foundation_id();
        let data = self.bench.dataset(&column)?;
        let classes = data.classes.len();
        let counts = |predictions: &[u32]| measure::counts(predictions, &data.test.labels, classes);
        let earlier = &self.bench.row_before(index).predictions[&column];
        let present = &self.bench.rows[index].predictions[&column];
        let (before, after) = (counts(earlier), counts(present));
        let groups: Vec<String> = data.classes.iter().map(|c| c.group.clone()).collect();
        let key = Key::new(self.bench.recipe.seed)
            .named("permutation")
            .named(&self.bench.task(index).id)
            .index(index as u64);
        let recipe = &self.bench.recipe.measure;
        let mut contextual = measure::contextual(
            &before,
            &after,
            &groups,
            &about.classes,
            &about.similarity,
            recipe.permutations,
            key,
        );
        let (new_errors, new_hits) = measure::changes(earlier, present, &data.test.labels, classes);
        let turned = Turned {
            new_errors: &new_errors,
            new_hits: &new_hits,
            total: &after.total,
        };
        contextual.effects = measure::effects(
            turned,
            &about.similarities(),
            recipe.permutations,
            recipe.resamples,
            key,
        );
        Ok(Some(contextual))
    }

    /// The images that the training of row `index` is watched on.
    pub(super) fn watch_sets(&self, index: usize) -> Result<WatchSets> {
        let set = |column: &str, chosen: &[usize]| -> Result<(Images, usize)> {
            let data = self.bench.dataset(column)?;
            Ok((data.test.subset(chosen), data.classes.len()))
        };
        let (column, task) = (self.bench.foundation_id(), self.bench.column(index));
        let chosen = self.bench.watched(&column)?;
        let foundation = set(&column, &chosen)?;
        let counts = |row: &LearnedRow| {
            measure::counts_of(
                &row.predictions[&column],
                &chosen,
                &foundation.0.labels,
                foundation.1,
            )
        };
        Ok(WatchSets {
            before: counts(self.bench.row_before(index)),
            start: counts(&self.bench.rows[0]),
            task: set(task, &self.bench.watched(task)?)?,
            foundation,
        })
    }

    /// Measures the adapter in training on `sets`; provisional.
    pub(super) fn watch(
        &self,
        trainer: &TaskTrainer,
        sets: &WatchSets,
    ) -> Result<(Counts, Counts)> {
        let (backbone, deltas) = trainer.model()?;
        let count = |(images, classes): &(Images, usize), head| -> Result<Counts> {
            let predictions = measure::predict(
                &backbone,
                deltas.as_ref(),
                head,
                images,
                self.bench.transform(),
                self.bench.evaluation_batch,
                &|| self.leaves(),
                &mut |_| {},
            )?;
            Ok(measure::counts(
                &predictions.classes,
                &images.labels,
                *classes,
            ))
        };
        Ok((
            count(&sets.foundation, &self.bench.material.foundation_head)?,
            count(&sets.task, &trainer.head()?)?,
        ))
    }
}
