//! What moves and choices mean on each screen.

use super::actions::{Action, Screen};
use super::app::{App, PAGE};
use super::effect::Effect;

impl App {
    /// What an action means on the screen shown.
    pub(super) fn on_screen(&mut self, action: Action) -> Vec<Effect> {
        match self.screen {
            Screen::SetUp => return self.on_set_up(action),
            Screen::Train => self.on_train(action),
            Screen::Matrix => self.on_matrix(action),
            Screen::Forgetting => return self.on_forgetting(action),
            Screen::Log => self.on_log(action),
        }
        Vec::new()
    }

    fn on_train(&mut self, action: Action) {
        let trainings = self.view().map_or(0, |v| v.trainings.len());
        let newest = trainings.saturating_sub(1);
        let by = match action {
            Action::Span => {
                self.train.whole = !self.train.whole;
                return;
            }
            Action::Left => -1,
            Action::Right => 1,
            _ => return,
        };
        let at = self.train.training.unwrap_or(newest);
        let to = at.saturating_add_signed(by).min(newest);
        self.train.training = (to < newest).then_some(to);
    }

    fn on_matrix(&mut self, action: Action) {
        let Some(run) = &self.run else {
            return;
        };
        match action {
            Action::Up => self.matrix.go(run, -1, 0),
            Action::Down => self.matrix.go(run, 1, 0),
            Action::Left => self.matrix.go(run, 0, -1),
            Action::Right => self.matrix.go(run, 0, 1),
            Action::NextFigure => self.matrix.figure = self.matrix.figure.next(),
            Action::PreviousMerge | Action::NextMerge => {
                if let Some(preview) = &run.view.preview {
                    let by = if action == Action::NextMerge { 1 } else { -1 };
                    self.matrix.turn_amount(preview, by);
                }
            }
            _ => {}
        }
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
            _ => {}
        }
    }
}
