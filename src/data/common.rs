//! What the runs of a sweep have in common of their data: which pictures can be read, and the crops of test images.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use super::encoded::{Encoded, Pictures};
use super::images::Images;
use super::inspect::{Verdict, inspect};
use super::transform::{Frame, Transform};
use crate::files;
use crate::progress::{Onlooker, Progress};
use crate::shared::Shared;
use crate::{Error, Result};

/// Pictures that are cropped between two looks at whether the work is to end.
const AT_A_TIME: usize = 256;

/// As [`inspect`], by one of the runs for all of them.
pub(super) fn verdicts(
    pictures: &dyn Pictures,
    threads: usize,
    what: &str,
    shared: Option<&Shared>,
    onlooker: &mut dyn Onlooker,
) -> Result<Vec<Verdict>> {
    let (Some(shared), Some(stamp)) = (shared, pictures.stamp()) else {
        return inspect(pictures, threads, what, onlooker);
    };
    let onlooker = RefCell::new(onlooker);
    let bytes = shared.once("pictures", &stamp, &|| onlooker.borrow().cancels(), || {
        let verdicts = inspect(pictures, threads, what, &mut **onlooker.borrow_mut())?;
        serde_json::to_vec(&verdicts).map_err(|e| Error::internal(e.to_string()))
    })?;
    let verdicts: Vec<Verdict> = serde_json::from_slice(&bytes)
        .map_err(|e| Error::internal(format!("what is shared of the pictures: {e}")))?;
    match verdicts.len() == pictures.len() {
        true => Ok(verdicts),
        false => Err(Error::internal("what is shared is of other pictures")),
    }
}

/// The ready crops of some pictures in a file, each with its number of channels before it.
#[derive(Debug)]
pub(super) struct CropFile {
    file: File,
    frame: Frame,
    /// Which pictures, ascending.
    picks: Vec<usize>,
}

impl CropFile {
    /// The crop of picture `pick` for `frame`, where the file has it.
    pub fn read(&self, pick: usize, frame: &Frame) -> Option<Vec<u8>> {
        let at = self.picks.binary_search(&pick).ok()?;
        if *frame != self.frame {
            return None;
        }
        let mut slot = vec![0; slot(frame)];
        let offset = at as u64 * slot.len() as u64;
        self.file.read_exact_at(&mut slot, offset).ok()?;
        let [_, height, width] = frame.size();
        let length = usize::from(slot[0]) * height * width;
        slot.remove(0);
        slot.truncate(length);
        Some(slot)
    }
}

/// Bytes of a crop in the file.
fn slot(frame: &Frame) -> usize {
    1 + frame.size().iter().product::<usize>()
}

/// Crops the pictures of `images` as `transform` does for evaluation, in one of the runs for all of them, and lets
/// `images` take them from there. Without room on the disk each run crops for itself.
pub(super) fn crops(
    images: &Images,
    transform: &Transform,
    shared: &Shared,
    what: &str,
    onlooker: &mut dyn Onlooker,
) -> Result<()> {
    let Some((encoded, picks)) = images.of_files() else {
        return Ok(());
    };
    let frame = transform.frame();
    let mut picks = picks.to_vec();
    picks.sort_unstable();
    picks.dedup();
    let digests: Vec<String> = picks
        .iter()
        .map(|&pick| files::hex(encoded.digests.get(pick).unwrap_or(&[0; 32])))
        .collect();
    let from = (format!("{frame:?}"), digests);
    let length = picks.len() as u64 * slot(frame) as u64;
    let onlooker = RefCell::new(onlooker);
    let file = shared.file(
        "crops",
        &from,
        length,
        &|| onlooker.borrow().cancels(),
        |out| {
            write(
                encoded,
                &picks,
                transform,
                out,
                what,
                &mut **onlooker.borrow_mut(),
            )
        },
    )?;
    if let Some(file) = file {
        encoded.crops.take_from(CropFile {
            file,
            frame: frame.clone(),
            picks,
        });
    }
    Ok(())
}

fn write(
    encoded: &Encoded,
    picks: &[usize],
    transform: &Transform,
    out: &mut dyn Write,
    what: &str,
    onlooker: &mut dyn Onlooker,
) -> Result<()> {
    let frame = transform.frame();
    let [_, height, width] = frame.size();
    for (i, part) in picks.chunks(AT_A_TIME).enumerate() {
        onlooker.tell(&Progress::images(what, i * AT_A_TIME, picks.len()));
        if onlooker.cancels() {
            return Err(Error::Cancelled);
        }
        let crops: Vec<Result<Vec<u8>>> = part
            .par_iter()
            .map(|&pick| {
                let crop = transform.cut(encoded.raster(pick)?)?.pixels;
                let channels = (crop.len() / (height * width).max(1)) as u8;
                let mut slot = vec![0; slot(frame)];
                slot[0] = channels;
                slot[1..=crop.len()].copy_from_slice(&crop);
                Ok(slot)
            })
            .collect();
        for crop in crops {
            out.write_all(&crop?).map_err(Error::io("shared crops"))?;
        }
    }
    Ok(())
}
