//! How soon a frame is due.

use super::*;

#[test]
fn a_key_is_answered_sooner_than_the_lab_is_followed() {
    let journal = in_training();
    let mut app = app(&journal, Depth::True);
    app.take_dirty();
    assert!(!app.is_dirty() && !app.is_awaited());
    app.on_record(journal.records.last().unwrap());
    assert!(app.is_dirty() && !app.is_awaited());
    keys(&mut app, "3");
    assert!(app.is_awaited());
    assert!(app.take_dirty());
    assert!(!app.is_dirty() && !app.is_awaited());
}
