//! The tables of a run: matrix, metrics, classes, contextual forgetting.

use super::classes::ClassDrops;
use super::figures::{Figures, ProbeKind};
use super::sheet::{Cell, Column, Print, Sheet};
use crate::measure::{Average, Estimate, Forgetting};
use crate::run::view::{Evaluation, Row};

/// The accuracy matrix: a row for each state, a column for each test set, fractions; empty where nothing was measured.
pub fn matrix(figures: &Figures) -> Sheet {
    let matrix = &figures.matrix;
    let mut columns = after("after");
    columns.extend(matrix.tasks.iter().map(|id| Column {
        best: true,
        ..Column::new(id, id, Print::Percent)
    }));
    let row = |row: usize| {
        let mut cells = after_cells(figures, row);
        cells.extend(matrix.rows[row].iter().map(|&x| Cell::Number(x)));
        cells
    };
    Sheet {
        name: "matrix",
        caption: format!(
            "Top-1 accuracy in percent on each test set (columns) after each task of the sequence (rows); row 0 is the \
             untouched backbone.{}",
            left_out(figures)
        ),
        columns,
        rows: (0..matrix.rows.len()).map(row).collect(),
    }
}

/// What an empty row means, where there is one.
fn left_out(figures: &Figures) -> &'static str {
    match figures.rows.iter().any(|r| r.skipped) {
        true => " The task of a row without figures was left out.",
        false => "",
    }
}

/// The columns that say which state a row is about.
fn after(head: &str) -> Vec<Column> {
    vec![
        Column::new("after_index", "", Print::Plain),
        Column::new("after_task", head, Print::Plain),
    ]
}

fn after_cells(figures: &Figures, row: usize) -> Vec<Cell> {
    vec![Cell::Count(row as u64), Cell::text(figures.after(row))]
}

/// The figures of every state, under the keys of `metrics.json`.
pub fn metrics(figures: &Figures) -> Sheet {
    let matrix = &figures.matrix;
    let mut columns = after("after");
    let percent = |key: &str, head: &str| Column::new(key, head, Print::Percent);
    let average = |key: &str, head: &str| {
        let without = format!("w/o {}", figures.foundation());
        [
            percent(&format!("{key}.with_foundation"), head),
            percent(&format!("{key}.without_foundation"), &without),
        ]
    };
    columns.extend(average("average_accuracy", "accuracy"));
    columns.push(percent("plasticity", "plasticity"));
    columns.push(percent("average_plasticity", "mean"));
    columns.push(percent("revisit_gain", "revisit gain"));
    for kind in Forgetting::ALL {
        let key = format!("average_forgetting.{}", kind.name());
        let [with, mut without] = average(&key, &format!("forgetting, {}", kind.name()));
        // One of the three is printed both ways; programs get all.
        if kind != Forgetting::default() {
            without.print = Print::Hidden;
        }
        columns.extend([with, without]);
    }
    for mut column in average("backward_transfer", "") {
        column.print = Print::Hidden;
        columns.push(column);
    }
    columns.push(percent("probe.forward_transfer", "forward transfer"));
    for kind in [ProbeKind::ClassIncremental, ProbeKind::Balanced] {
        let head = kind.name().replace('_', "-");
        let [with, mut without] = average(&format!("probe.average_{}", kind.name()), &head);
        without.print = Print::Hidden;
        columns.extend([with, without]);
    }
    columns.push(Column::new(
        "update.relative_norm",
        "‖ΔW‖/‖W‖",
        Print::Decimals(3),
    ));
    columns.push(Column::hidden("update.fidelity"));
    columns.push(Column::hidden("update.fidelity_accuracy"));
    columns.push(Column::hidden("update.lambda"));

    let row = |index: usize| {
        let row = &figures.rows[index];
        let both = |a: Average| {
            [
                Cell::Number(a.with_foundation),
                Cell::Number(a.without_foundation),
            ]
        };
        let mut cells = after_cells(figures, index);
        if row.skipped {
            cells.resize(columns.len(), Cell::Empty);
            return cells;
        }
        cells.extend(both(matrix.average_accuracy(index)));
        cells.extend([
            Cell::Number(matrix.plasticity(index)),
            Cell::Number(matrix.average_plasticity(index)),
            Cell::Number(matrix.revisit_gain(index)),
        ]);
        for kind in Forgetting::ALL {
            cells.extend(both(matrix.average_forgetting(kind, index)));
        }
        cells.extend(both(matrix.backward_transfer(index)));
        cells.push(Cell::Number(figures.forward_transfer(index)));
        for kind in [ProbeKind::ClassIncremental, ProbeKind::Balanced] {
            let probed = figures.probed(index, kind).unwrap_or_default();
            cells.extend(both(Average::over(probed.into_iter())));
        }
        let agreement = row.agreement.map_or(f64::NAN, |a| a.difference());
        let update = [row.update_total, row.fidelity, agreement, row.amount.lambda];
        cells.extend(update.map(|x| row.training.map_or(Cell::Empty, |_| Cell::Number(x))));
        cells
    };
    Sheet {
        name: "metrics",
        caption: format!(
            "Means over the test sets in percent after each task, forgetting in points by its three definitions (the first \
             accuracy, the best before, the best of all, less the present one), and the size of the update so far.{}",
            left_out(figures)
        ),
        rows: (0..figures.rows.len()).map(row).collect(),
        columns,
    }
}

