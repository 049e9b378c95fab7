//! Groups of classes that are given with the data: by a CSV file, or by another column of labels.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use serde::Deserialize;

use super::Class;
use super::listing::{self, Request};
use crate::recipe::GroupSource;
use crate::{Error, Result, files};

/// Classes that a sentence lists.
const NAMED: usize = 10;

/// A line of a CSV file. Columns beside these two are left alone.
#[derive(Deserialize)]
struct Line {
    class: String,
    group: String,
}

/// Puts classes, which are those of `request` in label order, into the groups of `source`, and none into any other. The
/// error goes behind the name of the key.
///
/// # Errors
/// As [`read`]; [`Error::Input`] where a file names a class that is not there, a class has images of two groups, or there
/// is no such column.
pub(super) fn assign(
    classes: &mut [Class],
    source: &GroupSource,
    request: Option<&Request>,
) -> Result<()> {
    match source {
        GroupSource::File(file) => {
            let groups = read(file)?;
            let unknown = groups
                .keys()
                .find(|&n| classes.iter().all(|c| c.name != *n));
            if let Some(name) = unknown {
                let some: Vec<&str> = classes.iter().map(|c| c.name.as_str()).collect();
                let more = if some.len() > NAMED { ", …" } else { "" };
                return Err(Error::input(format!(
                    "{} names {name:?}, which is no class of the data: its classes are {}{more}",
                    file.display(),
                    some[..some.len().min(NAMED)].join(", ")
                )));
            }
            for class in classes {
                class.group = groups.get(&class.name).cloned().unwrap_or_default();
            }
        }
        GroupSource::Column(column) => {
            let request = request.ok_or_else(|| Error::internal("a column of bundled data"))?;
            let groups = listing::groups(request, column)?;
            for (class, group) in classes.iter_mut().zip(groups) {
                check_name("group", &group)
                    .map_err(|why| Error::input(format!("the column {column}: {why}")))?;
                class.group = group;
            }
        }
    }
    Ok(())
}

/// The group of each class by a CSV file with the columns `class` and `group`. Space around a name is no part of it.
///
/// # Errors
/// [`Error::Input`] where there is no such file, it is no CSV file with these columns, a class stands in it twice or
/// without a group, or a name has control characters.
pub(super) fn read(file: &Path) -> Result<BTreeMap<String, String>> {
    let shown = file.display();
    let unsound = |e: csv::Error| {
        Error::input(format!(
            "{shown} is no sound CSV file ({e}): write a line class,group and below it one for each class"
        ))
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(files::open(file)?);
    let head = reader.headers().map_err(unsound)?.clone();
    let lacks = |column: &&&str| head.iter().all(|name| name != **column);
    if let Some(column) = ["class", "group"].iter().find(lacks) {
        return Err(Error::input(format!(
            "{shown} has no column {column}: its first line must be class,group"
        )));
    }
    let mut groups = BTreeMap::new();
    for line in reader.deserialize() {
        let Line { class, group } = line.map_err(unsound)?;
        for (what, name) in [("class", &class), ("group", &group)] {
            check_name(what, name).map_err(|why| Error::input(format!("{shown}: {why}")))?;
        }
        if group.is_empty() {
            return Err(Error::input(format!(
                "{shown} has no group for {class:?}: write one, or leave its line out for a class in no group"
            )));
        }
        match groups.entry(class) {
            Entry::Vacant(free) => free.insert(group),
            Entry::Occupied(taken) => {
                return Err(Error::input(format!(
                    "{shown} names the class {:?} twice: keep one of its lines",
                    taken.key()
                )));
            }
        };
    }
    Ok(groups)
}

/// Puts the key before what is wrong with the groups of a recipe's table.
pub(super) fn at(table: &str) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::Input(why) => Error::input(format!("`{table}.groups`: {why}")),
        other => other,
    }
}

