//! A sweep by Slurm: job arrays that are handed in and looked at through its own commands.
//!
//! A task of an array is a run. When its time ends, or its node does, it is queued again and goes on from its last
//! checkpoint, since a run resumes. What was handed in is in `slurm/jobs.json`, so that whoever comes later, from whatever
//! login node, sees which runs are queued.

mod calls;
mod script;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Cell, Sweep};
use crate::recipe::SlurmRecipe;
use crate::run::lock;
use crate::{Error, Result, files};
use calls::{call, said};

pub use script::Script;

/// Tasks of an array; Slurm's own default for the largest number of one is 1000.
const MOST_TASKS: usize = 1000;

/// What was handed in, in the order in which it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// Job arrays.
    pub arrays: Vec<Array>,
}

/// A job array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array {
    /// Its number.
    pub job: u64,
    /// The names of the runs, by the number of their task.
    pub runs: Vec<String>,
}

/// What Slurm says of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The array's number and the task's.
    pub job: (u64, usize),
    /// `PENDING`, `RUNNING`, …
    pub state: String,
    /// Why it waits, or why it ended.
    pub reason: String,
}

impl Task {
    /// Whether it is queued or at work, so that the run is in hands.
    pub fn is_alive(&self) -> bool {
        const ALIVE: [&str; 8] = [
            "PENDING",
            "RUNNING",
            "COMPLETING",
            "CONFIGURING",
            "REQUEUED",
            "REQUEUE_HOLD",
            "SUSPENDED",
            "RESIZING",
        ];
        ALIVE.contains(&self.state.as_str())
    }

    /// For people: `pending (Priority)`.
    pub fn describe(&self) -> String {
        let state = self.state.to_lowercase();
        let (job, task) = self.job;
        match self.reason.as_str() {
            "" | "None" => format!("job {job}_{task} is {state}"),
            reason => format!("job {job}_{task} is {state} ({reason})"),
        }
    }
}

fn path(sweep: &Sweep) -> PathBuf {
    sweep.root().join("slurm/jobs.json")
}

impl Jobs {
    /// What was handed in of a sweep.
    ///
    /// # Errors
    /// [`Error::Input`] where the list is damaged.
    pub fn of(sweep: &Sweep) -> Result<Self> {
        let path = path(sweep);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
                Error::input(format!(
                    "{} is damaged ({e}): restore it from a copy, or delete it once none of its jobs is queued any more",
                    path.display()
                ))
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(Error::io(path)(e)),
        }
    }

    fn write(&self, sweep: &Sweep) -> Result<()> {
        let json = serde_json::to_string_pretty(self)
            .map_err(|e| Error::internal(format!("jobs could not be written as JSON: {e}")))?;
        files::write_atomic(&path(sweep), (json + "\n").as_bytes())
    }

    /// What Slurm says of each run that was handed in and is known to it, by the run's name: of the last task that there
    /// is for it.
    ///
    /// # Errors
    /// [`Error::Input`] where Slurm cannot be asked.
    pub fn tasks(&self) -> Result<BTreeMap<String, Task>> {
        let mut found = BTreeMap::new();
        if self.arrays.is_empty() {
            return Ok(found);
        }
        let numbers: Vec<String> = self.arrays.iter().map(|a| a.job.to_string()).collect();
        let numbers = numbers.join(",");
        // The accounts know for longer, the queue knows better.
        let mut tasks = accounted(&numbers);
        tasks.extend(queued(&numbers)?);
        for array in &self.arrays {
            for (i, run) in array.runs.iter().enumerate() {
                if let Some(task) = tasks.get(&(array.job, i)) {
                    found.insert(run.clone(), task.clone());
                }
            }
        }
        Ok(found)
    }

    /// Cancels what is queued or at work of these runs; says which.
    ///
    /// # Errors
    /// [`Error::Input`] where Slurm refuses.
    pub fn cancel(&self, runs: &[&str]) -> Result<Vec<String>> {
        let tasks = self.tasks()?;
        let alive = |run: &&&str| tasks.get(**run).is_some_and(Task::is_alive);
        let cancelled: Vec<&str> = runs.iter().filter(alive).copied().collect();
        for part in cancelled.chunks(100) {
            let names: Vec<String> = part
                .iter()
                .map(|run| format!("{}_{}", tasks[*run].job.0, tasks[*run].job.1))
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            call("scancel", &names)?;
        }
        Ok(cancelled.into_iter().map(str::to_owned).collect())
    }
}

/// What the accounts say, where this cluster keeps any.
fn accounted(numbers: &str) -> BTreeMap<(u64, usize), Task> {
    let fields = "--format=JobID,State,ExitCode";
    let answer = call(
        "sacct",
        &["-X", "-P", "-n", fields, &format!("--jobs={numbers}")],
    );
    let Ok(answer) = answer else {
        return BTreeMap::new();
    };
    let task = |line: &str| {
        let mut parts = line.split('|');
        let (job, task) = parts.next()?.split_once('_')?;
        // `CANCELLED by 1000`
        let state = parts.next()?.split(' ').next()?.to_owned();
        let code = parts.next().unwrap_or_default();
        let job = (job.parse().ok()?, task.parse().ok()?);
        let reason = match code {
            "" | "0:0" => String::new(),
            code => format!("exit code {code}"),
        };
        Some((job, Task { job, state, reason }))
    };
    answer.lines().filter_map(task).collect()
}

