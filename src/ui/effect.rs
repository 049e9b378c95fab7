//! What the program asks for, beyond its own state.

use std::path::PathBuf;
use std::sync::Arc;

use super::forgetting::LostRequest;
use super::setup::Request;
use crate::export::Choice;
use crate::lab::Command;
use crate::recipe::{BackboneRecipe, Recipe};

/// What the program has to do for its user.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Begin a run; answered by [`super::App::on_started`] or [`super::App::on_problem`].
    Start(Request),
    /// Put a lab to work on the run shown; answered by [`super::App::on_taken_up`] or [`super::App::on_problem`].
    TakeUp,
    /// Pass a command on to the lab.
    Send(Command),
    /// Read the runs in a folder; answered by [`super::App::on_runs`].
    ListRuns(PathBuf),
    /// Read a run to lie beside the one that is shown; answered by [`super::App::on_beside`].
    LayBeside(PathBuf),
    /// Read a run to be shown; answered by [`super::App::on_opened`] or [`super::App::on_problem`].
    Open(PathBuf),
    /// Write the export of the run shown into its folder; answered by [`super::App::on_exported`] or
    /// [`super::App::on_problem`].
    Export,
    /// Write what was chosen of the run shown into its folder's export; answered as [`Effect::Export`].
    ExportChosen(Choice),
    /// Put a text on the terminal's clipboard.
    Copy(String),
    /// Stop the lab, wait until it has ended, then leave.
    Quit,
    /// Give the terminal back and stand still until a shell lets the program go on; refused by
    /// [`super::App::on_problem`].
    Suspend,
    /// Leave without waiting any longer.
    Abandon,
    /// Give up what is being prepared; answered by [`super::App::on_problem`].
    Cancel,
    /// Write a preset; answered by [`super::App::on_saved`], [`super::App::on_taken`] or [`super::App::on_problem`].
    Save {
        /// Its file.
        path: PathBuf,
        /// What it says.
        recipe: Box<Recipe>,
        /// Whether a file that is there is replaced.
        replace: bool,
    },
    /// Search timm's models on the hub; answered by [`super::App::on_found`] or [`super::App::on_problem`].
    Search(String),
    /// Fetch a backbone's config; answered by [`super::App::on_described`] or [`super::App::on_problem`].
    Describe(Box<BackboneRecipe>),
    /// Read the images of a class that a merge lost; answered by [`super::App::on_lost`]. A later one takes its place.
    Lost(Arc<LostRequest>),
}
