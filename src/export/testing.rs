//! Runs that are made up, of every shape that a table or a figure has to stand.

use std::collections::BTreeMap;

use crate::data::Class;
use crate::lab::TestSet;
use crate::measure::{Contextual, Counts, Turned, effects, spearman};
use crate::random::Key;
use crate::recipe::{Mode, TaskRecipe};
use crate::run::RunView;
use crate::run::testing::whole_sample;
use crate::run::view::{Evaluation, Point, Row, Spent, Training};

/// Names that a writer of files can trip over.
const NASTY: [&str; 6] = [
    "a<b> & \"c\" 'd'",
    "\u{202e}evil\u{7}\t\n",
    "שלום",
    "あいう",
    "\\input{x} 50% $_^~#",
    "a very long name, of a class, that no column has any room for",
];

/// The sample of the fixtures with all that a journal can hold.
pub fn sample_view() -> RunView {
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
        for (c, (right, similar)) in correct.iter_mut().zip(&similarity).enumerate() {
            let lost = 6.0 * draw.named("drop").normal(c as u64) + 30.0 * similar + 2.0;
            if index > 0 {
                *right = (f64::from(*right) - f64::from(lost)).clamp(0.0, 50.0) as u32;
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
                spent: Spent::NOTHING,
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
pub fn runs() -> Vec<(&'static str, RunView)> {
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
