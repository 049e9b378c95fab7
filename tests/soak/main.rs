//! Whether a run survives what a shared machine does to it: kills, terminals that go, disks that are full, terminals that
//! change their size. Each run that was disturbed must end with the bytes of one that was not.
//!
//!     cargo test --release --test soak              the demo itself, an hour on two cores
//!     cargo test --release --test soak -- --quick   the demo with few steps, minutes
//!
//! `--seed N` disturbs at other moments, `--only kills` (or `terminals`, `disks`, `sizes`) in this way alone. It is no
//! part of `cargo test`.

#[path = "../common/mod.rs"]
mod common;
mod disks;
#[path = "../terminal/driven.rs"]
mod driven;
mod kills;
mod random;
mod runs;
#[path = "../terminal/mod.rs"]
mod terminal;
mod terminals;

use anyhow::{Context, Result, bail};

use random::Random;
use runs::{Reference, Verdict};

/// How often each is done.
const KILLS: usize = 50;
const HANG_UPS: usize = 10;
const DISKS: usize = 4;
const STORMS: usize = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|a| a == "--quick");
    let value = |flag: &str| {
        let at = arguments.iter().position(|a| a == flag)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let seed = value("--seed").map_or(Ok(1), str::parse);
    let seed = seed.context("--seed takes a number")?;
    let only = value("--only");
    let mut random = Random::of(seed);
    let reference = Reference::make(quick)?;
    println!(
        "{} undisturbed: {:.0} s, {:.2} % of them in checkpoints; disturbed with seed {seed}",
        reference.what(),
        reference.seconds,
        100.0 * reference.checkpoints
    );
    type Disturb = fn(&Reference, usize, &mut Random) -> Result<Verdict>;
    let ways: [(&str, usize, Disturb); 4] = [
        ("kills", KILLS, kills::disturb),
        ("terminals", HANG_UPS, terminals::hang_up),
        ("disks", DISKS, disks::fill),
        ("sizes", STORMS, terminals::resize),
    ];
    let mut verdicts = Vec::new();
    for (name, count, disturb) in ways {
        if only.is_none_or(|only| only == name) {
            let verdict = disturb(&reference, count, &mut random)?;
            eprintln!("{}", verdict.line());
            verdict.lost.iter().for_each(|what| eprintln!("  {what}"));
            verdicts.push(verdict);
        }
    }
    if verdicts.is_empty() {
        bail!("--only takes kills, terminals, disks or sizes");
    }
    let parts: Vec<String> = verdicts.iter().map(Verdict::line).collect();
    println!("{}", parts.join("; "));
    match verdicts.iter().all(|v| v.lost.is_empty()) {
        true => Ok(()),
        false => bail!("something was lost"),
    }
}
