//! The terminal: a function of a run's view, of what the lab says it is doing, and of where the user looks.
//! Nothing here is true of a run that is not in its journal.

pub mod actions;
pub mod app;
mod curves;
mod effect;
mod environment;
mod event_loop;
pub mod field;
mod figures;
pub mod forgetting;
mod form;
mod keys;
pub mod look;
mod on_merge;
mod on_screen;
mod on_set_up;
pub mod open_run;
mod pen;
pub mod picker;
mod plot;
pub mod question;
mod sequence;
pub mod setup;
mod situation;
mod table;
mod terminal;
pub mod text;
pub mod theme;
pub mod typing;
mod values;
pub mod views;

pub use app::App;
pub use effect::Effect;
pub use event_loop::{Ending, run};
pub use setup::{Environment, Request};
pub use terminal::require as require_terminal;
pub use theme::Theme;
