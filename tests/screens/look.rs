//! Colours, characters and sizes: themes, ASCII, the smallest terminal.

use pentimento::lab::Command;
use pentimento::ui::theme::Palette;

use super::*;

const SMALLEST: (u16, u16) = (60, 16);

/// A run at several of its moments.
fn journals() -> [Journal; 4] {
    [in_training(), after(0), after(3), words()]
}

#[test]
fn every_screen_on_the_smallest_terminal() {
    let mut set_up = App::new(sample::environment(), theme(Depth::True));
    snapshot("smallest-set-up", &mut set_up, SMALLEST);
    let mut app = app(&in_training(), Depth::True);
    for (key, name) in [
        ('2', "train"),
        ('3', "matrix"),
        ('4', "forgetting"),
        ('6', "machine"),
        ('7', "runs"),
        ('5', "log"),
        ('?', "help"),
    ] {
        keys(&mut app, &key.to_string());
        snapshot(&format!("smallest-{name}"), &mut app, SMALLEST);
    }
    keys(&mut app, "?:");
    snapshot("smallest-commands", &mut app, SMALLEST);
    app.on_key(Key::Esc);
    keys(&mut app, "q");
    snapshot("smallest-quit", &mut app, SMALLEST);
    keys(&mut set_up, "jo");
    snapshot("smallest-backbones", &mut set_up, SMALLEST);
}

#[test]
fn a_terminal_too_small_says_what_it_needs_and_that_the_run_goes_on() {
    let mut app = app(&in_training(), Depth::True);
    let small = text(&drawn(&mut app, (40, 15)));
    assert_eq!(
        small.lines().take(3).collect::<Vec<_>>(),
        [
            "pentimento needs 60 × 16 cells, this",
            "terminal has 40 × 15. The run goes on. q",
            "leaves."
        ]
    );
    assert_eq!(
        keys(&mut app, "psd3?:"),
        [],
        "what cannot be seen is not done"
    );
    assert_eq!((app.screen, app.help), (Screen::Train, None));
    keys(&mut app, "q");
    let asked = text(&drawn(&mut app, (40, 15)));
    let asked = asked.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(asked.contains("the lab works? y yes, n no"), "{asked}");
    keys(&mut app, "n");
    assert_eq!(app.question, None);
    assert_eq!(app.on_key(Key::Interrupt), []);
    assert_eq!(app.on_key(Key::Interrupt), [Effect::Quit]);
    let mut idle = App::new(sample::environment(), theme(Depth::True));
    assert!(!text(&drawn(&mut idle, (59, 16))).contains("goes on"));
    keys(&mut idle, "e");
    assert_eq!(keys(&mut idle, "q"), [Effect::Quit]);
}

#[test]
fn in_ascii_nothing_but_data_is_beyond_ascii() {
    for journal in [in_training(), after(0), after(3)] {
        let mut app = app(&journal, Depth::None);
        app.theme.marker = Marker::Ascii;
        let check = |app: &mut App| {
            for size in SIZES.into_iter().chain([SMALLEST, (20, 5)]) {
                let buffer = drawn(app, size);
                let strange = buffer.content.iter().find(|c| !c.symbol().is_ascii());
                assert_eq!(strange, None, "{}", text(&buffer));
            }
        };
        for screen in Screen::ALL {
            app.on_action(Action::Go(screen));
            for key in ["", "f", "z", "b", "o", "?", "?:", "st"] {
                keys(&mut app, key);
                check(&mut app);
            }
            app.on_key(Key::Esc);
            app.on_key(Key::Esc);
        }
        keys(&mut app, "q");
        check(&mut app);
    }
    let mut named = app(&words(), Depth::None);
    named.theme.marker = Marker::Ascii;
    keys(&mut named, "4v");
    let shown = text(&drawn(&mut named, SIZES[0]));
    assert!(shown.contains("車両"), "names are data: {shown}");
}

