//! The program in a pseudo-terminal of its own, for its tests, its bench and its pictures.

use std::io::Read;
use std::path::Path;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// The terminal, and the program at work in it.
pub type Opened = (Box<dyn MasterPty + Send>, Box<dyn Child + Send + Sync>);

/// Starts a program in `folder` on a terminal of so many columns and rows; `hear` gets what it writes, on another
/// thread, until it says that it is enough.
pub fn open(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    (cols, rows): (u16, u16),
    mut hear: impl FnMut(&[u8]) -> bool + Send + 'static,
) -> anyhow::Result<Opened> {
    let size = PtySize {
        rows,
        cols,
        ..PtySize::default()
    };
    let pair = native_pty_system().openpty(size)?;
    let mut command = CommandBuilder::new(program);
    command.args(arguments);
    command.cwd(folder);
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    command.env_remove("NO_COLOR");
    // Not the settings of whoever starts it.
    command.env("XDG_CONFIG_HOME", folder);
    for name in ["CONFIG", "THEME", "MARKER"] {
        command.env_remove(format!("PENTIMENTO_{name}"));
    }
    let child = pair.slave.spawn_command(command)?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader()?;
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            if !hear(&buffer[..n]) {
                return;
            }
        }
    });
    Ok((pair.master, child))
}
