//! Keys of a sweep's grid, and the way back to it.

use super::super::actions::{Action, Binding, Scope, Screen};
use super::super::keys::Key;
use super::{FOUR_WAYS, PAGES, quiet, row};

/// On the grid.
pub const SWEEP: &[Binding] = &[
    row(
        Scope::On(Screen::Sweep),
        &[(Key::Enter, Action::Open)],
        "open",
        "Open the run under the cursor, live where another process is at work on it.",
    ),
    row(
        Scope::On(Screen::Sweep),
        FOUR_WAYS,
        "run",
        "Go to another run.",
    ),
    row(
        Scope::On(Screen::Sweep),
        &[(Key::Esc, Action::Back)],
        "runs",
        "Close the sweep and go back to the list of runs.",
    ),
    row(
        Scope::On(Screen::Sweep),
        &[(Key::Char('n'), Action::NextFailed)],
        "next failed",
        "Go to the next run that has failed.",
    ),
    row(
        Scope::On(Screen::Sweep),
        &[(Key::Char('v'), Action::Way)],
        "grid, list",
        "Show the runs as a grid, where it fits, or one below the other.",
    ),
    row(
        Scope::On(Screen::Sweep),
        &[(Key::Char('d'), Action::Details)],
        "details",
        "Show or hide what is known of the run under the cursor.",
    ),
    row(
        Scope::On(Screen::Sweep),
        &[(Key::Char(' '), Action::Beside)],
        "beside",
        "Lay the run beside the one that is shown, or take it away.",
    ),
    row(
        Scope::On(Screen::Sweep),
        &[(Key::Char('='), Action::Compare)],
        "compare",
        "Show cell by cell in what the matrix of the run that is shown differs from this one's.",
    ),
    quiet(row(
        Scope::On(Screen::Sweep),
        PAGES,
        "page",
        "Go to runs further away, to the first or to the last.",
    )),
];

/// On the screens of a run that was opened from the grid.
pub const BACK: &[Binding] = &[row(
    Scope::Run,
    &[(Key::Esc, Action::Back)],
    "sweep",
    "Go back to the grid of the sweep that is open.",
)];
