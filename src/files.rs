//! Files that are either whole or absent, and their hashes.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// A path as one word of the shell, for commands that are suggested: as it is, where that is one.
pub fn word(path: &Path) -> String {
    let text = path.display().to_string();
    // No path has a zero byte, which alone is no word.
    shlex::try_quote(&text).map_or(text.clone(), |word| word.into_owned())
}

/// Writes a file under a temporary name beside its own, syncs it, and renames it over `path`, making the
/// parent folders that are missing. A reader sees the old file or the new one, never a part.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    // Two that write the same file, of this process or another, must not write into one another.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{count}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written.map_err(Error::io(path))?;
    sync_folder(folder)
}

/// What [`write_atomic`] leaves below a folder where the process was killed.
pub fn partials(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io(folder))?);
        if kind.is_dir() {
            found.extend(partials(&path)?);
        } else if path.extension().is_some_and(|e| e == "partial") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Removes [`partials`] and says which. Only for the folder's one writer.
pub fn remove_partials(folder: &Path) -> Result<Vec<PathBuf>> {
    let found = partials(folder)?;
    for path in &found {
        fs::remove_file(path).map_err(Error::io(path))?;
    }
    Ok(found)
}

/// Makes a rename or a creation in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(Error::io(folder))
}

/// Opens a file to read.
///
/// # Errors
/// [`Error::Input`] where there is no such file, or none that may be read; a pipe or a device may have no end, and is
/// none. [`Error::Io`] where the disk fails.
pub fn open(path: &Path) -> Result<File> {
    let refused = |why: &dyn std::fmt::Display| {
        Error::input(format!(
            "{} cannot be read ({why}): see whether it is there, and yours to read",
            path.display()
        ))
    };
    let mends = [ErrorKind::NotFound, ErrorKind::PermissionDenied];
    let failed = |e: std::io::Error| match mends.contains(&e.kind()) {
        true => refused(&e),
        false => Error::io(path)(e),
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refused(&"it is no regular file"));
    }
    File::open(path).map_err(failed)
}

/// Reads a whole file.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?
        .read_to_end(&mut bytes)
        .map_err(Error::io(path))?;
    Ok(bytes)
}

/// Reads what may have no end, and not more than `most` bytes of it; `None` where there is more.
///
/// # Errors
/// What the system says.
pub fn read_at_most(path: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// JSON whose texts have nothing that a terminal acts upon, or that turns the text beside it around: such characters are
/// written as `\u…`, which is the same to whoever reads JSON.
pub fn plain_json(json: String) -> String {
    let acts = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || c.is_control() && c != '\n'
    };
    if !json.contains(acts) {
        return json;
    }
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        match acts(c) {
            true => plain.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => plain.push(c),
        }
    }
    plain
}

/// SHA-256 as lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_word_of_the_shell() {
        assert_eq!(word(Path::new("runs/demo-s0_1.x")), "runs/demo-s0_1.x");
        assert_eq!(word(Path::new("my runs/a")), "'my runs/a'");
        assert_eq!(word(Path::new("it's")), "\"it's\"");
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/file.bin");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("child"), b"").unwrap();
        let text = write_atomic(&path, b"x").unwrap_err().to_string();
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }

    #[test]
    fn json_stays_the_same_to_whoever_reads_it() {
        let text = "a\u{1b}[31m\u{9b}\u{7f}\u{202e}\u{2066} Zoë 写真\n\"\\";
        let json = serde_json::to_string(text).unwrap();
        let plain = plain_json(json.clone());
        assert!(!plain.contains(char::is_control) && !plain.contains('\u{202e}'));
        assert!(plain.contains("Zoë 写真"));
        assert_eq!(serde_json::from_str::<String>(&plain).unwrap(), text);
        assert_eq!(plain_json("{\n}".into()), "{\n}");
    }

    #[test]
    fn sha256_matches_the_standard_vector() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
