//! What the set-up form finds in this program.

use std::path::Path;

use super::setup::Environment;
use crate::folder::RunFolder;
use crate::recipe::{Recipe, presets};
use crate::{Result, data, lab};

impl Environment {
    /// The embedded presets, and the checks that a run begins with; runs go to folders under `base`.
    pub fn of_this_program(base: &Path) -> Result<Self> {
        let presets = presets()
            .iter()
            .map(|preset| Recipe::load(preset.name, &[]))
            .collect::<Result<Vec<Recipe>>>()?;
        let base = base.to_path_buf();
        let mut devices = vec!["auto".to_owned(), "cpu".to_owned()];
        if cfg!(feature = "cuda") {
            devices.push("cuda:0".to_owned());
        }
        Ok(Self {
            presets,
            preview: Box::new(|recipe| {
                recipe.validate()?;
                data::check(recipe)?;
                lab::preview(recipe)
            }),
            folder: Box::new(move |recipe| {
                RunFolder::next_default(&base, &recipe.name, recipe.seed)
            }),
            devices,
        })
    }
}
