//! Disks that are full: a limit on the size of files, and a small file system where one may be mounted.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::random::Random;
use super::runs::{Place, Reference, Verdict, said};

/// What a run stands still for at least before there is room.
const STANDS: Duration = Duration::from_secs(3);

/// Lets runs meet a disk without room, so often in all, and gives them room again.
pub fn fill(reference: &Reference, count: usize, random: &mut Random) -> Result<Verdict> {
    let mut lost = Vec::new();
    let (mut stood, mut mounted) = (0, 0);
    for i in 0..count {
        let place = reference.place()?;
        let small = i % 2 == 1 && Mount::small(&place.root().join("runs")).is_ok();
        let child = if small {
            mounted += 1;
            place.run().spawn()?
        } else {
            let limit = 1000 * u32::from(random.between(20, 120));
            limited(&place, limit)?
                .spawn()
                .context("prlimit, of util-linux, is needed")?
        };
        match meets(&place, child, small)? {
            Met::Stood => stood += 1,
            Met::Nothing => {}
            Met::Ended(words) => lost.push(format!("a run without room ended: {words}")),
        }
        lost.extend(reference.differs(&place.folder()));
        if small {
            Command::new("umount")
                .arg(place.root().join("runs"))
                .status()?;
        }
    }
    ensure!(stood > 0, "no run met a full disk");
    Ok(Verdict {
        what: "full disks",
        count,
        lost,
        seen: format!(
            "{mounted} file systems, {} limits, {stood} runs stood still",
            count - mounted
        ),
    })
}

/// What became of a run on a disk without room.
enum Met {
    /// It stood still, and went on when there was room.
    Stood,
    /// It had room enough.
    Nothing,
    /// It ended.
    Ended(String),
}

/// Waits until a run stands still, gives it room, and waits for its end.
fn meets(place: &Place, mut child: Child, small: bool) -> Result<Met> {
    let size = || std::fs::metadata(place.folder().join("journal.jsonl")).map_or(0, |m| m.len());
    let (mut last, mut since, mut stood) = (size(), Instant::now(), false);
    let id = child.id().to_string();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match (status.success(), stood) {
                (true, true) => Met::Stood,
                (true, false) => Met::Nothing,
                (false, _) => Met::Ended(said(child)?),
            });
        }
        if size() != last {
            (last, since) = (size(), Instant::now());
        }
        if !stood && last > 0 && since.elapsed() > STANDS {
            stood = true;
            let folder = place.root().join("runs");
            match small {
                true => Mount::enlarge(&folder)?,
                false => lift(&id)?,
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The run with a limit on the size of files that can be lifted.
fn limited(place: &Place, bytes: u32) -> Result<Command> {
    let own = place.run();
    let mut program = Command::new("prlimit");
    program
        .arg(format!("--fsize={bytes}:unlimited"))
        .arg(own.get_program());
    program.args(own.get_args()).current_dir(place.root());
    program.env("XDG_CONFIG_HOME", place.root());
    program.stdin(std::process::Stdio::null());
    program
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped());
    Ok(program)
}

fn lift(id: &str) -> Result<()> {
    let lifted = Command::new("prlimit")
        .args(["--pid", id, "--fsize=unlimited:unlimited"])
        .status()?;
    ensure!(lifted.success(), "the limit could not be lifted");
    Ok(())
}

/// A small file system in memory.
struct Mount;

impl Mount {
    /// Mounts one, where this user may.
    fn small(folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=400k", "tmpfs"])
            .arg(folder)
            .stderr(std::process::Stdio::null())
            .status()?;
        ensure!(mounted.success(), "it may not be mounted");
        Ok(())
    }

    fn enlarge(folder: &Path) -> Result<()> {
        let larger = Command::new("mount")
            .args(["-o", "remount,size=512m"])
            .arg(folder)
            .status()?;
        ensure!(larger.success(), "it could not be made larger");
        Ok(())
    }
}
