//! Screens as SVG: one still, or many one after the other.

use std::collections::HashMap;
use std::fmt::Write;

use super::cells::{CELL, GROUND, STYLE, escaped, row};
use super::recorder::{Frame, SIZE};

/// Around the terminal.
const MARGIN: usize = 12;
/// Below it, for a line that says what happens.
const CAPTION: usize = 34;
const FONT: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";

/// Width and height of the terminal in the picture's units.
fn size() -> (usize, usize) {
    (usize::from(SIZE.0) * CELL.0, usize::from(SIZE.1) * CELL.1)
}

/// The picture around `inside`; `title` is what it shows, in words.
fn picture(title: &str, style: &str, below: usize, inside: &str) -> String {
    let (width, height) = (size().0 + 2 * MARGIN, size().1 + 2 * MARGIN + below);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"-{MARGIN} -{MARGIN} {width} {height}\" \
         font-family=\"{FONT}\" font-size=\"16.6\"><title>{}</title><style>{STYLE}{style}</style>\
         <rect x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{GROUND}\"/>{inside}</svg>\n",
        escaped(title)
    )
}

/// A screen.
pub fn still(title: &str, screen: &vt100::Screen) -> String {
    let mut rows = String::new();
    for y in 0..SIZE.1 {
        let row = row(screen, y);
        if !row.is_empty() {
            let top = usize::from(y) * CELL.1;
            let _ = write!(rows, "<g transform=\"translate(0 {top})\">{row}</g>");
        }
    }
    picture(title, "", 0, &rows)
}

/// Frames one after the other, again and again: they lie side by side, and what is seen of them jumps. Equal rows are
/// kept once.
pub fn moving(title: &str, frames: &[Frame]) -> String {
    let (width, height) = size();
    let (mut ids, mut rows, mut strip, mut steps) =
        (HashMap::new(), String::new(), String::new(), String::new());
    let all: f64 = frames.iter().map(|frame| frame.seconds).sum();
    let mut begun = 0.0;
    for (i, frame) in frames.iter().enumerate() {
        let _ = write!(
            steps,
            "{:.3}%{{transform:translateX(-{}px)}}",
            100.0 * begun / all,
            i * width
        );
        begun += frame.seconds;
        let _ = write!(strip, "<g transform=\"translate({} 0)\">", i * width);
        for y in 0..SIZE.1 {
            let row = row(&frame.screen, y);
            if row.is_empty() {
                continue;
            }
            let next = ids.len();
            let id = *ids.entry(row.clone()).or_insert(next);
            if id == next {
                let _ = write!(rows, "<g id=\"r{id}\">{row}</g>");
            }
            let _ = write!(
                strip,
                "<use href=\"#r{id}\" y=\"{}\"/>",
                usize::from(y) * CELL.1
            );
        }
        let _ = write!(
            strip,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#e8c872\">{}</text></g>",
            width / 2,
            height + CAPTION - 8,
            escaped(frame.caption)
        );
    }
    let style = format!(
        "@keyframes s{{{steps}}}.s{{animation:s {all:.1}s step-end infinite}}\
         @media (prefers-reduced-motion:reduce){{.s{{animation:none}}}}"
    );
    let seen = height + CAPTION;
    let inside = format!(
        "<defs>{rows}</defs><svg width=\"{width}\" height=\"{seen}\" viewBox=\"0 0 {width} {seen}\"><g class=\"s\">{strip}</g></svg>"
    );
    picture(title, &style, CAPTION, &inside)
}
