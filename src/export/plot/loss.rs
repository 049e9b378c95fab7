//! The loss of every task's training, one after the other.

use super::axis::{BELOW, GAP, Heads, Mark, Scale, below, left, legend, margin};
use super::colour::OUT;
use super::svg::{Area, Path, Svg, TEXT};
use super::{Figures, Picture};
use crate::measure;
use crate::run::view::Training;

/// Height of the curves, in points.
const HEIGHT: f64 = 110.0;
/// Columns of the raw loss: where more steps than these are, each column shows the least and the most of its own.
const COLUMNS: f64 = 400.0;
/// Share of the raw losses that the axis has room for; the rest is cut off.
const SHOWN: f64 = 0.98;

/// The picture, `width` points wide; `None` where nothing was trained.
pub fn picture(figures: &Figures, width: f64) -> Option<Picture> {
    let trainings: Vec<(&str, &Training)> = figures
        .rows
        .iter()
        .filter_map(|row| Some((figures.after(row.index), figures.training(row)?)))
        .filter(|(_, t)| t.points.iter().any(|p| p.loss.is_finite()))
        .collect();
    if trainings.is_empty() {
        return None;
    }
    let (svg, height) = draw(&trainings, width);
    let caption = "Training loss (cross-entropy, mean over the batch) by optimiser step; tasks one after the other, parted \
        by rules. Faint: every step, or least and most of the steps that share a column. Line: exponential moving \
        average without bias over about a fiftieth of a task's steps, ten at least."
        .to_owned();
    let title = format!("Training loss over {} tasks", trainings.len());
    Some(Picture::new(
        figures,
        "loss".into(),
        title,
        caption,
        svg,
        height,
    ))
}

fn draw(trainings: &[(&str, &Training)], page: f64) -> (Svg, f64) {
    let mut svg = Svg::new(page);
    let steps = |t: &Training| t.points.last().map_or(0, |p| p.step).max(1) as f64;
    let all: f64 = trainings.iter().map(|(_, t)| steps(t)).sum();
    let x = Scale::over([0.0, all].into_iter(), 5).between((0.0, all));
    let y = losses(trainings);
    let area = {
        let left = margin(&y);
        Area::new(left, 0.0, page - left - 2.0 * GAP, HEIGHT)
    };
    let widths: Vec<f64> = trainings
        .iter()
        .map(|(_, t)| steps(t) / all * area.width)
        .collect();
    let names: Vec<&str> = trainings.iter().map(|(name, _)| *name).collect();
    let heads = Heads::over(&names, &widths);
    let area = Area {
        y: TEXT + GAP + heads.height,
        ..area
    };
    let x = x.drawn((area.x, area.right()));
    let y = y.drawn((area.bottom(), area.y));

    let marks = [
        (
            Mark::Line("stroke=\"#9ecae1\" stroke-width=\"2\""),
            "each step",
        ),
        (Mark::Line(&line()), "smoothed"),
    ];
    legend(&mut svg, (area.x, 0.5 * TEXT), &marks);
    let mut from = 0.0;
    let mut centres = Vec::new();
    svg.group(&format!("clip-path=\"url(#{CLIP})\""), |svg| {
        for (_, training) in trainings {
            if from > 0.0 {
                let at = x.at(from);
                svg.line(
                    (at, area.y),
                    (at, area.bottom()),
                    "stroke=\"#8c8c8c\" stroke-width=\"0.5\" stroke-dasharray=\"2 1.5\"",
                );
            }
            curves(svg, training, from, &x, &y);
            centres.push(x.at(from + steps(training) / 2.0));
            from += steps(training);
        }
    });
    svg.clip(CLIP, &area);
    heads.draw(&mut svg, &centres, area.y);
    below(&mut svg, &area, &x, "optimiser step");
    left(&mut svg, &area, &y, "training loss (nats)");
    (svg, area.bottom() + BELOW + GAP)
}

/// Name of the area that curves are cut to.
const CLIP: &str = "pentimento-loss";

fn line() -> String {
    format!("fill=\"none\" stroke=\"{OUT}\" stroke-width=\"1\" stroke-linejoin=\"round\"")
}

