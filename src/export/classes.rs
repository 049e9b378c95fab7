//! What each merge cost each class of the foundation.

use std::ops::Range;

use super::figures::Figures;

/// The classes of the foundation, group by group in order of first appearance, in each those that lost most first.
pub struct ClassDrops<'a> {
    /// Rows with a merge, those that were left out not included.
    pub merges: Vec<usize>,
    pub classes: Vec<ClassDrop<'a>>,
}

/// A class of the foundation. Accuracies are fractions of its test images, NaN without any.
pub struct ClassDrop<'a> {
    /// Its label.
    pub index: usize,
    pub name: &'a str,
    /// Empty if the data has none.
    pub group: &'a str,
    /// Accuracy of the untouched backbone.
    pub start: f64,
    /// Accuracy after the last merge.
    pub end: f64,
    /// By merge, the accuracy before it less that after it, `[merges]`.
    pub drops: Vec<f64>,
    /// By merge, whether its task is about this class.
    pub context: Vec<bool>,
}

impl ClassDrop<'_> {
    /// What was lost since the start.
    pub fn total(&self) -> f64 {
        self.start - self.end
    }
}

impl<'a> ClassDrops<'a> {
    /// `None` where the foundation was not measured after any merge.
    pub fn of(figures: &Figures<'a>) -> Option<Self> {
        let set = figures.test_sets().first()?;
        let measured = |row: usize| figures.rows[row].evaluations.get(&set.id);
        let start = measured(0)?;
        let merges: Vec<usize> = (1..figures.rows.len())
            .filter(|&i| !figures.rows[i].skipped && measured(i).is_some())
            .collect();
        let end = measured(*merges.last()?)?;
        let merge = |row: usize, class: usize| {
            let row = &figures.rows[row];
            let before = figures.before(row, &set.id);
            let after = row.evaluations.get(&set.id);
            let accuracy = |e: &crate::run::view::Evaluation| e.counts.class_accuracy(class);
            before.map_or(f64::NAN, accuracy) - after.map_or(f64::NAN, accuracy)
        };
        let context = |row: usize, class: usize| {
            let training = figures.training(&figures.rows[row]);
            training.is_some_and(|t| t.context.contains(&class))
        };
        let described = set.classes.iter().enumerate();
        let mut classes: Vec<ClassDrop> = described
            .map(|(index, class)| ClassDrop {
                index,
                name: &class.name,
                group: &class.group,
                start: start.counts.class_accuracy(index),
                end: end.counts.class_accuracy(index),
                drops: merges.iter().map(|&row| merge(row, index)).collect(),
                context: merges.iter().map(|&row| context(row, index)).collect(),
            })
            .collect();
        let mut groups: Vec<&str> = Vec::new();
        for class in &classes {
            if !groups.contains(&class.group) {
                groups.push(class.group);
            }
        }
        let group = |c: &ClassDrop| groups.iter().position(|g| *g == c.group);
        // What is not known comes last.
        let lost = |c: &ClassDrop| match c.total() {
            total if total.is_nan() => f64::NEG_INFINITY,
            total => total,
        };
        classes.sort_by(|a, b| {
            let by_loss = lost(b).total_cmp(&lost(a));
            group(a)
                .cmp(&group(b))
                .then(by_loss)
                .then(a.index.cmp(&b.index))
        });
        Some(Self { merges, classes })
    }

    /// The groups with their classes, in order.
    pub fn groups(&self) -> Vec<(&'a str, Range<usize>)> {
        let mut at = 0;
        let same = |a: &ClassDrop, b: &ClassDrop| a.group == b.group;
        let chunks = self.classes.chunk_by(same);
        chunks
            .map(|chunk| {
                let range = at..at + chunk.len();
                at = range.end;
                (chunk[0].group, range)
            })
            .collect()
    }
}
