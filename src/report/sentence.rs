//! Differences in sentences that claim no more than the figures do.

use super::compare::{Comparison, Kind, Side};
use super::figures::Measure;
use super::paired::{FEWEST, Paired, Tested};
use super::series::Rank;
use crate::export::summary::{decimals, percent};

/// Below this p, after Holm's correction, a difference is called one.
pub const LEVEL: f64 = 0.05;

/// The sentence of a comparison.
pub fn sentence(c: &Comparison) -> String {
    match &c.paired {
        Paired::Few { n, .. } => format!(
            "Not enough seeds ({n} shared, {FEWEST} needed) to compare {}: the means differ by {} points, which is no test.",
            sides(c),
            points(c.difference())
        ),
        Paired::Constant { n, mean } if mean.abs() < 1e-10 => format!(
            "{} of {} is the same in each of {n} seeds.",
            capitalised(c.measure.title()),
            sides(c)
        ),
        Paired::Constant { n, mean } => format!(
            "{}, by the same amount in each of {n} seeds: without any variance there is no test.",
            capitalised(&claim(c, *mean))
        ),
        Paired::Tested(tested) => {
            let holm = c.holm.unwrap_or(1.0);
            let figures = figures(tested, holm);
            if holm < LEVEL {
                // Of an amount that is more or less, not of a difference with its sign.
                let figures = match tested.mean < 0.0 {
                    true => self::figures(&tested.turned(), holm),
                    false => figures,
                };
                format!("{} ({figures}).", capitalised(&claim(c, tested.mean)))
            } else {
                format!(
                    "No difference in {} was found between {} (difference {} points, {figures}): that is not evidence of none.",
                    match c.measure {
                        Measure::Contextual => "what the context lost beyond the rest",
                        measure => measure.title(),
                    },
                    sides(c),
                    points(tested.mean)
                )
            }
        }
    }
}

/// The first letter is left alone where a name begins the sentence.
fn capitalised(text: &str) -> String {
    let named = ["rank", "full", "at ", "the", "in "];
    let plain = Measure::ALL.iter().any(|m| text == m.title());
    match plain || named.iter().any(|n| text.starts_with(n)) {
        true => crate::export::summary::capitalised(text),
        false => text.to_owned(),
    }
}

fn figures(t: &Tested, holm: f64) -> String {
    format!(
        "95 % interval {} to {}, n = {}, {} after Holm, p = {} by sign flips, d_z = {}",
        points(t.low),
        points(t.high),
        t.n,
        p(holm),
        exact(t.flip_p),
        decimals(t.d_z, 1).replace('-', "−")
    )
}

/// Both sides, as "rank 16 and rank 1 of glyph-vit".
fn sides(c: &Comparison) -> String {
    match c.kind {
        Kind::Ends | Kind::Rank => format!(
            "{} and {} of {}",
            c.first.rank.said(),
            c.second.rank.said(),
            c.first.series
        ),
        Kind::Series if c.first.rank == c.second.rank => format!(
            "{} and {} at {}",
            c.first.series,
            c.second.series,
            c.first.rank.said()
        ),
        Kind::Series => format!("{} and {}", at_its_rank(&c.first), at_its_rank(&c.second)),
    }
}

/// A series whose rank is not the other one's; at full rank its name says so.
fn at_its_rank(side: &Side) -> String {
    match side.rank {
        Rank::Full => side.series.clone(),
        rank => format!("{} at {}", side.series, rank.said()),
    }
}

/// What the difference says of the first side.
fn claim(c: &Comparison, difference: f64) -> String {
    let amount = format!("{} points", points(difference.abs()));
    let more = |more: &'static str, less: &'static str| match difference > 0.0 {
        true => more,
        false => less,
    };
    let (place, first, second) = match c.kind {
        Kind::Ends | Kind::Rank => (
            format!("in {} ", c.first.series),
            c.first.rank.said(),
            c.second.rank.said(),
        ),
        Kind::Series if c.first.rank == c.second.rank => (
            format!("at {} ", c.first.rank.said()),
            c.first.series.clone(),
            c.second.series.clone(),
        ),
        Kind::Series => (String::new(), at_its_rank(&c.first), at_its_rank(&c.second)),
    };
    match c.measure {
        Measure::Foundation => format!(
            "{place}{first} forgot {amount} {} of the foundation than {second}",
            more("more", "less")
        ),
        Measure::Downstream => format!(
            "{place}{first} forgot {amount} {} of the earlier tasks than {second}",
            more("more", "less")
        ),
        Measure::Plasticity => format!(
            "{place}{first} reached {amount} {} on new tasks than {second}",
            more("more", "less")
        ),
        Measure::Accuracy => format!(
            "{place}{first} ended at an average accuracy {amount} {} than {second}",
            more("higher", "lower")
        ),
        Measure::Contextual => format!(
            "{place}what classes in context lost beyond the rest was {amount} {} with {first} than with {second}",
            more("more", "less")
        ),
    }
}