fn curves(svg: &mut Svg, training: &Training, from: f64, x: &Scale, y: &Scale) {
    let points: Vec<(f64, f64)> = training
        .points
        .iter()
        .map(|p| (from + p.step as f64, f64::from(p.loss)))
        .collect();
    let drawn = |points: &[(f64, f64)]| {
        let mut path = Path::default();
        path.through(points.iter().map(|&(step, loss)| (x.at(step), y.at(loss))));
        path
    };
    let column = (x.domain.1 - x.domain.0) / COLUMNS;
    let faint = "fill=\"none\" stroke=\"#9ecae1\" stroke-width=\"0.5\" stroke-linejoin=\"round\"";
    svg.path(&drawn(&thinned(&points, column)), faint);
    let smooth = smoothed(&points);
    let every = (column / 2.0).ceil().max(1.0) as usize;
    let last = smooth.len().saturating_sub(1);
    let kept = smooth.into_iter().enumerate();
    let kept: Vec<(f64, f64)> = kept
        .filter(|(i, _)| i % every == 0 || *i == last)
        .map(|(_, point)| point)
        .collect();
    svg.path(&drawn(&kept), &line());
}

/// From 0 to what most of the losses are below.
fn losses(trainings: &[(&str, &Training)]) -> Scale {
    let points = trainings.iter().flat_map(|(_, t)| &t.points);
    let mut all: Vec<f64> = points
        .map(|p| f64::from(p.loss))
        .filter(|l| l.is_finite())
        .collect();
    all.sort_by(f64::total_cmp);
    let top = all[((all.len() - 1) as f64 * SHOWN) as usize];
    let smooth = trainings.iter().flat_map(|(_, t)| {
        let points: Vec<(f64, f64)> = t.points.iter().map(|p| (0.0, f64::from(p.loss))).collect();
        smoothed(&points)
    });
    let top = smooth
        .map(|(_, loss)| loss)
        .filter(|l| l.is_finite())
        .fold(top, f64::max);
    Scale::over([0.0, top].into_iter(), 4)
}

/// Of points in columns of this width, the least and the most of each, in their order; all of them where they are
/// fewer.
fn thinned(points: &[(f64, f64)], column: f64) -> Vec<(f64, f64)> {
    if column <= 2.0 {
        return points.to_vec();
    }
    let finite: Vec<(f64, f64)> = points.iter().copied().filter(|p| p.1.is_finite()).collect();
    let same = |a: &(f64, f64), b: &(f64, f64)| (a.0 / column).floor() == (b.0 / column).floor();
    finite
        .chunk_by(same)
        .flat_map(|chunk| {
            let by_loss = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
            let ends = [chunk.iter().min_by(by_loss), chunk.iter().max_by(by_loss)];
            let mut ends: Vec<(f64, f64)> = ends.into_iter().flatten().copied().collect();
            ends.sort_by(|a, b| a.0.total_cmp(&b.0));
            ends
        })
        .collect()
}

/// [`measure::smoothed`] over about a fiftieth of the points, ten at least.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let beta = 1.0 - 1.0 / (points.len() as f64 / 50.0).max(10.0);
    let average = measure::smoothed(points.iter().map(|p| p.1), beta);
    points.iter().map(|p| p.0).zip(average).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_what_stands_out() {
        let points: Vec<(f64, f64)> = (0..1000)
            .map(|i| (f64::from(i), if i == 500 { 9.0 } else { f64::from(i % 7) }))
            .collect();
        let thin = thinned(&points, 50.0);
        assert_eq!(thin.len(), 40);
        assert!(thin.contains(&(500.0, 9.0)));
        assert!(thin.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!(thinned(&points, 1.0), points);
    }

    #[test]
    fn smoothing_starts_at_the_first_figure_and_passes_over_gaps() {
        let smooth = smoothed(&[(1.0, 4.0), (2.0, f64::NAN), (3.0, 2.0)]);
        assert_eq!(smooth[0].1, 4.0);
        assert_eq!(smooth[1].1, 4.0);
        assert!((smooth[2].1 - (0.9 * 4.0 + 2.0) / 1.9).abs() < 1e-12);
    }
}
