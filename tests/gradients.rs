//! Every trainable variable gets its gradient and nothing else does; gradients match finite differences through
//! whole backbones; the number of threads changes no bit.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use pentimento::Result;
use pentimento::backbone::{
    self, Backbone, Config, Delta, Deltas, Layer, LayerKind, Pass, RunningStats, Weights,
};
use pentimento::ops;
use pentimento::random::Key;

const VIT: &str = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 5, "model_args": {"img_size": 32,
    "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "in_chans": 1, "init_values": 0.5},
    "pretrained_cfg": {"input_size": [1, 32, 32], "fixed_input_size": true}}"#;

const RESNET: &str = r#"{"architecture": "resnet26d", "num_classes": 5, "model_args": {"in_chans": 1,
    "channels": [8, 8, 12, 12], "layers": [1, 2, 1, 1], "stem_width": 6},
    "pretrained_cfg": {"input_size": [1, 32, 32]}}"#;

const BASIC: &str = r#"{"architecture": "resnet18", "num_classes": 5, "model_args": {"in_chans": 1,
    "channels": [8, 8, 12, 12], "layers": [1, 2, 1, 1]}, "pretrained_cfg": {"input_size": [1, 32, 32]}}"#;

const ALL: [&str; 3] = [VIT, RESNET, BASIC];

