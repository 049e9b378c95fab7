//! The runs around the one that is shown: their tree, runs beside it, cells compared.

use std::path::{Path, PathBuf};

use pentimento::measure::Average;
use pentimento::run::{Fingerprint, Found, Listed, Manifest, Parent, RunStanding, RunView};
use pentimento::ui::actions::{Key, Screen};
use pentimento::ui::{App, Effect};

use super::sample::{self, Journal};
use super::*;

fn listed(name: &str, seed: u64, rank: usize, parent: Option<(&str, usize)>) -> Listed {
    let mut recipe = sample::recipe();
    (recipe.seed, recipe.lora.rank) = (seed, rank);
    let weights = Fingerprint {
        source: String::new(),
        sha256: String::new(),
    };
    let parent = parent.map(|(name, row)| Parent {
        folder: format!("/home/somebody/runs/{name}"),
        row,
        entry: String::new(),
        sha256: String::new(),
        recipe_hash: "5f1c".into(),
        seed: 0,
    });
    let average = |x: f64| Average {
        with_foundation: x,
        without_foundation: x - 0.01,
    };
    Listed {
        folder: Path::new("runs").join(name),
        manifest: Manifest {
            parent,
            started: "2026-11-26T02:33:36Z".into(),
            ..Manifest::new(recipe, "5f1c".into(), "cpu", weights, Vec::new())
        },
        found: Ok(Found {
            standing: RunStanding::Finished,
            done: 5,
            tasks: 5,
            accuracy: average(0.873),
            forgetting: average(0.041),
            foundation: 0.123,
        }),
    }
}

fn some() -> Vec<Listed> {
    let mut stopped = listed("demo-s0-3", 0, 1, Some(("demo-s0-2", 3)));
    if let Ok(found) = &mut stopped.found {
        (found.standing, found.done) = (RunStanding::Stopped, 3);
        found.foundation = f64::NAN;
    }
    let mut torn = listed("torn \u{1b}[31m\u{202e}", 2, 16, None);
    torn.found = Err("its journal is damaged at byte 17".into());
    vec![
        torn,
        stopped,
        listed("demo-s0-2", 0, 4, Some(("demo-s0-1", 1))),
        listed("demo-s1-1", 1, 16, None),
        listed("demo-s0-1", 0, 16, None),
    ]
}

fn on_runs(journal: &Journal) -> App {
    let mut app = app(journal, Depth::True);
    let effects = keys(&mut app, "7");
    assert_eq!(effects, [Effect::ListRuns(PathBuf::from("runs"))]);
    app.on_runs(PathBuf::from("runs"), some());
    app
}

fn view(journal: &Journal) -> RunView {
    RunView::replay(&journal.records)
}

#[test]
fn the_runs_are_a_tree() {
    let mut app = on_runs(&after(3));
    for size in SIZES {
        snapshot("runs", &mut app, size);
    }
    keys(&mut app, "jjjj");
    snapshot("runs-branch", &mut app, SIZES[0]);
    let mut empty = App::new(sample::environment(), theme(Depth::True));
    keys(&mut empty, "7");
    assert!(text(&drawn(&mut empty, SIZES[0])).contains("reading the runs"));
    empty.on_runs("runs".into(), Vec::new());
    assert!(text(&drawn(&mut empty, SIZES[0])).contains("no run lies in runs"));
    assert_eq!(empty.on_key(Key::Enter), []);
}

