//! What a user sets once for all: colours, characters, the mouse, keys. A TOML file, and the environment over it.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::actions::{Bindings, Key, Scope};
use super::theme::{Marker, Palette, Theme};
use crate::recipe::suggestion;
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
    /// The mouse.
    pub mouse: Mouse,
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
                "mouse" => settings.mouse = reader.place(at, "mouse", mouse(value.get_ref()))?,
                "keys" => reader.keys(value, &mut settings.keys)?,
                other => return Err(reader.unknown(key.span().start, "setting", other, &SETTINGS)),
            }
        }
        Ok(settings)
    }
}

const SETTINGS: [&str; 4] = ["theme", "marker", "mouse", "keys"];

fn set(variable: Variable, name: &str) -> Option<String> {
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
mod tests {
    use super::*;
    use crate::ui::actions::{Action, Screen};
    use crate::ui::theme::Depth;

    fn parse(text: &str) -> Result<Settings> {
        Settings::parse(text, "config.toml")
    }

    fn refusal(text: &str) -> String {
        let error = parse(text).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn everything_can_be_set() {
        let settings = parse(
            "theme = 'light'\nmarker = 'ascii'\nmouse = 'auto'\n\
             [keys]\nstep = 'S'\nexport = ['W', 'ctrl-x']\n[keys.matrix]\npreview-lambdas = ['v', 'F5']\n",
        )
        .unwrap();
        assert_eq!(settings.palette, Some(Palette::Light));
        assert_eq!(settings.marker, Some(Marker::Ascii));
        assert_eq!(settings.mouse, Mouse::Auto);
        let matrix = Scope::On(Screen::Matrix);
        let mut rows = settings.keys.of_scope(matrix);
        let preview = rows.find(|r| r.binding.name == "preview").unwrap();
        assert_eq!(preview.all_keys(), "v F5 V");
        assert_eq!(settings.keys.of(Action::Export), "W");
        let nothing = parse("").unwrap();
        assert_eq!((nothing.palette, nothing.mouse), (None, Mouse::Off));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        for (text, sentence) in [
            (
                "\ntehme = 'dark'",
                "config.toml, line 2: no setting is called \"tehme\" (did you mean `theme`?); there are theme, marker, mouse, keys",
            ),
            (
                "theme = 'lihgt'",
                "config.toml, line 1: theme: \"lihgt\" is none of dark, light, high-contrast, colour-blind (did you mean `light`?)",
            ),
            (
                "mouse = 3",
                "config.toml, line 1: mouse: it is true, false or \"auto\", which is on outside tmux",
            ),
            (
                "[keys]\n\nquit = 'Q'\nstep = 'Ctrl-C'",
                "config.toml, line 4: \"Ctrl-C\" is no key: a character",
            ),
            ("keys = 3", "config.toml, line 1: keys is a table: [keys]"),
            (
                "[keys.matrix]\nnext-figrue = 'g'",
                "config.toml, line 2: no action is called \"next-figrue\" (did you mean `next-figure`?); there are branch, ",
            ),
            (
                "[keys.matirx]\nup = 'g'",
                "config.toml, line 1: no part of the program is called \"matirx\" (did you mean `matrix`?); there are ",
            ),
            (
                "[keys]\nstep = 'x'",
                "config.toml, line 2: keys: \"x\" would mean step and export (everywhere) at one moment",
            ),
            (
                "[keys.typing]\nconfirm = 'x'",
                "config.toml, line 2: confirm: 'x' is typed there",
            ),
            ("theme =", "config.toml, line 1: this is not TOML: "),
        ] {
            let said = refusal(text);
            assert!(said.starts_with(sentence), "{said}\nnot\n{sentence}");
            assert!(!said.contains('\n'), "{said}");
        }
    }

    /// What `pentimento keys` prints is a settings file that changes nothing.
    #[test]
    fn the_listing_is_a_settings_file() {
        let own = parse("[keys]\nup = ['i', 'up']\nquit = 'Q'\n").unwrap();
        let again = parse(&own.keys.listing()).unwrap();
        let all = |keys: &Bindings| {
            let rows = keys.rows().iter();
            rows.map(|r| format!("{:?} {}", r.binding.scope, r.all_keys()))
                .collect::<Vec<_>>()
        };
        assert_eq!(all(&again.keys), all(&own.keys));
        let defaults = Bindings::default();
        let same = parse(&defaults.listing()).unwrap();
        assert_eq!(all(&same.keys), all(&defaults));
    }

    fn variables<'a>(list: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = list.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn the_file_is_where_xdg_says_and_the_environment_is_the_last_word() {
        let path = |list: &[(&str, &str)]| {
            Settings::path(&variables(list)).map(|p| p.display().to_string())
        };
        assert_eq!(path(&[]), None);
        assert_eq!(
            path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "there")]).as_deref(),
            Some("/h/.config/pentimento/config.toml")
        );
        assert_eq!(
            path(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]).as_deref(),
            Some("/x/pentimento/config.toml")
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.toml");
        std::fs::write(&file, "theme = 'light'\nmarker = 'dots'\nmouse = 'auto'\n").unwrap();
        let list = [
            ("PENTIMENTO_CONFIG", file.to_str().unwrap()),
            ("PENTIMENTO_THEME", "high-contrast"),
            ("TERM", "xterm-256color"),
        ];
        let settings = Settings::read(&variables(&list)).unwrap();
        let theme = settings.theme(&variables(&list));
        assert_eq!((theme.palette, theme.painted), (Palette::Contrast, true));
        assert_eq!((theme.marker, theme.depth), (Marker::Dots, Depth::Indexed));
        assert!(settings.hears_mouse(&variables(&list)));
        assert!(!settings.hears_mouse(&variables(&[("TMUX", "/tmp/tmux")])));
        let missing = [("PENTIMENTO_CONFIG", "/no/such/file")];
        assert!(Settings::read(&variables(&missing)).is_err());
        let wrong = Settings::read(&variables(&[("PENTIMENTO_MARKER", "asci")])).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "PENTIMENTO_MARKER: \"asci\" is none of braille, dots, ascii (did you mean `ascii`?)"
        );
    }
}
