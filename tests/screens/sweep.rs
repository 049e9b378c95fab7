//! A sweep as a grid: what is drawn at every size, what keys and the mouse do, and a folder that others write to.

use std::path::PathBuf;
use std::sync::Arc;

use pentimento::measure::Average;
use pentimento::sweep::listing::Summary;
use pentimento::sweep::{Axes, Progress, Sweep};
use pentimento::ui::pointer::Pointer;
use pentimento::ui::sweep::{Arrangement, News, Sight};

use super::*;

/// A sentence of the kind that ends runs.
pub const SENTENCE: &str = "the loss of task lower-thirds is NaN at step 312 of 600 with a learning rate of 0.01: the last \
finite one was 7.4 at step 311; try a smaller `train.lr`, more `train.warmup` or `train.clip_norm`, and see the log of this \
run for the batches that it was given";

const FOLDER: &str = "sweeps/ranks";

fn planned(axes: Axes) -> Arrangement {
    let axes = Axes {
        presets: vec!["demo".into()],
        ..axes
    };
    let (sweep, _) = Sweep::with(Path::new(FOLDER), axes.cells().unwrap()).unwrap();
    Arrangement::of(&sweep)
}

pub fn ranks_and_seeds(ranks: usize, seeds: u64) -> Arrangement {
    planned(Axes {
        ranks: (1..=ranks).collect(),
        seeds: (1..=seeds).collect(),
        ..Axes::default()
    })
}

/// Losses of so many steps: each task begins high and falls.
fn curve(steps: usize, run: usize) -> Vec<f32> {
    let loss = |step: usize| {
        let (task, within) = (step / 60, (step % 60) as f32 / 60.0);
        let start = 0.4 + 0.1 * task as f32;
        start - (1.2 + 0.05 * run as f32) * within + 0.05 * (step as f32 * 1.7).sin()
    };
    (0..steps).map(loss).collect()
}

pub fn sight(progress: Progress, share: f64, run: usize) -> Sight {
    let done = (5.0 * share) as usize;
    let steps = (300.0 * share) as usize;
    let tasks = [
        "parity",
        "lower-thirds",
        "upper-thirds",
        "greek",
        "cyrillic",
    ];
    let lost = |by: f64| match done {
        0 => f64::NAN,
        done => by * done as f64,
    };
    Sight {
        steps: match progress {
            Progress::Finished | Progress::Waiting => (0, 0),
            _ => (steps % 60, 60),
        },
        progress,
        done,
        tasks: 5,
        share,
        seconds: 240.0 * share,
        curve: curve(steps, run),
        all_steps: steps,
        begun: (0..steps.div_ceil(60))
            .map(|i| (60 * i, tasks[i].into()))
            .collect(),
        accuracy: Average {
            with_foundation: 0.873 + lost(0.001),
            without_foundation: 0.861 + lost(0.001),
        },
        forgetting: Average {
            with_foundation: lost(0.011),
            without_foundation: lost(0.007),
        },
        foundation: lost(0.025 + 0.001 * run as f64),
    }
}

/// Runs of every kind, in the order in which they are begun.
pub fn sights(runs: usize) -> Vec<(usize, Sight)> {
    let begun = (2 * runs).div_ceil(3);
    let of = |run: usize| match run {
        run if run >= begun => sight(Progress::Waiting, 0.0, run),
        run if run == begun / 2 => sight(Progress::Failed(SENTENCE.into()), 0.38, run),
        run if run + 1 == begun => {
            sight(Progress::AtWork("process 4711 on node7".into()), 0.47, run)
        }
        run if run == 1 => sight(Progress::Stopped, 0.65, run),
        run => sight(Progress::Finished, 1.0, run),
    };
    (0..runs).map(|run| (run, of(run))).collect()
}

pub fn news(runs: Arrangement, sights: Vec<(usize, Sight)>) -> News {
    News {
        runs: Some(Arc::new(runs)),
        sights,
        ..News::default()
    }
}

fn on_sweep(runs: Arrangement, depth: Depth) -> App {
    let sights = sights(runs.runs.len());
    let mut app = App::new(sample::environment(), theme(depth));
    app.open_sweep(Path::new(FOLDER));
    app.on_swept(Path::new(FOLDER), news(runs, sights));
    app
}

