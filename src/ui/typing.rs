//! Typing: a value into a field, a search, a file to save to.

use std::path::PathBuf;

use super::field::Field;
use super::form::SetUp;
use super::line::Line;
use super::values::plain;
use crate::recipe::{DataSource, Recipe, TaskRecipe};

/// What is typed, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What for.
    pub purpose: Purpose,
    /// What there is of it.
    pub line: Line,
}

/// What something is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A field's value.
    Value(Field),
    /// Data of a task that is added.
    Task,
    /// A search on the hub.
    Search,
    /// The file of a preset.
    Save,
}

/// What was typed asks for, beyond the form.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    /// Nothing: the form has it.
    Taken,
    /// A search on the hub.
    Search(String),
    /// A preset to be written.
    Save(PathBuf, Box<Recipe>),
}

impl Prompt {
    /// What is to be typed, in a word or two.
    pub fn label(&self) -> &'static str {
        match self.purpose {
            Purpose::Value(Field::Preset) => "preset, TOML file or run's folder",
            Purpose::Value(Field::Backbone) => "hub:OWNER/NAME, path:DIR or file:FILE",
            Purpose::Value(Field::Targets) => "regex on names of modules",
            Purpose::Value(Field::Foundation) | Purpose::Task => {
                "data: folder:DIR, hub:OWNER/NAME …"
            }
            Purpose::Value(Field::Key) => "KEY=VALUE",
            Purpose::Value(_) => "value",
            Purpose::Search => "search timm's models on the hub",
            Purpose::Save => "save as",
        }
    }

    /// Whether a character may be part of it.
    pub(super) fn takes(&self, c: char) -> bool {
        match self.purpose {
            Purpose::Value(field) => field.takes(c),
            _ => !c.is_control(),
        }
    }
}

impl SetUp {
    /// What is being typed, if anything is.
    pub fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// Opens the field under the cursor, or that of the open list, for typing; false where nothing can be typed.
    pub fn edit(&mut self) -> bool {
        let (field, listed) = match &self.picker {
            Some(picker) => (picker.field, true),
            None => (self.field(), false),
        };
        let text = match field {
            Field::Part(_) | Field::Advance | Field::Device | Field::Mode => return false,
            Field::Task(_) if listed => return self.ask(Purpose::Task, String::new()),
            Field::Preset => String::new(),
            Field::Key => String::new(),
            Field::Backbone => self.draft.backbone.source.clone(),
            Field::Foundation => self.draft.foundation.data.clone(),
            Field::Targets => self.draft.lora.targets.clone(),
            Field::Seed => self.draft.seed.to_string(),
            Field::Budget => self
                .sequence
                .first_budget()
                .map_or(String::new(), |n| n.to_string()),
            Field::Task(i) => {
                let line = self.sequence.lines.get(i);
                line.map_or(String::new(), |t| t.budget.to_string())
            }
            Field::Folder => self.folder().to_string_lossy().into_owned(),
            number => self.number(number).map_or(String::new(), plain),
        };
        self.ask(Purpose::Value(field), text)
    }

    /// Opens the line for a file to save to.
    pub fn save(&mut self) {
        self.ask(Purpose::Save, format!("{}.toml", self.draft.name));
    }

    /// Opens the line for a search on the hub.
    pub fn search(&mut self) {
        self.ask(Purpose::Search, String::new());
    }

    fn ask(&mut self, purpose: Purpose, text: String) -> bool {
        let line = Line::new(text);
        self.prompt = Some(Prompt { purpose, line });
        true
    }

    /// The line that is typed, while one is.
    pub(super) fn line(&mut self) -> Option<&mut Line> {
        self.prompt.as_mut().map(|prompt| &mut prompt.line)
    }

    /// Leaves typing without a change.
    pub fn cancel(&mut self) {
        self.prompt = None;
    }

    /// Takes what was typed, or says why not and keeps typing.
    ///
    /// # Errors
    /// One sentence.
    pub fn accept(&mut self) -> Result<Typed, String> {
        let Some(Prompt { purpose, line }) = self.prompt.clone() else {
            return Ok(Typed::Taken);
        };
        let text = line.text().trim();
        let typed = match purpose {
            Purpose::Value(field) => self.set(field, text).map(|()| Typed::Taken)?,
            Purpose::Task => self.add_typed(text)?,
            Purpose::Search if text.is_empty() => {
                return Err("type a part of a name, as in resnet50, or Esc to leave it".into());
            }
            Purpose::Search => Typed::Search(text.to_owned()),
            Purpose::Save => self.preset_at(text)?,
        };
        (self.prompt, self.picker) = (None, None);
        Ok(typed)
    }

    fn add_typed(&mut self, data: &str) -> Result<Typed, String> {
        let source = DataSource::parse(data).map_err(|e| format!("data {e}"))?;
        self.add_task(TaskRecipe::of(source.id(), data));
        Ok(Typed::Taken)
    }

    /// The preset that saving writes: it is called as its file.
    fn preset_at(&self, file: &str) -> Result<Typed, String> {
        let mut path = PathBuf::from(file);
        if path.extension().is_none() {
            path.set_extension("toml");
        }
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let Some(name) = name.filter(|_| path.extension().is_some_and(|e| e == "toml")) else {
            return Err("a preset is a TOML file: type a name like mine.toml".into());
        };
        let mut recipe = self.recipe().map_err(|e| e.to_string())?;
        name.clone_into(&mut recipe.name);
        recipe.validate().map_err(|e| e.to_string())?;
        Ok(Typed::Save(path, Box::new(recipe)))
    }

    /// A preset was written: the form is what it says.
    pub fn saved(&mut self, path: &std::path::Path, recipe: &Recipe) {
        self.opened = path.display().to_string();
        self.draft.name.clone_from(&recipe.name);
        self.base = recipe.clone();
        self.refresh();
    }
}
