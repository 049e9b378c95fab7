//! The export menu, in a box over the screen.

use super::super::actions::Scope;
use super::super::app::App;
use super::super::exporting::{ExportMenu, Line};
use super::super::pen::Pen;
use super::super::theme::Ink;
use super::chrome::frame;

/// Draws the menu; as many of its lines as there is room for, the cursor's among them.
pub fn draw(app: &App, menu: &ExportMenu, pen: &mut Pen) {
    let theme = &app.theme;
    let lines = ExportMenu::lines();
    let columns = pen.width().saturating_sub(4).min(76);
    let rows = (lines.len() as u16 + 4).min(pen.height());
    let (x, y) = ((pen.width() - columns) / 2, (pen.height() - rows) / 2);
    let mut pen = pen.part(x, y, columns, rows);
    pen.clear();
    frame(&mut pen, app);
    let room = columns.saturating_sub(4);
    let title = match menu.files() {
        0 => "export: nothing is chosen".to_owned(),
        1 => "export 1 file and how it was made".to_owned(),
        n => format!("export {n} files and how they were made"),
    };
    pen.fitted(2, 1, room, &title, theme.bold(Ink::Plain));
    let shown = usize::from(rows.saturating_sub(4)).max(1);
    let from = (menu.at + 1).saturating_sub(shown);
    for (i, line) in lines.iter().enumerate().skip(from).take(shown) {
        let y = 2 + (i - from) as u16;
        let here = i == menu.at;
        let ink = if here { Ink::Accent } else { Ink::Plain };
        let sign = if here { "▸" } else { " " };
        let mark = if menu.has(*line) { "[x]" } else { "[ ]" };
        let (name, text) = described(*line);
        let x = pen.text(1, y, sign, theme.bold(Ink::Accent));
        let x = pen.text(x, y, mark, theme.ink(ink));
        pen.fitted(x + 1, y, 11, name, theme.ink(ink));
        let end = columns.saturating_sub(2);
        pen.fitted(
            x + 13,
            y,
            end.saturating_sub(x + 13),
            text,
            theme.ink(Ink::Faint),
        );
    }
    let keys = "{toggle} chooses  {confirm} writes into export/  {cancel} closes";
    let keys = app.keys.fill(keys, Scope::Menu);
    pen.fitted(
        2,
        rows.saturating_sub(2),
        room,
        &keys,
        theme.ink(Ink::Faint),
    );
}

fn described(line: Line) -> (&'static str, &'static str) {
    match line {
        Line::Artefact(artefact) => (artefact.name(), artefact.description()),
        Line::Format(format) => (format.name(), format.description()),
        Line::Width => (
            "wide",
            "figures as wide as a page, 174 mm, instead of a column, 84",
        ),
    }
}
