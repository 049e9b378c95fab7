//! PEFT's file format: `adapter_config.json` and `adapter_model.safetensors`, which
//! `peft.PeftModel.from_pretrained` loads onto the timm model.
//!
//! The files hold no time, path or host name: equal adapters give equal bytes.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::patterns::Patterns;
use super::tensors::from_safetensors;
use super::{Adapter, LowRank};
use crate::backbone::{Weights, to_safetensors};
use crate::files;
use crate::{Error, Result};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// PEFT wraps the model twice, which shows in the names of its tensors.
const PREFIX: &str = "base_model.model.";

/// What the files say beside the adapter itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeftMeta {
    /// The hub's id of the model that the adapter is for, if it is on the hub; never a path.
    pub base_model: Option<String>,
}

/// Writes the adapter's two files into a folder.
pub fn save(folder: &Path, adapter: &Adapter, meta: &PeftMeta) -> Result<()> {
    let mut tensors = Weights::new();
    for (name, pair) in &adapter.modules {
        tensors.insert(format!("{PREFIX}{name}.lora_A.weight"), pair.a.detach());
        tensors.insert(format!("{PREFIX}{name}.lora_B.weight"), pair.b.detach());
    }
    files::write_atomic(&folder.join(WEIGHTS), &to_safetensors(&tensors)?)?;
    files::write_atomic(&folder.join(CONFIG), &config_json(adapter, meta)?)
}

fn config_json(adapter: &Adapter, meta: &PeftMeta) -> Result<Vec<u8>> {
    // PEFT takes a text as a regular expression on the whole name. A list would not do: it matches by the ends of
    // names, so `conv1` of a ResNet's stem would name one convolution of every block too.
    let targets: Vec<String> = adapter.modules.keys().map(|n| regex::escape(n)).collect();
    // What differs by module is said of each by its whole name: `^`, since PEFT lets a pattern match the end of a
    // name too.
    let own = |name: &String| format!("^{}", regex::escape(name));
    let modules = || adapter.modules.iter();
    let ranks: BTreeMap<String, Value> = modules()
        .filter(|(_, pair)| pair.rank() != adapter.rank)
        .map(|(name, pair)| (own(name), json!(pair.rank())))
        .collect();
    let alphas: BTreeMap<String, Value> = modules()
        .filter(|(_, pair)| pair.alpha != adapter.alpha)
        .map(|(name, pair)| (own(name), number(pair.alpha)))
        .collect();
    let config = json!({
        "alpha_pattern": alphas,
        "base_model_name_or_path": meta.base_model,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "lora_alpha": number(adapter.alpha),
        "lora_dropout": adapter.dropout,
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": adapter.rank,
        "rank_pattern": ranks,
        "target_modules": targets.join("|"),
        "task_type": null,
        "use_dora": false,
        "use_rslora": adapter.rslora,
    });
    let mut text = serde_json::to_vec_pretty(&config)
        .map_err(|e| Error::internal(format!("{CONFIG} cannot be written: {e}")))?;
    text.push(b'\n');
    Ok(text)
}

/// PEFT declares an alpha a whole number, though it divides by it all the same.
fn number(alpha: f64) -> Value {
    if alpha.fract() == 0.0 && alpha.abs() < 1e15 {
        json!(alpha as i64)
    } else {
        json!(alpha)
    }
}

/// The keys of PEFT's configuration that decide what an adapter computes; [`PLAIN`] has those that must not.
#[derive(Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    rank_pattern: Map<String, Value>,
    #[serde(default)]
    alpha_pattern: Map<String, Value>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

/// Options of PEFT that change what an adapter computes, with the values that change nothing.
const PLAIN: [(&str, &[&str]); 8] = [
    // Others (pissa, olora, …) change the base weights too.
    ("init_lora_weights", &["true", "false", "\"gaussian\""]),
    ("use_dora", &["false"]),
    ("use_qalora", &["false"]),
    ("lora_bias", &["false"]),
    ("fan_in_fan_out", &["false"]),
    ("bias", &["\"none\""]),
    ("modules_to_save", &["[]"]),
    ("layer_replication", &["[]"]),
];

