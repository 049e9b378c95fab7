//! Small models for the unit tests of this module.

use candle_core::{Device, Tensor};

use super::*;

pub(super) fn config(json: &str) -> Config {
    Config::from_json(json.as_bytes()).unwrap()
}

pub(super) const VIT: &str = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 5,
    "model_args": {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "in_chans": 1},
    "pretrained_cfg": {"input_size": [1, 32, 32], "fixed_input_size": true}}"#;

pub(super) const RESNET: &str = r#"{"architecture": "resnet26d", "num_classes": 5,
    "model_args": {"channels": [8, 8, 12, 12], "layers": [1, 2, 1, 1], "stem_width": 6, "in_chans": 1},
    "pretrained_cfg": {"input_size": [1, 32, 32]}}"#;

#[test]
fn both_families_give_features_of_their_width() {
    for (json, dim) in [(VIT, 24), (RESNET, 48)] {
        let config = config(json);
        let weights = initialise(&config, Key::new(1), &Device::Cpu).unwrap();
        let backbone = Backbone::new(&config, &weights).unwrap();
        let x = Tensor::randn(0f32, 1.0, (2, 1, 32, 32), &Device::Cpu).unwrap();
        let y = backbone.features(&x, &Pass::eval()).unwrap();
        assert_eq!(y.dims(), [2, dim]);
        assert_eq!(backbone.dim(), dim);
        assert!(
            y.sqr()
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap()
                > 0.0
        );
    }
}

#[test]
fn the_bundled_resnet_has_the_parameters_that_timm_counts() {
    let config = config(
        r#"{"architecture": "resnet26d", "num_classes": 62, "model_args": {"in_chans": 1,
            "channels": [16, 24, 48, 72], "layers": [2, 2, 2, 2], "stem_width": 12},
            "pretrained_cfg": {"input_size": [1, 64, 64], "fixed_input_size": false}}"#,
    );
    assert_eq!(parameters(&config).unwrap(), 360_572);
}

fn with(json: &str, args: &str) -> String {
    json.replace("\"model_args\": {", &format!("\"model_args\": {{{args}, "))
}

