//! The list of everything that can be done, and keys that the settings change.

use pentimento::ui::Settings;
use pentimento::ui::actions::{Layer, Scope, table};
use pentimento::ui::commands::Entry;

use super::*;

#[test]
fn the_list_at_three_sizes() {
    for size in SIZES {
        let mut app = app(&in_training(), Depth::True);
        keys(&mut app, ":");
        snapshot("commands", &mut app, size);
    }
    let mut app = app(&in_training(), Depth::True);
    keys(&mut app, ":mer");
    snapshot("commands-typed", &mut app, SIZES[0]);
    keys(&mut app, "xx");
    snapshot("commands-none", &mut app, SIZES[0]);
}

/// The entry of an action, once the cursor is on it.
fn choose(app: &mut App, action: Action) -> Option<Entry> {
    app.on_key(Key::Control('p'));
    let found = |e: &Entry| e.action == action && e.elsewhere.is_none();
    let at = app.entries().iter().position(found)?;
    (0..at).for_each(|_| drop(app.on_key(Key::Down)));
    app.entries().into_iter().nth(at)
}

/// Doing something by the list is doing it by its key, on every screen and at several moments of a run.
#[test]
fn the_list_does_what_keys_do() {
    let mut tried = 0;
    for journal in [in_training(), after(0), after(2)] {
        for screen in Screen::ALL {
            let open = || {
                let mut app = app(&journal, Depth::None);
                app.on_action(Action::Go(screen));
                app
            };
            let opened = open();
            let situation = opened.situation();
            for row in opened.keys.rows() {
                if !situation.hears(row.binding.scope) {
                    continue;
                }
                for action in row.actions() {
                    // A key that two rows share does what makes sense.
                    let meant =
                        |k: &Key| *k != Key::Interrupt && situation.action(*k) == Some(action);
                    let key = row.keys_of(action).find(meant);
                    let sensible =
                        situation.refuses(action).is_none() && action != Action::Commands;
                    if let Some(key) = key.filter(|_| sensible) {
                        compare(open(), open(), key, action);
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 150, "{tried}");
}

fn compare(mut by_key: App, mut by_list: App, key: Key, action: Action) {
    let effects = by_key.on_key(key);
    let entry = choose(&mut by_list, action).unwrap();
    assert_eq!(entry.refusal, None);
    assert_eq!(by_list.on_key(Key::Enter), effects, "{action:?}");
    let (one, other) = (drawn(&mut by_key, SIZES[0]), drawn(&mut by_list, SIZES[0]));
    assert_eq!(text(&one), text(&other), "{action:?} by {key:?}");
}

#[test]
fn what_makes_no_sense_now_says_why_and_stays() {
    let mut app = app(&in_training(), Depth::True);
    keys(&mut app, ":merge");
    let first = app.entries().swap_remove(0);
    assert_eq!(first.name, "merge");
    assert!(first.refusal.is_some());
    assert_eq!(app.on_key(Key::Enter), []);
    assert!(app.commands.is_some());
    let shown = text(&drawn(&mut app, SIZES[0]));
    assert!(
        shown.contains("there is no trained adapter to merge"),
        "{shown}"
    );
    app.on_key(Key::Esc);
    assert_eq!((app.commands.is_some(), app.screen), (false, Screen::Train));
}

#[test]
fn an_action_of_another_screen_goes_there_first() {
    let mut app = app(&after(2), Depth::True);
    keys(&mut app, "5:next figure");
    app.on_key(Key::Enter);
    assert_eq!(app.screen, Screen::Matrix);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("forgetting first-last"));
    // Letters that are keys elsewhere are typed, and q does not leave.
    keys(&mut app, ":qj");
    assert_eq!(app.situation().layer, Layer::Commands);
    app.on_key(Key::Backspace);
    app.on_key(Key::Enter);
    assert!(app.leaving || app.question.is_some());
}

/// Every sentence of the form names keys in force, and none is left unfilled.
#[test]
fn the_forms_sentences_name_the_keys_in_force() {
    let file = "[keys.set-up]\nedit = 'i'\ntoggle = 'f6'\n";
    let settings = Settings::parse(file, "config.toml").unwrap();
    let mut app = App::new(sample::environment(), theme(Depth::True)).with_keys(&settings);
    app.on_resize(120, 40);
    assert!(text(&drawn(&mut app, SIZES[1])).contains("and runs, i types one; w saves"));
    let mut all = String::new();
    for _ in 0..30 {
        app.on_key(Key::Down);
        let shown = text(&drawn(&mut app, SIZES[1]));
        assert!(!shown.contains('{') && !shown.contains('}'), "{shown}");
        all.push_str(&shown);
    }
    assert!(all.contains("F6 leaves it out or takes it in, a adds one"));
}

#[test]
fn other_keys_show_in_footer_help_and_list() {
    let file = "[keys]\nstep = 'S'\nhelp = 'f1'\nup = ['i', 'up']\n[keys.matrix]\nnext-figure = 'ctrl-f'\n";
    let settings = Settings::parse(file, "config.toml").unwrap();
    let mut app = app(&after(2), Depth::True).with_keys(&settings);
    keys(&mut app, "3");
    let footer = text(&drawn(&mut app, SIZES[1]));
    for shown in ["S step", "F1 help", "Ctrl-F figure", "i↓←→ cell"] {
        assert!(footer.contains(shown), "{shown} is not in\n{footer}");
    }
    assert_eq!(keys(&mut app, "sf?"), [], "no keys any more");
    assert!(text(&drawn(&mut app, SIZES[1])).contains("accuracy  row i"));
    app.on_key(Key::Control('f'));
    assert!(text(&drawn(&mut app, SIZES[1])).contains("forgetting first-last"));
    assert_eq!(keys(&mut app, "S"), [Effect::Send(Command::Step)]);
    app.on_key(Key::Function(1));
    let help = text(&drawn(&mut app, SIZES[2]));
    assert!(help.contains("  F1  ") && help.contains("  S  "), "{help}");
    app.on_key(Key::Esc);
    keys(&mut app, ":step");
    assert_eq!(app.entries()[0].keys, "S");
    // The README has what holds without settings.
    let rows = settings.keys.of_scope(Scope::Run);
    let defaults = table().filter(|row| row.scope == Scope::Run);
    assert_eq!(rows.count(), defaults.count());
}
