//! The set-up screen: its lists, its typing, what it asks for, and that no key brings it down.

use std::path::{Path, PathBuf};

use pentimento::hub::{Kind, Repo};
use pentimento::ui::actions::{Action, Key, Layer, Screen};
use pentimento::ui::question::Question;
use pentimento::ui::theme::Depth;
use pentimento::ui::{App, Effect};

use super::{NAMED, SIZES, drawn, keys, sample, snapshot, text, theme};

fn app() -> App {
    App::new(sample::environment(), theme(Depth::True))
}

fn typed(app: &mut App, text: &str) -> Vec<Effect> {
    (0..60).for_each(|_| drop(app.on_key(Key::Backspace)));
    keys(app, text);
    app.on_key(Key::Enter)
}

fn repo(text: &str) -> Repo {
    Repo::parse(Kind::Model, text).unwrap()
}

fn shows(app: &mut App, wanted: &str) {
    let shown = text(&drawn(app, SIZES[0]));
    assert!(shown.contains(wanted), "{wanted:?} is not in\n{shown}");
}

#[test]
fn lists_and_lines_at_three_sizes() {
    for size in SIZES {
        let mut app = app();
        app.on_resize(size.0, size.1);
        keys(&mut app, "jojj");
        snapshot("set-up-backbones", &mut app, size);
        app.on_key(Key::Esc);
        keys(&mut app, "ko");
        snapshot("set-up-presets", &mut app, size);
    }
    let mut app = app();
    keys(&mut app, "a");
    snapshot("set-up-data", &mut app, SIZES[0]);
    keys(&mut app, "efolder:photos/birds");
    snapshot("set-up-data-typed", &mut app, SIZES[0]);
    app.on_key(Key::Enter);
    keys(&mut app, "t");
    snapshot("set-up-sequence", &mut app, SIZES[0]);
    keys(&mut app, "w");
    snapshot("set-up-save", &mut app, SIZES[0]);
    app.on_key(Key::Esc);
    keys(&mut app, "/resnet");
    snapshot("set-up-search", &mut app, SIZES[0]);
}

#[test]
fn parts_that_are_folded_can_be_shown() {
    let mut app = app();
    keys(&mut app, "jjjjj ");
    keys(&mut app, "jjj");
    snapshot("set-up-training", &mut app, SIZES[0]);
    assert_eq!(keys(&mut app, "l"), []);
    shows(&mut app, "64");
    keys(&mut app, "jjjjjje");
    assert_eq!(typed(&mut app, "lora.rslora=true"), []);
    assert!(app.set_up.recipe().unwrap().lora.rslora);
}

