//! Keys that say which images are taken and how they are read.

use serde::{Deserialize, Serialize};

use super::{GroupSource, TaskRecipe};
use crate::{Error, Result};

/// `[data]`: how images are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoadingRecipe {
    /// Images of a data set, both splits together, that may be unreadable: they are left out.
    pub bad_images: usize,
    /// Memory for encoded images and for the ready crops of test images, in MiB. Absent: half of what there is. Changes
    /// speed only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_mb: Option<usize>,
    /// Threads that decode; 0: one a core. Changes speed only.
    pub workers: usize,
}

impl LoadingRecipe {
    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which images of a source are taken: keys of `[foundation]` and of every `[[task]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct DataOptions {
    /// One of several data sets in a folder of parquet files; the level of aircraft's classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Splits that are learned from, joined by `+`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_split: Option<String>,
    /// Splits that accuracy is measured on, joined by `+`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_split: Option<String>,
    /// The column of images in parquet files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_column: Option<String>,
    /// The column of labels in parquet files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// What groups its classes are in: see [`super::GroupSource`]. Absent: those that the source has, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,
    /// The classes that are taken, in label order. Empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Images of a class in each split, at most, spread over the class's images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_class: Option<usize>,
}

impl DataOptions {
    /// Where the groups of the classes stand, if they are given.
    ///
    /// # Errors
    /// [`Error::Input`] where `groups` names none.
    pub fn group_source(&self) -> Result<Option<GroupSource>> {
        let parse = |text: &String| GroupSource::parse(text);
        let parsed = self.groups.as_ref().map(parse).transpose();
        parsed.map_err(|message| Error::input(format!("`groups` {message}")))
    }
}

/// `[foundation]`. Unknown keys are refused where TOML is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundationRecipe {
    /// Where its images are: see [`super::DataSource`].
    pub data: String,
    /// What it is called in matrices and files. Absent: the name in `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which of these images are taken.
    #[serde(flatten)]
    pub options: DataOptions,
}

impl FoundationRecipe {
    /// All of a source, called by the source's own name.
    pub fn of(data: impl Into<String>) -> Self {
        Self {
            data: data.into(),
            id: None,
            options: DataOptions::default(),
        }
    }

    /// What it is called in matrices and files; empty where its source is none.
    pub fn name(&self) -> String {
        let source = || super::DataSource::parse(&self.data).ok();
        let own = self.id.clone().or_else(|| Some(source()?.id()));
        own.unwrap_or_default()
    }
}

impl TaskRecipe {
    /// Whether it takes the same images as another one, whichever part of them each learns from.
    pub fn has_images_of(&self, other: &Self) -> bool {
        (&self.data, &self.options) == (&other.data, &other.options)
    }

    /// A task of all of a source, with a head of its own.
    pub fn of(id: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            head: None,
            data: data.into(),
            options: DataOptions::default(),
            part: None,
            context: Vec::new(),
            word: None,
        }
    }
}
