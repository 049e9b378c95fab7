//! What a user can do. One table of it decides what a key does, fills the footer and the help screen, and prints
//! the README's.

use crate::lab::{Amounts, Command};

pub use super::bindings::{Bindings, Row};
pub use super::keys::Key;
pub use super::situation::{Layer, Situation};
pub use super::table::{markdown, table};

/// Lines that a page key moves.
pub(super) const PAGE: isize = 10;

/// The screens, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Screen {
    /// What to run.
    SetUp,
    /// Loss, accuracy, progress.
    Train,
    /// The accuracy matrix and the forgettings.
    Matrix,
    /// Which classes of the foundation were lost.
    Forgetting,
    /// What the lab said.
    Log,
    /// What is left, how fast it goes, what the machine does.
    Machine,
    /// The runs around this one, and which branches from which.
    Runs,
    /// The runs of a sweep, in the place of those around the one that is shown.
    Sweep,
}

impl Screen {
    /// All that have a number: the position plus one. A sweep that is open takes that of the runs.
    pub const ALL: [Self; 7] = [
        Self::SetUp,
        Self::Train,
        Self::Matrix,
        Self::Forgetting,
        Self::Log,
        Self::Machine,
        Self::Runs,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SetUp => "Set-up",
            Self::Train => "Train",
            Self::Matrix => "Matrix",
            Self::Forgetting => "Forgetting",
            Self::Log => "Log",
            Self::Machine => "Machine",
            Self::Runs => "Runs",
            Self::Sweep => "Sweep",
        }
    }

    /// The screen `by` further, around the end.
    pub fn further(self, by: usize) -> Self {
        let own = match self {
            Self::Sweep => Self::Runs,
            own => own,
        };
        let at = Self::ALL.iter().position(|&s| s == own).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

/// Something a user does. What it means beyond this list depends on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Goes to a screen.
    Go(Screen),
    /// Goes to the next screen.
    NextScreen,
    /// Goes to the screen before.
    PreviousScreen,
    /// Opens or closes the help.
    Help,
    /// Leaves the program; asks while the lab works.
    Quit,
    /// Gives the terminal back to the shell until it lets the program go on.
    Suspend,
    /// Asks something of the lab.
    Lab(Command),
    /// Puts a lab to work on a run that was only looked at.
    TakeUp,
    /// Writes the export and shows its path.
    Export,
    /// Opens the export menu.
    ExportMenu,
    /// Puts the matrix on the terminal's clipboard.
    Copy,
    /// Starts the run that is set up.
    Start,
    /// Moves the cursor.
    Up,
    /// Moves the cursor.
    Down,
    /// Moves the cursor, or lowers the value under it.
    Left,
    /// Moves the cursor, or raises the value under it.
    Right,
    /// Moves by a page.
    PageUp,
    /// Moves by a page.
    PageDown,
    /// Goes to the beginning.
    Home,
    /// Goes to the end.
    End,
    /// Turns the field under the cursor on or off.
    Toggle,
    /// Moves the task under the cursor up.
    Earlier,
    /// Moves the task under the cursor down.
    Later,
    /// Types a value.
    Edit,
    /// Opens the list of the field under the cursor.
    List,
    /// Searches the hub for a backbone.
    Search,
    /// Adds a task to the sequence.
    AddTask,
    /// Takes the task under the cursor out of the sequence.
    RemoveTask,
    /// Makes two halves of the task under the cursor.
    SplitTask,
    /// Writes what is set up as a preset.
    Save,
    /// Gives up what is being prepared: a download, the reading of data.
    CancelWork,
    /// Shows the next figure: accuracy, then the three forgettings.
    NextFigure,
    /// Measures what other amounts of an update would make of the matrix.
    Preview(Amounts),
    /// Merges the amount chosen in the preview.
    Take,
    /// Sets up a branch from the row under the cursor.
    Branch,
    /// Opens the run under the cursor.
    Open,
    /// Lays the run under the cursor beside the one that is shown, or takes it away.
    Beside,
    /// Shows in which cells the run under the cursor differs from the one that is shown.
    Compare,
    /// Takes the next of the runs beside this one to compare with.
    NextBeside,
    /// Looks again.
    Refresh,
    /// Goes to the next run of the sweep that has failed.
    NextFailed,
    /// Shows or hides what is said of the run under the cursor.
    Details,
    /// Goes back: from a run of a sweep to the grid, from the grid to the list of runs.
    Back,
    /// Goes back in the journal of a run that no lab is at work on.
    Rewind,
    /// Goes forward in it.
    Advance,
    /// Goes back to the turn before: a training begun, a merge, an undo.
    PreviousEvent,
    /// Goes forward to the next turn.
    NextEvent,
    /// Lets the journal play, or stops it.
    Play,
    /// Chooses the merge before.
    PreviousMerge,
    /// Chooses the merge after.
    NextMerge,
    /// Compares with the state before the merge, or with the start.
    Baseline,
    /// Sorts classes by another figure.
    Sort,
    /// Shows classes in another way.
    Way,
    /// Puts classes together by something else.
    Group,
    /// Makes fewer groups of more classes.
    Coarser,
    /// Makes more groups of fewer classes.
    Finer,
    /// Takes another measure of similarity.
    Measure,
    /// Types a text that what is shown has: classes by their names, lines of the log.
    Find,
    /// Opens the card of what is under the cursor.
    Card,
    /// Closes what is open on the screen.
    Close,
    /// Goes to the beginning of what is typed.
    LineStart,
    /// Goes to its end.
    LineEnd,
    /// Takes away the character before the cursor.
    Erase,
    /// Takes away the one under it.
    EraseNext,
    /// Takes away the word before it.
    EraseWord,
    /// Takes away all that stands before it.
    EraseLine,
    /// Shows one task or the whole run.
    Span,
    /// Draws curves over steps, epochs or time.
    Axis,
    /// Shows losses by their logarithm, or as they are.
    Logarithm,
    /// Smooths curves more.
    Smoother,
    /// Smooths curves less.
    Rougher,
    /// Draws curves with other characters.
    Marker,
    /// Draws everything in other colours.
    NextTheme,
    /// Opens the list of everything that can be done.
    Commands,
    /// Hides less important lines.
    Filter,
    /// Says yes to a question, or takes what was typed.
    Confirm,
    /// Says no, or leaves what was typed.
    Cancel,
}

