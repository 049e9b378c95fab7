//! The set-up form: a recipe that was opened and what the user changed of it. It draws nothing.

use std::path::{Path, PathBuf};

use super::field::{Field, Part};
use super::picker::Picker;
use super::sequence::Sequence;
use super::setup::{Choice, Environment, RUN, Request};
use super::typing::Prompt;
use super::values::{self, along, plain, turn, turned};
use crate::lab::Preview;
use crate::recipe::{BackboneRecipe, FoundationRecipe, Mode, Recipe, TARGET_NAMES};
use crate::{Error, Result};

/// What becomes of a task's update, as the left and right keys go through it.
pub(super) const MODES: [Mode; 4] = [Mode::Merge, Mode::Drop, Mode::Full, Mode::FullReset];

/// The form.
pub struct SetUp {
    pub(super) environment: Environment,
    pub(super) opened: String,
    pub(super) base: Recipe,
    /// Everything but the tasks and their budgets, which are the sequence's.
    pub(super) draft: Recipe,
    /// The tasks.
    pub sequence: Sequence,
    /// Whether step and merge happen by themselves.
    pub automatic: bool,
    device: usize,
    pub(super) folder: Option<PathBuf>,
    branch: Option<(PathBuf, usize)>,
    default_folder: PathBuf,
    pub(super) field: Field,
    folded: [(Part, Option<bool>); 2],
    rows: usize,
    pub(super) prompt: Option<Prompt>,
    pub(super) picker: Option<Picker>,
    pub(super) found: Vec<Choice>,
    preview: Result<Option<Preview>, String>,
}

impl SetUp {
    /// A form with what the environment starts from.
    pub fn new(environment: Environment) -> Self {
        let start = environment.start.clone();
        let mut form = Self {
            opened: start.name.clone(),
            sequence: Sequence::of(&start),
            base: start.clone(),
            draft: start,
            environment,
            automatic: true,
            device: 0,
            folder: None,
            branch: None,
            default_folder: PathBuf::new(),
            field: Field::Preset,
            folded: [(Part::Training, None), (Part::Run, None)],
            rows: 0,
            prompt: None,
            picker: None,
            found: Vec::new(),
            preview: Ok(None),
        };
        form.refresh();
        form
    }

    /// Starts from a preset by its name, from a TOML file, or from the settings of a run's folder.
    ///
    /// # Errors
    /// Why there is no such preset; the form stays as it was.
    pub fn open(&mut self, what: &str) -> Result<(), String> {
        let recipe = (self.environment.open)(what).map_err(|e| e.to_string())?;
        self.branch = None;
        self.begin_with(recipe, what.to_owned());
        Ok(())
    }

    /// Starts from the recipe of the run in `folder`, for a run that begins with its rows up to and with row `at`, which
    /// is the one after `after`.
    pub fn branch(&mut self, recipe: Recipe, folder: &Path, at: usize, after: &str) {
        self.branch = Some((folder.to_path_buf(), at));
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        self.begin_with(recipe, format!("{} after {after}", name.to_string_lossy()));
        self.field = Field::Preset;
    }

    fn begin_with(&mut self, recipe: Recipe, opened: String) {
        self.sequence = Sequence::of(&recipe);
        (self.base, self.draft) = (recipe.clone(), recipe);
        self.opened = opened;
        if let Field::Task(_) = self.field {
            self.field = Field::Preset;
        }
        self.refresh();
    }

    /// What was opened last, and what it says of itself.
    pub fn opened(&self) -> (&str, &str) {
        (&self.opened, &self.base.description)
    }

    /// All that is set but the tasks.
    pub fn draft(&self) -> &Recipe {
        &self.draft
    }

    /// The recipe that the form describes.
    ///
    /// # Errors
    /// [`Error::Input`] where no task is on.
    pub fn recipe(&self) -> Result<Recipe> {
        let mut recipe = self.draft.clone();
        self.sequence.write(&mut recipe)?;
        Ok(recipe)
    }

    /// The run that Enter starts, or why there is none.
    pub fn request(&self) -> Result<Request> {
        let recipe = self.recipe()?;
        if let Err(problem) = &self.preview {
            return Err(Error::input(problem.clone()));
        }
        Ok(Request {
            recipe: Box::new(recipe),
            folder: self.folder.clone(),
            device: self.device().to_owned(),
            automatic: self.automatic,
            branch: self.branch.clone(),
        })
    }

    /// Looks again at what the changed form means.
    pub fn refresh(&mut self) {
        let recipe = self.recipe();
        let named = recipe.as_ref().unwrap_or(&self.draft);
        self.default_folder = (self.environment.folder)(named);
        self.preview = recipe
            .and_then(|recipe| (self.environment.preview)(&recipe))
            .map_err(|e| e.to_string());
    }

    /// Figures of the recipe, none where its backbone is yet to be fetched, or why it is impossible.
    pub fn preview(&self) -> Result<Option<&Preview>, &str> {
        let preview = self.preview.as_ref().map_err(String::as_str)?;
        Ok(preview.as_ref())
    }

