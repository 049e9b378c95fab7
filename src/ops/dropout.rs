//! Dropout.

use crate::random::Key;

/// What element `i` is multiplied by.
pub(super) fn factor(key: Key, i: u64, p: f32) -> f32 {
    if key.unit(i) < p {
        0.0
    } else {
        1.0 / (1.0 - p)
    }
}
