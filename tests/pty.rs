//! The whole program in a pseudo-terminal: from set-up over a run to its export and the end, and the terminal as
//! it was afterwards.

#[path = "pty/leaving.rs"]
mod leaving;
#[path = "terminal/mod.rs"]
mod terminal;
#[path = "pty/whole.rs"]
mod whole;

use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, ExitStatus, MasterPty, PtySize};

/// A guard against waiting for ever, not a measure of speed.
const AT_MOST: Duration = Duration::from_secs(300);
const PROGRAM: &str = env!("CARGO_BIN_EXE_pentimento");
const ENTER_SCREEN: &[u8] = b"\x1b[?1049h";
const LEAVE_SCREEN: &[u8] = b"\x1b[?1049l";

/// What the terminal was sent, and what it shows.
struct Output {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    /// Whether nobody looks any more.
    away: bool,
}

/// The program at work in a terminal of its own.
struct Terminal {
    output: Arc<Mutex<Output>>,
    child: Box<dyn Child + Send + Sync>,
    /// What types and what is the terminal, while it is there.
    line: Option<(Box<dyn Write + Send>, Box<dyn MasterPty + Send>)>,
}

impl Terminal {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_at((80, 24), folder, arguments)
    }

    /// Starts it in a terminal of so many columns and rows.
    fn start_at(size: (u16, u16), folder: &Path, arguments: &[&str]) -> Self {
        Self::start_program(Path::new(PROGRAM), size, folder, arguments)
    }

    /// Starts another program, which may start ours.
    fn start_program(
        program: &Path,
        (columns, rows): (u16, u16),
        folder: &Path,
        arguments: &[&str],
    ) -> Self {
        let (height, width) = (NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap());
        let output = Arc::new(Mutex::new(Output {
            parser: vt100::Parser::new(height, width, 0),
            bytes: Vec::new(),
            away: false,
        }));
        let into = Arc::clone(&output);
        let hear = move |bytes: &[u8]| {
            let mut output = into.lock().unwrap();
            output.parser.process(bytes);
            output.bytes.extend_from_slice(bytes);
            !output.away
        };
        let (master, child) =
            terminal::open(program, arguments, folder, (columns, rows), hear).unwrap();
        Self {
            output,
            line: Some((master.take_writer().unwrap(), master)),
            child,
        }
    }

    /// Makes the terminal another size.
    fn resize(&mut self, columns: u16, rows: u16) {
        let (height, width) = (NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap());
        let mut output = self.output.lock().unwrap();
        output.parser.set_size(height, width);
        let size = PtySize {
            rows,
            cols: columns,
            ..PtySize::default()
        };
        self.line.as_ref().unwrap().1.resize(size).unwrap();
    }

    fn press(&mut self, keys: &str) {
        let (line, _) = self.line.as_mut().unwrap();
        line.write_all(keys.as_bytes()).unwrap();
        line.flush().unwrap();
    }

    /// Takes the terminal away, as a connection that breaks does.
    fn vanish(&mut self) {
        let before = {
            let mut output = self.output.lock().unwrap();
            output.away = true;
            output.bytes.len()
        };
        // Whoever reads sees that it is enough once something comes.
        self.press("cc");
        let begin = Instant::now();
        while self.output.lock().unwrap().bytes.len() == before {
            assert!(begin.elapsed() < AT_MOST, "no frame came");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.line = None;
    }

    /// Sends the program a signal.
    fn signal(&self, name: &str) {
        let id = self.child.process_id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args([name, &id])
            .status();
        assert!(sent.unwrap().success());
    }

    fn screen(&self) -> String {
        self.output.lock().unwrap().parser.screen().contents()
    }

    /// Waits until the screen shows `text`.
    fn wait_for(&mut self, text: &str) {
        let begin = Instant::now();
        while !self.screen().contains(text) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begin.elapsed() < AT_MOST,
                "{text:?} did not appear ({ended:?}):\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a program that has ended has said `text`.
    fn wait_for_text(&self, text: &str) {
        let begin = Instant::now();
        while !self.screen().contains(text) {
            assert!(begin.elapsed() < AT_MOST, "{text:?}:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < AT_MOST, "no end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a sequence was sent.
    fn wait_for_bytes(&self, sequence: &[u8]) {
        let begin = Instant::now();
        while self.count(sequence) == 0 {
            assert!(begin.elapsed() < AT_MOST, "{sequence:?} was not sent");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How often a sequence was sent.
    fn count(&self, sequence: &[u8]) -> usize {
        let output = self.output.lock().unwrap();
        let windows = output.bytes.windows(sequence.len());
        windows.filter(|w| *w == sequence).count()
    }

    /// The alternate screen was left once, and the terminal reads lines again.
    fn check_given_back(&self) {
        self.wait_for_bytes(LEAVE_SCREEN);
        assert_eq!(self.count(ENTER_SCREEN), 1);
        assert_eq!(self.count(LEAVE_SCREEN), 1);
        let (_, master) = self.line.as_ref().unwrap();
        let modes = format!("{:?}", master.get_termios().unwrap().local_flags);
        assert!(
            modes.contains("ECHO") && modes.contains("ICANON"),
            "{modes}"
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only a failed test leaves it running.
        let _ = self.child.kill();
    }
}

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
