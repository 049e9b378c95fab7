//! Training of every weight against PyTorch: gradients, and three steps of AdamW with BatchNorm in training mode.

use candle_core::{Tensor, Var};
use pentimento::backbone::{self, Backbone, Pass, RunningStats};
use pentimento::ops;
use pentimento::train::{FullTrainer, Head};

use crate::common::{Fixture, assert_close, assert_values, model, values};

const MODELS: [&str; 3] = ["vit", "resnet26d", "resnet18"];
const SMOOTHING: f64 = 0.05;

#[test]
fn gradients_of_every_weight_are_pytorchs() {
    for name in MODELS {
        let io = Fixture::read(&format!("full/{name}.safetensors"));
        let (config, mut weights) = model(name);
        let running = RunningStats::new(&weights);
        let mut trained = backbone::trainable(&config).unwrap();
        let classifier = config.classifier();
        trained.extend(["weight", "bias"].map(|what| format!("{classifier}.{what}")));
        for weight in &trained {
            let t = weights.get_mut(weight).unwrap();
            *t = Var::from_tensor(t).unwrap().into_inner();
        }
        let backbone = Backbone::new(&config, &weights).unwrap();
        let pass = Pass {
            running: Some(&running),
            ..Pass::eval()
        };
        let features = backbone.features(io.get("input"), &pass).unwrap();
        let logits = Head::pretrained(&config, &weights)
            .unwrap()
            .logits(&features)
            .unwrap();
        let loss = ops::cross_entropy(&logits, &io.labels(), SMOOTHING).unwrap();
        assert_close(name, &loss, io.get("loss"));
        let grads = loss.backward().unwrap();
        assert_eq!(trained.len(), io.names("grad.").len());
        for weight in &trained {
            let what = format!("{name} grad {weight}");
            let grad = grads.get(&weights[weight]);
            let grad = grad.unwrap_or_else(|| panic!("{what} is missing"));
            assert_close(&what, grad, io.get(&format!("grad.{weight}")));
        }
    }
}

/// Leaves the keys' part of a qkv bias out: its exact gradient is 0, so that AdamW walks by rounding noise.
fn without_keys(name: &str, t: &Tensor) -> Vec<f32> {
    let mut v = values(t);
    if name.ends_with("qkv.bias") {
        let dim = v.len() / 3;
        v.drain(dim..2 * dim);
    }
    v
}

#[test]
fn three_steps_of_every_weight_are_pytorchs() {
    for name in MODELS {
        let io = Fixture::read(&format!("full/{name}.safetensors"));
        let (config, weights) = model(name);
        let mut trainer =
            FullTrainer::new(&config, &weights, 1e-2, SMOOTHING, |_, _| true).unwrap();
        let losses: Vec<f32> = (0..3)
            .map(|_| {
                let step = trainer.step(io.get("input"), &io.labels(), 1e-3);
                step.unwrap().0
            })
            .collect();
        assert_values(
            &format!("{name} losses"),
            &losses,
            &values(io.get("losses")),
        );
        let after = trainer.weights().unwrap();
        let mut names = io.names("step3.");
        names.retain(|n| !n.ends_with("num_batches_tracked"));
        assert_eq!(names.len(), after.len());
        for weight in names {
            assert_values(
                &format!("{name} step3 {weight}"),
                &without_keys(&weight, &after[&weight]),
                &without_keys(&weight, io.get(&format!("step3.{weight}"))),
            );
        }
    }
}
