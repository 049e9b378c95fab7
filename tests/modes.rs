//! The study's modes and settings beside merge, through whole runs: full rank, patterns, returning heads, LwF.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use common::{Driver, assert_same, automatic, files, manual, outcome, run, short};
use pentimento::backbone;
use pentimento::lab::{Command, Event, State};
use pentimento::lora::Amount;
use pentimento::progress::Nobody;
use pentimento::run::RunView;
use pentimento::session::{Reopen, Session};

fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    tensors.into_iter().map(|(n, t)| (n, values(t))).collect()
}

/// The largest absolute difference of tensors of the same names.
fn gap(a: &BTreeMap<String, Vec<f32>>, b: &BTreeMap<String, Vec<f32>>) -> f32 {
    assert!(a.keys().eq(b.keys()));
    let pairs = a.values().flatten().zip(b.values().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn dense(run: &Path, name: &str) -> BTreeMap<String, Vec<f32>> {
    tensors(&run.join(format!("adapters/{name}/weights.safetensors")))
}

fn head(run: &Path, name: &str) -> BTreeMap<String, Vec<f32>> {
    tensors(&run.join(format!("heads/{name}.safetensors")))
}

/// A run that is stopped inside its second training and gone on with.
fn interrupted(set: &[&str], folder: &Path) {
    let session = Session::create(short(set), Some(folder), &automatic(), &mut Nobody).unwrap();
    let mut lab = Driver::new(session);
    lab.until(|e| {
        matches!(
            e,
            Event::Step {
                training: 2,
                step: 1,
                ..
            }
        )
    });
    lab.stop();
    let session = Session::reopen(folder, &automatic(), Reopen::GoOn, &mut Nobody).unwrap();
    let mut lab = Driver::new(session);
    while lab.next().is_some() {}
    assert!(lab.session.join().is_none());
    assert_eq!(lab.view.state, State::Finished);
}

/// A run until the first event that is wanted.
fn run_until(set: &[&str], folder: &Path, wanted: impl Fn(&Event) -> bool) -> RunView {
    let session = Session::create(short(set), Some(folder), &automatic(), &mut Nobody).unwrap();
    let mut lab = Driver::new(session);
    lab.until(wanted);
    lab.stop()
}

fn learn(lab: &mut Driver, row: usize) {
    lab.send(Command::Step);
    lab.trained();
    lab.send(Command::Merge(Amount::WHOLE));
    lab.measured(row);
}

/// Step, merge, undo, and the same again: the second time leaves the first one's bytes.
fn undone_and_learned_again(lab: &mut Driver, folder: &Path, row: usize, id: &str) {
    learn(lab, row);
    lab.send(Command::Undo);
    lab.until(|e| matches!(e, Event::Undone { .. }));
    learn(lab, row);
    let all = |number: usize| -> BTreeMap<String, Vec<u8>> {
        let prefix = format!("{number:03}-{id}");
        let mut found = BTreeMap::new();
        for part in ["adapters", "heads", "predictions"] {
            for (name, bytes) in files(&folder.join(part)) {
                let name = name.to_string_lossy().into_owned();
                if let Some(rest) = name.strip_prefix(&prefix) {
                    found.insert(format!("{part}{rest}"), bytes);
                }
            }
        }
        assert!(found.len() >= 4, "{:?}", found.keys());
        found
    };
    let last = lab.view.trainings.len();
    assert!(
        all(last - 1) == all(last),
        "row {row} differs after an undo"
    );
}

#[test]
fn at_full_rank_each_task_goes_on_from_the_one_before_or_from_the_pretrained_weights() {
    let dir = tempfile::tempdir().unwrap();
    let (full, reset) = (dir.path().join("full"), dir.path().join("full_reset"));
    let common = [
        "train.weight_decay=0",
        "train.warmup=0",
        "train.steps=[6, 2]",
    ];
    for (mode, folder) in [("full", &full), ("full_reset", &reset)] {
        let mode_is = format!("lora.mode={mode}");
        let set: Vec<&str> = common.iter().copied().chain([mode_is.as_str()]).collect();
        let view = run(short(&set), folder);
        let started = view.started.as_ref().unwrap();
        // Six blocks of width 96: weights and biases of qkv; a head takes 96 features.
        let modules = 6 * (96 * 288 + 288);
        assert_eq!(started.backbone.adapter_parameters, modules);
        assert_eq!(view.trainings[0].trainable, modules + 2 * 97);
        let first = dense(folder, "001-parity");
        assert_eq!(first.values().map(Vec::len).sum::<usize>(), modules);
        assert!(first.contains_key("blocks.0.attn.qkv.bias"));
        for row in &view.rows[1..] {
            assert!(row.fidelity == 0.0 && row.update_total > 0.0, "{row:?}");
            assert_eq!(row.update.len(), 6);
        }
        let read = |name: &str| fs::read_to_string(folder.join("export").join(name)).unwrap();
        assert!(read("summary.md").contains("full rank on 6 modules"));
        assert!(read("metrics.json").contains(&format!("\"mode\": \"{mode}\"")));
        assert!(read("metrics.json").contains("\"rank\": null"));
    }
    // A step of AdamW moves a value by the learning rate at most: 3.5e-3 in the six of the first task, 1.5e-3 in the
    // two of the second.
    let first = dense(&full, "001-parity");
    let pretrained = backbone::bundled("glyph-vit", &Device::Cpu).unwrap().1;
    let values = |n: &String| pretrained[n].flatten_all().unwrap().to_vec1().unwrap();
    let start = first.keys().map(|n| (n.clone(), values(n))).collect();
    let [second, afresh] = [&full, &reset].map(|folder| dense(folder, "002-hebrew"));
    assert!(gap(&second, &first) < 1.6e-3, "{}", gap(&second, &first));
    assert!(gap(&second, &start) > 2.5e-3, "{}", gap(&second, &start));
    assert!(gap(&afresh, &start) < 1.6e-3, "{}", gap(&afresh, &start));

    // The bytes do not depend on a stop in the middle.
    let stopped = dir.path().join("stopped");
    let set: Vec<&str> = common.iter().copied().chain(["lora.mode=full"]).collect();
    interrupted(&set, &stopped);
    assert_same(&outcome(&full), &outcome(&stopped));
}

#[test]
fn an_undo_at_full_rank_gives_the_weights_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let recipe = short(&["lora.mode=full", "train.steps=2"]);
    let mut lab =
        Driver::new(Session::create(recipe, Some(&folder), &manual(), &mut Nobody).unwrap());
    lab.measured(0);
    learn(&mut lab, 1);
    undone_and_learned_again(&mut lab, &folder, 2, "hebrew");
    lab.stop();
}

const RETURNING: [&str; 4] = [
    "task.2.id=parity-again",
    "task.2.data=bundled:parity",
    "task.2.head=parity",
    "train.steps=[5, 2, 1]",
];

#[test]
fn a_head_that_returns_has_one_column_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let straight = dir.path().join("straight");
    let set: Vec<&str> = RETURNING
        .iter()
        .copied()
        .chain(["train.warmup=0"])
        .collect();
    let view = run(short(&set), &straight);
    let columns: Vec<_> = view
        .started
        .as_ref()
        .unwrap()
        .test_sets
        .iter()
        .map(|t| &t.id)
        .collect();
    assert_eq!(columns, ["latin", "parity", "hebrew"]);
    let matrix = view.matrix();
    assert_eq!(matrix.learned, [None, Some(1), Some(2), Some(1)]);
    assert_eq!(matrix.first_row(1), Some(1));
    assert_eq!(matrix.plasticity(3), matrix.accuracy(3, 1));
    let csv = fs::read_to_string(straight.join("export/matrix.csv")).unwrap();
    assert!(
        csv.contains("after_index,after_task,latin,parity,hebrew\n"),
        "{csv}"
    );
    assert!(csv.contains("\n3,parity-again,0."), "{csv}");
    // One step from where the first visit left it, and not from fresh values.
    let (first, again) = (
        head(&straight, "001-parity"),
        head(&straight, "003-parity-again"),
    );
    assert!(gap(&first, &again) < 1.1e-3, "{}", gap(&first, &again));
    assert!(gap(&first, &again) > 1e-6);

    let stopped = dir.path().join("stopped");
    interrupted(&set, &stopped);
    assert_same(&outcome(&straight), &outcome(&stopped));
}

