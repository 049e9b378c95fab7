//! The terminal: taken once, given back exactly once on every way out.

use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode, window_size,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Position;

use super::app::App;
use super::text::clean;
use super::views;
use crate::{Error, Result, crash};

/// Whether the terminal is ours at this moment.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether it sends what the mouse does.
static MOUSE: AtomicBool = AtomicBool::new(false);
/// What makes it forget pictures that it was sent.
static FAREWELL: Mutex<Option<String>> = Mutex::new(None);
/// What is to be said of panics of threads other than the screen's once the terminal is back.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Refuses where there is no terminal to draw on or to read keys from; `instead` says what does without one.
pub fn require(instead: &str) -> Result<()> {
    let missing = match (stdin().is_terminal(), stdout().is_terminal()) {
        (true, true) if std::env::var("TERM").is_ok_and(|t| t == "dumb") => {
            "this terminal (TERM=dumb) cannot move its cursor"
        }
        (true, true) => return Ok(()),
        (_, false) => "standard output is no terminal",
        (false, _) => "standard input is no terminal",
    };
    Err(Error::input(format!(
        "the bench needs a terminal, and {missing}: {instead} without one"
    )))
}

/// Collects what a frame writes and hands it to standard output in one piece, between the marks of a
/// synchronized update: terminals that know them show the frame at once. What was not flushed is forgotten, so
/// that half a frame never follows the terminal's return.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.bytes.is_empty() || !TAKEN.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut frame = Vec::with_capacity(self.bytes.len() + 16);
        queue!(frame, BeginSynchronizedUpdate)?;
        frame.append(&mut self.bytes);
        queue!(frame, EndSynchronizedUpdate)?;
        let mut out = stdout().lock();
        out.write_all(&frame)?;
        out.flush()
    }
}

/// The terminal in raw mode on its alternate screen; dropped, it is as it was.
pub struct Screen {
    terminal: ratatui::Terminal<CrosstermBackend<Frames>>,
    /// Whether the terminal may have lost what it was sent.
    unsure: bool,
}

impl Screen {
    /// Takes the terminal. With `mouse` it is listened to; `farewell` is what it is told when it is given back.
    pub fn take(mouse: bool, farewell: Option<String>) -> Result<Self> {
        let failed = Error::io("the terminal");
        if let Ok(mut kept) = FAREWELL.lock() {
            *kept = farewell;
        }
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen))
            .and_then(|()| if mouse { hear_mouse() } else { Ok(()) })
            .and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(Frames::default())))
            .map(|terminal| Self {
                terminal,
                unsure: false,
            })
            .map_err(|error| {
                give_back();
                failed(error)
            })
    }

    /// Draws what has changed; nothing is cleared but after a change of size, so that tmux before 3.5, which
    /// drops the marks of synchronized updates, does not flicker either.
    pub fn draw(&mut self, app: &mut App) -> Result<()> {
        if std::mem::take(&mut self.unsure) {
            // Its `clear` would ask the terminal where the cursor is and wait for the answer.
            let size = self.terminal.size();
            size.and_then(|size| self.terminal.resize((Position::ORIGIN, size).into()))
                .map_err(Error::io("the terminal"))?;
        }
        app.pictures.measure(cell());
        let drawn = self.terminal.draw(|frame| {
            let area = frame.area();
            app.on_resize(area.width, area.height);
            views::draw(app, frame.buffer_mut());
        });
        drawn.map(|_| ()).map_err(Error::io("the terminal"))
    }

    /// The terminal had another size for a moment: it has lost what had no room, even where it is now as it was.
    pub fn on_resize(&mut self) {
        self.unsure = true;
    }
}

/// Columns and rows of pixels in a cell. That is the kernel's word, which the terminal has given it; many give none.
fn cell() -> Option<(u16, u16)> {
    let size = window_size().ok()?;
    let (width, height) = (size.width, size.height);
    Some((
        width.checked_div(size.columns)?,
        height.checked_div(size.rows)?,
    ))
}

/// Asks the terminal to take a text to its clipboard (OSC 52). Terminals that do not know it, or may not, do nothing.
pub fn copy(text: &str) -> Result<()> {
    execute!(stdout(), CopyToClipboard::to_clipboard_from(text)).map_err(Error::io("the terminal"))
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn hear_mouse() -> std::io::Result<()> {
    MOUSE.store(true, Ordering::SeqCst);
    execute!(stdout(), EnableMouseCapture)
}

/// Gives the terminal back if it is ours: the first caller does it, whoever comes later finds it done.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // The terminal may be gone (SIGHUP): then there is nothing to restore and no one to tell.
    if MOUSE.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), DisableMouseCapture);
    }
    let farewell = FAREWELL.lock().ok().and_then(|mut kept| kept.take());
    if let Some(farewell) = farewell {
        let _ = execute!(stdout(), Print(farewell));
    }
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    let _ = stdout().flush();
    let panics = PANICS.lock().map(|mut p| std::mem::take(&mut *p));
    for message in panics.unwrap_or_default() {
        let _ = writeln!(stderr(), "{message}");
    }
}

/// From now on a panic leaves a report, and standard error says where. One of the calling thread, which is to be the one
/// that draws, gives the terminal back before; of other threads' that is said once the terminal is back, since the screen
/// goes on.
pub fn report_panics() {
    let screen = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        let draws = std::thread::current().id() == screen;
        if draws {
            give_back();
        }
        let Some(sentence) = crash::report(info) else {
            return;
        };
        let sentence = format!("pentimento: {}", clean(&sentence));
        match PANICS.lock() {
            Ok(mut panics) if !draws && TAKEN.load(Ordering::SeqCst) => panics.push(sentence),
            _ => drop(writeln!(stderr(), "{sentence}")),
        }
    }));
}
