//! A run that no lab is at work on: its journal forth and back, and the offer to take it up.

use pentimento::lab::{Event, State};
use pentimento::ui::Effect;

use super::*;

fn opened(journal: &Journal, live: bool) -> App {
    let mut app = App::new(sample::environment(), theme(Depth::True));
    app.on_opened(Path::new("runs/demo-s0-1"), &journal.records, live);
    app
}

fn finished() -> Journal {
    let mut journal = after(5);
    journal.write(Event::Finished);
    journal
}

#[test]
fn a_finished_run_is_a_replay_with_a_bar() {
    let journal = finished();
    let mut app = opened(&journal, false);
    assert_eq!(app.question, None);
    assert_eq!(app.view().unwrap().state, State::Finished);
    for size in SIZES {
        snapshot("replay", &mut app, size);
    }
    keys(&mut app, "{{{{");
    assert_eq!(app.view().unwrap().state, State::Training(5));
    keys(&mut app, "2((");
    snapshot("replay-earlier", &mut app, SIZES[0]);
    // It plays to its end by itself.
    keys(&mut app, "R");
    let mut seconds = 0;
    while app.view().unwrap().state != State::Finished && seconds < 1000 {
        seconds += 1;
        app.on_tick(Duration::from_secs(seconds));
    }
    assert_eq!(app.view().unwrap().records, journal.records.len() as u64);
    // And from there begins again.
    keys(&mut app, "R");
    assert_eq!(app.view().unwrap().records, 1);
    keys(&mut app, "R}");
    assert!(app.view().unwrap().records > 1);
}

#[test]
fn an_interrupted_run_is_offered_to_be_taken_up() {
    let mut app = opened(&in_training(), false);
    snapshot("take-up", &mut app, SIZES[0]);
    assert_eq!(keys(&mut app, "y"), [Effect::TakeUp]);
    let mut app = opened(&in_training(), true);
    assert_eq!(app.question, None);
    keys(&mut app, "(");
    let shown = app.view().unwrap().records;
    let mut journal = in_training();
    journal.trained();
    app.on_record(journal.records.last().unwrap());
    assert_eq!(app.view().unwrap().records, shown);
}

#[test]
fn a_lab_at_work_has_no_replay() {
    let mut app = app(&in_training(), Depth::True);
    let before = app.view().unwrap().records;
    keys(&mut app, "(");
    assert_eq!(app.view().unwrap().records, before);
    assert!(app.toast.is_some());
}

/// A run of another process that stands still is left by saying so, or by Control and C twice.
#[test]
fn leaving_a_run_that_stands_still_asks_once() {
    let mut journal = in_training();
    journal.write(Event::Paused);
    let controlled = || {
        let mut app = opened(&journal, true);
        app.on_control();
        app
    };
    let mut app = controlled();
    assert_eq!(keys(&mut app, "q"), []);
    assert_eq!(keys(&mut app, "y"), [Effect::Quit]);
    let mut app = controlled();
    assert_eq!(app.on_key(Key::Interrupt), []);
    assert_eq!(app.on_key(Key::Interrupt), [Effect::Quit]);
}
