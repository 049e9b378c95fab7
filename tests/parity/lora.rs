//! Adapters against PEFT: logits, gradients, five steps of AdamW, merged weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor, Var};
use pentimento::backbone::{Backbone, Pass, Weights, to_safetensors};
use pentimento::data::Batch;
use pentimento::lora::{Adapter, Entry, LowRank, Stack, peft};
use pentimento::ops;
use pentimento::random::Key;
use pentimento::recipe::{Augment, Budget, LoraRecipe, Mode, TrainRecipe};
use pentimento::train::{AdamW, Constants, Head, Parameter, TaskTrainer};

use crate::common::{Fixture, assert_close, assert_values, model, path};

/// A fixture and the model that it is for.
const CASES: [(&str, &str); 7] = [
    ("vit_qkv", "vit"),
    ("vit_all", "vit"),
    ("resnet26d_conv3", "resnet26d"),
    ("resnet26d_all", "resnet26d"),
    ("resnet18_layers", "resnet18"),
    ("vit_rslora", "vit"),
    ("resnet26d_patterns", "resnet26d"),
];

struct Case {
    name: &'static str,
    io: Fixture,
    adapter: Adapter,
    weights: Weights,
    backbone: Arc<Backbone>,
}

fn cases() -> impl Iterator<Item = Case> {
    CASES.into_iter().map(|(name, of)| {
        let (config, weights) = model(of);
        Case {
            name,
            io: Fixture::read(&format!("lora/{name}/io.safetensors")),
            adapter: peft::load(&path(&format!("lora/{name}")), &Device::Cpu).unwrap(),
            backbone: Arc::new(Backbone::new(&config, &weights).unwrap()),
            weights,
        }
    })
}

impl Case {
    fn head(&self) -> Head {
        Head {
            weight: self.io.get("head0.weight").clone(),
            bias: self.io.get("head0.bias").clone(),
        }
    }

    fn logits(&self, adapter: &Adapter, head: &Head) -> Tensor {
        let deltas = adapter.deltas(self.backbone.layers()).unwrap();
        let pass = Pass {
            deltas: Some(&deltas),
            ..Pass::eval()
        };
        let features = self.backbone.features(self.io.get("input"), &pass).unwrap();
        head.logits(&features).unwrap()
    }

    /// PEFT's name of a factor.
    fn key(module: &str, factor: &str) -> String {
        format!("base_model.model.{module}.{factor}.weight")
    }
}

fn var(t: &mut Tensor) {
    *t = Var::from_tensor(t).unwrap().into_inner();
}

#[test]
fn logits_loss_and_gradients_are_pefts() {
    for case in cases() {
        let (mut adapter, mut head) = (case.adapter.clone(), case.head());
        for pair in adapter.modules.values_mut() {
            var(&mut pair.a);
            var(&mut pair.b);
        }
        var(&mut head.weight);
        var(&mut head.bias);
        let logits = case.logits(&adapter, &head);
        assert_close(case.name, &logits, case.io.get("logits"));
        let loss = ops::cross_entropy(&logits, &case.io.labels(), 0.0).unwrap();
        assert_close(case.name, &loss, case.io.get("loss"));
        let grads = loss.backward().unwrap();
        let mut compared = 0;
        let mut compare = |name: String, t: &Tensor| {
            let what = format!("{} grad {name}", case.name);
            let grad = grads.get(t).unwrap_or_else(|| panic!("{what} is missing"));
            assert_close(&what, grad, case.io.get(&format!("grad.{name}")));
            compared += 1;
        };
        for (module, pair) in &adapter.modules {
            compare(Case::key(module, "lora_A"), &pair.a);
            compare(Case::key(module, "lora_B"), &pair.b);
        }
        compare("head.weight".into(), &head.weight);
        compare("head.bias".into(), &head.bias);
        assert_eq!(compared, case.io.names("grad.").len());
        for (name, weight) in &case.weights {
            assert!(
                grads.get(weight).is_none(),
                "{}: {name} is frozen",
                case.name
            );
        }
    }
}

