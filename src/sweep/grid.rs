//! The grid: one run for each combination of what the axes hold.

use serde::{Deserialize, Serialize};

use crate::folder::file_name;
use crate::recipe::Recipe;
use crate::{Error, Result};

/// Runs that a sweep may have.
const MOST_RUNS: usize = 10_000;

/// What a sweep goes over. An axis without values leaves to each preset what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Axes {
    /// Presets by name, or TOML files; one at least.
    pub presets: Vec<String>,
    /// Values of `backbone.source`.
    pub backbones: Vec<String>,
    /// Values of `lora.mode`.
    pub modes: Vec<String>,
    /// Values of `lora.rank`. A mode that trains at full rank has one run for all of them.
    pub ranks: Vec<usize>,
    /// Values of `seed`.
    pub seeds: Vec<u64>,
    /// `KEY=VALUE,VALUE…`, an axis each. A comma within brackets or quotes is a part of its value.
    pub sets: Vec<String>,
}

/// A run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Its name in the sweep, and its folder's: `r4-s1`.
    pub id: String,
    /// [`Recipe::hash`] of `recipe`, without the seed.
    pub hash: String,
    /// What is run, with nothing left to be looked up.
    pub recipe: Recipe,
}

impl Cell {
    /// Whether it takes the same backbone and the same data.
    pub fn needs_what(&self, other: &Self) -> bool {
        let (a, b) = (&self.recipe, &other.recipe);
        (&a.backbone, &a.foundation, &a.tasks) == (&b.backbone, &b.foundation, &b.tasks)
    }

    /// Whether it is the same experiment with the same seed.
    pub fn repeats(&self, other: &Self) -> bool {
        (&self.hash, self.recipe.seed) == (&other.hash, other.recipe.seed)
    }
}

/// A value of an axis: what it changes of the preset, and what it adds to the run's name.
#[derive(Clone, Debug)]
struct Choice {
    set: Option<String>,
    name: Option<String>,
}

impl Choice {
    /// No value: the preset's own.
    const NONE: Self = Self {
        set: None,
        name: None,
    };
}

impl Axes {
    /// The runs of the grid, seeds outermost, so that a first seed tells what all the others say before they do.
    ///
    /// # Errors
    /// [`Error::Input`] where a value is none, is named twice, or a recipe is impossible; the sentence names the run.
    pub fn cells(&self) -> Result<Vec<Cell>> {
        let axes = self.choices()?;
        let runs = axes
            .iter()
            .map(Vec::len)
            .fold(self.presets.len(), usize::saturating_mul);
        if runs > MOST_RUNS {
            return Err(Error::input(format!(
                "the grid has {runs} runs, and a sweep has {MOST_RUNS} at most: give its axes fewer values"
            )));
        }
        let mut cells: Vec<Cell> = Vec::new();
        let combinations = combinations(&axes);
        for seed in combinations {
            for preset in &self.presets {
                let cell = self.cell(preset, &seed)?;
                let twin = cells.iter().any(|c| c.repeats(&cell));
                let full = cell.recipe.lora.mode.is_full();
                if twin && !full {
                    return Err(Error::input(format!(
                        "the grid has the run {} twice: two values of its axes mean the same",
                        cell.id
                    )));
                }
                if !twin {
                    cells.push(cell);
                }
            }
        }
        Ok(cells)
    }

