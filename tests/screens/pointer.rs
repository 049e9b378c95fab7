//! The mouse.

use pentimento::ui::pointer::Pointer;
use pentimento::ui::setup::Field;

use super::*;

fn click(app: &mut App, (x, y): (u16, u16)) {
    let effects = app.on_pointer(Pointer::Click { x, y });
    // The runs are read when they are gone to.
    let reads = |effect: &Effect| matches!(effect, Effect::ListRuns(_));
    assert!(effects.iter().all(reads), "{effects:?}");
}

#[test]
fn a_click_on_a_name_in_the_header_goes_there() {
    for size in [(60, 16), (80, 24), (200, 60)] {
        for screen in Screen::ALL {
            let mut app = app(&after(2), Depth::True);
            let buffer = drawn(&mut app, size);
            let number = (screen as usize + 1).to_string();
            let x = (0..size.0).find(|x| buffer[(*x, 1)].symbol() == number);
            // The list of runs is looked for when it is gone to.
            app.on_pointer(Pointer::Click {
                x: x.unwrap(),
                y: 1,
            });
            assert_eq!(app.screen, screen);
        }
    }
}

#[test]
fn a_click_on_a_cell_of_the_matrix_puts_the_cursor_there() {
    for size in [(60, 16), (80, 24), (120, 40)] {
        let mut app = app(&after(3), Depth::True);
        keys(&mut app, "3");
        let at = find(&drawn(&mut app, size), "85.1");
        click(&mut app, at);
        let shown = text(&drawn(&mut app, size));
        assert!(shown.contains("latin after 1 parity"), "{size:?}\n{shown}");
        assert!(shown.contains("▸1 parity"), "{shown}");
        let before = (app.matrix.row, app.matrix.column);
        for nowhere in [(0, 0), (0, 5), (size.0 - 1, size.1 - 1), (5, 3), (500, 500)] {
            click(&mut app, nowhere);
            assert_eq!((app.matrix.row, app.matrix.column), before, "{nowhere:?}");
        }
    }
}

#[test]
fn a_click_on_a_field_puts_the_cursor_there_and_the_wheel_moves_it() {
    let mut app = App::new(sample::environment(), theme(Depth::True));
    let at = find(&drawn(&mut app, SIZES[0]), "rank ");
    click(&mut app, at);
    assert_eq!(app.set_up.field(), Field::Rank);
    app.on_pointer(Pointer::Wheel { down: true });
    assert_eq!(app.set_up.field(), Field::Targets);
    app.on_pointer(Pointer::Wheel { down: false });
    assert_eq!(app.set_up.field(), Field::Rank);
}

#[test]
fn a_click_on_a_line_of_a_list_puts_the_cursor_there() {
    let mut app = App::new(sample::environment(), theme(Depth::True));
    keys(&mut app, "jo");
    let at = find(&drawn(&mut app, SIZES[0]), "glyph-resnet");
    click(&mut app, at);
    let shown = text(&drawn(&mut app, SIZES[0]));
    let line = shown.lines().find(|l| l.contains("▸ ")).unwrap();
    assert!(line.contains("glyph-resnet"), "{shown}");
    app.on_key(Key::Esc);
    for size in [(60, 16), (80, 24), (200, 60)] {
        keys(&mut app, ":next");
        let at = find(&drawn(&mut app, size), "next theme");
        click(&mut app, at);
        let shown = text(&drawn(&mut app, size));
        assert!(shown.contains("▸ next theme"), "{shown}");
        app.on_key(Key::Esc);
    }
}

#[test]
fn the_wheel_scrolls_text_and_answers_no_question() {
    let mut app = app(&after(3), Depth::True);
    keys(&mut app, "5");
    app.on_pointer(Pointer::Wheel { down: false });
    assert_eq!(app.log.back, 3);
    keys(&mut app, "u");
    let asked = app.question.clone();
    assert!(asked.is_some());
    app.on_pointer(Pointer::Wheel { down: true });
    click(&mut app, (3, 1));
    assert_eq!((app.question, app.log.back), (asked, 3));
}
