//! What is said in which order.

use std::collections::BTreeMap;

use super::compare::{Comparison, Kind};
use super::document::{Block, Document};
use super::draw;
use super::figures::{Measure, spread};
use super::gather::LeftOut;
use super::paired::{FEWEST, Paired};
use super::sentence::LEVEL;
use super::series::{Series, Study};
use super::tables;
use super::texts;
use crate::export::plot::svg::clean;
use crate::measure::Forgetting;

/// An imported log in the list of sources.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it was given as.
    pub label: String,
    /// Name of its file, and the file's SHA-256.
    pub file: String,
    pub sha256: String,
}

/// Everything that a report is made of.
pub struct Content {
    pub studies: Vec<Study>,
    /// Of each study.
    pub comparisons: Vec<Vec<Comparison>>,
    pub left_out: Vec<LeftOut>,
    pub forgetting: Forgetting,
    pub sources: Vec<Source>,
}

impl Content {
    /// The finding, of what the foundation lost: by series the highest rank against the lowest, or what else there is to
    /// say of its ranks, and then the series against each other at the lowest and the highest rank that they share.
    pub fn finding(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, study) in self.studies.iter().enumerate() {
            let all = self.comparisons[number].iter();
            let all = all.filter(|c| c.measure == Measure::Foundation);
            let of_kind = |kind| all.clone().filter(move |c| c.kind == kind);
            let mut found = Vec::new();
            for series in study.own() {
                let mine = |c: &&Comparison| c.first.series == series.name;
                let ranks: Vec<&Comparison> = match of_kind(Kind::Ends).find(mine) {
                    Some(ends) => vec![ends],
                    None => of_kind(Kind::Rank).filter(mine).collect(),
                };
                match ranks.is_empty() {
                    true => found.extend(self.known(series)),
                    false => found.extend(ranks.into_iter().map(|c| c.sentence.clone())),
                }
            }
            let series: Vec<&Comparison> = of_kind(Kind::Series).collect();
            let ends = series.chunk_by(|a, b| a.is_of_the_series_of(b));
            let ends = ends.flat_map(|pair| pair.first().into_iter().chain(pair[1..].last()));
            let ends: Vec<&Comparison> = ends.copied().collect();
            found.extend(sentences(&ends));
            if let (Some(keys), false) = (study.unnamed(), ends.is_empty()) {
                found.push(format!(
                    "These series differ in {keys} too: what is said of them is said of that as well."
                ));
            }
            let prefix = match self.studies.len() {
                1 => String::new(),
                _ => format!("Study {}. ", number + 1),
            };
            lines.extend(found.into_iter().map(|line| format!("{prefix}{line}")));
        }
        if lines.is_empty() {
            lines.push("No finished run was found, so nothing is compared.".into());
        }
        lines
    }

    /// What the foundation lost, of a series of one rank.
    fn known(&self, series: &Series) -> Option<String> {
        let (&rank, members) = series.ranks.iter().next_back()?;
        let lost = spread(series, rank, |m| Measure::Foundation.of(m, self.forgetting));
        Some(format!(
            "{} at {}, its one rank: the foundation lost {} points ({}).",
            series.name,
            rank.said(),
            lost.percent(),
            match members.len() {
                1 => "one run".into(),
                n => format!("mean ± standard deviation of {n} seeds"),
            }
        ))
    }

    /// The report.
    pub fn document(&self) -> Document {
        let runs: usize = self.studies.iter().flat_map(Study::own).map(runs_of).sum();
        let mut blocks = vec![Block::Finding(self.finding())];
        for number in 0..self.studies.len() {
            self.study(number, &mut blocks);
        }
        self.left_out(&mut blocks);
        heading(&mut blocks, 2, "Methods", "methods");
        blocks.extend(texts::methods(self.forgetting));
        heading(&mut blocks, 2, "Provenance", "provenance");
        self.provenance(&mut blocks);
        Document {
            title: format!("Forgetting by rank: {}", counted(runs, "run", "runs")),
            subtitle: format!(
                "pentimento {}, forgetting by {}",
                env!("CARGO_PKG_VERSION"),
                self.forgetting.name()
            ),
            blocks,
        }
    }

    /// What figures and tables of a study are called before their own names.
    pub fn prefix(&self, number: usize) -> String {
        match self.studies.len() {
            1 => String::new(),
            _ => format!("study-{}-", number + 1),
        }
    }

    fn study(&self, number: usize, blocks: &mut Vec<Block>) {
        let study = &self.studies[number];
        let prefix = self.prefix(number);
        let level = match self.studies.len() {
            1 => 2,
            _ => {
                let title = format!("Study {}: {}", number + 1, clean(&study.title()));
                heading(blocks, 2, &title, &format!("study-{}", number + 1));
                3
            }
        };
        let part = |blocks: &mut Vec<Block>, text: &str, name: &str| {
            heading(blocks, level, text, &format!("{prefix}{name}"));
        };
        part(blocks, "Rank, forgetting and plasticity", "ranks");
        blocks.push(Block::Text(format!(
            "The sequence is {}. {}",
            study.title(),
            sizes(study)
        )));
        let figure = draw::ranks(study, &prefix, self.forgetting);
        blocks.extend(figure.map(Block::Figure));
        blocks.push(Block::Table(tables::summary(
            study,
            &prefix,
            self.forgetting,
        )));
        blocks.extend(tables::settings(study, &prefix).map(Block::Table));

        part(blocks, "Accuracy over the sequence", "accuracy");
        let figures = draw::sequences(study, &prefix);
        blocks.extend(figures.into_iter().map(Block::Figure));
        blocks.push(Block::Table(tables::last_row(study, &prefix)));

        if let Some(figure) = draw::contextual(study, &prefix) {
            part(blocks, "Contextual forgetting", "contextual");
            blocks.push(Block::Text(texts::CONTEXTUAL.into()));
            blocks.push(Block::Figure(figure));
            blocks.push(Block::Table(tables::contextual(study, &prefix)));
            blocks.extend(tables::effects(study, &prefix).map(Block::Table));
        }
        if let Some(table) = tables::shares(study, &prefix) {
            part(blocks, "Trainable share", "share");
            blocks.extend(draw::shares(study, &prefix).map(Block::Figure));
            blocks.push(Block::Table(table));
        }
        part(blocks, "Differences", "differences");
        self.differences(number, &prefix, blocks);
    }

    fn differences(&self, number: usize, prefix: &str, blocks: &mut Vec<Block>) {
        let all = &self.comparisons[number];
        blocks.push(Block::Text(match all.len() {
            0 => "There is one rank and one series: nothing to compare.".into(),
            _ => texts::DIFFERENCES.into(),
        }));
        for (kind, title, name) in [
            (Kind::Ends, "Highest rank against the lowest", "ends"),
            (
                Kind::Rank,
                "Other ranks against the lowest of adapters",
                "by-rank",
            ),
            (Kind::Series, "Series against series", "by-series"),
        ] {
            let of_kind: Vec<&Comparison> = all.iter().filter(|c| c.kind == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            heading(blocks, 3, title, &format!("{prefix}{name}"));
            let tests = of_kind.iter().filter(|c| c.holm.is_some()).count();
            blocks.push(Block::Text(texts::family(tests)));
            blocks.push(Block::List(sentences(&of_kind)));
            let name = format!("{prefix}{name}");
            blocks.push(Block::Table(tables::differences(&of_kind, kind, &name)));
        }
    }

    fn left_out(&self, blocks: &mut Vec<Block>) {
        heading(blocks, 2, "Left out", "left-out");
        let lines: Vec<String> = self
            .left_out
            .iter()
            .map(|one| format!("Left out: {}, because {}", one.path, stopped(&one.why)))
            .collect();
        blocks.push(match lines.is_empty() {
            true => Block::Text("Nothing: every run that was found is in every mean.".into()),
            false => Block::List(lines),
        });
    }

    fn provenance(&self, blocks: &mut Vec<Block>) {
        // Where the same recipe was run, with which seeds.
        let mut recipes: BTreeMap<(String, String), (String, Vec<u64>)> = BTreeMap::new();
        let mut versions: Vec<&str> = Vec::new();
        for series in self.studies.iter().flat_map(Study::own) {
            for (rank, members) in &series.ranks {
                for run in members.iter().filter_map(|m| m.run.as_ref()) {
                    let about = format!(
                        "preset {}, {}, {}",
                        run.recipe.name,
                        series.name,
                        rank.said()
                    );
                    let key = (about, run.hash.clone());
                    recipes.entry(key).or_default().1.push(run.recipe.seed);
                    versions.push(&run.version);
                }
            }
        }
        versions.sort_unstable();
        versions.dedup();
        blocks.push(Block::Text(format!(
            "This report was made by pentimento {}{}. Equal runs give an equal report, byte for byte.",
            env!("CARGO_PKG_VERSION"),
            match versions.is_empty() {
                true => String::new(),
                false => format!(", its runs by {}", versions.join(", ")),
            }
        )));
        let terms = recipes.into_iter().map(|((about, hash), (_, seeds))| {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            (
                hash,
                format!("{}; seeds {}", clean(&about), seeds.join(", ")),
            )
        });
        let terms: Vec<(String, String)> = terms.collect();
        if !terms.is_empty() {
            blocks.push(Block::Text("Recipes by their SHA-256:".into()));
            blocks.push(Block::Terms(terms));
        }
        if !self.sources.is_empty() {
            blocks.push(Block::Text(
                "Imported logs by the SHA-256 of their files:".into(),
            ));
            let sources = self.sources.iter();
            blocks.push(Block::Terms(
                sources
                    .map(|s| (s.sha256.clone(), format!("{}: {}", s.label, s.file)))
                    .collect(),
            ));
        }
        for (number, study) in self.studies.iter().enumerate() {
            blocks.extend(tables::runs(study, &self.prefix(number)).map(Block::Table));
        }
    }
}