    /// The axes behind the presets, the seeds first; each has one choice at least.
    fn choices(&self) -> Result<Vec<Vec<Choice>>> {
        let of = |key: &str, values: Vec<String>, name: &dyn Fn(&str) -> String| {
            if let Some(twice) = values
                .iter()
                .enumerate()
                .find_map(|(i, v)| values[..i].contains(v).then_some(v))
            {
                return Err(Error::input(format!(
                    "the axis {key} has the value {twice} twice"
                )));
            }
            Ok(match values.is_empty() {
                true => vec![Choice::NONE],
                false => values
                    .iter()
                    .map(|value| Choice {
                        set: Some(format!("{key}={value}")),
                        name: Some(name(value)),
                    })
                    .collect(),
            })
        };
        let texts = |numbers: &[usize]| numbers.iter().map(ToString::to_string).collect();
        let seeds = self.seeds.iter().map(ToString::to_string).collect();
        let mut axes = vec![of("seed", seeds, &|v| format!("s{v}"))?];
        axes.push(of("backbone.source", self.backbones.clone(), &short)?);
        axes.push(of("lora.mode", self.modes.clone(), &str::to_owned)?);
        let mut keys: Vec<&str> = Vec::new();
        for set in &self.sets {
            let (key, values) = set.split_once('=').ok_or_else(|| {
                Error::input(format!(
                    "--set wants KEY=VALUE or KEY=VALUE,VALUE, not {set:?}"
                ))
            })?;
            let own = [
                ("seed", "--seeds", self.seeds.is_empty()),
                ("backbone.source", "--backbones", self.backbones.is_empty()),
                ("lora.mode", "--modes", self.modes.is_empty()),
                ("lora.rank", "--ranks", self.ranks.is_empty()),
            ];
            let twice = own
                .iter()
                .find(|(of, _, unused)| *of == key.trim() && !unused);
            if let Some((_, option, _)) = twice {
                return Err(Error::input(format!(
                    "{key} is given by {option} and by --set: give it once"
                )));
            }
            if keys.contains(&key.trim()) {
                return Err(Error::input(format!(
                    "--set {key} is given twice: give all its values at once, as in --set {key}=1,2"
                )));
            }
            keys.push(key.trim());
            let values = split(values);
            let last = key.rsplit('.').next().unwrap_or(key);
            // A value that all runs have tells none from another.
            match values.as_slice() {
                [one] => axes.push(vec![Choice {
                    set: Some(format!("{key}={one}")),
                    name: None,
                }]),
                _ => axes.push(of(key, values, &|v| format!("{last}={v}"))?),
            }
        }
        axes.push(of("lora.rank", texts(&self.ranks), &|v| format!("r{v}"))?);
        Ok(axes)
    }

    fn cell(&self, preset: &str, choices: &[&Choice]) -> Result<Cell> {
        let sets: Vec<String> = choices.iter().filter_map(|c| c.set.clone()).collect();
        let name = |recipe: &Recipe| {
            let preset = (self.presets.len() > 1).then(|| recipe.name.clone());
            let own = choices.get(1..).unwrap_or_default().iter();
            let rank = |name: &&String| !(recipe.lora.mode.is_full() && is_rank(name));
            let seed = format!("s{}", recipe.seed);
            let parts: Vec<String> = preset
                .into_iter()
                .chain(own.filter_map(|c| c.name.as_ref()).filter(rank).cloned())
                .chain([seed])
                .collect();
            file_name(&parts.join("-"))
        };
        let sweeps = |e| match e {
            Error::Input(text) => {
                let given = match sets.is_empty() {
                    true => String::new(),
                    false => format!(" with {}", sets.join(", ")),
                };
                Error::Input(format!("{text} (in the run of {preset}{given})"))
            }
            other => other,
        };
        let mut recipe = Recipe::load(preset, &sets).map_err(sweeps)?;
        if recipe.lora.mode.is_full() && !self.ranks.is_empty() {
            // Rank is not used: one run stands for all ranks.
            recipe.lora.rank = self.ranks.iter().copied().min().unwrap_or_default();
        }
        Ok(Cell {
            id: name(&recipe),
            hash: recipe.hash()?,
            recipe,
        })
    }
}

fn is_rank(name: &str) -> bool {
    name.strip_prefix('r')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// The last part of a source: `hub:timm/resnet50.a1_in1k` is `resnet50.a1_in1k`.
fn short(source: &str) -> String {
    let name = source.trim_end_matches('/').rsplit(['/', ':']).next();
    name.unwrap_or(source).to_owned()
}

/// Parts between commas that stand in no brackets and no quotes.
fn split(values: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quote) = (0_usize, None);
    for c in values.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.iter().map(|p| p.trim().to_owned()).collect()
}

