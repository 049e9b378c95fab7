//! A branch: the first rows of a run as the beginning of another one.

use std::collections::BTreeMap;
use std::fs;

use super::journal::Journal;
use super::manifest::Parent;
use super::view::RunView;
use crate::folder::RunFolder;
use crate::lab::{Ancestor, Event, Record};
use crate::recipe::Recipe;
use crate::{Error, Result, files};

/// What a branch takes over from its parent.
#[derive(Debug)]
pub struct Trunk {
    /// The parent's records that made the rows up to the branching point, without what was undone or discarded.
    pub records: Vec<Record>,
    /// Whose rows they are, for the branch's recipe.
    pub ancestry: Vec<Ancestor>,
    /// For the branch's manifest.
    pub parent: Parent,
}

impl Trunk {
    /// The rows of the run in `from`, whose records `past` are folded into `view`, up to and with row `at`, for a run of
    /// `recipe`.
    ///
    /// # Errors
    /// [`Error::Input`] where the row is not there or not measured whole, or where the recipe is not one that can begin
    /// with these rows.
    pub fn of(
        from: &RunFolder,
        past: &[Record],
        view: &RunView,
        at: usize,
        recipe: &Recipe,
    ) -> Result<Self> {
        let name = from.root().display().to_string();
        let started = view.begun(from)?;
        let rows = view.rows.iter().take_while(|row| row.complete).count();
        if at >= rows {
            return Err(Error::input(match rows {
                0 => format!("{name} has no measured row yet to branch from"),
                _ => format!(
                    "{name} has no measured row {at}: its last one is row {}",
                    rows - 1
                ),
            }));
        }
        fits(&started.recipe, recipe, at)?;
        let own = (recipe.hash()?, recipe.seed);
        let mut ancestry: Vec<Ancestor> = started.ancestry.clone();
        ancestry.push(Ancestor {
            last_row: usize::MAX,
            recipe_hash: started.recipe_hash.clone(),
            seed: started.recipe.seed,
            lora: started.recipe.lora.clone(),
        });
        let last = ancestry.iter().position(|a| at <= a.last_row).unwrap_or(0);
        ancestry.truncate(last + 1);
        if let Some(last) = ancestry.last_mut() {
            last.last_row = at;
        }
        // With nothing changed it is the same run, and says so.
        if ancestry
            .iter()
            .all(|a| (&a.recipe_hash, a.seed) == (&own.0, own.1))
        {
            ancestry.clear();
        }
        let records = path_to(past, at);
        let entry = view.rows[at].training.and_then(|n| view.training(n));
        let files = entry.map(|t| t.sha256.clone()).unwrap_or_default();
        let parent = Parent {
            folder: fs::canonicalize(from.root())
                .unwrap_or_else(|_| from.root().to_path_buf())
                .display()
                .to_string(),
            row: at,
            entry: entry.map(|t| t.adapter.clone()).unwrap_or_default(),
            sha256: match entry {
                Some(_) => hash_of(&files),
                None => started.backbone.weights_sha256.clone(),
            },
            recipe_hash: started.recipe_hash.clone(),
            seed: started.recipe.seed,
        };
        Ok(Self {
            records,
            ancestry,
            parent,
        })
    }

    /// Makes the folder of a branch stand alone: the files, and a journal that begins with `begin` and goes on with the
    /// parent's records under their times; gives all of them.
    ///
    /// # Errors
    /// As [`Trunk::bring_files`] and [`Journal::append`].
    pub fn lay_into(
        self,
        from: &RunFolder,
        to: &RunFolder,
        journal: &mut Journal,
        begin: Event,
    ) -> Result<Vec<Record>> {
        self.bring_files(from, to)?;
        let mut past = vec![journal.append(begin)?];
        for record in self.records {
            past.push(journal.append_at(record.time, record.event)?);
        }
        Ok(past)
    }

