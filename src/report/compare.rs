//! Ranks against ranks and series against series, paired by seed.

use super::figures::Measure;
use super::paired::{Paired, holm};
use super::sentence::sentence;
use super::series::{Member, Rank, Series, Study};
use crate::measure::Forgetting;

/// What is set against what: each is a section of the report, and a family of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The highest rank against the lowest one of the same series: the headline.
    Ends,
    /// Any other rank against the lowest one.
    Rank,
    /// A series against another one at the same rank; one at full rank against the highest of adapters of the same backbone.
    Series,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    pub series: String,
    pub rank: Rank,
    /// Mean over the runs of this side that are paired; over all its runs where none is.
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
    /// The p of the t-test after Holm's correction over all tests of the study of this kind.
    pub holm: Option<f64>,
    /// What it says, in a sentence.
    pub sentence: String,
}

impl Kind {
    /// In order of the report.
    pub const ALL: [Self; 3] = [Self::Ends, Self::Rank, Self::Series];
}

impl Comparison {
    /// Whether both compare the same two series.
    pub fn is_of_the_series_of(&self, other: &Self) -> bool {
        let names = |c: &Self| (c.first.series.clone(), c.second.series.clone());
        names(self) == names(other)
    }

    /// The difference that is shown: of the pairs, or of the means where there are too few.
    pub fn difference(&self) -> f64 {
        match self.paired {
            Paired::Few { .. } => self.first.mean - self.second.mean,
            _ => self.paired.mean(),
        }
    }
}

/// Every comparison of a study, in order of kind, series and measure; p-values are corrected over those of a kind.
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
                let kind = match Some(&rank) == highest {
                    true => Kind::Ends,
                    false => Kind::Rank,
                };
                all.extend(compare(kind, measure, sides, forgetting));
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
                    all.extend(compare(Kind::Series, measure, sides, forgetting));
                }
                if let Some(sides) = full_and_adapters(first, second) {
                    all.extend(compare(Kind::Series, measure, sides, forgetting));
                }
            }
        }
    }
    all.sort_by_key(|c| c.kind);
    for kind in Kind::ALL {
        let family: Vec<(usize, f64)> = all
            .iter()
            .enumerate()
            .filter(|(_, c)| c.kind == kind)
            .filter_map(|(i, c)| Some((i, c.paired.tested()?.p)))
            .collect();
        let p: Vec<f64> = family.iter().map(|(_, p)| *p).collect();
        for ((i, _), p) in family.into_iter().zip(holm(&p)) {
            all[i].holm = Some(p);
        }
    }
    for one in &mut all {
        one.sentence = sentence(one);
    }
    all
}

/// A rank of a series.
type Place<'a> = (&'a Series, Rank);

/// Of two series of a backbone the one at full rank, and the other at its highest rank of adapters.
fn full_and_adapters<'a>(a: &'a Series, b: &'a Series) -> Option<(Place<'a>, Place<'a>)> {
    let is_full = |s: &Series| s.ranks.contains_key(&Rank::Full);
    let (full, other) = match (is_full(a), is_full(b)) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return None,
    };
    let highest = other
        .ranks
        .keys()
        .rev()
        .find(|r| matches!(r, Rank::Of(_)))?;
    (full.backbone == other.backbone).then_some(((full, Rank::Full), (other, *highest)))
}

/// `None` where either side has no such figure.
fn compare(
    kind: Kind,
    measure: Measure,
    (first, second): (Place, Place),
    forgetting: Forgetting,
) -> Option<Comparison> {
    let members = |(series, rank): Place| -> Vec<(u64, f64)> {
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
    let (of_first, of_second) = match pairs.is_empty() {
        true => (
            mean(a.iter().map(|x| x.1).collect()),
            mean(b.iter().map(|x| x.1).collect()),
        ),
        false => (
            mean(pairs.iter().map(|p| p.0).collect()),
            mean(pairs.iter().map(|p| p.1).collect()),
        ),
    };
    let side = |(series, rank): Place, mean| Side {
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
        sentence: String::new(),
    })
}
