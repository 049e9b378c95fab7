//! Pictures as files have them, decoded when they are asked for, and what is kept of them.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::common::CropFile;
use super::decode::decode;
use super::raster::Raster;
use super::transform::Frame;
use crate::{Error, Result, files};

/// Where encoded pictures are read from.
pub(super) trait Pictures: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// The bytes of one, or why they cannot be read.
    fn bytes(&self, i: usize) -> Result<Bytes, String>;

    /// What a user finds it by: a path, or a file and a row.
    fn name(&self, i: usize) -> String;

    /// What changes when the pictures do, without reading them: where they lie, their sizes and times. `None` where that
    /// cannot be told.
    fn stamp(&self) -> Option<String>;
}

/// A hash of where files lie, of their sizes and times of change, for [`Pictures::stamp`].
pub(super) fn stamp<'a>(files: impl Iterator<Item = &'a Path>) -> Option<String> {
    let mut hash = Sha256::new();
    for path in files {
        let metadata = path.metadata().ok()?;
        let path = std::path::absolute(path).ok()?;
        hash.update(path.as_os_str().as_bytes());
        for number in [
            metadata.len(),
            metadata.mtime() as u64,
            metadata.mtime_nsec() as u64,
        ] {
            hash.update(number.to_le_bytes());
        }
    }
    Some(files::hex(&hash.finalize()))
}

/// Pictures that were all decoded once.
pub(super) struct Encoded {
    source: Box<dyn Pictures>,
    /// SHA-256 of the bytes of each.
    pub digests: Vec<[u8; 32]>,
    /// What evaluation made of them.
    pub crops: Crops,
    /// Threads that decode.
    pub workers: usize,
}

impl Encoded {
    pub fn new(
        source: Box<dyn Pictures>,
        digests: Vec<[u8; 32]>,
        budget: &Arc<Budget>,
        workers: usize,
    ) -> Self {
        Self {
            crops: Crops {
                common: OnceLock::new(),
                frame: OnceLock::new(),
                slots: (0..source.len()).map(|_| OnceLock::new()).collect(),
                budget: Arc::clone(budget),
            },
            source,
            digests,
            workers,
        }
    }

    /// Picture `i`. It could be decoded when it was opened, so a failure ends what it is needed for.
    pub fn raster(&self, i: usize) -> Result<Raster> {
        let raster = self.source.bytes(i).and_then(|bytes| decode(&bytes));
        raster.map_err(|why| {
            Error::input(format!(
                "{} could be read when the data was opened and no longer can: {why}; restore it, then resume",
                self.source.name(i)
            ))
        })
    }
}

impl Encoded {
    /// What picture `i` is found by.
    pub fn name(&self, i: usize) -> String {
        self.source.name(i)
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} encoded pictures", self.source.len())
    }
}

/// Memory that may still be filled, in bytes.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    /// Takes so much, if there is so much.
    pub fn take(&self, bytes: usize) -> bool {
        let rest = |left: usize| left.checked_sub(bytes);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, get, rest).is_ok()
    }

    pub fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ready crops of the pictures of a set, each made once as long as the budget lasts.
pub(super) struct Crops {
    /// What they are made for: the first that asked.
    frame: OnceLock<Frame>,
    slots: Vec<OnceLock<Vec<u8>>>,
    budget: Arc<Budget>,
    /// Those that were made for several runs.
    common: OnceLock<Box<CropFile>>,
}

impl Crops {
    /// Takes what a file has from there, from now on.
    pub fn take_from(&self, file: CropFile) {
        // What is there already is as good.
        let _ = self.common.set(Box::new(file));
    }

    /// Hands `take` the crop of picture `i`.
    pub fn with(
        &self,
        i: usize,
        frame: &Frame,
        make: impl FnOnce() -> Result<Raster>,
        take: impl FnOnce(&[u8]),
    ) -> Result<()> {
        if let Some(crop) = self.common.get().and_then(|file| file.read(i, frame)) {
            take(&crop);
            return Ok(());
        }
        let same = self.frame.get_or_init(|| frame.clone()) == frame;
        let slot = self.slots.get(i).filter(|_| same);
        if let Some(crop) = slot.and_then(OnceLock::get) {
            take(crop);
            return Ok(());
        }
        let crop = make()?.pixels;
        take(&crop);
        let bytes = crop.len();
        if let Some(slot) = slot.filter(|_| self.budget.take(bytes)) {
            // Another thread may have made it meanwhile.
            if slot.set(crop).is_err() {
                self.budget.give_back(bytes);
            }
        }
        Ok(())
    }
}

/// Files below a folder.
pub(super) struct Files(pub Vec<PathBuf>);

impl Pictures for Files {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self, i: usize) -> Result<Bytes, String> {
        let path = self.0.get(i).ok_or("there is no such file")?;
        std::fs::read(path)
            .map(Bytes::from)
            .map_err(|e| e.to_string())
    }

    fn name(&self, i: usize) -> String {
        self.0
            .get(i)
            .map(|p| p.display().to_string())
            .unwrap_or_default()
    }

    fn stamp(&self) -> Option<String> {
        stamp(self.0.iter().map(PathBuf::as_path))
    }
}
