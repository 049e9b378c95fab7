//! `metrics.json`: every figure of a run under the name of its definition.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::figures::{Figures, portable};
use crate::measure::{Average, Contextual, Forgetting, NOT_INDEPENDENT};
use crate::run::view::Row;
use crate::{Error, Result};

/// The version of the format of `metrics.json`.
pub const METRICS_VERSION: u32 = 1;

/// The file. A figure that does not exist (nothing was measured, or a mean over nothing) is `null`.
pub fn json(figures: &Figures) -> Result<String> {
    let started = figures.started;
    let recipe = &started.recipe;
    let file = Metrics {
        format: "pentimento metrics",
        version: METRICS_VERSION,
        program: &started.version,
        preset: &recipe.name,
        recipe_hash: &started.recipe_hash,
        seed: recipe.seed,
        backbone: json!({
            "source": portable(&recipe.backbone.source),
            "architecture": started.backbone.architecture,
            "parameters": started.backbone.parameters,
            "weights_sha256": started.backbone.weights_sha256,
        }),
        lora: lora(figures),
        test_sets: figures
            .test_sets()
            .iter()
            .enumerate()
            .map(|(column, set)| {
                json!({
                    "id": set.id,
                    "role": if column == 0 { "foundation" } else { "task" },
                    "classes": set.classes.len(),
                    "images": set.images,
                    "train_images": set.train_images,
                })
            })
            .collect(),
        rows: (0..figures.rows.len()).map(|i| row(figures, i)).collect(),
        last_row: figures.last(),
        definitions: definitions(),
    };
    let mut text = serde_json::to_string_pretty(&file)
        .map_err(|e| Error::internal(format!("metrics.json could not be written: {e}")))?;
    text.push('\n');
    Ok(text)
}

#[derive(Serialize)]
struct Metrics<'a> {
    format: &'static str,
    version: u32,
    program: &'a str,
    preset: &'a str,
    recipe_hash: &'a str,
    seed: u64,
    backbone: Value,
    lora: Value,
    test_sets: Vec<Value>,
    rows: Vec<Value>,
    /// The row that a summary of the run is about: the last that was not left out.
    last_row: usize,
    definitions: Map<String, Value>,
}

/// What was trained of the backbone. At full rank there is no rank, alpha and dropout; what is by module or unusual
/// stands there only where the recipe has it.
fn lora(figures: &Figures) -> Value {
    let started = figures.started;
    let lora = &started.recipe.lora;
    let used = |value: Value| match lora.mode.is_full() {
        true => Value::Null,
        false => value,
    };
    let mut all = json!({
        "mode": lora.mode,
        "rank": used(json!(lora.rank)),
        "alpha": used(json!(lora.alpha())),
        "dropout": used(json!(lora.dropout)),
        "targets": started.backbone.targets,
        "parameters": started.backbone.adapter_parameters,
    });
    if lora.rslora {
        all["rslora"] = json!(true);
    }
    if !lora.rank_pattern.is_empty() {
        all["rank_pattern"] = json!(lora.rank_pattern);
    }
    if !lora.alpha_pattern.is_empty() {
        all["alpha_pattern"] = json!(lora.alpha_pattern);
    }
    if let Some(lwf) = &started.recipe.train.lwf {
        all["lwf"] = json!(lwf);
    }
    all
}

fn row(figures: &Figures, index: usize) -> Value {
    let matrix = &figures.matrix;
    let row = &figures.rows[index];
    if row.skipped {
        return json!({"after_index": index, "after_task": figures.after(index), "left_out": true});
    }
    let by_set = |value: &dyn Fn(usize) -> f64| {
        let ids = matrix.tasks.iter().cloned();
        let measured = ids
            .enumerate()
            .filter(|(c, _)| !matrix.accuracy(index, *c).is_nan());
        measured
            .map(|(column, id)| (id, json!(value(column))))
            .collect::<Map<String, Value>>()
    };
    let each_forgetting = |value: &dyn Fn(Forgetting) -> Value| {
        Forgetting::ALL
            .iter()
            .map(|&kind| (kind.name().to_owned(), value(kind)))
            .collect::<Map<String, Value>>()
    };
    json!({
        "after_index": index,
        "after_task": figures.after(index),
        "left_out": false,
        "accuracy": by_set(&|column| matrix.accuracy(index, column)),
        "plasticity": matrix.plasticity(index),
        "average_plasticity": matrix.average_plasticity(index),
        "average_accuracy": average(matrix.average_accuracy(index)),
        "forgetting": each_forgetting(&|kind| {
            Value::Object(by_set(&|column| matrix.forgetting(kind, index, column)))
        }),
        "average_forgetting": each_forgetting(&|kind| {
            average(matrix.average_forgetting(kind, index))
        }),
        "backward_transfer": average(matrix.backward_transfer(index)),
        "contextual": row.contextual.as_ref().map(|c| contextual(figures, row, c)),
        "update": row.training.map(|_| update(row)),
    })
}

