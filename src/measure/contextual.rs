//! Whether a merge cost the classes that its task touched more than the rest.

use serde::{Deserialize, Serialize};

/// Did the merge cost the classes that the task was about more than the rest? Drops are in accuracy of a
/// foundation class, before this merge minus after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contextual {
    /// Mean drop of the classes of each group, in order of first appearance.
    #[serde(with = "crate::float")]
    pub groups: Vec<(String, f64)>,
    /// Mean drop of the classes in context.
    #[serde(with = "crate::float")]
    pub in_context: f64,
    /// Mean drop of the others.
    #[serde(with = "crate::float")]
    pub rest: f64,
    /// P(difference at least as large) under permutation of classes, (k+1)/(n+1).
    #[serde(with = "crate::float")]
    pub p_one_sided: f64,
    /// Likewise for the absolute difference.
    #[serde(with = "crate::float")]
    pub p_two_sided: f64,
    /// Spearman's ρ between a class's drop and its similarity to the task.
    #[serde(with = "crate::float")]
    pub rho: f64,
    /// Two-sided p of ρ under permutation of classes.
    #[serde(with = "crate::float")]
    pub rho_p: f64,
}
