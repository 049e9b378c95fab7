//! A run is its journal: the folder, the fold over it, and opening it again.

mod folder;
pub mod journal;
mod manifest;
mod matrix;
pub mod view;

pub use folder::RunFolder;
pub use journal::{Journal, Reading, Torn};
pub use manifest::{Fingerprint, MANIFEST_VERSION, Machine, Manifest};
pub use view::RunView;
