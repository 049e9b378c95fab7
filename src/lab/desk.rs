//! The lab's desk: where commands come in and events go out.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::command::Ask;
use super::{Command, Event, Level, State};
use crate::folder::RunFolder;
use crate::lora::Amount;
use crate::{Error, Result, files};

/// Between two attempts to write what the disk refuses.
const RETRY: Duration = Duration::from_secs(1);

/// What a lab does that waits for the disk, as its pulse says.
pub const STANDING_STILL: &str = "standing still: the disk refuses";

/// Where the lab's events and files go. Implemented by the session, which keeps the journal.
pub trait Recorder: Send {
    /// Appends the event to the journal, wholly or not at all; only then may anyone see it.
    fn record(&mut self, event: Event) -> Result<()>;
    /// Refuses where the run's folder is not the one any more that was opened.
    fn in_place(&self) -> Result<()>;
    /// Brings export/ to where the journal is.
    fn settle(&mut self) -> Result<()>;
    /// Says why nothing can be written, which the journal cannot.
    fn standstill(&mut self, why: String);
    /// The run's folder.
    fn folder(&self) -> &RunFolder;
    /// Writes an export of the present state that is never overwritten; gives its path within the run's folder.
    fn snapshot(&mut self) -> Result<String>;
    /// What the lab is doing at this moment; shown, never kept.
    fn pulse(&mut self, pulse: Pulse);
}

/// What the lab is doing at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// In the user's words: `measuring latin after parity`.
    pub what: String,
    /// Units done.
    pub done: usize,
    /// Units in all; 0 where it is not known.
    pub total: usize,
}

/// Why work was left before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The user ends the session.
    Stop,
    /// The user throws the adapter away.
    Discard,
    /// The user has seen enough of a preview.
    EndPreview,
}

/// What a command that is allowed between two pieces of work asks the machine to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Request {
    /// See [`Command::Step`].
    Step,
    /// See [`Command::Merge`].
    Merge(Amount),
    /// See [`Command::Preview`].
    Preview(Ask),
    /// See [`Command::EndPreview`].
    EndPreview,
    /// See [`Command::Reweigh`].
    Reweigh(usize, Amount),
    /// See [`Command::Discard`].
    Discard,
    /// See [`Command::Undo`].
    Undo,
    /// See [`Command::Skip`].
    Skip,
    /// See [`Command::Stop`].
    Stop,
    /// Automatic advance was switched: look again at what is next.
    Look,
}

/// Commands in, events out, and what they depend on. The machine keeps `state`, `next`, `undoable` and
/// `progress` up to date; everything else is the desk's.
pub struct Desk<R> {
    commands: Receiver<Command>,
    recorder: R,
    /// Whether step and merge happen by themselves.
    pub automatic: bool,
    /// Where the run stands.
    pub state: State,
    /// The row of the next task.
    pub next: Option<usize>,
    /// Whether a merge is on the stack.
    pub undoable: bool,
    /// The training under way and its last step.
    pub progress: Option<(u32, usize)>,
    paused: bool,
    interrupt: Option<Interrupt>,
    failure: Option<Error>,
    /// Commands that came while the disk refused to be written to.
    waiting: VecDeque<Command>,
    /// The user left while it did: it is not waited for any more.
    gives_up: bool,
}

impl<R: Recorder> Desk<R> {
    /// A desk at which nothing has happened.
    pub fn new(commands: Receiver<Command>, recorder: R, automatic: bool) -> Self {
        Self {
            commands,
            recorder,
            automatic,
            state: State::Idle,
            next: None,
            undoable: false,
            progress: None,
            paused: false,
            interrupt: None,
            failure: None,
            waiting: VecDeque::new(),
            gives_up: false,
        }
    }

    /// Stands still until the user says to go on: for a run that a person opens to look at.
    pub fn hold(&mut self) -> Result<()> {
        self.paused = true;
        self.record(Event::Paused)
    }

