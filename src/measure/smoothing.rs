//! Curves of single steps made readable.

/// An exponential moving average with its bias taken out, so that it starts at the first value (Kingma and Ba, "Adam",
/// ICLR 2015, section 3); `beta` is the weight of the past. What is not finite leaves it as it was.
pub fn smoothed(values: impl Iterator<Item = f64>, beta: f64) -> Vec<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    values
        .map(|v| {
            if v.is_finite() {
                sum = beta * sum + (1.0 - beta) * v;
                weight = beta * weight + (1.0 - beta);
            }
            sum / weight
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_starts_at_the_first_value() {
        let s = smoothed([4.0, 0.0].into_iter(), 0.5);
        assert_eq!(s[0], 4.0);
        assert!((s[1] - 4.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_finite_is_passed_over() {
        assert_eq!(smoothed([2.0, f64::NAN, 2.0].into_iter(), 0.9)[1], 2.0);
    }
}
