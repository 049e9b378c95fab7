//! Rows of parquet files.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

use crate::data::encoded::{Budget, Pictures, stamp};
use crate::recipe::DataOptions;
use crate::{Error, Result};

/// Row groups that are kept when a split does not fit in memory; evaluation goes through them in order.
const GROUPS_KEPT: usize = 3;

/// An open file.
pub(super) struct Shard {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

/// Which columns hold what.
pub(super) struct Columns {
    image: String,
    label: String,
    /// In label order, where the metadata tells.
    pub classes: Option<Vec<String>>,
}

/// Labels of rows as files have them.
#[derive(Default)]
pub(super) struct Labels {
    numbers: Vec<i64>,
    texts: Vec<String>,
}

impl Shard {
    pub fn open(path: &Path) -> Result<Self> {
        let file = crate::files::open(path)?;
        let reader = SerializedFileReader::new(file).map_err(|e| damaged(path, &e))?;
        Ok(Self {
            path: path.to_path_buf(),
            reader,
        })
    }

    /// The position of a leaf column; of a picture the bytes within its struct.
    fn leaf(&self, column: &str) -> Option<usize> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        schema.columns().iter().position(|leaf| {
            let parts = leaf.path().parts();
            let (name, rest) = (parts.first(), parts.get(1).map(String::as_str));
            name.is_some_and(|n| n == column) && matches!(rest, None | Some("bytes"))
        })
    }

    /// Names of the columns.
    fn names(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema();
        schema
            .get_fields()
            .iter()
            .map(|f| f.name().to_owned())
            .collect()
    }

    /// What the `datasets` library says of a column.
    fn features(&self) -> serde_json::Map<String, Value> {
        let metadata = self.reader.metadata().file_metadata().key_value_metadata();
        let text = metadata.and_then(|pairs| {
            let pair = pairs.iter().find(|pair| pair.key == "huggingface")?;
            pair.value.as_deref()
        });
        let json: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
        let features =
            json.and_then(|json| json.get("info")?.get("features")?.as_object().cloned());
        features.unwrap_or_default()
    }

    /// Rows of each row group.
    fn groups(&self) -> impl Iterator<Item = usize> {
        let groups = self.reader.metadata().row_groups().iter();
        groups.map(|group| usize::try_from(group.num_rows()).unwrap_or(0))
    }

    /// Appends the labels of every row.
    pub fn labels(&self, columns: &Columns, into: &mut Labels) -> Result<()> {
        let leaf = self.required(&columns.label)?;
        for group in 0..self.reader.num_row_groups() {
            let nothing = |row: usize| {
                Error::input(format!(
                    "{}: row {row} of row group {group} has no label in {}",
                    self.path.display(),
                    columns.label
                ))
            };
            let mut put = |values: Vec<Option<Label>>| -> Result<()> {
                for (row, value) in values.into_iter().enumerate() {
                    match value.ok_or_else(|| nothing(row))? {
                        Label::Number(n) => into.numbers.push(n),
                        Label::Text(text) => into.texts.push(text),
                    }
                }
                Ok(())
            };
            let rows = self.groups().nth(group).unwrap_or(0);
            match self.column(group, leaf)? {
                ColumnReader::Int64ColumnReader(r) => {
                    put(self.values(r, rows, |&n| Label::Number(n))?)?;
                }
                ColumnReader::Int32ColumnReader(r) => {
                    put(self.values(r, rows, |&n| Label::Number(n.into()))?)?;
                }
                ColumnReader::ByteArrayColumnReader(r) => {
                    let text = |b: &parquet::data_type::ByteArray| {
                        Label::Text(String::from_utf8_lossy(b.data()).into_owned())
                    };
                    put(self.values(r, rows, text)?)?;
                }
                _ => {
                    return Err(Error::input(format!(
                        "{}: the column {} holds neither whole numbers nor text, so no labels",
                        self.path.display(),
                        columns.label
                    )));
                }
            }
        }
        Ok(())
    }

    /// The encoded pictures of a row group.
    fn pictures(&self, columns: &Columns, group: usize) -> Result<Read> {
        let leaf = self.required(&columns.image)?;
        let rows = self.groups().nth(group).unwrap_or(0);
        match self.column(group, leaf)? {
            ColumnReader::ByteArrayColumnReader(r) => {
                self.values(r, rows, |b| Bytes::copy_from_slice(b.data()))
            }
            _ => Err(Error::input(format!(
                "{}: the column {} holds no encoded pictures",
                self.path.display(),
                columns.image
            ))),
        }
    }

    fn required(&self, column: &str) -> Result<usize> {
        self.leaf(column).ok_or_else(|| {
            Error::input(format!(
                "{} has no column {column}: it has {}",
                self.path.display(),
                self.names().join(", ")
            ))
        })
    }

    fn column(&self, group: usize, leaf: usize) -> Result<ColumnReader> {
        let group = self.reader.get_row_group(group);
        let reader = group.and_then(|group| group.get_column_reader(leaf));
        reader.map_err(|e| damaged(&self.path, &e))
    }

