//! A program in a terminal of its own, driven by keys and looked at.
#![allow(dead_code)]

use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, ExitStatus, MasterPty, PtySize};

use crate::terminal;

/// A guard against waiting for ever, not a measure of speed.
pub const AT_MOST: Duration = Duration::from_secs(300);
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_pentimento");
pub const ENTER_SCREEN: &[u8] = b"\x1b[?1049h";
pub const LEAVE_SCREEN: &[u8] = b"\x1b[?1049l";

/// What the terminal was sent, and what it shows.
struct Output {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    /// Whether nobody looks any more.
    away: bool,
}

/// The program at work in a terminal of its own.
pub struct Terminal {
    output: Arc<Mutex<Output>>,
    pub child: Box<dyn Child + Send + Sync>,
    /// What types and what is the terminal, while it is there.
    line: Option<(Box<dyn Write + Send>, Box<dyn MasterPty + Send>)>,
}

impl Terminal {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_at((80, 24), folder, arguments)
    }

    /// Starts it in a terminal of so many columns and rows.
    pub fn start_at(size: (u16, u16), folder: &Path, arguments: &[&str]) -> Self {
        Self::start_program(Path::new(PROGRAM), size, folder, arguments)
    }

    /// Starts another program, which may start ours.
    pub fn start_program(
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
    pub fn resize(&mut self, columns: u16, rows: u16) {
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

    pub fn press(&mut self, keys: &str) {
        let (line, _) = self.line.as_mut().unwrap();
        line.write_all(keys.as_bytes()).unwrap();
        line.flush().unwrap();
    }

    /// Takes the terminal away, as a connection that breaks does.
    pub fn vanish(&mut self) {
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
    pub fn signal(&self, name: &str) {
        let id = self.child.process_id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args([name, &id])
            .status();
        assert!(sent.unwrap().success());
    }

    pub fn screen(&self) -> String {
        self.output.lock().unwrap().parser.screen().contents()
    }

    /// Waits until the screen shows `text`.
    pub fn wait_for(&mut self, text: &str) {
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
    pub fn wait_for_text(&self, text: &str) {
        let begin = Instant::now();
        while !self.screen().contains(text) {
            assert!(begin.elapsed() < AT_MOST, "{text:?}:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn wait_for_end(&mut self) -> ExitStatus {
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
    pub fn wait_for_bytes(&self, sequence: &[u8]) {
        let begin = Instant::now();
        while self.count(sequence) == 0 {
            assert!(begin.elapsed() < AT_MOST, "{sequence:?} was not sent");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How often a sequence was sent.
    pub fn count(&self, sequence: &[u8]) -> usize {
        let output = self.output.lock().unwrap();
        let windows = output.bytes.windows(sequence.len());
        windows.filter(|w| *w == sequence).count()
    }

    /// The alternate screen was left once, and the terminal reads lines again.
    pub fn check_given_back(&self) {
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