    /// Journals an event. When the lab leaves a run, export/ is as new as the journal; an export that cannot be
    /// written is no reason to lose the run, for `pentimento export` writes it again.
    pub fn record(&mut self, event: Event) -> Result<()> {
        let settles = matches!(
            event,
            Event::Finished | Event::Stopped | Event::Undone { .. } | Event::Failed { .. }
        );
        self.persist(|recorder| recorder.record(event.clone()))?;
        if settles && let Err(error) = self.recorder.settle() {
            self.note(Level::Error, format!("the export is not written: {error}"))?;
        }
        Ok(())
    }

    /// Writes into the run's folder, by an attempt that leaves nothing where it fails. What the disk refuses is tried
    /// again until it works; a note in the journal says then how long the run stood still.
    ///
    /// # Errors
    /// What is no matter of waiting, and what the disk refused when the user left.
    pub fn persist<T>(&mut self, mut attempt: impl FnMut(&mut R) -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let mut stands: Option<String> = None;
        loop {
            let written = self.recorder.in_place();
            let error = match written.and_then(|()| attempt(&mut self.recorder)) {
                Ok(done) => {
                    if let Some(why) = stands {
                        let seconds = begun.elapsed().as_secs_f64();
                        let text = format!("stood still for {seconds:.0} s and went on: {why}");
                        self.note(Level::Warning, text)?;
                    }
                    return Ok(done);
                }
                Err(error) if error.may_pass() && !self.gives_up => error,
                Err(error) => return Err(error),
            };
            let why = error.to_string();
            if stands.as_ref() != Some(&why) {
                self.recorder.standstill(format!(
                    "the run stands still and goes on by itself when this is mended: {why}"
                ));
                stands = Some(why);
            }
            self.pulse(STANDING_STILL, 0, 0);
            if self.left_within(RETRY) {
                self.gives_up = true;
                return Err(self.left_with(error));
            }
        }
    }

    /// Waits so long; whether the user leaves meanwhile. Any other command is for later.
    fn left_within(&mut self, rest: Duration) -> bool {
        let until = Instant::now() + rest;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.commands.recv_timeout(left) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Ok(command) => self.waiting.push_back(command),
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// The error of a run that was left while it stood still, with the way on.
    fn left_with(&self, error: Error) -> Error {
        let run = files::word(self.recorder.folder().root());
        match error {
            Error::Io { path, source } => {
                let text = format!(
                    "{source}; the run was left so, and `pentimento resume {run}` goes on from what is on the disk"
                );
                Error::io(path)(std::io::Error::new(source.kind(), text))
            }
            other => other,
        }
    }

    /// Journals a sentence.
    pub fn note(&mut self, level: Level, message: impl Into<String>) -> Result<()> {
        self.record(Event::Note {
            level,
            message: message.into(),
        })
    }

    /// Shows what is being done.
    pub fn pulse(&mut self, what: impl Into<String>, done: usize, total: usize) {
        self.recorder.pulse(Pulse {
            what: what.into(),
            done,
            total,
        });
    }

    /// The run's folder.
    pub fn folder(&self) -> RunFolder {
        self.recorder.folder().clone()
    }

    /// Looked at between two batches of any work: obeys what came in, stands still while paused, and says
    /// whether the work is to be left. An interrupt stays until [`Desk::take_interrupt`].
    pub fn attend(&mut self) -> Result<Option<Interrupt>> {
        while self.interrupt.is_none() {
            let Some(command) = self.next_command() else {
                break;
            };
            match self.obey(command)? {
                Some(Request::Stop) => self.interrupt = Some(Interrupt::Stop),
                Some(Request::Discard) => self.interrupt = Some(Interrupt::Discard),
                Some(Request::EndPreview) => self.interrupt = Some(Interrupt::EndPreview),
                // Every other request is refused while the run works or stands still.
                Some(_) | None => {}
            }
        }
        Ok(self.interrupt)
    }

    /// [`Desk::attend`] for work that only asks whether to leave: an error is kept for [`Desk::take_failure`].
    pub fn leaves(&mut self) -> bool {
        match self.attend() {
            Ok(interrupt) => interrupt.is_some(),
            Err(error) => {
                self.failure = Some(error);
                true
            }
        }
    }

    /// Whether the run stands still.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The interrupt that is waiting to be taken.
    pub fn interrupt(&self) -> Option<Interrupt> {
        self.interrupt
    }

    /// The error that made [`Desk::leaves`] say yes.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Takes the interrupt that made work end early; the pause it may have ended is over.
    pub fn take_interrupt(&mut self) -> Option<Interrupt> {
        if self.interrupt.is_some() {
            self.paused = false;
        }
        self.interrupt.take()
    }

    /// Waits, between two pieces of work, for a command that changes what is next.
    pub fn wait(&mut self) -> Result<Request> {
        self.pulse("waiting", 0, 0);
        loop {
            let command = self.await_command();
            if let Some(request) = self.obey(command)? {
                return Ok(request);
            }
        }
    }

    /// Commands that came in since, between two pieces of work, without waiting unless one of them is a pause.
    pub fn glance(&mut self) -> Result<Option<Request>> {
        while let Some(command) = self.next_command() {
            let request = self.obey(command)?;
            if request.is_some() {
                return Ok(request);
            }
        }
        Ok(None)
    }

    /// The next command: one that came in, or while the run stands still the one that is waited for.
    fn next_command(&mut self) -> Option<Command> {
        if self.paused {
            self.pulse("paused", 0, 0);
            // A session that hung up cannot resume us: leave with the work checkpointed.
            return Some(self.await_command());
        }
        if let Some(command) = self.waiting.pop_front() {
            return Some(command);
        }
        match self.commands.try_recv() {
            Ok(command) => Some(command),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Command::Stop),
        }
    }

