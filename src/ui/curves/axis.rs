//! What curves are drawn over, and which part of it is looked at.

use crate::run::RunView;
use crate::run::view::{Point, Training, TrainingEnd};

/// What the x axis counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    /// Optimiser steps.
    #[default]
    Step,
    /// Passes over the task's training images.
    Epoch,
    /// Time of training, without pauses.
    Time,
}

impl Axis {
    /// The next one, for the key that goes through them.
    pub fn next(self) -> Self {
        match self {
            Self::Step => Self::Epoch,
            Self::Epoch => Self::Time,
            Self::Time => Self::Step,
        }
    }
}

/// A stretch of training: where it begins on the axis, and whose it is.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Place of its beginning.
    pub from: f64,
    /// The training.
    pub training: &'a Training,
}

/// The trainings that are drawn, in a row over one axis.
pub struct Course<'a> {
    /// The trainings.
    pub parts: Vec<Part<'a>>,
    /// Where the last one will end.
    pub end: f64,
    axis: Axis,
    /// Seconds of a unit of time.
    second: f64,
}

/// Steps that are left at the closest look.
const CLOSEST: f64 = 8.0;

impl<'a> Course<'a> {
    /// One training.
    pub fn of(training: &'a Training, axis: Axis) -> Self {
        let second = unit(spent(training));
        Self::new([training].into_iter(), axis, second)
    }

    /// The trainings on the present path, one after the other.
    pub fn whole(view: &'a RunView, axis: Axis) -> Self {
        let second = unit(on_path(view).map(spent).sum());
        Self::new(on_path(view), axis, second)
    }

    /// The same stretches of another run, in the same units.
    pub fn beside<'b>(&self, other: &'b RunView, whole: bool) -> Course<'b> {
        let index = self.parts.last().map(|p| p.training.index);
        let same = on_path(other).filter(|t| whole || Some(t.index) == index);
        Course::new(same, self.axis, self.second)
    }

    fn new(trainings: impl Iterator<Item = &'a Training>, axis: Axis, second: f64) -> Self {
        let mut course = Self {
            parts: Vec::new(),
            end: 0.0,
            axis,
            second,
        };
        for training in trainings {
            let from = course.end;
            course.parts.push(Part { from, training });
            course.end += course.length(training);
        }
        course
    }

    /// What the axis counts, in a word that stands beside it.
    pub fn name(&self) -> &'static str {
        match (self.axis, self.second) {
            (Axis::Step, _) => "step",
            (Axis::Epoch, _) => "epoch",
            (Axis::Time, 1.0) => "s",
            (Axis::Time, 60.0) => "min",
            (Axis::Time, _) => "h",
        }
    }

    /// A point's place.
    pub fn at(&self, part: &Part, point: &Point) -> f64 {
        part.from
            + match self.axis {
                Axis::Time => point.spent.seconds / self.second,
                _ => self.steps(part.training, point.step),
            }
    }

    /// The place of something after a step, which need not be a point that is known.
    pub fn at_step(&self, part: &Part, step: usize) -> f64 {
        let points = &part.training.points;
        let before = points.partition_point(|p| p.step <= step);
        match (self.axis, before.checked_sub(1).and_then(|i| points.get(i))) {
            (Axis::Time, Some(point)) => self.at(part, point),
            (Axis::Time, None) => part.from,
            _ => part.from + self.steps(part.training, step),
        }
    }

    /// Place of the newest point.
    pub fn newest(&self) -> f64 {
        self.parts.last().map_or(0.0, |part| {
            let point = part.training.points.last();
            point.map_or(part.from, |p| self.at(part, p))
        })
    }

    /// The least stretch worth looking at: a few steps of the newest training.
    fn least(&self) -> f64 {
        let Some(part) = self.parts.last() else {
            return self.end;
        };
        let steps = match self.axis {
            Axis::Time => part.training.points.len(),
            _ => part.training.steps,
        };
        CLOSEST * self.length(part.training) / steps.max(1) as f64
    }

    fn length(&self, training: &Training) -> f64 {
        match self.axis {
            Axis::Time => spent(training) / self.second,
            _ => self.steps(training, training.steps),
        }
    }

    fn steps(&self, training: &Training, steps: usize) -> f64 {
        match self.axis {
            Axis::Epoch => steps as f64 / training.steps_per_epoch.max(1) as f64,
            _ => steps as f64,
        }
    }
}

fn on_path(view: &RunView) -> impl Iterator<Item = &Training> {
    let trainings = view.trainings.iter();
    trainings.filter(|t| matches!(t.end, TrainingEnd::Merged | TrainingEnd::Open))
}

fn spent(training: &Training) -> f64 {
    training.points.last().map_or(0.0, |p| p.spent.seconds)
}

/// The unit, in seconds, that a time is said in.
fn unit(seconds: f64) -> f64 {
    match seconds {
        s if s < 300.0 => 1.0,
        s if s < 7200.0 => 60.0,
        _ => 3600.0,
    }
}

/// Which part of a course is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Zoom {
    halvings: i32,
    /// The right end; `None` follows the newest point.
    end: Option<f64>,
}

impl Zoom {
    /// How many times closer than all of it.
    pub fn factor(&self) -> f64 {
        2f64.powi(self.halvings)
    }

    /// Whether the newest point stays in sight.
    pub fn follows(&self) -> bool {
        self.end.is_none()
    }

