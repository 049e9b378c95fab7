//! `pentimento report` over small folders of runs: its files, what it refuses, and that equal runs give equal bytes.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use pentimento::recipe::Recipe;
use pentimento::run::{Fingerprint, Manifest};
use pentimento::sweep::{Axes, Sweep};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

/// A run of two tasks whose journal says what it found.
struct Made<'a> {
    overrides: &'a [&'a str],
    /// Right answers of 100 of the foundation after each task; 98 before the first.
    foundation: [u32; 2],
    finished: bool,
}

const CLASSES: [&str; 4] = ["a", "b", "c", "d"];

fn counts(correct: u32) -> Value {
    let each = |i: u32| correct / 4 + u32::from(i < correct % 4);
    json!({"correct": (0..4).map(each).collect::<Vec<_>>(), "total": [25, 25, 25, 25]})
}

fn evaluated(index: usize, test_set: &str, correct: u32) -> Value {
    json!({
        "kind": "Evaluated", "index": index, "test_set": test_set, "counts": counts(correct),
        "new_errors": [0, 0, 0, 0], "new_hits": [0, 0, 0, 0], "wrong": [[], [], [], []],
        "file": "predictions/x", "sha256": "00", "seconds": 0.1,
    })
}

fn test_set(id: &str) -> Value {
    let classes: Vec<Value> = CLASSES.iter().map(|name| json!({"name": name})).collect();
    json!({"id": id, "classes": classes, "images": 100, "train_images": 10})
}

/// The events of a run.
fn events(recipe: &Recipe, made: &Made) -> Vec<Value> {
    let rank = recipe.lora.rank;
    let mut events = vec![
        json!({
            "kind": "RunStarted", "version": "0.1.0", "recipe": recipe, "recipe_hash": recipe.hash().unwrap(),
            "device": "cpu", "automatic": true,
            "backbone": {
                "architecture": "vit_tiny_patch8_32", "parameters": 100_000, "targets": ["blocks.0.attn.qkv"],
                "adapter_parameters": 500 * rank, "weights_sha256": "ab".repeat(32),
            },
            "test_sets": [test_set("latin"), test_set("parity"), test_set("hebrew")],
        }),
        evaluated(0, "latin", 98),
        json!({"kind": "Measured", "index": 0}),
    ];
    let sets = ["latin", "parity", "hebrew"];
    for (i, foundation) in made.foundation.into_iter().enumerate() {
        let index = i + 1;
        events.push(json!({
            "kind": "TaskStarted", "index": index, "step_id": sets[index], "training": index, "steps": 5,
            "steps_per_epoch": 5, "batch_size": 16, "trainable": 600,
        }));
        events.push(json!({
            "kind": "Context", "training": index, "similarity": [0.5, 0.25, 0.0, -0.5], "classes": [0, 1],
        }));
        events.push(json!({
            "kind": "Trained", "index": index, "training": index, "adapter": "adapters/x", "head": "heads/x", "sha256": {},
            "seconds": 1.0,
        }));
        events.push(json!({
            "kind": "Merged", "index": index, "training": index, "lambda": 1.0, "update": [], "update_total": 0.1,
            "fidelity": 1e-6,
        }));
        events.push(evaluated(index, "latin", foundation));
        for (task, set) in sets[..=index].iter().enumerate().skip(1) {
            events.push(evaluated(index, set, 90 - (index - task) as u32 * 5));
        }
        let drop = (98.0 - f64::from(foundation)) / 100.0;
        events.push(json!({
            "kind": "Measured", "index": index,
            "contextual": {
                "groups": [], "in_context": drop + 0.01, "rest": drop, "p_one_sided": 0.01, "p_two_sided": 0.02,
                "rho": 0.5, "rho_p": 0.2,
            },
        }));
    }
    if made.finished {
        events.push(json!({"kind": "Finished"}));
    }
    events
}

/// Writes a run's folder.
fn make(folder: &Path, made: &Made) {
    let recipe = common::short(made.overrides);
    let weights = Fingerprint {
        source: "bundled:glyph-vit".into(),
        sha256: "ab".repeat(32),
    };
    fs::create_dir_all(folder).unwrap();
    let manifest = Manifest::new(
        recipe.clone(),
        recipe.hash().unwrap(),
        "cpu",
        weights,
        Vec::new(),
    );
    manifest.write(&folder.join("manifest.json")).unwrap();
    let mut journal = String::new();
    for (seq, event) in events(&recipe, made).into_iter().enumerate() {
        let mut record =
            json!({"v": 1, "seq": seq, "time": format!("2026-03-02T09:30:00.{seq:03}Z")});
        record
            .as_object_mut()
            .unwrap()
            .extend(event.as_object().unwrap().clone());
        journal.push_str(&format!("{record}\n"));
    }
    fs::write(folder.join("journal.jsonl"), journal).unwrap();
}

