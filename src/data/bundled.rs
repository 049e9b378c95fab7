//! The glyphs that the program carries, and the tasks that ask something else of a part of them.
//!
//! `assets/glyphs/NAME.safetensors.xz` holds `train.images` and `test.images` (u8 `[n, 32, 32]`) with
//! `train.labels` and `test.labels` (u8 `[n]`); `NAME.json` has the classes in label order.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::{Class, Dataset, Images};
use crate::{Error, Result};

struct Asset {
    name: &'static str,
    packed: &'static [u8],
    info: &'static str,
}

macro_rules! asset {
    ($name:literal) => {
        Asset {
            name: $name,
            packed: include_bytes!(concat!("../../assets/glyphs/", $name, ".safetensors.xz")),
            info: include_str!(concat!("../../assets/glyphs/", $name, ".json")),
        }
    };
}

static ASSETS: [Asset; 5] = [
    asset!("latin"),
    asset!("greek"),
    asset!("cyrillic"),
    asset!("hiragana"),
    asset!("hebrew"),
];

/// A question asked of a group of latin: each class of the group gets one of the answers.
struct Relabelled {
    name: &'static str,
    group: &'static str,
    answers: &'static [&'static str],
    /// The character whose answer is the first; answers go round from there.
    first: char,
}

static RELABELLED: [Relabelled; 3] = [
    Relabelled {
        name: "parity",
        group: "digits",
        answers: &["even", "odd"],
        first: '0',
    },
    Relabelled {
        name: "lower-thirds",
        group: "lower",
        answers: &["adg…y", "beh…z", "cfi…x"],
        first: 'a',
    },
    Relabelled {
        name: "upper-thirds",
        group: "upper",
        answers: &["ADG…Y", "BEH…Z", "CFI…X"],
        first: 'A',
    },
];

/// The data set of this name; decoded once per process.
pub(super) fn open(name: &str) -> Result<Arc<Dataset>> {
    static CACHE: Mutex<BTreeMap<String, Arc<Dataset>>> = Mutex::new(BTreeMap::new());
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    open_cached(name, &mut cache)
}

fn open_cached(name: &str, cache: &mut BTreeMap<String, Arc<Dataset>>) -> Result<Arc<Dataset>> {
    if let Some(dataset) = cache.get(name) {
        return Ok(dataset.clone());
    }
    let dataset = if let Some(task) = RELABELLED.iter().find(|t| t.name == name) {
        relabel(&*open_cached("latin", cache)?, task)?
    } else {
        let asset = ASSETS
            .iter()
            .find(|a| a.name == name)
            .ok_or_else(|| Error::internal(format!("no asset is called {name}")))?;
        decode(asset)?
    };
    let dataset = Arc::new(dataset);
    cache.insert(name.into(), dataset.clone());
    Ok(dataset)
}

#[derive(Deserialize)]
struct Info {
    classes: Vec<Class>,
}

