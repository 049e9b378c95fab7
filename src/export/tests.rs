use std::fs;

use super::*;
use crate::Error;
use crate::data::Class;
use crate::lab::{Event, Record};
use crate::run::RunView;
use crate::run::testing::{sample, whole_sample};

fn whole_view() -> RunView {
    RunView::replay(&whole_sample())
}

fn file(view: &RunView, name: &str) -> String {
    let files = render(view).unwrap();
    files.into_iter().find(|(n, _)| *n == name).unwrap().1
}

#[test]
fn where_lost_predictions_went_in_the_sample() {
    let view = whole_view();
    insta::assert_snapshot!(file(&view, "lost.csv"));
    // As many as there are new errors in the other table.
    let (lost, per_class) = (file(&view, "lost.csv"), file(&view, "per_class.csv"));
    let sum = |text: &str, column: usize| -> u32 {
        let lines = read_csv(text).into_iter().skip(1);
        lines.map(|l| l[column].parse().unwrap_or(0)).sum()
    };
    assert!(sum(&lost, 6) > 0);
    assert_eq!(sum(&lost, 6), sum(&per_class, 8));
}

#[test]
fn the_probes_of_the_sample() {
    insta::assert_snapshot!(file(&whole_view(), "probes.csv"));
}

#[test]
fn forward_transfer_is_the_gain_of_a_probe_before_its_task_is_learned() {
    let view = whole_view();
    let metrics: serde_json::Value = serde_json::from_str(&file(&view, "metrics.json")).unwrap();
    let probe = |row: usize, key: &str| metrics["rows"][row]["probe"][key].clone();
    // Greek, learned in row 4: 12 of 15 after row 2 (row 3 was left out), 10 of 15 in row 0.
    let transfer = probe(4, "forward_transfer").as_f64().unwrap();
    assert!((transfer - 2.0 / 15.0).abs() < 1e-12);
    assert_eq!(probe(4, "average_forward_transfer"), transfer);
    // Before the first task nothing was learned; of the second there is no probe in row 0.
    assert!(probe(1, "forward_transfer").is_null() && probe(2, "forward_transfer").is_null());
    assert!(
        probe(0, "class_incremental")
            .as_object()
            .unwrap()
            .is_empty()
    );
    assert!(file(&view, "summary.md").contains("less that in row 0: 13.3 points"));
}

#[test]
fn the_synsets_of_the_sample() {
    insta::assert_snapshot!(file(&whole_view(), "synsets.csv"));
}

#[test]
fn a_journal_of_before_exports_what_it_has() {
    let files = render(&RunView::replay(&sample())).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "matrix.csv",
            "per_class.csv",
            "metrics.json",
            "summary.md",
            "lost.csv"
        ]
    );
    assert_eq!(read_csv(&files[4].1).len(), 1);
    assert!(!files[3].1.contains("By similarity"));
    assert!(read_csv(&files[1].1)[1..].iter().all(|l| l[11].is_empty()));
}

/// The lines of a table as a reader of CSV sees them.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .has_headers(false)
        .from_reader(text.as_bytes());
    let records = reader.records().map(|r| r.unwrap());
    records
        .map(|r| r.iter().map(String::from).collect())
        .collect()
}

#[test]
fn the_sample_exports_the_example_of_the_fixtures() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/metrics.json");
    let text = file(&whole_view(), "metrics.json");
    // After a change of the format that is meant: UPDATE_FIXTURES=1 cargo test --lib export
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(path).unwrap());
}

#[test]
fn the_matrix_of_the_sample() {
    insta::assert_snapshot!(file(&whole_view(), "matrix.csv"));
}

#[test]
fn the_classes_of_the_sample() {
    insta::assert_snapshot!(file(&whole_view(), "per_class.csv"));
}

#[test]
fn the_summary_of_the_sample() {
    insta::assert_snapshot!(file(&whole_view(), "summary.md"));
}

#[test]
fn the_tables_are_read_back_as_the_figures_that_they_are() {
    let view = whole_view();
    let matrix = view.matrix();
    let lines = read_csv(&file(&view, "matrix.csv"));
    assert_eq!(lines[0][..3], ["after_index", "after_task", "latin"]);
    assert_eq!(lines.len(), 1 + matrix.rows.len());
    for (line, row) in lines[1..].iter().zip(&matrix.rows) {
        for (cell, accuracy) in line[2..].iter().zip(row) {
            match cell.parse::<f64>() {
                Ok(x) => assert_eq!(x.to_bits(), accuracy.to_bits()),
                Err(_) => assert!(cell.is_empty() && accuracy.is_nan()),
            }
        }
    }
    let per_class = read_csv(&file(&view, "per_class.csv"));
    let sum = |row: &str, task: &str, column: usize| -> f64 {
        let of = |l: &&Vec<String>| l[0] == row && l[1] == task;
        let cells = per_class
            .iter()
            .filter(of)
            .map(|l| l[column].parse::<f64>().unwrap());
        cells.sum()
    };
    for (row, task) in [
        ("0", "latin"),
        ("4", "latin"),
        ("4", "greek"),
        ("2", "parity"),
    ] {
        let expected = view.accuracy(row.parse().unwrap(), task).unwrap();
        assert_eq!(sum(row, task, 5) / sum(row, task, 6), expected);
    }
}

/// The journal that `change` makes of the sample's.
fn changed(change: impl Fn(&mut Record)) -> Vec<(&'static str, String)> {
    let mut records = whole_sample();
    records.iter_mut().for_each(change);
    render(&RunView::replay(&records)).unwrap()
}

