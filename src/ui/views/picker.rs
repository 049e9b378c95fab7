//! A list to choose from, in the place of the form.

use super::super::actions::Scope;
use super::super::app::App;
use super::super::pen::Pen;
use super::super::picker::Picker;
use super::super::text::{fit_end, width, wrap};
use super::super::theme::Ink;
use super::setup::draw_prompt;

/// Lines below the choices: an empty one, and what the choice under the cursor means.
const FOOT: u16 = 4;
/// Columns of where a choice comes from.
const GROUPS: u16 = 9;

/// The first choice shown, and the rows for choices, on a part of the screen of this height.
fn window(picker: &Picker, height: u16) -> (usize, usize) {
    let rows = usize::from(height - FOOT.min(height / 2)).saturating_sub(1);
    let from = (picker.at + 1 + rows / 2).saturating_sub(rows);
    (from.min(picker.choices.len().saturating_sub(rows)), rows)
}

/// The choice at row `y` of a part of the screen of this height, by its place, if there is one.
pub fn choice_at(picker: &Picker, height: u16, y: u16) -> Option<usize> {
    let (from, rows) = window(picker, height);
    let down = usize::from(y.checked_sub(1)?);
    (down < rows && from + down < picker.choices.len()).then_some(from + down)
}

/// Draws the choices, the one under the cursor among them, and what it means.
pub fn draw(app: &App, picker: &Picker, pen: &mut Pen) {
    let theme = &app.theme;
    let (columns, height) = (pen.width(), pen.height());
    let foot = FOOT.min(height / 2);
    let (from, rows) = window(picker, height);
    let title = format!(
        "{}  {}/{}",
        picker.title(),
        (picker.at + 1).min(picker.choices.len()),
        picker.choices.len()
    );
    pen.fitted(0, 0, columns, &title, theme.bold(Ink::Plain));
    let grouped = picker.choices.iter().any(|c| !c.group.is_empty());
    let value = 2 + if grouped { GROUPS } else { 0 };
    let longest = picker
        .choices
        .iter()
        .map(|c| width(&c.value))
        .max()
        .unwrap_or(0) as u16;
    let room = longest.min((columns.saturating_sub(value)) * 3 / 5);
    for (i, choice) in picker.choices.iter().enumerate().skip(from).take(rows) {
        let y = (i - from + 1) as u16;
        let here = i == picker.at;
        if here {
            pen.text(0, y, "▸", theme.bold(Ink::Accent));
        }
        pen.fitted(2, y, GROUPS - 1, choice.group, theme.ink(Ink::Faint));
        let style = if here {
            theme.bold(Ink::Accent)
        } else {
            theme.ink(Ink::Plain)
        };
        // Paths and names of models differ at their end.
        let text = fit_end(&choice.value, usize::from(room));
        pen.text(value, y, &text, style);
        let note = value + room + 2;
        pen.fitted(note, y, columns, &choice.note, theme.ink(Ink::Faint));
    }
    let used = picker.choices.len().min(rows) as u16 + 2;
    let top = used.min(height - foot);
    let mut pen = pen.part(2, top, columns.saturating_sub(2), height - top);
    if let Some(prompt) = app.set_up.prompt() {
        let x = pen.text(0, 0, prompt.label(), theme.ink(Ink::Accent)) + 2;
        draw_prompt(app, prompt, x, 0, &mut pen);
        return;
    }
    let (text, ink) = match &picker.detail {
        Ok(text) => (text, Ink::Plain),
        Err(problem) => (problem, Ink::Bad),
    };
    let text = app.keys.fill(text, Scope::List);
    for (y, line) in wrap(&text, usize::from(pen.width())).iter().enumerate() {
        pen.text(0, y as u16, line, theme.ink(ink));
    }
}
