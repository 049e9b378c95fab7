use super::*;
use crate::ui::theme::Depth;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn plot(points: Vec<(f64, f64)>) -> Plot {
    Plot {
        x: (0.0, 10.0),
        y: (0.0, 1.0),
        unit: 1.0,
        series: vec![Series {
            points,
            style: Style::new(),
            kind: Kind::Line,
            letter: Some('h'),
            sign: None,
        }],
        ..Plot::default()
    }
}

fn drawn(plot: &Plot, marker: Marker) -> Vec<String> {
    let area = Rect::new(0, 0, 24, 6);
    let mut buffer = Buffer::empty(area);
    let theme = Theme {
        depth: Depth::None,
        marker,
        ..Theme::default()
    };
    plot.draw(&mut Pen::new(&mut buffer, area), &theme);
    let line = |y| (0..24).map(|x| buffer[(x, y)].symbol()).collect();
    (0..6).map(line).collect()
}

#[test]
fn a_rising_line_in_ascii() {
    let lines = drawn(&plot(vec![(0.0, 0.0), (10.0, 1.0)]), Marker::Ascii);
    assert!(lines[0].starts_with("1.0 +") && lines[0].trim_end().ends_with('h'));
    assert!(lines[4].starts_with("0.0 +*"), "{lines:#?}");
    assert!(lines.iter().all(|l| l.is_ascii()));
}

/// A loss that is no number must not tear the plot down.
#[test]
fn what_is_not_finite_is_left_out() {
    let lines = drawn(
        &plot(vec![(1.0, f64::NAN), (2.0, f64::INFINITY)]),
        Marker::Dots,
    );
    assert!(!lines.concat().contains('•'));
}

/// Twenty thousand points in forty columns: the wild one is still there, and the line is that of all of them.
#[test]
fn a_crowd_of_points_hides_none() {
    let wave = |i: usize| if i == 12_345 { 1.0 } else { 0.1 };
    let points = (0..20_000).map(|i| (i as f64 / 2000.0, wave(i)));
    let mut plot = plot(points.collect());
    for kind in [Kind::Line, Kind::Points] {
        plot.series[0].kind = kind;
        plot.series[0].letter = None;
        let lines = drawn(&plot, Marker::Ascii);
        let column = lines[0].rfind(['*', '.']).unwrap();
        assert!(lines.iter().take(4).all(|l| {
            let sign = l.as_bytes()[column];
            sign == b'*' || sign == b'.'
        }));
    }
}

#[test]
fn a_mark_stands_on_the_upper_edge_and_the_axis_has_a_name() {
    let mut plot = plot(vec![(0.0, 0.0)]);
    plot.name = "epoch";
    let mark = |x| Mark {
        x,
        sign: '!',
        style: Style::new(),
    };
    plot.marks = vec![mark(10.0), mark(11.0), mark(f64::NAN)];
    let lines = drawn(&plot, Marker::Ascii);
    assert!(lines[0].ends_with('!'), "{lines:#?}");
    assert!(lines[5].starts_with("epoch +0"), "{lines:#?}");
    assert_eq!(lines.concat().matches('!').count(), 1);
}

#[test]
fn a_close_look_has_decimals_at_both_axes() {
    let mut plot = plot(vec![(0.0, 0.0)]);
    plot.x = (0.2, 0.5);
    assert!(drawn(&plot, Marker::Ascii)[5].contains("0.4"));
    plot.log = true;
    plot.y = (-3.0, 0.0);
    let lines = drawn(&plot, Marker::Ascii);
    assert!(lines[0].starts_with("   1 +"), "{lines:#?}");
    assert!(lines[3].starts_with("0.01 +"), "{lines:#?}");
}

#[test]
fn the_scale_is_of_what_is_shown() {
    let (low, high) = scale([0.9, 0.95, f64::NAN].into_iter(), 0.1);
    assert!(low < 0.9 && low > 0.85 && high > 0.95 && high < 1.02);
    assert_eq!(scale([].into_iter(), 1.0), (0.0, 1.0));
}

/// A mark stands where its point is, however few there are.
#[test]
fn a_mark_is_drawn_for_a_single_point() {
    let mut plot = plot(vec![(5.0, 0.5)]);
    plot.series[0].kind = Kind::Mark('X');
    plot.series[0].letter = None;
    for marker in [Marker::Braille, Marker::Dots, Marker::Ascii] {
        let drawn = drawn(&plot, marker).concat();
        assert_eq!(drawn.matches('X').count(), 1, "{drawn}");
    }
}
