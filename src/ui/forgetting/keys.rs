//! What keys do on the forgetting screen.

use std::sync::Arc;

use super::super::actions::{Action, Key};
use super::super::app::App;
use super::super::effect::Effect;
use super::super::theme::Ink;
use super::super::views::forgetting;
use super::{Ancestry, Grouping, Way, foundation};
use crate::Result;

/// The longest filter: names are short.
const LONGEST: usize = 60;

impl App {
    /// What an action means on the forgetting screen.
    pub(in crate::ui) fn on_forgetting(&mut self, action: Action) -> Vec<Effect> {
        let listed = forgetting::way(self) == Some(Way::List);
        let Some(run) = &self.run else {
            return Vec::new();
        };
        let look = &mut self.forgetting;
        match action {
            Action::PreviousMerge => look.turn(&run.view, -1),
            Action::NextMerge => look.turn(&run.view, 1),
            Action::Baseline => look.since_start = !look.since_start,
            Action::Sort => look.sort = look.sort.next(),
            Action::Way => {
                self.forgetting.way = forgetting::way(self).map(Way::next);
            }
            // There, merges lie side by side.
            Action::Left if listed => look.turn(&run.view, -1),
            Action::Right if listed => look.turn(&run.view, 1),
            Action::Group => self.group(),
            Action::Coarser => self.deepen(-1),
            Action::Finer => self.deepen(1),
            Action::Measure => self.next_measure(),
            Action::Find => look.typing = true,
            Action::Confirm => look.typing = false,
            Action::Cancel | Action::Close => {
                look.typing = false;
                look.filter.clear();
            }
            _ => {
                if let Some(class) = forgetting::moved(self, action) {
                    self.forgetting.class = class;
                }
            }
        }
        self.settle();
        Vec::new()
    }

    /// A key while a filter is typed: what is shown follows at once.
    pub(in crate::ui) fn type_filter(&mut self, key: Key) {
        let filter = &mut self.forgetting.filter;
        match key {
            Key::Char(c) if !c.is_control() && filter.len() < LONGEST => filter.push(c),
            Key::Backspace => drop(filter.pop()),
            _ => {}
        }
        self.settle();
    }

    /// Puts the cursor on a class that is shown.
    fn settle(&mut self) {
        if let Some(class) = forgetting::shown(self) {
            self.forgetting.class = class;
        }
    }

    fn group(&mut self) {
        let grouped = self.view().and_then(foundation).is_some_and(|f| {
            let named = |group: &str| !group.is_empty();
            f.classes.iter().any(|c| named(&c.group))
        });
        self.forgetting.grouping = match self.forgetting.grouping {
            Grouping::Groups => match self.look_up() {
                Ok(true) => Grouping::Meaning,
                Ok(false) => {
                    let text =
                        "WordNet has none of the classes' names: they cannot be grouped by it";
                    self.say(Ink::Warning, text.into());
                    Grouping::None
                }
                Err(problem) => {
                    self.say(Ink::Bad, problem.to_string());
                    Grouping::None
                }
            },
            Grouping::Meaning if grouped => Grouping::None,
            Grouping::Meaning | Grouping::None => Grouping::Groups,
        };
    }

    /// Looks the classes up in WordNet, once; false where it has none of them.
    fn look_up(&mut self) -> Result<bool> {
        if self.forgetting.ancestry.is_none()
            && let Some(view) = self.view()
            && let Some(started) = &view.started
            && let Some(foundation) = foundation(view)
        {
            let measured = view.trainings.iter().filter_map(|t| t.wordnet.as_ref());
            let measured: Vec<_> = measured.collect();
            let chosen = &started.recipe.measure.synsets;
            let found = Ancestry::of(&foundation.classes, chosen, &measured)?;
            self.forgetting.ancestry = Some(Arc::new(found));
        }
        let found = self.forgetting.ancestry.as_ref();
        Ok(found.is_some_and(|a| !a.is_empty()))
    }

    fn deepen(&mut self, by: isize) {
        let look = &mut self.forgetting;
        match (&look.ancestry, look.grouping) {
            (Some(ancestry), Grouping::Meaning) => {
                let to = look.depth.min(ancestry.deepest());
                look.depth = to
                    .saturating_add_signed(by)
                    .clamp(1, ancestry.deepest().max(1));
            }
            _ => self.say(
                Ink::Warning,
                "the depth is that of groups by WordNet: t groups by it".into(),
            ),
        }
    }

    fn next_measure(&mut self) {
        let Some(run) = &self.run else {
            return;
        };
        let look = &mut self.forgetting;
        let chosen = look.chosen(&run.view);
        let training = chosen.and_then(|m| super::Losses::of(&run.view, m)?.training);
        if !training.is_some_and(|t| look.next_measure(t)) {
            self.say(
                Ink::Warning,
                "this merge has one measure of similarity, by features".into(),
            );
        }
    }
}
