//! What was measured, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::{Bench, Measured, Sample, Work};
use crate::Result;
use crate::lab::gpu;
use crate::ops::{Phase, Spent};
use crate::recipe::Precision;
use crate::run::{CANDLE, Machine, target};

/// The figures of a machine, a backbone and an adapter, with all of their samples.
#[derive(Debug, Serialize)]
pub struct Report {
    /// This program's version.
    pub version: &'static str,
    /// candle's version.
    pub candle: &'static str,
    /// What the program was compiled for.
    pub target: String,
    /// CPU model.
    pub cpu: String,
    /// Threads that compute.
    pub threads: usize,
    /// Whether the CPU has the widest vectors that the products know.
    pub avx512: bool,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The GPU's model, where it is one.
    pub gpu: Option<String>,
    /// Floating-point operations a second of a large product in f32.
    pub product_flops: f64,
    /// timm's name of the architecture.
    pub architecture: String,
    /// SHA-256 of the weights file; none for random weights.
    pub weights_sha256: Option<String>,
    /// Channels, height, width.
    pub input_size: [usize; 3],
    /// What products are computed in.
    pub precision: Precision,
    /// Images a batch.
    pub batch_size: usize,
    /// The modules with an adapter, as they were asked for.
    pub targets: String,
    /// Rank of the adapter.
    pub rank: usize,
    /// Dropout on its input.
    pub dropout: f64,
    /// Parameters that a step changes, adapter and head.
    pub trained: Option<usize>,
    /// What was measured, in this order.
    pub measured: Vec<Figures>,
}

/// One kind of work.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Which.
    pub work: Work,
    /// By the median of the samples.
    pub images_per_second: f64,
    /// The most bytes that the process held up to the last round.
    pub peak_memory: Option<u64>,
    /// The most bytes of the GPU that were seen in use during a round, by anyone.
    pub gpu_memory: Option<u64>,
    /// Every round that counts.
    pub samples: Vec<Sample>,
    /// The loss of every round, those before the first that counts included.
    #[serde(with = "crate::float")]
    pub losses: Vec<f32>,
    /// What of one more round each operation took, the longest first.
    pub operations: Vec<Operation>,
}

/// An operation in one phase of the work.
#[derive(Debug, Serialize)]
pub struct Operation {
    /// Its name; `everything else` is what no operation accounts for: the graph, sums of gradients, the batch's copy.
    pub name: &'static str,
    /// `forward`, `backward` or `update`; none for everything else.
    pub phase: Option<&'static str>,
    /// How often it was called.
    pub calls: usize,
    /// By the wall clock.
    pub seconds: f64,
    /// Of the round's time, 0 to 1.
    pub share: f64,
}

impl Report {
    pub(super) fn new(bench: &Bench, product_flops: f64, measured: Vec<Measured>) -> Result<Self> {
        let (machine, config) = (Machine::here(), bench.backbone.config());
        let gpu = gpu(&bench.device);
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            candle: CANDLE,
            target: target(),
            cpu: machine.cpu,
            threads: machine.threads,
            avx512: has_avx512(),
            device: bench.device_name.clone(),
            gpu: gpu.map(|gpu| gpu.name),
            product_flops,
            architecture: config.architecture.clone(),
            weights_sha256: bench.weights_sha256.clone(),
            input_size: bench.batch.size,
            precision: config.precision,
            batch_size: bench.batch.labels.len(),
            targets: bench.request.targets.clone(),
            rank: bench.request.rank,
            dropout: bench.request.dropout,
            trained: bench.trainer.as_ref().map(|t| t.trainable()),
            measured: measured.into_iter().map(Figures::new).collect(),
        })
    }
}

impl Figures {
    fn new(measured: Measured) -> Self {
        let Measured {
            work,
            images,
            losses,
            samples,
            accounted,
            account,
        } = measured;
        let seconds: Vec<f64> = samples.iter().map(|s| s.seconds).collect();
        let whole = accounted.as_secs_f64();
        let operation = |name, phase, spent: Spent| Operation {
            name,
            phase,
            calls: spent.calls,
            seconds: spent.time.as_secs_f64(),
            share: spent.time.as_secs_f64() / whole,
        };
        let mut operations: Vec<Operation> = account
            .iter()
            .map(|((name, phase), spent)| operation(*name, Some(phase.name()), *spent))
            .collect();
        let all: Duration = account.values().map(|spent| spent.time).sum();
        let rest = Spent {
            calls: 1,
            time: accounted.saturating_sub(all),
        };
        operations.push(operation("everything else", None, rest));
        operations.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        Self {
            work,
            images_per_second: images as f64 / spread(&seconds)[1],
            peak_memory: samples.iter().filter_map(|s| s.peak_memory).max(),
            gpu_memory: samples.iter().filter_map(|s| s.gpu_memory).max(),
            samples,
            losses,
            operations,
        }
    }
}

