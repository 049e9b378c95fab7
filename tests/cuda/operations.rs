//! Every operation of `ops`, forward and backward.

use candle_core::{DType, Device, Tensor, Var};
use pentimento::Result;
use pentimento::ops::{self, After, Conv2dSpec};
use pentimento::random::Key;

use super::{difference, normal};

/// Sums of a few thousand terms in another order.
const TOLERANCE: f32 = 2e-5;
/// bf16 has 8 bits of significand.
const BF16_ULP: f32 = 1.0 / 256.0;

type Op = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// An operation with the shapes of its operands, of which the first are variables and the others frozen.
struct Case {
    name: &'static str,
    shapes: Vec<Vec<usize>>,
    trained: usize,
    /// Whether all operands can be of bf16.
    narrow: bool,
    op: Op,
}

fn case(
    name: &'static str,
    shapes: &[&[usize]],
    trained: usize,
    op: impl Fn(&[Tensor]) -> Result<Tensor> + 'static,
) -> Case {
    Case {
        name,
        shapes: shapes.iter().map(|s| s.to_vec()).collect(),
        trained,
        narrow: false,
        op: Box::new(op),
    }
}

/// The same, and in bf16 too.
fn narrow(
    name: &'static str,
    shapes: &[&[usize]],
    trained: usize,
    op: impl Fn(&[Tensor]) -> Result<Tensor> + 'static,
) -> Case {
    Case {
        narrow: true,
        ..case(name, shapes, trained, op)
    }
}