#[test]
fn a_matrix_and_a_form_in_ascii() {
    let mut app = app(&in_training(), Depth::None);
    app.theme.marker = Marker::Ascii;
    keys(&mut app, "3");
    snapshot("ascii-matrix", &mut app, SIZES[0]);
    keys(&mut app, "1");
    snapshot("ascii-set-up", &mut app, SIZES[0]);
}

#[test]
fn a_key_goes_through_the_themes_and_each_paints_its_ground() {
    let mut app = app(&after(3), Depth::True);
    keys(&mut app, "4");
    let guessed = drawn(&mut app, SIZES[0]);
    assert_eq!(guessed[(79, 23)].bg, Color::Reset, "the terminal's own");
    for palette in [
        Palette::Light,
        Palette::Contrast,
        Palette::ColourBlind,
        Palette::Dark,
    ] {
        keys(&mut app, "C");
        assert_eq!(app.theme.palette, palette);
        let buffer = drawn(&mut app, SIZES[0]);
        assert!(text(&buffer).contains(&format!("colours: {}", palette.name())));
        let bare = |c: &&Cell| c.bg == Color::Reset || c.fg == Color::Reset;
        assert_eq!(buffer.content.iter().find(bare), None, "{palette:?}");
        let (lost, kept) = (
            light(buffer[find(&buffer, "B#")].bg),
            light(buffer[(79, 23)].bg),
        );
        let darker = palette == Palette::Light;
        assert_eq!(
            lost < kept,
            darker,
            "the more lost, the further from the ground"
        );
    }
}

#[test]
fn without_colour_there_is_no_theme_to_change() {
    let mut app = app(&after(1), Depth::None);
    keys(&mut app, "C");
    let shown = text(&drawn(&mut app, SIZES[0]));
    assert!(shown.contains("NO_COLOR is set: there are no colours to change"));
    assert_eq!(app.theme.palette, Palette::Dark);
}

/// Every palette at every depth draws every screen, and keeps to the depth.
#[test]
fn every_theme_keeps_to_the_terminals_colours() {
    for journal in journals() {
        let mut app = app(&journal, Depth::True);
        for palette in Palette::ALL {
            for depth in Depth::ALL {
                app.theme = theme(depth).with_palette(palette);
                for screen in Screen::ALL {
                    app.on_action(Action::Go(screen));
                    let buffer = drawn(&mut app, SIZES[0]);
                    let foreign = |colour: Color| match colour {
                        Color::Rgb(..) => depth != Depth::True,
                        Color::Indexed(_) => depth != Depth::Indexed,
                        Color::Reset => depth != Depth::None,
                        _ => depth != Depth::Sixteen,
                    };
                    let found = |c: &&Cell| foreign(c.fg) || foreign(c.bg);
                    let wrong = buffer.content.iter().find(found);
                    assert_eq!(wrong, None, "{palette:?} {depth:?} {screen:?}");
                }
            }
        }
    }
}

#[test]
fn the_header_has_room_for_every_screen() {
    for width in [60, 80, 120] {
        for screen in Screen::ALL {
            let mut app = app(&after(1), Depth::True);
            app.on_action(Action::Go(screen));
            let shown = text(&drawn(&mut app, (width, 24)));
            let line = shown.lines().nth(1).unwrap();
            assert!(
                line.contains(&format!("▸{}", screen as usize + 1)),
                "{line}"
            );
            assert!(line.contains(screen.name()), "{line}");
            assert!(line.contains(&Screen::ALL.len().to_string()), "{line}");
        }
    }
    let mut narrow = app(&after(1), Depth::True);
    keys(&mut narrow, "4");
    let narrow = views::chrome::tabs(&narrow, 40);
    let texts: Vec<&str> = narrow.iter().map(|tab| tab.text.as_str()).collect();
    assert_eq!(texts[..4], [" 1", " 2", " 3", "▸4 Forgetting"]);
    let mut paused = app(&in_training(), Depth::True);
    assert_eq!(keys(&mut paused, "p"), [Effect::Send(Command::Pause)]);
}
