//! A run is its journal: the lines, the fold over them, and where to go on.

mod branch;
pub mod doctor;
mod fold;
pub mod journal;
mod listing;
pub mod lock;
mod log;
mod manifest;
mod matrix;
mod sound;
mod standing;
#[cfg(test)]
pub(crate) mod testing;
pub mod view;

pub use branch::Trunk;
pub use journal::{Follower, Journal, Reading, Torn};
pub use listing::{Found, Listed, Standing as RunStanding, Twig, list, newest, tree};
pub use manifest::{CANDLE, Fingerprint, MANIFEST_VERSION, Machine, Manifest, Parent, target};
pub use standing::{standing, standing_of};
pub use view::RunView;
