//! The log: what happened, with its time.

use super::super::app::App;
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::theme::Ink;
use crate::lab::Level;

/// Draws the newest lines, or those the user scrolled back to.
pub fn draw(app: &App, run: &OpenRun, pen: &mut Pen) {
    let theme = &app.theme;
    let shown: Vec<_> = run
        .view
        .log
        .iter()
        .filter(|line| app.log.shows(line.level))
        .collect();
    let filter = match app.log.least {
        Level::Info => "everything",
        Level::Warning => "warnings and errors",
        Level::Error => "errors",
    };
    let x = pen.text(0, 0, "time UTC", theme.ink(Ink::Faint));
    let x = pen.text(x + 2, 0, filter, theme.ink(Ink::Faint));
    if app.log.back > 0 {
        let text = format!("{} newer below", app.log.back);
        pen.text(x + 3, 0, &text, theme.ink(Ink::Warning));
    }
    let rows = usize::from(pen.height()).saturating_sub(1);
    let end = shown.len().saturating_sub(app.log.back);
    let start = end.saturating_sub(rows);
    for (y, line) in shown[start..end].iter().enumerate() {
        let y = y as u16 + 1;
        // RFC 3339: the time of day stands after the T.
        let time = line.time.get(11..19).unwrap_or("");
        let x = pen.text(0, y, time, theme.ink(Ink::Faint));
        let (sign, ink) = match line.level {
            Level::Info => (" ", Ink::Plain),
            Level::Warning => ("!", Ink::Warning),
            Level::Error => ("✗", Ink::Bad),
        };
        pen.text(x + 1, y, sign, theme.bold(ink));
        let room = pen.width();
        pen.fitted(x + 3, y, room, &line.text, theme.ink(ink));
    }
    if shown.is_empty() {
        pen.text(0, 1, "no line of this kind", theme.ink(Ink::Faint));
    }
}
