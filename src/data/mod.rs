//! Where images come from: sources, classes, splits, transforms, loading.

mod augment;
mod batches;
mod bundled;
mod common;
mod crop;
mod decode;
mod encoded;
#[cfg(test)]
mod fixtures;
mod groups;
mod images;
mod inspect;
mod listing;
mod open;
mod pipeline;
mod raster;
mod select;
#[cfg(test)]
mod testing;
mod thumbnail;
mod transform;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::progress::Onlooker;
use crate::recipe::{
    DataOptions, DataSource, FoundationRecipe, GroupSource, LoadingRecipe, Recipe,
};
use crate::shared::Shared;
use crate::{Error, Result};

pub use batches::{Batch, TrainBatches, eval_batches};
pub use images::Images;
pub use pipeline::Prefetch;
pub use select::{few_of_each, spread};
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

/// A labelled set with its split.
#[derive(Clone, Debug)]
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

/// The data sets of a recipe.
#[derive(Debug)]
pub struct Opened {
    /// What the backbone was pretrained on; without training images unless a task has the same source.
    pub foundation: Arc<Dataset>,
    /// Data of each task, in the recipe's order.
    pub tasks: Vec<Arc<Dataset>>,
    /// A sentence for each source of which unreadable images are left out.
    pub warnings: Vec<String>,
}

/// Opens what a recipe names. Each picture of a source on disk is decoded once, so that those that can be used
/// are settled before anything is learned; that takes time, of which `onlooker` is told. Sources, and what is kept
/// in memory of them, are shared by the tasks that name them. One of the runs that have `shared` looks for all of them.
///
/// # Errors
/// [`Error::Input`] where a source is not there or not sound, a class has no image, or more images are
/// unreadable than the recipe allows; [`Error::Cancelled`] if the onlooker cancels.
pub fn open(
    recipe: &Recipe,
    shared: Option<&Shared>,
    onlooker: &mut dyn Onlooker,
) -> Result<Opened> {
    open::all(recipe, shared, onlooker)
}

/// Lists what a recipe names, without looking at any picture, so that damaged ones count, too; and of the hub only what
/// the cache of this machine has.
///
/// # Errors
/// As [`open`], and [`Error::Input`] where the cache has not all of it.
pub fn listed(recipe: &Recipe, onlooker: &mut dyn Onlooker) -> Result<Opened> {
    open::listed(recipe, onlooker)
}

impl Opened {
    /// Has one of the runs that have `shared` crop the test images for evaluation, and all of them take the crops from
    /// there.
    ///
    /// # Errors
    /// [`Error::Input`] where a file can no longer be read; [`Error::Cancelled`] if the onlooker cancels.
    pub fn share_crops(
        &self,
        transform: &Transform,
        shared: &Shared,
        onlooker: &mut dyn Onlooker,
    ) -> Result<()> {
        for dataset in std::iter::once(&self.foundation).chain(&self.tasks) {
            let what = format!("cropping the test images of {}", dataset.id);
            common::crops(&dataset.test, transform, shared, &what, onlooker)?;
        }
        Ok(())
    }
}

/// Opens the data of a pretraining, with its training images; also gives [`Opened::warnings`].
///
/// # Errors
/// As [`open`].
pub fn open_foundation(
    foundation: &FoundationRecipe,
    loading: &LoadingRecipe,
    onlooker: &mut dyn Onlooker,
) -> Result<(Arc<Dataset>, Vec<String>)> {
    open::foundation(foundation, loading, onlooker)
}

/// Opens the images of one source that accuracy is measured on, without its training images; also gives
/// [`Opened::warnings`].
///
/// # Errors
/// As [`open`].
pub fn open_test(
    data: &str,
    options: &DataOptions,
    loading: &LoadingRecipe,
    onlooker: &mut dyn Onlooker,
) -> Result<(Dataset, Vec<String>)> {
    open::test(data, options, loading, onlooker)
}

/// Opens the test images of a recipe's foundation for somebody who wants to look at some of them: without decoding each
/// of them first, so that an unreadable one is noticed when it is asked for, and of the hub only what the cache of this
/// machine has.
///
/// # Errors
/// As [`open`], and [`Error::Input`] where the cache has not all of it.
pub fn peek(
    foundation: &FoundationRecipe,
    loading: &LoadingRecipe,
    onlooker: &mut dyn Onlooker,
) -> Result<Dataset> {
    open::peek(foundation, loading, onlooker)
}

/// Brings the data that a recipe names on the hub into its cache, and gives the folders that hold it.
///
/// # Errors
/// [`Error::Input`] where something is not to be had; [`Error::Cancelled`] if the onlooker cancels.
pub fn fetch(recipe: &Recipe, onlooker: &mut dyn Onlooker) -> Result<Vec<PathBuf>> {
    open::fetch(recipe, onlooker)
}

