//! Bad input, from outside: each gets one sentence that says what is wrong, where, and what to do, and its exit code.
//!
//! Every module collects its cases into one snapshot, in which the sentences are read. What holds for all of them is
//! checked here: no panic, no hang, no memory that a header only announces, nothing that a terminal would act upon.

mod arguments;
mod data;
mod images;
mod inputs;
mod names;
mod paths;
mod presets;
mod runs;
mod weights;

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

/// Longer than any of these takes on a busy machine and without optimisation.
const PATIENCE: Duration = Duration::from_secs(300);
/// Address space in KiB that the program gets, most of it for stacks of threads: a header that announces 64 GiB must
/// not be believed.
const ADDRESS_SPACE: &str = "6000000";

/// Measures the backbone in `m/` on the pictures in `photos/`.
const EVAL: [&str; 7] = [
    "eval",
    "--backbone",
    "m",
    "--data",
    "photos",
    "--device",
    "cpu",
];

/// A folder of its own for a case, and the program in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, with its folders.
    fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs the program here.
    fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        let mut command = assert_cmd::Command::new("sh");
        let limited = format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"");
        command
            .current_dir(self.path())
            .env_remove("RUST_BACKTRACE")
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_HOME", self.path().join("hf"))
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .args(["-c", &limited, env!("CARGO_BIN_EXE_pentimento")])
            .args(arguments)
            .timeout(PATIENCE);
        command.output().unwrap()
    }
}

/// What a terminal acts upon, or what turns the text beside it around.
fn acts_on_a_terminal(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control() && c != '\n'
}

/// The one sentence of a program that ended with this code, or what is wrong with how it ended.
fn sentence(output: &Output, code: i32) -> Result<String, String> {
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(code) {
        return Err(format!("it ended with {}", output.status));
    }
    for (what, bytes) in [("output", &output.stdout), ("error", &output.stderr)] {
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        if text.contains(acts_on_a_terminal) {
            return Err(format!("standard {what} has what a terminal acts upon"));
        }
    }
    if told.contains("panicked") || told.contains("internal error") {
        return Err("a defect".into());
    }
    let own = told
        .lines()
        .filter_map(|line| line.strip_prefix("pentimento: "));
    let own = own.filter(|line| !line.starts_with("the run is in"));
    let parsing = told.lines().filter_map(|line| line.strip_prefix("error: "));
    match own.chain(parsing).collect::<Vec<_>>()[..] {
        [sentence] => Ok(sentence.to_owned()),
        _ => Err("not one sentence".into()),
    }
}

/// Asserts that nothing of the text would be acted upon.
fn assert_plain(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    let raw = text.chars().find(|&c| acts_on_a_terminal(c));
    assert_eq!(raw, None, "{what}: {text:?}");
}

/// The cases of a theme, in the order in which they are read.
struct Cases {
    theme: &'static str,
    read: String,
    wrong: Vec<String>,
    count: usize,
}

impl Cases {
    fn of(theme: &'static str) -> Self {
        Self {
            theme,
            read: String::new(),
            wrong: Vec::new(),
            count: 0,
        }
    }

    /// A mistake of the user's: exit 2, and one sentence on standard error.
    fn refused<S: AsRef<OsStr>>(&mut self, what: &str, place: &Place, arguments: &[S]) {
        let code = 2;
        self.count += 1;
        let output = place.run(arguments);
        match sentence(&output, code) {
            Ok(sentence) => {
                let here = place.path().to_str().unwrap();
                let sentence = sentence.replace(here, "DIR");
                writeln!(self.read, "{what}\n  {code}: {sentence}").unwrap();
            }
            Err(why) => {
                let told = String::from_utf8_lossy(&output.stderr);
                self.wrong.push(format!("{what}: {why}: {told:?}"));
            }
        }
    }

    /// Compares what was said with what was said before.
    fn end(self, least: usize) {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
        assert!(self.count >= least, "{} of {least} cases", self.count);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(self.theme, self.read);
        });
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A path that is no UTF-8.
fn not_utf8() -> &'static OsStr {
    OsStr::from_bytes(b"caf\xe9")
}

/// Two tasks of the demo's data, a few images of each class, and two steps.
const SMALL: &str = r#"name = "small"
description = "two tasks of two steps"

[backbone]
source = "bundled:glyph-vit"

[lora]
rank = 4
dropout = 0.1

[train]
steps = 2
batch_size = 4
lr = 1e-3
weight_decay = 1e-2
warmup = 0.2
watch_every = 2

[measure]
batch_size = 8
permutations = 9
resamples = 9

[foundation]
data = "bundled:latin"
per_class = 1

[[task]]
id = "parity"
data = "bundled:parity"
per_class = 4
context = ["digits"]

[[task]]
id = "greek"
data = "bundled:greek"
per_class = 1
"#;
