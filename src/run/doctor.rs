//! What of a run's folder is whole, what is not, and what can be saved.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use super::journal::{Damage, Reason, Torn, scan};
use super::lock::{self, Lock};
use super::view::{Row, RunView, Training, TrainingEnd};
use super::{MANIFEST_VERSION, Manifest};
use crate::folder::RunFolder;
use crate::lab::State;
use crate::{Error, Result, files};

/// What lies in a run's folder by right; a repair adds the damaged journals that it keeps.
const OWN: [&str; 8] = [
    "manifest.json",
    "journal.jsonl",
    lock::LOCK,
    "adapters",
    "heads",
    "predictions",
    "checkpoints",
    "export",
];

/// What a look at a run's folder found.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// What is wrong, each with its file and, in the journal, its place.
    pub problems: Vec<String>,
    /// What is no harm, but worth knowing.
    pub remarks: Vec<String>,
    /// What is whole.
    pub whole: Vec<String>,
    /// What to do.
    pub advice: String,
}

/// Looks at the run in `root`, whatever state it is in; nothing is written.
///
/// # Errors
/// [`Error::Input`] where there is no run at all, and what the file system refuses.
pub fn examine(root: &Path) -> Result<Diagnosis> {
    let folder = RunFolder::of_any_state(root)?;
    let mut found = Diagnosis::default();
    let manifest = manifest(&folder, &mut found);
    let (torn, damage, view) = journal(&folder, &mut found)?;
    let holder = lock::holder(root);
    let harmed = stored(&folder, &view, holder.is_some(), &mut found);
    if let Some(gone) = lock::stale(root) {
        found.remarks.push(format!(
            "{}: left by {gone}, which is gone; whoever goes on replaces it",
            lock::LOCK
        ));
    }
    leftovers(&folder, &view, holder.is_some(), &mut found)?;
    found.advice = match holder {
        Some(holder) => {
            let run = files::word(root);
            format!("the run is being worked on by {holder}: `pentimento open {run}` looks on")
        }
        None => advice(
            &folder,
            &view,
            manifest,
            torn.is_some(),
            damage.as_ref(),
            &harmed,
        ),
    };
    Ok(found)
}

/// Whether the manifest can be read.
fn manifest(folder: &RunFolder, found: &mut Diagnosis) -> bool {
    match Manifest::read(&folder.manifest_path()) {
        Ok(manifest) => {
            let (v, made) = (manifest.v, manifest.version);
            found.whole.push(format!(
                "manifest.json: version {v} of {MANIFEST_VERSION}, written by pentimento {made}"
            ));
            true
        }
        Err(error) => {
            found.problems.push(error.to_string());
            false
        }
    }
}

/// The records that are whole, and what comes after them.
fn journal(
    folder: &RunFolder,
    found: &mut Diagnosis,
) -> Result<(Option<Torn>, Option<Damage>, RunView)> {
    let path = folder.journal_path();
    if !path.is_file() {
        let text = format!("{} is missing: it is the run", path.display());
        found.problems.push(text);
        return Ok((None, None, RunView::default()));
    }
    let bytes = files::read(&path)?;
    let (reading, damage) = scan(&bytes);
    let view = RunView::replay(&reading.records);
    found.whole.push(format!(
        "journal.jsonl: {} records of {} lines",
        reading.records.len(),
        bytes.iter().filter(|b| **b == b'\n').count()
    ));
    found
        .problems
        .extend(damage.as_ref().map(|d| d.refusal(&path).to_string()));
    found
        .remarks
        .extend(reading.torn.as_ref().map(|t| format!("journal.jsonl: {t}")));
    Ok((reading.torn, damage, view))
}

/// What of the stored files is not what the journal recorded.
#[derive(Default)]
struct Harmed {
    /// Rows of which something is missing.
    rows: BTreeSet<usize>,
    /// The adapter or the head of a training that is not merged.
    trained: bool,
    /// The checkpoint of the training under way.
    checkpoint: bool,
}

