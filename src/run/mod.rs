//! A run is its journal: the folder, the fold over it, and opening it again.

pub mod view;

pub use view::RunView;
