//! Which runs are compared: studies of the same test sets and sequence, series within them, ranks within these.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::gather::{LeftOut, Run};
use super::imported::Imported;
use super::settings::{Settings, backbone_name, mode_name, settings};
use crate::measure::Matrix;
use crate::{Error, Result};

/// A place on the axis of ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Rank 0: the backbone is frozen.
    Frozen,
    /// Of the adapters.
    Of(usize),
    /// No adapter: the target modules are trained themselves.
    Full,
    /// Of an imported log that was given without one.
    Unsaid,
}

impl Rank {
    fn of(run: &Run) -> Self {
        let lora = &run.recipe.lora;
        match lora.rank {
            _ if lora.mode.is_full() => Self::Full,
            0 => Self::Frozen,
            rank => Self::Of(rank),
        }
    }

    /// As it stands on an axis and in tables: `0`, `16`, `full`.
    pub fn name(self) -> String {
        match self {
            Self::Frozen => "0".into(),
            Self::Of(rank) => rank.to_string(),
            Self::Full => "full".into(),
            Self::Unsaid => String::new(),
        }
    }

    /// As it stands in a sentence.
    pub fn said(self) -> String {
        match self {
            Self::Frozen => "rank 0 (frozen)".into(),
            Self::Of(rank) => format!("rank {rank}"),
            Self::Full => "full rank".into(),
            Self::Unsaid => "a rank that was not given".into(),
        }
    }
}

/// One run, or one imported log.
#[derive(Clone, Debug)]
pub struct Member {
    /// The run's path, or the name of the log's file.
    pub name: String,
    /// `None` where a log was given without one.
    pub seed: Option<u64>,
    pub matrix: Matrix,
    /// `None` of an imported log.
    pub run: Option<Run>,
}

/// Runs that differ by nothing but rank and seed.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    /// Short name of the backbone; of an imported log what it was given with.
    pub backbone: String,
    /// `merge`, `drop`, `full`, `full_reset`; empty of an imported log.
    pub mode: String,
    /// Whether it was read from another program's logs: in no test.
    pub imported: bool,
    /// By rank, in order of their seeds.
    pub ranks: BTreeMap<Rank, Vec<Member>>,
    settings: Settings,
}

/// What has the same test sets and the same sequence.
#[derive(Clone, Debug)]
pub struct Study {
    /// Ids of the test sets, the foundation first.
    pub columns: Vec<String>,
    /// What each row comes after: the foundation, then the tasks of the sequence.
    pub after: Vec<String>,
    pub series: Vec<Series>,
    /// Keys in which the recipes of its series differ, with the value of each series; empty where it has none.
    pub differing: Vec<(String, Vec<String>)>,
}

impl Study {
    /// Its sequence in a line.
    pub fn title(&self) -> String {
        self.after.join(" → ")
    }

    /// Imported logs that lie over no run, each with why.
    pub fn notices(&self) -> Vec<String> {
        let of = |log: &Series| {
            let like = |s: &Series| log.backbone.is_empty() || s.backbone == log.backbone;
            let name = &log.name;
            match self.own().map(|s| s.backbone.as_str()).collect::<Vec<_>>() {
                none if none.is_empty() => Some(format!(
                    "{name}: its sequence ({}) is that of no run here, so it stands by itself",
                    match self.after.len() {
                        2 => "1 task".into(),
                        rows => format!("{} tasks", rows.saturating_sub(1)),
                    }
                )),
                _ if self.own().any(like) => None,
                mut others => {
                    others.sort_unstable();
                    others.dedup();
                    Some(format!(
                        "{name}: no run has this backbone, so its accuracies over the sequence are in a figure by themselves; there are: {}",
                        others.join(", ")
                    ))
                }
            }
        };
        let imported = self.series.iter().filter(|s| s.imported);
        imported.filter_map(of).collect()
    }

    /// Keys in which its series differ and that no name of theirs tells, beside those that come with a backbone.
    pub fn unnamed(&self) -> Option<String> {
        let told = |key: &str| {
            let last = key.rsplit('.').next().unwrap_or(key);
            key.starts_with("backbone.")
                || key == "lora.mode"
                || self.own().any(|s| {
                    s.name.contains(&format!(", {last} ")) || s.name.contains(&format!(", {key} "))
                })
        };
        let keys = self.differing.iter().map(|(key, _)| key.as_str());
        let keys: Vec<&str> = keys.filter(|key| !told(key)).collect();
        (!keys.is_empty()).then(|| keys.join(", "))
    }

