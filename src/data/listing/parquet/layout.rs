//! Which data set and split a parquet file belongs to, by its path.

use std::path::Path;

use crate::Result;
use crate::data::listing::names;

/// Folders within folders.
const DEEPEST: usize = 4;

/// Where a file belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) struct Place {
    /// Within the data set's folder, with `/`.
    pub path: String,
    /// Empty for the one that needs no name.
    pub config: String,
    pub split: String,
    /// How many files the split has, where the name says so.
    pub shards: Option<usize>,
}

/// Paths of the parquet files below `folder`, in byte order.
pub(super) fn find(root: &Path, below: &str, depth: usize, found: &mut Vec<String>) -> Result<()> {
    for name in names(&root.join(below))? {
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        let full = root.join(&path);
        if full.is_dir() {
            if depth < DEEPEST {
                find(root, &path, depth + 1, found)?;
            }
        } else if path.ends_with(".parquet") {
            found.push(path);
        }
    }
    Ok(())
}

/// The place of a file, from its path within the data set: `data/SPLIT-00000-of-00001.parquet`, the same with
/// another folder or none, `CONFIG/SPLIT/0000.parquet` (the hub's own copies), or `CONFIG/SPLIT.parquet`.
pub(in crate::data) fn place(path: &str) -> Option<Place> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let stem = path.strip_suffix(".parquet")?;
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let parts: Vec<&str> = name.split('-').collect();
    let of = parts.iter().rposition(|&part| part == "of");
    let of = of.filter(|&i| {
        i >= 2 && digits(parts[i - 1]) && parts.get(i + 1).is_some_and(|part| digits(part))
    });
    let (folder, split, shards) = if let Some(i) = of {
        (folder, parts[..i - 1].join("-"), parts[i + 1].parse().ok())
    } else if digits(name) {
        let (folder, split) = folder.rsplit_once('/').unwrap_or(("", folder));
        // The hub cuts what is large, and says so.
        let split = split.strip_prefix("partial-").unwrap_or(split);
        (folder, split.to_owned(), None)
    } else {
        (folder, name.to_owned(), None)
    };
    if split.is_empty() {
        return None;
    }
    let config = match folder {
        "data" | "default" => "",
        other => other,
    };
    Some(Place {
        path: path.to_owned(),
        config: config.to_owned(),
        split,
        shards,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_of_the_hub_are_known() {
        for (path, config, split, shards) in [
            ("data/train-00003-of-00014.parquet", "", "train", Some(14)),
            (
                "data/validation-00000-of-00014-0a1b2c.parquet",
                "",
                "validation",
                Some(14),
            ),
            ("test-00000-of-00001.parquet", "", "test", Some(1)),
            (
                "plain_text/test-00000-of-00001.parquet",
                "plain_text",
                "test",
                Some(1),
            ),
            ("default/train/0000.parquet", "", "train", None),
            ("full/partial-train/0012.parquet", "full", "train", None),
            ("train.parquet", "", "train", None),
            (
                "cropped/contrast-10-00000-of-00002.parquet",
                "cropped",
                "contrast-10",
                Some(2),
            ),
        ] {
            let wanted = Place {
                path: path.into(),
                config: config.into(),
                split: split.into(),
                shards,
            };
            assert_eq!(place(path), Some(wanted));
        }
        assert_eq!(place("0000.parquet"), None);
        assert_eq!(place("train.csv"), None);
    }
}
