//! Runs and logs made by hand, for tests.

use super::gather::{Column, Run};
use super::series::Member;
use crate::measure::{Contextual, Matrix};
use crate::recipe::Recipe;

/// A run of the demo with these overrides, without any measurement.
pub fn run(path: &str, overrides: &[&str]) -> Run {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    let mut recipe = Recipe::load("demo", &overrides).unwrap();
    recipe.tasks.truncate(2);
    Run {
        path: path.into(),
        hash: recipe.hash().unwrap(),
        version: "0.1.0".into(),
        begun: "2026-03-02T09:30:00.000Z".into(),
        parameters: 100_000,
        trainable: 1_000 * recipe.lora.rank,
        weights_sha256: "ab".repeat(32),
        test_sets: ["latin", "parity", "lower-thirds"]
            .map(|id| Column {
                id: id.into(),
                images: 100,
                classes: 2,
                names: String::new(),
            })
            .to_vec(),
        matrix: Matrix::default(),
        contexts: Vec::new(),
        recipe,
    }
}

/// A matrix whose row i learns column i; what is not given is not measured.
pub fn matrix(rows: &[&[f64]]) -> Matrix {
    let columns = rows.iter().map(|r| r.len()).max().unwrap_or(0);
    let tasks = ["latin", "parity", "lower-thirds", "upper-thirds"];
    Matrix {
        tasks: tasks[..columns].iter().map(|t| (*t).to_owned()).collect(),
        rows: rows
            .iter()
            .map(|row| {
                let there = row.iter().copied().chain(std::iter::repeat(f64::NAN));
                there.take(columns).collect()
            })
            .collect(),
        learned: (0..rows.len()).map(|i| (i > 0).then_some(i)).collect(),
    }
}

/// A run that found this.
pub fn member(name: &str, seed: u64, rows: &[&[f64]]) -> Member {
    Member {
        name: name.into(),
        seed: Some(seed),
        matrix: matrix(rows),
        run: None,
    }
}

/// A finished run whose foundation lost `lost` by its two tasks, and its context `more` than the rest.
pub fn finished(path: &str, overrides: &[&str], lost: f64, more: f64) -> Run {
    let context = Contextual {
        groups: Vec::new(),
        in_context: lost / 2.0 + more,
        rest: lost / 2.0,
        p_one_sided: 0.01,
        p_two_sided: 0.02,
        rho: 0.5,
        rho_p: 0.2,
        effects: Vec::new(),
    };
    Run {
        matrix: matrix(&[
            &[0.95],
            &[0.95 - lost / 2.0, 0.9],
            &[0.95 - lost, 0.9 - lost / 4.0, 0.8 + lost / 10.0],
        ]),
        contexts: vec![None, Some(context.clone()), Some(context)],
        ..run(path, overrides)
    }
}
