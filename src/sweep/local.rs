//! A sweep on this machine: one process a slot.

use std::collections::{BTreeSet, VecDeque};
use std::fs::OpenOptions;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::listing::tail;
use super::{Progress, Seen, Sweep, Watch};
use crate::{Error, Result, signals};

/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(200);
/// Between two looks at the runs' journals.
const READ: Duration = Duration::from_secs(2);
/// Between two lines on how far the sweep is.
const LINE: Duration = Duration::from_secs(60);
/// Bytes of a log that its last line is looked for in.
const TAIL: u64 = 4096;

/// Where a run of a sweep is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// `cpu` or `cuda:N`
    pub device: String,
    /// Threads that compute.
    pub threads: usize,
}

/// What decides how many runs are done at a time.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Devices; one alone that is `cpu`, or GPUs.
    pub devices: Vec<String>,
    /// Threads that the machine runs at once.
    pub threads: usize,
    /// Bytes of memory that there are.
    pub memory: usize,
}

/// The slots for `runs` runs: as many as are asked for; else one a GPU, or on a CPU one a run, as long as there are
/// threads and memory for all of them, where a run takes `each` bytes by estimate. Threads are shared out evenly, since a
/// run is done faster by one thread with the next beside it than by two.
///
/// # Errors
/// [`Error::Input`] where more slots are asked for than there are threads.
pub fn slots(
    machine: &Machine,
    runs: usize,
    asked: Option<usize>,
    each: Option<usize>,
) -> Result<Vec<Slot>> {
    let threads = machine.threads.max(1);
    let on_cpu = machine.devices.iter().all(|d| d == "cpu");
    let n = match asked {
        Some(n) if n > threads => {
            return Err(Error::input(format!(
                "--slots {n}: this machine runs {threads} threads at once; a slot needs one at least"
            )));
        }
        Some(n) => n,
        None if on_cpu => {
            let fit = each.map_or(usize::MAX, |each| machine.memory / each.max(1));
            threads.min(fit)
        }
        None => machine.devices.len().min(threads),
    };
    let n = n.min(runs).max(1);
    Ok((0..n)
        .map(|i| Slot {
            device: machine.devices[i % machine.devices.len()].clone(),
            threads: threads / n + usize::from(i < threads % n),
        })
        .collect())
}

/// How a sweep on this machine ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The highest exit code of a run that failed.
    pub worst: u8,
    /// It was ended from outside.
    pub ended: bool,
}

/// What the loop tells and hears.
pub trait Foreman {
    /// A line for people.
    fn say(&mut self, line: &str);
    /// The signal that ends the sweep, if one came.
    fn ends(&self) -> bool;
}

struct Worker {
    cell: usize,
    slot: usize,
    child: Child,
    begun: Instant,
}

/// Does the runs `open` of a sweep in these slots. Each is a process of its own, which makes a run or takes it up again.
/// What is said of how far it is is of the runs `asked`, of which others may be finished, or at work elsewhere: those are
/// waited for, and done here where they are left. When `foreman` ends it, every run stops with a checkpoint.
///
/// # Errors
/// [`Error::Io`] where a process cannot be waited for.
pub fn run(
    sweep: &Sweep,
    asked: &[usize],
    open: &[usize],
    slots: &[Slot],
    program: &Path,
    foreman: &mut dyn Foreman,
) -> Result<Outcome> {
    let mut watch = Watch::new(sweep);
    watch.look(&|| foreman.ends());
    for &cell in asked {
        if watch[cell].progress == Progress::Finished {
            foreman.say(&format!("{} is finished already", sweep.cells[cell].id));
        }
    }
    let pace = Pace::from(share(asked, &watch));
    let mut shop = Shop {
        sweep,
        asked,
        slots,
        program,
        watch,
        waiting: open.iter().copied().collect(),
        workers: Vec::new(),
        elsewhere: BTreeSet::new(),
        outcome: Outcome::default(),
    };
    shop.look_around(foreman);
    let (mut read, mut said) = (Instant::now(), Instant::now());
    loop {
        if foreman.ends() && !shop.outcome.ended {
            shop.stop();
        }
        shop.fill_slots(foreman);
        shop.collect(foreman)?;
        if shop.is_done() {
            return Ok(shop.outcome);
        }
        if read.elapsed() > READ {
            shop.watch.look(&|| foreman.ends());
            shop.look_around(foreman);
            read = Instant::now();
        }
        if said.elapsed() > LINE {
            foreman.say(&(shop.summary() + &pace.left(share(asked, &shop.watch))));
            said = Instant::now();
        }
        std::thread::sleep(LOOK);
    }
}

