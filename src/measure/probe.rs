//! What the features still tell, whatever the heads make of them: linear probes, and all heads at once.
//!
//! A probe is a fresh linear head on frozen features (Alain and Bengio, "Understanding intermediate layers using linear
//! classifier probes", ICLR workshop 2017). Features are taken once, in evaluation mode and without augmentation; each
//! iteration draws a batch with replacement, first a task and then one of its images, so that every task counts the
//! same however many images it has; Adam with a constant learning rate goes down the mean cross-entropy.

use candle_core::{Tensor, Var};

use super::predict::{answer, each_batch};
use crate::answers::Answers;
use crate::backbone::{Backbone, Deltas};
use crate::data::{Images, Transform, eval_batches};
use crate::ops;
use crate::random::Key;
use crate::recipe::ProbeRecipe;
use crate::train::{AdamW, Head, Parameter};
use crate::{Error, Result};

/// Images whose logits are taken at once.
const CHUNK: usize = 1024;
/// Iterations between two looks at `cancel`.
const LOOK_EVERY: usize = 16;

/// Features of images.
pub struct Features {
    /// `[n, dim]`
    pub values: Tensor,
    /// `[n]`
    pub labels: Vec<u32>,
}

/// The features of all of `images`, which are not none. As [`super::predict`].
///
/// # Errors
/// [`Error::Cancelled`] as soon as `cancel` says so.
pub fn features(
    backbone: &Backbone,
    deltas: Option<&Deltas>,
    images: &Images,
    transform: &Transform,
    batch_size: usize,
    cancel: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(usize),
) -> Result<Features> {
    let (mut values, mut done) = (Vec::new(), 0);
    let batches = eval_batches(images, transform, batch_size);
    each_batch(backbone, deltas, batches, cancel, |features, labels| {
        values.push(features.detach());
        done += labels.len();
        progress(done);
        Ok(())
    })?;
    Ok(Features {
        values: Tensor::cat(&values, 0)?,
        labels: images.labels.clone(),
    })
}

/// Fits a head of `classes` classes on the features of `tasks`, each with the number of its first class. A function of
/// the features, the budget and `key`.
///
/// # Errors
/// [`Error::Cancelled`] as soon as `cancel` says so; [`Error::Input`] where the loss is no longer finite.
pub fn fit(
    tasks: &[(&Features, usize)],
    classes: usize,
    budget: &ProbeRecipe,
    key: Key,
    cancel: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(usize),
) -> Result<Head> {
    let tensors: Vec<&Tensor> = tasks.iter().map(|(f, _)| &f.values).collect();
    let all = Tensor::cat(&tensors, 0)?;
    let mut firsts = Vec::new();
    let mut labels = Vec::new();
    for (features, first_class) in tasks {
        firsts.push(labels.len());
        labels.extend(features.labels.iter().map(|l| l + *first_class as u32));
    }
    let draw = |iteration: usize| -> Vec<u32> {
        let key = key.named("batch").index(iteration as u64);
        (0..budget.batch_size as u64)
            .map(|item| {
                let task = key.below(2 * item, tasks.len());
                let image = key.below(2 * item + 1, tasks[task].0.labels.len());
                (firsts[task] + image) as u32
            })
            .collect()
    };
    let head = Head::initialise(classes, all.dim(1)?, key.named("head"), all.device())?;
    let parameter = |name: &str, tensor: &Tensor| -> Result<Parameter> {
        Ok(Parameter {
            name: name.into(),
            var: Var::from_tensor(tensor)?,
            decay: false,
        })
    };
    let weight = parameter("weight", &head.weight)?;
    let bias = parameter("bias", &head.bias)?;
    let (w, b) = (weight.var.clone(), bias.var.clone());
    let mut adam = AdamW::new(vec![weight, bias], 0.0)?;
    for iteration in 0..budget.iterations {
        if iteration % LOOK_EVERY == 0 {
            if cancel() {
                return Err(Error::Cancelled);
            }
            progress(iteration);
        }
        let chosen = draw(iteration);
        let of_chosen: Vec<u32> = chosen.iter().map(|&i| labels[i as usize]).collect();
        let n = chosen.len();
        let x = all.index_select(&Tensor::from_vec(chosen, n, all.device())?, 0)?;
        let y = Tensor::from_vec(of_chosen, n, all.device())?;
        let logits = ops::linear(&x, w.as_tensor(), Some(b.as_tensor()))?;
        let loss = ops::cross_entropy(&logits, &y, 0.0)?;
        if !loss.to_scalar::<f32>()?.is_finite() {
            return Err(Error::input(format!(
                "the loss of a probe is no longer finite at iteration {}: lower measure.probe.lr",
                iteration + 1
            )));
        }
        adam.step(&loss.backward()?, budget.lr)?;
    }
    Head {
        weight: w.as_tensor().clone(),
        bias: b.as_tensor().clone(),
    }
    .copied()
}

