//! The help: the table of actions, as it is.

use super::super::actions::{Bindings, EXPLAINED};
use super::super::app::App;
use super::super::pen::Pen;
use super::super::text::{width, wrap};
use super::super::theme::Ink;

/// Lines of the help, wrapped to `columns`: keys and text, or a heading.
fn lines(bindings: &Bindings, columns: usize) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for scope in EXPLAINED {
        if !lines.is_empty() {
            lines.push((String::new(), String::new()));
        }
        lines.push((String::new(), scope.name().to_owned()));
        for row in bindings.of_scope(scope) {
            let text = wrap(
                &bindings.fill(row.binding.help, scope),
                columns.saturating_sub(KEYS + 2).max(10),
            );
            for (i, line) in text.into_iter().enumerate() {
                let keys = if i == 0 { row.all_keys() } else { " ".into() };
                lines.push((keys, line));
            }
        }
    }
    lines
}

/// Columns for keys.
const KEYS: usize = 19;

/// The last line that the help can begin with in a part of the screen of this size.
pub fn last_start(bindings: &Bindings, (columns, rows): (u16, u16)) -> usize {
    let lines = lines(bindings, usize::from(columns)).len();
    if lines <= usize::from(rows) {
        return 0;
    }
    // Where it does not fit, the last row says whether there is more.
    lines.saturating_sub(usize::from(rows.saturating_sub(1)))
}

/// Draws the help from line `from` on.
pub fn draw(app: &App, from: usize, pen: &mut Pen) {
    let theme = &app.theme;
    let lines = lines(&app.keys, usize::from(pen.width()));
    let last = last_start(&app.keys, (pen.width(), pen.height()));
    let rows = usize::from(pen.height().saturating_sub(u16::from(last > 0)));
    let from = from.min(last);
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
    let more = match (from > 0, from < last) {
        (true, true) => "↑ more ↓",
        (true, false) => "↑ more",
        (false, true) => "more ↓",
        (false, false) => return,
    };
    let end = pen.width();
    pen.right(end, rows as u16, more, theme.ink(Ink::Faint));
}
