//! The lab's desk: where commands come in and events go out.

use std::sync::mpsc::{Receiver, TryRecvError};

use super::command::Ask;
use super::{Command, Event, Level, State};
use crate::folder::RunFolder;
use crate::lora::Amount;
use crate::{Error, Result};

/// Where the lab's events and files go. Implemented by the session, which keeps the journal.
pub trait Recorder: Send {
    /// Appends the event to the journal; only then may anyone see it.
    fn record(&mut self, event: Event) -> Result<()>;
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
        }
    }

    /// Stands still until the user says to go on: for a run that a person opens to look at.
    pub fn hold(&mut self) -> Result<()> {
        self.paused = true;
        self.record(Event::Paused)
    }

    /// Journals an event.
    pub fn record(&mut self, event: Event) -> Result<()> {
        self.recorder.record(event)
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
            let command = self.commands.recv().unwrap_or(Command::Stop);
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
            return Some(self.commands.recv().unwrap_or(Command::Stop));
        }
        match self.commands.try_recv() {
            Ok(command) => Some(command),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Command::Stop),
        }
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
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Keeps events and nothing else.
    struct Events(RunFolder, Vec<Event>);

    impl Recorder for Events {
        fn record(&mut self, event: Event) -> Result<()> {
            self.1.push(event);
            Ok(())
        }
        fn folder(&self) -> &RunFolder {
            &self.0
        }
        fn snapshot(&mut self) -> Result<String> {
            Ok(String::new())
        }
        fn pulse(&mut self, _: Pulse) {}
    }

    /// A desk between two tasks of an automatic run, with these commands waiting.
    fn desk(folder: &std::path::Path, commands: &[Command]) -> Desk<Events> {
        let (sender, receiver) = channel();
        commands.iter().for_each(|c| sender.send(*c).unwrap());
        let events = Events(RunFolder::create(folder).unwrap(), Vec::new());
        let mut desk = Desk::new(receiver, events, true);
        desk.state = State::Measured(1);
        (desk.next, desk.undoable) = (Some(2), true);
        desk
    }

    #[test]
    fn a_pause_between_two_tasks_holds_until_the_run_is_to_go_on() {
        let dir = tempfile::tempdir().unwrap();
        // While it stands still an undo is refused, with a word; then it goes on, and the stop is heard.
        let commands = [
            Command::Pause,
            Command::Undo,
            Command::Resume,
            Command::Stop,
        ];
        let mut desk = desk(dir.path(), &commands);
        assert_eq!(desk.glance().unwrap(), Some(Request::Stop));
        assert!(!desk.paused);
        let Events(_, events) = desk.recorder;
        assert!(matches!(
            events.as_slice(),
            [
                Event::Paused,
                Event::Note { .. },
                Event::Resumed { training: None, .. }
            ]
        ));
    }

    #[test]
    fn every_command_that_waits_is_heard_before_the_next_task() {
        let dir = tempfile::tempdir().unwrap();
        let commands = [Command::Merge(Amount::WHOLE), Command::Automatic(false)];
        let mut desk = desk(dir.path(), &commands);
        assert_eq!(desk.glance().unwrap(), Some(Request::Look));
        assert!(!desk.automatic);
    }
}
