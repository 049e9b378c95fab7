//! Where what stands on the grid's screen: shared by drawing, the cursor's moves and clicks.

use super::super::super::sweep::OpenSweep;
use super::super::super::text::width;
use super::card;

/// Columns that a cell needs at least, and takes at most.
const COLUMN: (u16, u16) = (11, 60);
/// Lines from one row of the grid to the next, at most.
const PITCH: u16 = 7;
/// From so many lines a row on, an empty line lies between rows.
const AIRY: u16 = 4;
/// The cursor and the glyph stand before a run's name.
pub const MARKS: u16 = 4;

/// The parts of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// A grid, else a list.
    pub is_grid: bool,
    /// Whether there is a line for remarks below the totals.
    pub note: bool,
    /// The line with the names of the columns.
    pub heads: u16,
    /// The line of the first row.
    pub top: u16,
    /// Lines from one row to the next.
    pub pitch: u16,
    /// Lines of a cell.
    pub height: u16,
    /// Columns of the rows' names.
    pub label: u16,
    /// Columns of a cell.
    pub column: u16,
    /// The first row that is shown.
    pub from: usize,
    /// How many are.
    pub shown: usize,
    /// The first line below them.
    pub card: u16,
}

impl Geometry {
    /// The parts of a screen of this size.
    pub fn of(open: &OpenSweep, (columns, rows): (u16, u16)) -> Self {
        let runs = &open.runs;
        let label = label(open).min(columns / 3);
        let room = columns.saturating_sub(label);
        let across = u16::try_from(runs.columns.len()).unwrap_or(u16::MAX);
        let column = room.checked_div(across).unwrap_or(0).min(COLUMN.1);
        let place = runs.place(open.chosen);
        let is_grid = !open.listed && column >= COLUMN.0 && place.is_some();
        let (all, at) = match place.filter(|_| is_grid) {
            Some((row, _)) => (runs.rows.len(), row),
            None => (runs.runs.len(), open.chosen),
        };
        let note = rows >= 14 || open.trouble.is_some();
        let heads = 2 + u16::from(note);
        let top = heads + 1;
        let room = rows.saturating_sub(top);
        let details = match open.details {
            true => details(open, columns, rows).min(room.saturating_sub(3)),
            false => 0,
        };
        let room = room.saturating_sub(details).max(1);
        let count = u16::try_from(all).unwrap_or(u16::MAX).max(1);
        let pitch = match is_grid {
            true => (room / count).clamp(1, PITCH),
            false => 1,
        };
        let shown = usize::from(room / pitch).min(all);
        Self {
            is_grid,
            note,
            heads,
            top,
            pitch,
            height: pitch - u16::from(pitch >= AIRY),
            label,
            column,
            from: (at + 1).saturating_sub(shown),
            shown,
            card: top + shown as u16 * pitch,
        }
    }

    /// The part of a cell: column, line, and how large it is.
    pub fn cell(&self, row: usize, column: usize) -> Option<(u16, u16)> {
        let row = row.checked_sub(self.from).filter(|row| *row < self.shown)?;
        let x = self.label + column as u16 * self.column;
        Some((x, self.top + row as u16 * self.pitch))
    }

    /// The run at a place of the screen.
    pub fn run_at(&self, open: &OpenSweep, (x, y): (u16, u16)) -> Option<usize> {
        let row = usize::from(y.checked_sub(self.top)? / self.pitch);
        let row = Some(row).filter(|row| *row < self.shown)? + self.from;
        if !self.is_grid {
            return (row < open.runs.runs.len()).then_some(row);
        }
        let column = x.checked_sub(self.label)?.checked_div(self.column)?;
        *open.runs.cells.get(row)?.get(usize::from(column))?
    }
}

/// Lines for what is said of the run under the cursor, an empty one above it among them.
fn details(open: &OpenSweep, columns: u16, rows: u16) -> u16 {
    let least = match rows {
        0..14 => 3,
        14..30 => 6,
        30..50 => 11,
        _ => 16,
    };
    let text = card::lines(open, card::text_columns(columns, least)).len();
    least.max(1 + u16::try_from(text).unwrap_or(u16::MAX).min(rows / 2))
}

/// Columns of each value that names a row, the longest counting.
pub fn label_columns(open: &OpenSweep) -> Vec<usize> {
    let names = open.runs.row_names.iter().enumerate();
    names
        .map(|(i, name)| {
            let values = open.runs.rows.iter().filter_map(|row| row.get(i));
            values.map(|v| width(v)).fold(width(name), usize::max)
        })
        .collect()
}

fn label(open: &OpenSweep) -> u16 {
    let columns = label_columns(open);
    let all: usize = columns.iter().map(|c| c + 2).sum();
    u16::try_from(all + 1).unwrap_or(u16::MAX)
}
