//! Whole runs on a GPU: twice the same, and without memory left.

#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use candle_core::Device;
use pentimento::backbone::{self, Config};
use pentimento::progress::Nobody;
use pentimento::random::Key;
use pentimento::session::{Options, Session};

/// A network whose attention takes 200 MB an image, 62 classes of Latin characters.
const WIDE: &str = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 62, "model_args": {"img_size": 256,
    "patch_size": 4, "embed_dim": 12, "depth": 1, "num_heads": 3, "in_chans": 1},
    "pretrained_cfg": {"input_size": [1, 256, 256], "fixed_input_size": true, "mean": [0.1], "std": [0.28]}}"#;

/// A batch that no GPU holds: the attention of one layer alone takes 825 GB.
const RECIPE: &str = r#"
name = "too-large"
description = "a batch that no GPU holds"

[backbone]
source = "path:wide"

[lora]
rank = 2

[train]
steps = 2
batch_size = 4096
lr = 1e-3
weight_decay = 1e-2
warmup = 0.0

[measure]
batch_size = 2
permutations = 9

[foundation]
data = "bundled:latin"
per_class = 1

[[task]]
id = "greek"
data = "bundled:greek"
"#;

fn pentimento(place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pentimento"))
        .current_dir(place)
        .args(arguments)
        .output()
        .unwrap()
}

/// The run ends with a sentence that says what would fit, its journal with the same; a branch with a batch that fits
/// goes on from the row that was measured, and the run itself is whole.
#[test]
fn out_of_memory_is_said_and_the_run_stays_whole() {
    if super::gpu("out_of_memory_is_said_and_the_run_stays_whole").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = Config::from_json(WIDE.as_bytes()).unwrap();
    let weights = backbone::initialise(&config, Key::new(1), &Device::Cpu).unwrap();
    backbone::save(&dir.path().join("wide"), &config, &weights).unwrap();
    fs::write(dir.path().join("large.toml"), RECIPE).unwrap();
    let run = |arguments: &[&str]| pentimento(dir.path(), arguments);

    let ended = run(&["run", "large.toml", "--out", "R", "--device", "cuda:0"]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    for part in ["the GPU has no memory left", "train.batch_size=", "branch"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let journal = fs::read_to_string(dir.path().join("R/journal.jsonl")).unwrap();
    let last = journal.lines().last().unwrap();
    assert!(
        last.contains("Failed") && last.contains("no memory left"),
        "{last}"
    );

    let doctor = run(&["doctor", "R"]);
    assert!(doctor.status.success(), "{doctor:?}");
    let branch = [
        "branch",
        "R",
        "--at",
        "0",
        "--set",
        "train.batch_size=2",
        "--out",
        "B",
    ];
    let went_on = run(&branch);
    assert!(went_on.status.success(), "{went_on:?}");
    assert!(dir.path().join("B/export/matrix.csv").is_file());
}

/// Two tasks of the demo's data and backbone, merged, measured and exported. Its own thread trains here, with weights
/// that this one has put onto the GPU.
#[test]
fn a_run_repeats_byte_for_byte() {
    if super::gpu("a_run_repeats_byte_for_byte").is_none() {
        return;
    }
    let options = Options {
        device: Some("cuda:0".into()),
        ..common::automatic()
    };
    let run = || {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run");
        let session = Session::create(common::short(&[]), Some(&folder), &options, &mut Nobody);
        let mut driver = common::Driver::new(session.unwrap());
        while driver.next().is_some() {}
        assert!(driver.session.join().is_none());
        common::outcome(&folder)
    };
    common::assert_same(&run(), &run());
}
