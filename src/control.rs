//! Commands from a second terminal: a socket that the process at work on a run listens at.
//!
//! It lies in a folder that its user alone may enter, and is called after the run's folder. What is sent over it is one
//! command a line, as JSON; what comes of it stands in the journal, as of any other command.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use crate::lab::Command;
use crate::run::lock::{self, Holder};
use crate::{Error, Result, crash, files};

/// The longest path that a socket may have on every system.
const LONGEST: usize = 100;

/// In bytes; a line without an end is no command.
const LONGEST_COMMAND: u64 = 1 << 16;

/// The end at which commands arrive; the socket goes with it.
#[derive(Debug)]
pub struct Door {
    socket: PathBuf,
    closed: Arc<AtomicBool>,
    /// Held by this, by the listener, and by the thread of each guest.
    guests: Arc<()>,
}

impl Door {
    /// Listens for commands to the lab at work on the run in `folder`. `None` where this machine has no place for a
    /// socket of one's own: the run then has no second controls.
    pub fn open(folder: &Path, commands: Sender<Command>) -> Option<Self> {
        let socket = socket(&private_folder()?, folder)?;
        // Of a process that was killed: whoever holds the journal's lock is the only one at work.
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).ok()?;
        // Whatever the umask: the folder keeps others out before, and this does afterwards.
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).ok()?;
        let closed = Arc::new(AtomicBool::new(false));
        let guests = Arc::new(());
        let door = Self {
            socket,
            closed: Arc::clone(&closed),
            guests: Arc::clone(&guests),
        };
        let listening = std::thread::Builder::new().name("door".into());
        listening
            .spawn(move || {
                for guest in listener.incoming() {
                    if closed.load(Ordering::Relaxed) {
                        break;
                    }
                    let commands = commands.clone();
                    let Ok(guest) = guest else {
                        continue;
                    };
                    let guests = Arc::clone(&guests);
                    let hearing = std::thread::Builder::new().name("guest".into());
                    // A guest that cannot be heard is let go.
                    let _ = hearing.spawn(move || {
                        let _here = guests;
                        hear(&guest, &commands);
                    });
                }
            })
            .ok()?;
        Some(door)
    }

    /// How many others have the control at this moment.
    pub fn guests(&self) -> usize {
        Arc::strong_count(&self.guests).saturating_sub(2)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = UnixStream::connect(&self.socket);
        let _ = fs::remove_file(&self.socket);
    }
}

/// Passes on what a guest asks for, until it leaves or says what is no command.
fn hear(guest: &UnixStream, commands: &Sender<Command>) {
    crash::on_demand("guest");
    let mut reader = BufReader::new(guest);
    loop {
        let mut line = String::new();
        let read = reader.by_ref().take(LONGEST_COMMAND).read_line(&mut line);
        let command = read.ok().and_then(|_| serde_json::from_str(&line).ok());
        let Some(command) = command else {
            return;
        };
        if commands.send(command).is_err() {
            return;
        }
    }
}

/// The other end: a second terminal's.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    run: PathBuf,
}

impl Control {
    /// Reaches the process at work on the run in `folder`.
    ///
    /// # Errors
    /// [`Error::Input`] where it cannot be reached from here.
    pub fn take(folder: &Path) -> Result<Self> {
        let unreachable = |why: String| {
            Error::input(format!(
                "the process at work on {} cannot be reached from here: {why}; it can be looked on, or stopped and \
                 taken up",
                folder.display()
            ))
        };
        if let Some(holder) = lock::holder(folder).filter(Holder::is_elsewhere) {
            return Err(Error::input(format!(
                "{} is being worked on by {holder}: from this machine it can only be looked on; take its control there",
                folder.display()
            )));
        }
        let place = private_folder().and_then(|private| socket(&private, folder));
        let place = place.ok_or_else(|| unreachable("there is no place for its socket".into()))?;
        let stream = UnixStream::connect(&place).map_err(|e| unreachable(e.to_string()))?;
        Ok(Self {
            stream,
            run: folder.to_path_buf(),
        })
    }

    /// Asks its lab for something.
    ///
    /// # Errors
    /// [`Error::Input`] where it is gone.
    pub fn send(&mut self, command: Command) -> Result<()> {
        let line = serde_json::to_string(&command)
            .map_err(|e| Error::internal(format!("a command could not be written: {e}")))?;
        let sent = writeln!(self.stream, "{line}").and_then(|()| self.stream.flush());
        sent.map_err(|e| {
            Error::input(format!(
                "the process at work on {} hears nothing any more: {e}",
                self.run.display()
            ))
        })
    }
}

