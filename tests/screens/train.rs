//! The train screen: how curves are looked at.

use super::sample::Journal;
use super::*;
use pentimento::ui::theme::Marker;

/// Changes losses of the journal's last training.
fn with_losses(mut journal: Journal, change: impl Fn(usize) -> Option<f32>) -> Journal {
    let newest = journal.records.iter().rev().find_map(|r| match r.event {
        Event::TaskStarted { training, .. } => Some(training),
        _ => None,
    });
    for record in &mut journal.records {
        if let Event::Step {
            training,
            step,
            loss,
            ..
        } = &mut record.event
            && Some(*training) == newest
            && let Some(changed) = change(*step)
        {
            *loss = changed;
        }
    }
    journal
}

fn diverging() -> Journal {
    with_losses(in_training(), |step| match step {
        100 | 101 => Some(f32::NAN),
        200 => Some(f32::INFINITY),
        250 => Some(40.0),
        260 => Some(0.0),
        _ => None,
    })
}

/// The first cell from the left in which this sign is, on a line.
fn at(buffer: &Buffer, y: u16, sign: &str) -> Option<u16> {
    (0..buffer.area.width).find(|x| buffer[(*x, y)].symbol() == sign)
}

#[test]
fn a_closer_look_at_the_logarithm_over_epochs() {
    for size in SIZES {
        let mut app = app(&in_training(), Depth::True);
        keys(&mut app, "2yteekk");
        snapshot("train-close", &mut app, size);
    }
}

#[test]
fn a_diverging_loss_is_marked_and_counted() {
    for size in SIZES {
        let mut app = app(&diverging(), Depth::True);
        keys(&mut app, "2");
        snapshot("train-diverging", &mut app, size);
    }
    let mut app = app(&diverging(), Depth::True);
    keys(&mut app, "2y");
    let buffer = drawn(&mut app, SIZES[1]);
    let title = find(&buffer, "! 3 not finite");
    assert_eq!(buffer[title].fg, Color::Rgb(240, 120, 110));
    let first = title.1 + 1;
    let row = (first..first + 3).find(|y| at(&buffer, *y, "!").is_some_and(|x| x != title.0));
    let mark = at(&buffer, row.unwrap(), "!").unwrap();
    assert_eq!(buffer[(mark, row.unwrap())].fg, Color::Rgb(240, 120, 110));
    find(&buffer, "1 of 0 or less left out");
    find(&buffer, "^ 1 above");
}

/// Raw losses are faint, what is smoothed is not.
#[test]
fn the_smoothed_curve_lies_over_the_raw_one() {
    let mut app = app(&in_training(), Depth::True);
    keys(&mut app, "2");
    let buffer = drawn(&mut app, SIZES[1]);
    let (left, top) = find(&buffer, "loss");
    let colours: Vec<Color> = (top + 2..36)
        .flat_map(|y| (left + 6..44).map(move |x| (x, y)))
        .filter(|at| buffer[*at].symbol() != " ")
        .map(|at| buffer[at].fg)
        .collect();
    let count = |c| colours.iter().filter(|f| **f == c).count();
    assert!(count(Color::Rgb(86, 178, 224)) > 20);
    assert!(count(Color::Rgb(150, 150, 150)) > 20);
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let mut app = app(&in_training(), Depth::None);
    app.on_key(Key::Left);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("all of it is in sight: zoom in first"));
    (0..40).for_each(|_| drop(app.on_key(Key::Up)));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("single steps are in sight already"));
    let close = text(&drawn(&mut app, SIZES[0]));
    assert!(close.contains("64x, newest"), "{close}");
    (0..200).for_each(|_| drop(app.on_key(Key::Left)));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("this is the beginning"));
    app.on_key(Key::End);
    app.on_key(Key::Right);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("the newest step is in sight"));
    app.on_key(Key::Home);
    app.on_key(Key::Down);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("all of it is in sight already"));
    keys(&mut app, "]");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("this is the newest training"));
    keys(&mut app, "[[");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("task 1/5  parity"));
}

/// With the newest step in sight a live run moves on under the eye.
#[test]
fn a_closer_look_follows_the_run() {
    let mut journal = in_training();
    let mut app = app(&journal, Depth::None);
    keys(&mut app, "2kkk");
    let before = text(&drawn(&mut app, SIZES[1]));
    let seen = journal.records.len();
    journal.train(312, 500);
    for record in &journal.records[seen..] {
        app.on_record(record);
    }
    let after = text(&drawn(&mut app, SIZES[1]));
    assert!(
        before.contains("─300") && !before.contains("─480"),
        "{before}"
    );
    assert!(after.contains("─480") && !after.contains("─300"), "{after}");
}

#[test]
fn with_ascii_markers_nothing_else_is_needed() {
    let mut app = app(&diverging(), Depth::None);
    app.theme.marker = Marker::Ascii;
    keys(&mut app, "2ytkk");
    let buffer = drawn(&mut app, SIZES[1]);
    let (_, top) = find(&buffer, "loss, log");
    for y in top..38 {
        let line: String = (0..120).map(|x| buffer[(x, y)].symbol()).collect();
        assert!(line.is_ascii(), "{line}");
    }
}

/// The smoothing's strength, the axis and the whole run, key by key.
#[test]
fn keys_say_what_they_chose() {
    let mut app = app(&after(2), Depth::None);
    let mut seen = |pressed: &str| {
        keys(&mut app, pressed);
        text(&drawn(&mut app, SIZES[1]))
    };
    assert!(seen("2").contains("EMA .90"));
    assert!(seen("ee").contains("EMA .99"));
    assert!(seen("e").contains("not smoothed"));
    assert!(seen("e").contains("EMA .60"));
    assert!(seen("E").contains("not smoothed"));
    assert!(seen("t").contains("epoch └0"));
    assert!(seen("t").contains(" s └0"));
    assert!(seen("z").contains("lower-thirds"));
    assert!(seen("t").contains("step └0"));
}

/// Diverged from its first step, a task of one step, and a training of nothing but wild values.
#[test]
fn no_loss_brings_the_screen_down() {
    let all = |value: f32| with_losses(in_training(), move |_| Some(value));
    let mut one = after(1);
    one.begin();
    one.train(0, 1);
    let mut journals = vec![one];
    journals.extend(
        [
            f32::NAN,
            f32::INFINITY,
            -1.0,
            0.0,
            f32::MAX,
            f32::MIN_POSITIVE,
        ]
        .map(all),
    );
    for journal in journals {
        let mut app = app(&journal, Depth::True);
        for pressed in "2yetzkkhhlytz[yjktke".chars() {
            keys(&mut app, &pressed.to_string());
            for size in [(30, 8), SIZES[0], SIZES[2]] {
                drawn(&mut app, size);
            }
        }
    }
}
