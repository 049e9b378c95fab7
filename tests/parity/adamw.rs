//! The optimiser alone against PyTorch, on gradients of all sizes.

use candle_core::Var;
use pentimento::train::{AdamW, Constants, Parameter};

use crate::common::{Fixture, values};

/// Σ|ours − PyTorch's| after five steps over Σ|PyTorch's − the start|, with these constants.
fn off_with(constants: Constants, lr: f64, weight_decay: f64) -> f64 {
    let io = Fixture::read("adamw.safetensors");
    let var = Var::from_tensor(io.get("start")).unwrap();
    let parameter = Parameter {
        name: "p".into(),
        var: var.clone(),
        decay: true,
    };
    let mut optimiser = AdamW::with_constants(vec![parameter], weight_decay, constants).unwrap();
    for i in 0..5 {
        // The gradient of Σ p·g is g.
        let gradient = io.get("gradients").get(i).unwrap();
        let loss = (var.as_tensor() * gradient).unwrap().sum_all().unwrap();
        optimiser.step(&loss.backward().unwrap(), lr).unwrap();
    }
    let [start, theirs] = ["start", "step5"].map(|name| values(io.get(name)));
    let sum = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum()
    };
    sum(&values(var.as_tensor()), &theirs) / sum(&theirs, &start)
}

#[test]
fn five_steps_are_pytorchs_and_one_wrong_constant_shows() {
    let right = Constants::default();
    let off = off_with(right, 1e-2, 5e-2);
    assert!(off < 1e-5, "{off}");
    for (what, constants, lr, weight_decay) in [
        (
            "beta1",
            Constants {
                beta1: 0.89,
                ..right
            },
            1e-2,
            5e-2,
        ),
        (
            "beta2",
            Constants {
                beta2: 0.99,
                ..right
            },
            1e-2,
            5e-2,
        ),
        ("eps", Constants { eps: 1e-7, ..right }, 1e-2, 5e-2),
        ("eps", Constants { eps: 9e-9, ..right }, 1e-2, 5e-2),
        ("lr", right, 1.01e-2, 5e-2),
        ("weight decay", right, 1e-2, 4.9e-2),
        ("weight decay", right, 1e-2, 0.0),
    ] {
        let off = off_with(constants, lr, weight_decay);
        assert!(off > 1e-4, "{what}: {off}");
    }
}
