//! How the runs of a sweep are laid out: what sets them apart, and which of it names rows and columns.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::recipe::Recipe;
use crate::sweep::Sweep;

/// A run of the sweep, as it is known before it is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its name.
    pub id: String,
    /// Its folder, whether or not it is there.
    pub folder: PathBuf,
    /// Tasks of its sequence.
    pub tasks: usize,
    /// What sets it apart from others: names and values, as they are shown.
    pub apart: Vec<(String, String)>,
}

/// The runs of a sweep and their places in rows and columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// The runs, in the sweep's order.
    pub runs: Vec<Planned>,
    /// What the values of `rows` are of: `mode`, `rank`.
    pub row_names: Vec<String>,
    /// What sets each row apart.
    pub rows: Vec<Vec<String>>,
    /// What the values of `columns` are of: `seed`.
    pub column_name: String,
    /// What sets each column apart; empty where the runs are a list and no grid.
    pub columns: Vec<String>,
    /// The run of each row in each column, `[rows][columns]`.
    pub cells: Vec<Vec<Option<usize>>>,
}

/// Keys that stand before others when it is asked which of two that go together tells more.
const PROMINENT: [&str; 5] = [
    "preset",
    "backbone.source",
    "lora.mode",
    "lora.rank",
    "seed",
];

/// A key that runs differ in, with the value of each run.
struct Axis {
    key: String,
    values: Vec<String>,
}

impl Axis {
    fn distinct(&self) -> Vec<&String> {
        let mut seen = BTreeSet::new();
        self.values.iter().filter(|v| seen.insert(*v)).collect()
    }

    /// Whether whoever knows the value of this one knows that of `other` too.
    fn decides(&self, other: &Self) -> bool {
        let mut known: BTreeMap<&String, &String> = BTreeMap::new();
        let pairs = self.values.iter().zip(&other.values);
        { pairs }.all(|(own, theirs)| *known.entry(own).or_insert(theirs) == theirs)
    }

    fn prominence(&self) -> usize {
        let at = PROMINENT.iter().position(|key| *key == self.key);
        at.unwrap_or(PROMINENT.len())
    }

    /// Presets, backbones and modes first, ranks and seeds last, as runs are named.
    fn order(&self) -> usize {
        match self.key.as_str() {
            "preset" => 0,
            "backbone.source" => 1,
            "lora.mode" => 2,
            "lora.rank" => 4,
            "seed" => 5,
            _ => 3,
        }
    }
}

impl Arrangement {
    /// The layout of a sweep's runs. Where they differ in two keys, these are rows and columns; else there is a row for each
    /// combination of what differs besides the seed, and a column a seed. All in the order in which the sweep has them.
    pub fn of(sweep: &Sweep) -> Self {
        let recipes: Vec<&Recipe> = sweep.cells.iter().map(|cell| &cell.recipe).collect();
        let axes = axes(&recipes);
        let names = names(&axes);
        let runs = sweep.cells.iter().enumerate().map(|(i, cell)| Planned {
            id: cell.id.clone(),
            folder: sweep.run(cell),
            tasks: cell.recipe.tasks.len(),
            apart: { names.iter().cloned() }
                .zip(axes.iter().map(|axis| axis.values[i].clone()))
                .collect(),
        });
        let listed = Self {
            runs: runs.collect(),
            ..Self::default()
        };
        match column(&axes) {
            Some(column) => listed
                .clone()
                .with_columns(&axes, &names, column)
                .unwrap_or(listed),
            None => listed,
        }
    }

    fn with_columns(mut self, axes: &[Axis], names: &[String], column: usize) -> Option<Self> {
        let others = || (0..axes.len()).filter(|a| *a != column);
        self.column_name.clone_from(&names[column]);
        self.row_names = others().map(|a| names[a].clone()).collect();
        self.columns = axes[column].distinct().into_iter().cloned().collect();
        let row_of =
            |run: usize| -> Vec<String> { others().map(|a| axes[a].values[run].clone()).collect() };
        let mut seen = BTreeSet::new();
        let rows = (0..self.runs.len()).map(row_of);
        self.rows = rows.filter(|row| seen.insert(row.clone())).collect();
        self.cells = vec![vec![None; self.columns.len()]; self.rows.len()];
        for run in 0..self.runs.len() {
            let row = self.rows.iter().position(|row| *row == row_of(run))?;
            let value = &axes[column].values[run];
            let place = self.columns.iter().position(|c| c == value)?;
            // Two runs in one place are told apart by nothing that is shown.
            if self.cells[row][place].replace(run).is_some() {
                return None;
            }
        }
        Some(self)
    }

    /// The row and the column of a run.
    pub fn place(&self, run: usize) -> Option<(usize, usize)> {
        let mut rows = self.cells.iter().enumerate();
        rows.find_map(|(y, row)| Some((y, row.iter().position(|cell| *cell == Some(run))?)))
    }
}

/// Which axis makes the columns: the seed, or of two others that with fewer values.
fn column(axes: &[Axis]) -> Option<usize> {
    let seed = axes.iter().position(|axis| axis.key == "seed");
    match (axes, seed) {
        (_, Some(seed)) if axes.len() > 1 => Some(seed),
        ([one, other], None) => Some(usize::from(one.distinct().len() >= other.distinct().len())),
        _ => None,
    }
}

