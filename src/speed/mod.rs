//! How fast training and inference are here: `pentimento bench`.

mod given;
mod loading;
mod report;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use serde::Serialize;

use crate::backbone::{self, Backbone, Config, Pass, Weights};
use crate::data::Batch;
use crate::lab::{fetch_config, gpu, open_backbone, open_device};
use crate::ops::{self, Account};
use crate::progress::{Onlooker, Progress};
use crate::random::Key;
use crate::recipe::{Augment, BackboneRecipe, LoraRecipe, Precision, TrainRecipe};
use crate::train::{Head, Start, TaskTrainer, tensors};
use crate::{Error, Result, memory};

use given::Given;
pub use loading::{Loading, LoadingReport, LoadingRequest, LoadingSample};
pub use report::{Figures, Operation, Report, has_avx512};

/// Rounds before those that count: memory is touched for the first time, caches fill.
const WARM_UP: usize = 2;
/// More steps than are ever taken, so that the learning rate's cosine stays at its peak.
const ENDLESS: usize = 1 << 24;
/// Between two looks at the memory of a GPU.
const LOOK: Duration = Duration::from_millis(1);
/// A tenth of the study's rate, and its weight decay. AdamW moves what has next to no gradient as far as the rest, in a
/// direction that rounding decides: at 1e-3 the third loss of PyTorch's own ResNet-50 differs by 1e-3 between AVX2 and
/// AVX-512, so that no one could tell whether two programs compute the same.
const LEARNING_RATE: f64 = 1e-4;
const WEIGHT_DECAY: f64 = 1e-2;
/// Rows, depth and columns of the product that shows how fast products can be.
const PRODUCT: [usize; 3] = [1024, 1024, 512];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Logits of a batch, without an adapter and without a graph.
    Inference,
    /// Forward, loss, backward and AdamW's step on an adapter and a head.
    Train,
}

impl Work {
    /// Both, in the order in which they are measured: what a process held at most is that of all its work so far.
    pub const ALL: [Self; 2] = [Self::Inference, Self::Train];

    /// `inference`, `train`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Train => "train",
        }
    }
}

impl FromStr for Work {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let work = Self::ALL.into_iter().find(|work| work.name() == name);
        work.ok_or_else(|| {
            Error::input(format!(
                "{name:?} is nothing that is measured: write train or inference"
            ))
        })
    }
}

/// What it is measured with.
#[derive(Clone, Debug)]
pub struct Request {
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// A source as in a recipe, a folder in timm's hub layout, or timm's name of an architecture, then with random
    /// weights.
    pub backbone: String,
    /// Side of the square images, where it is to differ from the backbone's.
    pub image_size: Option<usize>,
    /// What products are computed in.
    pub precision: Precision,
    /// As `lora.targets` of a recipe.
    pub targets: String,
    /// Rank of the adapter.
    pub rank: usize,
    /// Dropout on the adapter's input.
    pub dropout: f64,
    /// Classes of the head.
    pub classes: usize,
    /// Images a batch.
    pub batch_size: usize,
    /// A safetensors file that holds the batch and what the adapter and the head begin with; see [`Bench::open`].
    pub inputs: Option<PathBuf>,
}

/// One round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// What was measured.
    pub work: Work,
    /// By the wall clock, the batch's way to the device included.
    pub seconds: f64,
    /// Mean cross-entropy of the batch, in training before the step.
    #[serde(with = "crate::float")]
    pub loss: f32,
    /// The most bytes that this process held so far, where the system counts it.
    pub peak_memory: Option<u64>,
    /// The most bytes of the GPU that were seen in use during the round, by anyone.
    pub gpu_memory: Option<u64>,
}

/// A backbone, a batch, and a training of an adapter as soon as one is asked for.
pub struct Bench {
    request: Request,
    device: Device,
    device_name: String,
    weights_sha256: Option<String>,
    backbone: Arc<Backbone>,
    head: Head,
    batch: Batch,
    given: Option<Given>,
    trainer: Option<TaskTrainer>,
}

