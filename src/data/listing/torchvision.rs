//! The study's data sets as torchvision lays them out on disk, and CUB-200-2011 as it is published.

use std::path::{Component, Path, PathBuf};

use super::flowers::FLOWERS;
use super::mat::{self, Array};
use super::{Held, Listing, Request, Split, label};
use crate::data::encoded::Files;
use crate::{Error, Result};

/// Stanford Cars: `cars_train/`, `cars_test/`, `devkit/` and `cars_test_annos_withlabels.mat`.
pub(super) fn cars(request: &Request) -> Result<Listing> {
    let root = base(&request.folder, "stanford_cars", "devkit/cars_meta.mat")?;
    let meta = root.join("devkit/cars_meta.mat");
    let classes = match mat::variable(&meta, "class_names")? {
        Array::Cells(cells) => cells
            .iter()
            .map(|cell| cell.text().map(str::to_owned))
            .collect::<Option<Vec<String>>>(),
        _ => None,
    };
    let classes = classes.ok_or_else(|| odd(&meta, "class_names is no cell array of names"))?;
    let split = |annotations: &str, images: &str| -> Result<Split> {
        let path = root.join(annotations);
        let annotations = mat::variable(&path, "annotations")?;
        let field = |name: &str| {
            annotations
                .field(name)
                .ok_or_else(|| odd(&path, &format!("annotations have no {name}")))
        };
        let mut rows = Vec::new();
        for (class, file) in field("class")?.iter().zip(field("fname")?) {
            let (Some(class), Some(file)) = (class.number(), file.text()) else {
                return Err(odd(&path, "a row of annotations has no class or file"));
            };
            rows.push((inside(&root.join(images), file, &path)?, class));
        }
        one_based(rows, &path, classes.len())
    };
    Ok(Listing {
        train: request
            .train
            .then(|| split("devkit/cars_train_annos.mat", "cars_train"))
            .transpose()?,
        test: split("cars_test_annos_withlabels.mat", "cars_test")?,
        classes,
    })
}

/// Oxford Flowers-102: `jpg/`, `imagelabels.mat`, `setid.mat`. Splits: train, val, test.
pub(super) fn flowers(request: &Request) -> Result<Listing> {
    let root = base(&request.folder, "flowers-102", "setid.mat")?;
    let (labels_file, splits_file) = (root.join("imagelabels.mat"), root.join("setid.mat"));
    let numbers = |path: &Path, name: &str| match mat::variable(path, name)? {
        Array::Numbers(numbers) => Ok(numbers),
        _ => Err(odd(path, &format!("{name} are no numbers"))),
    };
    let labels = numbers(&labels_file, "labels")?;
    let split = |names: &[String]| -> Result<Split> {
        let mut rows = Vec::new();
        for name in names {
            let ids = match name.as_str() {
                "train" => "trnid",
                "val" => "valid",
                "test" => "tstid",
                _ => return Err(unknown(name, "train, val and test")),
            };
            for id in numbers(&splits_file, ids)? {
                let class = labels.get((id as usize).wrapping_sub(1));
                let class = class.ok_or_else(|| odd(&labels_file, "an image has no label"))?;
                rows.push((
                    root.join(format!("jpg/image_{:05}.jpg", id as usize)),
                    *class,
                ));
            }
        }
        one_based(rows, &labels_file, FLOWERS.len())
    };
    let [train, test] = request.splits([&["train"], &["test"]], |_| true);
    Ok(Listing {
        classes: FLOWERS.map(str::to_owned).to_vec(),
        train: request
            .train
            .then(|| split(&train.unwrap_or_default()))
            .transpose()?,
        test: split(&test.unwrap_or_default())?,
    })
}

