//! The settings as the program reads them: `pentimento keys`, and what cannot be.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use assert_cmd::Command as Process;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use predicates::str::{contains, starts_with};

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
        .stderr(starts_with("pentimento: no-such-file: "));
    let mut theme = program(home.path());
    let theme = theme.arg("keys").env("PENTIMENTO_THEME", "drak").assert();
    theme.code(2).stderr(contains("did you mean `dark`?"));
}

/// The bench in a terminal of its own, from the set-up screen to its end; what it wrote. A click goes to the second
/// screen where the mouse is listened to.
fn bench(settings: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    std::fs::write(&file, settings).unwrap();
    let pair = native_pty_system().openpty(PtySize {
        rows: 24,
        cols: 80,
        ..PtySize::default()
    });
    let pair = pair.unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_pentimento"));
    command.cwd(home.path());
    command.env("TERM", "xterm-256color");
    command.env("PENTIMENTO_CONFIG", &file);
    for name in ["NO_COLOR", "TMUX", "PENTIMENTO_THEME", "PENTIMENTO_MARKER"] {
        command.env_remove(name);
    }
    let mut child = pair.slave.spawn_command(command).unwrap();
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
    let mut keys = pair.master.take_writer().unwrap();
    let shown = || {
        let (rows, columns) = (NonZero::new(24).unwrap(), NonZero::new(80).unwrap());
        let mut parser = vt100::Parser::new(rows, columns, 0);
        parser.process(&written.lock().unwrap());
        parser.screen().contents()
    };
    let wait_for = |text: &str| {
        let begin = Instant::now();
        while !shown().contains(text) {
            assert!(begin.elapsed() < Duration::from_secs(120), "{}", shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for("▸1 Set-up");
    if settings.contains("mouse") {
        keys.write_all(b"\x1b[<0;14;2M").unwrap();
        wait_for("▸2 Train");
    }
    keys.write_all(b"q").unwrap();
    keys.flush().unwrap();
    assert!(child.wait().unwrap().success());
    drop((pair.master, keys));
    reading.join().unwrap();
    String::from_utf8_lossy(&written.lock().unwrap()).into_owned()
}

/// Terminals select text by the mouse themselves unless a program asks for it.
#[test]
fn the_mouse_is_asked_for_only_where_it_is_set_and_is_let_go() {
    let (ask, let_go) = ("\u{1b}[?1000h", "\u{1b}[?1000l");
    let without = bench("theme = 'light'\n");
    assert!(!without.contains(ask) && !without.contains(let_go));
    let with = bench("mouse = 'auto'\n");
    assert_eq!(
        (with.matches(ask).count(), with.matches(let_go).count()),
        (1, 1)
    );
    let (on, off) = (with.find(ask).unwrap(), with.find(let_go).unwrap());
    assert!(on < off && off < with.find("\u{1b}[?1049l").unwrap());
}
