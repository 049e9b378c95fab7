//! Moments to disturb at.

use std::time::Duration;

/// Numbers that look random, the same for the same seed (Steele et al., "Fast splittable pseudorandom number generators",
/// OOPSLA 2014).
pub struct Random(u64);

impl Random {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, least: u16, most: u16) -> u16 {
        let span = u64::from(most.saturating_sub(least)) + 1;
        least + (self.next() % span) as u16
    }

    /// A moment within so many seconds.
    pub fn within(&mut self, seconds: f64) -> Duration {
        let part = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        Duration::from_secs_f64(part * seconds)
    }
}