    /// From where to where.
    pub fn window(&self, course: &Course) -> (f64, f64) {
        let all = course.end.max(course.newest());
        let all = if all > 0.0 { all } else { 1.0 };
        if self.halvings == 0 {
            return (0.0, all);
        }
        let span = all / self.factor();
        let end = self.end.unwrap_or_else(|| course.newest());
        let end = end.max(span).min(all);
        (end - span, end)
    }

    /// Follows the newest point again.
    pub fn follow(&mut self) {
        self.end = None;
    }

    /// Half as much: around the middle, or around the newest where that is followed.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn closer(&mut self, course: &Course) -> Result<(), &'static str> {
        let (from, to) = self.window(course);
        let half = (to - from) / 2.0;
        if half < course.least() {
            return Err("single steps are in sight already");
        }
        if self.end.is_some() {
            self.end = Some(to - half / 2.0);
        }
        self.halvings += 1;
        Ok(())
    }

    /// Twice as much.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn wider(&mut self, course: &Course) -> Result<(), &'static str> {
        let (from, to) = self.window(course);
        match self.halvings {
            0 => return Err("all of it is in sight already"),
            1 => *self = Self::default(),
            _ => {
                self.halvings -= 1;
                let end = to + (to - from) / 2.0;
                self.end = self.end.and(Some(end)).filter(|e| *e < course.newest());
            }
        }
        Ok(())
    }

    /// A quarter of the window to the left (-1) or to the right (1).
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn pan(&mut self, course: &Course, by: f64) -> Result<(), &'static str> {
        let (from, to) = self.window(course);
        if self.halvings == 0 {
            return Err("all of it is in sight: zoom in first");
        }
        if by < 0.0 && from <= 0.0 {
            return Err("this is the beginning");
        }
        if by > 0.0 && to >= course.newest() {
            return Err("the newest step is in sight");
        }
        let span = to - from;
        let end = (to + by * span / 4.0).max(span);
        // Whoever comes to the newest point follows it.
        self.end = (end < course.newest()).then_some(end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::training;
    use super::*;

    #[test]
    fn an_axis_counts_steps_epochs_or_time() {
        let mut one = training(&[1.0; 100]);
        one.steps = 200;
        one.steps_per_epoch = 50;
        let place = |axis| {
            let course = Course::of(&one, axis);
            let part = course.parts[0];
            let at = course.at(&part, &one.points[9]);
            assert_eq!(at, course.at_step(&part, 10));
            (course.name(), at, course.newest(), course.end)
        };
        assert_eq!(place(Axis::Step), ("step", 10.0, 100.0, 200.0));
        assert_eq!(place(Axis::Epoch), ("epoch", 0.2, 2.0, 4.0));
        // Half a second a step; how long the rest will take is not known.
        assert_eq!(place(Axis::Time), ("s", 5.0, 50.0, 50.0));
        let long = training(&[1.0; 900]);
        assert_eq!(Course::of(&long, Axis::Time).name(), "min");
        assert_eq!(Course::of(&long, Axis::Time).end, 7.5);
    }

    #[test]
    fn zooming_follows_the_newest_until_the_user_pans_away() {
        let mut one = training(&[1.0; 60]);
        one.steps = 100;
        let course = Course::of(&one, Axis::Step);
        let mut zoom = Zoom::default();
        assert_eq!(zoom.window(&course), (0.0, 100.0));
        assert!(zoom.pan(&course, -1.0).is_err() && zoom.wider(&course).is_err());
        zoom.closer(&course).unwrap();
        assert_eq!(zoom.window(&course), (10.0, 60.0));
        zoom.closer(&course).unwrap();
        assert_eq!(zoom.window(&course), (35.0, 60.0));
        assert!(zoom.follows() && zoom.pan(&course, 1.0).is_err());
        zoom.pan(&course, -1.0).unwrap();
        assert_eq!(zoom.window(&course), (28.75, 53.75));
        assert!(!zoom.follows());
        // Around its middle.
        zoom.closer(&course).unwrap();
        assert_eq!(zoom.window(&course), (35.0, 47.5));
        assert!(zoom.closer(&course).is_err());
        zoom.wider(&course).unwrap();
        assert_eq!(zoom.window(&course), (28.75, 53.75));
        zoom.pan(&course, 1.0).unwrap();
        assert!(zoom.follows());
        zoom.wider(&course).unwrap();
        zoom.wider(&course).unwrap();
        assert_eq!(zoom, Zoom::default());
    }

    #[test]
    fn a_window_stays_within_what_there_is() {
        let mut zoom = Zoom::default();
        let none = training(&[]);
        let course = Course::of(&none, Axis::Time);
        assert_eq!(zoom.window(&course), (0.0, 1.0));
        let _ = zoom.closer(&course);
        let (from, to) = zoom.window(&course);
        assert!(from >= 0.0 && to > from);
        let one = training(&[1.0; 64]);
        let course = Course::of(&one, Axis::Step);
        let mut zoom = Zoom::default();
        zoom.closer(&course).unwrap();
        (0..9).for_each(|_| _ = zoom.pan(&course, -1.0));
        assert_eq!(zoom.window(&course), (0.0, 32.0));
        assert_eq!(zoom.pan(&course, -1.0), Err("this is the beginning"));
    }
}
