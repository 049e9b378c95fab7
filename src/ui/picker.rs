//! A list to choose from: presets and runs, backbones, modules, data.

use super::field::Field;
use super::figures;
use super::form::{MODES, SetUp};
use super::setup::Choice;
use crate::recipe::{DataSource, Mode, Recipe, TARGET_NAMES, TaskRecipe};

/// An open list.
#[derive(Clone, Debug)]
pub struct Picker {
    /// The field that it is for.
    pub field: Field,
    /// What there is to choose from.
    pub choices: Vec<Choice>,
    /// Where the cursor is.
    pub at: usize,
    /// What the choice under the cursor would mean, or why it is impossible.
    pub detail: Result<String, String>,
    tasks: Vec<TaskRecipe>,
}

impl Picker {
    /// What is chosen, as a heading.
    pub fn title(&self) -> &'static str {
        match self.field {
            Field::Preset => "start from a preset, a file or a run's settings",
            Field::Backbone => "the backbone",
            Field::Mode => "what becomes of each task's update",
            Field::Targets => "the modules that get an update",
            Field::Foundation => "what the backbone was pretrained on",
            _ => "add a task",
        }
    }
}

fn choice(value: &str, group: &'static str, note: impl Into<String>) -> Choice {
    Choice {
        value: value.to_owned(),
        group,
        note: note.into(),
    }
}

/// A mode's name in a preset, and what it does.
pub fn mode(mode: Mode) -> (&'static str, &'static str) {
    match mode {
        Mode::Merge => ("merge", "added into the weights, task after task"),
        Mode::Drop => ("drop", "stored for its own task's head, never merged"),
        Mode::Full => ("full", "no adapter: the modules themselves are trained"),
        Mode::FullReset => (
            "full_reset",
            "as full, each task from the pretrained weights",
        ),
    }
}

fn targets(name: &str) -> &'static str {
    match name {
        "default" => "qkv for a ViT, conv3 for a ResNet: the study's choice",
        "qkv" => "the attention's queries, keys and values of each block",
        "all-linear" => "every linear layer but the classifier",
        "conv3" => "the last convolution of each bottleneck",
        _ => "every convolution",
    }
}

impl SetUp {
    /// The open list.
    pub fn picker(&self) -> Option<&Picker> {
        self.picker.as_ref()
    }

    /// Opens the list of the field under the cursor; false where it has none.
    pub fn list(&mut self) -> bool {
        let field = self.field();
        if field.has_list() {
            self.list_for(field);
        }
        field.has_list()
    }

    /// Opens the list of data for a new task, behind the one under the cursor or at the end.
    pub fn list_tasks(&mut self) {
        if !matches!(self.field, Field::Task(_) | Field::Foundation) {
            let last = self.sequence.lines.len().checked_sub(1);
            self.field = last.map_or(Field::Foundation, Field::Task);
        }
        self.list_for(Field::Task(0));
    }

    fn list_for(&mut self, field: Field) {
        let mut tasks = Vec::new();
        let choices = match field {
            Field::Preset => (self.environment.presets)(),
            Field::Backbone => self.backbones(),
            Field::Mode => MODES
                .map(mode)
                .map(|(name, note)| choice(name, "", note))
                .to_vec(),
            Field::Targets => TARGET_NAMES
                .map(|name| choice(name, "", targets(name)))
                .to_vec(),
            Field::Foundation => {
                let data = self.environment.data.iter();
                data.map(|data| choice(data, "bundled", "")).collect()
            }
            _ => {
                tasks = self.offered_tasks();
                tasks.iter().map(|task| self.offer(task)).collect()
            }
        };
        let now = match field {
            Field::Preset => self.opened.as_str(),
            Field::Backbone => &self.draft.backbone.source,
            Field::Mode => mode(self.draft.lora.mode).0,
            Field::Targets => &self.draft.lora.targets,
            Field::Foundation => &self.draft.foundation.data,
            _ => "",
        };
        let at = choices.iter().position(|c| c.value == now).unwrap_or(0);
        self.picker = Some(Picker {
            field,
            choices,
            at,
            detail: Ok(String::new()),
            tasks,
        });
        self.look();
    }

    /// Tasks that can be added: those of what was opened, those that are there for another visit, and the program's data.
    fn offered_tasks(&self) -> Vec<TaskRecipe> {
        let whole = |task: &TaskRecipe| TaskRecipe {
            id: task.column().to_owned(),
            head: None,
            part: None,
            ..task.clone()
        };
        let known = self.base.tasks.iter().map(whole);
        let there = self.sequence.lines.iter().map(|line| whole(&line.task));
        let bundled = self.environment.data.iter().filter_map(|data| {
            Some(TaskRecipe::of(
                DataSource::parse(data).ok()?.id(),
                data.clone(),
            ))
        });
        let mut all: Vec<TaskRecipe> = Vec::new();
        for task in known.chain(there).chain(bundled) {
            let known = all.iter().any(|t| t.has_images_of(&task));
            if !known && task.data != self.draft.foundation.data {
                all.push(task);
            }
        }
        all
    }

