//! The set-up form.

use super::super::actions::{Scope, Screen};
use super::super::app::App;
use super::super::field::{Field, Part, RANKS};
use super::super::figures;
use super::super::pen::Pen;
use super::super::text::{fit, fit_end, width, wrap};
use super::super::theme::Ink;
use super::super::typing::{Prompt, Purpose};
use super::super::values::plain;
use super::fields::{Texts, rank_note, texts};
use super::{picker, typed};

/// Columns of the labels, and of the values after them.
const LABELS: u16 = 12;
const VALUES: u16 = 20;
/// Lines that explain, below the fields.
const FOOT: u16 = 4;

/// Lines that a part of the screen of this size has for fields.
pub fn form_rows((_, rows): (u16, u16)) -> usize {
    usize::from(rows - FOOT.min(rows / 2))
}

/// Draws the form, or the list that is open over it; fields scroll when there are more than lines.
pub fn draw(app: &App, pen: &mut Pen) {
    if let Some(open) = app.set_up.picker() {
        picker::draw(app, open, pen);
        return;
    }
    let size = (pen.width(), pen.height());
    let (lines, from) = window(app, size);
    let rows = form_rows(size);
    for (y, line) in lines.iter().skip(from).take(rows).enumerate() {
        if let Some(field) = line {
            draw_field(app, *field, y as u16, pen);
        }
    }
    let (columns, height) = (pen.width(), pen.height());
    let used = lines.len().min(rows) as u16;
    let top = (used + 1).min(height - FOOT.min(height / 2));
    draw_foot(app, &mut pen.part(0, top, columns, height - top));
}

/// The field at a row of a part of the screen of this size, if there is one.
pub fn field_at(app: &App, size: (u16, u16), y: u16) -> Option<Field> {
    let (lines, from) = window(app, size);
    let y = usize::from(y);
    let shown = y < form_rows(size);
    lines.get(from + y).copied().flatten().filter(|_| shown)
}

/// The form's lines, and the first that is shown, so that the cursor's is.
fn window(app: &App, size: (u16, u16)) -> (Vec<Option<Field>>, usize) {
    let rows = form_rows(size);
    let lines = lines(&app.set_up.fields());
    let cursor = Some(app.set_up.field());
    let at = lines.iter().position(|line| *line == cursor).unwrap_or(0);
    let from = (at + 2).saturating_sub(rows);
    let from = from.min(lines.len().saturating_sub(rows));
    (lines, from)
}

/// Fields, with an empty line around the tasks.
fn lines(fields: &[Field]) -> Vec<Option<Field>> {
    let mut lines = Vec::new();
    for field in fields {
        if matches!(field, Field::Foundation | Field::Part(Part::Run)) {
            lines.push(None);
        }
        lines.push(Some(*field));
    }
    lines
}

fn draw_field(app: &App, field: Field, y: u16, pen: &mut Pen) {
    let theme = &app.theme;
    let here = app.set_up.field() == field;
    let Texts {
        label,
        value,
        notes,
    } = texts(app, field);
    if here {
        pen.text(0, y, "▸", theme.bold(Ink::Accent));
    }
    let ink = if here { Ink::Accent } else { Ink::Faint };
    pen.fitted(2, y, LABELS - 3, &label, theme.ink(ink));
    let typed = app
        .set_up
        .prompt()
        .filter(|p| p.purpose == Purpose::Value(field));
    if let Some(prompt) = typed {
        draw_prompt(app, prompt, LABELS + 2, y, pen);
        return;
    }
    let lines = &app.set_up.sequence.lines;
    let off = matches!(field, Field::Task(i) if lines.get(i).is_some_and(|t| !t.on));
    let style = match (here, off) {
        (true, _) => theme.bold(Ink::Plain),
        (false, true) => theme.ink(Ink::Faint),
        (false, false) => theme.ink(Ink::Plain),
    };
    if let Field::Part(part) = field {
        let mark = if app.set_up.is_open(part) { "−" } else { "+" };
        pen.text(LABELS, y, mark, theme.ink(Ink::Accent));
    }
    let long = matches!(field, Field::Folder | Field::Part(_));
    if long {
        pen.fitted(LABELS + 2, y, pen.width(), &value, style);
        return;
    }
    let arrows = here && field != Field::Key;
    let room = VALUES - 4 - if arrows { 3 } else { 0 };
    // A path says more by its end.
    let cut = if value.contains('/') { fit_end } else { fit };
    let x = pen.text(LABELS + 2, y, &cut(&value, usize::from(room)), style);
    if arrows {
        pen.text(LABELS, y, "◂", theme.ink(Ink::Accent));
        pen.text(x + 1, y, "▸", theme.ink(Ink::Accent));
    }
    if field == Field::Rank && here {
        draw_ranks(app, y, pen);
        return;
    }
    let x = LABELS + VALUES;
    let note = joined(&notes, usize::from(pen.width().saturating_sub(x)));
    pen.text(x, y, &note, theme.ink(Ink::Faint));
}

