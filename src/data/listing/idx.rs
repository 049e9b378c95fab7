//! MNIST's format: big-endian, two zero bytes, the type of the samples, the number of dimensions, their sizes.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Held, Listing, Request, Split, names};
use crate::{Error, Result};

/// Unsigned bytes, the only type that pictures and labels have.
const U8: u8 = 8;
/// Samples of a packed file: EMNIST, the largest of these sets, has 550 million.
const MOST_SAMPLES: u64 = 1 << 32;
/// Where torchvision puts the files, below the folder that a user names.
const PLACES: [&str; 7] = [
    "",
    "raw",
    "MNIST/raw",
    "FashionMNIST/raw",
    "KMNIST/raw",
    "EMNIST/raw",
    "QMNIST/raw",
];

pub(super) fn list(request: &Request) -> Result<Listing> {
    let root = &request.folder;
    let places: Vec<PathBuf> = PLACES
        .iter()
        .map(|place| root.join(place))
        .filter(|place| find(place, &["train"], "images-idx3").is_ok_and(|f| f.is_some()))
        .collect();
    let [folder] = places.as_slice() else {
        let found = places.len();
        return Err(Error::input(format!(
            "{} holds train-images-idx3-ubyte (perhaps with .gz) in {found} places: name the folder with the four \
             files of one data set",
            root.display()
        )));
    };
    let test = split(folder, &["t10k", "test"])?;
    let train = split(folder, &["train"])?;
    let classes = [&train, &test]
        .iter()
        .flat_map(|split| split.labels.iter().copied())
        .max()
        .map_or(0, |most| most + 1);
    Ok(Listing {
        classes: (0..classes).map(|class| class.to_string()).collect(),
        train: request.train.then_some(train),
        test,
    })
}

fn split(folder: &Path, prefixes: &[&str]) -> Result<Split> {
    let file = |what: &str| {
        find(folder, prefixes, what)?.ok_or_else(|| {
            Error::input(format!(
                "{} has no {}-{what}-ubyte beside its other files",
                folder.display(),
                prefixes[0]
            ))
        })
    };
    let (images, labels) = (file("images-idx3")?, file("labels-idx1")?);
    let (sizes, pixels) = read(&images)?;
    let (count, samples) = read(&labels)?;
    let ([n, height, width], [m]) = (sizes.as_slice(), count.as_slice()) else {
        return Err(Error::input(format!(
            "{} has {} dimensions and {} has {}: pictures have 3, labels 1",
            images.display(),
            sizes.len(),
            labels.display(),
            count.len()
        )));
    };
    if n != m || *height == 0 || *width == 0 {
        return Err(Error::input(format!(
            "{} holds {n} pictures of {height}×{width} but {} holds {m} labels",
            images.display(),
            labels.display()
        )));
    }
    Ok(Split {
        held: Held::Raw {
            size: [1, *height, *width],
            pixels,
        },
        labels: samples.into_iter().map(u32::from).collect(),
    })
}

/// The file of a split: `train-images-idx3-ubyte`, with a dot for the second `-`, with something before it
/// (EMNIST), or packed.
fn find(folder: &Path, prefixes: &[&str], what: &str) -> Result<Option<PathBuf>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let wanted = |name: &str| {
        let name = name
            .strip_suffix(".gz")
            .unwrap_or(name)
            .replace(".idx", "-idx");
        prefixes.iter().any(|prefix| {
            let end = format!("{prefix}-{what}-ubyte");
            name.strip_suffix(&end)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
        })
    };
    let mut found = names(folder)?;
    found.retain(|name| wanted(name));
    // A file and its packed self are one; the unpacked one comes first.
    found.dedup_by(|later, earlier| later.strip_suffix(".gz") == Some(earlier));
    if found.len() > 1 {
        return Err(Error::input(format!(
            "{} holds several data sets ({}): give each a folder",
            folder.display(),
            found.join(", ")
        )));
    }
    Ok(found.first().map(|name| folder.join(name)))
}

