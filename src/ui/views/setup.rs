//! The set-up form.

use super::super::app::App;
use super::super::form::RANKS;
use super::super::pen::Pen;
use super::super::setup::Field;
use super::super::text::{fit, fit_end, wrap};
use super::super::theme::Ink;
use crate::export::thousands;
use crate::recipe::Mode;

/// Columns of the labels, and of the values after them.
const LABELS: u16 = 12;
const VALUES: u16 = 20;

/// Draws the form; fields scroll when there are more than lines.
pub fn draw(app: &App, pen: &mut Pen) {
    let fields = app.set_up.fields();
    let foot = 4.min(pen.height() / 2);
    let rows = usize::from(pen.height() - foot);
    let lines = lines(&fields);
    let at = lines
        .iter()
        .position(|line| *line == Line::Of(app.set_up.field()))
        .unwrap_or(0);
    let from = (at + 2)
        .saturating_sub(rows)
        .min(lines.len().saturating_sub(rows));
    for (y, line) in lines.iter().skip(from).take(rows).enumerate() {
        if let Line::Of(field) = line {
            draw_field(app, *field, y as u16, pen);
        }
    }
    let (columns, top) = (pen.width(), pen.height() - foot);
    let used = (lines.len() as u16).min(rows as u16);
    draw_foot(app, &mut pen.part(0, (used + 1).min(top), columns, foot));
}

#[derive(PartialEq)]
enum Line {
    Of(Field),
    Blank,
}

/// Fields with an empty line around the tasks.
fn lines(fields: &[Field]) -> Vec<Line> {
    let mut lines = Vec::new();
    for field in fields {
        if matches!(field, Field::Task(0) | Field::Folder) {
            lines.push(Line::Blank);
        }
        lines.push(Line::Of(*field));
    }
    lines
}

/// Label, value and note of a field.
fn texts(app: &App, field: Field) -> (String, String, String) {
    let form = &app.set_up;
    let unit = if form.epochs { "epochs" } else { "steps" };
    let preview = form.preview();
    match field {
        Field::Preset => {
            let (name, description) = form.preset();
            ("preset".into(), name.into(), description.into())
        }
        Field::Backbone => {
            let note = match preview {
                Ok(Some(p)) => {
                    let [c, h, w] = p.input;
                    let parameters = thousands(p.parameters);
                    format!("{parameters} parameters, {c}×{h}×{w}, {}", p.architecture)
                }
                Ok(None) => "fetched from the hub when the run starts".into(),
                Err(_) => String::new(),
            };
            let name = form
                .backbone
                .strip_prefix("bundled:")
                .unwrap_or(&form.backbone);
            ("backbone".into(), name.into(), note)
        }
        Field::Rank => {
            let value = match mode(app).is_full() {
                true => "full".into(),
                false => form.rank.to_string(),
            };
            ("rank".into(), value, rank_note(app))
        }
        Field::Budget => {
            let on: Vec<usize> = form
                .tasks
                .iter()
                .filter(|t| t.on)
                .map(|t| t.budget)
                .collect();
            let same = on.windows(2).all(|w| w[0] == w[1]);
            let value = match on.first() {
                Some(n) if same => format!("{} a task", thousands(*n)),
                _ => "by task".into(),
            };
            let sum = format!("{} {unit} in all", thousands(on.iter().sum()));
            (unit.into(), value, sum)
        }
        Field::Seed => ("seed".into(), form.seed.to_string(), String::new()),
        Field::Advance => {
            let (value, note) = match form.automatic {
                true => ("automatic", "step and merge by themselves"),
                false => ("step by step", "each step and merge waits for a key"),
            };
            ("advance".into(), value.into(), note.into())
        }
        Field::Device => ("device".into(), form.device().into(), String::new()),
        Field::Task(i) => task_texts(app, i, unit),
        Field::Folder => {
            let folder = form.folder().display().to_string();
            ("folder".into(), folder, String::new())
        }
    }
}

fn mode(app: &App) -> Mode {
    let recipe = app.set_up.recipe();
    recipe.map_or(Mode::Merge, |r| r.lora.mode)
}

fn rank_note(app: &App) -> String {
    match app.set_up.preview() {
        Ok(_) if app.set_up.rank == 0 && !mode(app).is_full() => {
            "nothing of the backbone trains, only heads".into()
        }
        Ok(Some(p)) => {
            let share = 100.0 * p.adapter_parameters as f64 / p.parameters.max(1) as f64;
            format!(
                "{} trainable, {share:.2} % of it, in {} modules",
                thousands(p.adapter_parameters),
                p.targets.len()
            )
        }
        Ok(None) | Err(_) => String::new(),
    }
}

