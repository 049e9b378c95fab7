//! The signals that end, suspend and outlive a program, and its standing towards a terminal.

use std::fs::File;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::sys::signal::{Signal as Number, kill, raise};
use nix::sys::termios::tcgetattr;
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpgrp, getppid, getsid, tcgetpgrp};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Error, Result};

/// What becomes of a run when its terminal goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hangup {
    /// It goes on without one.
    #[default]
    GoOn,
    /// It stops with a checkpoint.
    Stop,
}

impl Hangup {
    /// Both.
    pub const ALL: [Self; 2] = [Self::GoOn, Self::Stop];

    /// What the settings call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GoOn => "go-on",
            Self::Stop => "stop",
        }
    }
}

/// Asks a process of this machine to end; one that is not there, or another user's, hears nothing.
pub fn terminate(process: u32) {
    if let Ok(pid) = i32::try_from(process) {
        let _ = kill(Pid::from_raw(pid), Number::SIGTERM);
    }
}

/// Has this process asked to end, as by SIGTERM, when its parent does, which is `parent`. Looked at once a second: Linux's
/// own signal for it comes once for each of the parent's threads, and a second one ends a run without its checkpoint.
pub fn end_with(parent: u32) {
    let is_there = move || u32::try_from(getppid().as_raw()).is_ok_and(|now| now == parent);
    let watch = move || {
        while is_there() {
            std::thread::sleep(Duration::from_secs(1));
        }
        terminate(std::process::id());
    };
    // Without it the run goes on alone.
    let _ = std::thread::Builder::new()
        .name("parent".into())
        .spawn(watch);
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// SIGINT
    Interrupt,
    /// SIGTERM
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGTSTP
    Suspend,
    /// SIGCONT
    Continue,
}

impl Caught {
    /// Its number: a process that it ends exits with 128 more.
    pub fn number(self) -> u8 {
        let number = match self {
            Self::Interrupt => Number::SIGINT,
            Self::Terminate => Number::SIGTERM,
            Self::Hangup => Number::SIGHUP,
            Self::Suspend => Number::SIGTSTP,
            Self::Continue => Number::SIGCONT,
        };
        number as u8
    }
}

/// Listens for signals, which then do nothing by themselves.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// SIGTSTP and SIGCONT, where they are listened to.
    suspension: Option<(Signal, Signal)>,
}

impl Signals {
    /// Those that end a program.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: stream(Number::SIGINT)?,
            terminate: stream(Number::SIGTERM)?,
            hangup: stream(Number::SIGHUP)?,
            suspension: None,
        })
    }

    /// Those that suspend it and let it go on too, for a program that has a screen to give back.
    ///
    /// # Errors
    /// As [`Signals::listen`].
    pub fn with_suspension() -> Result<Self> {
        Ok(Self {
            suspension: Some((stream(Number::SIGTSTP)?, stream(Number::SIGCONT)?)),
            ..Self::listen()?
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Caught {
        let (suspend, go_on) = match &mut self.suspension {
            Some((suspend, go_on)) => (Some(suspend), Some(go_on)),
            None => (None, None),
        };
        tokio::select! {
            _ = self.interrupt.recv() => Caught::Interrupt,
            _ = self.terminate.recv() => Caught::Terminate,
            _ = self.hangup.recv() => Caught::Hangup,
            () = heard(suspend) => Caught::Suspend,
            () = heard(go_on) => Caught::Continue,
        }
    }
}

fn stream(number: Number) -> Result<Signal> {
    signal(SignalKind::from_raw(number as i32)).map_err(Error::io("signals"))
}

async fn heard(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Has writing beyond the limit on the size of files (`ulimit -f`) refused, as it is on a full disk, instead of ending the
/// process with SIGXFSZ.
///
/// # Errors
/// Where the system refuses.
pub fn outlive_limits() -> Result<()> {
    // Nobody asks whether it came: who writes is told.
    let came = Arc::new(AtomicBool::new(false));
    let heard = signal_hook::flag::register(Number::SIGXFSZ as i32, came);
    heard.map(drop).map_err(Error::io("signals"))
}

/// Whether some shell would notice that this process stands still, and could let it go on: where the program is all that
/// its terminal was opened for, nobody can.
pub fn can_be_continued() -> bool {
    let session = getsid(None);
    session.is_ok_and(|session| session != getpgrp()) && getsid(Some(getppid())) == session
}

/// Stops this process, with all that a shell started in one line with it where `with_group` says so. Returns once it is
/// let go on.
///
/// # Errors
/// Where the system refuses.
pub fn stop_here(with_group: bool) -> Result<()> {
    let stopped = match with_group {
        true => kill(Pid::from_raw(0), Number::SIGSTOP),
        false => raise(Number::SIGSTOP),
    };
    stopped.map_err(|e| Error::io("signals")(e.into()))
}

/// Whether standard input's terminal is that of this process at this moment, and not a shell's or another's.
pub fn in_foreground() -> bool {
    // One that is not the controlling terminal belongs to nobody in particular.
    tcgetpgrp(stdin()).map_or(true, |group| group == getpgrp())
}

/// Whether the terminal behind standard input is there no more.
pub fn terminal_is_gone() -> bool {
    tcgetattr(stdin()).is_err()
}

/// Which of a process's standard streams are a terminal's. A terminal that is gone does not say so any more, hence this is
/// asked beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Terminals {
    input: bool,
    output: bool,
    error: bool,
}

impl Terminals {
    /// As it is at this moment.
    pub fn now() -> Self {
        Self {
            input: stdin().is_terminal(),
            output: stdout().is_terminal(),
            error: stderr().is_terminal(),
        }
    }

    /// Whether standard output is a terminal.
    pub fn has_output(self) -> bool {
        self.output
    }

    /// Lets go of the terminal: what is written to it from now on goes nowhere, and a thread that still reads waits.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn let_go(self) -> Result<()> {
        let failed = || Error::io("the terminal");
        let null = File::options()
            .write(true)
            .open("/dev/null")
            .map_err(failed())?;
        // Neither readable nor at its end: the thread that reads keys would read a terminal that is gone without a rest.
        let (silent, other_end) = UnixStream::pair().map_err(failed())?;
        silent.set_nonblocking(true).map_err(failed())?;
        std::mem::forget(other_end);
        let system = |done: nix::Result<()>| done.map_err(|e| failed()(e.into()));
        if self.input {
            system(dup2_stdin(&silent))?;
        }
        if self.output {
            system(dup2_stdout(&null))?;
        }
        if self.error {
            system(dup2_stderr(&null))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_exit_codes_are_made_of() {
        let numbers = [Caught::Interrupt, Caught::Terminate, Caught::Hangup].map(Caught::number);
        assert_eq!(numbers, [2, 15, 1]);
    }
}
