//! The one table of what a user can do. Its order is the footer's: what comes first stays when the terminal
//! is narrow.

use super::actions::{Action, Binding, EXPLAINED, Scope, Screen};
use super::keys::Key;
use crate::lab::{Amounts, Command};
use crate::lora::Amount;

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

/// The table.
pub const TABLE: &[Binding] = &[
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
    row(
        Scope::Run,
        &[(Key::Char('m'), Action::Lab(Command::Merge(Amount::WHOLE)))],
        "merge",
        "Merge the trained adapter into the weights, then measure.",
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
        "Put a lab to work on a run that was opened to be looked at.",
    ),
    row(
        Scope::On(Screen::Matrix),
        &[(Key::Char('t'), Action::Take)],
        "take it",
        "Merge the chosen amount, or give it to the merge that was previewed.",
    ),
    row(
        Scope::On(Screen::Matrix),
        FOUR_WAYS,
        "cell",
        "Go to another cell; the figures behind it are below.",
    ),
    row(
        Scope::On(Screen::Matrix),
        &[(Key::Char('f'), Action::NextFigure)],
        "figure",
        "Accuracy, then forgetting by each of its three definitions.",
    ),
    row(
        Scope::On(Screen::Matrix),
        &[
            (Key::Char('v'), Action::Preview(Amounts::Lambdas)),
            (Key::Char('V'), Action::Preview(Amounts::Ranks)),
        ],
        "preview",
        "Measure what the trained adapter, or the merge of the cursor's row, would give with λ of 0 to 1 (v) or at lower \
         ranks (V): on a few images of each class, and asked again on all.",
    ),
    row(
        Scope::On(Screen::Matrix),
        &[
            (Key::Char('['), Action::PreviousMerge),
            (Key::Char(']'), Action::NextMerge),
        ],
        "amount",
        "Choose an amount of the preview.",
    ),
    quiet(row(
        Scope::On(Screen::Matrix),
        &[(Key::Esc, Action::Lab(Command::EndPreview))],
        "end preview",
        "End the preview under way.",
    )),
    row(
        Scope::On(Screen::Matrix),
        &[(Key::Char('B'), Action::Branch)],
        "branch",
        "Set up a run that begins with the rows up to the cursor's, with another rank, order, mode or seed.",
    ),
    row(
        Scope::On(Screen::Forgetting),
        &[(Key::Esc, Action::Close)],
        "close",
        "Close the card, or else show all classes again.",
    ),
    row(
        Scope::On(Screen::Forgetting),
        FOUR_WAYS,
        "class",
        "Go to another class.",
    ),
    row(
        Scope::On(Screen::Forgetting),
        &[(Key::Enter, Action::Card)],
        "card",
        "Open the class's card: its figures merge by merge, and the images that were lost; PgUp and PgDn turn their pages.",
    ),
    row(
        Scope::On(Screen::Forgetting),
        &[
            (Key::Char('['), Action::PreviousMerge),
            (Key::Char(']'), Action::NextMerge),
        ],
        "merge",
        "Choose the merge.",
    ),
    row(
        Scope::On(Screen::Forgetting),
        &[(Key::Char('b'), Action::Baseline)],
        "since",
        "What this merge cost, or what was lost since the start.",
    ),
    row(
        Scope::On(Screen::Forgetting),
        &[(Key::Char('v'), Action::Way)],
        "view",
        "Show all classes at a glance, with their names for all merges, or similarity against loss.",
    ),
    row(
        Scope::On(Screen::Forgetting),
        &[(Key::Char('o'), Action::Sort)],
        "order",
        "Sort by loss, by similarity to the task, by name, or as the data has them.",
    ),
    row(
        Scope::On(Screen::Forgetting),
        &[(Key::Char('/'), Action::Find)],
        "find",
        "Show only classes with a part of a name or of a group.",
    ),
    quiet(row(
        Scope::On(Screen::Forgetting),
        &[(Key::Char('t'), Action::Group)],
        "together",
        "Group classes by the data's groups, by what they are in WordNet, or not at all.",
    )),
    quiet(row(
        Scope::On(Screen::Forgetting),
        &[
            (Key::Char('<'), Action::Coarser),
            (Key::Char('>'), Action::Finer),
        ],
        "depth",
        "Group by synsets further up in WordNet, or further down.",
    )),
    quiet(row(
        Scope::On(Screen::Forgetting),
        &[(Key::Char('r'), Action::Measure)],
        "similarity",
        "Take the similarity by features, by WordNet or by CLIP, where the run has them.",
    )),
    quiet(row(
        Scope::On(Screen::Forgetting),
        &[(Key::Char('c'), Action::Marker)],
        "dots",
        "Draw with braille, dots or ASCII.",
    )),
    row(
        Scope::On(Screen::Train),
        &[(Key::Char('z'), Action::Span)],
        "whole run",
        "Curves of one task or of the whole run.",
    ),
    row(
        Scope::On(Screen::Train),
        LEFT_RIGHT,
        "training",
        "Look at an earlier training.",
    ),
    quiet(row(
        Scope::On(Screen::Train),
        &[(Key::Char('c'), Action::Marker)],
        "dots",
        "Draw curves in braille, dots or ASCII.",
    )),
    row(Scope::On(Screen::Log), UP_DOWN, "scroll", "Scroll."),
    quiet(row(
        Scope::On(Screen::Log),
        PAGES,
        "page",
        "Scroll by pages; End follows the newest line.",
    )),
    row(
        Scope::On(Screen::Log),
        &[(Key::Char('f'), Action::Filter)],
        "filter",
        "Show all lines, warnings and errors, or errors.",
    ),
    quiet(row(
        Scope::On(Screen::Forgetting),
        PAGES,
        "page",
        "Go to classes further away.",
    )),
    row(
        Scope::Anywhere,
        &[(Key::Char('x'), Action::Export)],
        "export",
        "Write the matrix, the per-class figures and the summary into export/.",
    ),
    row(
        Scope::Anywhere,
        &[(Key::Esc, Action::CancelWork)],
        "give up",
        "Give up what is being prepared: a download, the reading of data.",
    ),
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
    quiet(row(
        Scope::Anywhere,
        &[
            (Key::Char('1'), Action::Go(Screen::SetUp)),
            (Key::Char('2'), Action::Go(Screen::Train)),
            (Key::Char('3'), Action::Go(Screen::Matrix)),
            (Key::Char('4'), Action::Go(Screen::Forgetting)),
            (Key::Char('5'), Action::Go(Screen::Log)),
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
    row(
        Scope::Anywhere,
        &[(Key::Char('?'), Action::Help)],
        "help",
        "All keys.",
    ),
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

/// The table as Markdown, for the README.
pub fn markdown() -> String {
    let mut text = String::from("| Where | Keys | |\n|---|---|---|\n");
    for scope in EXPLAINED {
        for binding in TABLE.iter().filter(|b| b.scope == scope) {
            let keys: Vec<String> = binding
                .keys
                .iter()
                .map(|(key, _)| format!("`{}`", key.label()))
                .collect();
            text.push_str(&format!(
                "| {} | {} | {} |\n",
                scope.name(),
                keys.join(" "),
                binding.help
            ));
        }
    }
    text
}
