//! From images to answers, and to the features that classes are compared by.

use candle_core::Tensor;

use crate::answers::Answers;
use crate::backbone::{Backbone, Deltas, Pass};
use crate::data::{Batch, Images, Transform, eval_batches};
use crate::train::Head;
use crate::{Error, Result};

/// The most likely class of each image under `head` and its softmax probability, `[images]`; of equally likely ones
/// the lowest. `deltas` are
/// added to layers if given: an adapter that is not merged. `cancel` is asked before every batch, `progress` is
/// told the images done after it.
///
/// # Errors
/// [`Error::Cancelled`] as soon as `cancel` says so.
#[expect(
    clippy::too_many_arguments,
    reason = "each of them decides the answers or who waits for them"
)]
pub fn predict(
    backbone: &Backbone,
    deltas: Option<&Deltas>,
    head: &Head,
    images: &Images,
    transform: &Transform,
    batch_size: usize,
    cancel: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(usize),
) -> Result<Answers> {
    let mut answers = Answers::default();
    let batches = eval_batches(images, transform, batch_size);
    each_batch(backbone, deltas, batches, cancel, |features, _| {
        add(&mut answers, head, features)?;
        progress(answers.classes.len());
        Ok(())
    })?;
    Ok(answers)
}

/// The same from features that were taken before, `[images, dim]`, in batches of the same size.
///
/// # Errors
/// Where the head is of other features.
pub fn answers_from(head: &Head, features: &Tensor, batch_size: usize) -> Result<Answers> {
    let mut answers = Answers::default();
    let images = features.dim(0)?;
    for start in (0..images).step_by(batch_size.max(1)) {
        let length = batch_size.max(1).min(images - start);
        add(&mut answers, head, &features.narrow(0, start, length)?)?;
    }
    Ok(answers)
}

/// What `head` makes of a batch, `[b, dim]`.
fn add(answers: &mut Answers, head: &Head, features: &Tensor) -> Result<()> {
    for logits in head.logits(features)?.to_vec2::<f32>()? {
        let (class, confidence) = answer(&logits);
        answers.classes.push(class);
        answers.confidence.push(confidence);
    }
    Ok(())
}

/// The mean feature of each class, `[classes][dim]`; NaN for a class without images.
///
/// # Errors
/// As [`predict`].
pub fn prototypes(
    backbone: &Backbone,
    images: &Images,
    classes: usize,
    transform: &Transform,
    batch_size: usize,
    cancel: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f32>>> {
    let mut means = Means::new(classes, backbone.dim());
    let batches = eval_batches(images, transform, batch_size);
    each_batch(backbone, None, batches, cancel, |features, labels| {
        means.add(&features.to_vec2::<f32>()?, labels);
        Ok(())
    })?;
    Ok(means.finish())
}

/// How similar each foundation class is to a task: the cosine of their prototypes, centred by the mean of the
/// foundation's (uncentred features share a large common part, which makes every cosine high), and of the
/// task's classes the one that is nearest. In [-1, 1], `[foundation classes]`; NaN where a prototype is.
pub fn similarity(foundation: &[Vec<f32>], task: &[Vec<f32>]) -> Vec<f32> {
    let dim = foundation.first().map_or(0, Vec::len);
    let mut all = Means::new(1, dim);
    let whole: Vec<Vec<f32>> = foundation
        .iter()
        .filter(|p| p.iter().all(|x| x.is_finite()))
        .cloned()
        .collect();
    all.add(&whole, &vec![0; whole.len()]);
    let centre = all.finish().pop().unwrap_or_default();
    let centred = |prototype: &Vec<f32>| -> Vec<f64> {
        let pairs = prototype.iter().zip(&centre);
        pairs.map(|(x, c)| f64::from(*x) - f64::from(*c)).collect()
    };
    let task: Vec<Vec<f64>> = task.iter().map(centred).collect();
    foundation
        .iter()
        .map(|prototype| {
            let prototype = centred(prototype);
            // f32::max passes over NaN: a task's class without images says nothing.
            task.iter()
                .map(|other| cosine(&prototype, other) as f32)
                .fold(f32::NAN, f32::max)
        })
        .collect()
}

/// Runs the backbone over batches; `take` gets the features `[b, dim]` and the labels of each.
pub(super) fn each_batch(
    backbone: &Backbone,
    deltas: Option<&Deltas>,
    batches: impl Iterator<Item = Result<Batch>>,
    cancel: &dyn Fn() -> bool,
    mut take: impl FnMut(&Tensor, &[u32]) -> Result<()>,
) -> Result<()> {
    let pass = Pass {
        deltas,
        ..Pass::eval()
    };
    for batch in batches {
        if cancel() {
            return Err(Error::Cancelled);
        }
        let Batch {
            pixels,
            labels,
            size: [c, h, w],
        } = batch?;
        let x = Tensor::from_vec(pixels, (labels.len(), c, h, w), backbone.device())?;
        take(&backbone.features(&x, &pass)?, &labels)?;
    }
    Ok(())
}

/// The first of the largest values; NaN is below every number.
fn argmax(values: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, &value) in (0..).zip(values) {
        if value > best.1 {
            best = (class, value);
        }
    }
    best.0
}

