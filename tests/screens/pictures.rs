//! Lost images in pixels, on terminals that take them: as they are asked for, made, shown, covered and left.

use std::sync::Arc;

use pentimento::ui::App;
use pentimento::ui::actions::Key;
use pentimento::ui::forgetting::{LostImage, LostImages, LostRequest, SIDE};
use pentimento::ui::pictures::{Choice, FINE, Pictures};
use pentimento::ui::question::Question;
use pentimento::ui::theme::{Depth, Marker};
use ratatui::buffer::{Buffer, CellDiffOption};

use super::forgetting::{asked, lost};
use super::{SIZES, app, drawn, find, keys, text};

/// Where a kitty's images are placed.
const PLACEHOLDER: char = '\u{10eeee}';

/// The images as a terminal of pixels has them read.
fn fine(total: usize) -> LostImages {
    let pixel = |i: usize| [(i % FINE) as u8, (i / FINE) as u8, 90];
    let fine = |image: LostImage| LostImage {
        pixels: (0..FINE * FINE).map(pixel).collect(),
        ..image
    };
    let found = lost(total);
    LostImages {
        images: found.images.into_iter().map(fine).collect(),
        ..found
    }
}

/// A card with so many lost images, on a terminal that takes pictures in this way.
fn card(choice: Choice, total: usize) -> (App, Arc<LostRequest>) {
    let mut app = app(&super::after(3), Depth::True);
    app.pictures = Pictures::new(choice, &|_| None);
    app.pictures.measure(Some((8, 16)));
    keys(&mut app, "4");
    let request = asked(app.on_key(Key::Enter));
    app.on_lost(&request, Ok(fine(total)));
    (app, request)
}

/// Makes what the last frame wanted; returns how many those were.
fn make(app: &mut App) -> usize {
    let jobs = app.pictures.wanted();
    let made = jobs.iter().map(|job| job.make()).collect::<Vec<_>>();
    let count = made.len();
    app.on_pictures(made);
    count
}

/// A frame with all of its pictures.
fn whole(app: &mut App, size: (u16, u16)) -> Buffer {
    loop {
        let frame = drawn(app, size);
        if make(app) == 0 {
            return frame;
        }
    }
}

fn having(buffer: &Buffer, what: &str) -> usize {
    let cells = buffer.content.iter();
    cells.filter(|cell| cell.symbol().contains(what)).count()
}

fn hidden(buffer: &Buffer) -> usize {
    let cells = buffer.content.iter();
    let skipped = cells.filter(|cell| cell.diff_option == CellDiffOption::Skip);
    skipped.count()
}

#[test]
fn half_blocks_are_what_is_drawn_where_nothing_else_is_known() {
    let (mut app, request) = card(Choice::Auto, 3);
    assert_eq!(request.side, SIDE);
    let frame = drawn(&mut app, SIZES[0]);
    assert_eq!((having(&frame, "\u{1b}"), hidden(&frame)), (0, 0));
    assert_eq!(having(&frame, "▀"), 3 * 16 * 8);
    assert!(app.pictures.wanted().is_empty());
}

#[test]
fn sixels_take_the_place_of_the_half_blocks() {
    let (mut app, request) = card(Choice::Sixel, 6);
    assert_eq!(request.side, FINE);
    let blocks = drawn(&mut app, SIZES[0]);
    assert_eq!(having(&blocks, "▀"), 4 * 16 * 8);
    let (left, top) = find(&blocks, "▀");
    assert_eq!((make(&mut app), make(&mut app)), (4, 0));
    assert!(app.is_dirty());
    let frame = drawn(&mut app, SIZES[0]);
    assert_eq!((having(&frame, "▀"), having(&frame, "\u{1b}P")), (0, 4));
    assert_eq!(hidden(&frame), 4 * (16 * 8 - 1));
    for picture in 0..4 {
        let symbol = frame[(left + 18 * picture, top)].symbol();
        assert!(symbol.contains(";128;128") && symbol.ends_with("\u{1b}\\"));
    }
    // What stands below is where it was.
    let line = |frame: &Buffer| {
        text(frame)
            .lines()
            .nth(usize::from(top) + 8)
            .map(str::to_owned)
    };
    assert_eq!(line(&frame), line(&blocks));
    // A frame more sends nothing; the next page has pictures of its own.
    assert!(frame.diff(&drawn(&mut app, SIZES[0])).is_empty());
    app.on_key(Key::PageDown);
    let page = drawn(&mut app, SIZES[0]);
    assert_eq!(
        (having(&page, "▀"), having(&page, "\u{1b}")),
        (2 * 16 * 8, 0)
    );
    assert_eq!(having(&whole(&mut app, SIZES[0]), "\u{1b}P"), 2);
    app.on_key(Key::PageUp);
    assert_eq!(having(&drawn(&mut app, SIZES[0]), "\u{1b}P"), 4);
}

