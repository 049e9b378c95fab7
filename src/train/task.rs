//! Training of one task: an adapter and a head on a frozen backbone.

use std::sync::Arc;

use candle_core::{Tensor, Var};

use super::{AdamW, Head, Parameter, Teacher, descend, finite, learning_rate, tensors};
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
        backbone: Box<Backbone>,
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
                backbone: Box::new(Backbone::new(backbone.config(), &weights)?),
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
    /// [`Error::Diverged`], naming the step, the learning rate and the largest gradient, where the loss is not finite, or a parameter is
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
            Trained::Modules { backbone, .. } => (backbone.as_ref(), None),
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
        if done + 1 == self.total {
            finite(&self.optimiser, lr)?;
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
    ///
    /// # Errors
    /// [`Error::Diverged`] where a parameter is not finite: such a state must not replace a good one.
    pub fn checkpoint(&self) -> Result<Vec<u8>> {
        let last = self.steps_done().saturating_sub(1);
        let lr = learning_rate(self.peak, last, self.total, self.warmup);
        finite(&self.optimiser, lr)?;
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
mod tests;
