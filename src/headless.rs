//! The same events as log lines: for pipes, batch systems and tests.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::lab::{Command, Event, Level, Pulse, Record};
use crate::progress::{Onlooker, Pace, Progress, Unit};
use crate::run::{RunView, journal};
use crate::session::{Session, Update};
use crate::signals::{Caught, Hangup, Signals};
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
/// Time between two lines on a measurement, so that short ones have none.
const MEASURING_A_LINE: Duration = Duration::from_secs(30);

/// Follows a run to its end and writes what happens to `out`. SIGTERM stops it with a checkpoint, and so does the second
/// SIGINT: the first asks. One more ends the process at once. A reader that closes the pipe does not end the run, and a
/// terminal that goes does so only where `hangup` says it. `signals` may have been listened to since before the run began,
/// so that none is lost.
pub async fn follow(
    mut session: Session,
    format: Format,
    hangup: Hangup,
    out: &mut (dyn Write + Send),
    mut signals: Signals,
) -> Result<Ending> {
    let begun = Instant::now();
    let mut printer = Printer::new(format, out, RunView::replay(&session.past));
    let mut patience = Patience::new(hangup);
    let mut caught = None;
    let mut hung_up = false;
    loop {
        let signal = tokio::select! {
            update = session.updates.recv() => match update {
                Some(Update::Record(record)) => {
                    printer.record(&record)?;
                    continue;
                }
                Some(Update::Pulse(pulse)) => {
                    printer.pulse(pulse, begun.elapsed())?;
                    continue;
                }
                Some(Update::Standstill(why)) => {
                    printer.standstill(&why)?;
                    continue;
                }
                Some(Update::Ended) | None => break,
            },
            signal = signals.next() => signal,
        };
        match patience.hears(signal) {
            Heard::Nothing if signal == Caught::Hangup && caught.is_none() => {
                if !std::mem::replace(&mut hung_up, true) {
                    session.send(Command::Unattended)?;
                }
            }
            Heard::Nothing => {}
            Heard::Question => {
                say("stop? Ctrl-C once more stops the run with a checkpoint; until then it goes on")
            }
            Heard::End if caught.is_none() => {
                caught = Some(signal.number());
                say("stopping: a checkpoint is written (once more: at once)");
                session.leave();
            }
            Heard::End => std::process::exit(128 + i32::from(signal.number())),
        }
    }
    let failure = session.join();
    Ok(match (caught, failure) {
        (_, Some(error)) => Ending::Failed(error),
        (Some(number), None) => Ending::Signal(number),
        (None, None) => Ending::Finished,
    })
}

/// What a signal means to a program without a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// Whether its user means it.
    Question,
    End,
}

/// Takes the first SIGINT for a slip.
struct Patience {
    hangup: Hangup,
    asked: bool,
    ends: bool,
}

impl Patience {
    fn new(hangup: Hangup) -> Self {
        Self {
            hangup,
            asked: false,
            ends: false,
        }
    }

    /// What one more signal means.
    fn hears(&mut self, signal: Caught) -> Heard {
        let heard = match signal {
            // What ends already is not hurried by a terminal that goes too.
            Caught::Hangup if self.ends || self.hangup == Hangup::GoOn => Heard::Nothing,
            Caught::Suspend | Caught::Continue => Heard::Nothing,
            Caught::Interrupt if !self.asked && !self.ends => Heard::Question,
            Caught::Interrupt | Caught::Terminate | Caught::Hangup => Heard::End,
        };
        self.asked |= heard == Heard::Question;
        self.ends |= heard == Heard::End;
        heard
    }
}

/// Waits for a signal that ends a program and stores its number, for work that looks there; a second one ends the
/// process. Where `question` is given, the first SIGINT only says it. A terminal that goes counts where `hangup` says so.
pub async fn catch(into: Arc<AtomicU8>, hangup: Hangup, question: Option<&'static str>) {
    let Ok(mut signals) = Signals::listen() else {
        return;
    };
    let mut patience = Patience::new(hangup);
    patience.asked = question.is_none();
    loop {
        let signal = signals.next().await;
        match patience.hears(signal) {
            Heard::Nothing => {}
            Heard::Question => say(question.unwrap_or_default()),
            Heard::End if into.swap(signal.number(), Ordering::Relaxed) == 0 => {}
            Heard::End => std::process::exit(128 + i32::from(signal.number())),
        }
    }
}

