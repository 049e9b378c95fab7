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
