//! Times training steps of the two bundled architectures: forward and backward, without the optimiser.
//!
//!     RAYON_NUM_THREADS=2 cargo run --release --example step_time [SECONDS [NAME]]

use std::collections::BTreeMap;
use std::time::Instant;

use candle_core::{Device, Tensor, Var};
use pentimento::Result;
use pentimento::backbone::{self, Backbone, Config, Pass, RunningStats, Weights};
use pentimento::lora::Adapter;
use pentimento::ops;
use pentimento::random::Key;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VIT: &str = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 62, "model_args": {"img_size": 32,
    "patch_size": 8, "embed_dim": 96, "depth": 6, "num_heads": 3, "in_chans": 1},
    "pretrained_cfg": {"input_size": [1, 32, 32], "fixed_input_size": true}}"#;

const RESNET: &str = r#"{"architecture": "resnet26d", "num_classes": 62, "model_args": {"in_chans": 1,
    "channels": [16, 24, 48, 72], "layers": [2, 2, 2, 2], "stem_width": 12},
    "pretrained_cfg": {"input_size": [1, 64, 64]}}"#;

fn normal(shape: &[usize], key: Key) -> Result<Tensor> {
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..count).map(|i| key.normal(i)).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Seconds of processor time that this process has used (Linux; 0 elsewhere).
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // User and system time in ticks of 10 ms are fields 14 and 15; the name before them may hold blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Runs `step` for some seconds and prints the fastest and the median time, and the mean processor time, which other
/// work on the machine distorts less.
fn time(what: &str, seconds: f64, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    if !what.contains(&std::env::args().nth(2).unwrap_or_default()) {
        return Ok(());
    }
    for _ in 0..3 {
        step()?;
    }
    let (begin, used) = (Instant::now(), processor_seconds());
    let mut times = Vec::new();
    while begin.elapsed().as_secs_f64() < seconds || times.len() < 5 {
        let start = Instant::now();
        step()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let used = (processor_seconds() - used) * 1e3 / times.len() as f64;
    times.sort_by(f64::total_cmp);
    println!(
        "{what:28} fastest {:7.2} ms   median {:7.2} ms   processor {used:7.2} ms   ({} steps)",
        times[0],
        times[times.len() / 2],
        times.len()
    );
    Ok(())
}

fn measure(name: &str, json: &str, targets: &str, seconds: f64) -> Result<()> {
    let config = Config::from_json(json.as_bytes())?;
    let weights = backbone::initialise(&config, Key::new(1), &Device::Cpu)?;
    let [c, h, w] = config.pretrained_cfg.input_size;
    let x = normal(&[32, c, h, w], Key::new(2))?;
    let labels = Tensor::from_vec((0..32u32).collect(), 32, &Device::Cpu)?;
    let head = |weights: &Weights, features: &Tensor| {
        let get = |what: &str| &weights[&format!("{}.{what}", config.classifier())];
        ops::linear(features, get("weight"), Some(get("bias")))
    };

    let frozen = Backbone::new(&config, &weights)?;
    time(&format!("{name}: evaluation"), seconds, || {
        head(&weights, &frozen.features(&x, &Pass::eval())?)?;
        Ok(())
    })?;

    let layers: Vec<_> = frozen
        .layers()
        .iter()
        .filter(|l| l.name.ends_with(targets))
        .cloned()
        .collect();
    let recipe = pentimento::recipe::LoraRecipe {
        mode: pentimento::recipe::Mode::Merge,
        rank: 16,
        alpha: None,
        dropout: 0.1,
        targets: ".*".into(),
    };
    let mut adapter = Adapter::initialise(&layers, &recipe, Key::new(3), &Device::Cpu)?;
    let mut vars = BTreeMap::new();
    for (name, pair) in &mut adapter.modules {
        let (a, b) = (Var::from_tensor(&pair.a)?, Var::from_tensor(&pair.b)?);
        (pair.a, pair.b) = (a.as_tensor().clone(), b.as_tensor().clone());
        vars.insert(name.clone(), (a, b));
    }
    let deltas = adapter.deltas(&layers)?;
    let mut trained = weights.clone();
    for what in ["weight", "bias"] {
        let name = format!("{}.{what}", config.classifier());
        let var = Var::from_tensor(&weights[&name])?;
        trained.insert(name, var.into_inner());
    }
    let mut n = 0;
    time(&format!("{name}: adapter on {targets}"), seconds, || {
        n += 1;
        let pass = Pass {
            deltas: Some(&deltas),
            dropout: Some(Key::new(4).index(n)),
            ..Pass::eval()
        };
        let logits = head(&trained, &frozen.features(&x, &pass)?)?;
        ops::cross_entropy(&logits, &labels, 0.0)?.backward()?;
        Ok(())
    })?;

    for name in backbone::trainable(&config)? {
        let var = Var::from_tensor(&weights[&name])?;
        trained.insert(name, var.into_inner());
    }
    let full = Backbone::new(&config, &trained)?;
    let running = RunningStats::new(&trained);
    time(&format!("{name}: every weight"), seconds, || {
        let pass = Pass {
            running: Some(&running),
            ..Pass::eval()
        };
        let logits = head(&trained, &full.features(&x, &pass)?)?;
        ops::cross_entropy(&logits, &labels, 0.0)?.backward()?;
        Ok(())
    })
}

fn main() -> anyhow::Result<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(3.0), |s| s.parse())?;
    println!("{} threads", rayon::current_num_threads());
    measure("vit", VIT, ".attn.qkv", seconds)?;
    measure("resnet", RESNET, ".conv3", seconds)?;
    Ok(())
}
