//! Thinking with merges: what one would cost before it is taken, another amount of one that was, and branches.

mod common;

use std::fs;
use std::path::Path;

use assert_cmd::Command as Program;
use common::{Driver, assert_same, automatic, manual, outcome, run, short};
use pentimento::lab::{Amounts, Ask, Command, Event, Level, State};
use pentimento::lora::Amount;
use pentimento::progress::Nobody;
use pentimento::recipe::Recipe;
use pentimento::run::{Manifest, RunView};
use pentimento::session::{Reopen, Session};

/// Few steps and few images: what is compared is compared bit for bit.
fn quick(set: &[&str]) -> Recipe {
    let few = [
        "train.steps=3",
        "train.watch_every=0",
        "foundation.per_class=4",
        "task.0.per_class=30",
        "task.1.per_class=6",
    ];
    short(&[few.as_slice(), set].concat())
}

fn bench(set: &[&str], folder: &Path) -> Driver {
    let session = Session::create(quick(set), Some(folder), &manual(), &mut Nobody).unwrap();
    let mut lab = Driver::new(session);
    lab.measured(0);
    lab
}

fn learn(lab: &mut Driver, row: usize, amount: Amount) {
    lab.send(Command::Step);
    lab.trained();
    lab.send(Command::Merge(amount));
    lab.measured(row);
}

fn preview(lab: &mut Driver, row: usize, amounts: Amounts, quick: bool) {
    lab.send(Command::Preview(Ask {
        row,
        amounts,
        quick,
    }));
    lab.until(|e| matches!(e, Event::PreviewEnded));
}

/// Accuracy of each test set in a row.
fn accuracies(view: &RunView, row: usize) -> Vec<(String, f64)> {
    let sets = view.rows[row].evaluations.iter();
    sets.map(|(id, e)| (id.clone(), e.counts.accuracy()))
        .collect()
}

/// Accuracy of each test set at one of the amounts of the last preview.
fn previewed(view: &RunView, amount: Amount) -> Vec<(String, f64)> {
    let preview = view.preview.as_ref().unwrap();
    let (_, sets) = preview.done.iter().find(|(a, _)| *a == amount).unwrap();
    let mut all: Vec<_> = sets
        .iter()
        .map(|s| (s.test_set.clone(), s.counts.accuracy()))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// The last warning in the log.
fn warned(lab: &mut Driver, command: Command) -> String {
    lab.send(command);
    lab.until(|e| {
        matches!(
            e,
            Event::Note {
                level: Level::Warning,
                ..
            }
        )
    });
    lab.view.log.last().unwrap().text.clone()
}

const HALF: Amount = Amount {
    lambda: 0.5,
    rank: None,
};

#[test]
fn a_preview_is_what_the_merge_then_gives_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = bench(&[], dir.path());
    lab.send(Command::Step);
    lab.trained();
    preview(&mut lab, 1, Amounts::Lambdas, true);
    assert_eq!(lab.view.state, State::Trained(1));
    let shown = lab.view.preview.clone().unwrap();
    assert!(shown.over && shown.quick && shown.done.len() == 5);
    // None of it: the pretrained weights on the same images.
    let (none, sets) = &shown.done[0];
    assert_eq!((none.lambda, sets[0].test_set.as_str()), (0.0, "latin"));
    assert_eq!(sets[0].present.as_ref(), Some(&sets[0].counts));
    assert_eq!(sets[1].test_set, "parity");
    assert!(sets[1].present.is_none());
    preview(&mut lab, 1, Amounts::Ranks, true);
    let ranks: Vec<_> = lab.view.preview.as_ref().unwrap().amounts.clone();
    assert_eq!(
        ranks.iter().map(|a| a.rank).collect::<Vec<_>>(),
        [Some(2), Some(1), None]
    );
    for amount in [
        HALF,
        Amount {
            rank: Some(2),
            ..Amount::WHOLE
        },
        Amount::WHOLE,
    ] {
        preview(&mut lab, 1, Amounts::One(amount), false);
        let shown = previewed(&lab.view, amount);
        lab.send(Command::Merge(amount));
        lab.measured(1);
        assert!(lab.view.preview.is_none());
        assert_eq!(lab.view.rows[1].amount, amount);
        assert_eq!(accuracies(&lab.view, 1), shown, "{amount}");
        // The unmerged adapter at this amount computes what the merged weights do.
        assert!(lab.view.rows[1].fidelity < 1e-3);
        lab.send(Command::Undo);
        lab.until(|e| matches!(e, Event::Undone { .. }));
        lab.send(Command::Step);
        lab.trained();
    }
    let refusal = warned(&mut lab, Command::Merge(Amount::of(7.0)));
    assert!(refusal.contains("λ is from −2 to 2"), "{refusal}");
    // After all that the run goes on as one that never looked.
    lab.send(Command::Merge(Amount::WHOLE));
    lab.measured(1);
    learn(&mut lab, 2, Amount::WHOLE);
    let looked = lab.stop();
    let straight = tempfile::tempdir().unwrap();
    let view = run(quick(&[]), straight.path());
    for row in 0..3 {
        assert_eq!(accuracies(&looked, row), accuracies(&view, row));
    }
}

