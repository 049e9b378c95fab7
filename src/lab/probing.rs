//! Probing the features of a row: what they still tell of every task, and all heads at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use candle_core::Tensor;

use super::desk::Recorder;
use super::event::{Event, ProbedSet, Probes};
use super::machine::Lab;
use crate::Result;
use crate::answers::Answers;
use crate::data::Images;
use crate::folder::RunFolder;
use crate::measure::{self, Features};
use crate::random::Key;
use crate::recipe::ProbeWhen;
use crate::train::Head;

impl<R: Recorder> Lab<R> {
    /// Whether the recipe asks for probes of row `index` that are not made yet.
    pub(super) fn is_to_be_probed(&self, index: usize) -> bool {
        let due = match self.bench.recipe.measure.probe.when {
            ProbeWhen::Off => false,
            ProbeWhen::End => index == self.bench.recipe.tasks.len(),
            ProbeWhen::Each => true,
        };
        due && !self.bench.rows[index].probed
    }

    /// Probes row `index`. `seen` are features of test images, by column, that were taken when it was measured.
    pub(super) fn probe(&mut self, index: usize, seen: BTreeMap<String, Features>) -> Result<()> {
        let begun = Instant::now();
        let probes = self.probes(index, seen)?;
        self.record(Event::Probed {
            index,
            probes,
            seconds: begun.elapsed().as_secs_f64(),
        })?;
        self.bench.rows[index].probed = true;
        Ok(())
    }

    fn probes(&self, index: usize, mut seen: BTreeMap<String, Features>) -> Result<Probes> {
        let heads = self.bench.columns(index);
        // With stored adapters every head has features of its own.
        let shared = self.bench.stored.is_empty();
        let (mut train, mut test) = (BTreeMap::new(), BTreeMap::new());
        let mut probes = Probes::default();
        let mut without = Vec::new();
        for set in self.bench.test_sets() {
            let data = Arc::clone(self.bench.dataset(&set.id)?);
            let id = set.id;
            let learned = heads.contains(&id);
            let what = format!("taking the features of {id}");
            let own = match seen.remove(&id) {
                Some(features) => features,
                None => self.features_for(&id, &data.test, &what)?,
            };
            if data.train.is_empty() {
                without.push(id.clone());
            } else {
                let features = self.features_for(&id, &data.train, &what)?;
                let head = self.fit(&id, &[(&features, 0)], data.classes.len())?;
                let answers = measure::joint_answers(&[(&head, &own.values)])?;
                probes
                    .linear
                    .push(self.probed(index, "linear", &id, 0, answers)?);
                if learned {
                    train.insert(id.clone(), features);
                }
            }
            if learned {
                test.insert(id, own);
            }
        }
        if !without.is_empty() {
            self.warn(format!(
                "{} has no training images: a probe cannot be fitted on it",
                without.join(", ")
            ))?;
        }
        // One head by itself is its own test set's plain accuracy.
        if heads.len() > 1 {
            probes.joint = self.joint(index, &heads, &test, shared)?;
            if shared && heads.iter().all(|id| train.contains_key(id)) {
                probes.balanced = self.balanced(index, &heads, &train, &test)?;
            }
            probes.heads = heads;
        }
        Ok(probes)
    }

    /// All heads' logits side by side.
    fn joint(
        &self,
        index: usize,
        heads: &[String],
        test: &BTreeMap<String, Features>,
        shared: bool,
    ) -> Result<Vec<ProbedSet>> {
        let mut first = 0;
        heads
            .iter()
            .map(|id| {
                let data = Arc::clone(self.bench.dataset(id)?);
                let mut others = BTreeMap::new();
                let what = format!("taking the features of {id}");
                for head in heads.iter().filter(|head| !shared && *head != id) {
                    others.insert(head, self.features_for(head, &data.test, &what)?);
                }
                let sides = heads
                    .iter()
                    .map(|head| {
                        let features = others.get(head).unwrap_or(&test[id]);
                        Ok((self.bench.head(head)?, &features.values))
                    })
                    .collect::<Result<Vec<(&Head, &Tensor)>>>()?;
                let answers = measure::joint_answers(&sides)?;
                let probed = self.probed(index, "joint", id, first, answers);
                first += data.classes.len();
                probed
            })
            .collect()
    }

    /// One new head over the classes of all heads.
    fn balanced(
        &self,
        index: usize,
        heads: &[String],
        train: &BTreeMap<String, Features>,
        test: &BTreeMap<String, Features>,
    ) -> Result<Vec<ProbedSet>> {
        let (mut tasks, mut classes) = (Vec::new(), 0);
        for id in heads {
            tasks.push((&train[id], classes));
            classes += self.bench.dataset(id)?.classes.len();
        }
        let head = self.fit("all tasks", &tasks, classes)?;
        heads
            .iter()
            .zip(&tasks)
            .map(|(id, (_, first))| {
                let answers = measure::joint_answers(&[(&head, &test[id].values)])?;
                self.probed(index, "balanced", id, *first, answers)
            })
            .collect()
    }

    /// The features that the head of column `head` sees of images; `what` says so meanwhile.
    pub(super) fn features_for(&self, head: &str, images: &Images, what: &str) -> Result<Features> {
        measure::features(
            &self.bench.backbone,
            self.bench.stored.get(head),
            images,
            self.bench.transform(),
            self.bench.evaluation_batch,
            &|| self.leaves(),
            &mut |done| self.pulse(what, done, images.len()),
        )
    }

    /// A probe of the recipe's budget. Its randomness knows neither row nor path, so that probes of one task differ by
    /// the features alone.
    fn fit(&self, of: &str, tasks: &[(&Features, usize)], classes: usize) -> Result<Head> {
        let budget = &self.bench.recipe.measure.probe;
        let what = format!("fitting a probe of {of}");
        measure::fit(
            tasks,
            classes,
            budget,
            Key::new(self.bench.recipe.seed).named("probe").named(of),
            &|| self.leaves(),
            &mut |done| self.pulse(&what, done, budget.iterations),
        )
    }

    /// Keeps and counts the answers to the test set `id`, whose classes are numbered from `first`.
    fn probed(
        &self,
        index: usize,
        kind: &str,
        id: &str,
        first: usize,
        answers: Answers,
    ) -> Result<ProbedSet> {
        let data = self.bench.dataset(id)?;
        let file = RunFolder::probed(self.bench.author(index), kind, id);
        let sha256 = self.persist(|folder| folder.write_predictions(&file, &answers))?;
        // A class of an earlier head wraps to a number that no class has.
        let own = answers.classes.iter().map(|c| c.wrapping_sub(first as u32));
        let own: Vec<u32> = own.collect();
        Ok(ProbedSet {
            test_set: id.into(),
            counts: measure::counts(&own, &data.test.labels, data.classes.len()),
            file,
            sha256,
        })
    }
}
