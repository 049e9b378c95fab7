//! Going through values with the left and right keys.

/// Steps of a task.
pub const STEPS: [f64; 14] = [
    10.0, 20.0, 50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 600.0, 800.0, 1000.0, 1500.0, 2000.0,
    3000.0,
];
/// Epochs of a task.
pub const EPOCHS: [f64; 11] = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 40.0, 60.0];

/// A number as one writes it: small ones by their power of ten.
pub fn plain(x: f64) -> String {
    match x.abs() {
        small if small > 0.0 && small < 0.01 => format!("{x:e}"),
        _ => x.to_string(),
    }
}

/// The next or the previous of `n` choices, around the end.
pub fn turn(at: usize, n: usize, up: bool) -> usize {
    if up { (at + 1) % n } else { (at + n - 1) % n }
}

/// The choice behind or before the present one; the first where the present one is none of them.
pub fn turned<T: Clone>(all: &[T], is_now: impl Fn(&T) -> bool, up: bool) -> Option<T> {
    let at = all.iter().position(is_now);
    let next = at.map_or(0, |at| turn(at, all.len(), up));
    all.get(next).cloned()
}

/// The next larger or smaller of sensible values; a value between them is left for one of them.
pub fn along(values: &[f64], now: f64, up: bool) -> f64 {
    let found = if up {
        values.iter().find(|v| **v > now)
    } else {
        values.iter().rev().find(|v| **v < now)
    };
    found.copied().unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_between_two_is_left_for_one_of_them() {
        assert_eq!(along(&STEPS, 125.0, true), 150.0);
        assert_eq!(along(&STEPS, 125.0, false), 100.0);
        assert_eq!(along(&EPOCHS, 1.0, false), 1.0);
        assert_eq!(turned(&[1, 2, 3], |n| *n == 3, true), Some(1));
        assert_eq!(turned(&[1, 2, 3], |n| *n == 9, false), Some(1));
        assert_eq!(turned::<u8>(&[], |_| true, true), None);
    }

    #[test]
    fn small_numbers_are_written_by_their_power() {
        assert_eq!(
            [0.0, 0.1, 16.0, 1e-3, 3e-5].map(plain),
            ["0", "0.1", "16", "1e-3", "3e-5"]
        );
    }
}
