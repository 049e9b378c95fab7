//! A backbone's `config.json`, as timm writes it to the Hugging Face hub.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::arch::Architecture;
use crate::recipe::Precision;
use crate::{Error, Result};

/// The content of timm's `config.json`. Keys that are not used here are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// timm's name of the architecture, such as `vit_base_patch16_224` or `resnet26d`.
    pub architecture: String,
    /// Classes of the pretrained head; 0 where there is none.
    #[serde(default)]
    pub num_classes: usize,
    /// Width of the features before the head, as timm states it; the model itself decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_features: Option<usize>,
    /// How features are pooled, as timm states it; `model_args` and `pretrained_cfg` decide, as in timm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_pool: Option<String>,
    /// Arguments that differ from the architecture's.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub model_args: Map<String, Value>,
    /// What the weights were trained for.
    #[serde(default)]
    pub pretrained_cfg: PretrainedConfig,
    /// What products are computed in; not a key of the file.
    #[serde(skip)]
    pub precision: Precision,
    /// Everything else in the file.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// timm's `pretrained_cfg`: the input that the weights expect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainedConfig {
    /// Channels, height and width of an input image.
    #[serde(default = "default_input_size")]
    pub input_size: [usize; 3],
    /// Whether no other size is accepted.
    #[serde(default)]
    pub fixed_input_size: bool,
    /// The filter for resizing: `bicubic`, `bilinear`.
    #[serde(default = "default_interpolation")]
    pub interpolation: String,
    /// Share of the resized image that the centre crop keeps in evaluation.
    #[serde(default = "default_crop_pct")]
    pub crop_pct: f64,
    /// Mean of each channel, in 0..1, that is subtracted.
    #[serde(default = "default_mean")]
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, that is divided by.
    #[serde(default = "default_std")]
    pub std: Vec<f32>,
    /// Everything else, such as `tag`, `classifier`, `first_conv`, `license`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

fn default_input_size() -> [usize; 3] {
    [3, 224, 224]
}

fn default_interpolation() -> String {
    "bicubic".into()
}

fn default_crop_pct() -> f64 {
    0.875
}

// timm's IMAGENET_DEFAULT_MEAN and _STD.
fn default_mean() -> Vec<f32> {
    vec![0.485, 0.456, 0.406]
}

fn default_std() -> Vec<f32> {
    vec![0.229, 0.224, 0.225]
}

impl Default for PretrainedConfig {
    fn default() -> Self {
        Self {
            input_size: default_input_size(),
            fixed_input_size: false,
            interpolation: default_interpolation(),
            crop_pct: default_crop_pct(),
            mean: default_mean(),
            std: default_std(),
            other: Map::new(),
        }
    }
}

impl PretrainedConfig {
    /// timm's defaults for an architecture (version 1.0.31): the input size is that of the name; a plain `vit_*` takes
    /// samples in [-1, 1], a CLIP OpenAI's mean and deviation, the others ImageNet's; a ResNet resizes as torchvision's weights want.
    fn of(architecture: &str) -> Self {
        let mut cfg = Self::default();
        if !super::is_vit(architecture) {
            cfg.interpolation = "bilinear".into();
            return cfg;
        }
        let (before, variant) = architecture.rsplit_once('_').unwrap_or_default();
        if variant == "miil" {
            cfg.interpolation = "bilinear".into();
            cfg.fixed_input_size = true;
            (cfg.mean, cfg.std) = (vec![0.0; 3], vec![1.0; 3]);
            return cfg;
        }
        let side = match variant {
            "dinov2" => 518,
            side => side.parse().unwrap_or(224),
        };
        cfg.input_size[1..].fill(side);
        cfg.fixed_input_size = true;
        let (gap, clip) = (before.ends_with("_gap"), before.ends_with("_clip"));
        cfg.crop_pct = match side > 256 {
            _ if gap && before.starts_with("vit_medium") => 0.95,
            true => 1.0,
            false => 0.9,
        };
        if (gap || clip) && side > 256 {
            cfg.other.insert("crop_mode".into(), "squash".into());
        }
        if clip {
            // OpenAI's.
            cfg.mean = vec![0.481_454_66, 0.457_827_5, 0.408_210_73];
            cfg.std = vec![0.268_629_54, 0.261_302_6, 0.275_777_1];
        } else if architecture.starts_with("vit_") && variant != "dinov2" {
            (cfg.mean, cfg.std) = (vec![0.5; 3], vec![0.5; 3]);
        }
        cfg
    }
}

