//! How series are told apart: by colour, by the shape of their marks, and imported ones by dashes and hollow marks.

use crate::export::plot::axis::GAP;
use crate::export::plot::font::{shortened, width};
use crate::export::plot::svg::{Anchor, Letters, Path, SMALL, Svg};

/// Okabe and Ito's, "Color universal design", 2008, without its yellow, which is faint on white.
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5a5a5a",
];

/// Shape of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
}

/// How a line is drawn.
#[derive(Clone, Debug)]
pub struct Style {
    pub colour: String,
    shape: Shape,
    /// Dashed, with hollow marks.
    pub imported: bool,
}

impl Style {
    /// Of the series with this number.
    pub fn of(number: usize, imported: bool) -> Self {
        let shapes = [
            Shape::Circle,
            Shape::Square,
            Shape::Triangle,
            Shape::Diamond,
        ];
        Self {
            colour: COLOURS[number % COLOURS.len()].into(),
            shape: shapes[number % shapes.len()],
            imported,
        }
    }

    /// Of a colour of its own.
    pub fn coloured(colour: String, imported: bool) -> Self {
        let shape = if imported {
            Shape::Square
        } else {
            Shape::Circle
        };
        Self {
            colour,
            shape,
            imported,
        }
    }

    /// Attributes of its line.
    pub fn line(&self) -> String {
        let dashes = match self.imported {
            true => " stroke-dasharray=\"3 2\"",
            false => "",
        };
        format!(
            "fill=\"none\" stroke=\"{}\" stroke-width=\"1.1\" stroke-linejoin=\"round\"{dashes}",
            self.colour
        )
    }

    /// A mark of a mean.
    pub fn mark(&self, svg: &mut Svg, (x, y): (f64, f64)) {
        let colour = &self.colour;
        let attributes = match self.imported {
            true => format!("fill=\"#ffffff\" stroke=\"{colour}\" stroke-width=\"1\""),
            false => format!("fill=\"{colour}\" stroke=\"#ffffff\" stroke-width=\"0.4\""),
        };
        let r = 2.3;
        let corners: &[(f64, f64)] = match self.shape {
            Shape::Circle => return svg.circle((x, y), r, &attributes),
            Shape::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Shape::Triangle => &[(0.0, -1.25), (1.15, 0.8), (-1.15, 0.8)],
            Shape::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        };
        let mut path = Path::default();
        path.through(corners.iter().map(|(dx, dy)| (x + r * dx, y + r * dy)));
        path.close();
        svg.path(&path, &attributes);
    }

    /// Of a single run, or of a rise and fall beside a mean.
    pub fn faint(&self) -> String {
        format!("fill=\"{}\" fill-opacity=\"0.4\"", self.colour)
    }
}

/// Marks and what they mean, from `x` to `right` in as many lines as it takes below `top`; gives where they end.
pub fn legend(svg: &mut Svg, (x, right): (f64, f64), top: f64, entries: &[(Style, String)]) -> f64 {
    const MARK: f64 = 16.0;
    const LINE: f64 = SMALL + 4.0;
    let (mut at, mut y) = (x, top + LINE / 2.0);
    for (style, text) in entries {
        let text = shortened(text, SMALL, right - x - MARK - GAP);
        let wide = MARK + GAP + width(&text, SMALL);
        if at > x && at + wide > right {
            (at, y) = (x, y + LINE);
        }
        svg.line((at, y), (at + MARK, y), &style.line());
        style.mark(svg, (at + MARK / 2.0, y));
        let place = (at + MARK + GAP, y + 0.35 * SMALL);
        svg.text(place, &text, Letters::small(Anchor::Start));
        at += wide + 4.0 * GAP;
    }
    match entries {
        [] => top,
        _ => y + LINE / 2.0,
    }
}
