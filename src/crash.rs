//! What remains of a panic: a report in the folder of the run that it befell, with nothing secret in it.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::secrets;

/// Lines of the journal that a report ends with.
const TAIL: usize = 30;
/// Bytes at the journal's end that they are looked for in.
const TAIL_BYTES: u64 = 1 << 18;
/// Characters of such a line; recipes are long, and stand in the manifest too.
const LINE: usize = 1_000;
/// Reports that one process writes: what panics again and again does not fill a disk.
const MOST: usize = 16;

/// The run that a panic is about unless its thread belongs to another one.
static RUN: Mutex<Option<PathBuf>> = Mutex::new(None);

thread_local! {
    static OWN: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// From now on panics are about the run in `folder`.
pub fn is_about(folder: &Path) {
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder.to_path_buf());
}

/// Panics of this thread are about the run in `folder`, whichever is shown.
pub fn belongs_to(folder: &Path) {
    OWN.set(Some(folder.to_path_buf()));
}

/// Does what may panic on damaged input; `None` where it did. No report is written of that.
pub fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = CONTAINED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    done.ok()
}

/// Panics where a test asks for it by the variable PENTIMENTO_PANIC; a release build has nothing of that.
pub fn on_demand(place: &str) {
    #[cfg(debug_assertions)]
    if std::env::var("PENTIMENTO_PANIC").is_ok_and(|asked| asked == place) {
        panic!("a panic in {place} was asked for");
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}

/// Writes a report of a panic and says so in one sentence; `None` of one that is contained.
pub fn report(info: &PanicHookInfo) -> Option<String> {
    if CONTAINED.get() {
        return None;
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let secrets = secrets::known(&variable);
    let own = OWN.with_borrow(Clone::clone);
    let run = own.or_else(|| RUN.lock().map_or(None, |run| run.clone()));
    let message = message(info);
    let text = text(info, &message, run.as_deref());
    let sentence = match write(
        &redact(&text, &secrets),
        run.into_iter().chain(state_folder(&variable)),
    ) {
        Ok(path) => format!(
            "a defect of this program: {message}: the report is in {}",
            path.display()
        ),
        Err(why) => format!("a defect of this program: {message}: there is no report, for {why}"),
    };
    Some(redact(&sentence, &secrets))
}

/// The message that a panic was begun with.
pub fn said(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

fn message(info: &PanicHookInfo) -> String {
    let place = info.location().map(|l| format!(" ({l})"));
    let text = said(info.payload()).unwrap_or("a panic without a message");
    format!("{text}{}", place.unwrap_or_default())
}

/// All of a report, secrets included.
fn text(info: &PanicHookInfo, message: &str, run: Option<&Path>) -> String {
    let thread = std::thread::current();
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let mut text = format!(
        "pentimento {}, a crash report\n\ntime      {}\ncommand   {}\nplatform  {} {}, {} threads\nthread    {}\nmessage   {message}\n",
        env!("CARGO_PKG_VERSION"),
        jiff::Timestamp::now(),
        words.collect::<Vec<_>>().join(" "),
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::thread::available_parallelism().map_or(0, usize::from),
        thread.name().unwrap_or("without a name"),
    );
    if let Some(location) = info.location() {
        text.push_str(&format!("place     {location}\n"));
    }
    text.push_str(&format!("\nbacktrace\n{}\n", Backtrace::force_capture()));
    if let Some(run) = run {
        let journal = run.join("journal.jsonl");
        text.push_str(&format!("\nthe last lines of {}\n", journal.display()));
        match tail(&journal) {
            Ok(lines) => text.push_str(&lines),
            Err(error) => text.push_str(&format!("it cannot be read: {error}\n")),
        }
    }
    text
}

/// The last lines of a journal, each cut where it is long.
fn tail(journal: &Path) -> std::io::Result<String> {
    let mut file = File::open(journal)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL)..];
    let cut = |line: &str| match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{} …\n", &line[..end]),
        None => format!("{line}\n"),
    };
    Ok(last.iter().map(|line| cut(line)).collect())
}

/// Writes a report as `crash-N.txt` into the first of these folders that takes it, over nothing that is there.
fn write(text: &str, folders: impl Iterator<Item = PathBuf>) -> Result<PathBuf, String> {
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    if WRITTEN.fetch_add(1, Ordering::Relaxed) >= MOST {
        return Err(format!("this process wrote {MOST} already"));
    }
    let mut refusal = "there is no folder for it".to_owned();
    for folder in folders {
        match write_into(&folder, text) {
            Ok(path) => return Ok(path),
            Err(error) => refusal = format!("{} does not take it: {error}", folder.display()),
        }
    }
    Err(refusal)
}

fn write_into(folder: &Path, text: &str) -> std::io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut number = 1_u32;
    loop {
        let path = folder.join(format!("crash-{number}.txt"));
        match File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where reports go that are about no run: the state folder of the XDG Base Directory Specification.
fn state_folder(variable: Variable) -> Option<PathBuf> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("pentimento"))
}

/// A text as it may be read by others.
fn redact(text: &str, secrets: &[String]) -> String {
    secrets::hidden(text, secrets.iter().map(String::as_str), "[secret]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_replaces_none_and_falls_back_to_the_next_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (file, state) = (dir.path().join("file"), dir.path().join("state/pentimento"));
        fs::write(&file, "").unwrap();
        let folders = || [file.join("run"), state.clone()].into_iter();
        assert_eq!(write("one", folders()), Ok(state.join("crash-1.txt")));
        assert_eq!(write("two", folders()), Ok(state.join("crash-2.txt")));
        assert_eq!(
            fs::read_to_string(state.join("crash-1.txt")).unwrap(),
            "one"
        );
        let refused = write("three", [file.clone()].into_iter()).unwrap_err();
        assert!(refused.contains("does not take it"), "{refused}");
    }

    #[test]
    fn a_journals_last_lines_are_cut_where_they_are_long() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.jsonl");
        let mut lines: Vec<String> = (0..100).map(|i| format!("line {i}")).collect();
        lines.push("é".repeat(2 * LINE));
        fs::write(&journal, lines.join("\n")).unwrap();
        let tail = tail(&journal).unwrap();
        assert_eq!(tail.lines().count(), TAIL);
        assert!(tail.starts_with("line 71\n"), "{tail}");
        assert!(tail.ends_with(&format!("{} …\n", "é".repeat(LINE))));
    }

    #[test]
    fn reports_without_a_run_go_where_the_environment_says() {
        let of = |name: &'static str, value: &'static str| {
            state_folder(&move |asked| (asked == name).then(|| value.to_owned()))
        };
        let expected = Some(PathBuf::from("/s/pentimento"));
        assert_eq!(of("XDG_STATE_HOME", "/s"), expected);
        assert_eq!(of("XDG_STATE_HOME", "relative"), None);
        let expected = Some(PathBuf::from("/h/.local/state/pentimento"));
        assert_eq!(of("HOME", "/h"), expected);
    }

    #[test]
    fn what_is_contained_does_not_come_out() {
        assert_eq!(contained(|| 1), Some(1));
        assert_eq!(contained(|| -> u8 { panic!("on damaged input") }), None);
        assert!(!CONTAINED.get());
    }
}
