//! A plot under its title.

use ratatui::style::Style;

use super::super::app::App;
use super::super::pen::Pen;
use super::super::plot::Plot;
use super::super::text::width;

/// A piece of a title: what is not torn apart.
pub type Piece = Vec<(String, Style)>;

/// Writes pieces beside one another, on a second line where the first is full, and the plot below.
pub fn titled(pieces: &[Piece], plot: &Plot, app: &App, pen: &mut Pen) {
    let (columns, rows) = (pen.width(), pen.height());
    let (mut x, mut y) = (0, 0);
    for piece in pieces {
        let needed: usize = piece.iter().map(|(text, _)| width(text)).sum();
        let full = x > 0 && usize::from(x) + needed > usize::from(columns);
        match (full, y) {
            (true, 0) => (x, y) = (0, 1),
            (true, _) => break,
            (false, _) => {}
        }
        for (text, style) in piece {
            x = pen.text(x, y, text, *style);
        }
        x += 2;
    }
    let top = y + 1;
    plot.draw(
        &mut pen.part(0, top, columns, rows.saturating_sub(top)),
        &app.theme,
    );
}