    /// Puts the files that the records name into the branch's folder, so that it stands alone: as hard links where the
    /// file system has them, for no file of a run is ever changed in place.
    ///
    /// # Errors
    /// [`Error::Input`] where one is missing, or is not the one that the records mean.
    pub fn bring_files(&self, from: &RunFolder, to: &RunFolder) -> Result<()> {
        let bring = |name: &str| bring(from, to, name);
        for record in &self.records {
            match &record.event {
                Event::Trained {
                    adapter,
                    head,
                    sha256,
                    ..
                } => {
                    for (file, sha256) in sha256 {
                        from.read(file, sha256)?;
                    }
                    bring(head)?;
                    if !adapter.is_empty() {
                        let folder = from.path(adapter)?;
                        for file in fs::read_dir(&folder).map_err(Error::io(&folder))? {
                            let file = file.map_err(Error::io(&folder))?.file_name();
                            bring(&format!("{adapter}/{}", file.to_string_lossy()))?;
                        }
                    }
                }
                Event::Evaluated { file, sha256, .. } => {
                    from.read(file, sha256)?;
                    bring(file)?;
                }
                Event::Probed { probes, .. } => {
                    let kinds = [&probes.linear, &probes.joint, &probes.balanced];
                    for set in kinds.into_iter().flatten() {
                        bring(&set.file)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn bring(from: &RunFolder, to: &RunFolder, name: &str) -> Result<()> {
    let (from, to) = (from.path(name)?, to.path(name)?);
    if to.exists() {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    if fs::hard_link(&from, &to).is_ok() {
        return Ok(());
    }
    files::write_atomic(&to, &files::read(&from)?)
}

/// One hash of several files by their names.
fn hash_of(files: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = files.iter().map(|(f, h)| format!("{h}  {f}\n")).collect();
    crate::files::sha256(lines.concat().as_bytes())
}

/// Whether a run of `recipe` can begin with the rows of a run of `parent` up to and with row `at`.
fn fits(parent: &Recipe, recipe: &Recipe, at: usize) -> Result<()> {
    let refused = |what: &str| {
        Err(Error::input(format!(
            "a branch keeps what its rows were made from: {what}; begin a run of its own instead"
        )))
    };
    if parent.backbone != recipe.backbone {
        return refused("`backbone` is another one");
    }
    if parent.foundation != recipe.foundation {
        return refused("`foundation` is another one");
    }
    for (i, task) in parent.tasks.iter().take(at).enumerate() {
        match recipe.tasks.get(i) {
            Some(same) if same == task => {}
            _ => {
                return refused(&format!(
                    "`task.{i}` ({}) is learned already and has to stay as it is",
                    task.id
                ));
            }
        }
    }
    Ok(())
}

/// The records that made the rows up to and with row `at`.
fn path_to(past: &[Record], at: usize) -> Vec<Record> {
    let mut row_of: BTreeMap<u32, usize> = BTreeMap::new();
    let mut kept: Vec<(usize, &Record)> = Vec::new();
    for record in past {
        let row = match &record.event {
            Event::TaskStarted {
                index, training, ..
            } => {
                row_of.insert(*training, *index);
                Some(*index)
            }
            Event::Undone { index } => {
                kept.retain(|(row, _)| row < index);
                None
            }
            Event::Discarded { training } => {
                kept.retain(|(_, kept)| training_of(&kept.event) != Some(*training));
                None
            }
            Event::Merged { index, .. }
            | Event::Reweighed { index, .. }
            | Event::Evaluated { index, .. }
            | Event::Probed { index, .. }
            | Event::Measured { index, .. }
            | Event::Skipped { index, .. } => Some(*index),
            Event::Checkpoint { .. } => None,
            event => training_of(event).and_then(|n| row_of.get(&n).copied()),
        };
        kept.extend(row.map(|row| (row, record)));
    }
    let mut rows = 1;
    let path = kept.into_iter().filter(|(row, _)| *row <= at);
    path.map(|(_, record)| {
        let mut record = record.clone();
        match &mut record.event {
            Event::Merged { index, .. } | Event::Skipped { index, .. } => rows = *index + 1,
            // It named rows that were there then, and are not on this path.
            Event::Reweighed {
                index, rows: sizes, ..
            } => sizes.truncate(rows - *index),
            _ => {}
        }
        record
    })
    .collect()
}

/// The training that an event is of.
fn training_of(event: &Event) -> Option<u32> {
    match event {
        Event::TaskStarted { training, .. }
        | Event::Context { training, .. }
        | Event::Step { training, .. }
        | Event::Watched { training, .. }
        | Event::Checkpoint { training, .. }
        | Event::Trained { training, .. } => Some(*training),
        Event::Resumed { training, .. } => *training,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::sample;
    use super::*;

    fn folder() -> (tempfile::TempDir, RunFolder) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["manifest.json", "journal.jsonl"] {
            fs::write(dir.path().join(name), "{}\n").unwrap();
        }
        let folder = RunFolder::open(dir.path()).unwrap();
        (dir, folder)
    }

    fn recipe() -> Recipe {
        RunView::replay(&sample()).started.unwrap().recipe
    }

    /// The sample under its recipe's own hash.
    fn past() -> Vec<Record> {
        let mut past = sample();
        if let Event::RunStarted { recipe_hash, .. } = &mut past[0].event {
            *recipe_hash = recipe().hash().unwrap();
        }
        past
    }

    /// A branch's view is its parent's up to the row, with nothing of what was undone or discarded.
    #[test]
    fn the_rows_up_to_the_point_are_the_parents() {
        let (past, parent) = (past(), RunView::replay(&past()));
        let rows = parent.rows.iter().take_while(|r| r.complete).count();
        assert!(rows > 2);
        for at in 0..rows {
            let trunk = Trunk::of(&folder().1, &past, &parent, at, &recipe()).unwrap();
            let begin = past.iter().take(1).cloned();
            let records: Vec<Record> = begin.chain(trunk.records).collect();
            let view = RunView::replay(&records);
            assert_eq!(view.rows.len(), at + 1);
            for (row, same) in view.rows.iter().zip(&parent.rows) {
                assert_eq!((row.training, row.skipped), (same.training, same.skipped));
                assert!(row.complete);
                let files = |r: &super::super::view::Row| {
                    let sets = r.evaluations.iter();
                    sets.map(|(id, e)| (id.clone(), e.file.clone()))
                        .collect::<Vec<_>>()
                };
                assert_eq!(files(row), files(same));
            }
            let path: Vec<u32> = view.rows.iter().filter_map(|r| r.training).collect();
            let kept: Vec<u32> = view.trainings.iter().map(|t| t.number).collect();
            assert_eq!(path, kept);
            let mut sound = super::super::sound::Soundness::default();
            for record in &records {
                assert_eq!(sound.check(&record.event), Ok(()), "{:?}", record.event);
            }
        }
    }

    #[test]
    fn what_its_rows_were_made_from_has_to_stay() {
        let refusal = |at: usize, change: fn(&mut Recipe)| {
            let mut recipe = recipe();
            change(&mut recipe);
            let (past, view) = (past(), RunView::replay(&past()));
            Trunk::of(&folder().1, &past, &view, at, &recipe).map(|t| t.ancestry)
        };
        let text = |r: Result<Vec<Ancestor>>| r.unwrap_err().to_string();
        assert!(refusal(1, |_| ()).unwrap().is_empty());
        let other_rank = refusal(1, |r| r.lora.rank = 2).unwrap();
        assert_eq!((other_rank.len(), other_rank[0].last_row), (1, 1));
        assert_eq!(refusal(1, |r| r.seed += 1).unwrap().len(), 1);
        let swapped = |r: &mut Recipe| r.tasks.swap(0, 1);
        assert!(refusal(0, swapped).is_ok());
        assert!(text(refusal(1, swapped)).contains("`task.0`"));
        let source = |r: &mut Recipe| r.backbone.source = "bundled:glyph-resnet".into();
        assert!(text(refusal(0, source)).contains("`backbone` is another one"));
        assert!(text(refusal(99, |_| ())).contains("no measured row 99"));
    }
}