/// One line a row, test set and class, for programs.
pub fn per_class(figures: &Figures) -> Sheet {
    const KEYS: [&str; 13] = [
        "after_index",
        "task",
        "class_index",
        "class_name",
        "group",
        "correct",
        "total",
        "accuracy",
        "new_errors",
        "new_hits",
        "similarity_features",
        "similarity_wordnet",
        "similarity_clip",
    ];
    let mut rows = Vec::new();
    for row in figures.rows {
        for set in figures.test_sets() {
            if let Some(evaluation) = row.evaluations.get(&set.id) {
                let classes = 0..set.classes.len();
                rows.extend(
                    classes.map(|class| class_line(figures, row, &set.id, class, evaluation)),
                );
            }
        }
    }
    Sheet {
        name: "per_class",
        caption: "Every class of every test set after every task: right answers, new errors and new hits by the merge, and \
            its similarity to the task."
            .into(),
        columns: KEYS.map(Column::hidden).into(),
        rows,
    }
}

fn class_line(
    figures: &Figures,
    row: &Row,
    test_set: &str,
    class: usize,
    evaluation: &Evaluation,
) -> Vec<Cell> {
    let sets = figures.test_sets().iter();
    let described = sets
        .filter(|s| s.id == test_set)
        .find_map(|s| s.classes.get(class));
    let count = |counts: &[u32]| Cell::count(counts.get(class).copied());
    // Without an evaluation before, there is nothing that an error could be new against.
    let compared = figures.before(row, test_set).is_some();
    let changed = |counts: &[u32]| if compared { count(counts) } else { Cell::Empty };
    // The foundation's classes alone are compared with the task just learned.
    let similarity = |name: &str| {
        let similarity = figures
            .similarity(row, name)
            .filter(|_| test_set == figures.foundation());
        let similarity = similarity.and_then(|s| s.get(class));
        similarity.map_or(Cell::Empty, |&s| Cell::Single(s))
    };
    vec![
        Cell::Count(row.index as u64),
        Cell::text(test_set),
        Cell::Count(class as u64),
        Cell::text(described.map_or("", |c| &c.name)),
        Cell::text(described.map_or("", |c| &c.group)),
        count(&evaluation.counts.correct),
        count(&evaluation.counts.total),
        Cell::Number(evaluation.counts.class_accuracy(class)),
        changed(&evaluation.new_errors),
        changed(&evaluation.new_hits),
        similarity("features"),
        similarity("wordnet"),
        similarity("clip"),
    ]
}

