//! The bench end to end, through the demo's code and assets with fewer steps.

mod common;

use std::fs;

use assert_cmd::Command as Program;
use common::{Driver, assert_same, manual, outcome, run, short};
use pentimento::lab::{Command, Event, Level, State};
use pentimento::lora::Amount;
use pentimento::progress::Nobody;
use pentimento::run::view::TrainingEnd;
use pentimento::session::Session;

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_pentimento"))
}

#[test]
fn a_run_measures_every_column_and_equal_runs_write_equal_bytes_at_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("short.toml");
    fs::write(&recipe, common::SHORT).unwrap();
    let mut outputs = Vec::new();
    for (name, threads) in [("one", "1"), ("two", "2")] {
        let out = dir.path().join(name);
        let assert = program()
            .args(["run", recipe.to_str().unwrap(), "--log", "json", "--out"])
            .arg(&out)
            .env("RAYON_NUM_THREADS", threads)
            .assert()
            .success();
        let stdout = assert.get_output().stdout.clone();
        assert_eq!(stdout, fs::read(out.join("journal.jsonl")).unwrap());
        outputs.push(out);
    }
    assert_same(&outcome(&outputs[0]), &outcome(&outputs[1]));

    let matrix = fs::read_to_string(outputs[0].join("export/matrix.csv")).unwrap();
    let rows: Vec<&str> = matrix.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(rows.len(), 4, "{matrix}");
    assert_eq!(rows[0], "after_index,after_task,latin,parity,hebrew");
    let cells: Vec<Vec<&str>> = rows[1..].iter().map(|r| r.split(',').collect()).collect();
    for (row, cells) in cells.iter().enumerate() {
        for (column, cell) in cells[2..].iter().enumerate() {
            assert_eq!(cell.is_empty(), column > row, "{matrix}");
            assert!(cell.is_empty() || (0.0..=1.0).contains(&cell.parse::<f64>().unwrap()));
        }
    }
    let first: f64 = cells[0][2].parse().unwrap();
    assert!(first >= 0.97, "the bundled backbone knows latin: {first}");
    let per_class = fs::read_to_string(outputs[0].join("export/per_class.csv")).unwrap();
    // Latin in three rows, parity in two, hebrew in one, and the line of names.
    let lines = per_class.lines().filter(|l| !l.starts_with('#')).count();
    assert_eq!(lines, 1 + 3 * 62 + 2 * 2 + 22);

    // Neither times nor places are in what equal runs share.
    for (name, bytes) in outcome(&outputs[0]) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(dir.path().to_str().unwrap()), "{name:?}");
    }

    let again = dir.path().join("again");
    program()
        .arg("export")
        .arg(&outputs[0])
        .arg("--out")
        .arg(&again)
        .assert()
        .success();
    assert_eq!(
        fs::read(again.join("metrics.json")).unwrap(),
        fs::read(outputs[0].join("export/metrics.json")).unwrap()
    );
}

