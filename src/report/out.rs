//! The folder of a report: what may be one, and how an earlier report is replaced.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, files};

/// By this file a folder is known to be a report, and by its list what of it may be replaced.
pub const LISTING: &str = "report.json";
/// What it says it is.
const FORMAT: &str = "pentimento report";
/// The version of its format.
pub const REPORT_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Listing {
    format: String,
    version: u32,
    made_by: String,
    files: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    file: String,
    sha256: String,
}

/// Refuses a path that no report can go to: a file, or a folder with something in it that is no earlier report.
///
/// # Errors
/// [`Error::Input`].
pub fn check(out: &Path) -> Result<()> {
    let shown = out.display();
    let mut entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            return Err(Error::input(format!(
                "{shown} cannot be a report's folder: {e}; give another one"
            )));
        }
    };
    match entries.next().is_none() || listing(out).is_some() {
        true => Ok(()),
        false => Err(Error::input(format!(
            "{shown} is not empty and holds no earlier report: give another folder"
        ))),
    }
}

fn listing(out: &Path) -> Option<Listing> {
    let bytes = fs::read(out.join(LISTING)).ok()?;
    let listing: Listing = serde_json::from_slice(&bytes).ok()?;
    (listing.format == FORMAT).then_some(listing)
}

/// Writes `made` into `out` and takes away what an earlier report there had and this one has not; other files stay.
/// Gives the paths.
///
/// # Errors
/// What the file system refuses.
pub fn write(out: &Path, made: &[(String, Vec<u8>)]) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(out).map_err(|e| {
        Error::input(format!(
            "{} cannot be made a report's folder: {e}; give another one",
            out.display()
        ))
    })?;
    let new: BTreeSet<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
    let old = listing(out).map(|l| l.files).unwrap_or_default();
    for Listed { file, .. } in old.iter().filter(|l| !new.contains(l.file.as_str())) {
        // A listing may come from anywhere: nothing outside the folder is touched.
        let inside = Path::new(file)
            .components()
            .all(|c| matches!(c, Component::Normal(_)));
        let path = out.join(file);
        if !inside || file.is_empty() {
            continue;
        }
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io(&path)(e)),
            _ => {}
        }
    }
    let _ = fs::remove_dir(out.join("figures"));
    let listing = Listing {
        format: FORMAT.into(),
        version: REPORT_VERSION,
        made_by: env!("CARGO_PKG_VERSION").into(),
        files: made
            .iter()
            .map(|(name, bytes)| Listed {
                file: name.clone(),
                sha256: files::sha256(bytes),
            })
            .collect(),
    };
    let text = serde_json::to_string_pretty(&listing)
        .map_err(|e| Error::internal(format!("{LISTING} could not be written: {e}")))?;
    // First of all: a report that was cut off is one that can be replaced.
    files::write_atomic(
        &out.join(LISTING),
        (files::plain_json(text) + "\n").as_bytes(),
    )?;
    made.iter()
        .map(|(name, bytes)| {
            let path = out.join(name);
            files::write_atomic(&path, bytes)?;
            Ok(path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> Vec<(String, Vec<u8>)> {
        names
            .iter()
            .map(|n| ((*n).to_owned(), n.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn an_earlier_report_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("report");
        check(&out).unwrap();
        write(&out, &made(&["index.html", "figures/rank.svg"])).unwrap();
        fs::write(out.join("notes.txt"), "mine").unwrap();
        check(&out).unwrap();
        write(&out, &made(&["runs.csv"])).unwrap();
        let mut names: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["notes.txt", LISTING, "runs.csv"]);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(
            check(&file)
                .unwrap_err()
                .to_string()
                .contains("cannot be a report's folder")
        );
        let refused = check(dir.path()).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(
            refused.to_string().contains("no earlier report"),
            "{refused}"
        );
        fs::write(dir.path().join(LISTING), "{\"format\": \"other\"}").unwrap();
        assert!(check(dir.path()).is_err());
    }

    #[test]
    fn a_listing_takes_nothing_away_outside_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("report");
        fs::create_dir(&out).unwrap();
        let outside = dir.path().join("precious");
        fs::write(&outside, "x").unwrap();
        let listing = format!(
            "{{\"format\": \"{FORMAT}\", \"version\": 1, \"made_by\": \"\", \"files\": [\
             {{\"file\": \"../precious\", \"sha256\": \"\"}}, {{\"file\": \"{}\", \"sha256\": \"\"}}]}}",
            outside.display()
        );
        fs::write(out.join(LISTING), listing).unwrap();
        write(&out, &made(&["runs.csv"])).unwrap();
        assert!(outside.exists());
    }
}
