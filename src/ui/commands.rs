//! Everything that can be done, found by a few letters.

use super::actions::{Action, Layer, Scope, Screen, Situation};
use super::app::App;
use super::effect::Effect;
use super::line::Line;
use super::theme::Ink;

/// The open list of actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// What is typed.
    pub line: Line,
    /// Where the cursor is.
    pub at: usize,
}

/// An action of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it does.
    pub action: Action,
    /// Its name in words.
    pub name: String,
    /// Its keys, as they are written.
    pub keys: String,
    /// One sentence.
    pub help: String,
    /// The screen that it is done on, where it is another one.
    pub elsewhere: Option<Screen>,
    /// Why it makes no sense now.
    pub refusal: Option<String>,
}

/// The screen on which keys of a scope are listened to; `None` for what lies over screens.
fn screen_of(scope: Scope, here: Screen) -> Option<Screen> {
    match scope {
        Scope::Anywhere => Some(here),
        Scope::Run if !Scope::Run.is_on(here) => Some(Screen::Train),
        Scope::Run => Some(here),
        Scope::On(screen) => Some(screen),
        Scope::Help
        | Scope::Question
        | Scope::List
        | Scope::Menu
        | Scope::Typing
        | Scope::Commands => None,
    }
}

/// How well a name and a sentence answer to what is typed, 0 best; `None` where they do not.
fn rank(name: &str, help: &str, typed: &str) -> Option<usize> {
    let (help, typed) = (help.to_lowercase(), typed.trim().to_lowercase());
    match name.find(&typed) {
        Some(0) => Some(0),
        Some(at) if name[..at].ends_with(' ') => Some(1),
        Some(_) => Some(2),
        None => match spread(name, &typed) {
            Some(letters) => Some(3 + letters - typed.chars().count()),
            None => help.contains(&typed).then_some(1000),
        },
    }
}

/// Letters of `name` from the first to the last that spell `typed`, if in their order they do.
fn spread(name: &str, typed: &str) -> Option<usize> {
    let mut wanted = typed.chars().peekable();
    let (mut first, mut last) = (None, 0);
    for (i, c) in name.chars().enumerate() {
        if wanted.peek() == Some(&c) {
            wanted.next();
            first = first.or(Some(i));
            last = i;
        }
    }
    wanted
        .peek()
        .is_none()
        .then(|| last + 1 - first.unwrap_or(0))
}

impl App {
    /// What the list of actions shows, best first; empty while it is closed.
    pub fn entries(&self) -> Vec<Entry> {
        let Some(commands) = &self.commands else {
            return Vec::new();
        };
        let mut found: Vec<((usize, bool, bool), Entry)> = Vec::new();
        for row in self.keys.rows() {
            let Some(screen) = screen_of(row.binding.scope, self.screen) else {
                continue;
            };
            for action in row.actions().into_iter().filter(|a| *a != Action::Commands) {
                let name = action.name().replace('-', " ");
                let Some(rank) = rank(&name, row.binding.help, commands.line.text()) else {
                    continue;
                };
                let there = Situation {
                    layer: Layer::Screen,
                    screen,
                    ..self.situation()
                };
                let keys: Vec<String> = row.keys_of(action).map(|key| key.label()).collect();
                let entry = Entry {
                    action,
                    name,
                    keys: keys.join(" "),
                    help: self.keys.fill(row.binding.help, row.binding.scope),
                    elsewhere: (screen != self.screen).then_some(screen),
                    refusal: there.refuses(action),
                };
                let order = (rank, entry.refusal.is_some(), entry.elsewhere.is_some());
                found.push((order, entry));
            }
        }
        found.sort_by_key(|(order, _)| *order);
        found.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Opens the list of actions.
    pub(super) fn open_commands(&mut self) {
        self.commands = Some(Commands::default());
    }

    /// What an action means while the list of actions is open.
    pub(super) fn on_commands(&mut self, action: Action) -> Vec<Effect> {
        let entries = self.entries();
        let last = entries.len().saturating_sub(1);
        let Some(commands) = &mut self.commands else {
            return Vec::new();
        };
        let at = commands.at.min(last);
        match action {
            Action::Cancel => self.commands = None,
            Action::Confirm => return entries.get(at).map_or_else(Vec::new, |e| self.command(e)),
            action => commands.at = action.moved(at, last),
        }
        Vec::new()
    }

    fn command(&mut self, entry: &Entry) -> Vec<Effect> {
        if let Some(refusal) = &entry.refusal {
            self.say(Ink::Warning, refusal.clone());
            return Vec::new();
        }
        self.commands = None;
        let there = entry.elsewhere.map(|screen| self.go(screen));
        let mut effects = there.unwrap_or_default();
        effects.extend(self.on_action(entry.action));
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_comes_first() {
        let of = |name, typed| rank(name, "Train the next task.", typed);
        assert_eq!(of("step", ""), Some(0));
        assert_eq!(of("step", "ST"), Some(0));
        assert_eq!(of("next theme", "th"), Some(1));
        assert_eq!(of("next theme", "eme"), Some(2));
        assert_eq!(of("next theme", "nth"), Some(3 + 7 - 3));
        assert_eq!(of("step", "train"), Some(1000));
        assert_eq!(of("step", "xyz"), None);
        assert_eq!(spread("preview lambdas", "pl"), Some(9));
        assert_eq!(spread("é", "e"), None);
    }
}