/// A difference of fractions in points, one decimal; two where one would show nothing.
pub fn points(x: f64) -> String {
    let text = match (100.0 * x).abs() {
        small if (0.005..0.05).contains(&small) => decimals(100.0 * x, 2),
        _ => percent(x),
    };
    text.replace('-', "−")
}

/// A p of flips of signs, of which there are few: `.0625`, `.25`.
pub fn exact(p: f64) -> String {
    match p {
        1.0.. => "1".into(),
        p if p < 0.0001 => decimals(p, 6).trim_start_matches('0').to_owned(),
        p => decimals(p, 4).trim_matches('0').to_owned(),
    }
}

/// A p as papers write it: `p = .012`, `p < .001`.
pub fn p(p: f64) -> String {
    match p {
        p if !p.is_finite() => String::new(),
        p if p < 0.001 => "p < .001".into(),
        p if p > 0.9995 => "p = 1".into(),
        // On which side of the level it is, is to be seen.
        p => {
            let places = if (p - LEVEL).abs() < 0.0005 { 4 } else { 3 };
            format!("p = {}", decimals(p, places).trim_start_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(
        kind: Kind,
        measure: Measure,
        differences: &[f64],
        holm: Option<f64>,
    ) -> Comparison {
        let side = |series: &str, rank, mean| Side {
            series: series.into(),
            rank,
            mean,
        };
        let (first, second) = match kind {
            Kind::Ends | Kind::Rank => (
                side("glyph-vit", Rank::Of(16), 0.3),
                side("glyph-vit", Rank::Of(1), 0.2),
            ),
            Kind::Series => (
                side("glyph-vit", Rank::Of(4), 0.3),
                side("glyph-resnet", Rank::Of(4), 0.2),
            ),
        };
        Comparison {
            kind,
            measure,
            first,
            second,
            paired: Paired::of(differences),
            holm,
            sentence: String::new(),
        }
    }

    #[test]
    fn a_difference_is_claimed_only_where_the_corrected_p_says_so() {
        let differences = [0.03, 0.032, 0.031, 0.028, 0.034];
        let of = |holm| {
            sentence(&comparison(
                Kind::Ends,
                Measure::Foundation,
                &differences,
                Some(holm),
            ))
        };
        assert_eq!(
            of(0.003),
            "In glyph-vit rank 16 forgot 3.1 points more of the foundation than rank 1 (95 % interval 2.8 to 3.4, n = 5, \
             p = .003 after Holm, p = .0625 by sign flips, d_z = 13.9)."
        );
        let none = of(0.05);
        assert!(
            none.starts_with(
                "No difference in foundation forgetting was found between rank 16 and rank 1"
            ),
            "{none}"
        );
        assert!(
            none.ends_with("that is not evidence of none.") && none.contains("p = .0500"),
            "{none}"
        );
    }

    #[test]
    fn every_measure_has_its_direction() {
        for (measure, less) in [
            (
                Measure::Foundation,
                "forgot 3.0 points less of the foundation",
            ),
            (
                Measure::Downstream,
                "forgot 3.0 points less of the earlier tasks",
            ),
            (Measure::Plasticity, "reached 3.0 points less on new tasks"),
            (Measure::Accuracy, "average accuracy 3.0 points lower"),
            (Measure::Contextual, "beyond the rest was 3.0 points less"),
        ] {
            let c = comparison(Kind::Series, measure, &[-0.02, -0.03, -0.04], Some(0.01));
            let text = sentence(&c);
            assert!(
                text.contains(less) && text.starts_with("At rank 4 "),
                "{text}"
            );
            assert!(
                text.contains("95 % interval 0.5 to 5.5") && text.contains("d_z = 3.0"),
                "{text}"
            );
        }
    }

    #[test]
    fn too_few_seeds_and_no_variance_claim_nothing() {
        let few = sentence(&comparison(Kind::Rank, Measure::Plasticity, &[0.1], None));
        assert!(
            few.starts_with("Not enough seeds (1 shared, 3 needed)"),
            "{few}"
        );
        assert!(
            few.contains("differ by 10.0 points") && !few.contains("p ="),
            "{few}"
        );
        let same = sentence(&comparison(
            Kind::Series,
            Measure::Foundation,
            &[0.0; 3],
            None,
        ));
        assert_eq!(
            same,
            "Foundation forgetting of glyph-vit and glyph-resnet at rank 4 is the same in each of 3 seeds."
        );
        let constant = sentence(&comparison(
            Kind::Rank,
            Measure::Foundation,
            &[0.1; 3],
            None,
        ));
        assert!(
            constant.contains("by the same amount in each of 3 seeds"),
            "{constant}"
        );
    }

    #[test]
    fn figures_are_written_as_papers_do() {
        assert_eq!(
            [0.0625, 0.25, 1.0, 2.0 / 1024.0, 1e-6].map(exact),
            [".0625", ".25", "1", ".002", ".000001"]
        );
        assert_eq!(
            [0.0304, 0.00004, 1.0, 0.0498].map(p),
            ["p = .030", "p < .001", "p = 1", "p = .0498"]
        );
        assert_eq!([0.031, -0.0003, 1e-17].map(points), ["3.1", "−0.03", "0.0"]);
    }
}
