//! The list of everything that can be done, over the screen.

use super::super::app::App;
use super::super::commands::{Commands, Entry};
use super::super::pen::Pen;
use super::super::text::{width, wrap};
use super::super::theme::{Ink, Theme};
use super::chrome::frame;
use super::typed;

/// Columns and rows of the box at most, and columns of names and keys in it.
const MOST: u16 = 100;
const HIGHEST: u16 = 26;
const NAMES: u16 = 17;
const KEYS: u16 = 10;
/// Rows for the whole sentence of the action under the cursor.
const FOOT: u16 = 2;

/// First column, columns and rows of the box in a part of the screen of this size. It is as high however many there
/// are, so that it stands still while one types.
fn place(width: u16, height: u16) -> (u16, u16, u16) {
    let columns = width.saturating_sub(2).min(MOST);
    ((width - columns) / 2, columns, height.min(HIGHEST))
}

/// The first action shown, and the rows for actions, in a box of so many rows with the cursor at `at`.
fn window(at: usize, rows: u16) -> (usize, usize) {
    let rows = usize::from(rows.saturating_sub(3 + FOOT));
    ((at + 1).saturating_sub(rows), rows)
}

/// The action at a place of a part of the screen of this size, by its place among `count`, if there is one.
pub fn entry_at(
    at: usize,
    count: usize,
    (width, height): (u16, u16),
    (x, y): (u16, u16),
) -> Option<usize> {
    let (left, columns, rows) = place(width, height);
    let (from, rows) = window(at, rows);
    let down = usize::from(y.checked_sub(2)?);
    let inside = x > left && x + 1 < left + columns && down < rows;
    (inside && from + down < count).then_some(from + down)
}

/// Draws the box: what is typed, how many there are, and as many as there is room for.
pub fn draw(app: &App, commands: &Commands, pen: &mut Pen) {
    let theme = &app.theme;
    let (x, columns, rows) = place(pen.width(), pen.height());
    let entries = app.entries();
    let mut pen = pen.part(x, 0, columns, rows);
    pen.clear();
    frame(&mut pen, app);
    let mut inside = pen.part(2, 1, columns.saturating_sub(4), rows.saturating_sub(2));
    let count = match entries.len() {
        1 => "1 action".into(),
        n => format!("{n} actions"),
    };
    let end = inside.width();
    inside.right(end, 0, &count, theme.ink(Ink::Faint));
    let x = inside.text(0, 0, ":", theme.bold(Ink::Accent));
    let left = usize::from(end).saturating_sub(width(&count) + 4);
    let style = theme.bold(Ink::Plain);
    typed::draw(theme, &commands.line, (x, 0), left, style, &mut inside);
    let at = commands.at.min(entries.len().saturating_sub(1));
    let (from, rows) = window(at, rows);
    for (y, entry) in entries.iter().enumerate().skip(from).take(rows) {
        let row = (y - from) as u16 + 1;
        draw_entry(theme, entry, y == at, row, &mut inside);
    }
    if let Some(entry) = entries.get(at) {
        let lines = wrap(&sentence(entry), usize::from(inside.width()));
        let top = inside.height().saturating_sub(FOOT);
        for (y, line) in (top..).zip(lines.iter().take(FOOT.into())) {
            inside.text(0, y, line, theme.ink(Ink::Plain));
        }
    } else {
        inside.text(0, 1, "nothing is called so", theme.ink(Ink::Faint));
    }
}

fn draw_entry(theme: &Theme, entry: &Entry, here: bool, y: u16, pen: &mut Pen) {
    let refused = entry.refusal.is_some();
    let (name, key) = match refused {
        true => (theme.ink(Ink::Faint), theme.ink(Ink::Faint)),
        false if here => (theme.bold(Ink::Plain), theme.ink(Ink::Accent)),
        false => (theme.ink(Ink::Plain), theme.ink(Ink::Accent)),
    };
    if here {
        pen.text(0, y, "▸", theme.bold(Ink::Accent));
    }
    pen.fitted(2, y, NAMES - 1, &entry.name, name);
    pen.fitted(2 + NAMES, y, KEYS - 1, &entry.keys, key);
    let x = 2 + NAMES + KEYS;
    pen.fitted(x, y, pen.width(), &sentence(entry), theme.ink(Ink::Faint));
}

/// What an action does and where, or why it makes no sense now.
fn sentence(entry: &Entry) -> String {
    match (&entry.refusal, entry.elsewhere) {
        (Some(refusal), _) => format!("not now: {refusal}"),
        (None, Some(screen)) => format!("{}: {}", screen.name(), entry.help),
        (None, None) => entry.help.clone(),
    }
}
