//! Single operations, forward and backward: the fused ones and those composed of candle's.

use candle_core::{DType, Tensor, Var};
use pentimento::Result;
use pentimento::ops::{self, Conv2dSpec, composed};

use crate::common::{Fixture, assert_close};

type Op<'a> = &'a dyn Fn(&[&Tensor]) -> Result<Tensor>;

/// Checks the output and the gradients of every input of a case.
fn check(fixture: &Fixture, case: &str, op: Op) {
    let get = |name: &str| fixture.get(&format!("{case}.{name}"));
    let inputs = fixture.names(&format!("{case}."));
    let vars: Vec<(&str, Var)> = ["x", "w", "b"]
        .into_iter()
        .filter(|name| inputs.iter().any(|n| n == name))
        .map(|name| (name, Var::from_tensor(get(name)).unwrap()))
        .collect();
    let args: Vec<&Tensor> = vars.iter().map(|(_, v)| v.as_tensor()).collect();
    let y = op(&args).unwrap();
    assert_close(&format!("{case}.y"), &y, get("y"));
    let loss = (&y * get("gy")).unwrap().sum_all().unwrap();
    let grads = loss.backward().unwrap();
    for (name, var) in &vars {
        let want = get(&format!("g{name}"));
        assert_close(&format!("{case}.g{name}"), grads.get(var).unwrap(), want);
    }
}

/// Checks both implementations.
fn both(fixture: &Fixture, case: &str, fused: Op, composed: Op) {
    check(fixture, case, fused);
    check(fixture, case, composed);
}

#[test]
fn operations_agree_with_pytorch() {
    let f = &Fixture::read("ops.safetensors");
    both(
        f,
        "layer_norm.d24",
        &|t| ops::layer_norm(t[0], t[1], t[2], 1e-6),
        &|t| composed::layer_norm(t[0], t[1], t[2], 1e-6),
    );
    both(f, "gelu.erf", &|t| ops::gelu(t[0]), &|t| {
        composed::gelu(t[0])
    });
    both(f, "softmax.last", &|t| ops::softmax_last_dim(t[0]), &|t| {
        composed::softmax_last_dim(t[0])
    });
    both(
        f,
        "max_pool2d.k3s2p1",
        &|t| ops::max_pool2d(t[0], 3, 2, 1),
        &|t| composed::max_pool2d(t[0], 3, 2, 1),
    );
    both(
        f,
        "avg_pool2d.k2s2ceil",
        &|t| ops::avg_pool2d(t[0], 2, 2),
        &|t| composed::avg_pool2d(t[0], 2, 2),
    );
    both(
        f,
        "linear.rank3",
        &|t| ops::linear(t[0], t[1], Some(t[2])),
        &|t| composed::linear(t[0], t[1], Some(t[2])),
    );
    both(f, "relu.zero", &|t| ops::relu(t[0]), &|t| {
        composed::relu(t[0])
    });
    for (case, stride, padding) in [
        ("conv2d.k3s1p1", 1, 1),
        ("conv2d.k3s2p1", 2, 1),
        ("conv2d.k1s1p0", 1, 0),
        ("conv2d.k7s2p3", 2, 3),
        ("conv2d.k1s2p0", 2, 0),
    ] {
        let spec = Conv2dSpec {
            stride,
            padding,
            ..Conv2dSpec::default()
        };
        both(
            f,
            case,
            &|t| ops::conv2d(t[0], t[1], Some(t[2]), &spec),
            &|t| composed::conv2d(t[0], t[1], Some(t[2]), &spec),
        );
    }
    for (case, smoothing) in [("cross_entropy.ls0", 0.0), ("cross_entropy.ls0.05", 0.05)] {
        let labels = &f.get(&format!("{case}.t")).to_dtype(DType::U32).unwrap();
        both(
            f,
            case,
            &|t| ops::cross_entropy(t[0], labels, smoothing),
            &|t| composed::cross_entropy(t[0], labels, smoothing),
        );
    }
    both(
        f,
        "batch_norm.train",
        &|t| Ok(ops::batch_norm(t[0], t[1], t[2], 1e-5, None, false)?.output),
        &|t| Ok(composed::batch_norm(t[0], t[1], t[2], 1e-5, None, false)?.output),
    );
}
