//! The study's own result logs, as an accuracy matrix.
//!
//! The study's program is written with Avalanche 0.4, whose metrics are named
//! `METRIC/PHASE_phase/STREAM_stream/TaskNNN/ExpNNN`: `Top1_Acc_Exp/eval_phase/test_stream/Task001/Exp001` is the top-1
//! accuracy, a fraction, on the test set of experience 1, whose task label is 1. Its log has a JSON object a line with a
//! `step` and one or more metrics, so one evaluation may be spread over lines. `step` is Avalanche's
//! `clock.train_iterations`: optimiser steps since the beginning, over all tasks; while an evaluation goes on it stands
//! still. So all test sets with the same step are one evaluation, and evaluations come in growing steps, the first at step
//! 0, for the foundation is trained for no epoch. The study evaluates `test_stream[: t + 1]` after experience t, which
//! leaves out tasks that are not learned yet; a log of a program that measures all of them is cut to the same.
//!
//! In the long sequences an experience returns to an earlier task label and its test set, which is then measured under
//! both experiences; the first of them counts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::series::Rank;
use crate::export::plot::svg::clean;
use crate::{Error, Result, files};

/// What all keys begin with that are read.
const ACCURACY: &str = "Top1_Acc_Exp/eval_phase/test_stream/";

/// A log to import, as it is given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyLog {
    /// What its line is called.
    pub label: String,
    pub file: PathBuf,
    /// Short name of its backbone, or empty.
    pub backbone: String,
    pub rank: Rank,
    pub seed: Option<u64>,
}

