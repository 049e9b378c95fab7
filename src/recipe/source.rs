//! Where data and backbones come from, as `scheme:rest`.

use std::path::PathBuf;

use super::nearest::suggestion;
use crate::hub::{Kind, Repo};

/// The data sets in the binary.
pub const BUNDLED_DATA: [&str; 8] = [
    "latin",
    "parity",
    "lower-thirds",
    "upper-thirds",
    "greek",
    "cyrillic",
    "hiragana",
    "hebrew",
];

/// The pretrained networks in the binary.
pub const BUNDLED_BACKBONES: [&str; 2] = ["glyph-vit", "glyph-resnet"];

/// Where a data set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// In the binary, by its name.
    Bundled(String),
    /// On disk, in one of the known layouts.
    Local(Layout, PathBuf),
    /// On the hub, in parquet files.
    Hub(Repo),
}

/// How a data set lies on disk. Paths are relative to its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `train/CLASS/*.jpg` and `test/CLASS/*.jpg`
    Folder,
    /// The Hugging Face hub's: parquet files of encoded images and labels.
    Parquet,
    /// MNIST's: `train-images-idx3-ubyte` and its three companions, perhaps with `.gz`.
    Idx,
    /// ImageNet's as torchvision has it: `val/WNID/*.JPEG`.
    ImageNet,
    /// Stanford Cars as torchvision has it: `stanford_cars/`.
    Cars,
    /// Oxford Flowers-102 as torchvision has it: `flowers-102/`.
    Flowers,
    /// FGVC-Aircraft as torchvision has it: `fgvc-aircraft-2013b/`.
    Aircraft,
    /// CUB-200-2011 as it is published: `CUB_200_2011/`.
    Cub,
}

impl Layout {
    /// Every layout with the scheme that names it.
    const ALL: [(&str, Self); 8] = [
        ("folder", Self::Folder),
        ("parquet", Self::Parquet),
        ("idx", Self::Idx),
        ("imagenet", Self::ImageNet),
        ("cars", Self::Cars),
        ("flowers", Self::Flowers),
        ("aircraft", Self::Aircraft),
        ("cub", Self::Cub),
    ];
}

/// Where the groups of a data set's classes stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupSource {
    /// A CSV file with the columns `class` and `group`. Classes that it leaves out are in no group.
    File(PathBuf),
    /// Another column of labels of its parquet files: a class is in the group that all of its images have there.
    Column(String),
}

/// Where a pretrained network is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackboneSource {
    /// In the binary, by its name.
    Bundled(String),
    /// A folder in timm's hub layout: `config.json` and `model.safetensors`.
    Path(PathBuf),
    /// A file of weights alone; `backbone.architecture` says whose.
    File(PathBuf),
    /// A model of the hub in timm's layout.
    Hub(Repo),
}

impl DataSource {
    /// Parses `scheme:rest`. The error goes behind the name of the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let schemes = || Layout::ALL.map(|(name, _)| name).join(", ");
        let layout = |scheme| Layout::ALL.iter().find(|(name, _)| *name == scheme);
        match text.split_once(':') {
            Some(("bundled", name)) => Ok(Self::Bundled(known(name, &BUNDLED_DATA, "data set")?)),
            Some(("hub", repo)) => match Repo::parse(Kind::Dataset, repo) {
                Some(repo) => Ok(Self::Hub(repo)),
                None => Err(format!(
                    "= {text:?} names no data set of the hub: write `hub:OWNER/NAME`, or `hub:OWNER/NAME@REVISION`"
                )),
            },
            Some((scheme, folder)) if let Some((_, layout)) = layout(scheme) => {
                if folder.is_empty() {
                    return Err(format!("= {text:?} names no folder: write `{scheme}:DIR`"));
                }
                Ok(Self::Local(*layout, folder.into()))
            }
            _ => Err(format!(
                "= {text:?} names no source: write `bundled:NAME` with one of {}, or LAYOUT:DIR with one of {}, or `hub:OWNER/NAME`",
                BUNDLED_DATA.join(", "),
                schemes()
            )),
        }
    }

    /// What the data set is called in matrices and files, in their letters.
    pub fn id(&self) -> String {
        let name = match self {
            Self::Bundled(name) => return name.clone(),
            Self::Local(_, folder) => folder.file_name().unwrap_or_default().to_string_lossy(),
            Self::Hub(repo) => repo.name.as_str().into(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let name: String = name
            .chars()
            .map(|c| if plain(c) { c } else { '-' })
            .collect();
        let name = name.trim_start_matches(['.', '-']);
        if name.is_empty() {
            "foundation".into()
        } else {
            name.chars().take(64).collect()
        }
    }
}

impl GroupSource {
    /// Parses `file:FILE` or `column:NAME`. The error goes behind the name of the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", file)) if !file.is_empty() => Ok(Self::File(file.into())),
            Some(("column", column)) if !column.is_empty() => Ok(Self::Column(column.into())),
            _ => Err(format!(
                "= {text:?} names no groups: write `file:FILE`, FILE a CSV file with the columns class and group, or \
                 `column:NAME`, NAME another column of labels of parquet files"
            )),
        }
    }
}

