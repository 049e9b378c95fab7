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
    /// Parses `bundled:NAME`. The error goes behind the name of the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("bundled", name)) => Ok(Self::Bundled(known(name, &BUNDLED_DATA, "data set")?)),
            Some(("folder" | "parquet" | "hub", _)) => Err(format!(
                "= {text:?} is not readable yet: this version reads data from `bundled:NAME` only"
            )),
            _ => Err(format!(
                "= {text:?} names no source: write `bundled:NAME` with one of {}",
                BUNDLED_DATA.join(", ")
            )),
        }
    }

    /// What the data set is called in matrices and files.
    pub fn id(&self) -> &str {
        let Self::Bundled(name) = self;
        name
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
    fn other_sources_are_refused_by_their_kind() {
        for (text, want) in [
            (
                "folder:/data",
                "this version reads data from `bundled:NAME` only",
            ),
            (
                "parquet:/data",
                "this version reads data from `bundled:NAME` only",
            ),
            (
                "hub:a/b",
                "this version reads data from `bundled:NAME` only",
            ),
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
