//! A run is its journal: the folder, the fold over it, and opening it again.

mod fold;
pub mod journal;
mod log;
mod manifest;
mod matrix;
#[cfg(test)]
pub(crate) mod testing;
pub mod view;

pub use journal::{Journal, Reading, Torn};
pub use manifest::{Fingerprint, MANIFEST_VERSION, Machine, Manifest};
pub use view::RunView;
