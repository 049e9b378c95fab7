//! Where a run stands, and which commands make sense there.

use super::command::Command;

/// Where a run stands. The number is a row of the matrix: `Measured(0)` is the untouched backbone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing was measured yet.
    #[default]
    Idle,
    /// Task t is being learned.
    Training(usize),
    /// Task t is learned, its adapter not merged yet.
    Trained(usize),
    /// The adapter of task t is being added to the weights.
    Merging(usize),
    /// Row t is being measured.
    Measuring(usize),
    /// Row t is complete.
    Measured(usize),
    /// Other amounts of an update are measured; afterwards the run stands where it stood, at row t or before it.
    Previewing(usize),
    /// An error ended the run.
    Failed,
    /// Every task is measured or skipped.
    Finished,
}

impl State {
    /// Why `command` makes no sense here, in one sentence; `None` where it is allowed. `automatic` says whether step
    /// and merge happen by themselves, `paused` whether the run stands still, `next` is the row of the next task if there is one, `undoable` whether a merge is on the stack.
    pub fn refuses(
        self,
        command: Command,
        automatic: bool,
        paused: bool,
        next: Option<usize>,
        undoable: bool,
    ) -> Option<String> {
        use Command::{
            Automatic, Discard, EndPreview, Merge, Pause, Preview, Resume, Reweigh, Skip, Snapshot,
            Step, Stop, Unattended, Undo,
        };
        let between = matches!(self, Self::Measured(_));
        let working = matches!(
            self,
            Self::Idle
                | Self::Training(_)
                | Self::Merging(_)
                | Self::Measuring(_)
                | Self::Previewing(_)
        );
        let settled = matches!(self, Self::Measured(_) | Self::Finished);
        let reason = match command {
            Automatic(_) | Stop | Unattended => return None,
            Step | Skip | Merge(_) | Undo | Preview(_) | Reweigh(..) if paused => {
                "the run is paused; resume it first"
            }
            Step | Skip if between && next.is_some() => return None,
            Step | Skip if between => "every task of the sequence is done",
            Step | Skip => "the next task can begin only when the present one is measured",
            EndPreview if matches!(self, Self::Previewing(_)) => return None,
            EndPreview => "no preview is under way",
            _ if matches!(self, Self::Previewing(_))
                && matches!(
                    command,
                    Step | Skip | Merge(_) | Undo | Preview(_) | Reweigh(..)
                ) =>
            {
                "a preview is under way; end it first"
            }
            Preview(_) if settled || matches!(self, Self::Trained(_)) => return None,
            Preview(_) => {
                "a merge can be previewed only once its task is trained, and between tasks"
            }
            Reweigh(row, _) if settled && row > 0 && undoable => return None,
            Reweigh(..) if settled => "no merge is there to be changed",
            Reweigh(..) => "an earlier merge can be changed only between tasks",
            Merge(_) if matches!(self, Self::Trained(_)) => return None,
            Merge(_) => "there is no trained adapter to merge",
            Discard if matches!(self, Self::Training(_) | Self::Trained(_)) => return None,
            Discard => "there is no adapter in training or trained to discard",
            Undo if settled && undoable => return None,
            Undo if settled => "no merge is left to undo",
            Undo => "a merge can be undone only between tasks",
            Pause if paused => "the run is paused already",
            Pause if working => return None,
            // Between two tasks of an automatic run, which would go on at once.
            Pause if automatic && matches!(self, Self::Trained(_) | Self::Measured(_)) => {
                return None;
            }
            Pause => "nothing is running that could be paused",
            Resume if paused => return None,
            Resume => "the run is not paused",
            Snapshot if matches!(self, Self::Idle) => "nothing is measured yet",
            Snapshot => return None,
        };
        Some(reason.to_owned())
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Idle => write!(f, "idle"),
            Self::Training(t) => write!(f, "training task {t}"),
            Self::Trained(t) => write!(f, "trained task {t}, not merged"),
            Self::Merging(t) => write!(f, "merging task {t}"),
            Self::Measuring(t) => write!(f, "measuring row {t}"),
            Self::Measured(t) => write!(f, "measured row {t}"),
            Self::Previewing(t) => write!(f, "previewing row {t}"),
            Self::Failed => write!(f, "failed"),
            Self::Finished => write!(f, "finished"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::{Amounts, Ask};
    use super::*;
    use crate::lora::Amount;

    /// The table of the architecture: which command is allowed where.
    #[test]
    fn commands_are_allowed_as_the_table_says() {
        let states = [
            State::Idle,
            State::Training(1),
            State::Trained(1),
            State::Merging(1),
            State::Measuring(1),
            State::Measured(1),
            State::Previewing(1),
            State::Failed,
            State::Finished,
        ];
        let allowed = |command, paused| {
            states
                .iter()
                .filter(|s| s.refuses(command, false, paused, Some(2), true).is_none())
                .copied()
                .collect::<Vec<_>>()
        };
        assert_eq!(allowed(Command::Step, false), [State::Measured(1)]);
        assert_eq!(allowed(Command::Skip, false), [State::Measured(1)]);
        let merge = Command::Merge(Amount::WHOLE);
        assert_eq!(allowed(merge, false), [State::Trained(1)]);
        let preview = Command::Preview(Ask {
            row: 1,
            amounts: Amounts::Lambdas,
            quick: true,
        });
        assert_eq!(
            allowed(preview, false),
            [State::Trained(1), State::Measured(1), State::Finished]
        );
        assert_eq!(allowed(Command::EndPreview, false), [State::Previewing(1)]);
        let reweigh = Command::Reweigh(1, Amount::WHOLE);
        assert_eq!(
            allowed(reweigh, false),
            [State::Measured(1), State::Finished]
        );
        assert_eq!(
            allowed(Command::Discard, false),
            [State::Training(1), State::Trained(1)]
        );
        assert_eq!(
            allowed(Command::Undo, false),
            [State::Measured(1), State::Finished]
        );
        assert_eq!(allowed(Command::Stop, false), states);
        assert_eq!(allowed(Command::Resume, false), []);
        assert_eq!(allowed(Command::Pause, true), []);
        // A run that stands still has to go on first.
        for command in [
            Command::Step,
            Command::Skip,
            merge,
            Command::Undo,
            preview,
            reweigh,
        ] {
            assert_eq!(allowed(command, true), []);
        }
        assert_eq!(
            allowed(Command::Pause, false),
            [
                State::Idle,
                State::Training(1),
                State::Merging(1),
                State::Measuring(1),
                State::Previewing(1)
            ]
        );
    }

    #[test]
    fn a_refusal_says_why() {
        let refusal =
            |s: State, c, next, undoable| s.refuses(c, false, false, next, undoable).unwrap();
        assert_eq!(
            refusal(State::Measured(5), Command::Step, None, true),
            "every task of the sequence is done"
        );
        assert_eq!(
            refusal(State::Measured(0), Command::Undo, Some(1), false),
            "no merge is left to undo"
        );
    }
}
