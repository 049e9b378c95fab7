//! What lies on the lab's bench: the data, the backbone as it is now, the heads, and how to measure them.

mod path;

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::event::Ancestor;
use super::material::Material;
use super::{BackboneSummary, TestSet, memory};
use crate::answers::Answers;
use crate::backbone::{Backbone, Deltas, Layer, Pass, Weights};
use crate::clip::{self, TextEncoder};
use crate::data::{Dataset, Images, Transform, eval_batches, few_of_each, spread};
use crate::lora::{Amount, Stack, Update};
use crate::measure::{self, TextSimilarity, WordSimilarity};
use crate::progress::Onlooker;
use crate::random::Key;
use crate::recipe::{Mode, Recipe, TaskRecipe};
use crate::shared::Shared;
use crate::train::{Head, Start, Teacher, tensors};
use crate::{Error, Result, lora};

/// Images a class that the live measurement looks at, the images that it looks at where classes are few, and its
/// limit over all classes.
const WATCH_PER_CLASS: usize = 4;
const WATCH_AT_LEAST: usize = 256;
pub(crate) const WATCH_LIMIT: usize = 512;
/// Images whose logits are compared before and after a merge.
const FIDELITY_IMAGES: usize = 64;
/// Images whose logits are stored beside weights and adapters, for comparison with timm and PEFT.
pub const CHECKED_IMAGES: usize = 8;
/// Images a class that its prototype is the mean of, at most.
pub(crate) const PROTOTYPE_PER_CLASS: usize = 50;

/// A row of the matrix: what was learned for it, and what the next row is compared with.
#[derive(Clone, Default)]
pub struct LearnedRow {
    /// What was learned; `None` for row 0 and for skipped rows.
    pub task: Option<TrainedTask>,
    /// How much of its update is merged.
    pub amount: Amount,
    /// The task was left out.
    pub skipped: bool,
    /// Predictions by test set.
    pub predictions: BTreeMap<String, Vec<u32>>,
    /// Its features were probed.
    pub probed: bool,
    /// Everything that the row measures is measured.
    pub complete: bool,
    /// How often what was measured became void because the amount of a merge was changed.
    pub revision: u32,
}

impl LearnedRow {
    /// The training that led to it.
    pub fn training(&self) -> Option<u32> {
        self.task.as_ref().map(|t| t.training)
    }

    /// Whether it put an entry on the stack.
    fn is_on_stack(&self) -> bool {
        self.task.as_ref().is_some_and(|t| t.update.is_some())
    }
}

/// Which foundation classes a task is about, fixed before its training.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Similarity of each foundation class to the task's classes.
    pub similarity: Vec<f32>,
    /// Foundation classes in context.
    pub classes: Vec<usize>,
    /// Similarity by WordNet, where the task has a word.
    pub wordnet: Option<WordSimilarity>,
    /// Similarity by CLIP's text embeddings, where the task has a word and the recipe a CLIP.
    pub clip: Option<TextSimilarity>,
}

/// Embeddings of the names of the foundation's classes and of the tasks' words.
struct Texts {
    classes: Vec<Vec<f32>>,
    words: BTreeMap<String, Vec<f32>>,
    sha256: String,
}

impl About {
    /// Each measure of similarity by its name.
    pub fn similarities(&self) -> Vec<(&'static str, &[f32])> {
        let (wordnet, clip) = (self.wordnet.as_ref(), self.clip.as_ref());
        std::iter::once(("features", self.similarity.as_slice()))
            .chain(wordnet.map(|w| ("wordnet", w.similarity.as_slice())))
            .chain(clip.map(|c| ("clip", c.similarity.as_slice())))
            .collect()
    }
}

/// A task whose steps are all taken.
#[derive(Clone)]
pub struct TrainedTask {
    /// Number of the training.
    pub training: u32,
    /// What it changes; `None` with rank 0.
    pub update: Option<Update>,
    /// Its head.
    pub head: Head,
    /// Which foundation classes it is about.
    pub about: About,
}

/// The state that the lab owns alone.
pub struct Bench {
    /// What to run.
    pub recipe: Recipe,
    /// Where tensors live.
    pub device: Device,
    /// The pretrained network, its data, its transform.
    pub material: Material,
    /// What it has in common with other runs.
    pub shared: Option<Shared>,
    /// Images a batch of evaluation.
    pub evaluation_batch: usize,
    /// Modules that a task changes.
    pub targets: Vec<Layer>,
    /// Rows that come from other runs, if this one is a branch.
    pub ancestry: Vec<Ancestor>,
    layers: Vec<Layer>,
    /// The row whose weights and heads these are.
    standing: usize,
    /// The pretrained weights and what was merged into them.
    pub stack: Stack,
    /// The weights as they are now, compiled.
    pub backbone: Arc<Backbone>,
    /// The pretrained weights, compiled.
    pub pretrained: Arc<Backbone>,
    /// Rows so far, on the present path.
    pub rows: Vec<LearnedRow>,
    /// Heads of the tasks learned up to the row that the bench stands at, by column.
    pub heads: BTreeMap<String, Head>,
    /// Adapters of the learned tasks that are stored, not merged (mode drop), by column.
    pub stored: BTreeMap<String, Deltas>,
    foundation_prototypes: Option<Vec<Vec<f32>>>,
    texts: Option<Texts>,
}