fn decode(asset: &Asset) -> Result<Dataset> {
    let damaged =
        |why: String| Error::internal(format!("the bundled data {} is damaged: {why}", asset.name));
    let info: Info = serde_json::from_str(asset.info).map_err(|e| damaged(e.to_string()))?;
    let mut bytes = Vec::new();
    liblzma::read::XzDecoder::new(asset.packed)
        .read_to_end(&mut bytes)
        .map_err(|e| damaged(e.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let split = |split: &str| {
        images(&tensors, split, info.classes.len())
            .map_err(|why| damaged(format!("{split}: {why}")))
    };
    Ok(Dataset {
        id: asset.name.into(),
        train: split("train")?,
        test: split("test")?,
        classes: info.classes,
    })
}

fn images(tensors: &SafeTensors, split: &str, classes: usize) -> Result<Images, String> {
    let tensor = |what: &str| {
        tensors
            .tensor(&format!("{split}.{what}"))
            .map_err(|e| e.to_string())
    };
    let (images, labels) = (tensor("images")?, tensor("labels")?);
    let [n, height, width] = images.shape() else {
        return Err(format!("images of shape {:?}", images.shape()));
    };
    if images.dtype() != Dtype::U8 || labels.dtype() != Dtype::U8 || labels.shape() != [*n] {
        return Err("images and labels that do not fit".into());
    }
    if let Some(label) = labels.data().iter().find(|&&l| usize::from(l) >= classes) {
        return Err(format!("label {label} of {classes} classes"));
    }
    Ok(Images::raw(
        [1, *height, *width],
        images.data().to_vec(),
        labels.data().iter().map(|&l| u32::from(l)).collect(),
    ))
}

/// The task's part of `latin`, same images and split, with other labels.
fn relabel(latin: &Dataset, task: &Relabelled) -> Result<Dataset> {
    let answers = task.answers.len() as u32;
    let answer: Vec<Option<u32>> = latin
        .classes
        .iter()
        .map(|class| {
            let c = class
                .name
                .chars()
                .next()
                .filter(|_| class.group == task.group)?;
            Some(u32::from(c).checked_sub(u32::from(task.first))? % answers)
        })
        .collect();
    if answer.iter().all(Option::is_none) {
        return Err(Error::internal(format!(
            "latin has no group {}",
            task.group
        )));
    }
    let part =
        |images: &Images| images.relabelled(|label| answer.get(label as usize).copied().flatten());
    Ok(Dataset {
        id: task.name.into(),
        train: part(&latin.train),
        test: part(&latin.test),
        classes: task
            .answers
            .iter()
            .map(|name| Class {
                name: (*name).into(),
                group: task.group.into(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::recipe::BUNDLED_DATA;

    const INFO: &str = r#"{"name": "tiny", "image_size": 2, "faces": [], "classes":
        [{"name": "0", "group": "digits"}, {"name": "a", "group": "lower"}]}"#;

    /// An asset of one training image a class and no test image.
    fn tiny(labels: &[u8]) -> Asset {
        let pixels: Vec<u8> = (0..8).collect();
        let view = |shape, data| safetensors::tensor::TensorView::new(Dtype::U8, shape, data);
        let bytes = safetensors::serialize(
            [
                ("train.images", view(vec![2, 2, 2], &pixels).unwrap()),
                ("train.labels", view(vec![2], labels).unwrap()),
                ("test.images", view(vec![0, 2, 2], &[]).unwrap()),
                ("test.labels", view(vec![0], &[]).unwrap()),
            ],
            None,
        )
        .unwrap();
        let mut packer = liblzma::write::XzEncoder::new(Vec::new(), 6);
        packer.write_all(&bytes).unwrap();
        Asset {
            name: "tiny",
            packed: packer.finish().unwrap().leak(),
            info: INFO,
        }
    }

    #[test]
    fn an_asset_is_decoded() {
        let data = decode(&tiny(&[0, 1])).unwrap();
        assert_eq!(
            (data.id.as_str(), data.classes[1].group.as_str()),
            ("tiny", "lower")
        );
        assert_eq!((data.train.len(), data.train.size()), (2, Some([1, 2, 2])));
        assert_eq!(data.train.image(1), [4, 5, 6, 7]);
        assert!(data.train.image(2).is_empty() && data.test.is_empty());
    }

    #[test]
    fn damage_is_named() {
        let text = decode(&tiny(&[0, 2])).unwrap_err().to_string();
        assert!(
            text.contains("tiny is damaged: train: label 2 of 2 classes"),
            "{text}"
        );
        let mut asset = tiny(&[0, 1]);
        asset.packed = &asset.packed[..asset.packed.len() / 2];
        assert!(
            decode(&asset)
                .unwrap_err()
                .to_string()
                .contains("is damaged")
        );
    }

    #[test]
    fn every_bundled_name_opens_once() {
        for name in BUNDLED_DATA {
            let data = open(name).unwrap();
            assert!(Arc::ptr_eq(&data, &open(name).unwrap()));
            let size = Some([1, 32, 32]);
            assert_eq!((data.id.as_str(), data.train.size()), (name, size));
            for images in [&data.train, &data.test] {
                assert_eq!(images.image(images.len() - 1).len(), 1024);
                for class in 0..data.classes.len() as u32 {
                    assert!(images.labels.contains(&class), "{name} lacks {class}");
                }
            }
        }
        assert!(open("latni").is_err());
    }

    #[test]
    fn a_relabelled_task_is_a_part_of_latin_with_other_labels() {
        let latin = open("latin").unwrap();
        let class = |name: &str| latin.classes.iter().position(|c| c.name == name).unwrap() as u32;
        for (task, name, answer) in [
            ("parity", "0", "even"),
            ("parity", "7", "odd"),
            ("lower-thirds", "a", "adg…y"),
            ("lower-thirds", "z", "beh…z"),
            ("upper-thirds", "X", "CFI…X"),
            ("upper-thirds", "Y", "ADG…Y"),
        ] {
            let part = open(task).unwrap();
            for (whole, part_images) in [(&latin.train, &part.train), (&latin.test, &part.test)] {
                let i = whole.labels.iter().position(|&l| l == class(name)).unwrap();
                let same = (0..part_images.len()).find(|&j| part_images.image(j) == whole.image(i));
                let label = part_images.labels[same.unwrap()] as usize;
                assert_eq!(part.classes[label].name, answer);
            }
        }
        let digits = latin
            .test
            .labels
            .iter()
            .filter(|&&l| latin.classes[l as usize].group == "digits");
        assert_eq!(digits.count(), open("parity").unwrap().test.len());
    }
}
