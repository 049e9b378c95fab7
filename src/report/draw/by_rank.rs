//! Figures over the rank: forgetting, plasticity and accuracy; contextual forgetting by task.

use std::collections::BTreeSet;

use super::super::figures::{Measure, Spread, contexts, spread};
use super::super::series::{Member, Rank, Study};
use super::marks::{Style, legend};
use super::panel::{BELOW, RankAxis, TITLE, left, margin, scale, title};
use super::{Figure, PAGE};
use crate::export::plot::axis::GAP;
use crate::export::plot::svg::{Area, Path, Svg};
use crate::measure::Forgetting;

/// Height of a panel's frame, in points.
const HEIGHT: f64 = 112.0;

/// One panel.
struct Panel {
    title: String,
    /// By series, a spread at each rank, in percent.
    lines: Vec<Vec<(Rank, Spread)>>,
}

impl Panel {
    /// Of a figure of each run; `None` where no run has it.
    fn of(study: &Study, title: String, figure: impl Fn(&Member) -> f64) -> Option<Self> {
        let lines: Vec<Vec<(Rank, Spread)>> = study
            .series
            .iter()
            .map(|series| {
                let ranks = series.ranks.keys().copied();
                let spreads = ranks.map(|r| (r, spread(series, r, |m| 100.0 * figure(m))));
                spreads.filter(|(_, s)| !s.values.is_empty()).collect()
            })
            .collect();
        let any = lines.iter().any(|line| !line.is_empty());
        any.then_some(Self { title, lines })
    }

    /// Everything that must be within the axis.
    fn extent(&self) -> impl Iterator<Item = f64> {
        self.lines.iter().flatten().flat_map(|(_, s)| {
            let around = [s.mean - s.deviation, s.mean + s.deviation];
            s.values.iter().copied().chain(around)
        })
    }
}

/// Rank against foundation forgetting, downstream forgetting, plasticity and average accuracy; `None` of a study
/// without figures.
pub fn ranks(study: &Study, prefix: &str, forgetting: Forgetting) -> Option<Figure> {
    let shown = [
        Measure::Foundation,
        Measure::Downstream,
        Measure::Plasticity,
        Measure::Accuracy,
    ];
    let panels: Vec<Panel> = shown
        .into_iter()
        .filter_map(|measure| {
            let name = crate::export::summary::capitalised(measure.title());
            let title = format!("{name} ({})", measure.unit());
            Panel::of(study, title, |m| measure.of(m, forgetting))
        })
        .collect();
    let caption = format!(
        "What the rank does, after the last task. Marks are means over seeds, bars one sample standard deviation to either \
         side, small points the single seeds. Forgetting by {}.{}",
        forgetting.name(),
        notes(study, &panels)
    );
    draw(
        study,
        panels,
        2,
        &format!("{prefix}rank"),
        "Rank against forgetting, plasticity and accuracy",
        caption,
    )
}

/// By task, what the classes in its context lost more than the rest; `None` where no run has it.
pub fn contextual(study: &Study, prefix: &str) -> Option<Figure> {
    let panels: Vec<Panel> = (1..study.after.len())
        .filter_map(|row| {
            let difference = |m: &Member| {
                let found = contexts(m).find(|(r, _)| *r == row);
                found.map_or(f64::NAN, |(_, c)| c.in_context - c.rest)
            };
            let title = format!("{row} {} (points)", study.after[row]);
            Panel::of(study, title, difference)
        })
        .collect();
    let caption = format!(
        "Contextual forgetting: by task, the mean drop of the foundation classes in its context less that of the others, by \
         its merge alone. Above 0 the context lost more. Marks, bars and points as before.{}",
        notes(study, &panels)
    );
    draw(
        study,
        panels,
        3,
        &format!("{prefix}contextual"),
        "Contextual forgetting by task and rank",
        caption,
    )
}

/// What needs saying of the ends of the axis and of imported lines, where there are any.
fn notes(study: &Study, panels: &[Panel]) -> String {
    let drawn = |i: usize| {
        panels
            .iter()
            .flat_map(move |p| p.lines[i].iter().map(|(r, _)| *r))
    };
    let ranks: BTreeSet<Rank> = (0..study.series.len()).flat_map(drawn).collect();
    let mut text = String::from(" Ranks stand by octaves");
    if ranks.contains(&Rank::Frozen) {
        text += ", 0 is the frozen backbone";
    }
    if ranks.contains(&Rank::Full) {
        text += ", full is training without adapters";
    }
    text += ".";
    if (0..study.series.len()).any(|i| study.series[i].imported && drawn(i).next().is_some()) {
        text += " Dashed with hollow marks: imported logs.";
    }
    if ranks.contains(&Rank::Unsaid) {
        text += " A dashed line across is an imported log whose rank was not given.";
    }
    text
}

