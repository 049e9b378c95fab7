//! The settings as the program reads them: `pentimento keys`, and what cannot be.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use assert_cmd::Command as Process;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use predicates::str::{contains, starts_with};
use tempfile::TempDir;

fn program(home: &std::path::Path) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_pentimento"));
    process.env("HOME", home).env_remove("XDG_CONFIG_HOME");
    for name in ["CONFIG", "THEME", "MARKER"] {
        process.env_remove(format!("PENTIMENTO_{name}"));
    }
    process
}

#[test]
fn the_keys_that_are_printed_can_be_set() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/pentimento");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    let printed = |process: &mut Process| {
        let output = process.arg("keys").assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    };
    let before = printed(&mut program(home.path()));
    let place = format!(
        "# The settings file: {} (there is none yet)\n",
        file.display()
    );
    assert!(before.starts_with(&place), "{before}");
    assert!(before.contains("\n[keys.run]\n"), "{before}");
    std::fs::write(
        &file,
        before.replace("step = [\"s\"]", "step = [\"S\", \"f9\"]"),
    )
    .unwrap();
    let after = printed(&mut program(home.path()));
    assert!(after.contains("step = [\"S\", \"f9\"]"), "{after}");
    assert_eq!(after.lines().count(), before.lines().count());
}

#[test]
fn settings_that_cannot_be_are_the_users_mistake() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("mine.toml");
    std::fs::write(&file, "theme = 'dark'\n[keys]\nstpe = 'x'\n").unwrap();
    let said = "mine.toml, line 3: no action is called \"stpe\" (did you mean `step`?)";
    let mut wrong = program(home.path());
    let wrong = wrong.arg("keys").env("PENTIMENTO_CONFIG", &file).assert();
    wrong.code(2).stdout("").stderr(contains(said));
    let mut missing = program(home.path());
    let missing = missing
        .arg("keys")
        .env("PENTIMENTO_CONFIG", "no-such-file")
        .assert();
    missing
        .code(2)
        .stderr(starts_with("pentimento: no-such-file cannot be read"));
    let mut theme = program(home.path());
    let theme = theme.arg("keys").env("PENTIMENTO_THEME", "drak").assert();
    theme.code(2).stderr(contains("did you mean `dark`?"));
}

/// The bench at work in a terminal of its own.
struct Bench {
    written: Arc<Mutex<Vec<u8>>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    reading: JoinHandle<()>,
    master: Box<dyn MasterPty + Send>,
    _home: TempDir,
}

impl Bench {
    fn start(settings: &str, term: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.toml");
        std::fs::write(&file, settings).unwrap();
        let size = PtySize {
            rows: 24,
            cols: 80,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_pentimento"));
        command.cwd(home.path());
        command.env("TERM", term);
        command.env("PENTIMENTO_CONFIG", &file);
        for name in ["NO_COLOR", "TMUX", "PENTIMENTO_THEME", "PENTIMENTO_MARKER"] {
            command.env_remove(name);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, into) = (
            pair.master.try_clone_reader().unwrap(),
            Arc::clone(&written),
        );
        let reading = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Self {
            written,
            keys: pair.master.take_writer().unwrap(),
            child,
            reading,
            master: pair.master,
            _home: home,
        }
    }

    fn shown(&self) -> String {
        let (rows, columns) = (NonZero::new(24).unwrap(), NonZero::new(80).unwrap());
        let mut parser = vt100::Parser::new(rows, columns, 0);
        parser.process(&self.written.lock().unwrap());
        parser.screen().contents()
    }

    fn wait_for(&self, text: &str) {
        let begin = Instant::now();
        while !self.shown().contains(text) {
            assert!(
                begin.elapsed() < Duration::from_secs(120),
                "{}",
                self.shown()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, bytes: &[u8]) {
        self.keys.write_all(bytes).unwrap();
        self.keys.flush().unwrap();
    }

    /// Its exit code, and all that it wrote.
    fn end(mut self) -> (u32, String) {
        let code = self.child.wait().unwrap().exit_code();
        drop((self.master, self.keys));
        self.reading.join().unwrap();
        let written = String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned();
        (code, written)
    }
}

const MOUSE_ON: &str = "\u{1b}[?1000h";
const MOUSE_OFF: &str = "\u{1b}[?1000l";

/// Terminals select text by the mouse themselves unless a program asks for it.
#[test]
fn the_mouse_is_asked_for_only_where_it_is_set_and_is_let_go() {
    let mut without = Bench::start("theme = 'light'\n", "xterm-256color");
    without.wait_for("▸1 Set-up");
    without.press(b"q");
    let (code, written) = without.end();
    assert_eq!(
        (
            code,
            written.contains(MOUSE_ON),
            written.contains(MOUSE_OFF)
        ),
        (0, false, false)
    );
    let mut with = Bench::start("mouse = 'auto'\n", "xterm-256color");
    with.wait_for("▸1 Set-up");
    // The left button at column 14 of line 2: the second screen's name.
    with.press(b"\x1b[<0;14;2M");
    with.wait_for("▸2 Train");
    with.press(b"q");
    let (code, written) = with.end();
    assert_eq!(code, 0);
    let count = |sequence| written.matches(sequence).count();
    assert_eq!((count(MOUSE_ON), count(MOUSE_OFF)), (1, 1));
    let at = |sequence| written.find(sequence).unwrap();
    assert!(at(MOUSE_ON) < at(MOUSE_OFF) && at(MOUSE_OFF) < at("\u{1b}[?1049l"));
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_and_settings_that_cannot_be_are_refused_before_it_is_taken()
 {
    for (settings, term, said) in [
        (
            "",
            "dumb",
            "this terminal (TERM=dumb) cannot move its cursor",
        ),
        (
            "mouse = 7",
            "xterm",
            "line 1: mouse: it is true, false or \"auto\"",
        ),
    ] {
        let (code, written) = Bench::start(settings, term).end();
        assert_eq!(code, 2, "{written}");
        assert!(written.contains(said), "{written}");
        assert!(!written.contains("\u{1b}["), "{written}");
    }
}
