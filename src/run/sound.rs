//! Whether an event can follow those before it: a journal that was edited by hand or damaged must not become a
//! figure in an export.

use crate::lab::{Event, TestSet};
use crate::measure::Counts;

/// What the events so far allow.
#[derive(Debug, Default)]
pub(super) struct Soundness {
    test_sets: Vec<TestSet>,
    tasks: usize,
    trainings: u32,
    /// Rows on the present path.
    rows: usize,
    /// The first of those that are measured anew, after a merge was changed.
    again: Option<usize>,
}

impl Soundness {
    /// What is wrong with the next event; it is taken in where nothing is.
    pub(super) fn check(&mut self, event: &Event) -> Result<(), String> {
        let begins = matches!(event, Event::RunStarted { .. });
        if self.test_sets.is_empty() && !begins {
            // Of a run that has not begun nothing is shown.
            return Ok(());
        }
        match event {
            Event::RunStarted {
                recipe, test_sets, ..
            } => {
                self.tasks = recipe.tasks.len();
                self.test_sets.clone_from(test_sets);
                Ok(())
            }
            Event::TaskStarted {
                index,
                training,
                steps,
                ..
            } => {
                self.task(*index)?;
                // A branch has those of its parent that are on its path.
                if *training <= self.trainings {
                    let last = self.trainings;
                    return Err(format!("training {training} begins after training {last}"));
                }
                if *steps == 0 {
                    return Err("a training of no steps".into());
                }
                self.trainings = *training;
                Ok(())
            }
            Event::Context {
                training,
                similarity,
                classes,
                wordnet,
                clip,
            } => {
                self.training(*training)?;
                let n = self.classes(0);
                let words = wordnet.iter().all(|w| {
                    let synsets = [w.class_synsets.len(), w.task_synsets.len()];
                    w.similarity.len() == n && synsets == [n; 2]
                });
                let texts = clip.iter().all(|c| c.similarity.len() == n);
                let fits =
                    similarity.len() == n && classes.iter().all(|c| *c < n) && words && texts;
                wrong_unless(fits, "a context of other classes than the foundation's")
            }
            Event::Watched {
                training,
                foundation,
                before,
                start,
                ..
            } => {
                self.training(*training)?;
                for part in [foundation, before, start] {
                    counts(part, self.classes(0))?;
                }
                Ok(())
            }
            Event::Step {
                training,
                correct,
                images,
                ..
            } => {
                self.training(*training)?;
                wrong_unless(correct <= images, "more right answers than images")
            }
            Event::Checkpoint { training, .. } | Event::Discarded { training } => {
                self.training(*training)
            }
            Event::Trained {
                index, training, ..
            } => {
                self.task(*index)?;
                self.training(*training)
            }
            Event::Merged {
                index, training, ..
            } => {
                self.training(*training)?;
                self.next_row(*index)
            }
            Event::Evaluated {
                index,
                test_set,
                counts: measured,
                new_errors,
                new_hits,
                wrong,
                lost,
                ..
            } => {
                self.measured_row(*index)?;
                let n = self.classes(self.set(test_set)?);
                counts(measured, n)?;
                let lengths = [new_errors.len(), new_hits.len(), wrong.len()] == [n; 3];
                let went = lost.is_empty() || lost.len() == n;
                wrong_unless(lengths && went, "figures of another number of classes")?;
                let lost_all = lost.iter().zip(new_errors).all(|(went, errors)| {
                    went.iter().map(|w| u64::from(w.1)).sum::<u64>() == u64::from(*errors)
                });
                wrong_unless(lost_all, "new errors that went nowhere")?;
                let mut answers = wrong.iter().chain(lost).flatten();
                let answers = answers.all(|(class, _)| *class < n);
                wrong_unless(answers, "a wrong answer that is no class")
            }
            Event::Probed { index, probes, .. } => {
                self.measured_row(*index)?;
                let lists = [&probes.linear, &probes.joint, &probes.balanced];
                for probed in lists.into_iter().flatten() {
                    counts(&probed.counts, self.classes(self.set(&probed.test_set)?))?;
                }
                probes
                    .heads
                    .iter()
                    .try_for_each(|id| self.set(id).map(drop))
            }
            Event::Measured { index, .. } => {
                self.measured_row(*index)?;
                self.again = self.again.map(|_| index + 1).filter(|i| i + 1 < self.rows);
                Ok(())
            }
            Event::Reweighed { index, rows, .. } => {
                self.task(*index)?;
                let behind = self.rows.checked_sub(*index);
                wrong_unless(
                    behind.is_some_and(|n| n > 0 && n == rows.len()),
                    "a merge is changed that is not there",
                )?;
                self.again = Some(*index);
                Ok(())
            }
            Event::PreviewBegan { index, row, .. } => {
                self.task(*row)?;
                wrong_unless(row <= index, "a preview of a row that is not there")?;
                self.row(*index)
            }
            Event::Previewed { sets, .. } => {
                for set in sets {
                    let n = self.classes(self.set(&set.test_set)?);
                    counts(&set.counts, n)?;
                    set.present.iter().try_for_each(|c| counts(c, n))?;
                }
                Ok(())
            }
            Event::Skipped { index, .. } => self.next_row(*index),
            Event::Undone { index } => {
                self.task(*index)?;
                self.last_row(*index)?;
                (self.rows, self.again) = (self.rows - 1, None);
                Ok(())
            }
            Event::Resumed {
                training: Some(training),
                ..
            } => self.training(*training),
            Event::Resumed { training: None, .. }
            | Event::Advance { .. }
            | Event::Paused
            | Event::PreviewEnded
            | Event::Note { .. }
            | Event::Stopped
            | Event::Failed { .. }
            | Event::Finished => Ok(()),
        }
    }

