//! What of a recipe tells one series from another.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use super::gather::Run;
use crate::recipe::{Mode, Recipe};

/// Keys of a recipe with their values as text: those that decide what a run finds, without rank and seed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Settings(BTreeMap<String, String>);

/// Keys that change no figure, or that stand for a run and not for its series.
const ASIDE: [&str; 7] = [
    "seed",
    "lora.rank",
    "data.cache_mb",
    "data.workers",
    "measure.batch_size",
    "train.watch_every",
    "train.checkpoint_every",
];

/// Of a run. Alpha stands as a multiple of the rank; what is not used at full rank, or with a frozen backbone, is left
/// out; of paths only the last part stands.
pub fn settings(run: &Run) -> Settings {
    let lora = &run.recipe.lora;
    let text = |value: Value| match value {
        Value::String(text) => portable(&text),
        other => other.to_string(),
    };
    let keys = run.recipe.flat().into_iter();
    let mut keys: BTreeMap<String, String> = keys.map(|(key, value)| (key, text(value))).collect();
    keys.retain(|key, _| !ASIDE.contains(&key.as_str()) && !key.starts_with("slurm."));
    // None is as many as where nothing is said of loading.
    keys.retain(|key, value| (key.as_str(), value.as_str()) != ("data.bad_images", "0"));
    if lora.rank > 0 {
        let multiple = format!("{} x rank", lora.alpha() / lora.rank as f64);
        keys.insert("lora.alpha".into(), multiple);
    }
    keys.insert(
        "backbone.weights_sha256".into(),
        run.weights_sha256.chars().take(12).collect(),
    );
    let mut settings = Settings(keys);
    if lora.mode.is_full() {
        let kept = ["lora.mode", "lora.targets"];
        settings
            .0
            .retain(|key, _| !key.starts_with("lora.") || kept.contains(&key.as_str()));
    } else if lora.is_frozen() {
        settings = settings.without_adapters();
    }
    settings
}

impl Settings {
    /// Without the keys that a frozen backbone has no use for.
    pub fn without_adapters(&self) -> Self {
        let mut keys = self.0.clone();
        keys.retain(|key, _| !key.starts_with("lora.") || key == "lora.mode");
        Self(keys)
    }

    /// The keys in which some of these differ, in order of their names, the weights' hash last.
    pub fn differing(all: &[&Self]) -> Vec<String> {
        let keys: BTreeSet<&String> = all.iter().flat_map(|s| s.0.keys()).collect();
        let differ = |key: &&String| all.iter().any(|s| s.0.get(*key) != all[0].0.get(*key));
        let mut keys: Vec<String> = keys.into_iter().filter(differ).cloned().collect();
        keys.sort_by_key(|key| key == "backbone.weights_sha256");
        keys
    }

    /// A value; empty where there is none.
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// A key and its value as a part of a name: `lr 0.01`.
    pub fn part(&self, key: &str) -> Option<String> {
        let value = self.0.get(key)?;
        let key = match key.starts_with("task.") {
            true => key,
            false => key.rsplit('.').next().unwrap_or(key),
        };
        Some(format!("{key} {value}"))
    }
}

/// A text without the path on this machine that may be in it: `path:/a/b` is `path:b`.
fn portable(text: &str) -> String {
    match text.split_once(':') {
        Some((scheme, rest)) if scheme != "hub" && rest.contains('/') => {
            format!("{scheme}:{}", last_part(rest))
        }
        _ => text.to_owned(),
    }
}

fn last_part(path: &str) -> &str {
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(path)
}

/// Short name of a recipe's backbone: `glyph-vit` of `bundled:glyph-vit`, `resnet50.a1_in1k` of
/// `hub:timm/resnet50.a1_in1k`.
pub fn backbone_name(recipe: &Recipe) -> String {
    let source = &recipe.backbone.source;
    let name = source
        .split_once(':')
        .map_or(source.as_str(), |(_, name)| name);
    let name = last_part(name.split('@').next().unwrap_or(name));
    name.strip_suffix(".safetensors").unwrap_or(name).to_owned()
}

/// As a recipe has it.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Merge => "merge",
        Mode::Drop => "drop",
        Mode::Full => "full",
        Mode::FullReset => "full_reset",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn alpha_is_a_multiple_of_the_rank() {
        let of = |overrides: &[&str]| settings(&run("r", overrides));
        let plain = of(&["lora.rank=4"]);
        assert_eq!(plain, of(&["lora.rank=8", "lora.alpha=16", "seed=9"]));
        assert_eq!(plain.get("lora.alpha"), "2 x rank");
        let other = of(&["lora.rank=8", "lora.alpha=8"]);
        assert_eq!(Settings::differing(&[&plain, &other]), ["lora.alpha"]);
        assert_eq!(other.part("lora.alpha").as_deref(), Some("alpha 1 x rank"));
    }

    #[test]
    fn what_is_not_used_makes_no_difference() {
        let of = |overrides: &[&str]| settings(&run("r", overrides));
        let full = of(&["lora.mode=full", "lora.dropout=0.3", "lora.alpha=3"]);
        assert_eq!(full, of(&["lora.mode=full", "lora.rank=2"]));
        for same in [
            "train.watch_every=9",
            "slurm.partition=gpu",
            "data.workers=3",
        ] {
            assert_eq!(of(&[same]), of(&[]), "{same}");
        }
        assert_ne!(of(&["train.lr=0.01"]), of(&[]));
        let frozen = of(&["lora.rank=0", "lora.dropout=0.3"]);
        assert_eq!(frozen, of(&[]).without_adapters());
    }

    #[test]
    fn no_folder_of_this_machine_is_in_a_name() {
        let of = |source: &str| {
            let mut run = run("r", &[]);
            run.recipe.backbone.source = source.into();
            (
                backbone_name(&run.recipe),
                settings(&run).get("backbone.source").to_owned(),
            )
        };
        assert_eq!(of("bundled:glyph-vit").0, "glyph-vit");
        assert_eq!(of("hub:timm/resnet50.a1_in1k@main").0, "resnet50.a1_in1k");
        assert_eq!(of("path:/home/me/vit/"), ("vit".into(), "path:vit".into()));
        assert_eq!(of("file:/home/me/vit.safetensors").0, "vit");
    }
}
