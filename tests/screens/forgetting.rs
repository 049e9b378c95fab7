//! The forgetting screen over ten to a thousand classes, in its ways, orders and groups, by its keys.

use std::path::Path;
use std::sync::Arc;

use pentimento::Error;
use pentimento::data::Class;
use pentimento::lab::Event;
use pentimento::measure::{TextSimilarity, WordSimilarity};
use pentimento::progress::Progress;
use pentimento::run::RunView;
use pentimento::ui::actions::{Action, Key, Screen};
use pentimento::ui::forgetting::{Grouping, LostImage, LostImages, LostRequest, SIDE, Sort, Way};
use pentimento::ui::theme::{Depth, Marker};
use pentimento::ui::{App, Effect};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::{SIZES, after, app, drawn, find, keys, light, snapshot, text, words};
use crate::sample::Journal;

fn thousand(merges: usize) -> Journal {
    let mut journal = Journal::thousand();
    journal.tasks(merges);
    journal
}

/// Classes that WordNet has, but for one.
fn animals() -> Journal {
    let names = [
        "tench, Tinca tinca",
        "great white shark",
        "hen",
        "bald eagle",
        "tabby, tabby cat",
        "tiger, Panthera tigris",
        "beagle",
        "golden retriever",
        "ÿ",
        "sports car, sport car",
        "school bus",
        "acoustic guitar",
        "violin, fiddle",
        "strawberry",
        "banana",
        "lakeside, lakeshore",
    ];
    let class = |name: &str| Class {
        name: name.into(),
        group: String::new(),
    };
    let mut journal = Journal::with(names.map(class).into(), "animals");
    journal.tasks(2);
    journal
}

fn count(buffer: &Buffer, signs: &str) -> usize {
    let cells = buffer.content.iter();
    cells.filter(|c| signs.contains(c.symbol())).count()
}

#[test]
fn a_thousand_classes_at_a_glance() {
    let mut app = app(&thousand(3), Depth::True);
    keys(&mut app, "4");
    for size in SIZES {
        snapshot("forgetting-thousand", &mut app, size);
    }
    keys(&mut app, "v");
    for size in SIZES {
        snapshot("forgetting-thousand-list", &mut app, size);
    }
    keys(&mut app, "v");
    for size in SIZES {
        snapshot("forgetting-thousand-context", &mut app, size);
    }
}

/// Two classes a cell, each with the colour of its loss.
#[test]
fn all_thousand_are_on_the_smallest_screen() {
    let mut app = app(&thousand(3), Depth::True);
    keys(&mut app, "4t");
    assert_eq!(
        app.forgetting.grouping,
        Grouping::None,
        "WordNet has none of these"
    );
    let buffer = drawn(&mut app, SIZES[0]);
    let mut classes = 0;
    for cell in &buffer.content {
        classes += match (cell.symbol(), cell.fg, cell.bg) {
            ("▀", Color::Rgb(..), Color::Rgb(..)) => 2,
            ("▀" | "▄", Color::Rgb(..), Color::Reset) => 1,
            // The cursor lies over a neighbour.
            ("▴", ..) => 2,
            _ => 0,
        };
    }
    assert_eq!(classes, 1000, "{}", text(&buffer));
    // Worst first: the upper left is lighter than what follows far behind it.
    keys(&mut app, "o");
    app.on_key(Key::End);
    let buffer = drawn(&mut app, SIZES[0]);
    let (x, y) = find(&buffer, "▀");
    let last = find(&buffer, "▴");
    let Color::Rgb(..) = buffer[(x, y)].fg else {
        panic!("no colour");
    };
    assert!(light(buffer[(x, y)].fg) > light(buffer[last].bg) + 20.0);
}

/// Two runs stand side by side in their similarities and losses too, drawn to one scale.
#[test]
fn context_of_two_runs_side_by_side() {
    let mut app = app(&after(3), Depth::True);
    let mut other = Journal::latin().seeded(2, 0.1);
    other.tasks(3);
    let other = RunView::replay(&other.records);
    app.on_beside(Path::new("runs/demo-s2-1"), Ok(other));
    keys(&mut app, "4");
    app.forgetting.way = Some(Way::Context);
    for size in SIZES {
        snapshot("forgetting-context-beside", &mut app, size);
    }
    for size in [(60, 16), (61, 17), (300, 80)] {
        drawn(&mut app, size);
    }
}

