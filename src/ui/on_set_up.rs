//! The set-up screen's actions, its lists and its typing, and what comes back from what they ask for.

use std::path::{Path, PathBuf};

use super::actions::{Action, Layer, PAGE, Screen};
use super::app::App;
use super::effect::Effect;
use super::field::Field;
use super::picker::TaskChange;
use super::question::Question;
use super::setup::Choice;
use super::theme::Ink;
use super::typing::Typed;
use crate::backbone::Config;
use crate::files;
use crate::hub::Repo;
use crate::recipe::Recipe;

impl App {
    /// What an action means on the set-up screen, in its list, or while something is typed there.
    pub(super) fn on_set_up(&mut self, action: Action) -> Vec<Effect> {
        match self.situation().layer {
            Layer::Typing => self.on_typed(action),
            Layer::List => self.on_list(action),
            _ => self.on_form(action),
        }
    }

    fn on_form(&mut self, action: Action) -> Vec<Effect> {
        let form = &mut self.set_up;
        let done = match action {
            Action::Up => {
                form.go(-1);
                Ok(())
            }
            Action::Down => {
                form.go(1);
                Ok(())
            }
            Action::Left => form.change(false),
            Action::Right => form.change(true),
            Action::Toggle => form.toggle(),
            Action::Earlier => form.on_task(TaskChange::Earlier),
            Action::Later => form.on_task(TaskChange::Later),
            Action::RemoveTask => form.on_task(TaskChange::Remove),
            Action::SplitTask => form.on_task(TaskChange::Split),
            Action::AddTask => {
                form.list_tasks();
                Ok(())
            }
            Action::List if !form.list() => {
                Err("this field has no list: {left} and {right} change it".into())
            }
            Action::Save => {
                form.save();
                Ok(())
            }
            _ => {
                self.begin_typing(action);
                Ok(())
            }
        };
        if let Err(problem) = done {
            self.say(Ink::Warning, problem);
        }
        Vec::new()
    }

    fn on_list(&mut self, action: Action) -> Vec<Effect> {
        let form = &mut self.set_up;
        match action {
            Action::Up => form.go_in_list(-1),
            Action::Down => form.go_in_list(1),
            Action::PageUp => form.go_in_list(-PAGE),
            Action::PageDown => form.go_in_list(PAGE),
            Action::Home => form.go_in_list(isize::MIN),
            Action::End => form.go_in_list(isize::MAX),
            Action::Cancel => form.close_list(),
            Action::Confirm => match form.choose() {
                Ok(Field::Backbone) => return self.describe(),
                Ok(_) => {}
                Err(problem) => self.say(Ink::Bad, problem),
            },
            _ => self.begin_typing(action),
        }
        Vec::new()
    }

    fn begin_typing(&mut self, action: Action) {
        match action {
            Action::Search => self.set_up.search(),
            Action::Edit if !self.set_up.edit() => {
                let text = "this field is changed with {left} and {right}";
                self.say(Ink::Warning, text.into());
            }
            _ => {}
        }
    }

    fn on_typed(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Cancel => self.set_up.cancel(),
            Action::Confirm => match self.set_up.accept() {
                Ok(Typed::Taken) if self.set_up.field() == Field::Backbone => {
                    return self.describe();
                }
                Ok(Typed::Taken) => {}
                Ok(Typed::Save(path, recipe)) => {
                    return vec![Effect::Save {
                        path,
                        recipe,
                        replace: false,
                    }];
                }
                Ok(Typed::Search(text))
                    if self.prepare(&format!("searching the hub for {text}")) =>
                {
                    return vec![Effect::Search(text)];
                }
                Ok(Typed::Search(_)) => self.say(
                    Ink::Warning,
                    "something else is being prepared: wait for it, or give it up".into(),
                ),
                Err(problem) => self.say(Ink::Bad, problem),
            },
            _ => {}
        }
        Vec::new()
    }

    /// Asks for the config of a backbone that is on the hub alone, whose figures are guessed or unknown.
    fn describe(&mut self) -> Vec<Effect> {
        let here = match self.set_up.preview() {
            Ok(Some(preview)) => preview.here,
            Ok(None) => false,
            Err(_) => true,
        };
        let backbone = &self.set_up.draft().backbone;
        if here || !backbone.source.starts_with("hub:") {
            return Vec::new();
        }
        let backbone = Box::new(backbone.clone());
        match self.prepare(&format!("asking for {}", backbone.source)) {
            true => vec![Effect::Describe(backbone)],
            false => Vec::new(),
        }
    }

    /// What a search on the hub found.
    pub fn on_found(&mut self, text: &str, found: &[Repo]) {
        (self.busy, self.toast) = (None, None);
        if found.is_empty() {
            self.say(
                Ink::Warning,
                format!("the hub has no model of timm's whose name is like {text}"),
            );
            return;
        }
        let choices = found.iter().map(|repo| {
            // timm's models are called as their architecture, then what they were trained on.
            let architecture = repo.name.split('.').next().unwrap_or_default();
            let note = match Config::of_name(architecture) {
                Ok(_) => "",
                Err(_) => "not supported",
            };
            Choice {
                value: format!("hub:{repo}"),
                group: "hub",
                note: note.into(),
            }
        });
        self.set_up.show_found(choices.collect());
        if self.screen != Screen::SetUp {
            let text = format!(
                "{} models are found: the set-up screen lists them",
                found.len()
            );
            self.say(Ink::Accent, text);
        }
        self.touch();
    }

    /// The config of the chosen backbone is here.
    pub fn on_described(&mut self) {
        self.busy = None;
        self.set_up.refresh();
        self.touch();
    }

    /// A preset was written.
    pub fn on_saved(&mut self, path: &Path, recipe: &Recipe) {
        self.set_up.saved(path, recipe);
        let path = files::word(path);
        let text =
            format!("saved: `pentimento run {path}` takes it, and so does the list of presets");
        self.say(Ink::Accent, text);
    }

    /// A preset was not written, for there is a file already.
    pub fn on_taken(&mut self, path: PathBuf, recipe: Box<Recipe>) {
        self.question = Some(Question::Replace { path, recipe });
        self.touch();
    }
}
