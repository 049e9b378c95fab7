//! The Hugging Face hub's parquet files: a column of encoded pictures and a column of labels.
//!
//! Class names stand in the file's metadata under `huggingface`, as JSON: `info.features.COLUMN.names`.

use std::path::Path;
use std::sync::Arc;

use super::{Held, Listing, Request, Split};
use crate::data::encoded::Budget;
use crate::{Error, Result};

mod layout;
mod shards;

pub(super) use layout::{Place, place};
use shards::{Columns, Labels, Rows, Shard};

/// Characters of a group that a sentence shows: a column may hold whole texts.
const SHOWN: usize = 40;

/// Those of the files that are asked for, open.
struct Shards {
    test: Vec<Shard>,
    train: Option<Vec<Shard>>,
    columns: Columns,
}

pub(super) fn list(request: &Request, budget: &Arc<Budget>) -> Result<Listing> {
    let Shards {
        test,
        train,
        columns,
    } = open(request)?;
    let (test_rows, test_labels) = rows(test, &columns, budget)?;
    let train = train
        .map(|train| rows(train, &columns, budget))
        .transpose()?;
    let mut seen: Vec<&Labels> = vec![&test_labels];
    seen.extend(train.iter().map(|(_, labels)| labels));
    let classes = columns.names(&seen);
    let split = |(rows, labels): (Rows, Labels)| -> Result<Split> {
        let labels = labels.numbers(&classes, "classes", |row| rows.place(row))?;
        Ok(Split {
            held: Held::Encoded(Box::new(rows)),
            labels,
        })
    };
    Ok(Listing {
        train: train.map(split).transpose()?,
        test: split((test_rows, test_labels))?,
        classes,
    })
}

/// The group of each class, which is what `column` says of its images.
pub(super) fn groups(request: &Request, column: &str) -> Result<Vec<String>> {
    let Shards {
        test,
        train,
        columns,
    } = open(request)?;
    if columns.holds_pictures(column) {
        return Err(Error::input(format!(
            "the column {column} of {} holds its pictures: name one of labels",
            request.folder.display()
        )));
    }
    let shards: Vec<Shard> = test
        .into_iter()
        .chain(train.into_iter().flatten())
        .collect();
    let beside = columns.labelled_by(column, &shards[0]);
    let marks = labels(&shards, &beside)?;
    // No picture is read.
    let (rows, labels) = rows(shards, &columns, &Budget::new(0))?;
    let (classes, names) = (columns.names(&[&labels]), beside.names(&[&marks]));
    let place = |row| rows.place(row);
    let labels = labels.numbers(&classes, "classes", place)?;
    let marks = marks.numbers(&names, "groups", place)?;
    let name = |mark: u32| names[mark as usize].as_str();
    let shown = |mark| name(mark).chars().take(SHOWN).collect::<String>();
    let mut groups: Vec<Option<u32>> = vec![None; classes.len()];
    for (row, (class, mark)) in labels.into_iter().zip(marks).enumerate() {
        let first = *groups[class as usize].get_or_insert(mark);
        if first != mark {
            return Err(Error::input(format!(
                "the class {:?} has images of two groups by the column {column}, {:?} and in {} {:?}: name another \
                 column, or a file",
                classes[class as usize],
                shown(first),
                place(row),
                shown(mark)
            )));
        }
    }
    let named = |group: Option<u32>| group.map_or_else(String::new, |mark| name(mark).to_owned());
    Ok(groups.into_iter().map(named).collect())
}

fn open(request: &Request) -> Result<Shards> {
    let mut files = Vec::new();
    layout::find(&request.folder, "", 0, &mut files)?;
    let files: Vec<Place> = files.iter().filter_map(|path| place(path)).collect();
    let root = request.folder.display();
    let config = config(request, &files)?;
    let files: Vec<_> = files.iter().filter(|p| p.config == config).collect();
    let [train, test] = splits(request, &files);
    let mut splits: Vec<&str> = files.iter().map(|p| p.split.as_str()).collect();
    splits.sort_unstable();
    splits.dedup();
    let missing = |key: &str, name: &str| {
        Error::input(format!(
            "{root} has no parquet files of the split {name}: name one of its own with `{key}`; it has {}",
            if splits.is_empty() {
                "none".to_owned()
            } else {
                splits.join(", ")
            }
        ))
    };
    let shards = |key: &str, names: Option<Vec<String>>, default: &str| -> Result<Vec<Shard>> {
        let names = names.ok_or_else(|| missing(key, default))?;
        let mut shards = Vec::new();
        for name in &names {
            let mut of: Vec<_> = files.iter().filter(|p| p.split == *name).collect();
            if of.is_empty() {
                return Err(missing(key, name));
            }
            of.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
            if let Some(wanted) = of[0].shards.filter(|&wanted| wanted != of.len()) {
                return Err(Error::input(format!(
                    "{root} holds {} of the {wanted} parquet files of the split {name}: fetch the others",
                    of.len()
                )));
            }
            for place in of {
                shards.push(Shard::open(&request.folder.join(&place.path))?);
            }
        }
        Ok(shards)
    };
    let test = shards("test_split", test, "test")?;
    let train = request
        .train
        .then(|| shards("train_split", train, "train"))
        .transpose()?;
    let first = test.first().ok_or_else(|| missing("test_split", "test"))?;
    Ok(Shards {
        columns: Columns::find(first, &request.options)?,
        test,
        train,
    })
}

