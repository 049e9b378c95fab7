//! Who works on a run: `lock.json` in its folder, beside the lock that the system keeps on the journal.
//!
//! The system's lock tells the living from the dead on one machine. The file tells who it is, holds where the file
//! system has no locks, and holds between machines, of which each may know its own locks only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::manifest::host;
use crate::{Error, Result, files};

/// The version of the lock's format.
const LOCK_VERSION: u32 = 1;

/// The file's name in the run's folder.
pub const LOCK: &str = "lock.json";

/// How long a file that cannot be read may be one that is being written.
const WRITING: Duration = Duration::from_secs(10);

/// A process that works on a run, or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Format version.
    pub v: u32,
    /// Its machine's name on the network.
    pub host: String,
    /// Its number there.
    pub process: u32,
    /// When it began, as the system counts: another process of that number began at another time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Which start of the machine it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The job of Slurm's that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// When it took the run, RFC 3339, UTC.
    pub since: String,
}

/// A job of Slurm's, or a task of an array, of which there is one at a time in the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The job's number, or the array's.
    pub number: u64,
    /// The task's number, in an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<usize>,
    /// How often it was begun again after it had been queued again.
    pub restarts: u32,
}

impl Job {
    /// The one that this process belongs to, by what `variable` says of the environment.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let number = |name: &str| variable(name)?.parse::<u64>().ok();
        let task = number("SLURM_ARRAY_TASK_ID").and_then(|n| usize::try_from(n).ok());
        let of_array = task.and_then(|_| number("SLURM_ARRAY_JOB_ID"));
        Some(Self {
            number: of_array.or_else(|| number("SLURM_JOB_ID"))?,
            task: of_array.and(task),
            restarts: number("SLURM_RESTART_COUNT").map_or(0, |n| n as u32),
        })
    }

    fn here() -> Option<Self> {
        Self::of(|name| std::env::var(name).ok())
    }

    /// Whether `later` is the same job, begun again: Slurm does so when this one is over.
    fn was_before(&self, later: &Self) -> bool {
        let same = (self.number, self.task) == (later.number, later.task);
        same && self.restarts < later.restarts
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "process {} on {} since {}",
            self.process, self.host, self.since
        )
    }
}

impl Holder {
    /// This process.
    pub fn here() -> Self {
        let process = std::process::id();
        Self {
            v: LOCK_VERSION,
            host: host(),
            process,
            started: start_of(process),
            boot: boot(),
            job: Job::here(),
            since: format!("{:.0}", jiff::Timestamp::now()),
        }
    }

    /// Whether it is a process of another machine, of which nothing can be told from here.
    pub fn is_elsewhere(&self) -> bool {
        self.host != host()
    }

    /// Whether it is there no more, as far as that can be told: it is of this machine, or of this process's own job before
    /// that was queued again.
    pub fn is_gone(&self) -> bool {
        self.is_gone_for(Job::here().as_ref())
    }

    fn is_gone_for(&self, job: Option<&Job>) -> bool {
        if let (Some(then), Some(now)) = (&self.job, job)
            && then.was_before(now)
        {
            return true;
        }
        !self.is_elsewhere() && (self.boot != boot() || self.started != start_of(self.process))
    }
}

/// The hold on a run; it ends with this value.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    text: Vec<u8>,
}

