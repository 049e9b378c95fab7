//! What each field of the set-up form shows: its label, its value, and what there is to say of it.

use super::super::app::App;
use super::super::field::{Field, Part};
use super::super::figures;
use super::super::picker;
use super::super::values::plain;
use crate::export::thousands;

/// Label, value, and notes from the most important on.
pub struct Texts {
    /// In at most nine columns.
    pub label: String,
    /// What is set.
    pub value: String,
    /// As many as there is room for are shown.
    pub notes: Vec<String>,
}

impl Texts {
    fn of(field: Field, value: impl Into<String>, notes: Vec<String>) -> Self {
        Self {
            label: field.label().into(),
            value: value.into(),
            notes,
        }
    }
}

fn note(text: impl Into<String>) -> Vec<String> {
    vec![text.into()]
}

/// The texts of a field.
pub fn texts(app: &App, field: Field) -> Texts {
    let form = &app.set_up;
    let (draft, preview) = (form.draft(), form.preview().ok().flatten());
    let unit = if form.sequence.epochs {
        "epochs"
    } else {
        "steps"
    };
    match field {
        Field::Preset => {
            let (opened, description) = form.opened();
            Texts::of(field, opened, note(description))
        }
        Field::Backbone => {
            let source = &draft.backbone.source;
            let name = ["bundled:", "hub:timm/"]
                .iter()
                .find_map(|prefix| source.strip_prefix(prefix));
            let notes = match form.preview() {
                Ok(Some(preview)) => figures::backbone(preview),
                Ok(None) => note("fetched from the hub when the run starts"),
                Err(_) => Vec::new(),
            };
            Texts::of(field, name.unwrap_or(source), notes)
        }
        Field::Mode => {
            let (name, meaning) = picker::mode(draft.lora.mode);
            let frozen = draft.lora.is_frozen();
            let meaning = if frozen {
                "frozen by rank 0: only heads are trained"
            } else {
                meaning
            };
            Texts::of(field, name, note(meaning))
        }
        Field::Rank => {
            let value = match draft.lora.mode.is_full() {
                true => "full".into(),
                false => draft.lora.rank.to_string(),
            };
            Texts::of(field, value, note(rank_note(app)))
        }
        Field::Targets => {
            let names = preview.map_or(&[][..], |p| &p.targets);
            let notes = match names {
                [] => Vec::new(),
                [one] => note(one),
                [first, .., last] => note(format!("{first} … {last}")),
            };
            Texts::of(field, &draft.lora.targets, notes)
        }
        Field::Part(part) if form.is_open(part) => Texts::of(field, "", Vec::new()),
        Field::Part(part) => Texts::of(field, summary(app, part), Vec::new()),
        Field::Budget => {
            let value = match same_budget(app) {
                Some(n) => format!("{} a task", thousands(n)),
                None => "by task".into(),
            };
            let on = form.sequence.lines.iter().filter(|t| t.on);
            let sum = format!("{} {unit} in all", thousands(on.map(|t| t.budget).sum()));
            Texts {
                label: unit.into(),
                ..Texts::of(field, value, note(sum))
            }
        }
        Field::Alpha => {
            let of = if draft.lora.alpha.is_none() {
                "twice the rank"
            } else {
                "set"
            };
            Texts::of(field, plain(draft.lora.alpha()), note(of))
        }
        Field::BatchSize => {
            let memory = preview.map_or(Vec::new(), |p| {
                note(format!(
                    "≈ {} in training",
                    figures::bytes(p.memory.total())
                ))
            });
            Texts::of(field, draft.train.batch_size.to_string(), memory)
        }
        Field::ImageSize => {
            let size = form.number(field).map_or("as trained".into(), plain);
            let of = if draft.backbone.image_size.is_none() {
                "as the weights were trained"
            } else {
                "set"
            };
            Texts::of(field, size, note(of))
        }
        Field::Key => Texts::of(field, "…", note("everything else, as --set takes it")),
        Field::Foundation => {
            let data = &draft.foundation.data;
            let name = data.strip_prefix("bundled:").unwrap_or(data);
            Texts::of(field, name, note("the foundation: measured, never trained"))
        }
        Field::Task(i) => task_texts(app, i, unit),
        Field::Seed => Texts::of(field, draft.seed.to_string(), Vec::new()),
        Field::Advance => {
            let (value, meaning) = match form.automatic {
                true => ("automatic", "step and merge by themselves"),
                false => ("step by step", "each step and merge waits for a key"),
            };
            Texts::of(field, value, note(meaning))
        }
        Field::Device => Texts::of(field, form.device(), Vec::new()),
        Field::Folder => Texts::of(field, form.folder().display().to_string(), Vec::new()),
        number => Texts::of(
            number,
            form.number(number).map_or(String::new(), plain),
            Vec::new(),
        ),
    }
}

/// What the rank trains.
pub fn rank_note(app: &App) -> String {
    match app.set_up.preview() {
        Ok(_) if app.set_up.draft().lora.is_frozen() => {
            "nothing of the backbone trains, only heads".into()
        }
        Ok(Some(preview)) => figures::trainable(preview),
        Ok(None) | Err(_) => String::new(),
    }
}

fn same_budget(app: &App) -> Option<usize> {
    let on = || app.set_up.sequence.lines.iter().filter(|t| t.on);
    let first = on().next()?.budget;
    on().all(|t| t.budget == first).then_some(first)
}

/// What is set in a part that is folded away.
fn summary(app: &App, part: Part) -> String {
    let form = &app.set_up;
    match part {
        Part::Training => {
            let unit = if form.sequence.epochs {
                "epochs"
            } else {
                "steps"
            };
            let budget = match same_budget(app) {
                Some(n) => format!("{n} {unit}"),
                None => format!("{unit} by task"),
            };
            let number = |field| form.number(field).map_or(String::new(), plain);
            format!(
                "{budget}, lr {}, batch {}, alpha {}, dropout {}",
                number(Field::Lr),
                number(Field::BatchSize),
                number(Field::Alpha),
                number(Field::Dropout)
            )
        }
        Part::Run => {
            let pace = if form.automatic {
                "automatic"
            } else {
                "step by step"
            };
            let (seed, device) = (form.draft().seed, form.device());
            format!("seed {seed}, {pace}, {device}, {}", form.folder().display())
        }
    }
}

fn task_texts(app: &App, i: usize, unit: &str) -> Texts {
    let lines = &app.set_up.sequence.lines;
    let position = lines.iter().take(i + 1).filter(|t| t.on).count();
    let Some(line) = lines.get(i) else {
        return Texts::of(Field::Task(i), "", Vec::new());
    };
    let (label, mark) = match line.on {
        true => (format!("task {position}"), "[x]"),
        false => (String::new(), "[ ]"),
    };
    let mut notes = match line.on {
        true => vec![format!("{} {unit}", thousands(line.budget))],
        false => note("left out"),
    };
    let task = &line.task;
    if let Some([from, to]) = task.part.filter(|_| line.on) {
        notes.push(format!("images {:.0}–{:.0} %", 100.0 * from, 100.0 * to));
    }
    if let Some(head) = task
        .head
        .as_ref()
        .filter(|head| line.on && **head != task.id)
    {
        notes.push(format!("head {head}"));
    }
    if line.on && !task.context.is_empty() {
        notes.push(format!("about {}", task.context.join(", ")));
    }
    Texts {
        label,
        value: format!("{mark} {}", task.id),
        notes,
    }
}