/// As many notes as fit into the columns, the first one cut if it must be.
fn joined(notes: &[String], columns: usize) -> String {
    let mut line = String::new();
    for note in notes {
        let next = match line.is_empty() {
            true => fit(note, columns),
            false => format!("{line}, {note}"),
        };
        if width(&next) > columns {
            break;
        }
        line = next;
    }
    line
}

/// What is typed, and what is to be, while nothing is.
pub fn draw_prompt(app: &App, prompt: &Prompt, x: u16, y: u16, pen: &mut Pen) {
    let theme = &app.theme;
    let room = usize::from(pen.width().saturating_sub(x + 1));
    let style = theme.bold(Ink::Accent);
    let x_after = typed::draw(theme, &prompt.line, (x, y), room, style, pen);
    if prompt.line.is_empty() {
        pen.fitted(
            x_after + 1,
            y,
            pen.width(),
            prompt.label(),
            theme.ink(Ink::Faint),
        );
    }
}

/// The rank's own note, with the ladder of ranks where there is room for both.
fn draw_ranks(app: &App, y: u16, pen: &mut Pen) {
    let theme = &app.theme;
    let note = rank_note(app);
    let room = pen.width();
    let mut x = pen.fitted(LABELS + VALUES, y, room, &note, theme.ink(Ink::Plain)) + 3;
    if x + 24 > pen.width() {
        return;
    }
    for rank in RANKS {
        let style = match rank as usize == app.set_up.draft().lora.rank {
            true => theme.bold(Ink::Accent),
            false => theme.ink(Ink::Faint),
        };
        x = pen.text(x, y, &plain(rank), style) + 1;
    }
}

/// What is wrong with the form, what the field under the cursor decides, and more of it where there is room; or the line
/// that something is typed into.
fn draw_foot(app: &App, pen: &mut Pen) {
    let theme = &app.theme;
    let form = &app.set_up;
    let columns = usize::from(pen.width()).saturating_sub(2);
    let below = |prompt: &&Prompt| match prompt.purpose {
        // A field is typed where it stands, unless it is folded away meanwhile.
        Purpose::Value(field) => !form.fields().contains(&field),
        _ => true,
    };
    if let Some(prompt) = form.prompt().filter(below) {
        let x = pen.text(2, 0, prompt.label(), theme.ink(Ink::Accent)) + 2;
        draw_prompt(app, prompt, x, 0, pen);
        return;
    }
    let field = form.field();
    let mut texts = Vec::new();
    if let Err(problem) = form.preview() {
        texts.push((problem.to_owned(), Ink::Bad));
    }
    if field == Field::Preset {
        texts.push((form.opened().1.to_owned(), Ink::Plain));
    }
    texts.push((field.help().to_owned(), Ink::Faint));
    if let Ok(Some(preview)) = form.preview() {
        match field {
            Field::Backbone => {
                // Its own line has no room for a long name.
                let source = &form.draft().backbone.source;
                let text = format!("{source}: {}", figures::memory(preview));
                texts.push((text, Ink::Plain));
            }
            Field::BatchSize => texts.push((figures::memory(preview), Ink::Plain)),
            Field::Targets => texts.push((preview.targets.join(", "), Ink::Plain)),
            _ => {}
        }
    }
    let lines = texts.into_iter().flat_map(|(text, ink)| {
        let lines = wrap(&app.keys.fill(&text, Scope::On(Screen::SetUp)), columns);
        lines.into_iter().map(move |line| (line, ink))
    });
    for (y, (line, ink)) in lines.enumerate() {
        pen.text(2, y as u16, &line, theme.ink(ink));
    }
}
