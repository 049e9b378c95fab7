//! The backbones that this binary carries, pretrained on the Latin glyphs by `pentimento pretrain`.

use candle_core::Device;

use super::{Config, Weights, parse};
use crate::{Error, Result, files};

struct Bundled {
    name: &'static str,
    config: &'static [u8],
    weights: &'static [u8],
}

macro_rules! bundled {
    ($name:literal) => {
        Bundled {
            name: $name,
            config: include_bytes!(concat!("../../assets/backbones/", $name, "/config.json")),
            weights: include_bytes!(concat!(
                "../../assets/backbones/",
                $name,
                "/model.safetensors"
            )),
        }
    };
}

const BUNDLED: &[Bundled] = &[bundled!("glyph-vit"), bundled!("glyph-resnet")];

/// Names of the bundled backbones.
pub fn bundled_names() -> impl Iterator<Item = &'static str> {
    BUNDLED.iter().map(|b| b.name)
}

/// The config of a bundled backbone.
pub fn bundled_config(name: &str) -> Result<Config> {
    Config::from_json(find(name)?.config)
}

/// A bundled backbone: config, weights with the classifier, and the SHA-256 of the weights file.
pub fn bundled(name: &str, device: &Device) -> Result<(Config, Weights, String)> {
    let bundled = find(name)?;
    let (config, weights) = parse(bundled.config, bundled.weights, device)?;
    Ok((config, weights, files::sha256(bundled.weights)))
}

fn find(name: &str) -> Result<&'static Bundled> {
    BUNDLED.iter().find(|b| b.name == name).ok_or_else(|| {
        let names: Vec<&str> = bundled_names().collect();
        Error::input(format!(
            "backbone.source bundled:{name}: no such backbone is bundled; there are {}",
            names.join(" and ")
        ))
    })
}
