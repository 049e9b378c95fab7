//! What tests of the fold and of exports share: the sample journal, and records made by hand.

use std::collections::BTreeMap;
use std::path::Path;

use super::{RunView, journal};
use crate::lab::{Event, JOURNAL_VERSION, ProbedSet, Probes, Record};
use crate::lora::Amount;
use crate::measure::{self, Counts, TextSimilarity, WordSimilarity};
use crate::random::Key;

/// `tests/fixtures/journal.jsonl`: a small run in which everything happens that can. Parity is learned and
/// merged; lower-thirds is paused, discarded, learned and merged, undone, learned again through a failure, and
/// merged; upper-thirds is skipped; greek is learned and merged.
pub fn sample() -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal.jsonl");
    let reading = journal::read(&path).unwrap();
    assert_eq!(reading.torn, None);
    reading.records
}

/// The fold over the sample.
pub fn sample_view() -> RunView {
    RunView::replay(&sample())
}

/// The sample with what journals of before do not have: where lost predictions went, similarity by WordNet (of the
/// first and the last training), the effect by each measure of similarity, and probes.
pub fn whole_sample() -> Vec<Record> {
    let mut records = sample();
    let (mut similarities, mut turned) = (BTreeMap::new(), None);
    let mut training = 0;
    let mut learned = Vec::new();
    let mut at = 0;
    while at < records.len() {
        at += 1;
        match &mut records[at - 1].event {
            Event::Context {
                training: number,
                similarity,
                wordnet,
                clip,
                ..
            } => {
                training = *number;
                let words = [1, 5].contains(&training).then(|| words(similarity));
                similarities.insert(training, (similarity.clone(), words.clone()));
                *wordnet = words;
                *clip = (training == 5).then(|| TextSimilarity {
                    similarity: similarity
                        .iter()
                        .map(|s| 0.7 + (s * 10.0).round() / 100.0)
                        .collect(),
                    sha256: "00".into(),
                });
            }
            Event::Evaluated {
                test_set,
                counts,
                new_errors,
                new_hits,
                lost,
                ..
            } => {
                let n = new_errors.len();
                *lost = new_errors
                    .iter()
                    .enumerate()
                    .map(|(class, &errors)| match errors {
                        0 => Vec::new(),
                        errors => vec![((class + 1) % n, errors)],
                    })
                    .collect();
                match learned.iter().position(|(id, _)| id == test_set) {
                    Some(known) => learned[known].1 = counts.clone(),
                    None => learned.push((test_set.clone(), counts.clone())),
                }
                if test_set == "latin" {
                    turned = Some((new_errors.clone(), new_hits.clone(), counts.total.clone()));
                }
            }
            Event::Measured { index, contextual } => {
                let index = *index;
                if let (Some(contextual), Some((errors, hits, total))) = (contextual, &turned) {
                    let turned = measure::Turned {
                        new_errors: errors,
                        new_hits: hits,
                        total,
                    };
                    let (features, words) = &similarities[&training];
                    let mut by = vec![("features", features.as_slice())];
                    by.extend(words.iter().map(|w| ("wordnet", w.similarity.as_slice())));
                    let key = Key::new(index as u64);
                    contextual.effects = measure::effects(turned, &by, 99, 100, key);
                }
                let record = Record {
                    event: probed(index, &learned),
                    ..records[at - 1].clone()
                };
                records.insert(at - 1, record);
                at += 1;
            }
            _ => {}
        }
    }
    for (seq, record) in (0..).zip(&mut records) {
        record.seq = seq;
    }
    records
}

/// Probes of a row: as the heads, a little worse by all heads at once. Greek, the last task, is probed from the start:
/// it is the better known the later.
fn probed(index: usize, learned: &[(String, Counts)]) -> Event {
    let set = |kind: &str, id: &str, counts: Counts| ProbedSet {
        test_set: id.into(),
        counts,
        file: format!("predictions/{index:03}/{kind}/{id}.answers"),
        sha256: "00".into(),
    };
    let less = |kind: &str, by: u32| -> Vec<ProbedSet> {
        learned
            .iter()
            .map(|(id, counts)| {
                let mut counts = counts.clone();
                for correct in &mut counts.correct {
                    *correct = correct.saturating_sub(by);
                }
                set(kind, id, counts)
            })
            .collect()
    };
    let mut probes = Probes {
        linear: less("linear", 1),
        ..Probes::default()
    };
    if learned.iter().all(|(id, _)| id != "greek") {
        let counts = Counts {
            correct: vec![10 + index as u32; 4],
            total: vec![15; 4],
        };
        probes.linear.push(set("linear", "greek", counts));
    }
    if learned.len() > 1 {
        probes.heads = learned.iter().map(|(id, _)| id.clone()).collect();
        probes.joint = less("joint", 6);
        probes.balanced = less("balanced", 3);
    }
    Event::Probed {
        index,
        probes,
        seconds: 0.2,
    }
}