/// Ten groups of a hundred have a line each, with its name, its mean, and whether it is in context.
#[test]
fn groups_have_their_name_beside_their_classes() {
    let groups = [
        "digits", "lower", "upper", "d", "e", "f", "g", "h", "i", "j",
    ];
    let class = |i: usize| Class {
        name: format!("k{i:03}"),
        group: groups[i / 100].into(),
    };
    let mut journal = Journal::with((0..1000).map(class).collect(), "even");
    journal.tasks(3);
    let mut app = app(&journal, Depth::True);
    keys(&mut app, "4");
    snapshot("forgetting-beside", &mut app, SIZES[0]);
    let buffer = drawn(&mut app, SIZES[0]);
    let underlined = |name| {
        buffer[find(&buffer, name)]
            .modifier
            .contains(Modifier::UNDERLINED)
    };
    assert!(underlined("upper ") && !underlined("lower "));
    let light_of = |name| light(buffer[(40, find(&buffer, name).1)].fg);
    assert!(light_of("upper ") > light_of("lower ") + 20.0);
}

#[test]
fn without_colours_a_mark_stands_for_each() {
    let mut none = app(&thousand(3), Depth::None);
    keys(&mut none, "4");
    snapshot("forgetting-thousand-marks", &mut none, SIZES[0]);
    let mut ascii = app(&thousand(3), Depth::None);
    ascii.theme.marker = Marker::Ascii;
    for ways in ["4", "v", "v"] {
        keys(&mut ascii, ways);
        let buffer = drawn(&mut ascii, SIZES[1]);
        let lines: Vec<String> = text(&buffer).lines().map(str::to_owned).collect();
        // What is data; titles, figures and the footer may have more.
        let data = &lines[6..22];
        let strange = |c: char| !c.is_ascii() && !"−—ρ…".contains(c);
        assert!(!data.iter().any(|l| l.contains(strange)), "{data:#?}");
    }
}

#[test]
fn sixteen_colours_and_ten_classes() {
    let class = |i: usize| Class {
        name: [
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ][i]
            .into(),
        group: ["machines", "animals"][usize::from((2..8).contains(&i))].into(),
    };
    let mut journal = Journal::with((0..10).map(class).collect(), "cifar10");
    journal.tasks(2);
    let mut app = app(&journal, Depth::Sixteen);
    keys(&mut app, "4");
    snapshot("forgetting-ten", &mut app, SIZES[1]);
    app.forgetting.way = Some(Way::Grid);
    snapshot("forgetting-ten-tiles", &mut app, SIZES[0]);
}

#[test]
fn classes_are_found_by_a_part_of_their_name() {
    let mut app = app(&thousand(1), Depth::True);
    keys(&mut app, "4/99");
    assert_eq!(app.forgetting.filter.text(), "99");
    // While a name is typed no letter is a command.
    assert_eq!(keys(&mut app, "xq"), []);
    app.on_key(Key::Backspace);
    app.on_key(Key::Backspace);
    snapshot("forgetting-found", &mut app, SIZES[0]);
    assert_eq!(app.forgetting.class, 99, "the cursor is on what is shown");
    app.on_key(Key::Enter);
    assert!(!app.forgetting.typing);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("19 of 1,000 classes"));
    app.on_key(Key::Esc);
    assert!(app.forgetting.filter.is_empty());
    keys(&mut app, "/no such");
    let none = text(&drawn(&mut app, SIZES[0]));
    assert!(
        none.contains("0 of 1,000 classes") && none.contains("Esc shows all again"),
        "{none}"
    );
    for key in [Key::Enter, Key::Down, Key::PageDown, Key::Home, Key::End] {
        app.on_key(key);
        drawn(&mut app, SIZES[0]);
    }
    app.on_key(Key::Esc);
    keys(&mut app, "/dogs");
    app.on_key(Key::Enter);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("of 1,000 classes"));
    app.on_key(Key::Char('q'));
    assert!(app.question.is_some(), "letters are commands again");
}

