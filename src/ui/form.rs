//! The set-up form: a preset and what the user changed of it. It becomes a recipe; it draws nothing.

use std::path::{Path, PathBuf};

use super::setup::{Environment, Field, Request, TaskLine};
use crate::lab::Preview;
use crate::recipe::{Budget, Recipe, TaskBudget};
use crate::{Error, Result};

/// Ranks that the left and right keys go through; others can be typed.
pub const RANKS: [usize; 8] = [0, 1, 2, 4, 8, 16, 32, 64];
const STEPS: [usize; 14] = [
    10, 20, 50, 100, 150, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000,
];
const EPOCHS: [usize; 11] = [1, 2, 3, 4, 6, 8, 10, 15, 20, 40, 60];

/// The form.
pub struct SetUp {
    environment: Environment,
    preset: usize,
    backbones: Vec<String>,
    base: Option<Recipe>,
    /// The backbone's source.
    pub backbone: String,
    /// Rank of the adapters.
    pub rank: usize,
    /// Root of all randomness.
    pub seed: u64,
    /// Whether step and merge happen by themselves.
    pub automatic: bool,
    /// Whether budgets are epochs; steps otherwise.
    pub epochs: bool,
    /// The sequence.
    pub tasks: Vec<TaskLine>,
    device: usize,
    pub(super) folder: Option<PathBuf>,
    default_folder: PathBuf,
    field: Field,
    pub(super) typing: Option<String>,
    preview: Result<Option<Preview>, String>,
}

impl SetUp {
    /// A form with the first preset chosen.
    pub fn new(environment: Environment) -> Self {
        let mut backbones: Vec<String> = Vec::new();
        for recipe in &environment.presets {
            if !backbones.contains(&recipe.backbone.source) {
                backbones.push(recipe.backbone.source.clone());
            }
        }
        let mut form = Self {
            environment,
            preset: 0,
            backbones,
            base: None,
            backbone: String::new(),
            rank: 0,
            seed: 0,
            automatic: true,
            epochs: false,
            tasks: Vec::new(),
            device: 0,
            folder: None,
            default_folder: PathBuf::new(),
            field: Field::Preset,
            typing: None,
            preview: Err(String::new()),
        };
        form.load(0);
        form
    }

    /// Chooses the preset of this name, as the command line asks.
    pub fn choose(&mut self, name: &str) {
        if let Some(at) = self.environment.presets.iter().position(|r| r.name == name) {
            self.load(at);
        }
    }

    fn load(&mut self, preset: usize) {
        self.preset = preset;
        self.base = self.environment.presets.get(preset).cloned();
        if let Some(recipe) = &self.base {
            self.backbone.clone_from(&recipe.backbone.source);
            self.rank = recipe.lora.rank;
            self.seed = recipe.seed;
            self.epochs = recipe.train.epochs.is_some();
            self.tasks = recipe
                .tasks
                .iter()
                .enumerate()
                .map(|(i, task)| TaskLine {
                    task: task.clone(),
                    on: true,
                    budget: match recipe.budget(i) {
                        TaskBudget::Steps(n) | TaskBudget::Epochs(n) => n,
                    },
                })
                .collect();
        }
        self.refresh();
    }

    /// Name and description of the preset.
    pub fn preset(&self) -> (&str, &str) {
        let base = self.base.as_ref();
        base.map_or(("", ""), |r| (&r.name, &r.description))
    }