impl PeftConfig {
    fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let config: Self = serde_json::from_slice(bytes).map_err(|e| {
            Error::input(format!(
                "{}: not a configuration of PEFT's LoRA ({e}): write it again with save_pretrained",
                path.display()
            ))
        })?;
        let wrong = |key: &str, value: String| {
            Err(Error::input(format!(
                "{}: {key} = {value} is not supported: only plain LoRA is",
                path.display()
            )))
        };
        if config.peft_type != "LORA" {
            return wrong("peft_type", format!("{:?}", config.peft_type));
        }
        if config.r == 0 {
            return wrong("r", "0".into());
        }
        if !config.lora_alpha.is_finite() {
            return wrong("lora_alpha", config.lora_alpha.to_string());
        }
        if !(0.0..1.0).contains(&config.lora_dropout) {
            return wrong("lora_dropout", config.lora_dropout.to_string());
        }
        for (key, pattern) in [
            ("rank_pattern", &config.rank_pattern),
            ("alpha_pattern", &config.alpha_pattern),
        ] {
            let fits = |v: &Value| match key {
                "rank_pattern" => v.as_u64().is_some_and(|r| r > 0),
                _ => v.as_f64().is_some_and(f64::is_finite),
            };
            if let Some((name, value)) = pattern.iter().find(|(_, v)| !fits(v)) {
                return wrong(key, format!("{{{name:?}: {value}}}"));
            }
        }
        for (key, plain) in PLAIN {
            if let Some(value) = config.other.get(key).filter(|v| !v.is_null()) {
                let value = value.to_string();
                if !plain.contains(&value.as_str()) {
                    return wrong(key, value);
                }
            }
        }
        Ok(config)
    }

    /// Ranks and alphas by module, patterns in the file's order.
    fn patterns(&self) -> Result<Patterns> {
        let ranks = self.rank_pattern.iter();
        let alphas = self.alpha_pattern.iter();
        // Of `parse`, so that neither default is ever taken.
        Patterns::compile(
            self.r,
            self.lora_alpha,
            ranks.map(|(p, v)| (p, v.as_u64().unwrap_or_default() as usize)),
            alphas.map(|(p, v)| (p, v.as_f64().unwrap_or_default())),
        )
    }
}

/// The files of an adapter's folder that decide what it does.
pub const FILES: [&str; 2] = [CONFIG, WEIGHTS];

/// Reads an adapter that [`save`] or PEFT's `save_pretrained` wrote. Whether it fits a backbone is
/// [`Adapter::check`]'s to say.
///
/// # Errors
/// [`Error::Input`] where a file is missing or damaged, or the adapter is not plain LoRA of one rank.
pub fn load(folder: &Path, device: &Device) -> Result<Adapter> {
    let read = |name: &str| {
        let path = folder.join(name);
        if path.is_file() {
            return Ok((files::read(&path)?, path));
        }
        Err(Error::input(format!(
            "{} has no {name}: an adapter's folder holds {CONFIG} and {WEIGHTS}",
            folder.display()
        )))
    };
    let (bytes, path) = read(CONFIG)?;
    let config = PeftConfig::parse(&bytes, &path)?;
    let (bytes, path) = read(WEIGHTS)?;
    let tensors = from_safetensors(&bytes, device, &path.display().to_string())?;
    let patterns = config.patterns()?;
    Ok(Adapter {
        rank: config.r,
        alpha: config.lora_alpha,
        rslora: config.use_rslora,
        dropout: config.lora_dropout,
        modules: pair_up(tensors, &patterns)
            .map_err(|text| Error::input(format!("{}: {text}", path.display())))?,
    })
}