impl Config {
    /// Reads `config.json`'s bytes and checks that the architecture and all its options are supported.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let mut config: Self = serde_json::from_slice(bytes).map_err(|e| {
            Error::input(format!(
                "the backbone's config.json is not one of timm's: {e}; take it from the model's page on the hub"
            ))
        })?;
        if config.num_classes == 0
            && let Some(n) = config.pretrained_cfg.other.get("num_classes")
        {
            config.num_classes = n.as_u64().unwrap_or(0) as usize;
        }
        config.resolve()?;
        Ok(config)
    }

    /// The config of weights that come without one: timm's defaults for the architecture, then the shapes of the
    /// weights (classes, channels), then the keys of `model_args` and `pretrained_cfg`.
    ///
    /// # Errors
    /// [`Error::Input`] where the architecture is not supported or a key is not timm's.
    pub(super) fn of_weights(
        architecture: &str,
        model_args: &Map<String, Value>,
        pretrained_cfg: &Map<String, Value>,
        shapes: BTreeMap<&str, &[usize]>,
    ) -> Result<Self> {
        let mut cfg = PretrainedConfig::of(architecture);
        let first = ["patch_embed.proj.weight", "conv1.weight", "conv1.0.weight"];
        if let Some(channels) = first.iter().find_map(|n| shapes.get(n)?.get(1)) {
            cfg.input_size[0] = *channels;
            if *channels == 1 {
                cfg.mean.truncate(1);
                cfg.std.truncate(1);
            }
        }
        let classes = ["head.weight", "fc.weight"]
            .iter()
            .find_map(|n| shapes.get(n)?.first());
        let unfit = |e: serde_json::Error| {
            Error::input(format!(
                "`backbone.pretrained_cfg` is not one of timm's: {e}; known are input_size, interpolation, crop_pct, \
                 mean, std"
            ))
        };
        let Value::Object(mut merged) = serde_json::to_value(&cfg).map_err(unfit)? else {
            return Err(Error::internal("a pretrained_cfg is no object"));
        };
        merged.extend(pretrained_cfg.clone());
        let config = Self {
            architecture: architecture.to_owned(),
            num_classes: classes.copied().unwrap_or(0),
            num_features: None,
            global_pool: None,
            model_args: model_args.clone(),
            pretrained_cfg: serde_json::from_value(Value::Object(merged)).map_err(unfit)?,
            precision: Precision::F32,
            other: Map::new(),
        };
        config.resolve()?;
        Ok(config)
    }

    /// What timm's name of an architecture alone says, for a model whose config.json is not at hand; without classes.
    ///
    /// # Errors
    /// [`Error::Input`] where the architecture is not supported.
    pub fn of_name(architecture: &str) -> Result<Self> {
        Self::of_weights(architecture, &Map::new(), &Map::new(), BTreeMap::new())
    }

    /// The bytes of `config.json`.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::internal(format!("config.json cannot be written: {e}")))?;
        text.push(b'\n');
        Ok(text)
    }

    /// The model that the file describes, every option resolved; refuses what is not supported.
    pub(super) fn resolve(&self) -> Result<Architecture> {
        Architecture::of(self)
    }

    /// Whether this is a VisionTransformer; a ResNet otherwise.
    pub fn is_vit(&self) -> bool {
        super::is_vit(&self.architecture)
    }

    /// The same model for images of another size, both sides `side` pixels. A ViT gets another grid of patches.
    ///
    /// # Errors
    /// [`Error::Input`] where the side is no multiple of a ViT's patch.
    pub fn at_size(mut self, side: usize) -> Result<Self> {
        self.pretrained_cfg.input_size[1..].fill(side);
        if self.is_vit() {
            self.model_args.insert("img_size".into(), side.into());
        }
        self.resolve()?;
        Ok(self)
    }

    /// The name of the classifier's module, `head` or `fc`.
    pub fn classifier(&self) -> &str {
        if self.is_vit() { "head" } else { "fc" }
    }
}