fn normal(shape: &[usize], key: Key, scale: f32) -> Tensor {
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..count).map(|i| scale * key.normal(i)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// A config and weights without special values: timm's initialisation has zeros that hide gradients.
fn model(json: &str) -> (Config, Weights) {
    let config = Config::from_json(json.as_bytes()).unwrap();
    let weights = backbone::initialise(&config, Key::new(1), &Device::Cpu).unwrap();
    let weights = weights
        .into_iter()
        .map(|(name, t)| {
            let noise = normal(t.dims(), Key::new(2).named(&name), 0.1);
            let t = if name.ends_with("running_var") || name.ends_with(".gamma") {
                (t + noise.abs().unwrap()).unwrap()
            } else if t.dims().len() == 1 {
                (t + noise).unwrap()
            } else {
                t
            };
            (name, t)
        })
        .collect();
    (config, weights)
}

/// The weights with the named ones as variables.
fn trained(weights: &Weights, names: &[String]) -> (Weights, BTreeMap<String, Var>) {
    let vars: BTreeMap<String, Var> = names
        .iter()
        .map(|n| (n.clone(), Var::from_tensor(&weights[n]).unwrap()))
        .collect();
    let mut weights = weights.clone();
    for (name, var) in &vars {
        weights.insert(name.clone(), var.as_tensor().clone());
    }
    (weights, vars)
}

fn images(batch: usize) -> Tensor {
    normal(&[batch, 1, 32, 32], Key::new(3), 1.0)
}

/// Large enough that BatchNorm has many values a channel even at the end.
fn large_images(batch: usize) -> Tensor {
    normal(&[batch, 1, 64, 64], Key::new(3), 1.0)
}

/// A scalar on which every feature of every image bears differently.
fn probe(features: &Tensor) -> Tensor {
    let weights = normal(features.dims(), Key::new(4), 1.0);
    (features * weights).unwrap().sum_all().unwrap()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// A low-rank update of a layer, in the form of a LoRA.
struct TestDelta {
    a: Var,
    b: Var,
}

impl Delta for TestDelta {
    fn forward(&self, layer: &Layer, x: &Tensor, _: &Pass) -> Result<Tensor> {
        match layer.conv_spec() {
            None => ops::linear(&ops::linear(x, &self.a, None)?, &self.b, None),
            Some(spec) => {
                let inner = ops::conv2d(x, &self.a, None, &spec)?;
                ops::conv2d(&inner, &self.b, None, &ops::Conv2dSpec::default())
            }
        }
    }
}

fn deltas(layers: &[Layer], rank: usize) -> (Deltas, Vec<(String, Var)>) {
    let mut vars = Vec::new();
    let deltas = layers
        .iter()
        .map(|layer| {
            let (a, b) = match layer.kind {
                LayerKind::Linear { inputs, outputs } => (vec![rank, inputs], vec![outputs, rank]),
                LayerKind::Conv2d {
                    inputs,
                    outputs,
                    kernel: [kh, kw],
                    ..
                } => (vec![rank, inputs, kh, kw], vec![outputs, rank, 1, 1]),
            };
            let key = Key::new(6).named(&layer.name);
            let var = |shape: &[usize], name: &str| {
                Var::from_tensor(&normal(shape, key.named(name), 0.1)).unwrap()
            };
            let delta = TestDelta {
                a: var(&a, "a"),
                b: var(&b, "b"),
            };
            vars.push((format!("{}.a", layer.name), delta.a.clone()));
            vars.push((format!("{}.b", layer.name), delta.b.clone()));
            let delta: Arc<dyn Delta> = Arc::new(delta);
            (layer.name.clone(), delta)
        })
        .collect();
    (deltas, vars)
}

/// Each of `vars` has a gradient that is not zero, and nothing but them and `spare` more tensors has one.
#[track_caller]
fn assert_exactly<'a>(
    grads: &GradStore,
    vars: impl IntoIterator<Item = (&'a String, &'a Var)>,
    spare: usize,
) {
    let mut count = 0;
    for (name, var) in vars {
        let grad = grads
            .get(var)
            .unwrap_or_else(|| panic!("{name} has no gradient"));
        assert!(
            numbers(grad).iter().any(|g| *g != 0.0),
            "{name}'s gradient is 0"
        );
        assert!(numbers(grad).iter().all(|g| g.is_finite()), "{name}");
        count += 1;
    }
    assert!(
        grads.get_ids().count() <= count + spare,
        "something frozen has a gradient"
    );
}

// The probe's weights are a factor of a product of candle's own, so they get a gradient too.
const PROBE: usize = 1;

#[test]
fn every_weight_of_a_backbone_in_training_gets_a_gradient() {
    for json in ALL {
        let (config, weights) = model(json);
        let (weights, vars) = trained(&weights, &backbone::trainable(&config).unwrap());
        let running = RunningStats::new(&weights);
        let pass = Pass {
            running: Some(&running),
            ..Pass::eval()
        };
        let model = Backbone::new(&config, &weights).unwrap();
        let loss = probe(&model.features(&images(4), &pass).unwrap());
        assert_exactly(&loss.backward().unwrap(), &vars, PROBE);
    }
}

#[test]
fn every_adapter_gets_gradients_and_the_frozen_weights_none() {
    for json in ALL {
        let (config, weights) = model(json);
        let model = Backbone::new(&config, &weights).unwrap();
        let (deltas, vars) = deltas(model.layers(), 2);
        let pass = Pass {
            deltas: Some(&deltas),
            ..Pass::eval()
        };
        let loss = probe(&model.features(&images(4), &pass).unwrap());
        let vars: BTreeMap<String, Var> = vars.into_iter().collect();
        assert_eq!(vars.len(), 2 * model.layers().len());
        assert_exactly(&loss.backward().unwrap(), &vars, PROBE);
    }
}

/// Modules trained at full rank, BatchNorm frozen: the convolution is folded anew at each pass.
#[test]
fn some_weights_trained_leave_the_others_without_gradients() {
    for (json, pattern) in [(VIT, ".attn.qkv.weight"), (RESNET, ".conv3.weight")] {
        let (config, weights) = model(json);
        let names: Vec<String> = backbone::trainable(&config).unwrap();
        let names: Vec<String> = names.into_iter().filter(|n| n.ends_with(pattern)).collect();
        let (weights, vars) = trained(&weights, &names);
        let model = Backbone::new(&config, &weights).unwrap();
        let frozen = Backbone::new(&config, &self::model(json).1).unwrap();
        let pass = Pass::eval();
        let features = model.features(&images(4), &pass).unwrap();
        let same = frozen.features(&images(4), &pass).unwrap();
        for (a, b) in numbers(&features).iter().zip(numbers(&same)) {
            assert!((a - b).abs() < 1e-5);
        }
        assert_exactly(&probe(&features).backward().unwrap(), &vars, PROBE);
    }
}

/// Central differences along the gradient itself, where they are largest against rounding, and along a random
/// direction, for all variables together and for each alone.
fn assert_finite_differences(
    vars: &BTreeMap<String, Var>,
    tolerance: f64,
    features: impl Fn() -> Tensor,
) {
    let grads = probe(&features()).backward().unwrap();
    // The probe in f64: its rounding would drown small differences.
    let scalar = || {
        let y = features();
        let weights = numbers(&normal(y.dims(), Key::new(4), 1.0));
        let products = numbers(&y).into_iter().zip(weights);
        products
            .map(|(y, w)| f64::from(y) * f64::from(w))
            .sum::<f64>()
    };
    let check = |what: &str, directions: Vec<(&Var, Tensor)>| {
        let slope: f64 = directions
            .iter()
            .map(|(v, d)| {
                let g = numbers(grads.get(v).unwrap());
                g.iter()
                    .zip(numbers(d))
                    .map(|(g, d)| f64::from(*g) * f64::from(d))
                    .sum::<f64>()
            })
            .sum();
        let before: Vec<Tensor> = directions.iter().map(|(v, _)| v.copy().unwrap()).collect();
        let at = |step: f64| {
            for ((v, d), before) in directions.iter().zip(&before) {
                v.set(&(before + d.affine(step, 0.0).unwrap()).unwrap())
                    .unwrap();
            }
            scalar()
        };
        let size: f64 = directions
            .iter()
            .flat_map(|(_, d)| numbers(d))
            .map(|v| f64::from(v).powi(2))
            .sum::<f64>()
            .sqrt();
        // A ReLU's kink spoils the long step, rounding the short one: one of them must fit.
        let mut seen = Vec::new();
        let fits = [1e-3, 3e-4, 1e-4].iter().any(|step| {
            let numeric = (at(*step) - at(-step)) / (2.0 * step);
            seen.push(numeric);
            (numeric - slope).abs() <= tolerance * slope.abs() + 0.01 * size
        });
        at(0.0);
        assert!(
            fits,
            "{what}: {seen:?} by differences, {slope} by the gradient"
        );
    };
    let along = |v: &Var| {
        let g = grads.get(v).unwrap();
        let norm = numbers(g).iter().map(|v| v * v).sum::<f32>().sqrt();
        g.affine(1.0 / f64::from(norm).max(1e-6), 0.0).unwrap()
    };
    for (name, v) in vars {
        check(name, vec![(v, along(v))]);
    }
    let random = |(name, v): (&String, &Var)| -> Tensor {
        let d = normal(v.dims(), Key::new(9).named(name), 1.0);
        let norm = numbers(&d).iter().map(|v| v * v).sum::<f32>().sqrt();
        d.affine(1.0 / f64::from(norm), 0.0).unwrap()
    };
    for (name, v) in vars {
        check(name, vec![(v, random((name, v)))]);
    }
}

#[test]
fn gradients_through_a_whole_vit_match_finite_differences() {
    let (config, weights) = model(VIT);
    let (weights, vars) = trained(&weights, &backbone::trainable(&config).unwrap());
    let model = Backbone::new(&config, &weights).unwrap();
    let x = images(2);
    assert_finite_differences(&vars, 0.01, || model.features(&x, &Pass::eval()).unwrap());
}

/// Every weight with BatchNorm in training mode, and adapters on every layer with BatchNorm folded. The tolerance is
/// for the kinks of tens of thousands of ReLUs; the comparison with PyTorch is the sharp one.
#[test]
fn gradients_through_a_whole_resnet_match_finite_differences() {
    let (config, weights) = model(RESNET);
    let x = large_images(4);
    let (weights2, vars) = trained(&weights, &backbone::trainable(&config).unwrap());
    let running = RunningStats::new(&weights2);
    let training = Backbone::new(&config, &weights2).unwrap();
    assert_finite_differences(&vars, 0.05, || {
        let pass = Pass {
            running: Some(&running),
            ..Pass::eval()
        };
        training.features(&x, &pass).unwrap()
    });
    let model = Backbone::new(&config, &weights).unwrap();
    let (deltas, vars) = deltas(model.layers(), 2);
    let vars: BTreeMap<String, Var> = vars.into_iter().collect();
    assert_finite_differences(&vars, 0.05, || {
        let pass = Pass {
            deltas: Some(&deltas),
            ..Pass::eval()
        };
        model.features(&x, &pass).unwrap()
    });
}

/// Features and all gradients of full training and of adapters, in pools of one, two and three threads.
#[test]
fn the_number_of_threads_changes_no_bit() {
    for json in [VIT, RESNET] {
        let run = || {
            let (config, weights) = model(json);
            let frozen = Backbone::new(&config, &weights).unwrap();
            let (deltas, mut all) = deltas(frozen.layers(), 3);
            let (weights, vars) = trained(&weights, &backbone::trainable(&config).unwrap());
            let running = RunningStats::new(&weights);
            let full = Backbone::new(&config, &weights).unwrap();
            let adapted = Pass {
                deltas: Some(&deltas),
                ..Pass::eval()
            };
            let training = Pass {
                running: Some(&running),
                ..Pass::eval()
            };
            let x = images(20);
            let a = frozen.features(&x, &adapted).unwrap();
            let b = full.features(&x, &training).unwrap();
            let grads = (probe(&a) + probe(&b)).unwrap().backward().unwrap();
            all.extend(vars);
            let mut bits = vec![numbers(&a), numbers(&b)];
            bits.extend(all.iter().map(|(_, v)| numbers(grads.get(v).unwrap())));
            let mut stats = Weights::new();
            running.write(&mut stats).unwrap();
            bits.extend(stats.values().map(numbers));
            bits
        };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(run)
        };
        let one = with(1);
        for threads in [2, 3] {
            assert!(one == with(threads), "{threads} threads gave other bits");
        }
    }
}

/// The evaluation of an image does not depend on those beside it by more than rounding.
#[test]
fn images_of_a_batch_are_evaluated_apart() {
    for json in ALL {
        let (config, weights) = model(json);
        let model = Backbone::new(&config, &weights).unwrap();
        let x = images(7);
        let all = model.features(&x, &Pass::eval()).unwrap();
        assert_eq!(all.dtype(), DType::F32);
        for i in 0..7 {
            let alone = model
                .features(&x.narrow(0, i, 1).unwrap(), &Pass::eval())
                .unwrap();
            for (a, b) in numbers(&all.get(i).unwrap()).iter().zip(numbers(&alone)) {
                assert!((a - b).abs() < 1e-5 * b.abs().max(1.0));
            }
        }
    }
}
