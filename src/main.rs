//! Arguments → what to do → exit code.

#[path = "main/sweeping.rs"]
mod sweeping;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Context;
use clap::{CommandFactory, Parser};

use pentimento::cli::{BenchArgs, BranchArgs, Cli, Command, EvalArgs, Log, ReportArgs, RunArgs};
use pentimento::folder::RunFolder;
use pentimento::headless::{self, Ending, Format, say};
use pentimento::hub::Hub;
use pentimento::lab::{self, open_device, write_backbone};
use pentimento::recipe::{
    BackboneRecipe, LoraRecipe, PretrainRecipe, Recipe, preset, preset_files, presets,
    pretrain_presets,
};
use pentimento::run::{self as runs, RunView, standing_of};
use pentimento::session::{Options, Reopen, Session};
use pentimento::signals::{self, Hangup};
use pentimento::sweep::Sweep;
use pentimento::ui::text::clean;
use pentimento::{Error, cuda, eval, export, files, report, speed, ui};

/// Training allocates and frees large buffers at every step; the system's allocator gives each back to
/// the kernel, and page faults were a fifth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ui::report_panics();
    // What a panic says was said by then.
    std::panic::catch_unwind(answer).unwrap_or(ExitCode::FAILURE)
}

fn answer() -> ExitCode {
    pentimento::crash::on_demand("main");
    match carry_out(arguments()) {
        Ok(code) => code,
        Err(error) => {
            if let Some(printing) = error.downcast_ref::<std::io::Error>() {
                // A reader that closed the pipe has all it wanted.
                if printing.kind() == std::io::ErrorKind::BrokenPipe {
                    return ExitCode::SUCCESS;
                }
                say(&format!(
                    "what was to be printed is lost, for standard output takes nothing more: {printing}"
                ));
                return ExitCode::FAILURE;
            }
            if let Some(GivenUp(number)) = error.downcast_ref() {
                say(&error.to_string());
                return ExitCode::from(128 + number);
            }
            // Our own errors name their cause; of others the chain says more.
            let code = match error.downcast_ref::<Error>() {
                Some(error) => {
                    say(&error.to_string());
                    error.exit_code()
                }
                None => {
                    say(&format!("{error:#}"));
                    1
                }
            };
            ExitCode::from(code)
        }
    }
}

/// The command line. clap repeats what is wrong as it was given; to a terminal it goes as text.
fn arguments() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| {
        let text = error.render().to_string();
        let plain = text.lines().all(|line| clean(line) == line);
        if plain || !error.use_stderr() {
            error.exit();
        }
        // Whoever would read it may be gone.
        let mut stderr = std::io::stderr();
        for line in text.lines() {
            let _ = writeln!(stderr, "{}", clean(line));
        }
        std::process::exit(error.exit_code())
    })
}

/// A path on standard output: as it is for a program that reads it, as text for a terminal.
fn listed(path: &Path) -> String {
    match std::io::stdout().is_terminal() {
        true => clean(&path.display().to_string()),
        false => path.display().to_string(),
    }
}

