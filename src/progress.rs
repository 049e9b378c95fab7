//! How far long work is, told to whoever waits for it, and heard from them that it should end.

use std::collections::VecDeque;
use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a download.
    Bytes,
    /// Images read.
    Images,
    /// What the lab's work is made of: images, steps.
    Parts,
}

/// How far one piece of work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// `timm/resnet50.a1_in1k model.safetensors`
    pub what: String,
    /// Units done.
    pub done: u64,
    /// Units in all; 0 where that is not known.
    pub total: u64,
    /// What is counted.
    pub unit: Unit,
}

impl Progress {
    /// So many images done, of so many; 0 where that is not known.
    pub fn images(what: &str, done: usize, total: usize) -> Self {
        Self {
            what: what.to_owned(),
            done: done as u64,
            total: total as u64,
            unit: Unit::Images,
        }
    }
}

/// Waits for long work.
pub trait Onlooker {
    /// Hears how far the work is; called often, so it returns at once.
    fn tell(&mut self, progress: &Progress);
    /// Whether the work is to end; asked between any two of its parts.
    fn cancels(&self) -> bool;
}

/// Hears nothing and never cancels.
pub struct Nobody;

impl Onlooker for Nobody {
    fn tell(&mut self, _: &Progress) {}

    fn cancels(&self) -> bool {
        false
    }
}

/// Hears nothing, and cancels when this says so.
pub struct Until<'a>(pub &'a dyn Fn() -> bool);

impl Onlooker for Until<'_> {
    fn tell(&mut self, _: &Progress) {}

    fn cancels(&self) -> bool {
        (self.0)()
    }
}

/// The stretch of time that a rate is taken from.
const WINDOW: Duration = Duration::from_secs(10);

/// Turns what is told into a line for people, with the rate of the last seconds and the time that is left.
#[derive(Default)]
pub struct Pace {
    what: String,
    seen: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// The line for `progress`, told at `now` on any clock that does not go back:
    /// `model.safetensors  12.4 of 346.3 MB  4.1 MB/s  1:21 left`.
    pub fn line(&mut self, progress: &Progress, now: Duration) -> String {
        if self.what != progress.what {
            *self = Self {
                what: progress.what.clone(),
                seen: VecDeque::new(),
            };
        }
        self.seen.push_back((now, progress.done));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|s| now - s.0 > WINDOW) {
            self.seen.pop_front();
        }
        let (scale, unit) = match progress.unit {
            Unit::Bytes => (1e6, " MB"),
            Unit::Images => (1.0, " images"),
            Unit::Parts => (1.0, ""),
        };
        let places = usize::from(progress.unit == Unit::Bytes);
        let amount = |n: f64| format!("{:.places$}", n / scale);
        let mut line = format!("{}  {}", progress.what, amount(progress.done as f64));
        if progress.total > 0 {
            line += &format!(" of {}", amount(progress.total as f64));
        }
        line += unit;
        if let Some(rate) = self.rate() {
            line += &format!("  {}{unit}/s", amount(rate));
            let left = progress.total.saturating_sub(progress.done) as f64 / rate;
            if left > 0.0 && left < 360_000.0 {
                let left = left.round() as u64;
                line += &format!("  {}:{:02} left", left / 60, left % 60);
            }
        }
        line
    }

    /// Units a second; none before there is something to tell.
    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.seen.front()?, self.seen.back()?);
        let seconds = (last.0 - first.0).as_secs_f64();
        let done = last.1.checked_sub(first.1)? as f64;
        (seconds >= 0.5 && done > 0.0).then_some(done / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(done: u64) -> Progress {
        Progress {
            what: "w".into(),
            done,
            total: 100_000_000,
            unit: Unit::Bytes,
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut pace = Pace::default();
        let at = Duration::from_secs;
        assert_eq!(pace.line(&bytes(0), at(0)), "w  0.0 of 100.0 MB");
        assert_eq!(
            pace.line(&bytes(20_000_000), at(10)),
            "w  20.0 of 100.0 MB  2.0 MB/s  0:40 left"
        );
        // Ten seconds at a quarter of it: what was before is forgotten.
        assert_eq!(
            pace.line(&bytes(25_000_000), at(20)),
            "w  25.0 of 100.0 MB  0.5 MB/s  2:30 left"
        );
    }

    #[test]
    fn another_piece_of_work_begins_anew_and_a_total_may_be_unknown() {
        let mut pace = Pace::default();
        pace.line(&bytes(0), Duration::ZERO);
        let images = Progress {
            what: "cars".into(),
            done: 512,
            total: 0,
            unit: Unit::Images,
        };
        assert_eq!(
            pace.line(&images, Duration::from_secs(9)),
            "cars  512 images"
        );
    }
}
