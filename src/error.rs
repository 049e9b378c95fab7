//! The library's error: whose mistake it was decides the process's exit code.

use std::io::ErrorKind;
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
    /// A training left the finite numbers, with what it was given.
    #[error("{0}")]
    Diverged(String),
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

    /// Whether the file system refuses what it may grant later: a full or read-only disk, a quota, a folder or a server
    /// that is gone for the time being.
    pub fn may_pass(&self) -> bool {
        /// What Linux and the BSDs call EIO; the standard library has no name for it.
        const INPUT_OUTPUT: i32 = 5;
        let Self::Io { source, .. } = self else {
            return false;
        };
        source.raw_os_error() == Some(INPUT_OUTPUT)
            || matches!(
                source.kind(),
                ErrorKind::StorageFull
                    | ErrorKind::QuotaExceeded
                    | ErrorKind::FileTooLarge
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::PermissionDenied
                    | ErrorKind::NotFound
                    | ErrorKind::NotADirectory
                    | ErrorKind::StaleNetworkFileHandle
                    | ErrorKind::TimedOut
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkDown
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::NotConnected
            )
    }

    /// The process's exit code: 2 for the user's mistake, 1 for ours.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_) | Self::Diverged(_) => 2,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(number: i32) -> Error {
        Error::io("file")(std::io::Error::from_raw_os_error(number))
    }

    /// By their numbers on Linux: ENOSPC, EDQUOT, EROFS, EIO, EACCES, ENOENT, EFBIG, ESTALE.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_disk_refuses_may_pass_and_other_errors_do_not() {
        for number in [28, 122, 30, 5, 13, 2, 27, 116] {
            assert!(refused(number).may_pass(), "{}", refused(number));
        }
        // EINVAL, EISDIR
        for number in [22, 21] {
            assert!(!refused(number).may_pass(), "{}", refused(number));
        }
        assert!(!Error::input("no space").may_pass() && !Error::Cancelled.may_pass());
    }
}