/// The most likely class by these logits and its softmax probability, which is NaN where a logit is.
pub fn answer(logits: &[f32]) -> (u32, f32) {
    let class = argmax(logits);
    let best = logits
        .get(class as usize)
        .map_or(f64::NAN, |l| f64::from(*l));
    let sum: f64 = logits.iter().map(|l| (f64::from(*l) - best).exp()).sum();
    (class, (1.0 / sum) as f32)
}

/// Means of vectors by class, summed in f64 in the order of the images.
struct Means {
    sums: Vec<Vec<f64>>,
    counts: Vec<f64>,
}

impl Means {
    fn new(classes: usize, dim: usize) -> Self {
        Self {
            sums: vec![vec![0.0; dim]; classes],
            counts: vec![0.0; classes],
        }
    }

    fn add(&mut self, features: &[Vec<f32>], labels: &[u32]) {
        for (feature, &label) in features.iter().zip(labels) {
            let class = label as usize;
            if let (Some(sum), Some(count)) = (self.sums.get_mut(class), self.counts.get_mut(class))
            {
                *count += 1.0;
                for (s, x) in sum.iter_mut().zip(feature) {
                    *s += f64::from(*x);
                }
            }
        }
    }

    fn finish(self) -> Vec<Vec<f32>> {
        let mean = |(sum, count): (Vec<f64>, f64)| sum.iter().map(|s| (s / count) as f32).collect();
        self.sums.into_iter().zip(self.counts).map(mean).collect()
    }
}

