//! PyTorch's files of weights, read as data: nothing in them is run, and what they announce is not believed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::pickle::{PthTensors, TensorInfo};
use zip::{CompressionMethod, ZipArchive};

use super::io::{Stored, is_counter, no_float};
use crate::{Error, Result, crash};

/// Keys that training scripts put the weights under.
const NESTED: [&str; 4] = ["state_dict", "model", "state_dict_ema", "model_state"];
/// Bytes of a pickle without its tensors, which lie beside it; a ViT-H's has 200,000.
const MOST_BYTES: u64 = 1 << 21;
/// Objects in a pickle may lie in one another as deep as it has bytes, and are taken apart by recursion.
const STACK: usize = 1 << 30;

/// The tensors of a file that `torch.save` wrote.
///
/// # Errors
/// [`Error::Input`] where it is none, or holds anything but tensors of floating-point numbers.
pub(super) fn read(path: &Path) -> Result<Stored> {
    let refuse = |why: String| {
        Error::input(format!(
            "the backbone's {} cannot be read as weights ({why}): store its state_dict by torch.save as PyTorch 1.6 \
             and later do, or as .safetensors",
            path.display()
        ))
    };
    check(path).map_err(&refuse)?;
    let reading = || {
        // A damaged file must not end the program, whatever it does to its reader.
        crash::contained(|| tensors(path, &refuse))
            .unwrap_or_else(|| Err(refuse("its reader failed".into())))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn_scoped(scope, reading);
        let thread = thread.map_err(Error::io("the thread that reads weights"))?;
        let failed = |_| Err(refuse("its reader failed".into()));
        thread.join().unwrap_or_else(failed)
    })
}

/// Refuses what is no archive of a pickle of a likely size. PyTorch packs nothing, so what is packed is a bomb.
fn check(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| e.to_string())?;
    for i in 0..archive.len() {
        let entry = archive.by_index(i).map_err(|e| e.to_string())?;
        if entry.compression() != CompressionMethod::Stored {
            return Err("its files are packed, as PyTorch's are not".into());
        }
        let pickled = entry.name_raw().ends_with(b"data.pkl");
        if pickled {
            let (mut bytes, size) = (Vec::new(), entry.size());
            let mut pickle = entry.take(MOST_BYTES + 1);
            pickle.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
            if bytes.len() as u64 > MOST_BYTES {
                return Err(format!("its pickle has {size} bytes beside the tensors"));
            }
            walk(&bytes)?;
        }
    }
    Ok(())
}

/// What pickles of weights name: tensors and what holds them, and the options of whoever trained them.
const NAMED: [&str; 6] = [
    "torch",
    "__torch__",
    "collections",
    "argparse",
    "numpy",
    "_codecs",
];

/// Goes through the instructions of a pickle, and refuses one that names anything else to be called, or announces more
/// than it has.
fn walk(mut rest: &[u8]) -> Result<(), String> {
    let cut = || "its pickle is cut off".to_owned();
    while let Some((&code, behind)) = rest.split_first() {
        let length = match code {
            b'.' => return Ok(()),
            b'c' => {
                let mut lines = behind.split(|&b| b == b'\n');
                let (module, name) = lines.next().zip(lines.next()).ok_or_else(cut)?;
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                if !NAMED.contains(&text(module).split('.').next().unwrap_or_default()) {
                    let (module, name) = (text(module), text(name));
                    return Err(format!(
                        "it calls {module}.{name}, and nothing in it is run"
                    ));
                }
                module.len() + name.len() + 2
            }
            // A text with its length, and a number with its.
            b'X' => {
                let bytes = behind.first_chunk().ok_or_else(cut)?;
                4 + u32::from_le_bytes(*bytes) as usize
            }
            0x8a => 1 + usize::from(*behind.first().ok_or_else(cut)?),
            0x80 | b'q' | b'h' | b'K' => 1,
            b'M' => 2,
            b'r' | b'j' | b'J' => 4,
            b'G' => 8,
            // Of others the reader says what it makes of them.
            _ => 0,
        };
        rest = behind.get(length..).ok_or_else(cut)?;
    }
    Err(cut())
}

fn tensors(path: &Path, refuse: &dyn Fn(String) -> Error) -> Result<Stored> {
    let size = path.metadata().map_err(Error::io(path))?.len();
    let mut last = "it holds no tensors".to_owned();
    for key in std::iter::once(None).chain(NESTED.map(Some)) {
        match PthTensors::new(path, key) {
            Ok(file) if !file.tensor_infos().is_empty() => {
                let mut stored = Stored::new();
                for (name, info) in file.tensor_infos() {
                    let plain = name.strip_prefix("module.").unwrap_or(name);
                    if is_counter(plain) {
                        continue;
                    }
                    if bytes(info).is_none_or(|bytes| bytes > size) {
                        let dims = info.layout.dims();
                        return Err(refuse(format!(
                            "{name} of {dims:?} is larger than the file"
                        )));
                    }
                    let tensor = file
                        .get(name)
                        .map_err(|e| refuse(e.to_string()))?
                        .ok_or_else(|| refuse(format!("{name} is empty")))?;
                    if !tensor.dtype().is_float() {
                        let file = path.display().to_string();
                        return Err(no_float(&file, plain, tensor.dtype().as_str()));
                    }
                    stored.push((plain.to_owned(), tensor));
                }
                return Ok(stored);
            }
            Ok(_) => {}
            // Of several tries, the plain one's complaint says most.
            Err(e) if key.is_none() => last = e.to_string(),
            Err(_) => {}
        }
    }
    Err(refuse(last))
}

/// Bytes of a tensor as it says; none where no number counts them.
fn bytes(info: &TensorInfo) -> Option<u64> {
    let start = u64::try_from(info.layout.start_offset()).ok()?;
    let mut dims = info.layout.dims().iter().map(|&n| u64::try_from(n).ok());
    let count = dims.try_fold(1_u64, |n, dim| n.checked_mul(dim?))?;
    count
        .checked_add(start)?
        .checked_mul(info.dtype.size_in_bytes() as u64)
}
