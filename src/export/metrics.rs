//! `metrics.json`: every figure of a run under the name of its definition.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::figures::{Figures, ProbeKind, portable};
use crate::lab::Ancestor;
use crate::measure::{
    Average, Contextual, Estimate, Forgetting, NOT_INDEPENDENT, distribution, mean,
};
use crate::run::view::Row;
use crate::{Error, Result, files};

/// The version of the format of `metrics.json`.
pub const METRICS_VERSION: u32 = 2;

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
        ancestry: &started.ancestry,
        definitions: definitions_of(figures),
    };
    let text = serde_json::to_string_pretty(&file)
        .map_err(|e| Error::internal(format!("metrics.json could not be written: {e}")))?;
    Ok(files::plain_json(text) + "\n")
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
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ancestry: &'a [Ancestor],
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
        "revisit_gain": matrix.revisit_gain(index),
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
        "probe": row.probes.as_ref().map(|_| probe(figures, index)),
    })
}

/// What probes of the row's features found.
fn probe(figures: &Figures, index: usize) -> Value {
    let mut found = Map::new();
    for kind in ProbeKind::ALL {
        let accuracies = figures.probed(index, kind).unwrap_or_default();
        let ids = figures.test_sets().iter().map(|set| set.id.clone());
        let by_set: Map<String, Value> = ids
            .zip(&accuracies)
            .filter(|(_, accuracy)| !accuracy.is_nan())
            .map(|(id, accuracy)| (id, json!(accuracy)))
            .collect();
        found.insert(kind.name().into(), Value::Object(by_set));
        if kind != ProbeKind::Linear {
            let mean = average(Average::over(accuracies.into_iter()));
            found.insert(format!("average_{}", kind.name()), mean);
        }
    }
    let transfers = (1..=index).map(|i| figures.forward_transfer(i));
    let budget = &figures.started.recipe.measure.probe;
    found.insert(
        "forward_transfer".into(),
        json!(figures.forward_transfer(index)),
    );
    found.insert("average_forward_transfer".into(), json!(mean(transfers)));
    found.insert(
        "budget".into(),
        json!({"iterations": budget.iterations, "batch_size": budget.batch_size, "lr": budget.lr}),
    );
    Value::Object(found)
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
        "by_similarity": by_similarity(figures, row, c),
        "resamples": recipe.measure.resamples,
        "note": NOT_INDEPENDENT,
    })
}

/// The effect by each measure of similarity, under its name.
fn by_similarity(figures: &Figures, row: &Row, c: &Contextual) -> Map<String, Value> {
    let estimate = |e: Estimate| json!({"value": e.value, "low": e.low, "high": e.high});
    c.effects
        .iter()
        .map(|e| {
            let effect = json!({
                "classes": e.classes,
                "spearman_rho": e.rho,
                "spearman_p_two_sided": e.rho_p,
                "decile_classes": e.decile,
                "decile_drop": estimate(e.decile_drop),
                "rest_drop": estimate(e.rest_drop),
                "difference": estimate(e.difference),
                "new_errors": e.new_errors,
                "error_similarity": e.error_similarity,
                "class_similarity": e.class_similarity,
                "error_similarity_p_two_sided": e.error_p,
                "distribution": spread(figures, row, &e.similarity),
            });
            (e.similarity.clone(), effect)
        })
        .collect()
}

/// How the similarities of classes and of new errors are spread.
fn spread(figures: &Figures, row: &Row, name: &str) -> Value {
    const BINS: usize = 20;
    let similarity = figures.similarity(row, name).unwrap_or_default();
    let evaluation = row.evaluations.get(figures.foundation());
    // Wu and Palmer's is a share, the others are cosines.
    let range = if name == "wordnet" {
        (0.0, 1.0)
    } else {
        (-1.0, 1.0)
    };
    let images = |c: usize| evaluation.and_then(|e| e.counts.total.get(c).copied());
    let class = |c: usize| f64::from(u8::from(images(c).unwrap_or(0) > 0));
    let errors = |c: usize| {
        let errors = evaluation.and_then(|e| e.new_errors.get(c).copied());
        f64::from(errors.unwrap_or(0))
    };
    json!({
        "from": range.0,
        "to": range.1,
        "classes": distribution(similarity, &class, range, BINS),
        "new_errors": distribution(similarity, &errors, range, BINS),
    })
}

fn update(row: &Row) -> Value {
    let modules: Map<String, Value> = row
        .update
        .iter()
        .map(|n| (n.module.clone(), json!(n.relative)))
        .collect();
    let mut update = json!({
        "relative_norm": row.update_total,
        "relative_norm_by_module": modules,
        "lambda": row.amount.lambda,
        "fidelity": row.fidelity,
    });
    if let Some(agreement) = row.agreement {
        update["fidelity_accuracy"] = json!(agreement.difference());
    }
    if let Some(rank) = row.amount.rank {
        update["merged_rank"] = json!(rank);
    }
    update
}

/// The definitions, of what only some runs have too.
fn definitions_of(figures: &Figures) -> Map<String, Value> {
    let mut all = definitions();
    if figures.rows.iter().any(|row| row.agreement.is_some()) {
        let text = "accuracy of the merged weights less that of the unmerged adapter, on the same few test images of the \
                    task";
        all.insert("update.fidelity_accuracy".into(), json!(text));
    }
    if figures.rows.iter().any(|row| row.amount.rank.is_some()) {
        let text = "only where an update was cut before its merge: the rank of its best approximation that was merged";
        all.insert("update.merged_rank".into(), json!(text));
    }
    if !figures.started.ancestry.is_empty() {
        let text = "the runs that the first rows of this branch were learned in, each with the last row that is its";
        all.insert("ancestry".into(), json!(text));
    }
    all
}

