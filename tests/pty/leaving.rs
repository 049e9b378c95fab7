//! How the terminal is left without `q`: it goes, a shell takes it, a defect ends the program.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::driven::{AT_MOST, ENTER_SCREEN, LEAVE_SCREEN, PROGRAM, Terminal};
use super::tiny;

const RUN: &str = "runs/short-s0-1";

fn preset(folder: &Path, steps: u32) {
    fs::write(folder.join("short.toml"), tiny::preset(steps)).unwrap();
}

/// Starts the preset's run from set-up; step by step where it is not automatic.
fn start(folder: &Path, automatic: bool) -> Terminal {
    let mut terminal = Terminal::start_at((100, 30), folder, &[]);
    terminal.wait_for("Enter start");
    terminal.press("eshort.toml\r");
    terminal.wait_for("[x] parity");
    if !automatic {
        terminal.press("jjjjjjjj jjl");
        terminal.wait_for("step by step ▸");
    }
    terminal.press("\r");
    terminal
}

fn journal(folder: &Path) -> String {
    fs::read_to_string(folder.join(RUN).join("journal.jsonl")).unwrap_or_default()
}

fn wait_for_journal(folder: &Path, text: &str) {
    let begin = Instant::now();
    while !journal(folder).contains(text) {
        assert!(begin.elapsed() < AT_MOST, "{text}: {}", journal(folder));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Field `n` behind the name of a process's command in /proc/PID/stat: 0 its state, 11 and 12 its time in ticks.
fn of_process(terminal: &Terminal, n: usize) -> String {
    let id = terminal.child.process_id().unwrap();
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1;
    fields.split_whitespace().nth(n).unwrap().to_owned()
}

fn ticks(terminal: &Terminal) -> u64 {
    [11, 12]
        .map(|n| of_process(terminal, n).parse::<u64>().unwrap())
        .iter()
        .sum()
}

fn wait_until_stopped(terminal: &Terminal) {
    let begin = Instant::now();
    while of_process(terminal, 0) != "T" {
        assert!(begin.elapsed() < AT_MOST, "{}", terminal.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is to be seen, whether a blank was written or not.
fn lines(terminal: &Terminal) -> Vec<String> {
    let screen = terminal.screen();
    screen
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The terminal goes; another one takes the run back with its control, and it ends by itself once it is done.
#[test]
fn a_run_outlives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough to be held before it is finished.
    preset(folder.path(), 300);
    let mut first = start(folder.path(), true);
    wait_for_journal(folder.path(), "\"kind\":\"Step\"");
    first.vanish();
    wait_for_journal(
        folder.path(),
        "the terminal is gone: the run goes on without one",
    );
    first.signal("-HUP");
    let mut second = Terminal::start(folder.path(), &["open", RUN]);
    second.wait_for("g takes the control");
    second.press("g");
    second.wait_for("this terminal controls the run too");
    second.press("p");
    second.wait_for("paused");
    // Held by somebody it waits, and waiting costs nothing: nobody reads the terminal that is gone again and again.
    let before = ticks(&first);
    std::thread::sleep(Duration::from_secs(4));
    assert!(ticks(&first) - before < 100, "{before} {}", ticks(&first));
    assert!(first.child.try_wait().unwrap().is_none());
    second.press("p");
    second.wait_for("finished");
    second.press("q");
    assert_eq!(second.wait_for_end().exit_code(), 0);
    assert_eq!(first.wait_for_end().exit_code(), 0);
    let journal = journal(folder.path());
    let end = &journal[journal.len().saturating_sub(600)..];
    assert!(
        journal.trim_end().ends_with("\"kind\":\"Finished\"}"),
        "{end}"
    );
    assert!(folder.path().join(RUN).join("export/matrix.csv").is_file());
}

/// A run that waits for a key would wait for ever.
#[test]
fn a_run_that_waits_for_nobody_stops() {
    let folder = tempfile::tempdir().unwrap();
    preset(folder.path(), 3);
    let mut terminal = start(folder.path(), false);
    terminal.wait_for("ready for the first task");
    terminal.vanish();
    assert_eq!(terminal.wait_for_end().exit_code(), 129);
    let journal = journal(folder.path());
    assert!(journal.contains("the terminal is gone"), "{journal}");
    assert!(
        journal.trim_end().ends_with("\"kind\":\"Stopped\"}"),
        "{journal}"
    );
}

#[test]
fn a_run_stops_with_its_terminal_where_the_settings_say_so() {
    let folder = tempfile::tempdir().unwrap();
    preset(folder.path(), 1_000);
    let settings = folder.path().join("pentimento");
    fs::create_dir(&settings).unwrap();
    fs::write(settings.join("config.toml"), "hangup = \"stop\"\n").unwrap();
    let mut terminal = start(folder.path(), true);
    wait_for_journal(folder.path(), "\"kind\":\"Step\"");
    terminal.signal("-HUP");
    assert_eq!(terminal.wait_for_end().exit_code(), 129);
    terminal.check_given_back();
    let journal = journal(folder.path());
    assert!(
        journal.trim_end().ends_with("\"kind\":\"Stopped\"}"),
        "{journal}"
    );
}

/// From outside, where no shell could let it go on by a key.
#[test]
fn a_signal_suspends_and_another_brings_the_same_screen_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(folder.path(), &[]);
    terminal.wait_for("Enter start");
    terminal.press("\x1a");
    terminal.wait_for("no shell could let the program go on");
    // The sentence goes with the next key, and the one after it leads back to the first field.
    terminal.press("jk");
    let begin = Instant::now();
    while terminal.screen().contains("no shell could") || !terminal.screen().contains("▸ preset")
    {
        assert!(begin.elapsed() < AT_MOST);
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = lines(&terminal);
    terminal.signal("-TSTP");
    wait_until_stopped(&terminal);
    terminal.check_given_back();
    assert!(!terminal.screen().contains("Enter start"));
    terminal.signal("-CONT");
    let begin = Instant::now();
    while lines(&terminal) != before {
        assert!(begin.elapsed() < AT_MOST, "{}", terminal.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(terminal.count(ENTER_SCREEN), 2);
    terminal.press("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    assert_eq!(terminal.count(LEAVE_SCREEN), 2);
}

/// Under a shell: Ctrl-Z while something is typed, `fg`, and `bg`, which leaves the keys to the shell.
#[test]
fn a_shell_gets_the_terminal_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let shell = ["--norc", "--noprofile", "-i"];
    let mut terminal =
        Terminal::start_program(Path::new("/bin/bash"), (80, 24), folder.path(), &shell);
    terminal.press("PS1='sh> '\r");
    terminal.press(&format!("{PROGRAM}\r"));
    terminal.wait_for("Enter start");
    terminal.press(":\x1a");
    terminal.wait_for("Stopped");
    terminal.press("fg\r");
    let begin = Instant::now();
    while terminal.count(ENTER_SCREEN) < 2 {
        assert!(begin.elapsed() < AT_MOST, "{}", terminal.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
    terminal.press("\x1b");
    terminal.wait_for("Enter start");
    terminal.press("\x1a");
    terminal.wait_for("Stopped");
    terminal.press("bg\r");
    terminal.press("echo $((40 + 2)) and more\r");
    terminal.wait_for("42 and more");
    terminal.press("jobs\r");
    terminal.wait_for("Running");
    terminal.press("fg\r");
    terminal.wait_for("Enter start");
    terminal.press("q");
    terminal.wait_for("sh> ");
    terminal.press("exit\r");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    assert_eq!(terminal.count(ENTER_SCREEN), 3);
    assert_eq!(terminal.count(LEAVE_SCREEN), 3);
}

/// A defect of the thread that draws: the lab still writes its checkpoint, and the report has the journal's end.
#[test]
fn a_panic_gives_the_terminal_back_and_leaves_a_report() {
    let folder = tempfile::tempdir().unwrap();
    preset(folder.path(), 1_000);
    let arguments = ["PENTIMENTO_PANIC=screen", PROGRAM];
    let mut terminal = Terminal::start_program(
        Path::new("/usr/bin/env"),
        (200, 30),
        folder.path(),
        &arguments,
    );
    terminal.wait_for("Enter start");
    terminal.press("eshort.toml\r");
    terminal.wait_for("[x] parity");
    terminal.press("\r");
    assert_eq!(terminal.wait_for_end().exit_code(), 1);
    terminal.check_given_back();
    terminal.wait_for_text("the report is in runs/short-s0-1/crash-1.txt");
    let report = fs::read_to_string(folder.path().join(RUN).join("crash-1.txt")).unwrap();
    assert!(
        report.contains("a panic in screen was asked for"),
        "{report}"
    );
    assert!(report.contains("\"kind\":\"RunStarted\""), "{report}");
    let journal = journal(folder.path());
    assert!(
        journal.trim_end().ends_with("\"kind\":\"Stopped\"}"),
        "{journal}"
    );
}

/// A defect of another thread leaves the screen as it is; that there is a report is said when it is left.
#[test]
fn a_panic_elsewhere_leaves_the_screen_alone() {
    let folder = tempfile::tempdir().unwrap();
    preset(folder.path(), 1_000);
    let arguments = ["PENTIMENTO_PANIC=guest", PROGRAM];
    let mut first = Terminal::start_program(
        Path::new("/usr/bin/env"),
        (200, 30),
        folder.path(),
        &arguments,
    );
    first.wait_for("Enter start");
    first.press("eshort.toml\r");
    first.wait_for("[x] parity");
    first.press("\r");
    wait_for_journal(folder.path(), "\"kind\":\"Step\"");
    let mut second = Terminal::start(folder.path(), &["open", RUN]);
    second.wait_for("g takes the control");
    second.press("g");
    let report = folder.path().join(RUN).join("crash-1.txt");
    let begin = Instant::now();
    while !report.exists() {
        assert!(begin.elapsed() < AT_MOST, "{}", second.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
    first.press("5");
    first.wait_for("▸5 Log");
    assert_eq!(first.count(LEAVE_SCREEN), 0);
    first.press("qy");
    assert_eq!(first.wait_for_end().exit_code(), 0);
    first.check_given_back();
    first.wait_for_text("the report is in runs/short-s0-1/crash-1.txt");
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("\nthread    guest\n"), "{report}");
}
