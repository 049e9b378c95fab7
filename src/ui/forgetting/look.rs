//! Where the user looks on the forgetting screen.

use std::sync::Arc;

use super::super::line::Line;
use super::classes::foundation;
use super::{Ancestry, Lost};
use crate::lab::TestSet;
use crate::run::RunView;
use crate::run::view::Training;

/// A merge whose cost is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The one that led to this row.
    Row(usize),
    /// The one that would be, by the training under way.
    WouldBe,
}

/// How classes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// All at a glance, for one merge.
    Grid,
    /// With their names, for all merges.
    List,
    /// Similarity to the task against drop.
    Context,
}

impl Way {
    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Self::Grid => Self::List,
            Self::List => Self::Context,
            Self::Context => Self::Grid,
        }
    }
}

/// What classes are sorted by, within their groups and the groups by their means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The data's own order.
    #[default]
    Own,
    /// The largest loss first.
    Drop,
    /// The most similar to the task first.
    Similarity,
    /// Names.
    Name,
}

impl Sort {
    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Self::Own => Self::Drop,
            Self::Drop => Self::Similarity,
            Self::Similarity => Self::Name,
            Self::Name => Self::Own,
        }
    }
}

/// What classes are put together by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// The data's groups.
    #[default]
    Groups,
    /// A synset above theirs in WordNet.
    Meaning,
    /// Nothing.
    None,
}

/// A measure of the similarity of classes to a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// By pretrained features.
    #[default]
    Features,
    /// Wu and Palmer's in WordNet.
    WordNet,
    /// By CLIP's embeddings of names.
    Clip,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Features, Self::WordNet, Self::Clip];

    /// Its name in the journal.
    pub fn id(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::WordNet => "wordnet",
            Self::Clip => "clip",
        }
    }

    /// Its name on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::WordNet => "WordNet",
            Self::Clip => "CLIP",
        }
    }

    /// Similarity of each foundation class to a training's task, `[classes]`; `None` where it was not taken.
    pub fn of(self, training: &Training) -> Option<&[f32]> {
        let similarity = match self {
            Self::Features => training.similarity.as_slice(),
            Self::WordNet => training.wordnet.as_ref()?.similarity.as_slice(),
            Self::Clip => training.clip.as_ref()?.similarity.as_slice(),
        };
        (!similarity.is_empty()).then_some(similarity)
    }
}

/// Synsets between the root and a group at first, both counted: where animals and devices are told apart.
const DEPTH: usize = 7;

/// The forgetting screen.
#[derive(Clone, Debug)]
pub struct ForgettingLook {
    /// The merge; `None` follows the newest.
    pub merge: Option<Merge>,
    /// The class under the cursor.
    pub class: usize,
    /// Compares with row 0 instead of the row before.
    pub since_start: bool,
    /// How classes are shown; `None` leaves it to their number and the terminal.
    pub way: Option<Way>,
    /// What they are sorted by.
    pub sort: Sort,
    /// What they are put together by.
    pub grouping: Grouping,
    /// Depth in WordNet of the groups by meaning, 1 for the root.
    pub depth: usize,
    /// Where the classes stand in WordNet, once it was asked.
    pub ancestry: Option<Arc<Ancestry>>,
    /// A part of the names or groups that are shown.
    pub filter: Line,
    /// Whether that is being typed.
    pub typing: bool,
    /// The similarity that counts.
    pub by: Measure,
    /// Whether the card of the class under the cursor is open.
    pub card: bool,
    /// The page of its lost images.
    pub page: usize,
    /// Those images.
    pub lost: Lost,
}

impl Default for ForgettingLook {
    fn default() -> Self {
        Self {
            merge: None,
            class: 0,
            since_start: false,
            way: None,
            sort: Sort::default(),
            grouping: Grouping::default(),
            depth: DEPTH,
            ancestry: None,
            filter: Line::default(),
            typing: false,
            by: Measure::default(),
            card: false,
            page: 0,
            lost: Lost::default(),
        }
    }
}

impl ForgettingLook {
    /// What a class is called: in words where the data has a synset's number, once WordNet was asked.
    pub fn name<'a>(&'a self, foundation: &'a TestSet, class: usize) -> &'a str {
        let words = self.ancestry.as_ref().and_then(|a| a.words(class));
        let own = || foundation.classes.get(class).map(|c| c.name.as_str());
        words.or_else(own).unwrap_or_default()
    }

    /// Merges that can be chosen, oldest first.
    pub fn merges(view: &RunView) -> Vec<Merge> {
        let foundation = foundation(view).map_or("", |f| f.id.as_str());
        let rows = view.rows.iter().skip(1);
        let mut merges: Vec<Merge> = rows
            .filter(|r| !r.skipped && r.evaluations.contains_key(foundation))
            .map(|r| Merge::Row(r.index))
            .collect();
        let open = view.open_training();
        if open.is_some_and(|t| !t.watched.is_empty()) {
            merges.push(Merge::WouldBe);
        }
        merges
    }

    /// The merge looked at.
    pub fn chosen(&self, view: &RunView) -> Option<Merge> {
        let merges = Self::merges(view);
        let wanted = self.merge.filter(|m| merges.contains(m));
        wanted.or_else(|| merges.last().copied())
    }

    /// Goes to the merge before or after.
    pub fn turn(&mut self, view: &RunView, by: isize) {
        let merges = Self::merges(view);
        let now = self.chosen(view);
        let at = merges.iter().position(|m| Some(*m) == now).unwrap_or(0);
        let to = at.saturating_add_signed(by);
        // The last one is followed.
        self.merge = merges.get(to).copied().filter(|_| to + 1 < merges.len());
    }

    /// The measure of similarity that counts, where this training has it: else features.
    pub fn measure(&self, training: Option<&Training>) -> Measure {
        match training.and_then(|t| self.by.of(t)) {
            Some(_) => self.by,
            None => Measure::Features,
        }
    }

    /// Goes to the next measure that this training has; false where there is no other.
    pub fn next_measure(&mut self, training: &Training) -> bool {
        let there: Vec<Measure> = Measure::ALL
            .into_iter()
            .filter(|m| m.of(training).is_some())
            .collect();
        let now = self.measure(Some(training));
        let at = there.iter().position(|m| *m == now).unwrap_or(0);
        if let Some(next) = there.get((at + 1) % there.len().max(1)) {
            self.by = *next;
        }
        there.len() > 1
    }
}