/// A sweep at work on this machine.
struct Shop<'a> {
    sweep: &'a Sweep,
    asked: &'a [usize],
    slots: &'a [Slot],
    program: &'a Path,
    watch: Watch,
    /// To be begun, in this order.
    waiting: VecDeque<usize>,
    workers: Vec<Worker>,
    /// Those that other processes have at work.
    elsewhere: BTreeSet<usize>,
    outcome: Outcome,
}

impl Shop<'_> {
    fn id(&self, cell: usize) -> &str {
        &self.sweep.cells[cell].id
    }

    /// Begins what waits in the slots that are free.
    fn fill_slots(&mut self, foreman: &mut dyn Foreman) {
        let is_free = |workers: &[Worker], slot: usize| workers.iter().all(|w| w.slot != slot);
        while let Some(slot) = (0..self.slots.len()).find(|s| is_free(&self.workers, *s))
            && let Some(cell) = self.waiting.pop_front()
        {
            // Another process may have taken it, or finished it.
            self.watch.look_at(cell);
            if !self.watch[cell].progress.is_open() {
                self.look_around(foreman);
                continue;
            }
            let resumes = !matches!(self.watch[cell].progress, Progress::Waiting);
            let place = &self.slots[slot];
            match begin(self.sweep, cell, place, self.slots.len(), self.program) {
                Ok(child) => {
                    foreman.say(&begins(self.id(cell), resumes, place));
                    self.workers.push(Worker {
                        cell,
                        slot,
                        child,
                        begun: Instant::now(),
                    });
                }
                // Those at work are not left alone for it.
                Err(error) => {
                    foreman.say(&format!("{} could not be begun: {error}", self.id(cell)));
                    self.outcome.worst = self.outcome.worst.max(1);
                }
            }
        }
    }

    /// Takes in what has ended.
    fn collect(&mut self, foreman: &mut dyn Foreman) -> Result<()> {
        let mut at = 0;
        while at < self.workers.len() {
            let status = self.workers[at].child.try_wait();
            let Some(status) = status.map_err(Error::io("a run's process"))? else {
                at += 1;
                continue;
            };
            let worker = self.workers.remove(at);
            self.watch.look_at(worker.cell);
            let seen = &self.watch[worker.cell];
            match seen.progress {
                // Two began it at once, and the other one has it.
                Progress::AtWork(_) => {}
                Progress::Finished => foreman.say(&ends(self.sweep, &worker, status, seen)),
                _ => {
                    foreman.say(&ends(self.sweep, &worker, status, seen));
                    if !self.outcome.ended {
                        self.outcome.worst = self.outcome.worst.max(code(status));
                    }
                }
            }
        }
        Ok(())
    }

    /// Notices what other processes have at work, and takes over what they leave.
    fn look_around(&mut self, foreman: &mut dyn Foreman) {
        for &cell in self.asked {
            let own = self.workers.iter().any(|w| w.cell == cell);
            let id = &self.sweep.cells[cell].id;
            match &self.watch[cell].progress {
                Progress::AtWork(who) if !own => {
                    self.waiting.retain(|c| *c != cell);
                    if self.elsewhere.insert(cell) {
                        foreman.say(&format!("{id} is being worked on by {who}"));
                    }
                }
                Progress::Finished => {
                    self.waiting.retain(|c| *c != cell);
                    if self.elsewhere.remove(&cell) {
                        foreman.say(&format!("{id} was finished elsewhere"));
                    }
                }
                progress if progress.is_open() && self.elsewhere.remove(&cell) => {
                    self.waiting.push_back(cell);
                }
                _ => {}
            }
        }
        if self.outcome.ended {
            self.waiting.clear();
        }
    }

    /// Has every run stop with a checkpoint.
    fn stop(&mut self) {
        self.outcome.ended = true;
        self.waiting.clear();
        for worker in &self.workers {
            signals::terminate(worker.child.id());
        }
    }

    fn is_done(&self) -> bool {
        let waits = !self.elsewhere.is_empty() && !self.outcome.ended;
        self.workers.is_empty() && self.waiting.is_empty() && !waits
    }

    /// How far the asked runs are, in a line.
    fn summary(&self) -> String {
        let finished = |c: &&usize| self.watch[**c].progress == Progress::Finished;
        let finished = self.asked.iter().filter(finished).count();
        let at_work: Vec<String> = self
            .workers
            .iter()
            .map(|w| format!("{} {:.0} %", self.id(w.cell), self.watch[w.cell].percent()))
            .collect();
        let at_work = match at_work.is_empty() {
            true => "none here".to_owned(),
            false => at_work.join(", "),
        };
        format!(
            "{finished} of {} finished; at work: {at_work}",
            self.asked.len()
        )
    }
}