#[test]
fn an_earlier_merge_can_be_changed_and_the_rows_behind_it_follow() {
    let dir = tempfile::tempdir().unwrap();
    let (changed, straight) = (dir.path().join("changed"), dir.path().join("straight"));
    let mut lab = bench(&[], &changed);
    learn(&mut lab, 1, HALF);
    learn(&mut lab, 2, Amount::WHOLE);
    let before = [accuracies(&lab.view, 1), accuracies(&lab.view, 2)];
    preview(&mut lab, 1, Amounts::One(Amount::of(0.0)), false);
    let without = previewed(&lab.view, Amount::of(0.0));
    let back = warned(&mut lab, Command::Reweigh(1, HALF));
    assert!(back.contains("already"), "{back}");
    lab.send(Command::Reweigh(1, Amount::of(0.0)));
    lab.measured(2);
    // Row 1 is the pretrained weights now, and row 2 what the preview said.
    let latin = |view: &RunView, row: usize| {
        accuracies(view, row)
            .iter()
            .find(|a| a.0 == "latin")
            .unwrap()
            .1
    };
    assert_eq!(latin(&lab.view, 1), latin(&lab.view, 0));
    assert_eq!(accuracies(&lab.view, 2), without);
    // Stopped in the middle of measuring anew, it goes on there.
    lab.send(Command::Reweigh(1, HALF));
    lab.until(|e| matches!(e, Event::Reweighed { .. }));
    lab.stop();
    let session = Session::reopen(&changed, &automatic(), Reopen::GoOn, &mut Nobody).unwrap();
    let mut lab = Driver::new(session);
    while lab.next().is_some() {}
    assert_eq!([accuracies(&lab.view, 1), accuracies(&lab.view, 2)], before);
    assert_eq!(lab.view.rows[1].revision, 2);
    assert!(lab.session.join().is_none());

    // Merged by half from the start it is the same matrix: the second task was learned on the same weights.
    let mut lab = bench(&[], &straight);
    learn(&mut lab, 1, HALF);
    learn(&mut lab, 2, Amount::WHOLE);
    lab.until(|e| matches!(e, Event::Finished));
    lab.stop();
    for file in ["matrix.csv", "per_class.csv", "summary.md"] {
        let read = |run: &Path| fs::read_to_string(run.join("export").join(file)).unwrap();
        assert_eq!(read(&changed), read(&straight), "{file}");
    }
    let summary = fs::read_to_string(straight.join("export/summary.md")).unwrap();
    assert!(summary.contains("parity with λ = 0.5"), "{summary}");
}

