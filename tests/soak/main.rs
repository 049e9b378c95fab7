//! Whether a run survives what a shared machine does to it: kills, terminals that go, disks that are full, terminals that
//! change their size. Each run that was disturbed must end with the bytes of one that was not.
//!
//!     cargo test --release --test soak              the demo itself, an hour on two cores
//!     cargo test --release --test soak -- --quick   the demo with few steps, minutes
//!
//! `--seed N` disturbs at other moments. It is no part of `cargo test`.

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
    let seed = match arguments.iter().position(|a| a == "--seed") {
        Some(at) => {
            let number = arguments.get(at + 1).context("--seed takes a number")?;
            number.parse().context("--seed takes a number")?
        }
        None => 1,
    };
    let mut random = Random::of(seed);
    let reference = Reference::make(quick)?;
    println!(
        "{} undisturbed: {:.0} s, {:.2} % of them in checkpoints; disturbed with seed {seed}",
        reference.what(),
        reference.seconds,
        100.0 * reference.checkpoints
    );
    let disturb = [
        |reference: &_, random: &mut _| kills::disturb(reference, KILLS, random),
        |reference: &_, random: &mut _| terminals::hang_up(reference, HANG_UPS, random),
        |reference: &_, random: &mut _| disks::fill(reference, DISKS, random),
        |reference: &_, random: &mut _| terminals::resize(reference, STORMS, random),
    ];
    let mut verdicts = Vec::new();
    for disturb in disturb {
        let verdict = disturb(&reference, &mut random)?;
        eprintln!("{}", verdict.line());
        verdicts.push(verdict);
    }
    let parts: Vec<String> = verdicts.iter().map(Verdict::line).collect();
    println!("{}", parts.join("; "));
    for problem in verdicts.iter().flat_map(|v| &v.lost) {
        println!("  {problem}");
    }
    match verdicts.iter().all(|v| v.lost.is_empty()) {
        true => Ok(()),
        false => bail!("something was lost"),
    }
}
