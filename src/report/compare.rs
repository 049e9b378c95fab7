//! Ranks against ranks and series against series, paired by seed.

use super::figures::Measure;
use super::paired::{Paired, holm};
use super::sentence::sentence;
use super::series::{Member, Rank, Series, Study};
use crate::measure::Forgetting;

/// What is set against what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A rank against the lowest one of the same series.
    Rank,
    /// A series against another one at the same rank.
    Series,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    pub series: String,
    pub rank: Rank,
    /// Mean over the runs of this side that are paired; over all its runs where too few are.
    pub mean: f64,
}

/// A difference, the first side less the second.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub kind: Kind,
    pub measure: Measure,
    pub first: Side,
    pub second: Side,
    pub paired: Paired,
    /// The p of the t-test after Holm's correction over all tests of the study.
    pub holm: Option<f64>,
    /// Highest against lowest rank.
    pub headline: bool,
    /// What it says, in a sentence.
    pub sentence: String,
}

impl Comparison {
    /// The difference that is shown: of the pairs, or of the means where there are too few.
    pub fn difference(&self) -> f64 {
        match self.paired {
            Paired::Few { .. } => self.first.mean - self.second.mean,
            _ => self.paired.mean(),
        }
    }
}

/// Every comparison of a study, in order of kind, series and measure; p-values are corrected over all of them.
pub fn comparisons(study: &Study, forgetting: Forgetting) -> Vec<Comparison> {
    let mut all = Vec::new();
    for series in study.own() {
        let Some(&lowest) = series.ranks.keys().find(|r| matches!(r, Rank::Of(_))) else {
            continue;
        };
        let highest = series.ranks.keys().rev().find(|r| matches!(r, Rank::Of(_)));
        for measure in Measure::ALL {
            for &rank in series.ranks.keys().filter(|r| **r != lowest) {
                let sides = ((series, rank), (series, lowest));
                let headline = Some(&rank) == highest;
                all.extend(compare(Kind::Rank, measure, sides, forgetting, headline));
            }
        }
    }
    let own: Vec<&Series> = study.own().collect();
    for (i, first) in own.iter().enumerate() {
        for second in &own[i + 1..] {
            for measure in Measure::ALL {
                let shared = first.ranks.keys().filter(|r| second.ranks.contains_key(r));
                for &rank in shared {
                    let sides = ((*first, rank), (*second, rank));
                    all.extend(compare(Kind::Series, measure, sides, forgetting, false));
                }
            }
        }
    }
    let tested: Vec<usize> = (0..all.len())
        .filter(|&i| all[i].paired.tested().is_some())
        .collect();
    let p = tested
        .iter()
        .filter_map(|&i| Some(all[i].paired.tested()?.p));
    let adjusted = holm(&p.collect::<Vec<f64>>());
    for (i, p) in tested.into_iter().zip(adjusted) {
        all[i].holm = Some(p);
    }
    for one in &mut all {
        one.sentence = sentence(one);
    }
    all
}

/// `None` where either side has no such figure.
fn compare(
    kind: Kind,
    measure: Measure,
    (first, second): ((&Series, Rank), (&Series, Rank)),
    forgetting: Forgetting,
    headline: bool,
) -> Option<Comparison> {
    let members = |(series, rank): (&Series, Rank)| -> Vec<(u64, f64)> {
        let value = |m: &Member| Some((m.seed?, measure.of(m, forgetting)));
        let members = series.ranks.get(&rank).into_iter().flatten();
        members
            .filter_map(value)
            .filter(|(_, v)| v.is_finite())
            .collect()
    };
    let (a, b) = (members(first), members(second));
    let pairs: Vec<(f64, f64)> = a
        .iter()
        .filter_map(|(seed, x)| Some((*x, b.iter().find(|(s, _)| s == seed)?.1)))
        .collect();
    let differences: Vec<f64> = pairs.iter().map(|(x, y)| x - y).collect();
    let paired = Paired::of(&differences);
    let mean = |all: Vec<f64>| all.iter().sum::<f64>() / all.len() as f64;
    let (of_first, of_second) = match paired {
        Paired::Few { .. } => (
            mean(a.iter().map(|x| x.1).collect()),
            mean(b.iter().map(|x| x.1).collect()),
        ),
        _ => (
            mean(pairs.iter().map(|p| p.0).collect()),
            mean(pairs.iter().map(|p| p.1).collect()),
        ),
    };
    let side = |(series, rank): (&Series, Rank), mean| Side {
        series: series.name.clone(),
        rank,
        mean,
    };
    (of_first.is_finite() && of_second.is_finite()).then(|| Comparison {
        kind,
        measure,
        first: side(first, of_first),
        second: side(second, of_second),
        paired,
        holm: None,
        headline,
        sentence: String::new(),
    })
}