/// Similarity by WordNet that goes with that by features; the last class has no word.
fn words(features: &[f32]) -> WordSimilarity {
    let n = features.len();
    let of = |name: &str, c: usize| match c + 1 < n {
        true => format!("{name}.n.{:02}", c + 1),
        false => String::new(),
    };
    WordSimilarity {
        similarity: (0..n)
            .map(|c| match c + 1 < n {
                true => 0.5 + (features[c] * 10.0).round() / 20.0,
                false => f32::NAN,
            })
            .collect(),
        class_synsets: (0..n).map(|c| of("letter", c)).collect(),
        task_synsets: (0..n).map(|c| of("digit", c)).collect(),
    }
}

/// Records of these events.
pub fn records(events: impl IntoIterator<Item = Event>) -> Vec<Record> {
    (0..)
        .zip(events)
        .map(|(seq, event)| Record {
            v: JOURNAL_VERSION,
            seq,
            time: format!("2026-03-02T09:30:00.{seq:03}Z"),
            event,
        })
        .collect()
}

/// A task of `steps` steps begins.
pub fn started(index: usize, training: u32, steps: usize) -> Event {
    Event::TaskStarted {
        index,
        step_id: format!("task-{index}"),
        training,
        steps,
        steps_per_epoch: steps,
        batch_size: 32,
        trainable: 1000,
    }
}

/// One step.
pub fn step(training: u32, step: usize) -> Event {
    Event::Step {
        training,
        step,
        loss: 1.0 / step as f32,
        lr: 1e-3,
        correct: 16,
        images: 32,
        seconds: 0.5,
        waited: None,
    }
}

/// A provisional measurement.
pub fn watched(training: u32, step: usize) -> Event {
    let counts = Counts {
        correct: vec![1],
        total: vec![2],
    };
    Event::Watched {
        training,
        step,
        foundation: counts.clone(),
        before: counts.clone(),
        start: counts.clone(),
        task: counts,
    }
}

/// A checkpoint.
pub fn checkpoint(training: u32, step: usize) -> Event {
    Event::Checkpoint {
        training,
        step,
        file: format!("checkpoints/{training:03}-{step:06}.safetensors"),
        sha256: "00".into(),
    }
}

/// A task is learned.
pub fn trained(index: usize, training: u32) -> Event {
    Event::Trained {
        index,
        training,
        adapter: format!("adapters/{training:03}-task-{index}"),
        head: format!("heads/{training:03}-task-{index}.safetensors"),
        sha256: [(
            format!("heads/{training:03}-task-{index}.safetensors"),
            "00".into(),
        )]
        .into(),
        seconds: 1.0,
    }
}

/// A merge.
pub fn merged(index: usize, training: u32) -> Event {
    Event::Merged {
        index,
        training,
        amount: Amount::WHOLE,
        update: Vec::new(),
        update_total: 0.1 * index as f64,
        fidelity: 1e-6,
        agreement: None,
    }
}

/// A measurement: `correct` of 10 images.
pub fn evaluated(index: usize, test_set: &str, correct: u32) -> Event {
    Event::Evaluated {
        index,
        test_set: test_set.into(),
        counts: Counts {
            correct: vec![correct],
            total: vec![10],
        },
        new_errors: vec![0],
        new_hits: vec![0],
        wrong: vec![Vec::new()],
        lost: Vec::new(),
        file: format!("predictions/{index}/{test_set}.u32"),
        sha256: "00".into(),
        seconds: 0.1,
    }
}

/// A row is complete.
pub fn measured(index: usize) -> Event {
    Event::Measured {
        index,
        contextual: None,
    }
}
