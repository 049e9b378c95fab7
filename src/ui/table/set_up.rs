//! Keys of the set-up screen.

use super::super::actions::{Action, Binding, Scope, Screen};
use super::super::keys::Key;
use super::{LEFT_RIGHT, UP_DOWN, row};

/// On the set-up screen.
pub const SET_UP: &[Binding] = &[
    row(
        Scope::On(Screen::SetUp),
        &[(Key::Enter, Action::Start)],
        "start",
        "Start the run.",
    ),
    row(
        Scope::On(Screen::SetUp),
        UP_DOWN,
        "field",
        "Go to another field.",
    ),
    row(
        Scope::On(Screen::SetUp),
        LEFT_RIGHT,
        "change",
        "Change the value of the field.",
    ),
    row(
        Scope::On(Screen::SetUp),
        &[(Key::Char(' '), Action::Toggle)],
        "on/off",
        "Turn a task on or off, show or hide a part; on steps, count in epochs or steps.",
    ),
    row(
        Scope::On(Screen::SetUp),
        &[(Key::Char('o'), Action::List)],
        "list",
        "Open the list of the field: presets and runs, backbones, modes, modules, data.",
    ),
    row(
        Scope::On(Screen::SetUp),
        &[(Key::Char('e'), Action::Edit)],
        "type",
        "Type a value: a number, a regex, a file, a folder, a source.",
    ),
    row(
        Scope::On(Screen::SetUp),
        &[(Key::Char('w'), Action::Save)],
        "save",
        "Save what is set up as a preset, a TOML file.",
    ),
    row(
        Scope::On(Screen::SetUp),
        &[(Key::Char('/'), Action::Search)],
        "hub",
        "Search timm's models on the hub for a backbone.",
    ),
    row(
        Scope::On(Screen::SetUp),
        &[
            (Key::Char('a'), Action::AddTask),
            (Key::Char('d'), Action::RemoveTask),
            (Key::Char('t'), Action::SplitTask),
        ],
        "add, remove, split",
        "Add a task, remove the one under the cursor, or make two halves of it.",
    ),
    row(
        Scope::On(Screen::SetUp),
        &[
            (Key::Char('K'), Action::Earlier),
            (Key::Char('J'), Action::Later),
            (Key::ShiftUp, Action::Earlier),
            (Key::ShiftDown, Action::Later),
        ],
        "move task",
        "Move the task earlier or later in the sequence.",
    ),
];