fn task_texts(app: &App, i: usize, unit: &str) -> (String, String, String) {
    let form = &app.set_up;
    let Some(line) = form.tasks.get(i) else {
        return Default::default();
    };
    let position = form.tasks.iter().take(i + 1).filter(|t| t.on).count();
    let (label, mark) = match line.on {
        true => (format!("task {position}"), "[x]"),
        false => (String::new(), "[ ]"),
    };
    let context = match line.task.context.is_empty() {
        true => String::new(),
        false => format!(" · about {}", line.task.context.join(", ")),
    };
    let note = match line.on {
        true => format!("{} {unit}{context}", thousands(line.budget)),
        false => "left out".into(),
    };
    (label, format!("{mark} {}", line.task.id), note)
}

fn draw_field(app: &App, field: Field, y: u16, pen: &mut Pen) {
    let theme = &app.theme;
    let here = app.set_up.field() == field;
    let (label, value, note) = texts(app, field);
    let off = matches!(field, Field::Task(i) if app.set_up.tasks.get(i).is_some_and(|t| !t.on));
    if here {
        pen.text(0, y, "▸", theme.bold(Ink::Accent));
    }
    let ink = if here { Ink::Accent } else { Ink::Faint };
    pen.fitted(2, y, LABELS - 3, &label, theme.ink(ink));
    let typing = app.set_up.typing().filter(|_| here);
    let style = match (here, off) {
        (true, _) => theme.bold(Ink::Plain),
        (false, true) => theme.ink(Ink::Faint),
        (false, false) => theme.ink(Ink::Plain),
    };
    let long = field == Field::Folder;
    let room = if long { pen.width() } else { VALUES - 4 };
    let arrows = here && !long && typing.is_none();
    if let Some(text) = typing {
        // The end is where one types.
        let room = usize::from(pen.width().saturating_sub(LABELS + 3));
        let text = fit_end(text, room);
        let x = pen.text(LABELS + 2, y, &text, theme.bold(Ink::Accent));
        pen.text(x, y, " ", theme.selected());
    } else {
        let room = room - if arrows { 3 } else { 0 };
        let text = fit(&value, usize::from(room));
        let x = pen.text(LABELS + 2, y, &text, style);
        if arrows {
            pen.text(LABELS, y, "◂", theme.ink(Ink::Accent));
            pen.text(x + 1, y, "▸", theme.ink(Ink::Accent));
        }
    }
    if field == Field::Rank && here && typing.is_none() {
        draw_ranks(app, y, pen);
        return;
    }
    if !long && typing.is_none() {
        let (x, room) = (LABELS + VALUES, pen.width());
        pen.fitted(x, y, room, &note, theme.ink(Ink::Faint));
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
        let style = match rank == app.set_up.rank {
            true => theme.bold(Ink::Accent),
            false => theme.ink(Ink::Faint),
        };
        x = pen.text(x, y, &rank.to_string(), style) + 1;
    }
}

/// What the field under the cursor decides, or what is wrong with the form.
fn draw_foot(app: &App, pen: &mut Pen) {
    let theme = &app.theme;
    let columns = usize::from(pen.width()).saturating_sub(2);
    let mut y = 0;
    if app.set_up.field() == Field::Preset {
        for line in wrap(app.set_up.preset().1, columns) {
            pen.text(2, y, &line, theme.ink(Ink::Plain));
            y += 1;
        }
    }
    for line in wrap(app.set_up.field().help(), columns) {
        pen.text(2, y, &line, theme.ink(Ink::Faint));
        y += 1;
    }
    if let Err(problem) = app.set_up.preview() {
        for line in wrap(problem, columns) {
            pen.text(2, y, &line, theme.ink(Ink::Bad));
            y += 1;
        }
        return;
    }
    let text = match mode(app) {
        Mode::Merge => return,
        Mode::Drop => "mode drop: adapters are stored for their own task, never merged",
        Mode::Full => "mode full: no adapter, the modules themselves are trained",
        Mode::FullReset => {
            "mode full_reset: the modules themselves are trained, from the pretrained weights each task"
        }
    };
    pen.text(2, y, text, theme.ink(Ink::Faint));
}
