//! The accuracy matrix as coloured cells with their figures.

use super::axis::{BAR, GAP, Heads, Scale, bar, frame, upright};
use super::colour::{Ramp, hex, ink_on};
use super::font::{shortened, width};
use super::svg::{Anchor, Area, FAINT, Letters, SMALL, Svg, TEXT};
use super::{Figures, Picture};

/// Height of a row, in points.
const ROW: f64 = 15.0;
/// Width of the widest cell, in points.
const WIDEST: f64 = 56.0;
/// Width of the longest name of a row, in points.
const LONGEST: f64 = 76.0;

/// The picture, `width` points wide.
pub fn picture(figures: &Figures, width: f64) -> Picture {
    let matrix = &figures.matrix;
    let (svg, height) = draw(figures, width);
    let caption = format!(
        "Top-1 accuracy in percent on each test set (columns) after each task of the sequence (rows); row 0 is the \
         untouched backbone. A cell is empty where nothing was measured{}.",
        match figures.rows.iter().any(|r| r.skipped) {
            true => "; a task that was left out changed nothing",
            false => "",
        }
    );
    let title = format!(
        "Accuracy matrix, {} rows by {} test sets",
        figures.rows.len(),
        matrix.tasks.len()
    );
    Picture::new(figures, "matrix".into(), title, caption, svg, height)
}

fn draw(figures: &Figures, page: f64) -> (Svg, f64) {
    let matrix = &figures.matrix;
    let mut svg = Svg::new(page);
    let names: Vec<String> = (0..figures.rows.len())
        .map(|i| shortened(&format!("{i} {}", figures.after(i)), TEXT, LONGEST))
        .collect();
    let longest = names
        .iter()
        .map(|n| self::width(n, TEXT))
        .fold(0.0, f64::max);
    let x = TEXT + 2.0 * GAP + longest + GAP;
    let columns = matrix.tasks.len().max(1);
    let cell = ((page - x - GAP) / columns as f64).min(WIDEST);
    let tasks: Vec<&str> = matrix.tasks.iter().map(String::as_str).collect();
    let heads = Heads::over(&tasks, &vec![cell; columns]);
    let area = Area::new(
        x,
        TEXT + GAP + heads.height,
        cell * columns as f64,
        ROW * names.len() as f64,
    );
    svg.text(
        (area.centre().0, 0.8 * TEXT),
        "test set",
        Letters::held(Anchor::Middle),
    );
    let centres: Vec<f64> = (0..columns)
        .map(|c| area.x + cell * (c as f64 + 0.5))
        .collect();
    heads.draw(&mut svg, &centres, area.y);
    upright(&mut svg, &area, "after task");
    for (row, name) in names.iter().enumerate() {
        let middle = area.y + ROW * (row as f64 + 0.5) + 0.35 * TEXT;
        svg.text((area.x - GAP, middle), name, Letters::held(Anchor::End));
        if figures.rows[row].skipped {
            let letters = Letters {
                colour: FAINT,
                ..Letters::held(Anchor::Middle)
            };
            svg.text((area.centre().0, middle), "left out", letters);
        }
    }
    cells(&mut svg, figures, &area, cell);
    svg.rect(&area, &frame());
    let scale = Scale::over([0.0, 100.0].into_iter(), 5);
    let foot = Area::new(
        area.x,
        area.bottom() + 3.0 * GAP,
        area.width.max(100.0),
        0.0,
    );
    bar(
        &mut svg,
        &foot,
        Ramp::Sequential,
        &scale,
        "top-1 accuracy (%)",
    );
    (svg, foot.y + BAR + GAP)
}

fn cells(svg: &mut Svg, figures: &Figures, area: &Area, cell: f64) {
    let matrix = &figures.matrix;
    // As many decimals as there is room for.
    let wide = |text: &str, size| width(text, size) + 2.0 <= cell;
    let (places, size) = match () {
        () if wide("100.0", TEXT) => (1, TEXT),
        () if wide("100.0", SMALL) => (1, SMALL),
        () => (0, SMALL),
    };
    for (row, accuracies) in matrix.rows.iter().enumerate() {
        for (column, &accuracy) in accuracies.iter().enumerate().filter(|(_, a)| a.is_finite()) {
            let place = Area::new(
                area.x + cell * column as f64,
                area.y + ROW * row as f64,
                cell,
                ROW,
            );
            let colour = Ramp::Sequential.at(accuracy);
            let attributes = format!(
                "fill=\"{}\" shape-rendering=\"crispEdges\" class=\"cell\"",
                hex(colour)
            );
            svg.rect(&place, &attributes);
            let (x, y) = place.centre();
            let letters = Letters {
                size,
                colour: ink_on(colour),
                ..Letters::held(Anchor::Middle)
            };
            svg.text(
                (x, y + 0.35 * size),
                &format!("{:.places$}", 100.0 * accuracy),
                letters,
            );
        }
    }
}
