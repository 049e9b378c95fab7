//! What keys do on the forgetting screen.

use std::sync::Arc;

use super::super::actions::Action;
use super::super::app::App;
use super::super::effect::Effect;
use super::super::line::Line;
use super::super::theme::Ink;
use super::super::views::forgetting;
use super::{Ancestry, Answered, Grouping, Losses, Lost, LostImages, LostRequest, Way};
use super::{are_glyphs, foundation};
use crate::progress::Progress;
use crate::{Error, Result};

impl App {
    /// What an action means on the forgetting screen.
    pub(in crate::ui) fn on_forgetting(&mut self, action: Action) -> Vec<Effect> {
        let way = forgetting::way(self);
        match action {
            Action::PreviousMerge => self.turn(-1),
            Action::NextMerge => self.turn(1),
            // There, merges lie side by side.
            Action::Left if way == Some(Way::List) => self.turn(-1),
            Action::Right if way == Some(Way::List) => self.turn(1),
            Action::PageUp if self.forgetting.card => self.turn_page(-1),
            Action::PageDown if self.forgetting.card => self.turn_page(1),
            Action::Baseline => self.forgetting.since_start = !self.forgetting.since_start,
            Action::Sort => self.forgetting.sort = self.forgetting.sort.next(),
            Action::Way => {
                self.forgetting.card = false;
                self.forgetting.way = way.map(Way::next);
            }
            Action::Group => self.group(),
            Action::Coarser => self.deepen(-1),
            Action::Finer => self.deepen(1),
            Action::Measure => self.next_measure(),
            Action::Card => self.open_card(),
            Action::Find => {
                self.forgetting.card = false;
                self.forgetting.typing = true;
            }
            Action::Confirm => self.forgetting.typing = false,
            Action::Close if self.forgetting.card => self.forgetting.card = false,
            Action::Cancel | Action::Close => {
                self.forgetting.typing = false;
                self.forgetting.filter = Line::default();
            }
            _ => {
                let moved = forgetting::moved(self, action);
                self.forgetting.class = moved.unwrap_or(self.forgetting.class);
            }
        }
        self.settle();
        self.look_at_lost()
    }

    fn turn(&mut self, by: isize) {
        if let Some(run) = &self.run {
            self.forgetting.turn(&run.view, by);
        }
    }

    fn open_card(&mut self) {
        self.forgetting.card = forgetting::shown(self).is_some();
        let foundation = self.view().and_then(foundation);
        let of_words = foundation.is_some_and(|f| !are_glyphs(f));
        if of_words && let Err(problem) = self.look_up() {
            self.say(Ink::Bad, problem.to_string());
        }
    }

    /// Goes to another page of the lost images.
    fn turn_page(&mut self, by: isize) {
        let last = forgetting::pages(self).saturating_sub(1);
        let page = self.forgetting.page.min(last);
        self.forgetting.page = page.saturating_add_signed(by).min(last);
    }

    /// Asks for the lost images of the card that is open, where they are not those that are there.
    fn look_at_lost(&mut self) -> Vec<Effect> {
        if !self.forgetting.card {
            return Vec::new();
        }
        let Some(request) = self.lost_request() else {
            self.forgetting.lost = Lost::Nothing;
            return Vec::new();
        };
        if self
            .forgetting
            .lost
            .request()
            .is_some_and(|known| **known == request)
        {
            return Vec::new();
        }
        let request = Arc::new(request);
        let text = "reading the lost images".to_owned();
        self.forgetting.page = 0;
        self.forgetting.lost = Lost::Reading(Arc::clone(&request), text);
        vec![Effect::Lost(request)]
    }

    /// Which images those are; `None` where no measurement is compared with another one.
    fn lost_request(&self) -> Option<LostRequest> {
        let run = self.run.as_ref()?;
        let started = run.view.started.as_ref()?;
        let losses = Losses::of(&run.view, self.forgetting.chosen(&run.view)?)?;
        let [before, start] = losses.earlier?;
        let from = match self.forgetting.since_start {
            true => start,
            false => before,
        };
        Some(LostRequest {
            folder: run.folder.clone(),
            foundation: started.recipe.foundation.clone(),
            loading: started.recipe.data.clone(),
            class: self.forgetting.class,
            side: self.pictures.side(),
            before: Answered::of(from),
            after: Answered::of(losses.evaluation?),
        })
    }

    /// Lost images were read, or could not be.
    pub fn on_lost(&mut self, request: &LostRequest, found: Result<LostImages>) {
        let lost = &mut self.forgetting.lost;
        let Some(wanted) = lost.request().filter(|wanted| ***wanted == *request) else {
            return;
        };
        let wanted = Arc::clone(wanted);
        *lost = match found {
            Ok(found) => Lost::There(wanted, Arc::new(found)),
            // Whoever cancels has asked for others, or leaves.
            Err(Error::Cancelled) => return,
            Err(problem) => Lost::Failed(wanted, problem.to_string()),
        };
        self.touch();
    }

    /// The data that lost images are in is being read; so far.
    pub fn on_looked_through(&mut self, progress: &Progress) {
        if let Lost::Reading(_, text) = &mut self.forgetting.lost {
            *text = match progress.total {
                0 => progress.what.clone(),
                all => format!("{}, {} of {all}", progress.what, progress.done),
            };
            self.touch();
        }
    }

    /// Puts the cursor on a class that is shown.
    pub(in crate::ui) fn settle(&mut self) {
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
