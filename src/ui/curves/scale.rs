//! How high a plot of losses is: by what is on the screen, and so that one wild batch does not flatten the rest.

/// The range of values, an empty one where there are none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// Of the finite ones among `values`.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let none = Self {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        };
        values
            .filter(|v| v.is_finite())
            .fold(none, |range, v| Self {
                low: range.low.min(v),
                high: range.high.max(v),
            })
    }
}

/// How far above nearly all losses the scale follows the smoothed curve: what a wild batch leaves in it goes further.
const LEFT_OVER: f64 = 1.5;

/// The value that `share` of them are below; `None` where there are none.
fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let at = ((values.len() as f64 * share) as usize).min(last);
    Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

/// From where to where, for raw losses (finite ones) and the range of the smoothed ones: what nearly all of the raw
/// and the whole of the smoothed need, within what a wild batch leaves in the latter.
pub fn linear(mut raw: Vec<f64>, smooth: Range) -> (f64, f64) {
    let most = quantile(&mut raw, 0.98).unwrap_or(1.0);
    let least = quantile(&mut raw, 0.02).unwrap_or(0.0);
    let top = most.max(smooth.high).min(LEFT_OVER * most.abs());
    let top = (1.05 * top).max(1e-6);
    // A curve far above 0, or one that has gone below it, gets the height for itself.
    let low = match least {
        l if l < 0.0 => 1.1 * l,
        l if l > 0.4 * top => 0.9 * l,
        _ => 0.0,
    };
    (low, top)
}

/// The same of logarithms, of what is above 0.
pub fn logarithmic(mut raw: Vec<f64>, smooth: Range) -> (f64, f64) {
    raw.retain(|v| *v > 0.0);
    let most = quantile(&mut raw, 0.98).unwrap_or(1.0);
    let least = quantile(&mut raw, 0.01).unwrap_or(0.1);
    let top = most.max(smooth.high.min(LEFT_OVER * most)).log10();
    let low = if smooth.low > 0.0 { smooth.low } else { least };
    let low = least.min(low).log10();
    // A flat curve is not stretched to the noise in it.
    let air = (0.05 * (top - low)).max(0.05);
    (low - air, top + air)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(low: f64, high: f64) -> Range {
        Range::of([low, f64::NAN, high].into_iter())
    }

    #[test]
    fn a_wild_batch_does_not_flatten_the_curve() {
        let mut losses = vec![0.5; 200];
        losses[150] = 80.0;
        let (low, top) = linear(losses.clone(), range(0.5, 8.4));
        assert!(top < 1.0 && low < 0.5, "{low} {top}");
        let (low, top) = logarithmic(losses, range(0.5, 8.4));
        assert!(top < 0.3 && low > -0.5, "{low} {top}");
    }

    #[test]
    fn a_curve_far_above_nothing_gets_the_height_and_a_low_one_too() {
        let (low, top) = linear(vec![2.30; 50], range(2.30, 2.30));
        assert!(low > 2.0 && top < 2.5, "{low} {top}");
        let (low, top) = linear(vec![0.004; 50], range(0.004, 0.004));
        assert!(low > 0.003 && top < 0.005, "{low} {top}");
        let (low, _) = linear(vec![-1.0; 50], range(-1.0, -1.0));
        assert!(low < -1.0);
    }

    #[test]
    fn nothing_to_show_has_a_scale_all_the_same() {
        let none = Range::of([f64::NAN].into_iter());
        for (low, top) in [linear(Vec::new(), none), logarithmic(vec![-1.0], none)] {
            assert!(low.is_finite() && top.is_finite() && low < top);
        }
        let (low, top) = logarithmic(vec![1.0; 9], range(1.0, 1.0));
        assert!(low < 0.0 && top > 0.0);
    }
}
