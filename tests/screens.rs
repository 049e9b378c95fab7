//! The screens, drawn from a made-up journal: text as snapshots, colours cell by cell, and the program driven by
//! its keys without a terminal.

#[path = "screens/any.rs"]
mod any;
#[path = "screens/commands.rs"]
mod commands;
#[path = "screens/exporting.rs"]
mod exporting;
#[path = "screens/forgetting.rs"]
mod forgetting;
#[path = "screens/log.rs"]
mod log;
#[path = "screens/look.rs"]
mod look;
#[path = "screens/machine.rs"]
mod machine;
#[path = "screens/merging.rs"]
mod merging;
#[path = "screens/pace.rs"]
mod pace;
#[path = "screens/pictures.rs"]
mod pictures;
#[path = "screens/pointer.rs"]
mod pointer;
#[path = "screens/replay.rs"]
mod replay;
#[path = "screens/runs.rs"]
mod runs;
#[path = "screens/sample.rs"]
mod sample;
#[path = "screens/set_up.rs"]
mod set_up;
#[path = "screens/settings.rs"]
mod settings;
#[path = "screens/sweep.rs"]
mod sweep;
#[path = "screens/train.rs"]
mod train;

use std::path::Path;
use std::time::Duration;

use pentimento::data::Class;
use pentimento::lab::{Command, Event, Pulse, STANDING_STILL};
use pentimento::ui::actions::{Action, Key, Screen};
use pentimento::ui::forgetting::Way;
use pentimento::ui::question::Question;
use pentimento::ui::theme::{Depth, Ink, Marker};
use pentimento::ui::{App, Effect, Theme, views};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use sample::Journal;

/// The keys with names that every terminal sends.
const NAMED: [Key; 15] = [
    Key::Up,
    Key::Down,
    Key::Left,
    Key::Right,
    Key::ShiftUp,
    Key::ShiftDown,
    Key::PageUp,
    Key::PageDown,
    Key::Home,
    Key::End,
    Key::Tab,
    Key::BackTab,
    Key::Enter,
    Key::Esc,
    Key::Backspace,
];

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn theme(depth: Depth) -> Theme {
    Theme {
        depth,
        marker: Marker::Braille,
        ..Theme::default()
    }
}

fn app(journal: &Journal, depth: Depth) -> App {
    let mut app = App::new(sample::environment(), theme(depth));
    app.show_run(Path::new("runs/demo-s0-1"), &journal.records, true);
    app
}

/// A run in the middle of its third task.
fn in_training() -> Journal {
    let mut journal = Journal::latin();
    journal.tasks(2);
    journal.begin();
    journal.train(0, 312);
    journal
}

fn after(merges: usize) -> Journal {
    let mut journal = Journal::latin();
    journal.tasks(merges);
    journal
}

fn drawn(app: &mut App, (width, height): (u16, u16)) -> Buffer {
    app.on_resize(width, height);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    views::draw(app, &mut buffer);
    buffer
}

/// The lines as a reader sees them: a wide character takes two columns but is one.
fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = pentimento::ui::text::width(symbol).saturating_sub(1);
            } else {
                skip -= 1;
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn keys(app: &mut App, keys: &str) -> Vec<Effect> {
    keys.chars()
        .flat_map(|c| app.on_key(Key::Char(c)))
        .collect()
}

fn snapshot(name: &str, app: &mut App, size: (u16, u16)) {
    let name = format!("{name}-{}x{}", size.0, size.1);
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, text(&drawn(app, size)));
    });
}

#[test]
fn every_screen_at_three_sizes() {
    for size in SIZES {
        let mut set_up = App::new(sample::environment(), theme(Depth::True));
        (0..3).for_each(|_| drop(set_up.on_action(Action::Down)));
        snapshot("set-up", &mut set_up, size);
        let mut app = app(&in_training(), Depth::True);
        app.on_pulse(Pulse {
            what: "training upper-thirds".into(),
            done: 312,
            total: 600,
        });
        for (key, name) in [
            ('2', "train"),
            ('3', "matrix"),
            ('4', "forgetting"),
            ('5', "log"),
        ] {
            keys(&mut app, &key.to_string());
            snapshot(name, &mut app, size);
        }
    }
}