/// Every operation that a backbone, an adapter or a loss is made of, with the geometries that differ in kind.
fn cases() -> Vec<Case> {
    let mut cases = vec![
        narrow("linear", &[&[3, 7, 33], &[20, 33], &[20]], 3, |t| {
            ops::linear(&t[0], &t[1], Some(&t[2]))
        }),
        narrow("linear", &[&[3, 7, 33], &[20, 33], &[20]], 1, |t| {
            ops::linear(&t[0], &t[1], Some(&t[2]))
        }),
        // An adapter of rank 1.
        narrow("linear", &[&[3, 7, 33], &[1, 33]], 2, |t| {
            ops::linear(&t[0], &t[1], None)
        }),
        case("layer_norm", &[&[70, 2, 33], &[33], &[33]], 3, |t| {
            ops::layer_norm(&t[0], &t[1], &t[2], 1e-6)
        }),
        case("layer_norm", &[&[70, 2, 33], &[33], &[33]], 1, |t| {
            ops::layer_norm(&t[0], &t[1], &t[2], 1e-6)
        }),
        narrow("patches", &[&[2, 3, 8, 12]], 1, |t| ops::patches(&t[0], 4)),
        narrow("softmax_last_dim", &[&[3, 40, 33]], 1, |t| {
            ops::softmax_last_dim(&t[0])
        }),
        narrow("log_softmax_last_dim", &[&[3, 40, 33]], 1, |t| {
            ops::log_softmax_last_dim(&t[0])
        }),
        narrow("attention", &[&[3, 17, 72]], 1, |t| {
            ops::attention(&t[0], 3)
        }),
        narrow("attention", &[&[3, 5, 24]], 1, |t| ops::attention(&t[0], 1)),
        narrow("gelu", &[&[3, 40, 33]], 1, |t| ops::gelu(&t[0])),
        narrow("relu", &[&[3, 40, 33]], 1, |t| ops::relu(&t[0])),
        narrow("global_avg_pool2d", &[&[3, 4, 7, 9]], 1, |t| {
            ops::global_avg_pool2d(&t[0])
        }),
        case(
            "batch_norm",
            &[&[4, 3, 5, 7], &[3], &[3], &[4, 3, 5, 7]],
            4,
            |t| Ok(ops::batch_norm(&t[0], &t[1], &t[2], 1e-5, Some(&t[3]), true)?.output),
        ),
        case("batch_norm", &[&[4, 3, 5, 7], &[3], &[3]], 3, |t| {
            let norm = ops::batch_norm(&t[0], &t[1], &t[2], 1e-5, None, false)?;
            Ok(norm.output)
        }),
        narrow("add", &[&[5, 70, 33], &[5, 70, 33]], 2, |t| {
            ops::add(&t[0], &t[1])
        }),
        case("add_scaled", &[&[5, 70, 33], &[5, 70, 33], &[33]], 3, |t| {
            ops::add_scaled(&t[0], &t[1], Some(&t[2]))
        }),
        case("scale_rows", &[&[7, 3, 2, 2], &[7]], 2, |t| {
            ops::scale_rows(&t[0], &t[1])
        }),
        case("embed", &[&[70, 4, 6], &[1, 5, 6], &[1, 1, 6]], 3, |t| {
            ops::embed(&t[0], &t[1], Some(&t[2]))
        }),
        case("embed", &[&[3, 4, 6], &[1, 4, 6]], 2, |t| {
            ops::embed(&t[0], &t[1], None)
        }),
        // The last byte of the mask is not full.
        narrow("dropout", &[&[101, 333]], 1, |t| {
            ops::dropout(&t[0], 0.3, Key::new(4))
        }),
    ];
    for smoothing in [0.0, 0.1] {
        cases.push(case("cross_entropy", &[&[9, 20]], 1, move |t| {
            let labels: Vec<u32> = (0..9).map(|i| i * 2).collect();
            let labels = Tensor::new(labels, t[0].device())?;
            ops::cross_entropy(&t[0], &labels, smoothing)
        }));
    }
    let spec = |stride, padding, dilation, groups| Conv2dSpec {
        stride,
        padding,
        dilation,
        groups,
    };
    for (x, w, spec) in [
        ([3, 4, 9, 12], [6, 4, 3, 3], spec(1, 1, 1, 1)),
        ([3, 4, 9, 12], [6, 4, 3, 3], spec(2, 1, 1, 1)),
        ([3, 4, 8, 7], [6, 4, 1, 1], spec(1, 0, 1, 1)),
        ([3, 4, 8, 7], [6, 4, 1, 1], spec(2, 0, 1, 1)),
        ([3, 4, 12, 9], [6, 4, 7, 7], spec(2, 3, 1, 1)),
        ([3, 4, 12, 9], [6, 4, 3, 3], spec(1, 2, 2, 1)),
        ([3, 4, 12, 9], [6, 2, 3, 3], spec(1, 1, 1, 2)),
        ([3, 4, 16, 16], [6, 4, 8, 8], spec(8, 0, 1, 1)),
    ] {
        // As a trained layer, as a frozen one, and as the first factor of an adapter.
        for (trained, biased) in [(3, true), (1, true), (2, false)] {
            let bias = [w[0]];
            let shapes: &[&[usize]] = if biased { &[&x, &w, &bias] } else { &[&x, &w] };
            cases.push(case("conv2d", shapes, trained, move |t| {
                ops::conv2d(&t[0], &t[1], t.get(2), &spec)
            }));
            if !biased {
                cases.push(narrow("conv2d", shapes, trained, move |t| {
                    ops::conv2d(&t[0], &t[1], None, &spec)
                }));
            }
        }
    }
    let y = [3, 5, 6, 6];
    for trained in [1, 5] {
        // In the order x, delta, residual, w, b, gain: the frozen ones last.
        let shapes: &[&[usize]] = &[&[3, 8, 6, 6], &y, &y, &[5, 8, 1, 1], &[5], &[5]];
        cases.push(case("conv2d_after", shapes, trained, |t| {
            let after = After {
                delta: Some((&t[1], &t[5])),
                residual: Some(&t[2]),
                relu: true,
            };
            ops::conv2d_after(&t[0], &t[3], Some(&t[4]), &Conv2dSpec::default(), &after)
        }));
    }
    for (size, kernel, stride, padding) in
        [([9, 9], 3, 2, 1), ([7, 10], 2, 2, 0), ([6, 6], 2, 1, 1)]
    {
        let x: &[usize] = &[3, 4, size[0], size[1]];
        cases.push(narrow("max_pool2d", &[x], 1, move |t| {
            ops::max_pool2d(&t[0], kernel, stride, padding)
        }));
    }
    for (size, stride) in [([7, 9], 2), ([5, 5], 1), ([1, 1], 2)] {
        let x: &[usize] = &[3, 4, size[0], size[1]];
        cases.push(narrow("avg_pool2d", &[x], 1, move |t| {
            ops::avg_pool2d(&t[0], 2, stride)
        }));
    }
    cases
}

