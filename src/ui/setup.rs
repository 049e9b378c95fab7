//! What the set-up form knows of the world, and what it asks for.

use std::path::PathBuf;

use crate::Result;
use crate::lab::Preview;
use crate::recipe::Recipe;

pub use super::field::{Field, Part};
pub use super::form::SetUp;
pub use super::sequence::{Sequence, TaskLine};

/// Something that depends on a recipe.
pub type Of<T> = Box<dyn Fn(&Recipe) -> T>;

/// What there is to choose from, looked for when it is asked.
pub type Choices = Box<dyn Fn() -> Vec<Choice>>;

/// Reads a recipe by what its user calls it.
pub type Opener = Box<dyn Fn(&str) -> Result<Recipe>>;

/// What the form needs to know of the world. What is listed is looked for when a list is opened.
pub struct Environment {
    /// What the form begins with.
    pub start: Recipe,
    /// What can be opened: presets, files that are presets, and runs, in this order.
    pub presets: Choices,
    /// A preset by its name, a TOML file, or the recipe of a run's folder.
    pub open: Opener,
    /// Backbones that are on this machine.
    pub backbones: Choices,
    /// Data sets in the program.
    pub data: Vec<String>,
    /// Figures of a recipe, none where its backbone is yet to be fetched, or why it is impossible.
    pub preview: Of<Result<Option<Preview>>>,
    /// The folder that a run of a recipe would get.
    pub folder: Of<PathBuf>,
    /// `auto`, `cpu`, `cuda:0`: what this program can train on.
    pub devices: Vec<String>,
}

/// Something to choose from a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is taken, as it would be typed.
    pub value: String,
    /// Where it comes from: `preset`, `run`, `cache`.
    pub group: &'static str,
    /// What there is to say of it.
    pub note: String,
}

/// The group of runs among what can be opened.
pub const RUN: &str = "run";

/// A run that the user asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What to run.
    pub recipe: Box<Recipe>,
    /// Where; `None` for a folder of its own under `runs/`.
    pub folder: Option<PathBuf>,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// Whether step and merge happen by themselves.
    pub automatic: bool,
    /// The run whose first rows it begins with, and the last of them.
    pub branch: Option<(PathBuf, usize)>,
}
