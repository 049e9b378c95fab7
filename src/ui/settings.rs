//! What a user sets once for all: colours, characters, pictures, the mouse, keys. A TOML file, and the environment over it.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::actions::{Bindings, Key, Scope};
use super::pictures::{Choice, Pictures};
use super::theme::{Depth, Marker, Palette, Theme};
use crate::recipe::suggestion;
use crate::signals::Hangup;
use crate::{Error, Result};

/// Whether the mouse is listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mouse {
    /// Never: the terminal's own selection works as always.
    #[default]
    Off,
    /// Always.
    On,
    /// Outside tmux.
    Auto,
}

/// What a user set.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Colours, unless they are to be guessed.
    pub palette: Option<Palette>,
    /// What curves are drawn with, unless the terminal decides.
    pub marker: Option<Marker>,
    /// What pictures are drawn with.
    pub pictures: Choice,
    /// The mouse.
    pub mouse: Mouse,
    /// What becomes of a run when its terminal goes.
    pub hangup: Hangup,
    /// The keys in force.
    pub keys: Bindings,
}

/// A lookup in the environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// The settings file's, with what `PENTIMENTO_THEME` and `PENTIMENTO_MARKER` say instead.
    ///
    /// # Errors
    /// Where the file or a variable says what cannot be, in one sentence with its place.
    pub fn read(variable: Variable) -> Result<Self> {
        let asked_for = set(variable, "PENTIMENTO_CONFIG").is_some();
        let mut settings = match Self::path(variable) {
            Some(path) if asked_for || path.exists() => Self::of_file(&path)?,
            _ => Self::default(),
        };
        if let Some(name) = set(variable, "PENTIMENTO_THEME") {
            settings.palette = Some(palette(&name).map_err(said_by("PENTIMENTO_THEME"))?);
        }
        if let Some(name) = set(variable, "PENTIMENTO_MARKER") {
            settings.marker = Some(marker(&name).map_err(said_by("PENTIMENTO_MARKER"))?);
        }
        Ok(settings)
    }

    /// Where the settings file is, if anywhere: `PENTIMENTO_CONFIG`, or `pentimento/config.toml` in the folder that the
    /// XDG Base Directory Specification 0.8 gives.
    pub fn path(variable: Variable) -> Option<PathBuf> {
        if let Some(path) = set(variable, "PENTIMENTO_CONFIG") {
            return Some(path.into());
        }
        // The specification ignores relative ones.
        let absolute = |name| {
            set(variable, name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        let folder = absolute("XDG_CONFIG_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("pentimento").join("config.toml"))
    }

    /// The look that the settings and the terminal make together.
    pub fn theme(&self, variable: Variable) -> Theme {
        let theme = Theme::from_environment(variable);
        let theme = Theme {
            marker: self.marker.unwrap_or(theme.marker),
            ..theme
        };
        match self.palette {
            Some(palette) => theme.with_palette(palette),
            None => theme,
        }
    }

    /// Pictures on this terminal; none of pixels where it is to show no colours.
    pub fn pictures(&self, variable: Variable) -> Pictures {
        match self.theme(variable).depth {
            Depth::None => Pictures::default(),
            Depth::Sixteen | Depth::Indexed | Depth::True => Pictures::new(self.pictures, variable),
        }
    }

    /// Whether to listen to the mouse on this terminal.
    pub fn hears_mouse(&self, variable: Variable) -> bool {
        match self.mouse {
            Mouse::Off => false,
            Mouse::On => true,
            Mouse::Auto => set(variable, "TMUX").is_none(),
        }
    }

    fn of_file(path: &Path) -> Result<Self> {
        // A mistake of its user's, whatever the reason.
        let text = crate::files::read(path).map_err(|e| Error::input(e.to_string()))?;
        let origin = path.display().to_string();
        let text = String::from_utf8(text)
            .map_err(|_| Error::input(format!("{origin} is not UTF-8 text, so no settings")))?;
        Self::parse(&text, &origin)
    }

    /// The settings of a file's text; `origin` is what sentences call it.
    ///
    /// # Errors
    /// Names the line and what could stand there instead.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let reader = Reader { text, origin };
        let table = DeTable::parse(text).map_err(|e| {
            let at = e.span().map_or(text.len(), |span| span.start);
            reader.refuse(at, &format!("this is not TOML: {}", e.message()))
        })?;
        let mut settings = Self::default();
        for (key, value) in table.get_ref() {
            let at = value.span().start;
            let word = || value.get_ref().as_str().unwrap_or_default();
            match key.get_ref().as_ref() {
                "theme" => settings.palette = Some(reader.place(at, "theme", palette(word()))?),
                "marker" => settings.marker = Some(reader.place(at, "marker", marker(word()))?),
                "pictures" => {
                    settings.pictures = reader.place(at, "pictures", pictures(word()))?;
                }
                "mouse" => settings.mouse = reader.place(at, "mouse", mouse(value.get_ref()))?,
                "hangup" => settings.hangup = reader.place(at, "hangup", hangup(word()))?,
                "keys" => reader.keys(value, &mut settings.keys)?,
                other => return Err(reader.unknown(key.span().start, "setting", other, &SETTINGS)),
            }
        }
        Ok(settings)
    }
}

const SETTINGS: [&str; 6] = ["theme", "marker", "pictures", "mouse", "hangup", "keys"];

/// A variable that is set to something.
pub(super) fn set(variable: Variable, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

fn said_by(name: &str) -> impl FnOnce(String) -> Error {
    move |why| Error::input(format!("{name}: {why}"))
}

fn palette(name: &str) -> Result<Palette, String> {
    one_of(name, Palette::ALL, Palette::name)
}

fn marker(name: &str) -> Result<Marker, String> {
    one_of(name, Marker::ALL, Marker::name)
}

fn pictures(name: &str) -> Result<Choice, String> {
    one_of(name, Choice::ALL, Choice::name)
}

fn hangup(name: &str) -> Result<Hangup, String> {
    one_of(name, Hangup::ALL, Hangup::name)
}

fn one_of<T: Copy, const N: usize>(
    name: &str,
    all: [T; N],
    called: fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.into_iter().find(|one| called(*one) == name);
    found.ok_or_else(|| {
        let names = all.map(called);
        let near = suggestion(name, names);
        format!("{name:?} is none of {}{near}", names.join(", "))
    })
}

fn mouse(value: &DeValue) -> Result<Mouse, String> {
    match value {
        DeValue::Boolean(true) => Ok(Mouse::On),
        DeValue::Boolean(false) => Ok(Mouse::Off),
        DeValue::String(word) if word == "auto" => Ok(Mouse::Auto),
        _ => Err("it is true, false or \"auto\", which is on outside tmux".into()),
    }
}

/// A settings file that is being read.
struct Reader<'a> {
    text: &'a str,
    origin: &'a str,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    fn refuse(&self, at: usize, why: &str) -> Error {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Error::input(format!("{}, line {line}: {why}", self.origin))
    }

    fn place<T>(&self, at: usize, key: &str, value: Result<T, String>) -> Result<T> {
        value.map_err(|why| self.refuse(at, &format!("{key}: {why}")))
    }

    fn unknown(&self, at: usize, what: &str, name: &str, known: &[&str]) -> Error {
        let near = suggestion(name, known.iter().copied());
        let why = format!(
            "no {what} is called {name:?}{near}; there are {}",
            known.join(", ")
        );
        self.refuse(at, &why)
    }

    /// `[keys]`: an action and its keys, or a scope with a table of such.
    fn keys(&self, value: &Value, keys: &mut Bindings) -> Result<()> {
        let table = self.table(value, "keys")?;
        let scopes = keys.scopes();
        let mut set = Vec::new();
        // Those of a scope are the last word, wherever they stand.
        for (name, value) in table {
            if !matches!(value.get_ref(), DeValue::Table(_)) {
                let action = (name.get_ref().as_ref(), name.span().start);
                self.rebind(None, action, value, keys)?;
                set.push(action);
            }
        }
        for (name, value) in table {
            if !matches!(value.get_ref(), DeValue::Table(_)) {
                continue;
            }
            let named: Vec<String> = scopes.iter().map(|s| s.key()).collect();
            let Some(at) = named.iter().position(|key| key == name.get_ref()) else {
                let named: Vec<&str> = named.iter().map(String::as_str).collect();
                return Err(self.unknown(
                    name.span().start,
                    "part of the program",
                    name.get_ref(),
                    &named,
                ));
            };
            for (action, value) in self.table(value, "keys")? {
                let action = (action.get_ref().as_ref(), action.span().start);
                self.rebind(Some(scopes[at]), action, value, keys)?;
                set.push(action);
            }
        }
        self.check(&set, keys)
    }

    fn table<'v, 'b>(&self, value: &'v Value<'b>, key: &str) -> Result<&'v DeTable<'b>> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.refuse(value.span().start, &format!("{key} is a table: [{key}]"))),
        }
    }

    fn rebind(
        &self,
        scope: Option<Scope>,
        (action, at): (&str, usize),
        value: &Value,
        keys: &mut Bindings,
    ) -> Result<()> {
        let names = keys.names(scope);
        if !names.iter().any(|name| name == action) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            return Err(self.unknown(at, "action", action, &names));
        }
        let given = self.key_list(value)?;
        if scope.is_some_and(Scope::types)
            && let Some(Key::Char(c)) = given.iter().find(|k| matches!(k, Key::Char(_)))
        {
            let why = format!("{action}: {c:?} is typed there, so it cannot be a key");
            return Err(self.refuse(at, &why));
        }
        keys.rebind(scope, action, &given);
        Ok(())
    }

    fn key_list(&self, value: &Value) -> Result<Vec<Key>> {
        match value.get_ref() {
            DeValue::Array(keys) => keys.iter().map(|key| self.key(key)).collect(),
            _ => Ok(vec![self.key(value)?]),
        }
    }

    fn key(&self, value: &Value) -> Result<Key> {
        let named = value.get_ref().as_str();
        named.and_then(Key::of_name).ok_or_else(|| {
            let what = named.map_or_else(|| "this".into(), |name| format!("{name:?}"));
            let why = format!(
                "{what} is no key: a character, space, up, down, left, right, shift-up, shift-down, pgup, pgdn, home, end, \
                 tab, shift-tab, enter, esc, backspace, f1 to f12, or ctrl- and a letter other than c, h, i, j and m"
            );
            self.refuse(value.span().start, &why)
        })
    }

    /// Refuses two meanings of one key, at the place of one that was set.
    fn check(&self, set: &[(&str, usize)], keys: &Bindings) -> Result<()> {
        let Some((key, one, other, scope)) = keys.clash() else {
            return Ok(());
        };
        let why = format!(
            "keys: {:?} would mean {} and {} ({}) at one moment; give one of them another key",
            key.name(),
            one.name(),
            other.name(),
            scope.key()
        );
        let names = [one.name(), other.name()];
        let at = set
            .iter()
            .rfind(|(name, _)| names.iter().any(|n| n == name));
        Err(self.refuse(at.map_or(0, |(_, at)| *at), &why))
    }
}

#[cfg(test)]
mod tests;