fn each<T>(case: &Case, of: impl Fn(&LowRank) -> T) -> BTreeMap<String, T> {
    let modules = case.adapter.modules.iter();
    modules
        .map(|(name, pair)| (format!("^{}", name.replace('.', r"\.")), of(pair)))
        .collect()
}

/// A trainer whose state is the fixture's before its first step.
fn trainer(case: &Case) -> TaskTrainer {
    let targets: Vec<String> = case
        .adapter
        .modules
        .keys()
        .map(|n| n.replace('.', r"\."))
        .collect();
    let lora = LoraRecipe {
        mode: Mode::Merge,
        rank: case.adapter.rank,
        alpha: Some(case.adapter.alpha),
        rslora: case.adapter.rslora,
        // Of each module, by its whole name.
        rank_pattern: each(case, LowRank::rank),
        alpha_pattern: each(case, |pair| pair.alpha),
        dropout: 0.0,
        targets: targets.join("|"),
    };
    let train = TrainRecipe {
        epochs: None,
        steps: Some(Budget::All(1)),
        batch_size: 4,
        lr: 1e-3,
        weight_decay: 1e-2,
        warmup: 0.0,
        watch_every: 0,
        checkpoint_every: 200,
        augment: Augment::default(),
        lwf: None,
    };
    // So many steps that the cosine is level over the first five.
    let (backbone, steps) = (case.backbone.clone(), 1 << 40);
    let mut trainer = TaskTrainer::new(backbone, &lora, &train, 7, steps, Key::new(1)).unwrap();
    let mut state = Weights::from([("step".to_string(), Tensor::new(0f32, &Device::Cpu).unwrap())]);
    let mut put = |name: String, t: &Tensor| {
        let zeros = t.zeros_like().unwrap();
        state.insert(format!("m.{name}"), zeros.clone());
        state.insert(format!("v.{name}"), zeros);
        state.insert(format!("value.{name}"), t.clone());
    };
    for (module, pair) in &case.adapter.modules {
        put(format!("{module}.lora_A"), &pair.a);
        put(format!("{module}.lora_B"), &pair.b);
    }
    let head = case.head();
    put("head.weight".into(), &head.weight);
    put("head.bias".into(), &head.bias);
    trainer.restore(&to_safetensors(&state).unwrap()).unwrap();
    trainer
}

#[test]
fn five_steps_of_a_task_are_pefts() {
    for case in cases() {
        let mut trainer = trainer(&case);
        let input = case.io.get("input");
        let (_, c, h, w) = input.dims4().unwrap();
        let batch = Batch {
            pixels: crate::common::values(input),
            labels: case.io.labels().to_vec1().unwrap(),
            size: [c, h, w],
        };
        let losses: Vec<f32> = (0..5).map(|_| trainer.step(&batch).unwrap().loss).collect();
        let theirs = crate::common::values(case.io.get("losses"));
        assert_values(&format!("{} losses", case.name), &losses, &theirs);
        let (adapter, head) = (trainer.adapter().unwrap().unwrap(), trainer.head().unwrap());
        let after = by_name(&adapter, &head);
        assert_eq!(after.len(), case.io.names("step5.").len());
        for (name, t) in &after {
            let what = format!("{} step5 {name}", case.name);
            assert_close(&what, t, case.io.get(&format!("step5.{name}")));
        }
        let off = off_the_way(&case, &after);
        assert!(off < OFF, "{}: {off}", case.name);
    }
}

/// What is trained, by the fixture's names.
fn by_name(adapter: &Adapter, head: &Head) -> BTreeMap<String, Tensor> {
    let mut all = BTreeMap::from([
        ("head.weight".to_string(), head.weight.clone()),
        ("head.bias".to_string(), head.bias.clone()),
    ]);
    for (module, pair) in &adapter.modules {
        all.insert(Case::key(module, "lora_A"), pair.a.clone());
        all.insert(Case::key(module, "lora_B"), pair.b.clone());
    }
    all
}

/// The most that five steps may be off, as a part of the way that they go.
const OFF: f64 = 2e-4;

