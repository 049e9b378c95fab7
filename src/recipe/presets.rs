//! The presets in the binary, and how a name or a path becomes TOML text.

use std::path::Path;
use std::sync::LazyLock;

use toml::{Table, Value};

use super::document::read_file;
use super::nearest::nearest;
use super::own;
use crate::{Error, Result};

/// A preset in the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// `demo`, …
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

impl Preset {
    /// Its one sentence, without looking at the rest of it.
    pub fn description(&self) -> String {
        own::described(self.text).unwrap_or_default()
    }
}

macro_rules! preset {
    ($name:literal) => {
        Preset {
            name: $name,
            text: include_str!(concat!("../../presets/", $name, ".toml")),
        }
    };
}

/// Files of presets/, each a preset.
const EXPERIMENTS: [Preset; 12] = [
    preset!("demo"),
    preset!("demo-resnet"),
    preset!("demo-scripts"),
    preset!("cifar10-quick"),
    preset!("paper-vit-short"),
    preset!("paper-vit-order2"),
    preset!("paper-vit-long"),
    preset!("paper-vit-long-80-20"),
    preset!("paper-resnet-short"),
    preset!("paper-resnet-order2"),
    preset!("paper-resnet-long"),
    preset!("paper-resnet-long-80-20"),
];

/// What is changed in each of the study's presets to make another: `paper-vit-short-drop`.
const VARIANTS: [(&str, &str, &str); 4] = [
    (
        "drop",
        "stored adapters instead of merges",
        include_str!("../../presets/variants/drop.toml"),
    ),
    (
        "full",
        "full rank",
        include_str!("../../presets/variants/full.toml"),
    ),
    (
        "full-reset",
        "full rank, from the pretrained weights each time",
        include_str!("../../presets/variants/full-reset.toml"),
    ),
    (
        "lwf",
        "with Learning without Forgetting",
        include_str!("../../presets/variants/lwf.toml"),
    ),
];

static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let mut all = EXPERIMENTS.to_vec();
    let study = EXPERIMENTS.iter().filter(|p| p.name.starts_with("paper-"));
    all.extend(study.flat_map(|base| {
        VARIANTS.map(|(variant, what, changes)| {
            let name = format!("{}-{variant}", base.name);
            let text = format!(
                "extends = {:?}\nname = {name:?}\ndescription = \"{}, {what}\"\n\n{changes}",
                base.name, base.name
            );
            // Made once, and kept to the end.
            Preset {
                name: name.leak(),
                text: text.leak(),
            }
        })
    }));
    all
});
const PRETRAIN_PRESETS: &[Preset] = &[preset!("glyph-vit"), preset!("glyph-resnet")];

/// The experiments; `demo` is first.
pub fn presets() -> &'static [Preset] {
    &PRESETS
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
    let all = || presets().iter().chain(PRETRAIN_PRESETS);
    all().find(|p| p.name == name).copied().ok_or_else(|| {
        let names: Vec<_> = all().map(|p| p.name).collect();
        Error::input(format!(
            "no preset is called {}{} (presets: {})",
            name.escape_debug(),
            meant(name, &names),
            listed(&names)
        ))
    })
}

/// The first names, and where the others are.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    let more = if names.len() > SHOWN {
        ", …: `pentimento presets` lists all"
    } else {
        ""
    };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

/// Presets that extend one another.
const DEEPEST: usize = 8;

/// What a preset that `extends` another says, with what it does not say from there. Tables are merged key by key; lists,
/// the sequence of tasks among them, are replaced; `train.steps` takes `train.epochs` away, and the reverse.
pub(super) fn inherit(tree: Table, origin: &str) -> Result<Table> {
    inherit_to(tree, origin, DEEPEST)
}

