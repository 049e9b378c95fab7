//! Whole backbones in evaluation, loaded from timm's folders.

use candle_core::Device;
use pentimento::backbone::{self, Backbone, Config, Pass, Weights};
use pentimento::ops;

use crate::common::{Fixture, assert_close, model, path};

#[test]
fn features_and_logits_are_timms() {
    for name in [
        "vit",
        "vit_layerscale_avg",
        "vit_plain3",
        "vit_gap",
        "vit_clip",
        "deit3",
        "resnet26d",
        "resnet18",
        "resnet50",
        "resnet14t",
    ] {
        let (config, weights) = model(name);
        let io = Fixture::read(&format!("models/{name}/io.safetensors"));
        assert_same(name, &config, &weights, &io);
    }
}

/// Position embeddings are resampled as timm does it for another image size, larger and smaller.
#[test]
fn another_image_size_gives_timms_logits() {
    for (name, side) in [("vit", 48), ("vit", 24), ("deit3", 56), ("vit_clip", 384)] {
        let (config, weights) = model(name);
        let (config, weights) = backbone::at_size(config, weights, side).unwrap();
        let io = Fixture::read(&format!("models/{name}/io_{side}.safetensors"));
        assert_same(&format!("{name} at {side}"), &config, &weights, &io);
    }
    let (config, weights) = model("vit");
    let error = backbone::at_size(config, weights, 30).unwrap_err();
    assert!(error.to_string().contains("patch_size 8"), "{error}");
}

fn assert_same(name: &str, config: &Config, weights: &Weights, io: &Fixture) {
    let model = Backbone::new(config, weights).unwrap();
    let features = model.features(io.get("input"), &Pass::eval()).unwrap();
    assert_close(&format!("{name}: features"), &features, io.get("features"));
    let head = |what: &str| &weights[&format!("{}.{what}", config.classifier())];
    let logits = ops::linear(&features, head("weight"), Some(head("bias"))).unwrap();
    assert_close(&format!("{name}: logits"), &logits, io.get("logits"));
}

/// PyTorch's own checkpoint gives the weights of the folder beside it, and the architecture the rest.
#[test]
fn a_checkpoint_with_an_architecture_is_the_folders_model() {
    let folder = path("models/resnet14t");
    let (config, weights, _) = backbone::load(&folder, &Device::Cpu).unwrap();
    let cfg = serde_json::to_value(&config.pretrained_cfg).unwrap();
    let load = |architecture: &str| {
        backbone::load_file(
            &folder.join("checkpoint.pth"),
            architecture,
            &config.model_args,
            cfg.as_object().unwrap(),
            &Device::Cpu,
        )
    };
    let (alone, from_pth, sha256) = load("resnet14t").unwrap();
    assert_eq!(
        (alone.num_classes, alone.pretrained_cfg.clone()),
        (10, config.pretrained_cfg.clone())
    );
    assert_eq!(
        backbone::to_safetensors(&weights).unwrap(),
        backbone::to_safetensors(&from_pth).unwrap()
    );
    assert_eq!(sha256.len(), 64);
    // Another architecture's name resolves, and then its weights are not there.
    let (other, weights, _) = load("resnet26d").unwrap();
    let error = Backbone::new(&other, &weights).err().unwrap();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("lack the tensor layer1.1"),
        "{error}"
    );
}

#[test]
fn what_is_no_file_of_weights_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let none = serde_json::Map::new();
    let load = |name: &str| {
        let error = backbone::load_file(
            &dir.path().join(name),
            "resnet18",
            &none,
            &none,
            &Device::Cpu,
        );
        let error = error.err().unwrap();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    for name in ["w.pth", "w.safetensors", "w.npz"] {
        std::fs::write(dir.path().join(name), b"not weights at all").unwrap();
    }
    assert!(load("absent.pth").contains("names no file"));
    assert!(load("w.npz").contains("no ending that tells"));
    assert!(load("w.safetensors").contains("cannot be read"));
    assert!(load("w.pth").contains("cannot be read as weights"));
}

/// A folder that we write is the one that we read, and equal weights give equal bytes.
#[test]
fn a_saved_backbone_loads_again() {
    let from = path("models/resnet26d");
    let (config, weights, _) = backbone::load(&from, &Device::Cpu).unwrap();
    let dir = tempfile::tempdir().unwrap();
    backbone::save(dir.path(), &config, &weights).unwrap();
    let (config2, weights2, _) = backbone::load(dir.path(), &Device::Cpu).unwrap();
    assert_eq!(config, config2);
    assert_eq!(
        backbone::to_safetensors(&weights).unwrap(),
        backbone::to_safetensors(&weights2).unwrap()
    );
    let json = |folder: &std::path::Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
    };
    assert_eq!(json(&from), json(dir.path()));
}