    fn offer(&self, task: &TaskRecipe) -> Choice {
        let note = match self.sequence.visits(task).count() {
            0 => String::new(),
            1 => "another visit: the same head learns on".into(),
            n => format!("another visit, after {n}: the same head learns on"),
        };
        choice(&task.data, "", note)
    }

    /// Moves the cursor of the list.
    pub fn go_in_list(&mut self, by: isize) {
        if let Some(picker) = &mut self.picker {
            let last = picker.choices.len().saturating_sub(1);
            picker.at = picker.at.saturating_add_signed(by).min(last);
            self.look();
        }
    }

    /// Puts the cursor of the list on a choice.
    pub fn choose_in_list(&mut self, at: usize) {
        let now = self.picker.as_ref().map_or(0, |picker| picker.at);
        self.go_in_list(at as isize - now as isize);
    }

    /// Closes the list without a change.
    pub fn close_list(&mut self) {
        self.picker = None;
    }

    /// Looks at what the choice under the cursor would mean.
    fn look(&mut self) {
        let Some(picker) = &self.picker else {
            return;
        };
        let detail = match picker.choices.get(picker.at) {
            None => Ok("there is nothing to choose: {edit} types it".into()),
            Some(choice) => self.meaning(picker.field, choice),
        };
        if let Some(picker) = &mut self.picker {
            picker.detail = detail;
        }
    }

    fn meaning(&self, field: Field, choice: &Choice) -> Result<String, String> {
        let changed = match field {
            Field::Backbone => Recipe {
                backbone: crate::recipe::BackboneRecipe::from_argument(&choice.value),
                ..self.draft.clone()
            },
            Field::Targets => {
                let mut recipe = self.draft.clone();
                recipe.lora.targets.clone_from(&choice.value);
                recipe
            }
            _ => return Ok(choice.note.clone()),
        };
        match (self.environment.preview)(&changed) {
            Ok(Some(preview)) => {
                let mut pieces = figures::backbone(&preview);
                pieces.push(figures::trainable(&preview));
                Ok(pieces.join(", "))
            }
            Ok(None) => Ok("on the hub: its figures are known once it is chosen".into()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Takes the choice under the cursor and closes the list.
    ///
    /// # Errors
    /// Why it cannot be taken; the list stays open.
    pub fn choose(&mut self) -> Result<Field, String> {
        let Some(picker) = self.picker.clone() else {
            return Ok(self.field());
        };
        if let (Field::Task(_), Some(task)) = (picker.field, picker.tasks.get(picker.at)) {
            self.add_task(task.clone());
        } else if let Some(choice) = picker.choices.get(picker.at) {
            self.set(picker.field, &choice.value)?;
        }
        self.picker = None;
        Ok(picker.field)
    }

    /// What a search on the hub found: the list of backbones with it.
    pub fn show_found(&mut self, found: Vec<Choice>) {
        let first = found.first().map(|choice| choice.value.clone());
        self.found = found;
        self.field = Field::Backbone;
        self.list_for(Field::Backbone);
        if let (Some(picker), Some(first)) = (&mut self.picker, first) {
            let at = picker.choices.iter().position(|c| c.value == first);
            picker.at = at.unwrap_or(picker.at);
        }
        self.look();
    }

    /// Adds a task behind the one under the cursor, and puts the cursor on it.
    pub(super) fn add_task(&mut self, task: TaskRecipe) {
        let after = match self.field {
            Field::Task(i) => Some(i),
            Field::Foundation => None,
            _ => self.sequence.lines.len().checked_sub(1),
        };
        let at = self
            .sequence
            .add(task, after, &self.draft.foundation.name());
        self.field = Field::Task(at);
        self.refresh();
    }

    /// Removes, splits or moves the task under the cursor.
    ///
    /// # Errors
    /// Where the cursor is on none.
    pub fn on_task(&mut self, what: TaskChange) -> Result<(), String> {
        let Field::Task(at) = self.field() else {
            return Err("go to a task first: this is for a task of the sequence".into());
        };
        let at = match what {
            TaskChange::Remove => {
                self.sequence.remove(at);
                at.min(self.sequence.lines.len().saturating_sub(1))
            }
            TaskChange::Split => {
                self.sequence.split(at, &self.draft.foundation.name());
                at
            }
            TaskChange::Earlier => self.sequence.shift(at, false),
            TaskChange::Later => self.sequence.shift(at, true),
        };
        self.field = match self.sequence.lines.is_empty() {
            true => Field::Foundation,
            false => Field::Task(at),
        };
        self.refresh();
        Ok(())
    }
}

/// A change of one task of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskChange {
    /// Out of the sequence.
    Remove,
    /// Into two halves.
    Split,
    /// A place up.
    Earlier,
    /// A place down.
    Later,
}
