//! Merges on trial, merges changed, and branches: what the matrix screen asks of the lab and of the form.

use super::actions::{Action, Screen};
use super::app::App;
use super::effect::Effect;
use super::open_run::OpenRun;
use super::question::Question;
use super::theme::Ink;
use crate::lab::{Amounts, Ancestor, Ask, Command, State};
use crate::lora::Amount;
use crate::recipe::Mode;

impl App {
    /// Asks for a preview: of the trained adapter, or else of the merge of the cursor's row. Asked again for the amounts
    /// that a few images of each class have answered, it is of all images.
    pub(super) fn preview(&mut self, amounts: Amounts) -> Vec<Effect> {
        let Some(run) = &self.run else {
            return Vec::new();
        };
        let row = self.row_to_preview(run);
        let again = run.view.preview.as_ref().is_some_and(|p| {
            let whole = p.over && p.quick && p.amounts.len() == p.done.len();
            whole && p.row == row && answers(amounts, &p.amounts)
        });
        let command = Command::Preview(Ask {
            row,
            amounts,
            quick: !again,
        });
        self.matrix.amount = None;
        vec![Effect::Send(command)]
    }

    fn row_to_preview(&self, run: &OpenRun) -> usize {
        match run.view.state {
            State::Trained(row) => row,
            _ => self.matrix.row(run),
        }
    }

    /// The mode of the task that a preview would be of.
    pub(super) fn previewed_mode(&self) -> Option<Mode> {
        let run = self.run.as_ref()?;
        let started = run.view.started.as_ref()?;
        let own = started.recipe.lora.mode;
        Some(Ancestor::mode(
            &started.ancestry,
            self.row_to_preview(run),
            own,
        ))
    }

    /// Takes what was typed, or leaves it; what is no amount is said and typed on.
    pub(super) fn on_typed_amount(&mut self, action: Action) -> Vec<Effect> {
        let typed = self.matrix.typed.take().unwrap_or_default();
        match (action, typed.text().parse::<Amount>()) {
            (Action::Cancel, _) => Vec::new(),
            (Action::Confirm, Ok(amount)) => self.preview(Amounts::One(amount)),
            (Action::Confirm, Err(problem)) => {
                self.matrix.typed = Some(typed);
                self.say(Ink::Bad, problem.to_string());
                Vec::new()
            }
            _ => {
                self.matrix.typed = Some(typed);
                Vec::new()
            }
        }
    }

    /// Merges the amount chosen in the preview, or asks whether an earlier merge is to be changed to it.
    pub(super) fn take_amount(&mut self) -> Vec<Effect> {
        let Some(run) = &self.run else {
            return Vec::new();
        };
        let Some(preview) = &run.view.preview else {
            return Vec::new();
        };
        let Some((amount, _)) = preview.done.get(self.matrix.amount(preview)) else {
            return Vec::new();
        };
        let command = match run.view.state {
            State::Trained(_) => Command::Merge(*amount),
            _ => Command::Reweigh(preview.row, *amount),
        };
        if let Some(refusal) = self.situation().refuses(Action::Lab(command)) {
            self.say(Ink::Warning, refusal);
            return Vec::new();
        }
        match command {
            Command::Reweigh(row, amount) => {
                let task = run.task_id(row).to_owned();
                self.question = Some(Question::Reweigh { row, task, amount });
                Vec::new()
            }
            command => vec![Effect::Send(command)],
        }
    }

    /// Opens the set-up form with the run's recipe, for a run that begins with its rows up to the cursor's.
    pub(super) fn set_up_branch(&mut self) {
        let Some(run) = &self.run else {
            return;
        };
        let Some(started) = &run.view.started else {
            return;
        };
        let at = self.matrix.row(run);
        let after = match at {
            0 => "the start".to_owned(),
            _ => run.task_id(at).to_owned(),
        };
        let (recipe, folder) = (started.recipe.clone(), run.folder.clone());
        self.set_up.branch(recipe, &folder, at, &after);
        self.screen = Screen::SetUp;
        let text = match at {
            0 => "a branch from the untouched backbone: change what is to differ, Enter starts it"
                .to_owned(),
            _ => format!(
                "a branch after {after}: change what is to differ from there on, Enter starts it"
            ),
        };
        self.say(Ink::Accent, text);
    }
}

/// Whether a preview of `done` is one of these amounts.
fn answers(asked: Amounts, done: &[Amount]) -> bool {
    let cut = done.iter().any(|amount| amount.rank.is_some());
    match asked {
        Amounts::One(amount) => *done == [amount],
        Amounts::Ranks => cut,
        Amounts::Lambdas => !cut && done.len() > 1,
    }
}
