//! Keys of one screen each.

use super::super::actions::{Action, Binding, Scope, Screen};
use super::super::keys::Key;
use super::{FOUR_WAYS, LEFT_RIGHT, PAGES, UP_DOWN, quiet, row};
use crate::lab::{Amounts, Command};

/// On the runs screen.
pub const RUNS: &[Binding] = &[
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
];

/// On the screens that show the run.
pub const VIEWS: &[Binding] = &[
    row(
        Scope::On(Screen::Matrix),
        &[(Key::Esc, Action::Lab(Command::EndPreview))],
        "end preview",
        "End the preview under way.",
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
        &[(Key::Char('='), Action::Edit)],
        "type an amount",
        "Type an amount to preview: a λ as 0.6, a rank as r4, or both.",
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
        "Open the class's card: its figures merge by merge, and the images that were lost; {page-up} and {page-down} turn their pages.",
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
    row(
        Scope::On(Screen::Log),
        &[(Key::Esc, Action::Close)],
        "all lines",
        "Show lines with any text again.",
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
];
