//! `pentimento sweep`

#[path = "dry_run.rs"]
mod dry_run;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

use pentimento::cli::{Engine, Log, SweepArgs, SweepRunArgs};
use pentimento::folder::{RunFolder, file_name};
use pentimento::headless::{self, say};
use pentimento::lab::{self, Previews, devices, open_device};
use pentimento::memory;
use pentimento::recipe::SlurmRecipe;
use pentimento::run::{Machine, lock};
use pentimento::session::{Options, Reopen, Session};
use pentimento::shared::Shared;
use pentimento::sweep::local::Foreman as _;
use pentimento::sweep::slurm::{self, Jobs};
use pentimento::sweep::{Axes, Cell, Progress, Sweep, Watch, local};
use pentimento::ui::text::clean;
use pentimento::{Error, files, signals};

use super::{GivenUp, Listening, follow, hangup, runtime, watched};

/// Memory that a run takes beside what its training holds: the program, its data, what the allocator keeps.
const BESIDE_TRAINING: usize = 400 << 20;

/// Between two questions to Slurm.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// What the first Ctrl-C asks.
const QUESTION: &str =
    "stop? Ctrl-C once more stops every run with a checkpoint; until then the sweep goes on";

/// Makes a sweep, goes on with one, or tells of one.
pub fn sweep(args: SweepArgs) -> anyhow::Result<ExitCode> {
    let (sweep, asked) = asked(&args)?;
    if args.status {
        table(&sweep, &asked)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.cancel {
        return cancel(&sweep, &asked, args.presets.is_empty());
    }
    for (name, id) in renamed(&sweep, &asked) {
        say(&format!(
            "{name} is here with another recipe, which stays: this one is {id}"
        ));
    }
    for run in slurm::release(&sweep)? {
        say(&format!(
            "{run} was left by a job that is over: it is free again"
        ));
    }
    let tasks = tasks(&sweep, args.engine)?;
    let mut watch = Watch::new(&sweep);
    watch.look(&|| false);
    // What somebody has in hands is left to them.
    let in_hands = |c: usize| tasks.get(&sweep.cells[c].id).filter(|t| t.is_alive());
    let open = |c: &&usize| watch[**c].progress.is_open() && in_hands(**c).is_none();
    let open: Vec<usize> = asked.iter().filter(open).copied().collect();
    let say_in_hands = || {
        for (&c, task) in asked.iter().filter_map(|c| Some((c, in_hands(*c)?))) {
            say(&format!("{}: {}", sweep.cells[c].id, task.describe()));
        }
    };
    match args.engine {
        Engine::Local => {
            let devices = chosen(&args.device)?;
            let runs: Vec<&Cell> = open.iter().map(|&c| &sweep.cells[c]).collect();
            let machine = local::Machine {
                devices,
                threads: std::thread::available_parallelism().map_or(1, usize::from),
                memory: memory::capacity(),
            };
            let slots = local::slots(&machine, open.len(), args.slots, largest(&runs)?)?;
            if args.dry_run {
                return dry_run::print(&sweep, &asked, &open, &watch, &slots);
            }
            say_in_hands();
            sweep.write()?;
            let (open, refused) = fetch(&sweep, &open)?;
            here(&sweep, &asked, &open, &slots, refused)
        }
        Engine::Slurm => {
            let order = order(&args)?;
            if args.dry_run {
                let scripts = slurm::scripts(&sweep, &open, &order)?;
                let slot = local::Slot {
                    device: order.device,
                    threads: 0,
                };
                let slots = vec![
                    slot;
                    order
                        .slots
                        .unwrap_or(open.len())
                        .clamp(1, open.len().max(1))
                ];
                let code = dry_run::print(&sweep, &asked, &open, &watch, &slots)?;
                let mut out = std::io::stdout();
                for script in &scripts {
                    write!(out, "\n{}", script.text)?;
                }
                return Ok(code);
            }
            say_in_hands();
            slurm::check()?;
            sweep.write()?;
            let (open, refused) = fetch(&sweep, &open)?;
            let scripts = slurm::scripts(&sweep, &open, &order)?;
            for (script, job) in scripts.iter().zip(slurm::submit(&sweep, &scripts)?) {
                let runs = script.runs.len();
                let s = if runs == 1 { "" } else { "s" };
                say(&format!("job {job} has {runs} run{s}"));
            }
            match args.wait {
                true => await_slurm(&sweep, &asked),
                false => {
                    say(&format!(
                        "`pentimento sweep --out {} --status` and `pentimento open {0}` show how far they are",
                        files::word(sweep.root())
                    ));
                    Ok(ExitCode::from(refused))
                }
            }
        }
    }
}

/// Does the open ones of the asked runs on this machine; `refused` is the exit code of those that cannot be begun.
fn here(
    sweep: &Sweep,
    asked: &[usize],
    open: &[usize],
    slots: &[local::Slot],
    refused: u8,
) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("this program's own file is not to be found")?;
    let runtime = runtime()?;
    let caught = Arc::new(AtomicU8::new(0));
    runtime.spawn(headless::catch(
        Arc::clone(&caught),
        hangup()?,
        Some(QUESTION),
    ));
    say(&format!(
        "the sweep is in {}; `pentimento open {}` shows it",
        sweep.root().display(),
        files::word(sweep.root())
    ));
    let engine = Engaged::new(sweep)?;
    let outcome = local::run(sweep, asked, open, slots, &program, &mut Foreman(&caught))?;
    drop(engine);
    let finished = table(sweep, asked)?;
    if outcome.ended {
        say(&format!(
            "stopped; `pentimento sweep --out {}` goes on",
            files::word(sweep.root())
        ));
        return Ok(ExitCode::from(128 + caught.load(Ordering::Relaxed)));
    }
    let worst = outcome.worst.max(refused);
    match (finished, worst) {
        (true, _) => {}
        (false, 0) => say("what is not finished is left to others"),
        (false, _) => say(&format!(
            "`pentimento sweep --out {}` tries again what is not finished",
            files::word(sweep.root())
        )),
    }
    Ok(ExitCode::from(worst))
}

