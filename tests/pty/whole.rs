//! A whole run by keys alone: step by step with a preview, an undo, a branch, a comparison, an export, and a terminal
//! that changes its size meanwhile.

use super::Terminal;

/// As little as a run can be.
const PRESET: &str = r#"
name = "short"
backbone.source = "bundled:glyph-vit"
lora.rank = 4
measure.permutations = 99
[train]
steps = 3
batch_size = 8
lr = 1e-3
weight_decay = 1e-2
warmup = 0.1
[foundation]
data = "bundled:latin"
per_class = 2
[[task]]
id = "parity"
data = "bundled:parity"
per_class = 20
[[task]]
id = "thirds"
data = "bundled:lower-thirds"
per_class = 20
"#;

#[test]
fn a_whole_run_by_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short.toml"), PRESET).unwrap();
    let mut terminal = Terminal::start_at((100, 30), folder.path(), &[]);
    set_up(&mut terminal);
    preview_and_take(&mut terminal);
    resize(&mut terminal);
    undo_and_go_on(&mut terminal);
    branch(&mut terminal);
    compare(&mut terminal);
    export_and_copy(&mut terminal);
    terminal.press("q");
    assert_eq!(terminal.wait_for_end().exit_code(), 0);
    terminal.check_given_back();
    let export = folder.path().join("runs/short-s0-2/export");
    for file in ["matrix.csv", "matrix.tex", "matrix.svg", "export.json"] {
        assert!(export.join(file).is_file(), "{file}");
    }
}

/// A preset from the folder, and each step and merge by a key.
fn set_up(terminal: &mut Terminal) {
    terminal.wait_for("Enter start");
    terminal.press("eshort.toml\r");
    terminal.wait_for("task 2      [x] thirds");
    terminal.press("jjjjjjjjj jjl");
    terminal.wait_for("step by step ▸");
    terminal.press("\r");
    terminal.wait_for("ready for the first task");
}

fn preview_and_take(terminal: &mut Terminal) {
    terminal.press("s");
    terminal.wait_for("trained 1/2 parity, not merged");
    terminal.press("3v");
    terminal.wait_for("▸λ = 1 ");
    terminal.wait_for("trained 1/2 parity, not merged");
    terminal.press("[[");
    terminal.wait_for("▸λ = 0.5 ");
    terminal.press("t");
    terminal.wait_for("measured after 1/2 parity");
    terminal.wait_for("1 parity");
}

/// Too small for anything, and large again: nothing is lost.
fn resize(terminal: &mut Terminal) {
    terminal.resize(40, 10);
    terminal.wait_for("pentimento needs 60 × 16");
    terminal.resize(120, 40);
    terminal.wait_for("▸3 Matrix");
    terminal.wait_for("1 parity");
    terminal.resize(100, 30);
    terminal.wait_for("measured after 1/2 parity");
    // Small for so short a moment that the program may never see it: the terminal has lost the lines all the same.
    terminal.resize(20, 3);
    terminal.resize(100, 30);
    terminal.wait_for("▸3 Matrix");
    terminal.wait_for("q quit");
}

fn undo_and_go_on(terminal: &mut Terminal) {
    terminal.press("u");
    terminal.wait_for("y yes");
    terminal.press("y");
    terminal.wait_for("ready for the first task");
    terminal.press("s");
    terminal.wait_for("trained 1/2 parity, not merged");
    terminal.press("m");
    terminal.wait_for("measured after 1/2 parity");
    terminal.press("s");
    terminal.wait_for("trained 2/2 thirds, not merged");
    terminal.press("m");
    terminal.wait_for("finished");
}

/// From the row of the first task, with another rank.
fn branch(terminal: &mut Terminal) {
    terminal.press("k");
    terminal.wait_for("▸1 parity");
    terminal.press("B");
    terminal.wait_for("a branch after parity");
    terminal.press("jjjh");
    terminal.wait_for("◂ 2 ▸");
    terminal.press("\r");
    terminal.wait_for("runs/short-s0-2");
    terminal.wait_for("measured after 1/2 parity");
    terminal.press("s");
    terminal.wait_for("trained 2/2 thirds, not merged");
    terminal.press("m");
    terminal.wait_for("finished");
}

/// The branch stands below its parent; the parent is laid beside it.
fn compare(terminal: &mut Terminal) {
    terminal.press("7");
    terminal.wait_for("└ short-s0-2");
    let screen = terminal.screen();
    let place = |name: &str| screen.lines().position(|line| line.contains(name));
    assert!(place("short-s0-1  ") < place("└ short-s0-2"), "{screen}");
    // The cursor stands on the first of the list.
    terminal.press(" ");
    terminal.wait_for("▸A short-s0-1");
    terminal.press("=");
    terminal.wait_for("difference  this run less A");
    // The row that both have in common.
    terminal.wait_for("mean of rows");
}

fn export_and_copy(terminal: &mut Terminal) {
    terminal.press("X");
    terminal.wait_for("Enter writes into export/");
    terminal.press("\r");
    terminal.wait_for("exported to runs/short-s0-2/export");
    assert_eq!(terminal.count(b"\x1b]52;c;"), 0);
    terminal.press("Y");
    terminal.wait_for_bytes(b"\x1b]52;c;");
}
