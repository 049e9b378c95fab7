//! Tests of tables, figures and manifest. `PICTURES=DIR cargo test --lib export` leaves the figures in DIR, to be looked
//! at.

use std::collections::BTreeMap;
use std::path::Path;

use super::chosen::{Artefact, Choice, Format, MANIFEST, PageWidth, clipboard, render_chosen};
use super::plot;
use crate::data::Class;
use crate::lab::TestSet;
use crate::measure::{Contextual, Counts, Turned, effects, spearman};
use crate::random::Key;
use crate::recipe::{Mode, TaskRecipe};
use crate::run::RunView;
use crate::run::testing::whole_sample;
use crate::run::view::{Evaluation, Point, Row, Training};

/// Names that a writer of files can trip over.
const NASTY: [&str; 6] = [
    "a<b> & \"c\" 'd'",
    "\u{202e}evil\u{7}\t\n",
    "שלום",
    "あいう",
    "\\input{x} 50% $_^~#",
    "a very long name, of a class, that no column has any room for",
];

fn sample_view() -> RunView {
    RunView::replay(&whole_sample())
}

/// A run over `tasks` tasks on a foundation of `classes` classes in `groups` groups, with losses and drops that look like
/// those of one.
fn synthetic(classes: usize, groups: usize, tasks: &[&str], steps: usize) -> RunView {
    let mut view = sample_view();
    view.trainings.clear();
    view.rows.clear();
    let key = Key::new(7);
    let alphabet = ["0", "A", "a", "Ж", "λ"];
    let group = |c: usize| c * groups / classes.max(1);
    let name = |c: usize| match classes > 100 {
        true => format!(
            "{} no. {c}",
            ["sports car, sport car", "goldfinch", "daisy", "airliner"][c % 4]
        ),
        false => format!("{}{c}", alphabet[group(c) % alphabet.len()]),
    };
    let class = |c: usize| Class {
        name: name(c),
        group: if groups > 1 {
            format!("group {}", group(c))
        } else {
            String::new()
        },
    };
    let set = |id: &str, classes: Vec<Class>| TestSet {
        id: id.into(),
        images: classes.len() * 50,
        classes,
        train_images: 0,
    };
    let started = view.started.as_mut().unwrap();
    let template = started.recipe.tasks[0].clone();
    started.recipe.tasks = tasks
        .iter()
        .map(|id| TaskRecipe {
            id: (*id).into(),
            head: id.split_once('~').map(|(head, _)| head.into()),
            context: Vec::new(),
            ..template.clone()
        })
        .collect();
    started.test_sets = vec![set("foundation", (0..classes).map(class).collect())];
    for task in &started.recipe.tasks {
        if started.test_sets.iter().all(|s| s.id != task.column()) {
            started.test_sets.push(set(
                task.column(),
                vec![class(0), class(1.min(classes - 1))],
            ));
        }
    }
    let columns: Vec<String> = started
        .recipe
        .tasks
        .iter()
        .map(|t| t.column().to_owned())
        .collect();
    let mut correct: Vec<u32> = (0..classes)
        .map(|c| 46 + key.below(c as u64, 5) as u32)
        .collect();
    for index in 0..=tasks.len() {
        let draw = key.named("row").index(index as u64);
        let similarity: Vec<f32> = (0..classes).map(|c| 0.2 * draw.normal(c as u64)).collect();
        let before = correct.clone();
        for c in 0..classes {
            let lost = 6.0 * draw.named("drop").normal(c as u64) + 30.0 * similarity[c] + 2.0;
            if index > 0 {
                correct[c] = (f64::from(correct[c]) - f64::from(lost)).clamp(0.0, 50.0) as u32;
            }
        }
        let fell = |a: &[u32], b: &[u32]| {
            a.iter()
                .zip(b)
                .map(|(a, b)| a.saturating_sub(*b))
                .collect::<Vec<u32>>()
        };
        let (new_errors, new_hits) = (fell(&before, &correct), fell(&correct, &before));
        let total = vec![50; classes];
        let mut evaluations = BTreeMap::new();
        let evaluation = Evaluation {
            counts: Counts {
                correct: correct.clone(),
                total: total.clone(),
            },
            new_errors: new_errors.clone(),
            new_hits: new_hits.clone(),
            ..Evaluation::default()
        };
        evaluations.insert("foundation".to_owned(), evaluation);
        for (i, id) in columns[..index].iter().enumerate() {
            let right = (49 - 3 * (index - 1 - i) as u32).max(5);
            let counts = Counts {
                correct: vec![right; 2],
                total: vec![50; 2],
            };
            evaluations.insert(
                id.clone(),
                Evaluation {
                    counts,
                    ..Evaluation::default()
                },
            );
        }
        let mut row = Row {
            index,
            complete: true,
            lambda: 1.0,
            evaluations,
            ..Row::default()
        };
        if index > 0 {
            let mut order: Vec<usize> = (0..classes).collect();
            order.sort_by(|&a, &b| similarity[b].total_cmp(&similarity[a]));
            order.truncate(classes.div_ceil(10));
            let turned = Turned {
                new_errors: &new_errors,
                new_hits: &new_hits,
                total: &total,
            };
            let drops: Vec<f64> = (0..classes)
                .map(|c| f64::from(before[c]) - f64::from(correct[c]))
                .collect();
            let wide: Vec<f64> = similarity.iter().map(|s| f64::from(*s)).collect();
            let (rho, rho_p) = spearman(&drops, &wide, 99, draw);
            row.contextual = Some(Contextual {
                groups: Vec::new(),
                in_context: 0.2,
                rest: 0.1,
                p_one_sided: 0.01,
                p_two_sided: 0.02,
                rho,
                rho_p,
                effects: effects(turned, &[("features", &similarity)], 19, 19, draw),
            });
            row.training = Some(index as u32);
            row.update_total = 0.1 * index as f64;
            let loss = |s: usize| {
                0.05 + 3.0 / (1.0 + 12.0 * s as f32 / steps as f32)
                    * (1.0 + 0.25 * draw.normal(s as u64)).max(0.1)
            };
            let point = |s: usize| Point {
                step: s,
                loss: loss(s),
                lr: 1e-3,
                accuracy: 0.5,
                rate: 1.0,
            };
            view.trainings.push(Training {
                number: index as u32,
                index,
                step_id: tasks[index - 1].into(),
                steps,
                points: (1..=steps).map(point).collect(),
                similarity,
                context: order,
                ..Training::default()
            });
        }
        view.rows.push(row);
    }
    view
}

