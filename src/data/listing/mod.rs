//! What a folder on disk holds as a data set: class names, and for each split its pictures with their labels.

mod flowers;
mod folder;
mod hub;
mod idx;
mod mat;
mod parquet;
mod torchvision;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use hub::{bring, held};

use super::encoded::{Budget, Pictures};
use crate::recipe::{DataOptions, Layout};
use crate::{Error, Result};

/// A data set before anyone looked at its pictures.
pub(super) struct Listing {
    /// In label order.
    pub classes: Vec<String>,
    /// Absent if it was not asked for.
    pub train: Option<Split>,
    pub test: Split,
}

/// Pictures with a label each.
pub(super) struct Split {
    pub held: Held,
    pub labels: Vec<u32>,
}

/// Pictures as a source has them.
pub(super) enum Held {
    /// Channels, height, width, and `[n, h, w, c]`.
    Raw {
        size: [usize; 3],
        pixels: Vec<u8>,
    },
    Encoded(Box<dyn Pictures>),
}

/// What is to be listed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    layout: Layout,
    folder: PathBuf,
    /// Without groups, classes and caps, which are chosen afterwards.
    options: DataOptions,
    /// Whether training images are needed.
    train: bool,
}

impl Request {
    pub fn new(layout: Layout, folder: &Path, options: &DataOptions, train: bool) -> Self {
        Self {
            layout,
            folder: folder.to_path_buf(),
            options: Self::of_listing(options),
            train,
        }
    }

    /// Whether two tables that name one source list the same.
    pub fn same(one: &DataOptions, other: &DataOptions) -> bool {
        Self::of_listing(one) == Self::of_listing(other)
    }

    fn of_listing(options: &DataOptions) -> DataOptions {
        DataOptions {
            groups: None,
            classes: Vec::new(),
            per_class: None,
            ..options.clone()
        }
    }

    /// Names of the training splits, and of the test splits: as asked for, or else those of the candidates that
    /// `exists` says are there.
    fn splits(
        &self,
        defaults: [&[&str]; 2],
        exists: impl Fn(&str) -> bool,
    ) -> [Option<Vec<String>>; 2] {
        let asked = [&self.options.train_split, &self.options.test_split];
        [0, 1].map(|i| match asked[i] {
            Some(names) => Some(names.split('+').map(str::to_owned).collect()),
            None => {
                let found = defaults[i].iter().find(|name| exists(name))?;
                Some(vec![(*found).to_owned()])
            }
        })
    }
}

/// Lists a data set without decoding a picture. Encoded pictures that are read into memory are taken from
/// `budget`.
pub(super) fn list(request: &Request, budget: &Arc<Budget>) -> Result<Listing> {
    check_folder(&request.folder)?;
    match request.layout {
        Layout::Folder => folder::list(request, "test"),
        Layout::ImageNet => folder::list(request, "val"),
        Layout::Parquet => parquet::list(request, budget),
        Layout::Idx => idx::list(request),
        Layout::Cars => torchvision::cars(request),
        Layout::Flowers => torchvision::flowers(request),
        Layout::Aircraft => torchvision::aircraft(request),
        Layout::Cub => torchvision::cub(request),
    }
}

/// The group that all images of a class have in another column of labels, in the order of [`Listing::classes`]; empty for
/// a class without images.
///
/// # Errors
/// [`Error::Input`] where there is no such column, or a class has images of two groups.
pub(super) fn groups(request: &Request, column: &str) -> Result<Vec<String>> {
    match request.layout {
        Layout::Parquet => parquet::groups(request, column),
        _ => Err(Error::input(format!(
            "{} has no column {column}: parquet files alone have columns",
            request.folder.display()
        ))),
    }
}

/// Refuses a folder that is not there.
pub(super) fn check_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::input(format!(
        "{} is no folder: name the one that holds the data set",
        folder.display()
    )))
}

/// Names in a folder that do not begin with a dot, in byte order, links followed.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let name = entry.map_err(Error::io(folder))?.file_name();
        let name = name.into_string().map_err(|name| {
            Error::input(format!(
                "{} holds {name:?}, a name that is no UTF-8 text: rename it",
                folder.display()
            ))
        })?;
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn label(n: usize) -> Result<u32> {
    u32::try_from(n)
        .map_err(|_| Error::input(format!("{n} is no label: there are too many classes")))
}