/// Says something on standard error to whoever still reads it.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "pentimento: {}", clean(text));
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

/// Writes records as they come.
struct Printer<'a> {
    format: Format,
    out: &'a mut (dyn Write + Send),
    closed: bool,
    /// Whether standard output is a terminal.
    terminal: bool,
    view: RunView,
    printed: usize,
    losses: Vec<f32>,
    /// What is being measured, and when there was a line on it, or it began.
    measuring: (String, Duration),
    pace: Pace,
}

impl<'a> Printer<'a> {
    /// `view` is of what happened before, which is not written again.
    fn new(format: Format, out: &'a mut (dyn Write + Send), view: RunView) -> Self {
        Self {
            format,
            out,
            closed: false,
            terminal: std::io::stdout().is_terminal(),
            printed: view.log.len(),
            view,
            losses: Vec::new(),
            measuring: Default::default(),
            pace: Pace::default(),
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

    /// A line now and then on work that is no training: how far it is, and how long it will take. `now` is the time since
    /// the run is followed.
    fn pulse(&mut self, pulse: Pulse, now: Duration) -> Result<()> {
        let trains = self.view.open_training().is_some();
        if self.format == Format::Json || trains || pulse.total == 0 {
            return Ok(());
        }
        if self.measuring.0 != pulse.what {
            self.measuring = (pulse.what.clone(), now);
        }
        let progress = Progress {
            what: pulse.what,
            done: pulse.done as u64,
            total: pulse.total as u64,
            unit: Unit::Parts,
        };
        let line = self.pace.line(&progress, now);
        if now.saturating_sub(self.measuring.1) < MEASURING_A_LINE {
            return Ok(());
        }
        self.measuring.1 = now;
        self.line(&clean(&format!("  {line}")))
    }

    /// What the journal cannot say is no line of it.
    fn standstill(&mut self, why: &str) -> Result<()> {
        match self.format {
            Format::Plain => self.line(&format!("warning: {why}")),
            Format::Json => {
                say(why);
                Ok(())
            }
        }
    }

    fn line(&mut self, text: &str) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        match writeln!(self.out, "{text}").and_then(|()| self.out.flush()) {
            Ok(()) => Ok(()),
            // The reader or the terminal is gone, or the disk full; the run is not, and its journal has it all.
            Err(error) => {
                self.closed = true;
                let gone = error.kind() == ErrorKind::BrokenPipe || self.terminal;
                if !gone {
                    say(&format!(
                        "nothing more is printed: standard output: {error}"
                    ));
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_interrupt_asks_and_the_second_ends() {
        let mut patience = Patience::new(Hangup::GoOn);
        assert_eq!(patience.hears(Caught::Interrupt), Heard::Question);
        assert_eq!(patience.hears(Caught::Hangup), Heard::Nothing);
        assert_eq!(patience.hears(Caught::Interrupt), Heard::End);
        assert_eq!(patience.hears(Caught::Interrupt), Heard::End);
    }

    #[test]
    fn what_ends_is_not_hurried_by_a_terminal_that_goes() {
        let mut patience = Patience::new(Hangup::Stop);
        assert_eq!(patience.hears(Caught::Terminate), Heard::End);
        assert_eq!(patience.hears(Caught::Hangup), Heard::Nothing);
        assert_eq!(patience.hears(Caught::Interrupt), Heard::End);
        assert_eq!(
            Patience::new(Hangup::Stop).hears(Caught::Hangup),
            Heard::End
        );
    }

    #[test]
    fn a_long_measurement_says_how_far_it_is_and_a_short_one_nothing() {
        let lines = |format, seconds: u64| {
            let mut out = Vec::new();
            let mut printer = Printer::new(format, &mut out, RunView::default());
            for second in 0..=seconds {
                let pulse = Pulse {
                    what: "measuring latin before the first task".into(),
                    done: 50 * second as usize,
                    total: 4000,
                };
                printer.pulse(pulse, Duration::from_secs(second)).unwrap();
            }
            String::from_utf8(out).unwrap()
        };
        assert_eq!(lines(Format::Plain, 29), "");
        assert_eq!(lines(Format::Json, 80), "");
        assert_eq!(
            lines(Format::Plain, 70),
            "  measuring latin before the first task  1500 of 4000  50/s  0:50 left\n  \
             measuring latin before the first task  3000 of 4000  50/s  0:20 left\n"
        );
    }
}