#[test]
fn a_run_can_be_stepped_discarded_merged_undone_and_stepped_again_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let mut lab =
        Driver::new(Session::create(short(&[]), Some(&folder), &manual(), &mut Nobody).unwrap());
    lab.measured(0);
    let start = lab.view.rows[0].evaluations["latin"].clone();

    // What makes no sense is refused with a reason.
    lab.send(Command::Merge(Amount::WHOLE));
    let refusal = lab.until(|e| matches!(e, Event::Note { .. }));
    let Event::Note { level, message } = refusal else {
        unreachable!()
    };
    assert_eq!(level, Level::Warning);
    assert!(message.contains("no trained adapter"), "{message}");

    lab.send(Command::Step);
    lab.trained();
    assert_eq!(lab.view.state, State::Trained(1));
    lab.send(Command::Discard);
    lab.until(|e| matches!(e, Event::Discarded { .. }));
    lab.send(Command::Step);
    lab.trained();
    lab.send(Command::Merge(Amount::WHOLE));
    lab.measured(1);
    let after_first = lab.view.rows[1].clone();
    assert!(after_first.fidelity < 1e-3, "{}", after_first.fidelity);
    let agreement = after_first.agreement.unwrap();
    assert!(agreement.images > 0 && agreement.difference().abs() < 0.05);
    assert!(after_first.update_total > 0.0);
    assert_eq!(
        lab.view.training(1).unwrap().context,
        (0..10).collect::<Vec<_>>()
    );

    lab.send(Command::Undo);
    lab.until(|e| matches!(e, Event::Undone { index: 1 }));
    lab.send(Command::Step);
    lab.trained();
    lab.send(Command::Merge(Amount::WHOLE));
    lab.measured(1);
    assert_eq!(
        lab.view.rows[1].evaluations["latin"].sha256,
        after_first.evaluations["latin"].sha256
    );
    let ends: Vec<TrainingEnd> = lab.view.trainings.iter().map(|t| t.end).collect();
    assert_eq!(
        ends,
        [
            TrainingEnd::Discarded,
            TrainingEnd::Undone,
            TrainingEnd::Merged
        ]
    );
    for file in ["adapter_model.safetensors", "adapter_config.json"] {
        let read =
            |n: u32| fs::read(folder.join(format!("adapters/{n:03}-parity/{file}"))).unwrap();
        assert_eq!(read(1), read(2), "{file}");
        assert_eq!(read(2), read(3), "{file}");
    }

    // Back to the untouched weights: the next task begins from the very bits of row 0.
    lab.send(Command::Undo);
    lab.until(|e| matches!(e, Event::Undone { index: 1 }));
    lab.send(Command::Skip);
    lab.until(|e| matches!(e, Event::Skipped { index: 1, .. }));
    lab.send(Command::Automatic(true));
    lab.until(|e| matches!(e, Event::Finished));
    let view = lab.stop();
    assert!(view.rows[1].skipped);
    assert_eq!(
        view.rows[2].evaluations.keys().collect::<Vec<_>>(),
        ["hebrew", "latin"]
    );
    assert_eq!(start.counts.total.iter().sum::<u32>(), 5263);

    // A straight run without the first task comes to the same hebrew adapter.
    let other = dir.path().join("other");
    let mut recipe = short(&[]);
    recipe.tasks.remove(0);
    run(recipe, &other);
    assert_eq!(
        fs::read(folder.join("adapters/004-hebrew/adapter_model.safetensors")).unwrap(),
        fs::read(other.join("adapters/001-hebrew/adapter_model.safetensors")).unwrap()
    );
}

#[test]
fn watching_pausing_and_a_snapshot_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    run(short(&["train.watch_every=0"]), &plain);
    let folder = dir.path().join("paused");
    let options = common::automatic();
    let recipe = short(&["train.watch_every=1", "train.checkpoint_every=1"]);
    let mut lab =
        Driver::new(Session::create(recipe, Some(&folder), &options, &mut Nobody).unwrap());
    lab.until(|e| matches!(e, Event::Step { step: 2, .. }));
    lab.send(Command::Pause);
    lab.until(|e| matches!(e, Event::Paused));
    assert!(lab.view.paused);
    lab.send(Command::Snapshot);
    lab.until(|e| matches!(e, Event::Note { message, .. } if message.contains("snapshots")));
    lab.send(Command::Resume);
    while lab.next().is_some() {}
    assert!(lab.session.join().is_none());
    assert_eq!(
        fs::read_dir(folder.join("export/snapshots"))
            .unwrap()
            .count(),
        1
    );
    fs::remove_dir_all(folder.join("export/snapshots")).unwrap();
    let adapters = |run: &std::path::Path| common::files(&run.join("adapters"));
    assert_same(&adapters(&plain), &adapters(&folder));
    assert_same(
        &common::files(&plain.join("predictions")),
        &common::files(&folder.join("predictions")),
    );
}

#[test]
fn a_frozen_backbone_and_a_stored_adapter_leave_the_foundation_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for (name, set) in [("frozen", "lora.rank=0"), ("drop", "lora.mode=drop")] {
        let folder = dir.path().join(name);
        let view = run(short(&[set, "train.steps=3"]), &folder);
        let first = &view.rows[0].evaluations["latin"].sha256;
        assert_eq!(&view.rows[2].evaluations["latin"].sha256, first, "{name}");
        assert_eq!(
            view.rows[1].evaluations["parity"].sha256, view.rows[2].evaluations["parity"].sha256,
            "{name}"
        );
        assert_eq!(view.rows[2].update_total, 0.0, "{name}");
    }
}

#[test]
fn an_existing_run_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "").unwrap();
    let assert = program()
        .args(["run", "demo", "--out"])
        .arg(dir.path())
        .assert()
        .code(2);
    let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(stderr.contains("is not empty"), "{stderr}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
