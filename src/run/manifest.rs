//! `manifest.json`: what a run was made from, and where.
//!
//! Everything about the machine is here and in the journal, and nowhere else in the folder, so that equal
//! runs export equal bytes.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;
use crate::{Error, Result, files};

/// The version of the manifest's format.
pub const MANIFEST_VERSION: u32 = 1;

/// The version of candle that this program is built with.
pub const CANDLE: &str = "0.11.1";

/// The content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version, [`MANIFEST_VERSION`].
    pub v: u32,
    /// This program's version.
    pub version: String,
    /// candle's version; empty in manifests of before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub candle: String,
    /// What the program was compiled for, architecture, system and C library: `x86_64-linux-gnu`; empty likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// The resolved recipe, seed included.
    pub recipe: Recipe,
    /// SHA-256 of the recipe without name, description and seed.
    pub recipe_hash: String,
    /// Root of all randomness; the recipe's.
    pub seed: u64,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The machine.
    pub machine: Machine,
    /// When the run was made, RFC 3339, UTC.
    pub started: String,
    /// The pretrained weights.
    pub weights: Fingerprint,
    /// The data sets, the foundation first.
    pub data: Vec<Fingerprint>,
    /// The run that it branches from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// Where a branch comes from. The branch's folder has all that it needs of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The parent's folder, where it lay then.
    pub folder: String,
    /// The last row that they have in common.
    pub row: usize,
    /// The adapter of that row; empty in row 0 and where nothing was trained.
    pub entry: String,
    /// Hash of that adapter's and its head's files by their names; in row 0 of the pretrained weights.
    pub sha256: String,
    /// Hash of the parent's recipe.
    pub recipe_hash: String,
    /// The parent's seed.
    pub seed: u64,
}

/// What tells whether a file or a data set is still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Where it comes from, as the recipe says: `bundled:latin`.
    pub source: String,
    /// SHA-256, lower-case hex.
    pub sha256: String,
}

/// Where a run was made. Bits repeat on one CPU model, with any number of threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name on its network.
    pub host: String,
    /// CPU model.
    pub cpu: String,
    /// Threads that compute.
    pub threads: usize,
}

impl Machine {
    /// The one that this program runs on; `unknown` for what the system does not tell.
    pub fn here() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| cpu_model(&text))
            .or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok());
        Self {
            host: host(),
            cpu: or_unknown(cpu),
            threads: rayon::current_num_threads(),
        }
    }
}

/// What this program was compiled for.
pub fn target() -> String {
    use std::env::consts::{ARCH, OS};
    match () {
        () if cfg!(target_env = "gnu") => format!("{ARCH}-{OS}-gnu"),
        () if cfg!(target_env = "musl") => format!("{ARCH}-{OS}-musl"),
        () => format!("{ARCH}-{OS}"),
    }
}

/// This machine's name on its network; `unknown` where the system does not tell.
pub(super) fn host() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    or_unknown(host.or_else(sysinfo::System::host_name))
}

fn or_unknown(found: Option<String>) -> String {
    let found = found.map(|s| s.trim().to_owned());
    let found = found.filter(|s| !s.is_empty());
    found.unwrap_or_else(|| "unknown".into())
}

/// The model in the text of `/proc/cpuinfo`.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| matches!(key.trim(), "model name" | "Model" | "cpu model"))
        .map(|(_, model)| model.trim().to_owned())
}

impl Manifest {
    /// The manifest of a run that begins now, on this machine.
    pub fn new(
        recipe: Recipe,
        recipe_hash: String,
        device: &str,
        weights: Fingerprint,
        data: Vec<Fingerprint>,
    ) -> Self {
        Self {
            v: MANIFEST_VERSION,
            version: env!("CARGO_PKG_VERSION").into(),
            candle: CANDLE.into(),
            target: target(),
            seed: recipe.seed,
            recipe,
            recipe_hash,
            device: device.into(),
            machine: Machine::here(),
            started: format!("{:.3}", jiff::Timestamp::now()),
            weights,
            data,
            parent: None,
        }
    }

