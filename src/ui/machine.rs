//! What the machine does while it trains, and what it did in the last minutes.

use std::collections::VecDeque;
use std::time::Duration;

/// The machine at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Processors.
    pub processors: usize,
    /// Processors that this process kept busy since the sample before.
    pub process_busy: f64,
    /// Processors that were busy at all.
    pub machine_busy: f64,
    /// Bytes of memory that this process holds.
    pub process_memory: u64,
    /// The most that it ever held, where the system tells.
    pub process_peak: Option<u64>,
    /// Bytes of memory in use at all.
    pub machine_memory: u64,
    /// Bytes of memory that there are.
    pub memory: u64,
    /// The GPUs, or why none is seen.
    pub gpus: Result<Vec<Gpu>, &'static str>,
}

/// A GPU at a moment. What its driver does not tell is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// The part of the time in which it computed, in [0, 1].
    pub busy: Option<f64>,
    /// Bytes of memory in use, and those that there are.
    pub memory: Option<(u64, u64)>,
    /// Power in W.
    pub power: Option<f64>,
    /// Temperature in °C.
    pub temperature: Option<u32>,
}

/// How long samples are kept.
const KEPT: Duration = Duration::from_secs(300);
/// However often they come.
const MOST: usize = 1200;

/// The samples of the last minutes.
#[derive(Default)]
pub struct History {
    samples: VecDeque<(Duration, Sample)>,
    peak: u64,
}

impl History {
    /// Adds one that was taken at `now` on a clock that does not go back.
    pub fn push(&mut self, now: Duration, sample: Sample) {
        let held = sample.process_memory.max(sample.process_peak.unwrap_or(0));
        self.peak = self.peak.max(held);
        self.samples.push_back((now, sample));
        while self.samples.len() > MOST
            || self
                .samples
                .front()
                .is_some_and(|(then, _)| now.saturating_sub(*then) > KEPT)
        {
            self.samples.pop_front();
        }
    }

    /// The newest.
    pub fn newest(&self) -> Option<&Sample> {
        self.samples.back().map(|(_, sample)| sample)
    }

    /// The most bytes of memory that this process is known to have held.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// A figure of each sample by its age in seconds, which is negative; the newest has 0.
    pub fn curve(&self, figure: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, f64)> {
        let newest = self
            .samples
            .back()
            .map_or(Duration::ZERO, |(then, _)| *then);
        let age = |then: Duration| then.as_secs_f64() - newest.as_secs_f64();
        let samples = self.samples.iter();
        samples
            .filter_map(|(then, sample)| Some((age(*then), figure(sample)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(process_memory: u64) -> Sample {
        Sample {
            processors: 4,
            process_busy: 1.5,
            machine_busy: 2.0,
            process_memory,
            process_peak: None,
            machine_memory: 8,
            memory: 16,
            gpus: Err("none"),
        }
    }

    #[test]
    fn the_last_minutes_are_kept_and_the_peak_for_ever() {
        let mut history = History::default();
        assert!(history.newest().is_none() && history.curve(|_| Some(1.0)).is_empty());
        history.push(Duration::ZERO, sample(900));
        for second in 1..=400 {
            history.push(Duration::from_secs(second), sample(second));
        }
        assert_eq!(history.peak(), 900);
        assert_eq!(history.newest().unwrap().process_memory, 400);
        let curve = history.curve(|s| Some(s.process_memory as f64));
        assert_eq!(
            (curve.len(), curve[0], curve[300]),
            (301, (-300.0, 100.0), (0.0, 400.0))
        );
        assert!(
            history
                .curve(|s| s.gpus.as_ref().ok().map(|_| 1.0))
                .is_empty()
        );
        let mut told = sample(5);
        told.process_peak = Some(2000);
        history.push(Duration::from_secs(401), told);
        assert_eq!(history.peak(), 2000);
    }
}