/// Of so many comparisons that found nothing each has a sentence; of more there is one for all.
const EACH: usize = 10;

/// What comparisons say: each difference that was found, and what was not.
fn sentences(all: &[&Comparison]) -> Vec<String> {
    let few = |c: &&&Comparison| matches!(c.paired, Paired::Few { .. });
    let found = |c: &&&Comparison| c.holm.is_some_and(|p| p < LEVEL);
    let mut lines: Vec<String> = all
        .iter()
        .filter(found)
        .map(|c| c.sentence.clone())
        .collect();
    let constant = |c: &&&Comparison| matches!(c.paired, Paired::Constant { .. });
    let (same, rest): (Vec<&&Comparison>, Vec<&&Comparison>) = all
        .iter()
        .filter(|c| !found(c) && !few(c))
        .partition(constant);
    match rest.len() {
        n if n > EACH => lines.push(format!(
            "For {} no difference was found; the table has their figures. That is not evidence of none.",
            of_all(n, all.len())
        )),
        _ => lines.extend(rest.iter().map(|c| c.sentence.clone())),
    }
    match same.len() {
        n if n > EACH => lines.push(format!(
            "For {} no test is possible, since the difference is the same in every seed; the table has it.",
            of_all(n, all.len())
        )),
        _ => lines.extend(same.iter().map(|c| c.sentence.clone())),
    }
    let untested = all.iter().filter(few).count();
    if untested > 0 {
        lines.push(format!(
            "Not enough seeds for {}: {FEWEST} shared by both sides are needed. The table has the differences of their means, \
             which are no claim.",
            of_all(untested, all.len())
        ));
    }
    lines
}

