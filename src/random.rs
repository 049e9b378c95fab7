//! Keyed randomness: every draw is a function of what it is for, never of how many came before.
//!
//! A [`Key`] is folded from the seed, a purpose, the step id, the position in the stack, the training
//! step and the item; a draw is then a function of the key and an index. Nothing is advanced, so a
//! resume, an undo or another number of threads cannot change a draw.
//!
//! The mixer is SplitMix64's finaliser (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014).

/// A point in the tree of everything random in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Key {
    /// The root of a run's randomness.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// The child for a name: a purpose (`"shuffle"`, `"dropout"`), a step id, a module.
    pub fn named(self, name: &str) -> Self {
        // FNV-1a over the bytes; the length separates "ab"+"c" from "a"+"bc".
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.index(hash).index(name.len() as u64)
    }

    /// The child for a number: a position, a training step, an item.
    pub fn index(self, index: u64) -> Self {
        Self(mix(self.0 ^ mix(index.wrapping_add(GOLDEN))))
    }

    /// The `i`-th 64 random bits of this key.
    pub fn bits(self, i: u64) -> u64 {
        mix(self.0.wrapping_add(i.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// The `i`-th draw, uniform in [0, 1), of 24 bits so that it is exact in f32.
    pub fn unit(self, i: u64) -> f32 {
        (self.bits(i) >> 40) as f32 * (1.0 / (1u64 << 24) as f32)
    }

    /// The `i`-th draw, uniform in [low, high).
    pub fn uniform(self, i: u64, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit(i)
    }

    /// The `i`-th draw of a standard normal (Box and Muller, 1958).
    pub fn normal(self, i: u64) -> f32 {
        let u = 1.0 - f64::from(self.unit(2 * i));
        let v = f64::from(self.unit(2 * i + 1));
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    /// The `i`-th draw, uniform in 0..n. The bias is below n / 2^64.
    pub fn below(self, i: u64, n: usize) -> usize {
        ((u128::from(self.bits(i)) * n as u128) >> 64) as usize
    }

    /// A permutation of 0..n (Fisher and Yates).
    pub fn permutation(self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u64, i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_the_whole_path_and_on_nothing_else() {
        let key = Key::new(1).named("shuffle").named("parity").index(0);
        assert_eq!(key, Key::new(1).named("shuffle").named("parity").index(0));
        for other in [
            Key::new(2).named("shuffle").named("parity").index(0),
            Key::new(1).named("init").named("parity").index(0),
            Key::new(1).named("shuffle").named("parity").index(1),
            Key::new(1).named("shufflep").named("arity").index(0),
        ] {
            assert_ne!(key.bits(0), other.bits(0));
        }
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Key::new(7).permutation(1000);
        assert_ne!(order, (0..1000).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let key = Key::new(3);
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f32| (0..n).map(|i| f64::from(f(i))).sum::<f64>() / n as f64;
        assert!((mean(&|i| key.unit(i)) - 0.5).abs() < 0.005);
        assert!(mean(&|i| key.normal(i)).abs() < 0.01);
        assert!((mean(&|i| key.normal(i).powi(2)) - 1.0).abs() < 0.02);
        assert!((0..n).all(|i| (0.0..1.0).contains(&key.unit(i)) && key.below(i, 7) < 7));
    }
}
