//! The one table of what a user can do. Its order is the footer's: what comes first stays when the terminal
//! is narrow.

mod anywhere;
mod over;
mod run;
mod set_up;
mod sweep;
mod views;

use super::actions::{Action, Binding, Bindings, EXPLAINED, Scope};
use super::keys::Key;

/// The table, in parts.
static PARTS: [&[Binding]; 10] = [
    over::OVER,
    set_up::SET_UP,
    views::RUNS,
    sweep::SWEEP,
    run::RUN,
    views::VIEWS,
    anywhere::FILES,
    sweep::BACK,
    run::PACE,
    anywhere::ANYWHERE,
];

/// The rows of the table in their order.
pub fn table() -> impl Iterator<Item = &'static Binding> {
    PARTS.iter().copied().flatten()
}

const fn row(
    scope: Scope,
    keys: &'static [(Key, Action)],
    name: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        scope,
        keys,
        name,
        help,
        quiet: false,
    }
}

const fn quiet(binding: Binding) -> Binding {
    Binding {
        quiet: true,
        ..binding
    }
}

const UP_DOWN: &[(Key, Action)] = &[
    (Key::Up, Action::Up),
    (Key::Down, Action::Down),
    (Key::Char('k'), Action::Up),
    (Key::Char('j'), Action::Down),
];
const LEFT_RIGHT: &[(Key, Action)] = &[
    (Key::Left, Action::Left),
    (Key::Right, Action::Right),
    (Key::Char('h'), Action::Left),
    (Key::Char('l'), Action::Right),
];
const FOUR_WAYS: &[(Key, Action)] = &[
    (Key::Up, Action::Up),
    (Key::Down, Action::Down),
    (Key::Left, Action::Left),
    (Key::Right, Action::Right),
    (Key::Char('k'), Action::Up),
    (Key::Char('j'), Action::Down),
    (Key::Char('h'), Action::Left),
    (Key::Char('l'), Action::Right),
];
const PAGES: &[(Key, Action)] = &[
    (Key::PageUp, Action::PageUp),
    (Key::PageDown, Action::PageDown),
    (Key::Home, Action::Home),
    (Key::End, Action::End),
];

/// The table as Markdown, for the README.
pub fn markdown() -> String {
    let bindings = Bindings::default();
    let mut text = String::from("| Where | Keys | |\n|---|---|---|\n");
    for scope in EXPLAINED {
        for binding in table().filter(|b| b.scope == scope) {
            let keys: Vec<String> = binding
                .keys
                .iter()
                .map(|(key, _)| format!("`{}`", key.label()))
                .collect();
            text.push_str(&format!(
                "| {} | {} | {} |\n",
                scope.name(),
                keys.join(" "),
                bindings.fill(binding.help, scope)
            ));
        }
    }
    text
}