fn chosen(app: &App) -> &str {
    let (run, _) = app.sweep.as_ref().unwrap().run().unwrap();
    &run.id
}

fn message(app: &App) -> &str {
    &app.toast.as_ref().unwrap().text
}

#[test]
fn grids_of_all_sizes() {
    for (name, ranks, seeds) in [("1", 1, 1), ("6", 3, 2), ("42", 7, 6), ("200", 20, 10)] {
        let mut app = on_sweep(ranks_and_seeds(ranks, seeds), Depth::True);
        for size in SIZES {
            snapshot(&format!("sweep-{name}"), &mut app, size);
        }
    }
}

#[test]
fn more_than_two_keys_are_rows() {
    let runs = planned(Axes {
        modes: vec!["merge".into(), "full".into()],
        ranks: vec![1, 4, 16],
        seeds: vec![1, 2, 3],
        ..Axes::default()
    });
    let mut app = on_sweep(runs, Depth::True);
    snapshot("sweep-modes", &mut app, SIZES[0]);
    snapshot("sweep-modes", &mut app, SIZES[1]);
}

#[test]
fn without_colour_and_in_ascii() {
    let mut app = on_sweep(ranks_and_seeds(3, 2), Depth::None);
    keys(&mut app, "cc");
    snapshot("sweep-ascii", &mut app, SIZES[0]);
    keys(&mut app, "v");
    snapshot("sweep-ascii-list", &mut app, SIZES[0]);
    keys(&mut app, "vcc");
    snapshot("sweep-dots", &mut app, SIZES[0]);
    // A state is never told by its colour alone.
    let buffer = drawn(&mut app, SIZES[1]);
    for cell in &buffer.content {
        assert!(matches!(cell.fg, Color::Reset) && matches!(cell.bg, Color::Reset));
    }
    let shown = text(&buffer);
    for state in [
        "✓ finished",
        "▶ at work",
        "· waiting",
        "‖ stopped",
        "✗ failed",
    ] {
        assert!(shown.contains(state), "{state}\n{shown}");
    }
}

/// The glyph, the word and the bar of a run have the colour of its state, and no two states the same.
#[test]
fn every_state_has_a_colour_of_its_own() {
    for depth in [Depth::Indexed, Depth::True] {
        let mut app = on_sweep(ranks_and_seeds(3, 2), depth);
        for list in [false, true] {
            if list {
                keys(&mut app, "v");
            }
            // The cursor is elsewhere than on the states that are looked at.
            app.on_key(Key::Home);
            keys(&mut app, "l");
            let buffer = drawn(&mut app, SIZES[1]);
            let mut colours = Vec::new();
            for (glyph, ink) in [
                ("✓", Ink::Third),
                ("‖", Ink::Warning),
                ("✗", Ink::Bad),
                ("▶", Ink::Accent),
                ("·", Ink::Faint),
            ] {
                let places: Vec<(u16, u16)> = (5..buffer.area.height)
                    .flat_map(|y| (0..buffer.area.width).map(move |x| (x, y)))
                    .filter(|place| buffer[*place].symbol() == glyph)
                    .collect();
                assert!(!places.is_empty(), "{glyph}\n{}", text(&buffer));
                let expected = app.theme.ink(ink).fg.unwrap();
                assert_eq!(buffer[places[0]].fg, expected, "{glyph} in {depth:?}");
                assert!(!colours.contains(&expected));
                colours.push(expected);
            }
        }
    }
}

#[test]
fn the_chosen_cell_is_marked_by_more_than_its_colour() {
    for depth in [Depth::None, Depth::True] {
        let mut app = on_sweep(ranks_and_seeds(3, 2), depth);
        let buffer = drawn(&mut app, SIZES[0]);
        let (x, y) = find(&buffer, "▸✓");
        assert!(buffer[(x + 3, y)].modifier.contains(Modifier::REVERSED));
        assert!(!buffer[(x + 3, y + 1)].modifier.contains(Modifier::REVERSED));
        assert_eq!(buffer[(x, y + 1)].symbol(), "┃");
    }
}

