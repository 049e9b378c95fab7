//! The same events as log lines: for pipes, batch systems and tests.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::lab::{Event, Level, Record};
use crate::progress::{Onlooker, Pace, Progress};
use crate::run::{RunView, journal};
use crate::session::{Session, Update};
use crate::ui::text::clean;
use crate::{Error, Result};

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Plain,
    /// Standard output is exactly the journal's lines.
    Json,
}

/// How a followed run ended.
#[derive(Debug)]
pub enum Ending {
    /// It finished.
    Finished,
    /// This signal stopped it; the process ends with 128 + its number.
    Signal(u8),
    /// It failed.
    Failed(Error),
}

/// Optimiser steps between two lines on the loss.
const STEPS_A_LINE: usize = 50;

/// Follows a run to its end and writes what happens to `out`. SIGINT and SIGTERM stop it with a
/// checkpoint; a second one ends the process at once. A reader that closes the pipe does not end the run.
pub async fn follow(
    mut session: Session,
    format: Format,
    out: &mut (dyn Write + Send),
) -> Result<Ending> {
    let mut signals = Signals::listen()?;
    let mut printer = Printer::new(format, out, RunView::replay(&session.past));
    let mut caught = None;
    loop {
        let number = tokio::select! {
            update = session.updates.recv() => match update {
                Some(Update::Record(record)) => {
                    printer.record(&record)?;
                    continue;
                }
                Some(Update::Pulse(_)) => continue,
                Some(Update::Ended) | None => break,
            },
            number = signals.next() => number,
        };
        if caught.replace(number).is_some() {
            std::process::exit(128 + i32::from(number));
        }
        printer.say("stopping: a checkpoint is written (once more: at once)");
        session.leave();
    }
    let failure = session.join();
    Ok(match (caught, failure) {
        (_, Some(error)) => Ending::Failed(error),
        (Some(number), None) => Ending::Signal(number),
        (None, None) => Ending::Finished,
    })
}

/// Waits for SIGINT or SIGTERM and stores its number, for work that looks there; a second one ends the process.
pub async fn catch(into: Arc<AtomicU8>) {
    let Ok(mut signals) = Signals::listen() else {
        return;
    };
    loop {
        let number = signals.next().await;
        if into.swap(number, Ordering::Relaxed) != 0 {
            std::process::exit(128 + i32::from(number));
        }
    }
}

/// Waits for long work without a screen: lines on standard error, one a few seconds, or one that is written over where
/// it is a terminal. A signal gives the work up.
pub struct Waiter {
    caught: Arc<AtomicU8>,
    pace: Pace,
    begun: Instant,
    last: Option<Instant>,
    terminal: bool,
    open: bool,
}

impl Waiter {
    /// `caught` is what [`catch`] stores signals in.
    pub fn new(caught: Arc<AtomicU8>) -> Self {
        Self {
            caught,
            pace: Pace::default(),
            begun: Instant::now(),
            last: None,
            terminal: std::io::stderr().is_terminal(),
            open: false,
        }
    }
}

impl Onlooker for Waiter {
    fn tell(&mut self, progress: &Progress) {
        let line = clean(&self.pace.line(progress, self.begun.elapsed()));
        let rest = Duration::from_millis(if self.terminal { 100 } else { 5_000 });
        if self.last.is_some_and(|l| l.elapsed() < rest) {
            return;
        }
        self.last = Some(Instant::now());
        // Who reads along may leave.
        let mut out = std::io::stderr();
        let _ = match self.terminal {
            true => write!(out, "\r\x1b[K{line}").and_then(|()| out.flush()),
            false => writeln!(out, "{line}"),
        };
        self.open = self.terminal;
    }

    fn cancels(&self) -> bool {
        self.caught.load(Ordering::Relaxed) != 0
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.open {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// The signals that stop a program without a screen.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(Error::io("signals"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}

/// Writes records as they come.
struct Printer<'a> {
    format: Format,
    out: &'a mut (dyn Write + Send),
    closed: bool,
    view: RunView,
    printed: usize,
    losses: Vec<f32>,
}

impl<'a> Printer<'a> {
    /// `view` is of what happened before, which is not written again.
    fn new(format: Format, out: &'a mut (dyn Write + Send), view: RunView) -> Self {
        Self {
            format,
            out,
            closed: false,
            printed: view.log.len(),
            view,
            losses: Vec::new(),
        }
    }

    fn record(&mut self, record: &Record) -> Result<()> {
        if self.format == Format::Json {
            return self.line(&journal::to_line(record)?);
        }
        self.view.apply(record);
        let lines: Vec<String> = self.view.log[self.printed..]
            .iter()
            .map(|line| match line.level {
                Level::Info => line.text.clone(),
                Level::Warning => format!("warning: {}", line.text),
                Level::Error => format!("error: {}", line.text),
            })
            .collect();
        self.printed = self.view.log.len();
        for line in lines {
            self.line(&clean(&line))?;
        }
        self.progress(&record.event)
    }

    /// A line on the loss now and then, and one on each provisional measurement.
    fn progress(&mut self, event: &Event) -> Result<()> {
        let Some(training) = self.view.open_training() else {
            return Ok(());
        };
        match event {
            Event::Step {
                step,
                loss,
                lr,
                images,
                seconds,
                ..
            } => {
                self.losses.push(*loss);
                if step % STEPS_A_LINE != 0 && *step != training.steps {
                    return Ok(());
                }
                let mean = self.losses.iter().sum::<f32>() / self.losses.len() as f32;
                let line = format!(
                    "  {} {step}/{}  loss {mean:.4}  lr {lr:.2e}  {:.0} images/s",
                    training.step_id,
                    training.steps,
                    *images as f64 / seconds
                );
                self.losses.clear();
                self.line(&line)
            }
            Event::Watched {
                step,
                foundation,
                task,
                ..
            } => {
                let line = format!(
                    "  {} {step}/{}  provisional: foundation {:.3}, held out {:.3}",
                    training.step_id,
                    training.steps,
                    foundation.accuracy(),
                    task.accuracy()
                );
                self.line(&line)
            }
            _ => Ok(()),
        }
    }

    fn line(&mut self, text: &str) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match writeln!(self.out, "{text}").and_then(|()| self.out.flush()) {
            Ok(()) => Ok(()),
            // The reader is gone, or the disk behind it full; the run is not, and its journal has it all.
            Err(error) => {
                self.closed = true;
                if error.kind() != ErrorKind::BrokenPipe {
                    self.say(&format!(
                        "nothing more is printed: standard output: {error}"
                    ));
                }
                Ok(())
            }
        }
    }

    fn say(&self, text: &str) {
        eprintln!("pentimento: {}", clean(text));
    }
}
