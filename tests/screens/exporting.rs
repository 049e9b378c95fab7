//! The export menu and the clipboard.

use pentimento::export::{Artefact, Format, PageWidth};
use pentimento::ui::Effect;
use pentimento::ui::actions::Key;

use super::*;

#[test]
fn what_is_chosen_in_the_menu_is_exported() {
    let mut app = app(&after(3), Depth::True);
    keys(&mut app, "3X");
    for size in SIZES {
        snapshot("export-menu", &mut app, size);
    }
    // Neither metrics nor the loss, and Markdown instead of LaTeX; figures of a page's width.
    keys(&mut app, "j jjj jjj j ");
    app.on_key(Key::End);
    keys(&mut app, " ");
    let [Effect::ExportChosen(choice)] = &app.on_key(Key::Enter)[..] else {
        panic!("no export");
    };
    let artefacts = [Artefact::Matrix, Artefact::PerClass, Artefact::Contextual];
    assert_eq!(choice.artefacts, artefacts);
    assert_eq!(choice.formats, [Format::Csv, Format::Markdown, Format::Svg]);
    assert_eq!(choice.width, PageWidth::Page);
    assert!(app.export.is_none());
    app.on_exported(Path::new("runs/demo-s0-1/export"));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("exported to runs/demo-s0-1/export"));
}

#[test]
fn nothing_chosen_and_nothing_measured_are_said() {
    let mut app = app(&after(1), Depth::True);
    keys(&mut app, "X");
    for _ in 0..5 {
        keys(&mut app, " j");
    }
    assert_eq!(app.on_key(Key::Enter), []);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("nothing is chosen"));
    app.on_key(Key::Esc);
    assert!(app.export.is_none());
    let begun = Journal::latin();
    let mut fresh = super::app(&begun, Depth::True);
    assert_eq!(keys(&mut fresh, "X"), []);
    assert!(fresh.export.is_none());
    assert_eq!(keys(&mut fresh, "Y"), []);
}

#[test]
fn the_matrix_goes_to_the_clipboard_as_it_is_exported() {
    let journal = after(2);
    let mut app = app(&journal, Depth::True);
    let [Effect::Copy(copied)] = &keys(&mut app, "Y")[..] else {
        panic!("nothing copied");
    };
    let view = pentimento::run::RunView::replay(&journal.records);
    assert_eq!(*copied, pentimento::export::clipboard(&view).unwrap());
    assert_eq!(copied.lines().count(), 4);
}
