//! A training step and an evaluation of the two bundled architectures at batch 32: forward and backward, without
//! loading and without the optimiser.
//!
//!     RAYON_NUM_THREADS=2 cargo bench --bench step [-- FILTER]

use candle_core::{Device, Tensor, Var};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pentimento::Result;
use pentimento::backbone::{self, Backbone, Config, Pass, RunningStats, Weights};
use pentimento::lora::Adapter;
use pentimento::ops;
use pentimento::random::Key;
use pentimento::recipe::{LoraRecipe, Mode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 32;

const VIT: &str = include_str!("../assets/backbones/glyph-vit/config.json");
const RESNET: &str = include_str!("../assets/backbones/glyph-resnet/config.json");

fn normal(shape: &[usize], key: Key) -> Result<Tensor> {
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..count).map(|i| key.normal(i)).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// The weights with those of `names` as variables, so that gradients flow to them.
fn with_variables(weights: &Weights, names: impl IntoIterator<Item = String>) -> Result<Weights> {
    let mut trained = weights.clone();
    for name in names {
        let variable = Var::from_tensor(&weights[&name])?;
        trained.insert(name, variable.into_inner());
    }
    Ok(trained)
}

fn measure(bench: &mut Criterion, name: &str, json: &str, targets: &str) -> Result<()> {
    let config = Config::from_json(json.as_bytes())?;
    let weights = backbone::initialise(&config, Key::new(1), &Device::Cpu)?;
    let [c, h, w] = config.pretrained_cfg.input_size;
    let x = normal(&[BATCH, c, h, w], Key::new(2))?;
    let labels = Tensor::from_vec((0..BATCH as u32).collect(), BATCH, &Device::Cpu)?;
    let head = ["weight", "bias"].map(|what| format!("{}.{what}", config.classifier()));
    let logits = |weights: &Weights, features: &Tensor| {
        ops::linear(features, &weights[&head[0]], Some(&weights[&head[1]]))
    };
    let loss = |logits: &Tensor| ops::cross_entropy(logits, &labels, 0.0);
    let mut group = bench.benchmark_group(name);
    group.throughput(Throughput::Elements(BATCH as u64));
    group.sample_size(20);

    let frozen = Backbone::new(&config, &weights)?;
    let evaluate = || logits(&weights, &frozen.features(&x, &Pass::eval())?);
    evaluate()?;
    group.bench_function("evaluation", |b| b.iter(|| evaluate().expect("ran before")));

    let layers: Vec<_> = frozen
        .layers()
        .iter()
        .filter(|l| l.name.ends_with(targets))
        .cloned()
        .collect();
    let recipe = LoraRecipe {
        mode: Mode::Merge,
        rank: 16,
        alpha: None,
        rslora: false,
        rank_pattern: Default::default(),
        alpha_pattern: Default::default(),
        dropout: 0.1,
        targets: ".*".into(),
    };
    let mut adapter = Adapter::initialise(&layers, &recipe, Key::new(3), &Device::Cpu)?;
    for pair in adapter.modules.values_mut() {
        pair.a = Var::from_tensor(&pair.a)?.into_inner();
        pair.b = Var::from_tensor(&pair.b)?.into_inner();
    }
    let deltas = adapter.deltas(&layers)?;
    let trained = with_variables(&weights, head.clone())?;
    let adapt = || {
        let pass = Pass {
            deltas: Some(&deltas),
            dropout: Some(Key::new(4)),
            ..Pass::eval()
        };
        let features = frozen.features(&x, &pass)?;
        Ok::<_, pentimento::Error>(loss(&logits(&trained, &features)?)?.backward()?)
    };
    adapt()?;
    let what = format!("adapter of rank 16 on {targets}");
    group.bench_function(what, |b| b.iter(|| adapt().expect("ran before")));

    let names = backbone::trainable(&config)?
        .into_iter()
        .chain(head.clone());
    let trained = with_variables(&weights, names)?;
    let full = Backbone::new(&config, &trained)?;
    let running = RunningStats::new(&trained);
    let train = || {
        let pass = Pass {
            running: Some(&running),
            ..Pass::eval()
        };
        let features = full.features(&x, &pass)?;
        Ok::<_, pentimento::Error>(loss(&logits(&trained, &features)?)?.backward()?)
    };
    train()?;
    group.bench_function("every weight", |b| b.iter(|| train().expect("ran before")));
    Ok(())
}

fn steps(bench: &mut Criterion) {
    let done = measure(bench, "glyph-vit", VIT, ".attn.qkv")
        .and_then(|()| measure(bench, "glyph-resnet", RESNET, ".conv3"));
    done.expect("the bundled architectures can be trained");
}

criterion_group!(benches, steps);
criterion_main!(benches);
