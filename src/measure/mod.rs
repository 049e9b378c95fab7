//! Evaluation, the accuracy matrix, forgetting, and what was lost by class and by context.

mod across;
mod contextual;
mod counts;
mod effect;
mod matrix;
mod predict;
mod probe;
mod rank;
mod smoothing;
mod texts;
mod words;

pub use across::Spread;
pub use contextual::{Contextual, NOT_INDEPENDENT, context, contextual};
pub use counts::{Counts, changes, counts, counts_of, lost_to, wrong_answers};
pub use effect::{CONFIDENCE, Effect, Estimate, Turned, distribution, effects};
pub use matrix::{Average, Forgetting, Matrix, mean};
pub use predict::{answer, answers_from, predict, prototypes, similarity};
pub use probe::{Features, features, fit, joint_answers};
pub use rank::{average_ranks, spearman};
pub use smoothing::{MovingAverage, smoothed};
pub use texts::{TextSimilarity, embeddings, text_similarity};
pub use words::{WordSimilarity, class_synsets, word_similarity};
