//! Presets: keys, types, values, and files that are none.

use super::{Cases, Place, SMALL, not_utf8};

/// `SMALL` with one line changed, or one added at the end.
const CHANGES: &[(&str, &str, &str)] = &[
    ("an unknown key", "rank = 4", "rnak = 4"),
    (
        "an unknown key at the top",
        "name = \"small\"",
        "name = \"small\"\ncolour = 1",
    ),
    ("an unknown table", "[train]", "[taste]\nx = 1\n[train]"),
    (
        "an unknown key of a task",
        "id = \"greek\"",
        "id = \"greek\"\nweight = 2",
    ),
    ("a rank of text", "rank = 4", "rank = \"four\""),
    ("a rank with a fraction", "rank = 4", "rank = 4.5"),
    ("a rank below zero", "rank = 4", "rank = -1"),
    ("a rank that no layer has", "rank = 4", "rank = 99999"),
    (
        "a number that no computer holds",
        "rank = 4",
        "rank = 99999999999999999999",
    ),
    ("a date for a rank", "rank = 4", "rank = 2026-01-01"),
    ("a list for a rank", "rank = 4", "rank = [4]"),
    ("a table for a rank", "rank = 4", "rank = { a = 4 }"),
    ("a flag of text", "rank = 4", "rank = 4\nrslora = \"yes\""),
    (
        "a mode that is none",
        "rank = 4",
        "rank = 4\nmode = \"melt\"",
    ),
    ("dropout of everything", "dropout = 0.1", "dropout = 1.0"),
    ("an alpha of zero", "rank = 4", "rank = 4\nalpha = 0.0"),
    ("an infinite alpha", "rank = 4", "rank = 4\nalpha = inf"),
    (
        "targets that are no regex",
        "rank = 4",
        "rank = 4\ntargets = \"blocks.(\"",
    ),
    (
        "targets that match nothing",
        "rank = 4",
        "rank = 4\ntargets = \"conv9\"",
    ),
    ("empty targets", "rank = 4", "rank = 4\ntargets = \"\""),
    (
        "a regex that explodes",
        "rank = 4",
        "rank = 4\ntargets = \"(((a{1000}){1000}){1000})\"",
    ),
    ("a learning rate that is no number", "lr = 1e-3", "lr = nan"),
    ("an infinite learning rate", "lr = 1e-3", "lr = inf"),
    ("a learning rate of text", "lr = 1e-3", "lr = \"fast\""),
    ("no learning rate", "lr = 1e-3\n", ""),
    ("a batch of nothing", "batch_size = 4", "batch_size = 0"),
    (
        "a batch of everything",
        "batch_size = 4",
        "batch_size = 1000000000",
    ),
    ("epochs and steps", "steps = 2", "steps = 2\nepochs = 1"),
    ("neither epochs nor steps", "steps = 2\n", ""),
    (
        "steps for three tasks of two",
        "steps = 2",
        "steps = [1, 2, 3]",
    ),
    (
        "steps of nothing for one task",
        "steps = 2",
        "steps = [1, 0]",
    ),
    ("a warm-up beyond the end", "warmup = 0.2", "warmup = 2.0"),
    ("no permutations", "permutations = 9", "permutations = 0"),
    (
        "an image of no size",
        "source = \"bundled:glyph-vit\"",
        "source = \"bundled:glyph-vit\"\nimage_size = 0",
    ),
    (
        "a backbone that is not bundled",
        "bundled:glyph-vit",
        "bundled:glyph-vti",
    ),
    ("a backbone of no scheme", "bundled:glyph-vit", "ftp:glyph"),
    (
        "a backbone outside of the cache",
        "bundled:glyph-vit",
        "hub:../etc/passwd",
    ),
    (
        "a backbone with a backslash",
        "bundled:glyph-vit",
        "hub:timm\\\\..\\\\x/y",
    ),
    (
        "a revision outside of the cache",
        "bundled:glyph-vit",
        "hub:timm/vit@../../x",
    ),
    (
        "a backbone with a terminal's bytes",
        "bundled:glyph-vit",
        "hub:timm/\\u001b[31mvit",
    ),
    (
        "a CLIP of nowhere",
        "permutations = 9",
        "permutations = 9\nclip = \"path:\"",
    ),
    (
        "data that is not bundled",
        "bundled:parity",
        "bundled:party",
    ),
    ("data of no scheme", "bundled:parity", "zip:x.zip"),
    ("data of no folder", "bundled:parity", "folder:"),
    (
        "data of a folder that is not there",
        "bundled:parity",
        "folder:nowhere",
    ),
    ("two steps of one id", "id = \"greek\"", "id = \"parity\""),
    ("an empty id", "id = \"greek\"", "id = \"\""),
    (
        "an id that leaves the folder",
        "id = \"greek\"",
        "id = \"../greek\"",
    ),
    (
        "an id with a terminal's bytes",
        "id = \"greek\"",
        "id = \"gr\\u001b]0;eek\\u0007\"",
    ),
    (
        "an id that turns the line",
        "id = \"greek\"",
        "id = \"gr\\u202eeek\"",
    ),
    (
        "an id of a thousand letters",
        "id = \"greek\"",
        "id = \"LONG\"",
    ),
    ("an empty name", "name = \"small\"", "name = \"\""),
    (
        "a name that leaves the folder",
        "name = \"small\"",
        "name = \"../small\"",
    ),
    (
        "a name of two lines",
        "name = \"small\"",
        "name = \"sm\\nall\"",
    ),
    (
        "a context that is no group",
        "context = [\"digits\"]",
        "context = [\"digit\"]",
    ),
    (
        "a context of a number",
        "context = [\"digits\"]",
        "context = 3",
    ),
    (
        "a part that runs backwards",
        "context = [\"digits\"]",
        "part = [0.8, 0.2]",
    ),
    (
        "a part of one number",
        "context = [\"digits\"]",
        "part = [0.8]",
    ),
    (
        "a class that is not there",
        "context = [\"digits\"]",
        "classes = [\"seven\"]",
    ),
    (
        "a class with a terminal's bytes",
        "context = [\"digits\"]",
        "classes = [\"\\u001b[2J\\u009b\"]",
    ),
    ("no image of each class", "per_class = 4", "per_class = 0"),
    (
        "groups that stand nowhere",
        "per_class = 4",
        "groups = \"groups.csv\"",
    ),
    (
        "groups by a column of data that has none",
        "per_class = 4",
        "groups = \"column:coarse_label\"",
    ),
    (
        "groups by a file that is not there",
        "per_class = 4",
        "groups = \"file:none.csv\"",
    ),
    (
        "a word that is no noun",
        "context = [\"digits\"]",
        "word = \"qwxyz\"",
    ),
    (
        "a seed that is too large",
        "[backbone]",
        "seed = 18446744073709551615\n[backbone]",
    ),
    ("a key twice", "rank = 4", "rank = 4\nrank = 8"),
    ("a table twice", "[train]", "[train]\n[train]"),
    ("a line that is no TOML", "rank = 4", "rank = "),
    (
        "a string without an end",
        "name = \"small\"",
        "name = \"small",
    ),
    (
        "a terminal's bytes for a key",
        "rank = 4",
        "\"ra\\u001b[31mnk\" = 4",
    ),
    (
        "a preset of a preset that is not there",
        "name = \"small\"",
        "name = \"small\"\nextends = \"smal\"",
    ),
    (
        "a preset of its own file",
        "name = \"small\"",
        "name = \"small\"\nextends = \"my.toml\"",
    ),
    (
        "an extension of a number",
        "name = \"small\"",
        "name = \"small\"\nextends = 3",
    ),
];

