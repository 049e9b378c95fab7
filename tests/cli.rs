//! The command line from outside: exit codes, and the sentence for each mistake.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

/// The program in an empty folder of its own, away from any terminal.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn pentimento(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("pentimento").unwrap();
        command.current_dir(self.path()).args(arguments);
        command
    }

    /// A mistake: exit 2, nothing on standard output, one sentence on standard error, no files left.
    fn refuses(&self, arguments: &[&str], sentence: &str) {
        let before = fs::read_dir(self.path()).unwrap().count();
        self.pentimento(arguments)
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains(sentence).and(contains("panicked").not()));
        assert_eq!(
            fs::read_dir(self.path()).unwrap().count(),
            before,
            "{arguments:?}"
        );
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let place = Place::new();
    for arguments in [&["--help"][..], &["-h"], &["help"]] {
        place
            .pentimento(arguments)
            .assert()
            .code(0)
            .stdout(contains("Usage: pentimento").and(contains("pentimento run demo --out R")))
            .stderr("");
    }
    for command in [
        "run",
        "open",
        "resume",
        "export",
        "report",
        "pretrain",
        "presets",
        "doctor",
        "bench",
        "completions",
    ] {
        let usage = format!("Usage: pentimento {command}");
        place
            .pentimento(&[command, "--help"])
            .assert()
            .code(0)
            .stdout(contains(usage));
    }
    let version = format!("pentimento {}\n", env!("CARGO_PKG_VERSION"));
    place
        .pentimento(&["--version"])
        .assert()
        .code(0)
        .stdout(version);
}

#[test]
fn presets_are_listed_and_printed() {
    let place = Place::new();
    let mut listed = place.pentimento(&["presets"]).assert().code(0).stderr("");
    for preset in [
        "demo",
        "demo-resnet",
        "demo-scripts",
        "glyph-vit",
        "glyph-resnet",
    ] {
        listed = listed.stdout(contains(preset));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("presets/{preset}.toml"));
        let text = fs::read_to_string(file).unwrap();
        place
            .pentimento(&["presets", preset])
            .assert()
            .code(0)
            .stdout(text);
    }
    place.refuses(
        &["presets", "deom"],
        "no preset is called deom; did you mean `demo`?",
    );
}

#[test]
fn completions_are_for_the_shell_that_is_named() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = contains("pentimento").and(contains("pretrain"));
        place
            .pentimento(&["completions", shell])
            .assert()
            .code(0)
            .stdout(script);
    }
    place.refuses(&["completions", "dos"], "invalid value 'dos'");
}

#[test]
fn arguments_that_do_not_exist_are_refused() {
    let place = Place::new();
    place.refuses(&["rnu"], "unrecognized subcommand 'rnu'");
    place.refuses(&["run"], "<PRESET|FILE.toml>");
    place.refuses(
        &["run", "demo", "--rank", "4"],
        "unexpected argument '--rank'",
    );
    place.refuses(
        &["run", "demo", "--device", "gpu"],
        "a device is auto, cpu or cuda:N",
    );
    place.refuses(&["run", "demo", "--seed", "one"], "invalid value 'one'");
    let large = "seed=9223372036854775808";
    let sentence = "`seed` = \"9223372036854775808\" is too large: the largest is";
    place.refuses(&["run", "demo", "--out", "R", "--set", large], sentence);
    place.refuses(&["run", "demo", "--log", "xml"], "invalid value 'xml'");
}

#[test]
fn presets_that_do_not_exist_are_refused_with_the_nearest() {
    let place = Place::new();
    fs::create_dir(place.path().join("folder")).unwrap();
    place.refuses(
        &["run", "demos"],
        "no preset and no file is called demos; did you mean `demo`? (presets: demo, demo-resnet, demo-scripts, cifar10-quick,",
    );
    place.refuses(
        &["run", "folder"],
        "folder is a folder: give a preset's name or a TOML file",
    );
    place.refuses(
        &["run", "glyph-vit"],
        "glyph-vit is a pretraining: use `pentimento pretrain`",
    );
    place.refuses(
        &["pretrain", "demo", "--out", "weights"],
        "demo is an experiment: use `pentimento run`",
    );
}

#[test]
fn a_file_with_a_mistake_is_refused_with_its_line() {
    let place = Place::new();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets/demo-scripts.toml");
    let demo = fs::read_to_string(demo).unwrap();
    let line = |of: &str| 1 + demo.lines().position(|l| l == of).unwrap();
    for (from, to, sentence) in [
        (
            "rank = 16",
            "rnak = 16",
            "unknown key `lora.rnak`; did you mean `lora.rank`?",
        ),
        (
            "rank = 16",
            "rank = 1.5",
            "`lora.rank` must be a whole number of at least 0, not 1.5",
        ),
        ("rank = 16", "rank = ", "this is not TOML"),
        (
            "batch_size = 32",
            "batch_size = 0",
            "`train.batch_size` must be 1 to 65536, not 0",
        ),
    ] {
        fs::write(place.path().join("my.toml"), demo.replace(from, to)).unwrap();
        place.refuses(
            &["run", "my.toml"],
            &format!("my.toml, line {}: {sentence}", line(from)),
        );
    }
    fs::write(place.path().join("my.toml"), [0xff]).unwrap();
    place.refuses(&["run", "my.toml"], "my.toml is not UTF-8 text");
}