impl Bench {
    /// Opens what is asked for. The batch is one of noise and the adapter is as every training begins, unless
    /// `request.inputs` holds `images` f32 `[b, c, h, w]`, `labels` i64 `[b]`, `head.weight`, `head.bias`, and, where a
    /// training is measured, `MODULE.lora_A` and `MODULE.lora_B` of every module.
    ///
    /// # Errors
    /// [`Error::Input`] where the device, the backbone or the file does not exist or does not fit; [`Error::Cancelled`] if the
    /// onlooker cancels a download.
    pub fn open(request: Request, onlooker: &mut dyn Onlooker) -> Result<Self> {
        let (device, device_name) = open_device(&request.device)?;
        let (config, weights, weights_sha256) = backbone_of(&request, &device, onlooker)?;
        let backbone = Arc::new(Backbone::new(&config, &weights)?);
        let given = request.inputs.as_deref().map(Given::read).transpose()?;
        let (batch, head) = match &given {
            Some(given) => (given.batch()?, given.head(backbone.dim(), &device)?),
            None => {
                let key = Key::new(1);
                (
                    noise(
                        request.batch_size,
                        request.classes,
                        backbone.input_size(),
                        key.named("batch"),
                    ),
                    Head::initialise(request.classes, backbone.dim(), key.named("head"), &device)?,
                )
            }
        };
        Ok(Self {
            request,
            device,
            device_name,
            weights_sha256,
            backbone,
            head,
            batch,
            given,
            trainer: None,
        })
    }

    /// Does a round of work.
    ///
    /// # Errors
    /// [`Error::Input`] where the images are not of the backbone's size, or the adapter in the file is another;
    /// [`Error::Diverged`] where a loss is not finite.
    pub fn round(&mut self, work: Work) -> Result<Sample> {
        if work == Work::Train && self.trainer.is_none() {
            self.trainer = Some(self.begin()?);
        }
        let device = self.device.clone();
        device.synchronize()?;
        let (done, gpu_memory) = watched(&device, || -> Result<_> {
            let begun = Instant::now();
            let loss = self.work(work)?;
            device.synchronize()?;
            Ok((loss, begun.elapsed()))
        });
        let (loss, time) = done?;
        Ok(Sample {
            work,
            seconds: time.as_secs_f64(),
            loss,
            peak_memory: memory::peak(),
            gpu_memory,
        })
    }

    fn work(&mut self, work: Work) -> Result<f32> {
        match (work, &mut self.trainer) {
            (Work::Train, Some(trainer)) => Ok(trainer.step(&self.batch)?.loss),
            _ => self.infer(),
        }
    }

    fn infer(&self) -> Result<f32> {
        let (x, labels) = tensors(&self.batch, &self.device)?;
        let logits = self
            .head
            .logits(&self.backbone.features(&x, &Pass::eval())?)?;
        let loss = ops::cross_entropy(&logits, &labels, 0.0)?;
        Ok(loss.to_scalar()?)
    }

    /// A training before its first step.
    fn begin(&self) -> Result<TaskTrainer> {
        let recipe = TrainRecipe {
            lr: LEARNING_RATE,
            weight_decay: WEIGHT_DECAY,
            warmup: 0.0,
            batch_size: self.batch.labels.len(),
            epochs: None,
            steps: None,
            watch_every: 0,
            checkpoint_every: 0,
            augment: Augment::default(),
            lwf: None,
        };
        let start = Start {
            head: Some(self.head.clone()),
            ..Arc::clone(&self.backbone).into()
        };
        let (lora, classes) = (lora(&self.request), self.head.classes());
        let mut trainer = TaskTrainer::new(start, &lora, &recipe, classes, ENDLESS, Key::new(2))?;
        if let Some(given) = &self.given {
            given.put_into(&mut trainer)?;
        }
        Ok(trainer)
    }

    /// Measures: for each work some rounds that do not count, then `rounds` that do, then one more by operation.
    ///
    /// # Errors
    /// As [`Bench::round`]; [`Error::Cancelled`] if the onlooker cancels.
    pub fn measure(
        mut self,
        works: &[Work],
        rounds: usize,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Report> {
        if works.contains(&Work::Train) {
            // What cannot be trained is refused before anything is measured.
            self.begin()?;
        }
        let images = self.batch.labels.len();
        let in_all = works.len() * (WARM_UP + rounds + 1);
        let mut done = 0;
        let mut tell = |what: Work| -> Result<()> {
            if onlooker.cancels() {
                return Err(Error::Cancelled);
            }
            onlooker.tell(&Progress::images(
                what.name(),
                done * images,
                in_all * images,
            ));
            done += 1;
            Ok(())
        };
        let product_flops = product_flops(&self.device)?;
        let mut measured = Vec::new();
        for &work in works {
            let mut losses = Vec::new();
            for _ in 0..WARM_UP {
                tell(work)?;
                losses.push(self.round(work)?.loss);
            }
            let mut samples = Vec::new();
            for _ in 0..rounds {
                tell(work)?;
                samples.push(self.round(work)?);
            }
            tell(work)?;
            let (sample, account) = ops::account(|| self.round(work));
            losses.extend(samples.iter().map(|s| s.loss));
            measured.push(Measured {
                work,
                images,
                losses,
                samples,
                accounted: Duration::from_secs_f64(sample?.seconds),
                account,
            });
        }
        Report::new(&self, product_flops, measured)
    }
}

/// What came of one kind of work.
struct Measured {
    work: Work,
    images: usize,
    /// Of every round, those before the first that counts included.
    losses: Vec<f32>,
    samples: Vec<Sample>,
    /// What the round by operation took.
    accounted: Duration,
    account: Account,
}

fn lora(request: &Request) -> LoraRecipe {
    LoraRecipe {
        dropout: request.dropout,
        ..LoraRecipe::of_rank(request.rank, request.targets.clone())
    }
}

/// Does the work, and sees meanwhile how many bytes of the GPU are in use: once it is done they are given back.
fn watched<T>(device: &Device, work: impl FnOnce() -> T) -> (T, Option<u64>) {
    if device.is_cpu() {
        return (work(), None);
    }
    std::thread::scope(|scope| {
        let (at_work, done) = mpsc::channel::<()>();
        let watch = scope.spawn(move || {
            let mut most = None;
            loop {
                most = most.max(gpu(device).map(|gpu| gpu.used));
                if done.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    return most;
                }
            }
        });
        let worked = work();
        drop(at_work);
        (worked, watch.join().unwrap_or_default())
    })
}

