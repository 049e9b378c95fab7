//! MATLAB's file format, version 5, as far as annotations of pictures need it: numbers, text, cells, structs.
//!
//! "MAT-File Format", The MathWorks, chapter 1.

use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

const HEADER: usize = 128;
/// Bytes of a variable.
const MOST_BYTES: u64 = 1 << 28;
/// Arrays within arrays.
const DEEPEST: usize = 16;

/// Types of data elements.
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// Classes of arrays.
const CELL: u32 = 1;
const STRUCT: u32 = 2;
const CHAR: u32 = 4;

/// An array, its elements in column order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Array {
    Numbers(Vec<f64>),
    Text(String),
    Cells(Vec<Array>),
    /// Fields by name; each has the value of every element.
    Struct(Vec<(String, Vec<Array>)>),
}

impl Array {
    /// The number, where there is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Numbers(numbers) if numbers.len() == 1 => numbers.first().copied(),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A field of every element of a struct.
    pub fn field(&self, name: &str) -> Option<&[Self]> {
        match self {
            Self::Struct(fields) => fields
                .iter()
                .find(|(field, _)| field == name)
                .map(|(_, values)| values.as_slice()),
            _ => None,
        }
    }
}

/// The variable of this name in a file.
pub(super) fn variable(path: &Path, name: &str) -> Result<Array> {
    let damaged = |why: &str| Error::input(format!("{}: {why}", path.display()));
    let bytes = crate::files::read(path)?;
    if bytes.get(126..HEADER) != Some(b"IM") {
        return Err(damaged(
            "this is no MATLAB file of version 5 from a little-endian machine",
        ));
    }
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    while !rest.is_empty() {
        let (kind, data) = element(&mut rest).ok_or_else(|| damaged("the file is cut off"))?;
        let unpacked = match kind {
            COMPRESSED => unpack(data).map_err(|e| damaged(&e.to_string()))?,
            _ => Vec::new(),
        };
        let (kind, data) = if kind == COMPRESSED {
            element(&mut unpacked.as_slice()).ok_or_else(|| damaged("a variable is cut off"))?
        } else {
            (kind, data)
        };
        if kind != MATRIX {
            continue;
        }
        match matrix(data, 0) {
            Some((found, array)) if found == name => return Ok(array),
            Some(_) => {}
            None => {
                return Err(damaged(
                    "a variable is damaged, or of a kind that is not read",
                ));
            }
        }
    }
    Err(damaged(&format!("there is no variable {name:?}")))
}

fn unpack(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let decoder = flate2::read::ZlibDecoder::new(data);
    decoder.take(MOST_BYTES + 1).read_to_end(&mut plain)?;
    if plain.len() as u64 > MOST_BYTES {
        let why = format!(
            "a variable unpacks to more than {MOST_BYTES} bytes, which no list of pictures has"
        );
        return Err(std::io::Error::other(why));
    }
    Ok(plain)
}

/// Takes one data element off: its type and its bytes.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let word = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.try_into().ok()?));
    let tag = word(rest.get(..4)?)?;
    if tag >> 16 != 0 {
        // A small element: size and type in one word, the data in the next.
        let data = rest.get(4..4 + (tag >> 16) as usize)?;
        *rest = rest.get(8..)?;
        return Some((tag & 0xffff, data));
    }
    let size = word(rest.get(4..8)?)? as usize;
    let end = 8_usize.checked_add(size)?;
    let data = rest.get(8..end)?;
    // To the next multiple of eight, which the last element of a file may lack.
    let padded = if tag == COMPRESSED {
        end
    } else {
        end.next_multiple_of(8)
    };
    *rest = rest.get(padded..).unwrap_or_default();
    Some((tag, data))
}

/// An array with its name.
fn matrix(data: &[u8], depth: usize) -> Option<(String, Array)> {
    if depth > DEEPEST {
        return None;
    }
    if data.is_empty() {
        return Some((String::new(), Array::Numbers(Vec::new())));
    }
    let mut rest = data;
    let (_, flags) = element(&mut rest)?;
    let class = u32::from(*flags.first()?);
    let (kind, sizes) = element(&mut rest)?;
    let sizes = numbers(kind, sizes)?;
    // What claims to have more elements than bytes is damaged.
    let count = sizes.iter().product::<f64>();
    if !(0.0..=data.len() as f64).contains(&count) {
        return None;
    }
    let count = count as usize;
    let (_, name) = element(&mut rest)?;
    let name = String::from_utf8_lossy(name).into_owned();
    let inner = |rest: &mut &[u8]| -> Option<Array> {
        let (kind, data) = element(rest)?;
        (kind == MATRIX)
            .then(|| matrix(data, depth + 1))?
            .map(|(_, array)| array)
    };
    let array = match class {
        CELL => Array::Cells(
            (0..count)
                .map(|_| inner(&mut rest))
                .collect::<Option<_>>()?,
        ),
        STRUCT => {
            let (kind, length) = element(&mut rest)?;
            let length = *numbers(kind, length)?.first()? as usize;
            let (_, names) = element(&mut rest)?;
            let mut fields: Vec<(String, Vec<Array>)> = names
                .chunks_exact(length.max(1))
                .map(|name| {
                    let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
                    (
                        String::from_utf8_lossy(&name[..end]).into_owned(),
                        Vec::new(),
                    )
                })
                .collect();
            for _ in 0..count {
                for (_, values) in &mut fields {
                    values.push(inner(&mut rest)?);
                }
            }
            Array::Struct(fields)
        }
        CHAR => {
            let (kind, data) = element(&mut rest)?;
            Array::Text(text(kind, data)?)
        }
        6..=15 => {
            let (kind, data) = element(&mut rest)?;
            Array::Numbers(numbers(kind, data)?)
        }
        _ => return None,
    };
    Some((name, array))
}

fn numbers(kind: u32, data: &[u8]) -> Option<Vec<f64>> {
    macro_rules! read {
        ($type:ty) => {{
            let words = data.chunks_exact(size_of::<$type>());
            words
                .map(|b| Some(<$type>::from_le_bytes(b.try_into().ok()?) as f64))
                .collect()
        }};
    }
    match kind {
        1 => read!(i8),
        2 => read!(u8),
        3 => read!(i16),
        4 => read!(u16),
        5 => read!(i32),
        6 => read!(u32),
        7 => read!(f32),
        9 => read!(f64),
        12 => read!(i64),
        13 => read!(u64),
        _ => None,
    }
}

fn text(kind: u32, data: &[u8]) -> Option<String> {
    match kind {
        1 | 2 | 16 => Some(String::from_utf8_lossy(data).into_owned()),
        4 | 17 => {
            let units = data
                .chunks_exact(2)
                .map(|b| u16::from_le_bytes([b[0], b[1]]));
            Some(
                char::decode_utf16(units)
                    .map(|c| c.unwrap_or('\u{fffd}'))
                    .collect(),
            )
        }
        _ => None,
    }
}
