//! Trainable parameters of a task against the backbone's, by rank.

use super::super::series::{Rank, Series, Study};
use super::marks::{Style, legend};
use super::panel::{BELOW, RankAxis, TITLE, frame, title};
use super::{Figure, PAGE};
use crate::export::plot::axis::{GAP, RULE, Scale};
use crate::export::plot::font::width;
use crate::export::plot::svg::{Anchor, Area, Letters, Path, SMALL, Svg};

/// Height of the panel's frame, in points.
const HEIGHT: f64 = 112.0;

/// Trainable parameters, those of the backbone, and their share; `None` of an imported log.
pub fn share(series: &Series, rank: Rank) -> Option<(usize, usize, f64)> {
    let run = series
        .ranks
        .get(&rank)?
        .iter()
        .find_map(|m| m.run.as_ref())?;
    let share = run.trainable as f64 / run.parameters as f64;
    Some((run.trainable, run.parameters, share))
}

/// The figure; `None` where no run trains anything of its backbone.
pub fn shares(study: &Study, prefix: &str) -> Option<Figure> {
    let lines: Vec<(usize, Vec<(Rank, f64)>)> = study
        .series
        .iter()
        .enumerate()
        .map(|(i, series)| {
            let shares = series
                .ranks
                .keys()
                .filter_map(|&r| Some((r, share(series, r)?.2)));
            // What trains nothing has no place on a logarithmic axis.
            (
                i,
                shares
                    .filter(|(_, s)| *s > 0.0)
                    .map(|(r, s)| (r, 100.0 * s))
                    .collect(),
            )
        })
        .filter(|(_, line): &(usize, Vec<_>)| !line.is_empty())
        .collect();
    let all: Vec<f64> = lines
        .iter()
        .flat_map(|(_, l)| l.iter().map(|(_, s)| *s))
        .collect();
    let (low, high) = all
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), s| {
            (l.min(*s), h.max(*s))
        });
    if !low.is_finite() {
        return None;
    }
    let mut svg = Svg::new(PAGE);
    let styles = |i: usize| Style::of(i, false);
    let entries: Vec<(Style, String)> = lines
        .iter()
        .map(|(i, _)| (styles(*i), study.series[*i].name.clone()))
        .collect();
    let top = legend(&mut svg, (0.0, PAGE), 0.0, &entries) + GAP;
    let decades =
        Scale::over([0.0, 1.0].into_iter(), 1).between((low.log10() - 0.15, high.log10() + 0.15));
    let widest = ticks(low, high)
        .iter()
        .map(|(_, t)| width(t, SMALL))
        .fold(0.0, f64::max);
    let from = widest + GAP + 2.5;
    let area = Area::new(from, top + TITLE, PAGE * 0.62 - from, HEIGHT);
    let y = decades.drawn((area.bottom(), area.y));
    title(
        &mut svg,
        &area,
        0.0,
        "Trainable share of the backbone (%, logarithmic)",
    );
    for (value, text) in ticks(low, high) {
        let at = y.at(value.log10());
        if at > area.bottom() + 0.1 || at < area.y - 0.1 {
            continue;
        }
        svg.line((area.x - 2.5, at), (area.x, at), RULE);
        svg.line(
            (area.x, at),
            (area.right(), at),
            "stroke=\"#e4e4e4\" stroke-width=\"0.5\"",
        );
        svg.text(
            (area.x - 2.5 - GAP, at + 0.35 * SMALL),
            &text,
            Letters::small(Anchor::End),
        );
    }
    frame(&mut svg, &area);
    let ranks = lines
        .iter()
        .flat_map(|(_, l)| l.iter().map(|(r, _)| *r))
        .collect();
    let axis = RankAxis::of(&ranks).drawn((area.x, area.right()));
    axis.below(&mut svg, &area);
    for (i, line) in &lines {
        let style = styles(*i);
        let place = |(rank, share): &(Rank, f64)| Some((axis.at(*rank)?, y.at(share.log10())));
        let mut path = Path::default();
        path.through(
            line.iter()
                .filter(|(r, _)| matches!(r, Rank::Of(_)))
                .filter_map(place),
        );
        svg.path(&path, &style.line());
        for point in line.iter().filter_map(place) {
            style.mark(&mut svg, point);
        }
    }
    let caption = "Trainable parameters of a task, without its head, over the parameters of the backbone without its \
        classifier."
        .to_owned();
    let name = "Trainable share by rank";
    Some(Figure::new(
        &format!("{prefix}share"),
        name,
        caption,
        svg,
        area.bottom() + BELOW,
    ))
}

/// 1, 2 and 5 times powers of ten around two figures, or the powers alone where they are far apart.
fn ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let powers = (low.log10().floor() as i32 - 1)..=(high.log10().ceil() as i32 + 1);
    let factors: &[f64] = match high / low > 200.0 {
        true => &[1.0],
        false => &[1.0, 2.0, 5.0],
    };
    powers
        .flat_map(|power| {
            let places = (-power).max(0) as usize;
            factors.iter().map(move |factor| {
                let value = factor * 10_f64.powi(power);
                (value, format!("{value:.places$}"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_at_every_size() {
        let texts: Vec<String> = ticks(0.04, 1.3).into_iter().map(|t| t.1).collect();
        for text in ["0.02", "0.05", "0.1", "0.5", "1", "2"] {
            assert!(texts.iter().any(|t| t == text), "{text} of {texts:?}");
        }
        assert!(
            ticks(0.01, 30.0)
                .iter()
                .all(|(v, _)| v.log10().fract().abs() < 1e-9)
        );
    }
}
