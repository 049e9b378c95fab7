//! Whatever bytes a preset, a journal, a header or a config has: a value or a sentence, never a panic.
//!
//! Sound files are changed at random, a few hundred times each; for longer by
//! `PENTIMENTO_FUZZ_SECONDS=60 cargo test --test fuzz` (for so many seconds each). The keys and events of the screens are
//! in tests/screens/any.rs, which hears the same variable. On stable Rust, so not guided by coverage: what guides is that
//! changes are of the kinds that files suffer, and that numbers are put where numbers were.

mod changes;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::Device;
use pentimento::progress::Nobody;
use pentimento::recipe::{DataOptions, LoadingRecipe, PretrainRecipe, Recipe, preset, presets};
use pentimento::run::{RunView, journal};
use pentimento::{Error, backbone, data, files, lora};
use proptest::test_runner::{Config, TestRunner};

use changes::{apply, changes};

/// Tries `test` on changed copies of one of `seeds`: a few hundred, or for as long as the environment says.
fn fuzz(seeds: &[Vec<u8>], words: &'static [&'static str], cases: u32, test: impl Fn(&[u8])) {
    let seconds = std::env::var("PENTIMENTO_FUZZ_SECONDS").ok();
    let seconds = seconds.map(|s| {
        s.parse()
            .expect("PENTIMENTO_FUZZ_SECONDS is a number of seconds")
    });
    let (begun, mut tried) = (Instant::now(), 0);
    let strategy = (0..seeds.len(), changes(words));
    loop {
        let config = Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        };
        let tested = TestRunner::new(config).run(&strategy, |(seed, changes)| {
            test(&apply(&seeds[seed], &changes));
            Ok(())
        });
        if let Err(failure) = tested {
            panic!("{failure}");
        }
        tried += cases;
        if seconds.is_none_or(|s| begun.elapsed() >= Duration::from_secs(s)) {
            println!("{tried} cases in {:.0} s", begun.elapsed().as_secs_f64());
            return;
        }
    }
}

/// What is refused is refused in a sentence, as the user's mistake.
fn refused<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Input(sentence)) => {
            assert!(!sentence.is_empty());
            None
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

const TOML: &[&str] = &[
    "[",
    "]",
    "[[task]]",
    "\"",
    "'''",
    "=",
    "\n",
    "#",
    "nan",
    "inf",
    "-1",
    "1e999",
    "0",
    "true",
    "[]",
    "{}",
    "\\u001b",
    "lora.",
    "extends = \"demo\"",
    "bundled:",
    "folder:",
    "hub:",
    "steps",
    "epochs",
    "rank = 0",
    "mode = \"full\"",
];

#[test]
fn a_preset_is_read_or_refused_and_what_was_read_is_written_and_read_again() {
    let seeds: Vec<Vec<u8>> = presets()
        .iter()
        .map(|p| p.text.as_bytes().to_vec())
        .collect();
    fuzz(&seeds, TOML, 300, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        if let Some(recipe) = refused(Recipe::from_toml(text, "x.toml", &[])) {
            let written = recipe.to_toml().unwrap();
            let again = Recipe::from_toml(&written, "y.toml", &[]).unwrap();
            assert_eq!(again, recipe);
        }
    });
}

#[test]
fn an_override_is_taken_or_refused() {
    let demo = preset("demo").unwrap().text;
    let seeds = [
        "lora.rank=4",
        "task.0.context=[\"digits\"]",
        "train.steps=[1,2,3,4,5]",
        "task.5.id=x",
        "seed=1",
        "lora.rank_pattern.blocks.0=2",
        "train.augment.jitter=[0,0,0]",
        "measure.synsets.A=n02012849",
    ];
    let seeds = seeds.map(|s| s.as_bytes().to_vec());
    fuzz(
        &seeds,
        &[
            "=",
            ".",
            "[",
            "]",
            "task.",
            "-1",
            "99999999999",
            "nan",
            "{}",
            "\"",
        ],
        300,
        |bytes| {
            let argument = String::from_utf8_lossy(bytes).into_owned();
            if let Some(recipe) = refused(Recipe::from_toml(
                demo,
                "demo",
                std::slice::from_ref(&argument),
            )) {
                refused(recipe.with(&argument));
            }
            refused(PretrainRecipe::load("glyph-vit", &[argument]));
        },
    );
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "true",
    "-1",
    "1e999",
    "4294967296",
    "18446744073709551616",
    "0",
    "[[",
    "\n",
    "\\u0000",
    "\"kind\":\"Undone\"",
    "\"kind\":\"Measured\"",
    "\"index\":9",
    "\"training\":2",
    "\"v\":2",
];

