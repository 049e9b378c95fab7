//! What is drawn: each view a function of the program's state into a part of the screen.

mod behind;
pub mod chrome;
pub mod commands;
mod exporting;
mod fields;
pub mod forgetting;
pub mod help;
pub mod log;
mod machine;
pub mod matrix;
pub mod picker;
pub mod runs;
pub mod setup;
pub mod sweep;
mod titled;
mod train;
mod trial;
mod typed;

use ratatui::buffer::Buffer;

use super::actions::{Action, Screen};
use super::app::App;
use super::finish::finish;
use super::open_run::OpenRun;
use super::pen::Pen;
use super::text::wrap;
use super::theme::Ink;

pub use setup::form_rows;

/// The least terminal on which every screen can be used.
const LEAST: (u16, u16) = (60, 16);

/// Whether a terminal of this size is large enough for the screens.
pub fn fits((width, height): (u16, u16)) -> bool {
    width >= LEAST.0 && height >= LEAST.1
}

/// Draws the whole screen.
pub fn draw(app: &App, buffer: &mut Buffer) {
    let area = buffer.area;
    let mut pen = Pen::new(buffer, area);
    match fits((pen.width(), pen.height())) {
        true => draw_screen(app, &mut pen),
        false => too_small(app, &mut pen),
    }
    app.pictures.place(buffer);
    finish(&app.theme, buffer);
}

/// What is needed, what there is, and that nothing is lost meanwhile.
fn too_small(app: &App, pen: &mut Pen) {
    let (width, height) = (pen.width(), pen.height());
    let mut text = format!(
        "pentimento needs {} × {} cells, this terminal has {width} × {height}. ",
        LEAST.0, LEAST.1
    );
    let works = app.run.as_ref().is_some_and(OpenRun::works);
    let (yes, no) = (app.keys.of(Action::Confirm), app.keys.of(Action::Cancel));
    match &app.question {
        Some(question) => text.push_str(&format!("{} {yes} yes, {no} no", question.text().0)),
        None if works => {
            let key = app.keys.of(Action::Quit);
            text.push_str(&format!("The run goes on. {key} leaves."));
        }
        None => text.push_str(&format!("{} leaves.", app.keys.of(Action::Quit))),
    }
    for (y, line) in wrap(&text, usize::from(width)).iter().enumerate() {
        pen.text(0, y as u16, line, app.theme.ink(Ink::Plain));
    }
}

fn draw_screen(app: &App, pen: &mut Pen) {
    let (width, height) = (pen.width(), pen.height());
    chrome::header(app, &mut pen.part(0, 0, width, 2));
    let (top, body) = (top(height), body(width, height));
    let mut inside = pen.part(1, top, body.0, body.1);
    match (&app.help, app.screen, &app.run) {
        (Some(line), _, _) => help::draw(app, *line, &mut inside),
        (None, Screen::SetUp, _) => setup::draw(app, &mut inside),
        (None, Screen::Train, Some(run)) => train::draw(app, run, &mut inside),
        (None, Screen::Matrix, Some(run)) => matrix::draw(app, run, &mut inside),
        (None, Screen::Forgetting, Some(run)) => forgetting::draw(app, run, &mut inside),
        (None, Screen::Log, Some(run)) => log::draw(app, run, &mut inside),
        (None, Screen::Machine, run) => machine::draw(app, run.as_ref(), &mut inside),
        (None, Screen::Runs, _) => runs::draw(app, &mut inside),
        (None, Screen::Sweep, _) => {
            if let Some(open) = &app.sweep {
                sweep::draw(app, open, &mut inside);
            }
        }
        (None, _, None) => chrome::nothing_yet(app, &mut inside),
    }
    if let Some(open) = &app.commands {
        commands::draw(app, open, &mut pen.part(0, top, width, body.1));
    }
    chrome::replay(app, &mut pen.part(1, height - 2, width - 2, 1));
    chrome::toast(app, &mut pen.part(0, top, width, height - top - 1));
    chrome::footer(app, &mut pen.part(0, height - 1, width, 1));
    if let Some(menu) = &app.export {
        exporting::draw(app, menu, &mut pen.part(0, top, width, height - top - 1));
    }
    if let Some(question) = &app.question {
        chrome::question(
            question,
            app,
            &mut pen.part(0, top, width, height - top - 1),
        );
    }
}

/// The first row below the header.
pub fn top(height: u16) -> u16 {
    if height >= 20 { 3 } else { 2 }
}

/// Columns and rows between header and footer.
pub fn body(width: u16, height: u16) -> (u16, u16) {
    (
        width.saturating_sub(2),
        height.saturating_sub(top(height) + 2),
    )
}
