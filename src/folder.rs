//! A run's folder: what is where in it.
//!
//! ```text
//! manifest.json            what the run was made from, and where
//! journal.jsonl            everything that happened
//! adapters/NNN-STEP/       PEFT's two files, or at full rank weights.safetensors with the trained modules' tensors
//!                          by timm's names, and check.safetensors with a few inputs and their logits;
//!                          NNN counts the trainings of the run and is never reused
//! heads/NNN-STEP.safetensors
//! predictions/NNN-STEP/TESTSET.answers   after the merge of training NNN; 000-foundation before the first; -rN behind
//!                          it where the row was measured anew because the amount of a merge was changed
//! lock.json                the process at work on the run, while there is one
//! journal.jsonl.damaged-N  journals as they were before `pentimento doctor --repair` cut them off
//! checkpoints/             of the training under way
//! export/                  rewritten at the end; snapshots/NNN-after-STEP/ are never overwritten
//! crash-N.txt              reports of defects, if there were any
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::answers::Answers;
use crate::{Error, Result, files};

/// The folder of a run that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// Refuses a path that no new run can have: a file, or a folder with something in it. Touches nothing.
    ///
    /// # Errors
    /// [`Error::Input`], pointing to `pentimento resume`.
    pub fn check_free(path: &Path) -> Result<()> {
        let (run, word) = (path.display(), files::word(path));
        let mut entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => {
                return Err(Error::input(format!(
                    "{run} cannot be a run's folder: {e}; give another one"
                )));
            }
        };
        if entries.next().is_none() {
            return Ok(());
        }
        Err(Error::input(if never_began(path) {
            format!(
                "{run} holds a run that ended before it began: delete the folder, or give another one"
            )
        } else if is_run(path) {
            format!(
                "{run} holds a run already: `pentimento resume {word}` goes on with it, or give another \
                 folder for a new one"
            )
        } else if is_sweep(path) {
            format!("{run} holds a sweep: give another folder for a run of its own")
        } else {
            format!(
                "{run} is not empty: give another folder (an interrupted run is continued by \
                 `pentimento resume {word}`)"
            )
        }))
    }

    /// Claims `path` for a new run: a folder that is absent (it is made, with its parents) or empty.
    ///
    /// # Errors
    /// As [`RunFolder::check_free`], or if the folder cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        Self::check_free(path)?;
        fs::create_dir_all(path).map_err(|e| {
            Error::input(format!(
                "{} cannot be made a run's folder: {e}; give another one",
                path.display()
            ))
        })?;
        Ok(Self {
            root: path.to_path_buf(),
        })
    }

    /// Claims the first free `BASE/PRESET-sSEED-N`, N = 1, 2, …; two programs at once get two folders.
    pub fn create_default(base: &Path, preset: &str, seed: u64) -> Result<Self> {
        fs::create_dir_all(base).map_err(|e| {
            Error::input(format!(
                "{} cannot be made, where runs go by default: {e}; give the run a folder by --out",
                base.display()
            ))
        })?;
        let preset = file_name(preset);
        for n in 1_u64.. {
            let root = base.join(format!("{preset}-s{seed}-{n}"));
            match fs::create_dir(&root) {
                Ok(()) => return Ok(Self { root }),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io(root)(e)),
            }
        }
        Err(Error::internal("no number is left for a run's folder"))
    }

    /// The path that [`RunFolder::create_default`] would claim at this moment, for those who show it before.
    pub fn next_default(base: &Path, preset: &str, seed: u64) -> PathBuf {
        let path = |n: u64| base.join(format!("{}-s{seed}-{n}", file_name(preset)));
        let free = (1..).map(path).find(|path| !path.exists());
        free.unwrap_or_else(|| path(1))
    }

    /// Opens the folder of an existing run.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none, or if it holds no run.
    pub fn open(path: &Path) -> Result<Self> {
        let run = path.display();
        if !path.exists() {
            return Err(Error::input(format!("there is no folder {run}")));
        }
        if !path.is_dir() {
            return Err(Error::input(format!("{run} is a file, not a run's folder")));
        }
        if never_began(path) {
            return Err(Error::input(format!(
                "{run} holds a run that ended before it began: delete the folder and start it again with \
                 `pentimento run`"
            )));
        }
        if !is_run(path) && is_sweep(path) {
            return Err(Error::input(format!(
                "{run} holds a sweep, not a run: its runs are in {}",
                path.join("runs").display()
            )));
        }
        if !is_run(path) {
            return Err(Error::input(format!(
                "{run} holds no run: a run has a manifest.json and a journal.jsonl"
            )));
        }
        Ok(Self {
            root: path.to_path_buf(),
        })
    }

    /// Takes away what a run left that ended before it began, so that it can be begun again; anything else stays.
    pub fn clear_unbegun(path: &Path) -> Result<()> {
        if !never_began(path) {
            return Ok(());
        }
        fs::remove_dir_all(path).map_err(Error::io(path))
    }

    /// The run that lies at a path, where something else may lie instead: a folder with a journal is one.
    ///
    /// # Errors
    /// As [`RunFolder::open`] where there is a journal.
    pub fn at(path: &Path) -> Result<Option<Self>> {
        let is_run = path.join("journal.jsonl").is_file();
        is_run.then(|| Self::open(path)).transpose()
    }

    /// The folder of a run in whatever state it is, for those who look what can be saved.
    ///
    /// # Errors
    /// [`Error::Input`] if nothing of a run is in it.
    pub fn of_any_state(path: &Path) -> Result<Self> {
        let there = |name: &str| path.join(name).is_file();
        if !there("manifest.json") && !there("journal.jsonl") {
            return Err(Error::input(format!(
                "{} holds no run: there is neither a manifest.json nor a journal.jsonl",
                path.display()
            )));
        }
        Ok(Self {
            root: path.to_path_buf(),
        })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `manifest.json`
    pub fn manifest_path(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// `journal.jsonl`
    pub fn journal_path(&self) -> PathBuf {
        self.root.join("journal.jsonl")
    }

    /// `export/`
    pub fn export_path(&self) -> PathBuf {
        self.root.join("export")
    }

    /// Name of the adapter of training `training` within the folder.
    pub fn adapter(training: u32, step_id: &str) -> String {
        format!("adapters/{training:03}-{}", file_name(step_id))
    }

    /// Name of the head's file within the folder.
    pub fn head(training: u32, step_id: &str) -> String {
        format!("heads/{training:03}-{}.safetensors", file_name(step_id))
    }

    /// Name of the checkpoint after step `step` of a training within the folder.
    pub fn checkpoint(training: u32, step_id: &str, step: usize) -> String {
        format!(
            "checkpoints/{training:03}-{}-{step:06}.safetensors",
            file_name(step_id)
        )
    }

    /// Name of the predictions on `test_set` within the folder: after the merge of a training, its task and the row's
    /// revision, or of the untouched backbone. By training and revision and not by row, so that nothing is overwritten
    /// after an undo or another amount of a merge.
    pub fn predictions(author: Option<(u32, &str, u32)>, test_set: &str) -> String {
        let extension = Answers::EXTENSION;
        format!("{}/{}.{extension}", answers(author), file_name(test_set))
    }

    /// Name of the answers of a probe of this kind, as [`RunFolder::predictions`].
    pub fn probed(author: Option<(u32, &str, u32)>, kind: &str, test_set: &str) -> String {
        let (folder, extension) = (answers(author), Answers::EXTENSION);
        format!("{folder}/{kind}/{}.{extension}", file_name(test_set))
    }

    /// Makes the next `export/snapshots/NNN-after-STEP/` and gives its path. `step_id` is that of the last
    /// complete row, `None` for the untouched backbone.
    pub fn new_snapshot(&self, step_id: Option<&str>) -> Result<PathBuf> {
        let snapshots = self.export_path().join("snapshots");
        fs::create_dir_all(&snapshots).map_err(Error::io(&snapshots))?;
        let mut last = 0;
        for entry in fs::read_dir(&snapshots).map_err(Error::io(&snapshots))? {
            let name = entry.map_err(Error::io(&snapshots))?.file_name();
            let name = name.to_string_lossy();
            let number = name.split('-').next().and_then(|n| n.parse::<u32>().ok());
            last = last.max(number.unwrap_or(0));
        }
        let step_id = file_name(step_id.unwrap_or("foundation"));
        let path = snapshots.join(format!("{:03}-after-{step_id}", last.saturating_add(1)));
        fs::create_dir(&path).map_err(Error::io(&path))?;
        Ok(path)
    }

    /// The path of a name within the folder, as a journal has it.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that leads out of the folder: a journal may come from anywhere.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let inside = Path::new(name)
            .components()
            .all(|c| matches!(c, Component::Normal(_)));
        if !inside || name.is_empty() {
            return Err(Error::input(format!(
                "{} names the file `{name}`, which is not inside the run's folder: restore the journal from a copy",
                self.journal_path().display()
            )));
        }
        Ok(self.root.join(name))
    }

    /// Writes a file of the run, atomically; returns its SHA-256.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<String> {
        files::write_atomic(&self.path(name)?, bytes)?;
        Ok(files::sha256(bytes))
    }

    /// Reads a file of the run.
    ///
    /// # Errors
    /// [`Error::Input`] if it is missing, or not the file that the journal means.
    pub fn read(&self, name: &str, sha256: &str) -> Result<Vec<u8>> {
        let path = self.path(name)?;
        let bytes = fs::read(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::input(format!(
                "{} is missing, and the journal needs it: restore it from a copy",
                path.display()
            )),
            ErrorKind::IsADirectory | ErrorKind::NotADirectory => Error::input(format!(
                "{} is no file, and the journal needs it: restore it from a copy",
                path.display()
            )),
            _ => Error::io(&path)(e),
        })?;
        if files::sha256(&bytes) != sha256 {
            return Err(Error::input(format!(
                "{} is not the file that the journal recorded: its SHA-256 differs; restore that one from a copy",
                path.display()
            )));
        }
        Ok(bytes)
    }

    /// Writes the answers to a test set; returns the SHA-256.
    pub fn write_predictions(&self, name: &str, answers: &Answers) -> Result<String> {
        self.write(name, &answers.to_bytes()?)
    }

    /// Reads the answers to a test set back, those of older runs without probabilities too.
    ///
    /// # Errors
    /// As [`RunFolder::read`] and [`Answers::from_bytes`].
    pub fn read_predictions(&self, name: &str, sha256: &str) -> Result<Answers> {
        Answers::from_bytes(name, &self.read(name, sha256)?)
    }

    /// Removes a file of the run; one that is gone already is no error.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(path)(e)),
            _ => Ok(()),
        }
    }
}