    /// Its series that are runs of this program.
    pub fn own(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|s| !s.imported)
    }
}

/// Test sets, and by task its id, its column and the part of its images.
type Shape = (Vec<super::gather::Column>, Vec<(String, String, String)>);

fn shape(run: &Run) -> Shape {
    let tasks = run.recipe.tasks.iter();
    let tasks = tasks.map(|t| {
        (
            t.id.clone(),
            t.column().to_owned(),
            format!("{:?}", t.part.unwrap_or([0.0, 1.0])),
        )
    });
    (run.test_sets.clone(), tasks.collect())
}

/// Groups runs and imported logs; runs that are there twice are added to `left_out`.
///
/// # Errors
/// [`Error::Input`] for logs that more than one study could be the reproduction of.
pub fn studies(
    runs: Vec<Run>,
    imported: Vec<Imported>,
    left_out: &mut Vec<LeftOut>,
) -> Result<Vec<Study>> {
    let mut by_shape: BTreeMap<Shape, Vec<Run>> = BTreeMap::new();
    for run in runs {
        by_shape.entry(shape(&run)).or_default().push(run);
    }
    let mut studies: Vec<Study> = by_shape
        .into_iter()
        .map(|((columns, tasks), runs)| {
            let columns: Vec<String> = columns.into_iter().map(|c| c.id).collect();
            let foundation = columns.first().cloned().unwrap_or_default();
            Study {
                after: std::iter::once(foundation)
                    .chain(tasks.into_iter().map(|t| t.0))
                    .collect(),
                columns,
                series: series(runs, left_out),
                differing: Vec::new(),
            }
        })
        .collect();
    for log in imported {
        place(log, &mut studies)?;
    }
    for study in &mut studies {
        name(&mut study.series);
        study.series.sort_by(|a, b| {
            let key = |s: &Series| (s.imported, s.mode != "merge", s.name.clone());
            key(a).cmp(&key(b))
        });
        study.differing = differing(&study.series);
    }
    Ok(studies)
}

/// The series of one study's runs.
fn series(runs: Vec<Run>, left_out: &mut Vec<LeftOut>) -> Vec<Series> {
    let mut by_settings: BTreeMap<Settings, Vec<Run>> = BTreeMap::new();
    let (frozen, trained): (Vec<Run>, Vec<Run>) = runs
        .into_iter()
        .partition(|run| run.recipe.lora.is_frozen());
    for run in trained {
        by_settings.entry(settings(&run)).or_default().push(run);
    }
    // A frozen backbone has no adapters: it belongs to the one series that is like it in all else.
    for run in frozen {
        let own = settings(&run);
        let like: Vec<Settings> = by_settings
            .keys()
            .filter(|key| key.without_adapters() == own)
            .cloned()
            .collect();
        let key = match like.as_slice() {
            [one] => one.clone(),
            _ => own,
        };
        by_settings.entry(key).or_default().push(run);
    }
    by_settings
        .into_iter()
        .filter_map(|(settings, runs)| {
            let first = runs
                .iter()
                .find(|r| !r.recipe.lora.is_frozen())
                .or(runs.first())?;
            Some(Series {
                name: String::new(),
                backbone: backbone_name(&first.recipe),
                mode: mode_name(first.recipe.lora.mode).into(),
                imported: false,
                settings,
                ranks: by_rank(runs, left_out),
            })
        })
        .collect()
}

/// Runs by their ranks, each seed once.
fn by_rank(runs: Vec<Run>, left_out: &mut Vec<LeftOut>) -> BTreeMap<Rank, Vec<Member>> {
    let mut once: BTreeMap<(Rank, u64), Run> = BTreeMap::new();
    for run in runs {
        let key = (Rank::of(&run), run.recipe.seed);
        let Some(other) = once.remove(&key) else {
            once.insert(key, run);
            continue;
        };
        let newer = |a: &Run, b: &Run| (&a.begun, &a.path).cmp(&(&b.begun, &b.path));
        let (kept, dropped) = match newer(&run, &other) {
            Ordering::Less => (other, run),
            _ => (run, other),
        };
        left_out.push(LeftOut {
            why: format!(
                "{} is a newer finished run of the same recipe and seed",
                kept.path
            ),
            path: dropped.path,
        });
        once.insert(key, kept);
    }
    let mut ranks: BTreeMap<Rank, Vec<Member>> = BTreeMap::new();
    for ((rank, seed), run) in once {
        ranks.entry(rank).or_default().push(Member {
            name: run.path.clone(),
            seed: Some(seed),
            matrix: run.matrix.clone(),
            run: Some(run),
        });
    }
    ranks
}