    /// The recipe that the form describes.
    pub fn recipe(&self) -> Result<Recipe> {
        let mut recipe = self
            .base
            .clone()
            .ok_or_else(|| Error::input("there is no preset to start from"))?;
        recipe.backbone.source.clone_from(&self.backbone);
        recipe.lora.rank = self.rank;
        recipe.seed = self.seed;
        let chosen: Vec<&TaskLine> = self.tasks.iter().filter(|t| t.on).collect();
        recipe.tasks = chosen.iter().map(|t| t.task.clone()).collect();
        let each: Vec<usize> = chosen.iter().map(|t| t.budget).collect();
        let budget = match each.split_first() {
            None => return Err(Error::input("no task is on: turn one on with Space")),
            Some((first, rest)) if rest.iter().all(|n| n == first) => Budget::All(*first),
            Some(_) => Budget::Each(each),
        };
        (recipe.train.epochs, recipe.train.steps) = if self.epochs {
            (Some(budget), None)
        } else {
            (None, Some(budget))
        };
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
        })
    }

    /// Looks again at what the changed form means.
    pub(super) fn refresh(&mut self) {
        self.preview = self
            .recipe()
            .and_then(|recipe| (self.environment.preview)(&recipe))
            .map_err(|e| e.to_string());
        if let Some(recipe) = self.recipe().ok().or(self.base.clone()) {
            self.default_folder = (self.environment.folder)(&recipe);
        }
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

    /// The field that the cursor is on.
    pub fn field(&self) -> Field {
        self.field
    }

    /// What is being typed for the field, if anything is.
    pub fn typing(&self) -> Option<&str> {
        self.typing.as_deref()
    }

    /// All fields, from the top.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::Preset,
            Field::Backbone,
            Field::Rank,
            Field::Budget,
            Field::Seed,
            Field::Advance,
            Field::Device,
        ];
        fields.extend((0..self.tasks.len()).map(Field::Task));
        fields.push(Field::Folder);
        fields
    }

    /// Moves the cursor by fields, staying within the form.
    pub fn go(&mut self, by: isize) {
        let fields = self.fields();
        let at = fields.iter().position(|f| *f == self.field).unwrap_or(0);
        let to = at.saturating_add_signed(by).min(fields.len() - 1);
        self.field = fields[to];
    }

    /// Changes the field under the cursor: `up` raises it or goes to the next choice.
    pub fn change(&mut self, up: bool) {
        match self.field {
            Field::Preset => {
                let presets = self.environment.presets.len();
                if presets > 0 {
                    self.load(turn(self.preset, presets, up));
                }
            }
            Field::Backbone => {
                let at = self.backbones.iter().position(|b| *b == self.backbone);
                let to = at.map_or(0, |at| turn(at, self.backbones.len(), up));
                if let Some(backbone) = self.backbones.get(to) {
                    self.backbone.clone_from(backbone);
                }
            }
            Field::Rank => self.rank = along(&RANKS, self.rank, up),
            Field::Budget => {
                let first = self.tasks.iter().find(|t| t.on).map_or(1, |t| t.budget);
                let budget = along(self.budgets(), first, up);
                self.tasks.iter_mut().for_each(|t| t.budget = budget);
            }
            Field::Seed if up => self.seed = self.seed.saturating_add(1),
            Field::Seed => self.seed = self.seed.saturating_sub(1),
            Field::Advance => self.automatic = !self.automatic,
            Field::Device => {
                self.device = turn(self.device, self.environment.devices.len().max(1), up);
            }
            Field::Task(i) => {
                let budgets = self.budgets();
                if let Some(line) = self.tasks.get_mut(i) {
                    line.budget = along(budgets, line.budget, up);
                }
            }
            Field::Folder => {}
        }
        self.refresh();
    }

    fn budgets(&self) -> &'static [usize] {
        if self.epochs { &EPOCHS } else { &STEPS }
    }

    /// Space: a task in or out, epochs or steps, automatic or not.
    pub fn toggle(&mut self) {
        match self.field {
            Field::Task(i) => {
                if let Some(line) = self.tasks.get_mut(i) {
                    line.on = !line.on;
                }
                self.refresh();
            }
            Field::Budget => {
                self.epochs = !self.epochs;
                let budget = if self.epochs { 10 } else { 600 };
                self.tasks.iter_mut().for_each(|t| t.budget = budget);
                self.refresh();
            }
            _ => self.change(true),
        }
    }

    /// Moves the task under the cursor in the sequence.
    pub fn reorder(&mut self, later: bool) {
        let Field::Task(at) = self.field else {
            return;
        };
        let to = at.saturating_add_signed(if later { 1 } else { -1 });
        if to < self.tasks.len() && at < self.tasks.len() {
            self.tasks.swap(at, to);
            self.field = Field::Task(to);
            self.refresh();
        }
    }
}

/// The next or the previous of `n` choices, around the end.
fn turn(at: usize, n: usize, up: bool) -> usize {
    if up { (at + 1) % n } else { (at + n - 1) % n }
}

