//! What keys and actions do, whatever the screen.

use super::actions::{Action, Key, Layer, Scope, Screen};
use super::app::{App, Busy};
use super::effect::Effect;
use super::exporting::ExportMenu;
use super::line::Line;
use super::open_run::OpenRun;
use super::question::Question;
use super::setup::Request;
use super::theme::{Depth, Ink};
use super::views::{body, help};
use crate::lab::{Command, State};

impl App {
    /// A key was pressed.
    pub fn on_key(&mut self, key: Key) -> Vec<Effect> {
        self.touch();
        if self.toast.as_ref().is_some_and(|t| t.ink == Ink::Bad) {
            self.toast = None;
        }
        if key == Key::Interrupt {
            return self.interrupt();
        }
        if self.suspends(key) {
            return vec![Effect::Suspend];
        }
        let situation = self.situation();
        let (layer, action) = (situation.layer, situation.action(key));
        match (layer, action) {
            // Nothing else can be seen there.
            (Layer::TooSmall, Some(Action::Quit)) => return self.interrupt(),
            (Layer::TooSmall, _) => return Vec::new(),
            (Layer::Typing | Layer::Commands, _) => self.on_line(key, action),
            _ => {}
        }
        match action {
            Some(action) => self.on_action(action),
            None => Vec::new(),
        }
    }

    /// A key while something is typed: a character is put, or an action edits the line; lists that show what the line
    /// says follow at once.
    fn on_line(&mut self, key: Key, action: Option<Action>) {
        let takes = |c: &char| self.set_up.prompt().is_none_or(|prompt| prompt.takes(*c));
        let put = match key {
            Key::Char(c) if action.is_none() => Some(c).filter(takes),
            _ => None,
        };
        let Some(line) = self.line() else {
            return;
        };
        let before = line.text().to_owned();
        put.into_iter().for_each(|c| line.put(c));
        action.into_iter().for_each(|action| line.edit(action));
        if line.text() == before {
            return;
        }
        match (&mut self.commands, self.screen) {
            (Some(commands), _) => commands.at = 0,
            (None, Screen::Log) => self.log.back = 0,
            (None, Screen::Forgetting) => self.settle(),
            _ => {}
        }
    }

    /// The line that is typed, while one is.
    fn line(&mut self) -> Option<&mut Line> {
        match (&mut self.commands, self.screen) {
            (Some(commands), _) => Some(&mut commands.line),
            (None, Screen::Matrix) => self.matrix.typed.as_mut(),
            (None, Screen::Log) => Some(&mut self.log.line),
            (None, Screen::Forgetting) => Some(&mut self.forgetting.filter),
            (None, _) => self.set_up.line(),
        }
    }

    /// Whether a key gives the terminal back, as Control and Z does in any program: whatever lies over the screen, unless
    /// it is a character that is typed.
    fn suspends(&self, key: Key) -> bool {
        let mut rows = self.keys.of_scope(Scope::Anywhere);
        !matches!(key, Key::Char(_))
            && rows.any(|row| row.keys_of(Action::Suspend).any(|own| own == key))
    }

    /// Control and C leaves from everywhere: asked twice it means it.
    fn interrupt(&mut self) -> Vec<Effect> {
        match self.question {
            Some(Question::Quit | Question::LeavePaused) => self.on_action(Action::Confirm),
            _ => {
                (self.question, self.commands, self.help) = (None, None, None);
                self.quit()
            }
        }
    }

