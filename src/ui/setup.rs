//! What the set-up form is made of: its fields, what it knows of the world, what it asks for.

use std::path::PathBuf;

use crate::Result;
use crate::lab::Preview;
use crate::recipe::{Recipe, TaskRecipe};

pub use super::form::SetUp;

/// Something that depends on a recipe.
pub type Of<T> = Box<dyn Fn(&Recipe) -> T>;

/// What the form needs to know of the world.
pub struct Environment {
    /// The presets, as recipes; the first is chosen.
    pub presets: Vec<Recipe>,
    /// Figures of a recipe, none where its backbone is yet to be fetched, or why it is impossible.
    pub preview: Of<Result<Option<Preview>>>,
    /// The folder that a run of a recipe would get.
    pub folder: Of<PathBuf>,
    /// `auto`, `cpu`, `cuda:0`: what this program can train on.
    pub devices: Vec<String>,
}

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
}

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Which preset.
    Preset,
    /// Which backbone.
    Backbone,
    /// Rank of the adapters.
    Rank,
    /// Steps or epochs a task.
    Budget,
    /// Root of all randomness.
    Seed,
    /// Automatic or step by step.
    Advance,
    /// Where tensors live.
    Device,
    /// A task of the sequence, by its position.
    Task(usize),
    /// Where the run is written.
    Folder,
}

impl Field {
    /// What it decides, in one line.
    pub fn help(self) -> &'static str {
        match self {
            Self::Preset => "a prepared experiment; what you change below starts from it",
            Self::Backbone => "the pretrained network that learns and forgets",
            Self::Rank => {
                "size of each task's update BA; at 0 the backbone is frozen and only heads learn"
            }
            Self::Budget => "how long each task trains; Space counts in epochs or steps",
            Self::Seed => "root of all randomness: the same seed gives the same bits",
            Self::Advance => {
                "automatic trains and merges by itself; step by step waits for your keys"
            }
            Self::Device => "auto takes a GPU if this program and this machine have one",
            Self::Task(_) => {
                "Space leaves it out or takes it in, J and K move it, ←→ change its length"
            }
            Self::Folder => {
                "journal, adapters and exports go here; the run can be opened again from it"
            }
        }
    }
}

/// A task of the sequence, in or out.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskLine {
    /// The task.
    pub task: TaskRecipe,
    /// Whether the run has it.
    pub on: bool,
    /// Its steps or epochs.
    pub budget: usize,
}