/// One choice of each axis, in all ways; the first axis changes last.
fn combinations(axes: &[Vec<Choice>]) -> Vec<Vec<&Choice>> {
    axes.iter().fold(vec![Vec::new()], |so_far, axis| {
        so_far
            .iter()
            .flat_map(|chosen| {
                axis.iter().map(|choice| {
                    let mut chosen = chosen.clone();
                    chosen.push(choice);
                    chosen
                })
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(presets: &[&str]) -> Axes {
        Axes {
            presets: presets.iter().map(|p| (*p).to_owned()).collect(),
            ..Axes::default()
        }
    }

    fn ids(axes: &Axes) -> Vec<String> {
        let cells = axes.cells().unwrap();
        cells.into_iter().map(|c| c.id).collect()
    }

    #[test]
    fn a_grid_has_each_combination_once_with_seeds_outermost() {
        let grid = Axes {
            ranks: vec![1, 4],
            seeds: vec![1, 2],
            ..axes(&["demo"])
        };
        assert_eq!(ids(&grid), ["r1-s1", "r4-s1", "r1-s2", "r4-s2"]);
        let cells = grid.cells().unwrap();
        assert_eq!((cells[1].recipe.lora.rank, cells[1].recipe.seed), (4, 1));
        assert_eq!(cells[0].hash, cells[2].hash);
        assert!(!cells[0].repeats(&cells[2]) && cells[0].repeats(&cells[0]));
        // Without any axis it is the preset.
        assert_eq!(ids(&axes(&["demo"])), ["s0"]);
    }

    #[test]
    fn presets_backbones_and_set_keys_are_axes_too() {
        assert_eq!(
            ids(&axes(&["demo", "demo-resnet"])),
            ["demo-s0", "demo-resnet-s0"]
        );
        let grid = Axes {
            backbones: vec!["bundled:glyph-vit".into(), "bundled:glyph-resnet".into()],
            sets: vec![
                "train.lr=1e-3,1e-4".into(),
                "train.steps=[1, 2, 3, 4, 5]".into(),
            ],
            ..axes(&["demo"])
        };
        assert_eq!(
            ids(&grid),
            [
                "glyph-vit-lr-1e-3-s0",
                "glyph-vit-lr-1e-4-s0",
                "glyph-resnet-lr-1e-3-s0",
                "glyph-resnet-lr-1e-4-s0"
            ]
        );
        assert_eq!(grid.cells().unwrap()[1].recipe.train.lr, 1e-4);
    }

    #[test]
    fn full_rank_is_one_run_for_all_ranks() {
        let grid = Axes {
            modes: vec!["merge".into(), "full".into()],
            ranks: vec![1, 4],
            ..axes(&["demo"])
        };
        assert_eq!(ids(&grid), ["merge-r1-s0", "merge-r4-s0", "full-s0"]);
    }

    #[test]
    fn values_are_split_at_commas_outside_brackets_and_quotes() {
        assert_eq!(split("1, 2"), ["1", "2"]);
        assert_eq!(
            split("[1, 2],{a = [3, 4]},\"x,y\""),
            ["[1, 2]", "{a = [3, 4]}", "\"x,y\""]
        );
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn what_is_impossible_is_told_with_the_run_it_is_in() {
        let told = |axes: Axes| match axes.cells().unwrap_err() {
            Error::Input(text) => text,
            other => panic!("{other:?}"),
        };
        let text = told(Axes {
            sets: vec!["train.lr=1e-3,-1".into()],
            ..axes(&["demo"])
        });
        assert!(text.contains("`train.lr`") && text.contains("demo with train.lr=-1"));
        let text = told(Axes {
            ranks: vec![4, 4],
            ..axes(&["demo"])
        });
        assert!(text.contains("lora.rank has the value 4 twice"), "{text}");
        let text = told(Axes {
            sets: vec!["lora.alpha=2,2.0".into()],
            ..axes(&["demo"])
        });
        assert!(text.contains("twice"), "{text}");
        assert!(told(axes(&["no-such"])).contains("no-such"));
        let text = told(Axes {
            ranks: vec![1, 2],
            sets: vec!["lora.rank=4".into()],
            ..axes(&["demo"])
        });
        assert!(text.contains("by --ranks and by --set"), "{text}");
        let all: Vec<u64> = (0..20_000).collect();
        let text = told(Axes {
            seeds: all,
            ..axes(&["demo"])
        });
        assert!(text.contains("20000 runs"), "{text}");
    }
}
