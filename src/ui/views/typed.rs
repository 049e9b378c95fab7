//! What is typed, with its cursor.

use ratatui::style::Style;

use super::super::line::Line;
use super::super::pen::Pen;
use super::super::text::{fit, fit_end, width};
use super::super::theme::Theme;

/// Draws a line in `room` columns and one for the cursor behind its end, so that what is before the cursor stays in
/// sight; returns the column after it.
pub fn draw(
    theme: &Theme,
    line: &Line,
    (x, y): (u16, u16),
    room: usize,
    style: Style,
    pen: &mut Pen,
) -> u16 {
    let (before, behind) = line.parts();
    let mut rest = behind.chars();
    let under = rest.next();
    let before = fit_end(before, room);
    let x = pen.text(x, y, &before, style);
    // A mark that takes no column of its own is shown on a blank.
    let under = under.map_or(" ".into(), |c| match width(&c.to_string()) {
        0 => " ".into(),
        _ => c.to_string(),
    });
    let left = room.saturating_sub(width(&before) + width(&under) - usize::from(behind.is_empty()));
    let x = pen.text(x, y, &under, theme.selected());
    pen.text(x, y, &fit(rest.as_str(), left), style)
}
