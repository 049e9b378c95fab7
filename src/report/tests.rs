//! Which runs are compared, and what a report of them says.

use super::compose::Content;
use super::gather::{LeftOut, Run};
use super::imported::Imported;
use super::series::{Rank, Study, studies};
use super::testing::finished;
use super::*;

fn grouped(runs: Vec<Run>) -> (Vec<Study>, Vec<LeftOut>) {
    let mut left_out = Vec::new();
    let studies = studies(runs, Vec::new(), &mut left_out).unwrap();
    (studies, left_out)
}

fn names(study: &Study) -> Vec<&str> {
    study.series.iter().map(|s| s.name.as_str()).collect()
}

/// Ranks 1 and 4 of two backbones with four seeds; the ViT loses more with more rank, the ResNet by chance.
fn two_backbones() -> Vec<Run> {
    let mut runs = Vec::new();
    for (backbone, by_rank) in [("glyph-vit", 0.02), ("glyph-resnet", 0.0)] {
        for rank in [1, 4] {
            for seed in 1..=4_u32 {
                let chance = f64::from((seed * 7 + rank * 3) % 5) / 400.0;
                let lost = 0.1 + by_rank * f64::from(rank) + chance;
                let overrides = [
                    format!("backbone.source=bundled:{backbone}"),
                    format!("lora.rank={rank}"),
                    format!("seed={seed}"),
                ];
                let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
                runs.push(finished(
                    &format!("{backbone}-r{rank}-s{seed}"),
                    &overrides,
                    lost,
                    chance,
                ));
            }
        }
    }
    runs
}

fn content_of(runs: Vec<Run>, logs: Vec<Imported>) -> Content {
    let mut left_out = Vec::new();
    let studies = studies(runs, logs, &mut left_out).unwrap();
    let forgetting = Forgetting::FirstLast;
    Content {
        comparisons: studies
            .iter()
            .map(|s| compare::comparisons(s, forgetting))
            .collect(),
        studies,
        left_out,
        forgetting,
        sources: Vec::new(),
    }
}

fn log(rank: Rank) -> Imported {
    Imported {
        label: "paper".into(),
        backbone: "glyph-vit".into(),
        rank,
        seed: None,
        file: "logs.json".into(),
        sha256: String::new(),
        columns: 3,
        learned: vec![None, Some(1), Some(2)],
        rows: vec![
            vec![0.9, f64::NAN, f64::NAN],
            vec![0.8, 0.7, f64::NAN],
            vec![0.7, 0.6, 0.5],
        ],
    }
}

#[test]
fn series_are_named_by_what_tells_them_apart() {
    let run = |path: &str, overrides: &[&str]| finished(path, overrides, 0.1, 0.0);
    let (studies, _) = grouped(vec![
        run("a", &["lora.rank=1"]),
        run("b", &["lora.rank=4", "train.lr=0.01"]),
        run("c", &["lora.rank=4", "lora.mode=full"]),
        run(
            "d",
            &["backbone.source=bundled:glyph-resnet", "train.lr=0.01"],
        ),
    ]);
    let [study] = studies.as_slice() else {
        panic!("{studies:?}")
    };
    assert_eq!(
        names(study),
        [
            "glyph-resnet",
            "glyph-vit, lr 0.001",
            "glyph-vit, lr 0.01",
            "glyph-vit, full"
        ]
    );
    assert!(study.series[3].ranks.contains_key(&Rank::Full));
    let keys: Vec<&str> = study.differing.iter().map(|d| d.0.as_str()).collect();
    assert!(
        keys.contains(&"train.lr") && keys.contains(&"backbone.source"),
        "{keys:?}"
    );
    assert!(!keys.contains(&"lora.rank") && !keys.contains(&"seed"));
}

