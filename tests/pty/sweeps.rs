//! A sweep in a terminal: its grid, one of its runs, and the grid again, while another process works on it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::driven::{AT_MOST, PROGRAM, Terminal};
use super::tiny;

#[test]
fn a_sweep_is_looked_at_while_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    fs::write(place.join("short.toml"), tiny::preset(5)).unwrap();
    let sweep = "sweep short.toml --ranks 1,2 --seeds 1,2 --slots 1 --device cpu --out S";
    let mut child = Command::new(PROGRAM)
        .args(sweep.split(' '))
        .current_dir(place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !place.join("S/sweep.json").exists() {
        assert!(begun.elapsed() < AT_MOST);
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut terminal = Terminal::start(place, &["open", "S"]);
    terminal.wait_for("a sweep of 4 runs");
    assert!(child.wait().unwrap().success());
    terminal.wait_for("4 finished");
    terminal.wait_for("100% done");
    // The last run of the grid, with the screens of any run.
    terminal.press("lj\r");
    terminal.wait_for("average accuracy");
    terminal.press("\x1b");
    terminal.wait_for("a sweep of 4 runs");
    terminal.press("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    terminal.check_given_back();
}