#[test]
fn a_failure_is_said_whole() {
    let mut app = on_sweep(ranks_and_seeds(3, 2), Depth::True);
    keys(&mut app, "n");
    assert_eq!(chosen(&app), "r3-s1");
    for size in [SIZES[0], SIZES[1], (60, 16)] {
        let shown = text(&drawn(&mut app, size));
        let words: Vec<&str> = shown.split_whitespace().collect();
        let missing = SENTENCE
            .split_whitespace()
            .find(|word| !words.contains(word));
        assert!(missing.is_none() || size.1 < 24, "{missing:?}\n{shown}");
    }
    snapshot("sweep-failed", &mut app, SIZES[0]);
    snapshot("sweep-failed", &mut app, SIZES[1]);
    // There is only one: it stays there.
    keys(&mut app, "n");
    assert_eq!(chosen(&app), "r3-s1");
}

#[test]
fn keys_go_through_the_grid() {
    let mut app = on_sweep(ranks_and_seeds(3, 2), Depth::True);
    let mut at = |pressed: &str| {
        keys(&mut app, pressed);
        chosen(&app).to_owned()
    };
    assert_eq!(at(""), "r1-s1");
    assert_eq!(at("j"), "r2-s1");
    assert_eq!(at("l"), "r2-s2");
    assert_eq!(at("l"), "r2-s2");
    assert_eq!(at("jj"), "r3-s2");
    assert_eq!(at("hkkk"), "r1-s1");
    app.on_key(Key::End);
    assert_eq!(chosen(&app), "r3-s2");
    app.on_key(Key::PageUp);
    assert_eq!(chosen(&app), "r1-s2");
    app.on_key(Key::Home);
    // In the list, in the order of the sweep.
    keys(&mut app, "vjjj");
    assert_eq!(chosen(&app), "r1-s2");
    assert!(text(&drawn(&mut app, SIZES[0])).contains(" 4/6 "));
    keys(&mut app, "d");
    assert!(!text(&drawn(&mut app, SIZES[0])).contains("rank 1   seed 2"));
}

/// Too many columns for the terminal: a list, through which keys go as it is drawn.
#[test]
fn where_there_is_no_room_for_columns_runs_are_a_list() {
    let mut app = on_sweep(ranks_and_seeds(20, 10), Depth::True);
    assert!(text(&drawn(&mut app, SIZES[0])).contains(" 1/200 "));
    keys(&mut app, "jj");
    assert_eq!(chosen(&app), "r3-s1");
    app.on_key(Key::End);
    assert_eq!(chosen(&app), "r20-s10");
    let shown = text(&drawn(&mut app, SIZES[0]));
    assert!(shown.contains("▸ · r20-s10"), "{shown}");
    // A larger terminal has the room.
    let shown = text(&drawn(&mut app, SIZES[2]));
    assert!(
        shown.contains("seed 10") && !shown.contains("200/200"),
        "{shown}"
    );
    app.on_key(Key::Up);
    assert_eq!(chosen(&app), "r19-s10");
}

#[test]
fn a_run_is_opened_and_the_grid_is_where_it_was() {
    let mut app = on_sweep(ranks_and_seeds(3, 2), Depth::True);
    app.on_key(Key::End);
    assert_eq!(app.on_key(Key::Enter), []);
    assert!(message(&app).contains("r3-s2 waits"), "{}", message(&app));
    keys(&mut app, "hk");
    let folder = PathBuf::from(FOLDER).join("runs/r2-s1");
    assert_eq!(app.on_key(Key::Enter), [Effect::Open(folder.clone())]);
    app.on_opened(&folder, &after(2).records, true);
    assert_eq!(app.screen, Screen::Matrix);
    // The sweep has the place of the runs around the one that is shown.
    assert!(text(&drawn(&mut app, SIZES[0])).contains(" 7 Sweep"));
    assert_eq!(app.on_key(Key::Esc), []);
    assert_eq!((app.screen, chosen(&app)), (Screen::Sweep, "r2-s1"));
    keys(&mut app, "27");
    assert_eq!(app.screen, Screen::Sweep);
    // What is open on a screen is closed first.
    keys(&mut app, "4");
    app.on_key(Key::Enter);
    app.on_key(Key::Esc);
    assert_eq!(app.screen, Screen::Forgetting);
    app.on_key(Key::Esc);
    assert_eq!(app.screen, Screen::Sweep);
    // And from the grid to the list of the folder that the sweep lies in.
    assert_eq!(app.on_key(Key::Esc), [Effect::ListRuns("sweeps".into())]);
    assert_eq!((app.screen, app.sweep.is_none()), (Screen::Runs, true));
    keys(&mut app, "2");
    app.on_key(Key::Esc);
    assert_eq!(app.screen, Screen::Train);
}