fn begin(sweep: &Sweep, cell: usize, slot: &Slot, slots: usize, program: &Path) -> Result<Child> {
    let cell = &sweep.cells[cell];
    let path = sweep.log(cell);
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = log.map_err(Error::io(&path))?;
    let errors = log.try_clone().map_err(Error::io(&path))?;
    let child = Command::new(program)
        .arg("sweep-run")
        .arg(sweep.root())
        .arg(&cell.id)
        .args(["--device", &slot.device])
        .args(["--threads", &slot.threads.to_string()])
        .args(["--beside", &(slots - 1).to_string()])
        // A sweep that is killed leaves nothing at work that the next one does not know of.
        .args(["--parent", &std::process::id().to_string()])
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // Ctrl-C is for the sweep, which tells its runs.
        .process_group(0)
        .spawn();
    child.map_err(Error::io(program))
}

fn begins(id: &str, resumes: bool, slot: &Slot) -> String {
    let verb = if resumes { "goes on" } else { "begins" };
    let (device, threads) = (&slot.device, slot.threads);
    let s = if threads == 1 { "" } else { "s" };
    format!("{id} {verb} on {device} with {threads} thread{s}")
}

fn ends(sweep: &Sweep, worker: &Worker, status: ExitStatus, seen: &Seen) -> String {
    let cell = &sweep.cells[worker.cell];
    let id = &cell.id;
    let time = time(worker.begun.elapsed());
    match &seen.progress {
        Progress::Finished => format!("{id} finished after {time}: {}", found(seen)),
        Progress::Failed(why) => format!("{id} failed after {time}: {why}"),
        _ if matches!(status.code(), Some(130 | 143)) => {
            format!("{id} stopped after {time}, with a checkpoint")
        }
        // What its log says last is of before.
        _ if let Some(number) = status.signal() => match number {
            15 => format!("{id} stopped after {time}, before it began"),
            9 => format!(
                "{id} was killed after {time}, as the system does where memory is short; its last checkpoint is kept"
            ),
            number => format!("{id} was ended by signal {number} after {time}"),
        },
        _ => {
            let said = last_line(&sweep.log(cell));
            let said =
                said.unwrap_or_else(|| format!("nothing is in {}", sweep.log(cell).display()));
            format!("{id} ended with {status}: {said}")
        }
    }
}