#[test]
fn a_kitty_is_sent_a_picture_once() {
    let (mut app, _) = card(Choice::Kitty, 2);
    let first = {
        drawn(&mut app, SIZES[0]);
        make(&mut app);
        drawn(&mut app, SIZES[0])
    };
    let placed = 2 * 16 * 8;
    let sent = |frame: &Buffer| {
        let counts = [
            having(frame, "\u{1b}_G"),
            having(frame, &PLACEHOLDER.to_string()),
        ];
        (counts[0], counts[1])
    };
    assert_eq!(sent(&first), (2, placed));
    assert_eq!(sent(&drawn(&mut app, SIZES[0])), (0, placed));
    assert!(
        app.pictures
            .farewell()
            .is_some_and(|text| text.contains("a=d,d=R"))
    );
    // A terminal of another size was cleared: it is sent them again.
    drawn(&mut app, SIZES[1]);
    assert_eq!(make(&mut app), 2);
    assert_eq!(sent(&drawn(&mut app, SIZES[1])).0, 2);
    // So is one whose cells have grown.
    app.pictures.measure(Some((16, 32)));
    assert_eq!(sent(&drawn(&mut app, SIZES[1])), (0, 0));
    assert_eq!(make(&mut app), 2);
    app.on_key(Key::Esc);
    assert_eq!(sent(&drawn(&mut app, SIZES[1])), (0, 0));
}

/// What a terminal shows that is sent what differs from frame to frame: text, or a part of a picture.
struct Terminal {
    before: Buffer,
    shown: Buffer,
}

/// A part of a picture.
const PART: &str = "picture";

impl Terminal {
    fn new((width, height): (u16, u16)) -> Self {
        let empty = Buffer::empty(ratatui::layout::Rect::new(0, 0, width, height));
        Self {
            before: empty.clone(),
            shown: empty,
        }
    }

    fn send(&mut self, frame: Buffer) {
        for (x, y, cell) in self.before.diff(&frame) {
            self.shown[(x, y)].set_symbol(cell.symbol());
            if !cell.symbol().contains('\u{1b}') {
                continue;
            }
            let skips = |x, y| {
                let cell = frame.cell((x, y));
                cell.is_some_and(|c| c.diff_option == CellDiffOption::Skip)
            };
            let columns = 1 + (x + 1..).take_while(|x| skips(*x, y)).count() as u16;
            let rows = 1 + (y + 1..).take_while(|y| skips(x, *y)).count() as u16;
            for y in y..y + rows {
                for x in x..x + columns {
                    self.shown[(x, y)].set_symbol(PART);
                }
            }
        }
        for (shown, meant) in self.shown.content.iter().zip(&frame.content) {
            let part =
                meant.diff_option == CellDiffOption::Skip || meant.symbol().contains('\u{1b}');
            assert_eq!(shown.symbol(), if part { PART } else { meant.symbol() });
        }
        self.before = frame;
    }

    fn parts(&self) -> usize {
        having(&self.shown, PART)
    }
}