/// A run of this program is at work: the grid can be looked at, and nothing else is opened.
#[test]
fn a_lab_at_work_is_not_left_for_a_run_of_the_grid() {
    let mut app = app(&in_training(), Depth::True);
    app.open_sweep(Path::new(FOLDER));
    app.on_swept(Path::new(FOLDER), news(ranks_and_seeds(3, 2), sights(6)));
    assert_eq!(app.on_key(Key::Enter), []);
    assert!(
        message(&app).contains("a lab is at work"),
        "{}",
        message(&app)
    );
    let folder = PathBuf::from(FOLDER).join("runs/r1-s1");
    assert_eq!(keys(&mut app, " "), [Effect::LayBeside(folder)]);
    let shown = text(&drawn(&mut app, SIZES[0]));
    assert!(shown.starts_with(" ranks  a sweep of 6 runs"), "{shown}");
    app.on_key(Key::Esc);
    assert_eq!(app.screen, Screen::Runs);
}

#[test]
fn sweeps_stand_above_the_runs_of_their_folder() {
    let mut app = App::new(sample::environment(), theme(Depth::True));
    assert_eq!(keys(&mut app, "7"), [Effect::ListRuns("runs".into())]);
    app.on_runs("runs".into(), Vec::new());
    let summary = |name: &str, found| Summary {
        folder: Path::new("runs").join(name),
        found,
    };
    let broken = "runs/torn/sweep.json is no sweep's: it ends in the middle".to_owned();
    app.on_sweeps(
        "runs".into(),
        vec![
            summary("ranks", Ok((14, 42))),
            summary("torn \u{1b}[31m", Err(broken.clone())),
        ],
    );
    snapshot("runs-sweeps", &mut app, SIZES[0]);
    assert_eq!(keys(&mut app, " "), []);
    assert!(message(&app).contains("the cursor is on a sweep"));
    keys(&mut app, "j");
    assert_eq!(app.on_key(Key::Enter), []);
    assert_eq!((app.screen, message(&app)), (Screen::Runs, broken.as_str()));
    keys(&mut app, "k");
    assert_eq!(app.on_key(Key::Enter), []);
    assert_eq!(app.screen, Screen::Sweep);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("reading the sweep"));
    // Back in the list the cursor is on it.
    app.on_key(Key::Esc);
    app.on_runs("runs".into(), Vec::new());
    assert_eq!(
        app.runs.chosen_sweep().unwrap().folder,
        Path::new("runs/ranks")
    );
}

#[test]
fn runs_that_are_added_leave_the_cursor_where_it_is() {
    let mut app = on_sweep(ranks_and_seeds(3, 2), Depth::True);
    keys(&mut app, "jl");
    assert_eq!(chosen(&app), "r2-s2");
    let mut more = ranks_and_seeds(4, 3);
    more.runs.reverse();
    app.on_swept(Path::new(FOLDER), news(more, Vec::new()));
    assert_eq!(chosen(&app), "r2-s2");
    let open = app.sweep.as_ref().unwrap();
    assert_eq!(open.sights.len(), 12);
    // What is known went with the names.
    assert_eq!(open.run().unwrap().1.unwrap().progress, Progress::Waiting);
    assert_eq!(open.sights.iter().filter(|s| s.is_some()).count(), 6);
    // What comes of another sweep is not this one's.
    app.on_swept(
        Path::new("sweeps/other"),
        news(ranks_and_seeds(1, 1), Vec::new()),
    );
    assert_eq!(app.sweep.as_ref().unwrap().sights.len(), 12);
}