/// The next larger or smaller of sensible values; a value between them is left for one of them.
fn along(values: &[usize], now: usize, up: bool) -> usize {
    let found = if up {
        values.iter().find(|v| **v > now)
    } else {
        values.iter().rev().find(|v| **v < now)
    };
    found.copied().unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        let mut text = String::from(
            "name = 'demo'\nbackbone.source = 'bundled:glyph-vit'\nfoundation.data = 'bundled:latin'\n\
             lora.rank = 16\n[train]\nsteps = 600\nbatch_size = 32\nlr = 1e-3\nweight_decay = 1e-2\n\
             warmup = 0.1\n",
        );
        for id in [
            "parity",
            "lower-thirds",
            "upper-thirds",
            "greek",
            "cyrillic",
        ] {
            text.push_str(&format!("[[task]]\nid = '{id}'\ndata = 'bundled:{id}'\n"));
        }
        toml::from_str(&text).unwrap()
    }

    fn form() -> SetUp {
        SetUp::new(Environment {
            presets: vec![recipe()],
            preview: Box::new(|recipe| {
                Ok(Some(Preview {
                    architecture: "vit".into(),
                    parameters: 1000,
                    targets: vec!["blocks.0.attn.qkv".into()],
                    adapter_parameters: 4 * recipe.lora.rank,
                    input: [1, 32, 32],
                }))
            }),
            folder: Box::new(|recipe| PathBuf::from("runs").join(&recipe.name)),
            devices: vec!["auto".into(), "cpu".into()],
        })
    }

    fn go_to(form: &mut SetUp, field: Field) {
        let at = form.fields().iter().position(|f| *f == field).unwrap();
        form.go(-100);
        form.go(at as isize);
    }

    #[test]
    fn an_untouched_form_is_its_preset() {
        assert_eq!(form().recipe().unwrap(), recipe());
    }

    #[test]
    fn the_rank_moves_the_trainable_parameters() {
        let mut form = form();
        go_to(&mut form, Field::Rank);
        let at_16 = form.preview().unwrap().unwrap().adapter_parameters;
        form.change(true);
        assert_eq!(form.rank, 32);
        assert_eq!(
            form.preview().unwrap().unwrap().adapter_parameters,
            2 * at_16
        );
        (0..9).for_each(|_| form.change(false));
        assert_eq!(
            (
                form.rank,
                form.preview().unwrap().unwrap().adapter_parameters
            ),
            (0, 0)
        );
    }

    #[test]
    fn tasks_are_left_out_and_moved_with_their_length() {
        let mut form = form();
        go_to(&mut form, Field::Task(0));
        form.reorder(true);
        form.change(true);
        form.go(-1);
        form.toggle();
        let recipe = form.recipe().unwrap();
        let ids: Vec<&str> = recipe.tasks.iter().map(|t| t.id.as_str()).collect();
        assert_eq!(ids, ["parity", "upper-thirds", "greek", "cyrillic"]);
        assert_eq!(
            recipe.train.steps,
            Some(Budget::Each(vec![800, 600, 600, 600]))
        );
    }

    #[test]
    fn an_impossible_form_says_why_and_starts_nothing() {
        let mut form = form();
        for i in 0..form.tasks.len() {
            go_to(&mut form, Field::Task(i));
            form.toggle();
        }
        assert!(form.preview().unwrap_err().contains("no task is on"));
        assert!(form.request().is_err());
    }

    #[test]
    fn values_are_typed() {
        let mut form = form();
        go_to(&mut form, Field::Seed);
        assert!(form.edit());
        form.erase();
        "4x2".chars().for_each(|c| form.type_character(c));
        form.accept().unwrap();
        assert_eq!(form.seed, 42);
        go_to(&mut form, Field::Folder);
        form.edit();
        (0..60).for_each(|_| form.erase());
        "mine\u{1b}".chars().for_each(|c| form.type_character(c));
        form.accept().unwrap();
        assert_eq!(form.request().unwrap().folder, Some(PathBuf::from("mine")));
        go_to(&mut form, Field::Advance);
        assert!(!form.edit());
    }

    #[test]
    fn epochs_instead_of_steps() {
        let mut form = form();
        go_to(&mut form, Field::Budget);
        form.toggle();
        let train = form.recipe().unwrap().train;
        assert_eq!((train.epochs, train.steps), (Some(Budget::All(10)), None));
    }
}
