//! Runs that are not whole: what is said of them, what is saved, and how they go on.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command as Program;
use common::{Driver, SHORT, assert_same, automatic, files, manual, outcome};
use pentimento::lab::{Command, Event, State};
use pentimento::progress::Nobody;
use pentimento::recipe::Recipe;
use pentimento::run::{Manifest, RunView, lock};
use pentimento::session::{Reopen, Session};

/// One task of three steps on a few images, with a checkpoint after each.
fn recipe(overrides: &[&str]) -> Recipe {
    let small = [
        "foundation.per_class=2",
        "task.0.per_class=8",
        "train.steps=3",
        "train.checkpoint_every=1",
        "train.watch_every=0",
    ];
    let overrides = small.iter().chain(overrides).map(|s| (*s).to_owned());
    let text = SHORT.rsplit_once("[[task]]").unwrap().0;
    Recipe::from_toml(text, "short.toml", &overrides.collect::<Vec<_>>()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in files(from) {
        let target = to.join(&name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

fn reopened(run: &Path, how: Reopen) -> Driver {
    Driver::new(Session::reopen(run, &automatic(), how, &mut Nobody).unwrap())
}

fn finished(mut lab: Driver) -> RunView {
    while lab.next().is_some() {}
    let failure = lab.session.join();
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(lab.view.state, State::Finished);
    lab.view
}

/// The exit code of `pentimento doctor RUN …` and what it says.
fn doctor(run: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Program::new(env!("CARGO_BIN_EXE_pentimento"))
        .arg("doctor")
        .arg(run)
        .args(arguments)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(told).unwrap();
    (output.status.code().unwrap(), text)
}

/// The journal's lines, without their ends.
fn lines(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The number of lines up to and with the first of a kind.
fn through(lines: &[String], kind: &str) -> usize {
    let kind = format!("\"kind\":\"{kind}\"");
    1 + lines.iter().position(|l| l.contains(&kind)).unwrap()
}

fn keep(run: &Path, lines: &[String], end: &str) {
    let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
    fs::write(run.join("journal.jsonl"), text + end).unwrap();
}

#[test]
fn a_training_that_diverges_says_where_and_the_run_can_be_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let wild = recipe(&["train.lr=1e30"]);
    let mut lab =
        Driver::new(Session::create(wild, Some(&run), &automatic(), &mut Nobody).unwrap());
    while lab.next().is_some() {}
    let error = lab.session.join().unwrap();
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    for part in [
        "no longer finite at step 2, learning rate ",
        "gradient",
        ", of ",
        "lower train.lr",
        "the last good checkpoint is kept, checkpoints/001-parity-000001.safetensors",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let branch = format!("`pentimento branch {} --at 0 ", run.display());
    assert!(text.contains(&branch), "{text}");
    assert_eq!(lab.view.failure.as_deref(), Some(text.as_str()));
    assert_eq!(fs::read_dir(run.join("checkpoints")).unwrap().count(), 1);
    assert_eq!(doctor(&run, &[]).0, 0);

    // Taken up it stands at its checkpoint, where the adapter can be thrown away.
    let mut lab = reopened(&run, Reopen::Hold);
    lab.until(|e| matches!(e, Event::Paused));
    assert_eq!(lab.view.trainings[0].points.len(), 1);
    lab.send(Command::Discard);
    lab.until(|e| matches!(e, Event::Discarded { .. }));
    lab.stop();
    let branch = dir.path().join("branch");
    let calm = recipe(&["train.lr=1e-3"]);
    let session = Session::branch(&run, 0, calm, Some(&branch), &automatic(), &mut Nobody);
    finished(Driver::new(session.unwrap()));
}

#[test]
fn a_run_goes_on_without_its_checkpoint_and_doctor_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let straight = dir.path().join("straight");
    common::run(recipe(&[]), &straight);
    let all = lines(&straight);
    let cut = through(&all, "Checkpoint");
    for (name, how, damaged) in [
        ("missing", Reopen::GoOn, false),
        ("damaged", Reopen::GoOn, true),
        ("looked-at", Reopen::Hold, true),
    ] {
        let run = dir.path().join(name);
        copy(&straight, &run);
        fs::remove_dir_all(run.join("export")).unwrap();
        keep(&run, &all[..cut], "{\"v\":1,\"seq\"");
        let file = "checkpoints/001-parity-000001.safetensors";
        if damaged {
            fs::create_dir_all(run.join("checkpoints")).unwrap();
            fs::write(run.join(file), b"not what was written").unwrap();
        }
        let (code, told) = doctor(&run, &[]);
        assert_eq!(code, 2);
        assert!(told.contains(file), "{told}");
        let next = format!(
            "next      `pentimento resume {}` goes on without that line and begins that training again",
            run.display()
        );
        assert!(told.contains(&next), "{told}");
        let mut lab = reopened(&run, how);
        if how == Reopen::Hold {
            lab.until(|e| matches!(e, Event::Paused));
            lab.send(Command::Resume);
        }
        let view = finished(lab);
        let log = format!("{:?}", view.log);
        assert!(log.contains("the training begins again"), "{log}");
        assert!(log.contains("was cut off while it was written"), "{log}");
        assert_same(&outcome(&straight), &outcome(&run));
    }
}

#[test]
fn doctor_names_what_is_wrong_and_saves_what_can_be_saved() {
    let dir = tempfile::tempdir().unwrap();
    let straight = dir.path().join("straight");
    common::run(recipe(&[]), &straight);
    let (code, told) = doctor(&straight, &[]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("whole     rows 0 to 1, with their adapters"),
        "{told}"
    );
    assert!(
        told.contains("next      nothing: the run is finished"),
        "{told}"
    );
    assert!(
        !told.contains("problem") && !told.contains("remark"),
        "{told}"
    );

    // An adapter that is not the one that was trained.
    let altered = dir.path().join("altered");
    copy(&straight, &altered);
    let adapter = altered.join("adapters/001-parity/adapter_model.safetensors");
    let mut bytes = fs::read(&adapter).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&adapter, bytes).unwrap();
    fs::write(altered.join("notes.txt"), "mine").unwrap();
    fs::write(altered.join("heads/x.1-1.partial"), "half").unwrap();
    let (code, told) = doctor(&altered, &[]);
    assert_eq!(code, 2);
    for part in [
        "adapter_model.safetensors is not the file that the journal recorded",
        "remark    notes.txt: not the run's",
        "remark    heads/x.1-1.partial: half a file",
        "whole     row 0, the untouched backbone",
        "--at 0` goes on from the rows before row 1",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }

    // Damage in the middle: refused with its place, and cut off by a repair that keeps it.
    let run = dir.path().join("damaged");
    copy(&straight, &run);
    let mut all = lines(&run);
    let at = through(&all, "Merged");
    all[at] = all[at].replacen("\"seq\":", "\"seq:", 1);
    keep(&run, &all, "");
    let damaged = fs::read(run.join("journal.jsonl")).unwrap();
    let offset: usize = all[..at].iter().map(|l| l.len() + 1).sum();
    let place = format!("is damaged at line {}, byte {offset}: ", at + 1);
    let refused = Session::reopen(&run, &automatic(), Reopen::GoOn, &mut Nobody);
    let refused = refused.err().unwrap().to_string();
    assert!(
        refused.contains(&place) && refused.contains("pentimento doctor"),
        "{refused}"
    );
    let (code, told) = doctor(&run, &[]);
    assert_eq!(code, 2);
    assert!(
        told.contains(&place) && told.contains("--repair` cuts"),
        "{told}"
    );
    assert_eq!(fs::read(run.join("journal.jsonl")).unwrap(), damaged);
    let (code, told) = doctor(&run, &["--repair"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains(&format!(
            "repaired  journal.jsonl is cut off at byte {offset}"
        )),
        "{told}"
    );
    assert_eq!(
        fs::read(run.join("journal.jsonl.damaged-1")).unwrap(),
        damaged
    );
    fs::remove_dir_all(run.join("export")).unwrap();
    finished(reopened(&run, Reopen::GoOn));
    assert_same(&outcome(&straight), &outcome(&run));
    // With nothing to mend nothing is done.
    let (code, told) = doctor(&run, &["--repair"]);
    assert_eq!(code, 0);
    assert!(!told.contains("repaired"), "{told}");

    // What a later program wrote is not damage.
    let newer = dir.path().join("newer");
    copy(&straight, &newer);
    let end = format!(
        "{{\"v\":7,\"seq\":{},\"time\":\"\",\"kind\":\"Dreamt\"}}\n",
        lines(&newer).len()
    );
    keep(&newer, &lines(&newer), &end);
    for arguments in [&[][..], &["--repair"]] {
        let (code, told) = doctor(&newer, arguments);
        assert_eq!(code, 2);
        assert!(
            told.contains("has version 7 of the journal's format"),
            "{told}"
        );
    }
    assert!(!newer.join("journal.jsonl.damaged-1").exists());
    let (code, told) = doctor(dir.path(), &[]);
    assert_eq!(code, 2);
    assert!(told.contains("holds no run"), "{told}");
}

#[test]
fn a_run_that_was_left_without_a_word_is_taken_up_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let lab =
        Driver::new(Session::create(recipe(&[]), Some(&run), &manual(), &mut Nobody).unwrap());
    let held: PathBuf = run.join("lock.json");
    let text = fs::read_to_string(&held).unwrap();
    let holder: serde_json::Value = serde_json::from_str(&text).unwrap();
    let host = Manifest::read(&run.join("manifest.json"))
        .unwrap()
        .machine
        .host;
    assert_eq!(holder["host"], host);
    assert_eq!(holder["process"], std::process::id());
    let (code, told) = doctor(&run, &[]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("next      the run is being worked on by process "),
        "{told}"
    );
    let (code, told) = doctor(&run, &["--repair"]);
    assert_eq!(code, 2);
    assert!(told.contains("is being worked on by process "), "{told}");
    lab.stop();
    assert!(!held.exists());

    // As a power cut leaves it: the machine was started again since.
    let mut dead = holder;
    dead["boot"] = "another".into();
    fs::write(&held, dead.to_string()).unwrap();
    let (code, told) = doctor(&run, &[]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("remark    lock.json: left by process "),
        "{told}"
    );
    let view = finished(reopened_automatic(&run));
    let log = format!("{:?}", view.log);
    assert!(
        log.contains("the run was left without a word by process "),
        "{log}"
    );
    assert_eq!(lock::stale(&run), None);

    // Another machine's is never taken, and nobody here can have its control.
    dead["host"] = "node7".into();
    fs::write(&held, dead.to_string()).unwrap();
    let refused = Session::reopen(&run, &automatic(), Reopen::Hold, &mut Nobody);
    let refused = refused.err().unwrap();
    assert_eq!(refused.exit_code(), 2);
    assert!(refused.to_string().contains("on node7 since"), "{refused}");
    let (past, looked_on) = Session::open(&run).unwrap();
    assert!(!past.is_empty());
    let mut looked_on = looked_on.unwrap();
    let refused = looked_on.take_control().unwrap_err().to_string();
    assert!(
        refused.contains("node7") && refused.contains("take its control there"),
        "{refused}"
    );
    looked_on.leave();
    assert!(looked_on.join().is_none());
}

/// The run, stepping and merging by itself from here on.
fn reopened_automatic(run: &Path) -> Driver {
    let mut lab = reopened(run, Reopen::GoOn);
    lab.send(Command::Automatic(true));
    lab
}

/// Weights that are not those that the run was begun with are refused before anything is loaded onto them.
#[test]
fn other_weights_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (run, backbone) = (dir.path().join("run"), dir.path().join("backbone"));
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/backbones/glyph-vit");
    copy(&bundled, &backbone);
    let source = format!("backbone.source=path:{}", backbone.display());
    let recipe = recipe(&[&source]);
    let lab = Driver::new(Session::create(recipe, Some(&run), &manual(), &mut Nobody).unwrap());
    lab.stop();
    let manifest = Manifest::read(&run.join("manifest.json")).unwrap();
    let file = backbone.join("model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    assert_eq!(manifest.weights.sha256, pentimento::files::sha256(&bytes));
    assert_eq!(manifest.data.len(), 2);
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let refused = Session::reopen(&run, &automatic(), Reopen::GoOn, &mut Nobody);
    let refused = refused.err().unwrap();
    assert_eq!(refused.exit_code(), 2);
    let text = refused.to_string();
    assert!(
        text.contains("are not those that") && text.contains("path:"),
        "{text}"
    );
}
