//! From a run's trainings to what is plotted of them.

mod axis;
mod scale;
mod smooth;
#[cfg(test)]
mod testing;

use std::ops::Range as Span;

use ratatui::style::Style;

use super::beside::Beside;
use super::plot::{Boundary, Kind, Mark, Plot, Series, scale as fitting};
use super::theme::{Ink, Theme};
use crate::run::RunView;
use crate::run::view::{Point, Training, Watch};

pub use axis::{Axis, Course, Part, Zoom};
pub use smooth::{Memo, Strength};

use scale::Range;

/// How curves are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Whether they are of the whole run.
    pub whole: bool,
    /// How strong they are smoothed.
    pub strength: Strength,
    /// Whether losses are shown by their logarithm.
    pub log: bool,
    /// What they are drawn over.
    pub axis: Axis,
    /// Which part is looked at.
    pub zoom: Zoom,
}

impl Look {
    /// What is drawn of the run, with this training where it is of one.
    pub fn course<'a>(&self, view: &'a RunView, training: &'a Training) -> Course<'a> {
        match self.whole {
            true => Course::whole(view, self.axis),
            false => Course::of(training, self.axis),
        }
    }
}

/// What the curves are a function of.
pub struct Scene<'a> {
    /// The run.
    pub view: &'a RunView,
    /// The training looked at.
    pub training: &'a Training,
    /// How.
    pub look: Look,
    /// Colours.
    pub theme: &'a Theme,
    /// What was smoothed before.
    pub memo: &'a Memo,
    /// Other runs to lie over it, by name.
    pub beside: &'a [(&'a str, &'a RunView)],
}

/// What is drawn.
pub struct Curves {
    /// Losses.
    pub loss: Plot,
    /// Accuracies.
    pub accuracy: Plot,
    /// The learning rate as a part of the highest one that is shown, and that one.
    pub rate: (Plot, f64),
    /// The smoothed loss and accuracy of the newest step; `None` before one.
    pub smooth: Option<(f64, f64)>,
    /// Losses in sight that have no place on the plot.
    pub missing: Missing,
    /// The other runs: letter, name, colour.
    pub beside: Vec<(char, String, Style)>,
}

/// Losses in sight that are marked on the edge, or left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Not finite: the training has diverged.
    pub not_finite: usize,
    /// Above the scale.
    pub above: usize,
    /// Without a logarithm.
    pub not_positive: usize,
}

/// The mark of a loss that is not finite.
pub const NOT_FINITE: char = '!';
/// The mark of a loss above the scale.
pub const ABOVE: char = '^';

/// Points of a training that its learning rate is drawn through.
const RATES: usize = 1000;

/// A part of the course in sight: which of its points are.
struct Sight<'a> {
    part: Part<'a>,
    points: Span<usize>,
    smooth: std::rc::Rc<smooth::Smooth>,
}

impl<'a> Sight<'a> {
    fn points(&self) -> &'a [Point] {
        let points = self.part.training.points.get(self.points.clone());
        points.unwrap_or_default()
    }
}

