//! `pentimento sweep`

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use anyhow::Context;

use pentimento::cli::{Log, SweepArgs, SweepRunArgs};
use pentimento::folder::RunFolder;
use pentimento::headless::{self, say};
use pentimento::lab::{self, Previews, devices, open_device};
use pentimento::memory;
use pentimento::run::Machine;
use pentimento::session::{Options, Reopen, Session};
use pentimento::shared::Shared;
use pentimento::sweep::estimate::{Rate, Work};
use pentimento::sweep::{Axes, Cell, Progress, Sweep, Watch, local};
use pentimento::ui::text::clean;
use pentimento::{Error, files};

use super::{GivenUp, follow, hangup, runtime, watched};

/// Memory that a run takes beside what its training holds: the program, its data, what the allocator keeps.
const BESIDE_TRAINING: usize = 400 << 20;

/// What the first Ctrl-C asks.
const QUESTION: &str =
    "stop? Ctrl-C once more stops every run with a checkpoint; until then the sweep goes on";

/// Makes a sweep, goes on with one, or tells of one.
pub fn sweep(args: SweepArgs) -> anyhow::Result<ExitCode> {
    let (sweep, asked) = asked(&args)?;
    if args.status {
        return status(&sweep, &asked);
    }
    let hangup = hangup()?;
    let machine = local::Machine {
        devices: chosen(&args.device)?,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        memory: memory::capacity(),
    };
    let mut watch = Watch::new(&sweep);
    watch.look(&|| false);
    let open = asked.iter().filter(|&&c| watch[c].progress.is_open());
    let open: Vec<usize> = open.copied().collect();
    let cells: Vec<&Cell> = open.iter().map(|&c| &sweep.cells[c]).collect();
    let slots = local::slots(&machine, open.len(), args.slots, largest(&cells)?)?;
    if args.dry_run {
        return dry_run(&sweep, &asked, &watch, &slots);
    }
    sweep.write()?;
    fetch(&cells)?;
    let runtime = runtime()?;
    let caught = Arc::new(AtomicU8::new(0));
    runtime.spawn(headless::catch(Arc::clone(&caught), hangup, Some(QUESTION)));
    let program = std::env::current_exe().context("this program's own file is not to be found")?;
    say(&format!(
        "the sweep is in {}; `pentimento open {0}` shows it",
        sweep.root().display()
    ));
    let mut foreman = Foreman(&caught);
    let outcome = local::run(&sweep, &asked, &slots, &program, &mut foreman)?;
    let finished = table(&sweep, &asked)?;
    if outcome.ended {
        say(&format!(
            "stopped; `pentimento sweep --out {}` goes on",
            sweep.root().display()
        ));
        return Ok(ExitCode::from(128 + caught.load(Ordering::Relaxed)));
    }
    Ok(match finished {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(outcome.worst.max(1)),
    })
}