fn stored(folder: &RunFolder, view: &RunView, at_work: bool, found: &mut Diagnosis) -> Harmed {
    let mut harmed = Harmed::default();
    for row in &view.rows {
        let training = row.training.and_then(|n| view.training(n));
        let problems: Vec<String> = files_of(row, training)
            .iter()
            .filter_map(|(file, sha256)| problem(folder, file, sha256))
            .collect();
        if !problems.is_empty() {
            harmed.rows.insert(row.index);
        }
        found.problems.extend(problems);
    }
    if let Some(open) = view.open_training() {
        let before = found.problems.len();
        let files = open.sha256.iter();
        let problems = files.filter_map(|(file, sha256)| problem(folder, file, sha256));
        found.problems.extend(problems);
        harmed.trained = found.problems.len() > before;
        // While a lab is at work it may be replaced at this moment.
        let rests = open.head.is_empty() && !at_work;
        let checkpoint = open.checkpoint.as_ref().filter(|_| rests);
        if let Some(text) = checkpoint.and_then(|c| problem(folder, &c.file, &c.sha256)) {
            found.problems.push(text);
            harmed.checkpoint = true;
        }
    }
    let rows = whole_rows(view, &harmed);
    found.whole.extend(match rows {
        0 => None,
        1 => Some("row 0, the untouched backbone".to_owned()),
        _ => Some(format!("rows 0 to {}, with their adapters", rows - 1)),
    });
    // Adapters behind a row that is not whole are worth as much to whoever has a use for them.
    for row in view.rows.iter().skip(rows) {
        let training = row.training.and_then(|n| view.training(n));
        if let Some(training) = training.filter(|t| !t.adapter.is_empty()) {
            let mut files = training.sha256.iter();
            if files.all(|(file, sha256)| problem(folder, file, sha256).is_none()) {
                let adapter = &training.adapter;
                found
                    .whole
                    .push(format!("{adapter}, the adapter of row {}", row.index));
            }
        }
    }
    harmed
}

/// The files of a row, with their SHA-256.
fn files_of(row: &Row, training: Option<&Training>) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = training
        .map(|t| t.sha256.clone().into_iter().collect())
        .unwrap_or_default();
    for evaluation in row.evaluations.values() {
        files.push((evaluation.file.clone(), evaluation.sha256.clone()));
    }
    let probes = row.probes.iter();
    for probed in probes.flat_map(|p| p.linear.iter().chain(&p.joint).chain(&p.balanced)) {
        files.push((probed.file.clone(), probed.sha256.clone()));
    }
    files
}

/// What is wrong with a stored file.
fn problem(folder: &RunFolder, file: &str, sha256: &str) -> Option<String> {
    folder.read(file, sha256).err().map(|e| e.to_string())
}

/// How many rows from the first on are measured and have all that they need.
fn whole_rows(view: &RunView, harmed: &Harmed) -> usize {
    let rows = view.rows.iter();
    let whole = rows.take_while(|row| row.complete && !harmed.rows.contains(&row.index));
    whole.count()
}

/// What lies there without a use.
fn leftovers(
    folder: &RunFolder,
    view: &RunView,
    at_work: bool,
    found: &mut Diagnosis,
) -> Result<()> {
    let used = view.open_training().and_then(|t| t.checkpoint.as_ref());
    for entry in fs::read_dir(folder.root()).map_err(Error::io(folder.root()))? {
        let name = entry.map_err(Error::io(folder.root()))?.file_name();
        let name = name.to_string_lossy();
        let kept = name.starts_with("journal.jsonl.damaged-");
        if kept {
            found.remarks.push(format!("{name}: kept by a repair"));
        } else if name.starts_with("crash-") {
            let text = format!("{name}: the report of a defect, of use to whoever mends it");
            found.remarks.push(text);
        } else if !OWN.contains(&&*name) && !name.ends_with(".partial") {
            found.remarks.push(format!("{name}: not the run's"));
        }
    }
    // What is being written at this moment looks like what was left.
    if at_work {
        return Ok(());
    }
    for path in files::partials(folder.root())? {
        let name = path.strip_prefix(folder.root()).unwrap_or(&path).display();
        found.remarks.push(format!(
            "{name}: half a file of a write that was cut off; whoever goes on removes it"
        ));
    }
    let checkpoints = folder.root().join("checkpoints");
    for entry in fs::read_dir(checkpoints).into_iter().flatten().flatten() {
        let name = format!("checkpoints/{}", entry.file_name().to_string_lossy());
        let is_used = used.is_some_and(|c| c.file == name);
        if !is_used && !name.ends_with(".partial") {
            found
                .remarks
                .push(format!("{name}: nothing needs it any more"));
        }
    }
    Ok(())
}