const NINE: [&str; 9] = [
    "cars",
    "flowers",
    "aircraft",
    "birds",
    "cars~2",
    "flowers~2",
    "aircraft~2",
    "birds~2",
    "upper-thirds",
];

/// Runs of every shape that a figure has to stand.
fn runs() -> Vec<(&'static str, RunView)> {
    let mut nasty = synthetic(6, 3, &["a", "b"], 30);
    let classes = &mut nasty.started.as_mut().unwrap().test_sets[0].classes;
    for (class, name) in classes.iter_mut().zip(NASTY) {
        class.name = name.into();
        class.group = format!("g {name}");
    }
    let mut nan = sample_view();
    for row in &mut nan.rows {
        (row.update_total, row.fidelity) = (f64::NAN, f64::INFINITY);
        if let Some(c) = &mut row.contextual {
            (c.rho, c.rho_p, c.in_context) = (f64::NAN, f64::NAN, f64::NAN);
            c.effects.clear();
        }
    }
    for training in &mut nan.trainings {
        training.similarity[0] = f32::NAN;
        training.points[0].loss = f32::NAN;
        training.points[1].loss = f32::INFINITY;
    }
    let mut dropped = synthetic(12, 1, &["a", "b"], 30);
    dropped.started.as_mut().unwrap().recipe.lora.mode = Mode::Drop;
    let first = dropped.rows[0].evaluations["foundation"].clone();
    for row in &mut dropped.rows {
        row.evaluations.insert("foundation".into(), first.clone());
    }
    let mut first_row = sample_view();
    first_row.rows.truncate(1);
    vec![
        ("sample", sample_view()),
        (
            "demo",
            synthetic(
                62,
                3,
                &[
                    "parity",
                    "lower-thirds",
                    "upper-thirds",
                    "greek",
                    "cyrillic",
                ],
                800,
            ),
        ),
        ("thousand", synthetic(1000, 1, &NINE[..4], 6000)),
        ("thousand-groups", synthetic(1000, 26, &NINE[..4], 400)),
        ("nine", synthetic(30, 2, &NINE, 300)),
        ("one-row", first_row),
        ("one-class", synthetic(1, 1, &["a"], 1)),
        ("nasty", nasty),
        ("nan", nan),
        ("drop", dropped),
    ]
}

