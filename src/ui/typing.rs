//! Typing a value into the set-up form.

use std::path::PathBuf;

use super::form::SetUp;
use super::setup::Field;

impl SetUp {
    /// Opens the field for typing; false where nothing can be typed.
    pub fn edit(&mut self) -> bool {
        let text = match self.field() {
            Field::Rank => self.rank.to_string(),
            Field::Seed => self.seed.to_string(),
            Field::Budget => {
                let first = self.tasks.iter().find(|t| t.on);
                first.map_or(String::new(), |t| t.budget.to_string())
            }
            Field::Task(i) => {
                let line = self.tasks.get(i);
                line.map_or(String::new(), |t| t.budget.to_string())
            }
            Field::Folder => self.folder().to_string_lossy().into_owned(),
            _ => return false,
        };
        self.typing = Some(text);
        true
    }

    /// Adds a character to what is typed.
    pub fn type_character(&mut self, c: char) {
        let number = self.field() != Field::Folder;
        if let Some(text) = &mut self.typing {
            let fits = text.len() < if number { 19 } else { 400 };
            if fits && !c.is_control() && (!number || c.is_ascii_digit()) {
                text.push(c);
            }
        }
    }

    /// Takes the last character away.
    pub fn erase(&mut self) {
        if let Some(text) = &mut self.typing {
            text.pop();
        }
    }

    /// Leaves typing without a change.
    pub fn cancel(&mut self) {
        self.typing = None;
    }

    /// Takes what was typed, or says why not and keeps typing.
    pub fn accept(&mut self) -> Result<(), String> {
        let Some(text) = self.typing.clone() else {
            return Ok(());
        };
        let number = || {
            text.parse::<usize>().map_err(|_| match text.is_empty() {
                true => "type a whole number, or Esc to leave it".to_owned(),
                false => format!("`{text}` is no whole number that fits"),
            })
        };
        match self.field() {
            Field::Rank => self.rank = number()?,
            Field::Seed => self.seed = number()? as u64,
            Field::Budget => {
                let budget = number()?;
                self.tasks.iter_mut().for_each(|t| t.budget = budget);
            }
            Field::Task(i) => {
                let budget = number()?;
                if let Some(line) = self.tasks.get_mut(i) {
                    line.budget = budget;
                }
            }
            // Emptied: back to a folder of its own.
            Field::Folder if text.is_empty() => self.folder = None,
            Field::Folder => self.folder = Some(PathBuf::from(text)),
            _ => {}
        }
        self.typing = None;
        self.refresh();
        Ok(())
    }
}
