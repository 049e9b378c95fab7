//! Training of one task: an adapter and a head on a frozen backbone.

use std::sync::Arc;

use candle_core::{Tensor, Var};

use super::{AdamW, Head, Parameter, Teacher, descend, diverged, learning_rate, tensors};
use crate::backbone::{Backbone, Deltas, Pass, Weights, to_safetensors};
use crate::data::Batch;
use crate::lora::{Adapter, Dense, LowRank, Update, adapted, from_safetensors};
use crate::random::Key;
use crate::recipe::{LoraRecipe, TrainRecipe};
use crate::{Error, Result};

/// What one optimiser step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Number of the step, from 1.
    pub step: usize,
    /// Mean cross-entropy of the batch, before the step; without what is distilled.
    pub loss: f32,
    /// Learning rate of the step.
    pub lr: f64,
    /// Right answers in the batch, before the step.
    pub correct: usize,
}

/// What a task begins with.
pub struct Start {
    /// The backbone that is trained on.
    pub backbone: Arc<Backbone>,
    /// The weights that it was compiled from: those that are trained at full rank are among them.
    pub weights: Weights,
    /// The head that the task goes on with; none for a fresh one.
    pub head: Option<Head>,
    /// What is not to be forgotten.
    pub teacher: Option<Teacher>,
}

impl From<Arc<Backbone>> for Start {
    /// A fresh head and nothing else, which is all that an adapter needs.
    fn from(backbone: Arc<Backbone>) -> Self {
        Self {
            backbone,
            weights: Weights::new(),
            head: None,
            teacher: None,
        }
    }
}

/// What of the backbone is trained.
enum Trained {
    /// Nothing.
    Nothing,
    /// An adapter beside it.
    Adapter { adapter: Adapter, deltas: Deltas },
    /// Its own target modules: the backbone with them as variables, its weights, and the variables' names.
    Modules {
        backbone: Backbone,
        weights: Weights,
        names: Vec<String>,
    },
}

/// One task: an adapter on a frozen backbone (none with rank 0), or the target modules themselves at full rank, a
/// head, and AdamW over both.
///
/// Everything random is a function of the key given: the adapter's and a fresh head's first values, and the dropout
/// masks of each step. So the state after n steps is a function of the start, the recipe, the key and the
/// first n batches.
pub struct TaskTrainer {
    backbone: Arc<Backbone>,
    trained: Trained,
    head: Head,
    teacher: Option<Teacher>,
    optimiser: AdamW,
    dropout: Key,
    peak: f64,
    warmup: f64,
    total: usize,
}

/// A tensor as a variable, which the optimiser gets under this name; what remains is the variable's tensor.
fn train(name: String, tensor: &mut Tensor, parameters: &mut Vec<Parameter>) -> Result<()> {
    // A copy: the caller's tensors must not change with training.
    let var = Var::from_tensor(&tensor.detach().copy()?)?;
    *tensor = var.as_tensor().clone();
    parameters.push(Parameter {
        name,
        var,
        decay: true,
    });
    Ok(())
}

impl Trained {
    /// The variables that a recipe asks for, before their first step.
    fn new(
        start: &Start,
        lora: &LoraRecipe,
        key: Key,
        parameters: &mut Vec<Parameter>,
    ) -> Result<Self> {
        let backbone = &start.backbone;
        let layers = adapted(lora, &backbone.config().architecture, backbone.layers())?;
        if lora.is_frozen() {
            return Ok(Self::Nothing);
        }
        if lora.mode.is_full() {
            let mut weights = start.weights.clone();
            let mut names = Vec::new();
            for layer in &layers {
                for name in [layer.weight_name(), layer.bias_name()] {
                    // Not every layer has a bias; what else is missing is reported by the backbone.
                    if let Some(tensor) = weights.get_mut(&name) {
                        train(name.clone(), tensor, parameters)?;
                        names.push(name);
                    }
                }
            }
            return Ok(Self::Modules {
                backbone: Backbone::new(backbone.config(), &weights)?,
                weights,
                names,
            });
        }
        let mut adapter = Adapter::initialise(&layers, lora, key, backbone.device())?;
        for (name, LowRank { a, b, .. }) in &mut adapter.modules {
            train(format!("{name}.lora_A"), a, parameters)?;
            train(format!("{name}.lora_B"), b, parameters)?;
        }
        Ok(Self::Adapter {
            deltas: adapter.deltas(backbone.layers())?,
            adapter,
        })
    }
}

