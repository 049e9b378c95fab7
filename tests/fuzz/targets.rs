//! What is fuzzed: sound files to begin with, words that are put in whole, and what must hold of any bytes.

use std::path::Path;

use candle_core::Device;
use pentimento::progress::Nobody;
use pentimento::recipe::{DataOptions, LoadingRecipe, PretrainRecipe, Recipe, preset, presets};
use pentimento::run::{RunView, journal};
use pentimento::{Error, backbone, data, lora};

const JOURNAL: &[u8] = include_bytes!("../fixtures/journal.jsonl");
const RESNET: &[u8] = include_bytes!("../fixtures/models/resnet14t/config.json");
const RESNET_WEIGHTS: &[u8] = include_bytes!("../fixtures/models/resnet14t/model.safetensors");
const VIT: &[u8] = include_bytes!("../fixtures/models/vit/config.json");
const ADAPTER: &[u8] = include_bytes!("../fixtures/lora/vit_qkv/adapter_config.json");
const ADAPTER_WEIGHTS: &[u8] = include_bytes!("../fixtures/lora/vit_qkv/adapter_model.safetensors");

/// What is asked of any bytes: it panics where something does not hold.
type Test = Box<dyn Fn(&[u8])>;

/// Something that reads bytes which others may have written.
pub struct Target {
    pub name: &'static str,
    /// Bytes to begin with.
    pub seeds: Vec<Vec<u8>>,
    /// Words that mean something to it.
    pub words: &'static [&'static str],
    pub test: Test,
}

