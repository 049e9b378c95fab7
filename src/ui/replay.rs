//! A run that no lab of this program works on, told again from its journal: back and forth over its records.

use super::actions::Action;
use super::app::App;
use super::open_run::OpenRun;
use crate::lab::{Event, Record};
use crate::run::RunView;

/// Parts of the journal that a step back or forward goes by.
const PARTS: usize = 100;
/// Looks at the clock that playing a whole journal takes; there are two a second.
const PLAYED_IN: usize = 120;

/// The records of a run, and how many of them are shown.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    records: Vec<Record>,
    /// How many are applied.
    at: usize,
    /// Whether it goes forward by itself.
    pub playing: bool,
}

impl Replay {
    /// A whole journal, all of it shown.
    pub fn new(records: &[Record]) -> Self {
        Self {
            records: records.to_vec(),
            at: records.len(),
            playing: false,
        }
    }

    /// Records shown and records there are.
    pub fn position(&self) -> (usize, usize) {
        (self.at, self.records.len())
    }

    /// Whether all of them are shown: what is new is then shown too.
    pub fn follows(&self) -> bool {
        self.at == self.records.len()
    }

    /// When the last record shown was written.
    pub fn time(&self) -> Option<&str> {
        Some(self.records.get(self.at.checked_sub(1)?)?.time.as_str())
    }

    /// How many records are to be shown after an action.
    fn target(&self, action: Action) -> usize {
        let last = self.records.len();
        let step = (last / PARTS).max(1);
        // The first record says what the run is: nothing is shown without it.
        let least = last.min(1);
        match action {
            Action::Rewind => self.at.saturating_sub(step).max(least),
            Action::Advance => (self.at + step).min(last),
            Action::PreviousEvent => {
                let mut before = self.records.iter().take(self.at.saturating_sub(1));
                let event = before.rposition(|record| is_turn(&record.event));
                event.map_or(least, |i| i + 1)
            }
            Action::NextEvent => {
                let after = self.records.iter().skip(self.at);
                let event = after.clone().position(|record| is_turn(&record.event));
                event.map_or(last, |i| self.at + i + 1)
            }
            _ => self.at,
        }
    }
}

/// Whether an event is a turn of the run, not a step on its way.
fn is_turn(event: &Event) -> bool {
    !matches!(
        event,
        Event::Step { .. }
            | Event::Watched { .. }
            | Event::Checkpoint { .. }
            | Event::Context { .. }
            | Event::Evaluated { .. }
            | Event::Probed { .. }
            | Event::Previewed { .. }
            | Event::Note { .. }
    )
}

impl OpenRun {
    /// Shows the first `to` records.
    fn show(&mut self, to: usize) {
        let Some(mut replay) = self.replay.take() else {
            return;
        };
        if to < replay.at {
            self.view = RunView::default();
            replay.at = 0;
        }
        let to = to.min(replay.records.len());
        for record in replay.records.get(replay.at..to).unwrap_or_default() {
            self.apply(record);
        }
        replay.at = to;
        replay.playing &= !replay.follows();
        self.replay = Some(replay);
    }

    /// A record that another process wrote: shown at once where all before it are.
    pub(super) fn hear(&mut self, record: &Record) {
        let follows = self.replay.as_ref().is_none_or(Replay::follows);
        if let Some(replay) = &mut self.replay {
            replay.records.push(record.clone());
            replay.at += usize::from(follows);
        }
        if follows {
            self.apply(record);
        }
    }
}

impl App {
    /// Goes back or forward in the run's journal, or lets it play.
    pub(super) fn scrub(&mut self, action: Action) {
        let Some(run) = &mut self.run else {
            return;
        };
        let Some(replay) = &mut run.replay else {
            return;
        };
        if action == Action::Play {
            replay.playing = !replay.playing;
            // From its end it begins again.
            if replay.playing && replay.follows() {
                run.show(1);
                if let Some(replay) = &mut run.replay {
                    replay.playing = true;
                }
            }
            return;
        }
        replay.playing = false;
        let to = replay.target(action);
        run.show(to);
    }

    /// Shows all there is.
    pub(super) fn follow(&mut self) {
        if let Some(run) = &mut self.run {
            run.show(usize::MAX);
        }
    }

    /// Plays on, if it plays.
    pub(super) fn play(&mut self) {
        let Some(run) = &mut self.run else {
            return;
        };
        let Some(replay) = run.replay.as_ref().filter(|replay| replay.playing) else {
            return;
        };
        let (at, all) = replay.position();
        run.show(at + (all / PLAYED_IN).max(1));
        self.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::sample;

    fn shown() -> OpenRun {
        let records = sample();
        let mut run = OpenRun::new("runs/x".into(), false);
        records.iter().for_each(|record| run.apply(record));
        run.replay = Some(Replay::new(&records));
        run
    }

    /// Wherever one goes, what is shown is the fold over the records up to there.
    #[test]
    fn every_position_is_the_fold_up_to_it() {
        let records = sample();
        let mut run = shown();
        let digest = |view: &RunView| format!("{view:?}");
        for to in [0, 5, 1, records.len(), 17, 18, 9] {
            run.show(to);
            let fold = RunView::replay(&records[..to]);
            assert_eq!(digest(&run.view), digest(&fold), "{to}");
        }
        run.show(usize::MAX);
        assert!(run.replay.as_ref().unwrap().follows());
    }

    #[test]
    fn turns_are_stepped_to_and_the_ends_hold() {
        let mut run = shown();
        let all = sample().len();
        let go = |run: &mut OpenRun, action| {
            let to = run.replay.as_ref().unwrap().target(action);
            run.show(to);
            to
        };
        let mut stops = vec![all];
        while *stops.last().unwrap() > 1 {
            stops.push(go(&mut run, Action::PreviousEvent));
        }
        assert!(stops.windows(2).all(|w| w[1] < w[0]), "{stops:?}");
        assert_eq!(go(&mut run, Action::Rewind), 1);
        for stop in stops.iter().rev().skip(1) {
            assert_eq!(go(&mut run, Action::NextEvent), *stop);
        }
        assert_eq!(go(&mut run, Action::Advance), all);
        let empty = Replay::new(&[]);
        assert_eq!(empty.target(Action::Rewind), 0);
        assert_eq!(empty.target(Action::NextEvent), 0);
    }

    #[test]
    fn what_is_new_is_shown_only_where_all_before_it_is() {
        let records = sample();
        let mut run = OpenRun::new("runs/x".into(), false);
        run.replay = Some(Replay::default());
        for record in &records[..20] {
            run.hear(record);
        }
        assert_eq!(run.view.records, 20);
        run.show(7);
        run.hear(&records[20]);
        assert_eq!(run.view.records, 7);
        assert_eq!(run.replay.as_ref().unwrap().position(), (7, 21));
        run.show(21);
        run.hear(&records[21]);
        assert_eq!(run.view.records, 22);
    }
}