fn average(average: Average) -> Value {
    json!({
        "with_foundation": average.with_foundation,
        "without_foundation": average.without_foundation,
    })
}

fn contextual(figures: &Figures, row: &Row, c: &Contextual) -> Value {
    let recipe = &figures.started.recipe;
    let task = row.index.checked_sub(1).and_then(|i| recipe.tasks.get(i));
    let stated = task.map(|t| t.context.as_slice()).unwrap_or_default();
    let training = figures.training(row);
    let drops: Map<String, Value> = c
        .groups
        .iter()
        .map(|(group, drop)| (group.clone(), json!(drop)))
        .collect();
    json!({
        "context": if stated.is_empty() { "most similar tenth" } else { "stated groups" },
        "context_groups": stated,
        "context_classes": training.map(|t| t.context.clone()).unwrap_or_default(),
        "mean_drop_by_group": drops,
        "mean_drop_in_context": c.in_context,
        "mean_drop_of_rest": c.rest,
        "difference": c.in_context - c.rest,
        "p_one_sided": c.p_one_sided,
        "p_two_sided": c.p_two_sided,
        "spearman_rho": c.rho,
        "spearman_p_two_sided": c.rho_p,
        "similarity": "features",
        "permutations": recipe.measure.permutations,
        "note": NOT_INDEPENDENT,
    })
}

fn update(row: &Row) -> Value {
    let modules: Map<String, Value> = row
        .update
        .iter()
        .map(|n| (n.module.clone(), json!(n.relative)))
        .collect();
    json!({
        "relative_norm": row.update_total,
        "relative_norm_by_module": modules,
        "lambda": row.lambda,
        "fidelity": row.fidelity,
    })
}

/// What each figure is, by its key.
fn definitions() -> Map<String, Value> {
    let forgetting = Forgetting::ALL.map(|kind| {
        (
            format!("forgetting.{}", kind.name()),
            json!(kind.definition()),
        )
    });
    let fixed = |texts: &[(&str, &str)]| -> Vec<(String, Value)> {
        texts
            .iter()
            .map(|(key, text)| ((*key).to_owned(), json!(text)))
            .collect()
    };
    fixed(&ACCURACIES)
        .into_iter()
        .chain(forgetting)
        .chain(fixed(&OTHERS))
        .collect()
}

const ACCURACIES: [(&str, &str); 4] = [
    (
        "accuracy",
        "R[i][j]: top-1 accuracy on test set j after row i, a fraction of images; row 0 is the untouched backbone",
    ),
    ("plasticity", "R[i][t] with t the task learned in row i"),
    (
        "average_plasticity",
        "mean plasticity of the rows up to and with i",
    ),
    (
        "average_accuracy",
        "mean of R[i][j] over the test sets measured; with_foundation counts the foundation as one of them",
    ),
];

const OTHERS: [(&str, &str); 19] = [
    (
        "average_forgetting",
        "mean forgetting over the test sets measured before row i and in it, without the task learned in it",
    ),
    (
        "backward_transfer",
        "mean of R[i][j] - R[f][j] over the same test sets: average_forgetting by first-last, negated",
    ),
    (
        "contextual.context",
        "which foundation classes the task is about: those of groups that the recipe states, or the tenth of the \
         classes that is most similar to it",
    ),
    ("contextual.context_groups", "the stated groups"),
    (
        "contextual.context_classes",
        "the foundation classes in context",
    ),
    (
        "contextual.mean_drop_by_group",
        "a drop is the accuracy of a foundation class before this merge less that after it; the mean over the \
         classes of each group",
    ),
    (
        "contextual.mean_drop_in_context",
        "mean drop of the classes in context",
    ),
    (
        "contextual.mean_drop_of_rest",
        "mean drop of the other classes",
    ),
    (
        "contextual.difference",
        "mean_drop_in_context less mean_drop_of_rest",
    ),
    (
        "contextual.p_one_sided",
        "(k+1)/(n+1), k of n permutations of the classes with a difference at least as large",
    ),
    (
        "contextual.p_two_sided",
        "likewise for the absolute difference",
    ),
    (
        "contextual.spearman_rho",
        "rank correlation, over foundation classes, of the drop and the similarity to the task; ties by average \
         ranks",
    ),
    (
        "contextual.spearman_p_two_sided",
        "(k+1)/(n+1), k of n permutations of the classes with |rho| at least as large",
    ),
    (
        "contextual.similarity",
        "features: cosine of class prototypes of the pretrained features, centred by the foundation's mean \
         prototype; of the task's classes the nearest",
    ),
    ("contextual.permutations", "n"),
    (
        "update.lambda",
        "factor on the update in the merge, 1 for a plain one",
    ),
    (
        "update.relative_norm_by_module",
        "relative_norm of each module by itself",
    ),
    (
        "update.relative_norm",
        "|W_i - W_0| / |W_0|, Frobenius, over all target modules",
    ),
    (
        "update.fidelity",
        "largest absolute difference between the logits of the unmerged adapter and of the merged weights",
    ),
];