impl Lock {
    /// Takes the run in `folder`, whose journal is `file`; also gives the process that held it and is gone without
    /// having given it back.
    ///
    /// # Errors
    /// [`Error::Input`], telling who holds it, where another process does.
    pub fn take(file: &File, folder: &Path) -> Result<(Self, Option<Holder>)> {
        let known = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                return Err(refused(folder, read(folder).ok().as_ref()));
            }
            // A file system without locks: the file alone decides.
            Err(TryLockError::Error(_)) => false,
        };
        Self::take_file(folder, known)
    }

    /// Makes the file. `known`: the system says that no process of this machine has the journal.
    fn take_file(folder: &Path, known: bool) -> Result<(Self, Option<Holder>)> {
        let path = folder.join(LOCK);
        let mut text = serde_json::to_vec(&Holder::here())
            .map_err(|e| Error::internal(format!("the lock could not be written as JSON: {e}")))?;
        text.push(b'\n');
        let mut gone = None;
        // Whoever else finds what is stale at this moment gets it, or we do; then it is not stale any more.
        for _ in 0..3 {
            let made = OpenOptions::new().write(true).create_new(true).open(&path);
            match made {
                Ok(file) => return Self::written(file, path, text).map(|lock| (lock, gone)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::io(&path)(e)),
            }
            match read(folder) {
                Ok(holder) if holder.is_gone() || (known && !holder.is_elsewhere()) => {
                    put_aside(&path, &holder)?;
                    gone = Some(holder);
                }
                Ok(holder) => return Err(refused(folder, Some(&holder))),
                Err(Unread::Absent) => {}
                Err(Unread::Damaged) if known || age(&path).is_none_or(|age| age > WRITING) => {
                    let _ = fs::remove_file(&path);
                }
                Err(Unread::Damaged) => return Err(refused(folder, None)),
            }
        }
        Err(refused(folder, read(folder).ok().as_ref()))
    }

    fn written(mut file: File, path: PathBuf, text: Vec<u8>) -> Result<Self> {
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        if let Err(error) = written {
            let _ = fs::remove_file(&path);
            return Err(Error::io(path)(error));
        }
        Ok(Self { path, text })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // In a folder that lies elsewhere by now, or was given to another, there is nothing of ours.
        if fs::read(&self.path).is_ok_and(|text| text == self.text) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The process at work on the run in `folder`, as far as its lock tells; nothing is touched.
pub fn holder(folder: &Path) -> Option<Holder> {
    read(folder).ok().filter(|holder| !holder.is_gone())
}

/// A process that held the run in `folder` and ended without giving it back.
pub fn stale(folder: &Path) -> Option<Holder> {
    read(folder).ok().filter(Holder::is_gone)
}

/// Takes the lock away of a process on another machine whose job is over, which `is_over` finds out; says whose it was.
///
/// # Errors
/// [`Error::Io`] where it cannot be taken away.
pub fn release(folder: &Path, is_over: &dyn Fn(&Job) -> bool) -> Result<Option<Holder>> {
    let Some(holder) = holder(folder).filter(Holder::is_elsewhere) else {
        return Ok(None);
    };
    if !holder.job.as_ref().is_some_and(is_over) {
        return Ok(None);
    }
    put_aside(&folder.join(LOCK), &holder)?;
    Ok(Some(holder))
}

/// Why nobody can be read from a lock.
enum Unread {
    Absent,
    Damaged,
}

fn read(folder: &Path) -> Result<Holder, Unread> {
    let bytes = fs::read(folder.join(LOCK)).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Unread::Absent,
        _ => Unread::Damaged,
    })?;
    serde_json::from_slice(&bytes).map_err(|_| Unread::Damaged)
}

fn age(path: &Path) -> Option<Duration> {
    path.metadata().ok()?.modified().ok()?.elapsed().ok()
}

/// Takes away the lock of a process that is gone, and no other that came there meanwhile.
fn put_aside(path: &Path, gone: &Holder) -> Result<()> {
    let aside = path.with_extension(format!("{}.partial", std::process::id()));
    match fs::rename(path, &aside) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(Error::io(path))?,
    }
    let moved = fs::read(&aside).map_err(Error::io(&aside))?;
    if serde_json::from_slice::<Holder>(&moved).ok().as_ref() != Some(gone) {
        let _ = fs::hard_link(&aside, path);
    }
    fs::remove_file(&aside).map_err(Error::io(&aside))
}

fn refused(folder: &Path, holder: Option<&Holder>) -> Error {
    let (run, word) = (folder.display(), files::word(folder));
    let who = holder.map_or_else(|| "another pentimento".to_owned(), Holder::to_string);
    Error::input(match holder {
        Some(holder) if holder.is_elsewhere() => format!(
            "the run {run} is being worked on by {who}: from here `pentimento open {word}` looks on; stop it there, or, if \
             that process is gone, delete {}",
            folder.join(LOCK).display()
        ),
        _ => format!(
            "the run {run} is being worked on by {who}: `pentimento open {word}` looks on and takes its control; or stop \
             that one first"
        ),
    })
}

/// When the process of a number began, in the system's ticks; `None` where there is none that still works.
#[cfg(target_os = "linux")]
fn start_of(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name may hold anything, blanks and parentheses too; what follows its last one does not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ended = matches!(*fields.first()?, "Z" | "X");
    (!ended).then(|| fields.get(19).map(|ticks| (*ticks).to_owned()))?
}

#[cfg(not(target_os = "linux"))]
fn start_of(process: u32) -> Option<String> {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
    let process = Pid::from_u32(process);
    let mut system = System::new();
    let wanted = ProcessesToUpdate::Some(&[process]);
    system.refresh_processes_specifics(wanted, true, ProcessRefreshKind::nothing());
    system.process(process).map(|p| p.start_time().to_string())
}