/// Name of the folder of a row's answers.
fn answers(author: Option<(u32, &str, u32)>) -> String {
    let (training, step_id, revision) = author.unwrap_or((0, "foundation", 0));
    let step_id = file_name(step_id);
    match revision {
        0 => format!("predictions/{training:03}-{step_id}"),
        _ => format!("predictions/{training:03}-{step_id}-r{revision}"),
    }
}

/// Whether a run was ended before its first event: it has an empty journal, or none beside its manifest.
fn never_began(path: &Path) -> bool {
    let empty = match fs::metadata(path.join("journal.jsonl")) {
        Ok(journal) => journal.is_file() && journal.len() == 0,
        Err(e) => e.kind() == ErrorKind::NotFound,
    };
    let begun = path.join("manifest.json").is_file() || path.join("journal.jsonl").is_file();
    // What was trained is worth more than a journal that was lost.
    empty && begun && !path.join("adapters").exists()
}

fn is_sweep(path: &Path) -> bool {
    path.join("sweep.json").is_file()
}

fn is_run(path: &Path) -> bool {
    path.join("manifest.json").is_file() && path.join("journal.jsonl").is_file()
}

/// A name as one component of a path: letters, digits, `-`, `_` and `.` stay, anything else becomes `-`.
pub fn file_name(name: &str) -> String {
    let safe: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '-',
        })
        .collect();
    // A run must not be hidden, nor be `..`.
    match safe.trim_start_matches('.') {
        "" => "unnamed".into(),
        visible => visible.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(result: Result<RunFolder>) -> String {
        match result.unwrap_err() {
            Error::Input(text) => text,
            other => panic!("{other:?}"),
        }
    }

    fn begun(path: &Path) -> RunFolder {
        let folder = RunFolder::create(path).unwrap();
        for path in [folder.manifest_path(), folder.journal_path()] {
            fs::write(path, b"{}\n").unwrap();
        }
        folder
    }

    #[test]
    fn a_new_run_takes_an_absent_or_empty_folder_only() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("deep/run");
        RunFolder::create(&run).unwrap();
        begun(&run);
        let text = refused(RunFolder::create(&run));
        assert!(text.contains("holds a run already"), "{text}");
        assert!(
            text.contains(&format!("`pentimento resume {}`", run.display())),
            "{text}"
        );

        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("thesis.txt"), "years of work").unwrap();
        let text = refused(RunFolder::create(&other));
        assert!(
            text.contains("is not empty") && text.contains("pentimento resume"),
            "{text}"
        );

        let text = refused(RunFolder::create(&other.join("thesis.txt")));
        assert!(text.contains("thesis.txt cannot be"), "{text}");
        let text = refused(RunFolder::create_default(
            &other.join("thesis.txt"),
            "demo",
            0,
        ));
        assert!(text.contains("--out"), "{text}");
    }

    #[test]
    fn the_default_name_is_the_first_free_one() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("runs");
        let name = |seed| {
            let folder = RunFolder::create_default(&base, "demo", seed).unwrap();
            folder
                .root()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(name(0), "demo-s0-1");
        assert_eq!(name(0), "demo-s0-2");
        assert_eq!(name(1), "demo-s1-1");
        fs::remove_dir(base.join("demo-s0-1")).unwrap();
        assert_eq!(name(0), "demo-s0-1");
        assert_eq!(name(0), "demo-s0-3");
        let odd = RunFolder::create_default(&base, "../my preset", 0).unwrap();
        assert_eq!(odd.root(), base.join("-my-preset-s0-1"));
    }

    #[test]
    fn programs_at_once_get_folders_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        let mut names: Vec<PathBuf> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| RunFolder::create_default(base, "demo", 0).unwrap().root))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 8);
        assert!(base.join("demo-s0-8").is_dir() && !base.join("demo-s0-9").exists());
    }

    #[test]
    fn opening_what_is_no_run_is_refused_clearly() {
        let dir = tempfile::tempdir().unwrap();
        let text = refused(RunFolder::open(&dir.path().join("absent")));
        assert!(text.contains("there is no folder"), "{text}");
        let text = refused(RunFolder::open(dir.path()));
        assert!(
            text.contains("holds no run") && text.contains("manifest.json"),
            "{text}"
        );
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let text = refused(RunFolder::open(&file));
        assert!(text.contains("is a file"), "{text}");
        let run = begun(&dir.path().join("run"));
        assert_eq!(RunFolder::open(run.root()).unwrap(), run);
        fs::write(run.journal_path(), b"").unwrap();
        for text in [
            refused(RunFolder::open(run.root())),
            refused(RunFolder::create(run.root())),
        ] {
            assert!(text.contains("delete the folder"), "{text}");
        }
    }

    #[test]
    fn names_within_the_folder() {
        assert_eq!(RunFolder::adapter(3, "parity"), "adapters/003-parity");
        assert_eq!(RunFolder::head(12, "a/b"), "heads/012-a-b.safetensors");
        assert_eq!(
            RunFolder::checkpoint(1, "parity", 200),
            "checkpoints/001-parity-000200.safetensors"
        );
        assert_eq!(
            RunFolder::predictions(None, "latin"),
            "predictions/000-foundation/latin.answers"
        );
        assert_eq!(
            RunFolder::predictions(Some((1, "parity", 0)), "latin"),
            "predictions/001-parity/latin.answers"
        );
        assert_eq!(
            RunFolder::probed(Some((1, "parity", 2)), "joint", "latin"),
            "predictions/001-parity-r2/joint/latin.answers"
        );
        assert_eq!(file_name(".."), "unnamed");
    }

    #[test]
    fn files_are_written_with_their_hash_and_checked_when_read() {
        let dir = tempfile::tempdir().unwrap();
        let run = begun(dir.path());
        let name = RunFolder::predictions(None, "latin");
        let answers = Answers {
            classes: vec![3, 0, 700],
            confidence: vec![1.0, 0.0, 1.0],
        };
        let sha256 = run.write_predictions(&name, &answers).unwrap();
        assert_eq!(run.read_predictions(&name, &sha256).unwrap(), answers);
        let path = run.path(&name).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 12);

        fs::write(&path, [1, 2, 3]).unwrap();
        let changed = run.read_predictions(&name, &sha256).unwrap_err();
        assert!(changed.to_string().contains("SHA-256 differs"), "{changed}");
        let odd = run
            .read_predictions(&name, &files::sha256(&[1, 2, 3]))
            .unwrap_err();
        assert!(odd.to_string().contains("3 bytes"), "{odd}");
        run.remove(&name).unwrap();
        run.remove(&name).unwrap();
        let gone = run.read(&name, &sha256).unwrap_err();
        assert!(
            matches!(&gone, Error::Input(text) if text.contains("is missing")),
            "{gone}"
        );
    }

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let run = begun(&dir.path().join("run"));
        for name in ["../secret", "/etc/passwd", "a/../../b", "", "."] {
            assert!(run.path(name).is_err(), "{name}");
            assert!(run.write(name, b"").is_err(), "{name}");
        }
        assert!(run.path("adapters/001-parity").is_ok());
    }

    #[test]
    fn snapshots_are_numbered_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let run = begun(dir.path());
        let name = |id| {
            let path = run.new_snapshot(id).unwrap();
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name(None), "001-after-foundation");
        assert_eq!(name(Some("parity")), "002-after-parity");
        fs::remove_dir(run.export_path().join("snapshots/001-after-foundation")).unwrap();
        assert_eq!(name(Some("parity")), "003-after-parity");
    }
}