/// What a run found, in a few words.
pub fn found(seen: &Seen) -> String {
    let percent = |share: f64| match share.is_nan() {
        true => "—".to_owned(),
        // What rounds to nothing has no sign.
        false => format!("{:.1} %", 100.0 * share)
            .replace("-0.0", "0.0")
            .replace('-', "−"),
    };
    format!(
        "average accuracy {}, average forgetting {}, of the foundation {}",
        percent(seen.accuracy.with_foundation),
        percent(seen.forgetting.without_foundation),
        percent(seen.foundation)
    )
}

/// Share of the asked runs that is done.
fn share(asked: &[usize], watch: &Watch) -> f64 {
    let done: f64 = asked.iter().map(|&c| watch[c].share).sum();
    done / asked.len().max(1) as f64
}

/// How fast a sweep goes.
struct Pace {
    begun: Instant,
    before: f64,
}

impl Pace {
    fn from(before: f64) -> Self {
        Self {
            begun: Instant::now(),
            before,
        }
    }

    /// What is left, by what was done since the beginning; nothing where too little was.
    fn left(&self, share: f64) -> String {
        let done = share - self.before;
        if done < 0.01 {
            return String::new();
        }
        let seconds = self.begun.elapsed().as_secs_f64() * (1.0 - share) / done;
        format!("; about {} left", time(Duration::from_secs_f64(seconds)))
    }
}

/// The exit code of a run that did not finish.
fn code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(2), _) => 2,
        _ => 1,
    }
}

/// The last line of a log, without the program's name before it.
fn last_line(path: &Path) -> Option<String> {
    let bytes = tail(path, TAIL).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(line.trim_start_matches("pentimento: ").to_owned())
}

/// Minutes and seconds, or hours and minutes.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn machine(devices: &[&str], threads: usize) -> Machine {
        Machine {
            devices: devices.iter().map(|d| (*d).to_owned()).collect(),
            threads,
            memory: 8 << 30,
        }
    }

    fn shares(slots: &[Slot]) -> Vec<(&str, usize)> {
        slots
            .iter()
            .map(|s| (s.device.as_str(), s.threads))
            .collect()
    }

    #[test]
    fn a_cpu_has_a_slot_a_run_as_long_as_threads_and_memory_last() {
        let cpu = machine(&["cpu"], 8);
        let of = |runs, asked, each| slots(&cpu, runs, asked, each).unwrap();
        assert_eq!(
            shares(&of(3, None, None)),
            [("cpu", 3), ("cpu", 3), ("cpu", 2)]
        );
        assert_eq!(of(100, None, None).len(), 8);
        assert_eq!(of(100, None, Some(3 << 30)).len(), 2);
        // One that does not fit is tried nevertheless.
        assert_eq!(shares(&of(100, None, Some(30 << 30))), [("cpu", 8)]);
        assert_eq!(shares(&of(100, Some(2), None)), [("cpu", 4), ("cpu", 4)]);
        let text = slots(&cpu, 9, Some(9), None).unwrap_err().to_string();
        assert!(text.contains("--slots 9"), "{text}");
    }

    #[test]
    fn a_gpu_has_one_slot_unless_more_are_asked_for() {
        let node = machine(&["cuda:0", "cuda:1"], 16);
        let of = |runs, asked| slots(&node, runs, asked, Some(usize::MAX)).unwrap();
        assert_eq!(shares(&of(6, None)), [("cuda:0", 8), ("cuda:1", 8)]);
        assert_eq!(shares(&of(1, None)), [("cuda:0", 16)]);
        let four = of(6, Some(4));
        let devices: Vec<&str> = four.iter().map(|s| s.device.as_str()).collect();
        assert_eq!(devices, ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]);
    }

    #[test]
    fn a_log_ends_with_the_sentence_that_matters() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert_eq!(last_line(&path), None);
        fs::write(&path, "a\npentimento: the disk is full\n\n").unwrap();
        assert_eq!(last_line(&path).as_deref(), Some("the disk is full"));
        assert_eq!(time(Duration::from_secs(65)), "1:05 min");
        assert_eq!(time(Duration::from_secs(7260)), "2:01 h");
    }
}
