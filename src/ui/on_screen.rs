//! What moves and choices mean on each screen.

use super::actions::{Action, PAGE, Screen};
use super::app::App;
use super::effect::Effect;
use super::line::Line;
use super::look::Figure;
use super::views::{body, log};

impl App {
    /// What an action means on the screen shown.
    pub(super) fn on_screen(&mut self, action: Action) -> Vec<Effect> {
        match self.screen {
            Screen::SetUp => return self.on_set_up(action),
            Screen::Train => self.on_train(action),
            Screen::Matrix => return self.on_matrix(action),
            Screen::Forgetting => return self.on_forgetting(action),
            Screen::Log => self.on_log(action),
            Screen::Machine => {}
            Screen::Runs => return self.on_runs_action(action),
            Screen::Sweep => return self.on_sweep_action(action),
        }
        Vec::new()
    }

    fn on_matrix(&mut self, action: Action) -> Vec<Effect> {
        if self.matrix.typed.is_some() {
            return self.on_typed_amount(action);
        }
        let Some(run) = &self.run else {
            return Vec::new();
        };
        match action {
            Action::Up => self.matrix.go(run, -1, 0),
            Action::Down => self.matrix.go(run, 1, 0),
            Action::Left => self.matrix.go(run, 0, -1),
            Action::Right => self.matrix.go(run, 0, 1),
            Action::Edit => self.matrix.typed = Some(Line::default()),
            Action::NextFigure => self.matrix.figure = self.matrix.figure.next(self.comparable()),
            Action::NextBeside => {
                self.matrix.beside = (self.matrix.beside + 1) % self.beside.len().max(1);
                self.matrix.figure = Figure::Difference.among(self.comparable());
            }
            Action::PreviousMerge | Action::NextMerge => {
                if let Some(preview) = &run.view.preview {
                    let by = if action == Action::NextMerge { 1 } else { -1 };
                    self.matrix.turn_amount(preview, by);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn on_log(&mut self, action: Action) {
        let Some(run) = &self.run else {
            return;
        };
        match action {
            Action::Up => self.log.scroll(run, 1),
            Action::Down => self.log.scroll(run, -1),
            Action::PageUp => self.log.scroll(run, PAGE),
            Action::PageDown => self.log.scroll(run, -PAGE),
            Action::Home => self.log.scroll(run, isize::MAX),
            Action::End => self.log.back = 0,
            Action::Filter => self.log.filter(),
            Action::Left | Action::Right => {
                let columns = body(self.size.0, self.size.1).0.saturating_sub(log::BEFORE);
                self.log.aside(run, columns.into(), action == Action::Right);
            }
            Action::Find => self.log.find(),
            Action::Confirm => self.log.before = None,
            Action::Cancel => {
                if let Some(before) = self.log.before.take() {
                    self.log.line = before;
                }
            }
            Action::Close => self.log.find_no_more(),
            _ => {}
        }
    }
}
