//! The keys in force: the table's, changed by the settings.

use super::actions::{Action, Binding, Key, Scope, table};
use super::text::wrap;

/// A row of the table with its keys in force.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the table says.
    pub binding: &'static Binding,
    /// Keys and what each does; a key's first appearance names it in the footer.
    pub keys: Vec<(Key, Action)>,
}

impl Row {
    /// Its actions, each once.
    pub fn actions(&self) -> Vec<Action> {
        let mut actions: Vec<Action> = Vec::new();
        for (_, action) in self.binding.keys {
            if !actions.contains(action) {
                actions.push(*action);
            }
        }
        actions
    }

    /// The keys of one of its actions.
    pub fn keys_of(&self, action: Action) -> impl Iterator<Item = Key> {
        let of_it = self.keys.iter().filter(move |(_, a)| *a == action);
        of_it.map(|(key, _)| *key)
    }

    /// Keys for the footer: the first of each action.
    pub fn short_keys(&self) -> String {
        let actions = self.actions().into_iter();
        let first = actions.filter_map(|action| self.keys_of(action).next());
        first.map(Key::label).collect()
    }

    /// All its keys.
    pub fn all_keys(&self) -> String {
        let labels: Vec<String> = self.keys.iter().map(|(key, _)| key.label()).collect();
        labels.join(" ")
    }
}

/// The table with the keys in force.
#[derive(Clone, Debug)]
pub struct Bindings {
    rows: Vec<Row>,
}

impl Default for Bindings {
    fn default() -> Self {
        let row = |binding: &'static Binding| Row {
            binding,
            keys: binding.keys.to_vec(),
        };
        Self {
            rows: table().map(row).collect(),
        }
    }
}