/// NaN where one of the two is zero or NaN.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::{Config, initialise};
    use crate::data::TransformSpec;
    use crate::random::Key;
    use candle_core::Device;
    use std::cell::Cell;

    const VIT: &str = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 3,
        "model_args": {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3, "in_chans": 1},
        "pretrained_cfg": {"input_size": [1, 32, 32], "fixed_input_size": true, "mean": [0.5], "std": [0.5]}}"#;

    fn backbone() -> Backbone {
        let config = Config::from_json(VIT.as_bytes()).unwrap();
        let weights = initialise(&config, Key::new(1), &Device::Cpu).unwrap();
        Backbone::new(&config, &weights).unwrap()
    }

    /// `n` random images in batches of `size`, labels 0, 1, 2, 0, …
    fn batches(n: usize, size: usize) -> Vec<Result<Batch>> {
        let image = |i: usize| (0..1024).map(move |p| Key::new(9).index(i as u64).normal(p));
        (0..n)
            .step_by(size)
            .map(|first| {
                let range = first..n.min(first + size);
                Ok(Batch {
                    labels: range.clone().map(|i| i as u32 % 3).collect(),
                    pixels: range.flat_map(image).collect(),
                    size: [1, 32, 32],
                })
            })
            .collect()
    }

    fn features(n: usize, size: usize) -> Vec<Vec<f32>> {
        let mut all = Vec::new();
        let batches = batches(n, size).into_iter();
        each_batch(&backbone(), None, batches, &|| false, |f, labels| {
            assert_eq!(f.dims(), [labels.len(), 24]);
            all.extend(f.to_vec2::<f32>()?);
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn the_size_of_a_batch_changes_no_feature() {
        let (one, many) = (features(5, 1), features(5, 3));
        assert_eq!(one.len(), 5);
        for (a, b) in one.iter().flatten().zip(many.iter().flatten()) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn cancel_is_looked_at_before_every_batch() {
        let (asked, seen) = (Cell::new(0), Cell::new(0));
        let cancel = || {
            asked.set(asked.get() + 1);
            asked.get() > 2
        };
        let result = each_batch(
            &backbone(),
            None,
            batches(8, 2).into_iter(),
            &cancel,
            |_, l| {
                seen.set(seen.get() + l.len());
                Ok(())
            },
        );
        assert!(matches!(result, Err(Error::Cancelled)));
        assert_eq!((asked.get(), seen.get()), (3, 4));
    }

    #[test]
    fn a_batch_that_failed_ends_it() {
        let broken = [Err(Error::input("the picture is damaged"))];
        let result = each_batch(&backbone(), None, broken.into_iter(), &|| false, |_, _| {
            Ok(())
        });
        assert!(result.unwrap_err().to_string().contains("damaged"));
    }

    /// Through the transform and a head: a nearest-prototype head finds the prototypes' own classes.
    #[test]
    fn images_are_answered_one_by_one_as_together() {
        // 14 pictures of three kinds: dark, bright, and striped.
        let sample = |i: usize, y: usize, x: usize| -> u8 {
            let noise = Key::new(4).index(i as u64).below((y * 32 + x) as u64, 20) as u8;
            noise + [0, 200, if x % 4 < 2 { 200 } else { 0 }][i % 3]
        };
        let images = Images::raw(
            [1, 32, 32],
            (0..14 * 1024)
                .map(|p| sample(p / 1024, p / 32 % 32, p % 32))
                .collect(),
            (0..14).map(|i| i % 3).collect(),
        );
        let transform = Transform::new(&TransformSpec {
            size: [1, 32, 32],
            mean: vec![0.5],
            std: vec![0.5],
            interpolation: "bicubic".into(),
            crop_pct: 1.0,
            crop_mode: "center".into(),
        })
        .unwrap();
        let backbone = backbone();
        let go = || false;
        let prototypes = prototypes(&backbone, &images, 3, &transform, 4, &go).unwrap();
        let flat: Vec<f32> = prototypes.concat();
        let bias = |p: &Vec<f32>| -0.5 * p.iter().map(|x| x * x).sum::<f32>();
        let bias: Vec<f32> = prototypes.iter().map(bias).collect();
        let head = Head {
            weight: Tensor::from_vec(flat, (3, 24), &Device::Cpu).unwrap(),
            bias: Tensor::from_vec(bias, 3, &Device::Cpu).unwrap(),
        };
        let answers = |batch_size| {
            let mut done = Vec::new();
            let mut progress = |n| done.push(n);
            let answers = predict(
                &backbone,
                None,
                &head,
                &images,
                &transform,
                batch_size,
                &go,
                &mut progress,
            );
            (answers.unwrap(), done)
        };
        for batch_size in [4, 14] {
            let (batch, cancel) = (batch_size, &go);
            let of = |images: &Images| {
                let progress = &mut |_| ();
                crate::measure::features(
                    &backbone, None, images, &transform, batch, cancel, progress,
                )
            };
            let kept = of(&images).unwrap();
            let again = answers_from(&head, &kept.values, batch_size).unwrap();
            assert_eq!(again, answers(batch_size).0, "from features that were kept");
        }
        let (together, done) = answers(4);
        assert_eq!(together.classes, images.labels);
        assert!(
            together
                .confidence
                .iter()
                .all(|c| *c > 1.0 / 3.0 && *c <= 1.0)
        );
        assert_eq!(done, [4, 8, 12, 14]);
        let alone = answers(1).0;
        assert_eq!(alone.classes, together.classes);
        for (a, b) in alone.confidence.iter().zip(&together.confidence) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        assert!(
            similarity(&prototypes, &prototypes)
                .iter()
                .all(|s| (s - 1.0).abs() < 1e-6)
        );
    }

    #[test]
    fn ties_go_to_the_lowest_class_and_nan_to_none() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[f32::NAN, -2.0, -1.0]), 2);
        assert_eq!(argmax(&[f32::NAN, f32::NAN]), 0);
        assert_eq!(argmax(&[f32::NEG_INFINITY, -1.0]), 1);
    }

    #[test]
    fn a_confidence_is_the_softmax_of_the_answer() {
        let (class, confidence) = answer(&[0.0, 3.0_f32.ln(), 0.0]);
        assert_eq!((class, (confidence - 0.6).abs() < 1e-6), (1, true));
        assert_eq!(answer(&[1e30, 0.0]), (0, 1.0));
        assert_eq!(answer(&[2.5; 4]), (0, 0.25));
        assert!(answer(&[f32::NAN, 1.0]).1.is_nan());
    }

    #[test]
    fn prototypes_are_means_by_class() {
        let mut means = Means::new(3, 2);
        means.add(&[vec![1.0, 2.0], vec![5.0, 5.0]], &[0, 2]);
        means.add(&[vec![3.0, 4.0], vec![9.0, 9.0]], &[0, 7]);
        let means = means.finish();
        assert_eq!((&means[0], &means[2]), (&vec![2.0, 3.0], &vec![5.0, 5.0]));
        assert!(means[1].iter().all(|x| x.is_nan()));
    }

    #[test]
    fn similarity_is_the_nearest_centred_cosine_by_hand() {
        // Their mean is (2, 1): centred (-1, 0), (1, 0), (0, 1), (0, -1).
        let foundation = [[1.0, 1.0], [3.0, 1.0], [2.0, 2.0], [2.0, 0.0]].map(|p| p.to_vec());
        // Centred (1, 1) and (0, 4).
        let task = [[3.0, 2.0], [2.0, 5.0]].map(|p| p.to_vec());
        let half = 0.5_f32.sqrt();
        let close = |got: Vec<f32>, want: [f32; 4]| {
            assert!(
                got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6),
                "{got:?}"
            );
        };
        close(similarity(&foundation, &task), [0.0, half, 1.0, -half]);
        close(
            similarity(&foundation, &task[..1]),
            [-half, half, half, -half],
        );
    }

    #[test]
    fn a_class_without_images_is_similar_to_nothing() {
        let foundation = [[1.0, 1.0], [3.0, 1.0], [f32::NAN; 2]].map(|p| p.to_vec());
        let task = [[3.0, 1.0], [f32::NAN; 2]].map(|p| p.to_vec());
        let s = similarity(&foundation, &task);
        assert_eq!(s[..2], [-1.0, 1.0]);
        assert!(s[2].is_nan());
        assert!(
            similarity(&foundation, &task[1..])
                .iter()
                .all(|x| x.is_nan())
        );
        assert!(similarity(&[], &task).is_empty());
    }
}
