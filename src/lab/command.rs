//! What a user may ask of the lab.

/// A request to the lab. One that makes no sense in the present state is answered by a warning, never ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Train the next task.
    Step,
    /// Merge the trained adapter and measure.
    Merge,
    /// Throw the adapter in training or trained away; the same task is next.
    Discard,
    /// Take the last merge back; automatic advance turns manual.
    Undo,
    /// Leave the next task out.
    Skip,
    /// Stand still within one batch.
    Pause,
    /// Go on.
    Resume,
    /// Step and merge by itself, or wait for commands.
    Automatic(bool),
    /// Write an export of the present state under `export/snapshots/`.
    Snapshot,
    /// Checkpoint, then end the lab's thread.
    Stop,
}

impl Command {
    /// The command's name, as refusals and help use it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Merge => "merge",
            Self::Discard => "discard",
            Self::Undo => "undo",
            Self::Skip => "skip",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Automatic(true) => "automatic",
            Self::Automatic(false) => "manual",
            Self::Snapshot => "export",
            Self::Stop => "stop",
        }
    }
}