#[test]
fn overrides_with_a_mistake_are_refused_with_their_key() {
    let place = Place::new();
    for (set, sentence) in [
        (
            "lora.rnak=4",
            "--set lora.rnak=4: unknown key `lora.rnak`; did you mean `lora.rank`?",
        ),
        ("lora.rank", "--set lora.rank: wants KEY=VALUE"),
        (
            "lora.rank=four",
            "--set lora.rank: `lora.rank` must be a whole number",
        ),
        (
            "lora.mode=fully",
            "must be one of \"merge\", \"drop\", \"full\", \"full_reset\", not \"fully\"",
        ),
        (
            "train.lr=-1",
            "--set train.lr: `train.lr` must be a positive number, not -1",
        ),
        ("task.7.id=x", "`task` is a list of 5"),
        ("task.1.id=parity", "is the name that an earlier task has"),
        (
            "task.0.data=folder:x",
            "`task.0.data`: x is no folder: name the one that holds the data set",
        ),
        ("task.0.context=digit", "\"digit\""),
        (
            "backbone.source=hub:timm",
            "names no model of the hub: write `hub:OWNER/NAME`",
        ),
    ] {
        place.refuses(&["run", "demo", "--out", "R", "--set", set], sentence);
    }
    place.refuses(
        &[
            "pretrain",
            "glyph-vit",
            "--out",
            "W",
            "--set",
            "train.epochs=0",
        ],
        "--set train.epochs: `train.epochs` must be 1 to",
    );
}

#[test]
fn a_folder_that_holds_something_is_not_run_over() {
    let place = Place::new();
    fs::create_dir(place.path().join("R")).unwrap();
    fs::write(place.path().join("R/manifest.json"), "{}").unwrap();
    // Killed between its manifest and its first event.
    place.refuses(&["run", "demo", "--out", "R"], "delete the folder");
    place.refuses(&["resume", "R"], "delete the folder");
    fs::write(place.path().join("R/journal.jsonl"), "{}\n").unwrap();
    place.refuses(&["run", "demo", "--out", "R"], "`pentimento resume R`");
    assert_eq!(
        fs::read_to_string(place.path().join("R/manifest.json")).unwrap(),
        "{}"
    );
}

#[test]
fn a_pretraining_that_cannot_begin_leaves_no_folder() {
    let place = Place::new();
    let data = "foundation.data=bundled:parity";
    let arguments = ["pretrain", "glyph-vit", "--out", "P", "--set", data];
    place.refuses(&arguments, "num_classes");
    fs::create_dir(place.path().join("P")).unwrap();
    fs::write(place.path().join("P/thesis.txt"), "years of work").unwrap();
    place.refuses(&["pretrain", "glyph-vit", "--out", "P"], "is not empty");
}

#[test]
fn an_export_goes_to_a_folder_only() {
    let place = Place::new();
    fs::create_dir(place.path().join("R")).unwrap();
    fs::write(place.path().join("R/manifest.json"), "{}").unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal.jsonl");
    fs::copy(fixture, place.path().join("R/journal.jsonl")).unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    place.refuses(
        &["export", "R", "--out", "file"],
        "give another one by --out",
    );
    let exported = place.pentimento(&["export", "R", "--out", "E"]).assert();
    exported.code(0).stdout(contains("matrix.csv"));
    let chosen = ["export", "R", "--format", "latex,svg", "--out", "P"];
    let exported = place.pentimento(&chosen).assert();
    exported
        .code(0)
        .stdout(contains("matrix.tex").and(contains("heatmap.svg")));
    assert!(place.path().join("P/export.json").exists());
    place.refuses(
        &[
            "export", "R", "--format", "csv", "--only", "loss", "--out", "P",
        ],
        "the loss is a figure",
    );
}

#[test]
fn runs_that_do_not_exist_are_refused() {
    let place = Place::new();
    for command in ["resume", "export"] {
        place.refuses(&[command, "nowhere"], "nowhere");
    }
}

#[test]
fn doctor_tells_the_version_and_the_bundled_backbones() {
    let told = contains(env!("CARGO_PKG_VERSION"))
        .and(contains("glyph-vit"))
        .and(contains("glyph-resnet"))
        .and(contains("no nvcc: to build with --features cuda"))
        .and(contains("90, by CUDA_COMPUTE_CAP"));
    Place::new()
        .pentimento(&["doctor"])
        .env("PATH", "")
        .env_remove("NVCC")
        .env_remove("CUDA_HOME")
        .env("CUDA_COMPUTE_CAP", "90")
        .assert()
        .code(0)
        .stdout(told);
}

