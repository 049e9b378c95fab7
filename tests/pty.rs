//! The whole program in a pseudo-terminal: from set-up over a run to its export and the end, and the terminal as
//! it was afterwards.

#[path = "terminal/driven.rs"]
mod driven;
#[path = "pty/leaving.rs"]
mod leaving;
#[path = "pty/sweeps.rs"]
mod sweeps;
#[path = "terminal/mod.rs"]
mod terminal;
#[path = "common/tiny.rs"]
mod tiny;
#[path = "pty/whole.rs"]
mod whole;

use driven::Terminal;

#[test]
fn from_set_up_to_export_and_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(folder.path(), &[]);
    terminal.wait_for("Enter start");
    // Five steps of one task: the part that says how to train is opened first.
    terminal.press("jjjjj je\x7f\x7f\x7f5\r");
    terminal.wait_for("5 a task");
    terminal.press("kh");
    terminal.wait_for("5 steps, lr");
    terminal.press("jjjdddd");
    terminal.press("w\r");
    terminal.wait_for("saved: `pentimento run demo.toml` takes it");
    assert!(folder.path().join("demo.toml").is_file());
    terminal.press("\r");
    terminal.wait_for("parity");
    terminal.wait_for("finished");
    terminal.press("3");
    terminal.wait_for("average accuracy");
    terminal.press("4");
    terminal.wait_for("points lost");
    terminal.press("x");
    terminal.wait_for("exported to runs/demo-s0-1/export");
    let export = folder.path().join("runs/demo-s0-1/export");
    for file in ["matrix.csv", "per_class.csv", "metrics.json", "summary.md"] {
        assert!(export.join(file).is_file(), "{file}");
    }
    terminal.press("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    terminal.check_given_back();

    // The same screens over the run that is there now.
    let mut terminal = Terminal::start(folder.path(), &["open", "runs/demo-s0-1"]);
    terminal.wait_for("average accuracy");
    terminal.press("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    terminal.check_given_back();
}

/// A signal in the middle of the work: the lab stops with a checkpoint, the terminal is given back, and the exit code
/// says which signal it was.
#[test]
fn a_signal_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(folder.path(), &[]);
    terminal.wait_for("Enter start");
    terminal.press("\r");
    terminal.wait_for("measuring");
    terminal.signal("-TERM");
    assert_eq!(terminal.wait_for_end().exit_code(), 143);
    terminal.check_given_back();
    let journal = folder.path().join("runs/demo-s0-1/journal.jsonl");
    let journal = std::fs::read_to_string(journal).unwrap();
    assert!(
        journal.trim_end().ends_with("\"kind\":\"Stopped\"}"),
        "{journal}"
    );
}

/// A second terminal looks on at a run, takes its control, and leaves it at work.
#[test]
fn a_second_terminal_takes_the_control() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Terminal::start(folder.path(), &[]);
    first.wait_for("Enter start");
    first.press("\r");
    first.wait_for("/800 steps");
    let mut second = Terminal::start(folder.path(), &["open", "runs/demo-s0-1"]);
    second.wait_for("g takes the control");
    second.press("g");
    second.wait_for("this terminal controls the run too");
    second.press("p");
    first.wait_for("paused");
    second.wait_for("paused");
    // It says that it leaves the run standing still.
    second.press("q");
    second.wait_for("Leave the run paused?");
    second.press("y");
    assert_eq!(second.wait_for_end().exit_code(), 0);
    second.check_given_back();
    first.press("p");
    first.wait_for("discard  p pause");
    first.press("qy");
    assert_eq!(first.wait_for_end().exit_code(), 0);
    first.check_given_back();

    // What was interrupted is offered to be gone on with.
    let mut third = Terminal::start(folder.path(), &["open", "runs/demo-s0-1"]);
    third.wait_for("This run was interrupted");
    third.press("nq");
    assert_eq!(third.wait_for_end().exit_code(), 0);
}