/// In mode drop, where a visit leaves a stored adapter beside the head.
#[test]
fn undoing_a_second_visit_brings_the_first_ones_head_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let set: Vec<&str> = RETURNING
        .iter()
        .copied()
        .chain(["lora.mode=drop"])
        .collect();
    let mut lab =
        Driver::new(Session::create(short(&set), Some(&folder), &manual(), &mut Nobody).unwrap());
    lab.measured(0);
    learn(&mut lab, 1);
    learn(&mut lab, 2);
    let before = lab.view.rows[2].evaluations["parity"].sha256.clone();
    undone_and_learned_again(&mut lab, &folder, 3, "parity-again");
    // With the second visit undone, the column is measured by the first one's head and adapter again.
    for _ in 0..2 {
        lab.send(Command::Undo);
        lab.until(|e| matches!(e, Event::Undone { .. }));
    }
    learn(&mut lab, 2);
    assert_eq!(lab.view.rows[2].evaluations["parity"].sha256, before);
    lab.stop();
}

#[test]
fn steps_of_one_head_must_have_the_same_classes() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = short(&["task.1.head=parity"]);
    let session = Session::create(
        recipe,
        Some(&dir.path().join("run")),
        &automatic(),
        &mut Nobody,
    );
    let error = match session {
        Err(error) => error,
        Ok(session) => {
            let mut lab = Driver::new(session);
            while lab.next().is_some() {}
            lab.session.join().unwrap()
        }
    };
    assert_eq!(error.exit_code(), 2);
    let text = error.to_string();
    assert!(text.contains("share the head \"parity\""), "{text}");
}

