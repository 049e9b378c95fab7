//! Class names come from anywhere: in tables and figures they are text, and to a terminal they are nothing more.

use std::fs;
use std::path::Path;

use super::{EVAL, Place, SMALL, acts_on_a_terminal, assert_plain, fixture};

/// What folders of classes may be called.
const NAMES: [&str; 12] = [
    "\u{1b}[31mred",
    "\u{1b}]52;c;cm0gLXJm\u{7}clip",
    "\u{9b}2Jwipe",
    "two\nlines",
    "a\ttab\rback",
    "\u{202e}turned",
    "\u{2066}apart\u{2069}",
    "=HYPERLINK(\"http:x\")",
    "+1-2",
    "a & b < c > \"d\" 'e'",
    "50% $of_{x}\\input{y}~^#",
    "| a | b | `c` *d* [e](f)",
];

fn photos(place: &Place) {
    for name in NAMES {
        for split in ["train", "test"] {
            let picture = fs::read(fixture("images/rgb.png")).unwrap();
            place.write(format!("photos/{split}/{name}/1.png"), picture);
        }
    }
}

fn success(output: &std::process::Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert_plain("standard error", &output.stderr);
    assert_plain("standard output", &output.stdout);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_table_of_classes_is_plain_and_its_file_has_their_names() {
    let place = Place::new();
    photos(&place);
    for file in ["config.json", "model.safetensors"] {
        let mut bytes = fs::read(fixture("models/resnet14t").join(file)).unwrap();
        if file == "config.json" {
            let mut config: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            config["label_names"] = serde_json::json!(&NAMES[..10]);
            bytes = config.to_string().into_bytes();
        }
        place.write(format!("m/{file}"), bytes);
    }
    for name in &NAMES[10..] {
        fs::remove_dir_all(place.path().join("photos/test").join(name)).unwrap();
        fs::remove_dir_all(place.path().join("photos/train").join(name)).unwrap();
    }
    let tables = ["--classes", "c.csv", "--predictions", "p.csv"];
    let told = success(&place.run(&[&EVAL[..], &tables].concat()));
    assert!(told.contains("of 10 images of photos"), "{told}");
    let mut table = csv::Reader::from_path(place.path().join("c.csv")).unwrap();
    let mut names: Vec<String> = table.records().map(|r| r.unwrap()[1].to_owned()).collect();
    names.sort();
    let mut wanted = NAMES[..10].to_vec();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
}

/// A run of two tasks that learns these classes second.
fn run(place: &Place) {
    photos(place);
    let preset = SMALL
        .replace(
            "id = \"greek\"\ndata = \"bundled:greek\"\nper_class = 1",
            "id = \"photos\"\ndata = \"folder:photos\"",
        )
        .replace(
            "two tasks of two steps",
            "\\u001b[31mred\\u009b and \\u202eturned & <b> $x_1$ \\\\input{y}",
        );
    place.write("my.toml", preset);
    let log = success(&place.run(&["run", "my.toml", "--device", "cpu", "--out", "R"]));
    assert!(log.contains("photos"), "{log}");
}

#[test]
fn a_run_and_all_its_exports_are_plain() {
    let place = Place::new();
    run(&place);
    let formats = "csv,json,md,latex,svg,png";
    let exported = success(&place.run(&["export", "R", "--format", formats, "--out", "E"]));
    assert!(exported.lines().count() > 10, "{exported}");
    let mut seen = 0;
    for folder in ["R/export", "E"] {
        for entry in fs::read_dir(place.path().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            seen += usize::from(is_plain(&path));
        }
    }
    assert!(seen > 12, "{seen}");
    // What a program reads has the very names.
    let file = place.path().join("R/export/per_class.csv");
    let mut table = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_path(file)
        .unwrap();
    let heads = table.headers().unwrap().clone();
    let column = heads.iter().position(|h| h == "class_name").unwrap();
    let names: Vec<String> = table
        .records()
        .map(|r| r.unwrap()[column].to_owned())
        .collect();
    assert!(names.iter().any(|n| n == "A"), "{names:?}");
    // The journal, as a terminal or a log would get it.
    let journal = fs::read(place.path().join("R/journal.jsonl")).unwrap();
    assert_plain("journal.jsonl", &journal);
    let text = String::from_utf8(journal).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let named = first["test_sets"].to_string();
    for name in NAMES {
        let json = serde_json::to_string(name).unwrap();
        assert!(named.contains(&json), "{json} is not in {named}");
    }
}

/// Whether the file is one that people read, which then must be plain, each in its own way.
fn is_plain(path: &Path) -> bool {
    let Some(kind) = path.extension().and_then(|e| e.to_str()) else {
        return false;
    };
    let shown = path.display().to_string();
    let bytes = fs::read(path).unwrap();
    match kind {
        "md" | "tex" | "json" => assert_plain(&shown, &bytes),
        "svg" => {
            assert_plain(&shown, &bytes);
            roxmltree::Document::parse(std::str::from_utf8(&bytes).unwrap()).unwrap();
        }
        // Tables have names as they are, line breaks in quotes; every row has as many cells.
        "csv" => {
            let mut table = csv::ReaderBuilder::new()
                .comment(Some(b'#'))
                .from_reader(&bytes[..]);
            assert!(table.records().all(|row| row.is_ok()), "{shown}");
        }
        _ => return false,
    }
    true
}

#[test]
fn what_acts_on_a_terminal_is_known() {
    assert!(
        "\u{1b}\u{9b}\u{7}\r\t\u{202e}\u{2066}\u{200f}"
            .chars()
            .all(acts_on_a_terminal)
    );
    assert!(!"Zoë 写真 \n→".chars().any(acts_on_a_terminal));
}