#[test]
fn after_three_merges() {
    let mut app = app(&after(3), Depth::True);
    keys(&mut app, "3fk");
    snapshot("matrix-forgetting", &mut app, SIZES[0]);
    keys(&mut app, "4]");
    snapshot("forgetting-merge", &mut app, SIZES[0]);
    snapshot("forgetting-merge", &mut app, SIZES[1]);
    keys(&mut app, "[b");
    snapshot("forgetting-since-start", &mut app, SIZES[0]);
    keys(&mut app, "2z");
    snapshot("train-whole-run", &mut app, SIZES[1]);
    keys(&mut app, "[zcc");
    snapshot("train-earlier-ascii", &mut app, SIZES[0]);
}

#[test]
fn after_an_undo() {
    let mut journal = after(3);
    journal.undo();
    journal.warn("step is refused: an example of a refusal that is shown");
    let mut app = app(&journal, Depth::True);
    keys(&mut app, "3");
    snapshot("undone-matrix", &mut app, SIZES[0]);
    keys(&mut app, "2");
    snapshot("undone-train", &mut app, SIZES[0]);
    keys(&mut app, "5f");
    snapshot("undone-warnings", &mut app, SIZES[0]);
}

#[test]
fn help_and_questions() {
    let mut app = app(&in_training(), Depth::True);
    keys(&mut app, "?");
    snapshot("help", &mut app, SIZES[0]);
    keys(&mut app, "?q");
    snapshot("quit", &mut app, SIZES[0]);
}

#[test]
fn an_impossible_rank_is_explained_at_once() {
    let mut app = App::new(sample::environment(), theme(Depth::True));
    keys(&mut app, "jjje");
    app.on_key(Key::Backspace);
    app.on_key(Key::Backspace);
    keys(&mut app, "128");
    snapshot("set-up-typing", &mut app, SIZES[0]);
    app.on_key(Key::Enter);
    snapshot("set-up-impossible", &mut app, SIZES[0]);
    assert_eq!(app.on_key(Key::Enter), []);
}

/// Classes with names: wide ones, combining ones, and ones that try to reach the terminal.
fn words() -> Journal {
    let names = [
        "goldfish",
        "great white shark",
        "車両",
        "e\u{301}tude",
        "\u{301}",
        "\u{1b}[31mred",
        "\u{202e}bidi",
    ];
    let class = |i: usize| Class {
        name: format!("{} {i}", names[i % names.len()]),
        group: ["lower", "upper"][i % 2].into(),
    };
    let mut journal = Journal::with((0..40).map(class).collect(), "photos\u{1b}]0;x\u{7}");
    journal.tasks(3);
    journal.warn("\u{1b}[2Jgone\u{9b}31m \u{2066}and\u{202e} more");
    journal
}

#[test]
fn classes_with_names_are_a_table() {
    let mut app = app(&words(), Depth::True);
    keys(&mut app, "4vv");
    app.on_action(Action::Way);
    snapshot("forgetting-words", &mut app, SIZES[0]);
    keys(&mut app, "vo");
    snapshot("forgetting-words-sorted", &mut app, SIZES[1]);
}

#[test]
fn nothing_from_data_reaches_the_terminal_raw() {
    let mut app = app(&words(), Depth::True);
    for screen in Screen::ALL {
        app.on_action(Action::Go(screen));
        let buffer = drawn(&mut app, (120, 40));
        for cell in &buffer.content {
            let bad = |c: char| {
                c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!cell.symbol().contains(bad), "{:?}", cell.symbol());
        }
    }
}

/// Wide and combining characters must not push the figures after them out of their columns.
#[test]
fn columns_stay_aligned_behind_wide_names() {
    let mut app = app(&words(), Depth::None);
    keys(&mut app, "4");
    app.forgetting.way = Some(Way::List);
    let buffer = drawn(&mut app, (80, 40));
    let points: Vec<u16> = (4..16)
        .filter_map(|y| (0..80).find(|x| buffer[(*x, y)].symbol() == "."))
        .collect();
    assert!(points.len() > 5);
    assert!(points.windows(2).all(|w| w[0] == w[1]), "{points:?}");
}

