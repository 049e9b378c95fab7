//! Probes of a run end to end: what they find, at any number of threads, after a cut, an undo, and with stored adapters.

mod common;

use std::fs;
use std::path::Path;

use assert_cmd::Command as Program;
use common::{Driver, assert_same, automatic, files, manual, outcome, run, short};
use pentimento::answers::Answers;
use pentimento::lab::{Command, Event, Probes};
use pentimento::lora::Amount;
use pentimento::progress::Nobody;
use pentimento::recipe::Recipe;
use pentimento::run::RunView;
use pentimento::session::{Reopen, Session};

const PROBED: [&str; 4] = [
    "train.steps=2",
    "measure.probe.when=each",
    "measure.probe.iterations=40",
    "measure.probe.lr=1e-2",
];

fn one_task(sets: &[&str]) -> Recipe {
    let mut recipe = short(sets);
    recipe.tasks.remove(0);
    recipe
}

fn probes(view: &RunView, row: usize) -> &Probes {
    view.rows[row].probes.as_ref().unwrap()
}

fn tests(sets: &[pentimento::lab::ProbedSet]) -> Vec<&str> {
    sets.iter().map(|s| s.test_set.as_str()).collect()
}

/// The answers on disk are those that were counted.
fn check_files(folder: &Path, view: &RunView) {
    for (row, at) in view
        .rows
        .iter()
        .enumerate()
        .filter_map(|(i, r)| Some((i, r.probes.as_ref()?)))
    {
        let mut first = std::collections::BTreeMap::new();
        let sets = &view.started.as_ref().unwrap().test_sets;
        let mut next = 0;
        for id in &at.heads {
            first.insert(id.as_str(), next);
            next += sets.iter().find(|s| s.id == *id).unwrap().classes.len() as u32;
        }
        for (list, numbered) in [(&at.linear, false), (&at.joint, true), (&at.balanced, true)] {
            for set in list {
                let bytes = fs::read(folder.join(&set.file)).unwrap();
                let answers = Answers::from_bytes(&set.file, &bytes).unwrap();
                let images: u32 = set.counts.total.iter().sum();
                assert_eq!(answers.classes.len() as u32, images, "row {row}");
                assert!(answers.confidence.iter().all(|c| (0.0..=1.0).contains(c)));
                let own = if numbered {
                    first[set.test_set.as_str()]
                } else {
                    0
                };
                let own = own..own + set.counts.total.len() as u32;
                let right: u32 = set.counts.correct.iter().sum();
                let within = answers.classes.iter().filter(|c| own.contains(c)).count();
                assert!(within as u32 >= right, "row {row}, {}", set.test_set);
            }
        }
    }
}