impl Bindings {
    /// Its rows, in the table's order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The rows of a scope.
    pub fn of_scope(&self, scope: Scope) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |r| r.binding.scope == scope)
    }

    /// The first key of an action, as it is written; its name where it has none.
    pub fn of(&self, action: Action) -> String {
        let mut keys = self.rows.iter().flat_map(|r| &r.keys);
        let found = keys.find(|(_, a)| *a == action);
        found.map_or_else(|| action.name(), |(key, _)| key.label())
    }

    /// `text` with the key of each action that it names in braces, as in `{next-screen}`, that of a scope first; other
    /// braces stay.
    pub fn fill(&self, text: &str, scope: Scope) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let named = after.split_once('}');
            rest = match named.and_then(|(name, rest)| Some((self.label(name, scope)?, rest))) {
                Some((label, rest)) => {
                    filled.push_str(&label);
                    rest
                }
                None => {
                    filled.push('{');
                    after
                }
            };
        }
        filled.push_str(rest);
        filled
    }

    /// The first key of the action of a name, that of a scope first.
    fn label(&self, name: &str, scope: Scope) -> Option<String> {
        let everywhere = self.rows.iter().flat_map(Row::actions);
        let action = { everywhere }.find(|action| action.name() == name)?;
        let mut here = self.of_scope(scope).flat_map(|row| row.keys_of(action));
        Some(here.next().map_or_else(|| self.of(action), Key::label))
    }

    /// Scopes that have keys, each once, in the table's order.
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = Vec::new();
        for row in &self.rows {
            if !scopes.contains(&row.binding.scope) {
                scopes.push(row.binding.scope);
            }
        }
        scopes
    }

    /// Names of actions that have keys, in one scope or in all.
    pub fn names(&self, scope: Option<Scope>) -> Vec<String> {
        let rows = self.rows.iter();
        let rows = rows.filter(|r| scope.is_none_or(|s| r.binding.scope == s));
        let mut names: Vec<String> = rows
            .flat_map(|r| r.actions().into_iter().map(Action::name))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Gives an action other keys, in one scope or wherever it has keys. Where characters are typed, keys that are
    /// characters are left out, and the table's stay if no other is given.
    pub fn rebind(&mut self, scope: Option<Scope>, name: &str, keys: &[Key]) {
        for row in &mut self.rows {
            let at = row.binding.scope;
            if scope.is_some_and(|s| s != at) {
                continue;
            }
            let heard = |key: &&Key| !at.types() || !matches!(key, Key::Char(_));
            let keys: Vec<Key> = keys.iter().filter(heard).copied().collect();
            if at.types() && keys.is_empty() {
                continue;
            }
            for action in row.actions().into_iter().filter(|a| a.name() == name) {
                let own = row.keys_of(action).filter(|k| *k != Key::Interrupt);
                if own.eq(keys.iter().copied()) {
                    continue;
                }
                let place = row.keys.iter().position(|(_, a)| *a == action);
                // Control and C leaves whatever the settings say.
                let ours = |(key, a): &(Key, Action)| *a == action && *key != Key::Interrupt;
                row.keys.retain(|bound| !ours(bound));
                let place = place.unwrap_or(row.keys.len()).min(row.keys.len());
                row.keys
                    .splice(place..place, keys.iter().map(|k| (*k, action)));
            }
        }
    }

    /// Two actions on one key that may both be meant, with the scope of the second; actions that share a key in the
    /// table exclude each other.
    pub fn clash(&self) -> Option<(Key, Action, Action, Scope)> {
        let bound = || {
            let rows = self.rows.iter();
            rows.flat_map(|r| r.keys.iter().map(|(k, a)| (r.binding.scope, *k, *a)))
        };
        for (i, (scope, key, action)) in bound().enumerate() {
            for (other_scope, other_key, other) in bound().skip(i + 1) {
                let both = key == other_key && action != other && scope.meets(other_scope);
                if both && !share_a_key(action, other) {
                    return Some((key, action, other, other_scope));
                }
            }
        }
        None
    }

    /// The keys in force as a part of the settings file, with what each does.
    pub fn listing(&self) -> String {
        let mut text = String::new();
        for scope in self.scopes() {
            text.push_str(&format!("\n[keys.{}]\n", scope.key()));
            for row in self.of_scope(scope) {
                for line in wrap(&self.fill(row.binding.help, scope), 94) {
                    text.push_str(&format!("# {line}\n"));
                }
                for action in row.actions() {
                    let keys = row.keys_of(action).filter(|k| *k != Key::Interrupt);
                    let keys: Vec<String> = keys.map(|k| toml_string(&k.name())).collect();
                    text.push_str(&format!("{} = [{}]\n", action.name(), keys.join(", ")));
                }
            }
        }
        text
    }
}

fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn share_a_key(one: Action, other: Action) -> bool {
    let keys_of = |action: Action| {
        let all = table().flat_map(|b| b.keys);
        all.filter(move |(_, a)| *a == action).map(|(key, _)| *key)
    };
    keys_of(one).any(|key| keys_of(other).any(|k| k == key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::actions::Screen;

    #[test]
    fn the_footer_names_one_key_an_action() {
        let bindings = Bindings::default();
        let mut rows = bindings.rows().iter();
        let field = rows.find(|r| r.binding.name == "field").unwrap();
        assert_eq!(field.short_keys(), "↑↓");
        assert_eq!(field.all_keys(), "↑ ↓ k j");
    }

    /// Names are what settings files are written with: they stay as they are.
    #[test]
    fn names_of_actions_are_stable_and_unique_in_a_scope() {
        let bindings = Bindings::default();
        let run = bindings.names(Some(Scope::Run));
        let expected = [
            "advance",
            "automatic",
            "back",
            "discard",
            "manual",
            "merge",
            "next-event",
            "pause",
            "play",
            "previous-event",
            "resume",
            "rewind",
            "skip",
            "snapshot",
            "step",
            "take-up",
            "undo",
        ];
        assert_eq!(run, expected);
        let matrix = bindings.names(Some(Scope::On(Screen::Matrix)));
        assert!(matrix.contains(&"preview-lambdas".to_owned()), "{matrix:?}");
        assert!(bindings.names(None).contains(&"go-set-up".to_owned()));
        for scope in bindings.scopes() {
            let mut actions: Vec<Action> = Vec::new();
            bindings
                .of_scope(scope)
                .for_each(|r| actions.extend(r.actions()));
            actions.dedup();
            assert_eq!(
                bindings.names(Some(scope)).len(),
                actions.len(),
                "{scope:?}"
            );
        }
    }

    #[test]
    fn an_action_gets_other_keys_in_the_place_of_its_own() {
        let mut bindings = Bindings::default();
        bindings.rebind(Some(Scope::On(Screen::Matrix)), "up", &[Key::Char('i')]);
        let is_up = |r: &&Row| r.actions().contains(&Action::Up);
        let row =
            |bindings: &Bindings, scope| bindings.of_scope(scope).find(is_up).cloned().unwrap();
        assert_eq!(
            row(&bindings, Scope::On(Screen::Matrix)).short_keys(),
            "i↓←→"
        );
        assert_eq!(row(&bindings, Scope::List).short_keys(), "↑↓");
        bindings.rebind(None, "up", &[Key::Char('w'), Key::Function(5)]);
        assert_eq!(row(&bindings, Scope::List).all_keys(), "w F5 ↓ j");
        // Characters are typed there.
        assert_eq!(row(&bindings, Scope::Commands).all_keys(), "F5 ↓");
        bindings.rebind(None, "quit", &[]);
        assert_eq!(bindings.of(Action::Quit), "Ctrl-C");
        bindings.rebind(None, "export", &[]);
        assert_eq!(bindings.of(Action::Export), "export");
    }

    #[test]
    fn sentences_name_the_keys_in_force() {
        let mut bindings = Bindings::default();
        let text = "{add-task} adds, {left}{right} change, {no-such} and {2,3} and { stay";
        let filled = "a adds, ←→ change, {no-such} and {2,3} and { stay";
        assert_eq!(bindings.fill(text, Scope::Anywhere), filled);
        bindings.rebind(None, "add-task", &[Key::Function(2)]);
        assert!(bindings.fill(text, Scope::Anywhere).starts_with("F2 adds"));
        bindings.rebind(Some(Scope::List), "edit", &[Key::Function(3)]);
        let edit = |scope| bindings.fill("{edit}", scope);
        assert_eq!(edit(Scope::List), "F3");
        assert_eq!(edit(Scope::On(Screen::SetUp)), "e");
    }

    /// No sentence of the table names an action that there is not.
    #[test]
    fn every_name_in_the_table_is_an_action() {
        let bindings = Bindings::default();
        for row in bindings.rows() {
            let help = bindings.fill(row.binding.help, row.binding.scope);
            let unfilled = |w: &[u8]| w[0] == b'{' && w[1].is_ascii_lowercase();
            assert!(!help.as_bytes().windows(2).any(unfilled), "{help}");
        }
    }

    #[test]
    fn two_meanings_of_one_key_are_found() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.clash(), None);
        bindings.rebind(None, "pause", &[Key::Char('Z')]);
        bindings.rebind(None, "resume", &[Key::Char('Z')]);
        assert_eq!(bindings.clash(), None, "one of both makes sense at a time");
        bindings.rebind(None, "step", &[Key::Char('x')]);
        let clash = bindings
            .clash()
            .map(|(key, one, other, _)| (key, one.name(), other.name()));
        assert_eq!(
            clash,
            Some((Key::Char('x'), "step".into(), "export".into()))
        );
        // Never heard at one moment.
        let mut apart = Bindings::default();
        apart.rebind(
            Some(Scope::On(Screen::Matrix)),
            "next-figure",
            &[Key::Char('z')],
        );
        assert_eq!(apart.clash(), None);
    }
}
