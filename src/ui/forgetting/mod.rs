//! What the forgetting screen is a function of: the classes' losses, their order, and where the user looks.

mod ancestry;
mod classes;
mod keys;
mod look;
mod order;

pub use ancestry::Ancestry;
pub use classes::{ClassAccuracy, Losses, are_glyphs, foundation, mean};
pub use look::{ForgettingLook, Grouping, Measure, Merge, Sort, Way};
pub use order::{Group, Order};