#[test]
fn a_frozen_backbone_belongs_to_the_series_that_is_like_it() {
    let run = |path: &str, overrides: &[&str]| finished(path, overrides, 0.1, 0.0);
    let (studies, _) = grouped(vec![
        run("a", &["lora.rank=0"]),
        run("b", &["lora.rank=4", "lora.dropout=0.3"]),
    ]);
    let ranks: Vec<&Rank> = studies[0].series[0].ranks.keys().collect();
    assert_eq!(
        (studies[0].series.len(), ranks),
        (1, vec![&Rank::Frozen, &Rank::Of(4)])
    );
    // Where two are like it, it is neither's.
    let (studies, _) = grouped(vec![
        run("a", &["lora.rank=0"]),
        run("b", &["lora.rank=4", "lora.dropout=0.3"]),
        run("c", &["lora.rank=4", "lora.dropout=0.2"]),
    ]);
    assert_eq!(studies[0].series.len(), 3);
}

#[test]
fn of_two_equal_runs_the_newer_counts() {
    let mut newer = finished("a", &["lora.rank=2"], 0.3, 0.0);
    newer.begun = "2026-03-03T09:30:00.000Z".into();
    let older = finished("b", &["lora.rank=2"], 0.1, 0.0);
    let other = finished("c", &["lora.rank=2", "seed=7"], 0.1, 0.0);
    let (studies, left_out) = grouped(vec![newer, older, other]);
    let members = &studies[0].series[0].ranks[&Rank::Of(2)];
    assert_eq!(
        members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(),
        ["a", "c"]
    );
    assert_eq!(left_out.len(), 1);
    assert!(
        left_out[0].path == "b" && left_out[0].why.starts_with("a is a newer finished run"),
        "{left_out:?}"
    );
}

#[test]
fn other_test_sets_and_sequences_are_other_studies() {
    let one = || finished("a", &[], 0.1, 0.0);
    let mut images = finished("b", &[], 0.1, 0.0);
    images.test_sets[1].images += 1;
    let mut order = finished("c", &[], 0.1, 0.0);
    order.recipe.tasks.swap(0, 1);
    let content = content_of(vec![one(), images, order], Vec::new());
    assert_eq!(content.studies.len(), 3);
    let stems: Vec<String> = content
        .document()
        .figures()
        .map(|f| f.stem.clone())
        .collect();
    assert!(
        stems.contains(&"study-1-rank".to_owned()) && stems.contains(&"study-3-rank".to_owned()),
        "{stems:?}"
    );
    assert!(
        content
            .finding()
            .iter()
            .any(|line| line.starts_with("Study 2. "))
    );
}

#[test]
fn the_finding_is_the_highest_rank_against_the_lowest() {
    let content = content_of(two_backbones(), Vec::new());
    let finding = content.finding();
    assert_eq!(finding.len(), 4, "{finding:?}");
    assert!(
        finding[0].starts_with("No difference in foundation forgetting"),
        "{finding:?}"
    );
    assert!(
        finding[1].starts_with("In glyph-vit rank 4 forgot ")
            && finding[1].contains(" more of the foundation than rank 1"),
        "{finding:?}"
    );
    for (line, rank) in finding[2..].iter().zip([1, 4]) {
        let against = format!("t rank {rank} glyph-resnet forgot ");
        assert!(
            line.contains(&against) && line.contains(" less of the foundation than glyph-vit"),
            "{finding:?}"
        );
    }
    let tested = content.comparisons[0].iter().filter(|c| c.holm.is_some());
    for c in tested {
        assert!(c.holm.unwrap() >= c.paired.tested().unwrap().p);
    }
}

