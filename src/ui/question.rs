//! Questions that are asked before something is lost.

use super::setup::Request;

/// A question that lies over the screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Leave while the lab works?
    Quit,
    /// Throw the adapter away?
    Discard,
    /// Take the last merge back?
    Undo,
    /// Leave this run for another?
    Leave(Request),
}

impl Question {
    /// The question, and what yes does.
    pub fn text(&self) -> (&'static str, &'static str) {
        match self {
            Self::Quit => (
                "Leave while the lab works?",
                "It stops within one batch and writes a checkpoint; `pentimento resume` goes on from there.",
            ),
            Self::Discard => (
                "Throw this adapter away?",
                "Its training is lost; the same task is next.",
            ),
            Self::Undo => (
                "Take the last merge back?",
                "The weights become what they were, bit for bit. Its task is next and would train again.",
            ),
            Self::Leave(_) => (
                "Leave this run and start another?",
                "It stops with a checkpoint and can be resumed from its folder.",
            ),
        }
    }
}