#[test]
fn a_preset_is_saved_and_nothing_is_replaced_unasked() {
    let mut app = app();
    keys(&mut app, "w");
    let effects = typed(&mut app, "mine");
    let [
        Effect::Save {
            path,
            recipe,
            replace: false,
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    assert_eq!(
        (path.as_path(), recipe.name.as_str()),
        (Path::new("mine.toml"), "mine")
    );
    app.on_taken(path.clone(), recipe.clone());
    assert!(matches!(app.question, Some(Question::Replace { .. })));
    shows(&mut app, "Replace mine.toml?");
    assert_eq!(keys(&mut app, "n"), []);
    app.on_taken(path.clone(), recipe.clone());
    let again = keys(&mut app, "y");
    let [Effect::Save { replace: true, .. }] = again.as_slice() else {
        panic!("{again:?}");
    };
    app.on_saved(path, recipe);
    shows(&mut app, "`pentimento run mine.toml`");
    assert_eq!(app.set_up.opened().0, "mine.toml");
    shows(&mut app, "runs/mine-s0-1");
}

#[test]
fn a_run_lends_its_settings() {
    let mut app = app();
    keys(&mut app, "o");
    app.on_key(Key::End);
    assert_eq!(app.on_key(Key::Enter), []);
    assert_eq!(app.set_up.draft().seed, 3);
    keys(&mut app, "e");
    typed(&mut app, "runs/none");
    shows(&mut app, "no preset and no file is called runs/none");
    assert_eq!(app.situation().layer, Layer::Typing);
    app.on_key(Key::Esc);
    assert_eq!(app.situation().layer, Layer::Screen);
}

#[test]
fn the_hub_is_searched_and_what_is_found_is_asked_about() {
    let mut app = app();
    keys(&mut app, "/");
    assert_eq!(
        typed(&mut app, "vit_base"),
        [Effect::Search("vit_base".into())]
    );
    shows(&mut app, "searching the hub for vit_base");
    assert_eq!(keys(&mut app, "/x"), []);
    app.on_key(Key::Enter);
    shows(&mut app, "Esc gives up");
    app.on_key(Key::Esc);
    assert_eq!(app.on_key(Key::Esc), [Effect::Cancel]);
    app.on_cancelled();
    keys(&mut app, "/");
    typed(&mut app, "vit_base");
    app.on_found("vit_base", &[]);
    shows(&mut app, "no model of timm's whose name is like vit_base");
    let found = [
        "timm/vit_base_patch16_224.dino",
        "timm/swin_tiny_patch4_window7_224.x",
    ]
    .map(repo);
    app.on_found("vit_base", &found);
    snapshot("set-up-found", &mut app, SIZES[0]);
    let effects = app.on_key(Key::Enter);
    let [Effect::Describe(backbone)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(backbone.source, "hub:timm/vit_base_patch16_224.dino");
    app.on_described();
    assert!(app.busy.is_none());
    // What is here already is not asked for.
    keys(&mut app, "o");
    app.on_key(Key::Home);
    assert_eq!(app.on_key(Key::Enter), []);
    assert_eq!(app.set_up.draft().backbone.source, "bundled:glyph-vit");
}

/// What a run that starts meanwhile leaves open does not hold its keys.
#[test]
fn a_list_that_is_open_does_not_follow_to_other_screens() {
    let mut app = app();
    keys(&mut app, "jo");
    app.on_started(Path::new("runs/demo-s0-1"), &[]);
    assert_eq!(
        (app.screen, app.situation().layer),
        (Screen::Train, Layer::Screen)
    );
    keys(&mut app, "1");
    assert_eq!(app.situation().layer, Layer::List);
    app.on_key(Key::Esc);
    assert_eq!(app.situation().layer, Layer::Screen);
}

/// Answers what the program asked for, well or badly.
pub fn answer(app: &mut App, effect: Effect, well: bool) {
    match effect {
        Effect::Save {
            path,
            recipe,
            replace,
        } if well || replace => app.on_saved(&path, &recipe),
        Effect::Save { path, recipe, .. } => app.on_taken(path, recipe),
        Effect::Search(text) if well => {
            app.on_found(
                &text,
                &[repo("timm/vit_base_patch16_224.dino"), repo("somebody/x")],
            );
        }
        Effect::Describe(_) if well => app.on_described(),
        Effect::Cancel => app.on_cancelled(),
        Effect::Search(_)
        | Effect::Describe(_)
        | Effect::Start(_)
        | Effect::Export
        | Effect::ExportChosen(_) => {
            app.on_problem("the line is down: \u{1b}[31mno\u{7}");
        }
        Effect::ListRuns(base) => app.on_runs(base, Vec::new()),
        Effect::Open(_) | Effect::LayBeside(_) => app.on_problem("no such run"),
        Effect::Quit | Effect::Abandon => app.leaving = false,
        Effect::TakeUp | Effect::Send(_) | Effect::Copy(_) | Effect::Lost(_) | Effect::Suspend => {}
    }
}

/// No sequence of keys brings the screen down, shows a control character, or ends where Esc does not lead out.
#[test]
fn no_keys_bring_the_set_up_down() {
    let mut random = 7_u64;
    let mut next = |n: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % n
    };
    let letters: Vec<char> = "hjklKJoewadt/? 123xyqZ:=.\u{1b}\u{202e}ひ"
        .chars()
        .collect();
    let sizes = [(80, 24), (60, 16), (120, 40), (44, 11)];
    let pressed = [&NAMED[..], &[Key::Enter, Key::Down]].concat();
    for _ in 0..150 {
        let mut app = app();
        for _ in 0..120 {
            let key = match next(3) {
                0 => pressed[next(pressed.len())],
                _ => Key::Char(letters[next(letters.len())]),
            };
            for effect in app.on_key(key) {
                answer(&mut app, effect, next(2) == 0);
            }
            if next(8) == 0 {
                let buffer = drawn(&mut app, sizes[next(sizes.len())]);
                let bad = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
                assert!(
                    buffer
                        .content
                        .iter()
                        .all(|cell| !cell.symbol().contains(bad))
                );
            }
        }
        app.on_resize(80, 24);
        // A question answers to Esc, then what was typed, then a list or the help.
        (0..3).for_each(|_| drop(app.on_key(Key::Esc)));
        assert_eq!(app.situation().layer, Layer::Screen);
        app.on_action(Action::Go(Screen::SetUp));
        drawn(&mut app, (80, 24));
        if let Ok(request) = app.set_up.request() {
            request.recipe.validate().unwrap();
        }
    }
}

#[test]
fn every_size_can_be_drawn_with_a_list_or_a_line_open() {
    for open in ["jo", "a", "ae", "w", "/", "o", "jjjjo"] {
        let mut app = app();
        keys(&mut app, open);
        for (width, height) in (1..=100).flat_map(|w| (1..=30).map(move |h| (w, h))) {
            if (width < 34 && height < 14) || (width * 31 + height) % 5 == 0 {
                drawn(&mut app, (width, height));
            }
        }
    }
    let mut app = app();
    app.on_taken(PathBuf::from("x/".repeat(60)), Box::new(sample::recipe()));
    drawn(&mut app, SIZES[0]);
}
