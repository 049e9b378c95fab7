//! The tables for programs, every digit.

use super::compose::Content;
use super::draw::share;
use super::figures::{Measure, contexts};
use super::series::{Member, Rank, Series, Study};
use crate::Result;
use crate::export::sheet::{Cell, Column, Sheet};
use crate::measure::{Average, Forgetting};

/// `runs.csv`, `accuracy.csv`, `contextual.csv` and `differences.csv`, by name.
pub fn files(content: &Content) -> Result<Vec<(String, Vec<u8>)>> {
    let sheets = [
        runs(content),
        accuracy(content),
        contextual(content),
        differences(content),
    ];
    let file = |sheet: Sheet| Ok((format!("{}.csv", sheet.name), sheet.csv()?.into_bytes()));
    sheets.into_iter().map(file).collect()
}

/// A run or imported log in its place.
struct Place<'a> {
    /// Number of its study, from 1.
    number: usize,
    study: &'a Study,
    series: &'a Series,
    rank: Rank,
    member: &'a Member,
}

impl Place<'_> {
    fn key(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.member.name),
            Cell::text(&self.series.name),
            Cell::text(self.rank.name()),
            self.member.seed.map_or(Cell::Empty, Cell::Count),
        ]
    }
}

fn each(content: &Content) -> Vec<Place<'_>> {
    let mut all = Vec::new();
    for (i, study) in content.studies.iter().enumerate() {
        for series in &study.series {
            for (&rank, members) in &series.ranks {
                all.extend(members.iter().map(|member| Place {
                    number: i + 1,
                    study,
                    series,
                    rank,
                    member,
                }));
            }
        }
    }
    all
}

fn sheet(name: &'static str, keys: &[&str], rows: Vec<Vec<Cell>>) -> Sheet {
    Sheet {
        name,
        caption: String::new(),
        columns: keys.iter().map(|key| Column::hidden(*key)).collect(),
        rows,
    }
}

/// A line a run, with every figure of its last row.
fn runs(content: &Content) -> Sheet {
    let mut keys: Vec<String> = [
        "run",
        "series",
        "backbone",
        "mode",
        "rank",
        "seed",
        "recipe_hash",
        "imported",
        "study",
        "average_accuracy.with_foundation",
        "average_accuracy.without_foundation",
        "average_plasticity",
    ]
    .map(String::from)
    .to_vec();
    for kind in Forgetting::ALL {
        let name = kind.name();
        keys.push(Measure::Foundation.key(kind));
        keys.push(format!("average_forgetting.{name}.with_foundation"));
        keys.push(Measure::Downstream.key(kind));
    }
    keys.extend(
        [
            "backward_transfer.with_foundation",
            "backward_transfer.without_foundation",
            "contextual.difference",
            "trainable_parameters",
            "backbone_parameters",
            "trainable_share",
        ]
        .map(String::from),
    );
    let rows = each(content).into_iter().map(|place| {
        let (matrix, run) = (&place.member.matrix, place.member.run.as_ref());
        let last = matrix.rows.len().saturating_sub(1);
        let pair = |a: Average| [a.with_foundation, a.without_foundation].map(Cell::Number);
        let mut cells = vec![
            Cell::text(&place.member.name),
            Cell::text(&place.series.name),
            Cell::text(&place.series.backbone),
            Cell::text(&place.series.mode),
            Cell::text(place.rank.name()),
            place.member.seed.map_or(Cell::Empty, Cell::Count),
            run.map_or(Cell::Empty, |r| Cell::text(&r.hash)),
            Cell::text(if place.series.imported { "yes" } else { "no" }),
            Cell::Count(place.number as u64),
        ];
        cells.extend(pair(matrix.average_accuracy(last)));
        cells.push(Cell::Number(matrix.average_plasticity(last)));
        for kind in Forgetting::ALL {
            cells.push(Cell::Number(matrix.forgetting(kind, last, 0)));
            cells.extend(pair(matrix.average_forgetting(kind, last)));
        }
        cells.extend(pair(matrix.backward_transfer(last)));
        cells.push(Cell::Number(
            Measure::Contextual.of(place.member, content.forgetting),
        ));
        match share(place.series, place.rank).filter(|_| run.is_some()) {
            Some((trainable, parameters, part)) => cells.extend([
                Cell::Count(trainable as u64),
                Cell::Count(parameters as u64),
                Cell::Number(part),
            ]),
            None => cells.extend([Cell::Empty, Cell::Empty, Cell::Empty]),
        }
        cells
    });
    let rows = rows.collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    sheet("runs", &keys, rows)
}