impl StudyLog {
    /// `LABEL=FILE`, then any of `,backbone=NAME`, `,rank=N` (0: frozen; `full`) and `,seed=N`.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let (label, mut rest) = text
            .split_once('=')
            .filter(|(label, rest)| !label.trim().is_empty() && !rest.is_empty())
            .ok_or("a log is given as LABEL=FILE")?;
        let mut log = Self {
            label: clean(label.trim()),
            file: PathBuf::new(),
            backbone: String::new(),
            rank: Rank::Unsaid,
            seed: None,
        };
        // From the end, since a file's name may have commas.
        while let Some((before, option)) = rest.rsplit_once(',') {
            let number = |value: &str, what: &str| {
                let number = value.parse();
                number.map_err(|_| format!("{what}={value} is no whole number"))
            };
            match option.split_once('=') {
                Some(("backbone", name)) => log.backbone = clean(name),
                Some(("rank", "full")) => log.rank = Rank::Full,
                Some(("rank", value)) => {
                    log.rank = match number(value, "rank")? {
                        0 => Rank::Frozen,
                        rank => Rank::Of(rank as usize),
                    };
                }
                Some(("seed", value)) => log.seed = Some(number(value, "seed")?),
                _ => break,
            }
            rest = before;
        }
        log.file = rest.into();
        Ok(log)
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Input`] with the number of the line and what is wrong with it, and what the file system refuses.
    pub fn read(&self) -> Result<Imported> {
        // What is no option is taken for a part of the name.
        let text = self.file.to_string_lossy();
        if let Some((_, option)) = text.rsplit_once(',').filter(|_| !self.file.exists()) {
            return Err(Error::input(format!(
                "there is no file {text}: behind a log's name go backbone=NAME, rank=N and seed=N, not {:?}",
                clean(option)
            )));
        }
        let bytes = files::read(&self.file)?;
        let refuse = |what: String| Error::input(format!("{}: {what}", self.file.display()));
        let text = std::str::from_utf8(&bytes).map_err(|e| {
            let line = 1 + bytes[..e.valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            refuse(format!("line {line} is no UTF-8 text"))
        })?;
        let (learned, rows) = matrix(text).map_err(refuse)?;
        let name = self.file.file_name().unwrap_or_default();
        Ok(Imported {
            label: self.label.clone(),
            backbone: self.backbone.clone(),
            rank: self.rank,
            seed: self.seed,
            file: clean(&name.to_string_lossy()),
            sha256: files::sha256(&bytes),
            columns: 1 + learned.iter().flatten().max().copied().unwrap_or(0),
            learned,
            rows,
        })
    }
}

/// A log that was read.
#[derive(Clone, Debug)]
pub struct Imported {
    pub label: String,
    pub backbone: String,
    pub rank: Rank,
    pub seed: Option<u64>,
    /// Name of its file.
    pub file: String,
    /// Of its file.
    pub sha256: String,
    /// Test sets, the foundation first.
    pub columns: usize,
    /// By row the column that was learned in it; `None` in row 0.
    pub learned: Vec<Option<usize>>,
    /// `[rows][columns]`, NaN where nothing was measured.
    pub rows: Vec<Vec<f64>>,
}

/// Task label and number of the experience, from the end of a key.
fn place(key: &str) -> Option<(usize, usize)> {
    let (task, experience) = key.strip_prefix(ACCURACY)?.split_once('/')?;
    let number = |text: &str, prefix: &str| {
        let digits = text.strip_prefix(prefix)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<usize>().ok().filter(|n| plain && *n < 1_000)
    };
    Some((number(task, "Task")?, number(experience, "Exp")?))
}

/// One evaluation: by experience its task label, its accuracy and the line that has it.
type Evaluation = BTreeMap<usize, (usize, f64, usize)>;

/// The column learned in each row, and the accuracies `[rows][columns]`.
#[allow(clippy::type_complexity)]
fn matrix(text: &str) -> std::result::Result<(Vec<Option<usize>>, Vec<Vec<f64>>), String> {
    let evaluations = evaluations(text)?;
    // The task label of each experience.
    let mut tasks: BTreeMap<usize, usize> = BTreeMap::new();
    for (experience, &(task, _, line)) in evaluations.values().flatten() {
        let known = *tasks.entry(*experience).or_insert(task);
        if known != task {
            return Err(format!(
                "line {line}: Exp{experience:03} is of Task{task:03}, and elsewhere of Task{known:03}"
            ));
        }
    }
    if evaluations.is_empty() {
        return Err(format!("no line has a metric {ACCURACY}TaskNNN/ExpNNN"));
    }
    if tasks.get(&0) != Some(&0) {
        return Err("experience 0 must be Task000, the foundation".into());
    }
    if evaluations.len() > tasks.len() {
        return Err(format!(
            "it has {} evaluations of {} experiences: evaluations during training cannot be told from those after it",
            evaluations.len(),
            tasks.len()
        ));
    }
    if evaluations.len() < tasks.len() {
        return Err(format!(
            "it has {} experiences and {} evaluations, of which there is one after each experience: its beginning or an \
             evaluation is missing, or the run was not finished",
            tasks.len(),
            evaluations.len()
        ));
    }
    let columns = 1 + tasks.values().max().copied().unwrap_or(0);
    let (mut learned, mut rows) = (Vec::new(), Vec::new());
    for (row, (step, evaluation)) in evaluations.into_iter().enumerate() {
        if let Some(absent) = (0..=row).find(|e| !evaluation.contains_key(e)) {
            return Err(format!(
                "the evaluation at step {step} comes after experience {row} and has no Exp{absent:03}"
            ));
        }
        let task = evaluation[&row].0;
        let mut cells = vec![f64::NAN; columns];
        // From the last, so that the first of the same task counts; what is not learned yet is left out.
        for (_, (task, accuracy, _)) in evaluation.range(..=row).rev() {
            cells[*task] = *accuracy;
        }
        learned.push((row > 0).then_some(task));
        rows.push(cells);
    }
    Ok((learned, rows))
}

/// Every evaluation by its step.
fn evaluations(text: &str) -> std::result::Result<BTreeMap<u64, Evaluation>, String> {
    let mut all: BTreeMap<u64, Evaluation> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: String| format!("line {number}: {what}");
        let object = object(line).map_err(wrong)?;
        let step = step(&object).map_err(wrong)?;
        for (key, value) in object.iter().filter(|(key, _)| key.starts_with(ACCURACY)) {
            let shown = clean(key);
            let (task, experience) = place(key)
                .ok_or_else(|| wrong(format!("{shown} does not end in TaskNNN/ExpNNN")))?;
            let accuracy = value.as_f64().filter(|x| (0.0..=1.0).contains(x));
            let accuracy = accuracy.ok_or_else(|| {
                wrong(format!(
                    "{shown} is {value}, not a fraction between 0 and 1"
                ))
            })?;
            if let Some((last, _)) = all.last_key_value().filter(|(last, _)| **last > step) {
                return Err(wrong(format!(
                    "step {step} comes after step {last}: the file holds more than one run"
                )));
            }
            let there = all.entry(step).or_default();
            let known = there.insert(experience, (task, accuracy, number));
            if let Some((_, before, line)) = known.filter(|k| (k.0, k.1) != (task, accuracy)) {
                return Err(wrong(format!(
                    "{shown} is {accuracy} at step {step}, and {before} on line {line}: the file holds more than one run"
                )));
            }
        }
    }
    Ok(all)
}

fn object(line: &str) -> std::result::Result<Map<String, Value>, String> {
    let parsed = serde_json::from_str(line).or_else(|e| match finite(line) {
        // Python writes figures that are not finite as JSON has them not.
        Some(line) => serde_json::from_str(&line),
        None => Err(e),
    });
    match parsed {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("it is no JSON object".into()),
        Err(error) => {
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            Err(format!("it is no JSON ({what})"))
        }
    }
}

/// The line with null for NaN and ±Infinity outside its texts; `None` where it has none.
fn finite(line: &str) -> Option<String> {
    let mut plain = String::with_capacity(line.len());
    let (mut quoted, mut escaped, mut changed) = (false, false, false);
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let odd = ["NaN", "-Infinity", "Infinity"];
        if let Some(after) = odd
            .iter()
            .find_map(|o| rest.strip_prefix(o))
            .filter(|_| !quoted)
        {
            plain.push_str("null");
            (rest, changed) = (after, true);
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        plain.push(c);
        rest = &rest[c.len_utf8()..];
    }
    changed.then_some(plain)
}

fn step(object: &Map<String, Value>) -> std::result::Result<u64, String> {
    let value = object.get("step").ok_or("it has no `step`")?;
    let whole = |x: f64| (x >= 0.0 && x.fract() == 0.0 && x < 9e15).then_some(x as u64);
    let step = value.as_u64().or_else(|| whole(value.as_f64()?));
    step.ok_or_else(|| format!("`step` is {value}, not a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(task: usize, experience: usize) -> String {
        format!("\"{ACCURACY}Task{task:03}/Exp{experience:03}\"")
    }

    fn line(step: u64, task: usize, experience: usize, accuracy: f64) -> String {
        format!(
            "{{\"step\": {step}, {}: {accuracy}}}\n",
            key(task, experience)
        )
    }

    fn refused(text: &str) -> String {
        matrix(text).unwrap_err()
    }

    /// As the study's program writes it: a metric a line, all of an evaluation under one step.
    #[test]
    fn lines_of_one_step_are_one_evaluation() {
        let mut text = String::from(
            "{\"step\": 0, \"Top1_Acc_Stream/eval_phase/test_stream/Task000\": 0.9}\n",
        );
        text += &line(0, 0, 0, 0.9);
        text += "{\"step\": 7, \"Loss_Epoch/train_phase/train_stream/Task001\": NaN}\n\n";
        text += &line(20, 0, 0, 0.75);
        text += &line(20, 1, 1, 0.5);
        text += &format!(
            "{{\"step\": 30.0, {}: 0.5, {}: 0.25, {}: 1}}\n",
            key(0, 0),
            key(1, 1),
            key(2, 2)
        );
        let (learned, rows) = matrix(&text).unwrap();
        assert_eq!(learned, [None, Some(1), Some(2)]);
        assert_eq!(rows[0][0], 0.9);
        assert!(rows[0][1].is_nan() && rows[0][2].is_nan() && rows[1][2].is_nan());
        assert_eq!(rows[1][..2], [0.75, 0.5]);
        assert_eq!(rows[2], [0.5, 0.25, 1.0]);
    }

    #[test]
    fn what_is_not_learned_yet_is_left_out() {
        let mut text = String::new();
        for (row, step) in [(0, 0), (1, 10), (2, 20)] {
            for task in 0..3 {
                text += &line(step, task, task, 0.1 * (row + task) as f64);
            }
        }
        let (_, rows) = matrix(&text).unwrap();
        assert!(rows[0][1].is_nan() && rows[0][2].is_nan() && rows[1][2].is_nan());
        assert_eq!(rows[1][1], 0.2);
    }

    #[test]
    fn a_task_that_returns_is_one_column() {
        let mut text = line(0, 0, 0, 0.9) + &line(5, 0, 0, 0.8) + &line(5, 1, 1, 0.5);
        for (task, experience, accuracy) in [(0, 0, 0.7), (1, 1, 0.625), (1, 2, 0.5)] {
            text += &line(9, task, experience, accuracy);
        }
        let (learned, rows) = matrix(&text).unwrap();
        assert_eq!(learned, [None, Some(1), Some(1)]);
        assert_eq!(rows[2], [0.7, 0.625]);
    }

    #[test]
    fn bad_lines_are_named() {
        let good = line(0, 0, 0, 0.5);
        let bad = |second: &str| refused(&format!("{good}{second}"));
        for (second, what) in [
            ("[1]", "line 2: it is no JSON object"),
            ("{\"step\": 1", "line 2: it is no JSON"),
            ("{\"a\": 1}", "line 2: it has no `step`"),
            (
                "{\"step\": 1.5}",
                "line 2: `step` is 1.5, not a whole number",
            ),
            ("{\"step\": -1}", "line 2: `step` is -1"),
        ] {
            let text = bad(second);
            assert!(text.contains(what), "{text}");
        }
        let percent = bad(&line(4, 0, 0, 84.5));
        assert!(
            percent.contains("line 2") && percent.contains("84.5, not a fraction"),
            "{percent}"
        );
        let odd = bad(&format!("{{\"step\": 4, \"{ACCURACY}Task000\": 0.5}}"));
        assert!(
            odd.contains("line 2") && odd.contains("TaskNNN/ExpNNN"),
            "{odd}"
        );
        let nan = bad(&format!("{{\"step\": 4, {}: NaN}}", key(0, 0)));
        assert!(nan.contains("line 2") && nan.contains("null"), "{nan}");
    }

    #[test]
    fn what_is_not_one_run_is_refused() {
        let start = line(0, 0, 0, 0.5) + &line(5, 0, 0, 0.5) + &line(5, 1, 1, 0.5);
        let twice = refused(&format!("{start}{}", line(0, 0, 0, 0.5)));
        assert!(
            twice.contains("line 4") && twice.contains("more than one run"),
            "{twice}"
        );
        let other = refused(&format!("{start}{}", line(5, 1, 1, 0.25)));
        assert!(
            other.contains("line 4") && other.contains("line 3"),
            "{other}"
        );
        assert!(matrix(&format!("{start}{}", line(5, 1, 1, 0.5))).is_ok());
        let during = refused(&format!("{start}{}", line(9, 0, 0, 0.5)));
        assert!(
            during.contains("3 evaluations of 2 experiences"),
            "{during}"
        );
        let late = refused(&(line(0, 1, 1, 0.5) + &line(0, 0, 0, 0.5) + &line(5, 0, 0, 0.5)));
        assert!(late.contains("step 5") && late.contains("Exp001"), "{late}");
        let missing =
            line(0, 0, 0, 0.5) + &line(9, 0, 0, 0.5) + &line(9, 1, 1, 0.5) + &line(9, 2, 2, 0.5);
        assert!(
            refused(&missing).contains("3 experiences and 2 evaluations"),
            "{}",
            refused(&missing)
        );
        let headless = line(5, 0, 0, 0.5) + &line(5, 1, 1, 0.5);
        assert!(refused(&headless).contains("its beginning or an evaluation is missing"));
        let forgetful = line(0, 0, 0, 0.5) + &line(5, 1, 1, 0.5);
        assert!(refused(&forgetful).contains("step 5 comes after experience 1 and has no Exp000"));
        let label = refused(&format!("{start}{}", line(9, 2, 1, 0.5)));
        assert!(
            label.contains("Task002") && label.contains("Task001"),
            "{label}"
        );
        assert!(refused("").contains("no line has a metric"));
        assert!(refused(&line(0, 1, 0, 0.5)).contains("Task000"));
    }

    #[test]
    fn figures_that_json_has_not_are_null_outside_texts() {
        assert_eq!(
            finite(r#"{"a\"NaN": NaN, "b": -Infinity}"#).unwrap(),
            r#"{"a\"NaN": null, "b": null}"#
        );
        assert_eq!(finite(r#"{"NaN": "Infinity"}"#), None);
    }

    #[test]
    fn options_stand_behind_the_file() {
        let log = StudyLog::parse("paper=a,b/logs.json,backbone=vit,rank=8,seed=3").unwrap();
        assert_eq!(
            (log.label.as_str(), log.file),
            ("paper", "a,b/logs.json".into())
        );
        assert_eq!(
            (log.backbone.as_str(), log.rank, log.seed),
            ("vit", Rank::Of(8), Some(3))
        );
        let bare = StudyLog::parse("paper=x,y=1").unwrap();
        assert_eq!((bare.file, bare.rank), ("x,y=1".into(), Rank::Unsaid));
        let rank = |text: &str| StudyLog::parse(text).unwrap().rank;
        assert_eq!(
            (rank("p=f,rank=full"), rank("p=f,rank=0")),
            (Rank::Full, Rank::Frozen)
        );
        for bad in ["", "file", "=file", "label=", "p=f,rank=x", "p=f,seed=-1"] {
            assert!(StudyLog::parse(bad).is_err(), "{bad}");
        }
    }
}
