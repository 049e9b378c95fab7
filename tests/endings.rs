//! How a run without a screen ends, or does not: signals, defects, readers that leave.

#[path = "common/tiny.rs"]
mod tiny;

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A guard against waiting for ever, not a measure of speed.
const AT_MOST: Duration = Duration::from_secs(300);
const TOKEN: &str = "the-token-of-the-environment";
const STORED: &str = "stored-token-of-a-file";

/// A folder with a preset of one task in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let secret = "description = \"hf_aTokenThatWasTypedHere\"\n";
        fs::write(
            place.path("short.toml"),
            secret.to_owned() + &tiny::preset(2),
        )
        .unwrap();
        fs::create_dir(place.path("hub")).unwrap();
        fs::write(place.path("hub/token"), STORED).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pentimento"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("XDG_CONFIG_HOME", self.path("settings"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("HF_HOME", self.path("hub"))
            .env("HF_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A run of so many steps, at work on the first of them.
    fn run(&self, steps: u32) -> Child {
        let set = format!("train.steps={steps}");
        let arguments = ["run", "short.toml", "--out", "R", "--set", &set];
        // A group without a parent in its session, as a detached test has, does not hear SIGTSTP.
        let child = self.program(&arguments).process_group(0).spawn().unwrap();
        self.wait_for("\"kind\":\"Step\"");
        child
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.path("R/journal.jsonl")).unwrap_or_default()
    }

    fn wait_for(&self, text: &str) {
        until(|| self.journal().contains(text));
    }
}

fn until(there: impl Fn() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < AT_MOST);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

fn state(child: &Child) -> String {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1;
    fields.split_whitespace().next().unwrap().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn steps(journal: &str) -> usize {
    journal.matches("\"kind\":\"Step\"").count()
}

/// The first interrupt asks and the run goes on; a hang-up is noted; the second interrupt stops with a checkpoint.
#[test]
fn an_interrupt_asks_and_a_hangup_is_outlived() {
    let place = Place::new();
    let child = place.run(2_000);
    signal(&child, "-HUP");
    place.wait_for("the terminal is gone: the run goes on without one");
    signal(&child, "-TSTP");
    until(|| state(&child) == "T");
    signal(&child, "-CONT");
    signal(&child, "-INT");
    let then = steps(&place.journal());
    until(|| steps(&place.journal()) > then + 5);
    signal(&child, "-INT");
    let Output {
        status,
        stderr,
        stdout,
    } = child.wait_with_output().unwrap();
    let stderr = text(&stderr);
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("stop? Ctrl-C once more stops the run with a checkpoint"),
        "{stderr}"
    );
    assert!(stderr.contains("`pentimento resume R` goes on"), "{stderr}");
    assert!(text(&stdout).contains("the terminal is gone"));
    let journal = place.journal();
    assert!(journal.contains("\"kind\":\"Checkpoint\""), "{journal}");
    assert!(
        journal.trim_end().ends_with("\"kind\":\"Stopped\"}"),
        "{journal}"
    );
}

#[test]
fn a_hangup_stops_a_run_where_the_settings_say_so() {
    let place = Place::new();
    fs::create_dir_all(place.path("settings/pentimento")).unwrap();
    let settings = place.path("settings/pentimento/config.toml");
    fs::write(&settings, "hangup = \"perhaps\"").unwrap();
    let refused = place
        .program(&["run", "short.toml", "--out", "R"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("hangup: \"perhaps\" is none of go-on, stop"));
    assert!(!place.path("R").exists());
    fs::write(&settings, "hangup = \"stop\"").unwrap();
    let child = place.run(2_000);
    signal(&child, "-HUP");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(129));
    assert!(
        place
            .journal()
            .trim_end()
            .ends_with("\"kind\":\"Stopped\"}")
    );
}

/// Neither of those who read along is needed: the run ends as ever, without a word of it.
#[test]
fn a_run_goes_on_when_its_readers_leave() {
    let place = Place::new();
    let arguments = ["run", "short.toml", "--out", "R", "--log", "json"];
    let mut child = place.program(&arguments).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(
        place
            .journal()
            .trim_end()
            .ends_with("\"kind\":\"Finished\"}")
    );
    assert!(place.path("R/export/matrix.csv").is_file());
    assert!(!place.path("R/crash-1.txt").exists());
}

fn report(path: &Path, what: &str) -> String {
    let report = fs::read_to_string(path).unwrap();
    for part in [
        concat!("pentimento ", env!("CARGO_PKG_VERSION")),
        "\ntime      2",
        "\ncommand   ",
        "\nplatform  ",
        &format!("\nmessage   a panic in {what} was asked for (src/crash.rs:"),
        "\nbacktrace\n",
    ] {
        assert!(report.contains(part), "{part:?} is not in {report}");
    }
    for secret in [TOKEN, STORED, "hf_aTokenThatWasTypedHere", "hf_andThisOne1"] {
        assert!(!report.contains(secret), "{report}");
    }
    report
}

