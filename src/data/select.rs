//! Parts of image sets, and what tells whether a data set is still the same.

use super::{Dataset, Images};
use crate::files;

impl Images {
    /// The images at these indices, in this order; an index beyond the end is left out.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let mut part = Self {
            size: self.size,
            pixels: Vec::new(),
            labels: Vec::new(),
        };
        for &i in indices {
            if let Some(&label) = self.labels.get(i) {
                part.pixels.extend_from_slice(self.image(i));
                part.labels.push(label);
            }
        }
        part
    }
}

impl Dataset {
    /// SHA-256 over class names, sizes, pixels and labels of both splits.
    pub fn sha256(&self) -> String {
        let mut bytes = Vec::new();
        for class in &self.classes {
            bytes.extend_from_slice(class.name.as_bytes());
            bytes.push(0);
        }
        for images in [&self.train, &self.test] {
            for number in images.size.into_iter().chain([images.len()]) {
                bytes.extend_from_slice(&(number as u64).to_le_bytes());
            }
            bytes.extend_from_slice(&images.pixels);
            bytes.extend(images.labels.iter().flat_map(|l| l.to_le_bytes()));
        }
        files::sha256(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Images {
        Images {
            size: [1, 1, 2],
            pixels: vec![1, 2, 3, 4, 5, 6],
            labels: vec![7, 8, 9],
        }
    }

    #[test]
    fn a_subset_keeps_pixels_and_labels_together() {
        let part = images().subset(&[2, 0, 5]);
        assert_eq!((part.pixels, part.labels), (vec![5, 6, 1, 2], vec![9, 7]));
    }

    #[test]
    fn any_change_of_a_data_set_changes_its_hash() {
        let data = Dataset {
            id: "d".into(),
            classes: Vec::new(),
            train: images(),
            test: images(),
        };
        let mut other = data.clone();
        other.test.labels[1] = 0;
        assert_eq!(data.sha256(), data.clone().sha256());
        assert_ne!(data.sha256(), other.sha256());
    }
}
