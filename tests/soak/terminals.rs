//! Terminals that go, and terminals that change their size again and again.

use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use portable_pty::{Child, MasterPty, PtySize};

use super::random::Random;
use super::runs::{BEGIN, Place, Reference, Verdict, until};
use super::terminal::open;

const SIZE: (u16, u16) = (100, 30);
/// Sizes of one storm.
const SIZES: usize = 60;

/// What came from the program.
struct Output {
    parser: vt100::Parser,
    bytes: usize,
    away: bool,
}

/// The program at work in a terminal.
struct Terminal {
    output: Arc<Mutex<Output>>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
}

fn parser((columns, rows): (u16, u16)) -> Result<vt100::Parser> {
    let (rows, columns) = (NonZero::new(rows), NonZero::new(columns));
    let (rows, columns) = rows.zip(columns).context("a terminal of no size")?;
    Ok(vt100::Parser::new(rows, columns, 0))
}

impl Terminal {
    fn start(place: &Place, arguments: &[&str]) -> Result<Self> {
        let output = Arc::new(Mutex::new(Output {
            parser: parser(SIZE)?,
            bytes: 0,
            away: false,
        }));
        let into = Arc::clone(&output);
        let hear = move |bytes: &[u8]| {
            let Ok(mut output) = into.lock() else {
                return false;
            };
            output.parser.process(bytes);
            output.bytes += bytes.len();
            !output.away
        };
        let program = Path::new(env!("CARGO_BIN_EXE_pentimento"));
        let (master, child) = open(program, arguments, place.root(), SIZE, hear)?;
        Ok(Self {
            output,
            child,
            keys: master.take_writer()?,
            master,
        })
    }

    fn press(&mut self, keys: &str) -> Result<()> {
        self.keys.write_all(keys.as_bytes())?;
        Ok(self.keys.flush()?)
    }

    fn shows(&self, text: &str) -> bool {
        let output = self.output.lock();
        output.is_ok_and(|output| output.parser.screen().contents().contains(text))
    }

    fn wait_for(&self, text: &str) -> Result<()> {
        until(text, || self.shows(text))
    }

    fn resize(&self, size: (u16, u16)) -> Result<()> {
        if let Ok(mut output) = self.output.lock() {
            output.parser = parser(size)?;
        }
        let (cols, rows) = size;
        self.master.resize(PtySize {
            rows,
            cols,
            ..PtySize::default()
        })
    }

    /// Takes the terminal away, as a connection that breaks does; the program stays.
    fn vanish(mut self) -> Result<Box<dyn Child + Send + Sync>> {
        let bytes = |output: &Mutex<Output>| output.lock().map_or(0, |output| output.bytes);
        let before = bytes(&self.output);
        if let Ok(mut output) = self.output.lock() {
            output.away = true;
        }
        // Whoever reads sees that it is enough once something comes: the markers, changed and changed back.
        self.press("ccc")?;
        let ended = self.child.try_wait()?.is_some();
        until("a last frame", || ended || bytes(&self.output) > before)?;
        Ok(self.child)
    }
}

fn end(child: &mut (dyn Child + Send + Sync)) -> Result<()> {
    while child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn terminate(child: &dyn Child) -> Result<()> {
    let id = child.process_id().context("a process without a number")?;
    Command::new("kill")
        .args(["-TERM", &id.to_string()])
        .status()?;
    Ok(())
}

/// Takes terminals away from runs, so often in all. Each time another one opens the run: it takes the control of the lab
/// that goes on, or every other time, when that was ended by a signal, takes the run up.
pub fn hang_up(reference: &Reference, count: usize, random: &mut Random) -> Result<Verdict> {
    let span = reference.seconds / 4.0;
    let (mut gone, mut runs, mut controls) = (0, 0, 0);
    let mut lost = Vec::new();
    while gone < count {
        runs += 1;
        let place = reference.place()?;
        let mut first = Terminal::start(&place, &[])?;
        first.wait_for("Enter start")?;
        first.press(BEGIN)?;
        until("the run", || place.events().is_ok_and(|e| !e.is_empty()))?;
        std::thread::sleep(random.within(span));
        let mut owner = first.vanish()?;
        gone += 1;
        while gone < count && owner.try_wait()?.is_none() {
            let takes_up = random.between(0, 1) == 1;
            if takes_up {
                terminate(owner.as_ref())?;
                end(owner.as_mut())?;
            }
            let mut next = Terminal::start(&place, &["open", "runs/soak-s0-1"])?;
            next.wait_for("7 Runs")?;
            next.press("g")?;
            std::thread::sleep(random.within(span));
            controls += usize::from(next.shows("Log") && !takes_up);
            let mut child = next.vanish()?;
            gone += 1;
            match takes_up {
                true => owner = child,
                false => end(child.as_mut())?,
            }
        }
        // Nobody looks any more: it goes on to its end by itself.
        let finished = || place.folder().join("export/matrix.csv").is_file();
        until("the end of a run without a terminal", finished)?;
        if let Some(what) = reference.differs(&place.folder()) {
            lost.push(format!("a run whose terminal went: {what}"));
        }
    }
    Ok(Verdict {
        what: "hang-ups",
        count,
        lost,
        seen: format!("{runs} runs, {controls} of them a second terminal's with the control"),
    })
}

/// Changes the size of a terminal in storms while a run is at work in it.
pub fn resize(reference: &Reference, count: usize, random: &mut Random) -> Result<Verdict> {
    let mut lost = Vec::new();
    let place = reference.place()?;
    let mut terminal = Terminal::start(&place, &[])?;
    terminal.wait_for("Enter start")?;
    terminal.press(BEGIN)?;
    let screens = [
        "2 Train",
        "3 Matrix",
        "4 Forgetting",
        "5 Log",
        "6 Machine",
        "7 Runs",
    ];
    for (storm, screen) in (0..count).zip(screens.iter().cycle()) {
        terminal.press(&screen[..1])?;
        for _ in 0..SIZES {
            terminal.resize((random.between(1, 320), random.between(1, 90)))?;
            std::thread::sleep(random.within(0.02));
        }
        terminal.resize(SIZE)?;
        let there = terminal.wait_for(&format!("▸{screen}"));
        if there.is_err() || terminal.child.try_wait()?.is_some() {
            lost.push(format!("no {screen} after storm {}", storm + 1));
            break;
        }
        std::thread::sleep(random.within(reference.seconds / count as f64));
    }
    terminal.press("2")?;
    let finished = || place.folder().join("export/matrix.csv").is_file();
    until("the end of the run", finished)?;
    terminal.press("q")?;
    terminal.press("y")?;
    end(terminal.child.as_mut())?;
    lost.extend(reference.differs(&place.folder()));
    ensure!(terminal.master.get_size().is_ok(), "the terminal is there");
    Ok(Verdict {
        what: "resize storms",
        count,
        lost,
        seen: format!("{} sizes in one run", count * SIZES),
    })
}