/// So many of so many comparisons, in words.
fn of_all(n: usize, all: usize) -> String {
    match (n, all) {
        (1, 1) => "the one comparison".into(),
        (2, 2) => "both comparisons".into(),
        _ if n == all => format!("all {all} comparisons"),
        _ => format!("{n} of {all} comparisons"),
    }
}

fn heading(blocks: &mut Vec<Block>, level: u8, text: &str, name: &str) {
    blocks.push(Block::Heading(level, text.into(), name.into()));
}

fn runs_of(series: &Series) -> usize {
    series.ranks.values().map(Vec::len).sum()
}

/// How many runs each series has.
fn sizes(study: &Study) -> String {
    let of = |series: &Series| {
        let ranks: Vec<String> = series
            .ranks
            .keys()
            .map(|r| r.name())
            .filter(|n| !n.is_empty())
            .collect();
        let what = match series.imported {
            true => counted(runs_of(series), "imported log", "imported logs"),
            false => counted(runs_of(series), "run", "runs"),
        };
        match ranks.is_empty() {
            true => format!("{}: {what}", series.name),
            false => format!("{}: {what} at rank {}", series.name, ranks.join(", ")),
        }
    };
    let all: Vec<String> = study.series.iter().map(of).collect();
    format!("{}.", all.join("; "))
}

fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// With a full stop.
fn stopped(text: &str) -> String {
    match text.ends_with('.') {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}