#[test]
fn classes_are_grouped_by_what_they_are() {
    let mut app = app(&animals(), Depth::True);
    keys(&mut app, "4t");
    assert_eq!(app.forgetting.grouping, Grouping::Meaning);
    snapshot("forgetting-meaning", &mut app, SIZES[1]);
    keys(&mut app, "<<<o");
    assert_eq!((app.forgetting.depth, app.forgetting.sort), (4, Sort::Drop));
    snapshot("forgetting-meaning-coarse", &mut app, SIZES[0]);
    keys(&mut app, ">>>>>>>>>>>>>>>>>>>>>>>>");
    let deepest = app.forgetting.depth;
    keys(&mut app, ">");
    assert_eq!(app.forgetting.depth, deepest);
    drawn(&mut app, SIZES[0]);
    keys(&mut app, "t<");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("t groups by it"));
}

#[test]
fn keys_move_over_what_is_drawn() {
    let mut app = app(&thousand(2), Depth::True);
    keys(&mut app, "4");
    app.on_resize(80, 24);
    let step = |app: &mut App, key| {
        app.on_key(key);
        app.forgetting.class
    };
    let right = step(&mut app, Key::Right);
    assert_eq!(right, 1);
    let down = step(&mut app, Key::Down);
    assert!(down > 40 && down < 80, "the line below: {down}");
    assert_eq!(step(&mut app, Key::Up), 1);
    assert_eq!(step(&mut app, Key::End), 999);
    assert_eq!(step(&mut app, Key::Home), 0);
    app.on_action(Action::Way);
    assert_eq!(step(&mut app, Key::Down), 1);
    assert_eq!(step(&mut app, Key::PageDown), 11);
    // In the list, left and right are merges.
    app.on_key(Key::Left);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("[ merge 1"));
}

#[test]
fn every_size_can_be_drawn_in_every_way() {
    for journal in [thousand(2), animals(), words()] {
        for depth in [Depth::None, Depth::True] {
            let mut app = app(&journal, depth);
            keys(&mut app, "4");
            for keys_ in ["", "v", "v", "t", "vo", "v/a", "bbb"] {
                keys(&mut app, keys_);
                for (width, height) in [
                    (1, 1),
                    (30, 8),
                    (31, 9),
                    (33, 12),
                    (80, 13),
                    (45, 21),
                    (79, 30),
                    (300, 90),
                ] {
                    drawn(&mut app, (width, height));
                }
            }
        }
    }
    assert!(count(&drawn(&mut app(&words(), Depth::None), SIZES[0]), "▸") > 0);
}

/// A picture: a light ring on dark ground.
fn ring() -> Vec<[u8; 3]> {
    let side = SIDE as i32;
    let pixel = |i: i32| {
        let (x, y) = (2 * (i % side) - side + 1, 2 * (i / side) - side + 1);
        match x * x + y * y {
            200..600 => [230, 200, 120],
            _ => [20, 30, 60],
        }
    };
    (0..side * side).map(pixel).collect()
}

pub fn lost(total: usize) -> LostImages {
    let image = |i: usize| LostImage {
        name: format!("image {i}"),
        pixels: ring(),
        taken_for: 24 + i % 3,
        confidence: Some(0.5 + i as f32 / 100.0),
    };
    LostImages {
        total,
        images: (0..total).map(image).collect(),
    }
}

