//! The export menu: which artefacts in which formats; and the matrix to the clipboard.

use super::actions::Action;
use super::app::{App, Busy};
use super::effect::Effect;
use super::theme::Ink;
use crate::export::{self, Artefact, Choice, Format, PageWidth};

/// What is chosen while the menu is open.
#[derive(Clone, Debug)]
pub struct ExportMenu {
    artefacts: Vec<Artefact>,
    formats: Vec<Format>,
    width: PageWidth,
    /// The line under the cursor.
    pub at: usize,
}

/// A line of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// What is exported.
    Artefact(Artefact),
    /// A kind of file.
    Format(Format),
    /// How wide figures are.
    Width,
}

impl Default for ExportMenu {
    /// The matrix and its figures, as a paper needs them.
    fn default() -> Self {
        Self {
            artefacts: Artefact::ALL.into(),
            formats: vec![Format::Csv, Format::Latex, Format::Svg],
            width: PageWidth::default(),
            at: 0,
        }
    }
}

impl ExportMenu {
    /// Its lines in order.
    pub fn lines() -> Vec<Line> {
        let artefacts = Artefact::ALL.map(Line::Artefact).into_iter();
        let formats = Format::ALL.map(Line::Format);
        artefacts.chain(formats).chain([Line::Width]).collect()
    }

    /// Whether a line is chosen; figures of a page's width are the other choice.
    pub fn has(&self, line: Line) -> bool {
        match line {
            Line::Artefact(artefact) => self.artefacts.contains(&artefact),
            Line::Format(format) => self.formats.contains(&format),
            Line::Width => self.width == PageWidth::Page,
        }
    }

    /// How many files that makes.
    pub fn files(&self) -> usize {
        let of = |artefact: &Artefact| self.formats.iter().filter(|f| artefact.has(**f)).count();
        self.artefacts.iter().map(of).sum()
    }

    fn go(&mut self, action: Action) {
        self.at = action.moved(self.at, Self::lines().len() - 1);
    }

    fn toggle(&mut self) {
        match Self::lines()[self.at] {
            Line::Artefact(artefact) => toggle(&mut self.artefacts, artefact),
            Line::Format(format) => toggle(&mut self.formats, format),
            Line::Width => {
                self.width = match self.width {
                    PageWidth::Column => PageWidth::Page,
                    PageWidth::Page => PageWidth::Column,
                }
            }
        }
    }

    fn choice(&self) -> Choice {
        Choice {
            artefacts: self.artefacts.clone(),
            formats: self.formats.clone(),
            width: self.width,
        }
    }
}

/// Puts an item into a list that it is not in, in the items' order, and takes it out of one that it is in.
fn toggle<T: PartialEq + Ord + Copy>(list: &mut Vec<T>, item: T) {
    match list.iter().position(|x| *x == item) {
        Some(at) => drop(list.remove(at)),
        None => {
            list.push(item);
            list.sort_unstable();
        }
    }
}

impl App {
    /// What an action means in the open menu.
    pub(super) fn on_export_menu(&mut self, action: Action) -> Vec<Effect> {
        let Some(menu) = &mut self.export else {
            return Vec::new();
        };
        match action {
            Action::Cancel => self.export = None,
            Action::Toggle => menu.toggle(),
            Action::Confirm if menu.files() == 0 => {
                let text = "nothing is chosen: {toggle} chooses what to export and its formats";
                self.say(Ink::Warning, text.into());
            }
            Action::Confirm if self.busy.is_none() => {
                let choice = menu.choice();
                self.export = None;
                self.busy = Busy::with("exporting", false);
                return vec![Effect::ExportChosen(choice)];
            }
            action => menu.go(action),
        }
        Vec::new()
    }

    /// Asks the terminal to put the matrix on its clipboard.
    pub(super) fn copy_matrix(&mut self) -> Vec<Effect> {
        let Some(view) = self.view() else {
            return Vec::new();
        };
        match export::clipboard(view) {
            Ok(text) => {
                let said = "the matrix went to the terminal's clipboard (OSC 52; in tmux with set-clipboard on): paste it \
                            into a spreadsheet";
                self.say(Ink::Accent, said.into());
                vec![Effect::Copy(text)]
            }
            Err(problem) => {
                self.say(Ink::Bad, problem.to_string());
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_in_the_menus_order_whatever_the_order_of_choosing() {
        let mut menu = ExportMenu::default();
        let whole = menu.choice();
        menu.toggle();
        assert!(!menu.has(Line::Artefact(Artefact::Matrix)));
        menu.toggle();
        assert_eq!(menu.choice(), whole);
        menu.go(Action::End);
        menu.toggle();
        assert_eq!(menu.choice().width, PageWidth::Page);
        assert!(menu.has(Line::Width));
    }

    #[test]
    fn files_are_counted_where_there_is_such_a_format() {
        let mut menu = ExportMenu {
            artefacts: vec![Artefact::Metrics, Artefact::Loss],
            formats: vec![Format::Csv, Format::Svg, Format::Png],
            ..ExportMenu::default()
        };
        assert_eq!(menu.files(), 3);
        menu.formats.clear();
        assert_eq!(menu.files(), 0);
    }
}
