//! The help: the table of actions, as it is.

use super::super::actions::{EXPLAINED, TABLE};
use super::super::pen::Pen;
use super::super::text::{width, wrap};
use super::super::theme::{Ink, Theme};

/// Lines of the help, wrapped to `columns`: keys and text, or a heading.
fn lines(columns: usize) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for scope in EXPLAINED {
        if !lines.is_empty() {
            lines.push((String::new(), String::new()));
        }
        lines.push((String::new(), scope.name().to_owned()));
        for binding in TABLE.iter().filter(|b| b.scope == scope) {
            let text = wrap(binding.help, columns.saturating_sub(KEYS + 2).max(10));
            for (i, line) in text.into_iter().enumerate() {
                let keys = if i == 0 {
                    binding.all_keys()
                } else {
                    " ".into()
                };
                lines.push((keys, line));
            }
        }
    }
    lines
}

/// Columns for keys.
const KEYS: usize = 19;

/// Draws the help from line `from` on.
pub fn draw(from: usize, theme: &Theme, pen: &mut Pen) {
    let lines = lines(usize::from(pen.width()));
    let rows = usize::from(pen.height());
    let from = from.min(lines.len().saturating_sub(rows));
    for (y, (keys, text)) in lines.iter().skip(from).take(rows).enumerate() {
        let y = y as u16;
        if keys.is_empty() {
            pen.text(0, y, text, theme.bold(Ink::Plain));
            continue;
        }
        pen.text(2, y, keys, theme.ink(Ink::Accent));
        let x = (KEYS + 2).max(width(keys) + 3);
        pen.text(x as u16, y, text, theme.ink(Ink::Plain));
    }
    if from + rows < lines.len() && rows > 0 {
        let end = pen.width();
        pen.right(end, rows as u16 - 1, " more ↓", theme.ink(Ink::Faint));
    }
}
