use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::testing::training;
use super::*;
use crate::measure::Counts;
use crate::run::view::TrainingEnd;
use crate::ui::pen::Pen;
use crate::ui::theme::{Depth, Marker, Palette};

const THEME: Theme = Theme {
    palette: Palette::Dark,
    painted: false,
    depth: Depth::None,
    marker: Marker::Ascii,
};

fn run(trainings: Vec<Training>) -> RunView {
    RunView {
        trainings,
        ..RunView::default()
    }
}

fn curves(view: &RunView, look: Look, beside: &[(&str, &RunView)]) -> Curves {
    Scene {
        view,
        training: view.trainings.last().unwrap(),
        look,
        theme: &THEME,
        memo: &Memo::default(),
        beside,
    }
    .curves()
}

#[test]
fn the_whole_run_leaves_out_what_was_undone() {
    let mut undone = training(&[1.0; 10]);
    undone.end = TrainingEnd::Undone;
    let mut merged = training(&[1.0; 30]);
    merged.end = TrainingEnd::Merged;
    let view = run(vec![merged, undone, training(&[1.0; 20])]);
    let whole = Look {
        whole: true,
        ..Look::default()
    };
    let drawn = curves(&view, whole, &[]);
    assert_eq!(drawn.loss.x, (0.0, 50.0));
    assert_eq!(drawn.loss.boundaries.len(), 2);
    assert_eq!(drawn.loss.boundaries[1].x, 30.0);
    assert!(
        curves(&view, Look::default(), &[])
            .loss
            .boundaries
            .is_empty()
    );
}

/// What cannot be drawn is marked or counted, and leaves curve and scale as they were.
#[test]
fn no_loss_is_swallowed() {
    let mut losses = vec![0.5f32; 200];
    losses[20] = f32::NAN;
    losses[21] = f32::INFINITY;
    losses[150] = 80.0;
    losses[160] = 0.0;
    let view = run(vec![training(&losses)]);
    let drawn = curves(&view, Look::default(), &[]);
    let expected = Missing {
        not_finite: 2,
        above: 1,
        not_positive: 0,
    };
    assert_eq!(drawn.missing, expected);
    let marks: Vec<(f64, char)> = drawn.loss.marks.iter().map(|m| (m.x, m.sign)).collect();
    assert_eq!(marks, [(151.0, '^'), (21.0, '!'), (22.0, '!')]);
    assert!(drawn.loss.y.1 < 2.0);
    assert_eq!(drawn.loss.series[0].points.len(), 197);
    assert!(drawn.loss.series[1].points.iter().all(|p| p.1.is_finite()));
    let log = Look {
        log: true,
        ..Look::default()
    };
    let drawn = curves(&view, log, &[]);
    assert_eq!(drawn.missing.not_positive, 1);
    assert_eq!(drawn.loss.series[0].points.len(), 196);
    assert!((drawn.loss.series[0].points[0].1 - 0.5f64.log10()).abs() < 1e-9);
}

/// The scale is of what is on the screen.
#[test]
fn a_closer_look_has_its_own_scale() {
    let losses: Vec<f32> = (0..1000).map(|i| 4.0 / (1.0 + i as f32)).collect();
    let view = run(vec![training(&losses)]);
    let mut look = Look::default();
    let far = curves(&view, look, &[]).loss;
    let course = look.course(&view, &view.trainings[0]);
    (0..3).for_each(|_| look.zoom.closer(&course).unwrap());
    let close = curves(&view, look, &[]).loss;
    assert_eq!(close.x, (875.0, 1000.0));
    assert!(close.y.1 < 0.02 * far.y.1, "{:?} {:?}", close.y, far.y);
    // The line reaches the edges, the points are those in sight.
    assert_eq!(close.series[0].points.len(), 126);
    assert_eq!(close.series[1].points[0].0, 875.0);
}

