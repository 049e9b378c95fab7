//! `summary.md`: a run for a person to read.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::figures::{Figures, ProbeKind, portable};
use super::plot::clean;
use crate::measure::{
    Average, CONFIDENCE, Contextual, Effect, Estimate, Forgetting, NOT_INDEPENDENT, mean,
};
use crate::recipe::{Budget, Mode, Precision, TrainRecipe};

/// The file.
pub fn markdown(figures: &Figures) -> String {
    let recipe = &figures.started.recipe;
    let mut text = format!("# {}, seed {}\n\n", escape(&recipe.name), recipe.seed);
    if !recipe.description.is_empty() {
        let _ = writeln!(text, "{}\n", escape(&recipe.description));
    }
    for part in [
        what_was_run(figures),
        accuracy(figures),
        probes(figures),
        cost(figures),
    ] {
        text.push_str(&part);
    }
    text
}

fn what_was_run(figures: &Figures) -> String {
    let started = figures.started;
    let (recipe, backbone) = (&started.recipe, &started.backbone);
    let share = 100.0 * backbone.adapter_parameters as f64 / backbone.parameters as f64;
    let targets = format!(
        "{} modules: {} parameters, {share:.2} % of the backbone",
        backbone.targets.len(),
        thousands(backbone.adapter_parameters)
    );
    let lora = match recipe.lora.rank {
        _ if recipe.lora.mode.is_full() => format!(
            "none, full rank on {targets}; {}",
            match recipe.lora.mode {
                Mode::FullReset => "each task from the pretrained weights",
                _ => "each task from the weights after the one before",
            }
        ),
        0 => "rank 0: the backbone is frozen and only heads are trained".to_owned(),
        rank => format!(
            "rank {rank}, alpha {}, dropout {}{}{}, on {targets}; {}",
            recipe.lora.alpha(),
            recipe.lora.dropout,
            if recipe.lora.rslora { ", rsLoRA" } else { "" },
            match recipe.lora.rank_pattern.len() + recipe.lora.alpha_pattern.len() {
                0 => "",
                _ => ", others by pattern",
            },
            match recipe.lora.mode {
                Mode::Drop => "stored after each task, used for its own head only",
                _ => "merged after each task",
            }
        ),
    };
    let tasks: Vec<String> = recipe
        .tasks
        .iter()
        .enumerate()
        .map(|(i, task)| match figures.rows.get(i + 1) {
            Some(row) if row.skipped => format!("{} (left out)", task.id),
            Some(_) => task.id.clone(),
            None => format!("{} (not reached)", task.id),
        })
        .collect();
    let mut lines = vec![
        [
            "backbone".into(),
            format!(
                "{}, `{}`, {} parameters{}",
                escape(portable(&recipe.backbone.source)),
                backbone.architecture,
                thousands(backbone.parameters),
                match recipe.backbone.precision {
                    Precision::F32 => "",
                    Precision::Bf16 => ", products in bf16",
                }
            ),
        ],
        ["LoRA".into(), lora],
        ["training".into(), training(&recipe.train)],
        [
            "sequence".into(),
            escape(&format!("{} → {}", figures.foundation(), tasks.join(" → "))),
        ],
        ["recipe".into(), format!("`{}`", started.recipe_hash)],
        ["program".into(), format!("pentimento {}", started.version)],
    ];
    lines.extend(amounts(figures).map(|text| ["merged in part".into(), text]));
    lines.extend(ancestry(figures).map(|text| ["branch".into(), text]));
    let lines: Vec<Vec<String>> = lines.into_iter().map(Vec::from).collect();
    table(&["".into(), "".into()], &lines, 2)
}

