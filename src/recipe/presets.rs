//! The presets in the binary, and how a name or a path becomes TOML text.

use std::path::Path;

use super::document::read_file;
use super::nearest::nearest;
use crate::{Error, Result};

/// A preset in the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// `demo`, …
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

macro_rules! preset {
    ($name:literal) => {
        Preset {
            name: $name,
            text: include_str!(concat!("../../presets/", $name, ".toml")),
        }
    };
}

const PRESETS: &[Preset] = &[
    preset!("demo"),
    preset!("demo-resnet"),
    preset!("demo-scripts"),
];
const PRETRAIN_PRESETS: &[Preset] = &[preset!("glyph-vit"), preset!("glyph-resnet")];

/// The experiments; `demo` is first.
pub fn presets() -> &'static [Preset] {
    PRESETS
}

/// The pretrainings that made the bundled backbones.
pub fn pretrain_presets() -> &'static [Preset] {
    PRETRAIN_PRESETS
}

/// The preset of this name, of either kind.
///
/// # Errors
/// [`Error::Input`] that lists all names.
pub fn preset(name: &str) -> Result<Preset> {
    let all = || PRESETS.iter().chain(PRETRAIN_PRESETS);
    all().find(|p| p.name == name).copied().ok_or_else(|| {
        let names: Vec<_> = all().map(|p| p.name).collect();
        Error::input(format!(
            "no preset is called {}{} (presets: {})",
            name.escape_debug(),
            meant(name, &names),
            names.join(", ")
        ))
    })
}

fn meant(name: &str, names: &[&str]) -> String {
    nearest(name, names.iter().copied())
        .map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// What kind of preset a command reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Experiment,
    Pretraining,
}

impl Kind {
    fn own(self) -> &'static [Preset] {
        match self {
            Self::Experiment => PRESETS,
            Self::Pretraining => PRETRAIN_PRESETS,
        }
    }
}

/// The text of the preset of this name, or else of the file at this path, and what to call it.
pub(super) fn find(kind: Kind, preset_or_path: &str) -> Result<(String, String)> {
    let named = |list: &'static [Preset]| list.iter().find(|p| p.name == preset_or_path);
    if let Some(preset) = named(kind.own()) {
        return Ok((preset.text.into(), format!("preset {}", preset.name)));
    }
    let path = Path::new(preset_or_path);
    if path.is_file() {
        return Ok((read_file(path)?, preset_or_path.into()));
    }
    let shown = preset_or_path.escape_debug();
    if path.is_dir() {
        return Err(Error::input(format!(
            "{shown} is a folder: give a preset's name or a TOML file"
        )));
    }
    let (other, hint) = match kind {
        Kind::Experiment => (PRETRAIN_PRESETS, "a pretraining: use `pentimento pretrain`"),
        Kind::Pretraining => (PRESETS, "an experiment: use `pentimento run`"),
    };
    if named(other).is_some() {
        return Err(Error::input(format!("{shown} is {hint}")));
    }
    let names: Vec<_> = kind.own().iter().map(|p| p.name).collect();
    let meant = meant(preset_or_path, &names);
    Err(Error::input(format!(
        "no preset and no file is called {shown}{meant} (presets: {})",
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{PretrainRecipe, Recipe, schema};

    #[test]
    fn every_preset_is_valid_and_named_after_its_file() {
        for preset in presets() {
            let recipe = Recipe::load(preset.name, &[]).unwrap();
            assert_eq!(recipe.name, preset.name);
            assert!(!recipe.description.is_empty());
            let text = recipe.to_toml().unwrap();
            assert_eq!(Recipe::from_toml(&text, "again", &[]).unwrap(), recipe);
        }
        for preset in pretrain_presets() {
            let recipe = PretrainRecipe::load(preset.name, &[]).unwrap();
            assert_eq!(recipe.name, preset.name);
            let text = recipe.to_toml().unwrap();
            assert_eq!(
                PretrainRecipe::from_toml(&text, "again", &[]).unwrap(),
                recipe
            );
        }
        let [demo, resnet] = ["demo", "demo-resnet"].map(|name| Recipe::load(name, &[]).unwrap());
        assert_eq!(
            (&demo.tasks, &demo.train, &demo.lora),
            (&resnet.tasks, &resnet.train, &resnet.lora)
        );
        assert_eq!((demo.lora.rank, demo.tasks.len()), (16, 5));
    }

    #[test]
    fn the_demo_documents_every_key() {
        let demo = presets()[0].text;
        let shown: String = demo
            .lines()
            .map(|line| {
                let hidden = line.strip_prefix("# ").filter(|rest| {
                    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                    rest.starts_with("= ")
                        && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                });
                format!("{}\n", hidden.unwrap_or(line))
            })
            .collect();
        let tree: toml::Table = shown.parse().unwrap();
        schema::check(schema::RECIPE, schema::RECIPE, "", &tree).unwrap();
        let mut keys = Vec::new();
        schema::collect(schema::RECIPE, "", &mut keys);
        for key in keys {
            let mut at = Some(&toml::Value::Table(tree.clone()));
            let owned = at.cloned();
            at = owned.as_ref();
            for part in key.split('.') {
                at = at.and_then(|v| match part.parse::<usize>() {
                    Ok(i) => v.get(i),
                    Err(_) => v.get(part),
                });
            }
            assert!(at.is_some(), "presets/demo.toml does not show `{key}`");
        }
    }

    #[test]
    fn pretrain_recipes_take_overrides_and_are_checked() {
        let load = |set: &str| PretrainRecipe::load("glyph-vit", &[set.to_string()]);
        let recipe = load("backbone.model_args.depth=2").unwrap();
        assert_eq!(recipe.backbone["model_args"]["depth"], 2);
        assert_eq!(load("train.epochs=1").unwrap().train.epochs, 1);
        for (set, want) in [
            ("train.steps=4", "unknown key `train.steps`"),
            (
                "train.label_smoothing=1",
                "`train.label_smoothing` must be at least 0 and below 1",
            ),
            ("train.epochs=0", "`train.epochs` must be 1 to"),
            ("lora.rank=4", "unknown key `lora`"),
        ] {
            let text = load(set).unwrap_err().to_string();
            assert!(text.contains(want), "{set}: {text}");
        }
    }

    #[test]
    fn loading_finds_presets_and_files_and_says_what_else_it_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        std::fs::write(&path, super::PRESETS[0].text).unwrap();
        assert_eq!(
            Recipe::load(path.to_str().unwrap(), &[]).unwrap().name,
            "demo"
        );
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        for (name, want) in [
            (path.to_str().unwrap(), "is not UTF-8 text"),
            (dir.path().to_str().unwrap(), "is a folder"),
            (
                "dmeo",
                "did you mean `demo`? (presets: demo, demo-resnet, demo-scripts)",
            ),
            (
                "nothing-like-it.toml",
                "no preset and no file is called nothing-like-it.toml",
            ),
            ("glyph-vit", "is a pretraining: use `pentimento pretrain`"),
        ] {
            let error = Recipe::load(name, &[]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(want), "{name}: {error}");
        }
        assert_eq!(preset("glyph-vit").unwrap(), PRETRAIN_PRESETS[0]);
        let error = preset("glyph-vti").unwrap_err().to_string();
        assert!(error.contains("did you mean `glyph-vit`? (presets: demo,"));
        let error = PretrainRecipe::load("demo", &[]).unwrap_err().to_string();
        assert!(
            error.contains("is an experiment: use `pentimento run`"),
            "{error}"
        );
    }
}