/// Every target.
pub fn all() -> Vec<Target> {
    vec![
        recipe(),
        setting(),
        journal(),
        order_of_records(),
        weights(),
        backbone_config(),
        adapter_config(),
        adapter_weights(),
        idx_pictures(),
        idx_labels(),
    ]
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

/// A preset is read or refused, and what was read is written and read again.
pub fn recipe() -> Target {
    Target {
        name: "recipe",
        seeds: { presets().iter() }
            .map(|p| p.text.as_bytes().to_vec())
            .collect(),
        words: TOML,
        test: Box::new(|bytes| {
            let Ok(text) = std::str::from_utf8(bytes) else {
                return;
            };
            if let Some(recipe) = refused(Recipe::from_toml(text, "x.toml", &[])) {
                let written = recipe.to_toml().unwrap();
                let again = Recipe::from_toml(&written, "y.toml", &[]).unwrap();
                assert_eq!(again, recipe);
            }
        }),
    }
}

/// What `--set` takes is taken or refused.
pub fn setting() -> Target {
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
    Target {
        name: "setting",
        seeds: seeds.map(|s| s.as_bytes().to_vec()).to_vec(),
        words: &[
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
        test: Box::new(move |bytes| {
            let argument = String::from_utf8_lossy(bytes).into_owned();
            let settings = std::slice::from_ref(&argument);
            if let Some(recipe) = refused(Recipe::from_toml(demo, "demo", settings)) {
                refused(recipe.with(&argument));
            }
            refused(PretrainRecipe::load("glyph-vit", &[argument]));
        }),
    }
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

/// A journal is folded or refused, and what was read is written as lines that are read as the same.
pub fn journal() -> Target {
    let dir = tempfile::tempdir().unwrap();
    Target {
        name: "journal",
        seeds: vec![JOURNAL.to_vec()],
        words: JSON,
        test: Box::new(move |bytes| {
            let path = dir.path().join("journal.jsonl");
            std::fs::write(&path, bytes).unwrap();
            let Some(reading) = refused(journal::read(&path)) else {
                return;
            };
            let view = RunView::replay(&reading.records);
            let _ = (view.matrix(), view.last_complete(), view.log.len());
            let mut lines = String::new();
            for record in &reading.records {
                lines.push_str(&journal::to_line(record).unwrap());
                lines.push('\n');
            }
            std::fs::write(&path, lines).unwrap();
            let again = journal::read(&path).unwrap();
            assert_eq!(again.records.len(), reading.records.len());
        }),
    }
}

/// The order of records, too: lines left out, repeated and exchanged, with their numbers put right. A byte is a line.
pub fn order_of_records() -> Target {
    let dir = tempfile::tempdir().unwrap();
    let text = std::str::from_utf8(JOURNAL).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    Target {
        name: "order-of-records",
        seeds: vec![(0..lines.len() as u8).collect()],
        words: &[],
        test: Box::new(move |order| {
            let path = dir.path().join("journal.jsonl");
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
        }),
    }
}

/// Weights are read or refused. Changes fall into the header, which is what there is to believe.
pub fn weights() -> Target {
    let end = 8 + u64::from_le_bytes(RESNET_WEIGHTS[..8].try_into().unwrap()) as usize;
    let (head, tail) = RESNET_WEIGHTS.split_at(end);
    Target {
        name: "weights",
        seeds: vec![head.to_vec()],
        words: &[
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
        test: Box::new(|head| {
            let whole = [head, tail].concat();
            refused(backbone::parse(RESNET, &whole, &Device::Cpu));
        }),
    }
}

/// A backbone's config is read or refused.
pub fn backbone_config() -> Target {
    Target {
        name: "backbone-config",
        seeds: vec![RESNET.to_vec(), VIT.to_vec()],
        words: JSON,
        test: Box::new(|config| {
            refused(backbone::parse(config, RESNET_WEIGHTS, &Device::Cpu));
        }),
    }
}

/// An adapter's config is read or refused.
pub fn adapter_config() -> Target {
    adapter("adapter-config", ADAPTER, |config| {
        (config, ADAPTER_WEIGHTS)
    })
}

/// An adapter's weights are read or refused.
pub fn adapter_weights() -> Target {
    adapter("adapter-weights", ADAPTER_WEIGHTS, |weights| {
        (ADAPTER, weights)
    })
}

fn adapter(
    name: &'static str,
    seed: &[u8],
    files: impl Fn(&[u8]) -> (&[u8], &[u8]) + 'static,
) -> Target {
    let dir = tempfile::tempdir().unwrap();
    Target {
        name,
        seeds: vec![seed.to_vec()],
        words: JSON,
        test: Box::new(move |bytes| {
            let (config, weights) = files(bytes);
            std::fs::write(dir.path().join("adapter_config.json"), config).unwrap();
            std::fs::write(dir.path().join("adapter_model.safetensors"), weights).unwrap();
            refused(lora::peft::load(dir.path(), &Device::Cpu));
        }),
    }
}

/// The bytes of an IDX file.
fn idx(sizes: &[u32], samples: &[u8]) -> Vec<u8> {
    let sizes_: Vec<u8> = sizes.iter().flat_map(|s| s.to_be_bytes()).collect();
    [&[0, 0, 8, sizes.len() as u8], &sizes_[..], samples].concat()
}

/// Four pictures, and what they are of.
fn pictures_and_labels() -> [Vec<u8>; 2] {
    [idx(&[4, 3, 3], &[7; 36]), idx(&[4], &[0, 1, 0, 1])]
}

/// Pictures in IDX are read or refused, packed ones too.
pub fn idx_pictures() -> Target {
    let [pictures, labels] = pictures_and_labels();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &pictures).unwrap();
    let packed = packer.finish().unwrap();
    let names = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    idx_file("idx-pictures", names, labels, vec![pictures, packed])
}

/// Labels in IDX are read or refused.
pub fn idx_labels() -> Target {
    let [pictures, labels] = pictures_and_labels();
    let names = ["t10k-labels-idx1-ubyte", "t10k-images-idx3-ubyte"];
    let seeds = vec![labels, pictures.clone()];
    idx_file("idx-labels", names, pictures, seeds)
}

fn idx_file(
    name: &'static str,
    [changed, kept]: [&'static str; 2],
    content: Vec<u8>,
    seeds: Vec<Vec<u8>>,
) -> Target {
    let dir = tempfile::tempdir().unwrap();
    let put = move |dir: &Path, name: &str, bytes: &[u8]| {
        std::fs::write(dir.join(name), bytes).unwrap();
    };
    let [pictures, labels] = pictures_and_labels();
    put(dir.path(), "train-images-idx3-ubyte", &pictures);
    put(dir.path(), "train-labels-idx1-ubyte", &labels);
    put(dir.path(), kept, &content);
    Target {
        name,
        seeds,
        words: &["\0\0\u{8}\u{1}"],
        test: Box::new(move |bytes| {
            put(dir.path(), changed, bytes);
            let source = format!("idx:{}", dir.path().display());
            refused(data::open_test(
                &source,
                &DataOptions::default(),
                &LoadingRecipe::default(),
                &mut Nobody,
            ));
        }),
    }
}