fn choice(formats: &[Format]) -> Choice {
    Choice {
        formats: formats.into(),
        ..Choice::default()
    }
}

fn texts(view: &RunView, format: Format) -> Vec<(String, String)> {
    let files = render_chosen(view, &choice(&[format])).unwrap();
    let ending = |name: &str| {
        Path::new(name).extension().is_some_and(|e| e != "json") || format == Format::Json
    };
    let files = files.into_iter().filter(|(name, _)| ending(name));
    files
        .map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap()))
        .collect()
}

/// What is written in a picture.
fn written(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|n| n.has_tag_name("text"));
    texts.map(|n| n.text().unwrap_or("").to_owned()).collect()
}

#[test]
fn every_svg_is_sound_whatever_the_run() {
    for (run, view) in runs() {
        for width in [PageWidth::Column, PageWidth::Page] {
            let choice = Choice {
                width,
                ..choice(&[Format::Svg])
            };
            for (name, bytes) in render_chosen(&view, &choice).unwrap() {
                if name == MANIFEST {
                    continue;
                }
                let svg = String::from_utf8(bytes).unwrap();
                let document =
                    roxmltree::Document::parse(&svg).unwrap_or_else(|e| panic!("{run} {name} {e}"));
                let root = document.root_element();
                let page: Vec<f64> = root
                    .attribute("viewBox")
                    .unwrap()
                    .split(' ')
                    .map(|n| n.parse().unwrap())
                    .collect();
                assert!(
                    (page[2] / plot::MM
                        - if width == PageWidth::Page {
                            174.0
                        } else {
                            84.0
                        })
                    .abs()
                        < 0.01
                );
                assert!(
                    page[3] / plot::MM < 245.0,
                    "{run} {name}: no page is so high"
                );
                for node in document.descendants() {
                    for attribute in node.attributes() {
                        let value = attribute.value();
                        assert!(
                            !value.contains("NaN") && !value.contains("inf"),
                            "{run} {name} {value}"
                        );
                        let Ok(number) = value.parse::<f64>() else {
                            continue;
                        };
                        let most = match attribute.name() {
                            "x" | "x1" | "x2" | "cx" => page[2],
                            "y" | "y1" | "y2" | "cy" => page[3],
                            _ => continue,
                        };
                        assert!(
                            (-0.01..=most + 0.01).contains(&number),
                            "{run} {name} {attribute:?}"
                        );
                    }
                }
                let described = |tag| {
                    root.children()
                        .find(|n| n.has_tag_name(tag))
                        .and_then(|n| n.text())
                };
                assert!(
                    described("title").is_some() && described("desc").unwrap().contains("seed 0")
                );
            }
        }
    }
}

