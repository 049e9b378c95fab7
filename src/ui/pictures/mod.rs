//! Pictures of pixels, on terminals that take them. A frame is drawn in half blocks as everywhere; then those pictures
//! that are made take the place of their blocks where nothing was drawn over them. So no picture is ever half hidden, and
//! none is left over: text comes back to all of its cells at once.

mod choice;
mod encode;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui_image::protocol::Protocol;

use super::forgetting::{LostImages, SIDE};
use super::pen::Pen;
use super::settings::Variable;
use super::theme::{Depth, Marker, Theme};

pub use choice::{Choice, Graphics};
pub use encode::{Job, Made};

/// Pixels of an image in both directions where it is shown in pixels.
pub const FINE: usize = 128;
/// Pixels of a cell of a VT340, which terminals that tell none of their own mostly go by.
const VT340: (u16, u16) = (10, 20);
/// The most pixels of a cell that are believed.
const MOST: (u16, u16) = (64, 128);
/// Pictures that are made at once: the first are seen while the next are made.
const AT_ONCE: usize = 4;
/// What a kitty calls our pictures: its windows keep them until they are told.
const IDS: std::ops::Range<u32> = 0x7065_0000..0x7066_0000;

/// A picture: of which image, in how many columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    index: usize,
    cells: (u16, u16),
}

/// How this terminal takes pictures, and those that are looked at.
#[derive(Default)]
pub struct Pictures {
    graphics: Option<Graphics>,
    tmux: bool,
    /// Pixels of a cell, once they are known.
    cell: Option<(u16, u16)>,
    album: RefCell<Album>,
}

/// The pictures of one set of images.
#[derive(Default)]
struct Album {
    images: Option<Arc<LostImages>>,
    /// Those that were made; `None` for one that cannot be.
    made: HashMap<Key, Option<Protocol>>,
    /// Those that this frame has half blocks of, as they were drawn.
    offered: Vec<(Key, Buffer)>,
    /// Those that the last frame wanted and did not have.
    missing: Vec<Key>,
    /// How often all were forgotten, so that what was made before does not count.
    age: u64,
    last_id: u32,
}

impl Album {
    fn forget(&mut self) {
        self.made.clear();
        self.missing.clear();
        self.age += 1;
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = match self.last_id + 1 {
            id if IDS.contains(&id) => id,
            _ => IDS.start,
        };
        self.last_id
    }
}

impl Pictures {
    /// As the user wants it, on the terminal that these variables are of.
    pub fn new(choice: Choice, variable: Variable) -> Self {
        Self {
            graphics: choice.graphics(variable),
            tmux: choice::in_tmux(variable),
            // Whoever names a protocol has a terminal that takes it, even where it tells nothing of its cells.
            cell: (choice != Choice::Auto).then_some(VT340),
            album: RefCell::default(),
        }
    }

    /// Columns and rows of pixels in a cell, as far as the terminal tells.
    pub fn measure(&mut self, cell: Option<(u16, u16)>) {
        let sound = |(width, height): &(u16, u16)| {
            (1..=MOST.0).contains(width) && (1..=MOST.1).contains(height)
        };
        if let Some(cell) = cell.filter(sound)
            && self.cell.replace(cell) != Some(cell)
        {
            self.forget();
        }
    }

    /// Whether the terminal takes pictures at all.
    pub fn are_shown(&self) -> bool {
        self.graphics.is_some() && self.cell.is_some()
    }

    /// Pixels that an image is read with in both directions.
    pub fn side(&self) -> usize {
        match self.are_shown() {
            true => FINE,
            false => SIDE,
        }
    }

    /// Forgets what was made: the terminal was cleared, or its cells have changed.
    pub fn forget(&mut self) {
        self.album.get_mut().forget();
    }

    /// What tells the terminal to forget our pictures too, where it keeps them.
    pub fn farewell(&self) -> Option<String> {
        let kept = self.graphics == Some(Graphics::Kitty) && !self.tmux;
        let last = IDS.end - 1;
        kept.then(|| format!("\x1b_Ga=d,d=R,x={},y={last},q=2\x1b\\", IDS.start))
    }

    /// Wants a picture in the place of the half blocks that the pen's area has of it now.
    pub(super) fn offer(&self, theme: &Theme, images: &Arc<LostImages>, index: usize, pen: &Pen) {
        let plain = theme.depth == Depth::None || theme.marker == Marker::Ascii;
        if plain || !self.are_shown() {
            return;
        }
        let album = &mut *self.album.borrow_mut();
        let same = album
            .images
            .as_ref()
            .is_some_and(|of| Arc::ptr_eq(of, images));
        if !same {
            album.forget();
            album.images = Some(Arc::clone(images));
        }
        let cells = (pen.width(), pen.height());
        album.offered.push((Key { index, cells }, pen.copy()));
    }

    /// Puts pictures where their half blocks are seen whole: once all of a frame is drawn.
    pub(super) fn place(&self, buffer: &mut Buffer) {
        let album = &mut *self.album.borrow_mut();
        album.missing.clear();
        for (key, blocks) in album.offered.drain(..) {
            match album.made.get(&key) {
                Some(Some(picture)) if is_whole(&blocks, buffer) => {
                    Pen::new(buffer, blocks.area).picture(picture);
                }
                Some(_) => {}
                None => album.missing.push(key),
            }
        }
    }

    /// Some of the pictures that the last frame had not; to be made anywhere and given back with
    /// [`App::on_pictures`](super::App::on_pictures).
    pub fn wanted(&self) -> Vec<Job> {
        let album = &mut *self.album.borrow_mut();
        let (Some(graphics), Some(cell)) = (self.graphics, self.cell) else {
            return Vec::new();
        };
        let Some(images) = album.images.clone() else {
            return Vec::new();
        };
        let some = album.missing.len().min(AT_ONCE);
        let missing: Vec<Key> = album.missing.drain(..some).collect();
        let job = |key| Job {
            age: album.age,
            key,
            images: Arc::clone(&images),
            graphics,
            tmux: self.tmux,
            cell,
            id: album.next_id(),
        };
        missing.into_iter().map(job).collect()
    }

    /// Pictures were made.
    pub(super) fn keep(&mut self, made: Vec<Made>) {
        let album = self.album.get_mut();
        let current = made.into_iter().filter(|made| made.age == album.age);
        album
            .made
            .extend(current.map(|made| (made.key, made.picture)));
    }
}

/// Whether all cells are as they were drawn.
fn is_whole(drawn: &Buffer, buffer: &Buffer) -> bool {
    let mut places = drawn.area.positions();
    places.all(|place| buffer.cell(place) == drawn.cell(place))
}