/// Σ|ours − PEFT's| after five steps over Σ|PEFT's − the start|, over everything that is trained. The way is
/// some 1e-3 a step, so a comparison of values alone would not see a wrong weight decay.
fn off_the_way(case: &Case, after: &BTreeMap<String, Tensor>) -> f64 {
    let start = by_name(&case.adapter, &case.head());
    let (mut off, mut way) = (0.0, 0.0);
    for (name, ours) in after {
        let theirs = case.io.get(&format!("step5.{name}"));
        let [ours, theirs, start] = [ours, theirs, &start[name]].map(crate::common::values);
        for ((o, t), s) in ours.iter().zip(&theirs).zip(&start) {
            off += f64::from((o - t).abs());
            way += f64::from((t - s).abs());
        }
    }
    off / way
}

/// Five steps with these constants, learning rate and weight decay; how far they are off PEFT's.
fn off_with(case: &Case, constants: Constants, lr: f64, weight_decay: f64) -> f64 {
    let (mut adapter, mut head) = (case.adapter.clone(), case.head());
    let mut parameters = Vec::new();
    let mut train = |t: &mut Tensor| {
        let var = Var::from_tensor(&t.copy().unwrap()).unwrap();
        *t = var.as_tensor().clone();
        parameters.push(Parameter {
            name: String::new(),
            var,
            decay: true,
        });
    };
    for pair in adapter.modules.values_mut() {
        train(&mut pair.a);
        train(&mut pair.b);
    }
    train(&mut head.weight);
    train(&mut head.bias);
    let mut optimiser = AdamW::with_constants(parameters, weight_decay, constants).unwrap();
    for _ in 0..5 {
        let logits = case.logits(&adapter, &head);
        let loss = ops::cross_entropy(&logits, &case.io.labels(), 0.0).unwrap();
        optimiser.step(&loss.backward().unwrap(), lr).unwrap();
    }
    off_the_way(case, &by_name(&adapter, &head))
}

/// The comparison sees each constant: with a single wrong one it fails on every fixture.
#[test]
fn five_steps_with_one_wrong_constant_are_not_pefts() {
    let right = Constants::default();
    for case in cases() {
        let off = off_with(&case, right, 1e-3, 1e-2);
        assert!(off < OFF, "{}: {off}", case.name);
        for (what, constants, lr, weight_decay) in [
            (
                "beta1",
                Constants {
                    beta1: 0.89,
                    ..right
                },
                1e-3,
                1e-2,
            ),
            (
                "beta2",
                Constants {
                    beta2: 0.99,
                    ..right
                },
                1e-3,
                1e-2,
            ),
            ("eps", Constants { eps: 1e-5, ..right }, 1e-3, 1e-2),
            ("lr", right, 1.001e-3, 1e-2),
            ("weight decay", right, 1e-3, 0.0),
        ] {
            let off = off_with(&case, constants, lr, weight_decay);
            assert!(off > 2.0 * OFF, "{}, {what}: {off}", case.name);
        }
    }
}

#[test]
fn merged_weights_and_their_logits_are_pefts() {
    for case in cases() {
        let layers = case.backbone.layers();
        let mut stack = Stack::new(case.weights.clone(), layers);
        let adapter = Arc::new(case.adapter.clone());
        stack
            .push(Entry::LowRank {
                adapter,
                lambda: 1.0,
            })
            .unwrap();
        let merged = stack.weights().unwrap();
        let names = case.io.names("merged.");
        assert_eq!(names.len(), case.adapter.modules.len());
        for name in names {
            let what = format!("{} merged {name}", case.name);
            let theirs = case.io.get(&format!("merged.{name}"));
            assert_close(&what, &merged[&name], theirs);
        }
        let backbone = Backbone::new(case.backbone.config(), &merged).unwrap();
        let features = backbone
            .features(case.io.get("input"), &Pass::eval())
            .unwrap();
        let logits = case.head().logits(&features).unwrap();
        assert_close(case.name, &logits, case.io.get("merged_logits"));
    }
}
