//! What several runs compute alike, computed once: files in a folder that they share, also between machines.
//!
//! A file is named by what it was made from, the program and the machine included, since only the same program on the
//! same kind of machine makes the same bits. The first run that needs one makes it, and the others wait for it: it is
//! locked meanwhile by the system, which gives the lock back whatever becomes of its holder. The folder is a help and no
//! more: where it cannot be written to, or a file in it is damaged, each run computes for itself.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Error, Result, files};

/// Between two looks at what another run makes.
const LOOK: Duration = Duration::from_millis(200);

/// A folder of things that are computed once.
#[derive(Clone, Debug)]
pub struct Shared {
    folder: PathBuf,
    /// The program and the machine, as far as bits depend on them.
    maker: String,
}

impl Shared {
    /// In `folder`, which is made when something is put there. `machine` says what of the machine decides bits.
    ///
    /// # Errors
    /// [`Error::Io`] where the program's own file cannot be read.
    pub fn new(folder: &Path, machine: &str) -> Result<Self> {
        let program = std::env::current_exe().map_err(Error::io("the program's own file"))?;
        let own = fs::read(&program).map_err(Error::io(&program))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            maker: format!("{}\n{machine}", files::sha256(&own)),
        })
    }

    /// The bytes that `make` makes, or made before, here or in another process. `kind` says what they are, in a word, and
    /// `from` what they are made from; `cancels` ends the waiting for another run.
    ///
    /// # Errors
    /// Those of `make`; [`Error::Cancelled`].
    pub fn once(
        &self,
        kind: &str,
        from: &impl Serialize,
        cancels: &dyn Fn() -> bool,
        make: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let path = self.path(kind, from)?;
        let Some(_lock) = self.lock(&path, &|| read_checked(&path).is_some(), cancels)? else {
            // Another run has made it by now; what is there was read whole.
            return match read_checked(&path) {
                Some(bytes) => Ok(bytes),
                None => make(),
            };
        };
        if let Some(bytes) = read_checked(&path) {
            return Ok(bytes);
        }
        let bytes = make()?;
        let mut whole = Sha256::digest(&bytes).to_vec();
        whole.extend(&bytes);
        // Whoever cannot share has it nevertheless.
        let _ = files::write_atomic(&path, &whole);
        Ok(bytes)
    }

    /// A file of `length` bytes that `make` writes, or wrote before; `None` where it cannot be kept here.
    ///
    /// # Errors
    /// Those of `make`, except where the file system refuses what it writes; [`Error::Cancelled`].
    pub fn file(
        &self,
        kind: &str,
        from: &impl Serialize,
        length: u64,
        cancels: &dyn Fn() -> bool,
        make: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<Option<File>> {
        let path = self.path(kind, from)?;
        let there = || {
            let file = File::open(&path).ok()?;
            (file.metadata().ok()?.len() == length).then_some(file)
        };
        let Some(_lock) = self.lock(&path, &|| there().is_some(), cancels)? else {
            return Ok(there());
        };
        if let Some(file) = there() {
            return Ok(Some(file));
        }
        if length > self.room() / 2 {
            return Ok(None);
        }
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let Ok(file) = File::create(&partial) else {
            return Ok(None);
        };
        let mut writer = std::io::BufWriter::new(file);
        let made = make(&mut writer).and_then(|()| {
            let whole = writer.flush().and_then(|()| writer.get_ref().sync_all());
            whole
                .and_then(|()| fs::rename(&partial, &path))
                .map_err(Error::io(&path))
        });
        match made {
            Ok(()) => Ok(there()),
            Err(error) => {
                let _ = fs::remove_file(&partial);
                match error {
                    Error::Io { .. } => Ok(None),
                    other => Err(other),
                }
            }
        }
    }

    /// Bytes that are free on the file system; as many as there can be where it does not tell.
    fn room(&self) -> u64 {
        nix::sys::statvfs::statvfs(&self.folder).map_or(u64::MAX, |s| {
            s.blocks_available().saturating_mul(s.fragment_size())
        })
    }

    fn path(&self, kind: &str, from: &impl Serialize) -> Result<PathBuf> {
        let from = serde_json::to_string(&(&self.maker, kind, from))
            .map_err(|e| Error::internal(format!("what is shared has no name: {e}")))?;
        let name = files::sha256(from.as_bytes());
        Ok(self.folder.join(format!("{kind}-{}", &name[..32])))
    }

    /// The right to make a file: a lock of the system on a file beside it. `None` as soon as it is made.
    fn lock(
        &self,
        path: &Path,
        made: &dyn Fn() -> bool,
        cancels: &dyn Fn() -> bool,
    ) -> Result<Option<Option<File>>> {
        if made() {
            return Ok(None);
        }
        let _ = fs::create_dir_all(&self.folder);
        let lock = path.with_extension("lock");
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock);
        let Ok(file) = opened else {
            return Ok(Some(None));
        };
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Some(file))),
                // A file system without locks: whoever comes at the same time makes it, too.
                Err(TryLockError::Error(_)) => return Ok(Some(None)),
                Err(TryLockError::WouldBlock) => {}
            }
            if made() {
                return Ok(None);
            }
            if cancels() {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// The bytes of a file whose first 32 are the SHA-256 of the others.
fn read_checked(path: &Path) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let mut sum = [0; 32];
    file.read_exact(&mut sum).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    (Sha256::digest(&bytes).as_slice() == sum).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn never() -> bool {
        false
    }

    #[test]
    fn what_is_shared_is_made_once_by_those_who_need_it_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::new(&dir.path().join("shared"), "cpu").unwrap();
        let made = AtomicUsize::new(0);
        let make = || {
            std::thread::sleep(Duration::from_millis(50));
            made.fetch_add(1, Ordering::SeqCst);
            Ok(vec![1, 2, 3])
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let bytes = shared.once("row", &("vit", 7), &never, make).unwrap();
                    assert_eq!(bytes, [1, 2, 3]);
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        // Something else, another machine, or another kind is made anew.
        shared.once("row", &("vit", 8), &never, make).unwrap();
        shared.once("other", &("vit", 7), &never, make).unwrap();
        let elsewhere = Shared::new(&dir.path().join("shared"), "gpu").unwrap();
        elsewhere.once("row", &("vit", 7), &never, make).unwrap();
        assert_eq!(made.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn what_is_damaged_or_failed_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::new(dir.path(), "").unwrap();
        let failed = shared.once("row", &1, &never, || Err(Error::input("no")));
        assert!(failed.is_err());
        shared.once("row", &1, &never, || Ok(vec![5])).unwrap();
        let path = shared.path("row", &1).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() = 6;
        fs::write(&path, bytes).unwrap();
        let again = shared.once("row", &1, &never, || Ok(vec![7])).unwrap();
        assert_eq!(again, [7]);
    }

    #[test]
    fn waiting_for_another_run_can_be_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::new(dir.path(), "").unwrap();
        let path = shared.path("row", &1).unwrap();
        let other = File::create(path.with_extension("lock")).unwrap();
        other.lock().unwrap();
        let waited = shared.once("row", &1, &|| true, || Ok(Vec::new()));
        assert!(matches!(waited, Err(Error::Cancelled)));
    }

    #[test]
    fn a_folder_that_takes_nothing_costs_nothing_but_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let shared = Shared::new(&file, "").unwrap();
        for _ in 0..2 {
            assert_eq!(shared.once("row", &1, &never, || Ok(vec![9])).unwrap(), [9]);
        }
        let kept = shared.file("crops", &1, 3, &never, |out| {
            out.write_all(&[1, 2, 3]).map_err(Error::io("it"))
        });
        assert!(kept.unwrap().is_none());
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let shared = Shared::new(dir.path(), "").unwrap();
        let make = |what: &'static [u8]| {
            shared.file("crops", &1, 3, &never, |out: &mut dyn Write| {
                out.write_all(what).map_err(Error::io("it"))
            })
        };
        assert!(make(b"ab").unwrap().is_none());
        let mut text = String::new();
        make(b"abc")
            .unwrap()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        make(b"xyz")
            .unwrap()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "abcabc");
        let failed = shared.file("crops", &2, 3, &never, |_| Err(Error::Cancelled));
        assert!(matches!(failed, Err(Error::Cancelled)));
        assert_eq!(files::partials(dir.path()).unwrap(), Vec::<PathBuf>::new());
    }
}