impl Action {
    /// Where a cursor at `at` in a list up to `last` is after this move; where it was after anything else.
    pub fn moved(self, at: usize, last: usize) -> usize {
        // The list may have become shorter since.
        let at = at.min(last);
        let to = |by: isize| at.saturating_add_signed(by).min(last);
        match self {
            Self::Up => to(-1),
            Self::Down => to(1),
            Self::PageUp => to(-PAGE),
            Self::PageDown => to(PAGE),
            Self::Home => 0,
            Self::End => last,
            _ => at,
        }
    }

    /// What the settings call it: words of small letters with hyphens.
    pub fn name(self) -> String {
        match self {
            Self::Lab(Command::Automatic(true)) => "automatic".into(),
            Self::Lab(Command::Automatic(false)) => "manual".into(),
            Self::Lab(Command::Merge(_)) => "merge".into(),
            Self::Lab(command) => hyphenated(&format!("{command:?}")),
            other => hyphenated(&format!("{other:?}")),
        }
    }
}

/// `Go(SetUp)` as `go-set-up`.
fn hyphenated(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        if c.is_ascii_alphanumeric() {
            text.push(c.to_ascii_lowercase());
        }
    }
    text
}

/// Where a row of the table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On every screen, no question open.
    Anywhere,
    /// On every screen but set-up and the grid of a sweep.
    Run,
    /// On one screen.
    On(Screen),
    /// While the help is open.
    Help,
    /// While a question is open.
    Question,
    /// While a list is open.
    List,
    /// While the export menu is open.
    Menu,
    /// While a value is typed.
    Typing,
    /// While the list of everything that can be done is open.
    Commands,
}

/// The scopes that keys are explained by, in the help and in the README, in this order.
pub const EXPLAINED: [Scope; 12] = [
    Scope::Anywhere,
    Scope::Run,
    Scope::Menu,
    Scope::On(Screen::SetUp),
    Scope::List,
    Scope::Typing,
    Scope::On(Screen::Train),
    Scope::On(Screen::Matrix),
    Scope::On(Screen::Forgetting),
    Scope::On(Screen::Log),
    Scope::On(Screen::Runs),
    Scope::On(Screen::Sweep),
];

impl Scope {
    /// How the README names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anywhere => "everywhere",
            Self::Run => "all but Set-up, Sweep",
            Self::On(screen) => screen.name(),
            Self::Help => "this help",
            Self::Question => "a question",
            Self::List => "a list",
            Self::Menu => "the export menu",
            Self::Typing => "typing",
            Self::Commands => "the list of actions",
        }
    }

    /// What the settings call it.
    pub fn key(self) -> String {
        match self {
            Self::Anywhere => "everywhere".into(),
            Self::Run => "run".into(),
            Self::On(screen) => screen.name().to_ascii_lowercase(),
            Self::Help => "help".into(),
            Self::Question => "question".into(),
            Self::List => "list".into(),
            Self::Menu => "export-menu".into(),
            Self::Typing => "typing".into(),
            Self::Commands => "commands".into(),
        }
    }

    /// Whether characters are typed there, so that none of them is a key.
    pub fn types(self) -> bool {
        matches!(self, Self::Typing | Self::Commands)
    }

    /// Whether its keys are listened to on a screen with nothing over it.
    pub fn is_on(self, screen: Screen) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Run => !matches!(screen, Screen::SetUp | Screen::Sweep),
            Self::On(own) => own == screen,
            _ => false,
        }
    }

    /// Whether keys of both are listened to at one moment.
    pub fn meets(self, other: Self) -> bool {
        let over = |one: Self, other: Self| match (one, other) {
            (Self::Anywhere, Self::Run | Self::On(_)) => true,
            (Self::Run, Self::On(screen)) => one.is_on(screen),
            _ => false,
        };
        self == other || over(self, other) || over(other, self)
    }
}

/// A row of the table: keys that belong together, and what each does unless the settings say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// Where it holds.
    pub scope: Scope,
    /// Keys and what each does; a key's first appearance names it in the footer.
    pub keys: &'static [(Key, Action)],
    /// A word or two for the footer.
    pub name: &'static str,
    /// One sentence for the help; `{action}` stands for the action's key.
    pub help: &'static str,
    /// Whether the footer leaves it out.
    pub quiet: bool,
}