/// The backbone, with the SHA-256 of its weights file where there is one.
fn backbone_of(
    request: &Request,
    device: &Device,
    onlooker: &mut dyn Onlooker,
) -> Result<(Config, Weights, Option<String>)> {
    let name = &request.backbone;
    if let Some(recipe) = recipe_of(name, request.image_size) {
        let recipe = BackboneRecipe {
            precision: request.precision,
            ..recipe
        };
        let (config, weights, sha256) = open_backbone(&recipe, device, onlooker)?;
        return Ok((config, weights, Some(sha256)));
    }
    let mut config = by_name(name, request.image_size)?;
    config.precision = request.precision;
    let weights = backbone::initialise(&config, Key::new(3), device)?;
    Ok((config, weights, None))
}

/// The recipe of a backbone that has weights; none for what can only be an architecture's name.
fn recipe_of(name: &str, image_size: Option<usize>) -> Option<BackboneRecipe> {
    let recipe = BackboneRecipe {
        image_size,
        ..BackboneRecipe::from_argument(name)
    };
    (recipe.source == *name || Path::new(name).exists()).then_some(recipe)
}

/// What an architecture's name stands for.
fn by_name(name: &str, image_size: Option<usize>) -> Result<Config> {
    let config = Config::of_name(name).map_err(|e| match e {
        Error::Input(text) => Error::input(format!(
            "{name} is no folder and no source such as bundled:glyph-vit, and as an architecture: {text}"
        )),
        other => other,
    })?;
    match image_size {
        Some(side) => config.at_size(side),
        None => Ok(config),
    }
}

/// The config alone, for who needs no weights.
fn config_of(name: &str, image_size: Option<usize>, onlooker: &mut dyn Onlooker) -> Result<Config> {
    match recipe_of(name, image_size) {
        Some(recipe) => fetch_config(&recipe, onlooker),
        None => by_name(name, image_size),
    }
}

/// A batch of normal noise, with each label in its turn.
pub(crate) fn noise(images: usize, classes: usize, size: [usize; 3], key: Key) -> Batch {
    let count = images * size.iter().product::<usize>();
    Batch {
        pixels: (0..count as u64).map(|i| key.normal(i)).collect(),
        labels: (0..images).map(|i| (i % classes) as u32).collect(),
        size,
    }
}

/// Floating-point operations a second of a large product in f32, the best of a few.
fn product_flops(device: &Device) -> Result<f64> {
    // A GPU is done with this one before it is busy.
    let scale = if device.is_cpu() { 1 } else { 8 };
    let [rows, depth, columns] = PRODUCT.map(|n| scale * n);
    let x = Tensor::ones((rows, depth), candle_core::DType::F32, device)?;
    let w = Tensor::ones((columns, depth), candle_core::DType::F32, device)?;
    let (begun, mut best) = (Instant::now(), Duration::MAX);
    let mut taken = 0;
    while taken < 2 || begun.elapsed() < Duration::from_millis(300) {
        device.synchronize()?;
        let one = Instant::now();
        ops::linear(&x, &w, None)?;
        device.synchronize()?;
        best = best.min(one.elapsed());
        taken += 1;
    }
    Ok(2.0 * (rows * depth * columns) as f64 / best.as_secs_f64())
}