#[test]
fn a_mode_without_parts_says_so() {
    for (set, why) in [
        (["lora.mode=drop"], "a stored adapter is used whole"),
        (
            ["lora.rank=0"],
            "has no update whose amount could be varied",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut lab = bench(&set, dir.path());
        lab.send(Command::Step);
        lab.trained();
        let ask = Command::Preview(Ask {
            row: 1,
            amounts: Amounts::Lambdas,
            quick: true,
        });
        let refusal = warned(&mut lab, ask);
        assert!(refusal.contains(why), "{refusal}");
        assert_eq!(lab.view.state, State::Trained(1));
        lab.stop();
    }
}

fn branch(parent: &Path, at: usize, set: &[&str], folder: &Path) -> RunView {
    let recipe = quick(set);
    let session =
        Session::branch(parent, at, recipe, Some(folder), &automatic(), &mut Nobody).unwrap();
    let mut lab = Driver::new(session);
    while lab.next().is_some() {}
    assert!(lab.session.join().is_none());
    assert_eq!(lab.view.state, State::Finished);
    lab.view
}

#[test]
fn a_branch_with_nothing_changed_is_its_parent_and_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let parent = run(quick(&[]), &at("parent"));
    let whole = outcome(&at("parent"));
    for row in 0..=2 {
        let name = format!("same-{row}");
        branch(&at("parent"), row, &[], &at(&name));
        assert_same(&whole, &outcome(&at(&name)));
    }
    let other = branch(&at("parent"), 1, &["lora.rank=2", "seed=5"], &at("other"));
    assert_eq!(accuracies(&other, 1), accuracies(&parent, 1));
    assert_ne!(accuracies(&other, 2), accuracies(&parent, 2));
    let manifest = Manifest::read(&at("other").join("manifest.json")).unwrap();
    let from = manifest.parent.unwrap();
    assert_eq!(
        (from.row, from.entry.as_str(), from.seed),
        (1, "adapters/001-parity", 0)
    );
    let read =
        |run: &str, file: &str| fs::read_to_string(at(run).join("export").join(file)).unwrap();
    let summary = read("other", "summary.md");
    assert!(
        summary.contains("rows 0 to 1 are of the recipe"),
        "{summary}"
    );
    assert!(summary.contains("seed 0, at rank 4"), "{summary}");
    assert!(read("other", "metrics.json").contains("\"ancestry\""));
    assert!(!read("same-1", "metrics.json").contains("ancestry"));
    // The parent goes; its branch goes on, and a branch of the branch knows both.
    fs::remove_dir_all(at("parent")).unwrap();
    let deeper = branch(
        &at("other"),
        1,
        &["lora.rank=2", "seed=5", "lora.mode=drop"],
        &at("deeper"),
    );
    assert_eq!(accuracies(&deeper, 1), accuracies(&parent, 1));
    let ancestry = &deeper.started.as_ref().unwrap().ancestry;
    assert_eq!(ancestry.len(), 1);
    assert_eq!((ancestry[0].last_row, ancestry[0].lora.rank), (1, 4));
    let session = Session::reopen(&at("other"), &automatic(), Reopen::GoOn, &mut Nobody).unwrap();
    let mut lab = Driver::new(session);
    while lab.next().is_some() {}
    assert!(lab.session.join().is_none());
}

#[test]
fn a_branch_that_cannot_be_is_refused_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("parent");
    let mut lab = bench(&[], &parent);
    learn(&mut lab, 1, Amount::WHOLE);
    lab.stop();
    for (arguments, wanted) in [
        (
            vec!["--at", "nosuch"],
            "no task is called so; its tasks are parity, hebrew",
        ),
        (
            vec!["--at", "2"],
            "has no measured row 2: its last one is row 1",
        ),
        (
            vec!["--at", "1", "--set", "task.0.id=other"],
            "`task.0` (parity) is learned already",
        ),
        (
            vec!["--at", "0", "--set", "backbone.source=bundled:glyph-resnet"],
            "`backbone` is another one",
        ),
        (vec!["--at", "0", "--set", "lora.rnk=2"], "unknown key"),
    ] {
        let out = dir.path().join("out");
        let output = Program::cargo_bin("pentimento")
            .unwrap()
            .args([
                "branch",
                parent.to_str().unwrap(),
                "--out",
                out.to_str().unwrap(),
            ])
            .args(&arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(wanted), "{arguments:?}: {text}");
        assert!(!out.exists());
    }
    // Data that changed since would stand in one matrix with what was measured before.
    let path = parent.join("manifest.json");
    let mut manifest = Manifest::read(&path).unwrap();
    manifest.data[0].sha256.insert(0, '0');
    fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let out = dir.path().join("out");
    let recipe = quick(&[]);
    let refused = Session::branch(&parent, 1, recipe, Some(&out), &automatic(), &mut Nobody)
        .err()
        .unwrap();
    let text = refused.to_string();
    assert!(
        text.contains("the data bundled:latin is not what"),
        "{text}"
    );
    assert!(!out.exists());
}

#[test]
fn behind_a_task_that_was_left_out_a_preview_is_compared_with_the_row_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = bench(&[], dir.path());
    learn(&mut lab, 1, Amount::WHOLE);
    lab.send(Command::Skip);
    lab.until(|e| matches!(e, Event::Finished));
    preview(&mut lab, 1, Amounts::One(Amount::WHOLE), true);
    assert_eq!(lab.view.state, State::Finished);
    let shown = lab.view.preview.as_ref().unwrap();
    let (_, sets) = &shown.done[0];
    assert_eq!(sets.len(), 2);
    // The amount is the one that is merged.
    assert!(sets.iter().all(|s| s.present.as_ref() == Some(&s.counts)));
    lab.stop();
}