    /// Every value of a column of a row group; none where a row has none.
    fn values<T: DataType, V>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        rows: usize,
        of: impl Fn(&T::T) -> V,
    ) -> Result<Vec<Option<V>>> {
        let (mut values, mut levels, mut records) = (Vec::new(), Vec::new(), 0);
        while records < rows {
            let (read, _, _) = reader
                .read_records(rows - records, Some(&mut levels), None, &mut values)
                .map_err(|e| damaged(&self.path, &e))?;
            if read == 0 {
                break;
            }
            records += read;
        }
        let most = levels.iter().copied().max().unwrap_or(0);
        let all = values.len() == rows;
        let mut values = values.iter().map(&of);
        let result: Vec<Option<V>> = if all {
            values.map(Some).collect()
        } else {
            let present = levels.iter().map(|&level| level == most);
            present
                .map(|here| if here { values.next() } else { None })
                .collect()
        };
        if result.len() != rows {
            let found = result.len();
            return Err(damaged(
                &self.path,
                &format!("a row group has {found} of {rows} rows"),
            ));
        }
        Ok(result)
    }
}

enum Label {
    Number(i64),
    Text(String),
}

impl Columns {
    /// The columns that the options name, or those that are the only ones of their kind.
    pub fn find(shard: &Shard, options: &DataOptions) -> Result<Self> {
        let features = shard.features();
        let path = shard.path.display();
        let of_kind = |kind: &str| -> Vec<String> {
            let is = |feature: &Value| feature.get("_type").and_then(Value::as_str) == Some(kind);
            let found = features.iter().filter(|(_, feature)| is(feature));
            found.map(|(name, _)| name.clone()).collect()
        };
        let choose = |key: &str, asked: &Option<String>, mut found: Vec<String>, usual: &[&str]| {
            if let Some(asked) = asked {
                return Ok(asked.clone());
            }
            let names = shard.names();
            if found.is_empty() {
                let there = usual.iter().filter(|name| names.iter().any(|n| n == *name));
                found = there.map(|&name| name.to_owned()).take(1).collect();
            }
            if found.len() > 1
                && let Some(name) = usual.iter().find(|name| found.iter().any(|f| f == *name))
            {
                return Ok((*name).to_owned());
            }
            match found.as_slice() {
                [one] => Ok(one.clone()),
                [] => Err(Error::input(format!(
                    "{path} does not say which column it is: name it with `{key}`, of {}",
                    names.join(", ")
                ))),
                several => Err(Error::input(format!(
                    "{path} has several columns that it could be: choose one with `{key}`, of {}",
                    several.join(", ")
                ))),
            }
        };
        let image = choose(
            "image_column",
            &options.image_column,
            of_kind("Image"),
            &["image", "img"],
        )?;
        let label = choose(
            "label_column",
            &options.label_column,
            of_kind("ClassLabel"),
            &["label", "labels"],
        )?;
        let classes = names_of(&features, &label);
        Ok(Self {
            image,
            label,
            classes,
        })
    }

    /// Whether this is the column of the pictures.
    pub fn holds_pictures(&self, column: &str) -> bool {
        self.image == column
    }

    /// The same with another column of labels, whose classes are what `shard` says.
    pub fn labelled_by(&self, label: &str, shard: &Shard) -> Self {
        Self {
            image: self.image.clone(),
            label: label.to_owned(),
            classes: names_of(&shard.features(), label),
        }
    }

    /// Names of the classes, by the metadata or else by all labels.
    pub fn names(&self, seen: &[&Labels]) -> Vec<String> {
        let told = self.classes.clone();
        told.unwrap_or_else(|| class_names(seen))
    }

    /// Refuses a file that has not the same columns and classes.
    pub fn check(&self, shard: &Shard) -> Result<()> {
        for column in [&self.image, &self.label] {
            let leaf = shard.required(column)?;
            let schema = shard.reader.metadata().file_metadata().schema_descr();
            if schema.column(leaf).max_rep_level() > 0 {
                return Err(Error::input(format!(
                    "{}: the column {column} holds lists, one row has one picture and one label",
                    shard.path.display()
                )));
            }
        }
        let leaf = shard.required(&self.image)?;
        let schema = shard.reader.metadata().file_metadata().schema_descr();
        if schema.column(leaf).physical_type() != Type::BYTE_ARRAY {
            return Err(Error::input(format!(
                "{}: the column {} holds no encoded pictures",
                shard.path.display(),
                self.image
            )));
        }
        if names_of(&shard.features(), &self.label) != self.classes {
            return Err(Error::input(format!(
                "{} names other classes than the files beside it: fetch them again, all of one version",
                shard.path.display()
            )));
        }
        Ok(())
    }
}

fn names_of(features: &serde_json::Map<String, Value>, label: &str) -> Option<Vec<String>> {
    let names = features.get(label)?.get("names")?.as_array()?;
    names
        .iter()
        .map(|n| n.as_str().map(str::to_owned))
        .collect()
}