    fn set(&self, id: &str) -> Result<usize, String> {
        let found = self.test_sets.iter().position(|s| s.id == id);
        found.ok_or_else(|| format!("no test set is called {id:?}"))
    }

    fn classes(&self, set: usize) -> usize {
        self.test_sets.get(set).map_or(0, |s| s.classes.len())
    }

    fn row(&self, index: usize) -> Result<(), String> {
        let tasks = self.tasks;
        wrong_unless(index <= tasks, &format!("row {index} of {tasks} tasks"))
    }

    /// A row that follows the last one.
    fn next_row(&mut self, index: usize) -> Result<(), String> {
        self.task(index)?;
        let next = self.rows.max(1);
        wrong_unless(index == next, &format!("row {index} where {next} would be"))?;
        self.rows = index + 1;
        Ok(())
    }

    /// The last row, or one that is measured anew.
    fn measured_row(&mut self, index: usize) -> Result<(), String> {
        match self.again {
            Some(first) if (first..self.rows).contains(&index) => Ok(()),
            _ => self.last_row(index),
        }
    }

    /// The last row, or row 0 before any.
    fn last_row(&mut self, index: usize) -> Result<(), String> {
        self.row(index)?;
        self.rows = self.rows.max(1);
        let last = self.rows - 1;
        wrong_unless(
            index == last,
            &format!("row {index} where {last} is the last"),
        )
    }

    fn task(&self, index: usize) -> Result<(), String> {
        wrong_unless(index > 0, "row 0 belongs to no task")?;
        self.row(index)
    }

    fn training(&self, number: u32) -> Result<(), String> {
        let there = (1..=self.trainings).contains(&number);
        wrong_unless(there, &format!("training {number} has not begun"))
    }
}

fn counts(counts: &Counts, classes: usize) -> Result<(), String> {
    let lengths = counts.correct.len() == classes && counts.total.len() == classes;
    wrong_unless(lengths, "counts of another number of classes")?;
    let mut each = counts.correct.iter().zip(&counts.total);
    wrong_unless(
        each.all(|(correct, total)| correct <= total),
        "more right answers than images",
    )
}

