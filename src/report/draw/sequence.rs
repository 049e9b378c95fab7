//! Accuracy of each test set over the sequence, a line for each rank.

use std::collections::BTreeSet;

use super::super::figures::{Spread, spread};
use super::super::series::{Rank, Series, Study};
use super::marks::{Style, legend};
use super::panel::{SPARE, TITLE, left, margin, scale, title};
use super::{Figure, PAGE};
use crate::export::plot::axis::{GAP, RULE, Scale};
use crate::export::plot::colour::{Ramp, hex};
use crate::export::plot::font::{shortened, width};
use crate::export::plot::svg::{Anchor, Area, Letters, Path, SMALL, Svg};

/// Height of a panel's frame, in points.
const HEIGHT: f64 = 92.0;
/// Panels beside one another.
const COLUMNS: usize = 3;
/// The longest name of a task below an axis, in points.
const NAME: f64 = 62.0;
/// Share of the ramp that is dark enough on white.
const DARK: f64 = 0.82;

/// One line: a rank of a series, with its spread in percent after each row.
struct Line<'a> {
    series: &'a Series,
    rank: Rank,
    style: Style,
}

/// A figure for each series; imported ones of the same backbone are laid over it, others have one of their own.
pub fn sequences(study: &Study, prefix: &str) -> Vec<Figure> {
    let over = |series: &Series| -> Vec<&Series> {
        let same =
            |s: &&Series| s.imported && !s.backbone.is_empty() && s.backbone == series.backbone;
        let merged = !series.imported && series.mode == "merge";
        study
            .series
            .iter()
            .filter(same)
            .filter(|_| merged)
            .collect()
    };
    let laid: Vec<&str> = study
        .own()
        .flat_map(|s| over(s).into_iter().map(|o| o.name.as_str()))
        .collect();
    study
        .series
        .iter()
        .enumerate()
        .filter(|(_, series)| !(series.imported && laid.contains(&series.name.as_str())))
        .map(|(number, series)| {
            let all: Vec<&Series> = std::iter::once(series).chain(over(series)).collect();
            figure(study, &all, &format!("{prefix}accuracy-{}", number + 1))
        })
        .collect()
}

fn figure(study: &Study, series: &[&Series], stem: &str) -> Figure {
    // Of the whole study, so that a rank has the same colour in the figure of every series.
    let ranks: BTreeSet<Rank> = study
        .series
        .iter()
        .flat_map(|s| s.ranks.keys().copied())
        .collect();
    let lines: Vec<Line> = series
        .iter()
        .flat_map(|s| {
            let ranks = &ranks;
            s.ranks.keys().map(move |&rank| Line {
                series: s,
                rank,
                style: Style::coloured(colour(ranks.iter().copied(), rank), s.imported),
            })
        })
        .collect();
    let entries: Vec<(Style, String)> = lines
        .iter()
        .map(|line| {
            let rank = match line.rank {
                Rank::Of(rank) => format!("rank {rank}"),
                Rank::Unsaid => "rank not given".into(),
                other => other.said(),
            };
            let text = match line.series.imported && !series[0].imported {
                true => format!("{}, {rank}", line.series.name),
                false => rank,
            };
            (line.style.clone(), text)
        })
        .collect();
    let mut svg = Svg::new(PAGE);
    let mut top = legend(&mut svg, (0.0, PAGE), 0.0, &entries) + GAP;
    let wide = PAGE / COLUMNS as f64;
    // The same test set has the same axis in the figure of every series.
    let scales: Vec<Scale> = (0..study.columns.len())
        .map(|column| {
            let all = study
                .series
                .iter()
                .flat_map(|s| s.ranks.keys().map(move |&r| (s, r)));
            let around = all.flat_map(|(s, r)| {
                (0..study.after.len()).flat_map(move |row| {
                    let spread = at(s, r, row, column);
                    let aside = if spread.deviation.is_finite() {
                        spread.deviation
                    } else {
                        0.0
                    };
                    [spread.mean - aside, spread.mean + aside]
                })
            });
            scale(around.map(|v| v.clamp(0.0, 100.0)), 4)
        })
        .collect();
    let from = scales.iter().map(margin).fold(0.0, f64::max);
    let names: Vec<String> = (0..study.after.len())
        .map(|row| shortened(&format!("{row} {}", study.after[row]), SMALL, NAME))
        .collect();
    let below = names
        .iter()
        .map(|n| SPARE * width(n, SMALL))
        .fold(0.0, f64::max)
        + 3.0 * GAP;
    let count = study.columns.len();
    for (column, scale) in scales.iter().enumerate() {
        let (line, place) = (column / COLUMNS, column % COLUMNS);
        let x = place as f64 * wide;
        let y = top + TITLE + line as f64 * (HEIGHT + TITLE + 2.0 * GAP);
        let area = Area::new(x + from, y, wide - from - 3.0 * GAP, HEIGHT);
        let scale = scale.drawn((area.bottom(), area.y));
        let step = area.width / study.after.len() as f64;
        let at_row = |row: usize| area.x + (row as f64 + 0.5) * step;
        title(
            &mut svg,
            &area,
            x,
            &format!("{} (%)", study.columns[column]),
        );
        left(&mut svg, &area, &scale);
        for (row, name) in names.iter().enumerate() {
            let x = at_row(row);
            svg.line((x, area.bottom()), (x, area.bottom() + 2.5), RULE);
            // Names stand below the last panel of each column.
            if column + COLUMNS >= count {
                let letters = Letters {
                    upright: true,
                    ..Letters::small(Anchor::End)
                };
                svg.text((x + 0.35 * SMALL, area.bottom() + 2.0 * GAP), name, letters);
            }
        }
        for drawn in &lines {
            let points: Vec<(f64, Spread)> = (0..study.after.len())
                .map(|row| (at_row(row), at(drawn.series, drawn.rank, row, column)))
                .filter(|(_, s)| !s.values.is_empty())
                .collect();
            curve(&mut svg, &points, &drawn.style, &scale);
        }
    }
    let rows = count.div_ceil(COLUMNS) as f64;
    top += rows * (HEIGHT + TITLE) + (rows - 1.0) * 2.0 * GAP + below;
    let name = format!("Accuracy over the sequence: {}", series[0].name);
    let caption = format!(
        "{}: accuracy of each test set after each task of the sequence, 0 being the untouched backbone. Lines are means over \
         seeds, bands one sample standard deviation to either side. A test set has the same axis in the figure of every series.{}",
        series[0].name,
        match lines.iter().any(|l| l.series.imported) {
            true => " Dashed with hollow marks: imported logs.",
            false => "",
        }
    );
    Figure::new(stem, &name, caption, svg, top)
}

