//! Which rows of the table hold at a moment, and why the others do not.

use super::actions::{Action, Bindings, Row, Scope, Screen};
use super::keys::Key;
use crate::lab::{Amounts, Ask, Command, State};

/// What lies over the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    /// Nothing.
    #[default]
    Screen,
    /// The help.
    Help,
    /// A question.
    Question,
    /// A list to choose from.
    List,
    /// The export menu.
    Menu,
    /// A value being typed.
    Typing,
    /// The list of everything that can be done.
    Commands,
    /// The sentence that the terminal is too small: only leaving is listened to.
    TooSmall,
}

/// What decides which rows of the table hold.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The keys in force.
    pub keys: &'a Bindings,
    /// What lies over the screen.
    pub layer: Layer,
    /// The screen.
    pub screen: Screen,
    /// Whether there is a run to look at.
    pub run: bool,
    /// Whether a lab is at work on it.
    pub lab: bool,
    /// Whether another process is at work on it.
    pub elsewhere: bool,
    /// Where the run stands.
    pub state: State,
    /// Whether it stands still.
    pub paused: bool,
    /// Whether step and merge happen by themselves.
    pub automatic: bool,
    /// Row of the next task.
    pub next: Option<usize>,
    /// Whether a merge can be taken back.
    pub undoable: bool,
    /// Whether something is being prepared that can be given up.
    pub preparing: bool,
    /// Whether what would be previewed is an adapter that is stored, not merged.
    pub stored: bool,
    /// Whether a preview has something to choose from.
    pub previewed: bool,
    /// Whether a run lies beside this one.
    pub beside: bool,
    /// Whether the cursor is on a run of the list.
    pub listed: bool,
    /// Whether it is on a sweep there.
    pub on_sweep: bool,
    /// Whether the grid of a sweep is open.
    pub sweep: bool,
    /// Whether a run of it has failed.
    pub failed: bool,
    /// Whether that run is the one that is shown.
    pub on_shown: bool,
    /// Whether the screen has something open that can be closed: a class's card, a filter.
    pub closable: bool,
}

impl<'a> Situation<'a> {
    /// Whether keys of this scope are listened to.
    pub fn hears(&self, scope: Scope) -> bool {
        match (self.layer, scope) {
            (Layer::Help, Scope::Help)
            | (Layer::Question, Scope::Question)
            | (Layer::List, Scope::List)
            | (Layer::Menu, Scope::Menu)
            | (Layer::Typing, Scope::Typing)
            | (Layer::Commands, Scope::Commands)
            | (Layer::TooSmall, Scope::Anywhere)
            | (Layer::Screen, Scope::Anywhere) => true,
            (Layer::Screen, Scope::Run | Scope::On(_)) => scope.is_on(self.screen),
            _ => false,
        }
    }

