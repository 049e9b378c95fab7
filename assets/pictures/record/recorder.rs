//! The program in a terminal, driven by keys, and what was seen meanwhile.

use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use portable_pty::{Child, MasterPty};

use super::terminal::open;

/// Columns and rows of the terminal.
pub const SIZE: (u16, u16) = (100, 30);
/// The end of a synchronized update: what is shown before it may be half a frame.
const FRAME_END: &[u8] = b"\x1b[?2026l";
/// What a key changes is on the screen by then; what takes longer is waited for by its text.
const SETTLED: Duration = Duration::from_millis(250);
/// Between two looks at the screen.
const LOOK: Duration = Duration::from_millis(50);
/// A guard against waiting for ever.
const AT_MOST: Duration = Duration::from_secs(600);

/// What was on the screen, for how long a picture shows it, and what is said of it.
pub struct Frame {
    /// The screen.
    pub screen: vt100::Screen,
    /// Seconds.
    pub seconds: f64,
    /// One line.
    pub caption: &'static str,
}

/// Whole frames of what the program writes.
struct Shown {
    parser: vt100::Parser,
    rest: Vec<u8>,
}

impl Shown {
    fn hear(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut ends = self.rest.windows(FRAME_END.len());
        if let Some(at) = ends.rposition(|bytes| bytes == FRAME_END) {
            let frames: Vec<u8> = self.rest.drain(..at + FRAME_END.len()).collect();
            self.parser.process(&frames);
        }
    }
}

/// The program, and the frames so far.
pub struct Recorder {
    shown: Arc<Mutex<Shown>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    caption: &'static str,
    /// What is shown one after the other.
    pub frames: Vec<Frame>,
}

impl Recorder {
    /// Starts `program` in `folder`.
    pub fn start(program: &Path, folder: &Path) -> Result<Self> {
        let (columns, rows) = (NonZero::new(SIZE.0), NonZero::new(SIZE.1));
        let (columns, rows) = columns.zip(rows).context("a terminal of no size")?;
        let shown = Arc::new(Mutex::new(Shown {
            parser: vt100::Parser::new(rows, columns, 0),
            rest: Vec::new(),
        }));
        let to = Arc::clone(&shown);
        let (master, child) = open(program, &[], folder, SIZE, move |bytes| {
            let mut shown = to.lock().unwrap_or_else(PoisonError::into_inner);
            shown.hear(bytes);
            true
        })?;
        Ok(Self {
            shown,
            keys: master.take_writer()?,
            child,
            _master: master,
            caption: "",
            frames: Vec::new(),
        })
    }

    /// What is on the screen.
    pub fn screen(&self) -> vt100::Screen {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.parser.screen().clone()
    }

    /// What is said of the frames that follow.
    pub fn say(&mut self, caption: &'static str) {
        self.caption = caption;
    }

    /// Shows the screen as it is for so many seconds.
    pub fn hold(&mut self, seconds: f64) {
        let screen = self.screen();
        self.show(screen, seconds);
    }

    fn show(&mut self, screen: vt100::Screen, seconds: f64) {
        let caption = self.caption;
        match self.frames.last_mut() {
            Some(last) if last.caption == caption && same(&last.screen, &screen) => {
                last.seconds += seconds;
            }
            _ => self.frames.push(Frame {
                screen,
                seconds,
                caption,
            }),
        }
    }

    /// Presses keys, and shows what each did for so many seconds.
    pub fn press(&mut self, keys: &str, seconds: f64) -> Result<()> {
        for key in keys.chars() {
            self.keys.write_all(key.to_string().as_bytes())?;
            self.keys.flush()?;
            std::thread::sleep(SETTLED);
            self.hold(seconds);
        }
        Ok(())
    }

    /// Waits until the screen shows `text`, and shows what happened meanwhile as `frames` frames of `seconds` each.
    pub fn watch(&mut self, text: &str, frames: usize, seconds: f64) -> Result<()> {
        let seen = self.wait_until(|screen| screen.contains(text));
        let seen = seen.with_context(|| format!("{text:?} did not appear"))?;
        for i in 1..=frames.min(seen.len()) {
            let at = i * seen.len() / frames.min(seen.len()) - 1;
            self.show(seen[at].clone(), seconds);
        }
        Ok(())
    }

    /// Waits until the screen is as it should be, and returns what it was meanwhile.
    pub fn wait_until(&mut self, right: impl Fn(&str) -> bool) -> Result<Vec<vt100::Screen>> {
        let begin = Instant::now();
        let mut seen: Vec<vt100::Screen> = Vec::new();
        loop {
            let screen = self.screen();
            let contents = screen.contents();
            if seen.last().is_none_or(|last| !same(last, &screen)) {
                seen.push(screen);
            }
            if right(&contents) {
                return Ok(seen);
            }
            let ended = self.child.try_wait()?;
            ensure!(
                ended.is_none() && begin.elapsed() < AT_MOST,
                "the screen stays:\n{contents}"
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until the screen shows `text`.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        self.watch(text, 0, 0.0)
    }

    /// Waits for the program's end.
    pub fn end(mut self) -> Result<Vec<Frame>> {
        let status = self.child.wait()?;
        ensure!(status.success(), "the program ended with {status}");
        Ok(std::mem::take(&mut self.frames))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Only where something went wrong is it still there.
        let _ = self.child.kill();
    }
}

fn same(a: &vt100::Screen, b: &vt100::Screen) -> bool {
    let (a, b) = (a.rows_formatted(0, SIZE.0), b.rows_formatted(0, SIZE.0));
    a.eq(b)
}
