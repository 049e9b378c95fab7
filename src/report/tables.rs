//! The tables for people.

use super::compare::{Comparison, Kind};
use super::document::Table;
use super::draw::share;
use super::figures::{Measure, Spread, contexts, spread};
use super::sentence::{exact, p, points};
use super::series::{Member, Rank, Series, Study};
use crate::export::summary::{capitalised, decimals, thousands};
use crate::measure::{Contextual, Effect, Forgetting};

/// Every series with every rank.
fn each(study: &Study) -> impl Iterator<Item = (&Series, Rank)> {
    let series = study.series.iter();
    series.flat_map(|s| s.ranks.keys().map(move |&rank| (s, rank)))
}

fn named(series: &Series, rank: Rank) -> [String; 2] {
    let name = match series.imported {
        true => format!("{} (imported)", series.name),
        false => series.name.clone(),
    };
    let rank = match rank {
        Rank::Unsaid => "not given".into(),
        rank => rank.name(),
    };
    [name, rank]
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

/// The figures of every series and rank.
pub fn summary(study: &Study, prefix: &str, forgetting: Forgetting) -> Table {
    let mut head = strings(&["series", "rank", "runs"]);
    head.extend(Measure::ALL.map(|m| format!("{} ({})", m.title(), m.unit())));
    let rows = each(study).map(|(series, rank)| {
        let mut row = named(series, rank).to_vec();
        row.push(series.ranks[&rank].len().to_string());
        let figure = |m: Measure| spread(series, rank, |member| m.of(member, forgetting)).percent();
        row.extend(Measure::ALL.map(figure));
        row
    });
    Table {
        name: format!("{prefix}summary"),
        caption: format!(
            "After the last task, mean ± sample standard deviation over seeds. Forgetting by {}; downstream forgetting is the \
             mean over the earlier tasks without the foundation; the contextual difference is the mean over tasks.",
            forgetting.name()
        ),
        head,
        left: 2,
        rows: rows.collect(),
    }
    .dense()
}

/// The keys in which the series differ; `None` where they do not.
pub fn settings(study: &Study, prefix: &str) -> Option<Table> {
    let mut head = strings(&["key"]);
    head.extend(study.own().map(|s| s.name.clone()));
    let left = head.len();
    let rows: Vec<Vec<String>> = study
        .differing
        .iter()
        .map(|(key, values)| std::iter::once(key).chain(values).cloned().collect())
        .collect();
    (!rows.is_empty()).then(|| Table {
        name: format!("{prefix}settings"),
        caption: "The keys of the recipes in which the series differ, apart from rank and seed."
            .into(),
        head,
        left,
        rows,
    })
}

/// Accuracy of every test set after the last task.
pub fn last_row(study: &Study, prefix: &str) -> Table {
    let mut head = strings(&["series", "rank"]);
    head.extend(study.columns.iter().cloned());
    let last = study.after.len().saturating_sub(1);
    let rows = each(study).map(|(series, rank)| {
        let accuracy = |column| spread(series, rank, |m| m.matrix.accuracy(last, column)).percent();
        let cells = (0..study.columns.len()).map(accuracy);
        named(series, rank).into_iter().chain(cells).collect()
    });
    Table {
        name: format!("{prefix}accuracy"),
        caption: format!(
            "Accuracy in percent of each test set after {}, the last task: mean ± sample standard deviation over seeds.",
            study.after[last]
        ),
        head,
        left: 2,
        rows: rows.collect(),
    }
}

/// How many of so many: `3 of 5`.
fn share_of(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.filter(|p| p.is_finite()).collect();
    let below = values.iter().filter(|p| **p < 0.05).count();
    match values.len() {
        0 => String::new(),
        n => format!("{below} of {n}"),
    }
}

/// A row for each series, rank and task that has any; `of` gives the cells from the runs' figures.
fn by_task<'a, T: 'a>(
    study: &'a Study,
    found: impl Fn(&'a Contextual) -> Option<T>,
    of: impl Fn(&[T]) -> Vec<String>,
) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (series, rank) in each(study) {
        for (row, task) in study.after.iter().enumerate().skip(1) {
            let runs = series.ranks[&rank].iter();
            let of_row = |m: &'a Member| contexts(m).find(|(r, _)| *r == row);
            let all: Vec<T> = runs
                .filter_map(of_row)
                .filter_map(|(_, c)| found(c))
                .collect();
            if !all.is_empty() {
                let mut cells = named(series, rank).to_vec();
                cells.push(task.clone());
                cells.extend(of(&all));
                rows.push(cells);
            }
        }
    }
    rows
}

/// Contextual forgetting by series, rank and task.
pub fn contextual(study: &Study, prefix: &str) -> Table {
    let rows = by_task(study, Some, |all: &[&Contextual]| {
        let over =
            |of: &dyn Fn(&Contextual) -> f64| Spread::of(all.iter().map(|c| of(c))).percent();
        vec![
            over(&|c| c.in_context),
            over(&|c| c.rest),
            over(&|c| c.in_context - c.rest),
            share_of(all.iter().map(|c| c.p_two_sided)),
            share_of(all.iter().map(|c| c.rho_p)),
        ]
    });
    Table {
        name: format!("{prefix}contextual"),
        caption: "Mean drop in points of the foundation classes in the task's context and of the rest, and their difference: \
                  mean ± sample standard deviation over seeds. In how many seeds the two-sided p of the difference is below \
                  .05, and that of Spearman's ρ of drop and similarity by features, of those that have one."
            .into(),
        head: strings(&["series", "rank", "task", "in context", "rest", "difference", "p < .05", "p of ρ < .05"]),
        left: 3,
        rows,
    }
    .dense()
}

/// The most similar tenth of the classes against the rest, by each measure of similarity; `None` where no run has it.
pub fn effects(study: &Study, prefix: &str) -> Option<Table> {
    let mut names: Vec<String> = study
        .series
        .iter()
        .flat_map(|s| s.ranks.values().flatten())
        .flat_map(|m| contexts(m).flat_map(|(_, c)| c.effects.iter().map(|e| e.similarity.clone())))
        .collect();
    names.sort();
    names.dedup();
    let mut rows = Vec::new();
    for name in &names {
        let found = |c: &Contextual| c.effects.iter().find(|e| e.similarity == *name).cloned();
        let mut of_name = by_task(study, found, |all: &[Effect]| {
            let over = |of: &dyn Fn(&Effect) -> f64| Spread::of(all.iter().map(of));
            let rho = over(&|e| e.rho);
            vec![
                over(&|e| e.difference.value).percent(),
                match rho.deviation.is_finite() {
                    true => format!("{} ± {}", decimals(rho.mean, 2), decimals(rho.deviation, 2)),
                    false => decimals(rho.mean, 2),
                }
                .replace('-', "−"),
                share_of(all.iter().map(|e| e.rho_p)),
                share_of(all.iter().map(|e| e.error_p)),
            ]
        });
        of_name
            .iter_mut()
            .for_each(|row| row.insert(3, name.clone()));
        rows.extend(of_name);
    }
    // By series, rank and task as before, and then by measure.
    let order: Vec<(String, Rank, String)> = each(study)
        .flat_map(|(s, r)| {
            study
                .after
                .iter()
                .map(move |a| (named(s, r)[0].clone(), r, a.clone()))
        })
        .collect();
    rows.sort_by_key(|row| {
        let at = |o: &(String, Rank, String)| {
            o.0 == row[0] && named_rank(o.1) == row[1] && o.2 == row[2]
        };
        order.iter().position(at)
    });
    (!rows.is_empty()).then(|| {
        Table {
            name: format!("{prefix}similarity"),
            caption: "By each measure of similarity to the task: the mean drop in points of the most similar tenth of the \
                      foundation's classes less that of the rest, Spearman's ρ of drop and similarity (mean ± sample standard \
                      deviation over seeds), and in how many seeds the two-sided p of ρ, and of the similarity of the new \
                      errors against that of all classes, is below .05."
                .into(),
            head: strings(&["series", "rank", "task", "similarity", "difference", "ρ", "p of ρ < .05", "p of errors < .05"]),
            left: 4,
            rows,
        }
        .dense()
    })
}

fn named_rank(rank: Rank) -> String {
    match rank {
        Rank::Unsaid => "not given".into(),
        rank => rank.name(),
    }
}

/// Trainable parameters; `None` where there are imported logs alone.
pub fn shares(study: &Study, prefix: &str) -> Option<Table> {
    let rows: Vec<Vec<String>> = each(study)
        .filter_map(|(series, rank)| {
            let (trainable, parameters, part) = share(series, rank)?;
            let mut row = named(series, rank).to_vec();
            row.extend([
                thousands(trainable),
                thousands(parameters),
                decimals(100.0 * part, 3),
            ]);
            Some(row)
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        name: format!("{prefix}share"),
        caption: "Trainable parameters of a task without its head, over the parameters of the backbone without its classifier."
            .into(),
        head: strings(&["series", "rank", "trainable", "backbone", "share (%)"]),
        left: 2,
        rows,
    })
}

/// The figures behind the sentences of one kind.
pub fn differences(all: &[&Comparison], kind: Kind, name: &str) -> Table {
    let rows = all.iter().map(|c| {
        let (first, second) = match kind {
            Kind::Ends | Kind::Rank => (
                c.first.series.clone(),
                format!("{} − {}", c.first.rank.name(), c.second.rank.name()),
            ),
            Kind::Series => (
                format!("{} − {}", c.first.series, c.second.series),
                match c.first.rank == c.second.rank {
                    true => c.first.rank.name(),
                    false => format!("{} − {}", c.first.rank.name(), c.second.rank.name()),
                },
            ),
        };
        let tested = c.paired.tested();
        let figure =
            |of: &dyn Fn(&super::paired::Tested) -> String| tested.map(of).unwrap_or_default();
        let bare = |x: f64| {
            let text = p(x);
            text.strip_prefix("p = ")
                .or(text.strip_prefix("p "))
                .unwrap_or_default()
                .to_owned()
        };
        vec![
            first,
            second,
            c.measure.title().to_owned(),
            c.paired.n().to_string(),
            points(c.difference()),
            figure(&|t| format!("{} to {}", points(t.low), points(t.high))),
            figure(&|t| bare(t.p)),
            c.holm.map(bare).unwrap_or_default(),
            figure(&|t| exact(t.flip_p)),
            figure(&|t| decimals(t.d_z, 1).replace('-', "−")),
        ]
    });
    let (what, head) = match kind {
        Kind::Ends => (
            "The highest rank less the lowest one, within a series",
            ["series", "ranks"],
        ),
        Kind::Rank => (
            "Other ranks less the lowest one of adapters, within a series",
            ["series", "ranks"],
        ),
        Kind::Series => (
            "Series less series, at the same rank where both have adapters",
            ["series", "rank"],
        ),
    };
    let mut heads = strings(&head);
    heads.extend(strings(&[
        "measure",
        "n",
        "difference",
        "95 % interval",
        "p",
        "p (Holm)",
        "p (sign flips)",
        "d_z",
    ]));
    Table {
        name: name.to_owned(),
        caption: format!(
            "{what}: mean difference in points of the n seeds that both have, with a paired t-test. Without a p: the \
             difference of the means of too few seeds, or one that is the same in every seed."
        ),
        head: heads,
        left: 3,
        rows: rows.collect(),
    }
}

/// Every run that is in the figures; `None` where there is none.
pub fn runs(study: &Study, prefix: &str) -> Option<Table> {
    let rows: Vec<Vec<String>> = each(study)
        .flat_map(|(series, rank)| series.ranks[&rank].iter().map(move |m| (series, rank, m)))
        .map(|(series, rank, member)| {
            let run = member.run.as_ref();
            let mut row = vec![member.name.clone()];
            row.extend(named(series, rank));
            row.push(run.map(|r| r.recipe.name.clone()).unwrap_or_default());
            row.push(
                run.map(|r| r.hash.chars().take(12).collect())
                    .unwrap_or_default(),
            );
            row.push(member.seed.map(|s| s.to_string()).unwrap_or_default());
            row
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        name: format!("{prefix}runs"),
        caption: format!(
            "{} that the figures are of.",
            capitalised("the runs and imported logs")
        ),
        head: strings(&["run", "series", "rank", "preset", "recipe", "seed"]),
        left: 5,
        rows,
    })
}