impl BackboneSource {
    /// Parses `bundled:NAME`, `path:DIR`, `file:FILE` or `hub:OWNER/NAME[@REV]`. The error goes behind the name of the
    /// key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("bundled", name)) => {
                Ok(Self::Bundled(known(name, &BUNDLED_BACKBONES, "backbone")?))
            }
            Some(("path", "")) => Err(format!(
                "= {text:?} names no folder: write `path:DIR`, DIR with config.json and model.safetensors"
            )),
            Some(("path", folder)) => Ok(Self::Path(folder.into())),
            Some(("file", "")) => Err(format!(
                "= {text:?} names no file: write `file:FILE`, FILE of weights, .safetensors or .pth"
            )),
            Some(("file", file)) => Ok(Self::File(file.into())),
            Some(("hub", repo)) => match Repo::parse(Kind::Model, repo) {
                Some(repo) => Ok(Self::Hub(repo)),
                None => Err(format!(
                    "= {text:?} names no model of the hub: write `hub:OWNER/NAME`, or `hub:OWNER/NAME@REVISION`"
                )),
            },
            _ => Err(format!(
                "= {text:?} names no source: write `bundled:NAME` with one of {}, `path:DIR`, `file:FILE` or \
                 `hub:OWNER/NAME`",
                BUNDLED_BACKBONES.join(", ")
            )),
        }
    }
}

fn known(name: &str, names: &[&str], what: &str) -> Result<String, String> {
    if names.contains(&name) {
        return Ok(name.to_string());
    }
    let near = suggestion(name, names.iter().copied());
    Err(format!(
        "= \"bundled:{}\" names no bundled {what}{near}; there are {}",
        name.escape_debug(),
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sources_parse() {
        let data = DataSource::parse("bundled:greek").unwrap();
        assert_eq!(data, DataSource::Bundled("greek".into()));
        assert_eq!(data.id(), "greek");
        for (text, layout, folder, id) in [
            ("cars:a/b", Layout::Cars, "a/b", "b"),
            (
                "folder:x/my pictures/",
                Layout::Folder,
                "x/my pictures/",
                "my-pictures",
            ),
            ("parquet:..", Layout::Parquet, "..", "foundation"),
            ("idx:c:/m", Layout::Idx, "c:/m", "m"),
        ] {
            let source = DataSource::parse(text).unwrap();
            assert_eq!(source, DataSource::Local(layout, folder.into()));
            assert_eq!(source.id(), id);
        }
        assert_eq!(
            BackboneSource::parse("path:some/dir:with colon").unwrap(),
            BackboneSource::Path("some/dir:with colon".into())
        );
        let BackboneSource::Hub(repo) = BackboneSource::parse("hub:timm/vit@v1").unwrap() else {
            panic!("not of the hub");
        };
        assert_eq!(repo.to_string(), "timm/vit@v1");
    }

    #[test]
    fn groups_stand_in_a_file_or_in_a_column() {
        let parse = GroupSource::parse;
        assert_eq!(
            parse("file:a/b:c.csv"),
            Ok(GroupSource::File("a/b:c.csv".into()))
        );
        assert_eq!(
            parse("column:coarse"),
            Ok(GroupSource::Column("coarse".into()))
        );
        for text in ["", "groups.csv", "file:", "column:", "folder:x"] {
            let message = parse(text).unwrap_err();
            assert!(
                message.contains("names no groups: write `file:FILE`"),
                "{message}"
            );
        }
    }

    #[test]
    fn other_sources_are_refused_by_their_kind() {
        for (text, want) in [
            ("hub:a", "names no data set of the hub"),
            ("folder:", "names no folder: write `folder:DIR`"),
            ("s3:greek", "or LAYOUT:DIR with one of folder, parquet"),
            ("greek", "names no source"),
            ("s3:greek", "names no source"),
            ("bundled:greeek", "did you mean `greek`?"),
            ("bundled:", "names no bundled data set; there are latin"),
        ] {
            let message = DataSource::parse(text).unwrap_err();
            assert!(message.contains(want), "{text}: {message}");
        }
        for (text, want) in [
            (
                "hub:timm",
                "names no model of the hub: write `hub:OWNER/NAME`",
            ),
            ("hub:a/b@", "names no model of the hub"),
            ("file:", "names no file"),
            ("path:", "names no folder"),
            ("folder:x", "names no source"),
            ("bundled:glyph-vti", "did you mean `glyph-vit`?"),
        ] {
            let message = BackboneSource::parse(text).unwrap_err();
            assert!(message.contains(want), "{text}: {message}");
        }
    }
}