/// The merges that were not of the whole update.
fn amounts(figures: &Figures) -> Option<String> {
    let parts: Vec<String> = figures
        .rows
        .iter()
        .filter(|row| !row.amount.is_whole())
        .map(|row| format!("{} with {}", escape(figures.after(row.index)), row.amount))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Where a branch's first rows come from.
fn ancestry(figures: &Figures) -> Option<String> {
    let mut first = 0;
    let parts: Vec<String> = figures
        .started
        .ancestry
        .iter()
        .map(|a| {
            let rows = match a.last_row - first {
                0 => format!("row {first}"),
                _ => format!("rows {first} to {}", a.last_row),
            };
            first = a.last_row + 1;
            let how = match a.lora.mode {
                mode if mode.is_full() => "at full rank".to_owned(),
                _ => format!("at rank {}", a.lora.rank),
            };
            format!(
                "{rows} are of the recipe `{}`, seed {}, {how}",
                a.recipe_hash, a.seed
            )
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn training(train: &TrainRecipe) -> String {
    let each = |budget: &Budget, unit: &str| match budget {
        Budget::All(n) => format!("{n} {unit} a task"),
        Budget::Each(each) => {
            let numbers: Vec<String> = each.iter().map(usize::to_string).collect();
            format!("{} {unit} by task", numbers.join(", "))
        }
    };
    let budget = match (&train.epochs, &train.steps) {
        (Some(epochs), _) => each(epochs, "epochs"),
        (None, Some(steps)) => each(steps, "steps"),
        (None, None) => "no steps".into(),
    };
    format!(
        "{budget}, batches of {}, AdamW, learning rate {}, weight decay {}, warm-up {:.0} %{}",
        train.batch_size,
        train.lr,
        train.weight_decay,
        100.0 * train.warmup,
        match train.lwf {
            Some(lwf) => format!(
                ", Learning without Forgetting with alpha {} and temperature {}",
                lwf.alpha, lwf.temperature
            ),
            None => String::new(),
        }
    )
}

fn accuracy(figures: &Figures) -> String {
    let matrix = &figures.matrix;
    let last = figures.last();
    let head: Vec<String> = ["after".to_owned()]
        .into_iter()
        .chain(matrix.tasks.iter().map(|id| escape(id)))
        .chain([
            "mean".into(),
            format!("without {}", escape(figures.foundation())),
        ])
        .collect();
    let means = |a: Average| [percent(a.with_foundation), percent(a.without_foundation)];
    let columns = || 0..matrix.tasks.len();
    let mut lines: Vec<Vec<String>> = figures
        .rows
        .iter()
        .map(|row| {
            let name = format!("{} {}", row.index, escape(figures.after(row.index)));
            let mut line = vec![if row.skipped {
                format!("{name} (left out)")
            } else {
                name
            }];
            line.extend(columns().map(|c| percent(matrix.accuracy(row.index, c))));
            line.extend(means(matrix.average_accuracy(row.index)));
            line
        })
        .collect();
    for kind in Forgetting::ALL.into_iter().filter(|_| last > 0) {
        let mut line = vec![format!("forgetting, {}", kind.name())];
        line.extend(columns().map(|c| percent(matrix.forgetting(kind, last, c))));
        line.extend(means(matrix.average_forgetting(kind, last)));
        lines.push(line);
    }
    let mut text =
        String::from("\n## Accuracy\n\nTop-1 on each test set after each task, in percent");
    if last > 0 {
        let _ = write!(
            text,
            ", and the forgetting after the last, in points by three definitions: the first accuracy less the \
             last (first-last), the best before the last less the last (max-before), the best of all less the last \
             (max-all); their means leave out the task learned last, which had no time to be forgotten. Mean accuracy on a task just learned (plasticity): {} %",
            percent(matrix.average_plasticity(last))
        );
    }
    text.push_str(".\n\n");
    text.push_str(&table(&head, &lines, 1));
    text
}

/// What probes of the features found; nothing where none were asked for.
fn probes(figures: &Figures) -> String {
    let mut lines = Vec::new();
    for kind in ProbeKind::ALL {
        for row in figures.rows {
            let accuracies = figures.probed(row.index, kind).unwrap_or_default();
            if accuracies.iter().all(|a| a.is_nan()) {
                continue;
            }
            let name = match kind {
                ProbeKind::Linear => "linear probe",
                ProbeKind::ClassIncremental => "class-incremental",
                ProbeKind::Balanced => "after a balanced probe",
            };
            let mean = Average::over(accuracies.iter().copied());
            let mut line = vec![
                name.into(),
                format!("{} {}", row.index, escape(figures.after(row.index))),
            ];
            line.extend(accuracies.iter().map(|&a| percent(a)));
            // Linear probes are of tasks that are yet to be learned too: their mean says little.
            let means = [mean.with_foundation, mean.without_foundation];
            line.extend(means.map(|m| match kind {
                ProbeKind::Linear => String::new(),
                _ => percent(m),
            }));
            lines.push(line);
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let transfers = (1..figures.rows.len()).map(|i| figures.forward_transfer(i));
    let transfer = match percent(mean(transfers)) {
        none if none.is_empty() => none,
        points => format!(
            " Mean forward transfer, a task's probe just before it is learned less that in row 0: {points} points."
        ),
    };
    let mut head = vec!["probe".to_owned(), "after".into()];
    head.extend(figures.matrix.tasks.iter().map(|id| escape(id)));
    head.push("mean".into());
    head.push(format!("without {}", escape(figures.foundation())));
    let budget = &figures.started.recipe.measure.probe;
    let (own, joint) = match figures.started.recipe.lora.mode {
        Mode::Drop => (
            ", which in this mode are those of the test set's own adapter",
            "",
        ),
        _ => (
            "",
            "; and of one fresh head over all classes, fitted with as many draws of each task",
        ),
    };
    format!(
        "\n## Probes\n\nTop-1 in percent of a fresh linear head on the features as they are{own}; of all heads side by \
         side, nobody saying whose task an image is of{joint}. A probe takes {} steps of Adam with batches of {}, learning rate {}.{transfer}\n\n{}",
        thousands(budget.iterations),
        budget.batch_size,
        budget.lr,
        table(&head, &lines, 2),
    )
}

/// What each merge cost the classes of the foundation, by context; nothing where there was no merge.
fn cost(figures: &Figures) -> String {
    let merges: Vec<(usize, &Contextual)> = figures
        .rows
        .iter()
        .filter_map(|row| Some((row.index, row.contextual.as_ref()?)))
        .collect();
    let Some((_, first)) = merges.first() else {
        return String::new();
    };
    let (foundation, recipe) = (escape(figures.foundation()), &figures.started.recipe);
    let (cost, since) = match recipe.lora.mode {
        Mode::Drop => {
            return nothing_lost(
                &foundation,
                "adapters are stored, and its head never sees one",
            );
        }
        Mode::Merge if recipe.lora.is_frozen() => {
            return nothing_lost(&foundation, "the backbone is frozen");
        }
        Mode::Merge => ("merge", "by that merge alone"),
        Mode::Full => ("task", "by that task alone"),
        Mode::FullReset => (
            "task",
            "from the row before, which in this mode is the pretrained weights with another task's update",
        ),
    };
    let size = match recipe.lora.mode {
        Mode::FullReset => "the size of the task's update",
        _ => "the size of the update so far",
    };
    let groups: Vec<&String> = first.groups.iter().map(|(group, _)| group).collect();
    let mut head = vec!["merge".to_owned(), "context".into()];
    head.extend(groups.iter().map(|g| escape(g)));
    head.extend(
        [
            "in context",
            "rest",
            "p one-sided",
            "p two-sided",
            "ρ",
            "p of ρ",
            "‖ΔW‖/‖W‖",
        ]
        .map(String::from),
    );
    let lines: Vec<Vec<String>> = merges
        .iter()
        .map(|&(index, c)| {
            let mut line = vec![escape(figures.after(index)), context(figures, index)];
            let drop = |name| {
                c.groups
                    .iter()
                    .find(|(g, _)| g == name)
                    .map_or(f64::NAN, |g| g.1)
            };
            line.extend(groups.iter().map(|&g| percent(drop(g))));
            line.extend([percent(c.in_context), percent(c.rest)]);
            line.extend([c.p_one_sided, c.p_two_sided].map(|p| decimals(p, 4)));
            line.extend([decimals(c.rho, 2), decimals(c.rho_p, 4)]);
            line.push(decimals(figures.rows[index].update_total, 3));
            line
        })
        .collect();
    let mut text = format!(
        "\n## What each {cost} cost {foundation}\n\nDrop of accuracy {since}, in points, mean over the classes of a \
         group, of the task's context, and of the rest; whether the context lost more ({} permutations); Spearman's ρ \
         of a class's drop and its similarity to the task by pretrained features; {size}.\n\n{}\n\
         {}.\n",
        thousands(figures.started.recipe.measure.permutations),
        table(&head, &lines, 2),
        capitalised(NOT_INDEPENDENT),
    );
    text.push_str(&by_similarity(figures, &merges));
    text
}

/// Said instead of a table of zeros.
fn nothing_lost(foundation: &str, why: &str) -> String {
    format!(
        "\n## What each task cost {foundation}\n\nNothing: {why}, so every answer stays what it was.\n"
    )
}

/// The most similar tenth of the foundation's classes against the rest, by each measure of similarity.
fn by_similarity(figures: &Figures, merges: &[(usize, &Contextual)]) -> String {
    let between = |e: Estimate| match percent(e.value) {
        value if value.is_empty() => value,
        value => format!("{value} ({} to {})", percent(e.low), percent(e.high)),
    };
    let lines: Vec<Vec<String>> = merges
        .iter()
        .flat_map(|&(index, c)| c.effects.iter().map(move |e| (index, e)))
        .map(|(index, e)| {
            vec![
                escape(figures.after(index)),
                e.similarity.clone(),
                e.classes.to_string(),
                between(e.decile_drop),
                between(e.rest_drop),
                between(e.difference),
                decimals(e.rho, 2),
                decimals(e.rho_p, 4),
                decimals(e.error_similarity, 2),
                decimals(e.class_similarity, 2),
                decimals(e.error_p, 4),
            ]
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let said = |name: &str| {
        let by = |e: &Effect| e.similarity == name;
        merges.iter().any(|(_, c)| c.effects.iter().any(by))
    };
    let measures: Vec<&str> = [
        ("features", "features: cosine of pretrained prototypes"),
        ("wordnet", "wordnet: Wu and Palmer's, of names"),
        ("clip", "clip: cosine of the text embeddings of names"),
    ]
    .into_iter()
    .filter_map(|(name, what)| said(name).then_some(what))
    .collect();
    let head = [
        "merge",
        "similarity",
        "classes",
        "most similar tenth",
        "rest",
        "difference",
        "ρ",
        "p of ρ",
        "similarity of new errors",
        "of classes",
        "p",
    ]
    .map(String::from);
    format!(
        "\n## By similarity to the task\n\nMean drop of the most similar tenth of the classes and of the rest, in \
         points, with {:.0} % bootstrap intervals ({} resamples of the test images of each class); Spearman's ρ of a \
         class's drop and its similarity; the mean similarity of the new errors against that of all classes, two-sided \
         p by permutation. Similarity by {}.\n\n{}",
        100.0 * CONFIDENCE,
        thousands(figures.started.recipe.measure.resamples),
        measures.join("; by "),
        table(&head, &lines, 2),
    )
}

fn context(figures: &Figures, index: usize) -> String {
    let tasks = &figures.started.recipe.tasks;
    let stated = index
        .checked_sub(1)
        .and_then(|i| tasks.get(i))
        .map(|t| &t.context);
    match stated {
        Some(groups) if !groups.is_empty() => escape(&groups.join(", ")),
        _ => {
            let training = figures.training(&figures.rows[index]);
            let count = training.map_or(0, |t| t.context.len());
            format!("the {count} most similar")
        }
    }
}

/// A Markdown table whose columns are also straight as plain text; the first `left` are flush left.
pub(crate) fn table(head: &[String], lines: &[Vec<String>], left: usize) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|l| l.get(column));
        let cells = cells.chain(head.get(column)).map(|c| c.width());
        cells.max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(i, (cell, &width))| {
                let space = " ".repeat(width - cell.width());
                if i < left {
                    format!(" {cell}{space} |")
                } else {
                    format!(" {space}{cell} |")
                }
            });
        format!("|{}\n", padded.collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(i, &width)| {
        let dashes = "-".repeat(width);
        if i < left {
            format!(" {dashes} |")
        } else {
            format!(" {}: |", &dashes[1..])
        }
    });
    let rule = format!("|{}\n", rule.collect::<String>());
    [line(head), rule]
        .into_iter()
        .chain(lines.iter().map(|l| line(l)))
        .collect()
}

/// Names come from anywhere: nothing in them is markup.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in clean(text).chars() {
        match c {
            '|' | '\\' | '`' | '*' | '<' | '[' | ']' | '#' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// A fraction in percent, or a difference in points; empty for NaN.
pub(crate) fn percent(x: f64) -> String {
    decimals(100.0 * x, 1)
}

/// Empty for what is not finite, and no minus before a zero.
pub(crate) fn decimals(x: f64, places: usize) -> String {
    if !x.is_finite() {
        return String::new();
    }
    let text = format!("{x:.places$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| matches!(c, '0' | '.')) => zero.to_owned(),
        _ => text,
    }
}

/// `679200` as `679,200`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(679_200), "679,200");
        assert_eq!(percent(0.97549), "97.5");
        assert_eq!(percent(-0.0004), "0.0");
        assert_eq!(percent(-0.0125), "-1.2");
        assert_eq!(percent(f64::NAN), "");
    }

    #[test]
    fn nothing_in_a_name_is_markup() {
        assert_eq!(escape("a|b\n*c*"), "a\\|b \\*c\\*");
    }

    #[test]
    fn a_table_is_straight_as_plain_text() {
        let lines = [
            vec!["α".to_owned(), "1.0".into()],
            vec!["日本".into(), "10.0".into()],
        ];
        let text = table(&["name".into(), "x".into()], &lines, 1);
        assert_eq!(
            text,
            "| name |    x |\n| ---- | ---: |\n| α    |  1.0 |\n| 日本 | 10.0 |\n"
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(679_200), "679,200");
        assert_eq!(thousands(12), "12");
    }
}