#[test]
fn the_figures_of_the_matrix_are_in_its_cells() {
    let view = sample_view();
    let svg = &texts(&view, Format::Svg)[0].1;
    let document = roxmltree::Document::parse(svg).unwrap();
    let matrix = view.matrix();
    let figures = || matrix.rows.iter().flatten().filter(|x| x.is_finite());
    let cells = document
        .descendants()
        .filter(|n| n.attribute("class") == Some("cell"));
    assert_eq!(cells.count(), figures().count());
    let written = written(svg);
    for figure in figures() {
        assert!(
            written.contains(&format!("{:.1}", 100.0 * figure)),
            "{figure}"
        );
    }
    for text in matrix.tasks.iter().map(String::as_str).chain([
        "left out",
        "top-1 accuracy (%)",
        "test set",
    ]) {
        assert!(written.iter().any(|w| w == text), "{text}");
    }
}

#[test]
fn the_heatmap_has_a_cell_for_each_class_and_merge() {
    for (classes, view) in [(62, &runs()[1].1), (1000, &runs()[2].1)] {
        let files = texts(view, Format::Svg);
        let (_, svg) = files
            .iter()
            .find(|(name, _)| name == "heatmap.svg")
            .unwrap();
        let document = roxmltree::Document::parse(svg).unwrap();
        let cells = document
            .descendants()
            .find(|n| n.attribute("class") == Some("cells"))
            .unwrap();
        let count: usize = cells
            .children()
            .filter_map(|n| n.attribute("d"))
            .map(|d| d.matches('z').count())
            .sum();
        assert_eq!(count, classes * view.rows.len());
        assert!(svg.len() < 400_000, "{}", svg.len());
        let named = view.started.as_ref().unwrap().test_sets[0].classes.iter();
        let written = written(svg);
        let named = named
            .filter(|c| written.contains(&c.name) || written.iter().any(|w| w.ends_with('…')))
            .count();
        assert!(
            if classes == 62 {
                named == 62
            } else {
                named >= 16
            },
            "{named}"
        );
    }
}

#[test]
fn the_scatter_has_a_mark_for_each_class_and_says_rho() {
    let view = &runs()[1].1;
    let files = texts(view, Format::Svg);
    let (_, svg) = files
        .iter()
        .find(|(name, _)| name == "contextual-1-parity-features.svg")
        .unwrap();
    let document = roxmltree::Document::parse(svg).unwrap();
    // One of the circles is the legend's.
    let circles = document
        .descendants()
        .filter(|n| n.has_tag_name("circle"))
        .count()
        - 1;
    assert_eq!(circles, 62 - 7);
    let effect = &view.rows[1].contextual.as_ref().unwrap().effects[0];
    let figure = format!("ρ = {:.2}, p = {:.4}", effect.rho, effect.rho_p).replace('-', "−");
    assert!(written(svg).contains(&figure), "{figure}");
}

#[test]
fn a_png_has_the_size_that_is_stated() {
    let view = sample_view();
    let files = render_chosen(
        &view,
        &Choice {
            artefacts: vec![Artefact::Matrix],
            ..choice(&[Format::Png])
        },
    )
    .unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&files[1].1).unwrap();
    let image = image::load_from_memory(&files[0].1).unwrap().into_rgb8();
    let stated = &manifest["files"][0];
    assert_eq!(
        stated["pixels"],
        serde_json::json!([image.width(), image.height()])
    );
    assert_eq!((image.width(), stated["dpi"].as_f64()), (1984, Some(600.0)));
    let (white, dark) = (
        image.pixels().filter(|p| p.0 == [255; 3]),
        image.pixels().filter(|p| p.0[0] < 40),
    );
    assert!(white.count() > 10_000 && dark.count() > 10_000);
    assert_eq!(stated["sha256"], crate::files::sha256(&files[0].1));
    let again = render_chosen(
        &view,
        &Choice {
            artefacts: vec![Artefact::Matrix],
            ..choice(&[Format::Png])
        },
    );
    assert_eq!(again.unwrap(), files);
}

