//! From TOML text and overrides to a checked tree, with the place of each key for the error sentences.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Table;
use toml::de::{DeTable, DeValue};

use super::overrides;
use super::schema::{self, Fault, Field, join};
use crate::{Error, Result};

/// A parsed, overridden and checked preset.
pub(super) struct Document {
    tree: Table,
    origin: String,
    lines: BTreeMap<String, usize>,
    overridden: Vec<String>,
}

impl Document {
    /// Parses `text`, puts it through `inherit` with its origin, applies the overrides in order, and checks keys and
    /// types.
    pub fn new(
        fields: &'static [Field],
        text: &str,
        origin: &str,
        inherit: fn(Table, &str) -> Result<Table>,
        overrides: &[String],
    ) -> Result<Self> {
        let unreadable = |e: toml::de::Error| {
            let line = e.span().map(|s| line_of(text, s.start));
            let place = line.map_or(String::new(), |n| format!(", line {n}"));
            // toml says by its own types what no preset can hold.
            let large = ["as i128", "value was too large"];
            if large.iter().any(|part| e.message().contains(part)) {
                let most = i64::MAX;
                return Error::input(format!(
                    "{origin}{place}: a whole number is too large: the largest is {most}"
                ));
            }
            Error::input(format!(
                "{origin}{place}: this is not TOML: {}",
                e.message()
            ))
        };
        let spanned = DeTable::parse(text).map_err(unreadable)?;
        let mut lines = BTreeMap::new();
        locate(text, spanned.get_ref(), "", &mut lines);
        let mut document = Self {
            tree: inherit(text.parse::<Table>().map_err(unreadable)?, origin)?,
            origin: origin.into(),
            lines,
            overridden: Vec::new(),
        };
        for argument in overrides {
            let key = overrides::apply(fields, &mut document.tree, argument)
                .map_err(|f| Error::input(format!("--set {argument}: {}", f.message)))?;
            document.overridden.push(key);
        }
        schema::check(fields, fields, "", &document.tree).map_err(|f| document.error(&f))?;
        Ok(document)
    }

    /// The typed content.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T> {
        typed(self.tree.clone()).map_err(|e| Error::input(format!("{}: {e}", self.origin)))
    }

    /// A sentence that begins with where the key was set.
    pub fn error(&self, fault: &Fault) -> Error {
        Error::input(format!("{}: {}", self.place(&fault.path), fault.message))
    }

    fn place(&self, path: &str) -> String {
        let below = |key: &str| {
            path.strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if let Some(key) = self.overridden.iter().rev().find(|key| below(key)) {
            return format!("--set {key}");
        }
        let line = self
            .lines
            .iter()
            .filter(|(key, _)| below(key))
            .max_by_key(|(key, _)| key.len());
        match line {
            Some((_, line)) => format!("{}, line {line}", self.origin),
            None => self.origin.clone(),
        }
    }
}

/// The typed content of a checked tree.
pub(super) fn typed<T: DeserializeOwned>(tree: Table) -> Result<T> {
    tree.try_into()
        .map_err(|e: toml::de::Error| Error::input(e.message()))
}

/// The bytes that a preset may have.
const LARGEST: u64 = 1 << 20;

/// The text of a file, as a preset. A pipe will do.
pub(super) fn read_file(path: &Path) -> Result<String> {
    let shown = path.display();
    let bytes = crate::files::read_at_most(path, LARGEST)
        .map_err(|e| Error::input(format!("{shown} cannot be read ({e}): give another preset")))?
        .ok_or_else(|| Error::input(format!("{shown} is larger than 1 MiB, so no preset")))?;
    String::from_utf8(bytes).map_err(|_| {
        Error::input(format!(
            "{} is not UTF-8 text, so no preset",
            path.display()
        ))
    })
}

fn locate(text: &str, table: &DeTable<'_>, path: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let at = join(path, key.get_ref());
        lines.insert(at.clone(), line_of(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => locate(text, inner, &at, lines),
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    let at = join(&at, i);
                    lines.insert(at.clone(), line_of(text, item.span().start));
                    if let DeValue::Table(inner) = item.get_ref() {
                        locate(text, inner, &at, lines);
                    }
                }
            }
            _ => {}
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&b| b == b'\n').count()
}
