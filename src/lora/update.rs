//! What the training of a task leaves.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;

use super::dense::DENSE_FILE;
use super::{Adapter, Dense, peft};
use crate::Result;

/// What a task's training changes in a backbone.
#[derive(Clone, Debug)]
pub enum Update {
    /// Low-rank updates.
    LowRank(Arc<Adapter>),
    /// Modules trained at full rank.
    Dense(Arc<Dense>),
}

impl Update {
    /// Writes it into a folder; gives the names of the files that decide what it does.
    pub fn save(&self, folder: &Path) -> Result<Vec<&'static str>> {
        match self {
            Self::LowRank(adapter) => {
                peft::save(folder, adapter, &peft::PeftMeta::default())?;
                Ok(peft::FILES.to_vec())
            }
            Self::Dense(dense) => {
                dense.save(folder)?;
                Ok(vec![DENSE_FILE])
            }
        }
    }

    /// Reads what [`Update::save`] wrote: the folder's files tell which it is.
    ///
    /// # Errors
    /// [`crate::Error::Input`] where a file is missing or damaged.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        if folder.join(DENSE_FILE).is_file() {
            return Ok(Self::Dense(Arc::new(Dense::load(folder, device)?)));
        }
        Ok(Self::LowRank(Arc::new(peft::load(folder, device)?)))
    }
}