fn draw(
    study: &Study,
    panels: Vec<Panel>,
    columns: usize,
    stem: &str,
    name: &str,
    caption: String,
) -> Option<Figure> {
    if panels.is_empty() {
        return None;
    }
    let mut svg = Svg::new(PAGE);
    let styles: Vec<Style> = study
        .series
        .iter()
        .enumerate()
        .map(|(i, series)| Style::of(i, series.imported))
        .collect();
    // A series that has nothing in any panel is in no legend.
    let drawn = |i: &usize| panels.iter().any(|p| !p.lines[*i].is_empty());
    let entries: Vec<(Style, String)> = (0..study.series.len())
        .filter(drawn)
        .map(|i| (styles[i].clone(), study.series[i].name.clone()))
        .collect();
    let mut top = legend(&mut svg, (0.0, PAGE), 0.0, &entries) + GAP;
    let scales: Vec<_> = panels.iter().map(|p| scale(p.extent(), 4)).collect();
    let from = scales.iter().map(margin).fold(0.0, f64::max);
    let columns = columns.min(panels.len());
    let wide = (PAGE / columns as f64).min(PAGE / 1.5);
    let ranks: BTreeSet<Rank> = panels
        .iter()
        .flat_map(|p| p.lines.iter().flatten().map(|(rank, _)| *rank))
        .collect();
    for (line, panels) in panels
        .chunks(columns)
        .zip(scales.chunks(columns))
        .enumerate()
    {
        let (panels, scales) = panels;
        let y = top + TITLE + if line > 0 { GAP } else { 0.0 };
        for (column, (panel, scale)) in panels.iter().zip(scales).enumerate() {
            let x = column as f64 * wide;
            let area = Area::new(x + from, y, wide - from - 3.0 * GAP, HEIGHT);
            let scale = scale.drawn((area.bottom(), area.y));
            let axis = RankAxis::of(&ranks).drawn((area.x, area.right()));
            title(&mut svg, &area, x, &panel.title);
            left(&mut svg, &area, &scale);
            axis.below(&mut svg, &area);
            for (i, line) in panel.lines.iter().enumerate() {
                // Beside one another where they share a rank.
                let aside = 4.0 * (i as f64 - (panel.lines.len() - 1) as f64 / 2.0);
                let place = |rank| Some(axis.at(rank)? + aside);
                curve(&mut svg, &area, line, &styles[i], &place, &|v| scale.at(v));
            }
        }
        top = y + HEIGHT + BELOW;
    }
    Some(Figure::new(stem, name, caption, svg, top))
}

/// One series in a panel: its line through the ranks, bars, single runs and means.
fn curve(
    svg: &mut Svg,
    area: &Area,
    line: &[(Rank, Spread)],
    style: &Style,
    x: &dyn Fn(Rank) -> Option<f64>,
    y: &dyn Fn(f64) -> f64,
) {
    let mut path = Path::default();
    let through = line.iter().filter(|(rank, _)| matches!(rank, Rank::Of(_)));
    path.through(through.filter_map(|(rank, s)| Some((x(*rank)?, y(s.mean)))));
    svg.path(&path, &style.line());
    for (rank, s) in line {
        let Some(at) = x(*rank) else {
            let y = y(s.mean);
            svg.line((area.x, y), (area.right(), y), &style.line());
            continue;
        };
        if s.values.len() > 1 {
            for value in &s.values {
                svg.circle((at + 3.2, y(*value)), 1.0, &style.faint());
            }
        }
        if s.deviation.is_finite() {
            let bar = format!("stroke=\"{}\" stroke-width=\"0.8\"", style.colour);
            let (low, high) = (y(s.mean - s.deviation), y(s.mean + s.deviation));
            svg.line((at, low), (at, high), &bar);
            for end in [low, high] {
                svg.line((at - 1.5, end), (at + 1.5, end), &bar);
            }
        }
        style.mark(svg, (at, y(s.mean)));
    }
}