#[test]
fn an_imported_log_is_drawn_and_in_no_test() {
    let without = content_of(two_backbones(), Vec::new());
    let with = content_of(two_backbones(), vec![log(Rank::Of(4))]);
    assert_eq!(without.comparisons, with.comparisons);
    assert_eq!(names(&with.studies[0]).last(), Some(&"paper, glyph-vit"));
    let document = with.document();
    let dashed = |stem: &str| {
        let figure = document.figures().find(|f| f.stem == stem).unwrap();
        figure.svg.contains("stroke-dasharray=\"3 2\"")
            && figure.svg.contains("fill=\"#ffffff\" stroke=")
    };
    // Laid over the series of its backbone, not over the other.
    assert!(dashed("rank") && dashed("accuracy-2") && !dashed("accuracy-1"));
    assert!(document.figures().all(|f| f.stem != "accuracy-3"));
    let rows = document.tables().find(|t| t.name == "summary").unwrap();
    assert!(
        rows.rows
            .iter()
            .any(|r| r[0] == "paper, glyph-vit (imported)" && r[3] == "20.0"),
        "{rows:?}"
    );
    let csv = csv::files(&with).unwrap();
    let text = |name: &str| {
        String::from_utf8(csv.iter().find(|f| f.0 == name).unwrap().1.clone()).unwrap()
    };
    assert!(
        text("accuracy.csv")
            .contains("logs.json,\"paper, glyph-vit\",4,,2,lower-thirds,parity,0.6,1\n")
    );
    assert!(!text("differences.csv").contains("paper"));
}

#[test]
fn a_log_of_another_shape_is_a_study_of_its_own_and_one_that_fits_two_is_refused() {
    let mut longer = log(Rank::Unsaid);
    longer.rows.push(vec![0.5, 0.5, 0.5]);
    longer.learned.push(Some(1));
    let content = content_of(vec![finished("a", &[], 0.1, 0.0)], vec![longer]);
    assert_eq!(content.studies.len(), 2);
    assert_eq!(
        content.studies[1].after,
        ["Task000", "Task001", "Task002", "Task001"]
    );
    let mut images = finished("b", &[], 0.1, 0.0);
    images.test_sets[1].images += 1;
    let mut left_out = Vec::new();
    let refused = studies(
        vec![finished("a", &[], 0.1, 0.0), images],
        vec![log(Rank::Of(1))],
        &mut left_out,
    );
    assert!(refused.unwrap_err().to_string().contains("fit 2 studies"));
    let mut seeded = log(Rank::Of(1));
    seeded.seed = Some(3);
    let twice = studies(Vec::new(), vec![seeded.clone(), seeded], &mut left_out);
    assert!(
        twice
            .unwrap_err()
            .to_string()
            .contains("two files are given for rank 1, seed 3")
    );
}

#[test]
fn full_rank_is_set_against_the_highest_rank_of_its_backbone() {
    let mut runs = two_backbones();
    for seed in 1..=4_u32 {
        let seed_ = format!("seed={seed}");
        let lost = 0.4 + f64::from(seed % 3) / 400.0;
        runs.push(finished(
            &format!("full-{seed}"),
            &["lora.mode=full", &seed_],
            lost,
            0.0,
        ));
    }
    let content = content_of(runs, Vec::new());
    let full: Vec<&compare::Comparison> = content.comparisons[0]
        .iter()
        .filter(|c| c.first.rank == Rank::Full)
        .collect();
    assert!(
        full.iter()
            .all(|c| c.second.series == "glyph-vit" && c.second.rank == Rank::Of(4))
    );
    assert!(
        full[0].sentence.starts_with("glyph-vit, full forgot 21.")
            && full[0]
                .sentence
                .contains("more of the foundation than glyph-vit at rank 4"),
        "{}",
        full[0].sentence
    );
}

#[test]
fn a_series_without_two_ranks_of_adapters_is_not_called_alone() {
    let content = content_of(
        (1..=3)
            .flat_map(|seed| {
                let seed = format!("seed={seed}");
                [("0", 0.0), ("4", 0.25)].map(|(rank, lost)| {
                    finished(
                        &format!("{rank}-{seed}"),
                        &[&format!("lora.rank={rank}"), &seed],
                        lost,
                        0.0,
                    )
                })
            })
            .collect(),
        Vec::new(),
    );
    let finding = content.finding();
    assert!(
        finding.len() == 1
            && finding[0].starts_with(
                "In glyph-vit rank 0 (frozen) forgot 25.0 points less of the foundation than rank 4"
            )
            && finding[0].contains("by the same amount in each of 3 seeds"),
        "{finding:?}"
    );
}

