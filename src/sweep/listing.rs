//! The sweeps in a folder, each with how many of its runs are finished. Of a journal no more is read than its end.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Sweep;

/// A sweep as a list of runs has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its folder.
    pub folder: PathBuf,
    /// How many of its runs are finished, and how many it has; or why it cannot be read.
    pub found: Result<(usize, usize), String>,
}

/// The sweeps right below `base` by their names, at most `most`.
pub fn list(base: &Path, most: usize) -> Vec<Summary> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let mut found: Vec<(PathBuf, crate::Result<Sweep>)> = entries
        .filter_map(|entry| {
            let folder = entry.path();
            Some((folder.clone(), Sweep::at(&folder).transpose()?))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.truncate(most);
    let summary = |(folder, sweep): (PathBuf, crate::Result<Sweep>)| Summary {
        found: match sweep {
            Ok(sweep) => {
                let finished = |cell: &&super::Cell| is_finished(&sweep.run(cell));
                let finished = sweep.cells.iter().filter(finished).count();
                Ok((finished, sweep.cells.len()))
            }
            Err(problem) => Err(problem.to_string()),
        },
        folder,
    };
    found.into_iter().map(summary).collect()
}

/// Bytes at a journal's end that are looked at: what follows `Finished` are notes.
const END: u64 = 1 << 16;

/// Whether a run is finished, as the end of its journal says.
fn is_finished(run: &Path) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }
    let kinds = tail(&run.join("journal.jsonl"), END).unwrap_or_default();
    for line in kinds.split(|b| *b == b'\n').rev() {
        let Ok(Kind { kind }) = serde_json::from_slice(line) else {
            continue;
        };
        match kind.as_str() {
            "Finished" => return true,
            "Note" | "Stopped" | "Paused" | "Resumed" | "Advance" | "PreviewBegan"
            | "Previewed" | "PreviewEnded" => {}
            _ => return false,
        }
    }
    false
}

/// The last `most` bytes of a file, or all of it.
pub(super) fn tail(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::Axes;
    use super::*;

    fn journal(kinds: &[&str]) -> String {
        let line = |kind: &&str| format!("{{\"v\":1,\"kind\":\"{kind}\"}}\n");
        kinds.iter().map(line).collect()
    }

    #[test]
    fn sweeps_are_listed_with_what_is_finished() {
        let base = tempfile::tempdir().unwrap();
        let axes = Axes {
            presets: vec!["demo".into()],
            seeds: vec![1, 2, 3, 4],
            ..Axes::default()
        };
        let root = base.path().join("ranks");
        let (sweep, _) = Sweep::with(&root, axes.cells().unwrap()).unwrap();
        sweep.write().unwrap();
        let long = vec!["Step"; 10_000];
        for (cell, kinds) in sweep.cells.iter().zip([
            [&long[..], &["Finished", "Note", "Stopped"]].concat(),
            vec!["Finished", "Undone"],
            long.clone(),
        ]) {
            let run = sweep.run(cell);
            fs::create_dir_all(&run).unwrap();
            fs::write(run.join("journal.jsonl"), journal(&kinds)).unwrap();
        }
        fs::create_dir(base.path().join("broken")).unwrap();
        fs::write(base.path().join("broken/sweep.json"), "{").unwrap();
        fs::create_dir(base.path().join("a-run")).unwrap();
        let found = list(base.path(), 10);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].found.as_ref().unwrap_err().contains("is damaged"));
        assert_eq!((&found[1].folder, &found[1].found), (&root, &Ok((1, 4))));
        assert_eq!(list(base.path(), 1).len(), 1);
        assert_eq!(list(&base.path().join("none"), 9), []);
    }
}