impl Scene<'_> {
    /// The curves of what is in sight.
    pub fn curves(&self) -> Curves {
        let course = self.look.course(self.view, self.training);
        let window = self.look.zoom.window(&course);
        let own = self.sights(&course, 0, window);
        let courses: Vec<Course> = self
            .beside
            .iter()
            .map(|(_, view)| course.beside(view, self.look.whole))
            .collect();
        let others: Vec<Vec<Sight>> = courses
            .iter()
            .enumerate()
            .map(|(i, course)| self.sights(course, i + 1, window))
            .collect();
        let y = self.scale(own.iter().chain(others.iter().flatten()));
        let (mut loss, missing) = self.loss(&course, &own, window, y);
        let mut accuracy = self.accuracy(&course, &own, window);
        let others = courses.iter().zip(&others).enumerate();
        // Over the raw losses, under what is the run's own.
        let (losses, accuracies): (Vec<Series>, Vec<Series>) = others
            .flat_map(|(i, (course, sights))| self.of_other(course, sights, i, window))
            .unzip();
        loss.series.splice(1..1, losses);
        accuracy.series.splice(0..0, accuracies);
        let shown = accuracy.series.iter().flat_map(|s| &s.points);
        let (low, high) = fitting(shown.map(|p| p.1), 0.05);
        accuracy.y = (low.max(0.0), high.min(1.0));
        let smooth = self.memo.of(0, self.training, self.look.strength);
        let newest = |curve: &[f64]| curve.last().copied();
        Curves {
            loss,
            accuracy,
            rate: self.rate(&course, &own, window),
            smooth: newest(&smooth.loss).zip(newest(&smooth.accuracy)),
            missing,
            beside: (0..)
                .zip(self.beside)
                .map(|(i, (name, _))| (Beside::letter(i), (*name).to_owned(), self.theme.beside(i)))
                .collect(),
        }
    }

    fn sights<'a>(&self, course: &Course<'a>, run: usize, window: (f64, f64)) -> Vec<Sight<'a>> {
        let see = |part: &Part<'a>| {
            let points = &part.training.points;
            let before = |x: f64| points.partition_point(|p| course.at(part, p) < x);
            let after = points.partition_point(|p| course.at(part, p) <= window.1);
            Sight {
                part: *part,
                points: before(window.0)..after.max(before(window.0)),
                smooth: self.memo.of(run, part.training, self.look.strength),
            }
        };
        course.parts.iter().map(see).collect()
    }

    fn plot(&self, course: &Course, window: (f64, f64)) -> Plot {
        let named = |part: &Part| Boundary {
            x: part.from,
            name: part.training.step_id.clone(),
        };
        let boundaries = course.parts.iter().filter(|_| self.look.whole);
        Plot {
            x: window,
            unit: 1.0,
            name: course.name(),
            boundaries: boundaries.map(named).collect(),
            ..Plot::default()
        }
    }

    /// A loss as it is drawn: itself, or its logarithm where it has one.
    fn height(&self, loss: f64) -> Option<f64> {
        match self.look.log {
            true if loss > 0.0 => Some(loss.log10()),
            true => None,
            false => Some(loss),
        }
    }

    /// How high losses are drawn, so that those of all runs have their place.
    fn scale<'a>(&self, sights: impl Iterator<Item = &'a Sight<'a>> + Clone) -> (f64, f64) {
        let raw = sights.clone().flat_map(Sight::points);
        let raw = raw.map(|p| f64::from(p.loss)).filter(|l| l.is_finite());
        let in_sight = |s: &'a Sight| s.smooth.loss.get(s.points.clone()).unwrap_or_default();
        let smooth = Range::of(sights.flat_map(in_sight).copied());
        match self.look.log {
            true => scale::logarithmic(raw.collect(), smooth),
            false => scale::linear(raw.collect(), smooth),
        }
    }

    fn loss(
        &self,
        course: &Course,
        sights: &[Sight],
        window: (f64, f64),
        y: (f64, f64),
    ) -> (Plot, Missing) {
        let place = |s: &Sight, p: &Point| (course.at(&s.part, p), f64::from(p.loss));
        let in_sight = sights
            .iter()
            .flat_map(|s| s.points().iter().map(move |p| place(s, p)));
        let mut missing = Missing::default();
        let mut marks = Vec::new();
        let mut points = Vec::new();
        for (x, loss) in in_sight {
            match self.height(loss) {
                _ if !loss.is_finite() => {
                    missing.not_finite += 1;
                    marks.push(Mark {
                        x,
                        sign: NOT_FINITE,
                        style: self.theme.bold(Ink::Bad),
                    });
                }
                Some(height) if height > y.1 => {
                    missing.above += 1;
                    marks.push(Mark {
                        x,
                        sign: ABOVE,
                        style: self.theme.ink(Ink::Faint),
                    });
                }
                Some(height) => points.push((x, height)),
                None => missing.not_positive += 1,
            }
        }
        // The worse sign stays where both are.
        marks.sort_by_key(|m| m.sign == NOT_FINITE);
        let raw = Series {
            points,
            style: self.theme.ink(Ink::Faint),
            kind: Kind::Points,
            letter: None,
            sign: None,
        };
        let style = self.theme.ink(Ink::Accent);
        let lines = sights.iter().map(|s| Series {
            points: self.smooth_loss(course, s, window),
            style,
            kind: Kind::Line,
            letter: None,
            sign: None,
        });
        let plot = Plot {
            y,
            log: self.look.log,
            series: std::iter::once(raw).chain(lines).collect(),
            marks,
            ..self.plot(course, window)
        };
        (plot, missing)
    }

    fn smooth_loss(&self, course: &Course, sight: &Sight, window: (f64, f64)) -> Vec<(f64, f64)> {
        let height = |loss: &f64| self.height(*loss).unwrap_or(f64::NAN);
        line(course, sight, &sight.smooth.loss, height, window)
    }

    /// Accuracies; how high is decided once all curves are there.
    fn accuracy(&self, course: &Course, sights: &[Sight], window: (f64, f64)) -> Plot {
        let mut series = Vec::new();
        for (i, sight) in sights.iter().enumerate() {
            let newest = i + 1 == sights.len();
            let train = line(course, sight, &sight.smooth.accuracy, |a| *a, window);
            let watched = |value| watched(course, &sight.part, value, window);
            let lines = [
                (train, Ink::Accent, 't'),
                (watched(|w| w.task.accuracy()), Ink::Third, 'h'),
                (watched(|w| w.foundation.accuracy()), Ink::Second, 'f'),
            ];
            series.extend(lines.map(|(points, ink, letter)| Series {
                points,
                style: self.theme.ink(ink),
                kind: Kind::Line,
                letter: newest.then_some(letter),
                sign: None,
            }));
        }
        Plot {
            unit: 100.0,
            series,
            ..self.plot(course, window)
        }
    }

    /// Another run's smoothed losses, and what is left of the foundation beside each.
    fn of_other(
        &self,
        course: &Course,
        sights: &[Sight],
        number: usize,
        window: (f64, f64),
    ) -> Vec<(Series, Series)> {
        let series = |points, last: bool| Series {
            points,
            style: self.theme.beside(number),
            kind: Kind::Line,
            letter: last.then(|| Beside::letter(number)),
            sign: Some(Beside::letter(number).to_ascii_lowercase()),
        };
        let both = |(i, sight): (usize, &Sight)| {
            let last = i + 1 == sights.len();
            let smooth = self.smooth_loss(course, sight, window);
            let kept = watched(course, &sight.part, |w| w.foundation.accuracy(), window);
            (series(smooth, last), series(kept, last))
        };
        sights.iter().enumerate().map(both).collect()
    }

    fn rate(&self, course: &Course, sights: &[Sight], window: (f64, f64)) -> (Plot, f64) {
        let rates = sights.iter().flat_map(Sight::points).map(|p| p.lr);
        let peak = rates.filter(|r| r.is_finite()).fold(0.0, f64::max);
        let unit = if peak > 0.0 { peak } else { 1.0 };
        let line = |s: &Sight| {
            let points = s.points();
            // It changes slowly: more points than dots would say no more.
            let every = points.len().div_ceil(RATES).max(1);
            let some = points.iter().step_by(every);
            let some = some.chain(points.last().filter(|_| every > 1));
            some.map(|p| (course.at(&s.part, p), p.lr / unit)).collect()
        };
        let series = sights.iter().map(|s| Series {
            points: line(s),
            style: self.theme.ink(Ink::Plain),
            kind: Kind::Line,
            letter: None,
            sign: None,
        });
        let plot = Plot {
            y: (0.0, 1.05),
            unit: 100.0,
            series: series.collect(),
            ..self.plot(course, window)
        };
        (plot, peak)
    }
}

