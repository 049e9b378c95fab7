//! Runs that were damaged, cut off, edited by hand, or made by another version.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use super::{Cases, Place, SMALL, fixture};

/// A finished run, made once.
static RUN: LazyLock<Place> = LazyLock::new(|| {
    let place = Place::new();
    place.write("my.toml", SMALL);
    let output = place.run(&["run", "my.toml", "--device", "cpu", "--out", "R"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    place
});

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(path, to.join(name)).unwrap();
        }
    }
}

/// The run in `R/`, to be damaged.
fn run() -> Place {
    let place = Place::new();
    copy(&RUN.path().join("R"), &place.path().join("R"));
    place
}

/// A run whose files are the manifest of a sound one and this journal.
fn journal(bytes: impl AsRef<[u8]>) -> Place {
    let place = Place::new();
    fs::create_dir(place.path().join("R")).unwrap();
    fs::copy(
        RUN.path().join("R/manifest.json"),
        place.path().join("R/manifest.json"),
    )
    .unwrap();
    place.write("R/journal.jsonl", bytes);
    place
}

#[test]
fn journals_that_are_damaged_are_refused_with_their_line() {
    let mut cases = Cases::of("journals");
    let sound = fs::read_to_string(fixture("journal.jsonl")).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    let with = |line: usize, text: &str| {
        let mut lines = lines.clone();
        lines[line] = text;
        lines.join("\n") + "\n"
    };
    let changed = |line: usize, from: &str, to: &str| {
        assert!(lines[line].contains(from), "{from}");
        with(line, &lines[line].replacen(from, to, 1))
    };
    let nested = format!(
        "{{\"v\":1,\"x\":{}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (what, bytes) in [
        ("an empty journal", String::new()),
        ("a line that is no JSON", with(3, "Task started")),
        ("a line that is empty", with(3, "")),
        ("a line of zeros", with(3, &"\0".repeat(100))),
        (
            "a line of another program",
            with(3, "{\"message\":\"hello\"}"),
        ),
        ("a list", with(3, "[]")),
        ("lists in lists", with(3, &nested)),
        ("a version of the future", changed(3, "\"v\":1", "\"v\":9")),
        ("a version below zero", changed(3, "\"v\":1", "\"v\":-1")),
        ("a record that is left out", with(3, lines[4])),
        (
            "an event that is none",
            changed(3, "TaskStarted", "TaskForgotten"),
        ),
        (
            "an event with a terminal's bytes",
            changed(3, "TaskStarted", "\\u001b[31m\\u009bTask"),
        ),
        ("an event without a key", changed(3, "\"steps\":4,", "")),
        (
            "steps below zero",
            changed(3, "\"steps\":4", "\"steps\":-4"),
        ),
        (
            "steps that no number holds",
            changed(3, "\"steps\":4", "\"steps\":99999999999999999999"),
        ),
        (
            "a training of no steps",
            changed(3, "\"steps\":4", "\"steps\":0"),
        ),
        (
            "a task that is not there",
            changed(3, "\"index\":1", "\"index\":4000000000"),
        ),
        (
            "more right answers than images",
            changed(5, "\"correct\":18", "\"correct\":180"),
        ),
        (
            "figures of fewer classes",
            changed(1, "[20,20,20,20,20,19,20,20,20,20,20,20]", "[20]"),
        ),
        (
            "an answer that is no class",
            changed(1, "[[0,1]]", "[[4000000000,1]]"),
        ),
        (
            "a test set that is none",
            changed(1, "\"latin\"", "\"lat\\u001bin\""),
        ),
        (
            "a recipe with a type that is wrong",
            changed(0, "\"rank\":16", "\"rank\":\"x\""),
        ),
    ] {
        cases.refused(what, &journal(bytes), &["export", "R", "--out", "E"]);
    }
    cases.refused(
        "bytes that are no text",
        &journal(
            [
                lines[0].as_bytes(),
                b"\n\xff\xfe\n",
                lines[2].as_bytes(),
                b"\n",
            ]
            .concat(),
        ),
        &["export", "R", "--out", "E"],
    );
    cases.end(23);
}