/// Ranks 1 and 8 with four seeds: with rank 8 the foundation loses 20 points and a little more than with rank 1.
fn sweep(folder: &Path) {
    for (rank, lost) in [("1", [2, 4]), ("8", [10, 24])] {
        for (seed, chance) in [("1", 0), ("2", 1), ("3", 0), ("4", 2)] {
            // Chance of its own, so that differences are not all the same.
            let chance = if rank == "8" { 2 - chance } else { chance };
            let (rank, seed) = (format!("lora.rank={rank}"), format!("seed={seed}"));
            let name = format!("{rank}-{seed}").replace(['.', '='], "-");
            let made = Made {
                overrides: &[&rank, &seed],
                foundation: lost.map(|l| 98 - l - chance),
                finished: true,
            };
            make(&folder.join("runs").join(name), &made);
        }
    }
}

fn pentimento(place: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("pentimento").unwrap();
    command.current_dir(place).args(arguments);
    command
}

fn written(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    common::files(folder)
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Lines of a CSV file by the names of their columns.
fn lines(folder: &Path, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(folder.join(name)).unwrap();
    reader.deserialize().map(|line| line.unwrap()).collect()
}

#[test]
fn a_report_says_what_the_runs_found() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    sweep(&place.join("sweep"));
    let finding =
        "In glyph-vit rank 8 forgot 20.5 points more of the foundation than rank 1 (95 % interval ";
    pentimento(place, &["report", "sweep", "--out", "report"])
        .assert()
        .code(0)
        .stdout(
            contains("report: index.html\n")
                .and(contains("report: report.md\n"))
                .and(contains("figures/rank.svg")),
        )
        .stdout(
            contains("report: runs.csv accuracy.csv contextual.csv differences.csv\n")
                .and(contains(finding)),
        )
        .stderr("");
    let report = place.join("report");
    let runs = lines(&report, "runs.csv");
    assert_eq!(runs.len(), 8);
    let one = runs
        .iter()
        .find(|r| r["rank"] == "8" && r["seed"] == "2")
        .unwrap();
    let near = |text: &str, wanted: f64| {
        let found: f64 = text.parse().unwrap();
        assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
    };
    assert_eq!(
        (one["run"].as_str(), one["series"].as_str()),
        ("lora-rank-8-seed-2", "glyph-vit")
    );
    near(&one["forgetting.first-last.foundation"], 0.25);
    near(
        &one["average_forgetting.first-last.without_foundation"],
        0.05,
    );
    near(&one["average_plasticity"], 0.9);
    near(
        &one["average_accuracy.with_foundation"],
        (0.73 + 0.85 + 0.9) / 3.0,
    );
    near(&one["trainable_share"], 0.04);
    // Four cells of the triangle's lower part and row 0 for each of eight runs.
    assert_eq!(lines(&report, "accuracy.csv").len(), 8 * 6);
    assert_eq!(lines(&report, "contextual.csv").len(), 8 * 2);
    let differences = lines(&report, "differences.csv");
    let foundation = differences
        .iter()
        .find(|d| d["measure"] == "forgetting.first-last.foundation")
        .unwrap();
    near(&foundation["difference"], 0.205);
    near(&foundation["p_sign_flips"], 0.125);
    assert_eq!(
        (foundation["n"].as_str(), foundation["rank_a"].as_str()),
        ("4", "8")
    );
    // What is the same in every seed is no test, and no division by nothing.
    let plasticity = differences
        .iter()
        .find(|d| d["measure"] == "average_plasticity")
        .unwrap();
    assert_eq!(
        (plasticity["p"].as_str(), plasticity["d_z"].as_str()),
        ("", "")
    );
    assert!(
        plasticity["sentence"].contains("is the same in each of 4 seeds"),
        "{plasticity:?}"
    );

    let page = text(&report, "index.html");
    for figure in fs::read_dir(report.join("figures")).unwrap() {
        let svg = fs::read_to_string(figure.unwrap().path()).unwrap();
        assert!(
            page.contains(&svg),
            "the page has its figures byte for byte"
        );
    }
    for gone in ["<script", "http://", "https://", "src="] {
        let plain = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!plain.contains(gone), "{gone}");
    }
    assert!(
        text(&report, "report.md")
            .contains("![Rank against forgetting, plasticity and accuracy](figures/rank.svg)")
    );
    let tex = text(&report, "report.tex");
    assert_eq!(
        tex.matches("\\toprule").count(),
        tex.matches("\\bottomrule").count()
    );
    assert!(tex.contains("glyph-vit & 8 & 4 & 25.2 $\\pm$ 1.0"), "{tex}");
}

