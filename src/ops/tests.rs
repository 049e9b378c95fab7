//! Every fused operation against the one composed of candle's, forward and backward, and against finite
//! differences.

use candle_core::{Device, Tensor, Var};

use super::*;

fn var(shape: &[usize], seed: u64) -> Var {
    let count = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..count).map(|i| Key::new(seed).normal(i)).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

fn numbers(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference relative to the largest value.
fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (numbers(a), numbers(b));
    let scale = b.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    a.iter()
        .zip(&b)
        // What is no number differs, too; `max` would drop it.
        .map(|(a, b)| (a - b).abs())
        .fold(0f32, |m, d| if m.is_nan() || d <= m { m } else { d })
        / scale
}

#[test]
fn batch_norm_refuses_one_value_a_channel() {
    let x = var(&[1, 3, 1, 1], 1);
    let (w, b) = (var(&[3], 2), var(&[3], 3));
    let Err(error) = batch_norm(&x, &w, &b, 1e-5, None, true) else {
        panic!("not refused");
    };
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_relu_keeps_what_is_no_number() {
    let x = Tensor::new(&[f32::NAN, -1.0, -0.0, 2.0], &Device::Cpu).unwrap();
    for y in [super::relu(&x).unwrap(), composed::relu(&x).unwrap()] {
        let y = numbers(&y);
        assert!(y[0].is_nan() && y[1..] == [0.0, 0.0, 2.0], "{y:?}");
    }
}

/// A scalar on which every element of `y` bears differently.
fn probe(y: &Tensor) -> Tensor {
    let weights = var(y.dims(), 77).detach();
    (y * weights).unwrap().sum_all().unwrap()
}

type Op<'a> = &'a dyn Fn(&[&Tensor]) -> Result<Tensor>;

/// bf16 has 8 bits of significand.
const BF16_ULP: f32 = 1.0 / 256.0;

/// Each operation on rounded operands is, forward and backward, that of f32 on the same operands but for the rounding of
/// the result; the variables behind keep f32 and get a gradient of f32.
#[test]
fn operations_in_bf16_are_those_of_f32_rounded() {
    let rounded = |t: &Tensor, to: DType| t.to_dtype(DType::BF16).unwrap().to_dtype(to).unwrap();
    let spec = Conv2dSpec {
        stride: 2,
        padding: 1,
        ..Conv2dSpec::default()
    };
    type Op = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;
    let cases: Vec<(&str, Vec<Var>, Op)> = vec![
        (
            "linear",
            vec![var(&[3, 5, 8], 1), var(&[6, 8], 2), var(&[6], 3)],
            Box::new(|a| linear(&a[0], &a[1], Some(&a[2]))),
        ),
        (
            "linear, frozen",
            vec![var(&[3, 5, 8], 1)],
            Box::new(move |a| linear(&a[0], &rounded(&var(&[6, 8], 2), a[0].dtype()), None)),
        ),
        (
            "conv2d",
            vec![var(&[2, 3, 9, 7], 1), var(&[4, 3, 3, 3], 2)],
            Box::new(move |a| conv2d(&a[0], &a[1], None, &spec)),
        ),
        (
            "conv2d, frozen, and what follows",
            vec![var(&[2, 3, 9, 7], 1), var(&[2, 4, 5, 4], 4)],
            Box::new(move |a| {
                let after = After {
                    residual: Some(&a[1]),
                    relu: true,
                    ..After::default()
                };
                let w = rounded(&var(&[4, 3, 3, 3], 2), a[0].dtype());
                conv2d_after(&a[0], &w, Some(&var(&[4], 5)), &spec, &after)
            }),
        ),
        (
            "attention",
            vec![var(&[2, 7, 24], 1)],
            Box::new(|a| attention(&a[0], 2)),
        ),
        ("gelu", vec![var(&[40], 1)], Box::new(|a| gelu(&a[0]))),
        (
            "max_pool2d",
            vec![var(&[1, 2, 7, 7], 1)],
            Box::new(|a| max_pool2d(&a[0], 3, 2, 1)),
        ),
        (
            "avg_pool2d",
            vec![var(&[1, 2, 7, 7], 1)],
            Box::new(|a| avg_pool2d(&a[0], 2, 2)),
        ),
        (
            "add_scaled",
            vec![var(&[4, 6], 1), var(&[4, 6], 2)],
            Box::new(|a| add_scaled(&a[0], &a[1], None)),
        ),
        (
            "dropout",
            vec![var(&[4, 6], 1)],
            Box::new(|a| dropout(&a[0], 0.3, Key::new(1))),
        ),
    ];
    for (name, vars, op) in cases {
        let at = |dtype: DType| {
            let args: Vec<Tensor> = vars.iter().map(|v| rounded(v, dtype)).collect();
            let y = op(&args).unwrap();
            assert_eq!(y.dtype(), dtype, "{name}");
            let y = y.to_dtype(DType::F32).unwrap();
            let grads = probe(&y).backward().unwrap();
            let grads: Vec<Tensor> = vars.iter().map(|v| grads.get(v).unwrap().clone()).collect();
            (y, grads)
        };
        let ((wide, wide_grads), (narrow, narrow_grads)) = (at(DType::F32), at(DType::BF16));
        let far = difference(&narrow, &wide);
        assert!(far < 2.0 * BF16_ULP, "{name}: values differ by {far}");
        for (i, (w, n)) in wide_grads.iter().zip(&narrow_grads).enumerate() {
            assert_eq!(n.dtype(), DType::F32, "{name}");
            let far = difference(n, w);
            assert!(
                far < 4.0 * BF16_ULP,
                "{name}: gradient {i} differs by {far}"
            );
        }
    }
}

/// A product of bf16 is summed in f32 and rounded once: exactly that of f32 where its sums are exact.
#[test]
fn a_product_of_bf16_is_rounded_once() {
    // 256 + 1 + 1 is 258 in bf16, but 256 where each sum is rounded.
    let x = Tensor::new(&[[256f32, 1.0, 1.0]], &Device::Cpu).unwrap();
    let ones = Tensor::ones((1, 3), DType::BF16, &Device::Cpu).unwrap();
    let y = linear(&x.to_dtype(DType::BF16).unwrap(), &ones, None).unwrap();
    assert_eq!(numbers(&y.to_dtype(DType::F32).unwrap()), [258.0]);
}

/// Compares two implementations with every subset of the arguments trained.
fn compare(name: &str, vars: &[Var], fused: Op, composed: Op) {
    for subset in 1..1 << vars.len() {
        let frozen: Vec<Tensor> = vars.iter().map(|v| v.as_detached_tensor()).collect();
        let args: Vec<&Tensor> = vars
            .iter()
            .zip(&frozen)
            .enumerate()
            .map(|(i, (v, f))| {
                if subset >> i & 1 == 1 {
                    v.as_tensor()
                } else {
                    f
                }
            })
            .collect();
        let (a, b) = (fused(&args).unwrap(), composed(&args).unwrap());
        assert!(
            difference(&a, &b) < 2e-6,
            "{name}: values differ by {}",
            difference(&a, &b)
        );
        let (ga, gb) = (probe(&a).backward().unwrap(), probe(&b).backward().unwrap());
        let mut trained = 0;
        for (i, arg) in args.iter().enumerate() {
            if subset >> i & 1 == 0 {
                assert!(
                    ga.get(arg).is_none(),
                    "{name}: a gradient for frozen argument {i}"
                );
                continue;
            }
            trained += 1;
            let difference = difference(ga.get(arg).unwrap(), gb.get(arg).unwrap());
            assert!(
                difference < 2e-5,
                "{name}: gradient {i} differs by {difference}"
            );
        }
        // Nothing else is stored but the probe's own constant.
        assert!(
            ga.get_ids().count() <= trained + 1,
            "{name}: gradients for more than was trained"
        );
    }
}

/// Compares the gradients with central differences at a few places of each argument.
fn finite(name: &str, vars: &[Var], op: Op) {
    let args: Vec<&Tensor> = vars.iter().map(Var::as_tensor).collect();
    let value = |args: &[&Tensor]| {
        let y = op(args).unwrap();
        let weights = numbers(&var(y.dims(), 77));
        numbers(&y)
            .iter()
            .zip(weights)
            .map(|(y, w)| f64::from(*y) * f64::from(w))
            .sum::<f64>()
    };
    let grads = probe(&op(&args).unwrap()).backward().unwrap();
    for (i, v) in vars.iter().enumerate() {
        let analytic = numbers(grads.get(v).unwrap());
        let scale = analytic.iter().fold(0f32, |m, g| m.max(g.abs()));
        for probe in 0..6 {
            let at = Key::new(5).below(probe, analytic.len());
            let shifted = |by: f32| {
                let mut values = numbers(v);
                values[at] += by;
                let t = Tensor::from_vec(values, v.shape(), &Device::Cpu).unwrap();
                let mut args = args.clone();
                args[i] = &t;
                value(&args)
            };
            let numeric = (shifted(5e-3) - shifted(-5e-3)) / 1e-2;
            let error = (numeric as f32 - analytic[at]).abs() / scale.max(1e-3);
            assert!(
                error < 5e-3,
                "{name}: argument {i} at {at}: {numeric} {}",
                analytic[at]
            );
        }
    }
}

#[test]
fn linear_agrees() {
    let vars = [var(&[3, 50, 33], 1), var(&[20, 33], 2), var(&[20], 3)];
    let fused: Op = &|t| linear(t[0], t[1], Some(t[2]));
    compare("linear", &vars, fused, &|t| {
        composed::linear(t[0], t[1], Some(t[2]))
    });
    finite("linear", &vars, fused);
    let fused: Op = &|t| linear(t[0], t[1], None);
    compare("linear without bias", &vars[..2], fused, &|t| {
        composed::linear(t[0], t[1], None)
    });
}

#[test]
fn a_strided_input_is_read_right() {
    let x = var(&[6, 4, 5], 1);
    let w = var(&[3, 4], 2);
    let through = |f: fn(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>| {
        let y = f(
            &x.transpose(1, 2).unwrap().narrow(0, 1, 3).unwrap(),
            &w,
            None,
        )
        .unwrap();
        let g = probe(&y.transpose(0, 1).unwrap()).backward().unwrap();
        (y, g)
    };
    let (a, ga) = through(linear);
    let (b, gb) = through(composed::linear);
    assert!(difference(&a, &b) < 1e-6);
    for v in [&x, &w] {
        assert!(difference(ga.get(v).unwrap(), gb.get(v).unwrap()) < 1e-5);
    }
}

#[test]
fn conv2d_agrees() {
    let spec = |stride, padding, dilation, groups| Conv2dSpec {
        stride,
        padding,
        dilation,
        groups,
    };
    for (name, x, w, spec) in [
        ("3×3", [5, 4, 9, 9], [6, 4, 3, 3], spec(1, 1, 1, 1)),
        ("3×3 /2", [5, 4, 10, 10], [6, 4, 3, 3], spec(2, 1, 1, 1)),
        ("7×7 /2", [2, 1, 16, 16], [6, 1, 7, 7], spec(2, 3, 1, 1)),
        ("1×1", [3, 8, 20, 20], [5, 8, 1, 1], spec(1, 0, 1, 1)),
        ("1×1 small", [7, 8, 3, 3], [5, 8, 1, 1], spec(1, 0, 1, 1)),
        ("1×1 /2", [3, 8, 6, 6], [5, 8, 1, 1], spec(2, 0, 1, 1)),
        ("grouped", [3, 8, 6, 6], [4, 2, 3, 3], spec(1, 1, 1, 4)),
        (
            "grouped 1×1",
            [3, 8, 17, 17],
            [4, 2, 1, 1],
            spec(1, 0, 1, 4),
        ),
        ("dilated", [3, 4, 9, 9], [6, 4, 3, 3], spec(1, 2, 2, 1)),
        (
            "kernel over the border",
            [3, 2, 2, 2],
            [3, 2, 5, 5],
            spec(1, 2, 1, 1),
        ),
        (
            "large image",
            [2, 3, 40, 40],
            [4, 3, 3, 3],
            spec(1, 1, 1, 1),
        ),
    ] {
        let vars = [var(&x, 1), var(&w, 2), var(&[w[0]], 3)];
        let fused: Op = &|t| conv2d(t[0], t[1], Some(t[2]), &spec);
        compare(name, &vars, fused, &|t| {
            composed::conv2d(t[0], t[1], Some(t[2]), &spec)
        });
        finite(name, &vars, fused);
    }
}

/// What other devices run, on the CPU: a frozen weight is a node there too, and has no gradient.
#[test]
fn frozen_weights_elsewhere_agree() {
    let x = [var(&[3, 7, 33], 1)];
    let (w, b) = (var(&[20, 33], 2).detach(), var(&[20], 3).detach());
    let other: Op = &|t| elsewhere::linear(t[0], &w, Some(&b));
    compare("linear", &x, other, &|t| linear(t[0], &w, Some(&b)));
    finite("linear", &x, other);
    for (x, w, stride, padding, dilation) in [
        ([3, 4, 9, 12], [6, 4, 3, 3], 2, 1, 1),
        ([3, 4, 9, 12], [6, 4, 3, 3], 1, 1, 1),
        ([3, 4, 9, 12], [6, 4, 3, 3], 1, 1, 2),
        ([3, 4, 9, 12], [6, 4, 3, 3], 3, 2, 2),
        ([3, 4, 8, 7], [6, 4, 1, 1], 1, 0, 1),
        ([3, 4, 8, 7], [6, 4, 1, 1], 2, 0, 1),
        ([3, 4, 12, 9], [6, 4, 7, 7], 2, 3, 1),
        ([3, 4, 16, 16], [6, 4, 8, 8], 8, 0, 1),
        // Neither of these is turned into a product.
        ([3, 4, 8, 7], [6, 4, 1, 1], 1, 1, 1),
        ([3, 4, 8, 7], [6, 4, 3, 1], 1, 0, 1),
    ] {
        let spec = Conv2dSpec {
            stride,
            padding,
            dilation,
            groups: 1,
        };
        let (x, w, b) = ([var(&x, 1)], var(&w, 2).detach(), var(&[w[0]], 3).detach());
        let relu = After {
            relu: true,
            ..After::default()
        };
        // Not `compare`: zeros that are put around an image have gradients of their own.
        let fused = conv2d_after(&x[0], &w, Some(&b), &spec, &relu).unwrap();
        let other = elsewhere::conv2d(&x[0], &w, Some(&b), &spec, &relu).unwrap();
        assert!(difference(&fused, &other) < 2e-6);
        let grads = [fused, other].map(|y| probe(&y).backward().unwrap());
        let [a, b] = grads.each_ref().map(|g| g.get(&x[0]).unwrap());
        assert!(difference(a, b) < 2e-5, "{spec:?}");
        assert!(grads[1].get(&w).is_none());
    }
    let x = [var(&[70, 2, 33], 1)];
    let (w, b) = (var(&[33], 2).detach(), var(&[33], 3).detach());
    let other: Op = &|t| elsewhere::layer_norm(t[0], &w, &b, 1e-6);
    compare("layer_norm", &x, other, &|t| layer_norm(t[0], &w, &b, 1e-6));
    finite("layer_norm", &x, other);
}

/// What other devices run, on the CPU.
#[test]
fn nodes_elsewhere_agree() {
    for (tokens, dim, heads) in [(17, 24, 3), (5, 8, 1), (40, 32, 4)] {
        let x = [var(&[3, tokens, 3 * dim], 1)];
        let other: Op = &|t| elsewhere::attention(t[0], heads);
        compare("attention", &x, other, &|t| attention(t[0], heads));
        finite("attention", &x, other);
    }
    let x = [var(&[3, 40, 33], 1)];
    compare("relu", &x, &|t| elsewhere::relu(t[0]), &|t| relu(t[0]));
}

#[test]
fn what_follows_a_convolution_agrees() {
    let spec = Conv2dSpec::default();
    let y = [3, 5, 6, 6];
    let vars = [
        var(&[3, 8, 6, 6], 1),
        var(&[5, 8, 1, 1], 2),
        var(&[5], 3),
        var(&y, 4),
        var(&y, 5),
    ];
    let gain = var(&[5], 6).detach();
    fn after<'a>(t: &[&'a Tensor], gain: &'a Tensor) -> After<'a> {
        After {
            delta: Some((t[3], gain)),
            residual: Some(t[4]),
            relu: true,
        }
    }
    compare(
        "conv2d_after",
        &vars,
        &|t| conv2d_after(t[0], t[1], Some(t[2]), &spec, &after(t, &gain)),
        &|t| composed::conv2d_after(t[0], t[1], Some(t[2]), &spec, &after(t, &gain)),
    );
    let trained = var(&[5], 6);
    let t: Vec<&Tensor> = vars.iter().map(Var::as_tensor).collect();
    let y = conv2d_after(t[0], t[1], Some(t[2]), &spec, &after(&t, &trained)).unwrap();
    assert!(probe(&y).backward().unwrap().get(&trained).is_some());
}

#[test]
fn layer_norm_agrees() {
    let vars = [var(&[70, 2, 33], 1), var(&[33], 2), var(&[33], 3)];
    let fused: Op = &|t| layer_norm(t[0], t[1], t[2], 1e-6);
    compare("layer_norm", &vars, fused, &|t| {
        composed::layer_norm(t[0], t[1], t[2], 1e-6)
    });
    finite("layer_norm", &vars, fused);
}

#[test]
fn batch_norm_agrees() {
    let x = [4, 3, 5, 7];
    let vars = [var(&x, 1), var(&[3], 2), var(&[3], 3), var(&x, 4)];
    let fused: Op = &|t| Ok(batch_norm(t[0], t[1], t[2], 1e-5, Some(t[3]), true)?.output);
    compare("batch_norm", &vars, fused, &|t| {
        Ok(composed::batch_norm(t[0], t[1], t[2], 1e-5, Some(t[3]), true)?.output)
    });
    let fused: Op = &|t| Ok(batch_norm(t[0], t[1], t[2], 1e-5, None, false)?.output);
    finite("batch_norm", &vars[..3], fused);
    // Statistics far from 0 keep their digits.
    let x = (vars[0].as_detached_tensor() + 1000.0).unwrap();
    let got = batch_norm(&x, &vars[1], &vars[2], 1e-5, None, false).unwrap();
    let want = batch_norm(&vars[0], &vars[1], &vars[2], 1e-5, None, false).unwrap();
    assert!(difference(&got.var, &want.var) < 1e-3);
    let composed = composed::batch_norm(&vars[0], &vars[1], &vars[2], 1e-5, None, false).unwrap();
    assert!(difference(&want.mean, &composed.mean) < 1e-5);
    assert!(difference(&want.var, &composed.var) < 1e-5);
}

#[test]
fn activations_agree() {
    let x = [var(&[3, 40, 33], 1)];
    compare("gelu", &x, &|t| gelu(t[0]), &|t| composed::gelu(t[0]));
    compare("relu", &x, &|t| relu(t[0]), &|t| composed::relu(t[0]));
    compare("softmax", &x, &|t| softmax_last_dim(t[0]), &|t| {
        composed::softmax_last_dim(t[0])
    });
    compare("log_softmax", &x, &|t| log_softmax_last_dim(t[0]), &|t| {
        composed::log_softmax_last_dim(t[0])
    });
    finite("gelu", &x, &|t| gelu(t[0]));
    finite("log_softmax", &x, &|t| log_softmax_last_dim(t[0]));
}

#[test]
fn the_gradient_of_relu_at_zero_is_zero() {
    for f in [relu, composed::relu, elsewhere::relu] {
        let x = Var::new(&[-1f32, 0.0, -0.0, 2.0], &Device::Cpu).unwrap();
        let grads = f(&x).unwrap().backward().unwrap();
        assert_eq!(numbers(grads.get(&x).unwrap()), [0.0, 0.0, 0.0, 1.0]);
    }
}

#[test]
fn attention_agrees() {
    for (tokens, dim, heads) in [(17, 24, 3), (5, 8, 1), (40, 32, 4)] {
        let x = [var(&[3, tokens, 3 * dim], 1)];
        compare("attention", &x, &|t| attention(t[0], heads), &|t| {
            composed::attention(t[0], heads)
        });
        finite("attention", &x, &|t| attention(t[0], heads));
    }
}

/// Frozen layers of a block of width 8 with two heads and 12 hidden values.
fn frozen_block(seed: u64, scaled: bool, qkv_bias: bool) -> FrozenBlock {
    let t = |shape: &[usize], i: u64| (var(shape, seed + i).as_detached_tensor() * 0.5).unwrap();
    let norm = |i: u64| FrozenNorm {
        weight: t(&[8], i),
        bias: t(&[8], i + 1),
        eps: 1e-6,
    };
    let linear = |outputs: usize, inputs: usize, i: u64, bias: bool| FrozenLinear {
        weight: t(&[outputs, inputs], i),
        bias: bias.then(|| t(&[outputs], i + 1)),
        factors: None,
    };
    FrozenBlock {
        norm1: norm(0),
        qkv: linear(24, 8, 2, qkv_bias),
        proj: linear(8, 8, 4, true),
        gamma1: scaled.then(|| t(&[8], 6)),
        norm2: norm(7),
        fc1: linear(12, 8, 9, true),
        fc2: linear(8, 12, 11, true),
        gamma2: scaled.then(|| t(&[8], 13)),
    }
}

/// The blocks composed of candle's operations.
fn composed_blocks(
    x: &Tensor,
    blocks: &[FrozenBlock],
    heads: usize,
    only_first: bool,
) -> Result<Tensor> {
    let linear = |x: &Tensor, l: &FrozenLinear| -> Result<Tensor> {
        let y = composed::linear(x, &l.weight, l.bias.as_ref())?;
        let Some(f) = &l.factors else { return Ok(y) };
        let x = match f.dropout {
            Some((p, key)) => dropout::dropout_elsewhere(x, p, key)?,
            None => x.clone(),
        };
        let delta = composed::linear(&composed::linear(&x, &f.a, None)?, &f.b, None)?;
        Ok((y + (delta * f.scale)?)?)
    };
    let norm = |x: &Tensor, n: &FrozenNorm| composed::layer_norm(x, &n.weight, &n.bias, n.eps);
    let mut x = x.clone();
    for b in blocks {
        let h = linear(&norm(&x, &b.norm1)?, &b.qkv)?;
        let h = linear(&composed::attention(&h, heads)?, &b.proj)?;
        x = composed::add_scaled(&x, &h, b.gamma1.as_ref())?;
        let h = linear(&norm(&x, &b.norm2)?, &b.fc1)?;
        let h = linear(&composed::gelu(&h)?, &b.fc2)?;
        x = composed::add_scaled(&x, &h, b.gamma2.as_ref())?;
    }
    Ok(if only_first { x.narrow(1, 0, 1)? } else { x })
}

#[test]
fn blocks_agree() {
    let x = var(&[3, 5, 8], 1);
    for only_first in [false, true] {
        let blocks = |t: &[&Tensor]| {
            let factors = |i: usize, dropout: f32| {
                Some(Factors {
                    a: t[i].clone(),
                    b: t[i + 1].clone(),
                    scale: 0.7,
                    dropout: Some((dropout, Key::new(i as u64))),
                })
            };
            let mut blocks = vec![frozen_block(20, true, false), frozen_block(50, false, true)];
            blocks[0].proj.factors = factors(1, 0.3);
            blocks[0].fc2.factors = factors(3, 0.0);
            blocks[1].qkv.factors = factors(5, 0.0);
            blocks[1].fc1.factors = factors(7, 0.3);
            blocks
        };
        let vars = [
            x.clone(),
            var(&[2, 8], 2),
            var(&[8, 2], 3),
            var(&[3, 12], 4),
            var(&[8, 3], 5),
            var(&[1, 8], 6),
            var(&[24, 1], 7),
            var(&[2, 8], 8),
            var(&[12, 2], 9),
        ];
        let name = format!("blocks, only first {only_first}");
        let fused: Op = &|t| super::blocks(t[0], &blocks(t), 2, only_first);
        compare(&name, &vars, fused, &|t| {
            composed_blocks(t[0], &blocks(t), 2, only_first)
        });
        finite(&name, &vars, fused);
    }
}

#[test]
fn blocks_in_which_a_frozen_weight_is_trained_are_refused() {
    let x = var(&[1, 2, 8], 1).as_detached_tensor();
    let mut block = frozen_block(20, true, true);
    assert!(blocks_apply(&x, std::slice::from_ref(&block)));
    block.norm2.bias = var(&[8], 2).as_tensor().clone();
    assert!(!blocks_apply(&x, std::slice::from_ref(&block)));
    assert!(super::blocks(&x, &[block], 2, false).is_err());
}

fn frozen_conv(w: [usize; 4], stride: usize, seed: u64) -> FrozenConv {
    let t = |shape: &[usize], i: u64| (var(shape, seed + i).as_detached_tensor() * 0.4).unwrap();
    FrozenConv {
        weight: t(&w, 0),
        bias: t(&[w[0]], 1),
        gain: t(&[w[0]], 2),
        spec: Conv2dSpec {
            stride,
            padding: w[2] / 2,
            ..Conv2dSpec::default()
        },
        factors: None,
    }
}

/// The blocks with small weights under a large bias, so that hardly a ReLU is near its kink.
fn calm(mut blocks: Vec<FrozenStage>) -> Vec<FrozenStage> {
    for block in &mut blocks {
        let shortcut = match &mut block.end {
            StageEnd::Sum(shortcut) => shortcut.as_mut(),
            StageEnd::MaxPool => None,
        };
        for conv in block.path.iter_mut().chain(shortcut) {
            conv.weight = (&conv.weight * 0.2).unwrap();
            conv.gain = (&conv.gain * 0.2).unwrap();
            conv.bias = (conv.bias.ones_like().unwrap() * 3.0).unwrap();
        }
    }
    blocks
}

/// The blocks composed of candle's operations.
fn composed_stages(x: &Tensor, blocks: &[FrozenStage]) -> Result<Tensor> {
    let conv = |x: &Tensor, c: &FrozenConv| -> Result<Tensor> {
        let y = composed::conv2d(x, &c.weight, Some(&c.bias), &c.spec)?;
        let Some(f) = &c.factors else { return Ok(y) };
        let x = match f.dropout {
            Some((p, key)) => dropout::dropout_elsewhere(x, p, key)?,
            None => x.clone(),
        };
        let delta = composed::conv2d(&x, &f.a, None, &c.spec)?;
        let delta = composed::conv2d(&delta, &f.b, None, &Conv2dSpec::default())?;
        let gain = (c.gain.reshape((1, (), 1, 1))? * f.scale)?;
        Ok((y + delta.broadcast_mul(&gain)?)?)
    };
    let mut x = x.clone();
    for block in blocks {
        let (last, first) = block.path.split_last().unwrap();
        let mut h = x.clone();
        for c in first {
            h = composed::relu(&conv(&h, c)?)?;
        }
        h = conv(&h, last)?;
        x = match &block.end {
            StageEnd::MaxPool => composed::max_pool2d(&composed::relu(&h)?, 3, 2, 1)?,
            StageEnd::Sum(Some(c)) => composed::relu(&(h + conv(&x, c)?)?)?,
            StageEnd::Sum(None) => composed::relu(&(h + x)?)?,
        };
    }
    Ok(x)
}

#[test]
fn stages_agree() {
    let factors = |t: &[&Tensor], i: usize, dropout: f32| {
        Some(Factors {
            a: t[i].clone(),
            b: t[i + 1].clone(),
            scale: 0.7,
            dropout: Some((dropout, Key::new(i as u64))),
        })
    };
    let basic = |channels: usize, seed: u64| FrozenStage {
        path: vec![
            frozen_conv([channels, channels, 3, 3], 1, seed),
            frozen_conv([channels, channels, 3, 3], 1, seed + 3),
        ],
        end: StageEnd::Sum(None),
    };
    let bottleneck = || FrozenStage {
        path: vec![
            frozen_conv([4, 6, 1, 1], 1, 40),
            frozen_conv([4, 4, 3, 3], 2, 43),
            frozen_conv([8, 4, 1, 1], 1, 46),
        ],
        end: StageEnd::Sum(Some(frozen_conv([8, 6, 1, 1], 2, 49))),
    };
    let stem = |t: &[&Tensor]| {
        let mut path = vec![
            frozen_conv([4, 2, 7, 7], 2, 100),
            frozen_conv([6, 4, 3, 3], 1, 103),
        ];
        path[0].factors = factors(t, 1, 0.2);
        FrozenStage {
            path,
            end: StageEnd::MaxPool,
        }
    };
    let vars = [
        var(&[2, 2, 20, 21], 1),
        var(&[2, 2, 7, 7], 2),
        var(&[4, 2, 1, 1], 3),
    ];
    let blocks = |t: &[&Tensor]| vec![stem(t), bottleneck()];
    let fused: Op = &|t| stages(t[0], &blocks(t));
    let composed: Op = &|t| composed_stages(t[0], &blocks(t));
    compare("stages, a stem", &vars, fused, composed);
    finite("stages, a stem", &vars, &|t| stages(t[0], &calm(blocks(t))));
    let x = var(&[3, 6, 12, 11], 1);
    let vars = [
        x.clone(),
        var(&[2, 6, 3, 3], 2),
        var(&[6, 2, 1, 1], 3),
        var(&[1, 6, 3, 3], 4),
        var(&[6, 1, 1, 1], 5),
    ];
    let blocks = |t: &[&Tensor]| {
        let mut blocks = vec![basic(6, 20), bottleneck()];
        blocks[0].path[0].factors = factors(t, 1, 0.3);
        blocks[0].path[1].factors = factors(t, 3, 0.0);
        blocks
    };
    let fused: Op = &|t| stages(t[0], &blocks(t));
    let composed: Op = &|t| composed_stages(t[0], &blocks(t));
    compare("stages, large images", &vars, fused, composed);
    finite("stages, large images", &vars, &|t| {
        stages(t[0], &calm(blocks(t)))
    });
    let vars = [
        x,
        var(&[2, 4, 3, 3], 2),
        var(&[4, 2, 1, 1], 3),
        var(&[3, 6, 1, 1], 4),
        var(&[8, 3, 1, 1], 5),
        var(&[1, 8, 3, 3], 6),
        var(&[8, 1, 1, 1], 7),
    ];
    let blocks = |t: &[&Tensor]| {
        let mut blocks = vec![bottleneck(), basic(8, 60), basic(8, 80)];
        blocks[0].path[1].factors = factors(t, 1, 0.3);
        let StageEnd::Sum(Some(shortcut)) = &mut blocks[0].end else {
            unreachable!("a bottleneck's shortcut");
        };
        shortcut.factors = factors(t, 3, 0.2);
        blocks[1].path[1].factors = factors(t, 5, 0.0);
        blocks
    };
    let fused: Op = &|t| stages(t[0], &blocks(t));
    let composed: Op = &|t| composed_stages(t[0], &blocks(t));
    compare("stages, small images", &vars, fused, composed);
    finite("stages, small images", &vars, &|t| {
        stages(t[0], &calm(blocks(t)))
    });
}

#[test]
fn a_low_rank_update_is_its_product_added() {
    for (outputs, rank, inputs) in [(1, 1, 1), (100, 7, 33), (50, 300, 70)] {
        let (w, a) = (var(&[outputs, inputs], 1), var(&[rank, inputs], 2));
        let b = var(&[outputs, rank], 3);
        let [w, a, b] = [&w, &a, &b].map(Var::as_detached_tensor);
        let got = add_low_rank(&w, &a, &b, 0.3).unwrap();
        let apart = linear(&b, &a.t().unwrap(), None).unwrap();
        let want = (&w + apart.affine(0.3, 0.0).unwrap()).unwrap();
        assert_eq!(numbers(&got), numbers(&want), "{outputs} {rank} {inputs}");
        let composed = composed::add_low_rank(&w, &a, &b, 0.3).unwrap();
        assert!(difference(&got, &composed) < 2e-6);
    }
    let w = var(&[4, 2, 3, 3], 1).as_detached_tensor();
    let (a, b) = (var(&[2, 18], 2), var(&[4, 2], 3));
    let got = add_low_rank(&w, &a, &b, 1.0).unwrap();
    assert_eq!(got.dims(), w.dims());
    assert!(add_low_rank(&w, &b, &a, 1.0).is_err());
}

#[test]
fn patches_agree() {
    let x = var(&[2, 3, 8, 12], 1);
    let want = numbers(&composed::patches(&x, 4).unwrap());
    assert_eq!(numbers(&patches(&x.as_detached_tensor(), 4).unwrap()), want);
    assert_eq!(numbers(&patches(&x, 4).unwrap()), want);
    assert!(patches(&x, 5).is_err());
}

#[test]
fn pools_agree() {
    for (size, kernel, stride, padding) in [
        ([9, 9], 3, 2, 1),
        ([8, 8], 3, 2, 1),
        ([7, 10], 2, 2, 0),
        ([6, 6], 2, 1, 1),
    ] {
        let x = [var(&[3, 4, size[0], size[1]], 1)];
        compare(
            "max_pool2d",
            &x,
            &|t| max_pool2d(t[0], kernel, stride, padding),
            &|t| composed::max_pool2d(t[0], kernel, stride, padding),
        );
    }
    for (size, stride) in [([8, 8], 2), ([7, 9], 2), ([5, 5], 1), ([1, 1], 2)] {
        let x = [var(&[3, 4, size[0], size[1]], 1)];
        compare("avg_pool2d", &x, &|t| avg_pool2d(t[0], 2, stride), &|t| {
            composed::avg_pool2d(t[0], 2, stride)
        });
        compare(
            "global_avg_pool2d",
            &x,
            &|t| global_avg_pool2d(t[0]),
            &|t| composed::global_avg_pool2d(t[0]),
        );
    }
}

#[test]
fn the_first_maximum_of_a_window_gets_the_gradient() {
    for f in [max_pool2d, composed::max_pool2d] {
        let x = Var::ones((1, 1, 4, 4), DType::F32, &Device::Cpu).unwrap();
        let grads = f(&x, 3, 2, 1).unwrap().backward().unwrap();
        let want = [
            1., 1., 0., 0., //
            1., 1., 0., 0., //
            0., 0., 0., 0., //
            0., 0., 0., 0.,
        ];
        assert_eq!(numbers(grads.get(&x).unwrap()), want);
    }
}

#[test]
fn dropout_agrees_and_drops_the_asked_share() {
    // The last byte of the mask is not full.
    let x = [var(&[101, 333], 1)];
    let key = Key::new(4).named("dropout");
    compare("dropout", &x, &|t| dropout(t[0], 0.3, key), &|t| {
        dropout::dropout_elsewhere(t[0], 0.3, key)
    });
    let dropped = numbers(&dropout(&x[0], 0.3, key).unwrap());
    let share = dropped.iter().filter(|v| **v == 0.0).count() as f32 / dropped.len() as f32;
    assert!((share - 0.3).abs() < 0.01, "{share}");
    let other = numbers(&dropout(&x[0], 0.3, key.index(1)).unwrap());
    assert_ne!(dropped, other);
}

#[test]
fn cross_entropy_agrees() {
    let x = [var(&[9, 20], 1)];
    let labels: Vec<u32> = (0..9).map(|i| i * 2).collect();
    let labels = Tensor::new(labels, &Device::Cpu).unwrap();
    for smoothing in [0.0, 0.1] {
        let fused: Op = &|t| cross_entropy(t[0], &labels, smoothing);
        compare("cross_entropy", &x, fused, &|t| {
            composed::cross_entropy(t[0], &labels, smoothing)
        });
        finite("cross_entropy", &x, fused);
    }
    let beyond = Tensor::new(&[20u32; 9], &Device::Cpu).unwrap();
    assert!(cross_entropy(&x[0], &beyond, 0.0).is_err());
}

#[test]
fn sums_and_scalings_agree() {
    let x = [5, 70, 33];
    let vars = [var(&x, 1), var(&x, 2), var(&[33], 3)];
    compare(
        "add_scaled",
        &vars,
        &|t| add_scaled(t[0], t[1], Some(t[2])),
        &|t| composed::add_scaled(t[0], t[1], Some(t[2])),
    );
    compare("add", &vars[..2], &|t| add(t[0], t[1]), &|t| {
        composed::add_scaled(t[0], t[1], None)
    });
    let vars = [var(&[7, 3, 2, 2], 1), var(&[7], 2)];
    compare("scale_rows", &vars, &|t| scale_rows(t[0], t[1]), &|t| {
        composed::scale_rows(t[0], t[1])
    });
    let vars = [var(&[70, 4, 6], 1), var(&[1, 5, 6], 2), var(&[1, 1, 6], 3)];
    compare("embed", &vars, &|t| embed(t[0], t[1], Some(t[2])), &|t| {
        composed::embed(t[0], t[1], Some(t[2]))
    });
    let vars = [var(&[3, 4, 6], 1), var(&[1, 4, 6], 2)];
    compare(
        "embed without token",
        &vars,
        &|t| embed(t[0], t[1], None),
        &|t| composed::embed(t[0], t[1], None),
    );
}

/// The same bits whatever the number of threads, for sizes that are cut into several pieces.
#[test]
fn the_number_of_threads_changes_no_bit() {
    let step = || {
        let vars = [
            var(&[24, 17, 96], 1),
            var(&[288, 96], 2),
            var(&[288], 3),
            var(&[96], 4),
            var(&[96], 5),
            var(&[24, 5, 16, 16], 6),
            var(&[40, 5, 3, 3], 7),
            var(&[40], 8),
            var(&[40, 31, 8], 9),
            var(&[2, 8], 10),
            var(&[24, 2], 11),
            var(&[2, 12], 12),
            var(&[8, 2], 13),
            var(&[2, 5, 3, 3], 14),
            var(&[5, 2, 1, 1], 15),
        ];
        let factors = |a: usize, b: usize| {
            Some(Factors {
                a: vars[a].as_tensor().clone(),
                b: vars[b].as_tensor().clone(),
                scale: 2.0,
                dropout: Some((0.1, Key::new(1))),
            })
        };
        let mut block = frozen_block(20, true, true);
        block.qkv.factors = factors(9, 10);
        block.fc2.factors = factors(11, 12);
        let t = blocks(&vars[8], &[block.clone(), block], 2, true).unwrap();
        let mut conv = frozen_conv([5, 5, 3, 3], 1, 40);
        conv.factors = factors(13, 14);
        let r = stages(
            &vars[5],
            &[FrozenStage {
                path: vec![conv],
                end: StageEnd::Sum(None),
            }],
        )
        .unwrap();
        let h = layer_norm(&vars[0], &vars[3], &vars[4], 1e-6).unwrap();
        let h = linear(&h, &vars[1], Some(&vars[2])).unwrap();
        let h = gelu(&attention(&h, 3).unwrap()).unwrap();
        let spec = Conv2dSpec {
            padding: 1,
            ..Conv2dSpec::default()
        };
        let c = conv2d(&vars[5], &vars[6], Some(&vars[7]), &spec).unwrap();
        let c = batch_norm(&c, &vars[7], &vars[7], 1e-5, None, true)
            .unwrap()
            .output;
        let c = max_pool2d(&c, 3, 2, 1).unwrap();
        let loss = ((probe(&h) + probe(&c)).unwrap() + (probe(&t) + probe(&r)).unwrap()).unwrap();
        let grads = loss.backward().unwrap();
        let mut bits = vec![numbers(&h), numbers(&c), numbers(&t), numbers(&r)];
        bits.extend(vars.iter().map(|v| numbers(grads.get(v).unwrap())));
        bits
    };
    let with = |threads: usize| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(step)
    };
    let one = with(1);
    for threads in [2, 3] {
        assert_eq!(one, with(threads), "{threads} threads");
    }
}
