//! What the forgetting screen is a function of: the classes' losses, their order, and where the user looks.

mod ancestry;
mod classes;
mod keys;
mod look;
mod lost;
mod order;

pub use ancestry::Ancestry;
pub use classes::{ClassAccuracy, Losses, are_glyphs, foundation, mean};
pub use look::{ForgettingLook, Grouping, Measure, Merge, Sort, Way};
pub use lost::{Answered, Gallery, Lost, LostImage, LostImages, LostRequest, SIDE};
pub use order::{Group, Order};
