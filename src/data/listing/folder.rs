//! `train/CLASS/*.jpg` and `test/CLASS/*.jpg`, as torchvision's `ImageFolder` reads each.

use std::path::{Path, PathBuf};

use super::{Held, Listing, Request, Split, label, names};
use crate::data::encoded::Files;
use crate::{Error, Result};

/// Ends of file names that are pictures', as torchvision has them.
const PICTURES: [&str; 10] = [
    "jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp", "gif",
];
/// Folders within folders; more is a link that leads back.
const DEEPEST: usize = 16;

pub(super) fn list(request: &Request, test: &str) -> Result<Listing> {
    let root = &request.folder;
    let exists = |name: &str| root.join(name).is_dir();
    let tests = [test, "test", "val", "validation"];
    let [train, test] = request.splits([&["train"], &tests], exists);
    let missing = |key: &str, name: &str| {
        Error::input(format!(
            "{} has no folder {name}/: a data set of folders has train/CLASS and test/CLASS (or val/CLASS), or name \
             its own with `{key}`",
            root.display()
        ))
    };
    let test = test.ok_or_else(|| missing("test_split", "test"))?;
    let train = match (train, request.train) {
        (None, true) => return Err(missing("train_split", "train")),
        (train, _) => train.unwrap_or_default(),
    };
    for (key, names) in [("train_split", &train), ("test_split", &test)] {
        // A training folder that is not needed still says which classes there are.
        if let Some(name) = names.iter().find(|name| !exists(name)) {
            return Err(missing(key, name));
        }
    }
    // The training folder says which classes there are.
    let mut classes = Vec::new();
    for split in if train.is_empty() { &test } else { &train } {
        classes.extend(class_folders(&root.join(split))?);
    }
    classes.sort_unstable();
    classes.dedup();
    if classes.is_empty() {
        return Err(Error::input(format!(
            "{} holds no folder of a class: pictures go to {}/CLASS/",
            root.display(),
            train.first().unwrap_or(&test[0])
        )));
    }
    Ok(Listing {
        train: request
            .train
            .then(|| pictures(root, &train, &classes))
            .transpose()?,
        test: pictures(root, &test, &classes)?,
        classes,
    })
}

fn class_folders(split: &Path) -> Result<Vec<String>> {
    let mut all = names(split)?;
    all.retain(|name| split.join(name).is_dir());
    Ok(all)
}

/// The pictures of these splits in byte-wise order of their paths.
fn pictures(root: &Path, splits: &[String], classes: &[String]) -> Result<Split> {
    let mut labelled = Vec::new();
    for split in splits {
        let split = root.join(split);
        for class in class_folders(&split)? {
            let Ok(index) = classes.binary_search(&class) else {
                return Err(Error::input(format!(
                    "{} is a class that the training images lack: the folders of both splits must be the same",
                    split.join(class).display()
                )));
            };
            let (mut found, label) = (Vec::new(), label(index)?);
            walk(&split.join(class), 0, &mut found)?;
            labelled.extend(found.into_iter().map(|file| (file, label)));
        }
    }
    labelled.sort_unstable_by(|(a, _), (b, _)| {
        let (a, b) = (a.as_os_str(), b.as_os_str());
        a.as_encoded_bytes().cmp(b.as_encoded_bytes())
    });
    let (files, labels) = labelled.into_iter().unzip();
    Ok(Split {
        held: Held::Encoded(Box::new(Files(files))),
        labels,
    })
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::input(format!(
            "{} lies too deep: a link may lead back",
            folder.display()
        )));
    }
    for name in names(folder)? {
        let path = folder.join(&name);
        if path.is_dir() {
            walk(&path, depth + 1, found)?;
        } else if is_picture(&path) {
            // A pipe would be waited for without an end.
            if path.exists() && !path.is_file() {
                return Err(Error::input(format!(
                    "{} is called like a picture but is no regular file: take it away",
                    path.display()
                )));
            }
            found.push(path);
        }
    }
    Ok(())
}

fn is_picture(path: &Path) -> bool {
    let end = path.extension().unwrap_or_default().to_string_lossy();
    PICTURES.contains(&end.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use crate::data::testing::{class_names, colours, dataset, png, refusal, write};

    #[test]
    fn classes_are_folders_and_files_come_in_byte_order() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, colour) in [
            ("train/b/9.png", 1),
            ("train/b/10.PNG", 2),
            ("train/a/x/z.png", 3),
            ("train/a/x.png", 4),
            ("train/B/1.png", 5),
            ("val/a/1.png", 6),
            ("val/b/1.png", 7),
            ("val/B/1.png", 8),
        ] {
            write(at(name), &png(colour));
        }
        write(at("train/a/.hidden.png"), b"x");
        write(at("train/a/notes.txt"), b"x");
        write(at("train/.cache/1.png"), b"x");
        write(at("train/list.csv"), b"x");
        let data = dataset("folder", dir.path(), &[]);
        assert_eq!(class_names(&data), ["B", "a", "b"]);
        assert_eq!(data.train.labels, [0, 1, 1, 2, 2]);
        assert_eq!(colours(&data.train), [5, 4, 3, 2, 1]);
        assert_eq!(
            (colours(&data.test), &data.test.labels[..]),
            (vec![8, 6, 7], &[0, 1, 2][..])
        );
        let joined = dataset(
            "folder",
            dir.path(),
            &["train_split=train+val", "test_split=train"],
        );
        assert_eq!(colours(&joined.train), [5, 4, 3, 2, 1, 8, 6, 7]);
        assert_eq!(colours(&joined.test), colours(&data.train));
        let part = dataset(
            "folder",
            dir.path(),
            &["classes=[\"b\", \"B\"]", "per_class=1"],
        );
        assert_eq!(class_names(&part), ["b", "B"]);
        assert_eq!(
            (colours(&part.train), &part.train.labels[..]),
            (vec![5, 2], &[1, 0][..])
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let none = at("none");
        assert!(refusal("folder", &none, &[]).contains("is no folder"));
        assert!(refusal("folder", dir.path(), &[]).contains("has no folder test/"));
        write(at("train/a/1.png"), &png(1));
        write(at("test/a/1.png"), &png(1));
        for (overrides, want) in [
            (&["train_split=learn"][..], "has no folder learn/"),
            (
                &["classes=[\"a\", \"c\"]"],
                "`task.4.classes` names \"c\", which",
            ),
        ] {
            let text = refusal("folder", dir.path(), overrides);
            assert!(text.contains(want), "{text}");
        }
        std::fs::create_dir(at("train/b")).unwrap();
        let text = refusal("folder", dir.path(), &[]);
        assert!(
            text.contains("the class \"b\" of") && text.contains("has no training image"),
            "{text}"
        );
        std::fs::remove_dir(at("train/b")).unwrap();
        write(at("test/z/1.png"), &png(1));
        let text = refusal("folder", dir.path(), &[]);
        assert!(
            text.contains("is a class that the training images lack"),
            "{text}"
        );
    }
}
