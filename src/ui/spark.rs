//! A curve without axes in a few cells: braille where the font has it, blocks where not.

use super::theme::Marker;

/// The blocks of a cell, from the lowest.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Braille's bits of the left and the right column of dots, from the lowest.
const DOTS: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];

/// A curve over `part` of `columns` in so many rows, the uppermost first; `range` is what the lowest and the highest dot
/// stand for, so that curves beside one another can be compared.
pub fn spark(
    curve: &[f32],
    part: f64,
    range: (f32, f32),
    (columns, rows): (usize, usize),
    marker: Marker,
) -> Vec<String> {
    let (across, down) = match marker {
        Marker::Braille => (2, 4),
        Marker::Dots | Marker::Ascii => (1, 8),
    };
    let wide = (columns * across) as f64;
    let wide = (part.clamp(0.0, 1.0) * wide).ceil() as usize;
    let levels: Vec<Option<usize>> = resampled(curve, wide)
        .map(|value| level(value, range, rows * down))
        .collect();
    let line = |row: usize| -> String {
        // Rows are counted from below.
        let base = (rows - 1 - row) * down;
        let cell = |column: usize| match marker {
            Marker::Braille => braille(&levels, column, base),
            Marker::Dots | Marker::Ascii => block(levels.get(column).copied().flatten(), base),
        };
        (0..columns).map(cell).collect()
    };
    (0..rows).map(line).collect()
}

/// Means of so many equal parts of a curve; a short one is drawn out.
fn resampled(curve: &[f32], wide: usize) -> impl Iterator<Item = f32> {
    let all = curve.len();
    let wide = if all == 0 { 0 } else { wide };
    (0..wide).map(move |i| {
        let from = (i * all / wide).min(all - 1);
        let to = ((i + 1) * all / wide).clamp(from + 1, all);
        let part = &curve[from..to];
        part.iter().sum::<f32>() / part.len() as f32
    })
}

/// The dot of a value, from the lowest; `None` of what is no number.
fn level(value: f32, (low, high): (f32, f32), dots: usize) -> Option<usize> {
    let part = match high - low {
        span if span > 0.0 => (value - low) / span,
        _ => 0.0,
    };
    let last = dots.saturating_sub(1);
    (!part.is_nan()).then(|| (part.clamp(0.0, 1.0) * last as f32).round() as usize)
}

/// A line: each column of dots reaches from the one before.
fn braille(levels: &[Option<usize>], column: usize, base: usize) -> char {
    let mut bits = 0;
    for (side, dots) in DOTS.iter().enumerate() {
        let at = 2 * column + side;
        let Some(here) = levels.get(at).copied().flatten() else {
            continue;
        };
        let before = at.checked_sub(1).and_then(|b| levels[b]).unwrap_or(here);
        // The dot of the column before is drawn there.
        let (low, high) = match here.cmp(&before) {
            std::cmp::Ordering::Less => (here, (before - 1).max(here)),
            std::cmp::Ordering::Equal => (here, here),
            std::cmp::Ordering::Greater => ((before + 1).min(here), here),
        };
        for (dot, bit) in dots.iter().enumerate() {
            if (low..=high).contains(&(base + dot)) {
                bits |= bit;
            }
        }
    }
    match bits {
        0 => ' ',
        bits => char::from_u32(0x2800 + bits).unwrap_or(' '),
    }
}

fn block(level: Option<usize>, base: usize) -> char {
    match level {
        Some(level) if level >= base => BLOCKS[(level - base).min(BLOCKS.len() - 1)],
        _ => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FALLING: [f32; 4] = [1.0, 0.6, 0.3, 0.0];

    #[test]
    fn a_falling_curve_falls_in_each_marker() {
        let of = |size, marker| spark(&FALLING, 1.0, (0.0, 1.0), size, marker);
        assert_eq!(of((4, 1), Marker::Dots), ["█▅▃▁"]);
        assert_eq!(of((4, 1), Marker::Ascii), ["█▅▃▁"]);
        assert_eq!(of((2, 1), Marker::Braille), ["⠑⢄"]);
        assert_eq!(of((4, 2), Marker::Dots), ["█▂  ", "██▆▁"]);
    }

    #[test]
    fn lines_have_no_holes() {
        // From the top to the ground in one step: a line joins them.
        assert_eq!(
            spark(&[1.0, 0.0], 1.0, (0.0, 1.0), (1, 1), Marker::Braille),
            ["⢱"]
        );
        let rows = spark(&[1.0, 0.0], 1.0, (0.0, 1.0), (1, 2), Marker::Braille);
        assert_eq!(rows, ["⢱", "⢸"]);
    }

    #[test]
    fn a_part_of_a_run_takes_a_part_of_the_width() {
        let half = spark(&FALLING, 0.5, (0.0, 1.0), (4, 1), Marker::Dots);
        assert_eq!(half, ["▇▂  "]);
        assert_eq!(
            spark(&[], 1.0, (0.0, 1.0), (3, 1), Marker::Braille),
            ["   "]
        );
        assert_eq!(
            spark(&FALLING, 1.0, (0.0, 0.0), (2, 1), Marker::Dots),
            ["▁▁"]
        );
        assert_eq!(
            spark(&[f32::NAN], 1.0, (0.0, 1.0), (2, 1), Marker::Dots),
            ["  "]
        );
        assert_eq!(spark(&FALLING, 1.0, (0.0, 1.0), (0, 1), Marker::Dots), [""]);
        assert!(spark(&FALLING, 1.0, (0.0, 1.0), (3, 0), Marker::Dots).is_empty());
    }
}
