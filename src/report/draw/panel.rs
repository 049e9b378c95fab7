//! A panel: a frame of two axes with a title, and the axis of ranks.

use std::collections::BTreeSet;

use super::super::series::Rank;
use crate::export::plot::axis::{GAP, RULE, Scale};
use crate::export::plot::font::{shortened, width};
use crate::export::plot::svg::{Anchor, Area, FAINT, Letters, SMALL, Svg, TEXT};

/// Length of a tick, in points.
const TICK: f64 = 2.5;
/// Height of a panel's title.
pub const TITLE: f64 = TEXT + 4.0 * GAP;
/// Height of an axis of ranks with its title.
pub const BELOW: f64 = TICK + GAP + SMALL + GAP + SMALL + GAP;

/// How much wider letters may be where the page's font is not there and another takes its place.
pub const SPARE: f64 = 1.15;

/// Room that the figures of a vertical axis take.
pub fn margin(y: &Scale) -> f64 {
    let widest = y
        .ticks()
        .iter()
        .map(|(_, t)| width(t, SMALL))
        .fold(0.0, f64::max);
    SPARE * widest + GAP + TICK
}

/// The title over a panel.
pub fn title(svg: &mut Svg, area: &Area, left: f64, text: &str) {
    let text = shortened(text, TEXT, area.right() - left);
    svg.text(
        (left, area.y - 2.2 * GAP),
        &text,
        Letters::held(Anchor::Start),
    );
}

/// A vertical axis left of `area`, and faint lines across it.
pub fn left(svg: &mut Svg, area: &Area, y: &Scale) {
    let grid = "stroke=\"#e4e4e4\" stroke-width=\"0.5\"";
    for (value, text) in y.ticks() {
        let at = y.at(value);
        svg.line((area.x, at), (area.right(), at), grid);
        svg.line((area.x - TICK, at), (area.x, at), RULE);
        let place = (area.x - TICK - GAP, at + 0.35 * SMALL);
        svg.text(place, &text, Letters::small(Anchor::End));
    }
    if y.domain.0 < 0.0 && y.domain.1 > 0.0 {
        let attributes = format!("stroke=\"{FAINT}\" stroke-width=\"0.6\"");
        svg.line((area.x, y.at(0.0)), (area.right(), y.at(0.0)), &attributes);
    }
    frame(svg, area);
}

/// The lines of both axes.
pub fn frame(svg: &mut Svg, area: &Area) {
    svg.line((area.x, area.y), (area.x, area.bottom()), RULE);
    svg.line((area.x, area.bottom()), (area.right(), area.bottom()), RULE);
}

/// A scale over figures and what they scatter by, of about `ticks` steps.
pub fn scale(values: impl Iterator<Item = f64>, ticks: usize) -> Scale {
    let values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(*v), h.max(*v))
        });
    // Figures that hardly differ are not drawn as if they did.
    let middle = (low + high) / 2.0;
    let widened = (high - low < 0.5).then_some([middle - 0.25, middle + 0.25]);
    let widened = widened.into_iter().flatten().filter(|v| v.is_finite());
    Scale::over(values.iter().copied().chain(widened), ticks)
}

/// The axis of ranks: by the logarithm to base 2, with frozen and full rank beyond its ends.
pub struct RankAxis {
    /// Each with its place, in octaves.
    places: Vec<(Rank, f64)>,
    domain: (f64, f64),
    range: (f64, f64),
}

impl RankAxis {
    /// Of these ranks; those that were not given have no place.
    pub fn of(ranks: &BTreeSet<Rank>) -> Self {
        let octave = |rank: &Rank| match rank {
            Rank::Of(rank) => Some((*rank as f64).log2()),
            _ => None,
        };
        let octaves: Vec<f64> = ranks.iter().filter_map(octave).collect();
        let low = octaves.iter().copied().fold(f64::INFINITY, f64::min);
        let high = octaves.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = match low.is_finite() {
            true => (low, high),
            false => (0.0, 0.0),
        };
        // Categories stand apart from the ranks by as much as these are apart, or a little less.
        let apart = ((high - low) / 4.0).clamp(0.6, 1.2);
        let places: Vec<(Rank, f64)> = ranks
            .iter()
            .filter_map(|rank| match rank {
                Rank::Frozen => Some((*rank, low - apart)),
                Rank::Full => Some((*rank, high + apart)),
                Rank::Of(_) => Some((*rank, octave(rank)?)),
                Rank::Unsaid => None,
            })
            .collect();
        let first = places.first().map_or(0.0, |p| p.1);
        let last = places.last().map_or(0.0, |p| p.1);
        let room = ((last - first) / 14.0).max(0.25);
        Self {
            places,
            domain: (first - room, last + room),
            range: (0.0, 1.0),
        }
    }

