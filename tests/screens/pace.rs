//! How soon a frame is due.

use super::*;

/// Once its user waits for nothing.
fn at_rest(app: &mut App) {
    app.take_dirty();
    assert!(!app.is_dirty());
}

#[test]
fn a_key_is_answered_sooner_than_the_lab_is_followed() {
    let journal = in_training();
    let step = journal.records.last().unwrap();
    let mut app = app(&journal, Depth::True);
    at_rest(&mut app);
    app.on_record(step);
    assert!(app.is_dirty());
    let calm = app.pause();
    keys(&mut app, "3");
    assert!(app.is_dirty());
    let awaited = app.pause();
    keys(&mut app, "6");
    at_rest(&mut app);
    app.on_record(step);
    let machine = app.pause();
    assert!(
        awaited < calm && calm < machine,
        "{awaited:?} {calm:?} {machine:?}"
    );
    assert!(awaited <= Duration::from_millis(25) && machine < Duration::from_secs(1));
}
