//! What Pillow, torchvision and timm make of `tests/fixtures/images`.

use std::path::PathBuf;

use safetensors::SafeTensors;

use super::raster::Raster;

pub fn path(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/images");
    PathBuf::from(folder).join(name)
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

/// Every picture.
pub fn names() -> Vec<String> {
    let all = std::fs::read_dir(path("")).unwrap();
    let mut names: Vec<String> = all
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("images."))
        .collect();
    names.sort();
    assert_eq!(names.len(), 21);
    names
}

/// Shape and bytes of a tensor.
pub fn tensor(name: &str) -> (Vec<usize>, Vec<u8>) {
    let file = bytes("images.safetensors");
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let view = tensors.tensor(name).unwrap();
    (view.shape().to_vec(), view.data().to_vec())
}

/// An image `[h, w, 3]`.
pub fn image(name: &str) -> Raster {
    let (shape, pixels) = tensor(name);
    Raster {
        channels: shape[2],
        height: shape[0],
        width: shape[1],
        pixels,
    }
}

pub fn json() -> serde_json::Value {
    serde_json::from_slice(&bytes("images.json")).unwrap()
}

/// Mean and largest absolute difference.
pub fn difference(got: &[u8], want: &[u8]) -> (f64, u8) {
    assert_eq!(got.len(), want.len());
    let each = || got.iter().zip(want).map(|(a, b)| a.abs_diff(*b));
    let mean = each().map(f64::from).sum::<f64>() / got.len() as f64;
    (mean, each().max().unwrap_or(0))
}
