//! What a report says, before it is a page, Markdown or LaTeX.

use super::draw::Figure;

/// A part of a report, in order.
#[derive(Clone, Debug)]
pub enum Block {
    /// A heading of level 2 or 3, with a name that links can go to.
    Heading(u8, String, String),
    /// A paragraph.
    Text(String),
    /// Sentences, each on a line of its own.
    List(Vec<String>),
    /// The finding, that which is read first.
    Finding(Vec<String>),
    /// A figure.
    Figure(Figure),
    /// A table.
    Table(Table),
    /// Names, and what each means.
    Terms(Vec<(String, String)>),
}

/// A table for people.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in links: letters, digits and hyphens.
    pub name: String,
    pub caption: String,
    pub head: Vec<String>,
    /// The first columns that hold names.
    pub left: usize,
    /// `[rows][columns]`
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Without the columns that hold nothing.
    #[must_use]
    pub fn dense(mut self) -> Self {
        for column in (0..self.head.len()).rev() {
            if self.rows.iter().all(|row| row[column].is_empty()) {
                self.head.remove(column);
                self.rows
                    .iter_mut()
                    .for_each(|row| drop(row.remove(column)));
                self.left -= usize::from(column < self.left);
            }
        }
        self
    }
}

/// A report.
#[derive(Clone, Debug)]
pub struct Document {
    pub title: String,
    /// A line under the title.
    pub subtitle: String,
    pub blocks: Vec<Block>,
}

impl Document {
    /// Its figures in order.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            _ => None,
        })
    }

    /// Its tables in order.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Table(table) => Some(table),
            _ => None,
        })
    }
}
