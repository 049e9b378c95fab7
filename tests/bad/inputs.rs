//! Batches and adapters from a file: `pentimento bench --inputs`.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::{Cases, Place};

type Tensors = HashMap<&'static str, Tensor>;

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

/// What an adapter of rank 2 on the first qkv of the bundled ViT, whose features are 96, is trained with.
fn sound() -> Tensors {
    Tensors::from([
        ("images", zeros(&[2, 1, 32, 32])),
        ("labels", Tensor::new(&[0i64, 2], &Device::Cpu).unwrap()),
        ("head.weight", zeros(&[3, 96])),
        ("head.bias", zeros(&[3])),
        ("blocks.0.attn.qkv.lora_A", zeros(&[2, 96])),
        ("blocks.0.attn.qkv.lora_B", zeros(&[288, 2])),
    ])
}

const BENCH: [&str; 12] = [
    "bench",
    "bundled:glyph-vit",
    "--targets",
    r"blocks\.0\.attn\.qkv",
    "--rank",
    "2",
    "--rounds",
    "1",
    "--device",
    "cpu",
    "--inputs",
    "in",
];

fn with(change: impl FnOnce(&mut Tensors)) -> Place {
    let (place, mut tensors) = (Place::new(), sound());
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, place.path().join("in")).unwrap();
    place
}

#[test]
fn what_a_bench_cannot_begin_with_is_refused() {
    assert!(with(|_| {}).run(&BENCH).status.success());
    let mut cases = Cases::of("inputs");
    cases.refused("no file", &Place::new(), &BENCH);
    let place = Place::new();
    place.write("in/x", "");
    cases.refused("a folder", &place, &BENCH);
    let place = Place::new();
    place.write("in", "images");
    cases.refused("a text", &place, &BENCH);
    let place = with(|_| {});
    let whole = std::fs::read(place.path().join("in")).unwrap();
    place.write("in", &whole[..whole.len() - 4]);
    cases.refused("half a file", &place, &BENCH);
    let labels = |labels: &[i64]| Tensor::new(labels, &Device::Cpu).unwrap();
    let replaced: Vec<(&str, &'static str, Option<Tensor>)> = vec![
        ("no images", "images", None),
        (
            "images without channels",
            "images",
            Some(zeros(&[2, 32, 32])),
        ),
        ("no image", "images", Some(zeros(&[0, 1, 32, 32]))),
        (
            "images of another size",
            "images",
            Some(zeros(&[2, 1, 28, 28])),
        ),
        (
            "images with colours",
            "images",
            Some(zeros(&[2, 3, 32, 32])),
        ),
        ("images of f64", "images", {
            let images = Tensor::zeros(&[2, 1, 32, 32], DType::F64, &Device::Cpu);
            Some(images.unwrap())
        }),
        ("images that are no numbers", "images", {
            Some((zeros(&[2, 1, 32, 32]) / 0.0).unwrap())
        }),
        ("labels of f32", "labels", Some(zeros(&[2]))),
        ("a label too few", "labels", Some(labels(&[1]))),
        ("a label that no class has", "labels", Some(labels(&[0, 3]))),
        ("a label below zero", "labels", Some(labels(&[0, -1]))),
        ("no head", "head.weight", None),
        ("no classes", "head.bias", None),
        (
            "a head of other features",
            "head.weight",
            Some(zeros(&[3, 64])),
        ),
        ("an adapter without its B", "blocks.0.attn.qkv.lora_B", None),
        (
            "an adapter of another rank",
            "blocks.0.attn.qkv.lora_A",
            Some(zeros(&[3, 96])),
        ),
        (
            "an adapter of another module",
            "blocks.1.attn.qkv.lora_A",
            Some(zeros(&[2, 96])),
        ),
    ];
    for (what, name, tensor) in replaced {
        let place = with(|tensors| {
            tensors.remove(name);
            tensors.extend(tensor.map(|t| (name, t)));
        });
        cases.refused(what, &place, &BENCH);
    }
    cases.end(20);
}
