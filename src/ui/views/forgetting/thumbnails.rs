//! Images as characters: two pixels a cell in colours, or one sign for them by their lightness. Where the terminal takes
//! pictures of pixels, those come into their place.

use std::sync::Arc;

use ratatui::style::Style;

use super::super::super::forgetting::{LostImage, LostImages, SIDE};
use super::super::super::pen::Pen;
use super::super::super::pictures::Pictures;
use super::super::super::text::percent;
use super::super::super::theme::{Ink, Marker, Theme, luminance};

/// From dark to light.
const RAMP: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];
/// Pictures that one wants to see at once, where there are so many, rather than fewer large ones.
const FEW: usize = 4;

/// Pixels that pictures are shown with in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side(u16);

impl Side {
    const LARGE: Self = Self(SIDE as u16);
    const SMALL: Self = Self(SIDE as u16 / 2);

    /// The larger one with which an area has room for a few of so many pictures.
    pub fn fitting(area: (u16, u16), images: usize) -> Self {
        match Self::LARGE.capacity(area) >= images.clamp(1, FEW) {
            true => Self::LARGE,
            false => Self::SMALL,
        }
    }

    /// Columns of a picture with the gap behind it, and rows with what stands below it.
    fn place(self) -> (u16, u16) {
        (self.0 + 2, self.0 / 2 + 1)
    }

    /// How many pictures have room in an area.
    pub fn capacity(self, (columns, rows): (u16, u16)) -> usize {
        let (wide, high) = self.place();
        usize::from((columns + 2) / wide) * usize::from(rows / high)
    }
}

/// Some of the lost images.
pub struct Page<'a> {
    /// Colours and markers.
    pub theme: &'a Theme,
    /// Those of pixels.
    pub pictures: &'a Pictures,
    /// All images.
    pub found: &'a Arc<LostImages>,
    /// The first one of the page.
    pub from: usize,
    /// How large they are.
    pub side: Side,
}

impl Page<'_> {
    /// Draws as many pictures as have room, each with what it was taken for.
    pub fn draw<'n>(&self, name: impl Fn(usize) -> &'n str, pen: &mut Pen) {
        let (theme, side) = (self.theme, self.side);
        let (wide, high) = side.place();
        let across = usize::from((pen.width() + 2) / wide).max(1);
        let most = side.capacity((pen.width(), pen.height()));
        let images = self.found.images.iter().enumerate();
        for (i, (index, image)) in images.skip(self.from).take(most).enumerate() {
            let (x, y) = ((i % across) as u16 * wide, (i / across) as u16 * high);
            let mut place = pen.part(x, y, side.0, high - 1);
            draw_picture(theme, image, side, &mut place);
            self.pictures.offer(theme, self.found, index, &place);
            let surely = image.confidence.map(|c| format!(" {}%", whole(c)));
            let surely = surely.unwrap_or_default();
            let room = side.0.saturating_sub(surely.len() as u16);
            let below = y + high - 1;
            let end = pen.fitted(x, below, room, name(image.taken_for), theme.ink(Ink::Plain));
            pen.text(end, below, &surely, theme.ink(Ink::Faint));
        }
    }
}

/// A probability in whole percent.
fn whole(confidence: f32) -> String {
    let text = percent(f64::from(confidence));
    text.split('.').next().unwrap_or_default().to_owned()
}

fn draw_picture(theme: &Theme, image: &LostImage, side: Side, pen: &mut Pen) {
    for y in 0..side.0 / 2 {
        for x in 0..side.0 {
            let (upper, lower) = (
                pixel(image, side, x, 2 * y),
                pixel(image, side, x, 2 * y + 1),
            );
            let (sign, style) = cell(theme, upper, lower);
            pen.text(x, y, sign.encode_utf8(&mut [0; 4]), style);
        }
    }
}

/// A pixel of the picture at a size: the mean of those that it stands for.
fn pixel(image: &LostImage, side: Side, x: u16, y: u16) -> [u8; 3] {
    let own = image.side();
    let span = |at: u16| {
        let (at, all) = (usize::from(at), usize::from(side.0));
        let from = at * own / all;
        from..((at + 1) * own / all).max(from + 1)
    };
    let columns = span(x);
    let rows = span(y).filter_map(|row| {
        let (from, to) = (row * own + columns.start, row * own + columns.end);
        image.pixels.get(from..to)
    });
    let (mut sum, mut count) = ([0_u32; 3], 0);
    for pixel in rows.flatten() {
        for (sum, sample) in sum.iter_mut().zip(pixel) {
            *sum += u32::from(*sample);
        }
        count += 1;
    }
    sum.map(|sum| u8::try_from(sum.checked_div(count).unwrap_or(0)).unwrap_or(u8::MAX))
}