    /// The same, drawn there.
    pub fn drawn(mut self, range: (f64, f64)) -> Self {
        self.range = range;
        self
    }

    /// Where a rank is drawn.
    pub fn at(&self, rank: Rank) -> Option<f64> {
        let place = self.places.iter().find(|(r, _)| *r == rank)?.1;
        let share = (place - self.domain.0) / (self.domain.1 - self.domain.0);
        Some(self.range.0 + share * (self.range.1 - self.range.0))
    }

    /// Ticks and names below `area`, and rules between the ranks and the categories at their ends.
    pub fn below(&self, svg: &mut Svg, area: &Area) {
        let mut free = f64::NEG_INFINITY;
        for (rank, _) in &self.places {
            let Some(at) = self.at(*rank) else { continue };
            svg.line((at, area.bottom()), (at, area.bottom() + TICK), RULE);
            let text = rank.name();
            let half = width(&text, SMALL) / 2.0;
            if at - half > free {
                let place = (at, area.bottom() + TICK + GAP + 0.7 * SMALL);
                svg.text(place, &text, Letters::small(Anchor::Middle));
                free = at + half + 1.0;
            }
        }
        for pair in self.places.windows(2) {
            let apart = pair[0].0 == Rank::Frozen || pair[1].0 == Rank::Full;
            if let (true, Some(a), Some(b)) = (apart, self.at(pair[0].0), self.at(pair[1].0)) {
                let x = (a + b) / 2.0;
                let attributes =
                    format!("stroke=\"{FAINT}\" stroke-width=\"0.5\" stroke-dasharray=\"1 2\"");
                svg.line((x, area.y), (x, area.bottom()), &attributes);
            }
        }
        let place = (area.centre().0, area.bottom() + BELOW - GAP);
        svg.text(place, "rank", Letters::small(Anchor::Middle));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(ranks: &[Rank]) -> RankAxis {
        RankAxis::of(&ranks.iter().copied().collect()).drawn((0.0, 100.0))
    }

    #[test]
    fn ranks_stand_by_octaves_and_categories_beyond_them() {
        let all = [
            Rank::Frozen,
            Rank::Of(1),
            Rank::Of(4),
            Rank::Of(16),
            Rank::Full,
            Rank::Unsaid,
        ];
        let axis = axis(&all);
        let at = |rank| axis.at(rank).unwrap();
        let octaves = (at(Rank::Of(16)) - at(Rank::Of(4))) - (at(Rank::Of(4)) - at(Rank::Of(1)));
        assert!(octaves.abs() < 1e-9);
        assert!(at(Rank::Frozen) < at(Rank::Of(1)) && at(Rank::Full) > at(Rank::Of(16)));
        assert!(at(Rank::Frozen) > 0.0 && at(Rank::Full) < 100.0);
        assert_eq!((axis.at(Rank::Unsaid), axis.at(Rank::Of(2))), (None, None));
    }

    #[test]
    fn one_rank_alone_is_in_the_middle() {
        for rank in [Rank::Of(16), Rank::Full, Rank::Frozen] {
            assert!(
                (axis(&[rank]).at(rank).unwrap() - 50.0).abs() < 1e-9,
                "{rank:?}"
            );
        }
    }

    #[test]
    fn figures_that_hardly_differ_are_not_spread_over_the_panel() {
        let y = scale([90.0, 90.01].into_iter(), 4);
        assert!(y.domain.1 - y.domain.0 >= 0.5, "{:?}", y.domain);
        assert!(scale(std::iter::empty(), 4).domain.1 > 0.0);
    }
}