#[test]
fn what_is_read_and_what_cannot_be_is_said() {
    let folder = Path::new(FOLDER);
    let mut app = App::new(sample::environment(), theme(Depth::True));
    app.open_sweep(folder);
    let of = |sights, reading, trouble: Option<&str>| News {
        sights,
        reading,
        trouble: trouble.map(str::to_owned),
        runs: None,
    };
    app.on_swept(
        folder,
        News {
            reading: Some(0),
            ..news(ranks_and_seeds(20, 10), Vec::new())
        },
    );
    let some = sights(200).into_iter().take(12).collect();
    app.on_swept(folder, of(some, Some(12), None));
    snapshot("sweep-reading", &mut app, SIZES[0]);
    app.on_swept(folder, of(sights(200), None, None));
    assert!(!text(&drawn(&mut app, SIZES[0])).contains("reading"));
    // Nothing new: no frame.
    app.take_dirty();
    app.on_swept(folder, of(Vec::new(), None, None));
    assert!(!app.is_dirty());
    // A folder that is away: the picture stays.
    let why = "the sweep's folder cannot be read now (Stale file handle)";
    app.on_swept(folder, of(Vec::new(), None, Some(why)));
    assert!(app.is_dirty());
    let shown = text(&drawn(&mut app, SIZES[0]));
    assert!(shown.contains(why) && shown.contains("finished"), "{shown}");
    app.on_swept(folder, of(Vec::new(), None, None));
    // One that hangs.
    app.on_tick(Duration::from_secs(5));
    assert!(!text(&drawn(&mut app, SIZES[0])).contains("answered"));
    app.take_dirty();
    app.on_tick(Duration::from_secs(9));
    assert!(app.is_dirty());
    assert!(text(&drawn(&mut app, SIZES[0])).contains("has not answered for 9 s"));
    app.on_swept(folder, of(Vec::new(), None, None));
    assert!(app.is_dirty() && !text(&drawn(&mut app, SIZES[0])).contains("answered"));
}

#[test]
fn a_click_chooses_a_run_and_the_wheel_moves_the_cursor() {
    for (list, size) in [(false, SIZES[0]), (true, SIZES[0]), (false, SIZES[2])] {
        let mut app = on_sweep(ranks_and_seeds(3, 2), Depth::True);
        if list {
            keys(&mut app, "v");
        }
        let sign = if list { "✗ r3-s1" } else { "✗ failed ━" };
        let (x, y) = find(&drawn(&mut app, size), sign);
        let (x, y) = if list { (x, y) } else { (x + 4, y + 1) };
        assert_eq!(app.on_pointer(Pointer::Click { x, y }), []);
        assert_eq!(chosen(&app), "r3-s1", "{size:?}");
        for (x, y) in [
            (0, 5),
            (1, 3),
            (size.0 - 1, size.1 - 1),
            (500, 500),
            (2, size.1 - 3),
        ] {
            app.on_pointer(Pointer::Click { x, y });
            assert_eq!(chosen(&app), "r3-s1");
        }
        app.on_pointer(Pointer::Wheel { down: false });
        assert_eq!(chosen(&app), "r2-s1");
    }
}

/// Names as long as they can be, and as wide, in every size: nothing is drawn outside, and nothing panics.
#[test]
fn nothing_overflows_at_any_size() {
    let mut long = ranks_and_seeds(6, 7);
    for (i, run) in long.runs.iter_mut().enumerate() {
        run.id = format!(
            "{}-{}",
            "a-backbone-with-a-very-long-name.augreg_in21k_ft_in1k-車両".repeat(3),
            i
        );
        run.apart[0].1 = run.id.clone();
    }
    for row in &mut long.rows {
        row[0] = format!(
            "{} {}",
            "a-value-that-is-longer-than-any-column".repeat(2),
            row[0]
        );
    }
    long.columns[1] = "\u{1b}[31mひらがな".repeat(9);
    for runs in [
        long,
        ranks_and_seeds(20, 10),
        ranks_and_seeds(1, 1),
        Arrangement::default(),
    ] {
        let mut app = on_sweep(runs, Depth::True);
        for list in [false, true] {
            if list {
                keys(&mut app, "v");
            }
            for size in [
                (20, 5),
                (1, 1),
                (60, 16),
                (61, 17),
                (80, 24),
                (200, 16),
                (60, 90),
                (300, 100),
            ] {
                for key in [Key::End, Key::Up, Key::Home, Key::Right, Key::Down] {
                    let buffer = drawn(&mut app, size);
                    let raw = buffer
                        .content
                        .iter()
                        .find(|c| c.symbol().contains(char::is_control));
                    assert_eq!(raw, None);
                    app.on_key(key);
                }
            }
        }
    }
    let mut app = on_sweep(ranks_and_seeds(3, 2), Depth::True);
    assert!(text(&drawn(&mut app, (20, 5))).contains("pentimento"));
}