/// What runs differ in, without what follows from something else that they differ in.
fn axes(recipes: &[&Recipe]) -> Vec<Axis> {
    let Some((first, _)) = recipes.split_first() else {
        return Vec::new();
    };
    let mut found: BTreeMap<String, (String, BTreeMap<usize, String>)> = BTreeMap::new();
    let absent = || "absent".to_owned();
    for (i, recipe) in recipes.iter().enumerate() {
        if recipe.name != first.name {
            let preset = found.entry("preset".into());
            let values = preset.or_insert((first.name.clone(), BTreeMap::new()));
            values.1.insert(i, recipe.name.clone());
        }
        for difference in first.differences(recipe) {
            let this = difference.this.unwrap_or_else(absent);
            let values = found
                .entry(difference.key)
                .or_insert((this, BTreeMap::new()));
            values.1.insert(i, difference.that.unwrap_or_else(absent));
        }
    }
    let value = |key: &str, i: usize, text: &String| match key {
        // A full-rank training has no rank.
        "lora.rank" if recipes[i].lora.mode.is_full() => "—".to_owned(),
        _ => shown(key, text),
    };
    let mut all: Vec<Axis> = found
        .iter()
        .map(|(key, (this, others))| Axis {
            key: key.clone(),
            values: (0..recipes.len())
                .map(|i| value(key, i, others.get(&i).unwrap_or(this)))
                .collect(),
        })
        .collect();
    all.sort_by_key(Axis::prominence);
    let mut kept: Vec<Axis> = Vec::new();
    for axis in all {
        if axis.key == "seed" || !kept.iter().any(|other| other.decides(&axis)) {
            kept.push(axis);
        }
    }
    kept.sort_by_key(Axis::order);
    kept
}

/// A value as it is shown: text without its quotes, a source by its last part.
fn shown(key: &str, text: &str) -> String {
    let text = text.trim_matches(['"', '\'']);
    let last = || text.trim_end_matches('/').rsplit(['/', ':']).next();
    match key {
        "backbone.source" => last().unwrap_or(text).to_owned(),
        _ => text.to_owned(),
    }
}

/// The names of the keys: their last part where it tells them apart.
fn names(axes: &[Axis]) -> Vec<String> {
    let short = |key: &str| match key {
        "backbone.source" => "backbone".to_owned(),
        _ => key.rsplit('.').next().unwrap_or(key).to_owned(),
    };
    let all: Vec<String> = axes.iter().map(|axis| short(&axis.key)).collect();
    let only = |name: &String| all.iter().filter(|n| *n == name).count() == 1;
    let keys = axes.iter().map(|axis| axis.key.clone());
    keys.zip(all.iter().cloned())
        .map(|(key, name)| if only(&name) { name } else { key })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Axes;

    fn arranged(axes: Axes) -> Arrangement {
        let axes = Axes {
            presets: match axes.presets.is_empty() {
                true => vec!["demo".into()],
                false => axes.presets,
            },
            ..axes
        };
        let root = std::path::Path::new("/none/S");
        let (sweep, _) = Sweep::with(root, axes.cells().unwrap()).unwrap();
        Arrangement::of(&sweep)
    }

    #[test]
    fn two_keys_are_rows_and_columns() {
        let grid = arranged(Axes {
            ranks: vec![1, 16, 4],
            seeds: vec![1, 2],
            ..Axes::default()
        });
        assert_eq!(grid.row_names, ["rank"]);
        assert_eq!(grid.rows, [["1"], ["16"], ["4"]]);
        assert_eq!((grid.column_name.as_str(), grid.columns.len()), ("seed", 2));
        // In the order of the sweep: r1-s1, r16-s1, r4-s1, then those of seed 2.
        let cells = [[0, 3], [1, 4], [2, 5]].map(|row| row.map(Some).to_vec());
        assert_eq!(grid.cells, cells);
        assert_eq!(grid.place(4), Some((1, 1)));
        assert_eq!(
            grid.runs[4].apart,
            [("rank".into(), "16".into()), ("seed".into(), "2".into())]
        );
    }

    #[test]
    fn more_keys_are_rows_of_what_is_no_seed() {
        let grid = arranged(Axes {
            modes: vec!["merge".into(), "full".into()],
            ranks: vec![1, 4],
            seeds: vec![1, 2, 3],
            ..Axes::default()
        });
        assert_eq!(grid.row_names, ["mode", "rank"]);
        assert_eq!(grid.rows, [["merge", "1"], ["merge", "4"], ["full", "—"]]);
        assert_eq!(grid.columns, ["1", "2", "3"]);
        // Without seeds, and of two keys, that with fewer values makes the columns.
        let grid = arranged(Axes {
            ranks: vec![1, 4, 16],
            sets: vec!["train.lr=1e-3,1e-4".into()],
            ..Axes::default()
        });
        assert_eq!(
            (grid.row_names.as_slice(), grid.column_name.as_str()),
            (&["rank".to_owned()][..], "lr")
        );
        assert_eq!(grid.columns, ["0.001", "0.0001"]);
    }

    #[test]
    fn one_key_or_none_is_a_list() {
        for ranks in [vec![1, 4], Vec::new()] {
            let list = arranged(Axes {
                ranks,
                ..Axes::default()
            });
            assert!(list.columns.is_empty() && list.place(0).is_none());
        }
        assert!(Arrangement::default().runs.is_empty());
    }

    /// A preset brings its backbone and its tasks with it: they are no keys of their own.
    #[test]
    fn what_follows_from_a_key_is_no_other() {
        let grid = arranged(Axes {
            presets: vec!["demo".into(), "demo-resnet".into()],
            seeds: vec![1, 2],
            ..Axes::default()
        });
        assert_eq!(grid.row_names, ["preset"]);
        assert_eq!(grid.rows, [["demo"], ["demo-resnet"]]);
        let sources = arranged(Axes {
            backbones: vec!["bundled:glyph-vit".into(), "bundled:glyph-resnet".into()],
            seeds: vec![1, 2],
            ..Axes::default()
        });
        assert_eq!(sources.row_names, ["backbone"]);
        assert_eq!(sources.rows[0], ["glyph-vit"]);
    }
}