#[test]
fn tables_and_figures_know_neither_time_nor_place() {
    let mut other = whole_sample();
    for record in &mut other {
        record.time = "2031-12-24T18:00:00.000Z".into();
        if let crate::lab::Event::RunStarted { device, recipe, .. } = &mut record.event {
            *device = "cuda:7".into();
            recipe.backbone.source = "path:/home/ada/secret".into();
        }
    }
    let formats = [
        Format::Csv,
        Format::Json,
        Format::Markdown,
        Format::Latex,
        Format::Svg,
    ];
    let all = |view: &RunView| render_chosen(view, &choice(&formats)).unwrap();
    let (here, there) = (all(&sample_view()), all(&RunView::replay(&other)));
    for ((name, a), (_, b)) in here
        .iter()
        .zip(&there)
        .filter(|((n, _), _)| n != MANIFEST && n != "metrics.json")
    {
        assert!(a == b, "{name}");
    }
    for (name, bytes) in there {
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            !text.contains("secret") && !text.contains("cuda") && !text.contains("2031"),
            "{name}"
        );
    }
}

#[test]
fn what_every_export_has_is_the_same_when_chosen() {
    let view = sample_view();
    let usual = super::render(&view).unwrap();
    let files = render_chosen(&view, &choice(&[Format::Csv, Format::Json])).unwrap();
    for name in ["matrix.csv", "per_class.csv", "metrics.json"] {
        let chosen = &files.iter().find(|(n, _)| n == name).unwrap().1;
        let (_, text) = usual.iter().find(|(n, _)| *n == name).unwrap();
        assert_eq!(chosen, text.as_bytes(), "{name}");
    }
}

#[test]
fn json_and_csv_hold_the_same_figures() {
    let view = sample_view();
    let (csv, json) = (texts(&view, Format::Csv), texts(&view, Format::Json));
    for name in ["metrics", "contextual", "per_class"] {
        let text = &csv
            .iter()
            .find(|(n, _)| *n == format!("{name}.csv"))
            .unwrap()
            .1;
        let mut lines = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        if name == "metrics" {
            let heads = lines.headers().unwrap();
            assert!(
                heads
                    .iter()
                    .any(|h| h == "average_forgetting.max-all.without_foundation")
            );
            continue;
        }
        let (_, json) = json
            .iter()
            .find(|(n, _)| *n == format!("{name}.json"))
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        let data = json["data"].as_array().unwrap();
        let mut count = 0;
        for (line, row) in lines.records().zip(data) {
            count += 1;
            for (cell, value) in line.unwrap().iter().zip(row.as_array().unwrap()) {
                match value.as_f64() {
                    Some(x) => assert_eq!(cell.parse::<f64>().unwrap(), x),
                    None => assert_eq!(cell, value.as_str().unwrap_or("")),
                }
            }
        }
        assert!(count > 0 && count == data.len());
    }
}

#[test]
fn the_tables_of_the_sample_for_people() {
    for format in [Format::Markdown, Format::Latex] {
        let all: Vec<String> = texts(&sample_view(), format)
            .into_iter()
            .map(|(name, text)| format!("== {name}\n{text}"))
            .collect();
        insta::assert_snapshot!(
            format!("the_tables_of_the_sample_{}", format.name()),
            all.join("\n")
        );
    }
}

