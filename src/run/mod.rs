//! A run is its journal: the folder, the fold over it, and opening it again.

pub mod journal;
mod manifest;
mod matrix;
pub mod view;

pub use journal::{Journal, Reading, Torn};
pub use manifest::{Fingerprint, MANIFEST_VERSION, Machine, Manifest};
pub use view::RunView;