/// The least, the median and the largest of some values.
pub(super) fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.as_slice() {
        [] => [f64::NAN; 3],
        all => {
            let middle = (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0;
            [all[0], middle, all[all.len() - 1]]
        }
    }
}

/// Whether the CPU has the widest vectors that our loops and candle's products know.
pub fn has_avx512() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [c, h, w] = self.input_size;
        let vectors = if self.avx512 { ", AVX-512" } else { "" };
        let gpu = self
            .gpu
            .as_ref()
            .map_or(String::new(), |g| format!(", {g}"));
        let weights = match &self.weights_sha256 {
            Some(sha256) => format!("weights {}", &sha256[..12.min(sha256.len())]),
            None => "random weights".into(),
        };
        let precision = self.precision.name();
        let trained = self.trained.map_or(String::new(), |n| {
            format!(": {n} trained parameters, head included")
        });
        let facts = [
            (
                "version",
                format!("{}, candle {}, {}", self.version, self.candle, self.target),
            ),
            (
                "cpu",
                format!("{}, {} threads{vectors}", self.cpu, self.threads),
            ),
            (
                "device",
                format!(
                    "{}{gpu}, products in f32 at {:.0} GFLOP/s",
                    self.device,
                    self.product_flops / 1e9
                ),
            ),
            (
                "backbone",
                format!(
                    "{}, {weights}, {c}×{h}×{w}, {precision}, batches of {}",
                    self.architecture, self.batch_size
                ),
            ),
            (
                "adapter",
                format!(
                    "rank {}, dropout {}, on {}{trained}",
                    self.rank, self.dropout, self.targets
                ),
            ),
        ];
        for (name, fact) in facts {
            writeln!(out, "{name:12} {fact}")?;
        }
        for figures in &self.measured {
            writeln!(out, "{:12} {}", figures.work.name(), figures.line())?;
        }
        for figures in &self.measured {
            write!(out, "\n{}", figures.table())?;
        }
        Ok(())
    }
}

impl Figures {
    fn line(&self) -> String {
        let seconds: Vec<f64> = self.samples.iter().map(|s| s.seconds).collect();
        let [least, median, most] = spread(&seconds);
        let mut line = format!(
            "{:.1} images/s: {median:.3} s a batch, the median of {} from {least:.3} to {most:.3}",
            self.images_per_second,
            seconds.len()
        );
        for (bytes, what) in [
            (self.peak_memory, "of memory at most"),
            (self.gpu_memory, "of the GPU at most"),
        ] {
            if let Some(bytes) = bytes {
                // Writing to a String does not fail.
                let _ = write!(line, "; {:.0} MB {what}", bytes as f64 / 1e6);
            }
        }
        line
    }

    /// Shares of the time by operation: a column a phase.
    fn table(&self) -> String {
        let mut rows: BTreeMap<&str, ([f64; 3], f64, usize)> = BTreeMap::new();
        let phases = [Phase::Forward, Phase::Backward, Phase::Update].map(Phase::name);
        for operation in &self.operations {
            let (shares, whole, calls) = rows.entry(operation.name).or_default();
            if let Some(at) = phases.iter().position(|p| Some(*p) == operation.phase) {
                shares[at] += operation.share;
                *calls += operation.calls;
            }
            *whole += operation.share;
        }
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
        let percent = |share: f64| match share {
            0.0 => String::new(),
            share => format!("{:.1} %", 100.0 * share),
        };
        let [forward, backward, update] = phases;
        let mut table = format!(
            "{:24} {:>8} {forward:>9} {backward:>9} {update:>9} {:>6}\n",
            format!("{} by operation", self.work.name()),
            "share",
            "calls"
        );
        for (name, (shares, whole, calls)) in rows {
            let [f, b, u] = shares.map(percent);
            let calls = if calls == 0 {
                String::new()
            } else {
                calls.to_string()
            };
            let _ = writeln!(
                table,
                "{name:24} {:>8} {f:>9} {b:>9} {u:>9} {calls:>6}",
                percent(whole)
            );
        }
        table
    }
}
