//! Evaluation, the accuracy matrix, forgetting, and what was lost by class and by context.

mod contextual;
mod counts;
mod matrix;
mod predict;
mod rank;

pub use contextual::{Contextual, NOT_INDEPENDENT, context, contextual};
pub use counts::{Counts, changes, counts, wrong_answers};
pub use matrix::{Average, Forgetting, Matrix};
pub use predict::{predict, prototypes, similarity};
pub use rank::{average_ranks, spearman};
