//! Disks that refuse, and folders that go away: the run stands still, and ends as if nothing had been.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use common::{SHORT, assert_same, automatic, outcome};
use pentimento::lab::{Event, State};
use pentimento::progress::Nobody;
use pentimento::recipe::Recipe;
use pentimento::run::{RunView, journal, lock};
use pentimento::session::{Reopen, Session, Update};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pentimento");

/// One task of two steps on a few images, with a checkpoint between them.
const OVERRIDES: [&str; 5] = [
    "foundation.per_class=2",
    "task.0.per_class=8",
    "train.steps=2",
    "train.checkpoint_every=1",
    "train.watch_every=0",
];

fn text() -> &'static str {
    SHORT.rsplit_once("[[task]]").unwrap().0
}

fn recipe() -> Recipe {
    let overrides = OVERRIDES.map(str::to_owned);
    Recipe::from_toml(text(), "short.toml", &overrides).unwrap()
}

/// The arguments of a run without a screen.
fn arguments(dir: &Path, run: &Path) -> Vec<String> {
    let file = dir.join("short.toml");
    fs::write(&file, text()).unwrap();
    let mut arguments = vec!["run".to_owned(), file.display().to_string()];
    for text in OVERRIDES {
        arguments.extend(["--set".to_owned(), text.to_owned()]);
    }
    arguments.extend(["--out".to_owned(), run.display().to_string()]);
    arguments
}

/// The program with files of at most so many blocks of 512 bytes, where the system can change that under way.
fn confined(arguments: &[String], blocks: u32) -> Option<Child> {
    let changes = Program::new("prlimit").arg("--version").output();
    if !changes.is_ok_and(|o| o.status.success()) {
        eprintln!("not tested: there is no prlimit here");
        return None;
    }
    let script = format!(r#"ulimit -S -f {blocks}; exec "$0" "$@""#);
    let child = Program::new("sh")
        .args(["-c", &script, PROGRAM])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    Some(child.unwrap())
}

fn release(child: &Child) {
    let status = Program::new("prlimit")
        .args(["--pid", &child.id().to_string()])
        .arg("--fsize=unlimited:")
        .status();
    assert!(status.unwrap().success());
}

/// Nothing half written lies anywhere, and the journal's lines are whole.
fn assert_whole(run: &Path) {
    let partial = |path: &&PathBuf| path.to_string_lossy().contains("partial");
    let files = common::files(run);
    assert!(files.keys().find(partial).is_none(), "{:?}", files.keys());
    let reading = journal::read(&run.join("journal.jsonl")).unwrap();
    assert_eq!(reading.torn, None);
}

fn straight(dir: &Path) -> PathBuf {
    let run = dir.join("straight");
    let status = Program::new(PROGRAM)
        .args(arguments(dir, &run))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
    run
}

#[test]
fn a_full_disk_pauses_a_run_which_then_ends_with_the_straight_runs_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    // What has no room is the checkpoint, and the adapter after it.
    let Some(mut child) = confined(&arguments(dir.path(), &run), 40) else {
        return;
    };
    let straight = straight(dir.path());
    let mut stood = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains("warning: the run stands still") {
            assert!(line.contains("File too large"), "{line}");
            assert_whole(&run);
            stood += 1;
            release(&child);
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(stood > 0);
    assert_whole(&run);
    assert_same(&outcome(&straight), &outcome(&run));
    let told = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    assert_eq!(told.matches("stood still for ").count(), stood);
    assert!(!run.join("lock.json").exists());
}

#[test]
fn a_run_that_is_stopped_on_a_full_disk_ends_with_the_error_and_is_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    // What has no room is the journal: it begins with 4 kB, and the first row ends with 6.
    let Some(mut child) = confined(&arguments(dir.path(), &run), 10) else {
        return;
    };
    let straight = straight(dir.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("stands still")));
    let holder = lock::holder(&run).unwrap();
    assert_eq!(holder.process, child.id());
    let refused = Session::reopen(&run, &automatic(), Reopen::GoOn, &mut Nobody);
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains(&holder.to_string()), "{refused}");
    let stopped = Program::new("kill").arg(child.id().to_string()).status();
    assert!(stopped.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_whole(&run);
    assert_eq!(lock::holder(&run), None);
    let resumed = Program::new(PROGRAM)
        .args(["resume", run.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{resumed:?}");
    assert_same(&outcome(&straight), &outcome(&run));
}

/// Waits for the next of these.
fn next(session: &mut Session) -> Update {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        if let Ok(update) = session.updates.try_recv() {
            return update;
        }
        assert!(Instant::now() < deadline, "the lab is silent");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The run whose folder `harm` does something to once it has begun, and which `mend` puts right when it stands still.
fn harmed(dir: &Path, harm: impl Fn(&Path), mend: impl Fn(&Path)) -> RunView {
    let run = dir.join("run");
    let mut session = Session::create(recipe(), Some(&run), &automatic(), &mut Nobody).unwrap();
    let mut view = RunView::default();
    let mut stood = false;
    loop {
        match next(&mut session) {
            Update::Record(record) => {
                view.apply(&record);
                if matches!(record.event, Event::TaskStarted { .. }) {
                    harm(&run);
                }
            }
            Update::Standstill(why) => {
                assert!(why.contains("stands still"), "{why}");
                stood = true;
                mend(&run);
            }
            Update::Pulse(_) => {}
            Update::Ended => break,
        }
    }
    assert!(session.join().is_none());
    assert!(stood);
    assert_eq!(view.state, State::Finished);
    let told = format!("{:?}", view.log);
    assert!(told.contains("stood still for "), "{told}");
    view
}

#[test]
fn a_folder_that_is_moved_away_and_back_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let straight = straight(dir.path());
    let away = dir.path().join("away");
    harmed(
        dir.path(),
        |run| fs::rename(run, &away).unwrap(),
        |run| {
            // Nothing of the run came into being where it lay.
            assert!(!run.exists());
            fs::rename(&away, run).unwrap();
        },
    );
    assert_same(&outcome(&straight), &outcome(&dir.path().join("run")));
}

#[test]
fn a_folder_that_may_not_be_written_to_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let allow = |folder: &Path, mode: u32| {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    };
    let probe = dir.path().join("probe");
    fs::create_dir(&probe).unwrap();
    allow(&probe, 0o500);
    if fs::write(probe.join("file"), "").is_ok() {
        allow(dir.path(), 0o777);
        return again_as_nobody(
            "a_folder_that_may_not_be_written_to_is_waited_for",
            dir.path(),
        );
    }
    let straight = straight(dir.path());
    harmed(dir.path(), |run| allow(run, 0o500), |run| allow(run, 0o700));
    assert_same(&outcome(&straight), &outcome(&dir.path().join("run")));
}

/// Where permissions mean nothing to this user, another one runs the test.
fn again_as_nobody(test: &str, folder: &Path) {
    const NOBODY: u32 = 65534;
    let output = Program::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env("TMPDIR", folder)
        .env("HOME", folder)
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    match output {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        // It may not be let into the folder that this program lies in.
        Err(problem) => eprintln!("not tested: nobody cannot run it: {problem}"),
    }
}
