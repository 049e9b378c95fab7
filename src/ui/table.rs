//! The one table of what a user can do. Its order is the footer's: what comes first stays when the terminal
//! is narrow.

use super::actions::{Action, Binding, Bindings, EXPLAINED, Scope, Screen};
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
    row(
        Scope::Commands,
        &[
            (Key::Esc, Action::Cancel),
            (Key::Control('p'), Action::Cancel),
        ],
        "close",
        "Close the list of actions.",
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
        "Go back and forth in the journal of a run that no lab is at work on: by its turns \
         ({previous-event} {next-event}), or by hundredths ({rewind} {advance}).",
    ),
    quiet(row(
        Scope::Run,
        &[(Key::Char('P'), Action::Play)],
        "play",
        "Let the journal play, or stop it.",
    )),
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
        "Accuracy, forgetting by each of its three definitions; where runs lie beside this one, the difference to one, and \
         mean and deviation over seeds.",
    ),
    row(
        Scope::On(Screen::Matrix),
        &[
            (Key::Char('v'), Action::Preview(Amounts::Lambdas)),
            (Key::Char('V'), Action::Preview(Amounts::Ranks)),
        ],
        "preview",
        "Measure what the trained adapter, or the merge of the cursor's row, would give with λ of 0 to 1 ({preview-lambdas}) or \
         at lower ranks ({preview-ranks}): on a few images of each class, and asked again on all.",
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
    quiet(row(
        Scope::On(Screen::Matrix),
        &[(Key::Char(';'), Action::NextBeside)],
        "other run",
        "Compare with the next of the runs that lie beside this one.",
    )),
    row(
        Scope::On(Screen::Runs),
        &[(Key::Enter, Action::Open)],
        "open",
        "Open the run under the cursor; nothing is written until {take-up} puts a lab to work on it.",
    ),
    row(
        Scope::On(Screen::Runs),
        UP_DOWN,
        "run",
        "Go to another run.",
    ),
    row(
        Scope::On(Screen::Runs),
        &[(Key::Char(' '), Action::Beside)],
        "beside",
        "Lay the run beside the one that is shown, or take it away: its curves, its matrix, its classes.",
    ),
    row(
        Scope::On(Screen::Runs),
        &[(Key::Char('='), Action::Compare)],
        "compare",
        "Show cell by cell in what the matrix of the run that is shown differs from this one's.",
    ),
    row(
        Scope::On(Screen::Runs),
        &[(Key::Char('r'), Action::Refresh)],
        "look again",
        "Read the folder again.",
    ),
    quiet(row(
        Scope::On(Screen::Runs),
        PAGES,
        "page",
        "Go to runs further away.",
    )),
    row(
        Scope::On(Screen::Forgetting),
        FOUR_WAYS,
        "class",
        "Go to another class.",
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
    quiet(row(
        Scope::On(Screen::Forgetting),
        &[(Key::Char('o'), Action::Sort)],
        "order",
        "List classes by what they lost, or in their own order (lists only).",
    )),
    row(
        Scope::On(Screen::Train),
        &[(Key::Char('z'), Action::Span)],
        "whole run",
        "Curves of one task or of the whole run.",
    ),
    row(
        Scope::On(Screen::Train),
        &[
            (Key::Char('['), Action::PreviousMerge),
            (Key::Char(']'), Action::NextMerge),
        ],
        "training",
        "Look at the training before or after.",
    ),
    row(
        Scope::On(Screen::Train),
        UP_DOWN,
        "zoom",
        "Look closer at the newest steps or at the middle of what is in sight, or less close.",
    ),
    row(
        Scope::On(Screen::Train),
        LEFT_RIGHT,
        "pan",
        "Look at what was before or after; at the newest step curves are followed.",
    ),
    quiet(row(
        Scope::On(Screen::Train),
        &[(Key::Home, Action::Home), (Key::End, Action::End)],
        "all, newest",
        "See all of the curves again, or follow the newest step.",
    )),
    row(
        Scope::On(Screen::Train),
        &[
            (Key::Char('e'), Action::Smoother),
            (Key::Char('E'), Action::Rougher),
        ],
        "smooth",
        "Smooth curves more ({smoother}) or less ({rougher}): the weight of the past, none to .99, of an exponential moving average.",
    ),
    row(
        Scope::On(Screen::Train),
        &[(Key::Char('y'), Action::Logarithm)],
        "log",
        "Losses by their logarithm, or as they are.",
    ),
    row(
        Scope::On(Screen::Train),
        &[(Key::Char('t'), Action::Axis)],
        "axis",
        "Curves over steps, epochs or the time of training.",
    ),
    row(Scope::On(Screen::Log), UP_DOWN, "scroll", "Scroll."),
    quiet(row(
        Scope::On(Screen::Log),
        PAGES,
        "page",
        "Scroll by pages; {end} follows the newest line.",
    )),
    row(
        Scope::On(Screen::Log),
        &[(Key::Char('f'), Action::Filter)],
        "filter",
        "Show all lines, warnings and errors, or errors.",
    ),
    row(
        Scope::On(Screen::Log),
        &[(Key::Char('/'), Action::Find)],
        "find",
        "Show only lines with the text that is typed; an empty one shows all.",
    ),
    row(
        Scope::On(Screen::Log),
        LEFT_RIGHT,
        "sideways",
        "Scroll long lines sideways.",
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
    let bindings = Bindings::default();
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
                bindings.fill(binding.help, scope)
            ));
        }
    }
    text
}
