//! Presets of one's own: TOML files that are written here and found again.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Recipe;
use super::document::read_file;
use crate::{Error, Result, files};

const HEAD: &str = "# Saved by pentimento. `pentimento presets demo` explains every key.\n\n";

impl Recipe {
    /// Writes the recipe as a preset that [`Recipe::load`] takes. False where a file is there that is not to be replaced;
    /// it is then left as it is.
    ///
    /// # Errors
    /// [`Error::Input`] where the recipe is impossible; [`Error::Io`] where the file cannot be written.
    pub fn save(&self, path: &Path, replace: bool) -> Result<bool> {
        self.validate()?;
        let text = format!("{HEAD}{}", self.to_toml()?);
        if !replace {
            // Claimed first, so that of two that write at once one is told.
            match File::create_new(path) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(false),
                Err(e) => return Err(Error::io(path)(e)),
            }
        }
        files::write_atomic(path, text.as_bytes()).map(|()| true)
    }
}

/// The description in a preset's text; none where the text is no experiment.
pub(super) fn described(text: &str) -> Option<String> {
    let tree: Table = text.parse().ok()?;
    let experiment = ["extends", "task"]
        .iter()
        .any(|key| tree.contains_key(*key));
    let text = |key: &str| tree.get(key).and_then(Value::as_str);
    (experiment && text("name").is_some()).then(|| text("description").unwrap_or("").to_owned())
}

/// TOML files of a folder that are experiments, by their look alone, each with its description; in order of their names.
pub fn preset_files(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(PathBuf, String)> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        // A pipe would be waited for.
        .filter(|path| path.is_file())
        .filter_map(|path| Some((path.clone(), described(&read_file(&path).ok()?)?)))
        .map(|(path, text)| {
            (
                path.strip_prefix(".").map_or(path.clone(), Into::into),
                text,
            )
        })
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::super::{presets, pretrain_presets};
    use super::*;

    #[test]
    fn a_saved_recipe_is_a_preset_and_replaces_nothing_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        let mut recipe = Recipe::load("demo", &["lora.rank=2".into()]).unwrap();
        recipe.name = "mine".into();
        assert!(recipe.save(&path, false).unwrap());
        let load = || Recipe::load(path.to_str().unwrap(), &[]).unwrap();
        assert_eq!(load(), recipe);
        recipe.seed = 4;
        assert!(!recipe.save(&path, false).unwrap());
        assert_eq!(load().seed, 0);
        assert!(recipe.save(&path, true).unwrap());
        assert_eq!(load().seed, 4);
        recipe.train.lr = 0.0;
        let refused = recipe.save(&path, true).unwrap_err().to_string();
        assert!(refused.contains("`train.lr` must be a positive number"));
        assert_eq!(preset_files(dir.path()).len(), 1);
        let nowhere = dir.path().join("no/such/folder.toml");
        assert!(load().save(&nowhere, false).is_err());
    }

    #[test]
    fn files_that_are_experiments_are_listed_with_what_they_say() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put(
            "b.toml",
            "extends = 'demo'\nname = 'b'\ndescription = 'mine'\n",
        );
        put("a.toml", presets()[0].text);
        put("Cargo.toml", "[package]\nname = 'x'\n");
        put("glyph-vit.toml", pretrain_presets()[0].text);
        put("broken.toml", "name = ");
        put("notes.txt", "extends = 'demo'\nname = 'b'\n");
        let files = preset_files(dir.path());
        let names: Vec<_> = files.iter().filter_map(|(p, _)| p.file_name()).collect();
        assert_eq!(names, ["a.toml", "b.toml"]);
        assert_eq!(files[1].1, "mine");
        assert_eq!(files[0].1, presets()[0].description());
        assert_eq!(preset_files(Path::new("no such folder")), []);
    }
}
