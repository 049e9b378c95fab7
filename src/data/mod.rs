//! Where images come from: sources, classes, splits, transforms, loading.

mod augment;
mod batches;
mod bundled;
mod raster;
mod select;
mod transform;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;
use crate::{Error, Result};

pub use batches::{Batch, Prefetch, TrainBatches, eval_batches};
pub use transform::{Transform, TransformSpec};

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name, as data has it; never printed raw to a terminal.
    pub name: String,
    /// Its group, empty if the data has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
}

/// Pictures of one size, with their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Channels, height, width.
    pub size: [usize; 3],
    /// `[n, h, w, c]`, 8 bits a sample.
    pub pixels: Vec<u8>,
    /// A class index for each image.
    pub labels: Vec<u32>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The samples of image `i`, `[h, w, c]`; empty when there is no such image.
    pub fn image(&self, i: usize) -> &[u8] {
        let n: usize = self.size.iter().product();
        self.pixels.get(i * n..(i + 1) * n).unwrap_or_default()
    }
}

/// A labelled set with its split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// `latin`, `parity`, …
    pub id: String,
    /// In label order.
    pub classes: Vec<Class>,
    /// What tasks learn from.
    pub train: Images,
    /// What accuracy is measured on; by designs that are absent from `train`.
    pub test: Images,
}

/// Opens `bundled:NAME`; decoded once per process.
///
/// # Errors
/// [`Error::Input`] for another scheme or an unknown name; [`Error::Internal`] if a bundled file is damaged.
pub fn open(source: &str) -> Result<Arc<Dataset>> {
    bundled::open(source)
}

/// Checks what a recipe says of data beyond its own text: that every source opens, and that the groups of
/// each task's context are the foundation's and leave a rest to compare with.
///
/// # Errors
/// [`Error::Input`], one sentence that names the key.
pub fn check(recipe: &Recipe) -> Result<()> {
    let foundation = open(&recipe.foundation.data)?;
    let mut groups: Vec<&str> = Vec::new();
    for class in &foundation.classes {
        if !class.group.is_empty() && !groups.contains(&class.group.as_str()) {
            groups.push(&class.group);
        }
    }
    for (i, task) in recipe.tasks.iter().enumerate() {
        open(&task.data)?;
        let context = &task.context;
        if let Some(group) = context.iter().find(|g| !groups.contains(&g.as_str())) {
            return Err(Error::input(format!(
                "`task.{i}.context` names the group {group:?}, which {} does not have: its groups are {}",
                foundation.id,
                groups.join(", ")
            )));
        }
        let inside = |class: &&Class| context.contains(&class.group);
        if !context.is_empty() && foundation.classes.iter().all(|c| inside(&c)) {
            return Err(Error::input(format!(
                "`task.{i}.context` holds every class of {}: leave a group out to compare with",
                foundation.id
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_must_be_groups_of_the_foundation_and_leave_a_rest() {
        let with = |context: &str| {
            let overrides = [format!("task.3.context={context}")];
            check(&Recipe::load("demo", &overrides).unwrap())
        };
        with(r#"["upper", "lower"]"#).unwrap();
        for (context, want) in [
            (
                "digit",
                "`task.3.context` names the group \"digit\", which latin does not have: its groups are digits, upper, lower",
            ),
            (
                r#"["upper", "lower", "digits"]"#,
                "`task.3.context` holds every class of latin",
            ),
        ] {
            let error = with(context).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(want), "{error}");
        }
    }

    #[test]
    fn every_preset_passes() {
        for preset in crate::recipe::presets() {
            check(&Recipe::load(preset.name, &[]).unwrap()).unwrap();
        }
    }
}