impl TaskTrainer {
    /// Before the first of `steps` steps. `key` is the task's: of the seed, the step's id and its position in the
    /// stack. Weight decay is on everything that is trained, as in the study.
    ///
    /// At full rank the weights of the target modules are trained, and their biases where they have one; a BatchNorm
    /// behind one is not, and keeps its running statistics.
    ///
    /// # Errors
    /// [`Error::Input`] where `lora.targets` does not fit the backbone.
    pub fn new(
        start: impl Into<Start>,
        lora: &LoraRecipe,
        recipe: &TrainRecipe,
        classes: usize,
        steps: usize,
        key: Key,
    ) -> Result<Self> {
        let start = start.into();
        let mut parameters = Vec::new();
        let trained = Trained::new(&start, lora, key.named("adapter"), &mut parameters)?;
        let Start {
            backbone,
            head,
            teacher,
            ..
        } = start;
        let mut head = match head {
            Some(head) => head,
            None => {
                let key = key.named("head");
                Head::initialise(classes, backbone.dim(), key, backbone.device())?
            }
        };
        train("head.weight".into(), &mut head.weight, &mut parameters)?;
        train("head.bias".into(), &mut head.bias, &mut parameters)?;
        Ok(Self {
            trained,
            head,
            teacher,
            optimiser: AdamW::new(parameters, recipe.weight_decay)?,
            dropout: key.named("dropout"),
            peak: recipe.lr,
            warmup: recipe.warmup,
            total: steps,
            backbone,
        })
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// [`Error::Input`], naming the step and the learning rate, where the loss is not finite, or a parameter is
    /// not after the last step.
    pub fn step(&mut self, batch: &Batch) -> Result<StepReport> {
        let done = self.optimiser.steps();
        if done >= self.total {
            return Err(Error::internal(format!(
                "a step beyond the {} of the task",
                self.total
            )));
        }
        let (x, labels) = tensors(batch, self.backbone.device())?;
        let (backbone, deltas) = match &self.trained {
            Trained::Nothing => (&*self.backbone, None),
            Trained::Adapter { deltas, .. } => (&*self.backbone, Some(deltas)),
            Trained::Modules { backbone, .. } => (backbone, None),
        };
        let pass = Pass {
            deltas,
            dropout: Some(self.dropout.index(done as u64)),
            running: None,
        };
        let features = backbone.features(&x, &pass)?;
        let logits = self.head.logits(&features)?;
        let kept = match &self.teacher {
            Some(teacher) => Some(teacher.loss(&x, &features)?),
            None => None,
        };
        let lr = learning_rate(self.peak, done, self.total, self.warmup);
        let descent = descend(&logits, &labels, 0.0, kept, &mut self.optimiser, lr)?;
        if done + 1 == self.total && !self.optimiser.is_finite()? {
            return Err(diverged("a parameter", self.total, lr));
        }
        Ok(StepReport {
            step: done + 1,
            loss: descent.loss,
            lr,
            correct: descent.correct,
        })
    }

    /// Steps taken.
    pub fn steps_done(&self) -> usize {
        self.optimiser.steps()
    }

    /// Number of trained parameters, adapter and head.
    pub fn trainable(&self) -> usize {
        self.optimiser
            .parameters()
            .map(|p| p.var.elem_count())
            .sum()
    }

    /// What is trained of the backbone as it stands, detached from training; none with rank 0.
    pub fn update(&self) -> Result<Option<Update>> {
        Ok(match &self.trained {
            Trained::Nothing => None,
            Trained::Adapter { adapter, .. } => Some(Update::LowRank(Arc::new(adapter.copied()?))),
            Trained::Modules { weights, names, .. } => {
                let mut dense = Weights::new();
                for name in names {
                    if let Some(tensor) = weights.get(name) {
                        dense.insert(name.clone(), tensor.detach().copy()?);
                    }
                }
                Some(Update::Dense(Arc::new(Dense { weights: dense })))
            }
        })
    }

    /// The adapter as it stands, detached from training; none with rank 0 and at full rank.
    pub fn adapter(&self) -> Result<Option<Adapter>> {
        match &self.trained {
            Trained::Adapter { adapter, .. } => adapter.copied().map(Some),
            Trained::Nothing | Trained::Modules { .. } => Ok(None),
        }
    }

    /// The backbone as it stands, and what is added to its layers, both detached from training.
    pub fn model(&self) -> Result<(Arc<Backbone>, Option<Deltas>)> {
        match self.update()? {
            None => Ok((Arc::clone(&self.backbone), None)),
            Some(Update::LowRank(adapter)) => {
                let deltas = adapter.deltas(self.backbone.layers())?;
                Ok((Arc::clone(&self.backbone), Some(deltas)))
            }
            Some(Update::Dense(dense)) => {
                let mut weights = match &self.trained {
                    Trained::Modules { weights, .. } => weights.clone(),
                    _ => Weights::new(),
                };
                dense.replace_in(&mut weights);
                let backbone = Backbone::new(self.backbone.config(), &weights)?;
                Ok((Arc::new(backbone), None))
            }
        }
    }

    /// The head as it stands, detached from training.
    pub fn head(&self) -> Result<Head> {
        self.head.copied()
    }

    /// Logits `[b, classes]` of images `[b, c, h, w]` by the model as it stands, without dropout.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let (backbone, deltas) = self.model()?;
        let pass = Pass {
            deltas: deltas.as_ref(),
            ..Pass::eval()
        };
        self.head()?.logits(&backbone.features(x, &pass)?)
    }