    /// Why an action makes no sense now, in one sentence; `None` where it does.
    pub fn refuses(&self, action: Action) -> Option<String> {
        let measures = || self.keys.of(Action::Preview(Amounts::Lambdas));
        match action {
            action if self.layer == Layer::TooSmall && action != Action::Quit => {
                Some("the terminal is too small for anything but leaving".into())
            }
            // As the list of actions asks.
            _ if self.screen == Screen::Sweep && !self.sweep => {
                Some("no sweep is open: the Runs screen lists those of its folder".into())
            }
            Action::Back if self.preparing => {
                Some("something is being prepared: that is given up first".into())
            }
            Action::Back if !self.sweep => {
                Some("no sweep is open that one could go back to".into())
            }
            Action::Back
                if self.screen != Screen::Sweep
                    && [Action::Close, Action::Lab(Command::EndPreview)]
                        .iter()
                        .any(|action| self.refuses(*action).is_none()) =>
            {
                Some("what is open on this screen is closed first".into())
            }
            Action::NextFailed if !self.failed => Some("no run of this sweep has failed".into()),
            Action::Lab(_)
            | Action::TakeUp
            | Action::Export
            | Action::ExportMenu
            | Action::Copy
            | Action::Preview(_)
            | Action::Take
            | Action::Branch
                if !self.run =>
            {
                Some("nothing runs yet: start a run on the set-up screen".into())
            }
            Action::Close if self.preparing || !self.closable => {
                Some("nothing is open here that could be closed".into())
            }
            Action::Export | Action::ExportMenu | Action::Copy
                if matches!(self.state, State::Idle) =>
            {
                Some("nothing is measured yet that could be exported".into())
            }
            Action::CancelWork if !self.preparing => {
                Some("nothing is being prepared that could be given up".into())
            }
            Action::TakeUp if self.screen == Screen::Runs && !self.on_shown => Some(
                "the cursor is on another run than the one that is shown: {open} opens it first".into(),
            ),
            Action::TakeUp if self.lab => Some("a lab is at work on this run already".into()),
            Action::Lab(_) if !self.lab => Some(format!(
                "no lab of this program is at work on this run: {} puts one to work",
                self.keys.of(Action::TakeUp)
            )),
            Action::Lab(Command::Automatic(on)) if on == self.automatic => Some(
                if on {
                    "step and merge happen by themselves already"
                } else {
                    "each step and merge waits for a key already"
                }
                .into(),
            ),
            Action::Preview(_) if self.stored => Some(
                "this task's adapter is stored for its own head, not merged: there is no amount to preview".into(),
            ),
            Action::Preview(amounts) => self.refuses(Action::Lab(Command::Preview(Ask {
                row: 1,
                amounts,
                quick: true,
            }))),
            Action::Edit if self.screen == Screen::Matrix => {
                self.refuses(Action::Preview(Amounts::Lambdas))
            }
            Action::Lab(command)
                if matches!(self.state, State::Previewing(_))
                    && command != Command::EndPreview
                    && self.refused(command).is_some() =>
            {
                Some("a preview is under way: {end-preview} ends it".into())
            }
            Action::PreviousMerge | Action::NextMerge
                if self.screen == Screen::Matrix
                    && !self.previewed
                    && matches!(self.state, State::Previewing(_)) =>
            {
                Some("the preview has measured nothing yet".into())
            }
            Action::Take if matches!(self.state, State::Previewing(_)) => {
                Some("a preview is under way: {end-preview} ends it".into())
            }
            Action::Take if !self.previewed => Some(format!(
                "no preview is there to take an amount from: {} measures one",
                measures()
            )),
            Action::PreviousMerge | Action::NextMerge
                if self.screen == Screen::Matrix && !self.previewed =>
            {
                Some(format!(
                    "no preview is there to choose an amount from: {} measures one",
                    measures()
                ))
            }
            Action::Rewind
            | Action::Advance
            | Action::PreviousEvent
            | Action::NextEvent
            | Action::Play
                if self.lab || !self.run =>
            {
                Some("a journal is gone through where no lab is at work on it: open a run to do so".into())
            }
            Action::NextBeside if !self.beside => {
                Some("no run lies beside this one: the Runs screen lays one there".into())
            }
            Action::Open if self.on_sweep => None,
            Action::Beside | Action::Compare if self.on_sweep => Some(
                "the cursor is on a sweep: {open} opens it, and its runs can be laid beside one another".into(),
            ),
            Action::Open | Action::Beside | Action::Compare if !self.listed => {
                Some("no run is listed here".into())
            }
            Action::Open if self.lab && !self.elsewhere => Some(
                "a lab is at work on the run that is shown: open the other from a second terminal, or lay it beside with \
                 Space"
                    .into(),
            ),
            Action::Beside | Action::Compare if !self.run => {
                Some("no run is shown that another could lie beside: Enter opens one".into())
            }
            Action::Branch if matches!(self.state, State::Idle) => {
                Some("no row is measured yet to branch from".into())
            }
            Action::Lab(command) => self.refused(command),
            _ => None,
        }
    }

    /// Why the lab refuses a command where the run stands.
    fn refused(&self, command: Command) -> Option<String> {
        let (paused, undoable) = (self.paused, self.undoable);
        self.state
            .refuses(command, self.automatic, paused, self.next, undoable)
    }