/// What is distilled changes the second task, which has a head before it, and survives a stop.
#[test]
fn lwf_holds_what_the_heads_before_say() {
    let dir = tempfile::tempdir().unwrap();
    let [plain, kept, stopped] = ["plain", "kept", "stopped"].map(|name| dir.path().join(name));
    let trained = |e: &Event| matches!(e, Event::Trained { training: 2, .. });
    run_until(&["train.steps=3"], &plain, trained);
    let set = ["train.steps=3", "train.lwf={ alpha = 5, temperature = 2 }"];
    run(short(&set), &kept);
    let file = "adapters/002-hebrew/adapter_model.safetensors";
    let [a, b] = [&plain, &kept].map(|folder| tensors(&folder.join(file)));
    assert!(gap(&a, &b) > 1e-4, "{}", gap(&a, &b));
    interrupted(&set, &stopped);
    assert_same(&outcome(&kept), &outcome(&stopped));
}

#[test]
fn ranks_by_module_and_rslora_are_stored_as_peft_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let set = [
        "lora.rslora=true",
        "lora.targets=all-linear",
        r"lora.rank_pattern.blocks\.0\.attn\.qkv=2",
        "lora.alpha_pattern.fc1=3",
        "train.steps=2",
    ];
    let view = run_until(&set, &folder, |e| matches!(e, Event::Merged { .. }));
    let file = folder.join("adapters/001-parity/adapter_config.json");
    let config: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(config["use_rslora"], true);
    let ranks = serde_json::json!({r"^blocks\.0\.attn\.qkv": 2});
    assert_eq!(config["rank_pattern"], ranks);
    let alphas = config["alpha_pattern"].as_object().unwrap();
    assert_eq!(
        (alphas.len(), &alphas[r"^blocks\.5\.mlp\.fc1"]),
        (6, &3.into())
    );
    let all = 4 * 6 * (96 + 288 + 96 + 96 + 2 * (96 + 384)) - 2 * (96 + 288);
    let started = view.started.as_ref().unwrap();
    assert_eq!(started.backbone.adapter_parameters, all);
    assert_eq!(view.trainings[0].trainable, all + 2 * 97);
    assert!(view.rows[1].fidelity < 1e-3);
}

