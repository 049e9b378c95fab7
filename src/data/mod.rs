//! Where images come from: sources, classes, splits, transforms, loading.

use serde::{Deserialize, Serialize};

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name, as data has it; never printed raw to a terminal.
    pub name: String,
    /// Its group, empty if the data has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
}