#[test]
fn a_log_that_lies_over_no_run_is_told_of() {
    let told = |log: Imported| -> Vec<String> {
        let content = content_of(vec![finished("a", &[], 0.1, 0.0)], vec![log]);
        content.studies.iter().flat_map(Study::notices).collect()
    };
    assert_eq!(told(log(Rank::Of(4))), [""; 0]);
    let mut other = log(Rank::Of(4));
    other.backbone = "vit-b".into();
    let text = told(other);
    assert!(
        text.len() == 1 && text[0].ends_with("there are: glyph-vit"),
        "{text:?}"
    );
    let mut half = log(Rank::Of(4));
    half.rows.pop();
    half.learned.pop();
    half.columns = 2;
    let text = told(half);
    assert!(
        text.len() == 1 && text[0].contains("its sequence (1 task) is that of no run here"),
        "{text:?}"
    );
}

#[test]
fn every_figure_is_xml_that_stays_within_its_page() {
    let mut runs = two_backbones();
    runs.push(finished("full", &["lora.mode=full"], 0.5, 0.1));
    runs.push(finished("frozen", &["lora.rank=0"], 0.0, 0.0));
    let content = content_of(runs, vec![log(Rank::Of(4)), log(Rank::Unsaid)]);
    let document = content.document();
    let stems: Vec<&str> = document.figures().map(|f| f.stem.as_str()).collect();
    for stem in ["rank", "accuracy-1", "contextual", "share"] {
        assert!(stems.contains(&stem), "{stem} of {stems:?}");
    }
    for figure in document.figures() {
        let xml = roxmltree::Document::parse(&figure.svg).unwrap();
        let number =
            |n: &roxmltree::Node, key: &str| n.attribute(key).and_then(|v| v.parse::<f64>().ok());
        let view = xml.root_element().attribute("viewBox").unwrap();
        let size: Vec<f64> = view.split(' ').map(|v| v.parse().unwrap()).collect();
        for node in xml.descendants().filter(|n| n.is_element()) {
            for (key, most) in [
                ("x", size[2]),
                ("cx", size[2]),
                ("x2", size[2]),
                ("y", size[3]),
                ("cy", size[3]),
                ("y2", size[3]),
            ] {
                if let Some(at) = number(&node, key) {
                    assert!(
                        (-0.5..=most + 0.5).contains(&at),
                        "{}: {key}={at} of {most}",
                        figure.stem
                    );
                }
            }
        }
        // Level text ends within the page.
        for text in xml
            .descendants()
            .filter(|n| n.has_tag_name("text") && n.attribute("transform").is_none())
        {
            let size_of = number(&text, "font-size").unwrap_or(8.0);
            let wide = crate::export::plot::font::width(text.text().unwrap_or_default(), size_of);
            let x = number(&text, "x").unwrap();
            let (from, to) = match text.attribute("text-anchor") {
                Some("end") => (x - wide, x),
                Some("middle") => (x - wide / 2.0, x + wide / 2.0),
                _ => (x, x + wide),
            };
            assert!(
                from > -1.0 && to < size[2] + 1.0,
                "{}: {:?}",
                figure.stem,
                text.text()
            );
        }
    }
}

#[test]
fn few_seeds_are_no_claim() {
    let runs = two_backbones()
        .into_iter()
        .filter(|r| r.recipe.seed < 3)
        .collect();
    let content = content_of(runs, Vec::new());
    assert!(content.comparisons[0].iter().all(|c| c.holm.is_none()));
    let finding = content.finding();
    let few = |l: &String| l.starts_with("Not enough seeds (2 shared");
    assert!(finding[..2].iter().all(few), "{finding:?}");
    assert!(
        finding.len() == 3 && finding[2].starts_with("Not enough seeds for both comparisons"),
        "{finding:?}"
    );
    let empty = content_of(Vec::new(), Vec::new());
    assert_eq!(
        empty.finding(),
        ["No finished run was found, so nothing is compared."]
    );
    assert_eq!(empty.document().figures().count(), 0);
}