/// Which start of the machine this is, where the system says so.
fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, holder: &Holder) {
        fs::write(folder.join(LOCK), serde_json::to_vec(holder).unwrap()).unwrap();
    }

    /// A process that has ended: its number is free, or another's.
    fn ended() -> u32 {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    fn a_lock_tells_who_holds_it_and_goes_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let (lock, gone) = Lock::take_file(dir.path(), false).unwrap();
        assert_eq!(gone, None);
        let found = holder(dir.path()).unwrap();
        assert_eq!(
            (found.process, found.is_gone()),
            (std::process::id(), false)
        );
        // Without the system's lock the file alone decides.
        let text = Lock::take_file(dir.path(), false).unwrap_err().to_string();
        assert!(text.contains(&found.to_string()), "{text}");
        drop(lock);
        assert_eq!(holder(dir.path()), None);
        assert!(!dir.path().join(LOCK).exists());
    }

    #[test]
    fn what_a_dead_process_left_is_recognised_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let here = Holder::here();
        let dead = [
            Holder {
                process: ended(),
                ..here.clone()
            },
            // The number is this process's, but that one began another time, or before the machine did.
            Holder {
                started: Some("1".into()),
                ..here.clone()
            },
            Holder {
                boot: Some("before".into()),
                ..here.clone()
            },
        ];
        for dead in dead {
            put(dir.path(), &dead);
            assert_eq!(holder(dir.path()), None);
            assert_eq!(stale(dir.path()), Some(dead.clone()));
            let (_lock, gone) = Lock::take_file(dir.path(), false).unwrap();
            assert_eq!(gone, Some(dead));
            assert_eq!(holder(dir.path()).unwrap().process, std::process::id());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        // Where the system's lock is free, a process of this machine that is there does not work on the run.
        put(dir.path(), &here);
        assert_eq!(Lock::take_file(dir.path(), true).unwrap().1, Some(here));
    }

    #[test]
    fn a_lock_of_another_machine_is_never_taken() {
        let dir = tempfile::tempdir().unwrap();
        let other = Holder {
            host: "node7".into(),
            ..Holder::here()
        };
        put(dir.path(), &other);
        for known in [true, false] {
            let error = Lock::take_file(dir.path(), known).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(
                text.contains("on node7 since") && text.contains("delete "),
                "{text}"
            );
        }
        assert!(holder(dir.path()).unwrap().is_elsewhere());
    }

    #[test]
    fn a_job_that_was_queued_again_takes_its_own_run_from_another_machine() {
        let job = |restarts| Job {
            number: 7,
            task: Some(2),
            restarts,
        };
        let other = Holder {
            host: "node7".into(),
            job: Some(job(0)),
            ..Holder::here()
        };
        assert!(other.is_gone_for(Some(&job(1))));
        let no = [
            None,
            Some(job(0)),
            Some(Job {
                task: Some(3),
                ..job(1)
            }),
        ];
        for no in no {
            assert!(!other.is_gone_for(no.as_ref()), "{no:?}");
        }
        let of = |pairs: &[(&str, &str)]| {
            Job::of(|name| {
                let found = pairs.iter().find(|(n, _)| *n == name);
                found.map(|(_, v)| (*v).to_owned())
            })
        };
        let array = [
            ("SLURM_JOB_ID", "9"),
            ("SLURM_ARRAY_JOB_ID", "7"),
            ("SLURM_ARRAY_TASK_ID", "2"),
            ("SLURM_RESTART_COUNT", "1"),
        ];
        assert_eq!(of(&array), Some(job(1)));
        let alone = of(&array[..1]).unwrap();
        assert_eq!((alone.number, alone.task, alone.restarts), (9, None, 0));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_lock_of_a_job_that_is_over_can_be_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let other = Holder {
            host: "node7".into(),
            job: Some(Job {
                number: 7,
                task: None,
                restarts: 0,
            }),
            ..Holder::here()
        };
        put(dir.path(), &other);
        assert_eq!(release(dir.path(), &|_| false).unwrap(), None);
        assert!(holder(dir.path()).is_some());
        let released = release(dir.path(), &|job| job.number == 7).unwrap();
        assert_eq!(released, Some(other));
        assert_eq!(holder(dir.path()), None);
    }

    #[test]
    fn half_a_lock_is_waited_for_and_then_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK);
        fs::write(&path, "{\"v\":1,").unwrap();
        assert!(Lock::take_file(dir.path(), false).is_err());
        let then = std::time::SystemTime::now() - 2 * WRITING;
        File::open(&path).unwrap().set_modified(then).unwrap();
        Lock::take_file(dir.path(), false).unwrap();
        fs::write(&path, "").unwrap();
        Lock::take_file(dir.path(), true).unwrap();
    }

    /// What is not ours any more is not taken away with us.
    #[test]
    fn only_the_own_lock_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let (lock, _) = Lock::take_file(dir.path(), true).unwrap();
        let other = Holder {
            host: "node7".into(),
            ..Holder::here()
        };
        put(dir.path(), &other);
        drop(lock);
        assert_eq!(holder(dir.path()), Some(other));
    }
}