/// A folder of this user's that nobody else may enter; `None` where there can be none.
fn private_folder() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    let folder = match given {
        Some(dir) => PathBuf::from(dir).join("pentimento"),
        None => std::env::temp_dir().join(format!("pentimento-{}", user()?)),
    };
    // Another's folder of that name is not entered, nor is one that others may enter.
    match DirBuilder::new().mode(0o700).create(&folder) {
        // A umask takes bits away, never adds any.
        Ok(()) => fs::set_permissions(&folder, Permissions::from_mode(0o700)).ok()?,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(_) => return None,
    }
    let found = fs::symlink_metadata(&folder).ok()?;
    let own = found.is_dir() && found.uid() == user()? && found.permissions().mode() & 0o077 == 0;
    own.then_some(folder)
}

/// The number of the user that this process runs as: that of the files it makes.
fn user() -> Option<u32> {
    static USER: std::sync::OnceLock<Option<u32>> = std::sync::OnceLock::new();
    *USER.get_or_init(|| {
        let name = format!("pentimento-user-{}", std::process::id());
        let probe = std::env::temp_dir().join(name);
        let made = fs::File::create_new(&probe).ok()?;
        let user = made.metadata().ok().map(|m| m.uid());
        let _ = fs::remove_file(&probe);
        user
    })
}

/// The socket of the run in `folder`, named after the folder's full path.
fn socket(private: &Path, folder: &Path) -> Option<PathBuf> {
    let full = fs::canonicalize(folder).ok()?;
    let name = files::sha256(full.as_os_str().as_encoded_bytes());
    let socket = private.join(format!("{}.socket", name.get(..16)?));
    (socket.as_os_str().len() <= LONGEST).then_some(socket)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;
    use crate::lab::{Amounts, Ask};
    use crate::lora::Amount;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn commands_arrive_as_they_were_sent_until_the_door_closes() {
        let run = tempfile::tempdir().unwrap();
        let (sender, inbox) = channel();
        let door = Door::open(run.path(), sender).unwrap();
        let mut control = Control::take(run.path()).unwrap();
        let commands = [
            Command::Step,
            Command::Merge(Amount::of(0.25)),
            Command::Preview(Ask {
                row: 2,
                amounts: Amounts::Ranks,
                quick: true,
            }),
            Command::Reweigh(
                1,
                Amount {
                    lambda: 0.5,
                    rank: Some(4),
                },
            ),
            Command::Automatic(false),
        ];
        for command in commands {
            control.send(command).unwrap();
            assert_eq!(inbox.recv_timeout(SOON), Ok(command));
        }
        assert_eq!(door.guests(), 1);
        drop(control);
        let begun = std::time::Instant::now();
        while door.guests() > 0 {
            assert!(begun.elapsed() < SOON);
            std::thread::yield_now();
        }
        let socket = door.socket.clone();
        assert!(socket.exists());
        drop(door);
        assert!(!socket.exists());
        let refused = Control::take(run.path()).unwrap_err().to_string();
        assert!(refused.contains("cannot be reached from here"), "{refused}");
    }

    #[test]
    fn what_is_no_command_is_not_passed_on() {
        let run = tempfile::tempdir().unwrap();
        let (sender, inbox) = channel();
        let _door = Door::open(run.path(), sender).unwrap();
        let mut control = Control::take(run.path()).unwrap();
        writeln!(control.stream, "rm -rf /").unwrap();
        let mut other = Control::take(run.path()).unwrap();
        other.send(Command::Pause).unwrap();
        assert_eq!(inbox.recv_timeout(SOON), Ok(Command::Pause));
    }

    #[test]
    fn nobody_else_may_come_near_the_door() {
        let run = tempfile::tempdir().unwrap();
        let door = Door::open(run.path(), channel().0).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&door.socket), 0o600);
        assert_eq!(mode(door.socket.parent().unwrap()), 0o700);
    }

    #[test]
    fn a_command_without_an_end_is_let_go() {
        let run = tempfile::tempdir().unwrap();
        let _door = Door::open(run.path(), channel().0).unwrap();
        let mut control = Control::take(run.path()).unwrap();
        let endless = std::iter::repeat_with(|| control.stream.write_all(&[b' '; 1 << 16]));
        // It stops listening long before so much has come.
        assert!(endless.take(1 << 10).any(|sent| sent.is_err()));
    }

    #[test]
    fn a_run_that_is_not_there_has_no_door() {
        let run = tempfile::tempdir().unwrap();
        let gone = run.path().join("gone");
        assert!(Control::take(&gone).is_err());
        assert!(Door::open(&gone, channel().0).is_none());
    }
}