fn find(buffer: &Buffer, wanted: &str) -> (u16, u16) {
    let area = buffer.area;
    for y in 0..area.height {
        let line: Vec<&str> = (0..area.width).map(|x| buffer[(x, y)].symbol()).collect();
        if let Some(at) = line.concat().find(wanted) {
            let x = line.concat()[..at].chars().count();
            return (x as u16, y);
        }
    }
    panic!("{wanted:?} is not on the screen:\n{}", text(buffer));
}

fn light(color: Color) -> f64 {
    match color {
        Color::Rgb(r, g, b) => {
            0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
        }
        other => panic!("{other:?} is no colour of a ramp"),
    }
}

#[test]
fn the_matrix_is_the_lighter_the_better() {
    let mut app = app(&after(3), Depth::True);
    keys(&mut app, "3");
    let buffer = drawn(&mut app, SIZES[0]);
    let row = |name| find(&buffer, name).1;
    let x = find(&buffer, "97.1").0 + 1;
    let [start, parity, lower] =
        ["0 start", "1 parity", "2 lower-thirds"].map(|name| buffer[(x, row(name))].bg);
    assert!(light(start) > light(parity) && light(parity) > light(lower));
    // Above the diagonal nothing was measured and nothing is coloured.
    let empty = &buffer[(find(&buffer, "thirds").0, row("0 start"))];
    assert_eq!((empty.symbol(), empty.bg), (" ", Color::Reset));
    // The cursor follows the last row and the foundation.
    let cursor = &buffer[(x, row("▸3 upper-thirds"))];
    assert!(cursor.modifier.contains(Modifier::REVERSED));
}

#[test]
fn lost_characters_are_warm_and_kept_ones_dark() {
    let mut app = app(&after(2), Depth::True);
    keys(&mut app, "4G");
    let buffer = drawn(&mut app, SIZES[0]);
    let ground = |c: &str| buffer[find(&buffer, c)].bg;
    let (lost, kept) = (ground("r#"), ground("2  3"));
    assert!(light(lost) > light(kept) + 20.0, "{lost:?} {kept:?}");
    // Classes in the context of the merge are underlined, others not.
    let glyph = |c: &str| buffer[find(&buffer, c)].modifier;
    assert!(glyph("r#").contains(Modifier::UNDERLINED));
    assert!(!glyph("2  3").contains(Modifier::UNDERLINED));
}

#[test]
fn without_colour_figures_and_marks_remain() {
    let mut app = app(&after(3), Depth::None);
    for key in ['2', '3', '4'] {
        keys(&mut app, &key.to_string());
        let buffer = drawn(&mut app, SIZES[0]);
        let coloured = |c: &&Cell| c.fg != Color::Reset || c.bg != Color::Reset;
        assert_eq!(buffer.content.iter().find(coloured), None);
        if key == '4' {
            find(&buffer, "B#");
            find(&buffer, "A:");
        }
    }
}

#[test]
fn sixteen_colours_are_enough() {
    let mut app = app(&after(3), Depth::Sixteen);
    keys(&mut app, "4");
    let buffer = drawn(&mut app, SIZES[0]);
    assert_eq!(buffer[find(&buffer, "B#")].bg, Color::White);
    assert_eq!(buffer[find(&buffer, "A:")].bg, Color::Red);
    assert!(
        buffer
            .content
            .iter()
            .all(|c| !matches!(c.bg, Color::Rgb(..) | Color::Indexed(_)))
    );
}

/// A real journal with everything that can happen, at each of its moments.
#[test]
fn a_real_journal_can_be_drawn_at_every_moment() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal.jsonl");
    let records = pentimento::run::journal::read(&path).unwrap().records;
    let mut app = App::new(sample::environment(), theme(Depth::Indexed));
    app.show_run(Path::new("runs/demo-s0-1"), &[], true);
    for record in &records {
        app.on_record(record);
        for screen in Screen::ALL {
            app.on_action(Action::Go(screen));
            drawn(&mut app, SIZES[0]);
        }
    }
}

