//! A table before it is CSV, JSON or Markdown (LaTeX is in `latex.rs`).
//!
//! CSV and JSON hold every column with every digit, for programs. Markdown and LaTeX hold the columns that have a way to
//! be printed and anything in them, rounded, for people.

use serde_json::{Value, json};

use super::figures::Figures;
use super::{provenance, summary};
use crate::{Error, Result, files};

/// The version of the format of tables as JSON.
pub const TABLE_VERSION: u32 = 1;

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing was measured; a figure that is not finite is the same.
    Empty,
    Text(String),
    Count(u64),
    Number(f64),
    /// A figure that has no more digits than these.
    Single(f32),
}

impl Cell {
    /// A text, or nothing.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A count if there is one.
    pub fn count(count: Option<u32>) -> Self {
        count.map_or(Self::Empty, |n| Self::Count(n.into()))
    }

    /// The shortest text that is read back as the same; empty for what is not finite.
    pub fn exact(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(n) => n.to_string(),
            Self::Number(x) if x.is_finite() => x.to_string(),
            Self::Single(x) if x.is_finite() => x.to_string(),
            _ => String::new(),
        }
    }

    /// The figure, NaN where there is none.
    pub fn figure(&self) -> f64 {
        match self {
            Self::Count(n) => *n as f64,
            Self::Number(x) => *x,
            Self::Single(x) => f64::from(*x),
            Self::Empty | Self::Text(_) => f64::NAN,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Count(n) => json!(n),
            Self::Number(x) => json!(x),
            // By way of its text: the nearest f64 of 0.3_f32 has seventeen digits.
            Self::Single(_) => json!(self.exact().parse::<f64>().ok()),
            Self::Empty => Value::Null,
        }
    }
}

/// How a column is printed for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Not at all.
    Hidden,
    /// As it is.
    Plain,
    /// A fraction in percent, or a difference of two in points, one decimal.
    Percent,
    /// With so many decimals.
    Decimals(usize),
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name for programs.
    pub key: String,
    /// Its head for people.
    pub head: String,
    pub print: Print,
    /// The highest figure of the column is marked where it is printed.
    pub best: bool,
}

impl Column {
    /// A column whose key and head differ.
    pub fn new(key: impl Into<String>, head: impl Into<String>, print: Print) -> Self {
        Self {
            key: key.into(),
            head: head.into(),
            print,
            best: false,
        }
    }

    /// A column for programs alone.
    pub fn hidden(key: impl Into<String>) -> Self {
        Self::new(key, "", Print::Hidden)
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Its file's name without the ending.
    pub name: &'static str,
    /// What it shows, as it could stand over it.
    pub caption: String,
    pub columns: Vec<Column>,
    /// `[rows][columns]`.
    pub rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// CSV with the keys as its first line.
    ///
    /// # Errors
    /// [`Error::Internal`] if the writer of CSV refuses.
    pub fn csv(&self) -> Result<String> {
        let mut table = super::tables::Table::new();
        table.line(self.columns.iter().map(|c| c.key.clone()))?;
        for row in &self.rows {
            table.line(row.iter().map(Cell::exact))?;
        }
        table.finish()
    }

    /// JSON: what it was made from, `columns` with their keys, and `data`, a list for each row; pandas reads the two as
    /// `DataFrame(data, columns=columns)`.
    ///
    /// # Errors
    /// [`Error::Internal`] if it cannot be written.
    pub fn json(&self, figures: &Figures) -> Result<String> {
        let recipe = &figures.started.recipe;
        let keys: Vec<&str> = self.columns.iter().map(|c| c.key.as_str()).collect();
        let data: Vec<Vec<Value>> = self
            .rows
            .iter()
            .map(|r| r.iter().map(Cell::json).collect())
            .collect();
        let table = json!({
            "format": "pentimento table",
            "version": TABLE_VERSION,
            "table": self.name,
            "program": figures.started.version,
            "preset": recipe.name,
            "recipe_hash": figures.started.recipe_hash,
            "seed": recipe.seed,
            "caption": self.caption,
            "columns": keys,
            "data": data,
        });
        let text = serde_json::to_string(&table).map_err(|e| {
            Error::internal(format!("{}.json could not be written: {e}", self.name))
        })?;
        Ok(files::plain_json(text) + "\n")
    }

    /// Markdown: the caption, the table, and what it was made from.
    pub fn markdown(&self, figures: &Figures) -> String {
        let columns = self.printed();
        let heads: Vec<String> = columns
            .iter()
            .map(|&c| summary::escape(&self.columns[c].head))
            .collect();
        let rows: Vec<Vec<String>> = (0..self.rows.len())
            .map(|row| {
                columns
                    .iter()
                    .map(|&c| summary::escape(&self.shown(row, c)))
                    .collect()
            })
            .collect();
        let left = columns.iter().take_while(|&&c| self.is_text(c)).count();
        format!(
            "{}\n\n{}\n{}.\n",
            summary::escape(&self.caption),
            summary::table(&heads, &rows, left),
            summary::escape(&provenance(figures)),
        )
    }

    /// The columns that are printed: those with a way to be, and anything in them.
    pub fn printed(&self) -> Vec<usize> {
        let printed = |c: &usize| {
            self.columns[*c].print != Print::Hidden
                && self.rows.iter().any(|r| !r[*c].exact().is_empty())
        };
        (0..self.columns.len()).filter(printed).collect()
    }

    /// A cell as it is printed, a hyphen for its minus sign.
    pub fn shown(&self, row: usize, column: usize) -> String {
        let cell = &self.rows[row][column];
        match (self.columns[column].print, cell) {
            (Print::Percent, Cell::Number(x)) => summary::percent(*x),
            (Print::Decimals(places), Cell::Number(x)) => summary::decimals(*x, places),
            (Print::Hidden, _) => String::new(),
            _ => cell.exact(),
        }
    }

    /// Whether a column holds names.
    pub fn is_text(&self, column: usize) -> bool {
        self.rows.iter().any(|r| matches!(r[column], Cell::Text(_)))
    }

    /// Whether this cell prints as the highest of its column, which has others to be compared with.
    pub fn is_best(&self, row: usize, column: usize) -> bool {
        let figures = || {
            self.rows
                .iter()
                .map(|r| r[column].figure())
                .filter(|x| x.is_finite())
        };
        let highest = figures().fold(f64::NEG_INFINITY, f64::max);
        self.columns[column].best
            && figures().count() > 1
            && self.rows[row][column].figure() == highest
    }
}