/// A bench of the bundled ViT that takes seconds.
const BENCH: [&str; 8] = [
    "bench",
    "bundled:glyph-vit",
    "--batch-size",
    "2",
    "--device",
    "cpu",
    "--threads",
    "2",
];

#[test]
fn a_bench_tells_the_machine_the_rates_and_the_operations() {
    let place = Place::new();
    let told = contains("images/s")
        .and(contains("2 threads"))
        .and(contains("train by operation"))
        .and(contains("attention"));
    let short = [&BENCH[..], &["--rounds", "1"]].concat();
    place.pentimento(&short).assert().code(0).stdout(told);
    let json = [&BENCH[..], &["--rounds", "3", "--json"]].concat();
    let output = place.pentimento(&json).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["threads"], 2);
    let measured = report["measured"].as_array().unwrap();
    assert_eq!(measured.len(), 2);
    for figures in measured {
        assert_eq!(figures["samples"].as_array().unwrap().len(), 3);
        assert_eq!(figures["losses"].as_array().unwrap().len(), 5);
        assert!(figures["images_per_second"].as_f64().unwrap() > 0.0);
        let operations = figures["operations"].as_array().unwrap();
        let shares = operations.iter().map(|o| o["share"].as_f64().unwrap());
        let whole: f64 = shares.sum();
        assert!((whole - 1.0).abs() < 1e-6, "{whole}");
    }
}

#[test]
fn a_bench_on_request_answers_each_line() {
    let place = Place::new();
    let asked = [&BENCH[..], &["--on-request"]].concat();
    let ask = |lines: &str| {
        let mut command = place.pentimento(&asked);
        command.write_stdin(lines).output().unwrap()
    };
    let output = ask("inference\ntrain\ntrain\n");
    assert!(output.status.success());
    let answers: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let works: Vec<_> = answers
        .iter()
        .map(|a| a["work"].as_str().unwrap())
        .collect();
    assert_eq!(works, ["inference", "train", "train"]);
    // The adapter adds nothing before its first step, and then it has learned.
    assert_eq!(answers[0]["loss"], answers[1]["loss"]);
    assert!(answers[2]["loss"].as_f64() < answers[1]["loss"].as_f64());
    let refused = ask("both\n");
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("write train or inference"), "{told}");
}

#[test]
fn a_bench_of_loading_takes_every_picture_once_a_round() {
    let place = Place::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    for (class, file) in [
        ("cats", "420.jpg"),
        ("cats", "rgb.png"),
        ("dogs", "444.jpg"),
    ] {
        let folder = place.path().join("photos").join(class);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(fixtures.join(file), folder.join(file)).unwrap();
    }
    let bench = ["bench", "--loading", "photos", "--batch-size", "2"];
    let told = contains("3 of photos to 3×224×224").and(contains("images/s by 1 threads"));
    let plain = [&bench[..], &["--threads", "1", "--rounds", "1"]].concat();
    place.pentimento(&plain).assert().code(0).stdout(told);
    let asked = [&bench[..], &["--on-request"]].concat();
    let ask = |lines: &str| {
        let mut command = place.pentimento(&asked);
        command.write_stdin(lines).output().unwrap()
    };
    let answers = String::from_utf8(ask("loading\nloading\n").stdout).unwrap();
    assert_eq!(answers.lines().count(), 2);
    for line in answers.lines() {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["images"], 3);
        assert!(answer["seconds"].as_f64().unwrap() > 0.0);
    }
    for (refused, want) in [
        (ask("train\n"), "write loading"),
        (
            place
                .pentimento(&["bench", "--loading", "nowhere"])
                .output()
                .unwrap(),
            "nowhere",
        ),
    ] {
        assert_eq!(refused.status.code(), Some(2));
        let told = String::from_utf8(refused.stderr).unwrap();
        let last = told.lines().last();
        assert!(last.is_some_and(|line| line.contains(want)), "{told}");
    }
}

#[test]
fn without_a_terminal_the_bench_points_to_run() {
    let place = Place::new();
    place.refuses(
        &[],
        "`pentimento run demo --out RUN` does the same without one",
    );
    // What is wrong with the folder is said first.
    fs::create_dir(place.path().join("R")).unwrap();
    place.refuses(&["open", "R"], "R holds no run");
    for file in ["manifest.json", "journal.jsonl"] {
        fs::write(place.path().join("R").join(file), "{}\n").unwrap();
    }
    place.refuses(
        &["open", "R"],
        "`pentimento resume R` goes on with the run without one",
    );
    fs::create_dir(place.path().join("S")).unwrap();
    fs::write(
        place.path().join("S/sweep.json"),
        "{\"v\": 1, \"cells\": []}",
    )
    .unwrap();
    place.refuses(
        &["open", "S"],
        "`pentimento sweep --out S --status` tells of the sweep without one",
    );
}