/// Runs whose names were taken by others: that name, and their own.
fn renamed(sweep: &Sweep, asked: &[usize]) -> Vec<(String, String)> {
    let of = |c: &usize| {
        let cell = &sweep.cells[*c];
        let (name, number) = cell.id.rsplit_once("-v")?;
        let other = sweep.cells.iter().any(|c| c.id == name);
        let fresh = other && number.parse::<usize>().is_ok() && !sweep.run(cell).exists();
        fresh.then(|| (name.to_owned(), cell.id.clone()))
    };
    asked.iter().filter_map(of).collect()
}

/// Says in the sweep's folder that this process does its runs, as long as it does.
struct Engaged(PathBuf);

impl Engaged {
    fn new(sweep: &Sweep) -> pentimento::Result<Self> {
        let holder = lock::Holder::here();
        let name = format!("{}-{}.json", file_name(&holder.host), holder.process);
        let path = sweep.engines().join(name);
        let json = serde_json::to_vec(&holder)
            .map_err(|e| Error::internal(format!("who does the runs is no JSON: {e}")))?;
        files::write_atomic(&path, &json)?;
        Ok(Self(path))
    }

    /// Those that do runs of the sweep; what is left of others is taken away.
    fn all(sweep: &Sweep) -> Vec<lock::Holder> {
        let files = std::fs::read_dir(sweep.engines())
            .into_iter()
            .flatten()
            .flatten();
        let read = |entry: std::fs::DirEntry| {
            let bytes = std::fs::read(entry.path()).ok()?;
            let holder: lock::Holder = serde_json::from_slice(&bytes).ok()?;
            if holder.is_gone() {
                let _ = std::fs::remove_file(entry.path());
                return None;
            }
            Some(holder)
        };
        files.filter_map(read).collect()
    }
}

