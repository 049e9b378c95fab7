//! The lab: one thread that owns the model. Commands in, events out.
//!
//! [`Lab::run`] is the state machine; [`Desk`] is what it looks at between two batches of any work.

mod bench;
mod command;
mod desk;
mod device;
mod event;
mod machine;
mod material;
mod measuring;
mod memory;
mod merged;
mod pretraining;
mod preview;
mod previewing;
mod probing;
mod resume;
mod state;
mod training;

pub use bench::{About, Bench};
pub(crate) use bench::{PROTOTYPE_PER_CLASS, WATCH_LIMIT};
pub use command::{Amounts, Ask, Command};
pub use desk::{Desk, Pulse, Recorder, STANDING_STILL};
pub use device::{devices, open_device};
pub use event::{
    Agreement, Ancestor, BackboneSummary, Event, JOURNAL_VERSION, Level, PreviewedSet, ProbedSet,
    Probes, Record, TestSet, UpdateSize,
};
pub use machine::{Lab, Outcome};
pub use material::{fetch, fetch_config, open_backbone};
pub use memory::{Gpu, gpu};
pub use merged::{merged_backbone, write_backbone};
pub use pretraining::pretrain;
pub use preview::{Memory, Preview, Previews};
pub use resume::{OpenTraining, Standing, StoredRow};
pub use state::State;
