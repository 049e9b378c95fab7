//! The tables that are CSV alone, and what stands over the matrix: `matrix.csv`, `lost.csv`, `probes.csv` and
//! `synsets.csv`.

use super::figures::{Figures, ProbeKind};
use super::sheets;
use crate::{Error, Result};

/// What a table was made by, in `#` lines.
fn heading(figures: &Figures) -> String {
    let recipe = &figures.started.recipe;
    let hash = &figures.started.recipe_hash;
    comment("preset", &recipe.name)
        + &comment("recipe_hash", hash)
        + &comment("seed", &recipe.seed.to_string())
}

fn comment(key: &str, value: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    format!(
        "# {key}: {}\n",
        value.chars().map(plain).collect::<String>()
    )
}

/// The accuracy matrix: `#` lines, then `after_index,after_task,TESTSET…`, fractions, empty where nothing was
/// measured.
pub fn matrix(figures: &Figures) -> Result<String> {
    let mut text = heading(figures);
    let mut comment = |key, value: &str| text.push_str(&comment(key, value));
    comment(
        "axes",
        "a row is the state after a task of the sequence, row 0 the untouched backbone; a column is a test set; \
         a cell is top-1 accuracy as a fraction, empty where nothing was measured",
    );
    let skipped: Vec<&str> = figures
        .rows
        .iter()
        .filter(|r| r.skipped)
        .map(|r| figures.after(r.index))
        .collect();
    if !skipped.is_empty() {
        comment("left out", &skipped.join(" "));
    }
    text.push_str(&sheets::matrix(figures).csv()?);
    Ok(text)
}

/// Where lost predictions went: `#` lines, then one line a row, test set, class and answer to its new errors.
pub fn lost(figures: &Figures) -> Result<String> {
    let mut table = Table::new();
    table.line(
        [
            "after_index",
            "task",
            "class_index",
            "class_name",
            "went_to_index",
            "went_to_name",
            "count",
        ]
        .map(String::from),
    )?;
    for row in figures.rows {
        for set in figures.test_sets() {
            let name = |class: usize| set.classes.get(class).map_or("", |c| c.name.as_str());
            let lost = row.evaluations.get(&set.id).map(|e| e.lost.as_slice());
            for (class, went) in lost.unwrap_or_default().iter().enumerate() {
                for &(to, count) in went {
                    table.line([
                        row.index.to_string(),
                        set.id.clone(),
                        class.to_string(),
                        name(class).into(),
                        to.to_string(),
                        name(to).into(),
                        count.to_string(),
                    ])?;
                }
            }
        }
    }
    Ok(heading(figures) + &table.finish()?)
}

/// What probes found: `#` lines, then one line a row, kind and test set; `None` where no row was probed.
pub fn probes(figures: &Figures) -> Result<Option<String>> {
    let mut table = Table::new();
    table.line(
        [
            "after_index",
            "after_task",
            "probe",
            "task",
            "correct",
            "total",
            "accuracy",
        ]
        .map(String::from),
    )?;
    let mut any = false;
    for row in figures.rows {
        let Some(probes) = &row.probes else {
            continue;
        };
        any = true;
        for kind in ProbeKind::ALL {
            for set in kind.of(probes) {
                let sum = |counts: &[u32]| counts.iter().sum::<u32>().to_string();
                table.line([
                    row.index.to_string(),
                    figures.after(row.index).to_owned(),
                    kind.name().into(),
                    set.test_set.clone(),
                    sum(&set.counts.correct),
                    sum(&set.counts.total),
                    number(set.counts.accuracy()),
                ])?;
            }
        }
    }
    any.then(|| Ok(heading(figures) + &table.finish()?))
        .transpose()
}

/// Which synsets of WordNet each similarity by it is of, below `#` lines; `None` where no task has a word.
pub fn synsets(figures: &Figures) -> Result<Option<String>> {
    let mut table = Table::new();
    table.line(
        [
            "after_index",
            "after_task",
            "class_index",
            "class_name",
            "class_synset",
            "task_synset",
            "similarity_wordnet",
        ]
        .map(String::from),
    )?;
    let mut any = false;
    let classes = figures.test_sets().first().map(|s| s.classes.as_slice());
    for row in figures.rows {
        let training = figures.training(row);
        let Some(words) = training.and_then(|t| t.wordnet.as_ref()) else {
            continue;
        };
        any = true;
        let synset = |of: &[String], class: usize| of.get(class).cloned().unwrap_or_default();
        for (index, class) in classes.unwrap_or_default().iter().enumerate() {
            let similarity = words.similarity.get(index).filter(|s| s.is_finite());
            table.line([
                row.index.to_string(),
                figures.after(row.index).to_owned(),
                index.to_string(),
                class.name.clone(),
                synset(&words.class_synsets, index),
                synset(&words.task_synsets, index),
                similarity.map(f32::to_string).unwrap_or_default(),
            ])?;
        }
    }
    any.then(|| Ok(heading(figures) + &table.finish()?))
        .transpose()
}

/// The shortest text that is read back as the same f64; empty for what is not finite.
fn number(x: f64) -> String {
    if x.is_finite() {
        x.to_string()
    } else {
        String::new()
    }
}

/// CSV as RFC 4180 has it, lines ended by a line feed.
pub struct Table(csv::Writer<Vec<u8>>);

impl Table {
    pub fn new() -> Self {
        // A field that begins with # would be read as a comment unless it is quoted.
        Self(
            csv::WriterBuilder::new()
                .comment(Some(b'#'))
                .from_writer(Vec::new()),
        )
    }

    pub fn line(&mut self, fields: impl IntoIterator<Item = String>) -> Result<()> {
        self.0
            .write_record(fields.into_iter().map(String::into_bytes))
            .map_err(|e| Error::internal(format!("a table could not be written: {e}")))
    }

    pub fn finish(self) -> Result<String> {
        let bytes = self.0.into_inner();
        let bytes =
            bytes.map_err(|e| Error::internal(format!("a table could not be written: {e}")))?;
        String::from_utf8(bytes).map_err(|e| Error::internal(format!("a table is no text: {e}")))
    }
}
