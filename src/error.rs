//! The library's error: whose mistake it was decides the process's exit code.

use std::path::{Path, PathBuf};

/// Shorthand used by every module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. The text of each is one sentence: what is wrong, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something the user gave is wrong: a preset, a file, an argument, a command at a wrong moment.
    #[error("{0}")]
    Input(String),
    /// The user asked to stop; not a failure.
    #[error("cancelled")]
    Cancelled,
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// candle refused: shapes, devices, memory.
    #[error("tensor computation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A condition of our own that does not hold: a defect of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// A mistake of the user's, from anything that prints.
    pub fn input(message: impl Into<String>) -> Self {
        Self::Input(message.into())
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal(message.into())
    }

    /// Attaches the path to an I/O error.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// The process's exit code: 2 for the user's mistake, 1 for ours.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) => 2,
            _ => 1,
        }
    }
}