/// Accuracy in percent over the runs of a rank.
fn at(series: &Series, rank: Rank, row: usize, column: usize) -> Spread {
    spread(series, rank, |m| 100.0 * m.matrix.accuracy(row, column))
}

fn curve(svg: &mut Svg, points: &[(f64, Spread)], style: &Style, y: &Scale) {
    let banded: Vec<&(f64, Spread)> = points
        .iter()
        .filter(|(_, s)| s.deviation.is_finite())
        .collect();
    if banded.len() > 1 {
        let upper = banded
            .iter()
            .map(|(x, s)| (*x, y.at((s.mean + s.deviation).min(100.0))));
        let lower = banded
            .iter()
            .rev()
            .map(|(x, s)| (*x, y.at((s.mean - s.deviation).max(0.0))));
        let mut band = Path::default();
        band.through(upper.chain(lower));
        band.close();
        svg.path(
            &band,
            &format!("fill=\"{}\" fill-opacity=\"0.16\"", style.colour),
        );
    } else if let [(x, s)] = banded.as_slice() {
        // A test set that is measured once has a bar for its band.
        let bar = format!("stroke=\"{}\" stroke-width=\"0.8\"", style.colour);
        svg.line(
            (*x, y.at((s.mean - s.deviation).max(0.0))),
            (*x, y.at((s.mean + s.deviation).min(100.0))),
            &bar,
        );
    }
    let mut path = Path::default();
    path.through(points.iter().map(|(x, s)| (*x, y.at(s.mean))));
    svg.path(&path, &style.line());
    for (x, s) in points {
        style.mark(svg, (*x, y.at(s.mean)));
    }
}

/// From dark to light along the ranks; grey where the backbone is frozen, vermilion at full rank.
fn colour(ranks: impl Iterator<Item = Rank>, rank: Rank) -> String {
    let of: Vec<Rank> = ranks.filter(|r| matches!(r, Rank::Of(_))).collect();
    match rank {
        Rank::Frozen => "#8c8c8c".into(),
        Rank::Full => "#d55e00".into(),
        Rank::Unsaid => "#cc79a7".into(),
        Rank::Of(_) => {
            let place = of.iter().position(|r| *r == rank).unwrap_or(0);
            let last = of.len().saturating_sub(1).max(1);
            hex(Ramp::Sequential.at(DARK * place as f64 / last as f64))
        }
    }
}
