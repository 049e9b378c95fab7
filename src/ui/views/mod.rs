//! What is drawn: each view a function of the program's state into a part of the screen.

mod chrome;
mod fields;
pub mod forgetting;
pub mod help;
mod log;
mod matrix;
mod picker;
mod setup;
mod train;
mod trial;

use ratatui::buffer::Buffer;

use super::actions::Screen;
use super::app::App;
use super::pen::Pen;
use super::text::wrap;
use super::theme::Ink;

pub use setup::form_rows;

/// The least terminal in which anything can be read.
const LEAST: (u16, u16) = (30, 8);

/// Draws the whole screen.
pub fn draw(app: &App, buffer: &mut Buffer) {
    let area = buffer.area;
    let mut pen = Pen::new(buffer, area);
    let (width, height) = (pen.width(), pen.height());
    if width < LEAST.0 || height < LEAST.1 {
        let text = format!("pentimento needs {} × {} cells", LEAST.0, LEAST.1);
        for (y, line) in wrap(&text, usize::from(width)).iter().enumerate() {
            pen.text(0, y as u16, line, app.theme.ink(Ink::Plain));
        }
        return;
    }
    chrome::header(app, &mut pen.part(0, 0, width, 2));
    let top = if height >= 20 { 3 } else { 2 };
    let body = body(width, height);
    let mut inside = pen.part(1, top, body.0, body.1);
    match (&app.help, app.screen, &app.run) {
        (Some(line), _, _) => help::draw(*line, &app.theme, &mut inside),
        (None, Screen::SetUp, _) => setup::draw(app, &mut inside),
        (None, Screen::Train, Some(run)) => train::draw(app, run, &mut inside),
        (None, Screen::Matrix, Some(run)) => matrix::draw(app, run, &mut inside),
        (None, Screen::Forgetting, Some(run)) => forgetting::draw(app, run, &mut inside),
        (None, Screen::Log, Some(run)) => log::draw(app, run, &mut inside),
        (None, _, None) => chrome::nothing_yet(app, &mut inside),
    }
    chrome::toast(app, &mut pen.part(0, top, width, height - top - 1));
    chrome::footer(app, &mut pen.part(0, height - 1, width, 1));
    if let Some(question) = &app.question {
        chrome::question(
            question,
            app,
            &mut pen.part(0, top, width, height - top - 1),
        );
    }
}

/// Columns and rows between header and footer.
pub fn body(width: u16, height: u16) -> (u16, u16) {
    let top = if height >= 20 { 3 } else { 2 };
    (width.saturating_sub(2), height.saturating_sub(top + 2))
}
