//! How large an update is.

use serde::{Deserialize, Serialize};

/// The size of a module's update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateNorm {
    /// timm's module name.
    pub module: String,
    /// ‖ΔW‖ / ‖W_0‖, Frobenius.
    #[serde(with = "crate::float")]
    pub relative: f64,
}