impl Drop for Engaged {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Looks on until Slurm has none of the asked runs any more.
fn await_slurm(sweep: &Sweep, asked: &[usize]) -> anyhow::Result<ExitCode> {
    let runtime = runtime()?;
    let caught = Arc::new(AtomicU8::new(0));
    runtime.spawn(headless::catch(Arc::clone(&caught), hangup()?, None));
    let mut before: BTreeMap<String, String> = BTreeMap::new();
    let mut watch = Watch::new(sweep);
    let mut foreman = Foreman(&caught);
    loop {
        // The controller may be away for a while.
        match Jobs::of(sweep)?.tasks() {
            Err(error) => {
                let text = error.to_string();
                if before.insert(String::new(), text.clone()).as_ref() != Some(&text) {
                    foreman.say(&text);
                }
            }
            Ok(tasks) => {
                watch.look(&|| foreman.ends());
                let mut alive = 0;
                for &c in asked {
                    let (id, seen) = (&sweep.cells[c].id, &watch[c]);
                    let task = tasks
                        .get(id)
                        .filter(|_| seen.progress != Progress::Finished);
                    alive += usize::from(task.is_some_and(slurm::Task::is_alive));
                    let text = match task {
                        Some(task) => task.describe(),
                        None => seen.progress.name().to_owned(),
                    };
                    if before.insert(id.clone(), text.clone()).as_ref() != Some(&text) {
                        foreman.say(&format!("{id}: {text}"));
                    }
                }
                if alive == 0 {
                    let finished = table(sweep, asked)?;
                    return Ok(if finished {
                        ExitCode::SUCCESS
                    } else {
                        ExitCode::FAILURE
                    });
                }
            }
        }
        let until = Instant::now() + BETWEEN_LOOKS;
        while Instant::now() < until {
            if foreman.ends() {
                say("the runs go on; --cancel takes them back");
                return Ok(ExitCode::from(128 + caught.load(Ordering::Relaxed)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// What Slurm says of the sweep's runs, if any were handed in. Who works on this machine alone does not need its answer.
fn tasks(sweep: &Sweep, engine: Engine) -> pentimento::Result<BTreeMap<String, slurm::Task>> {
    match (Jobs::of(sweep)?.tasks(), engine) {
        (Err(error), Engine::Local) => {
            say(&format!(
                "what was handed in to Slurm is not known: {error}"
            ));
            Ok(BTreeMap::new())
        }
        (tasks, _) => tasks,
    }
}

/// Takes back what Slurm has of these runs, and stops those at work on this machine; where all are meant, also whoever
/// would begin the next ones.
fn cancel(sweep: &Sweep, asked: &[usize], all: bool) -> anyhow::Result<ExitCode> {
    Sweep::open(sweep.root())?;
    let runs: Vec<&str> = asked.iter().map(|&c| sweep.cells[c].id.as_str()).collect();
    let mut out = std::io::stdout();
    let cancelled = Jobs::of(sweep)?.cancel(&runs)?;
    for run in &cancelled {
        writeln!(out, "{run} is cancelled")?;
    }
    let is_held = |c: &usize| lock::holder(&sweep.run(&sweep.cells[*c])).is_some();
    if cancelled.is_empty() && Engaged::all(sweep).is_empty() && !asked.iter().any(is_held) {
        say("nothing of it is at work or queued");
    }
    for engine in Engaged::all(sweep).iter().filter(|_| all) {
        if engine.is_elsewhere() {
            writeln!(out, "{engine} does runs of it: stop it there")?;
            continue;
        }
        signals::terminate(engine.process);
        writeln!(out, "process {} begins no more runs", engine.process)?;
    }
    for &c in asked {
        let cell = &sweep.cells[c];
        if cancelled.contains(&cell.id) {
            continue;
        }
        match lock::holder(&sweep.run(cell)) {
            Some(holder) if holder.is_elsewhere() => {
                writeln!(out, "{} is worked on by {holder}: stop it there", cell.id)?;
            }
            Some(holder) => {
                signals::terminate(holder.process);
                writeln!(out, "{} stops with a checkpoint", cell.id)?;
            }
            None => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How the runs are handed in.
fn order(args: &SweepArgs) -> anyhow::Result<slurm::Order> {
    let options = SlurmRecipe {
        account: args.account.clone(),
        partition: args.partition.clone(),
        gres: args.gres.clone(),
        time: args.time.clone(),
        cpus: args.cpus,
        mem: args.mem.clone(),
        options: args.sbatch.clone(),
    };
    options.validate()?;
    let [device] = args.device.as_slice() else {
        return Err(Error::input(
            "--device takes one device with --engine slurm: each task sees its own GPUs only",
        )
        .into());
    };
    Ok(slurm::Order {
        options,
        slots: args.slots,
        device: device.clone(),
        program: std::env::current_exe().context("this program's own file is not to be found")?,
    })
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

/// Brings what the open runs need from the hub, once for all of them. Gives those that have everything, and the exit code
/// of the others, 0 where there are none: each of those is said to have failed, and the rest go on without them.
fn fetch(sweep: &Sweep, open: &[usize]) -> anyhow::Result<(Vec<usize>, u8)> {
    // What was not to be had is not asked for again by the next run.
    let mut known: Vec<(&Cell, String, u8)> = Vec::new();
    let mut ready = Vec::new();
    watched(hangup()?, |onlooker| {
        for &c in open {
            let cell = &sweep.cells[c];
            if known.iter().all(|(other, ..)| !cell.needs_what(other)) {
                match lab::fetch(&cell.recipe, onlooker) {
                    Err(Error::Cancelled) => return Err(Error::Cancelled),
                    Err(error) => known.push((cell, error.to_string(), error.exit_code())),
                    Ok(_) => ready.push(c),
                }
            }
            if let Some((_, why, _)) = known.iter().find(|(other, ..)| cell.needs_what(other)) {
                files::write_atomic(&sweep.refusal(cell), format!("{why}\n").as_bytes())?;
                say(&format!("{} failed: {why}", cell.id));
            }
        }
        Ok(())
    })?;
    let worst = known.iter().map(|(.., code)| *code).max().unwrap_or(0);
    Ok((ready, worst))
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

/// Prints a line for each run; whether all of them are finished.
fn table(sweep: &Sweep, asked: &[usize]) -> anyhow::Result<bool> {
    let mut watch = Watch::new(sweep);
    watch.look(&|| false);
    let width = asked.iter().map(|&c| sweep.cells[c].id.len()).max();
    let width = width.unwrap_or_default();
    let tasks = tasks(sweep, Engine::Local)?;
    let mut out = std::io::stdout();
    let mut finished = true;
    for &c in asked {
        let (id, seen) = (&sweep.cells[c].id, &watch[c]);
        finished &= seen.progress == Progress::Finished;
        let share = format!("{:3.0} %", seen.percent());
        let task = tasks.get(id).filter(|_| seen.progress.is_open());
        let unread = watch.unread_of(c);
        let text = match &seen.progress {
            // What is queued again has another chance.
            _ if task.is_some_and(slurm::Task::is_alive) => {
                task.map(slurm::Task::describe).unwrap_or_default()
            }
            Progress::Failed(why) => why.clone(),
            Progress::Waiting | Progress::Stopped if task.is_some() => {
                task.map(slurm::Task::describe).unwrap_or_default()
            }
            Progress::AtWork(who) => format!("{share}  {who}"),
            _ if unread.is_some() => format!("cannot be read: {}", unread.unwrap_or_default()),
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
    let listening = Listening::new()?;
    let hangup = hangup()?;
    args.parent.into_iter().for_each(signals::end_with);
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
        // What its journal says is told by that.
        Err(_) if sweep.run(cell).join("journal.jsonl").exists() => {}
        Err(error) => files::write_atomic(&refusal, format!("{error:#}\n").as_bytes())?,
    }
    follow(begun?, Log::Plain, hangup, listening)
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
    let left = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    if !there && left {
        return Err(Error::input(format!(
            "{} has no journal.jsonl any more: restore that from a copy, or delete the folder to begin the run anew",
            folder.display()
        ))
        .into());
    }
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