#[test]
fn a_journal_is_folded_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    fuzz(&[bytes("journal.jsonl")], JSON, 200, |bytes| {
        std::fs::write(&path, bytes).unwrap();
        let Some(reading) = refused(journal::read(&path)) else {
            return;
        };
        let view = RunView::replay(&reading.records);
        let _ = (view.matrix(), view.last_complete(), view.log.len());
        // What was read is written as lines that are read as the same.
        let mut lines = String::new();
        for record in &reading.records {
            lines.push_str(&journal::to_line(record).unwrap());
            lines.push('\n');
        }
        std::fs::write(&path, lines).unwrap();
        assert_eq!(
            journal::read(&path).unwrap().records.len(),
            reading.records.len()
        );
    });
}

/// The order of records, too: lines left out, repeated and exchanged, with their numbers put right.
#[test]
fn a_journal_in_another_order_is_folded_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    let text = String::from_utf8(bytes("journal.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let order: Vec<Vec<u8>> = vec![(0..lines.len() as u8).collect()];
    fuzz(&order, &[], 200, |order| {
        let mut text = String::new();
        for (seq, &line) in order.iter().enumerate() {
            let mut record = lines[usize::from(line) % lines.len()].clone();
            record["seq"] = seq.into();
            text.push_str(&format!("{record}\n"));
        }
        std::fs::write(&path, text).unwrap();
        if let Some(reading) = refused(journal::read(&path)) {
            let view = RunView::replay(&reading.records);
            let _ = (view.matrix(), view.last_complete());
        }
    });
}

#[test]
fn weights_are_read_or_refused() {
    let config = bytes("models/resnet14t/config.json");
    let whole = bytes("models/resnet14t/model.safetensors");
    // Changes fall into the header, which is what there is to believe.
    let end = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let (head, tail) = (whole[..end].to_vec(), &whole[end..]);
    fuzz(
        &[head],
        &[
            "F16",
            "I64",
            "[]",
            "[0]",
            "-1",
            "18446744073709551615",
            "\"shape\"",
            "{",
            "}",
        ],
        200,
        |head| {
            refused(backbone::parse(
                &config,
                &[head, tail].concat(),
                &Device::Cpu,
            ));
        },
    );
    fuzz(
        &[config.clone(), bytes("models/vit/config.json")],
        JSON,
        200,
        |config| {
            refused(backbone::parse(config, &whole, &Device::Cpu));
        },
    );
}

#[test]
fn an_adapter_is_read_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let from = fixture("lora/vit_qkv");
    let folder = std::fs::read_dir(&from)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .find(|p| p.join("adapter_config.json").is_file());
    let from = folder.unwrap_or(from);
    let (config, weights) = ("adapter_config.json", "adapter_model.safetensors");
    let read = |name: &str| std::fs::read(from.join(name)).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    for (changed, kept) in [(config, weights), (weights, config)] {
        put(kept, &read(kept));
        fuzz(&[read(changed)], JSON, 200, |bytes| {
            put(changed, bytes);
            refused(lora::peft::load(dir.path(), &Device::Cpu));
        });
    }
}

#[test]
fn idx_files_are_read_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let idx = |sizes: &[u32], samples: &[u8]| {
        let sizes_: Vec<u8> = sizes.iter().flat_map(|s| s.to_be_bytes()).collect();
        [&[0, 0, 8, sizes.len() as u8], &sizes_[..], samples].concat()
    };
    let pictures = idx(&[4, 3, 3], &[7; 36]);
    let labels = idx(&[4], &[0, 1, 0, 1]);
    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    put("train-images-idx3-ubyte", &pictures);
    put("train-labels-idx1-ubyte", &labels);
    let packed = {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, &pictures).unwrap();
        packer.finish().unwrap()
    };
    let source = format!("idx:{}", dir.path().display());
    for (name, kept, seeds) in [
        (
            "t10k-images-idx3-ubyte",
            ("t10k-labels-idx1-ubyte", &labels),
            [pictures.clone(), packed],
        ),
        (
            "t10k-labels-idx1-ubyte",
            ("t10k-images-idx3-ubyte", &pictures),
            [labels.clone(), pictures.clone()],
        ),
    ] {
        put(kept.0, kept.1);
        fuzz(&seeds, &["\0\0\u{8}\u{1}"], 300, |bytes| {
            put(name, bytes);
            refused(data::open_test(
                &source,
                &DataOptions::default(),
                &LoadingRecipe::default(),
                &mut Nobody,
            ));
        });
    }
}

/// A sentence names what it is about; the file is one that may change under the reader.
#[test]
fn a_file_that_is_gone_is_refused() {
    assert!(refused(files::read(Path::new("no such file"))).is_none());
}
