//! In which keys two recipes differ.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Recipe;

/// A key that two recipes have different values for, as overrides would write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `lora.rank`, `task.0.epochs`
    pub key: String,
    /// The first one's value; `None` where it has none.
    pub this: Option<String>,
    /// The other's.
    pub that: Option<String>,
}

impl Recipe {
    /// The keys in which another recipe is not this one, in order of their names; name and description are not looked
    /// at.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (this, that) = (self.flat(), other.flat());
        let mut keys: Vec<&String> = this.keys().chain(that.keys()).collect();
        keys.sort();
        keys.dedup();
        let differ = keys
            .into_iter()
            .filter(|key| this.get(*key) != that.get(*key));
        differ
            .map(|key| Difference {
                key: key.clone(),
                this: this.get(key).map(Value::to_string),
                that: that.get(key).map(Value::to_string),
            })
            .collect()
    }

    /// Every key but name and description with its value; a list of tables is no value, its tables' keys are named by their
    /// places in it.
    pub(crate) fn flat(&self) -> BTreeMap<String, Value> {
        let mut keys = BTreeMap::new();
        if let Ok(tree) = Table::try_from(self) {
            flatten("", &Value::Table(tree), &mut keys);
        }
        keys.remove("name");
        keys.remove("description");
        keys
    }
}

fn flatten(path: &str, value: &Value, keys: &mut BTreeMap<String, Value>) {
    let below = |key: &str| match path {
        "" => key.to_owned(),
        _ => format!("{path}.{key}"),
    };
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(&below(key), value, keys);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (i, value) in items.iter().enumerate() {
                flatten(&below(&i.to_string()), value, keys);
            }
        }
        other => {
            keys.insert(path.to_owned(), other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_are_named_with_both_values() {
        let this = Recipe::load("demo", &[]).unwrap();
        assert_eq!(this.differences(&this), []);
        let mut that = this.with("lora.rank=2").unwrap().with("seed=3").unwrap();
        that.name = "another".into();
        that.tasks.pop();
        let found = this.differences(&that);
        let of = |key: &str| found.iter().find(|d| d.key == key).cloned();
        let rank = of("lora.rank").unwrap();
        assert_eq!(rank.that.as_deref(), Some("2"));
        assert_ne!(rank.this, rank.that);
        assert_eq!(of("seed").unwrap().this.as_deref(), Some("0"));
        let last = format!("task.{}.id", this.tasks.len() - 1);
        assert_eq!(of(&last).unwrap().that, None);
        assert!(of("name").is_none() && of("task.0.id").is_none());
    }
}