/// FGVC-Aircraft: `data/images/` and lists of images. Splits: train, val, trainval, test; the option `config` is
/// variant (100 classes), family (70) or manufacturer (30).
pub(super) fn aircraft(request: &Request) -> Result<Listing> {
    let root = base(&request.folder, "fgvc-aircraft-2013b", "data/variants.txt")?.join("data");
    let level = request.options.config.as_deref().unwrap_or("variant");
    let names = match level {
        "variant" => "variants.txt",
        "family" => "families.txt",
        "manufacturer" => "manufacturers.txt",
        _ => {
            return Err(Error::input(format!(
                "config = {level:?} is no level of aircraft's classes: there are variant, family and manufacturer"
            )));
        }
    };
    let classes = lines(&root.join(names))?;
    let split = |splits: &[String]| -> Result<Split> {
        let mut rows = Vec::new();
        for name in splits {
            if !["train", "val", "trainval", "test"].contains(&name.as_str()) {
                return Err(unknown(name, "train, val, trainval and test"));
            }
            let path = root.join(format!("images_{level}_{name}.txt"));
            for line in lines(&path)? {
                let row = line.split_once(' ').and_then(|(image, class)| {
                    let class = classes.iter().position(|c| c == class.trim())?;
                    Some((image, class))
                });
                let no_row = || odd(&path, &format!("no image and class: {line:?}"));
                let (image, class) = row.ok_or_else(no_row)?;
                let file = inside(&root.join("images"), &format!("{image}.jpg"), &path)?;
                rows.push((file, class));
            }
        }
        zero_based(rows)
    };
    let [train, test] = request.splits([&["trainval"], &["test"]], |_| true);
    Ok(Listing {
        train: request
            .train
            .then(|| split(&train.unwrap_or_default()))
            .transpose()?,
        test: split(&test.unwrap_or_default())?,
        classes,
    })
}

/// CUB-200-2011: `images/` and numbered lists of images, labels, classes and the split.
pub(super) fn cub(request: &Request) -> Result<Listing> {
    let root = base(&request.folder, "CUB_200_2011", "images.txt")?;
    // Each line is a number and a value; numbers count from 1.
    let column = |name: &str| -> Result<Vec<String>> {
        let path = root.join(name);
        let value = |(i, line): (usize, String)| {
            let (number, value) = line.split_once(' ')?;
            (number.parse() == Ok(i + 1)).then(|| value.trim().to_owned())
        };
        let values = lines(&path)?.into_iter().enumerate().map(value);
        values
            .collect::<Option<_>>()
            .ok_or_else(|| odd(&path, "its lines are not numbered from 1"))
    };
    let classes: Vec<String> = column("classes.txt")?;
    let (images, labels, splits) = (
        column("images.txt")?,
        column("image_class_labels.txt")?,
        column("train_test_split.txt")?,
    );
    if images.len() != labels.len() || images.len() != splits.len() {
        return Err(odd(
            &root,
            "images.txt, image_class_labels.txt and train_test_split.txt differ in length",
        ));
    }
    let split = |wanted: &str| -> Result<Split> {
        let rows = images.iter().zip(&labels).zip(&splits);
        let rows = rows.filter(|(_, split)| *split == wanted);
        let rows = rows.map(|((image, class), _)| {
            let file = inside(&root.join("images"), image, &root.join("images.txt"))?;
            Ok((file, class.parse().unwrap_or(f64::NAN)))
        });
        one_based(
            rows.collect::<Result<_>>()?,
            &root.join("image_class_labels.txt"),
            classes.len(),
        )
    };
    let (train, test) = (split("1")?, split("0")?);
    // "001.Black_footed_Albatross"
    let name = |class: &String| {
        let name = class
            .split_once('.')
            .map_or(class.as_str(), |(_, name)| name);
        name.replace('_', " ")
    };
    Ok(Listing {
        train: request.train.then_some(train),
        test,
        classes: classes.iter().map(name).collect(),
    })
}

/// The data set's own folder: the one that is named, or the one in it of this name.
fn base(folder: &Path, name: &str, holds: &str) -> Result<PathBuf> {
    [folder.join(name), folder.to_path_buf()]
        .into_iter()
        .find(|base| base.join(holds).is_file())
        .ok_or_else(|| {
            Error::input(format!(
                "{} holds no {name}/{holds}: name the folder that {name}/ lies in",
                folder.display()
            ))
        })
}

/// A picture that a list names, which must lie in the data set's own folder.
fn inside(folder: &Path, name: &str, list: &Path) -> Result<PathBuf> {
    let mut parts = Path::new(name).components();
    match parts.all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(folder.join(name)),
        false => Err(odd(
            list,
            &format!("{name:?} is not in the data set's folder"),
        )),
    }
}

