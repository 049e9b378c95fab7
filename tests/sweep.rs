//! `pentimento sweep`: the grid, its processes, what they share, and what becomes of those that fail or are stopped.

#[path = "common/tiny.rs"]
mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A guard against waiting for ever, not a measure of speed.
const AT_MOST: Duration = Duration::from_secs(300);

/// A folder with a preset of one task in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("short.toml"), tiny::preset(3)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pentimento"));
        command
            .args(arguments.split(' '))
            .current_dir(self.0.path())
            .env("XDG_CONFIG_HOME", self.path("settings"))
            .env("HF_HOME", self.path("hub"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn output(&self, arguments: &str) -> Output {
        self.program(arguments).output().unwrap()
    }

    /// Standard output of a command that has to succeed.
    fn done(&self, arguments: &str) -> String {
        let output = self.output(arguments);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "{arguments}: {out}{err}");
        out
    }

    /// Standard error of a command that has to be refused.
    fn refused(&self, arguments: &str) -> String {
        let output = self.output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        texts(&output).1
    }

    fn wait_for(&self, what: &str, there: impl Fn() -> bool) {
        let begun = Instant::now();
        while !there() {
            assert!(begun.elapsed() < AT_MOST, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn journal(&self, run: &str) -> String {
        fs::read_to_string(self.path(run).join("journal.jsonl")).unwrap_or_default()
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The files of a folder with what is in them.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn terminate(child: &Child) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_grid_is_done_once_and_each_run_is_what_it_is_alone() {
    let place = Place::new();
    let sweep = "sweep short.toml --ranks 1,2 --seeds 1 --device cpu --out S";
    let out = place.done(&format!("{sweep} --dry-run"));
    assert!(out.contains("r1-s1") && out.contains("3 steps of"), "{out}");
    assert!(!place.path("S").exists());

    let out = place.done(sweep);
    for id in ["r1-s1", "r2-s1"] {
        assert!(out.contains(&format!("{id}  finished")), "{out}");
        let log = fs::read_to_string(place.path(&format!("S/logs/{id}.log"))).unwrap();
        assert!(log.contains("exported to"), "{log}");
    }
    // The untouched backbone was measured once, and so were the classes' prototypes.
    let shared = |kind: &str| {
        let of = |name: &&String| name.starts_with(kind) && !name.ends_with(".lock");
        files(&place.path("S/shared")).keys().filter(of).count()
    };
    assert_eq!((shared("row-0"), shared("prototypes")), (1, 2));

    // With what is shared, or without: the same bytes.
    place.done("run short.toml --set lora.rank=2 --seed 1 --device cpu --out alone");
    let (alone, one) = (
        files(&place.path("alone/export")),
        files(&place.path("S/runs/r2-s1/export")),
    );
    assert!(alone.len() >= 5 && alone == one, "{:?}", alone.keys());

    // What is finished is left alone, and what is new is added.
    let before = place.journal("S/runs/r1-s1");
    let out = place.done("sweep short.toml --ranks 1,4 --seeds 1 --device cpu --out S");
    assert!(out.contains("r1-s1 is finished already"), "{out}");
    assert_eq!(place.journal("S/runs/r1-s1"), before);
    let out = place.done("sweep --out S --status");
    assert_eq!(
        out.lines().filter(|l| l.contains("finished")).count(),
        3,
        "{out}"
    );
    let out = place.done("sweep --out S --dry-run --device cpu");
    assert!(out.contains("about 0:00 min"), "{out}");
}

#[test]
fn a_stopped_sweep_goes_on_where_it_was() {
    let place = Place::new();
    let sweep = "sweep short.toml --ranks 1,2 --seeds 1 --set train.steps=400 --slots 1 --device cpu --out S";
    let child = place.program(sweep).spawn().unwrap();
    let steps = |run: &str| place.journal(run).matches("\"kind\":\"Step\"").count();
    place.wait_for("two steps", || steps("S/runs/r1-s1") > 1);
    terminate(&child);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(143), "{:?}", texts(&ended));
    let (out, err) = texts(&ended);
    assert!(
        out.contains("r1-s1 stopped after") && err.contains("goes on"),
        "{out}{err}"
    );
    assert!(!place.path("S/runs/r2-s1").exists());
    let out = place.done("sweep --out S --status");
    assert!(out.contains("r1-s1  stopped"), "{out}");
    let taken = steps("S/runs/r1-s1");
    assert!(taken < 400);

    // Whoever comes while another process has a run leaves it alone, and can stop it.
    let child = place
        .program("sweep --out S --slots 1 --device cpu")
        .spawn()
        .unwrap();
    place.wait_for("the run to go on", || steps("S/runs/r1-s1") > taken);
    assert!(
        place
            .journal("S/runs/r1-s1")
            .contains("\"kind\":\"Resumed\"")
    );
    let out = place.done("sweep --out S --status");
    assert!(out.contains("r1-s1  at work"), "{out}");
    // One of them, then whoever begins the next ones.
    let one = "sweep short.toml --ranks 1 --seeds 1 --set train.steps=400 --out S --cancel";
    let out = place.done(one);
    assert!(out.contains("r1-s1 stops with a checkpoint"), "{out}");
    place.wait_for("the next run", || steps("S/runs/r2-s1") > 0);
    let out = place.done("sweep --out S --cancel");
    assert!(
        out.contains("begins no more runs") && out.contains("r2-s1 stops"),
        "{out}"
    );
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(143), "{:?}", texts(&ended));
    assert_eq!(fs::read_dir(place.path("S/engines")).unwrap().count(), 0);
    place.refused("sweep --out T --cancel");
}

/// Each does a part, and both know of all in the end.
#[test]
fn two_sweeps_in_one_folder_share_the_work() {
    let place = Place::new();
    let children = ["1,2", "2,4"].map(|ranks| {
        let sweep =
            format!("sweep short.toml --ranks {ranks} --seeds 1 --slots 1 --device cpu --out S");
        place.program(&sweep).spawn().unwrap()
    });
    for child in children {
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{:?}", texts(&ended));
    }
    let out = place.done("sweep --out S --status");
    assert_eq!(
        out.lines().filter(|l| l.contains("  finished")).count(),
        3,
        "{out}"
    );
    for run in ["r1-s1", "r2-s1", "r4-s1"] {
        let finished = place
            .journal(&format!("S/runs/{run}"))
            .matches("\"Finished\"")
            .count();
        assert_eq!(finished, 1, "{run}");
    }
    // Without its list it is made from the same axes, with its runs.
    fs::remove_file(place.path("S/sweep.json")).unwrap();
    let out = place.done("sweep short.toml --ranks 1,2,4 --seeds 1 --device cpu --out S");
    assert_eq!(out.matches("is finished already").count(), 3, "{out}");
}

#[test]
fn what_fails_says_why_and_is_tried_again() {
    let place = Place::new();
    // The second one's data is not there, which only its process finds out.
    let gone = place.path("gone");
    for split in ["train", "test"] {
        for class in ["a", "b"] {
            let path = gone.join(split).join(class);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("x.png"), "no picture").unwrap();
        }
    }
    let sweep = format!(
        "sweep short.toml --set task.0.data=bundled:parity,folder:{} --set task.0.per_class=2 --device cpu --out S",
        gone.display()
    );
    let output = place.output(&sweep);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    let failed = out.lines().rev().find(|l| l.contains("  failed")).unwrap();
    assert!(failed.contains("cannot be read"), "{failed}");
    assert_eq!(out.matches("finished after").count(), 1, "{out}");
    let again = place.output("sweep --out S --device cpu");
    assert_eq!(again.status.code(), Some(2));
    assert!(texts(&again).0.contains("is finished already"));
}

/// Of the runs of a grid some can be done: a backbone that is not to be had ends its own.
#[test]
fn what_cannot_be_fetched_does_not_hold_up_the_others() {
    let place = Place::new();
    let sweep = "sweep short.toml --backbones bundled:glyph-vit,hub:nobody/nothing --seeds 1,2 --device cpu --out S";
    let output = place
        .program(sweep)
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap();
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    assert_eq!(
        (
            out.matches("  finished").count(),
            out.matches("  failed").count()
        ),
        (2, 2),
        "{out}"
    );
    let last = out.lines().last().unwrap();
    assert!(last.contains("HF_HUB_OFFLINE is set"), "{out}");
    let report = place.done("report S --out R");
    assert!(report.contains("glyph-vit at rank 2"), "{report}");
    let page = fs::read_to_string(place.path("R/report.md")).unwrap();
    assert_eq!(page.matches("because it could not begin: ").count(), 2);
}

/// Nothing of a sweep that is killed stays at work beside the one that goes on with it.
#[test]
fn runs_end_with_the_sweep_that_began_them() {
    let place = Place::new();
    let mut child = place
        .program("sweep short.toml --seeds 1 --set train.steps=4000 --device cpu --out S")
        .spawn()
        .unwrap();
    place.wait_for("a step", || {
        place.journal("S/runs/s1").contains("\"kind\":\"Step\"")
    });
    child.kill().unwrap();
    child.wait().unwrap();
    place.wait_for("the run's end", || {
        place.journal("S/runs/s1").contains("\"kind\":\"Stopped\"")
            && !place.path("S/runs/s1/lock.json").exists()
    });
    let out = place.done("sweep --out S --status");
    assert!(out.contains("s1  stopped"), "{out}");
}

#[test]
fn a_run_that_lost_its_journal_says_what_to_do() {
    let place = Place::new();
    let sweep = "sweep short.toml --seeds 1 --device cpu --out S";
    place.done(sweep);
    fs::remove_file(place.path("S/runs/s1/journal.jsonl")).unwrap();
    let output = place.output(sweep);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    assert!(
        out.contains("s1 has no journal.jsonl any more") && out.contains("delete the folder"),
        "{out}"
    );
    fs::remove_dir_all(place.path("S/runs/s1")).unwrap();
    place.done(sweep);
}

#[test]
fn what_is_wrong_with_a_sweep_is_told_in_a_sentence() {
    let place = Place::new();
    let told = |arguments: &str, what: &str| {
        let err = place.refused(arguments);
        assert!(err.contains(what), "{arguments}: {err}");
    };
    told("sweep --out S", "holds no sweep");
    told(
        "sweep short.toml --ranks 1,1 --out S",
        "lora.rank has the value 1 twice",
    );
    told("sweep short.toml --ranks 0,99999 --out S", "lora.rank");
    told("sweep short.toml --set train.lr --out S", "KEY=VALUE");
    told("sweep short.toml --modes merge,fuse --out S", "lora.mode");
    told(
        "sweep short.toml --slots 1000 --device cpu --out S",
        "--slots 1000",
    );
    told("sweep short.toml --device auto,cpu --out S", "auto alone");
    told("sweep short.toml --out .", "not empty");
    told("sweep --ranks 1 --out S", "PRESET");
    told("sweep-run . x", "holds no sweep");
    assert!(!place.path("S").exists());
    // Slurm is asked only where it is wanted.
    let without = place
        .program("sweep short.toml --engine slurm --out S")
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let err = texts(&without).1;
    assert_eq!(without.status.code(), Some(2), "{err}");
    assert!(err.contains("there is no sbatch here"), "{err}");
    told(
        "sweep short.toml --engine slurm --partition a;b --out T",
        "slurm.partition",
    );
}
