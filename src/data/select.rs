//! Parts of data sets, and what tells whether a data set is still the same.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Class, Dataset, Images};
use crate::random::Key;
use crate::{Error, Result, files};

/// `count` indices spread evenly over 0..n.
pub fn spread(n: usize, count: usize) -> Vec<usize> {
    let count = count.min(n);
    (0..count).map(|i| i * n / count).collect()
}

/// Up to `n` indices of every class, spread over the class's images, in ascending order.
pub fn few_of_each(labels: &[u32], n: usize) -> Vec<usize> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, &label) in labels.iter().enumerate() {
        members.entry(label).or_default().push(i);
    }
    let few = members.values().flat_map(|of| {
        let places = spread(of.len(), n);
        places.into_iter().map(|place| of[place])
    });
    let mut chosen: Vec<usize> = few.collect();
    chosen.sort_unstable();
    chosen
}

impl Images {
    /// At most `n` images of each class, spread over the class's images.
    pub fn few_of_each(&self, n: usize) -> Self {
        self.subset(&few_of_each(&self.labels, n))
    }

    /// The stretch from share `from` to share `to` of the images as `key` shuffles them, in their old order.
    /// Stretches that meet have no image in common and leave none out.
    pub(super) fn stretch(&self, [from, to]: [f64; 2], key: Key) -> Self {
        let order = key.permutation(self.len());
        let at = |share: f64| ((share * self.len() as f64).round() as usize).min(self.len());
        let mut chosen = order[at(from)..at(to).max(at(from))].to_vec();
        chosen.sort_unstable();
        self.subset(&chosen)
    }
}

impl Dataset {
    /// The same with the classes of `names`, in their order; `whose` says whose names they are.
    ///
    /// # Errors
    /// [`Error::Input`] where a class is not among them.
    pub fn labelled_by(self, names: &[String], whose: &str) -> Result<Self> {
        let mut places = Vec::new();
        for class in &self.classes {
            let place = names.iter().position(|n| *n == class.name);
            let place = place.and_then(|p| u32::try_from(p).ok());
            places.push(place.ok_or_else(|| {
                Error::input(format!(
                    "the class {:?} of {} is not among the {} {whose}: rename it, or take the data that go with this \
                     backbone",
                    class.name,
                    self.id,
                    names.len()
                ))
            })?);
        }
        let rename = |label: u32| places.get(label as usize).copied();
        let class = |name: &String| Class {
            name: name.clone(),
            group: String::new(),
        };
        Ok(Self {
            train: self.train.relabelled(rename),
            test: self.test.relabelled(rename),
            classes: names.iter().map(class).collect(),
            id: self.id,
        })
    }

    /// SHA-256 over class names, and of both splits sizes, pixels and labels, or what the files hold.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for class in &self.classes {
            hash.update(class.name.as_bytes());
            hash.update([0]);
        }
        for images in [&self.train, &self.test] {
            images.fingerprint(&mut hash);
        }
        files::hex(&hash.finalize())
    }

    /// SHA-256 over [`Self::sha256`] and the group of each class.
    pub fn sha256_with_groups(&self) -> String {
        let mut all = self.sha256();
        for class in &self.classes {
            all.push('\0');
            all.push_str(&class.group);
        }
        files::sha256(all.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Images {
        Images::raw([1, 1, 2], vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9])
    }

    #[test]
    fn a_subset_keeps_pixels_and_labels_together() {
        let part = images().subset(&[2, 0, 5]);
        assert_eq!((part.image(0), part.image(1)), (vec![5, 6], vec![1, 2]));
        assert_eq!((part.labels.as_slice(), part.len()), (&[9, 7][..], 2));
        let renamed = part.relabelled(|l| (l == 7).then_some(0));
        assert_eq!((renamed.image(0), renamed.labels), (vec![1, 2], vec![0]));
    }

    #[test]
    fn stretches_share_nothing_and_leave_nothing_out() {
        let n = 101;
        let all = Images::raw([1, 1, 1], (0..n).collect(), vec![0; usize::from(n)]);
        let pixels =
            |part: &Images| -> Vec<u8> { (0..part.len()).flat_map(|i| part.image(i)).collect() };
        for cuts in [
            vec![0.0, 0.5, 1.0],
            vec![0.0, 0.8, 1.0],
            vec![0.0, 0.1, 0.35, 1.0],
        ] {
            let parts: Vec<Vec<u8>> = cuts
                .windows(2)
                .map(|c| pixels(&all.stretch([c[0], c[1]], Key::new(5))))
                .collect();
            for (part, cut) in parts.iter().zip(cuts.windows(2)) {
                assert!(part.is_sorted());
                assert!((part.len() as f64 - (cut[1] - cut[0]) * f64::from(n)).abs() <= 1.0);
            }
            let mut together = parts.concat();
            together.sort_unstable();
            assert_eq!(together, (0..n).collect::<Vec<u8>>());
        }
        let half = |seed| pixels(&all.stretch([0.0, 0.5], Key::new(seed)));
        assert_eq!(half(1), half(1));
        assert_ne!(half(1), half(2));
        assert_ne!(half(1), (0..51).collect::<Vec<u8>>());
    }

    #[test]
    fn a_cap_takes_images_from_all_over_a_class() {
        let labels = [0, 1, 0, 0, 1, 0, 0, 0, 2];
        let all = Images::raw([1, 1, 1], (0..9).collect(), labels.to_vec());
        let few = all.few_of_each(2);
        let pixels: Vec<u8> = (0..few.len()).flat_map(|i| few.image(i)).collect();
        assert_eq!(
            (pixels, few.labels),
            (vec![0, 1, 4, 5, 8], vec![0, 1, 1, 0, 2])
        );
        assert_eq!(few_of_each(&labels, 0), [] as [usize; 0]);
        assert_eq!(spread(10, 20), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn any_change_of_a_data_set_changes_its_hash() {
        let data = Dataset {
            id: "d".into(),
            classes: Vec::new(),
            train: images(),
            test: images(),
        };
        // As earlier versions had it: their runs go on.
        let bytes = |images: &Images| -> Vec<u8> {
            let numbers = [1u64, 1, 2, 3].map(u64::to_le_bytes).concat();
            let labels = images.labels.iter().flat_map(|l| l.to_le_bytes());
            numbers.into_iter().chain(1..=6).chain(labels).collect()
        };
        let all = [bytes(&data.train), bytes(&data.test)].concat();
        assert_eq!(data.sha256(), files::sha256(&all));
        let mut other = data.clone();
        other.test.labels[1] = 0;
        assert_eq!(data.sha256(), data.clone().sha256());
        assert_ne!(data.sha256(), other.sha256());

        let grouped = |groups: [&str; 2]| {
            let class = |group: &str| Class {
                name: "c".into(),
                group: group.into(),
            };
            let classes = groups.map(class).to_vec();
            Dataset {
                classes,
                ..data.clone()
            }
        };
        let (one, another) = (grouped(["ab", "c"]), grouped(["a", "bc"]));
        assert_eq!(one.sha256(), another.sha256());
        assert_ne!(one.sha256_with_groups(), another.sha256_with_groups());
        assert_ne!(
            grouped(["", ""]).sha256_with_groups(),
            one.sha256_with_groups()
        );
    }
}