/// The request that a key gave rise to.
pub fn asked(effects: Vec<Effect>) -> Arc<LostRequest> {
    match effects.as_slice() {
        [Effect::Lost(request)] => Arc::clone(request),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_class_has_a_card_with_its_lost_images() {
    let mut journal = super::after(3);
    journal.lose(3, 36, &[(24, 5), (3, 2), (50, 1)]);
    let mut app = app(&journal, Depth::True);
    keys(&mut app, "4");
    app.forgetting.class = 36;
    let request = asked(app.on_key(Key::Enter));
    assert_eq!((request.class, app.forgetting.card), (36, true));
    assert!(
        request.before.file.starts_with("predictions/002")
            && request.after.file.starts_with("predictions/003")
    );
    assert!(text(&drawn(&mut app, SIZES[0])).contains("reading the lost images …"));
    app.on_looked_through(&Progress::images("looking at photos", 3, 9));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("looking at photos, 3 of 9"));
    app.on_lost(&request, Ok(lost(11)));
    for size in SIZES {
        snapshot("forgetting-card", &mut app, size);
    }
    // Asked again for the same, nothing is read again.
    assert_eq!(app.on_key(Key::Enter), []);
    drawn(&mut app, SIZES[0]);
    app.on_key(Key::PageDown);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("5 to 8"));
    (0..9).for_each(|_| drop(app.on_key(Key::PageDown)));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("9 to 11"));
    app.on_key(Key::PageUp);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("5 to 8"));
    // Another class, merge or comparison has other images.
    let next = asked(app.on_key(Key::Right));
    assert_eq!(next.class, 37);
    app.on_lost(&request, Ok(lost(2)));
    assert!(
        text(&drawn(&mut app, SIZES[0])).contains("reading"),
        "the answer to another question"
    );
    app.on_lost(
        &next,
        Err(Error::input("hub:a/b is not in the cache of this machine")),
    );
    let refused = text(&drawn(&mut app, SIZES[0]));
    assert!(
        refused.contains("cannot be shown: hub:a/b is not in the cache"),
        "{refused}"
    );
    let earlier = asked(keys(&mut app, "["));
    app.on_lost(&earlier, Ok(lost(0)));
    assert!(text(&drawn(&mut app, SIZES[0])).contains("no image that was right before this merge"));
    let start = asked(keys(&mut app, "b"));
    assert!(start.before.file.starts_with("predictions/000"));
    app.on_key(Key::Esc);
    assert!(!app.forgetting.card);
    assert_eq!(app.on_key(Key::Left), [], "a closed card asks for nothing");
}

#[test]
fn lost_images_are_signs_without_colours() {
    let mut app = app(&super::after(3), Depth::None);
    app.theme.marker = Marker::Ascii;
    keys(&mut app, "4");
    let request = asked(app.on_key(Key::Enter));
    app.on_lost(&request, Ok(lost(3)));
    snapshot("forgetting-card-ascii", &mut app, SIZES[0]);
    for (width, height) in [(1, 1), (30, 8), (31, 12), (40, 16), (79, 21), (300, 90)] {
        drawn(&mut app, (width, height));
        app.on_key(Key::PageDown);
    }
}

#[test]
fn a_card_of_what_is_not_merged_asks_for_no_images() {
    let mut app = app(&super::in_training(), Depth::True);
    keys(&mut app, "4");
    assert_eq!(app.on_key(Key::Enter), []);
    assert!(text(&drawn(&mut app, SIZES[0])).contains("once the merge is measured"));
    let of_merge = asked(keys(&mut app, "["));
    assert!(of_merge.after.file.starts_with("predictions/002"));
}

/// The colours of a picture are those of its pixels, two a cell.
#[test]
fn a_lost_image_has_its_own_colours() {
    let mut app = app(&super::after(1), Depth::True);
    keys(&mut app, "4");
    let request = asked(app.on_key(Key::Enter));
    app.on_lost(&request, Ok(lost(1)));
    let buffer = drawn(&mut app, SIZES[2]);
    let (left, top) = find(&buffer, "▀");
    let ring = ring();
    for (x, y) in [(0, 0), (15, 2), (5, 9), (16, 8), (31, 15)] {
        let colour = |row: usize| {
            let [r, g, b] = ring[row * SIDE + usize::from(x)];
            Color::Rgb(r, g, b)
        };
        let cell = &buffer[(left + x, top + y)];
        let rows = (2 * usize::from(y), 2 * usize::from(y) + 1);
        assert_eq!(
            (cell.fg, cell.bg),
            (colour(rows.0), colour(rows.1)),
            "{x} {y}"
        );
    }
}