/// Prints the grid, and how long it will take.
fn dry_run(
    sweep: &Sweep,
    asked: &[usize],
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
        if !seen.progress.is_open() {
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
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(", ")
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a step of both takes as long.
fn steps_alike(one: &Cell, other: &Cell) -> bool {
    let (a, b) = (&one.recipe, &other.recipe);
    let batch = |r: &pentimento::recipe::Recipe| (r.train.batch_size, r.train.lwf.is_some());
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

/// The sweep that is meant, with the runs that are asked for, and which they are.
fn asked(args: &SweepArgs) -> anyhow::Result<(Sweep, Vec<usize>)> {
    if args.presets.is_empty() {
        let sweep = Sweep::open(&args.out)?;
        let all = (0..sweep.cells.len()).collect();
        return Ok((sweep, all));
    }
    let axes = Axes {
        presets: args.presets.clone(),
        backbones: args.backbones.clone(),
        modes: args.modes.clone(),
        ranks: args.ranks.clone(),
        seeds: args.seeds.clone(),
        sets: args.overrides.clone(),
    };
    Ok(Sweep::with(&args.out, axes.cells()?)?)
}

/// The devices that are meant.
fn chosen(asked: &[String]) -> pentimento::Result<Vec<String>> {
    match asked {
        [one] if one == "auto" => Ok(devices()),
        all if all.iter().any(|d| d == "auto") => Err(Error::input(
            "--device takes auto alone, or devices by their names, as in cuda:0,cuda:1",
        )),
        all => {
            for device in all {
                open_device(device)?;
            }
            Ok(all.to_vec())
        }
    }
}

/// Memory that the largest of these runs takes by estimate, where that is known before its backbone is here.
fn largest(cells: &[&Cell]) -> pentimento::Result<Option<usize>> {
    let previews = Previews::default();
    let mut largest = None;
    for cell in cells {
        let preview = previews.of(&cell.recipe)?;
        let bytes = preview.map(|p| p.memory.total().saturating_add(BESIDE_TRAINING));
        largest = largest.max(bytes);
    }
    Ok(largest)
}

/// Brings what the runs need from the hub, once for all of them.
fn fetch(cells: &[&Cell]) -> anyhow::Result<()> {
    watched(hangup()?, |onlooker| {
        cells
            .iter()
            .try_for_each(|cell| lab::fetch(&cell.recipe, onlooker).map(drop))
    })
}

struct Foreman<'a>(&'a AtomicU8);

impl local::Foreman for Foreman<'_> {
    fn say(&mut self, line: &str) {
        // Who reads along may leave; the sweep goes on.
        let _ = writeln!(std::io::stdout(), "{}", clean(line));
    }

    fn ends(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

/// How far each run is; the exit code says whether all are finished.
fn status(sweep: &Sweep, asked: &[usize]) -> anyhow::Result<ExitCode> {
    table(sweep, asked)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line for each run; whether all of them are finished.
fn table(sweep: &Sweep, asked: &[usize]) -> anyhow::Result<bool> {
    let mut watch = Watch::new(sweep);
    watch.look(&|| false);
    let width = asked.iter().map(|&c| sweep.cells[c].id.len()).max();
    let width = width.unwrap_or_default();
    let mut out = std::io::stdout();
    let mut finished = true;
    for &c in asked {
        let (id, seen) = (&sweep.cells[c].id, &watch[c]);
        finished &= seen.progress == Progress::Finished;
        let share = format!("{:3.0} %", 100.0 * seen.share);
        let text = match &seen.progress {
            Progress::Failed(why) => why.clone(),
            Progress::AtWork(who) => format!("{share}  {who}"),
            Progress::Waiting => String::new(),
            Progress::Stopped => share,
            Progress::Finished => local::found(seen),
        };
        let line = format!("{id:width$}  {:8}  {text}", seen.progress.name());
        writeln!(out, "{}", clean(line.trim_end()))?;
    }
    Ok(finished)
}

/// Does one run of a sweep: begins it, or goes on with it.
pub fn sweep_run(args: &SweepRunArgs) -> anyhow::Result<ExitCode> {
    let hangup = hangup()?;
    memory::share_with(args.beside);
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .with_context(|| format!("{threads} threads could not be started"))?;
    }
    let sweep = Sweep::open(&args.sweep)?;
    let cell = sweep.cell(&args.run)?;
    let begun = begin(&sweep, cell, args, hangup);
    let refusal = sweep.refusal(cell);
    match &begun {
        Ok(_) => drop(std::fs::remove_file(refusal)),
        // Being stopped is no refusal.
        Err(error) if error.downcast_ref::<GivenUp>().is_some() => {}
        Err(error) => files::write_atomic(&refusal, format!("{error:#}\n").as_bytes())?,
    }
    follow(begun?, Log::Plain, hangup)
}

fn begin(
    sweep: &Sweep,
    cell: &Cell,
    args: &SweepRunArgs,
    hangup: pentimento::signals::Hangup,
) -> anyhow::Result<Session> {
    let folder = sweep.run(cell);
    RunFolder::clear_unbegun(&folder)?;
    let options = Options {
        device: Some(args.device.device.clone()),
        automatic: true,
        leave_when_finished: true,
        shared: Some(Shared::new(
            &sweep.shared(),
            &machine(&args.device.device)?,
        )?),
    };
    let there = folder.join("journal.jsonl").exists();
    let mut session = watched(hangup, |onlooker| match there {
        true => Session::reopen(&folder, &options, Reopen::GoOn, onlooker),
        false => Session::create(cell.recipe.clone(), Some(&folder), &options, onlooker),
    })?;
    // Nobody is there to step by hand.
    session.send(lab::Command::Automatic(true))?;
    Ok(session)
}

/// What of the machine decides bits: the CPU's model, and the GPU's where one is at work.
fn machine(device: &str) -> pentimento::Result<String> {
    let (device, name) = open_device(device)?;
    let gpu = lab::gpu(&device).map_or(name, |gpu| gpu.name);
    Ok(format!("{}\n{gpu}", Machine::here().cpu))
}