/// What each figure is, by its key.
pub(crate) fn definitions() -> Map<String, Value> {
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

const ACCURACIES: [(&str, &str); 5] = [
    (
        "accuracy",
        "R[i][j]: top-1 accuracy on test set j after row i, a fraction of images; row 0 is the untouched backbone",
    ),
    ("plasticity", "R[i][t] with t the task learned in row i"),
    (
        "revisit_gain",
        "plasticity of a task that is learned again less that of the first time, forward transfer in a long sequence; \
         null where it is learned for the first time",
    ),
    (
        "average_plasticity",
        "mean plasticity of the rows up to and with i",
    ),
    (
        "average_accuracy",
        "mean of R[i][j] over the test sets measured; with_foundation counts the foundation as one of them",
    ),
];

const OTHERS: [(&str, &str); 45] = [
    (
        "after_index",
        "i: 0 for the untouched backbone, then one a task of the sequence",
    ),
    (
        "after_task",
        "the task of the sequence that row i comes after, or the foundation",
    ),
    (
        "left_out",
        "whether the task was skipped, so that the row measures nothing",
    ),
    ("contextual.note", "what to mind in reading the p-values"),
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
        "a drop is the accuracy of a foundation class in the row before less that in row i (in mode full_reset the row \
         before is the model of another task); the mean over the classes of each group",
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
         prototype; of the task's classes the nearest; prototypes are of at most 50 images a class, test images of the \
         foundation and training images of the task",
    ),
    ("contextual.permutations", "n"),
    (
        "contextual.by_similarity",
        "the same question by each measure of similarity between a foundation class and the task. features: as \
         contextual.similarity. wordnet: Wu and Palmer's 2 depth(lcs) / (depth(a) + depth(b)) in WordNet 3.0, depths \
         along the shortest way and 1 at the root, of the task's word and the class's name, the best over their noun \
         synsets. clip: cosine of CLIP's embeddings of `a photo of a NAME` for both, to four places",
    ),
    (
        "contextual.by_similarity.classes",
        "foundation classes that have this similarity and images",
    ),
    (
        "contextual.by_similarity.spearman_rho",
        "as contextual.spearman_rho, by this similarity",
    ),
    (
        "contextual.by_similarity.spearman_p_two_sided",
        "as contextual.spearman_p_two_sided",
    ),
    (
        "contextual.by_similarity.decile_classes",
        "the most similar tenth of these classes, rounded up; of equally similar ones the lower",
    ),
    (
        "contextual.by_similarity.decile_drop",
        "mean drop of the most similar tenth; low to high holds 95 % of resamples: percentile bootstrap over test \
         images, of each class as many of its own drawn with replacement as it has, classes and similarities fixed",
    ),
    (
        "contextual.by_similarity.rest_drop",
        "mean drop of the other classes, likewise",
    ),
    (
        "contextual.by_similarity.difference",
        "decile_drop less rest_drop, likewise",
    ),
    (
        "contextual.by_similarity.new_errors",
        "test images of these classes that were right before this merge and wrong after it",
    ),
    (
        "contextual.by_similarity.error_similarity",
        "mean similarity over the new errors, each counting for its class",
    ),
    (
        "contextual.by_similarity.class_similarity",
        "mean similarity over the classes",
    ),
    (
        "contextual.by_similarity.error_similarity_p_two_sided",
        "(k+1)/(n+1), k of n permutations of the similarities with |error_similarity - class_similarity| at least as \
         large",
    ),
    (
        "contextual.by_similarity.distribution",
        "shares of the classes and of the new errors in bins of equal width of the similarity",
    ),
    (
        "contextual.resamples",
        "resamples of the test images behind each interval",
    ),
    (
        "probe.linear",
        "accuracy on each test set of a fresh linear head fitted to its training images (those of the first visit, where a \
         head returns) on the features after row i (in mode drop with the test set's own adapter), which are frozen; the same initial values and draws in every row; also of tasks that are yet to be learned",
    ),
    (
        "probe.class_incremental",
        "accuracy on each test set when the largest of all heads' logits is the answer, nobody saying whose task an \
         image is of",
    ),
    (
        "probe.average_class_incremental",
        "its mean over the test sets",
    ),
    (
        "probe.class_incremental_balanced",
        "likewise by one fresh linear head over the classes of all heads, fitted with as many draws of each task",
    ),
    (
        "probe.average_class_incremental_balanced",
        "its mean over the test sets",
    ),
    (
        "probe.forward_transfer",
        "probe.linear of the task learned in row i, in the row before, less that in row 0; null where nothing was \
         learned before or the task itself was, and in modes drop and full_reset, in which a task begins from the \
         pretrained weights",
    ),
    (
        "probe.average_forward_transfer",
        "mean of forward_transfer over the rows up to and with i",
    ),
    (
        "probe.budget",
        "steps of Adam, images a step, drawn with replacement, and the constant learning rate of each probe",
    ),
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
        "|W_i - W_0| / |W_0|, Frobenius, over the weights of all target modules, without biases; 0 in mode drop, whose \
         adapters are never added",
    ),
    (
        "update.fidelity",
        "largest absolute difference between the logits of the unmerged adapter and of the merged weights",
    ),
];