/// Factors by module, from tensors by PEFT's names.
fn pair_up(mut tensors: Weights, patterns: &Patterns) -> Result<BTreeMap<String, LowRank>, String> {
    let mut modules = BTreeMap::new();
    let names: Vec<String> = tensors
        .keys()
        .filter_map(|n| n.strip_prefix(PREFIX)?.strip_suffix(".lora_A.weight"))
        .map(str::to_string)
        .collect();
    for name in names {
        let mut take = |which: &str| tensors.remove(&format!("{PREFIX}{name}.{which}.weight"));
        let (Some(a), Some(b)) = (take("lora_A"), take("lora_B")) else {
            return Err(format!("{name} has a lora_A but no lora_B"));
        };
        let pair = LowRank {
            a,
            b,
            alpha: patterns.alpha(&name),
        };
        let (stored, stated) = (pair.rank(), patterns.rank(&name));
        if stored != stated {
            return Err(format!(
                "{name} has rank {stored}, but {CONFIG} makes it {stated}"
            ));
        }
        modules.insert(name, pair);
    }
    match tensors.keys().next() {
        Some(name) => Err(format!("the tensor {name} is not part of a plain LoRA")),
        None if modules.is_empty() => Err("the adapter has no tensors".into()),
        None => Ok(modules),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use candle_core::{DType, Tensor};

    use super::*;
    use crate::lora::{select, testing};
    use crate::random::Key;
    use crate::recipe::LoraRecipe;

    fn adapter(alpha: Option<f64>) -> Adapter {
        let lora = LoraRecipe {
            alpha,
            ..testing::recipe(3, 0.1)
        };
        let layers = select(&testing::vit_layers(), r"patch_embed\.proj|.*\.qkv").unwrap();
        let mut adapter = Adapter::initialise(&layers, &lora, Key::new(1), &Device::Cpu).unwrap();
        for pair in adapter.modules.values_mut() {
            pair.b = Tensor::ones(pair.b.shape(), DType::F32, &Device::Cpu).unwrap();
        }
        adapter
    }

    fn saved(adapter: &Adapter) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), adapter, &PeftMeta::default()).unwrap();
        dir
    }

    #[test]
    fn what_is_saved_is_loaded() {
        for alpha in [None, Some(2.5)] {
            let adapter = adapter(alpha);
            let loaded = load(saved(&adapter).path(), &Device::Cpu).unwrap();
            assert_eq!(
                (loaded.rank, loaded.alpha, loaded.dropout),
                (3, alpha.unwrap_or(6.0), 0.1)
            );
            assert!(loaded.modules.keys().eq(adapter.modules.keys()));
            for (name, pair) in &adapter.modules {
                let other = &loaded.modules[name];
                for (x, y) in [(&pair.a, &other.a), (&pair.b, &other.b)] {
                    assert_eq!(x.dims(), y.dims());
                    let v = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    assert_eq!(v(x), v(y));
                }
            }
            loaded.check(&testing::vit_layers()).unwrap();
        }
    }

    #[test]
    fn equal_adapters_give_equal_bytes_that_name_no_place() {
        let (one, two) = (saved(&adapter(None)), saved(&adapter(None)));
        for name in [CONFIG, WEIGHTS] {
            let bytes = fs::read(one.path().join(name)).unwrap();
            assert_eq!(bytes, fs::read(two.path().join(name)).unwrap(), "{name}");
            let place = one.path().to_str().unwrap().as_bytes();
            assert!(!bytes.windows(place.len()).any(|w| w == place));
        }
    }

    #[test]
    fn the_configuration_targets_exactly_the_modules() {
        let dir = saved(&adapter(None));
        let config: Value =
            serde_json::from_slice(&fs::read(dir.path().join(CONFIG)).unwrap()).unwrap();
        let layers = testing::vit_layers();
        let chosen = select(&layers, config["target_modules"].as_str().unwrap()).unwrap();
        let names: Vec<_> = chosen.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(
            names,
            ["patch_embed.proj", "blocks.0.attn.qkv", "blocks.1.attn.qkv"]
        );
        assert_eq!(config["lora_alpha"], json!(6));
        assert_eq!(config["task_type"], Value::Null);
    }

    #[test]
    fn damage_is_told_by_file() {
        let dir = saved(&adapter(None));
        let (config, weights) = (dir.path().join(CONFIG), dir.path().join(WEIGHTS));
        let bytes = fs::read(&weights).unwrap();
        let refused = |part: &str| {
            let text = load(dir.path(), &Device::Cpu).unwrap_err().to_string();
            assert!(text.contains(part), "{text}");
        };
        fs::write(&weights, &bytes[..bytes.len() - 1]).unwrap();
        refused(WEIGHTS);
        fs::write(&weights, b"").unwrap();
        refused("cut short");
        fs::remove_file(&weights).unwrap();
        refused("has no adapter_model.safetensors");
        fs::write(&weights, &bytes).unwrap();
        let text = fs::read_to_string(&config).unwrap();
        for (from, to, part) in [
            ("\"LORA\"", "\"IA3\"", "peft_type"),
            ("\"r\": 3", "\"r\": 0", "r = 0"),
            ("\"use_dora\": false", "\"use_dora\": true", "use_dora"),
            ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias"),
            ("0.1", "1.0", "lora_dropout"),
            ("{", "[", CONFIG),
        ] {
            fs::write(&config, text.replacen(from, to, 1)).unwrap();
            refused(part);
        }
        fs::remove_file(&config).unwrap();
        refused("has no adapter_config.json");
    }

    #[test]
    fn tensors_must_come_in_pairs_of_a_and_b() {
        let dir = saved(&adapter(None));
        let path = dir.path().join(WEIGHTS);
        let all = from_safetensors(&fs::read(&path).unwrap(), &Device::Cpu, "x").unwrap();
        let without = |part: &str| {
            let mut left = all.clone();
            left.retain(|n, _| !n.contains(part));
            fs::write(&path, to_safetensors(&left).unwrap()).unwrap();
            load(dir.path(), &Device::Cpu).unwrap_err().to_string()
        };
        assert!(without("0.attn.qkv.lora_B").contains("no lora_B"));
        assert!(without("0.attn.qkv.lora_A").contains("not part of a plain LoRA"));
        assert!(without("lora").contains("no tensors"));
    }
}
