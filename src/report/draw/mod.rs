//! The figures of a report, as SVG 174 mm wide.

mod by_rank;
mod marks;
mod panel;
mod sequence;
mod share;

pub use by_rank::{contextual, ranks};
pub use sequence::sequences;
pub use share::{share, shares};

use crate::export::plot::MM;
use crate::export::plot::svg::{Svg, clean};

/// Width of every figure, in points.
const PAGE: f64 = 174.0 * MM;

/// A figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its file's name without the ending.
    pub stem: String,
    /// In a few words.
    pub title: String,
    /// What it shows, as it stands under it.
    pub caption: String,
    /// The file, which stands in the page as it is.
    pub svg: String,
}

impl Figure {
    /// Of what was drawn, `height` points high.
    fn new(stem: &str, title: &str, caption: String, svg: Svg, height: f64) -> Self {
        let (title, caption) = (clean(title), clean(&caption));
        let text = svg.finish(height, &title, &caption);
        // Within a page a declaration would be a mistake; without one the file is UTF-8 all the same.
        let body = text
            .split_once("?>\n")
            .map_or(text.as_str(), |(_, body)| body);
        Self {
            stem: stem.into(),
            svg: body.to_owned(),
            title,
            caption,
        }
    }
}