/// The next thing to do with a run that nobody works on.
fn advice(
    folder: &RunFolder,
    view: &RunView,
    manifest: bool,
    torn: bool,
    damage: Option<&Damage>,
    harmed: &Harmed,
) -> String {
    let run = files::word(folder.root());
    if let Some(Reason::Version(_)) = damage.map(|d| &d.reason) {
        return "open the run with the pentimento that made it".into();
    }
    if !manifest {
        return "restore manifest.json from a copy: without it nothing tells whether the data is still the same".into();
    }
    if view.started.is_none() {
        return "nothing can be saved: restore journal.jsonl from a copy, or begin the run anew"
            .into();
    }
    if damage.is_some() {
        return format!(
            "`pentimento doctor {run} --repair` cuts the journal off before the damage, and keeps the damaged one"
        );
    }
    let whole = whole_rows(view, harmed);
    if let (Some(first), true) = (harmed.rows.first(), whole > 0) {
        return format!(
            "restore what is named above from a copy, or `pentimento branch {run} --at {}` goes on from the rows before \
             row {first} in a folder of its own",
            whole - 1
        );
    }
    if !harmed.rows.is_empty() {
        return "restore what is named above from a copy, or begin the run anew".into();
    }
    if harmed.trained {
        return format!(
            "restore what is named above from a copy, or `pentimento branch {run} --at {}` trains that task again",
            whole.saturating_sub(1)
        );
    }
    let cut = if torn { " without that line" } else { "" };
    let anew = if harmed.checkpoint {
        " and begins that training again"
    } else {
        ""
    };
    match view.state {
        State::Finished => format!("nothing: the run is finished{cut}"),
        _ => format!("`pentimento resume {run}` goes on{cut}{anew}"),
    }
}

/// Cuts the journal off where it ceases to be one, keeps what it was as `journal.jsonl.damaged-N`, and removes half
/// files; says what was done.
///
/// # Errors
/// [`Error::Input`] where another process works on the run, or where nothing can be saved.
pub fn repair(root: &Path) -> Result<Vec<String>> {
    let folder = RunFolder::of_any_state(root)?;
    let path = folder.journal_path();
    let opened = OpenOptions::new().read(true).append(true).open(&path);
    let file = opened.map_err(Error::io(&path))?;
    let (_lock, _) = Lock::take(&file, root)?;
    let bytes = files::read(&path)?;
    let (reading, damage) = scan(&bytes);
    let cut = match (&damage, &reading.torn) {
        (Some(damage), _) if matches!(damage.reason, Reason::Version(_)) => {
            return Err(damage.refusal(&path));
        }
        (Some(damage), _) => Some(damage.offset),
        (None, Some(torn)) => usize::try_from(torn.offset).ok(),
        (None, None) => None,
    };
    let mut done = Vec::new();
    if let Some(cut) = cut {
        if reading.records.is_empty() {
            return Err(Error::input(format!(
                "{} is damaged from its first line on, so that nothing can be saved: restore it from a copy",
                path.display()
            )));
        }
        let kept = free_name(&path);
        files::write_atomic(&kept, &bytes)?;
        files::write_atomic(&path, bytes.get(..cut).unwrap_or_default())?;
        done.push(format!(
            "journal.jsonl is cut off at byte {cut} and has {} records; the damaged one is kept as {}",
            reading.records.len(),
            kept.display()
        ));
        let view = RunView::replay(&reading.records);
        done.extend(behind(&folder, &view)?);
    }
    let half = files::remove_partials(root)?;
    done.extend(half.iter().map(|p| format!("{} is removed", p.display())));
    Ok(done)
}

/// A word on adapters of trainings that the journal does not have any more: the next ones have their numbers.
fn behind(folder: &RunFolder, view: &RunView) -> Result<Option<String>> {
    let last = view.trainings.iter().map(|t| t.number).max().unwrap_or(0);
    let kept: BTreeSet<&str> = view
        .trainings
        .iter()
        .filter(|t| t.end != TrainingEnd::Discarded)
        .map(|t| t.adapter.as_str())
        .collect();
    let mut later = Vec::new();
    for entry in fs::read_dir(folder.root().join("adapters"))
        .into_iter()
        .flatten()
    {
        let name = entry.map_err(Error::io(folder.root()))?.file_name();
        let name = format!("adapters/{}", name.to_string_lossy());
        let number = name.get(9..12).and_then(|n| n.parse::<u32>().ok());
        if number.is_some_and(|n| n >= last) && !kept.contains(name.as_str()) {
            later.push(name);
        }
    }
    later.sort();
    Ok((!later.is_empty()).then(|| {
        format!(
            "trainings that the journal lost have stored {}: going on trains them again and writes over these; copy \
             them elsewhere to keep them",
            later.join(", ")
        )
    }))
}

fn free_name(journal: &Path) -> PathBuf {
    let name = |n: u32| journal.with_file_name(format!("journal.jsonl.damaged-{n}"));
    let free = (1..).map(name).find(|path| !path.exists());
    free.unwrap_or_else(|| name(0))
}
