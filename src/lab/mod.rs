//! The lab: one thread that owns the model. Commands in, events out.

mod command;
mod event;
mod state;

pub use command::Command;
pub use event::{BackboneSummary, Event, JOURNAL_VERSION, Level, Record, TestSet};
pub use state::State;