/// Checks what a recipe says of data beyond its own text, without reading much: that folders are there, that
/// the classes of bundled data are known, that files of groups are sound, and that the groups of each task's context are
/// the foundation's and leave a rest to compare with, where its groups are known by now. [`open`] checks the rest.
///
/// # Errors
/// [`Error::Input`], one sentence that names the key.
pub fn check(recipe: &Recipe) -> Result<()> {
    let known = &recipe.foundation;
    let mut tables = vec![("foundation".to_owned(), &known.data, &known.options)];
    tables.extend(
        (0..)
            .zip(&recipe.tasks)
            .map(|(i, task)| (format!("task.{i}"), &task.data, &task.options)),
    );
    for (table, data, options) in tables {
        let source = DataSource::parse(data)
            .map_err(|message| Error::input(format!("`{table}.data` {message}")))?;
        if let DataSource::Local(_, folder) = &source {
            listing::check_folder(folder)
                .map_err(|e| Error::input(format!("`{table}.data`: {e}")))?;
        }
        if let Some(GroupSource::File(file)) = options.group_source()? {
            groups::read(&file).map_err(groups::at(&table))?;
        }
    }
    let foundation = DataSource::parse(&known.data).map_err(Error::input)?;
    let mut classes = match &foundation {
        DataSource::Bundled(name) => bundled::open(name)?.classes.clone(),
        // Other sources have no groups of their own.
        DataSource::Local(..) | DataSource::Hub(_) => Vec::new(),
    };
    match known.options.group_source()? {
        None => {}
        Some(groups) if matches!(foundation, DataSource::Bundled(_)) => {
            groups::assign(&mut classes, &groups, None).map_err(groups::at("foundation"))?;
        }
        // Which classes are in them is known when the data is open.
        Some(_) => return Ok(()),
    }
    check_contexts(recipe, &known.name(), &classes)
}

/// How many classes the foundation has, where that is known without reading it: in the binary, or chosen by name.
///
/// # Errors
/// [`Error::Input`] where the source is none.
pub fn known_classes(foundation: &FoundationRecipe) -> Result<Option<usize>> {
    let source = DataSource::parse(&foundation.data)
        .map_err(|message| Error::input(format!("`foundation.data` {message}")))?;
    let chosen = foundation.options.classes.len();
    Ok(match source {
        _ if chosen > 0 => Some(chosen),
        DataSource::Bundled(name) => Some(bundled::open(&name)?.classes.len()),
        DataSource::Local(..) | DataSource::Hub(_) => None,
    })
}

/// Checks each task's context against the foundation's classes, where there are groups.
fn check_contexts(recipe: &Recipe, foundation: &str, classes: &[Class]) -> Result<()> {
    let mut groups: Vec<&str> = Vec::new();
    for class in classes {
        if !class.group.is_empty() && !groups.contains(&class.group.as_str()) {
            groups.push(&class.group);
        }
    }
    for (i, task) in recipe.tasks.iter().enumerate() {
        let context = &task.context;
        if let Some(group) = context.iter().find(|g| !groups.contains(&g.as_str())) {
            let there = if groups.is_empty() {
                "its classes are in no groups".to_owned()
            } else {
                format!("its groups are {}", groups.join(", "))
            };
            return Err(Error::input(format!(
                "`task.{i}.context` names the group {group:?}, which {foundation} does not have: {there}"
            )));
        }
        let inside = |class: &&Class| context.contains(&class.group);
        if !context.is_empty() && classes.iter().all(|c| inside(&c)) {
            return Err(Error::input(format!(
                "`task.{i}.context` holds every class of {foundation}: leave a group out to compare with"
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
    fn a_context_may_be_of_groups_that_are_given() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("groups.csv");
        testing::write(file.clone(), b"class,group\nA,vowels\nE,vowels\nB,others\n");
        let pictures = dir.path().join("pictures");
        for class in ["A", "B", "E"] {
            testing::write(
                pictures.join("test").join(class).join("0.png"),
                &testing::png(1),
            );
        }
        let load = |source: &str, context: &str| {
            let overrides = [
                format!("foundation.data={source}"),
                format!("foundation.groups=file:{}", file.display()),
                format!("task.0.context={context}"),
                "task.1.context=[]".into(),
                "task.2.context=[]".into(),
            ];
            Recipe::load("demo", &overrides).unwrap()
        };
        let nobody = &mut crate::progress::Nobody;
        let folder = format!("folder:{}", pictures.display());
        // What is in the binary is known at once, what lies on disk when it is open.
        check(&load("bundled:latin", "vowels")).unwrap();
        check(&load(&folder, "digits")).unwrap();
        let opened = open(&load(&folder, "vowels"), None, nobody).unwrap();
        let groups: Vec<&str> = opened
            .foundation
            .classes
            .iter()
            .map(|c| c.group.as_str())
            .collect();
        assert_eq!(groups, ["vowels", "others", "vowels"]);
        for (source, context, want) in [
            (
                "bundled:latin",
                "digits",
                "\"digits\", which latin does not have: its groups are vowels, others",
            ),
            (
                &folder,
                "digits",
                "\"digits\", which pictures does not have: its groups are vowels, others",
            ),
            (
                &folder,
                r#"["others", "vowels"]"#,
                "`task.0.context` holds every class of pictures",
            ),
        ] {
            let error = open(&load(source, context), None, nobody).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(want), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        let error = check(&load(&folder, "vowels")).unwrap_err().to_string();
        assert!(
            error.starts_with("`foundation.groups`: ") && error.contains("cannot be read"),
            "{error}"
        );
        // The pictures can be looked at all the same.
        peek(
            &load(&folder, "vowels").foundation,
            &LoadingRecipe::default(),
            nobody,
        )
        .unwrap();
    }

    #[test]
    fn every_preset_passes_that_needs_no_folder() {
        for preset in crate::recipe::presets() {
            let recipe = Recipe::load(preset.name, &[]).unwrap();
            match check(&recipe) {
                Err(error) if preset.name == "cifar10-quick" => {
                    assert!(error.to_string().contains("data/cifar10 is no folder"));
                }
                checked => checked.unwrap(),
            }
        }
    }
}