/// The animals with similarity by WordNet and CLIP as well.
fn measured() -> Journal {
    let mut journal = animals();
    for record in &mut journal.records {
        if let Event::Context {
            similarity,
            wordnet,
            clip,
            ..
        } = &mut record.event
        {
            let n = similarity.len();
            let words = |i: usize| {
                if i == 8 {
                    f32::NAN
                } else {
                    0.3 + 0.04 * i as f32
                }
            };
            *wordnet = Some(WordSimilarity {
                similarity: (0..n).map(words).collect(),
                class_synsets: (0..n)
                    .map(|i| {
                        if i == 8 {
                            String::new()
                        } else {
                            format!("class{i}.n.01")
                        }
                    })
                    .collect(),
                task_synsets: vec!["digit.n.01".into(); n],
            });
            *clip = Some(TextSimilarity {
                similarity: (0..n).map(|i| 0.8 - 0.01 * i as f32).collect(),
                sha256: "ef".into(),
            });
        }
    }
    journal
}

#[test]
fn similarity_is_by_what_the_user_takes() {
    let mut app = app(&measured(), Depth::True);
    keys(&mut app, "4vvr");
    app.forgetting.way = Some(Way::Context);
    snapshot("forgetting-context-wordnet", &mut app, SIZES[0]);
    keys(&mut app, "r");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("similarity by CLIP"));
    keys(&mut app, "voo");
    let sorted = text(&drawn(&mut app, SIZES[1]));
    assert!(sorted.contains("by similarity (CLIP)"), "{sorted}");
    // The most similar by CLIP is the first of the data.
    app.on_key(Key::Home);
    assert_eq!(app.forgetting.class, 0);
    asked(app.on_key(Key::Enter));
    snapshot("forgetting-card-similarities", &mut app, SIZES[0]);
    keys(&mut app, "r");
    app.on_key(Key::Esc);
    let mut plain = super::app(&animals(), Depth::True);
    keys(&mut plain, "4r");
    assert!(text(&drawn(&mut plain, SIZES[0])).contains("one measure of similarity"));
}

/// Whatever is pressed, nothing breaks, what is shown is what the cursor is on, and Esc leads out.
#[test]
fn no_keys_bring_the_screen_down() {
    let pressed = [
        Key::Char('v'),
        Key::Char('o'),
        Key::Char('t'),
        Key::Char('<'),
        Key::Char('>'),
        Key::Char('r'),
        Key::Char('b'),
        Key::Char('['),
        Key::Char(']'),
        Key::Char('/'),
        Key::Char('a'),
        Key::Char('1'),
        Key::Char('c'),
        Key::Enter,
        Key::Esc,
        Key::Up,
        Key::Down,
        Key::Left,
        Key::Right,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Backspace,
    ];
    for (seed, journal) in (1_u64..).zip([
        thousand(1),
        measured(),
        super::in_training(),
        words(),
        Journal::latin(),
    ]) {
        let mut app = app(&journal, Depth::True);
        let mut random = seed;
        for i in 0..250 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            app.on_action(Action::Go(Screen::Forgetting));
            let key = pressed[(random >> 33) as usize % pressed.len()];
            for effect in app.on_key(key) {
                if let Effect::Lost(request) = effect {
                    match random % 3 {
                        0 => app.on_lost(&request, Ok(lost((random >> 20) as usize % 20))),
                        1 => app.on_lost(&request, Err(Error::input("\u{1b}[31mgone"))),
                        _ => app.on_looked_through(&Progress::images("reading", 1, 0)),
                    }
                }
            }
            if i % 5 == 0 {
                drawn(
                    &mut app,
                    [(80, 24), (30, 8), (120, 40), (47, 13)][i / 5 % 4],
                );
            }
        }
        app.question = None;
        drawn(&mut app, (80, 24));
        (0..4).for_each(|_| drop(app.on_key(Key::Esc)));
        let look = &app.forgetting;
        assert!(!look.card && !look.typing && look.filter.is_empty());
    }
}

/// More merges than have room with a decimal stand closer together.
#[test]
fn many_merges_are_in_whole_points() {
    let mut app = app(&thousand(5), Depth::True);
    keys(&mut app, "4");
    app.forgetting.way = Some(Way::List);
    snapshot("forgetting-narrow", &mut app, (50, 24));
}
