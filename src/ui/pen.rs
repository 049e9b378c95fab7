//! Writing into a part of the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Widget;
use ratatui_image::Image;
use ratatui_image::protocol::Protocol;

use super::text::{clean, fit, width};

/// Writes cleaned text into one area of a buffer, in coordinates of that area, and never outside it: so no
/// view needs to know how small the terminal is.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Pen<'a> {
    /// A pen for the part of `area` that the buffer has.
    pub fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    /// Columns.
    pub fn width(&self) -> u16 {
        self.area.width
    }

    /// Rows.
    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// A pen for a part of this one's area, cut where it ends.
    pub fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Pen<'_> {
        let area = Rect {
            x: self.area.x.saturating_add(x),
            y: self.area.y.saturating_add(y),
            width,
            height,
        };
        Pen {
            area: area.intersection(self.area),
            buffer: self.buffer,
        }
    }

    /// Writes cleaned text at (x, y) and returns the column after it.
    pub fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let (left, top) = (self.area.x + x, self.area.y + y);
        let room = usize::from(self.area.width - x);
        let (end, _) = self.buffer.set_stringn(left, top, clean(text), room, style);
        end - self.area.x
    }

    /// As [`Self::text`], cut with `…` at `columns` or where the area ends.
    pub fn fitted(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let room = columns.min(self.area.width.saturating_sub(x));
        self.text(x, y, &fit(text, usize::from(room)), style)
    }

    /// Writes text so that it ends before column `end`.
    pub fn right(&mut self, end: u16, y: u16, text: &str, style: Style) {
        let text = fit(text, usize::from(end.min(self.area.width)));
        let start = usize::from(end).saturating_sub(width(&text));
        self.text(start as u16, y, &text, style);
    }

    /// Writes pieces one after the other and returns the column after them.
    pub fn pieces(&mut self, x: u16, y: u16, pieces: &[(&str, Style)]) -> u16 {
        pieces
            .iter()
            .fold(x, |x, (text, style)| self.text(x, y, text, *style))
    }

    /// Gives a rectangle a style, its text left as it is.
    pub fn paint(&mut self, x: u16, y: u16, width: u16, height: u16, style: Style) {
        let part = self.part(x, y, width, height).area;
        self.buffer.set_style(part, style);
    }

    /// What the area holds now.
    pub fn copy(&self) -> Buffer {
        let places = self.area.positions();
        Buffer {
            area: self.area,
            content: places.map(|place| self.buffer[place].clone()).collect(),
        }
    }

    /// Shows a picture that was made of pixels for an area of this size, and no text.
    pub fn picture(&mut self, picture: &Protocol) {
        self.clear();
        Image::new(picture).render(self.area, self.buffer);
    }

    /// Empties the area, as for a box that lies over something.
    pub fn clear(&mut self) {
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                self.buffer[(x, y)].reset();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pen_never_writes_outside_its_area() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 2));
        let mut pen = Pen::new(&mut buffer, Rect::new(2, 1, 40, 40));
        assert_eq!((pen.width(), pen.height()), (4, 1));
        pen.text(1, 0, "ひひ", Style::new());
        pen.text(9, 0, "no", Style::new());
        pen.text(0, 5, "no", Style::new());
        pen.right(40, 0, "far right", Style::new());
        pen.part(3, 0, 9, 9).text(0, 0, "zz", Style::new());
        let text: String = (0..6).map(|x| buffer[(x, 1)].symbol()).collect();
        assert!(text.starts_with("  "), "{text:?}");
        assert!(text.trim_end().ends_with('z'));
    }
}