#[test]
fn runs_that_lack_something_are_refused() {
    let mut cases = Cases::of("runs");
    let resume = ["resume", "R"];
    let cut = |place: &Place, kind: &str| {
        let path = place.path().join("R/journal.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        let kind = format!("\"kind\":\"{kind}\"");
        let mut kept = String::new();
        for line in text.lines() {
            kept.push_str(line);
            kept.push('\n');
            if line.contains(&kind) {
                break;
            }
        }
        fs::write(path, kept).unwrap();
    };
    let place = run();
    fs::write(place.path().join("R/manifest.json"), "{").unwrap();
    cases.refused("a manifest that is no JSON", &place, &resume);
    let place = run();
    let manifest = place.path().join("R/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("\"v\": 1", "\"v\": 7", 1)).unwrap();
    cases.refused("a manifest of the future", &place, &resume);
    let place = run();
    fs::remove_file(place.path().join("R/manifest.json")).unwrap();
    cases.refused("no manifest", &place, &resume);
    let place = run();
    fs::remove_file(place.path().join("R/journal.jsonl")).unwrap();
    cases.refused("no journal", &place, &resume);
    let place = run();
    fs::remove_file(place.path().join("R/journal.jsonl")).unwrap();
    fs::create_dir(place.path().join("R/journal.jsonl")).unwrap();
    cases.refused("a folder for a journal", &place, &resume);

    let weights = "R/adapters/001-parity/adapter_model.safetensors";
    type Damage = fn(&Path);
    let damages: [(&str, &str, Damage); 7] = [
        ("an adapter that is gone", weights, |p| {
            fs::remove_file(p).unwrap()
        }),
        ("an adapter cut off", weights, |p| {
            let bytes = fs::read(p).unwrap();
            fs::write(p, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("an adapter of another training", weights, |p| {
            let mut bytes = fs::read(p).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(p, bytes).unwrap();
        }),
        ("a folder for an adapter", weights, |p| {
            fs::remove_file(p).unwrap();
            fs::create_dir(p).unwrap();
        }),
        (
            "a configuration that was edited",
            "R/adapters/001-parity/adapter_config.json",
            |p| {
                let text = fs::read_to_string(p).unwrap();
                fs::write(p, text.replace("\"r\": 4", "\"r\": 400000000")).unwrap();
            },
        ),
        (
            "a head that is gone",
            "R/heads/001-parity.safetensors",
            |p| fs::remove_file(p).unwrap(),
        ),
        ("no adapters", "R/adapters", |p| {
            fs::remove_dir_all(p).unwrap()
        }),
    ];
    for (what, file, damage) in damages {
        let place = run();
        cut(&place, "Merged");
        damage(&place.path().join(file));
        cases.refused(what, &place, &resume);
    }
    for (what, name) in [
        ("an adapter outside of the run", "../../etc"),
        ("an adapter with a whole path", "/etc"),
        (
            "an adapter with a terminal's bytes",
            "adapters/\\u001b[31m\\u009b",
        ),
    ] {
        let place = run();
        cut(&place, "Merged");
        let path = place.path().join("R/journal.jsonl");
        let text = fs::read_to_string(&path).unwrap().replace(
            "\"adapter\":\"adapters/001-parity\"",
            &format!("\"adapter\":\"{name}\""),
        );
        let text = text.replace("adapters/001-parity/adapter", &format!("{name}/adapter"));
        fs::write(path, text).unwrap();
        cases.refused(what, &place, &resume);
    }
    let place = run();
    cases.refused(
        "a branch at no task",
        &place,
        &["branch", "R", "--at", "par\u{1b}[31mity"],
    );
    cases.refused(
        "a branch behind the end",
        &place,
        &["branch", "R", "--at", "9"],
    );
    cases.refused(
        "a branch of other data",
        &place,
        &[
            "branch",
            "R",
            "--at",
            "1",
            "--set",
            "foundation.data=bundled:greek",
        ],
    );
    cases.refused(
        "a backbone into a folder that is not empty",
        &place,
        &["export", "R", "--backbone", "R"],
    );
    cases.refused(
        "a run that is run over",
        &place,
        &["run", "demo", "--out", "R"],
    );
    cases.end(19);
}

/// The end of a file that a power cut left half written is no damage.
#[test]
fn a_last_line_cut_off_is_left_out_and_said() {
    let sound = fs::read_to_string(RUN.path().join("R/journal.jsonl")).unwrap();
    let place = journal(&sound[..sound.len() - 20]);
    let output = place.run(&["export", "R", "--out", "E"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("the journal's last line"), "{told}");
    assert!(place.path().join("E/matrix.csv").exists());
}
