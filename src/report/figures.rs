//! The figures of a run, and their means over seeds.

use super::series::{Member, Rank, Series};
use crate::measure::{Contextual, Forgetting};

/// A figure that every run has one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// What the foundation lost from first to last.
    Foundation,
    /// What the earlier tasks lost.
    Downstream,
    /// What new tasks reached.
    Plasticity,
    /// What all test sets are at.
    Accuracy,
    /// What the classes in context lost more than the rest.
    Contextual,
}

impl Measure {
    pub const ALL: [Self; 5] = [
        Self::Foundation,
        Self::Downstream,
        Self::Plasticity,
        Self::Accuracy,
        Self::Contextual,
    ];

    /// Its column in `runs.csv`, which is its path in `metrics.json` for the last row. Of the foundation's forgetting
    /// the test set is not named, and of contextual forgetting it is the mean over the rows.
    pub fn key(self, kind: Forgetting) -> String {
        match self {
            Self::Foundation => format!("forgetting.{}.foundation", kind.name()),
            Self::Downstream => format!("average_forgetting.{}.without_foundation", kind.name()),
            Self::Plasticity => "average_plasticity".into(),
            Self::Accuracy => "average_accuracy.with_foundation".into(),
            Self::Contextual => "contextual.difference".into(),
        }
    }

    /// Over a panel and at the head of a column.
    pub fn title(self) -> &'static str {
        match self {
            Self::Foundation => "foundation forgetting",
            Self::Downstream => "downstream forgetting",
            Self::Plasticity => "plasticity",
            Self::Accuracy => "average accuracy",
            Self::Contextual => "contextual difference",
        }
    }

    /// Accuracies are in percent, their differences in points.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Plasticity | Self::Accuracy => "%",
            _ => "points",
        }
    }

    /// Of a run, a fraction; NaN where there is none.
    pub fn of(self, member: &Member, kind: Forgetting) -> f64 {
        let matrix = &member.matrix;
        let last = matrix.rows.len().saturating_sub(1);
        match self {
            Self::Foundation => matrix.forgetting(kind, last, 0),
            Self::Downstream => matrix.average_forgetting(kind, last).without_foundation,
            Self::Plasticity => matrix.average_plasticity(last),
            Self::Accuracy => matrix.average_accuracy(last).with_foundation,
            Self::Contextual => {
                let all = contexts(member).map(|(_, c)| c.in_context - c.rest);
                crate::measure::mean(all)
            }
        }
    }
}

/// The contextual forgetting of a run by row.
pub fn contexts(member: &Member) -> impl Iterator<Item = (usize, &Contextual)> {
    let run = member.run.iter();
    let rows = run.flat_map(|r| r.contexts.iter().enumerate());
    rows.filter_map(|(row, c)| Some((row, c.as_ref()?)))
}

/// Mean and sample standard deviation over runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Those that there are, in order of the runs.
    pub values: Vec<f64>,
    /// NaN of none.
    pub mean: f64,
    /// n − 1; NaN of fewer than two.
    pub deviation: f64,
}

impl Spread {
    /// Of what is finite.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Self {
            deviation: match values.len() {
                0 | 1 => f64::NAN,
                _ => (squares / (n - 1.0)).sqrt(),
            },
            mean,
            values,
        }
    }

    /// `25.3 ± 2.1` in percent or points; the mean alone of one run, nothing of none.
    pub fn percent(&self) -> String {
        use crate::export::summary::percent;
        let mean = percent(self.mean).replace('-', "−");
        match self.deviation.is_finite() {
            true => format!("{mean} ± {}", percent(self.deviation)),
            false => mean,
        }
    }
}

/// A figure over the runs of a series at one rank.
pub fn spread(series: &Series, rank: Rank, of: impl Fn(&Member) -> f64) -> Spread {
    Spread::of(series.ranks.get(&rank).into_iter().flatten().map(of))
}

#[cfg(test)]
mod tests {
    use super::super::testing::member;
    use super::*;

    #[test]
    fn figures_by_hand() {
        let m = member("r", 1, &[&[0.9], &[0.8, 0.7], &[0.5, 0.6, 0.4]]);
        let of = |measure: Measure| measure.of(&m, Forgetting::FirstLast);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(of(Measure::Foundation), 0.4);
        near(of(Measure::Downstream), 0.1);
        near(of(Measure::Plasticity), 0.55);
        near(of(Measure::Accuracy), 0.5);
        assert!(of(Measure::Contextual).is_nan());
        near(Measure::Foundation.of(&m, Forgetting::MaxAll), 0.4);
    }

    #[test]
    fn spreads_say_no_more_than_there_is() {
        let of = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(of(&[0.1, f64::NAN, 0.3]).percent(), "20.0 ± 14.1");
        assert_eq!(of(&[-0.1]).percent(), "−10.0");
        assert_eq!(of(&[]).percent(), "");
        assert!(of(&[0.5]).deviation.is_nan());
    }
}