    /// Where tensors will live.
    pub fn device(&self) -> &str {
        let device = self.environment.devices.get(self.device);
        device.map_or("auto", String::as_str)
    }

    /// Where the run will be written.
    pub fn folder(&self) -> &Path {
        self.folder.as_deref().unwrap_or(&self.default_folder)
    }

    /// The field that the cursor is on; the heading of its part where that is folded away.
    pub fn field(&self) -> Field {
        match self.field.part() {
            Some(part) if !self.is_open(part) => Field::Part(part),
            _ => self.field,
        }
    }

    /// So many lines there are for fields: what fits is not folded away, unless the user folds it.
    pub fn fit(&mut self, rows: usize) {
        self.rows = rows;
    }

    /// Whether the fields of a part are shown.
    pub fn is_open(&self, part: Part) -> bool {
        // Two parts with a heading each, and two blank lines.
        let hidden: usize = self
            .folded
            .iter()
            .map(|(part, _)| part.fields().len())
            .sum();
        let all = Field::MODEL.len() + hidden + 5 + self.sequence.lines.len();
        let asked = self.folded.iter().find(|(of, _)| *of == part);
        asked
            .and_then(|(_, open)| *open)
            .unwrap_or(all <= self.rows)
    }

    /// All fields that are shown, from the top.
    pub fn fields(&self) -> Vec<Field> {
        let part = |part: Part| {
            let shown = if self.is_open(part) {
                part.fields()
            } else {
                &[]
            };
            std::iter::once(Field::Part(part)).chain(shown.iter().copied())
        };
        let mut fields = Field::MODEL.to_vec();
        fields.extend(part(Part::Training));
        fields.push(Field::Foundation);
        fields.extend((0..self.sequence.lines.len()).map(Field::Task));
        fields.extend(part(Part::Run));
        fields
    }

    /// Moves the cursor by fields, staying within the form.
    pub fn go(&mut self, by: isize) {
        let (fields, now) = (self.fields(), self.field());
        let at = fields.iter().position(|f| *f == now).unwrap_or(0);
        self.field = fields[at.saturating_add_signed(by).min(fields.len() - 1)];
    }

    /// Puts the cursor on a field that is shown.
    pub fn go_to(&mut self, field: Field) {
        if self.fields().contains(&field) {
            self.field = field;
        }
    }

    /// Changes the field under the cursor: `up` raises it or goes to the next choice.
    ///
    /// # Errors
    /// Why it cannot be changed so, in one sentence.
    pub fn change(&mut self, up: bool) -> Result<(), String> {
        match self.field() {
            Field::Preset => return self.turn_presets(up),
            Field::Backbone => {
                let all: Vec<String> = self.backbones().into_iter().map(|c| c.value).collect();
                let next = turned(&all, |b| *b == self.draft.backbone.source, up);
                self.set_backbone(&next.unwrap_or_default());
            }
            Field::Foundation => {
                let data = self.environment.data.clone();
                let next = turned(&data, |d| *d == self.draft.foundation.data, up);
                self.draft.foundation = FoundationRecipe::of(next.unwrap_or_default());
            }
            Field::Mode => {
                let next = turned(&MODES, |m| *m == self.draft.lora.mode, up);
                self.draft.lora.mode = next.unwrap_or_default();
            }
            Field::Targets => {
                let next = turned(&TARGET_NAMES, |t| *t == self.draft.lora.targets, up);
                self.draft.lora.targets = next.unwrap_or("default").into();
            }
            Field::Part(part) => self.fold(part, !up),
            Field::Budget => {
                let first = self.sequence.first_budget().unwrap_or(1);
                self.sequence
                    .set_budgets(along(self.budgets(), first as f64, up) as usize);
            }
            Field::Seed => {
                let seed = self.draft.seed;
                self.draft.seed = if up {
                    seed.saturating_add(1)
                } else {
                    seed.saturating_sub(1)
                };
            }
            Field::Advance => self.automatic = !self.automatic,
            Field::Device => {
                let devices = self.environment.devices.len().max(1);
                self.device = turn(self.device, devices, up);
            }
            Field::Task(i) => {
                let budgets = self.budgets();
                if let Some(line) = self.sequence.lines.get_mut(i) {
                    line.budget = along(budgets, line.budget as f64, up) as usize;
                }
            }
            Field::Folder | Field::Key => return Err("this field is typed: e".into()),
            field => {
                let now = self.number(field).unwrap_or(0.0);
                return self.set(field, &plain(along(field.ladder(), now, up)));
            }
        }
        self.refresh();
        Ok(())
    }

    /// The preset or the file before or behind the one that was opened; one that is broken is passed over.
    fn turn_presets(&mut self, up: bool) -> Result<(), String> {
        let mut choices = (self.environment.presets)();
        choices.retain(|choice| choice.group != RUN);
        let mut at = choices.iter().position(|c| c.value == self.opened);
        let mut problem = Ok(());
        for _ in 0..choices.len() {
            let next = at.map_or(0, |at| turn(at, choices.len(), up));
            match self.open(&choices[next].value) {
                Ok(()) => break,
                broken => problem = broken,
            }
            at = Some(next);
        }
        problem
    }