/// Names of the training splits and of the test splits.
fn splits(request: &Request, files: &[&Place]) -> [Option<Vec<String>>; 2] {
    let has = |split: &str| files.iter().any(|place| place.split == split);
    let tests: &[&str] = &["test", "validation", "val", "valid"];
    request.splits([&["train"], tests], has)
}

/// Those of the files that are asked for. What is missing is said by [`read`].
pub(super) fn needed<'a>(request: &Request, files: &'a [Place]) -> Result<Vec<&'a Place>> {
    let config = config(request, files)?;
    let files: Vec<_> = files.iter().filter(|p| p.config == config).collect();
    let [train, test] = splits(request, &files);
    let mut wanted = test.unwrap_or_default();
    if request.train {
        wanted.extend(train.unwrap_or_default());
    }
    Ok(files
        .into_iter()
        .filter(|place| wanted.contains(&place.split))
        .collect())
}

/// Whether a folder holds every file that is asked for. Files that do not say how many belong together are taken for
/// all only if `trusting`, and likewise a data set with a name for the one that nobody named.
pub(super) fn is_complete(request: &Request, folder: &Path, trusting: bool) -> bool {
    let mut files = Vec::new();
    if layout::find(folder, "", 0, &mut files).is_err() {
        return false;
    }
    let places: Vec<Place> = files.iter().filter_map(|path| place(path)).collect();
    let Ok(needed) = needed(request, &places) else {
        return false;
    };
    let unnamed = |place: &&Place| request.options.config.is_some() || place.config.is_empty();
    if !trusting && !needed.iter().all(unnamed) {
        return false;
    }
    let has = |names: Option<Vec<String>>| {
        names.is_some_and(|names| {
            names.iter().all(|name| {
                let mut of = needed.iter().filter(|p| p.split == *name).peekable();
                let count = of.clone().count();
                of.peek().is_some()
                    && of.all(|place| place.shards.map_or(trusting, |shards| shards == count))
            })
        })
    };
    let all: Vec<&Place> = needed.clone();
    let [train, test] = splits(request, &all);
    has(test) && (!request.train || has(train))
}

/// Which of several data sets is meant.
fn config(request: &Request, files: &[Place]) -> Result<String> {
    let root = request.folder.display();
    let mut configs: Vec<&str> = files.iter().map(|place| place.config.as_str()).collect();
    configs.sort_unstable();
    configs.dedup();
    let named = || {
        let named: Vec<&str> = configs
            .iter()
            .map(|c| if c.is_empty() { "default" } else { c })
            .collect();
        named.join(", ")
    };
    match (&request.options.config, configs.as_slice()) {
        (_, []) => Err(Error::input(format!(
            "{root} holds no parquet files of a data set, such as data/train-00000-of-00001.parquet"
        ))),
        (Some(config), _) => {
            let config = if config == "default" { "" } else { config };
            if configs.contains(&config) {
                return Ok(config.to_owned());
            }
            Err(Error::input(format!(
                "{root} holds no data set `config` = {config:?}: there are {}",
                named()
            )))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, several) if several.contains(&"") => Ok(String::new()),
        (None, _) => Err(Error::input(format!(
            "{root} holds several data sets: choose one with `config`, of {}",
            named()
        ))),
    }
}

fn rows(shards: Vec<Shard>, columns: &Columns, budget: &Arc<Budget>) -> Result<(Rows, Labels)> {
    let labels = labels(&shards, columns)?;
    Ok((Rows::new(shards, columns, budget)?, labels))
}