#[test]
fn what_is_wrong_in_a_preset_is_said_with_its_line() {
    let mut cases = Cases::of("presets");
    for (what, from, to) in CHANGES {
        let place = Place::new();
        assert!(SMALL.contains(from), "{what}");
        let text = SMALL.replacen(from, &to.replace("LONG", &"x".repeat(1000)), 1);
        place.write("my.toml", text);
        cases.refused(
            what,
            &place,
            &["run", "my.toml", "--device", "cpu", "--out", "R"],
        );
        assert!(!place.path().join("R/journal.jsonl").exists(), "{what}");
    }
    let (head, _) = SMALL.split_once("[[task]]").unwrap();
    let nested = format!(
        "{SMALL}[measure.probe]\nwhen = {}{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (what, bytes) in [
        ("a sequence of no task", head.as_bytes()),
        ("an empty sequence", format!("task = []\n{head}").as_bytes()),
        ("an empty file", b""),
        ("bytes that are no text", b"name = \"\xff\xfe\""),
        ("a text of two bytes a letter", b"\xff\xfen\0a\0m\0e\0"),
        ("zeros", &[0; 512]),
        ("an archive", b"PK\x03\x04\x14\0\0\0"),
        ("lists in lists", nested.as_bytes()),
        (
            "a picture",
            &std::fs::read(super::fixture("images/rgb.png")).unwrap(),
        ),
        (
            "a preset of megabytes",
            "# nothing\n".repeat(1 << 20).as_bytes(),
        ),
    ] {
        let place = Place::new();
        place.write("my.toml", bytes);
        cases.refused(
            what,
            &place,
            &["run", "my.toml", "--device", "cpu", "--out", "R"],
        );
    }
    cases.refused(
        "a preset without an end",
        &Place::new(),
        &["run", "/dev/zero"],
    );
    cases.refused(
        "a preset that is no UTF-8 name",
        &Place::new(),
        &["run".as_ref(), not_utf8()],
    );
    cases.refused(
        "a pretraining with a mistake",
        &Place::new(),
        &["pretrain", "glyph-vit", "--out", "W", "--set", "train.lr=0"],
    );
    cases.end(80);
}

/// A pipe that nobody writes to would be waited for, and a list of presets looks at every file.
#[test]
fn files_that_are_no_presets_do_not_hold_up_the_list() {
    let place = Place::new();
    place.write("mine.toml", SMALL);
    place.write(
        "large.toml",
        format!(
            "name = 'large'\nextends = 'demo'\n{}",
            "#\n".repeat(1 << 20)
        ),
    );
    let pipe = std::process::Command::new("mkfifo")
        .arg(place.path().join("pipe.toml"))
        .status();
    assert!(pipe.unwrap().success());
    let listed = place.run(&["presets"]);
    let told = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.status.success());
    assert!(
        told.contains("mine.toml") && !told.contains("large.toml"),
        "{told}"
    );
}