/// A defect of the lab or of a loader ends the run, which can be gone on with; each leaves a report of its own.
#[test]
fn a_panic_of_the_lab_leaves_a_report_in_the_runs_folder() {
    let place = Place::new();
    let arguments = ["run", "short.toml", "--out", "R"];
    let ended = place
        .program(&arguments)
        .env("PENTIMENTO_PANIC", "lab")
        .output()
        .unwrap();
    let stderr = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert_eq!(
        stderr.matches("the report is in R/crash-1.txt").count(),
        1,
        "{stderr}"
    );
    let first = report(&place.path("R/crash-1.txt"), "lab");
    assert!(first.contains("\nthread    lab\n"), "{first}");
    assert!(first.contains("\"kind\":\"TaskStarted\""), "{first}");
    assert!(first.contains(&format!("command   {}", env!("CARGO_BIN_EXE_pentimento"))));
    let ended = place
        .program(&["resume", "R"])
        .env("PENTIMENTO_PANIC", "loader")
        .output()
        .unwrap();
    let stderr = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("the report is in R/crash-2.txt"),
        "{stderr}"
    );
    report(&place.path("R/crash-2.txt"), "loader");
    assert_eq!(
        fs::read_to_string(place.path("R/crash-1.txt")).unwrap(),
        first
    );
    let ended = place.program(&["resume", "R"]).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
}

/// Where no run is open, the report goes to the user's folder of states; without a reader it is written too.
#[test]
fn a_panic_without_a_run_leaves_a_report_among_the_states() {
    let place = Place::new();
    let arguments = ["presets", TOKEN, "hf_andThisOne1"];
    let mut child = place
        .program(&arguments)
        .env("PENTIMENTO_PANIC", "main")
        .spawn()
        .unwrap();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{stderr}");
    let path = place.path("state/pentimento/crash-1.txt");
    assert!(
        stderr.contains(&format!("the report is in {}", path.display())),
        "{stderr}"
    );
    let report = report(&path, "main");
    assert!(report.contains("presets [secret] [secret]"), "{report}");
    let mut child = place
        .program(&arguments)
        .env("PENTIMENTO_PANIC", "main")
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(place.path("state/pentimento/crash-2.txt").is_file());
}

/// What a pipe whose reader has left takes.
fn nobody() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Every command that prints ends without a word and without a failure where nobody reads, on both streams.
#[test]
fn what_prints_ends_quietly_without_a_reader() {
    let place = Place::new();
    let run = place.program(&["run", "short.toml", "--out", "R"]).output();
    assert_eq!(run.unwrap().status.code(), Some(0));
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for (picture, to) in [
        ("rgb.png", "cat"),
        ("photo.bmp", "dog"),
        ("grey.jpg", "eel"),
    ] {
        let folder = place.path("photos").join(to);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(fixtures.join("images").join(picture), folder.join(picture)).unwrap();
    }
    let model = fixtures.join("models/resnet14t");
    let model = model.to_str().unwrap();
    let commands: [&[&str]; 22] = [
        &["--help"],
        &["--version"],
        &["help", "export"],
        &["run", "--help"],
        &["presets"],
        &["presets", "demo"],
        &["keys"],
        &["doctor"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["inspect", "bundled:glyph-vit"],
        &["fetch", "demo"],
        &["export", "R"],
        &["export", "R", "--out", "E"],
        &[
            "export",
            "R",
            "--format",
            "csv,json,md,latex,svg,png",
            "--out",
            "F",
        ],
        &["export", "R", "--backbone", "B"],
        &[
            "eval",
            "--backbone",
            model,
            "--data",
            "photos",
            "--split",
            "all",
        ],
        &["resume", "R"],
        &["resume", "R", "--log", "json"],
        &["branch", "R", "--at", "0", "--out", "R2"],
        &["run", "short.toml", "--out", "R3", "--log", "plain"],
    ];
    for arguments in commands {
        let output = place.program(arguments).stdout(nobody()).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
        assert!(
            !stderr.contains("panic") && !stderr.contains("pipe"),
            "{arguments:?}: {stderr}"
        );
    }
    assert!(place.path("R3/export/matrix.csv").is_file());
    for arguments in [
        &["--help"][..],
        &["doctor"],
        &["fetch", "demo"],
        &["export", "R"],
        &["resume", "R"],
    ] {
        let mut deaf = place.program(arguments);
        let status = deaf.stdout(nobody()).stderr(nobody()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}");
    }
    for mistake in [
        &["rnu"][..],
        &["run", "nothing"],
        &["eval", "--backbone", "B"],
    ] {
        let status = place.program(mistake).stderr(nobody()).status().unwrap();
        assert_eq!(status.code(), Some(2), "{mistake:?}");
    }
    let left = fs::read_dir(place.path("R")).unwrap().flatten();
    let crashes = left.filter(|f| f.file_name().to_string_lossy().starts_with("crash-"));
    assert_eq!(crashes.count(), 0);
    assert!(!place.path("state").exists());
}

/// A disk that is full is said to be so.
#[test]
fn an_output_that_takes_nothing_is_named() {
    let place = Place::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.program(&["presets"]).stdout(full).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.starts_with("pentimento: what was to be printed is lost, for standard output"),
        "{stderr}"
    );
}