fn inherit_to(mut tree: Table, origin: &str, deep: usize) -> Result<Table> {
    let base = match tree.remove("extends") {
        None => return Ok(tree),
        Some(Value::String(base)) => base,
        Some(other) => {
            return Err(Error::input(format!(
                "{origin}: `extends` must be the name of a preset or a TOML file, not {other}"
            )));
        }
    };
    let Some(deep) = deep.checked_sub(1) else {
        return Err(Error::input(format!(
            "{origin}: `extends` goes round in circles, or through more than {DEEPEST} presets"
        )));
    };
    let (text, base_origin) = find(Kind::Experiment, &base).map_err(|e| match e {
        Error::Input(text) => Error::input(format!("{origin}: `extends`: {text}")),
        other => other,
    })?;
    let parsed: Table = text.parse().map_err(|e: toml::de::Error| {
        Error::input(format!("{base_origin}: this is not TOML: {}", e.message()))
    })?;
    let mut merged = inherit_to(parsed, &base_origin, deep)?;
    merge(&mut merged, tree);
    Ok(merged)
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        let other = match key.as_str() {
            "steps" => Some("epochs"),
            "epochs" => Some("steps"),
            _ => None,
        };
        if let Some(other) = other {
            base.remove(other);
        }
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => merge(inner, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
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
            Self::Experiment => presets(),
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
        Kind::Pretraining => (presets(), "an experiment: use `pentimento run`"),
    };
    if named(other).is_some() {
        return Err(Error::input(format!("{shown} is {hint}")));
    }
    let names: Vec<_> = kind.own().iter().map(|p| p.name).collect();
    let meant = meant(preset_or_path, &names);
    Err(Error::input(format!(
        "no preset and no file is called {shown}{meant} (presets: {})",
        listed(&names)
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
    fn the_studys_presets_are_the_protocols() {
        let load = |name: &str| Recipe::load(name, &[]).unwrap();
        let ids = |name: &str| {
            let tasks = load(name).tasks;
            let ids: Vec<String> = tasks.iter().map(|t| t.column().to_owned()).collect();
            ids.join(" ")
        };
        assert_eq!(ids("paper-vit-short"), "cars flowers aircraft birds");
        assert_eq!(ids("paper-resnet-order2"), "aircraft birds flowers cars");
        let twice = "cars flowers aircraft birds cars flowers aircraft birds";
        assert_eq!(ids("paper-resnet-long-80-20"), twice);
        let order2 = load("paper-vit-order2");
        let epochs = |i| order2.budget(i).steps(1);
        assert_eq!([0, 1, 2, 3].map(epochs), [40, 40, 60, 20]);
        let long = load("paper-vit-long-80-20-lwf");
        assert_eq!(
            (long.tasks[1].part, long.tasks[5].part),
            (Some([0.0, 0.8]), Some([0.8, 1.0]))
        );
        assert!(long.train.lwf.is_some() && long.train.epochs.is_some());
        let full = load("paper-resnet-short-full");
        assert!(full.lora.mode.is_full() && full.train.weight_decay == 0.0);
        assert_eq!(full.backbone.source, "hub:timm/resnet50.a1_in1k");
        assert_eq!(presets().len(), 12 + 8 * 4);
    }

    #[test]
    fn a_preset_of_ones_own_extends_another() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let mine = write(
            "mine.toml",
            "extends = \"demo\"\nname = \"mine\"\n[train]\nepochs = 2\n[lora]\nrank = 2\n",
        );
        let recipe = Recipe::load(&mine, &["lora.alpha=1".into()]).unwrap();
        let demo = Recipe::load("demo", &[]).unwrap();
        assert_eq!((recipe.tasks, recipe.backbone), (demo.tasks, demo.backbone));
        assert_eq!((recipe.lora.rank, recipe.lora.alpha), (2, Some(1.0)));
        assert_eq!((recipe.train.steps, recipe.lora.dropout), (None, 0.1));
        let round = write("round.toml", "");
        write(
            "round.toml",
            &format!("extends = {round:?}\nname = \"x\"\n"),
        );
        for (text, want) in [
            ("extends = \"dmeo\"", "did you mean `demo`?"),
            (
                "extends = 3",
                "must be the name of a preset or a TOML file, not 3",
            ),
            (
                format!("extends = {round:?}").as_str(),
                "goes round in circles",
            ),
        ] {
            let error = Recipe::from_toml(text, "mine.toml", &[]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(want), "{error}");
        }
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
        std::fs::write(&path, presets()[0].text).unwrap();
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
                "did you mean `demo`? (presets: demo, demo-resnet, demo-scripts, cifar10-quick, paper-vit-short,",
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
