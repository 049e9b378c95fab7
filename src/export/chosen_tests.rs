//! Tests of tables, figures and manifest. `PICTURES=DIR cargo test --lib export` leaves the figures in DIR, to be looked
//! at.

use std::path::Path;

use super::chosen::{Artefact, Choice, Format, MANIFEST, PageWidth, clipboard, render_chosen};
use super::plot;
use super::testing::{runs, sample_view};
use crate::run::RunView;
use crate::run::testing::whole_sample;

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
    let view = sample_view();
    let started = view.started.as_ref().unwrap();
    assert_eq!(manifest["recipe_hash"], started.recipe_hash);
    assert_eq!(manifest["seed"], started.recipe.seed);
    assert_eq!(manifest["rows"][3]["left_out"], true);
    assert!(manifest["definitions"]["forgetting.max-all"].is_string());
}

/// CSV and PNG by the manifest beside them, what has room for it by itself.
#[test]
fn every_file_for_people_says_by_which_recipe_and_seed_it_was_made() {
    let view = sample_view();
    let started = view.started.as_ref().unwrap();
    let (hash, seed) = (&started.recipe_hash[..8], started.recipe.seed);
    for format in [Format::Json, Format::Markdown, Format::Latex, Format::Svg] {
        for (name, text) in texts(&view, format) {
            assert!(text.contains(hash), "{name}");
            let seeds = [
                format!("seed {seed}"),
                format!("\"seed\": {seed}"),
                format!("\"seed\":{seed}"),
            ];
            assert!(seeds.iter().any(|s| text.contains(s)), "{name}");
        }
    }
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
