//! Evaluation, the accuracy matrix, forgetting, and what was lost by class and by context.

mod contextual;
mod counts;

pub use contextual::Contextual;
pub use counts::Counts;
