//! Curves of single steps made readable.

/// An exponential moving average under way, as [`smoothed`] takes it.
#[derive(Clone, Copy, Debug)]
pub struct MovingAverage {
    beta: f64,
    sum: f64,
    weight: f64,
}

impl MovingAverage {
    /// One that has seen nothing; `beta` is the weight of the past.
    pub fn new(beta: f64) -> Self {
        Self {
            beta,
            sum: 0.0,
            weight: 0.0,
        }
    }

    /// The average once `value` is in it; NaN as long as nothing finite came.
    pub fn push(&mut self, value: f64) -> f64 {
        if value.is_finite() {
            self.sum = self.beta * self.sum + (1.0 - self.beta) * value;
            self.weight = self.beta * self.weight + (1.0 - self.beta);
        }
        self.sum / self.weight
    }
}

/// An exponential moving average with its bias taken out, so that it starts at the first value (Kingma and Ba, "Adam",
/// ICLR 2015, section 3); `beta` is the weight of the past. What is not finite leaves it as it was.
pub fn smoothed(values: impl Iterator<Item = f64>, beta: f64) -> Vec<f64> {
    let mut average = MovingAverage::new(beta);
    values.map(|v| average.push(v)).collect()
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
    fn a_step_at_a_time_is_the_same() {
        let values = [f64::NAN, 3.0, 1.0, f64::INFINITY, 2.0];
        let mut average = MovingAverage::new(0.7);
        let one_by_one: Vec<f64> = values.iter().map(|v| average.push(*v)).collect();
        assert!(one_by_one[0].is_nan());
        assert_eq!(one_by_one[1..], smoothed(values.into_iter(), 0.7)[1..]);
    }

    #[test]
    fn what_is_not_finite_is_passed_over() {
        assert_eq!(smoothed([2.0, f64::NAN, 2.0].into_iter(), 0.9)[1], 2.0);
    }
}
