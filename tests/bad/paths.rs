//! Paths: spaces, letters of any script, `..`, line breaks, and names that are no text.

use std::ffi::OsString;
use std::fs;

use super::{Cases, Place, SMALL, assert_plain, fixture, not_utf8};

/// Folders that a user may well have.
const FOLDERS: [&str; 5] = [
    "my photos",
    "Bilder äöü",
    "実験 写真",
    "a/../b",
    "quote's \"and\" $HOME",
];

fn photos(place: &Place, root: &str) {
    for split in ["train", "test"] {
        for (class, file) in [("a cat", "rgb.png"), ("ein Hünd", "grey.jpg")] {
            place.write(
                format!("{root}/{split}/{class}/1 {file}"),
                fs::read(fixture("images").join(file)).unwrap(),
            );
        }
    }
}

#[test]
fn folders_with_spaces_and_letters_of_any_script_are_fine() {
    for folder in FOLDERS {
        let place = Place::new();
        if let Some((first, _)) = folder.split_once("/..") {
            fs::create_dir(place.path().join(first)).unwrap();
        }
        for file in ["config.json", "model.safetensors"] {
            place.write(
                format!("{folder}/m/{file}"),
                fs::read(fixture("models/resnet14t").join(file)).unwrap(),
            );
        }
        photos(&place, folder);
        let arguments = [
            "eval",
            "--backbone",
            &format!("{folder}/m"),
            "--data",
            folder,
            "--device",
            "cpu",
            "--classes",
            &format!("{folder}/c.csv"),
        ]
        .map(str::to_owned);
        let output = place.run(&arguments);
        assert!(
            output.status.success(),
            "{folder}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let table = fs::read_to_string(place.path().join(folder).join("c.csv")).unwrap();
        assert!(table.contains("ein Hünd"), "{table}");
        let preset = format!("{folder}/my preset.toml");
        let broken = SMALL.replace("rank = 4", "rank = -4");
        place.write(&preset, broken);
        let output = place.run(&["run", &preset]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            told.contains(&format!("{preset}, line 8: `lora.rank`")),
            "{told}"
        );
    }
}

#[test]
fn paths_that_cannot_be_are_refused() {
    let mut cases = Cases::of("paths");
    let place = || {
        let place = Place::new();
        place.write("my.toml", SMALL);
        place.write("file", "x");
        place.write("full/thesis.txt", "years of work");
        place
    };
    let run = |out: &str| ["run", "my.toml", "--device", "cpu", "--out", out].map(str::to_owned);
    cases.refused("a run in a file", &place(), &run("file"));
    cases.refused("a run below a file", &place(), &run("file/R"));
    cases.refused(
        "a run in a folder that is not empty",
        &place(),
        &run("full"),
    );
    cases.refused("a run in a folder of the system", &place(), &run("/proc/R"));
    cases.refused("a run with no name", &place(), &run(""));
    cases.refused(
        "a run with a name that no file may have",
        &place(),
        &run(&"x".repeat(300)),
    );
    cases.refused(
        "a run in a file with a terminal's bytes",
        &{
            let p = place();
            p.write("\u{1b}]0;x\u{7}", "");
            p
        },
        &run("\u{1b}]0;x\u{7}"),
    );
    for command in ["export", "resume", "open"] {
        cases.refused(
            &format!("{command} of a file"),
            &place(),
            &[command, "file"],
        );
        cases.refused(
            &format!("{command} of a folder without a run"),
            &place(),
            &[command, "full"],
        );
        cases.refused(
            &format!("{command} of a name with two lines"),
            &place(),
            &[command, "no\nwhere"],
        );
    }
    cases.refused("a preset that is a folder", &place(), &["run", "full"]);
    cases.refused(
        "a preset that is not there",
        &place(),
        &["run", "../no/such.toml"],
    );
    cases.refused(
        "a preset with a name of two lines",
        &place(),
        &["run", "no\nsuch\u{202e}.toml"],
    );
    cases.refused(
        "a backbone in a folder that is not empty",
        &place(),
        &["pretrain", "glyph-vit", "--out", "full"],
    );
    cases.refused(
        "a backbone in a file",
        &place(),
        &["pretrain", "glyph-vit", "--out", "file"],
    );
    let named: [OsString; 3] = ["export".into(), not_utf8().into(), "--format=csv".into()];
    cases.refused("a run whose name is no UTF-8", &place(), &named);
    cases.end(22);
}

/// The path of a run goes to a log and to a terminal, and may be called anything.
#[test]
fn a_run_in_an_odd_folder_is_told_of_plainly() {
    let place = Place::new();
    place.write("my.toml", SMALL);
    let folder = "runs/\u{1b}[2J \u{9b}31m\u{202e}gnihton";
    let output = place.run(&["run", "my.toml", "--device", "cpu", "--out", folder]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert_plain("standard output", &output.stdout);
    assert_plain("standard error", &output.stderr);
    assert!(place.path().join(folder).join("export/matrix.csv").exists());
    let exported = place.run(&["export", folder, "--out", "E"]);
    assert!(exported.status.success());
    assert_plain("standard error", &exported.stderr);
}
