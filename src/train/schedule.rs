//! The learning rate of each step.

/// The learning rate of a step: a linear warm-up to `peak`, then a cosine to 0.
///
/// With T = `total` steps, s = `step` counted from 0, and W = round(`warmup`·T) steps of warm-up:
///
/// - s < W: `peak` · (s + 1) / W
/// - s ≥ W: `peak` · ½ (1 + cos(π (s − W) / (T − W)))
///
/// The peak is reached at the last step of the warm-up and held for one more; a step T would have 0. The cosine
/// is that of Loshchilov and Hutter (SGDR, arXiv 1608.03983), without restarts.
pub fn learning_rate(peak: f64, step: usize, total: usize, warmup: f64) -> f64 {
    let rising = (warmup.clamp(0.0, 1.0) * total as f64).round() as usize;
    if step < rising {
        return peak * (step + 1) as f64 / rising as f64;
    }
    if step >= total {
        return 0.0;
    }
    let along = (step - rising) as f64 / (total - rising) as f64;
    peak * 0.5 * (1.0 + (std::f64::consts::PI * along).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_linearly_then_falls_as_a_cosine() {
        let lr = |s| learning_rate(2.0, s, 100, 0.1);
        assert_eq!(lr(0), 0.2);
        assert_eq!(lr(4), 1.0);
        assert_eq!((lr(9), lr(10)), (2.0, 2.0));
        assert!((lr(55) - 1.0).abs() < 1e-12, "half-way down: {}", lr(55));
        assert!((lr(99) - (1.0 - (std::f64::consts::PI * 89.0 / 90.0).cos().abs())).abs() < 1e-12);
        assert_eq!(lr(100), 0.0);
        assert!((10..99).all(|s| lr(s) > lr(s + 1)));
    }

    #[test]
    fn the_ends_of_its_range_are_finite() {
        for warmup in [0.0, 0.5, 1.0] {
            for total in [0, 1, 2, 7] {
                for step in 0..10 {
                    let lr = learning_rate(1.0, step, total, warmup);
                    assert!((0.0..=1.0).contains(&lr), "{warmup} {total} {step}: {lr}");
                }
            }
        }
        assert_eq!(learning_rate(1.0, 0, 5, 0.0), 1.0);
        assert_eq!(learning_rate(1.0, 4, 5, 1.0), 1.0);
        // The study's warm-up of a task of 1,800 steps.
        assert_eq!(learning_rate(1e-3, 99, 1800, 1.0 / 18.0), 1e-3);
    }
}