    fn budgets(&self) -> &'static [f64] {
        if self.sequence.epochs {
            &values::EPOCHS
        } else {
            &values::STEPS
        }
    }

    fn fold(&mut self, part: Part, folds: bool) {
        self.field = Field::Part(part);
        for (of, open) in &mut self.folded {
            if *of == part {
                *open = Some(!folds);
            }
        }
    }

    /// Space: a task in or out, a part folded or not, epochs or steps; elsewhere the next value.
    ///
    /// # Errors
    /// As [`SetUp::change`].
    pub fn toggle(&mut self) -> Result<(), String> {
        match self.field() {
            Field::Task(i) => {
                if let Some(line) = self.sequence.lines.get_mut(i) {
                    line.on = !line.on;
                }
            }
            Field::Budget => {
                self.sequence.epochs = !self.sequence.epochs;
                self.sequence
                    .set_budgets(if self.sequence.epochs { 10 } else { 600 });
            }
            Field::Part(part) => self.fold(part, self.is_open(part)),
            _ => return self.change(true),
        }
        self.refresh();
        Ok(())
    }

    /// Takes what was typed or chosen for a field.
    ///
    /// # Errors
    /// Why it cannot be that, in one sentence; nothing is changed.
    pub fn set(&mut self, field: Field, text: &str) -> Result<(), String> {
        let whole = || {
            text.parse::<usize>().map_err(|_| match text.is_empty() {
                true => "type a whole number, or Esc to leave it".to_owned(),
                false => format!("`{text}` is no whole number that fits"),
            })
        };
        match field {
            Field::Preset => return self.open(text),
            Field::Backbone => self.set_backbone(text),
            Field::Foundation => self.draft.foundation = FoundationRecipe::of(text),
            Field::Mode => self.draft = self.with(&format!("lora.mode={text}"))?,
            Field::Key => {
                let recipe = self.recipe().map_err(|e| e.to_string())?;
                let recipe = recipe.with(text).map_err(|e| e.to_string())?;
                self.sequence = self.sequence.with_recipe(&recipe);
                self.draft = recipe;
            }
            Field::Budget => self.sequence.set_budgets(whole()?),
            Field::Task(i) => {
                let budget = whole()?;
                if let Some(line) = self.sequence.lines.get_mut(i) {
                    line.budget = budget;
                }
            }
            // Emptied: back to a folder of its own.
            Field::Folder => self.folder = (!text.is_empty()).then(|| text.into()),
            Field::Alpha if text.is_empty() => self.draft.lora.alpha = None,
            Field::ImageSize if text.is_empty() => self.draft.backbone.image_size = None,
            Field::Seed | Field::Rank | Field::BatchSize | Field::ImageSize => {
                self.set_key(field, &whole()?.to_string())?;
            }
            field => self.set_key(field, text)?,
        }
        self.refresh();
        Ok(())
    }

    fn set_key(&mut self, field: Field, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("type a value, or Esc to leave it".into());
        }
        let Some(key) = field.key() else {
            return Ok(());
        };
        self.draft = self.with(&format!("{key}={text}"))?;
        Ok(())
    }

    fn with(&self, argument: &str) -> Result<Recipe, String> {
        self.draft.with(argument).map_err(|e| e.to_string())
    }

    /// A backbone as its source is typed; the one that was opened comes back with all that was said of it.
    fn set_backbone(&mut self, source: &str) {
        self.draft.backbone = match source == self.base.backbone.source {
            true => self.base.backbone.clone(),
            false => BackboneRecipe::from_argument(source),
        };
    }

    /// Backbones to choose from: those of this machine, the one that was opened, and what was found on the hub.
    pub(super) fn backbones(&self) -> Vec<Choice> {
        let mut all = (self.environment.backbones)();
        let opened = Choice {
            value: self.base.backbone.source.clone(),
            group: "preset",
            note: String::new(),
        };
        for choice in std::iter::once(&opened).chain(&self.found) {
            if all.iter().all(|c| c.value != choice.value) {
                all.push(choice.clone());
            }
        }
        all
    }

    /// The number that a field holds; none where it holds none.
    pub fn number(&self, field: Field) -> Option<f64> {
        let (lora, train) = (&self.draft.lora, &self.draft.train);
        Some(match field {
            Field::Rank => lora.rank as f64,
            Field::Lr => train.lr,
            Field::BatchSize => train.batch_size as f64,
            Field::Alpha => lora.alpha(),
            Field::Dropout => lora.dropout,
            Field::WeightDecay => train.weight_decay,
            Field::Warmup => train.warmup,
            Field::ImageSize => {
                let own = self.preview.as_ref().ok()?.as_ref().map(|p| p.input[1]);
                self.draft.backbone.image_size.or(own)? as f64
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