#[test]
fn nothing_is_left_of_a_picture() {
    for choice in [Choice::Sixel, Choice::Iterm] {
        for size in SIZES {
            let (mut app, request) = card(choice, 90);
            let mut terminal = Terminal::new(size);
            terminal.send(drawn(&mut app, size));
            terminal.send(whole(&mut app, size));
            let all = terminal.parts();
            assert!(all > 0 && all.is_multiple_of(16 * 8));
            // What lies over some of them.
            for key in [':', 'X', '?'] {
                keys(&mut app, &key.to_string());
                terminal.send(drawn(&mut app, size));
                assert!(terminal.parts() <= all, "{key}");
                app.on_key(Key::Esc);
                terminal.send(drawn(&mut app, size));
                assert_eq!(terminal.parts(), all, "{key}");
            }
            app.question = Some(Question::TakeUp);
            terminal.send(drawn(&mut app, size));
            app.question = None;
            app.on_problem("one two three four five six ".repeat(40));
            terminal.send(drawn(&mut app, size));
            app.on_key(Key::Esc);
            app.toast = None;
            app.forgetting.card = true;
            terminal.send(whole(&mut app, size));
            assert_eq!(terminal.parts(), all);
            // Other pages, the list, other screens, other images.
            app.on_key(Key::PageDown);
            terminal.send(drawn(&mut app, size));
            terminal.send(whole(&mut app, size));
            keys(&mut app, "3");
            terminal.send(drawn(&mut app, size));
            assert_eq!(terminal.parts(), 0);
            keys(&mut app, "4");
            terminal.send(drawn(&mut app, size));
            assert_eq!(terminal.parts(), all);
            app.on_lost(&request, Ok(fine(1)));
            terminal.send(drawn(&mut app, size));
            assert_eq!(terminal.parts(), 0);
            terminal.send(whole(&mut app, size));
            app.on_key(Key::Esc);
            terminal.send(drawn(&mut app, size));
            assert_eq!(terminal.parts(), 0);
        }
    }
}

#[test]
fn without_colours_and_in_ascii_they_are_characters() {
    let (mut app, _) = card(Choice::Sixel, 4);
    assert_eq!(having(&whole(&mut app, SIZES[0]), "\u{1b}"), 4);
    app.theme.marker = Marker::Ascii;
    let ascii = drawn(&mut app, SIZES[0]);
    assert_eq!((having(&ascii, "\u{1b}"), hidden(&ascii)), (0, 0));
    app.theme.marker = Marker::Dots;
    assert_eq!(having(&drawn(&mut app, SIZES[0]), "\u{1b}"), 4);
    app.theme.depth = Depth::None;
    assert_eq!(having(&drawn(&mut app, SIZES[0]), "\u{1b}"), 0);
    // Pictures have colours of their own.
    app.theme.depth = Depth::Sixteen;
    assert_eq!(having(&drawn(&mut app, SIZES[0]), "\u{1b}"), 4);
}

/// Names and classes come from outside, and so do pixels; only pictures made of them are more than text.
#[test]
fn what_is_not_a_picture_is_cleaned() {
    let (mut app, request) = card(Choice::Sixel, 1);
    let mut found = fine(1);
    found.images[0].name = "\u{1b}Pq\u{1b}\\".into();
    found.images.push(LostImage {
        pixels: vec![[7; 3]; 5],
        ..found.images[0].clone()
    });
    found.images.push(LostImage {
        pixels: Vec::new(),
        taken_for: 9999,
        ..found.images[0].clone()
    });
    app.on_lost(&request, Ok(found));
    app.on_problem("\u{1b}Pq#0\u{1b}\\");
    app.toast = None;
    let frame = whole(&mut app, SIZES[0]);
    // One has no pixels at all: it stays dark blocks.
    assert_eq!(having(&frame, "\u{1b}"), 2);
    assert_eq!(having(&frame, "▀"), 16 * 8);
}

#[test]
fn pictures_fit_any_terminal() {
    for choice in [Choice::Sixel, Choice::Kitty, Choice::Iterm] {
        let (mut app, _) = card(choice, 30);
        for (i, size) in [
            (1, 1),
            (30, 8),
            (60, 16),
            (61, 17),
            (80, 24),
            (133, 41),
            (300, 90),
        ]
        .into_iter()
        .enumerate()
        {
            drawn(&mut app, size);
            make(&mut app);
            let cells = [(1, 1), (7, 15), (0, 9), (9999, 9999), (13, 3)];
            app.pictures.measure(cells.get(i % 5).copied());
            drawn(&mut app, size);
            // What comes too late is not shown.
            let late: Vec<_> = app.pictures.wanted().iter().map(|job| job.make()).collect();
            app.pictures.forget();
            app.on_pictures(late);
            assert_eq!(having(&drawn(&mut app, size), "\u{1b}"), 0);
            app.on_key(Key::PageDown);
        }
    }
}
