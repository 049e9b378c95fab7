//! Training of every weight of a backbone.

use candle_core::{Tensor, Var};

use super::{AdamW, Head, Parameter, descend, finite};
use crate::Result;
use crate::backbone::{self, Backbone, Config, Pass, RunningStats, Weights};

/// A backbone and its classifier with every weight trained by AdamW, BatchNorm in training mode.
pub struct FullTrainer {
    backbone: Backbone,
    /// Every weight by timm's name, the trained ones as variables' tensors.
    weights: Weights,
    head: Head,
    running: RunningStats,
    optimiser: AdamW,
    label_smoothing: f64,
}

impl FullTrainer {
    /// From these weights, the classifier's among them. `decays` says by name and value whether weight decay is
    /// applied to a tensor.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where the weights are not the config's, or lack the classifier.
    pub fn new(
        config: &Config,
        weights: &Weights,
        weight_decay: f64,
        label_smoothing: f64,
        decays: impl Fn(&str, &Tensor) -> bool,
    ) -> Result<Self> {
        let mut weights = weights.clone();
        let classifier = config.classifier();
        let mut names = backbone::trainable(config)?;
        names.extend(["weight", "bias"].map(|what| format!("{classifier}.{what}")));
        let mut parameters = Vec::new();
        for name in names {
            // A missing one is reported by the backbone or the head.
            let Some(weight) = weights.get_mut(&name) else {
                continue;
            };
            // A copy: the caller's tensors must not change with training.
            let var = Var::from_tensor(&weight.detach().copy()?)?;
            *weight = var.as_tensor().clone();
            parameters.push(Parameter {
                decay: decays(&name, weight),
                name,
                var,
            });
        }
        Ok(Self {
            backbone: Backbone::new(config, &weights)?,
            head: Head::pretrained(config, &weights)?,
            running: RunningStats::new(&weights),
            optimiser: AdamW::new(parameters, weight_decay)?,
            label_smoothing,
            weights,
        })
    }

    /// One step on images `[b, c, h, w]` with labels `[b]`: the batch's mean cross-entropy, with label smoothing,
    /// and its right answers, both before the step.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`], naming the step and the learning rate, where the loss is not finite.
    pub fn step(&mut self, x: &Tensor, labels: &Tensor, lr: f64) -> Result<(f32, usize)> {
        let pass = Pass {
            running: Some(&self.running),
            ..Pass::eval()
        };
        let logits = self.head.logits(&self.backbone.features(x, &pass)?)?;
        let descent = descend(
            &logits,
            labels,
            self.label_smoothing,
            None,
            &mut self.optimiser,
            lr,
        )?;
        Ok((descent.loss, descent.correct))
    }

    /// Refuses weights that are no finite numbers after a step at this rate.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`].
    pub(super) fn check_finite(&self, lr: f64) -> Result<()> {
        finite(&self.optimiser, lr)
    }

    /// The weights as they stand, with BatchNorm's running statistics and the classifier, detached from training.
    pub fn weights(&self) -> Result<Weights> {
        let mut weights = Weights::new();
        for (name, tensor) in &self.weights {
            weights.insert(name.clone(), tensor.detach().copy()?);
        }
        self.running.write(&mut weights)?;
        Ok(weights)
    }
}

/// timm's choice of what weight decay is applied to: not to biases, norms and other vectors, nor to a ViT's class
/// token and position embeddings.
pub(super) fn decays_as_timm(name: &str, weight: &Tensor) -> bool {
    weight.rank() > 1 && !matches!(name, "cls_token" | "pos_embed")
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::train::testing;

    fn trainer(json: &str) -> (Config, Weights, FullTrainer) {
        let (config, weights) = testing::model(json);
        let trainer = FullTrainer::new(&config, &weights, 0.05, 0.1, decays_as_timm).unwrap();
        (config, weights, trainer)
    }

    fn step(trainer: &mut FullTrainer, i: usize) -> f32 {
        let labels = Tensor::from_vec(testing::batch(i).labels, 6, &Device::Cpu).unwrap();
        trainer.step(&testing::images(i), &labels, 3e-3).unwrap().0
    }

    fn values(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn every_weight_is_trained_and_the_callers_are_left_alone() {
        for json in [testing::VIT, testing::RESNET] {
            let (config, before, mut trainer) = trainer(json);
            let copy: Vec<_> = before.values().map(values).collect();
            let first = step(&mut trainer, 0);
            let mut last = first;
            for _ in 0..15 {
                last = step(&mut trainer, 0);
            }
            assert!(last < first, "{first} {last}");
            let after = trainer.weights().unwrap();
            assert!(after.keys().eq(before.keys()));
            for (name, old) in &before {
                assert_ne!(values(old), values(&after[name]), "{name}");
            }
            assert!(before.values().map(values).eq(copy));
            // What comes out is a whole model.
            Backbone::new(&config, &after).unwrap();
            Head::pretrained(&config, &after).unwrap();
            let snapshot: Vec<_> = after.values().map(values).collect();
            step(&mut trainer, 1);
            assert!(after.values().map(values).eq(snapshot));
        }
    }

    #[test]
    fn threads_do_not_change_the_bits() {
        for json in [testing::VIT, testing::RESNET] {
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| {
                    let (_, _, mut trainer) = trainer(json);
                    (0..2).for_each(|i| {
                        step(&mut trainer, i);
                    });
                    backbone::to_safetensors(&trainer.weights().unwrap()).unwrap()
                })
            };
            assert!(on(1) == on(2));
        }
    }

    #[test]
    fn norms_biases_and_embeddings_do_not_decay() {
        for json in [testing::VIT, testing::RESNET] {
            let (_, _, trainer) = trainer(json);
            for p in trainer.optimiser.parameters() {
                let small = p.name.ends_with(".bias")
                    || p.name.contains("norm")
                    || p.name.contains("bn")
                    || p.name == "cls_token"
                    || p.name == "pos_embed";
                if small {
                    assert!(!p.decay, "{}", p.name);
                }
                if p.name.contains("qkv.weight") || p.name.contains("conv2.weight") {
                    assert!(p.decay, "{}", p.name);
                }
            }
        }
    }

    #[test]
    fn a_missing_classifier_is_told() {
        let (config, mut weights, _) = trainer(testing::VIT);
        weights.remove("head.bias");
        let error = FullTrainer::new(&config, &weights, 0.0, 0.0, decays_as_timm).err();
        assert!(error.unwrap().to_string().contains("head.bias"));
    }
}
