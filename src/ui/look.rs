//! Where the user looks: cursors and choices of each screen. Nothing of it is part of a run.

use super::curves::Look;
use super::line::Line;
use super::open_run::OpenRun;
use super::text::width;
use crate::lab::Level;
use crate::measure::Forgetting;
use crate::run::view::{LogLine, PreviewView};

/// The train screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrainLook {
    /// Position of the training looked at; `None` follows the newest.
    pub training: Option<usize>,
    /// How its curves are looked at.
    pub curves: Look,
}

/// What the matrix shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Figure {
    /// Accuracy.
    #[default]
    Accuracy,
    /// Forgetting, by one of its definitions.
    Forgetting(Forgetting),
    /// Accuracy less that of a run beside this one.
    Difference,
    /// Mean accuracy over seeds.
    Mean,
    /// Standard deviation of accuracy over seeds.
    Deviation,
}

/// What lies beside the run that is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparable {
    /// Any run.
    pub any: bool,
    /// Runs that differ by their seed alone.
    pub seeds: bool,
}

impl Figure {
    /// Those that there are, in the order of the key that goes through them.
    pub fn all(beside: Comparable) -> Vec<Self> {
        let own = [Self::Accuracy].into_iter();
        let own = own.chain(Forgetting::ALL.map(Self::Forgetting));
        let others = beside.any.then_some(Self::Difference);
        let seeds = beside.seeds.then_some([Self::Mean, Self::Deviation]);
        own.chain(others)
            .chain(seeds.into_iter().flatten())
            .collect()
    }

    /// The next one.
    pub fn next(self, beside: Comparable) -> Self {
        let all = Self::all(beside);
        let at = all.iter().position(|f| *f == self);
        at.and_then(|at| all.get(at + 1))
            .copied()
            .unwrap_or_default()
    }

    /// This one where it is there, else accuracy.
    #[must_use]
    pub fn among(self, beside: Comparable) -> Self {
        match Self::all(beside).contains(&self) {
            true => self,
            false => Self::Accuracy,
        }
    }

    /// What it is called.
    pub fn name(self) -> String {
        match self {
            Self::Accuracy => "accuracy".into(),
            Self::Forgetting(kind) => format!("forgetting {}", kind.name()),
            Self::Difference => "difference".into(),
            Self::Mean => "mean over seeds".into(),
            Self::Deviation => "standard deviation over seeds".into(),
        }
    }

    /// What it is, with `R[i][j]` the accuracy of column j after row i.
    pub fn definition(self) -> String {
        match self {
            Self::Accuracy => "R[i][j]: percent right of the test images".into(),
            Self::Forgetting(kind) => kind.definition().into(),
            Self::Difference => "R[i][j] of this run less that of the other, in points".into(),
            Self::Mean => {
                "R[i][j] over this run and those beside it that differ by their seed".into()
            }
            Self::Deviation => {
                "of R[i][j] over seeds, of the sample (n - 1), in points; — of a single run".into()
            }
        }
    }
}

/// The matrix screen.
#[derive(Clone, Debug, Default)]
pub struct MatrixLook {
    /// The figure shown.
    pub figure: Figure,
    /// The cursor's row; `None` follows the newest.
    pub row: Option<usize>,
    /// The cursor's column.
    pub column: usize,
    /// The amount chosen in the preview, by its place; `None` follows the newest.
    pub amount: Option<usize>,
    /// What there is of an amount that is typed for a preview, while it is typed.
    pub typed: Option<Line>,
    /// The run that differences are against, by its place among those beside this one.
    pub beside: usize,
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

    /// Puts the cursor on a cell.
    pub fn put(&mut self, run: &OpenRun, row: usize, column: usize) {
        self.row = (row != newest(run)).then_some(row);
        self.column = column;
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
#[derive(Clone, Debug)]
pub struct LogLook {
    /// Lines between the newest and the last one shown; 0 follows.
    pub back: usize,
    /// Columns that long lines are scrolled sideways.
    pub across: usize,
    /// The least level shown.
    pub least: Level,
    /// Only lines with this text are shown, capitals or not; empty for all.
    pub line: Line,
    /// What it was before it is typed anew, while it is typed.
    pub before: Option<Line>,
}

impl Default for LogLook {
    fn default() -> Self {
        Self {
            back: 0,
            across: 0,
            least: Level::Info,
            line: Line::default(),
            before: None,
        }
    }
}

impl LogLook {
    /// Columns that a key moves sideways.
    const ASIDE: usize = 16;

    /// The lines that are shown, oldest first.
    pub fn shown<'a>(&'a self, run: &'a OpenRun) -> impl Iterator<Item = &'a LogLine> {
        let wanted = self.line.text().to_lowercase();
        run.view.log.iter().filter(move |line| {
            let found = || wanted.is_empty() || line.text.to_lowercase().contains(&wanted);
            rank(line.level) >= rank(self.least) && found()
        })
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
        let lines = self.shown(run).count();
        let to = self.back.saturating_add_signed(back);
        self.back = to.min(lines.saturating_sub(1));
    }

    /// Scrolls sideways, to the end of the longest line that is shown at most; `columns` are those for text.
    pub fn aside(&mut self, run: &OpenRun, columns: usize, right: bool) {
        let longest = self.shown(run).map(|line| width(&line.text)).max();
        let last = longest.unwrap_or(0).saturating_sub(columns);
        let to = match right {
            true => self.across + Self::ASIDE,
            false => self.across.saturating_sub(Self::ASIDE),
        };
        self.across = to.min(last.next_multiple_of(Self::ASIDE));
    }

    /// Begins to type a text to look for.
    pub fn find(&mut self) {
        self.before = Some(std::mem::take(&mut self.line));
        self.back = 0;
    }

    /// Shows all lines again, whatever their text.
    pub fn find_no_more(&mut self) {
        self.line = Line::default();
        self.back = 0;
    }
}

fn rank(level: Level) -> u8 {
    match level {
        Level::Info => 0,
        Level::Warning => 1,
        Level::Error => 2,
    }
}