/// Puts an imported log into the study that has its shape, or into one of its own.
fn place(log: Imported, studies: &mut Vec<Study>) -> Result<()> {
    let learned = |study: &Study| -> Vec<Option<usize>> {
        let first = study
            .series
            .iter()
            .flat_map(|s| s.ranks.values())
            .flatten()
            .next();
        first.map_or_else(Vec::new, |m| m.matrix.learned.clone())
    };
    let alike: Vec<usize> = (0..studies.len())
        .filter(|&i| studies[i].columns.len() == log.columns && learned(&studies[i]) == log.learned)
        .collect();
    let at = match alike.as_slice() {
        [] => {
            let columns: Vec<String> = (0..log.columns).map(|c| format!("Task{c:03}")).collect();
            let after = log.learned.iter().map(|l| columns[l.unwrap_or(0)].clone());
            studies.push(Study {
                after: after.collect(),
                columns,
                series: Vec::new(),
                differing: Vec::new(),
            });
            studies.len() - 1
        }
        [one] => *one,
        _ => {
            return Err(Error::input(format!(
                "--study {}: its {} tasks fit {} studies among the runs: report on the runs of one sequence at a time",
                log.label,
                log.learned.len().saturating_sub(1),
                alike.len()
            )));
        }
    };
    let study = &mut studies[at];
    let label = match log.backbone.as_str() {
        "" => log.label.clone(),
        backbone => format!("{}, {backbone}", log.label),
    };
    let member = Member {
        name: log.file,
        seed: log.seed,
        matrix: Matrix {
            tasks: study.columns.clone(),
            rows: log.rows,
            learned: log.learned,
        },
        run: None,
    };
    let known = study
        .series
        .iter()
        .position(|s| s.imported && s.name == label);
    let at = known.unwrap_or_else(|| {
        study.series.push(Series {
            name: label.clone(),
            backbone: log.backbone,
            mode: String::new(),
            imported: true,
            ranks: BTreeMap::new(),
            settings: Settings::default(),
        });
        study.series.len() - 1
    });
    let members = study.series[at].ranks.entry(log.rank).or_default();
    if member.seed.is_some() && members.iter().any(|m| m.seed == member.seed) {
        return Err(Error::input(format!(
            "--study {label}: two files are given for {}, seed {}",
            log.rank.said(),
            member.seed.unwrap_or_default()
        )));
    }
    members.push(member);
    members.sort_by(|a, b| (a.seed, &a.name).cmp(&(b.seed, &b.name)));
    Ok(())
}

/// Names each series by its backbone, its mode where that is not merge, and as many of the keys in which they differ
/// as tell them apart.
fn name(series: &mut [Series]) {
    for one in series.iter_mut().filter(|s| !s.imported) {
        one.name = match one.mode.as_str() {
            "merge" => one.backbone.clone(),
            mode => format!("{}, {mode}", one.backbone),
        };
    }
    loop {
        let same = |a: &Series, b: &Series| !a.imported && !b.imported && a.name == b.name;
        let clash: Vec<usize> = (0..series.len())
            .map(|i| {
                (0..series.len())
                    .filter(|&j| same(&series[i], &series[j]))
                    .collect()
            })
            .find(|group: &Vec<usize>| group.len() > 1)
            .unwrap_or_default();
        if clash.is_empty() {
            return;
        }
        let among: Vec<&Settings> = clash.iter().map(|&i| &series[i].settings).collect();
        let keys = Settings::differing(&among);
        // Keys in a name tell its series apart already, so another one is found each time.
        let Some(key) = keys.first() else {
            for (number, &i) in clash.iter().enumerate() {
                series[i].name += &format!(" ({})", number + 1);
            }
            return;
        };
        for &i in &clash {
            if let Some(part) = series[i].settings.part(key) {
                series[i].name += &format!(", {part}");
            }
        }
    }
}

/// The keys in which series of runs differ.
fn differing(series: &[Series]) -> Vec<(String, Vec<String>)> {
    let own: Vec<&Settings> = series
        .iter()
        .filter(|s| !s.imported)
        .map(|s| &s.settings)
        .collect();
    let keys = Settings::differing(&own);
    let values = |key: &String| own.iter().map(|s| s.get(key).to_owned()).collect();
    keys.into_iter()
        .map(|key| {
            let values = values(&key);
            (key, values)
        })
        .collect()
}