    /// The command that came first, or the one that comes.
    fn await_command(&mut self) -> Command {
        let waiting = self.waiting.pop_front();
        waiting.unwrap_or_else(|| self.commands.recv().unwrap_or(Command::Stop))
    }

    /// Carries out what the desk can by itself; the rest is handed on as a request. A command that makes
    /// no sense now is answered by a warning in the journal.
    fn obey(&mut self, command: Command) -> Result<Option<Request>> {
        if let Some(reason) = self.state.refuses(
            command,
            self.automatic,
            self.paused,
            self.next,
            self.undoable,
        ) {
            self.note(Level::Warning, format!("{}: {reason}", command.name()))?;
            return Ok(None);
        }
        Ok(match command {
            Command::Step => Some(Request::Step),
            Command::Merge(amount) => Some(Request::Merge(amount)),
            Command::Preview(ask) => Some(Request::Preview(ask)),
            Command::EndPreview => Some(Request::EndPreview),
            Command::Reweigh(row, amount) => Some(Request::Reweigh(row, amount)),
            Command::Discard => Some(Request::Discard),
            Command::Undo => Some(Request::Undo),
            Command::Skip => Some(Request::Skip),
            Command::Stop => Some(Request::Stop),
            Command::Automatic(automatic) => {
                if automatic != self.automatic {
                    self.automatic = automatic;
                    self.record(Event::Advance { automatic })?;
                }
                Some(Request::Look)
            }
            Command::Pause => {
                self.paused = true;
                self.record(Event::Paused)?;
                None
            }
            Command::Resume => {
                self.paused = false;
                let (training, from_step) = self.progress.map_or((None, 0), |(t, s)| (Some(t), s));
                self.record(Event::Resumed {
                    training,
                    from_step,
                })?;
                None
            }
            Command::Unattended => {
                let what = "the terminal is gone: the run goes on without one";
                self.note(Level::Warning, what)?;
                None
            }
            Command::Snapshot => {
                match self.recorder.snapshot() {
                    Ok(path) => self.note(Level::Info, format!("exported to {path}"))?,
                    Err(error) => self.note(Level::Error, format!("export failed: {error}"))?,
                }
                None
            }
        })
    }
}

#[cfg(test)]
mod tests;