/// No size of terminal and no moment of a run brings the screen down.
#[test]
fn every_size_can_be_drawn() {
    let none = Journal::latin();
    let mut undone = after(1);
    undone.undo();
    for journal in [none, in_training(), undone, words()] {
        let mut app = app(&journal, Depth::True);
        for screen in Screen::ALL {
            app.on_action(Action::Go(screen));
            for (width, height) in (1..=100).flat_map(|w| (1..=40).map(move |h| (w, h))) {
                // All small ones, and every seventh of the larger ones.
                if (width < 34 && height < 14) || (width * 41 + height) % 7 == 0 {
                    drawn(&mut app, (width, height));
                }
            }
        }
        keys(&mut app, "?");
        for size in [(1, 1), (31, 9), (60, 12)] {
            drawn(&mut app, size);
        }
        app.on_key(Key::Esc);
        keys(&mut app, "2q");
        for size in [(1, 1), (30, 8), (60, 12)] {
            drawn(&mut app, size);
        }
    }
}

/// Cursors stay on what is there, whatever is pressed.
#[test]
fn arrows_never_leave_the_screen() {
    let moves = [
        Action::Up,
        Action::Down,
        Action::Left,
        Action::Right,
        Action::PageUp,
        Action::PageDown,
        Action::Home,
        Action::End,
        Action::NextFigure,
        Action::PreviousMerge,
        Action::NextMerge,
        Action::Baseline,
        Action::Sort,
        Action::Way,
        Action::Group,
        Action::Finer,
        Action::Coarser,
        Action::Measure,
        Action::Find,
        Action::Close,
        Action::Span,
        Action::Axis,
        Action::Logarithm,
        Action::Smoother,
        Action::Rougher,
        Action::Filter,
    ];
    for journal in [Journal::latin(), in_training(), words()] {
        let mut app = app(&journal, Depth::None);
        for screen in Screen::ALL {
            app.on_action(Action::Go(screen));
            for i in 0..150 {
                app.on_action(moves[(i * 7 + i / 15) % moves.len()]);
                drawn(&mut app, SIZES[0]);
            }
        }
    }
}

/// From set-up over a whole run to the end, as a user goes.
#[test]
fn a_whole_session_by_keys() {
    let mut app = App::new(sample::environment(), theme(Depth::True));
    assert_eq!(keys(&mut app, "2s"), [], "there is nothing to step yet");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("nothing runs yet"));
    keys(&mut app, "1jjjl");
    let effects = app.on_key(Key::Enter);
    let [Effect::Start(request)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!((request.recipe.lora.rank, request.automatic), (32, true));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("starting"));
    app.on_started(Path::new("runs/demo-s0-1"), &[]);
    assert_eq!(app.screen, Screen::Train);

    let journal = in_training();
    journal.records.iter().for_each(|r| app.on_record(r));
    keys(&mut app, "q");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("Leave while the lab works?"));
    assert_eq!(keys(&mut app, "n3"), []);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("provisional"));
    assert_eq!(keys(&mut app, "p"), [Effect::Send(Command::Pause)]);
    assert_eq!(keys(&mut app, "m"), [], "refused: nothing is trained");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("there is no trained adapter to merge"));
    keys(&mut app, "d");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("'s adapter away?"));
    assert_eq!(keys(&mut app, "y"), [Effect::Send(Command::Discard)]);

    let finished = after(5);
    app.show_run(Path::new("runs/demo-s0-1"), &finished.records, true);
    let mut end = finished;
    end.write(Event::Finished);
    app.on_record(end.records.last().unwrap());
    assert_eq!(keys(&mut app, "3x"), [Effect::Export]);
    app.on_exported(Path::new("runs/demo-s0-1/export"));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("exported to runs/demo-s0-1/export"));
    keys(&mut app, "u");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("Take the merge of cyrillic back?"));
    assert_eq!(keys(&mut app, "y"), [Effect::Send(Command::Undo)]);
    assert_eq!(keys(&mut app, "q"), [Effect::Quit]);
}

/// In an automatic run the adapter asked about may be merged before the answer comes.
#[test]
fn a_question_does_not_outlive_what_it_is_about() {
    let mut journal = in_training();
    let mut app = app(&journal, Depth::True);
    keys(&mut app, "d");
    assert!(matches!(app.question, Some(Question::Discard { .. })));
    let before = journal.records.len();
    journal.train(312, sample::STEPS);
    journal.trained();
    for record in &journal.records[before..] {
        app.on_record(record);
    }
    assert!(app.question.is_some(), "trained, it can still be discarded");
    let before = journal.records.len();
    journal.merge();
    app.on_record(&journal.records[before]);
    assert_eq!(app.question, None);
    assert_eq!(keys(&mut app, "y"), []);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("adapter is merged meanwhile"));
}

