//! What a user may ask of the lab.

use serde::{Deserialize, Serialize};

use crate::lora::Amount;

/// A request to the lab. One that makes no sense in the present state is answered by a warning, never ignored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Train the next task.
    Step,
    /// Merge so much of the trained adapter and measure.
    Merge(Amount),
    /// Measure what the present row would be with other amounts of one update, without merging any of them.
    Preview(Ask),
    /// End the preview under way; what was measured stays.
    EndPreview,
    /// Merge another amount of an update that is merged already, and measure the rows from there on anew.
    Reweigh(usize, Amount),
    /// Throw the adapter in training or trained away; the same task is next.
    Discard,
    /// Take the last merge back; automatic advance turns manual.
    Undo,
    /// Leave the next task out.
    Skip,
    /// Stand still within one batch.
    Pause,
    /// Go on.
    Resume,
    /// Step and merge by itself, or wait for commands.
    Automatic(bool),
    /// Write an export of the present state under `export/snapshots/`.
    Snapshot,
    /// The terminal that the run was started from is gone; it goes on without one, and its journal says so.
    Unattended,
    /// Checkpoint, then end the lab's thread.
    Stop,
}

/// A preview that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The row whose update is varied: the trained one that waits for its merge, or one that is merged.
    pub row: usize,
    /// Which amounts of it.
    pub amounts: Amounts,
    /// Measure a fixed few images of each class alone.
    pub quick: bool,
}

/// Amounts that are measured one after another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Amounts {
    /// λ of 0, ¼, ½, ¾ and 1.
    Lambdas,
    /// The trained rank, and its best approximations of half, a quarter, … of it.
    Ranks,
    /// One.
    One(Amount),
}

impl Amounts {
    /// The amounts of an update of this rank; 0 for one of full rank, which counts whole or not at all.
    pub fn list(self, rank: usize) -> Vec<Amount> {
        match self {
            Self::Lambdas if rank == 0 => vec![Amount::of(0.0), Amount::WHOLE],
            Self::Lambdas => [0.0, 0.25, 0.5, 0.75, 1.0].map(Amount::of).to_vec(),
            Self::Ranks => std::iter::successors(Some(rank / 2), |r| Some(r / 2))
                .take_while(|r| *r > 0)
                .map(|rank| Amount {
                    rank: Some(rank),
                    ..Amount::WHOLE
                })
                .chain([Amount::WHOLE])
                .collect(),
            Self::One(amount) => vec![amount],
        }
    }
}

impl Command {
    /// The command's name, as refusals and help use it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Merge(_) => "merge",
            Self::Preview(_) => "preview",
            Self::EndPreview => "end preview",
            Self::Reweigh(..) => "change a merge",
            Self::Discard => "discard",
            Self::Undo => "undo",
            Self::Skip => "skip",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Automatic(true) => "automatic",
            Self::Automatic(false) => "manual",
            Self::Snapshot => "export",
            Self::Unattended => "terminal gone",
            Self::Stop => "stop",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_go_down_to_rank_1_and_end_with_the_whole() {
        let ranks = |rank| {
            let all = Amounts::Ranks.list(rank).into_iter();
            all.map(|a| a.rank.unwrap_or(rank)).collect::<Vec<_>>()
        };
        assert_eq!(ranks(16), [8, 4, 2, 1, 16]);
        assert_eq!(ranks(6), [3, 1, 6]);
        assert_eq!(ranks(1), [1]);
        assert_eq!(Amounts::Lambdas.list(4).len(), 5);
        assert_eq!(Amounts::Lambdas.list(0), [Amount::of(0.0), Amount::WHOLE]);
    }
}
