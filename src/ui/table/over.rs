//! Keys of what lies over the screens: questions, lists, menus, the help, and what is typed.

use super::super::actions::{Action, Binding, Scope};
use super::super::keys::Key;
use super::{PAGES, UP_DOWN, quiet, row};

const ERASE: &[(Key, Action)] = &[
    (Key::Backspace, Action::Erase),
    (Key::Delete, Action::EraseNext),
    (Key::Control('w'), Action::EraseWord),
    (Key::Control('u'), Action::EraseLine),
];
const ERASES: &str = "Take away a character, the word before the cursor ({erase-word}) or all before it ({erase-line}).";

/// While something lies over the screen.
pub const OVER: &[Binding] = &[
    row(
        Scope::Question,
        &[(Key::Char('y'), Action::Confirm)],
        "yes",
        "Do it.",
    ),
    row(
        Scope::Question,
        &[(Key::Char('n'), Action::Cancel), (Key::Esc, Action::Cancel)],
        "no",
        "Leave everything as it is.",
    ),
    row(
        Scope::Typing,
        &[(Key::Enter, Action::Confirm)],
        "take",
        "Take what was typed.",
    ),
    row(
        Scope::Typing,
        &[(Key::Esc, Action::Cancel)],
        "leave",
        "Leave the value as it was.",
    ),
    quiet(row(
        Scope::Typing,
        &[
            (Key::Left, Action::Left),
            (Key::Right, Action::Right),
            (Key::Home, Action::LineStart),
            (Key::Control('a'), Action::LineStart),
            (Key::End, Action::LineEnd),
            (Key::Control('e'), Action::LineEnd),
        ],
        "in the line",
        "Go to another place in what is typed.",
    )),
    quiet(row(Scope::Typing, ERASE, "erase", ERASES)),
    row(
        Scope::List,
        &[(Key::Enter, Action::Confirm)],
        "take",
        "Take the choice under the cursor.",
    ),
    row(Scope::List, UP_DOWN, "choice", "Go to another choice."),
    quiet(row(
        Scope::List,
        PAGES,
        "page",
        "Go to choices further away.",
    )),
    row(
        Scope::List,
        &[(Key::Char('e'), Action::Edit)],
        "type another",
        "Type what is not in the list: a file, a folder, a source, a regex.",
    ),
    row(
        Scope::List,
        &[(Key::Char('/'), Action::Search)],
        "search the hub",
        "Search timm's models on the hub for a backbone.",
    ),
    row(
        Scope::List,
        &[(Key::Esc, Action::Cancel), (Key::Char('q'), Action::Cancel)],
        "close",
        "Close the list without a change.",
    ),
    row(
        Scope::Menu,
        &[(Key::Enter, Action::Confirm)],
        "export",
        "Write what is chosen into export/.",
    ),
    row(
        Scope::Menu,
        &[(Key::Char(' '), Action::Toggle)],
        "choose",
        "Choose what is under the cursor, or not.",
    ),
    row(Scope::Menu, UP_DOWN, "line", "Go to another line."),
    quiet(row(
        Scope::Menu,
        PAGES,
        "page",
        "Go to the first or the last line.",
    )),
    row(
        Scope::Menu,
        &[(Key::Esc, Action::Cancel), (Key::Char('q'), Action::Cancel)],
        "close",
        "Close the menu without an export.",
    ),
    row(
        Scope::Commands,
        &[(Key::Enter, Action::Confirm)],
        "do it",
        "Do what is under the cursor, on its own screen where it has one.",
    ),
    row(
        Scope::Commands,
        &[(Key::Up, Action::Up), (Key::Down, Action::Down)],
        "choice",
        "Go to another action.",
    ),
    quiet(row(
        Scope::Commands,
        PAGES,
        "page",
        "Go to actions further away.",
    )),
    quiet(row(
        Scope::Commands,
        &[
            (Key::Left, Action::Left),
            (Key::Right, Action::Right),
            (Key::Control('a'), Action::LineStart),
            (Key::Control('e'), Action::LineEnd),
        ],
        "in the line",
        "Go to another place in what is typed.",
    )),
    quiet(row(Scope::Commands, ERASE, "erase", ERASES)),
    row(
        Scope::Commands,
        &[
            (Key::Esc, Action::Cancel),
            (Key::Control('p'), Action::Cancel),
        ],
        "close",
        "Close the list of actions.",
    ),
    row(Scope::Help, UP_DOWN, "scroll", "Scroll."),
    quiet(row(Scope::Help, PAGES, "page", "Scroll by pages.")),
    row(
        Scope::Help,
        &[
            (Key::Char('?'), Action::Cancel),
            (Key::Esc, Action::Cancel),
            (Key::Char('q'), Action::Cancel),
        ],
        "close",
        "Close the help.",
    ),
];