    /// What a key does: the first row that hears it and makes sense, else the first that hears it.
    pub fn action(&self, key: Key) -> Option<Action> {
        let heard = || {
            let rows = self.keys.rows().iter();
            rows.filter(|row| self.hears(row.binding.scope))
                .flat_map(|row| &row.keys)
                .filter(|(bound, _)| *bound == key)
                .map(|(_, action)| *action)
        };
        heard()
            .find(|action| self.refuses(*action).is_none())
            .or_else(|| heard().next())
    }

    /// Rows for the footer, in order: heard, sensible, not quiet.
    pub fn footer(&self) -> impl Iterator<Item = &'a Row> {
        let situation = *self;
        self.keys.rows().iter().filter(move |row| {
            let sensible = |(_, action): &(Key, Action)| situation.refuses(*action).is_none();
            let shown = !row.binding.quiet && situation.hears(row.binding.scope);
            shown && row.keys.iter().any(sensible)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    fn situation(screen: Screen, state: State) -> Situation<'static> {
        static KEYS: LazyLock<Bindings> = LazyLock::new(Bindings::default);
        Situation {
            keys: &KEYS,
            layer: Layer::Screen,
            screen,
            run: true,
            lab: true,
            elsewhere: false,
            state,
            paused: false,
            automatic: false,
            next: Some(2),
            undoable: true,
            preparing: false,
            stored: false,
            previewed: false,
            beside: false,
            listed: true,
            on_sweep: false,
            sweep: true,
            failed: true,
            on_shown: true,
            closable: true,
        }
    }

    /// Two rows may share a key only where never both make sense.
    #[test]
    fn a_key_means_one_thing_at_a_time() {
        let states = [
            State::Idle,
            State::Training(1),
            State::Trained(1),
            State::Measured(1),
            State::Finished,
        ];
        for screen in Screen::ALL.into_iter().chain([Screen::Sweep]) {
            for (state, paused) in states.into_iter().flat_map(|s| [(s, false), (s, true)]) {
                for layer in [
                    Layer::Screen,
                    Layer::Help,
                    Layer::Question,
                    Layer::List,
                    Layer::Menu,
                    Layer::Typing,
                    Layer::Commands,
                    Layer::TooSmall,
                ] {
                    let now = Situation {
                        layer,
                        paused,
                        ..situation(screen, state)
                    };
                    let mut keys: Vec<Key> = Vec::new();
                    let rows = now.keys.rows().iter();
                    for row in rows.filter(|r| now.hears(r.binding.scope)) {
                        for (key, action) in &row.keys {
                            if now.refuses(*action).is_none() {
                                assert!(!keys.contains(key), "{key:?} in {now:?}");
                                keys.push(*key);
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn one_key_pauses_and_goes_on() {
        let mut now = situation(Screen::Train, State::Training(1));
        let p = Key::Char('p');
        assert_eq!(now.action(p), Some(Action::Lab(Command::Pause)));
        now.paused = true;
        assert_eq!(now.action(p), Some(Action::Lab(Command::Resume)));
    }

    #[test]
    fn the_footer_shows_what_makes_sense() {
        let names = |s: &Situation| s.footer().map(|r| r.binding.name).collect::<Vec<_>>();
        let trained = names(&situation(Screen::Train, State::Trained(1)));
        assert!(trained.starts_with(&["merge", "discard"]), "{trained:?}");
        let measured = names(&situation(Screen::Train, State::Measured(1)));
        assert!(
            measured.starts_with(&["step", "undo", "skip"]),
            "{measured:?}"
        );
        let set_up = names(&situation(Screen::SetUp, State::Idle));
        assert!(!set_up.contains(&"step"));
    }

    #[test]
    fn a_run_without_a_lab_says_how_to_go_on() {
        let now = Situation {
            lab: false,
            ..situation(Screen::Train, State::Measured(1))
        };
        let refusal = now.refuses(Action::Lab(Command::Step)).unwrap();
        assert!(refusal.contains("g puts one to work"));
        assert_eq!(now.action(Key::Char('g')), Some(Action::TakeUp));
        assert_eq!(now.refuses(Action::TakeUp), None);
        assert_eq!(now.refuses(Action::Export), None);
    }
}