/// What an operation gives on a device: its values, and the gradient of each variable of a scalar on which every
/// element bears differently.
fn at(case: &Case, device: &Device, dtype: DType) -> (Tensor, Vec<Tensor>) {
    // Both devices and both types see the same numbers.
    let round = |t: Tensor| match dtype {
        _ if !case.narrow => t,
        _ => t
            .to_dtype(DType::BF16)
            .unwrap()
            .to_dtype(DType::F32)
            .unwrap(),
    };
    let operands: Vec<Tensor> = (1..)
        .zip(&case.shapes)
        .map(|(seed, shape)| {
            round(normal(shape, Key::new(seed), 1.0))
                .to_device(device)
                .unwrap()
        })
        .collect();
    let vars: Vec<Var> = operands[..case.trained]
        .iter()
        .map(|t| Var::from_tensor(t).unwrap())
        .collect();
    let trained = vars.iter().map(|v| v.as_tensor().clone());
    let frozen = operands[case.trained..].iter().cloned();
    let operands: Vec<Tensor> = trained
        .chain(frozen)
        .map(|t| t.to_dtype(dtype).unwrap())
        .collect();
    let y = (case.op)(&operands).unwrap_or_else(|e| panic!("{} {:?}: {e}", case.name, case.shapes));
    assert_eq!(y.dtype(), dtype, "{}", case.name);
    let y = y.to_dtype(DType::F32).unwrap();
    let weights = normal(y.dims(), Key::new(77), 1.0)
        .to_device(device)
        .unwrap();
    let scalar = (&y * weights).unwrap().sum_all().unwrap();
    let grads = scalar
        .backward()
        .unwrap_or_else(|e| panic!("{} {:?} backward: {e}", case.name, case.shapes));
    let of = |v: &Var| match grads.get(v) {
        Some(gradient) => gradient.clone(),
        None => panic!("{} {:?}: a gradient is missing", case.name, case.shapes),
    };
    (y.detach(), vars.iter().map(of).collect())
}

/// Asserts that an operation gives the same in two ways, gradients up to twice as far apart as values.
fn compare(case: &Case, got: (Tensor, Vec<Tensor>), want: (Tensor, Vec<Tensor>), tolerance: f32) {
    let (name, shapes) = (case.name, &case.shapes);
    let far = difference(&got.0, &want.0);
    assert!(
        far <= tolerance,
        "{name} {shapes:?}: values differ by {far}"
    );
    for (i, (g, w)) in got.1.iter().zip(&want.1).enumerate() {
        let far = difference(g, w);
        let near = far <= 2.0 * tolerance;
        assert!(near, "{name} {shapes:?}: gradient {i} differs by {far}");
    }
}

/// The list of cases has every operation that `ops` offers.
pub fn every_operation_is_checked(_: &Device) {
    // These compute nothing, or are made for the CPU alone: elsewhere a backbone is made of the others.
    let others = [
        "tracks",
        "account",
        // Has no gradient; the merges are checked with the trainings.
        "add_low_rank",
        "blocks_apply",
        "blocks",
        "stages_apply",
        "stages",
    ];
    let source = include_str!("../../src/ops/mod.rs");
    let offered = source.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("pub fn ")?.split_once('(')?;
        Some(name)
    });
    let cases = cases();
    let missing: Vec<&str> = offered
        .filter(|name| !others.contains(name) && !cases.iter().any(|c| c.name == *name))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

/// On a device an operation gives what the CPU's gives.
pub fn operations_agree(device: &Device) {
    for case in cases() {
        let want = at(&case, &Device::Cpu, DType::F32);
        compare(&case, at(&case, device, DType::F32), want, TOLERANCE);
    }
}

/// With operands of bf16 it gives what the CPU's gives in f32 on the same numbers, but for the rounding.
pub fn operations_in_bf16_are_those_of_f32_rounded(device: &Device) {
    for case in cases().iter().filter(|case| case.narrow) {
        let want = at(case, &Device::Cpu, DType::F32);
        compare(case, at(case, device, DType::BF16), want, 2.0 * BF16_ULP);
    }
}