fn carry_out(cli: Cli) -> anyhow::Result<ExitCode> {
    signals::outlive_limits()?;
    match cli.command {
        None => bench(),
        Some(Command::Run(args)) => run(&args),
        Some(Command::Branch(args)) => branch(args),
        Some(Command::Sweep(args)) => sweeping::sweep(args),
        Some(Command::SweepRun(args)) => sweeping::sweep_run(&args),
        Some(Command::Open { run }) => open(&run),
        Some(Command::Fetch { recipe, overrides }) => fetch(&recipe, &overrides),
        Some(Command::Resume { run, device, log }) => resume(&run, device, log),
        Some(Command::Export {
            run,
            backbone: Some(to),
            ..
        }) => export_backbone(&run, &to),
        Some(Command::Export {
            run,
            out,
            format,
            only,
            wide,
            ..
        }) => {
            let choice = (!format.is_empty()).then(|| export::Choice {
                artefacts: if only.is_empty() {
                    export::Artefact::ALL.into()
                } else {
                    only
                },
                formats: format,
                width: if wide {
                    export::PageWidth::Page
                } else {
                    export::PageWidth::Column
                },
            });
            export(&run, choice.as_ref(), out.as_deref())
        }
        Some(Command::Report(args)) => report(args),
        Some(Command::Eval(args)) => eval(&args),
        Some(Command::Inspect {
            backbone,
            targets,
            rank,
        }) => inspect(&backbone, targets, rank),
        Some(Command::Pretrain {
            recipe,
            out,
            seed,
            device,
            overrides,
        }) => pretrain(&recipe, &out, &with_seed(overrides, seed), &device.device),
        Some(Command::Presets { name: None }) => list_presets(),
        Some(Command::Presets { name: Some(name) }) => print_preset(&name),
        Some(Command::Keys) => keys(),
        Some(Command::Doctor { run: None, .. }) => doctor(),
        Some(Command::Doctor {
            run: Some(run),
            repair,
        }) => doctor_of_run(&run, repair),
        Some(Command::Bench(args)) => measure_speed(args),
        Some(Command::Completions { shell }) => {
            // clap_complete panics where it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pentimento", &mut script);
            std::io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// `--seed` is a shorthand for `--set seed=…`, and the last word.
fn with_seed(mut overrides: Vec<String>, seed: Option<u64>) -> Vec<String> {
    overrides.extend(seed.map(|seed| format!("seed={seed}")));
    overrides
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the runtime of signals and the screen does not start")
}

/// A variable of the environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The set-up screen, and whatever runs its user starts from there.
fn bench() -> anyhow::Result<ExitCode> {
    ui::require_terminal("`pentimento run demo --out RUN` does the same")?;
    let settings = ui::Settings::read(&variable)?;
    show(&mut app(&settings)?, None, &settings)
}

/// The screens over an existing run, as its journal tells it; followed live if another process works on it. Of a sweep's
/// folder, the grid of its runs.
/// Nothing is written until the user puts a lab to work.
fn open(run: &Path) -> anyhow::Result<ExitCode> {
    let sweep = Sweep::at(run)?;
    let word = files::word(run);
    ui::require_terminal(&match &sweep {
        Some(_) => format!("`pentimento sweep --out {word} --status` tells of the sweep"),
        None => {
            RunFolder::open(run)?;
            format!("`pentimento resume {word}` goes on with the run")
        }
    })?;
    let settings = ui::Settings::read(&variable)?;
    if sweep.is_some() {
        let mut app = app(&settings)?;
        app.open_sweep(run);
        return show(&mut app, None, &settings);
    }
    let (past, session) = Session::open(run)?;
    let mut app = app(&settings)?;
    app.on_opened(run, &past, session.is_some());
    show(&mut app, session, &settings)
}

fn app(settings: &ui::Settings) -> anyhow::Result<ui::App> {
    let environment = ui::Environment::of_this_program(Path::new("runs"))?;
    let mut app = ui::App::new(environment, settings.theme(&variable)).with_keys(settings);
    app.pictures = settings.pictures(&variable);
    Ok(app)
}

fn show(
    app: &mut ui::App,
    session: Option<Session>,
    settings: &ui::Settings,
) -> anyhow::Result<ExitCode> {
    let manners = ui::Manners {
        mouse: settings.hears_mouse(&variable),
        hangup: settings.hangup,
    };
    let ending = runtime()?.block_on(ui::run(app, session, manners))?;
    if let Some(folder) = app.folder() {
        say(&format!("the run is in {}", folder.display()));
    }
    Ok(match ending {
        ui::Ending::Left => ExitCode::SUCCESS,
        ui::Ending::Signal(number) => ExitCode::from(128 + number),
    })
}

/// The keys in force as a settings file, after a line on where that file is.
fn keys() -> anyhow::Result<ExitCode> {
    let settings = ui::Settings::read(&variable)?;
    let place = match ui::Settings::path(&variable) {
        Some(path) if path.exists() => path.display().to_string(),
        Some(path) => format!("{} (there is none yet)", path.display()),
        None => "nowhere: neither HOME nor XDG_CONFIG_HOME is an absolute path".into(),
    };
    let mut out = std::io::stdout();
    writeln!(out, "# The settings file: {}", clean(&place))?;
    write!(out, "{}", settings.keys.listing())?;
    Ok(ExitCode::SUCCESS)
}

fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let hangup = hangup()?;
    let recipe = Recipe::load(&args.recipe, &with_seed(args.overrides.clone(), args.seed))?;
    let options = Options {
        device: Some(args.device.device.clone()),
        automatic: true,
        leave_when_finished: true,
        shared: None,
    };
    let listening = Listening::new()?;
    let session = watched(hangup, |onlooker| {
        Session::create(recipe, args.out.as_deref(), &options, onlooker)
    })?;
    follow(session, args.log, hangup, listening)
}

/// A run that begins with the rows of another one.
fn branch(args: BranchArgs) -> anyhow::Result<ExitCode> {
    let hangup = hangup()?;
    let folder = RunFolder::open(&args.run)?;
    let view = RunView::of(&folder)?;
    let started = view.begun(&folder)?;
    let ids = view.task_ids();
    let at = match args.at.parse() {
        Ok(number) => number,
        Err(_) => match ids.iter().position(|id| *id == args.at) {
            Some(i) => i + 1,
            None => {
                return Err(Error::input(format!(
                    "--at {}: no task is called so; its tasks are {}",
                    args.at.escape_debug(),
                    ids.join(", ")
                ))
                .into());
            }
        },
    };
    let overrides = with_seed(args.overrides, args.seed);
    let recipe = overrides
        .iter()
        .try_fold(started.recipe.clone(), |recipe, o| recipe.with(o))?;
    let options = Options {
        device: Some(args.device.unwrap_or_else(|| started.device.clone())),
        automatic: true,
        leave_when_finished: true,
        shared: None,
    };
    let listening = Listening::new()?;
    let session = watched(hangup, |onlooker| {
        Session::branch(
            &args.run,
            at,
            recipe,
            args.out.as_deref(),
            &options,
            onlooker,
        )
    })?;
    follow(session, args.log, hangup, listening)
}

/// What the settings say of a terminal that goes.
fn hangup() -> pentimento::Result<Hangup> {
    Ok(ui::Settings::read(&variable)?.hangup)
}

/// Does long work whose progress goes to standard error; a signal gives it up, and a terminal that goes where `hangup`
/// says so.
fn watched<T>(
    hangup: Hangup,
    work: impl FnOnce(&mut headless::Waiter) -> pentimento::Result<T>,
) -> anyhow::Result<T> {
    let runtime = runtime()?;
    let caught = Arc::new(AtomicU8::new(0));
    runtime.spawn(headless::catch(Arc::clone(&caught), hangup, None));
    match work(&mut headless::Waiter::new(Arc::clone(&caught))) {
        Err(Error::Cancelled) => Err(GivenUp(caught.load(Ordering::Relaxed)).into()),
        done => Ok(done?),
    }
}

/// A signal ended work that had not begun to change anything.
#[derive(Debug, thiserror::Error)]
#[error("stopped before anything was written but the hub's cache")]
struct GivenUp(u8);

/// Brings everything that a preset needs onto this machine.
fn fetch(recipe: &str, overrides: &[String]) -> anyhow::Result<ExitCode> {
    let recipe = Recipe::load(recipe, overrides)?;
    let places = watched(Hangup::Stop, |onlooker| lab::fetch(&recipe, onlooker))?;
    let mut out = std::io::stdout();
    for place in &places {
        writeln!(out, "{}", listed(place))?;
    }
    if places.is_empty() {
        say(&format!("{} needs nothing from the hub", recipe.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses files that cannot be written before the work that they are for.
fn free_outputs(outputs: &[(&str, &Option<std::path::PathBuf>)]) -> pentimento::Result<()> {
    let given: Vec<(&str, &Path)> = outputs
        .iter()
        .filter_map(|(name, path)| Some((*name, path.as_deref()?)))
        .collect();
    for (i, (name, path)) in given.iter().enumerate() {
        let shown = path.display();
        if let Some((other, _)) = given[..i].iter().find(|(_, p)| p == path) {
            return Err(Error::input(format!(
                "{other} and {name} are both {shown}: give each a file of its own"
            )));
        }
        if path.is_dir() {
            return Err(Error::input(format!(
                "{name} {shown} is a folder: name a file in it"
            )));
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|f| !f.is_dir()) {
            return Err(Error::input(format!(
                "{name} {shown}: there is no folder {}",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// A backbone on a data set: accuracy, a table of the classes, and the files that were asked for.
fn eval(args: &EvalArgs) -> anyhow::Result<ExitCode> {
    let outputs = [
        ("--logits", &args.logits),
        ("--predictions", &args.predictions),
        ("--classes", &args.classes),
    ];
    free_outputs(&outputs)?;
    let (device, _) = open_device(&args.device.device)?;
    let request = eval::Request {
        backbone: args.backbone.clone(),
        head: args.head.clone(),
        data: args.data.clone(),
        split: args.split.clone(),
        config: args.config.clone(),
        batch_size: args.batch_size.into(),
    };
    let result = watched(Hangup::Stop, |onlooker| {
        eval::evaluate(&request, &device, onlooker)
    })?;
    for warning in &result.warnings {
        say(warning);
    }
    if let Some(path) = &args.logits {
        result.write_logits(path)?;
    }
    if let Some(path) = &args.predictions {
        result.write_predictions(path)?;
    }
    if let Some(path) = &args.classes {
        result.write_classes(path)?;
    }
    let mut out = std::io::stdout();
    for (_, name, right, total) in result.per_class().filter(|c| c.3 > 0) {
        let share = 100.0 * f64::from(right) / f64::from(total);
        writeln!(
            out,
            "{share:6.2} %  {right:6} of {total:6}  {}",
            name.escape_debug()
        )?;
    }
    let (right, total) = (
        result.counts.correct.iter().sum::<u32>(),
        result.counts.total.iter().sum::<u32>(),
    );
    writeln!(
        out,
        "accuracy {:.4}  {right} of {total} images of {}",
        result.counts.accuracy(),
        clean(&args.data)
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A backbone's modules, each with what an adapter would train there; of a run, what its own adapters train.
fn inspect(
    backbone: &str,
    targets: Option<String>,
    rank: Option<usize>,
) -> anyhow::Result<ExitCode> {
    let (recipe, mut lora) = match RunFolder::at(Path::new(backbone))? {
        Some(run) => {
            let view = RunView::of(&run)?;
            let recipe = &view.begun(&run)?.recipe;
            (recipe.backbone.clone(), recipe.lora.clone())
        }
        None => {
            let lora = LoraRecipe::of_rank(16, "default".into());
            (BackboneRecipe::from_argument(backbone), lora)
        }
    };
    lora.targets = targets.unwrap_or(lora.targets);
    lora.rank = rank.unwrap_or(lora.rank);
    let config = watched(Hangup::Stop, |onlooker| {
        lab::fetch_config(&recipe, onlooker)
    })?;
    let chosen = pentimento::lora::target_modules(&lora, &config)?;
    let parameters = pentimento::backbone::parameters(&config)?;
    let mut out = std::io::stdout();
    let [c, h, w] = config.pretrained_cfg.input_size;
    writeln!(
        out,
        "{}  {parameters} parameters without the classifier, {} classes, input {c}×{h}×{w}",
        config.architecture, config.num_classes
    )?;
    let mut trained = 0;
    for layer in pentimento::backbone::layers(&config)? {
        let target = chosen.iter().find(|m| m.name == layer.name);
        let note = match target {
            Some(module) => {
                trained += module.parameters;
                let what = if lora.mode.is_full() {
                    "full"
                } else {
                    "adapter"
                };
                format!("{what} {}", module.parameters)
            }
            None => String::new(),
        };
        let shape = format!("{:?}", layer.weight_shape());
        writeln!(out, "{:36} {shape:20} {note}", layer.name)?;
    }
    let rank = match lora.mode.is_full() {
        true => "full rank".to_owned(),
        false => format!("rank {}", lora.rank),
    };
    writeln!(
        out,
        "{} of these modules match {:?}: {trained} trained parameters at {rank}, {:.3} % of the backbone",
        chosen.len(),
        lora.targets,
        100.0 * trained as f64 / parameters as f64
    )?;
    Ok(ExitCode::SUCCESS)
}

fn resume(run: &Path, device: Option<String>, log: Log) -> anyhow::Result<ExitCode> {
    let hangup = hangup()?;
    let options = Options {
        device,
        automatic: true,
        leave_when_finished: true,
        shared: None,
    };
    let listening = Listening::new()?;
    let mut session = watched(hangup, |onlooker| {
        Session::reopen(run, &options, Reopen::GoOn, onlooker)
    })?;
    // Nobody is there to step by hand.
    session.send(lab::Command::Automatic(true))?;
    follow(session, log, hangup, listening)
}

/// Hears the signals of a run from before it begins, so that none is lost between its beginning and its work.
struct Listening {
    runtime: tokio::runtime::Runtime,
    signals: signals::Signals,
}

impl Listening {
    fn new() -> anyhow::Result<Self> {
        let runtime = runtime()?;
        let signals = {
            let _within = runtime.enter();
            signals::Signals::listen()?
        };
        Ok(Self { runtime, signals })
    }
}

fn follow(
    session: Session,
    log: Log,
    hangup: Hangup,
    listening: Listening,
) -> anyhow::Result<ExitCode> {
    let format = match log {
        Log::Plain => Format::Plain,
        Log::Json => Format::Json,
    };
    let folder = session.folder.clone();
    say(&format!("the run is in {}", folder.display()));
    let ending = listening.runtime.block_on(headless::follow(
        session,
        format,
        hangup,
        &mut std::io::stdout(),
        listening.signals,
    ))?;
    Ok(match ending {
        Ending::Finished => {
            // The lab has written it; where it could not, this says why.
            let out = folder.join("export");
            export::write_journal(&RunFolder::open(&folder)?, &out)?;
            say(&format!("exported to {}", out.display()));
            ExitCode::SUCCESS
        }
        Ending::Signal(number) => {
            say(&format!(
                "stopped; `pentimento resume {}` goes on",
                files::word(&folder)
            ));
            ExitCode::from(128 + number)
        }
        Ending::Failed(error) => return Err(error.into()),
    })
}

fn export(
    run: &Path,
    choice: Option<&export::Choice>,
    out: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let folder = RunFolder::open(run)?;
    let out = out.map_or_else(|| folder.export_path(), Path::to_path_buf);
    std::fs::create_dir_all(&out).map_err(|e| {
        Error::input(format!(
            "{} cannot be the export's folder: {e}; give another one by --out",
            out.display()
        ))
    })?;
    let mut stdout = std::io::stdout();
    let (files, torn) = match choice {
        Some(choice) => export::write_journal_chosen(&folder, choice, &out)?,
        None => export::write_journal(&folder, &out)?,
    };
    if let Some(torn) = torn {
        say(&torn.to_string());
    }
    for file in files {
        writeln!(stdout, "{}", listed(&file))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Many runs in one report: a line for each group of its files, then the finding.
fn report(args: ReportArgs) -> anyhow::Result<ExitCode> {
    let request = report::Request {
        folders: args.runs,
        formats: match args.format.is_empty() {
            true => report::Format::ALL.into(),
            false => args.format,
        },
        forgetting: args.forgetting,
        logs: args.study,
        out: args.out,
    };
    let written = report::report(&request)?;
    let mut out = std::io::stdout();
    for group in &written.groups {
        writeln!(out, "{}: {}", listed(&request.out), clean(group))?;
    }
    for line in &written.finding {
        writeln!(out, "{}", clean(line))?;
    }
    for notice in &written.notices {
        say(notice);
    }
    if written.left_out > 0 {
        say(&format!(
            "{} in no figure: the report says which, and why",
            match written.left_out {
                1 => "1 of the runs found is".into(),
                n => format!("{n} of the runs found are"),
            }
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn export_backbone(run: &Path, to: &Path) -> anyhow::Result<ExitCode> {
    let folder = RunFolder::open(run)?;
    let (recipe, standing) = standing_of(&folder)?;
    claim("--backbone", to)?;
    watched(Hangup::Stop, |onlooker| {
        write_backbone(&recipe, &standing, &folder, to, onlooker)
    })?;
    writeln!(
        std::io::stdout(),
        "{}",
        listed(&to.join("model.safetensors"))
    )?;
    Ok(ExitCode::SUCCESS)
}

fn pretrain(
    recipe: &str,
    out: &Path,
    overrides: &[String],
    device: &str,
) -> anyhow::Result<ExitCode> {
    let recipe = PretrainRecipe::load(recipe, overrides)?;
    let (device, _) = open_device(device)?;
    claim("--out", out)?;
    let runtime = runtime()?;
    let caught = Arc::new(AtomicU8::new(0));
    let question = "stop? Ctrl-C once more gives up what is trained so far; until then it goes on";
    let catch = headless::catch(Arc::clone(&caught), hangup()?, Some(question));
    runtime.spawn(catch);
    let begun = std::time::Instant::now();
    // Who reads along may leave; the training goes on.
    let say = |text: &str| drop(writeln!(std::io::stdout(), "{text}"));
    let stops = || caught.load(Ordering::Relaxed) != 0;
    let made = lab::pretrain(&recipe, out, &device, &stops, &mut |report| {
        if report.epoch_ends {
            say(&format!(
                "epoch {:3}  step {}/{}  loss {:.4}  train accuracy {:.4}  lr {:.2e}  {:.0} s",
                report.epoch,
                report.step,
                report.steps,
                report.loss,
                report.accuracy,
                report.lr,
                begun.elapsed().as_secs_f64()
            ));
        }
    });
    if made.is_err() {
        // Nothing is in it but what was written, if anything was.
        let _ = std::fs::remove_dir(out);
    }
    let counts = match made {
        Err(Error::Cancelled) => {
            headless::say("stopped; nothing is written, and a pretraining begins anew");
            return Ok(ExitCode::from(128 + caught.load(Ordering::Relaxed)));
        }
        made => made?,
    };
    say(&format!(
        "accuracy on {} unseen images of {}: {:.4}",
        counts.total.iter().sum::<u32>(),
        recipe.foundation.data,
        counts.accuracy()
    ));
    say(&format!("written to {}", clean(&out.display().to_string())));
    Ok(ExitCode::SUCCESS)
}

/// A folder for a backbone: absent, then it is made, or empty.
fn claim(flag: &str, out: &Path) -> Result<(), Error> {
    let refused = |why: &dyn std::fmt::Display| {
        Error::input(format!(
            "{flag} {} cannot be a backbone's folder: {why}; give another one",
            out.display()
        ))
    };
    std::fs::create_dir_all(out).map_err(|e| refused(&e))?;
    let mut entries = std::fs::read_dir(out).map_err(|e| refused(&e))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(refused(&"it is not empty")),
    }
}

fn list_presets() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    for preset in presets() {
        writeln!(out, "{:14} {}", preset.name, preset.description())?;
    }
    let files = preset_files(Path::new("."));
    if !files.is_empty() {
        writeln!(out, "\nfiles of this folder:")?;
    }
    for (path, description) in files {
        let path = clean(&path.display().to_string());
        writeln!(out, "{path:14} {}", clean(&description))?;
    }
    writeln!(out, "\nfor `pentimento pretrain`:")?;
    for preset in pretrain_presets() {
        let recipe = PretrainRecipe::load(preset.name, &[])?;
        writeln!(out, "{:14} {}", preset.name, recipe.description)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_preset(name: &str) -> anyhow::Result<ExitCode> {
    write!(std::io::stdout(), "{}", preset(name)?.text)?;
    Ok(ExitCode::SUCCESS)
}

/// How fast pictures become batches here.
fn measure_loading(args: BenchArgs, data: String) -> anyhow::Result<ExitCode> {
    let workers = args.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    let request = speed::LoadingRequest {
        data,
        backbone: args.backbone,
        image_size: args.image_size.map(usize::from),
        batch_size: args.batch_size.into(),
        workers,
    };
    let mut out = std::io::stdout();
    if args.on_request {
        let mut loading = watched(Hangup::Stop, |onlooker| {
            speed::Loading::open(request, onlooker)
        })?;
        for line in std::io::stdin().lines() {
            let line = line?;
            if line.trim() != "loading" {
                return Err(Error::input(format!(
                    "{line:?} is nothing that is measured with --loading: write loading"
                ))
                .into());
            }
            writeln!(out, "{}", serde_json::to_string(&loading.round()?)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = watched(Hangup::Stop, |onlooker| {
        speed::Loading::open(request, onlooker)?.measure(args.rounds.into(), onlooker)
    })?;
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        false => write!(out, "{report}")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// How fast this machine trains and infers.
fn measure_speed(mut args: BenchArgs) -> anyhow::Result<ExitCode> {
    if let Some(data) = args.loading.take() {
        return measure_loading(args, data);
    }
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .with_context(|| format!("{threads} threads could not be started"))?;
    }
    let request = speed::Request {
        device: args.device.device,
        backbone: args.backbone,
        image_size: args.image_size.map(usize::from),
        precision: args.precision,
        targets: args.targets,
        rank: args.rank,
        dropout: args.dropout,
        classes: args.classes.into(),
        batch_size: args.batch_size.into(),
        inputs: args.inputs,
    };
    let mut out = std::io::stdout();
    if args.on_request {
        let mut bench = watched(Hangup::Stop, |onlooker| {
            speed::Bench::open(request, onlooker)
        })?;
        for line in std::io::stdin().lines() {
            let sample = bench.round(line?.trim().parse()?)?;
            writeln!(out, "{}", serde_json::to_string(&sample)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let works = args.only.map_or(speed::Work::ALL.into(), |work| vec![work]);
    let report = watched(Hangup::Stop, |onlooker| {
        speed::Bench::open(request, onlooker)?.measure(&works, args.rounds.into(), onlooker)
    })?;
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        false => write!(out, "{report}")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What this binary and this machine can do, one fact a line.
fn doctor() -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let machine = pentimento::run::Machine::here();
    let gpu = if candle_core::utils::cuda_is_available() {
        match open_device("cuda:0") {
            Ok(_) => "cuda:0 opens".to_owned(),
            Err(error) => error.to_string(),
        }
    } else {
        "not in this binary (build with --features cuda)".to_owned()
    };
    let hub = Hub::new().map_or_else(|e| e.to_string(), |hub| hub.describe());
    let terminal = |yes: bool| if yes { "a terminal" } else { "no terminal" };
    let facts = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("cpu", machine.cpu),
        ("threads", machine.threads.to_string()),
        ("avx-512", yes_no(speed::has_avx512())),
        ("gpu", gpu),
        ("hub", hub),
        (
            "terminal",
            format!(
                "standard input is {}, standard output is {}, TERM={}",
                terminal(std::io::stdin().is_terminal()),
                terminal(std::io::stdout().is_terminal()),
                std::env::var("TERM").unwrap_or_default()
            ),
        ),
        (
            "colours off",
            yes_no(std::env::var_os("NO_COLOR").is_some()),
        ),
    ];
    for (name, fact) in facts.into_iter().chain(cuda::facts(&variable)) {
        writeln!(out, "{name:12} {}", clean(&fact))?;
    }
    for name in pentimento::backbone::bundled_names() {
        let device = candle_core::Device::Cpu;
        let (config, _, sha256) = pentimento::backbone::bundled(name, &device)?;
        let parameters = pentimento::backbone::parameters(&config)?;
        writeln!(
            out,
            "{name:12} {}, {parameters} parameters, sha256 {}",
            config.architecture,
            &sha256[..12]
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What of a run's folder is whole, what is not, and what to do; before that, what can be saved is.
fn doctor_of_run(run: &Path, repair: bool) -> anyhow::Result<ExitCode> {
    let done = match repair {
        true => runs::doctor::repair(run)?,
        false => Vec::new(),
    };
    let found = runs::doctor::examine(run)?;
    let mut out = std::io::stdout();
    for (name, lines) in [
        ("repaired", &done),
        ("problem", &found.problems),
        ("remark", &found.remarks),
        ("whole", &found.whole),
        ("next", &vec![found.advice]),
    ] {
        for line in lines {
            writeln!(out, "{name:9} {}", clean(line))?;
        }
    }
    Ok(match found.problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(2),
    })
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.into()
}