/// A smoothed curve in sight, up to the window's edges.
fn line(
    course: &Course,
    sight: &Sight,
    values: &[f64],
    height: impl Fn(&f64) -> f64,
    window: (f64, f64),
) -> Vec<(f64, f64)> {
    let points = &sight.part.training.points;
    let with_neighbours =
        sight.points.start.saturating_sub(1)..points.len().min(sight.points.end + 1);
    let values = values.get(with_neighbours.clone()).unwrap_or_default();
    let points = points.get(with_neighbours).unwrap_or_default();
    let places = points.iter().map(|p| course.at(&sight.part, p));
    cut(places.zip(values.iter().map(height)).collect(), window)
}

fn watched(
    course: &Course,
    part: &Part,
    value: fn(&Watch) -> f64,
    window: (f64, f64),
) -> Vec<(f64, f64)> {
    let points = part.training.watched.iter();
    let points = points.map(|w| (course.at_step(part, w.step), value(w)));
    cut(points.collect(), window)
}

/// The part of a line within the window; where it crosses an edge it ends there.
fn cut(points: Vec<(f64, f64)>, (from, to): (f64, f64)) -> Vec<(f64, f64)> {
    let within = |x: f64| (from..=to).contains(&x);
    if points.iter().all(|p| within(p.0)) {
        return points;
    }
    let mut kept = Vec::new();
    let mut before: Option<(f64, f64)> = None;
    for point in points {
        if let Some(before) = before {
            let across = |edge: f64| {
                let part = (edge - before.0) / (point.0 - before.0);
                (edge, before.1 + part * (point.1 - before.1))
            };
            let crossed = |edge: f64| before.0 < edge && edge < point.0;
            kept.extend([from, to].into_iter().filter(|e| crossed(*e)).map(across));
        }
        if within(point.0) {
            kept.push(point);
        }
        before = Some(point);
    }
    kept
}

#[cfg(test)]
mod tests;
