//! From a training's points to what is plotted of it.

use super::plot::{Boundary, Kind, Plot, Series, scale};
use super::theme::{Ink, Theme};
use crate::measure::smoothed;
use crate::run::RunView;
use crate::run::view::{Training, TrainingEnd};

/// Weight of the past in smoothed curves: about the last ten steps count.
const BETA: f64 = 0.9;

/// The smoothed loss, a value a step.
pub fn smooth_loss(training: &Training) -> Vec<f64> {
    smoothed(training.points.iter().map(|p| f64::from(p.loss)), BETA)
}

/// The smoothed accuracy on training batches, a value a step.
pub fn smooth_accuracy(training: &Training) -> Vec<f64> {
    smoothed(training.points.iter().map(|p| f64::from(p.accuracy)), BETA)
}

/// Loss and accuracy of one training over its steps.
pub fn of(training: &Training, theme: &Theme) -> (Plot, Plot) {
    let end = training.steps.max(1) as f64;
    plots(&[(0.0, training)], end, Vec::new(), theme)
}

/// Loss and accuracy of the trainings on the present path, one after the other.
pub fn whole(view: &RunView, theme: &Theme) -> (Plot, Plot) {
    let on_path = |t: &&Training| matches!(t.end, TrainingEnd::Merged | TrainingEnd::Open);
    let mut parts = Vec::new();
    let mut boundaries = Vec::new();
    let mut x = 0.0;
    for training in view.trainings.iter().filter(on_path) {
        parts.push((x, training));
        boundaries.push(Boundary {
            x,
            name: training.step_id.clone(),
        });
        x += training.steps as f64;
    }
    plots(&parts, x.max(1.0), boundaries, theme)
}

fn plots(
    parts: &[(f64, &Training)],
    end: f64,
    boundaries: Vec<Boundary>,
    theme: &Theme,
) -> (Plot, Plot) {
    let named = |b: &Boundary| Boundary {
        x: b.x,
        name: b.name.clone(),
    };
    let loss = Plot {
        x: (0.0, end),
        y: loss_scale(parts),
        unit: 1.0,
        series: loss_series(parts, theme),
        boundaries: boundaries.iter().map(named).collect(),
    };
    let series = accuracy_series(parts, theme);
    let shown = series.iter().flat_map(|s| s.points.iter().map(|p| p.1));
    let (low, high) = scale(shown, 0.05);
    let accuracy = Plot {
        x: (0.0, end),
        y: (low.max(0.0), high.min(1.0)),
        unit: 100.0,
        series,
        boundaries,
    };
    (loss, accuracy)
}

fn loss_series(parts: &[(f64, &Training)], theme: &Theme) -> Vec<Series> {
    let raw = parts.iter().map(|(x, training)| Series {
        points: training
            .points
            .iter()
            .map(|p| (x + p.step as f64, f64::from(p.loss)))
            .collect(),
        style: theme.ink(Ink::Faint),
        kind: Kind::Points,
        letter: None,
    });
    let smooth = parts.iter().map(|(x, training)| Series {
        points: at_steps(*x, training, smooth_loss(training)),
        style: theme.ink(Ink::Accent),
        kind: Kind::Line,
        letter: None,
    });
    raw.chain(smooth).collect()
}

fn accuracy_series(parts: &[(f64, &Training)], theme: &Theme) -> Vec<Series> {
    let mut series = Vec::new();
    for (i, (x, training)) in parts.iter().enumerate() {
        let newest = i + 1 == parts.len();
        let watched = |value: fn(&crate::run::view::Watch) -> f64| {
            let points = training
                .watched
                .iter()
                .map(|w| (x + w.step as f64, value(w)));
            points.collect::<Vec<_>>()
        };
        let lines = [
            (
                at_steps(*x, training, smooth_accuracy(training)),
                Ink::Accent,
                't',
            ),
            (watched(|w| w.task.accuracy()), Ink::Third, 'h'),
            (watched(|w| w.foundation.accuracy()), Ink::Second, 'f'),
        ];
        for (points, ink, letter) in lines {
            series.push(Series {
                points,
                style: theme.ink(ink),
                kind: Kind::Line,
                letter: newest.then_some(letter),
            });
        }
    }
    series
}

fn at_steps(x: f64, training: &Training, values: Vec<f64>) -> Vec<(f64, f64)> {
    let steps = training.points.iter().map(|p| x + p.step as f64);
    steps.zip(values).collect()
}

/// To what nearly all raw values and the smoothed curve need: one wild batch, or what it leaves in the
/// smoothed curve, must not flatten the rest.
fn loss_scale(parts: &[(f64, &Training)]) -> (f64, f64) {
    let mut raw: Vec<f64> = parts
        .iter()
        .flat_map(|(_, t)| t.points.iter().map(|p| f64::from(p.loss)))
        .filter(|l| l.is_finite())
        .collect();
    raw.sort_by(f64::total_cmp);
    let most = raw.get(raw.len() * 98 / 100).or(raw.last());
    let most = most.copied().unwrap_or(1.0);
    let smooth = parts.iter().flat_map(|(_, t)| smooth_loss(t));
    let top = smooth.filter(|l| l.is_finite()).fold(most, f64::max);
    let top = 1.05 * top.min(3.0 * most).max(0.1);
    // A curve far above 0 gets the height for itself.
    let least = raw.get(raw.len() / 50).copied().unwrap_or(0.0);
    let low = if least > 0.4 * top { 0.9 * least } else { 0.0 };
    (low, top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::view::Point;
    use crate::ui::theme::{Depth, Marker};

    fn training(losses: &[f32]) -> Training {
        let point = |(i, loss): (usize, &f32)| Point {
            step: i + 1,
            loss: *loss,
            lr: 1e-3,
            accuracy: 0.5,
            rate: 100.0,
        };
        Training {
            steps: losses.len(),
            points: losses.iter().enumerate().map(point).collect(),
            ..Training::default()
        }
    }

    #[test]
    fn a_wild_batch_does_not_flatten_the_curve() {
        let mut losses = vec![0.5f32; 200];
        losses[150] = 80.0;
        losses[160] = f32::NAN;
        let scale = loss_scale(&[(0.0, &training(&losses))]);
        assert!(scale.1 < 2.0, "{scale:?}");
    }

    #[test]
    fn the_whole_run_leaves_out_what_was_undone() {
        let theme = Theme {
            depth: Depth::None,
            marker: Marker::Ascii,
            ..Theme::default()
        };
        let mut undone = training(&[1.0; 10]);
        undone.end = TrainingEnd::Undone;
        let mut merged = training(&[1.0; 30]);
        merged.end = TrainingEnd::Merged;
        let view = RunView {
            trainings: vec![merged, undone, training(&[1.0; 20])],
            ..RunView::default()
        };
        let (loss, _) = whole(&view, &theme);
        assert_eq!(loss.x, (0.0, 50.0));
        assert_eq!(loss.boundaries.len(), 2);
    }
}