#[test]
fn every_row_is_probed_alike_at_any_number_of_threads_and_after_a_cut() {
    let dir = tempfile::tempdir().unwrap();
    let straight = dir.path().join("straight");
    let view = run(one_task(&PROBED), &straight);
    assert_eq!(view.rows.len(), 2);
    let all = ["latin", "hebrew"];
    for row in 0..2 {
        let found = probes(&view, row);
        assert_eq!(tests(&found.linear), all);
        let heads = if row == 0 { &[] } else { &all[..=row] };
        assert_eq!(found.heads, heads);
        assert_eq!(tests(&found.joint), heads);
        assert_eq!(tests(&found.balanced), heads);
    }
    // A head of its own cannot do worse than against all others at once.
    let last = probes(&view, 1);
    for (set, joint) in all.iter().zip(&last.joint) {
        let alone = view.accuracy(1, set).unwrap();
        assert!(joint.counts.accuracy() <= alone, "{set}");
    }
    // Features of latin tell its letters, to a fresh head too.
    assert!(last.linear[0].counts.accuracy() > 0.7);
    check_files(&straight, &view);
    // Whoever keeps features for the probes answers as without any.
    let plain = dir.path().join("plain");
    run(one_task(&["train.steps=2"]), &plain);
    for answers in [
        "000-foundation/latin",
        "001-hebrew/latin",
        "001-hebrew/hebrew",
    ] {
        let of = |run: &Path| fs::read(run.join(format!("predictions/{answers}.answers"))).unwrap();
        assert!(of(&straight) == of(&plain), "{answers}");
    }

    // The journal ends after the last merge, in the middle of measuring: probes are made again.
    let cut = dir.path().join("cut");
    for (name, bytes) in files(&straight) {
        let target = cut.join(&name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
    let journal = fs::read_to_string(straight.join("journal.jsonl")).unwrap();
    let is_last_probe = |l: &&str| l.contains("\"kind\":\"Probed\"") && l.contains("\"index\":1");
    let at = journal.lines().position(|l| is_last_probe(&l)).unwrap();
    let kept: Vec<&str> = journal.lines().take(at).collect();
    fs::write(cut.join("journal.jsonl"), kept.join("\n") + "\n").unwrap();
    fs::remove_dir_all(cut.join("export")).unwrap();
    fs::remove_dir_all(cut.join("predictions/001-hebrew/joint")).unwrap();
    let mut lab =
        Driver::new(Session::reopen(&cut, &automatic(), Reopen::GoOn, &mut Nobody).unwrap());
    while lab.next().is_some() {}
    assert!(lab.session.join().is_none());
    assert_eq!(probes(&lab.view, 1), last);
    assert_same(&outcome(&straight), &outcome(&cut));
    let predictions = |run: &Path| files(&run.join("predictions"));
    assert_same(&predictions(&straight), &predictions(&cut));

    // On one thread, and the heads differ from the first run's in nothing.
    let one = dir.path().join("one");
    let recipe = dir.path().join("short.toml");
    let text = one_task(&[]).to_toml().unwrap();
    fs::write(&recipe, text).unwrap();
    let mut program = Program::new(env!("CARGO_BIN_EXE_pentimento"));
    program
        .args(["run", recipe.to_str().unwrap(), "--out"])
        .arg(&one);
    for set in PROBED {
        program.args(["--set", set]);
    }
    program.env("RAYON_NUM_THREADS", "1").assert().success();
    assert_same(&outcome(&straight), &outcome(&one));
    assert_same(&predictions(&straight), &predictions(&one));
}

#[test]
fn an_undone_row_loses_its_probes_and_the_end_is_probed_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let mut sets = PROBED.to_vec();
    sets[1] = "measure.probe.when=end";
    let recipe = one_task(&sets);
    let mut lab =
        Driver::new(Session::create(recipe, Some(&folder), &manual(), &mut Nobody).unwrap());
    lab.measured(0);
    assert!(lab.view.rows[0].probes.is_none());
    let mut found = Vec::new();
    for _ in 0..2 {
        lab.send(Command::Step);
        lab.trained();
        lab.send(Command::Merge(Amount::WHOLE));
        lab.measured(1);
        found.push(probes(&lab.view, 1).clone());
        lab.send(Command::Undo);
        lab.until(|e| matches!(e, Event::Undone { index: 1 }));
        assert_eq!(lab.view.rows.len(), 1);
    }
    // The same training at the same place: the same figures, in files of their own.
    let counts = |p: &Probes| -> Vec<_> {
        let sets = p.linear.iter().chain(&p.joint).chain(&p.balanced);
        sets.map(|s| (s.counts.clone(), s.sha256.clone())).collect()
    };
    assert_eq!(counts(&found[0]), counts(&found[1]));
    assert_ne!(found[0].joint[0].file, found[1].joint[0].file);
    lab.stop();
}

/// Each head sees the features that its own adapter gives, so there is no one feature space for a head over all.
#[test]
fn with_stored_adapters_heads_are_compared_each_on_its_own_features() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("drop");
    let mut sets = PROBED.to_vec();
    sets[1] = "measure.probe.when=end";
    sets.push("lora.mode=drop");
    let recipe = one_task(&sets);
    let view = run(recipe, &folder);
    let found = probes(&view, 1);
    assert_eq!(tests(&found.joint), ["latin", "hebrew"]);
    assert!(found.balanced.is_empty());
    check_files(&folder, &view);
}