impl Bench {
    /// Lays everything out that `recipe` names, and checks that it fits together.
    /// With `shared`, what several runs compute alike is computed once.
    pub fn new(
        recipe: Recipe,
        device: Device,
        shared: Option<Shared>,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Self> {
        let material = Material::open(&recipe, &device, shared.as_ref(), onlooker)?;
        let layers = material.layers()?;
        let targets = lora::adapted(&recipe.lora, &material.config.architecture, &layers)?;
        let pretrained = Arc::new(Backbone::new(&material.config, &material.weights)?);
        if pretrained.dim() != material.foundation_head.weight.dim(1)? {
            return Err(Error::input(format!(
                "the classifier of {} takes {} features but the backbone gives {}",
                recipe.backbone.source,
                material.foundation_head.weight.dim(1)?,
                pretrained.dim()
            )));
        }
        // What is wrong with the chosen synsets is told before anything is trained.
        if !recipe.measure.synsets.is_empty() {
            let classes = &material.foundation.classes;
            measure::word_similarity(classes, &recipe.measure.synsets, "")?;
        }
        if let Some(folder) = recipe.measure.clip_folder() {
            clip::check(folder)?;
        }
        let stack = Stack::new(material.weights.clone(), &layers);
        Ok(Self {
            backbone: Arc::clone(&pretrained),
            pretrained,
            evaluation_batch: memory::evaluation_batch(
                &recipe,
                &material.config,
                memory::capacity(&device),
            )?,
            recipe,
            device,
            shared,
            targets,
            ancestry: Vec::new(),
            layers,
            standing: 0,
            stack,
            material,
            rows: Vec::new(),
            heads: BTreeMap::new(),
            stored: BTreeMap::new(),
            foundation_prototypes: None,
            texts: None,
        })
    }

    /// The network in figures.
    pub fn summary(&self) -> Result<BackboneSummary> {
        Ok(BackboneSummary {
            architecture: self.material.config.architecture.clone(),
            parameters: self.material.parameters()?,
            targets: self.targets.iter().map(|l| l.name.clone()).collect(),
            adapter_parameters: lora::target_modules(&self.recipe.lora, &self.material.config)?
                .iter()
                .map(|m| m.parameters)
                .sum(),
            weights_sha256: self.material.weights_sha256.clone(),
        })
    }

    /// What tells whether the data is still the same: source and SHA-256 of each data set. That of the foundation is
    /// over groups that were given with it, too, since contexts are made of them.
    pub fn fingerprints(&self) -> Vec<(String, String)> {
        let (known, data) = (&self.recipe.foundation, &self.material.foundation);
        let sha256 = match known.options.groups {
            Some(_) => data.sha256_with_groups(),
            None => data.sha256(),
        };
        let tasks = self.recipe.tasks.iter().zip(&self.material.tasks);
        std::iter::once((known.data.clone(), sha256))
            .chain(tasks.map(|(task, data)| (task.data.clone(), data.sha256())))
            .collect()
    }

    /// The columns of the matrix.
    pub fn test_sets(&self) -> Vec<TestSet> {
        let describe = |id: &str, data: &Dataset, train_images: usize| TestSet {
            id: id.to_owned(),
            classes: data.classes.clone(),
            images: data.test.len(),
            train_images,
        };
        let foundation = &self.material.foundation;
        let mut sets = vec![describe(&self.foundation_id(), foundation, 0)];
        for (task, data) in self.recipe.tasks.iter().zip(&self.material.tasks) {
            if sets.iter().all(|s| s.id != task.column()) {
                sets.push(describe(task.column(), data, data.train.len()));
            }
        }
        sets
    }

    /// The column of the task that row `index` learns; steps of one head share it.
    pub fn column(&self, index: usize) -> &str {
        self.task(index).column()
    }

    /// The task that row `index` learns, counted from 1.
    pub fn task(&self, index: usize) -> &TaskRecipe {
        &self.recipe.tasks[index - 1]
    }

    /// The id of the foundation's column.
    pub fn foundation_id(&self) -> String {
        self.material.foundation.id.clone()
    }

    /// Test sets that row `index` measures: the foundation and every task learned by then.
    pub fn columns(&self, index: usize) -> Vec<String> {
        let mut columns = vec![self.foundation_id()];
        for i in (1..=index).filter(|&i| !self.rows[i].skipped) {
            let column = self.column(i);
            if columns.iter().all(|c| c != column) {
                columns.push(column.to_owned());
            }
        }
        columns
    }

    /// The data of a column.
    pub fn dataset(&self, column: &str) -> Result<&Arc<Dataset>> {
        if column == self.foundation_id() {
            return Ok(&self.material.foundation);
        }
        self.recipe
            .tasks
            .iter()
            .position(|t| t.column() == column)
            .map(|i| &self.material.tasks[i])
            .ok_or_else(|| Error::internal(format!("no test set is called {column}")))
    }

    /// The head of a column.
    pub fn head(&self, column: &str) -> Result<&Head> {
        if column == self.foundation_id() {
            return Ok(&self.material.foundation_head);
        }
        self.heads
            .get(column)
            .ok_or_else(|| Error::internal(format!("task {column} has no head yet")))
    }

    /// Tasks on the stack's present path before row `index`: the position that randomness is keyed by.
    pub fn position(&self, index: usize) -> usize {
        self.rows[..index.min(self.rows.len())]
            .iter()
            .filter(|r| r.task.is_some())
            .count()
    }

    /// The key of everything random in the training of row `index`.
    pub fn training_key(&self, index: usize) -> Key {
        Key::new(self.recipe.seed)
            .named("task")
            .named(&self.task(index).id)
            .index(self.position(index) as u64)
    }

    /// The last row before `index` that was not skipped.
    pub fn row_before(&self, index: usize) -> &LearnedRow {
        let learned = self.rows[..index].iter().rev().find(|r| !r.skipped);
        learned.unwrap_or(&self.rows[0])
    }

    /// The backbone that the next task trains on, and its weights.
    pub fn beginning(&self) -> Result<(Arc<Backbone>, Weights)> {
        Ok(match self.recipe.lora.mode {
            Mode::FullReset => (Arc::clone(&self.pretrained), self.stack.base().clone()),
            Mode::Merge | Mode::Drop | Mode::Full => {
                (Arc::clone(&self.backbone), self.stack.weights()?)
            }
        })
    }

    /// What the training of row `index` begins with.
    pub fn start(&self, index: usize) -> Result<Start> {
        let (backbone, weights) = self.beginning()?;
        let column = self.column(index);
        let teacher = self.recipe.train.lwf.map(|lwf| {
            let earlier = self.heads.iter().filter(|(id, _)| *id != column);
            let earlier = earlier.map(|(_, head)| head.clone());
            Teacher {
                backbone: Arc::clone(&self.backbone),
                heads: std::iter::once(self.material.foundation_head.clone())
                    .chain(earlier)
                    .collect(),
                lwf,
            }
        });
        Ok(Start {
            backbone,
            weights,
            head: self.heads.get(column).cloned(),
            teacher,
        })
    }

    /// `count` images of a test set, spread over it, as one input.
    pub fn probe(&self, column: &str, count: usize) -> Result<(Tensor, Vec<u32>)> {
        let data = self.dataset(column)?;
        let images = data.test.subset(&spread(data.test.len(), count));
        let input = input_of(&images, &self.material.transform, &self.device)?;
        Ok((input, images.labels))
    }

    /// Which test images of a column the live measurement takes: a fixed few of each class.
    pub fn watched(&self, column: &str) -> Result<Vec<usize>> {
        let test = &self.dataset(column)?.test;
        let classes = self.dataset(column)?.classes.len().max(1);
        let each = WATCH_PER_CLASS
            .max(WATCH_AT_LEAST / classes)
            .min((WATCH_LIMIT / classes).max(1));
        Ok(few_of_each(&test.labels, each))
    }

    /// Similarity of each foundation class to the task of row `index`, by pretrained features.
    pub fn similarity(&mut self, index: usize, cancel: &dyn Fn() -> bool) -> Result<Vec<f32>> {
        if self.foundation_prototypes.is_none() {
            let data = Arc::clone(&self.material.foundation);
            self.foundation_prototypes =
                Some(self.prototypes(&data.test, data.classes.len(), cancel)?);
        }
        let data = Arc::clone(&self.material.tasks[index - 1]);
        let task = self.prototypes(&data.train, data.classes.len(), cancel)?;
        let foundation = self.foundation_prototypes.as_deref().unwrap_or_default();
        Ok(measure::similarity(foundation, &task))
    }

    fn prototypes(
        &self,
        images: &Images,
        classes: usize,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f32>>> {
        let chosen = images.few_of_each(PROTOTYPE_PER_CLASS);
        let Material { transform, .. } = &self.material;
        let batch = self.evaluation_batch;
        let make =
            || measure::prototypes(&self.pretrained, &chosen, classes, transform, batch, cancel);
        let Some(shared) = &self.shared else {
            return make();
        };
        let from = self.pretrained_on(&chosen, classes)?;
        let bytes = shared.once("prototypes", &from, cancel, || {
            Ok(make()?
                .iter()
                .flatten()
                .flat_map(|v| v.to_le_bytes())
                .collect())
        })?;
        let (values, _) = bytes.as_chunks::<4>();
        let width = (values.len() / classes.max(1)).max(1);
        Ok(values
            .chunks(width)
            .map(|class| class.iter().map(|v| f32::from_le_bytes(*v)).collect())
            .collect())
    }

    /// What decides what the pretrained backbone says of images, beside the machine.
    fn pretrained_on(&self, images: &Images, classes: usize) -> Result<impl serde::Serialize> {
        Ok((
            self.material.weights_sha256.clone(),
            self.recipe.backbone.clone(),
            self.evaluation_batch,
            images.sha256(),
            classes,
        ))
    }

    /// The answers of the untouched backbone to the foundation's test images, which all runs of a backbone have in
    /// common: from whoever has them, else by `make`.
    ///
    /// # Errors
    /// Those of `make`; [`Error::Cancelled`].
    pub fn first_row(
        &self,
        cancel: &dyn Fn() -> bool,
        make: &dyn Fn() -> Result<Answers>,
    ) -> Result<Answers> {
        let Some(shared) = &self.shared else {
            return make();
        };
        let test = &self.material.foundation.test;
        let from = self.pretrained_on(test, self.material.foundation.classes.len())?;
        let bytes = shared.once("row-0", &from, cancel, || make()?.to_bytes())?;
        let answers = Answers::from_bytes("row-0.answers", &bytes)?;
        match answers.classes.len() == test.len() {
            true => Ok(answers),
            false => Err(Error::internal("what is shared is another row 0")),
        }
    }

    /// Similarity of each foundation class to the word of the task of row `index`, if it has one.
    pub fn word_similarity(&self, index: usize) -> Result<Option<WordSimilarity>> {
        let word = self.task(index).word.as_deref();
        let classes = &self.material.foundation.classes;
        word.map(|w| measure::word_similarity(classes, &self.recipe.measure.synsets, w))
            .transpose()
    }

    /// Likewise by CLIP's text embeddings, if the recipe has one. It is read once, for all tasks of the run.
    pub fn text_similarity(
        &mut self,
        index: usize,
        cancel: &dyn Fn() -> bool,
    ) -> Result<Option<TextSimilarity>> {
        let word = self.task(index).word.clone();
        let folder = self.recipe.measure.clip_folder();
        let (Some(word), Some(folder)) = (word, folder) else {
            return Ok(None);
        };
        if self.texts.is_none() {
            let encoder = TextEncoder::open(folder, &self.device)?;
            let words = self.recipe.tasks.iter().filter_map(|t| t.word.clone());
            let words: Vec<String> = words.collect();
            let classes = self.material.foundation.classes.iter();
            let classes = classes.map(|c| c.name.as_str());
            self.texts = Some(Texts {
                classes: measure::embeddings(&encoder, classes, cancel)?,
                words: words
                    .iter()
                    .cloned()
                    .zip(measure::embeddings(
                        &encoder,
                        words.iter().map(String::as_str),
                        cancel,
                    )?)
                    .collect(),
                sha256: encoder.sha256,
            });
        }
        let texts = self.texts.as_ref();
        Ok(texts.and_then(|texts| {
            Some(TextSimilarity {
                similarity: measure::text_similarity(&texts.classes, texts.words.get(&word)?),
                sha256: texts.sha256.clone(),
            })
        }))
    }

    /// Foundation classes in the context of the task of row `index`.
    pub fn context(&self, index: usize, similarity: &[f32]) -> Result<Vec<usize>> {
        let stated = &self.task(index).context;
        measure::context(&self.material.foundation.classes, stated, similarity)
    }

    /// The transform of all images.
    pub fn transform(&self) -> &Arc<Transform> {
        &self.material.transform
    }
}

fn logits(backbone: &Backbone, deltas: Option<&Deltas>, head: &Head, x: &Tensor) -> Result<Tensor> {
    let pass = Pass {
        deltas,
        ..Pass::eval()
    };
    head.logits(&backbone.features(x, &pass)?)
}

/// All of a few images as one input, `[n, c, h, w]`.
pub fn input_of(images: &Images, transform: &Transform, device: &Device) -> Result<Tensor> {
    let batch = eval_batches(images, transform, images.len().max(1)).next();
    let batch = batch.ok_or_else(|| Error::input("a test set holds no image"))?;
    Ok(tensors(&batch?, device)?.0)
}
