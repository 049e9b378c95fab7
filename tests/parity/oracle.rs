//! Logits against candle-transformers' own models, in evaluation: a second oracle, written by others from other
//! sources than timm's.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, Module, VarBuilder};
use candle_transformers::models::{resnet, vit};
use pentimento::backbone::{Backbone, Config, Pass, Weights, initialise};
use pentimento::random::Key;
use pentimento::train::Head;

use crate::common::{Fixture, assert_close, model};

fn ours(config: &Config, weights: &Weights, input: &Tensor) -> Tensor {
    let mut bare = weights.clone();
    bare.retain(|name, _| !name.starts_with(&format!("{}.", config.classifier())));
    let backbone = Backbone::new(config, &bare).unwrap();
    let features = backbone.features(input, &Pass::eval()).unwrap();
    let head = Head::pretrained(config, weights).unwrap();
    head.logits(&features).unwrap()
}

fn builder(weights: HashMap<String, Tensor>) -> VarBuilder<'static> {
    VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu)
}

/// timm's names as transformers has them, which splits qkv.
fn as_transformers(weights: &Weights) -> HashMap<String, Tensor> {
    let mut renamed = HashMap::new();
    for (name, tensor) in weights {
        let name = name
            .replace("cls_token", "vit.embeddings.cls_token")
            .replace("pos_embed", "vit.embeddings.position_embeddings")
            .replace(
                "patch_embed.proj",
                "vit.embeddings.patch_embeddings.projection",
            )
            .replace("blocks.", "vit.encoder.layer.")
            .replace("norm1", "layernorm_before")
            .replace("norm2", "layernorm_after")
            .replace("attn.proj", "attention.output.dense")
            .replace("mlp.fc1", "intermediate.dense")
            .replace("mlp.fc2", "output.dense")
            .replace("head.", "classifier.");
        let name = match name.strip_prefix("norm.") {
            Some(rest) => format!("vit.layernorm.{rest}"),
            None => name,
        };
        match name.split_once("attn.qkv") {
            Some((block, what)) => {
                let parts = tensor.chunk(3, 0).unwrap();
                for (part, tensor) in ["query", "key", "value"].iter().zip(parts) {
                    renamed.insert(format!("{block}attention.attention.{part}{what}"), tensor);
                }
            }
            None => {
                renamed.insert(name, tensor.clone());
            }
        }
    }
    renamed
}

#[test]
fn a_vits_logits_are_candle_transformers() {
    for (name, heads, hidden) in [("vit", 3, 96), ("vit_plain3", 2, 72)] {
        let (config, weights) = model(name);
        let [channels, side, _] = config.pretrained_cfg.input_size;
        let theirs = vit::Config {
            hidden_size: 24,
            num_hidden_layers: 2,
            num_attention_heads: heads,
            intermediate_size: hidden,
            hidden_act: Activation::Gelu,
            layer_norm_eps: 1e-6,
            image_size: side,
            patch_size: weights["patch_embed.proj.weight"].dims()[2],
            num_channels: channels,
            qkv_bias: true,
        };
        let theirs = vit::Model::new(&theirs, 10, builder(as_transformers(&weights))).unwrap();
        let io = Fixture::read(&format!("models/{name}/io.safetensors"));
        let input = io.get("input");
        let logits = ours(&config, &weights, input);
        assert_close(name, &logits, &theirs.forward(input).unwrap());
    }
}

/// Weights that leave nothing at the value it usually starts from.
fn unsettled(config: &Config, key: Key) -> Weights {
    let mut weights = initialise(config, key, &Device::Cpu).unwrap();
    for (name, tensor) in &mut weights {
        if tensor.rank() == 1 {
            let (low, high) = match name.ends_with("running_mean") || name.ends_with("bias") {
                true => (-0.2, 0.2),
                false => (0.5, 1.5),
            };
            let key = key.named(name);
            let values: Vec<f32> = (0..tensor.elem_count() as u64)
                .map(|i| key.uniform(i, low, high))
                .collect();
            *tensor = Tensor::new(values, &Device::Cpu).unwrap();
        }
    }
    weights
}

#[test]
fn a_resnets_logits_are_candle_transformers() {
    for name in ["resnet18", "resnet50"] {
        let json = format!(r#"{{"architecture": "{name}", "num_classes": 10}}"#);
        let config = Config::from_json(json.as_bytes()).unwrap();
        let key = Key::new(7).named(name);
        let weights = unsettled(&config, key);
        let pixels: Vec<f32> = (0..2 * 3 * 64 * 64)
            .map(|i| key.named("input").uniform(i, -2.0, 2.0))
            .collect();
        let input = Tensor::from_vec(pixels, (2, 3, 64, 64), &Device::Cpu).unwrap();
        let vb = builder(weights.clone().into_iter().collect());
        let theirs = match name {
            "resnet18" => resnet::resnet18(10, vb),
            _ => resnet::resnet50(10, vb),
        };
        let theirs = theirs.unwrap().forward(&input).unwrap();
        assert_close(name, &ours(&config, &weights, &input), &theirs);
    }
}
