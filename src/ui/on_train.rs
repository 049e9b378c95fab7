//! What keys mean on the train screen.

use super::actions::Action;
use super::app::App;
use super::curves::{Course, Look, Zoom};
use super::theme::Ink;

impl App {
    /// Another training, another look at its curves.
    pub(super) fn on_train(&mut self, action: Action) {
        let look = &mut self.train.curves;
        match action {
            Action::PreviousMerge => self.turn_training(-1),
            Action::NextMerge => self.turn_training(1),
            Action::Span => {
                look.whole = !look.whole;
                look.zoom = Zoom::default();
            }
            Action::Axis => {
                look.axis = look.axis.next();
                look.zoom = Zoom::default();
            }
            Action::Logarithm => look.log = !look.log,
            Action::Smoother => look.strength = look.strength.more(),
            Action::Rougher => look.strength = look.strength.less(),
            Action::Up => self.look_closer(Zoom::closer),
            Action::Down => self.look_closer(Zoom::wider),
            Action::Left => self.look_closer(|zoom, course| zoom.pan(course, -1.0)),
            Action::Right => self.look_closer(|zoom, course| zoom.pan(course, 1.0)),
            Action::Home => look.zoom = Zoom::default(),
            Action::End => look.zoom.follow(),
            _ => {}
        }
    }

    fn turn_training(&mut self, by: isize) {
        let newest = self
            .view()
            .map_or(0, |v| v.trainings.len())
            .saturating_sub(1);
        let at = self.train.training.unwrap_or(newest).min(newest);
        let to = at.saturating_add_signed(by).min(newest);
        if to == at {
            let which = if by < 0 { "first" } else { "newest" };
            self.say(Ink::Warning, format!("this is the {which} training"));
            return;
        }
        self.train.training = (to < newest).then_some(to);
        self.train.curves.zoom = Zoom::default();
    }

    /// Changes what part of the curves is in sight, or says why not.
    fn look_closer(&mut self, change: impl Fn(&mut Zoom, &Course) -> Result<(), &'static str>) {
        let Look { mut zoom, .. } = self.train.curves;
        let newest = self
            .view()
            .map_or(0, |v| v.trainings.len())
            .saturating_sub(1);
        let at = self.train.training.unwrap_or(newest).min(newest);
        let changed = match self.view().and_then(|v| Some((v, v.trainings.get(at)?))) {
            Some((view, training)) => change(&mut zoom, &self.train.curves.course(view, training)),
            None => Err("no task is trained yet"),
        };
        self.train.curves.zoom = zoom;
        if let Err(refusal) = changed {
            self.say(Ink::Warning, refusal.into());
        }
    }
}
