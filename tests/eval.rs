//! `pentimento eval` and `pentimento inspect`, from the command line.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candle_core::{Device, Tensor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn run(place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pentimento"))
        .current_dir(place)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What timm was given, each where the folder of class folders has it. By bytes, `-` comes before `/`.
const PICTURES: [(&str, &str); 6] = [
    ("rgb.png", "cat-like/1.png"),
    ("444.jpg", "cat-like/2.JPG"),
    ("palette.png", "cat/1.png"),
    ("grey.jpg", "cat/2.jpeg"),
    ("photo.bmp", "dog/deep/er/1.bmp"),
    ("progressive.jpg", "dog/z.jpg"),
];

/// A folder with the model of timm's logits, and one of pictures below `split`.
fn world(split: &str, label_names: Option<&[&str]>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    fs::create_dir(&model).unwrap();
    let from = fixture("models/resnet14t");
    fs::copy(
        from.join("model.safetensors"),
        model.join("model.safetensors"),
    )
    .unwrap();
    let config = fs::read_to_string(from.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    if let Some(names) = label_names {
        config["label_names"] = serde_json::json!(names);
    }
    fs::write(model.join("config.json"), config.to_string()).unwrap();
    for (name, to) in PICTURES {
        let to = dir.path().join("photos").join(split).join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(fixture("images").join(name), to).unwrap();
    }
    fs::write(dir.path().join("photos/.DS_Store"), "x").unwrap();
    dir
}

fn eval(place: &Path, more: &[&str]) -> Output {
    eval_on(place, "photos", more)
}

fn eval_on(place: &Path, data: &str, more: &[&str]) -> Output {
    let arguments = [
        "eval",
        "--backbone",
        "model",
        "--data",
        data,
        "--device",
        "cpu",
        "--logits",
        "out.safetensors",
    ];
    run(place, &[&arguments, more].concat())
}

fn tensors(place: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(place.join("out.safetensors"), &Device::Cpu).unwrap()
}

fn labels(place: &Path) -> Vec<i64> {
    tensors(place)["labels"].to_vec1().unwrap()
}

#[test]
fn logits_are_timms_for_a_folder_of_class_folders() {
    let world = world("test", None);
    let output = eval(
        world.path(),
        &[
            "--split",
            "test",
            "--predictions",
            "p.csv",
            "--classes",
            "c.csv",
        ],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(labels(world.path()), [1, 1, 0, 0, 2, 2]);
    let ours: Vec<Vec<f32>> = tensors(world.path())["logits"].to_vec2().unwrap();
    let timm = candle_core::safetensors::load(fixture("eval.safetensors"), &Device::Cpu).unwrap();
    let timm: Vec<Vec<f32>> = timm["logits"].to_vec2().unwrap();
    let largest = timm.iter().flatten().fold(1f32, |m, v| m.max(v.abs()));
    for ((name, _), (ours, timm)) in PICTURES.iter().zip(ours.iter().zip(&timm)) {
        let differences: Vec<f32> = ours.iter().zip(timm).map(|(a, b)| (a - b).abs()).collect();
        let most = differences.iter().fold(0f32, |m, d| m.max(*d)) / largest;
        println!("{name} {most}");
        // Lossless ones differ by the rounding of a few resized samples, JPEGs by what decoders round.
        let allowed = if name.ends_with("jpg") {
            JPEG
        } else {
            LOSSLESS
        };
        assert!(most < allowed, "{name}: {most}");
    }
    let told = text(&output.stdout);
    assert!(told.contains("of 6 images of photos"), "{told}");
    let lines = |file: &str| {
        let text = fs::read_to_string(world.path().join(file)).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let predictions = lines("p.csv");
    assert_eq!(predictions[0], "image,label,prediction,confidence");
    assert!(
        predictions[1].starts_with("photos/test/cat-like/1.png,1,"),
        "{predictions:?}"
    );
    assert_eq!(predictions.len(), 7);
    assert_eq!(lines("c.csv")[0], "class,name,images,right,accuracy");
}

/// Shares of the largest logit.
const LOSSLESS: f32 = 0.002;
const JPEG: f32 = 0.05;

#[test]
fn labels_follow_label_names_and_all_means_no_splits() {
    let names = [
        "x0", "dog", "x2", "cat", "x4", "x5", "cat-like", "x7", "x8", "x9",
    ];
    let world = world("", Some(&names));
    let output = eval(world.path(), &["--split", "all"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(labels(world.path()), [6, 6, 3, 3, 1, 1]);
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    let refused = |world: &tempfile::TempDir, arguments: &[&str], want: &str| {
        let output = eval(world.path(), arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(want), "{want:?} is not in {told}");
        assert!(!world.path().join("out.safetensors").exists());
    };
    let plain = world("test", None);
    refused(&plain, &["--split", "val"], "has no folder val/");
    let nowhere = eval_on(plain.path(), "nowhere", &[]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).contains("nowhere is no folder"));
    refused(&plain, &["--head", "none.safetensors"], "none.safetensors");
    let named = world("test", Some(&["cat", "dog"]));
    refused(&named, &[], "the class \"cat-like\" of photos is not among");
    for i in 0..8 {
        let folder = plain.path().join(format!("photos/test/more{i}"));
        fs::create_dir(&folder).unwrap();
        fs::copy(fixture("images/rgb.png"), folder.join("1.png")).unwrap();
    }
    refused(
        &plain,
        &[],
        "photos has 11 classes, but the head tells 10 apart",
    );
    let spoilt = plain.path().join("photos/test/cat/3.png");
    fs::write(&spoilt, b"no picture").unwrap();
    refused(
        &plain,
        &[],
        "cannot be read; the first is photos/test/cat/3.png",
    );
    fs::remove_file(spoilt).unwrap();
    fs::create_dir(plain.path().join("photos/test/empty")).unwrap();
    refused(&plain, &[], "add some, or take its folder away");
}

#[test]
fn bundled_data_and_a_modules_list() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(
        dir.path(),
        &[
            "inspect",
            "bundled:glyph-vit",
            "--targets",
            "qkv",
            "--rank",
            "4",
        ],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    // 6 blocks, each 4·(96 + 288).
    assert!(told.contains("blocks.5.attn.qkv"), "{told}");
    assert!(
        told.contains("6 of these modules match \"qkv\": 9216 trained"),
        "{told}"
    );
    // Of a run its own rank and modules, unless others are asked for.
    std::fs::create_dir(dir.path().join("R")).unwrap();
    std::fs::write(dir.path().join("R/manifest.json"), "{}").unwrap();
    let journal = std::fs::read_to_string(fixture("journal.jsonl")).unwrap();
    for (recipe, arguments, want) in [
        (
            r#""rank":16"#,
            &["inspect", "R"][..],
            "match \"default\": 36864 trained parameters at rank 16",
        ),
        (
            r#""rank":16"#,
            &["inspect", "R", "--rank", "4"],
            "9216 trained parameters at rank 4",
        ),
        (
            r#""rank":0"#,
            &["inspect", "R"],
            "0 of these modules match \"default\": 0 trained parameters at rank 0",
        ),
        // 6 blocks, each 288·96 + 288.
        (
            r#""rank":16,"mode":"full""#,
            &["inspect", "R", "--targets", "qkv"],
            "match \"qkv\": 167616 trained parameters at full rank",
        ),
    ] {
        let text_of_it = journal
            .replace(r#""mode":"merge","#, "")
            .replace(r#""rank":16"#, recipe);
        std::fs::write(dir.path().join("R/journal.jsonl"), text_of_it).unwrap();
        let output = run(dir.path(), arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            text(&output.stdout).contains(want),
            "{}",
            text(&output.stdout)
        );
    }
    let output = run(dir.path(), &["inspect", "nowhere"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let output = run(
        dir.path(),
        &[
            "eval",
            "--backbone",
            "bundled:glyph-vit",
            "--data",
            "bundled:latin",
            "--device",
            "cpu",
        ],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    // As its pretraining measured it, see assets/README.md.
    assert!(
        text(&output.stdout).contains("accuracy 0.9732  5122 of 5263"),
        "{}",
        text(&output.stdout)
    );
}

/// What can be told from the arguments and the names alone is told before anything is computed or written.
#[test]
fn arguments_that_cannot_be_are_refused_before_the_work() {
    let world = world("test", None);
    fs::create_dir(world.path().join("folder")).unwrap();
    let refused = |data: &str, arguments: &[&str], want: &str| {
        let output = eval_on(world.path(), data, arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(want), "{arguments:?}: {told}");
        assert!(!told.contains("evaluating"), "{told}");
        assert!(!world.path().join("out.safetensors").exists());
    };
    refused("", &[], "--data is empty");
    refused("photos", &["--split", ""], "--split is empty");
    refused(
        "photos",
        &["--split", "all"],
        "photos holds test/, a split: say --split test",
    );
    refused("photos", &["--split", "tset"], "has no folder tset/");
    let twice = ["--split", "test", "--predictions", "out.safetensors"];
    refused(
        "photos",
        &twice,
        "--logits and --predictions are both out.safetensors",
    );
    let folder = ["--split", "test", "--predictions", "folder"];
    refused("photos", &folder, "--predictions folder is a folder");
    let nowhere = ["--split", "test", "--classes", "nowhere/classes.csv"];
    refused("photos", &nowhere, "there is no folder nowhere");
}

#[cfg(unix)]
#[test]
fn a_pipe_called_like_a_picture_is_not_waited_for_and_no_name_reaches_the_terminal_raw() {
    let world = world("test", None);
    let cat = world.path().join("photos/test/cat");
    let odd = cat.join("te\u{1b}[31mxt.jpg");
    fs::write(&odd, "no picture").unwrap();
    let output = eval(world.path(), &["--split", "test"]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.contains("[31mxt.jpg") && !told.contains('\u{1b}'),
        "{told:?}"
    );
    fs::remove_file(odd).unwrap();
    let made = Command::new("mkfifo").arg(cat.join("pipe.jpg")).status();
    assert!(made.unwrap().success());
    let output = eval(world.path(), &["--split", "test"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("is no regular file"), "{told}");
}