/// Two pixels, one above the other.
fn cell(theme: &Theme, upper: [u8; 3], lower: [u8; 3]) -> (char, Style) {
    match (theme.marker, theme.pixel(upper), theme.pixel(lower)) {
        (Marker::Braille | Marker::Dots, Some(upper), Some(lower)) => {
            ('▀', Style::new().fg(upper).bg(lower))
        }
        _ => {
            let light = (luminance(upper) + luminance(lower)) / 2.0;
            // Lightness as eyes have it, about.
            let step = light.sqrt() * RAMP.len() as f64;
            let sign = RAMP.get(step as usize).or(RAMP.last());
            (sign.copied().unwrap_or(' '), Style::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::theme::Depth;
    use super::*;
    use ratatui::style::Color;

    #[test]
    fn two_pixels_are_two_colours_or_one_sign() {
        let theme = |depth, marker| Theme {
            depth,
            marker,
            ..Theme::default()
        };
        let coloured = theme(Depth::True, Marker::Braille);
        let style = Style::new().fg(Color::Rgb(1, 2, 3)).bg(Color::Rgb(9, 8, 7));
        assert_eq!(cell(&coloured, [1, 2, 3], [9, 8, 7]), ('▀', style));
        for plain in [
            theme(Depth::None, Marker::Braille),
            theme(Depth::Sixteen, Marker::Dots),
            theme(Depth::True, Marker::Ascii),
        ] {
            let sign = |grey: u8| cell(&plain, [grey; 3], [grey; 3]).0;
            assert_eq!((sign(0), sign(255)), (' ', '@'));
            let steps: Vec<usize> = (0..=255)
                .filter_map(|grey| RAMP.iter().position(|c| *c == sign(grey)))
                .collect();
            assert!(steps.len() == 256 && steps.windows(2).all(|w| w[0] <= w[1]));
        }
    }

    #[test]
    fn a_small_picture_is_the_mean_of_the_large_one() {
        let checks = |i: usize| {
            [if (i % SIDE + i / SIDE).is_multiple_of(2) {
                0
            } else {
                200
            }; 3]
        };
        let image = LostImage {
            name: String::new(),
            pixels: (0..SIDE * SIDE).map(checks).collect(),
            taken_for: 0,
            confidence: None,
        };
        assert_eq!(pixel(&image, Side::SMALL, 3, 5), [100; 3]);
        assert_eq!(pixel(&image, Side::LARGE, 3, 4), [200; 3]);
        // One that is read finer looks the same; one that is coarser, coarser.
        let fine = |i: usize| {
            let (x, y) = (i % 128 / 4, i / 128 / 4);
            [if (x + y) % 2 == 0 { 0 } else { 200 }; 3]
        };
        let of = |pixels| LostImage {
            pixels,
            ..image.clone()
        };
        let finer = of((0..128 * 128).map(fine).collect());
        assert_eq!(pixel(&finer, Side::SMALL, 3, 5), [100; 3]);
        assert_eq!(pixel(&finer, Side::LARGE, 3, 4), [200; 3]);
        let coarser = of(vec![[1; 3], [2; 3], [3; 3], [4; 3]]);
        assert_eq!(pixel(&coarser, Side::LARGE, 16, 15), [2; 3]);
        assert_eq!(pixel(&of(Vec::new()), Side::LARGE, 0, 0), [0; 3]);
        // A picture that is not whole is dark where something is missing.
        assert_eq!(pixel(&image, Side::LARGE, 40, 40), [0; 3]);
    }

    #[test]
    fn pictures_have_room_or_none_is_drawn() {
        assert_eq!(Side::SMALL.capacity((16, 9)), 1);
        assert_eq!(Side::SMALL.capacity((15, 40)), 0);
        assert_eq!(Side::SMALL.capacity((78, 18)), 8);
        assert_eq!(Side::LARGE.capacity((78, 18)), 2);
        // Two large ones are enough where there are two.
        assert_eq!(Side::fitting((78, 18), 2), Side::LARGE);
        assert_eq!(Side::fitting((78, 18), 3), Side::SMALL);
        assert_eq!(Side::fitting((198, 40), 90), Side::LARGE);
        assert_eq!(
            (whole(0.5), whole(1.0), whole(0.004)),
            ("50".into(), "100".into(), "0".into())
        );
    }
}