/// A line a run, row and test set that was measured.
fn accuracy(content: &Content) -> Sheet {
    let mut rows = Vec::new();
    for place in each(content) {
        let matrix = &place.member.matrix;
        for (row, accuracies) in matrix.rows.iter().enumerate() {
            let measured = accuracies.iter().enumerate().filter(|(_, a)| !a.is_nan());
            for (column, accuracy) in measured {
                let mut cells = place.key();
                cells.extend([
                    Cell::Count(row as u64),
                    Cell::text(&place.study.after[row]),
                    Cell::text(&place.study.columns[column]),
                    Cell::Number(*accuracy),
                    Cell::Count(place.number as u64),
                ]);
                rows.push(cells);
            }
        }
    }
    let keys = [
        "run",
        "series",
        "rank",
        "seed",
        "after_index",
        "after_task",
        "test_set",
        "accuracy",
        "study",
    ];
    sheet("accuracy", &keys, rows)
}

/// A line a run and task for its context, and one for each measure of similarity.
fn contextual(content: &Content) -> Sheet {
    let mut rows = Vec::new();
    for place in each(content) {
        for (row, c) in contexts(place.member) {
            let mut line = |by: &str, figures: [f64; 9]| {
                let mut cells = place.key();
                cells.extend([
                    Cell::Count(row as u64),
                    Cell::text(&place.study.after[row]),
                    Cell::text(by),
                ]);
                cells.extend(figures.map(Cell::Number));
                cells.push(Cell::Count(place.number as u64));
                rows.push(cells);
            };
            let none = f64::NAN;
            let difference = c.in_context - c.rest;
            line(
                "context",
                [
                    c.in_context,
                    c.rest,
                    difference,
                    none,
                    none,
                    c.p_one_sided,
                    c.p_two_sided,
                    c.rho,
                    c.rho_p,
                ],
            );
            for e in &c.effects {
                let d = e.difference;
                line(
                    &e.similarity,
                    [
                        e.decile_drop.value,
                        e.rest_drop.value,
                        d.value,
                        d.low,
                        d.high,
                        none,
                        none,
                        e.rho,
                        e.rho_p,
                    ],
                );
            }
        }
    }
    let keys = [
        "run",
        "series",
        "rank",
        "seed",
        "after_index",
        "after_task",
        "by",
        "mean_drop_inside",
        "mean_drop_of_rest",
        "difference",
        "low",
        "high",
        "p_one_sided",
        "p_two_sided",
        "spearman_rho",
        "spearman_p_two_sided",
        "study",
    ];
    sheet("contextual", &keys, rows)
}

/// A line a comparison.
fn differences(content: &Content) -> Sheet {
    let mut rows = Vec::new();
    for (i, all) in content.comparisons.iter().enumerate() {
        for c in all {
            let family = all.iter().filter(|o| o.kind == c.kind && o.holm.is_some());
            let tested = c.paired.tested();
            let figure = |of: &dyn Fn(&super::paired::Tested) -> f64| {
                tested.map_or(Cell::Empty, |t| Cell::Number(of(t)))
            };
            rows.push(vec![
                Cell::Count(i as u64 + 1),
                Cell::text(c.measure.key(content.forgetting)),
                Cell::text(&c.first.series),
                Cell::text(c.first.rank.name()),
                Cell::text(&c.second.series),
                Cell::text(c.second.rank.name()),
                Cell::Count(c.paired.n() as u64),
                Cell::Number(c.first.mean),
                Cell::Number(c.second.mean),
                Cell::Number(c.difference()),
                figure(&|t| t.low),
                figure(&|t| t.high),
                figure(&|t| t.t),
                figure(&|t| t.p),
                c.holm.map_or(Cell::Empty, Cell::Number),
                Cell::Count(family.count() as u64),
                figure(&|t| t.flip_p),
                figure(&|t| t.d_z),
                Cell::text(&c.sentence),
            ]);
        }
    }
    let keys = [
        "study",
        "measure",
        "series_a",
        "rank_a",
        "series_b",
        "rank_b",
        "n",
        "mean_a",
        "mean_b",
        "difference",
        "low",
        "high",
        "t",
        "p",
        "p_holm",
        "tests",
        "p_sign_flips",
        "d_z",
        "sentence",
    ];
    sheet("differences", &keys, rows)
}
