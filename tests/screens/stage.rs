//! What the tests of the screens begin with: journals, looks, and answers to what the program asks for.

use pentimento::data::Class;
use pentimento::hub::{Kind, Repo};
use pentimento::ui::actions::Key;
use pentimento::ui::theme::{Depth, Marker};
use pentimento::ui::{App, Effect, Theme, views};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::sample::Journal;

/// The keys with names that every terminal sends.
pub const NAMED: [Key; 15] = [
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

pub fn theme(depth: Depth) -> Theme {
    Theme {
        depth,
        marker: Marker::Braille,
        ..Theme::default()
    }
}

/// A run in the middle of its third task.
pub fn in_training() -> Journal {
    let mut journal = Journal::latin();
    journal.tasks(2);
    journal.begin();
    journal.train(0, 312);
    journal
}

pub fn after(merges: usize) -> Journal {
    let mut journal = Journal::latin();
    journal.tasks(merges);
    journal
}

/// Classes with names: wide ones, combining ones, and ones that try to reach the terminal.
pub fn words() -> Journal {
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

pub fn drawn(app: &mut App, (width, height): (u16, u16)) -> Buffer {
    app.on_resize(width, height);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    views::draw(app, &mut buffer);
    buffer
}

/// A model of the hub.
pub fn repo(text: &str) -> Repo {
    Repo::parse(Kind::Model, text).unwrap()
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
