//! The run that nothing disturbs, and what the others are compared with of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pentimento::lab::{Event, Record};
use pentimento::run::journal;
use tempfile::TempDir;

use super::common::outcome;

/// A guard against waiting for ever.
const AT_MOST: Duration = Duration::from_secs(900);
/// The preset's file; what is said in it beside `extends` keeps the moments between which it can be disturbed many.
const FILE: &str = "soak.toml";
const WHOLE: &str = "extends = \"demo\"\nname = \"soak\"\n";
const QUICK: &str = "train.steps = 40\ntrain.checkpoint_every = 5\nmeasure.permutations = 99\n\
                     foundation.per_class = 4\n";

/// What became of runs that were disturbed.
pub struct Verdict {
    pub what: &'static str,
    pub count: usize,
    /// Those that were lost: what was found.
    pub lost: Vec<String>,
    /// What else was seen.
    pub seen: String,
}

impl Verdict {
    pub fn line(&self) -> String {
        let (count, what, lost) = (self.count, self.what, self.lost.len());
        format!("{count} {what}, {lost} lost ({})", self.seen)
    }
}

/// The run that nothing disturbed.
pub struct Reference {
    quick: bool,
    pub seconds: f64,
    /// The share of the time that checkpoints took, from 0 to 1.
    pub checkpoints: f64,
    outcome: BTreeMap<PathBuf, Vec<u8>>,
}

impl Reference {
    /// Makes it.
    pub fn make(quick: bool) -> Result<Self> {
        let place = Place::new(quick)?;
        let begin = Instant::now();
        let status = wait(place.run().spawn()?)?;
        ensure!(status.success(), "the undisturbed run ended with {status}");
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Self {
            quick,
            seconds,
            checkpoints: seconds_in_checkpoints(&place.records()?) / seconds,
            outcome: outcome(&place.folder()),
        })
    }

    pub fn what(&self) -> &'static str {
        match self.quick {
            true => "the demo with few steps",
            false => "the demo",
        }
    }

    /// A place for a run of the same recipe.
    pub fn place(&self) -> Result<Place> {
        Place::new(self.quick)
    }

    /// What a run that has finished differs in from this one, if in anything.
    pub fn differs(&self, run: &Path) -> Option<String> {
        if !run.join("export/matrix.csv").is_file() {
            return Some(format!("{} did not finish", run.display()));
        }
        let found = outcome(run);
        let names: std::collections::BTreeSet<_> =
            found.keys().chain(self.outcome.keys()).collect();
        let other = |name: &&&PathBuf| found.get(**name) != self.outcome.get(**name);
        let differing: Vec<String> = { names.iter() }
            .filter(other)
            .map(|name| name.display().to_string())
            .collect();
        (!differing.is_empty()).then(|| format!("differs in {}", differing.join(", ")))
    }
}

/// A folder to run in.
pub struct Place {
    folder: TempDir,
}

impl Place {
    fn new(quick: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let preset = match quick {
            true => format!("{WHOLE}{QUICK}"),
            false => WHOLE.to_owned(),
        };
        std::fs::write(folder.path().join(FILE), preset)?;
        Ok(Self { folder })
    }

    /// Where the program is started.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The run's folder: the one that the screens give it, too.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("runs/soak-s0-1")
    }

    /// The program with these arguments, without a screen.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_pentimento"));
        program.args(arguments).current_dir(self.root());
        program.env("XDG_CONFIG_HOME", self.root());
        program
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        program
    }

    /// Begins the run.
    pub fn run(&self) -> Command {
        self.program(&["run", FILE, "--out", "runs/soak-s0-1"])
    }

    /// Goes on with it.
    pub fn resume(&self) -> Command {
        self.program(&["resume", "runs/soak-s0-1"])
    }

    /// The journal.
    fn records(&self) -> Result<Vec<Record>> {
        Ok(journal::read(&self.folder().join("journal.jsonl"))?.records)
    }

    /// The events of the journal.
    pub fn events(&self) -> Result<Vec<Event>> {
        Ok(self.records()?.into_iter().map(|r| r.event).collect())
    }
}

/// By how many seconds steps with a checkpoint behind them took longer than the middle one of the others.
fn seconds_in_checkpoints(records: &[Record]) -> f64 {
    let is_step = |r: &Record| matches!(r.event, Event::Step { .. });
    let moment = |r: &Record| r.time.parse::<jiff::Timestamp>().unwrap_or_default();
    let seconds =
        |from: &Record, to: &Record| moment(to).duration_since(moment(from)).as_secs_f64();
    let mut steps: Vec<f64> = { records.windows(2) }
        .filter(|w| w.iter().all(is_step))
        .map(|w| seconds(&w[0], &w[1]))
        .collect();
    steps.sort_by(f64::total_cmp);
    let usual = steps.get(steps.len() / 2).copied().unwrap_or_default();
    { records.windows(3) }
        .filter(|w| matches!(w[1].event, Event::Checkpoint { .. }) && is_step(&w[2]))
        .map(|w| seconds(&w[0], &w[2]) - usual)
        .sum()
}

/// Keys that begin the run on the set-up screen.
pub const BEGIN: &str = "esoak.toml\r\r";

/// Waits for a program's end.
pub fn wait(mut child: Child) -> Result<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begin.elapsed() > AT_MOST {
            child.kill()?;
            bail!("a program did not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until something is so.
pub fn until(what: &str, so: impl Fn() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !so() {
        ensure!(begin.elapsed() < AT_MOST, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// What a program that has ended said on standard error.
pub fn said(child: Child) -> Result<String> {
    let output = child.wait_with_output().context("its words")?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}
