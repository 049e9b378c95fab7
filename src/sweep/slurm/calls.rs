//! Slurm's commands.

use std::io::{ErrorKind, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// What a command may take: a controller that is gone costs a client up to a minute.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);

/// What a command of Slurm's answers on standard output.
///
/// # Errors
/// [`Error::Input`] where there is no such command, it refuses, or does not answer.
pub fn call(program: &str, arguments: &[&str]) -> Result<String> {
    call_within(program, arguments, PATIENCE)
}

fn call_within(program: &str, arguments: &[&str], patience: Duration) -> Result<String> {
    let begun = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = begun.map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::input(format!(
            "there is no {program} here: Slurm's commands are on its login nodes; without Slurm take --engine local"
        )),
        _ => Error::io(program)(e),
    })?;
    // Both are read at once, since a full pipe would stop the command.
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let read = |pipe: Option<&mut dyn Read>| {
        let mut text = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    let until = Instant::now() + patience;
    std::thread::scope(|scope| {
        let out = scope.spawn(|| read(out.as_mut().map(|o| o as _)));
        let err = scope.spawn(|| read(err.as_mut().map(|e| e as _)));
        let status = loop {
            match child.try_wait().map_err(Error::io(program))? {
                Some(status) => break status,
                None if Instant::now() > until => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(Error::input(format!(
                        "{program} did not answer for {} s: try again when Slurm's controller is back",
                        patience.as_secs()
                    )));
                }
                None => std::thread::sleep(LOOK),
            }
        };
        let texts = (out.join(), err.join());
        let (Ok(out), Ok(err)) = texts else {
            return Err(Error::internal(format!("what {program} said is lost")));
        };
        if status.success() {
            return Ok(out);
        }
        let why = if err.trim().is_empty() { &out } else { &err };
        Err(Error::input(format!("{program}: {}", said(why))))
    })
}

/// The last line of what a command said, without its own name before it.
pub fn said(text: &str) -> &str {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("it said nothing").trim();
    let rest = line.split_once(": error: ").map_or(line, |(_, rest)| rest);
    rest.strip_prefix("slurm_load_jobs error: ").unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_answers_refuses_is_absent_or_silent() {
        assert_eq!(call("echo", &["a"]).unwrap(), "a\n");
        let told = |result: Result<String>| match result.unwrap_err() {
            Error::Input(text) => text,
            other => panic!("{other:?}"),
        };
        let script = "echo x; echo 'sbatch: error: one' >&2; echo 'sbatch: error: two' >&2; exit 1";
        assert_eq!(told(call("sh", &["-c", script])), "sh: two");
        let text = told(call("no-such-command-of-slurms", &[]));
        assert!(text.contains("--engine local"), "{text}");
        let silent = call_within("sleep", &["30"], Duration::from_millis(100));
        assert!(told(silent).contains("did not answer"));
        // More than a pipe holds.
        let many = call("sh", &["-c", "yes | head -c 300000"]).unwrap();
        assert_eq!(many.len(), 300_000);
    }
}
