//! A merge of rank 32 into every linear layer of a ViT-B/16, the way back to the second of four merges, and the size of
//! the update.
//!
//!     RAYON_NUM_THREADS=2 cargo bench --bench merge

use std::sync::Arc;

use candle_core::{Device, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use pentimento::Result;
use pentimento::backbone::{self, Backbone, Config};
use pentimento::lora::{Adapter, Entry, Stack, adapted};
use pentimento::random::Key;
use pentimento::recipe::LoraRecipe;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MERGES: u64 = 4;

fn measure(bench: &mut Criterion) -> Result<()> {
    let config = Config::of_name("vit_base_patch16_224")?;
    let weights = backbone::initialise(&config, Key::new(1), &Device::Cpu)?;
    let layers = backbone::layers(&config)?;
    let recipe = LoraRecipe::of_rank(32, "all-linear".into());
    let targets = adapted(&recipe, &config.architecture, &layers)?;
    let mut stack = Stack::new(weights, &layers);
    for task in 0..MERGES {
        let mut adapter =
            Adapter::initialise(&targets, &recipe, Key::new(2).index(task), &Device::Cpu)?;
        for pair in adapter.modules.values_mut() {
            // As a trained one is: not zero.
            pair.b = Tensor::ones(pair.b.dims(), candle_core::DType::F32, &Device::Cpu)?;
        }
        stack.push(Entry::LowRank {
            adapter: Arc::new(adapter),
            lambda: 1.0,
        })?;
    }
    let ready = |merges| Backbone::new(&config, &stack.weights_of(merges)?);
    stack.norms_of(1)?;
    let mut group = bench.benchmark_group("vit_base_patch16_224, rank 32 on every linear layer");
    group.sample_size(10);
    for (name, merges) in [
        ("the first merge", 1),
        ("back to the second", 2),
        ("the fourth", 4),
    ] {
        group.bench_function(name, |b| b.iter(|| ready(merges).expect("it fits")));
    }
    group.bench_function("size of the update", |b| {
        b.iter(|| stack.norms_of(1).expect("ran before"))
    });
    Ok(())
}

fn merges(bench: &mut Criterion) {
    measure(bench).expect("the architecture is known");
}

criterion_group!(benches, merges);
criterion_main!(benches);