/// The sentence with which a config is refused.
fn refusal(json: &str) -> String {
    match Config::from_json(json.as_bytes()) {
        Err(Error::Input(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_is_not_supported_is_refused_by_a_sentence_that_names_it() {
    let vit = |name: &str| VIT.replace("vit_tiny_patch16_224", name);
    let resnet = |name: &str| RESNET.replace("resnet26d", name);
    for (json, named) in [
        (vit("swin_tiny_patch4_window7_224"), "swin_tiny"),
        (vit("vit_base_patch16_clip_quickgelu_224"), "quickgelu"),
        (vit("vit_tiny_patch16_gap_x"), "gap_x"),
        (with(VIT, r#""pre_norm": true"#), "pre_norm"),
        (resnet("resnet26x"), "resnet26x"),
        (resnet("resnet26dd"), "resnet26dd"),
        (resnet("resnext50_2x3d"), "resnext50_2x3d"),
        (with(VIT, r#""reg_tokens": 4"#), "reg_tokens"),
        (with(VIT, r#""qk_norm": true"#), "qk_norm"),
        (with(VIT, r#""global_pool": "map""#), "map"),
        (
            with(VIT, r#""global_pool": "token", "class_token": false"#),
            "token",
        ),
        (with(VIT, r#""unheard_of": 1"#), "unheard_of"),
        (with(VIT, r#""mlp_ratio": "four""#), "mlp_ratio"),
        (
            VIT.replace("\"patch_size\": 8", "\"patch_size\": 0"),
            "patch_size",
        ),
        (
            VIT.replace("\"num_heads\": 3", "\"num_heads\": 5"),
            "num_heads",
        ),
        (
            VIT.replace("\"img_size\": 32", "\"img_size\": 33"),
            "patch_size",
        ),
        (with(RESNET, r#""stem_type": "deep_wide""#), "stem_type"),
        (with(RESNET, r#""block": "BottleneckSe""#), "BottleneckSe"),
        (with(RESNET, r#""output_stride": 16"#), "output_stride"),
        (RESNET.replace("[1, 2, 1, 1]", "[1, 2, 1]"), "layers"),
        (RESNET.replace("[1, 32, 32]", "[1, 32, 0]"), "input_size"),
        ("{".to_string(), "config.json"),
        (r#"{"num_classes": 3}"#.to_string(), "architecture"),
    ] {
        let text = refusal(&json);
        assert!(text.contains(named), "{named}: {text}");
        assert!(!text.contains('\n'), "{text}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let config = config(VIT);
    let mut weights = initialise(&config, Key::new(1), &Device::Cpu).unwrap();
    let bias = Tensor::new(&[1.0, f32::NAN, 3.0], &Device::Cpu).unwrap();
    weights.insert("norm.bias".into(), bias);
    let bytes = to_safetensors(&weights).unwrap();
    let Err(Error::Input(text)) = parse(VIT.as_bytes(), &bytes, &Device::Cpu) else {
        panic!("not refused");
    };
    assert!(text.contains("norm.bias"), "{text}");
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let config = config(VIT);
    let weights = initialise(&config, Key::new(1), &Device::Cpu).unwrap();
    let refused = |change: &dyn Fn(&mut Weights)| {
        let mut weights = weights.clone();
        change(&mut weights);
        match Backbone::new(&config, &weights) {
            Err(Error::Input(text)) => text,
            _ => panic!("not refused"),
        }
    };
    let other = weights["pos_embed"].clone();
    let missing = refused(&|w| drop(w.remove("blocks.1.norm2.bias")));
    assert!(missing.contains("blocks.1.norm2.bias"), "{missing}");
    let extra = refused(&|w| drop(w.insert("blocks.7.norm1.bias".into(), other.clone())));
    assert!(extra.contains("blocks.7.norm1.bias"), "{extra}");
    let wrong = refused(&|w| drop(w.insert("norm.bias".into(), other.clone())));
    assert!(wrong.contains("norm.bias"), "{wrong}");
    // The classifier is not the backbone's business.
    let mut headless = weights.clone();
    headless.remove("head.weight");
    headless.remove("head.bias");
    assert!(Backbone::new(&config, &headless).is_ok());
    let backbone = Backbone::new(&config, &weights).unwrap();
    let x = Tensor::zeros((1, 1, 40, 40), candle_core::DType::F32, &Device::Cpu).unwrap();
    let text = backbone
        .features(&x, &Pass::eval())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("[1, 1, 40, 40]") && text.contains("32"),
        "{text}"
    );
}

#[test]
fn layers_are_in_timms_order_without_the_classifier() {
    let names = |json: &str, count: usize| -> Vec<String> {
        let layers = layers(&config(json)).unwrap();
        layers.into_iter().take(count).map(|l| l.name).collect()
    };
    assert_eq!(
        names(VIT, 5),
        [
            "patch_embed.proj",
            "blocks.0.attn.qkv",
            "blocks.0.attn.proj",
            "blocks.0.mlp.fc1",
            "blocks.0.mlp.fc2"
        ]
    );
    assert_eq!(
        names(RESNET, 8),
        [
            "conv1.0",
            "conv1.3",
            "conv1.6",
            "layer1.0.conv1",
            "layer1.0.conv2",
            "layer1.0.conv3",
            "layer1.0.downsample.1",
            "layer2.0.conv1"
        ]
    );
    let weights = initialise(&config(RESNET), Key::new(1), &Device::Cpu).unwrap();
    for layer in layers(&config(RESNET)).unwrap() {
        assert_eq!(weights[&layer.weight_name()].dims(), layer.weight_shape());
    }
}

#[test]
fn published_models_have_their_published_number_of_parameters() {
    // timm's own counts, in millions, with a classifier of 1,000 classes.
    for (name, size, dim, millions) in [
        ("vit_tiny_patch16_224", 224, 192, 5.72),
        ("vit_base_patch16_224", 224, 768, 86.57),
        ("vit_large_patch16_224", 224, 1024, 304.33),
        ("vit_base_patch16_224_miil", 224, 768, 86.54),
        ("vit_medium_patch16_gap_256", 256, 512, 38.86),
        ("vit_base_patch32_clip_224", 224, 768, 88.22),
        ("resnet18", 224, 512, 11.69),
        ("resnet34d", 224, 512, 21.82),
        ("resnet50", 224, 2048, 25.56),
        ("resnet50d", 224, 2048, 25.58),
        ("resnet101", 224, 2048, 44.55),
        ("wide_resnet50_2", 224, 2048, 68.88),
        ("resnext50_32x4d", 224, 2048, 25.03),
    ] {
        let config = config(&format!(
            r#"{{"architecture": "{name}", "pretrained_cfg":
                {{"input_size": [3, {size}, {size}], "fixed_input_size": true}}}}"#
        ));
        assert_eq!(super::dim(&config).unwrap(), dim, "{name}");
        let all = parameters(&config).unwrap() + (dim + 1) * 1000;
        assert!((all as f64 / 1e6 - millions).abs() < 0.006, "{name}: {all}");
    }
}

#[test]
fn fresh_weights_are_keyed_by_name_and_distributed_as_timms() {
    let config = config(RESNET);
    let fresh = |seed| initialise(&config, Key::new(seed), &Device::Cpu).unwrap();
    let bytes = |w: &Weights| to_safetensors(w).unwrap();
    assert_eq!(bytes(&fresh(1)), bytes(&fresh(1)));
    assert_ne!(bytes(&fresh(1)), bytes(&fresh(2)));
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let std = |t: &Tensor| {
        let v = values(t);
        (v.iter().map(|v| v * v).sum::<f32>() / v.len() as f32).sqrt()
    };
    let resnet = fresh(1);
    // Kaiming, fan out 8·3·3; a block starts as its shortcut.
    let want = (2.0f32 / 72.0).sqrt();
    assert!((std(&resnet["layer2.1.conv2.weight"]) / want - 1.0).abs() < 0.15);
    for (name, value) in [
        ("bn3.weight", 0.0),
        ("bn2.weight", 1.0),
        ("bn2.running_var", 1.0),
    ] {
        let all = values(&resnet[&format!("layer2.1.{name}")]);
        assert!(all.iter().all(|v| *v == value), "{name}");
    }
    let vit = initialise(&self::config(VIT), Key::new(1), &Device::Cpu).unwrap();
    assert!((std(&vit["blocks.0.attn.qkv.weight"]) / 0.02 - 1.0).abs() < 0.1);
    let want = 1.0 / 8.0 / 3f32.sqrt();
    assert!((std(&vit["patch_embed.proj.weight"]) / want - 1.0).abs() < 0.1);
    assert!(std(&vit["cls_token"]) < 3e-6);
}

#[test]
fn running_statistics_move_by_a_tenth_with_the_unbiased_variance() {
    let t = |v: f32| Tensor::new(&[v], &Device::Cpu).unwrap();
    let mut weights = Weights::from([
        ("bn1.running_mean".to_string(), t(1.0)),
        ("bn1.running_var".to_string(), t(2.0)),
    ]);
    let running = RunningStats::new(&weights);
    running.update("bn1", &t(3.0), &t(4.0), 5).unwrap();
    running.write(&mut weights).unwrap();
    let get = |name: &str| weights[name].to_vec1::<f32>().unwrap()[0];
    assert!((get("bn1.running_mean") - 1.2).abs() < 1e-6);
    assert!((get("bn1.running_var") - 2.3).abs() < 1e-6);
    assert!(running.update("bn2", &t(3.0), &t(4.0), 5).is_err());
}

#[test]
fn a_name_alone_has_the_preprocessing_that_timm_gives_it() {
    // timm 1.0.31's default_cfg: input, crop_pct, crop_mode, interpolation, first of mean and std.
    for (name, side, crop, mode, filter, mean, std) in [
        ("vit_base_patch16_224", 224, 0.9, None, "bicubic", 0.5, 0.5),
        ("vit_base_patch16_384", 384, 1.0, None, "bicubic", 0.5, 0.5),
        (
            "vit_medium_patch16_gap_256",
            256,
            0.95,
            None,
            "bicubic",
            0.5,
            0.5,
        ),
        (
            "vit_medium_patch16_gap_384",
            384,
            0.95,
            Some("squash"),
            "bicubic",
            0.5,
            0.5,
        ),
        (
            "vit_base_patch16_clip_224",
            224,
            0.9,
            None,
            "bicubic",
            0.481_454_66,
            0.268_629_54,
        ),
        (
            "vit_base_patch16_clip_384",
            384,
            1.0,
            Some("squash"),
            "bicubic",
            0.481_454_66,
            0.268_629_54,
        ),
        (
            "vit_base_patch16_224_miil",
            224,
            0.875,
            None,
            "bilinear",
            0.0,
            1.0,
        ),
        (
            "deit3_base_patch16_384",
            384,
            1.0,
            None,
            "bicubic",
            0.485,
            0.229,
        ),
    ] {
        let cfg = Config::of_name(name).unwrap().pretrained_cfg;
        let found = cfg.other.get("crop_mode").and_then(|v| v.as_str());
        assert_eq!(
            (cfg.input_size, cfg.crop_pct, found),
            ([3, side, side], crop, mode),
            "{name}"
        );
        assert_eq!(
            (cfg.interpolation.as_str(), cfg.mean[0], cfg.std[0]),
            (filter, mean, std),
            "{name}"
        );
    }
}