/// The answers of several heads side by side, `[images]`: of all their logits the largest, numbered through the heads in
/// this order. Each head comes with the features that it takes, `[images, dim]`.
pub fn joint_answers(heads: &[(&Head, &Tensor)]) -> Result<Answers> {
    let mut answers = Answers::default();
    let Some((_, first)) = heads.first() else {
        return Ok(answers);
    };
    let images = first.dim(0)?;
    for start in (0..images).step_by(CHUNK) {
        let length = CHUNK.min(images - start);
        let logits = heads
            .iter()
            .map(|(head, features)| head.logits(&features.narrow(0, start, length)?.contiguous()?))
            .collect::<Result<Vec<_>>>()?;
        for logits in Tensor::cat(&logits, 1)?.to_vec2::<f32>()? {
            let (class, confidence) = answer(&logits);
            answers.classes.push(class);
            answers.confidence.push(confidence);
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// `n` points around a centre of each class, in `dim` dimensions.
    fn cloud(n: usize, centres: &[f32], key: Key) -> Features {
        let dim = 6;
        let labels: Vec<u32> = (0..n).map(|i| (i % centres.len()) as u32).collect();
        let value = |i: usize| {
            let (image, d) = (i / dim, i % dim);
            let centre = centres[labels[image] as usize];
            key.normal(i as u64) * 0.3
                + if d == 0 {
                    centre
                } else {
                    0.1 * centre * d as f32
                }
        };
        let values: Vec<f32> = (0..n * dim).map(value).collect();
        Features {
            values: Tensor::from_vec(values, (n, dim), &Device::Cpu).unwrap(),
            labels,
        }
    }

    fn budget(iterations: usize) -> ProbeRecipe {
        ProbeRecipe {
            iterations,
            lr: 0.02,
            ..ProbeRecipe::default()
        }
    }

    fn right(answers: &Answers, labels: &[u32], first: u32) -> f64 {
        let right = answers.classes.iter().zip(labels);
        right.filter(|(a, l)| **a == *l + first).count() as f64 / labels.len() as f64
    }

    fn fitted(tasks: &[(&Features, usize)], classes: usize, iterations: usize, key: u64) -> Head {
        let budget = budget(iterations);
        fit(
            tasks,
            classes,
            &budget,
            Key::new(key),
            &|| false,
            &mut |_| {},
        )
        .unwrap()
    }

    #[test]
    fn a_probe_finds_what_is_linear_and_the_same_key_gives_its_bits_again() {
        let train = cloud(90, &[-2.0, 0.0, 2.0], Key::new(1));
        let test = cloud(60, &[-2.0, 0.0, 2.0], Key::new(2));
        let head = fitted(&[(&train, 0)], 3, 300, 5);
        let answers = joint_answers(&[(&head, &test.values)]).unwrap();
        assert!(right(&answers, &test.labels, 0) > 0.95);
        let weights = |head: &Head| head.weight.to_vec2::<f32>().unwrap();
        assert_eq!(weights(&head), weights(&fitted(&[(&train, 0)], 3, 300, 5)));
        assert_ne!(weights(&head), weights(&fitted(&[(&train, 0)], 3, 300, 6)));
        // Without an iteration it is the fresh head.
        let fresh = Head::initialise(3, 6, Key::new(5).named("head"), &Device::Cpu).unwrap();
        assert_eq!(weights(&fresh), weights(&fitted(&[(&train, 0)], 3, 0, 5)));
    }

    /// Two tasks of very different size whose classes lie apart: one head over both knows all of them, and the small
    /// one is drawn as often as the large one.
    #[test]
    fn a_probe_over_all_tasks_is_balanced() {
        let large = cloud(400, &[-3.0, 3.0], Key::new(1));
        let small = cloud(6, &[-1.0, 0.0, 1.0], Key::new(2));
        let head = fitted(&[(&large, 0), (&small, 2)], 5, 600, 5);
        let answers = joint_answers(&[(&head, &small.values)]).unwrap();
        assert!(right(&answers, &small.labels, 2) > 0.8, "{answers:?}");
        let answers = joint_answers(&[(&head, &large.values)]).unwrap();
        assert!(right(&answers, &large.labels, 0) > 0.95);
    }

    #[test]
    fn heads_side_by_side_are_numbered_through() {
        let head = |bias: &[f32]| Head {
            weight: Tensor::zeros((bias.len(), 2), candle_core::DType::F32, &Device::Cpu).unwrap(),
            bias: Tensor::new(bias, &Device::Cpu).unwrap(),
        };
        let (a, b) = (head(&[0.0, 1.0]), head(&[0.5, 0.0, 2.0]));
        let x = Tensor::zeros((CHUNK + 3, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let answers = joint_answers(&[(&a, &x), (&b, &x)]).unwrap();
        assert_eq!(answers.classes, vec![4; CHUNK + 3]);
        let sum: f32 = [0.0, 1.0, 0.5, 0.0, 2.0]
            .iter()
            .map(|l: &f32| l.exp())
            .sum();
        assert!((answers.confidence[0] - 2.0_f32.exp() / sum).abs() < 1e-6);
        let answers = joint_answers(&[(&b, &x), (&a, &x)]).unwrap();
        assert_eq!(answers.classes[7], 2);
        assert!(joint_answers(&[]).unwrap().classes.is_empty());
    }

    #[test]
    fn cancel_and_divergence_end_it() {
        let train = cloud(9, &[-1.0, 1.0], Key::new(1));
        let tasks = [(&train, 0)];
        let key = Key::new(1);
        let cancelled = fit(&tasks, 2, &budget(9), key, &|| true, &mut |_| {});
        assert!(matches!(cancelled, Err(Error::Cancelled)));
        let wild = ProbeRecipe {
            lr: 1e38,
            ..budget(9)
        };
        let diverged = fit(&tasks, 2, &wild, key, &|| false, &mut |_| {});
        assert!(matches!(diverged, Err(Error::Input(text)) if text.contains("measure.probe.lr")));
    }
}