#[test]
fn other_runs_lie_over_it_by_task() {
    let mut first = training(&[3.0; 10]);
    first.end = TrainingEnd::Merged;
    let mut second = training(&[2.0; 20]);
    second.index = 2;
    second.watched.push(Watch {
        step: 10,
        foundation: Counts {
            correct: vec![3],
            total: vec![4],
        },
        before: Counts::default(),
        start: Counts::default(),
        task: Counts::default(),
    });
    let other = run(vec![first, second]);
    let mut own = training(&[1.0; 20]);
    own.index = 2;
    let view = run(vec![own]);
    let beside = [("demo-s1", &other), ("none", &view)];
    let drawn = curves(&view, Look::default(), &beside);
    let ends: Vec<Option<char>> = drawn.loss.series.iter().map(|s| s.letter).collect();
    assert_eq!(ends, [None, Some('A'), Some('B'), None]);
    assert!(drawn.loss.series[1].points.iter().all(|p| p.1 == 2.0));
    let kept = drawn.accuracy.series.iter().find(|s| s.letter == Some('A'));
    assert_eq!(kept.unwrap().points, [(10.0, 0.75)]);
    let names: Vec<&str> = drawn.beside.iter().map(|b| b.1.as_str()).collect();
    assert_eq!(names, ["demo-s1", "none"]);
    let whole = Look {
        whole: true,
        ..Look::default()
    };
    let drawn = curves(&view, whole, &beside);
    let unlettered = drawn.loss.series.iter().filter(|s| s.letter.is_none());
    // Raw and smoothed of its own, and the other's first task, which ends where the second begins.
    assert_eq!(unlettered.count(), 3);
}

/// A colour and a letter of its own, and where a cell holds one sign, that letter all along.
#[test]
fn other_runs_are_told_apart_with_and_without_colour() {
    let other = run(vec![training(&[2.0; 20])]);
    let view = run(vec![training(&[1.0; 20])]);
    let beside = [("a", &other), ("b", &other)];
    let cells = |theme: Theme, wanted: &str| {
        let scene = Scene {
            view: &view,
            training: &view.trainings[0],
            look: Look::default(),
            theme: &theme,
            memo: &Memo::default(),
            beside: &beside,
        };
        let area = Rect::new(0, 0, 40, 10);
        let mut buffer = Buffer::empty(area);
        scene
            .curves()
            .loss
            .draw(&mut Pen::new(&mut buffer, area), &theme);
        let cells = buffer.content.into_iter();
        cells
            .filter(|c| c.symbol() == wanted)
            .map(|c| c.fg)
            .collect::<Vec<Color>>()
    };
    let colours = Theme {
        depth: Depth::True,
        marker: Marker::Braille,
        ..THEME
    };
    // Both end in one cell: the later lies over it.
    assert_eq!(cells(colours, "B"), [Color::Rgb(235, 130, 180)]);
    assert!(cells(THEME, "b").len() > 20 && cells(THEME, "*").len() > 20);
    assert!(cells(THEME, "b").iter().all(|c| *c == Color::Reset));
}

#[test]
fn a_line_is_cut_at_the_edges() {
    let line = vec![(0.0, 0.0), (10.0, 10.0), (20.0, 0.0)];
    assert_eq!(
        cut(line.clone(), (5.0, 15.0)),
        [(5.0, 5.0), (10.0, 10.0), (15.0, 5.0)]
    );
    // Both neighbours of the window are outside of it.
    assert_eq!(cut(line.clone(), (2.0, 4.0)), [(2.0, 2.0), (4.0, 4.0)]);
    assert_eq!(cut(line, (30.0, 40.0)), []);
}

#[test]
fn the_learning_rate_is_a_part_of_its_peak() {
    let mut one = training(&[1.0; 3]);
    one.points[0].lr = 0.0;
    one.points[2].lr = 5e-4;
    let (plot, peak) = curves(&run(vec![one]), Look::default(), &[]).rate;
    assert_eq!(peak, 1e-3);
    let heights: Vec<f64> = plot.series[0].points.iter().map(|p| p.1).collect();
    assert_eq!(heights, [0.0, 1.0, 0.5]);
}
