//! `pentimento sweep --dry-run`

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use pentimento::Error;
use pentimento::lab::open_device;
use pentimento::recipe::Recipe;
use pentimento::sweep::estimate::{Rate, Work};
use pentimento::sweep::{Cell, Sweep, Watch, local};
use pentimento::ui::text::clean;

use super::{hangup, watched};

/// Prints the grid, and how long the open ones of its runs will take.
pub fn print(
    sweep: &Sweep,
    asked: &[usize],
    open: &[usize],
    watch: &Watch,
    slots: &[local::Slot],
) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let widths = asked.iter().map(|&c| sweep.cells[c].id.len());
    let width = widths.max().unwrap_or_default();
    let mut measured: Vec<(Cell, Result<Rate, String>)> = Vec::new();
    let mut total = Duration::ZERO;
    let mut known = true;
    for &c in asked {
        let (cell, seen) = (&sweep.cells[c], &watch[c]);
        let state = seen.progress.name();
        if !open.contains(&c) {
            writeln!(out, "{:width$}  {state}", cell.id)?;
            continue;
        }
        let estimate = watched(hangup()?, |onlooker| {
            let like = measured.iter().find(|(other, _)| steps_alike(other, cell));
            let rate = match like {
                Some((_, rate)) => rate.clone(),
                None => {
                    let (device, _) = open_device(&slots[0].device)?;
                    let rate = told(Rate::measure(&cell.recipe, &device, onlooker))?;
                    measured.push((cell.clone(), rate.clone()));
                    rate
                }
            };
            let work = told(Work::of(&cell.recipe, onlooker))?;
            Ok(rate.and_then(|rate| work.map(|work| (rate, work))))
        })?;
        match estimate {
            Ok((rate, work)) => {
                let time = rate.time(&work).mul_f64(1.0 - seen.share);
                total += time;
                writeln!(
                    out,
                    "{:width$}  {state:8}  {} steps of {:.0} ms, {} images of {:.2} ms: about {}",
                    cell.id,
                    work.steps,
                    1e3 * rate.step,
                    work.images,
                    1e3 * rate.image,
                    local::time(time)
                )?;
            }
            Err(why) => {
                known = false;
                writeln!(out, "{:width$}  {state:8}  {}", cell.id, clean(&why))?;
            }
        }
    }
    let gpus = slots.iter().filter(|s| s.device != "cpu").count();
    let together = total / u32::try_from(gpus.max(1)).unwrap_or(1);
    let n = slots.len();
    let s = if n == 1 { "" } else { "s" };
    let more = if known {
        ""
    } else {
        " and what could not be estimated"
    };
    writeln!(
        out,
        "about {}{more} in {n} slot{s} on {}, as long as nothing else is at work there; nothing was written",
        local::time(together),
        slots
            .iter()
            .map(|s| s.device.as_str())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(", ")
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a step of both takes as long.
fn steps_alike(one: &Cell, other: &Cell) -> bool {
    let (a, b) = (&one.recipe, &other.recipe);
    let batch = |r: &Recipe| (r.train.batch_size, r.train.lwf.is_some());
    (&a.backbone, &a.lora, batch(a)) == (&b.backbone, &b.lora, batch(b))
}

/// What is wrong with what was given as text, to be listed; anything else as it is.
fn told<T>(result: pentimento::Result<T>) -> pentimento::Result<Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Input(why)) => Ok(Err(why)),
        Err(other) => Err(other),
    }
}
