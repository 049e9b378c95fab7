//! The structure of the house: which module may know which.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Modules in the order of lib.rs, which is the order in which they may import one another.
fn order() -> Vec<String> {
    fs::read_to_string(src().join("lib.rs"))
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// The module of a file: the first part of its path below src/.
fn module(file: &Path) -> String {
    let first = file.strip_prefix(src()).unwrap().iter().next().unwrap();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// First names of every `crate::name` and `crate::{name, name::…}` in a text.
fn imports(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, prefix) in text.match_indices("crate::") {
        let rest = &text[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut part = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.extend(first_name(&std::mem::take(&mut part))),
                    c => part.push(c),
                }
            }
            names.extend(first_name(&part));
        } else {
            names.extend(first_name(rest));
        }
    }
    names
}

fn first_name(text: &str) -> Option<String> {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

#[test]
fn the_parser_sees_grouped_imports() {
    let text = "use crate::lab::{a, b};\nuse crate::{Error, data::{x, y}, ui};\ncrate::run::f()";
    assert_eq!(imports(text), ["lab", "Error", "data", "ui", "run"]);
}

#[test]
fn a_module_imports_only_those_above_it() {
    let order = order();
    assert!(order.len() > 10, "{order:?}");
    let rank = |name: &str| order.iter().position(|m| m == name);
    let mut wrong = Vec::new();
    for file in sources(&src()) {
        let Some(own) = rank(&module(&file)) else {
            assert!(
                ["lib", "main"].contains(&module(&file).as_str()),
                "{file:?}"
            );
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for name in imports(&text) {
            if rank(&name).is_some_and(|other| other > own) {
                wrong.push(format!("{} imports {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_ui_knows_the_terminal_libraries() {
    for file in sources(&src()) {
        if module(&file) == "ui" {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for library in ["ratatui", "crossterm"] {
            assert!(
                !text.contains(library),
                "{} names {library}",
                file.display()
            );
        }
    }
}

#[test]
fn the_library_does_not_use_anyhow() {
    for file in sources(&src()) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            module(&file) == "main" || !text.contains("anyhow"),
            "{} uses anyhow",
            file.display()
        );
    }
}
