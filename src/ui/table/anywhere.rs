//! Keys on every screen.

use super::super::actions::{Action, Binding, Scope, Screen};
use super::super::keys::Key;
use super::{quiet, row};

/// What leaves the program, and what is given up.
pub const FILES: &[Binding] = &[
    row(
        Scope::Anywhere,
        &[(Key::Char('x'), Action::Export)],
        "export",
        "Write the matrix, the per-class figures and the summary into export/.",
    ),
    quiet(row(
        Scope::Anywhere,
        &[(Key::Char('X'), Action::ExportMenu)],
        "export menu",
        "Choose tables and figures to export: CSV, JSON, Markdown, LaTeX, SVG, PNG.",
    )),
    quiet(row(
        Scope::Anywhere,
        &[(Key::Char('Y'), Action::Copy)],
        "copy",
        "Put the matrix on the terminal's clipboard, for a spreadsheet.",
    )),
    row(
        Scope::Anywhere,
        &[(Key::Esc, Action::CancelWork)],
        "give up",
        "Give up what is being prepared: a download, the reading of data.",
    ),
];

/// Screens, looks, help, and the way out.
pub const ANYWHERE: &[Binding] = &[
    quiet(row(
        Scope::Anywhere,
        &[
            (Key::Char('1'), Action::Go(Screen::SetUp)),
            (Key::Char('2'), Action::Go(Screen::Train)),
            (Key::Char('3'), Action::Go(Screen::Matrix)),
            (Key::Char('4'), Action::Go(Screen::Forgetting)),
            (Key::Char('5'), Action::Go(Screen::Log)),
            (Key::Char('6'), Action::Go(Screen::Machine)),
            (Key::Char('7'), Action::Go(Screen::Runs)),
        ],
        "screen",
        "Go to a screen.",
    )),
    quiet(row(
        Scope::Anywhere,
        &[
            (Key::Tab, Action::NextScreen),
            (Key::BackTab, Action::PreviousScreen),
        ],
        "screen",
        "Go to the next screen, or the one before.",
    )),
    quiet(row(
        Scope::Anywhere,
        &[(Key::Char('c'), Action::Marker)],
        "dots",
        "Draw curves in braille or dots, or everything in ASCII.",
    )),
    quiet(row(
        Scope::Anywhere,
        &[(Key::Char('C'), Action::NextTheme)],
        "theme",
        "Other colours: dark, light, high contrast, colour-blind.",
    )),
    quiet(row(
        Scope::Anywhere,
        &[
            (Key::Char(':'), Action::Commands),
            (Key::Control('p'), Action::Commands),
        ],
        "actions",
        "Find any of these by a word of it, and do it.",
    )),
    row(
        Scope::Anywhere,
        &[(Key::Char('?'), Action::Help)],
        "help",
        "All keys.",
    ),
    quiet(row(
        Scope::Anywhere,
        &[(Key::Control('z'), Action::Suspend)],
        "suspend",
        "Give the terminal back to the shell: all stands still until its fg; its bg lets the lab work on.",
    )),
    row(
        Scope::Anywhere,
        &[
            (Key::Char('q'), Action::Quit),
            (Key::Interrupt, Action::Quit),
        ],
        "quit",
        "Leave; while the lab works this asks first, and stops with a checkpoint.",
    ),
];