    /// The state as the bytes of a safetensors file: all values, AdamW's moments, the number of steps.
    pub fn checkpoint(&self) -> Result<Vec<u8>> {
        to_safetensors(&self.optimiser.state()?)
    }

    /// Takes over a [`TaskTrainer::checkpoint`] of the same task: what follows is what would have followed
    /// there, bit for bit.
    ///
    /// # Errors
    /// [`Error::Input`] where the bytes are damaged or of another task; nothing is changed then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let state = from_safetensors(bytes, self.backbone.device(), "the checkpoint")?;
        self.optimiser.restore(&state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::testing;

    const STEPS: usize = 12;

    fn bytes(trainer: &TaskTrainer) -> Vec<u8> {
        trainer.checkpoint().unwrap()
    }

    fn run(trainer: &mut TaskTrainer, steps: std::ops::Range<usize>) -> Vec<StepReport> {
        steps
            .map(|s| trainer.step(&testing::batch(s)).unwrap())
            .collect()
    }

    #[test]
    fn a_checkpoint_goes_on_bit_for_bit() {
        for backbone in testing::backbones() {
            let mut straight = testing::trainer(&backbone, 4, STEPS);
            run(&mut straight, 0..5);
            let checkpoint = bytes(&straight);
            let rest = run(&mut straight, 5..10);
            let mut restored = testing::trainer(&backbone, 4, STEPS);
            restored.restore(&checkpoint).unwrap();
            assert_eq!(restored.steps_done(), 5);
            assert_eq!(bytes(&restored), checkpoint);
            assert_eq!(run(&mut restored, 5..10), rest);
            assert_eq!(bytes(&restored), bytes(&straight));
        }
    }

    #[test]
    fn threads_do_not_change_the_bits() {
        for backbone in testing::backbones() {
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| {
                    let mut trainer = testing::trainer(&backbone, 4, STEPS);
                    (run(&mut trainer, 0..3), bytes(&trainer))
                })
            };
            assert!(on(1) == on(2));
        }
    }

    #[test]
    fn it_learns_and_only_what_it_should() {
        for backbone in testing::backbones() {
            for (rank, most) in [(0, 0.95), (4, 0.8)] {
                let mut trainer = testing::trainer(&backbone, rank, 60);
                let before = backbone
                    .features(&testing::images(0), &Pass::eval())
                    .unwrap();
                let batch = testing::batch(0);
                let first = trainer.step(&batch).unwrap();
                let mut last = first;
                for _ in 1..60 {
                    last = trainer.step(&batch).unwrap();
                }
                assert_eq!((first.step, last.step), (1, 60));
                assert!(last.loss < most * first.loss, "{first:?} {last:?}");
                assert!(last.correct >= first.correct);
                assert!(trainer.step(&batch).is_err(), "a step too many");
                let after = backbone
                    .features(&testing::images(0), &Pass::eval())
                    .unwrap();
                assert_eq!(
                    before.to_vec2::<f32>().unwrap(),
                    after.to_vec2::<f32>().unwrap()
                );
            }
        }
    }

    #[test]
    fn a_fresh_adapter_changes_no_logit() {
        for backbone in testing::backbones() {
            let x = testing::images(3);
            let logits = |rank| {
                let trainer = testing::trainer(&backbone, rank, STEPS);
                trainer.logits(&x).unwrap().to_vec2::<f32>().unwrap()
            };
            assert_eq!(logits(4), logits(0));
        }
    }

    #[test]
    fn rank_0_trains_the_head_alone() {
        let backbone = &testing::backbones()[0];
        let mut trainer = testing::trainer(backbone, 0, STEPS);
        assert!(trainer.adapter().unwrap().is_none());
        assert_eq!(trainer.trainable(), 5 * (backbone.dim() + 1));
        let before = trainer.head().unwrap();
        run(&mut trainer, 0..1);
        let after = trainer.head().unwrap();
        assert_ne!(
            before.weight.to_vec2::<f32>().unwrap(),
            after.weight.to_vec2::<f32>().unwrap()
        );
    }

    #[test]
    fn the_adapter_handed_out_is_that_of_the_moment() {
        let backbone = &testing::backbones()[0];
        let mut trainer = testing::trainer(backbone, 4, STEPS);
        let x = testing::images(1);
        run(&mut trainer, 0..2);
        let (adapter, head) = (trainer.adapter().unwrap().unwrap(), trainer.head().unwrap());
        let now = trainer.logits(&x).unwrap().to_vec2::<f32>().unwrap();
        run(&mut trainer, 2..4);
        assert_ne!(trainer.logits(&x).unwrap().to_vec2::<f32>().unwrap(), now);
        let deltas = adapter.deltas(backbone.layers()).unwrap();
        let pass = Pass {
            deltas: Some(&deltas),
            ..Pass::eval()
        };
        let features = backbone.features(&x, &pass).unwrap();
        assert!(!features.track_op(), "evaluation keeps no graph");
        assert_eq!(
            head.logits(&features).unwrap().to_vec2::<f32>().unwrap(),
            now
        );
    }

    #[test]
    fn the_key_decides_every_draw() {
        let backbone = &testing::backbones()[0];
        let end = |key| {
            let mut trainer = testing::trainer_with(backbone, 4, STEPS, 1e-2, key);
            run(&mut trainer, 0..2);
            bytes(&trainer)
        };
        assert!(end(Key::new(1)) == end(Key::new(1)));
        assert!(end(Key::new(1)) != end(Key::new(2)));
    }

    #[test]
    fn divergence_is_told_with_step_and_learning_rate() {
        for backbone in &testing::backbones() {
            let mut trainer = testing::trainer_with(backbone, 4, STEPS, 1e38, Key::new(1));
            let (step, error) = (1..=STEPS)
                .find_map(|s| Some((s, trainer.step(&testing::batch(s)).err()?)))
                .unwrap();
            // At once, not only when the last step looks at the parameters.
            assert!(step < STEPS, "{step}");
            let text = error.to_string();
            assert!(matches!(error, Error::Input(_)), "{text}");
            assert!(
                text.contains("step ") && text.contains("learning rate 1.0"),
                "{text}"
            );
        }
    }

    /// All that a task trains decays, the head's bias too, by lr · weight decay · value a step.
    #[test]
    fn weight_decay_is_on_everything() {
        let values = |trainer: &TaskTrainer| {
            let mut state = trainer.optimiser.state().unwrap();
            state.retain(|name, _| name.starts_with("value."));
            state
        };
        for backbone in &testing::backbones() {
            let after = |weight_decay| {
                let key = Key::new(1);
                let mut trainer =
                    testing::trainer_that_decays(backbone, 4, STEPS, 1e-2, weight_decay, key);
                let before = values(&trainer);
                let lr = trainer.step(&testing::batch(0)).unwrap().lr;
                (before, values(&trainer), lr)
            };
            let (before, with, lr) = after(0.5);
            let (_, without, _) = after(0.0);
            assert!(before.len() > 2);
            for (name, before) in &before {
                let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let sets = [before, &without[name], &with[name]].map(numbers);
                for (i, p) in sets[0].iter().enumerate() {
                    let decayed = f64::from(sets[1][i]) - f64::from(sets[2][i]);
                    let want = lr * 0.5 * f64::from(*p);
                    assert!(
                        (decayed - want).abs() < 1e-6,
                        "{name}[{i}]: {decayed} {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_foreign_checkpoint_is_refused() {
        let backbones = testing::backbones();
        let mut trainer = testing::trainer(&backbones[0], 4, STEPS);
        let mine = bytes(&trainer);
        for other in [
            bytes(&testing::trainer(&backbones[0], 3, STEPS)),
            bytes(&testing::trainer(&backbones[0], 0, STEPS)),
            bytes(&testing::trainer(&backbones[1], 4, STEPS)),
            mine[..mine.len() / 2].to_vec(),
            Vec::new(),
        ] {
            assert!(matches!(trainer.restore(&other), Err(Error::Input(_))));
        }
        assert_eq!(bytes(&trainer), mine);
    }
}
