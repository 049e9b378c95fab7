//! Figures for a paper: SVG with text as text, and PNG from the same.
//!
//! Widths are those of a column and of a page of most journals, letters are of 8 points (6.5 where many stand together),
//! colours are told apart with any colour vision and in print without colour. What a figure shows is in its caption, which
//! stands in the SVG's `<desc>`, in the PNG's text and in the manifest, not in the picture. Equal runs give equal bytes:
//! text is measured and drawn with fonts that are in the program.

pub(crate) mod axis;
pub(crate) mod colour;
mod contextual;
pub(crate) mod font;
mod heatmap;
mod loss;
mod matrix;
mod png;
pub(crate) mod svg;

pub use contextual::pictures as contextual;
pub use heatmap::picture as heatmap;
pub use loss::picture as loss;
pub use matrix::picture as matrix;
pub use png::{DPI, pixels, png};
pub use svg::{MM, clean};

use super::figures::Figures;
use super::provenance;
use svg::Svg;

/// A figure.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its file's name without the ending.
    pub stem: String,
    /// What it is, in a few words.
    pub title: String,
    /// What it shows, as it could stand under it.
    pub caption: String,
    /// The caption and what it was made from.
    pub description: String,
    /// The file.
    pub svg: String,
    /// In millimetres.
    pub width_mm: f64,
    /// In millimetres.
    pub height_mm: f64,
}

impl Picture {
    /// Of what was drawn, `height` points high.
    fn new(
        figures: &Figures,
        stem: String,
        title: String,
        caption: String,
        svg: Svg,
        height: f64,
    ) -> Self {
        let title = clean(&title);
        let caption = clean(&caption);
        let description = format!("{caption} {}.", clean(&provenance(figures)));
        let width_mm = svg.width / MM;
        Self {
            svg: svg.finish(height, &title, &description),
            stem,
            title,
            caption,
            description,
            width_mm,
            height_mm: height / MM,
        }
    }
}