/// What the queue knows of these jobs, finished ones for a while included.
fn queued(numbers: &str) -> Result<BTreeMap<(u64, usize), Task>> {
    let format = "--format=%F|%K|%T|%r";
    let jobs = format!("--jobs={numbers}");
    let arguments = ["--array", "--noheader", "--states=all", format, &jobs];
    let answer = match call("squeue", &arguments) {
        Ok(answer) => answer,
        // It forgets what ended a while ago.
        Err(Error::Input(text)) if text.contains("Invalid job id") => String::new(),
        Err(error) => return Err(error),
    };
    let task = |line: &str| {
        let mut parts = line.split('|');
        let job = (
            parts.next()?.trim().parse().ok()?,
            parts.next()?.trim().parse().ok()?,
        );
        let state = parts.next()?.trim().to_owned();
        let reason = parts.next().unwrap_or_default().trim().to_owned();
        Some((job, Task { job, state, reason }))
    };
    Ok(answer.lines().filter_map(task).collect())
}

/// Takes away the locks of runs that nobody works on any more: those of jobs on other machines that ended without giving
/// them back. Says which runs were freed.
///
/// # Errors
/// [`Error::Io`] where a lock cannot be taken away.
pub fn release(sweep: &Sweep) -> Result<Vec<String>> {
    let mut freed = Vec::new();
    for cell in &sweep.cells {
        let released = lock::release(&sweep.run(cell), &|job| is_over(job).unwrap_or(false))?;
        freed.extend(released.map(|_| cell.id.clone()));
    }
    Ok(freed)
}

/// Whether a job is over; `None` where Slurm cannot be asked.
fn is_over(job: &lock::Job) -> Option<bool> {
    let number = job.number.to_string();
    let alive = match job.task {
        Some(task) => queued(&number)
            .ok()?
            .get(&(job.number, task))
            .is_some_and(Task::is_alive),
        None => {
            let arguments = ["--noheader", "--format=%T", &format!("--jobs={number}")];
            match call("squeue", &arguments) {
                Ok(answer) => !answer.trim().is_empty(),
                Err(Error::Input(text)) if text.contains("Invalid job id") => false,
                Err(_) => return None,
            }
        }
    };
    Some(!alive)
}

/// How runs are handed in.
#[derive(Clone, Debug)]
pub struct Order {
    /// Asked for on the command line, over what the recipes ask for.
    pub options: SlurmRecipe,
    /// Runs at a time, at most.
    pub slots: Option<usize>,
    /// `auto`, `cpu` or `cuda:N`
    pub device: String,
    /// This program.
    pub program: PathBuf,
}

/// The scripts that would do these runs: one for all that ask Slurm for the same, of 1000 runs each at most.
///
/// # Errors
/// [`Error::Io`] where the sweep's folder has no absolute path.
pub fn scripts(sweep: &Sweep, runs: &[usize], order: &Order) -> Result<Vec<Script>> {
    let root = std::path::absolute(sweep.root()).map_err(Error::io(sweep.root()))?;
    if root.to_str().is_none_or(|text| text.contains(['\n', '"'])) {
        return Err(Error::input(format!(
            "{} has a name that no line of a script for sbatch can hold: give another folder by --out",
            root.display()
        )));
    }
    let mut groups: Vec<(SlurmRecipe, Vec<&Cell>)> = Vec::new();
    for &run in runs {
        let cell = &sweep.cells[run];
        let options = cell.recipe.slurm.with(&order.options);
        match groups.iter_mut().find(|(of, _)| *of == options) {
            Some((_, cells)) => cells.push(cell),
            None => groups.push((options, vec![cell])),
        }
    }
    let mut scripts = Vec::new();
    for (options, cells) in groups {
        for part in cells.chunks(MOST_TASKS) {
            scripts.push(Script::new(&root, part, &options, order));
        }
    }
    Ok(scripts)
}

/// Refuses where Slurm's commands are not to be had.
///
/// # Errors
/// [`Error::Input`]
pub fn check() -> Result<()> {
    call("sbatch", &["--version"]).map(drop)
}

/// Hands the runs in; gives the jobs' numbers. What was handed in before stays in the list.
///
/// # Errors
/// [`Error::Input`] with what sbatch said; what was handed in before that stays queued.
pub fn submit(sweep: &Sweep, scripts: &[Script]) -> Result<Vec<u64>> {
    let mut jobs = Jobs::of(sweep)?;
    let mut numbers = Vec::new();
    for script in scripts {
        let path = sweep
            .root()
            .join(format!("slurm/{:03}.sh", jobs.arrays.len() + 1));
        files::write_atomic(&path, script.text.as_bytes())?;
        let path = path.display().to_string();
        let answer = call("sbatch", &["--parsable", &path])?;
        // Of several clusters it names the one, too: `12;cluster`.
        let number = answer.trim().split(';').next().unwrap_or_default();
        let job = number.parse().map_err(|_| {
            Error::input(format!(
                "sbatch answered {:?} instead of a job's number: see by squeue whether it took {path}",
                said(&answer)
            ))
        })?;
        jobs.arrays.push(Array {
            job,
            runs: script.runs.clone(),
        });
        jobs.write(sweep)?;
        numbers.push(job);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_alive_until_it_is_over() {
        let task = |state: &str, reason: &str| Task {
            job: (7, 2),
            state: state.into(),
            reason: reason.into(),
        };
        let pending = task("PENDING", "Priority");
        assert!(pending.is_alive() && task("COMPLETING", "None").is_alive());
        assert_eq!(pending.describe(), "job 7_2 is pending (Priority)");
        assert_eq!(task("RUNNING", "None").describe(), "job 7_2 is running");
        for over in ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"] {
            assert!(!task(over, "").is_alive());
        }
    }
}
