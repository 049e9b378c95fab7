//! From a `config.json` to a model with every option resolved, as timm does it.

use serde_json::Value;

use super::config::Config;
use super::{resnet, vit};
use crate::{Error, Result};

/// A model with every option resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Architecture {
    Vit(vit::Spec),
    Resnet(resnet::Spec),
}

impl Architecture {
    pub(super) fn of(config: &Config) -> Result<Self> {
        if config.pretrained_cfg.input_size.contains(&0) {
            return Err(Error::input(format!(
                "the backbone's config.json has pretrained_cfg.input_size {:?}: every size must be above 0",
                config.pretrained_cfg.input_size
            )));
        }
        if let Some(spec) = vit::Spec::of(config)? {
            return Ok(Self::Vit(spec));
        }
        if let Some(spec) = resnet::Spec::of(config)? {
            return Ok(Self::Resnet(spec));
        }
        Err(Error::input(format!(
            "the backbone's architecture {:?} is not supported: take one of timm's vit_SIZE_patchN_RES (tiny, \
             small, base, large, huge), vit_SIZE_patchN_gap_RES and _clip_RES (medium too), \
             vit_base_patch16_224_miil, vit_SIZE_patch14_dinov2, deit_SIZE_patch16_RES, deit3_SIZE_patchN_RES, \
             or resnetN, resnetNc, resnetNd, resnetNs, resnetNt, wide_resnetN_2, resnextN_32x4d",
            config.architecture
        )))
    }
}

/// Reads `model_args` key by key and refuses what nobody asked for.
pub(super) struct Args<'a> {
    config: &'a Config,
    known: Vec<&'static str>,
}

impl<'a> Args<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self {
            config,
            known: Vec::new(),
        }
    }

    fn wrong(&self, key: &str, value: &Value, want: &str) -> Error {
        Error::input(format!(
            "the backbone's config.json has model_args.{key} = {value}, but {} takes {want} there",
            self.config.architecture
        ))
    }

    /// The value of a key, unless it is absent or null.
    fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.config.model_args.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn size(&mut self, key: &'static str) -> Result<Option<usize>> {
        match self.value(key) {
            None => Ok(None),
            Some(v) => match v.as_u64() {
                Some(n) if n > 0 && n < 1 << 20 => Ok(Some(n as usize)),
                _ => Err(self.wrong(key, v, "a whole number above 0")),
            },
        }
    }

    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<f64>> {
        match self.value(key) {
            None => Ok(None),
            Some(v) => match v.as_f64() {
                Some(n) if n.is_finite() => Ok(Some(n)),
                _ => Err(self.wrong(key, v, "a number")),
            },
        }
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Result<Option<bool>> {
        match self.value(key) {
            None => Ok(None),
            Some(v) => match v.as_bool() {
                Some(b) => Ok(Some(b)),
                None => Err(self.wrong(key, v, "true or false")),
            },
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<&'a str>> {
        match self.value(key) {
            None => Ok(None),
            Some(v) => match v.as_str() {
                Some(s) => Ok(Some(s)),
                None => Err(self.wrong(key, v, "a text")),
            },
        }
    }

    pub(super) fn sizes(&mut self, key: &'static str) -> Result<Option<Vec<usize>>> {
        let Some(v) = self.value(key) else {
            return Ok(None);
        };
        let sizes: Option<Vec<usize>> = v.as_array().and_then(|a| {
            a.iter()
                .map(|n| {
                    n.as_u64()
                        .filter(|n| *n > 0 && *n < 1 << 20)
                        .map(|n| n as usize)
                })
                .collect()
        });
        match sizes {
            Some(sizes) => Ok(Some(sizes)),
            None => Err(self.wrong(key, v, "a list of whole numbers above 0")),
        }
    }

    /// An option that is accepted only with timm's default: any of `defaults`, null, or absent.
    pub(super) fn only(&mut self, key: &'static str, defaults: &[Value]) -> Result<()> {
        match self.value(key) {
            Some(v) if !defaults.contains(v) => {
                let want = defaults
                    .first()
                    .map_or("null".to_string(), ToString::to_string);
                Err(self.wrong(
                    key,
                    v,
                    &format!("only {want} (other values are not supported)"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Refuses every key that was not asked for.
    pub(super) fn finish(self) -> Result<()> {
        match self
            .config
            .model_args
            .keys()
            .find(|k| !self.known.contains(&k.as_str()))
        {
            None => Ok(()),
            Some(key) => Err(Error::input(format!(
                "the backbone's config.json has the option model_args.{key}, which is not supported for {}: \
                 take a model without it",
                self.config.architecture
            ))),
        }
    }
}

impl Args<'_> {
    /// `img_size`: one number for both sides, or height and width.
    pub(super) fn img_size(&mut self) -> Result<Option<[usize; 2]>> {
        match self.value("img_size") {
            Some(v) if v.is_array() => match self.sizes("img_size")?.as_deref() {
                Some([h, w]) => Ok(Some([*h, *w])),
                _ => Err(self.wrong("img_size", v, "one or two whole numbers")),
            },
            _ => Ok(self.size("img_size")?.map(|s| [s, s])),
        }
    }
}
