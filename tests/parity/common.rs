//! Reading fixtures and comparing with them.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use pentimento::backbone::{self, Config, Weights};

/// A path below `tests/fixtures`.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The tensors of a fixture's file.
pub struct Fixture(HashMap<String, Tensor>);

impl Fixture {
    pub fn read(name: &str) -> Self {
        Self(candle_core::safetensors::load(path(name), &Device::Cpu).unwrap())
    }

    pub fn get(&self, name: &str) -> &Tensor {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("the fixture has no {name}"))
    }

    /// Labels, as they are stored in i64.
    pub fn labels(&self) -> Tensor {
        self.get("labels").to_dtype(DType::U32).unwrap()
    }

    /// The names that begin so, without that beginning.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let mut names: Vec<_> = self
            .0
            .keys()
            .filter_map(|n| n.strip_prefix(prefix))
            .map(str::to_string)
            .collect();
        names.sort();
        names
    }
}

/// A model of `tests/fixtures/models`.
pub fn model(name: &str) -> (Config, Weights) {
    let folder = path(&format!("models/{name}"));
    let (config, weights, _) = backbone::load(&folder, &Device::Cpu).unwrap();
    (config, weights)
}

/// All values in row-major order.
pub fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// Compares with the tolerance that the fixtures are safe for: 1e-4 · max(1, largest element).
pub fn assert_close(what: &str, got: &Tensor, want: &Tensor) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    assert_values(what, &values(got), &values(want));
}

/// The same of bare values.
pub fn assert_values(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1f32, |m, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(
            (g - w).abs() <= 1e-4 * largest,
            "{what}[{i}]: ours {g}, theirs {w}"
        );
    }
}