fn wrong_unless(right: bool, what: &str) -> Result<(), String> {
    if right { Ok(()) } else { Err(what.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{sample, whole_sample};
    use super::*;
    use crate::lab::Probes;

    /// The first complaint about the sample with its `nth` event of a kind changed.
    fn complaint(mut change: impl FnMut(&mut Event) -> bool) -> Option<String> {
        let mut sound = Soundness::default();
        let mut changed = false;
        sample().into_iter().find_map(|mut record| {
            changed = changed || change(&mut record.event);
            sound.check(&record.event).err()
        })
    }

    #[test]
    fn a_sound_journal_passes_and_what_contradicts_itself_does_not() {
        assert_eq!(complaint(|_| false), None);
        let evaluated = |with: fn(&mut Counts, &mut usize, &mut String, &mut Vec<u32>)| {
            complaint(move |event| match event {
                Event::Evaluated {
                    index,
                    test_set,
                    counts,
                    new_errors,
                    ..
                } => {
                    with(counts, index, test_set, new_errors);
                    true
                }
                _ => false,
            })
            .unwrap()
        };
        let right = evaluated(|counts, _, _, _| counts.correct[0] = 999);
        assert_eq!(right, "more right answers than images");
        let short = evaluated(|counts, _, _, _| counts.correct.truncate(1));
        assert_eq!(short, "counts of another number of classes");
        let row = evaluated(|_, index, _, _| *index = 99);
        assert!(row.starts_with("row 99 of "), "{row}");
        let out_of_order = complaint(|event| match event {
            Event::Merged { index, .. } => {
                *index += 1;
                true
            }
            _ => false,
        });
        assert_eq!(out_of_order.unwrap(), "row 2 where 1 would be");
        let set = evaluated(|_, _, set, _| *set = "nosuch".into());
        assert_eq!(set, "no test set is called \"nosuch\"");
        let errors = evaluated(|_, _, _, errors| errors.clear());
        assert_eq!(errors, "figures of another number of classes");
        let lost = |with: fn(&mut Vec<Vec<(usize, u32)>>)| {
            complaint(move |event| match event {
                Event::Evaluated {
                    lost, new_errors, ..
                } if new_errors.iter().any(|e| *e > 0) => {
                    *lost = new_errors.iter().map(|&e| vec![(0, e)]).collect();
                    with(lost);
                    true
                }
                _ => false,
            })
        };
        assert_eq!(lost(|_| ()), None);
        let fewer = lost(|lost| lost.truncate(1));
        assert_eq!(fewer.unwrap(), "figures of another number of classes");
        let nowhere = lost(|lost| lost.iter_mut().for_each(Vec::clear));
        assert_eq!(nowhere.unwrap(), "new errors that went nowhere");
        let no_class = lost(|lost| lost[0][0].0 = 99);
        assert_eq!(no_class.unwrap(), "a wrong answer that is no class");
        let probed = |with: fn(&mut Probes)| {
            let mut sound = Soundness::default();
            whole_sample().into_iter().find_map(|mut record| {
                if let Event::Probed {
                    index: 4, probes, ..
                } = &mut record.event
                {
                    with(probes);
                }
                sound.check(&record.event).err()
            })
        };
        assert_eq!(probed(|_| ()), None);
        let more = probed(|probes| probes.joint[1].counts.correct[0] = 99);
        assert_eq!(more.unwrap(), "more right answers than images");
        for with in [
            |probes: &mut Probes| probes.heads[0] = "nosuch".into(),
            |probes: &mut Probes| probes.balanced[0].test_set = "nosuch".into(),
        ] {
            assert_eq!(probed(with).unwrap(), "no test set is called \"nosuch\"");
        }
        let training = complaint(|event| match event {
            Event::Trained { training, .. } => {
                *training = u32::MAX;
                true
            }
            _ => false,
        });
        assert!(training.unwrap().contains("has not begun"));
    }
}
