//! What the terminal costs: the program itself in a pseudo-terminal of 200×60, while it trains the demo's first task.
//! Frames and bytes a second on each screen, the share of the processors that its thread takes, the time from a key to
//! the changed screen, and the rate of training against that of `pentimento run`, in turns.
//!
//!     cargo bench --bench terminal [-- --quick]

mod cost;
mod figures;
mod program;
#[path = "../../tests/terminal/mod.rs"]
mod terminal;

use std::time::Duration;

use anyhow::Result;

use cost::{UiTime, ui_time};
use figures::{median, percentile};
use program::{Frame, Program};

/// The screens by their keys; on the first nothing moves but the clock.
const SCREENS: [(char, &str); 7] = [
    ('2', "Train"),
    ('3', "Matrix"),
    ('4', "Forgetting"),
    ('5', "Log"),
    ('6', "Machine"),
    ('7', "Runs"),
    ('1', "Set-up"),
];
/// Keys whose answers are timed.
const KEYS: usize = 140;
/// What follows a change of screens is not counted.
const SETTLED: Duration = Duration::from_millis(1500);
/// Steps of the task, so many that it ends with nothing measured.
const ENDLESS: usize = 1_000_000;

fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (seconds, steps, pairs) = if quick { (5, 300, 3) } else { (20, 800, 5) };
    println!("load before: {}", cost::load());
    let mut program = Program::start(ENDLESS)?;
    program.wait_for("training 1/1")?;
    println!(
        "screen       frames/s  bytes/frame median, p99   bytes/s  its thread's share of the processors"
    );
    for (key, name) in SCREENS {
        watch(&mut program, key, name, Duration::from_secs(seconds))?;
    }
    latency(&mut program)?;
    program.leave()?;
    throughput(steps, pairs)?;
    println!("load after: {}", cost::load());
    Ok(())
}

/// Looks at a screen for a while.
fn watch(program: &mut Program, key: char, name: &str, time: Duration) -> Result<()> {
    program.press(key)?;
    program.frames(SETTLED)?;
    let before = ui_time(program.id());
    let frames = program.frames(time)?;
    let after = ui_time(program.id());
    let seconds = time.as_secs_f64();
    let mut sizes: Vec<f64> = frames.iter().map(|frame| frame.bytes as f64).collect();
    let all: f64 = sizes.iter().sum();
    println!(
        "{name:<12} {:>8.1} {:>19.0}, {:>5.0} {:>9.0}  {}",
        frames.len() as f64 / seconds,
        median(&mut sizes),
        percentile(&mut sizes, 99),
        all / seconds,
        share(before, after, seconds)
    );
    Ok(())
}

fn share(before: Option<UiTime>, after: Option<UiTime>, seconds: f64) -> String {
    let share =
        |(before, after): (UiTime, UiTime)| (after.0 - before.0) / seconds / cost::processors();
    let share = before.zip(after).map(share);
    share.map_or("not known".into(), |share| {
        format!("{:.2} %", 100.0 * share)
    })
}

/// From a key to the first byte of the frame that shows the other screen.
fn latency(program: &mut Program) -> Result<()> {
    let mut times = Vec::with_capacity(KEYS);
    for (i, (key, name)) in SCREENS.iter().cycle().take(KEYS).enumerate() {
        // Not in step with the frames.
        program.frames(Duration::from_millis(120 + (37 * i as u64) % 83))?;
        let pressed = program.press(*key)?;
        let open = format!("▸{key} {name}");
        let shown = |frame: &Frame| frame.begun > pressed && frame.tabs.contains(&open);
        let frame = program.until(shown)?;
        times.push(1000.0 * (frame.begun - pressed).as_secs_f64());
    }
    println!(
        "key to changed screen: median {:.1} ms, p99 {:.1} ms, of {KEYS} keys",
        median(&mut times),
        percentile(&mut times, 99)
    );
    Ok(())
}

/// Training with and without the terminal in turns, each beginning as often.
fn throughput(steps: usize, pairs: usize) -> Result<()> {
    let mut ratios = Vec::with_capacity(pairs);
    for pair in 0..pairs {
        let shown_first = pair % 2 == 0;
        let rates = [shown_first, !shown_first].map(|shown| match shown {
            true => Program::start(steps).and_then(Program::rate),
            false => program::headless(steps),
        });
        let [first, second] = rates;
        let (shown, without) = if shown_first {
            (first?, second?)
        } else {
            (second?, first?)
        };
        println!(
            "images/s with the terminal {shown:.0}, without {without:.0}: {:.4}",
            shown / without
        );
        ratios.push(shown / without);
    }
    let (least, most) = (percentile(&mut ratios, 0), percentile(&mut ratios, 100));
    println!(
        "images/s with over without: median {:.4}, {least:.4} to {most:.4}, of {pairs} pairs",
        median(&mut ratios)
    );
    Ok(())
}
