//! The log: looking for a text, levels by letters, long lines.

use super::*;

fn noisy() -> Journal {
    let mut journal = after(3);
    journal.warn(&format!(
        "a long line {}with its end here",
        "and more ".repeat(20)
    ));
    journal.warn("Merge: nothing to merge");
    journal
}

#[test]
fn a_text_is_looked_for_as_it_is_typed() {
    let mut app = app(&noisy(), Depth::None);
    keys(&mut app, "5/MERGE");
    snapshot("log-finding", &mut app, SIZES[0]);
    app.on_key(Key::Backspace);
    app.on_key(Key::Enter);
    let kept = text(&drawn(&mut app, SIZES[0]));
    assert!(kept.contains("/MERG") && kept.contains(" lines"), "{kept}");
    assert!(!kept.contains("trained in"), "{kept}");
    // Keys are keys again.
    keys(&mut app, "f");
    let warnings = text(&drawn(&mut app, SIZES[0]));
    assert!(warnings.contains("1 of ") && warnings.contains("W Merge: nothing to merge"));
    keys(&mut app, "/zzz");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("no line of this kind"));
    app.on_key(Key::Esc);
    assert_eq!(app.log.line.text(), "MERG", "left as it was");
    keys(&mut app, "/");
    app.on_key(Key::Enter);
    assert_eq!(app.log.line.text(), "", "an empty text shows all");
}

#[test]
fn esc_shows_all_lines_again() {
    let mut app = app(&noisy(), Depth::None);
    keys(&mut app, "5/MERGE");
    app.on_key(Key::Enter);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("Esc all lines"));
    app.on_key(Key::Esc);
    assert!(app.log.line.is_empty());
    let all = text(&drawn(&mut app, SIZES[0]));
    assert!(
        all.contains("trained in") && !all.contains("Esc all lines"),
        "{all}"
    );
}

#[test]
fn what_is_typed_is_mended_where_the_cursor_is() {
    let mut app = app(&noisy(), Depth::None);
    keys(&mut app, "5/noting");
    (0..3).for_each(|_| drop(app.on_key(Key::Left)));
    keys(&mut app, "h");
    snapshot("log-mended", &mut app, SIZES[0]);
    let buffer = drawn(&mut app, SIZES[0]);
    let cursor = app.theme.selected();
    let under: Vec<&str> = { buffer.content.iter() }
        .filter(|cell| cell.modifier.contains(cursor.add_modifier) && cell.symbol() != " ")
        .map(|cell| cell.symbol())
        .collect();
    assert_eq!(under, ["i"]);
    app.on_key(Key::Control('u'));
    assert_eq!(app.log.line.text(), "ing");
    app.on_key(Key::End);
    app.on_key(Key::Control('w'));
    assert!(app.log.line.is_empty());
}

#[test]
fn long_lines_scroll_sideways_to_their_end() {
    let mut app = app(&noisy(), Depth::None);
    keys(&mut app, "5");
    assert!(!text(&drawn(&mut app, SIZES[0])).contains("its end here"));
    keys(&mut app, "llll");
    snapshot("log-sideways", &mut app, SIZES[0]);
    keys(&mut app, &"l".repeat(99));
    let end = text(&drawn(&mut app, SIZES[0]));
    assert!(end.contains("its end here") && !end.contains('…'), "{end}");
    keys(&mut app, &"h".repeat(99));
    assert_eq!(app.log.across, 0);
}

#[test]
fn what_is_typed_is_shown_without_what_could_reach_the_terminal() {
    let mut app = app(&noisy(), Depth::None);
    keys(&mut app, "5/a\u{1b}\u{202e}ひ");
    assert_eq!(app.log.line.text(), "a\u{202e}ひ");
    let buffer = drawn(&mut app, SIZES[0]);
    assert!(
        buffer
            .content
            .iter()
            .all(|c| !c.symbol().contains('\u{202e}'))
    );
}
