//! Where the user looks: cursors and choices of each screen. Nothing of it is part of a run.

use super::open_run::OpenRun;
use crate::lab::Level;
use crate::measure::Forgetting;
use crate::run::view::PreviewView;

/// The train screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrainLook {
    /// Position of the training looked at; `None` follows the newest.
    pub training: Option<usize>,
    /// Whether curves are of the whole run.
    pub whole: bool,
}

/// What the matrix shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figure {
    /// Accuracy.
    #[default]
    Accuracy,
    /// Forgetting, by one of its definitions.
    Forgetting(Forgetting),
}

impl Figure {
    /// The next one.
    pub fn next(self) -> Self {
        let all = Forgetting::ALL;
        match self {
            Self::Accuracy => Self::Forgetting(all[0]),
            Self::Forgetting(kind) => {
                let at = all.iter().position(|k| *k == kind).unwrap_or(all.len());
                all.get(at + 1)
                    .map_or(Self::Accuracy, |k| Self::Forgetting(*k))
            }
        }
    }

    /// What it is called.
    pub fn name(self) -> String {
        match self {
            Self::Accuracy => "accuracy".into(),
            Self::Forgetting(kind) => format!("forgetting {}", kind.name()),
        }
    }

    /// What it is, with `R[i][j]` the accuracy of column j after row i.
    pub fn definition(self) -> String {
        match self {
            Self::Accuracy => "R[i][j]: percent right of the test images".into(),
            Self::Forgetting(kind) => kind.definition().into(),
        }
    }
}

/// The matrix screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct MatrixLook {
    /// The figure shown.
    pub figure: Figure,
    /// The cursor's row; `None` follows the newest.
    pub row: Option<usize>,
    /// The cursor's column.
    pub column: usize,
    /// The amount chosen in the preview, by its place; `None` follows the newest.
    pub amount: Option<usize>,
}

impl MatrixLook {
    /// The amount chosen in the preview, by its place among those that are measured.
    pub fn amount(&self, preview: &PreviewView) -> usize {
        let last = preview.done.len().saturating_sub(1);
        self.amount.map_or(last, |at| at.min(last))
    }

    /// Chooses another amount.
    pub fn turn_amount(&mut self, preview: &PreviewView, by: isize) {
        let at = self.amount(preview).saturating_add_signed(by);
        self.amount = Some(at.min(preview.done.len().saturating_sub(1)));
    }

    /// The cursor's row: the newest complete one where the user chose none.
    pub fn row(&self, run: &OpenRun) -> usize {
        let last = run.view.rows.len().saturating_sub(1);
        self.row.map_or(newest(run), |row| row.min(last))
    }

    /// Moves the cursor within what is there.
    pub fn go(&mut self, run: &OpenRun, down: isize, right: isize) {
        let columns = run.view.started.as_ref().map_or(0, |s| s.test_sets.len());
        if down != 0 {
            let last = run.view.rows.len().saturating_sub(1);
            let to = self.row(run).saturating_add_signed(down).min(last);
            self.row = (to != newest(run)).then_some(to);
        }
        let to = self.column.saturating_add_signed(right);
        self.column = to.min(columns.saturating_sub(1));
    }
}

fn newest(run: &OpenRun) -> usize {
    run.view.last_complete().map_or(0, |row| row.index)
}

/// The log screen.
#[derive(Clone, Copy, Debug)]
pub struct LogLook {
    /// Lines between the newest and the last one shown; 0 follows.
    pub back: usize,
    /// The least level shown.
    pub least: Level,
}

impl Default for LogLook {
    fn default() -> Self {
        Self {
            back: 0,
            least: Level::Info,
        }
    }
}

impl LogLook {
    /// Whether lines of this level are shown.
    pub fn shows(&self, level: Level) -> bool {
        rank(level) >= rank(self.least)
    }

    /// Hides more, and then nothing again.
    pub fn filter(&mut self) {
        self.back = 0;
        self.least = match self.least {
            Level::Info => Level::Warning,
            Level::Warning => Level::Error,
            Level::Error => Level::Info,
        };
    }

    /// Scrolls back (positive) or forward within the lines that are shown.
    pub fn scroll(&mut self, run: &OpenRun, back: isize) {
        let lines = run.view.log.iter().filter(|l| self.shows(l.level)).count();
        let to = self.back.saturating_add_signed(back);
        self.back = to.min(lines.saturating_sub(1));
    }
}

fn rank(level: Level) -> u8 {
    match level {
        Level::Info => 0,
        Level::Warning => 1,
        Level::Error => 2,
    }
}