/// Refuses a name that a terminal could act upon.
fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.chars().any(char::is_control) {
        return Err(format!(
            "the {what} {name:?} has control characters in its name: take them out"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{dataset, features, opened, parquet, png, refusal, write};

    fn groups(classes: &[Class]) -> Vec<&str> {
        classes.iter().map(|c| c.group.as_str()).collect()
    }

    /// A picture of each class in each split.
    fn folder(classes: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for class in classes {
            for split in ["train", "test"] {
                write(dir.path().join(split).join(class).join("0.png"), &png(1));
            }
        }
        dir
    }

    #[test]
    fn a_file_puts_classes_into_groups() {
        let dir = folder(&["apple", "car", "oak, red", "pear"]);
        let file = dir.path().join("groups.csv");
        let key = format!("groups=file:{}", file.display());
        // As a spreadsheet writes it, with a column of its own.
        let text = "\u{feff}group,note,class\r\nfruit,\"a, b\",apple\r\nfruit,,pear\r\ntree, ,\"oak, red\"\r\n";
        write(file, text.as_bytes());
        let data = dataset("folder", dir.path(), &[&key]);
        assert_eq!(groups(&data.classes), ["fruit", "", "tree", "fruit"]);
        let some = dataset("folder", dir.path(), &[&key, "classes=[\"pear\", \"car\"]"]);
        assert_eq!(groups(&some.classes), ["fruit", ""]);
        let none = dataset("folder", dir.path(), &[]);
        assert_eq!(groups(&none.classes), [""; 4]);
    }

    #[test]
    fn a_file_that_does_not_fit_is_refused() {
        let dir = folder(&["apple", "pear"]);
        let file = dir.path().join("groups.csv");
        let key = format!("groups=file:{}", file.display());
        let check = |want: &str| {
            let text = refusal("folder", dir.path(), &[&key]);
            assert!(text.contains(&file.display().to_string()), "{text}");
            assert!(
                text.starts_with("`task.4.groups`: ") && text.contains(want),
                "{text}"
            );
        };
        check("cannot be read");
        for (text, want) in [
            (
                "",
                "has no column class: its first line must be class,group",
            ),
            ("class;group\napple;fruit\n", "has no column class"),
            ("class,kind\napple,fruit\n", "has no column group"),
            (
                "class,group\napple,fruit,red\n",
                "is no sound CSV file (CSV error: record 1 (line: 2",
            ),
            ("class,group\napple\n", "is no sound CSV file"),
            ("class,group,group\napple,fruit,x\n", "is no sound CSV file"),
            (
                "class,group\nplum,fruit\n",
                "names \"plum\", which is no class of the data: its classes are apple, pear",
            ),
            ("class,group\n,fruit\n", "names \"\", which is no class"),
            (
                "class,group\napple,fruit\napple,fruit\n",
                "names the class \"apple\" twice: keep one of its lines",
            ),
            (
                "class,group\napple,\n",
                "has no group for \"apple\": write one, or leave its line out",
            ),
            (
                "class,group\napple,fr\u{1b}[2Juit\n",
                "the group \"fr\\u{1b}[2Juit\" has control characters in its name",
            ),
            (
                "class,group\nap\u{9b}ple,fruit\n",
                "the class \"ap\\u{9b}ple\" has control characters",
            ),
        ] {
            write(file.clone(), text.as_bytes());
            check(want);
        }
        write(file.clone(), b"class,group\napple,fr\xffuit\n");
        check("is no sound CSV file");
    }

    /// Four classes, of which the column `coarse` makes two groups.
    #[test]
    fn a_column_puts_classes_into_the_groups_of_their_images() {
        let dir = tempfile::tempdir().unwrap();
        let rows: Vec<_> = (0..8).map(|c| (Some(png(c)), i64::from(c % 4))).collect();
        let metadata = features(&["a", "b", "c", "d"]);
        for split in ["train", "test"] {
            let path = dir.path().join(format!("{split}.parquet"));
            parquet(path, &rows, Some(&metadata));
        }
        let coarse = dataset("parquet", dir.path(), &["groups=column:coarse"]);
        assert_eq!(groups(&coarse.classes), ["low", "low", "high", "high"]);
        // Texts, and numbers that nothing names, are groups, too.
        let word = dataset("parquet", dir.path(), &["groups=column:word"]);
        assert_eq!(groups(&word.classes), ["w9", "w8", "w7", "w6"]);
        let check = |overrides: &[&str], want: &str| {
            let text = refusal("parquet", dir.path(), overrides);
            assert!(
                text.starts_with("`task.4.groups`: ") && text.contains(want),
                "{text}"
            );
        };
        check(
            &["label_column=coarse", "groups=column:word"],
            "the class \"low\" has images of two groups by the column word, \"w9\" and in",
        );
        check(
            &["groups=column:fine"],
            "has no column fine: it has image, label, word, coarse",
        );
        check(
            &["groups=column:image"],
            "holds its pictures: name one of labels",
        );
        parquet(
            dir.path().join("train.parquet"),
            &[(Some(png(0)), 0), (Some(png(1)), 5)],
            Some(&features(&["a", "b", "c", "d", "e", "f"])),
        );
        parquet(
            dir.path().join("test.parquet"),
            &[(Some(png(0)), 0), (Some(png(1)), 5)],
            Some(&features(&["a", "b", "c", "d", "e", "f"])),
        );
        check(
            &["groups=column:coarse"],
            "row 1 has the label 2, which is none of its 2 groups",
        );
        let named = metadata.replace("low", "l\\u001bw");
        for split in ["train", "test"] {
            let path = dir.path().join(format!("{split}.parquet"));
            parquet(path, &rows, Some(&named));
        }
        check(
            &["groups=column:coarse"],
            "the column coarse: the group \"l\\u{1b}w\" has control characters",
        );
    }

    #[test]
    fn tables_with_other_groups_share_the_pictures_of_their_source() {
        let dir = folder(&["apple", "pear"]);
        let file = dir.path().join("groups.csv");
        write(file.clone(), b"class,group\npear,fruit\n");
        let source = format!("task.3.data=folder:{}", dir.path().display());
        let groups_of_one = format!("task.3.groups=file:{}", file.display());
        let mut all: Vec<String> = vec![source, groups_of_one];
        all.push(format!("task.4.data=folder:{}", dir.path().display()));
        let recipe = crate::recipe::Recipe::load("demo", &all).unwrap();
        let tasks = crate::data::open(&recipe, None, &mut crate::progress::Nobody)
            .unwrap()
            .tasks;
        assert_eq!(groups(&tasks[3].classes), ["", "fruit"]);
        assert_eq!(groups(&tasks[4].classes), ["", ""]);
        assert_eq!(tasks[3].sha256(), tasks[4].sha256());
        assert!(opened("folder", dir.path(), &[]).is_ok());
    }
}
