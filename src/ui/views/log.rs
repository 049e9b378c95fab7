//! The log: what happened, with its time.

use super::super::app::App;
use super::super::look::LogLook;
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::text::{fit_end, without};
use super::super::theme::Ink;
use super::typed;
use crate::lab::Level;
use crate::run::view::LogLine;

/// Columns before a line's text: its time and its level.
pub const BEFORE: u16 = 11;
/// Columns for the text that is looked for.
const FOUND: usize = 24;

/// Draws the newest lines, or those the user scrolled back to.
pub fn draw(app: &App, run: &OpenRun, pen: &mut Pen) {
    let theme = &app.theme;
    let look = &app.log;
    let shown: Vec<&LogLine> = look.shown(run).collect();
    draw_head(app, run.view.log.len(), shown.len(), pen);
    let rows = usize::from(pen.height()).saturating_sub(1);
    let end = shown.len().saturating_sub(look.back);
    let start = end.saturating_sub(rows);
    for (y, line) in shown[start..end].iter().enumerate() {
        let y = y as u16 + 1;
        // RFC 3339: the time of day stands after the T.
        let time = line.time.get(11..19).unwrap_or("");
        pen.text(0, y, time, theme.ink(Ink::Faint));
        let (letter, ink) = match line.level {
            Level::Info => (" ", Ink::Plain),
            Level::Warning => ("W", Ink::Warning),
            Level::Error => ("E", Ink::Bad),
        };
        pen.text(BEFORE - 2, y, letter, theme.bold(ink));
        let text = without(&line.text, look.across);
        let room = pen.width();
        pen.fitted(BEFORE, y, room, &text, theme.ink(ink));
    }
    if shown.is_empty() {
        pen.text(0, 1, "no line of this kind", theme.ink(Ink::Faint));
    }
}

/// What is shown of the log: levels, the text looked for with its count, and how far it is scrolled.
fn draw_head(app: &App, all: usize, shown: usize, pen: &mut Pen) {
    let theme = &app.theme;
    let LogLook { least, line, .. } = &app.log;
    let filter = match least {
        Level::Info => "everything",
        Level::Warning => "warnings and errors",
        Level::Error => "errors",
    };
    let x = pen.text(0, 0, "time UTC", theme.ink(Ink::Faint));
    let mut x = pen.text(x + 2, 0, filter, theme.ink(Ink::Faint)) + 2;
    let typing = app.log.before.is_some();
    if typing || !line.is_empty() {
        let style = theme.bold(Ink::Plain);
        x = pen.text(x, 0, "/", theme.bold(Ink::Accent));
        x = match typing {
            true => typed::draw(theme, line, (x, 0), FOUND, style, pen),
            false => pen.text(x, 0, &fit_end(line.text(), FOUND), style),
        };
        let count = format!("{shown} of {all} lines");
        x = pen.text(x + 2, 0, &count, theme.ink(Ink::Plain)) + 2;
    }
    let mut moved = Vec::new();
    if app.log.back > 0 {
        moved.push(format!("{} newer below", app.log.back));
    }
    if app.log.across > 0 {
        moved.push(format!("from column {}", app.log.across + 1));
    }
    let room = pen.width();
    pen.fitted(x, 0, room, &moved.join(", "), theme.ink(Ink::Warning));
}
