//! Keys on all screens of a run.

use super::super::actions::{Action, Binding, Scope};
use super::super::keys::Key;
use super::{quiet, row};
use crate::lab::Command;
use crate::lora::Amount;

/// What is asked of the lab, most of it at some moment only.
pub const RUN: &[Binding] = &[
    row(
        Scope::Run,
        &[(Key::Char('m'), Action::Lab(Command::Merge(Amount::WHOLE)))],
        "merge",
        "Merge the trained adapter into the weights, or with mode drop store it for its own head, then measure.",
    ),
    row(
        Scope::Run,
        &[(Key::Char('s'), Action::Lab(Command::Step))],
        "step",
        "Train the next task.",
    ),
    row(
        Scope::Run,
        &[(Key::Char('d'), Action::Lab(Command::Discard))],
        "discard",
        "Throw the adapter away, in training or trained; the same task is next.",
    ),
    row(
        Scope::Run,
        &[(Key::Char('u'), Action::Lab(Command::Undo))],
        "undo",
        "Take the last merge back; its task is next.",
    ),
    row(
        Scope::Run,
        &[(Key::Char('n'), Action::Lab(Command::Skip))],
        "skip",
        "Leave the next task out.",
    ),
    row(
        Scope::Run,
        &[(Key::Char('p'), Action::Lab(Command::Pause))],
        "pause",
        "Stand still within one batch.",
    ),
    row(
        Scope::Run,
        &[(Key::Char('p'), Action::Lab(Command::Resume))],
        "go on",
        "Go on after a pause.",
    ),
    row(
        Scope::Run,
        &[(Key::Char('g'), Action::TakeUp)],
        "take up",
        "Put a lab to work on a run that was opened to be looked at; where another process is at work on it, take its \
         control.",
    ),
    row(
        Scope::Run,
        &[
            (Key::Char('{'), Action::PreviousEvent),
            (Key::Char('}'), Action::NextEvent),
            (Key::Char('('), Action::Rewind),
            (Key::Char(')'), Action::Advance),
        ],
        "back, forward",
        "Go back and forth in the journal of a run that no lab is at work on: by its turns ({previous-event}, {next-event}) or by \
         hundredths ({rewind} {advance}).",
    ),
    quiet(row(
        Scope::Run,
        &[(Key::Char('R'), Action::Play)],
        "play",
        "Let the journal play, or stop it.",
    )),
];

/// How the run goes on, and a copy of what it found.
pub const PACE: &[Binding] = &[
    row(
        Scope::Run,
        &[(Key::Char('a'), Action::Lab(Command::Automatic(true)))],
        "automatic",
        "Step and merge by themselves.",
    ),
    row(
        Scope::Run,
        &[(Key::Char('a'), Action::Lab(Command::Automatic(false)))],
        "manual",
        "Let each step and merge wait for a key.",
    ),
    quiet(row(
        Scope::Run,
        &[(Key::Char('w'), Action::Lab(Command::Snapshot))],
        "snapshot",
        "Write an export of this moment that nothing overwrites.",
    )),
];