#[test]
fn neither_time_nor_duration_nor_device_is_in_an_export() {
    let other = changed(|record| {
        record.time = "2031-12-24T18:00:00.000Z".into();
        match &mut record.event {
            Event::RunStarted {
                device, automatic, ..
            } => {
                *device = "cuda:0".into();
                *automatic = true;
            }
            Event::Step {
                seconds, waited, ..
            } => {
                *seconds *= 17.0;
                *waited = Some(0.5 * *seconds);
            }
            Event::Trained { seconds, .. }
            | Event::Evaluated { seconds, .. }
            | Event::Probed { seconds, .. } => *seconds *= 17.0,
            _ => {}
        }
    });
    assert_eq!(other, render(&whole_view()).unwrap());
}

#[test]
fn no_path_of_this_machine_is_in_an_export() {
    let files = changed(|record| {
        if let Event::RunStarted { recipe, .. } = &mut record.event {
            recipe.backbone.source = "path:/home/ada/secret".into();
        }
    });
    for (name, text) in files {
        assert!(!text.contains("secret"), "{name}");
    }
}

#[test]
fn names_from_anywhere_are_quoted() {
    let nasty = "a,\"b\"\n#c | é";
    let files = changed(|record| {
        if let Event::RunStarted {
            test_sets, recipe, ..
        } = &mut record.event
        {
            recipe.name = "de\nmo".into();
            test_sets[0].classes[0] = Class {
                name: nasty.into(),
                group: "#digits".into(),
            };
        }
    });
    let per_class = read_csv(&files[1].1);
    assert_eq!(per_class[1][3..5], [nasty, "#digits"]);
    assert!(per_class.iter().all(|l| l.len() == 13));
    assert!(
        files[0].1.starts_with("# preset: de mo\n# recipe_hash: "),
        "{}",
        files[0].1
    );
    serde_json::from_str::<serde_json::Value>(&files[2].1).unwrap();
}

#[test]
fn a_row_that_is_not_wholly_measured_is_left_out() {
    let records = sample();
    let complete = |index| {
        let is = |r: &Record| matches!(r.event, Event::Measured { index: i, .. } if i == index);
        records.iter().position(is).unwrap() + 1
    };
    let at_first = render(&RunView::replay(&records[..complete(1)])).unwrap();
    for length in complete(1)..complete(2) {
        let now = render(&RunView::replay(&records[..length])).unwrap();
        assert_eq!(now, at_first, "{length}");
    }
    for length in 0..complete(0) {
        let error = render(&RunView::replay(&records[..length])).unwrap_err();
        assert!(matches!(&error, Error::Input(text) if text.contains("nothing is measured yet")));
    }
    let only_row_0 = render(&RunView::replay(&records[..complete(0)])).unwrap();
    assert!(!only_row_0[3].1.contains("NaN") && !only_row_0[3].1.contains("forgetting"));
}

#[test]
fn figures_that_do_not_exist_are_null_or_empty() {
    let files = changed(|record| match &mut record.event {
        Event::Merged {
            update_total,
            fidelity,
            ..
        } => (*update_total, *fidelity) = (f64::NAN, f64::INFINITY),
        Event::Measured {
            contextual: Some(c),
            ..
        } => {
            (c.rho, c.rho_p) = (f64::NAN, f64::NAN);
            for effect in &mut c.effects {
                effect.difference.low = f64::NAN;
                effect.error_similarity = f64::INFINITY;
            }
        }
        Event::Context { similarity, .. } => similarity.fill(f32::NAN),
        _ => {}
    });
    for (name, text) in &files {
        assert!(!text.contains("NaN") && !text.contains("inf"), "{name}");
    }
    let metrics: serde_json::Value = serde_json::from_str(&files[2].1).unwrap();
    assert!(metrics["rows"][1]["contextual"]["spearman_rho"].is_null());
    assert!(metrics["rows"][1]["update"]["fidelity"].is_null());
    assert!(read_csv(&files[1].1)[1..].iter().all(|l| l[10].is_empty()));
}

#[test]
fn every_figure_has_a_definition() {
    let metrics: serde_json::Value =
        serde_json::from_str(&file(&whole_view(), "metrics.json")).unwrap();
    let definitions = metrics["definitions"].as_object().unwrap();
    let row = &metrics["rows"][4];
    let mut figures = Vec::new();
    for (key, value) in row.as_object().unwrap() {
        match (key.as_str(), value.as_object()) {
            ("contextual" | "update" | "forgetting" | "probe", Some(parts)) => {
                figures.extend(parts.keys().map(|part| format!("{key}.{part}")));
                let nested = parts
                    .get("by_similarity")
                    .and_then(|by| by["wordnet"].as_object());
                let keys = nested.iter().flat_map(|effect| effect.keys());
                figures.extend(keys.map(|part| format!("{key}.by_similarity.{part}")));
            }
            _ => figures.push(key.clone()),
        }
    }
    figures.sort();
    let mut defined: Vec<&String> = definitions.keys().collect();
    defined.sort();
    assert_eq!(figures.iter().collect::<Vec<_>>(), defined);
    assert_eq!(metrics["version"], METRICS_VERSION);
}

#[test]
fn a_write_replaces_its_files_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("export");
    fs::create_dir_all(folder.join("snapshots/001-after-parity")).unwrap();
    fs::write(folder.join("matrix.csv"), "old").unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let view = whole_view();
    let paths = write(&view, &folder).unwrap();
    assert_eq!(paths.len(), 7);
    for (path, (name, text)) in paths.iter().zip(render(&view).unwrap()) {
        assert_eq!(path, &folder.join(name));
        assert_eq!(fs::read_to_string(path).unwrap(), text);
    }
    assert_eq!(
        fs::read_to_string(folder.join("notes.txt")).unwrap(),
        "mine"
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 9);
}