/// Names of classes that no metadata tells: the numbers up to the largest, or the texts in byte order.
fn class_names(splits: &[&Labels]) -> Vec<String> {
    let most = splits.iter().flat_map(|l| &l.numbers).max();
    let texts: BTreeSet<&String> = splits.iter().flat_map(|l| &l.texts).collect();
    match most {
        Some(&most) => (0..=most.clamp(-1, i64::from(u16::MAX)))
            .map(|n| n.to_string())
            .collect(),
        None => texts.into_iter().cloned().collect(),
    }
}

impl Labels {
    /// Indices of classes, or of what else `kind` says they are; `place` says where a row is.
    pub fn numbers(
        self,
        classes: &[String],
        kind: &str,
        place: impl Fn(usize) -> String,
    ) -> Result<Vec<u32>> {
        let unknown = |row: usize, label: &dyn std::fmt::Display| {
            Error::input(format!(
                "{} has the label {label}, which is none of its {} {kind}{}",
                place(row),
                classes.len(),
                if label.to_string() == "-1" {
                    ": the split has no labels"
                } else {
                    ""
                }
            ))
        };
        if self.texts.is_empty() {
            let number = |(row, n): (usize, i64)| {
                let known = usize::try_from(n).ok().filter(|&n| n < classes.len());
                let known = known.and_then(|n| u32::try_from(n).ok());
                known.ok_or_else(|| unknown(row, &n))
            };
            return self.numbers.into_iter().enumerate().map(number).collect();
        }
        let text = |(row, text): (usize, String)| {
            let found = classes.iter().position(|class| *class == text);
            let found = found.and_then(|n| u32::try_from(n).ok());
            found.ok_or_else(|| unknown(row, &text.escape_debug()))
        };
        self.texts.into_iter().enumerate().map(text).collect()
    }
}

/// Pictures of a split, read a row group at a time.
pub(super) struct Rows {
    shards: Vec<Shard>,
    columns: Columns,
    groups: Vec<Group>,
    rows: usize,
    /// Row groups that are kept: all if the split fits in memory.
    keep: usize,
    kept: Mutex<VecDeque<(usize, Arc<Read>)>>,
}

/// The pictures of a row group.
type Read = Vec<Option<Bytes>>;

struct Group {
    shard: usize,
    /// Within its file.
    group: usize,
    /// Its first row, within the split and within its file.
    first: usize,
    first_in_file: usize,
}

impl Rows {
    pub fn new(shards: Vec<Shard>, columns: &Columns, budget: &Arc<Budget>) -> Result<Self> {
        let (mut groups, mut rows, mut bytes) = (Vec::new(), 0, 0_usize);
        for (index, shard) in shards.iter().enumerate() {
            let leaf = shard.required(&columns.image)?;
            let mut first_in_file = 0;
            for (group, n) in shard.groups().enumerate() {
                groups.push(Group {
                    shard: index,
                    group,
                    first: rows,
                    first_in_file,
                });
                rows += n;
                first_in_file += n;
                let column = shard.reader.metadata().row_group(group).column(leaf);
                bytes += usize::try_from(column.uncompressed_size()).unwrap_or(0);
            }
        }
        let keep = if budget.take(bytes) {
            groups.len()
        } else {
            GROUPS_KEPT
        };
        Ok(Self {
            columns: Columns {
                image: columns.image.clone(),
                label: columns.label.clone(),
                classes: None,
            },
            shards,
            groups,
            rows,
            keep,
            kept: Mutex::new(VecDeque::new()),
        })
    }

    /// What a user finds a row by.
    pub fn place(&self, row: usize) -> String {
        match self.group(row) {
            Some((_, group)) => format!(
                "{} row {}",
                self.shards[group.shard].path.display(),
                row - group.first + group.first_in_file
            ),
            None => format!("row {row}"),
        }
    }

    fn group(&self, row: usize) -> Option<(usize, &Group)> {
        let index = self
            .groups
            .partition_point(|g| g.first <= row)
            .checked_sub(1)?;
        Some((index, &self.groups[index]))
    }
}

impl Pictures for Rows {
    fn len(&self) -> usize {
        self.rows
    }

    fn bytes(&self, row: usize) -> Result<Bytes, String> {
        let (index, group) = self.group(row).ok_or("there is no such row")?;
        // Whoever else wants a group of this split most likely wants the same, so it waits.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = match kept.iter().find(|(of, _)| *of == index) {
            Some((_, rows)) => Arc::clone(rows),
            None => {
                let shard = &self.shards[group.shard];
                let rows = shard.pictures(&self.columns, group.group);
                let rows = Arc::new(rows.map_err(|e| e.to_string())?);
                kept.truncate(self.keep.saturating_sub(1));
                kept.push_front((index, Arc::clone(&rows)));
                rows
            }
        };
        drop(kept);
        let bytes = rows.get(row - group.first).cloned().flatten();
        bytes.ok_or_else(|| "the row holds no picture, perhaps only its path".into())
    }

    fn name(&self, row: usize) -> String {
        self.place(row)
    }

    fn stamp(&self) -> Option<String> {
        let files = stamp(self.shards.iter().map(|shard| shard.path.as_path()))?;
        Some(format!("{files} {} {}", self.columns.image, self.rows))
    }
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::input(format!(
        "{} is no sound parquet file: {why}",
        path.display()
    ))
}