    /// The user does something.
    pub fn on_action(&mut self, action: Action) -> Vec<Effect> {
        self.touch();
        if let Some(question) = self.question.take() {
            return match action {
                Action::Confirm => self.answered(question),
                Action::Cancel => Vec::new(),
                _ => {
                    self.question = Some(question);
                    Vec::new()
                }
            };
        }
        if self.commands.is_some() {
            return self.on_commands(action);
        }
        if let Some(line) = self.help {
            let (width, height) = self.size;
            let last = help::last_start(&self.keys, body(width, height));
            self.help = scrolled(line, last, action);
            return Vec::new();
        }
        if self.export.is_some() {
            return self.on_export_menu(action);
        }
        if let Some(refusal) = self.situation().refuses(action) {
            self.say(Ink::Warning, refusal);
            return Vec::new();
        }
        match action {
            Action::Go(screen) => return self.go(screen),
            Action::NextScreen => return self.go(self.screen.further(1)),
            Action::PreviousScreen => return self.go(self.screen.further(Screen::ALL.len() - 1)),
            Action::Help => self.help = Some(0),
            Action::Quit => return self.quit(),
            Action::Lab(Command::Discard) => {
                self.question = self.view().and_then(Question::discard);
            }
            Action::Lab(Command::Undo) => self.question = self.view().and_then(Question::undo),
            Action::Lab(command) => {
                if command == Command::Pause {
                    self.say(Ink::Accent, "pausing at the end of this batch".into());
                }
                return vec![Effect::Send(command)];
            }
            Action::Preview(amounts) => return self.preview(amounts),
            Action::Take => return self.take_amount(),
            Action::Branch => self.set_up_branch(),
            Action::Suspend => return vec![Effect::Suspend],
            Action::CancelWork => return vec![Effect::Cancel],
            Action::TakeUp => return self.take_up(),
            Action::Export if self.busy.is_none() => {
                self.busy = Busy::with("exporting", false);
                return vec![Effect::Export];
            }
            Action::Rewind
            | Action::Advance
            | Action::PreviousEvent
            | Action::NextEvent
            | Action::Play => self.scrub(action),
            Action::ExportMenu => self.export = Some(ExportMenu::default()),
            Action::Copy => return self.copy_matrix(),
            Action::Start => return self.start(),
            Action::Marker => self.theme.marker = self.theme.marker.next(),
            Action::NextTheme => self.next_theme(),
            Action::Commands => self.open_commands(),
            Action::Back => return self.back(),
            _ => return self.on_screen(action),
        }
        Vec::new()
    }

    pub(super) fn go(&mut self, screen: Screen) -> Vec<Effect> {
        self.screen = match (screen, &self.sweep) {
            (Screen::Runs, Some(_)) => Screen::Sweep,
            (screen, _) => screen,
        };
        match self.screen {
            Screen::Runs => self.list_runs(),
            _ => Vec::new(),
        }
    }

    fn next_theme(&mut self) {
        if self.theme.depth == Depth::None {
            let text = "NO_COLOR is set: there are no colours to change";
            self.say(Ink::Warning, text.into());
            return;
        }
        self.theme = self.theme.with_palette(self.theme.palette.next());
        let text = format!("colours: {}", self.theme.palette.name());
        self.say(Ink::Accent, text);
    }

    fn answered(&mut self, question: Question) -> Vec<Effect> {
        match question {
            Question::Quit | Question::LeavePaused => {
                self.leaving = true;
                vec![Effect::Quit]
            }
            Question::Discard { .. } => vec![Effect::Send(Command::Discard)],
            Question::Undo { .. } => vec![Effect::Send(Command::Undo)],
            Question::Reweigh { row, amount, .. } => {
                vec![Effect::Send(Command::Reweigh(row, amount))]
            }
            Question::Leave(request) => self.begin(request),
            Question::TakeUp => self.take_up(),
            Question::Replace { path, recipe } => vec![Effect::Save {
                path,
                recipe,
                replace: true,
            }],
        }
    }

    fn take_up(&mut self) -> Vec<Effect> {
        match self.prepare("reading the backbone, the data and the run's adapters") {
            true => vec![Effect::TakeUp],
            false => Vec::new(),
        }
    }

    fn quit(&mut self) -> Vec<Effect> {
        if self.leaving {
            return vec![Effect::Abandon];
        }
        if self.run.as_ref().is_some_and(OpenRun::works) {
            self.question = Some(Question::Quit);
            return Vec::new();
        }
        let held = |run: &OpenRun| run.lab && run.elsewhere && run.view.paused;
        if self.run.as_ref().is_some_and(held) {
            self.question = Some(Question::LeavePaused);
            return Vec::new();
        }
        self.leaving = true;
        vec![Effect::Quit]
    }

    fn start(&mut self) -> Vec<Effect> {
        if self.busy.is_some() {
            return Vec::new();
        }
        let request = match self.set_up.request() {
            Ok(request) => request,
            Err(problem) => {
                self.say(Ink::Bad, problem.to_string());
                return Vec::new();
            }
        };
        let unfinished = |run: &OpenRun| {
            run.lab && !run.elsewhere && !matches!(run.view.state, State::Finished | State::Failed)
        };
        if self.run.as_ref().is_some_and(unfinished) {
            self.question = Some(Question::Leave(request));
            return Vec::new();
        }
        self.begin(request)
    }

    fn begin(&mut self, request: Request) -> Vec<Effect> {
        self.busy = Busy::with("starting: reading the backbone and the data", true);
        vec![Effect::Start(request)]
    }
}

/// The help's first line after an action, `None` once it is closed.
fn scrolled(line: usize, last: usize, action: Action) -> Option<usize> {
    match action {
        Action::Cancel | Action::Help => None,
        action => Some(action.moved(line, last)),
    }
}
