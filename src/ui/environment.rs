//! What the set-up form finds in this program and on this machine.

use std::path::{Path, PathBuf};

use super::figures::bytes;
use super::setup::{Choice, Environment, RUN};
use crate::backbone::Config;
use crate::folder::RunFolder;
use crate::recipe::{BUNDLED_BACKBONES, BUNDLED_DATA, Recipe, preset_files, presets};
use crate::run::{Manifest, newest};
use crate::{Result, data, files, hub, lab};

/// Runs that the list of what can be opened shows, the newest.
const RUNS: usize = 50;

impl Environment {
    /// The embedded presets, those in the folder that the program was started in, and the runs under `base`, where new
    /// ones go; and the checks that a run begins with.
    pub fn of_this_program(base: &Path) -> Result<Self> {
        let (base, below) = (base.to_path_buf(), base.to_path_buf());
        let mut devices = vec!["auto".to_owned(), "cpu".to_owned()];
        if cfg!(feature = "cuda") {
            devices.push("cuda:0".to_owned());
        }
        let previews = lab::Previews::default();
        Ok(Self {
            start: Recipe::load(presets()[0].name, &[])?,
            presets: Box::new(move || openable(Path::new("."), &below)),
            open: Box::new(open),
            backbones: Box::new(backbones),
            data: BUNDLED_DATA.map(|name| format!("bundled:{name}")).to_vec(),
            preview: Box::new(move |recipe| {
                recipe.validate()?;
                data::check(recipe)?;
                previews.of(recipe)
            }),
            folder: Box::new(move |recipe| {
                RunFolder::next_default(&base, &recipe.name, recipe.seed)
            }),
            devices,
        })
    }
}

/// What can be opened; nothing of it is read further than to its description.
fn openable(here: &Path, runs: &Path) -> Vec<Choice> {
    let own = presets().iter().map(|preset| Choice {
        value: preset.name.to_owned(),
        group: "preset",
        note: preset.description(),
    });
    let files = preset_files(here).into_iter().map(|(path, note)| Choice {
        value: path.display().to_string(),
        group: "file",
        note,
    });
    own.chain(files).chain(self::runs(runs)).collect()
}

/// The newest runs under a folder.
fn runs(folder: &Path) -> Vec<Choice> {
    newest(folder, RUNS)
        .iter()
        .map(|run| Choice {
            value: run.root().display().to_string(),
            group: RUN,
            note: "the settings of this run".into(),
        })
        .collect()
}

/// A run's settings where a folder is named, else a preset or a file.
fn open(what: &str) -> Result<Recipe> {
    let path = Path::new(what);
    if path.is_dir() {
        let folder = RunFolder::open(path)?;
        return Ok(Manifest::read(&folder.manifest_path())?.recipe);
    }
    Recipe::load(what, &[])
}

/// The program's backbones, and those in the hub's cache that are of a supported architecture and whole.
fn backbones() -> Vec<Choice> {
    let bundled = BUNDLED_BACKBONES.map(|name| Choice {
        value: format!("bundled:{name}"),
        group: "bundled",
        note: "in the program".into(),
    });
    let cached = hub::cached_models(&["config.json", "model.safetensors"]);
    let cached = cached.into_iter().filter_map(|(repo, folder)| {
        Config::from_json(&files::read(&folder.join("config.json")).ok()?).ok()?;
        Some(Choice {
            value: format!("hub:{repo}"),
            group: "cached",
            note: on_disk(&folder.join("model.safetensors")),
        })
    });
    bundled.into_iter().chain(cached).collect()
}

fn on_disk(weights: &PathBuf) -> String {
    let size = std::fs::metadata(weights).map_or(0, |m| m.len());
    format!("{} on this machine", bytes(size as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_opened_and_has_figures() {
        let environment = Environment::of_this_program(Path::new("runs")).unwrap();
        for preset in presets() {
            let recipe = (environment.open)(preset.name).unwrap();
            match (environment.preview)(&recipe) {
                Ok(preview) => {
                    let preview = preview.unwrap();
                    assert!(preview.memory.total() > 4 * preview.parameters);
                }
                // Data that its user brings.
                Err(e) => assert!(e.to_string().contains("is no folder"), "{e}"),
            }
        }
    }

    #[test]
    fn presets_files_and_runs_can_be_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.toml");
        std::fs::write(&file, "extends = 'demo'\nname = 'mine'\nseed = 5\n").unwrap();
        let run = dir.path().join("runs/demo-s7-1");
        std::fs::create_dir_all(dir.path().join("runs/no-run")).unwrap();
        let recipe = Recipe::load("demo", &["seed=7".into()]).unwrap();
        let weights = crate::run::Fingerprint {
            source: "bundled:glyph-vit".into(),
            sha256: String::new(),
        };
        let manifest = Manifest::new(recipe.clone(), String::new(), "cpu", weights, Vec::new());
        std::fs::create_dir_all(&run).unwrap();
        manifest.write(&run.join("manifest.json")).unwrap();
        std::fs::write(run.join("journal.jsonl"), "{}\n").unwrap();
        let all = openable(dir.path(), &dir.path().join("runs"));
        let of = |group: &str| -> Vec<&str> {
            let of = all.iter().filter(|c| c.group == group);
            of.map(|c| c.value.as_str()).collect()
        };
        assert_eq!(of("preset").len(), presets().len());
        assert_eq!(of("file"), [file.to_str().unwrap()]);
        assert_eq!(of(RUN), [run.to_str().unwrap()]);
        assert!(
            all.iter()
                .all(|c| c.group != "preset" || !c.note.is_empty())
        );
        assert_eq!(open(of(RUN)[0]).unwrap(), recipe);
        assert_eq!(open(of("file")[0]).unwrap().seed, 5);
        assert!(open("no-such-preset").is_err());
        assert!(open(dir.path().to_str().unwrap()).is_err());
    }
}
