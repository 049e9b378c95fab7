//! The script of a job array.

use std::fmt::Write;
use std::path::Path;

use super::Order;
use crate::files::word;
use crate::recipe::SlurmRecipe;
use crate::sweep::Cell;

/// Seconds before the end of a task's time at which its run stops with a checkpoint. Slurm looks every 30 s or so.
const BEFORE_THE_END: u32 = 120;

/// A script for sbatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What sbatch gets.
    pub text: String,
    /// The names of its runs, by the number of their task.
    pub runs: Vec<String>,
}

impl Script {
    /// For these runs of the sweep in `root`, an absolute path.
    pub(super) fn new(root: &Path, cells: &[&Cell], options: &SlurmRecipe, order: &Order) -> Self {
        // Names of runs are words of the shell as they are.
        let runs: Vec<String> = cells.iter().map(|c| c.id.clone()).collect();
        let root_text = root.display().to_string();
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        let last = runs.len().saturating_sub(1);
        let at_once = order.slots.map_or(String::new(), |n| format!("%{n}"));
        let mut text = String::from("#!/bin/bash\n");
        let own = [
            format!("--job-name={}", crate::folder::file_name(&name)),
            format!("--array=0-{last}{at_once}"),
            "--ntasks=1".into(),
            // A run that is queued again goes on from its last checkpoint.
            "--requeue".into(),
            "--open-mode=append".into(),
            format!(
                "--signal=B:USR1@{}",
                before_the_end(options.time.as_deref())
            ),
            format!(
                "--output={}",
                option(&format!(
                    "{}/logs/slurm-%A_%a.log",
                    root_text.replace('%', "%%")
                ))
            ),
        ];
        for line in own.into_iter().chain(options.arguments()) {
            let _ = writeln!(text, "#SBATCH {line}");
        }
        let _ = write!(
            text,
            r#"
# Runs of the sweep, one for each task of the array.
sweep={root}
runs=({runs})
run=${{runs[$SLURM_ARRAY_TASK_ID]}}

# Before the time ends the run stops with a checkpoint, and its task is queued again. Of a cancel or a requeue Slurm tells
# the run itself; this script only waits for it, and asks for nothing more.
ends= told=
trap 'ends=1; kill -TERM "$child"' USR1
trap 'told=1' TERM
{program} sweep-run "$sweep" "$run" --device {device} --threads "${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}" \
    >> "$sweep/logs/$run.log" 2>&1 &
child=$!
wait "$child"
code=$?
while kill -0 "$child" 2> /dev/null; do
    wait "$child"
    code=$?
done
if [ -n "$ends" ] && [ -z "$told" ] && [ "$code" -eq 143 ]; then
    scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"#,
            root = word(root),
            runs = runs.join(" "),
            program = word(&order.program),
            device = word(Path::new(&order.device)),
        );
        Self { text, runs }
    }
}

/// Seconds before the end at which a run with this limit is told; of a short one no more than half.
fn before_the_end(time: Option<&str>) -> u32 {
    let half = time.and_then(seconds).map_or(BEFORE_THE_END, |s| s / 2);
    BEFORE_THE_END.min(half.max(1))
}

/// A time as sbatch takes it: minutes, minutes:seconds, hours:minutes:seconds, days-hours, with minutes and seconds or not.
fn seconds(time: &str) -> Option<u32> {
    let numbers =
        |text: &str| -> Option<Vec<u32>> { text.split(':').map(|n| n.parse().ok()).collect() };
    let sum = |parts: &[u32], units: &[u32]| {
        let products = parts
            .iter()
            .zip(units)
            .map(|(n, unit)| n.checked_mul(*unit));
        products.sum::<Option<u32>>()
    };
    match time.split_once('-') {
        Some((days, rest)) => {
            let rest = numbers(rest).filter(|r| r.len() <= 3)?;
            sum(&rest, &[3600, 60, 1])?.checked_add(days.parse::<u32>().ok()?.checked_mul(86_400)?)
        }
        None => match numbers(time)?.as_slice() {
            [minutes] => minutes.checked_mul(60),
            two @ [_, _] => sum(two, &[60, 1]),
            three @ [_, _, _] => sum(three, &[3600, 60, 1]),
            _ => None,
        },
    }
}

/// A value in a line for sbatch, which knows double quotes.
fn option(path: &str) -> String {
    match path.contains(char::is_whitespace) {
        true => format!("\"{path}\""),
        false => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::sweep::Axes;

    #[test]
    fn a_run_is_told_in_time_however_short_that_is() {
        for (time, wanted) in [
            ("90", Some(5400)),
            ("3:30", Some(210)),
            ("1:00:05", Some(3605)),
            ("1-2", Some(93_600)),
            ("1-02:30", Some(95_400)),
            ("soon", None),
            ("UNLIMITED", None),
        ] {
            assert_eq!(seconds(time), wanted, "{time}");
        }
        let of = |time| before_the_end(time);
        assert_eq!([of(None), of(Some("4:00:00"))], [120, 120]);
        assert_eq!(
            [of(Some("3")), of(Some("0:30")), of(Some("0"))],
            [90, 15, 1]
        );
    }

    #[test]
    fn a_script_is_what_a_shell_reads_and_asks_for_what_was_asked() {
        let axes = Axes {
            presets: vec!["demo".into()],
            ranks: vec![1, 4],
            ..Axes::default()
        };
        let cells = axes.cells().unwrap();
        let cells: Vec<&Cell> = cells.iter().collect();
        let options = SlurmRecipe {
            partition: Some("gpu".into()),
            cpus: Some(8),
            ..SlurmRecipe::default()
        };
        let order = Order {
            options: SlurmRecipe::default(),
            slots: Some(2),
            device: "auto".into(),
            program: PathBuf::from("/opt/it's here/pentimento"),
        };
        let root = Path::new("/data/my sweep");
        let script = Script::new(root, &cells, &options, &order);
        assert_eq!(script.runs, ["r1-s0", "r4-s0"]);
        for line in [
            "#SBATCH --array=0-1%2",
            "#SBATCH --partition=gpu",
            "#SBATCH --cpus-per-task=8",
            "#SBATCH --job-name=my-sweep",
            "#SBATCH --output=\"/data/my sweep/logs/slurm-%A_%a.log\"",
            "sweep='/data/my sweep'",
            "runs=(r1-s0 r4-s0)",
        ] {
            assert!(
                script.text.lines().any(|l| l == line),
                "{line}\n{}",
                script.text
            );
        }
        let program = "\n\"/opt/it's here/pentimento\" sweep-run ";
        assert!(script.text.contains(program), "{}", script.text);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("job.sh");
        std::fs::write(&path, &script.text).unwrap();
        let shell = std::process::Command::new("bash")
            .arg("-n")
            .arg(&path)
            .output();
        let shell = shell.unwrap();
        assert!(
            shell.status.success(),
            "{}",
            String::from_utf8_lossy(&shell.stderr)
        );
    }
}