/// Unpacks a file, and not more of it than its header announces: a few bytes may unpack to all of the memory.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut decoder = flate2::read::MultiGzDecoder::new(packed);
    let mut plain = Vec::new();
    // The longest header has 255 sizes.
    decoder
        .by_ref()
        .take(4 + 4 * 255)
        .read_to_end(&mut plain)
        .map_err(failed)?;
    let dimensions = plain.get(3).map_or(0, |n| usize::from(*n));
    let sizes = plain.get(4..4 + 4 * dimensions).unwrap_or_default();
    let samples = sizes
        .chunks_exact(4)
        .map(|b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
        .try_fold(1_u64, |n, size| n.checked_mul(size))
        .filter(|&n| n <= MOST_SAMPLES)
        .ok_or_else(|| format!("it announces more than {MOST_SAMPLES} samples"))?;
    // One more tells that there are too many.
    decoder
        .take(samples + 1)
        .read_to_end(&mut plain)
        .map_err(failed)?;
    Ok(plain)
}

/// Sizes and samples of a file.
fn read(path: &Path) -> Result<(Vec<usize>, Vec<u8>)> {
    let damaged = |why: &str| Error::input(format!("{} is no IDX file: {why}", path.display()));
    let mut bytes = crate::files::read(path)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        bytes = unpack(&bytes).map_err(|why| damaged(&why))?;
    }
    let &[0, 0, kind, dimensions, ..] = bytes.as_slice() else {
        return Err(damaged("it does not begin with two zero bytes"));
    };
    if kind != U8 {
        return Err(damaged("its samples are no unsigned bytes"));
    }
    let start = 4 + 4 * usize::from(dimensions);
    let header = bytes
        .get(4..start)
        .ok_or_else(|| damaged("it ends within its header"))?;
    let sizes: Vec<usize> = header
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    let samples = sizes
        .iter()
        .try_fold(1_usize, |n, &size| n.checked_mul(size));
    if samples != Some(bytes.len() - start) {
        let held = bytes.len() - start;
        return Err(damaged(&format!(
            "it announces {sizes:?} samples and holds {held}"
        )));
    }
    Ok((sizes, bytes.split_off(start)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::data::testing::{class_names, colours, dataset, refusal, write};

    fn idx(sizes: &[u32], samples: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|s| s.to_be_bytes()));
        bytes.extend_from_slice(samples);
        bytes
    }

    #[test]
    fn the_four_files_are_read_packed_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join("MNIST/raw").join(name);
        write(
            at("train-images-idx3-ubyte"),
            &idx(&[3, 1, 2], &[1, 2, 3, 4, 5, 6]),
        );
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&idx(&[3], &[1, 0, 2])).unwrap();
        write(at("train-labels-idx1-ubyte.gz"), &packer.finish().unwrap());
        write(
            at("t10k-images.idx3-ubyte"),
            &idx(&[3, 1, 2], &[7, 8, 9, 8, 5, 5]),
        );
        write(at("t10k-labels.idx1-ubyte"), &idx(&[3], &[0, 1, 2]));
        let data = dataset("idx", dir.path(), &[]);
        assert_eq!(class_names(&data), ["0", "1", "2"]);
        assert_eq!(
            (data.train.size(), &data.train.labels[..]),
            (Some([1, 1, 2]), &[1, 0, 2][..])
        );
        assert_eq!(
            (data.train.image(1), colours(&data.test)),
            (vec![3, 4], vec![7, 9, 5])
        );
        for (bytes, want) in [
            (
                idx(&[2, 1, 2], &[1, 2, 3]),
                "announces [2, 1, 2] samples and holds 3",
            ),
            (idx(&[2, 1, 2], &[1; 4]), "holds 2 pictures of 1×2 but"),
            (idx(&[4], &[1; 4]), "has 1 dimensions"),
            (b"PK\x03\x04....".to_vec(), "two zero bytes"),
            (vec![0, 0, 13, 1, 0, 0, 0, 0], "no unsigned bytes"),
            (vec![0, 0, 8, 9, 1], "ends within its header"),
            (vec![0x1f, 0x8b, 8, 0, 0], "is no IDX file"),
        ] {
            write(at("train-images-idx3-ubyte"), &bytes);
            let text = refusal("idx", dir.path(), &[]);
            assert!(text.contains(want), "{text}");
        }
        std::fs::remove_file(at("train-images-idx3-ubyte")).unwrap();
        assert!(refusal("idx", dir.path(), &[]).contains("in 0 places"));
    }
}