#[test]
fn equal_runs_give_equal_bytes_wherever_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here"), dir.path().join("there/deeper"));
    for place in [&here, &there] {
        sweep(&place.join("sweep"));
    }
    pentimento(&here, &["report", "sweep", "--out", "r"])
        .assert()
        .code(0);
    let absolute = there.join("sweep").display().to_string();
    pentimento(&there, &["report", &absolute, "--out", "r"])
        .assert()
        .code(0);
    let first = written(&here.join("r"));
    common::assert_same(&first, &written(&there.join("r")));
    let host = dir.path().display().to_string();
    for (name, bytes) in &first {
        let text = String::from_utf8_lossy(bytes);
        assert!(
            !text.contains(&host) && !text.contains("2026-03-02"),
            "{name:?}"
        );
    }
    // An earlier report is replaced by one of other formats.
    pentimento(
        &here,
        &["report", "sweep", "--out", "r", "--format", "csv,md"],
    )
    .assert()
    .code(0);
    let names: Vec<PathBuf> = written(&here.join("r")).into_keys().collect();
    let expected = [
        "accuracy.csv",
        "contextual.csv",
        "differences.csv",
        "report.json",
        "report.md",
        "runs.csv",
    ];
    assert_eq!(names, expected.map(PathBuf::from));
    assert!(!text(&here.join("r"), "report.md").contains("figures/"));
}

#[test]
fn damaged_and_unfinished_runs_are_named_and_in_no_mean() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    sweep(&place.join("s"));
    let made = |finished| Made {
        overrides: &["lora.rank=1", "seed=9"],
        foundation: [50, 40],
        finished,
    };
    make(&place.join("s/runs/half"), &made(false));
    make(&place.join("s/runs/hurt"), &made(true));
    let journal = place.join("s/runs/hurt/journal.jsonl");
    let hurt = fs::read_to_string(&journal).unwrap().replacen(
        "\"kind\":\"Measured\"",
        "\"kind\":\"Dreamt\"",
        1,
    );
    fs::write(&journal, hurt).unwrap();
    // The same seed again, older: its folder's name comes later, its beginning is no newer.
    let again = Made {
        overrides: &["lora.rank=1", "seed=1"],
        foundation: [96, 94],
        finished: true,
    };
    make(&place.join("s/runs/zz-again"), &again);
    // One of the sweep's list that is not there.
    let axes = Axes {
        presets: vec!["demo".into()],
        seeds: vec![7],
        ..Axes::default()
    };
    let (list, _) = Sweep::with(&place.join("s"), axes.cells().unwrap()).unwrap();
    list.write().unwrap();
    pentimento(place, &["report", "s", "--out", "r"])
        .assert()
        .code(0)
        .stderr(contains("4 of the runs found are in no figure"));
    let report = text(&place.join("r"), "report.md");
    for sentence in [
        "Left out: s7, because nobody has begun it.",
        "Left out: half, because it is not finished: 2 of its 2 tasks are measured.",
        "Left out: hurt, because hurt/journal.jsonl is damaged at line 3",
        "Left out: lora-rank-1-seed-1, because zz-again is a newer finished run of the same recipe and seed.",
    ] {
        assert!(report.contains(sentence), "{sentence} in {report}");
    }
    assert_eq!(lines(&place.join("r"), "runs.csv").len(), 8);
}

#[test]
fn forgetting_is_by_the_definition_that_was_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    let made = Made {
        overrides: &["lora.rank=1"],
        foundation: [80, 100],
        finished: true,
    };
    make(&place.join("r1"), &made);
    for (kind, lost) in [("first-last", "−2.0"), ("max-all", "0.0")] {
        pentimento(place, &["report", "r1", "--out", "r", "--forgetting", kind])
            .assert()
            .code(0)
            .stdout(contains(format!(
                "the foundation lost {lost} points (one run)"
            )));
        assert!(text(&place.join("r"), "report.md").contains(&format!("Forgetting by {kind}")));
    }
}