/// What each merge cost each class of the foundation, for people: the figures of the heatmap. `None` where there was no
/// merge.
pub fn class_drops(figures: &Figures) -> Option<Sheet> {
    let drops = ClassDrops::of(figures)?;
    let percent = |key: String, head: &str| Column::new(key, head, Print::Percent);
    let mut columns = vec![
        Column::new("group", "group", Print::Plain),
        Column::new("class_name", "class", Print::Plain),
        percent("start".into(), "start"),
        percent("end".into(), "end"),
    ];
    columns.extend(drops.merges.iter().map(|&row| {
        let task = figures.after(row);
        percent(format!("drop_{row}"), task)
    }));
    columns.push(percent("drop".into(), "in all"));
    let rows = drops.classes.iter().map(|class| {
        let mut cells = vec![
            Cell::text(class.group),
            Cell::text(class.name),
            Cell::Number(class.start),
            Cell::Number(class.end),
        ];
        cells.extend(class.drops.iter().map(|&d| Cell::Number(d)));
        cells.push(Cell::Number(class.total()));
        cells
    });
    Some(Sheet {
        name: "per_class",
        caption: format!(
            "Top-1 accuracy in percent on each class of {} at the start and at the end, and its drop in points by each merge \
             and in all; those that lost most first, within their groups.",
            figures.foundation()
        ),
        rows: rows.collect(),
        columns,
    })
}

/// Whether the classes that a task is about lost more: a line for each merge and measure of similarity. `None` where
/// there was no merge to ask that of.
pub fn contextual(figures: &Figures) -> Option<Sheet> {
    let mut columns = after("merge of");
    let percent = |key: &str, head: &str| Column::new(key, head, Print::Percent);
    let p = |key: &str, head: &str| Column::new(key, head, Print::Decimals(4));
    columns.extend([
        percent("mean_drop_in_context", "in context"),
        percent("mean_drop_of_rest", "rest"),
        p("p_one_sided", "p"),
        Column::hidden("p_two_sided"),
        Column::new("similarity", "similarity", Print::Plain),
        Column::hidden("classes"),
        Column::new("spearman_rho", "ρ", Print::Decimals(2)),
        p("spearman_p_two_sided", "p"),
        Column::hidden("decile_classes"),
    ]);
    for key in ["decile_drop", "rest_drop"] {
        let ends = ["", "_low", "_high"];
        columns.extend(ends.map(|end| Column::hidden(format!("{key}{end}"))));
    }
    columns.extend([
        percent("difference", "similar tenth"),
        percent("difference_low", "low"),
        percent("difference_high", "high"),
    ]);
    columns.extend([
        Column::hidden("new_errors"),
        Column::new("error_similarity", "of new errors", Print::Decimals(2)),
        Column::new("class_similarity", "of classes", Print::Decimals(2)),
        p("error_similarity_p_two_sided", "p"),
    ]);
    let mut rows = Vec::new();
    for row in figures.rows {
        let Some(c) = &row.contextual else { continue };
        let mut start = after_cells(figures, row.index);
        start.extend([c.in_context, c.rest, c.p_one_sided, c.p_two_sided].map(Cell::Number));
        if c.effects.is_empty() {
            let mut cells = start.clone();
            cells.extend([
                Cell::text("features"),
                Cell::Empty,
                Cell::Number(c.rho),
                Cell::Number(c.rho_p),
            ]);
            cells.resize(columns.len(), Cell::Empty);
            rows.push(cells);
        }
        let count = |n: usize| Cell::Count(n as u64);
        let estimate = |e: &Estimate| [e.value, e.low, e.high].map(Cell::Number);
        for e in &c.effects {
            let mut cells = start.clone();
            cells.extend([Cell::text(e.similarity.as_str()), count(e.classes)]);
            cells.extend([e.rho, e.rho_p].map(Cell::Number));
            cells.push(count(e.decile));
            cells.extend(
                [&e.decile_drop, &e.rest_drop, &e.difference]
                    .into_iter()
                    .flat_map(estimate),
            );
            cells.push(Cell::Count(e.new_errors.into()));
            cells.extend([e.error_similarity, e.class_similarity, e.error_p].map(Cell::Number));
            rows.push(cells);
        }
    }
    let sheet = Sheet {
        name: "contextual",
        caption: format!(
            "What each merge cost {}: mean drop in points of the classes in the task's context and of the rest, with the \
             one-sided p; by each measure of similarity, Spearman's ρ of a class's drop and its similarity to the task with \
             its two-sided p, and by how much more the most similar tenth of the classes dropped than the rest, with its \
             95 % bootstrap interval over test images; the mean similarity of the new errors and of all classes, \
             with its two-sided p. {}.",
            figures.foundation(),
            super::summary::capitalised(crate::measure::NOT_INDEPENDENT),
        ),
        columns,
        rows,
    };
    (!sheet.rows.is_empty()).then_some(sheet)
}