#[test]
fn no_name_breaks_a_table() {
    let view = &runs()
        .into_iter()
        .find(|(name, _)| *name == "nasty")
        .unwrap()
        .1;
    for (name, text) in texts(view, Format::Latex) {
        let mut depth = 0_i32;
        let mut escaped = false;
        for c in text.chars() {
            assert!(c == '\n' || !c.is_control(), "{name}");
            match c {
                '{' if !escaped => depth += 1,
                '}' if !escaped => depth -= 1,
                _ => {}
            }
            escaped = c == '\\' && !escaped;
            assert!(depth >= 0, "{name}");
        }
        assert_eq!(depth, 0, "{name}");
        assert!(!text.contains("\\input"), "{name}");
    }
    for (name, text) in texts(view, Format::Markdown) {
        let rows = text.lines().filter(|l| l.starts_with('|'));
        let bars = |l: &str| l.replace("\\|", "").matches('|').count();
        let counts: Vec<usize> = rows.map(bars).collect();
        assert!(counts.windows(2).all(|w| w[0] == w[1]), "{name} {counts:?}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let view = &runs()
        .into_iter()
        .find(|(name, _)| *name == "one-row")
        .unwrap()
        .1;
    let files = render_chosen(view, &Choice::default()).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        names.contains(&"matrix.png")
            && names.contains(&"metrics.tex")
            && !names.contains(&"loss.svg")
    );
    let manifest: serde_json::Value = serde_json::from_slice(&files.last().unwrap().1).unwrap();
    let missing: Vec<&str> = manifest["not_there"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["artefact"].as_str().unwrap())
        .collect();
    assert_eq!(missing, ["contextual", "loss"]);
    let refused = |artefacts: &[Artefact], formats: &[Format]| {
        let choice = Choice {
            artefacts: artefacts.into(),
            formats: formats.into(),
            ..Choice::default()
        };
        render_chosen(view, &choice).unwrap_err().to_string()
    };
    assert!(refused(&[Artefact::Loss], &[Format::Svg]).contains("no task was trained"));
    assert!(refused(&[Artefact::Metrics], &[Format::Svg]).contains("metrics are tables"));
    let nothing = render_chosen(&RunView::default(), &Choice::default()).unwrap_err();
    assert!(nothing.to_string().contains("nothing is measured yet"));
}

#[test]
fn the_manifest_names_every_file_with_its_hash() {
    let files = render_chosen(
        &sample_view(),
        &choice(&[Format::Csv, Format::Latex, Format::Svg]),
    )
    .unwrap();
    let (name, manifest) = files.last().unwrap();
    assert_eq!(name, MANIFEST);
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    let stated = manifest["files"].as_array().unwrap();
    assert_eq!(stated.len() + 1, files.len());
    for (entry, (name, bytes)) in stated.iter().zip(&files) {
        assert_eq!(entry["file"], *name);
        assert_eq!(entry["sha256"], crate::files::sha256(bytes));
        assert!(entry["caption"].as_str().is_some_and(|c| c.len() > 20));
    }
    assert_eq!(manifest["rows"][3]["left_out"], true);
    assert!(manifest["definitions"]["forgetting.max-all"].is_string());
}

#[test]
fn the_clipboard_takes_a_matrix_with_tabs() {
    let view = sample_view();
    let text = clipboard(&view).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
    assert_eq!(lines[0][..3], ["after_task", "latin", "parity"]);
    assert_eq!(lines.len(), 1 + view.rows.len());
    assert!(lines.iter().all(|l| l.len() == lines[0].len()));
    let figure: f64 = lines[1][1].parse().unwrap();
    assert_eq!(figure, view.accuracy(0, "latin").unwrap());
}

#[test]
fn menus_have_a_line_for_everything() {
    for artefact in Artefact::ALL {
        assert!(!artefact.name().is_empty() && artefact.description().len() < 80);
        assert!(Format::ALL.into_iter().any(|f| artefact.has(f)));
    }
    for format in Format::ALL {
        assert!(!format.name().is_empty() && format.description().len() < 80);
    }
}

/// Nothing to check: figures to look at.
#[test]
fn pictures_to_look_at() {
    let Some(folder) = std::env::var_os("PICTURES") else {
        return;
    };
    for (run, view) in runs() {
        super::write_chosen(&view, &Choice::default(), &Path::new(&folder).join(run)).unwrap();
        let wide = Choice {
            width: PageWidth::Page,
            ..choice(&[Format::Png])
        };
        super::write_chosen(&view, &wide, &Path::new(&folder).join(run).join("wide")).unwrap();
    }
}