#[test]
fn the_help_can_be_read_to_its_end_on_the_smallest_terminal() {
    for size in [(60, 16), (60, 20), (80, 24), (200, 60)] {
        let mut app = app(&in_training(), Depth::True);
        app.on_resize(size.0, size.1);
        keys(&mut app, "?");
        app.on_key(Key::End);
        let end = text(&drawn(&mut app, size));
        assert!(end.contains("away."), "{size:?}: {end}");
        assert!(!end.contains("more ↓"), "{size:?}: {end}");
    }
}

#[test]
fn leaving_while_the_lab_works_stops_it_first() {
    let mut app = app(&in_training(), Depth::True);
    assert_eq!(app.on_key(Key::Interrupt), []);
    assert_eq!(app.on_key(Key::Interrupt), [Effect::Quit]);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("stopping: a checkpoint is written"));
    assert_eq!(app.on_key(Key::Interrupt), [Effect::Abandon]);
}

/// A frame only when something has changed: a lab that works shows a clock, an idle screen nothing.
#[test]
fn an_idle_screen_is_not_drawn_again() {
    let mut journal = after(1);
    journal.undo();
    let mut idle = app(&journal, Depth::True);
    idle.take_dirty();
    idle.on_tick(Duration::from_secs(5));
    assert!(!idle.take_dirty());
    let mut busy = app(&in_training(), Depth::True);
    busy.take_dirty();
    busy.on_tick(Duration::from_secs(5));
    assert!(busy.take_dirty());
}

#[test]
fn a_message_goes_away_and_a_failure_waits_for_a_key() {
    let mut app = app(&after(1), Depth::True);
    app.on_exported(Path::new("there"));
    app.on_tick(Duration::from_secs(60));
    assert!(!text(&drawn(&mut app, SIZES[0])).contains("exported"));
    app.on_problem("disk full");
    app.on_tick(Duration::from_secs(600));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("disk full"));
    app.on_key(Key::Up);
    assert!(!text(&drawn(&mut app, SIZES[0])).contains("disk full"));
}

/// Its journal cannot say it: a sentence that waits for a key, and a word where the run's state is, until it goes on.
#[test]
fn a_run_that_waits_for_the_disk_says_so() {
    let mut app = app(&in_training(), Depth::True);
    let pulse = |what: &str| Pulse {
        what: what.into(),
        ..Pulse::default()
    };
    app.on_standstill("the run stands still: journal.jsonl: No space left on device".into());
    app.on_pulse(pulse(STANDING_STILL));
    for size in SIZES {
        let text = text(&drawn(&mut app, size));
        assert!(text.contains("No space left on device"), "{text}");
        assert!(text.contains(", stands still"), "{text}");
    }
    app.on_key(Key::Up);
    assert!(text(&drawn(&mut app, SIZES[0])).contains(", stands still"));
    app.on_pulse(pulse("training parity"));
    assert!(!text(&drawn(&mut app, SIZES[0])).contains("stands still"));
}

/// What is slow at first is named, with its time: no empty screen.
#[test]
fn the_first_slow_step_is_named() {
    let mut app = App::new(sample::environment(), theme(Depth::True));
    app.show_run(Path::new("runs/demo-s0-1"), &[], true);
    app.on_pulse(Pulse {
        what: "measuring latin before the first task".into(),
        done: 64,
        total: 4650,
    });
    app.on_tick(Duration::from_secs(7));
    let text = text(&drawn(&mut app, SIZES[0]));
    assert!(
        text.contains("measuring latin before the first task  64/4,650  for 7 s"),
        "{text}"
    );
}

/// One table is what keys do, what the help says and what the README says.
#[test]
fn the_readme_has_the_table_of_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let table = pentimento::ui::actions::markdown();
    assert!(readme.contains(&table), "put this into README.md:\n{table}");
}
