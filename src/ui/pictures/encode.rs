//! Pixels to what a terminal is sent.

use std::sync::Arc;

use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage, RgbaImage};
use ratatui::layout::Size;
use ratatui_image::protocol::Protocol;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::kitty::Kitty;
use ratatui_image::protocol::sixel::Sixel;

use super::super::forgetting::{LostImage, LostImages};
use super::{Graphics, Key};

/// A picture that a frame wanted and that is not there.
pub struct Job {
    pub(super) age: u64,
    pub(super) key: Key,
    pub(super) images: Arc<LostImages>,
    pub(super) graphics: Graphics,
    /// Whether it is wrapped for tmux to hand it on.
    pub(super) tmux: bool,
    /// Pixels of a cell.
    pub(super) cell: (u16, u16),
    /// What a kitty calls it.
    pub(super) id: u32,
}

/// A picture that was made; none where that is impossible.
pub struct Made {
    pub(super) age: u64,
    pub(super) key: Key,
    pub(super) picture: Option<Protocol>,
}

impl Job {
    /// Makes the picture: milliseconds, up to tens of them for sixels on displays of many pixels.
    pub fn make(&self) -> Made {
        let image = self.images.images.get(self.key.index);
        Made {
            age: self.age,
            key: self.key,
            picture: image.and_then(|image| self.encode(image)),
        }
    }

    fn encode(&self, image: &LostImage) -> Option<Protocol> {
        let (columns, rows) = self.key.cells;
        let pixels = (
            u32::from(columns) * u32::from(self.cell.0),
            u32::from(rows) * u32::from(self.cell.1),
        );
        let raster = raster(image, pixels)?.into();
        let size = Size::new(columns, rows);
        let (id, tmux) = (self.id, self.tmux);
        let made = match self.graphics {
            // Compressed: lines over SSH are thin, and half of a glyph's picture is ground.
            Graphics::Kitty => Kitty::new(raster, size, id, tmux, true).map(Protocol::Kitty),
            // tmux reads sixels itself.
            Graphics::Sixel => Sixel::new(raster, size, false).map(Protocol::Sixel),
            Graphics::Iterm => Iterm2::new(raster, size, tmux).map(Protocol::ITerm2),
        };
        made.ok()
    }
}

/// The image as large as it fits in the middle of so many pixels, transparent beside it; `None` where it has none.
fn raster(image: &LostImage, (width, height): (u32, u32)) -> Option<RgbaImage> {
    let side = u32::try_from(image.side()).ok()?;
    let samples = image.pixels.iter().flatten().copied();
    let samples = samples.take(3 * image.side() * image.side()).collect();
    let fitted = width.min(height);
    if side == 0 || fitted == 0 {
        return None;
    }
    let own = DynamicImage::from(RgbImage::from_raw(side, side, samples)?);
    let own = own.resize_exact(fitted, fitted, FilterType::Triangle);
    let mut raster = RgbaImage::new(width, height);
    let (left, top) = ((width - fitted) / 2, (height - fitted) / 2);
    imageops::replace(&mut raster, &own.to_rgba8(), left.into(), top.into());
    Some(raster)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(side: usize) -> LostImage {
        LostImage {
            name: String::new(),
            pixels: (0..side * side).map(|i| [i as u8, 9, 7]).collect(),
            taken_for: 0,
            confidence: None,
        }
    }

    #[test]
    fn a_picture_keeps_its_shape_in_cells_of_any() {
        let raster = raster(&image(2), (6, 4)).unwrap();
        assert_eq!(raster.dimensions(), (6, 4));
        let row = |y: u32| (0..6).map(|x| raster.get_pixel(x, y).0).collect::<Vec<_>>();
        assert_eq!((row(0)[0], row(0)[5]), ([0; 4], [0; 4]));
        assert_eq!((row(0)[1], row(3)[4]), ([0, 9, 7, 255], [3, 9, 7, 255]));
        let same = super::raster(&image(3), (3, 3)).unwrap();
        assert_eq!(same.get_pixel(2, 1).0, [5, 9, 7, 255]);
        assert_eq!(super::raster(&image(0), (8, 16)), None);
        assert_eq!(super::raster(&image(2), (0, 16)), None);
    }

    #[test]
    fn every_protocol_says_its_own() {
        for (graphics, begins) in [
            (Graphics::Kitty, "\x1b_G"),
            (Graphics::Sixel, "\x1bP"),
            (Graphics::Iterm, "\x1b]1337;File="),
        ] {
            let job = Job {
                age: 0,
                key: Key {
                    index: 0,
                    cells: (4, 2),
                },
                images: Arc::new(LostImages {
                    total: 1,
                    images: vec![image(8)],
                }),
                graphics,
                tmux: false,
                cell: (8, 16),
                id: 1,
            };
            let picture = job.make().picture.unwrap();
            let area = ratatui::layout::Rect::new(0, 0, 4, 2);
            let mut buffer = ratatui::buffer::Buffer::empty(area);
            super::super::Pen::new(&mut buffer, area).picture(&picture);
            let symbol = buffer[(0, 0)].symbol();
            assert!(symbol.contains(begins), "{graphics:?} {symbol:?}");
        }
    }
}
