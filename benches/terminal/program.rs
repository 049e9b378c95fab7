//! The program at work on one task, and the frames that it writes.

use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use portable_pty::{Child, MasterPty};
use serde_json::Value;
use tempfile::TempDir;

use super::terminal::open;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pentimento");
const SIZE: (u16, u16) = (200, 60);
/// The marks of a synchronized update.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
/// A guard against waiting for ever.
const AT_MOST: Duration = Duration::from_secs(600);
/// Steps that are not counted: memory is touched, caches fill.
const WARM_UP: usize = 100;

/// What was written between two marks.
pub struct Frame {
    /// When its first byte came.
    pub begun: Instant,
    /// How many there were, marks included.
    pub bytes: usize,
    /// The line that names the screens.
    pub tabs: String,
    /// The line that says where the run stands.
    pub status: String,
}

/// Cuts what is written into frames.
struct Frames {
    parser: vt100::Parser,
    rest: Vec<u8>,
    begun: Option<Instant>,
}

impl Frames {
    fn hear(&mut self, bytes: &[u8], mut tell: impl FnMut(Frame)) {
        let now = Instant::now();
        self.rest.extend_from_slice(bytes);
        loop {
            let place = |mark: &[u8]| {
                self.rest
                    .windows(mark.len())
                    .position(|bytes| bytes == mark)
            };
            let Some(from) = place(BEGIN) else {
                return;
            };
            let begun = *self.begun.get_or_insert(now);
            let Some(to) = place(END) else {
                return;
            };
            let written: Vec<u8> = self.rest.drain(..to + END.len()).collect();
            self.begun = None;
            self.parser.process(&written);
            let mut lines = self.parser.screen().rows(0, SIZE.0);
            let (status, tabs) = (lines.next(), lines.next());
            tell(Frame {
                begun,
                bytes: written.len() - from,
                tabs: tabs.unwrap_or_default(),
                status: status.unwrap_or_default(),
            });
        }
    }
}

/// The program in its terminal.
pub struct Program {
    frames: Receiver<Frame>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    folder: TempDir,
}

impl Program {
    /// Starts it, and by its form a run of the demo's first task with so many steps.
    pub fn start(steps: usize) -> Result<Self> {
        let folder = folder(steps)?;
        let (columns, rows) = (NonZero::new(SIZE.0), NonZero::new(SIZE.1));
        let (columns, rows) = columns.zip(rows).context("a terminal of no size")?;
        let mut cut = Frames {
            parser: vt100::Parser::new(rows, columns, 0),
            rest: Vec::new(),
            begun: None,
        };
        let (tell, frames) = channel();
        let hear = move |bytes: &[u8]| {
            cut.hear(bytes, |frame| drop(tell.send(frame)));
            true
        };
        let (master, child) = open(Path::new(PROGRAM), &[], folder.path(), SIZE, hear)?;
        let mut program = Self {
            frames,
            keys: master.take_writer()?,
            child,
            _master: master,
            folder,
        };
        program.wait_for("nothing runs yet")?;
        for key in "ebench.toml\r".chars() {
            program.press(key)?;
            program.frames(Duration::from_millis(100))?;
        }
        program.press('\r')?;
        Ok(program)
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.process_id().unwrap_or(0)
    }

    /// Presses a key; when that was.
    pub fn press(&mut self, key: char) -> Result<Instant> {
        let mut bytes = [0; 4];
        let now = Instant::now();
        self.keys
            .write_all(key.encode_utf8(&mut bytes).as_bytes())?;
        self.keys.flush()?;
        Ok(now)
    }

    /// The frames of the next while.
    pub fn frames(&mut self, time: Duration) -> Result<Vec<Frame>> {
        let end = Instant::now() + time;
        let mut frames = Vec::new();
        loop {
            match self
                .frames
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(frame) => frames.push(frame),
                Err(RecvTimeoutError::Timeout) => return Ok(frames),
                Err(RecvTimeoutError::Disconnected) => bail!("the program has ended"),
            }
        }
    }

    /// The first frame that is wanted.
    pub fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Result<Frame> {
        let end = Instant::now() + AT_MOST;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let frame = self
                .frames
                .recv_timeout(left)
                .context("no such frame came")?;
            if wanted(&frame) {
                return Ok(frame);
            }
        }
    }

    /// Waits until the header says where the run stands.
    pub fn wait_for(&mut self, status: &str) -> Result<()> {
        self.until(|frame| frame.status.contains(status)).map(drop)
    }

    /// Leaves with a checkpoint.
    pub fn leave(mut self) -> Result<()> {
        self.press('q')?;
        self.frames(Duration::from_millis(300))?;
        self.press('y')?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the program ended with {status}");
        Ok(())
    }

    /// Images a second of the whole training, and the program's end.
    pub fn rate(self) -> Result<f64> {
        let rate = rate(&self.folder.path().join("runs/bench-s0-1"))?;
        self.leave()?;
        Ok(rate)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only where something went wrong is it still there.
        let _ = self.child.kill();
    }
}

/// Images a second of the same training without a terminal.
pub fn headless(steps: usize) -> Result<f64> {
    let folder = folder(steps)?;
    let mut child = Command::new(PROGRAM)
        .args(["run", "bench.toml", "--out", "run"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let rate = rate(&folder.path().join("run"));
    child.kill()?;
    child.wait()?;
    rate
}

/// A folder with the demo's first task as a preset.
fn folder(steps: usize) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let preset = format!(
        "name = \"bench\"\nbackbone.source = \"bundled:glyph-vit\"\n[lora]\nrank = 16\ndropout = 0.1\n\
         [train]\nsteps = {steps}\nbatch_size = 32\nlr = 1e-3\nweight_decay = 1e-2\nwarmup = 0.1\nwatch_every = 100\n\
         [train.augment]\nrotate = 4.0\nscale = 0.05\nshear = 0.06\nshift = 1.0\n\
         [foundation]\ndata = \"bundled:latin\"\n[[task]]\nid = \"parity\"\ndata = \"bundled:parity\"\n"
    );
    fs::write(folder.path().join("bench.toml"), preset)?;
    Ok(folder)
}

/// Waits for a run's training to end; its images a second by the journal's clock, after the first steps.
fn rate(run: &Path) -> Result<f64> {
    let begin = Instant::now();
    loop {
        ensure!(begin.elapsed() < AT_MOST, "the training does not end");
        std::thread::sleep(Duration::from_millis(500));
        let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
        if journal.contains("\"kind\":\"Trained\"") {
            return rate_of(&journal);
        }
    }
}

fn rate_of(journal: &str) -> Result<f64> {
    let records = journal
        .lines()
        .filter(|line| line.contains("\"kind\":\"Step\""));
    let mut steps = Vec::new();
    for line in records.skip(WARM_UP) {
        let record: Value = serde_json::from_str(line)?;
        let time = record["time"].as_str().context("a record without a time")?;
        let time: Timestamp = time.parse()?;
        steps.push((
            time.as_millisecond(),
            record["images"].as_u64().unwrap_or(0),
        ));
    }
    let (first, last) = steps.first().zip(steps.last()).context("too few steps")?;
    let images: u64 = steps.iter().skip(1).map(|(_, images)| images).sum();
    Ok(1000.0 * images as f64 / (last.0 - first.0) as f64)
}
