//! Images as small pictures to look at.

use fast_image_resize::{FilterType, ResizeAlg};

use super::Images;
use crate::{Error, Result};

impl Images {
    /// The middle square of image `i`, scaled to `side`×`side` pixels: red, green and blue, `[side × side]` in rows.
    ///
    /// # Errors
    /// [`Error::Input`] if its file cannot be read; [`Error::Internal`] if there is no image `i`.
    pub fn thumbnail(&self, i: usize, side: usize) -> Result<Vec<[u8; 3]>> {
        let raster = self.raster(i)?;
        let short = raster.height.min(raster.width);
        let filter = ResizeAlg::Convolution(FilterType::Hamming);
        let small = raster.centre(short, short).resize(side, side, filter)?;
        let pixels = small.pixels.chunks_exact(small.channels);
        pixels
            .map(|pixel| match pixel {
                [grey] => Ok([*grey; 3]),
                [r, g, b] => Ok([*r, *g, *b]),
                other => Err(Error::internal(format!(
                    "a picture of {} channels",
                    other.len()
                ))),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::peek;
    use super::super::testing::{png, write};
    use super::*;
    use crate::progress::Nobody;
    use crate::recipe::{DataOptions, FoundationRecipe, LoadingRecipe};

    #[test]
    fn the_middle_square_is_what_is_seen() {
        // Two rows of six grey pixels: black, white in the middle two, black.
        let row = [0, 0, 255, 255, 0, 0];
        let images = Images::raw([1, 2, 6], [row, row].concat(), vec![0]);
        assert_eq!(images.thumbnail(0, 2).unwrap(), [[255; 3]; 4]);
        assert!(images.thumbnail(1, 2).is_err());
        let colour = Images::raw([3, 1, 1], vec![10, 20, 30], vec![0]);
        assert_eq!(colour.thumbnail(0, 3).unwrap(), [[10, 20, 30]; 9]);
    }

    /// A picture that cannot be decoded is no reason not to look at the others.
    #[test]
    fn pictures_on_disk_are_decoded_when_they_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        for (class, name, bytes) in [
            ("a", "0.png", png(9)),
            ("b", "0.png", b"no".to_vec()),
            ("b", "1.png", png(7)),
        ] {
            for split in ["train", "test"] {
                write(dir.path().join(split).join(class).join(name), &bytes);
            }
        }
        let foundation = FoundationRecipe {
            data: format!("folder:{}", dir.path().display()),
            id: None,
            options: DataOptions::default(),
        };
        let found = peek(&foundation, &LoadingRecipe::default(), &mut Nobody).unwrap();
        assert_eq!(found.test.labels, [0, 1, 1]);
        assert_eq!(found.test.thumbnail(0, 2).unwrap(), [[9, 100, 200]; 4]);
        assert!(found.test.thumbnail(1, 2).is_err());
        assert_eq!(found.test.thumbnail(2, 2).unwrap()[0][0], 7);
    }
}