#[test]
fn a_run_is_laid_beside_and_compared_cell_by_cell() {
    let mut app = on_runs(&after(3));
    keys(&mut app, "j");
    let name = app.runs.chosen().unwrap().folder.clone();
    assert_eq!(keys(&mut app, " "), [Effect::LayBeside(name.clone())]);
    let mut other = Journal::latin().seeded(0, 0.1);
    other.tasks(2);
    app.on_beside(&name, Ok(view(&other)));
    snapshot("runs-beside", &mut app, SIZES[0]);
    assert_eq!(keys(&mut app, "="), []);
    assert_eq!(app.screen, Screen::Matrix);
    keys(&mut app, "kh");
    snapshot("matrix-difference", &mut app, SIZES[0]);
    let own = view(&after(3)).matrix();
    let there = view(&other).matrix();
    let difference = own.accuracy(2, 0) - there.accuracy(2, 0);
    let shown = format!("difference {}", pentimento::ui::text::points(difference));
    assert!(text(&drawn(&mut app, SIZES[0])).contains(&shown), "{shown}");
    // What it lay beside is taken away: the figure that needs it goes with it.
    keys(&mut app, "7");
    app.on_runs("runs".into(), some());
    keys(&mut app, " 3");
    assert!(app.beside.is_empty());
    assert!(text(&drawn(&mut app, SIZES[0])).contains("accuracy  row i"));
}

#[test]
fn seeds_have_a_mean_and_a_deviation() {
    let mut app = on_runs(&after(3));
    for (seed, lost) in [(1, 0.05), (2, 0.1)] {
        let mut other = Journal::latin().seeded(seed, lost);
        other.tasks(3);
        let folder = PathBuf::from(format!("runs/demo-s{seed}-1"));
        app.on_beside(&folder, Ok(view(&other)));
    }
    keys(&mut app, "3fffff");
    snapshot("matrix-mean", &mut app, SIZES[0]);
    snapshot("matrix-mean", &mut app, SIZES[1]);
    keys(&mut app, "f");
    snapshot("matrix-deviation", &mut app, SIZES[0]);
    keys(&mut app, "f");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("accuracy  row i"));
}

#[test]
fn what_cannot_be_laid_beside_says_why() {
    let mut app = on_runs(&after(1));
    keys(&mut app, "jj");
    let shown = app.runs.chosen().unwrap().folder.clone();
    assert_eq!(shown, Path::new("runs/demo-s0-1"));
    assert_eq!(keys(&mut app, " "), []);
    assert!(
        app.toast
            .as_ref()
            .unwrap()
            .text
            .contains("is the one that is shown")
    );
    assert_eq!(app.on_key(Key::Enter), []);
    assert!(
        app.toast
            .as_ref()
            .unwrap()
            .text
            .contains("a lab is at work")
    );
    app.on_ended();
    assert_eq!(app.on_key(Key::Enter), [Effect::Open(shown.clone())]);
    app.on_opened(&shown, &after(2).records, false);
    assert_eq!(app.question, Some(Question::TakeUp));
    keys(&mut app, "n");
    assert_eq!(app.screen, Screen::Matrix);
    let gone = pentimento::Error::input("there is no folder runs/gone");
    app.on_beside(Path::new("runs/gone"), Err(gone));
    assert!(app.toast.as_ref().unwrap().text.contains("no folder"));
    app.on_beside(Path::new("runs/empty"), Ok(RunView::default()));
    assert!(app.beside.is_empty());
}

/// Nine tasks and the foundation on the smallest usual terminal.
#[test]
fn nine_tasks_fit_eighty_columns() {
    let mut journal = Journal::latin();
    let Event::RunStarted {
        recipe, test_sets, ..
    } = &mut journal.records[0].event
    else {
        unreachable!()
    };
    for i in 5..9 {
        let mut task = recipe.tasks[4].clone();
        task.id = format!("task-{i}");
        recipe.tasks.push(task);
        let mut set = test_sets[5].clone();
        set.id = format!("task-{i}");
        test_sets.push(set);
    }
    journal.tasks(5);
    let mut app = app(&journal, Depth::True);
    keys(&mut app, "3");
    snapshot("matrix-nine-tasks", &mut app, SIZES[0]);
    let shown = text(&drawn(&mut app, SIZES[0]));
    assert!(!shown.contains('◂'), "{shown}");
}
