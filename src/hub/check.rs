//! What comes from a hub is not believed: its bytes, the names of its files, and where it sends on to.

use std::fs::File;
use std::io::{Read, Write, copy};
use std::path::{Path, PathBuf};

use reqwest::Url;
use reqwest::redirect::Policy;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::{files, secrets};

/// Redirects that are followed, as many as browsers do.
const MOST_REDIRECTS: usize = 20;

/// Whether an address is of this machine.
pub(super) fn is_loopback(address: &Url) -> bool {
    match address.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|a| a.is_loopback()),
        None => false,
    }
}

/// An address as it may be shown: a password in it is nobody's business.
pub(super) fn without_password(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            let _ = (url.set_username(""), url.set_password(None));
            url.to_string()
        }
        _ => address.to_owned(),
    }
}

/// Follows redirects to encrypted addresses, and from this machine to itself. reqwest sends no token on to another host.
pub(super) fn redirects() -> Policy {
    Policy::custom(|attempt| {
        let to = attempt.url();
        let here = is_loopback(to) && attempt.previous().iter().all(is_loopback);
        if to.scheme() != "https" && !here {
            let text = format!("it sends on to {}://, which is not encrypted", to.scheme());
            return attempt.error(text);
        }
        match attempt.previous().len() {
            n if n > MOST_REDIRECTS => attempt.error("it sends on without an end"),
            _ => attempt.follow(),
        }
    })
}

/// Whether a name of a file stays below the folder that it is put in, on every system.
pub(super) fn is_inside(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
    path.split('/').all(plain) && !path.contains(odd)
}

/// Whether the text is a hash that files are checked by: SHA-256 of large ones, git's SHA-1 of small ones.
pub(super) fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Compares a downloaded file with its hash; the error says what was found.
pub(super) fn verify(file: &Path, hash: &str) -> Result<(), String> {
    let found = digest(file, hash.len() == 64).map_err(|e| e.to_string())?;
    if found.eq_ignore_ascii_case(hash) {
        Ok(())
    } else {
        Err(format!("its hash is {found}, not {hash}"))
    }
}

fn digest(file: &Path, large: bool) -> std::io::Result<String> {
    let mut file = File::open(file)?;
    if large {
        let mut hash = Hashing(Sha256::new());
        copy(&mut file, &mut hash)?;
        return Ok(files::hex(&hash.0.finalize()));
    }
    let mut hash = Hashing(Sha1::new());
    let length = file.metadata()?.len();
    write!(hash, "blob {length}\0")?;
    copy(&mut file.take(length), &mut hash)?;
    Ok(files::hex(&hash.0.finalize()))
}

/// A hash of what is written.
struct Hashing<D>(D);

impl<D: Digest> Write for Hashing<D> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The blob of a file of the cache, where it is called by another SHA-256 than the file has.
pub fn other_than(file: &Path, sha256: &str) -> Option<PathBuf> {
    let blob = std::fs::canonicalize(file).ok()?;
    let name = blob.file_name()?.to_str()?;
    let other = name.len() == 64 && is_hash(name) && !name.eq_ignore_ascii_case(sha256);
    other.then_some(blob)
}

/// Takes a damaged file out of the cache, its blob and the name for it.
pub(super) fn discard(file: &Path) {
    if let Ok(blob) = std::fs::canonicalize(file) {
        let _ = std::fs::remove_file(blob);
    }
    let _ = std::fs::remove_file(file);
}

/// What somebody else wrote, without `token` and without what looks like another: a hub may repeat what it was sent.
pub(super) fn without_token(text: &str, token: Option<&str>) -> String {
    secrets::hidden(text, token, "(token)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_checked_by_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let write = |bytes: &[u8]| {
            let path = dir.path().join("file");
            std::fs::write(&path, bytes).unwrap();
            path
        };
        // `printf hello | git hash-object --stdin`, `printf hello | sha256sum`.
        let git = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        let sha = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        for hash in [git, sha] {
            assert!(is_hash(hash));
            assert_eq!(verify(&write(b"hello"), hash), Ok(()));
            assert!(verify(&write(b"hullo"), hash).is_err());
        }
        for text in ["", "an-etag", "../../x", &git[1..], &git.replace('b', "/")] {
            assert!(!is_hash(text), "{text}");
        }
    }

    #[test]
    fn names_that_leave_the_cache_are_known() {
        for path in [
            "config.json",
            "data/train-00000-of-00001.parquet",
            "a b/ü..x",
        ] {
            assert!(is_inside(path), "{path}");
        }
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a/..",
            "./x",
            "a//b",
            "a\\..\\b",
            "c:x",
            "x\0",
            "x\u{1b}[m",
        ] {
            assert!(!is_inside(path), "{path:?}");
        }
    }

    #[test]
    fn a_token_is_taken_out_of_what_a_hub_says() {
        assert_eq!(
            without_token("no to s3cret!", Some("s3cret")),
            "no to (token)!"
        );
        assert_eq!(
            without_token("Bearer hf_abcdEFGH12345678 of hf_x", None),
            "Bearer (token) of hf_x"
        );
    }
}