fn labels(shards: &[Shard], columns: &Columns) -> Result<Labels> {
    let mut labels = Labels::default();
    for shard in shards {
        columns.check(shard)?;
        shard.labels(columns, &mut labels)?;
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::data::testing::{
        class_names, colours, dataset, features, opened, parquet, png, refusal,
    };

    /// Pictures of these colours, labelled by `label`.
    fn rows(
        colours: std::ops::Range<u8>,
        label: impl Fn(u8) -> i64,
    ) -> Vec<(Option<Vec<u8>>, i64)> {
        colours.map(|c| (Some(png(c)), label(c))).collect()
    }

    fn write(root: &Path, classes: &[&str]) {
        let label = |c: u8| i64::from(c % 2);
        let metadata = features(classes);
        for (name, colours) in [
            ("data/train-00000-of-00002.parquet", 0..7),
            ("data/train-00001-of-00002.parquet", 7..10),
            ("data/test-00000-of-00001.parquet", 10..14),
        ] {
            parquet(root.join(name), &rows(colours, label), Some(&metadata));
        }
    }

    #[test]
    fn shards_are_read_in_order_with_the_names_of_their_metadata() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &["even", "odd"]);
        // With memory for all of it, and with three row groups at a time.
        for budget in ["data.cache_mb=64", "data.cache_mb=0"] {
            let data = dataset("parquet", dir.path(), &[budget]);
            assert_eq!(class_names(&data), ["even", "odd"]);
            assert_eq!(colours(&data.train), (0..10).collect::<Vec<u8>>());
            assert_eq!(
                (colours(&data.test), &data.test.labels[..]),
                (vec![10, 11, 12, 13], &[0, 1, 0, 1][..])
            );
            let backwards = data.train.subset(&[9, 4, 0, 8]);
            assert_eq!(colours(&backwards), [9, 4, 0, 8]);
        }
        let words = dataset("parquet", dir.path(), &["label_column=word"]);
        assert_eq!(class_names(&words), ["w8", "w9"]);
        assert_eq!(words.test.labels, [1, 0, 1, 0]);
        let odd = dataset("parquet", dir.path(), &["classes=odd", "test_split=train"]);
        assert_eq!(
            (colours(&odd.test), odd.test.labels.iter().sum()),
            (vec![1, 3, 5, 7, 9], 0)
        );
    }

    #[test]
    fn what_is_missing_or_odd_is_named() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &["even", "odd"]);
        let check = |overrides: &[&str], want: &str| {
            let text = refusal("parquet", dir.path(), overrides);
            assert!(text.contains(want), "{text}");
        };
        check(
            &["config=x"],
            "no data set `config` = \"x\": there are default",
        );
        check(&["test_split=dev"], "no parquet files of the split dev");
        check(&["test_split=dev"], "it has test, train");
        check(
            &["label_column=class"],
            "has no column class: it has image, label, word, coarse",
        );
        check(&["image_column=label"], "holds no encoded pictures");
        write(dir.path(), &["even"]);
        check(&[], "row 1 has the label 1, which is none of its 1 classes");
        let lone = dir.path().join("data/train-00001-of-00002.parquet");
        std::fs::write(&lone, b"PAR1 and nothing else").unwrap();
        check(&[], "is no sound parquet file");
        std::fs::remove_file(&lone).unwrap();
        check(&[], "holds 1 of the 2 parquet files of the split train");
        parquet(lone, &rows(0..2, |_| 0), Some(&features(&["odd"])));
        check(&[], "names other classes than the files beside it");
    }

    #[test]
    fn of_several_data_sets_one_is_chosen() {
        let dir = tempfile::tempdir().unwrap();
        for config in ["large", "small"] {
            for split in ["train", "validation"] {
                let path = dir.path().join(format!("{config}/{split}/0000.parquet"));
                let n = if config == "small" { 2 } else { 4 };
                parquet(path, &rows(0..n, |c| i64::from(c % 2)), None);
            }
        }
        let text = refusal("parquet", dir.path(), &[]);
        assert!(
            text.contains("choose one with `config`, of large, small"),
            "{text}"
        );
        let small = dataset("parquet", dir.path(), &["config=small"]);
        assert_eq!((small.train.len(), small.test.len()), (2, 2));
        assert_eq!(class_names(&small), ["0", "1"]);
        let below = dataset("parquet", &dir.path().join("large"), &[]);
        assert_eq!(below.train.len(), 4);
    }

    #[test]
    fn a_row_without_a_picture_is_named_counted_and_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut train = rows(0..8, |c| i64::from(c % 2));
        train[3].0 = None;
        train[6].0 = Some(b"no picture".to_vec());
        let metadata = features(&["even", "odd"]);
        parquet(dir.path().join("train.parquet"), &train, Some(&metadata));
        parquet(
            dir.path().join("test.parquet"),
            &rows(0..2, i64::from),
            Some(&metadata),
        );
        let text = refusal("parquet", dir.path(), &["data.bad_images=1"]);
        assert!(
            text.contains("2 of the 10 images of parquet:")
                && text.contains("train.parquet row 3: the row holds no picture"),
            "{text}"
        );
        let all = opened("parquet", dir.path(), &["data.bad_images=2"]).unwrap();
        assert_eq!(colours(&all.tasks[4].train), [0, 1, 2, 4, 5, 7]);
        assert_eq!(all.tasks[4].train.labels, [0, 1, 0, 0, 1, 1]);
        let [warning] = all.warnings.as_slice() else {
            panic!("{:?}", all.warnings);
        };
        assert!(
            warning.contains("are left out") && warning.contains("row 6: its first bytes"),
            "{warning}"
        );
    }
}