#[test]
fn a_run_in_bf16_keeps_its_weights_in_f32_and_says_what_it_was_computed_in() {
    let dir = tempfile::tempdir().unwrap();
    let (narrow, wide) = (dir.path().join("bf16"), dir.path().join("f32"));
    // Imitated on a CPU it is slow: few steps, few images.
    let few = [
        "train.steps=3",
        "train.watch_every=0",
        "foundation.per_class=3",
    ];
    let few = [
        few.as_slice(),
        &["task.0.per_class=20", "task.1.per_class=3"],
    ]
    .concat();
    let set = [few.as_slice(), &["backbone.precision=bf16"]].concat();
    let view = run(short(&set), &narrow);
    let warned = view
        .log
        .iter()
        .any(|l| l.text.contains("imitated on a CPU"));
    assert!(warned, "{:#?}", view.log);
    let other = run(short(&few), &wide);
    for (a, b) in view.rows.iter().zip(&other.rows) {
        // The adapter beside the weights and merged into them are rounded differently.
        assert!(a.fidelity < 0.25, "{}", a.fidelity);
        assert!(a.index == 0 || a.fidelity > b.fidelity);
    }
    // What was learned lies in f32, and differs from what f32 learned by rounding alone.
    let path = "adapters/002-hebrew/adapter_model.safetensors";
    let (a, b) = (tensors(&narrow.join(path)), tensors(&wide.join(path)));
    let all = || a.values().flatten();
    let finer = all().filter(|v| v.to_bits() & 0xffff != 0).count();
    assert!(
        finer * 10 > all().count() * 9,
        "{finer} of {}",
        all().count()
    );
    assert!(gap(&a, &b) > 0.0 && gap(&a, &b) < 0.02, "{}", gap(&a, &b));
    let summary = fs::read_to_string(narrow.join("export/summary.md")).unwrap();
    assert!(summary.contains("bf16"), "{summary}");
    assert!(
        !fs::read_to_string(wide.join("export/summary.md"))
            .unwrap()
            .contains("bf16")
    );
}

/// The text encoder is a small one with random weights; what it gives is compared with transformers elsewhere.
#[test]
fn with_a_clip_the_similarity_of_texts_is_measured_too() {
    let dir = tempfile::tempdir().unwrap();
    let clip = concat!(
        "measure.clip=path:",
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/clip"
    );
    let set = [clip, "task.1.word=letter", "train.steps=2"];
    let view = run(short(&set), dir.path());
    let by: Vec<Vec<(&str, usize)>> = view.rows[1..]
        .iter()
        .map(|row| {
            let effects = &row.contextual.as_ref().unwrap().effects;
            effects
                .iter()
                .map(|e| (e.similarity.as_str(), e.classes))
                .collect()
        })
        .collect();
    // A task without a word has features alone.
    assert_eq!(by[0], [("features", 62)]);
    assert_eq!((by[1][0], by[1][2]), (("features", 62), ("clip", 62)));
    let read = |name: &str| fs::read_to_string(dir.path().join("export").join(name)).unwrap();
    let summary = read("summary.md");
    let mut cells = summary.lines().flat_map(|l| l.split('|'));
    assert!(cells.any(|c| c.trim() == "clip"), "{summary}");
    assert!(summary.contains("by clip: cosine of the text embeddings"));
    let table = read("per_class.csv");
    let mut lines = table.lines().filter(|l| !l.starts_with('#'));
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = head.iter().position(|h| *h == "similarity_clip").unwrap();
    let values: Vec<f64> = lines
        .filter_map(|l| l.split(',').nth(at)?.parse().ok())
        .collect();
    assert!(
        values.len() >= 62 && values.iter().all(|v| v.abs() <= 1.0),
        "{values:?}"
    );
    assert!(values.iter().any(|v| *v != values[0]));
}