fn lines(path: &Path) -> Result<Vec<String>> {
    let text = String::from_utf8(crate::files::read(path)?)
        .map_err(|_| odd(path, "this is no UTF-8 text"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// Files with classes that count from 1.
fn one_based(rows: Vec<(PathBuf, f64)>, path: &Path, classes: usize) -> Result<Split> {
    let rows = rows.into_iter().map(|(file, class)| {
        if class.fract() == 0.0 && (1.0..=classes as f64).contains(&class) {
            return Ok((file, class as usize - 1));
        }
        let what = format!(
            "the class {class} of {} is not 1 to {classes}",
            file.display()
        );
        Err(odd(path, &what))
    });
    zero_based(rows.collect::<Result<_>>()?)
}

fn zero_based(rows: Vec<(PathBuf, usize)>) -> Result<Split> {
    let labels = rows.iter().map(|(_, class)| label(*class));
    let labels = labels.collect::<Result<_>>()?;
    let files = rows.into_iter().map(|(file, _)| file).collect();
    Ok(Split {
        held: Held::Encoded(Box::new(Files(files))),
        labels,
    })
}

fn odd(path: &Path, why: &str) -> Error {
    Error::input(format!("{} is not as published: {why}", path.display()))
}

fn unknown(split: &str, known: &str) -> Error {
    Error::input(format!("there is no split {split:?}: there are {known}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::data::testing::{class_names, colours, dataset, png, refusal, write};

    /// `tests/fixtures/layouts/NAME`, to be filled with pictures.
    fn copy(name: &str, to: &Path) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layouts");
        for entry in std::fs::read_dir(from.join(name)).unwrap() {
            let path = format!("{name}/{}", entry.unwrap().file_name().to_str().unwrap());
            if from.join(&path).is_dir() {
                copy(&path, to);
            } else {
                write(to.join(&path), &std::fs::read(from.join(&path)).unwrap());
            }
        }
    }

    #[test]
    fn cars_are_read_from_their_annotations() {
        let dir = tempfile::tempdir().unwrap();
        copy("stanford_cars", dir.path());
        for i in 1..=4 {
            let at = |split: &str| {
                dir.path()
                    .join(format!("stanford_cars/cars_{split}/{i:05}.png"))
            };
            write(at("train"), &png(i));
            write(at("test"), &png(10 * i));
        }
        // The folder that the data set's lies in, or its own.
        for root in [dir.path().to_path_buf(), dir.path().join("stanford_cars")] {
            let data = dataset("cars", &root, &[]);
            assert_eq!(
                class_names(&data),
                ["AM General Hummer SUV 2000", "Acura RL", "Citroën C4"]
            );
            assert_eq!(
                (colours(&data.train), &data.train.labels[..]),
                (vec![1, 2, 3, 4], &[2, 0, 1, 0][..])
            );
            assert_eq!(
                (colours(&data.test), &data.test.labels[..]),
                (vec![10, 20, 30], &[1, 0, 2][..])
            );
        }
        let meta = dir.path().join("stanford_cars/devkit/cars_meta.mat");
        let whole = std::fs::read(&meta).unwrap();
        for (bytes, want) in [
            (&whole[..100], "no MATLAB file of version 5"),
            (&whole[..whole.len() - 9], "cars_meta.mat: "),
            (&whole[..128], "there is no variable \"class_names\""),
        ] {
            write(meta.clone(), bytes);
            let text = refusal("cars", dir.path(), &[]);
            assert!(text.contains(want), "{text}");
        }
    }

    #[test]
    fn no_damage_to_a_matlab_file_ends_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layouts");
        let whole =
            std::fs::read(fixtures.join("stanford_cars/cars_test_annos_withlabels.mat")).unwrap();
        let path = dir.path().join("x.mat");
        for i in 128..whole.len() {
            let mut changed = whole.clone();
            changed[i] ^= 0xa5;
            write(path.clone(), &changed);
            let _ = super::mat::variable(&path, "annotations");
            write(path.clone(), &whole[..i]);
            assert!(super::mat::variable(&path, "annotations").is_err());
        }
    }

    #[test]
    fn flowers_are_read_by_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        copy("flowers-102", dir.path());
        for i in 1..=306_usize {
            // A PNG under the name of a JPEG, as it may happen: the bytes count.
            let path = dir.path().join(format!("flowers-102/jpg/image_{i:05}.jpg"));
            write(path, &png((i % 256) as u8));
        }
        let data = dataset("flowers", dir.path(), &[]);
        assert_eq!(
            (data.classes.len(), data.train.len(), data.test.len()),
            (102, 102, 102)
        );
        assert_eq!(
            (
                data.classes[0].name.as_str(),
                data.classes[101].name.as_str()
            ),
            ("pink primrose", "blackberry lily")
        );
        assert_eq!(data.test.labels, (0..102).collect::<Vec<u32>>());
        assert_eq!(colours(&data.test)[..3], [205, 206, 207]);
        let both = dataset("flowers", dir.path(), &["train_split=train+val"]);
        assert_eq!(both.train.len(), 204);
        let text = refusal("flowers", dir.path(), &["test_split=validation"]);
        assert!(
            text.contains("there is no split \"validation\": there are train, val and test"),
            "{text}"
        );
    }

    #[test]
    fn aircraft_has_three_levels_of_classes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join("fgvc-aircraft-2013b/data").join(name);
        write(at("variants.txt"), b"707-320\nA300B4\n");
        write(at("families.txt"), b"A300\nBoeing 707\n");
        write(
            at("images_variant_trainval.txt"),
            b"0000001 A300B4\n0000002 707-320\n",
        );
        write(
            at("images_variant_test.txt"),
            b"0000003 707-320\n0000004 A300B4\n",
        );
        write(
            at("images_family_trainval.txt"),
            b"0000001 A300\n0000002 Boeing 707\n",
        );
        write(
            at("images_family_test.txt"),
            b"0000003 Boeing 707\n0000004 A300\n",
        );
        for i in 1..=4 {
            write(at(&format!("images/000000{i}.jpg")), &png(i));
        }
        let data = dataset("aircraft", dir.path(), &[]);
        assert_eq!(class_names(&data), ["707-320", "A300B4"]);
        assert_eq!(
            (colours(&data.train), &data.train.labels[..]),
            (vec![1, 2], &[1, 0][..])
        );
        assert_eq!(
            (colours(&data.test), &data.test.labels[..]),
            (vec![3, 4], &[0, 1][..])
        );
        let families = dataset("aircraft", dir.path(), &["config=family"]);
        assert_eq!(
            (class_names(&families), &families.train.labels[..]),
            (vec!["A300", "Boeing 707"], &[0, 1][..])
        );
        for (overrides, want) in [
            (
                &["config=maker"][..],
                "there are variant, family and manufacturer",
            ),
            (&["train_split=all"], "there is no split \"all\""),
            (&["config=manufacturer"], "manufacturers.txt"),
        ] {
            let text = opened_error(dir.path(), overrides);
            assert!(text.contains(want), "{text}");
        }
        write(at("images_variant_test.txt"), b"0000003 A380\n");
        let text = refusal("aircraft", dir.path(), &[]);
        assert!(
            text.contains("no image and class: \"0000003 A380\""),
            "{text}"
        );
    }

    fn opened_error(root: &Path, overrides: &[&str]) -> String {
        crate::data::testing::opened("aircraft", root, overrides)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn birds_are_read_from_numbered_lists() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join("CUB_200_2011").join(name);
        write(
            at("classes.txt"),
            b"1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n",
        );
        write(
            at("images.txt"),
            b"1 a/1.jpg\n2 a/2.jpg\n3 b/1.jpg\n4 b/2.jpg\n",
        );
        write(at("image_class_labels.txt"), b"1 1\n2 1\n3 2\n4 2\n");
        write(at("train_test_split.txt"), b"1 0\n2 1\n3 1\n4 0\n");
        for (i, name) in (1..).zip(["a/1", "a/2", "b/1", "b/2"]) {
            write(at(&format!("images/{name}.jpg")), &png(i));
        }
        let data = dataset("cub", dir.path(), &[]);
        assert_eq!(
            class_names(&data),
            ["Black footed Albatross", "Laysan Albatross"]
        );
        assert_eq!(
            (colours(&data.train), &data.train.labels[..]),
            (vec![2, 3], &[0, 1][..])
        );
        assert_eq!(
            (colours(&data.test), &data.test.labels[..]),
            (vec![1, 4], &[0, 1][..])
        );
        write(at("image_class_labels.txt"), b"1 1\n2 1\n3 3\n4 2\n");
        let text = refusal("cub", dir.path(), &[]);
        assert!(
            text.contains("the class 3 of") && text.contains("is not 1 to 2"),
            "{text}"
        );
        write(at("image_class_labels.txt"), b"1 1\n2 1\n");
        assert!(refusal("cub", dir.path(), &[]).contains("differ in length"));
        std::fs::remove_file(at("images.txt")).unwrap();
        assert!(refusal("cub", dir.path(), &[]).contains("holds no CUB_200_2011/images.txt"));
    }
}
