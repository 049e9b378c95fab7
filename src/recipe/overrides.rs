//! `--set key.path=value`: changes to a preset before it is typed.

use toml::{Table, Value};

use super::schema::{self, Fault, Field, Shape, join, unknown};
use super::{Recipe, document};
use crate::{Error, Result};

impl Recipe {
    /// This recipe with one `KEY=VALUE` as `--set` takes it. Keys and types are checked, values are not: a recipe that
    /// is impossible for the moment may become another, and [`Recipe::validate`] says what is wrong.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such key, or it holds something of another kind.
    pub fn with(&self, argument: &str) -> Result<Self> {
        let mut tree = Table::try_from(self)
            .map_err(|e| Error::input(format!("not to be written as TOML: {e}")))?;
        let fault = |fault: Fault| Error::input(fault.message);
        apply(schema::RECIPE, &mut tree, argument).map_err(fault)?;
        schema::check(schema::RECIPE, schema::RECIPE, "", &tree).map_err(fault)?;
        document::typed(tree)
    }
}

/// Applies one override and returns its key.
///
/// The value is TOML; what TOML cannot read is a string, and so is anything given to a key that holds one.
/// Numbers in the key index lists; the number after the last appends.
pub(super) fn apply(
    root: &'static [Field],
    tree: &mut Table,
    argument: &str,
) -> Result<String, Fault> {
    let Some((key, raw)) = argument.split_once('=') else {
        let message = format!("wants KEY=VALUE, as in lora.rank=4, not {argument:?}");
        return Err(Fault::new("", message));
    };
    let (key, raw) = (key.trim(), raw.trim());
    let segments: Vec<&str> = key.split('.').collect();
    set_in_table(root, root, tree, "", &segments, raw)?;
    for (one, other) in [("epochs", "steps"), ("steps", "epochs")] {
        if key == join("train", one)
            && let Some(Value::Table(train)) = tree.get_mut("train")
        {
            train.remove(other);
        }
    }
    Ok(key.to_string())
}

fn set_in_table(
    root: &'static [Field],
    fields: &'static [Field],
    table: &mut Table,
    path: &str,
    segments: &[&str],
    raw: &str,
) -> Result<(), Fault> {
    let [name, rest @ ..] = segments else {
        return Err(Fault::at(path, "is a table: name one of its keys"));
    };
    let field = fields
        .iter()
        .find(|f| f.name == *name)
        .ok_or_else(|| unknown(root, fields, path, name))?;
    let at = join(path, name);
    if rest.is_empty() {
        table.insert(field.name.into(), parse(field.shape, raw));
        return Ok(());
    }
    match field.shape {
        Shape::Table(fields) => {
            let inner = open_table(table, field.name, &at)?;
            set_in_table(root, fields, inner, &at, rest, raw)
        }
        Shape::Free => set_free(open_table(table, field.name, &at)?, &at, rest, raw),
        // The dots are a part of the name, as of a regex.
        Shape::Map(each) => {
            let inner = open_table(table, field.name, &at)?;
            inner.insert(rest.join("."), parse(*each, raw));
            Ok(())
        }
        Shape::Tables(_) | Shape::Budget | Shape::Texts | Shape::Reals(_) => {
            let list = table
                .entry(field.name)
                .or_insert_with(|| Value::Array(Vec::new()));
            set_in_list(root, field.shape, list, &at, rest, raw)
        }
        Shape::Text | Shape::Choice(_) | Shape::Whole | Shape::Real | Shape::Flag => {
            let message = format!("holds one value and no `{}`", rest.join("."));
            Err(Fault::at(at, message))
        }
    }
}

fn open_table<'t>(table: &'t mut Table, name: &str, path: &str) -> Result<&'t mut Table, Fault> {
    table
        .entry(name)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .ok_or_else(|| Fault::at(path, "is not a table"))
}

fn set_in_list(
    root: &'static [Field],
    shape: Shape,
    list: &mut Value,
    path: &str,
    segments: &[&str],
    raw: &str,
) -> Result<(), Fault> {
    let Value::Array(list) = list else {
        let message = "is one number for all tasks: give a list, as in [100, 200]";
        return Err(Fault::at(path, message));
    };
    let [index, rest @ ..] = segments else {
        return Err(Fault::at(path, "is a list"));
    };
    let i = index
        .parse::<usize>()
        .ok()
        .filter(|&i| i <= list.len())
        .ok_or_else(|| {
            let n = list.len();
            Fault::at(
                path,
                format_args!(
                    "is a list of {n}: `{}` must be a number from 0, where {n} appends",
                    index.escape_debug()
                ),
            )
        })?;
    let at = join(path, i);
    let value = match (shape, rest) {
        (Shape::Tables(fields), [_, ..]) => {
            if i == list.len() {
                list.push(Value::Table(Table::new()));
            }
            let inner = list[i]
                .as_table_mut()
                .ok_or_else(|| Fault::at(&at, "is not a table"))?;
            return set_in_table(root, fields, inner, &at, rest, raw);
        }
        (_, [_, ..]) => return Err(Fault::at(at, "holds one value")),
        (Shape::Texts, []) => parse(Shape::Text, raw),
        (_, []) => parse(Shape::Free, raw),
    };
    if i == list.len() {
        list.push(value);
    } else {
        list[i] = value;
    }
    Ok(())
}

fn set_free(table: &mut Table, path: &str, segments: &[&str], raw: &str) -> Result<(), Fault> {
    match segments {
        [] => Ok(()),
        [name] => {
            table.insert((*name).into(), parse(Shape::Free, raw));
            Ok(())
        }
        [name, rest @ ..] => {
            let at = join(path, name);
            set_free(open_table(table, name, &at)?, &at, rest, raw)
        }
    }
}

fn parse(shape: Shape, raw: &str) -> Value {
    let value = raw
        .parse::<Value>()
        .unwrap_or_else(|_| Value::String(raw.into()));
    match (shape, value) {
        (Shape::Text | Shape::Choice(_), value) if !value.is_str() => Value::String(raw.into()),
        // One name needs no brackets.
        (Shape::Texts, Value::String(one)) => Value::Array(vec![Value::String(one)]),
        (_, value) => value,
    }
}