    /// Writes it, atomically.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|e| {
            Error::internal(format!("the manifest could not be written as JSON: {e}"))
        })?;
        files::write_atomic(path, (files::plain_json(text) + "\n").as_bytes())
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Input`] if it is damaged or of a newer version.
    pub fn read(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let bytes = files::read(path)?;
        let damaged = |e: serde_json::Error| {
            Error::input(format!(
                "{} is no manifest ({e}): restore it from a copy",
                path.display()
            ))
        };
        let Version { v } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if v > MANIFEST_VERSION {
            return Err(Error::input(format!(
                "{} has version {v} of the manifest's format and this program reads up to \
                 {MANIFEST_VERSION}: open the run with the pentimento that made it",
                path.display()
            )));
        }
        // The first version is the present one: an older one would become a present manifest here.
        if v < MANIFEST_VERSION {
            return Err(Error::input(format!(
                "{} is no manifest: there never was a version {v} of the format",
                path.display()
            )));
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        serde_json::from_value(serde_json::json!({
            "name": "demo", "seed": 7,
            "backbone": {"source": "bundled:glyph-vit"},
            "lora": {"rank": 16},
            "train": {"steps": 600, "batch_size": 32, "lr": 1e-3, "weight_decay": 1e-2, "warmup": 0.1},
            "foundation": {"data": "bundled:latin"},
            "task": [{"id": "parity", "data": "bundled:parity", "context": ["digits"]}],
        }))
        .unwrap()
    }

    fn manifest() -> Manifest {
        let print = |source: &str| Fingerprint {
            source: source.into(),
            sha256: files::sha256(source.as_bytes()),
        };
        Manifest::new(
            recipe(),
            "0123".into(),
            "cpu",
            print("bundled:glyph-vit"),
            vec![print("bundled:latin"), print("bundled:parity")],
        )
    }

    #[test]
    fn a_manifest_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        let manifest = manifest();
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest);
        assert_eq!((manifest.seed, manifest.v), (7, MANIFEST_VERSION));
        assert!(manifest.started.parse::<jiff::Timestamp>().is_ok());
        assert!(manifest.machine.threads > 0);
        assert!(!manifest.machine.cpu.is_empty() && !manifest.machine.host.is_empty());
    }

    /// Versions 0.1.0 of before did not say what they were built with.
    #[test]
    fn what_it_was_built_with_is_there_and_its_lack_is_no_hindrance() {
        let lock = include_str!("../../Cargo.lock");
        let built = format!("name = \"candle-core\"\nversion = \"{CANDLE}\"\n");
        assert!(lock.contains(&built), "CANDLE is not what Cargo.lock has");
        let manifest = manifest();
        assert!(manifest.target.starts_with(std::env::consts::ARCH));
        let mut value = serde_json::to_value(&manifest).unwrap();
        for key in ["candle", "target"] {
            assert!(value.as_object_mut().unwrap().remove(key).is_some());
        }
        let before: Manifest = serde_json::from_value(value).unwrap();
        assert_eq!(
            (before.candle.as_str(), before.recipe),
            ("", manifest.recipe)
        );
    }

    #[test]
    fn damage_and_newer_versions_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        for (text, what) in [
            ("{", "is no manifest"),
            ("{\"v\":1}", "missing field"),
            ("{\"v\":0}", "there never was a version 0"),
            (
                "{\"v\":2,\"dreams\":1}",
                "version 2 of the manifest's format",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Manifest::read(&path).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let message = error.to_string();
            assert!(
                message.contains(what) && message.contains("manifest.json"),
                "{message}"
            );
        }
    }

    #[test]
    fn the_cpu_is_found_on_intel_and_arm() {
        let intel = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Xeon(R) @ 2.00GHz\n";
        assert_eq!(cpu_model(intel).unwrap(), "Xeon(R) @ 2.00GHz");
        let pi = "processor\t: 0\n\nModel\t\t: Raspberry Pi 4\n";
        assert_eq!(cpu_model(pi).unwrap(), "Raspberry Pi 4");
        assert_eq!(cpu_model("nonsense"), None);
    }
}