#[test]
fn the_studys_log_is_laid_over_the_runs() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    sweep(&place.join("s"));
    let key = |n: usize| format!("Top1_Acc_Exp/eval_phase/test_stream/Task{n:03}/Exp{n:03}");
    let mut log = String::new();
    for (step, accuracies) in [(0, &[0.98][..]), (5, &[0.9, 0.8]), (10, &[0.7, 0.6, 0.5])] {
        for (n, accuracy) in accuracies.iter().enumerate() {
            log += &format!("{}\n", json!({"step": step, key(n): accuracy}));
        }
    }
    fs::write(place.join("logs.json"), &log).unwrap();
    let study = "paper=logs.json,backbone=glyph-vit,rank=8,seed=1";
    pentimento(place, &["report", "s", "--out", "r", "--study", study])
        .assert()
        .code(0);
    let report = place.join("r");
    let accuracy = lines(&report, "accuracy.csv");
    let imported = accuracy.iter().filter(|a| a["run"] == "logs.json");
    assert_eq!(imported.count(), 6);
    let last = accuracy
        .iter()
        .find(|a| a["run"] == "logs.json" && a["after_index"] == "2" && a["test_set"] == "hebrew");
    assert_eq!(last.unwrap()["accuracy"], "0.5");
    for figure in ["rank", "accuracy-1"] {
        let svg = text(&report, &format!("figures/{figure}.svg"));
        assert!(
            svg.contains("stroke-dasharray=\"3 2\"") && svg.contains("paper, glyph-vit"),
            "{figure}"
        );
    }
    assert!(text(&report, "report.md").contains("paper, glyph-vit (imported)"));
    assert!(!text(&report, "differences.csv").contains("paper"));

    fs::write(place.join("bad.json"), log.replacen("0.9}", "90}", 1)).unwrap();
    pentimento(
        place,
        &["report", "s", "--out", "r2", "--study", "paper=bad.json"],
    )
    .assert()
    .code(2)
    .stdout("")
    .stderr(contains("bad.json: line 2: ").and(contains("is 90, not a fraction between 0 and 1")));
    assert!(!place.join("r2").exists());
}

#[test]
fn what_cannot_be_reported_on_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();
    sweep(&place.join("s"));
    fs::create_dir_all(place.join("empty/a/b/c")).unwrap();
    fs::create_dir(place.join("full")).unwrap();
    fs::write(place.join("full/thesis.tex"), "years of work").unwrap();
    // Four levels below is too deep.
    make(
        &place.join("deep/1/2/3/4"),
        &Made {
            overrides: &[],
            foundation: [90, 90],
            finished: true,
        },
    );
    let refuses = |arguments: &[&str], sentence: &str| {
        let mut all = vec!["report"];
        all.extend(arguments);
        pentimento(place, &all)
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains(sentence).and(contains("panicked").not()));
    };
    refuses(&["gone", "--out", "r"], "there is no folder gone");
    refuses(
        &["full/thesis.tex", "--out", "r"],
        "is a file, not a folder of runs",
    );
    refuses(
        &["empty", "--out", "r"],
        "empty holds no run, and neither does any folder up to three levels below it",
    );
    refuses(&["deep", "--out", "r"], "deep holds no run");
    refuses(
        &["s", "--out", "full"],
        "full is not empty and holds no earlier report: give another folder",
    );
    refuses(
        &["s", "--out", "full/thesis.tex"],
        "cannot be a report's folder",
    );
    refuses(&["s"], "--out <REPORT>");
    refuses(&["--out", "r"], "<DIR>");
    refuses(
        &["s", "--out", "r", "--format", "pdf"],
        "invalid value 'pdf'",
    );
    refuses(
        &["s", "--out", "r", "--study", "logs.json"],
        "a log is given as LABEL=FILE",
    );
    refuses(
        &["s", "--out", "r", "--study", "paper=gone.json"],
        "gone.json",
    );
    refuses(
        &["s", "--out", "r", "--study", "paper=gone.json,rnak=4"],
        "go backbone=NAME, rank=N and seed=N, not \"rnak=4\"",
    );
    assert_eq!(text(&place.join("full"), "thesis.tex"), "years of work");
    assert!(!place.join("r").exists());
}
