//! A run with its lab at work: the journal between the lab's thread and whoever looks on.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use candle_core::Device;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::control::{Control, Door};
use crate::folder::RunFolder;
use crate::lab::{
    Bench, Command, Desk, Event, Lab, Pulse, Record, Recorder, Standing, State, TestSet,
    open_device,
};
use crate::progress::Onlooker;
use crate::recipe::Recipe;
use crate::run::view::Started;
use crate::run::{
    Fingerprint, Follower, Journal, Manifest, Parent, RunView, Trunk, journal, lock, standing,
};
use crate::shared::Shared;
use crate::{Error, Result, crash, export, files};

/// candle walks the graph recursively when it goes backward.
const LAB_STACK: usize = 16 << 20;

/// Between two looks at a journal that another process writes.
const LOOK: std::time::Duration = std::time::Duration::from_millis(300);

/// What a session tells.
#[derive(Clone, Debug)]
pub enum Update {
    /// Something happened; it is in the journal.
    Record(Box<Record>),
    /// What is being done at this moment.
    Pulse(Pulse),
    /// Why the run stands still, which its journal cannot say: the disk refuses to be written to.
    Standstill(String),
    /// The lab's thread is gone.
    Ended,
}

/// How a run is worked on.
#[derive(Clone, Debug)]
pub struct Options {
    /// `auto`, `cpu` or `cuda:N`; without it a new run takes `auto`, and an old one the device it was begun on.
    pub device: Option<String>,
    /// Whether step and merge of a new run happen by themselves; an old one is as its journal says.
    pub automatic: bool,
    /// End the lab when the sequence is finished, instead of waiting for an undo.
    pub leave_when_finished: bool,
    /// What it has in common with other runs of a sweep.
    pub shared: Option<Shared>,
}

/// A run with its lab at work.
pub struct Session {
    /// The run's folder.
    pub folder: PathBuf,
    /// Records from before this session, oldest first.
    pub past: Vec<Record>,
    /// What happens now.
    pub updates: UnboundedReceiver<Update>,
    commands: Sender<Command>,
    thread: Option<JoinHandle<Option<Error>>>,
    /// Where the lab is another process's: its end of the line, once taken.
    control: Option<Control>,
    /// Where the lab is ours: what a second terminal reaches it by.
    door: Option<Door>,
}

/// What `Session::reopen` does with work that was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopen {
    /// Go on at once.
    GoOn,
    /// Stand still until the user says so.
    Hold,
}

impl Session {
    /// Begins a run in `folder`, or in `runs/PRESET-sSEED-N` without one. Nothing is written before the
    /// recipe, the device, the backbone and the data were found to be sound; `onlooker` waits for that.
    pub fn create(
        recipe: Recipe,
        folder: Option<&Path>,
        options: &Options,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Self> {
        let (device, device_name) = prepared(&recipe, folder, options)?;
        let bench = Bench::new(recipe, device, options.shared.clone(), onlooker)?;
        let (folder, journal) = Self::lay_out(&bench, folder, &device_name, None)?;
        Self::start(
            folder,
            journal,
            Vec::new(),
            RunView::default(),
            options,
            Work::Begin(device_name),
            bench,
        )
    }

    /// Begins a run in `folder` with the rows of the run in `parent` up to and with row `at`, whose weights, figures
    /// and records it has from there. With the parent's own recipe it goes on as the parent did, bit for bit.
    ///
    /// # Errors
    /// As [`Session::create`], and [`Error::Input`] where the recipe cannot begin with these rows.
    pub fn branch(
        parent: &Path,
        at: usize,
        recipe: Recipe,
        folder: Option<&Path>,
        options: &Options,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Self> {
        let (device, device_name) = prepared(&recipe, folder, options)?;
        let parent = RunFolder::open(parent)?;
        let past = journal::read(&parent.journal_path())?.records;
        let view = RunView::replay(&past);
        let started = view.begun(&parent)?;
        let trunk = Trunk::of(&parent, &past, &view, at, &recipe)?;
        let mut bench = Bench::new(recipe, device, options.shared.clone(), onlooker)?;
        bench.ancestry.clone_from(&trunk.ancestry);
        same_material(&bench, started, &parent, at)?;
        let begin = Lab::<Notebook>::beginning(&bench, device_name.clone(), options.automatic)?;
        let (folder, mut journal) =
            Self::lay_out(&bench, folder, &device_name, Some(trunk.parent.clone()))?;
        let laid = trunk.lay_into(&parent, &folder, &mut journal, begin);
        let past = laid.inspect_err(|_| unmake(&folder))?;
        let view = RunView::replay(&past);
        let work = Work::GoOn {
            standing: Box::new(standing(&view)),
            how: Reopen::GoOn,
            warnings: Vec::new(),
        };
        Self::start(folder, journal, past, view, options, work, bench)
    }

    /// Makes a run's folder, its manifest and its journal.
    fn lay_out(
        bench: &Bench,
        folder: Option<&Path>,
        device: &str,
        parent: Option<Parent>,
    ) -> Result<(RunFolder, Journal)> {
        let recipe = bench.recipe.clone();
        let folder = match folder {
            Some(folder) => RunFolder::create(folder)?,
            None => RunFolder::create_default(Path::new("runs"), &recipe.name, recipe.seed)?,
        };
        let fingerprint = |(source, sha256)| Fingerprint { source, sha256 };
        let weights = fingerprint((
            recipe.backbone.source.clone(),
            bench.material.weights_sha256.clone(),
        ));
        let data = bench.fingerprints().into_iter().map(fingerprint).collect();
        let hash = recipe.hash()?;
        let manifest = Manifest {
            parent,
            ..Manifest::new(recipe, hash, device, weights, data)
        };
        // The journal first: of two programs that begin in one folder it lets one in.
        let journal = Journal::create(&folder.journal_path())?;
        let written = manifest.write(&folder.manifest_path());
        written.inspect_err(|_| unmake(&folder))?;
        Ok((folder, journal))
    }

    /// Takes up a run that was stopped, killed or finished. Refused while another process works on it.
    pub fn reopen(
        folder: &Path,
        options: &Options,
        how: Reopen,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Self> {
        let folder = RunFolder::open(folder)?;
        let (journal, reading) = Journal::open(&folder.journal_path())?;
        files::remove_partials(folder.root())?;
        let mut warnings = reading.notes();
        let past = reading.records;
        let view = RunView::replay(&past);
        let started = view.begun(&folder)?;
        let begun_on = started.device.clone();
        let wanted = options.device.as_deref().unwrap_or(&begun_on);
        let (device, device_name) = open_device(wanted)?;
        let bench = Bench::new(
            started.recipe.clone(),
            device,
            options.shared.clone(),
            onlooker,
        )?;
        same_material(&bench, started, &folder, started.recipe.tasks.len())?;
        if view.state == State::Finished {
            // A crash may have come between the last event and the export.
            export::write(&view, &folder.export_path())?;
        }
        if device_name != begun_on {
            warnings.push(format!(
                "the run goes on on {device_name}, but was begun on {begun_on}: the bits may differ"
            ));
        }
        let standing = standing(&view);
        let options = Options {
            automatic: view.automatic,
            ..options.clone()
        };
        Self::start(
            folder,
            journal,
            past,
            view,
            &options,
            Work::GoOn {
                standing: Box::new(standing),
                how,
                warnings,
            },
            bench,
        )
    }

    /// Looks on while another process works on a run: its records as the journal gets them, without control.
    pub fn look_on(folder: &Path) -> Result<Self> {
        let folder = RunFolder::open(folder)?;
        let mut journal = Follower::new(folder.journal_path());
        let past = journal.advance()?.records;
        let (commands, inbox) = channel();
        let (outbox, updates) = unbounded_channel();
        let mut seen = past.len();
        let thread = std::thread::Builder::new()
            .name("onlooker".into())
            .spawn(move || {
                let mut failure = None;
                // Commands are not heard, except the one that ends this.
                while !inbox.try_iter().any(|c| c == Command::Stop) {
                    match journal.advance() {
                        Ok(news) => {
                            // What was told cannot be taken back.
                            let told = if news.anew { seen } else { 0 };
                            for record in news.records.into_iter().skip(told) {
                                seen += 1;
                                let _ = outbox.send(Update::Record(Box::new(record)));
                            }
                        }
                        Err(error) => {
                            failure = Some(error);
                            break;
                        }
                    }
                    std::thread::sleep(LOOK);
                }
                let _ = outbox.send(Update::Ended);
                failure
            })
            .map_err(Error::io("the onlooker's thread"))?;
        Ok(Self {
            folder: folder.root().to_path_buf(),
            past,
            updates,
            commands,
            thread: Some(thread),
            control: None,
            door: None,
        })
    }

    /// Takes the control of a lab of another process, which is looked on at.
    ///
    /// # Errors
    /// As [`Control::take`].
    pub fn take_control(&mut self) -> Result<()> {
        self.control = Some(Control::take(&self.folder)?);
        Ok(())
    }

    /// A run to be looked at, as its journal tells it; followed live where another process works on it. Nothing is
    /// written.
    ///
    /// # Errors
    /// As [`RunFolder::open`] and [`journal::read`].
    pub fn open(folder: &Path) -> Result<(Vec<Record>, Option<Self>)> {
        let run = RunFolder::open(folder)?;
        if lock::holder(run.root()).is_some() {
            let mut session = Self::look_on(folder)?;
            return Ok((std::mem::take(&mut session.past), Some(session)));
        }
        Ok((journal::read(&run.journal_path())?.records, None))
    }

    fn start(
        folder: RunFolder,
        journal: Journal,
        past: Vec<Record>,
        view: RunView,
        options: &Options,
        work: Work,
        bench: Bench,
    ) -> Result<Self> {
        let (commands, inbox) = channel();
        let (outbox, updates) = unbounded_channel();
        let path = folder.root().to_path_buf();
        let own = path.clone();
        crash::is_about(&path);
        let notebook = Notebook {
            folder,
            journal,
            view,
            outbox: outbox.clone(),
        };
        let desk = Desk::new(inbox, notebook, options.automatic);
        // Each thread has a stream of its own on a GPU: what this one has put there must lie there before the lab reads it.
        bench.device.synchronize()?;
        let mut lab = Lab::new(bench, desk, options.leave_when_finished);
        let thread = std::thread::Builder::new()
            .name("lab".into())
            .stack_size(LAB_STACK)
            .spawn(move || {
                crash::belongs_to(&own);
                let ended = catch_unwind(AssertUnwindSafe(|| work.carry_out(&mut lab)));
                let (failure, unbegun) = match ended {
                    Ok(Ok(())) => (None, false),
                    Ok(Err(Stop::Unbegun(error))) => (Some(error), true),
                    Ok(Err(Stop::Failed(error))) => (Some(error), false),
                    Err(panic) => (Some(Error::internal(panic_text(panic.as_ref()))), false),
                };
                if let Some(error) = failure.as_ref().filter(|_| !unbegun) {
                    lab.fail(error);
                }
                // Whoever looked on may be gone already.
                let _ = outbox.send(Update::Ended);
                failure
            })
            .map_err(Error::io("the lab's thread"))?;
        Ok(Self {
            door: Door::open(&path, commands.clone()),
            folder: path,
            past,
            updates,
            commands,
            thread: Some(thread),
            control: None,
        })
    }

    /// Asks the lab for something; the lab of another process by the control that was taken. A lab of ours that has
    /// ended hears nothing, which its `Ended` said.
    ///
    /// # Errors
    /// As [`Control::send`].
    pub fn send(&mut self, command: Command) -> Result<()> {
        match &mut self.control {
            Some(control) => control.send(command),
            None => {
                let _ = self.commands.send(command);
                Ok(())
            }
        }
    }

    /// Ends the lab with a checkpoint if it is ours; only the looking on if it is not.
    pub fn leave(&self) {
        let _ = self.commands.send(Command::Stop);
    }

    /// How many other terminals have the control of a lab of ours.
    pub fn guests(&self) -> usize {
        self.door.as_ref().map_or(0, Door::guests)
    }

    /// Waits until the lab's thread has ended; the error that ended it, if one did.
    pub fn join(mut self) -> Option<Error> {
        self.thread
            .take()?
            .join()
            .unwrap_or_else(|panic| Some(Error::internal(panic_text(panic.as_ref()))))
    }
}

impl Drop for Session {
    /// A panic of whoever looks on must not cost the run what was done since its last checkpoint.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.leave();
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

/// What the lab's thread begins with.
enum Work {
    Begin(String),
    GoOn {
        standing: Box<Standing>,
        how: Reopen,
        /// What its user should know before.
        warnings: Vec<String>,
    },
}

/// Why a lab's work ended before it was done.
enum Stop {
    /// What the run has is not there or damaged: nothing was begun, so the journal has nothing to tell.
    Unbegun(Error),
    /// It failed on the way.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Work {
    fn carry_out(self, lab: &mut Lab<Notebook>) -> std::result::Result<(), Stop> {
        match self {
            Self::Begin(device) => lab.announce(device)?,
            Self::GoOn {
                standing,
                how,
                warnings,
            } => {
                lab.restore(&standing).map_err(Stop::Unbegun)?;
                warnings.into_iter().try_for_each(|text| lab.warn(text))?;
                if !standing.finished {
                    match how {
                        Reopen::GoOn => lab.go_on()?,
                        Reopen::Hold => lab.hold()?,
                    }
                }
            }
        }
        lab.run()?;
        Ok(())
    }
}

/// Takes back what was made of a run that cannot begin. Its folder was absent or empty before, and its journal is ours.
fn unmake(folder: &RunFolder) {
    // What cannot be taken away is named by whoever tries again.
    let _ = std::fs::remove_dir_all(folder.root());
}

/// The device of a new run and its name in journals, once all is sound that can be told without reading anything.
fn prepared(recipe: &Recipe, folder: Option<&Path>, options: &Options) -> Result<(Device, String)> {
    recipe.validate()?;
    if let Some(folder) = folder {
        RunFolder::check_free(folder)?;
    }
    open_device(options.device.as_deref().unwrap_or("auto"))
}

/// Refuses weights, and data of the foundation and of the first `tasks` tasks, that are not those that a run was begun
/// with.
fn same_material(bench: &Bench, started: &Started, run: &RunFolder, tasks: usize) -> Result<()> {
    let folder = run.root().display();
    if bench.material.weights_sha256 != started.backbone.weights_sha256 {
        return Err(Error::input(format!(
            "the weights of {} are not those that {folder} was begun with; a run goes on with its own weights only",
            started.recipe.backbone.source,
        )));
    }
    let learned = started.recipe.tasks.iter().take(tasks);
    let columns: BTreeSet<&str> = learned.map(|task| task.column()).collect();
    let sets = started.test_sets.iter().take(1 + columns.len());
    check_classes(&bench.test_sets(), sets, run.root())?;
    let recorded = Manifest::read(&run.manifest_path())?.data;
    let data = bench.fingerprints().into_iter().zip(recorded);
    for ((source, sha256), recorded) in data.take(1 + tasks) {
        if sha256 != recorded.sha256 {
            return Err(Error::input(format!(
                "the data {source} is not what {folder} was begun with: its SHA-256 differs; figures of both would stand \
                 in one matrix"
            )));
        }
    }
    Ok(())
}

/// Refuses data whose classes are not those that a run was begun with: heads and labels would not fit.
fn check_classes<'a>(
    now: &[TestSet],
    then: impl Iterator<Item = &'a TestSet>,
    folder: &Path,
) -> Result<()> {
    for (now, then) in now.iter().zip(then) {
        if now.classes == then.classes {
            continue;
        }
        let mut pairs = now.classes.iter().zip(&then.classes);
        let (is, was) = (now.classes.len(), then.classes.len());
        let what = match pairs.find(|(is, was)| is.name != was.name) {
            _ if is != was => format!("there are {is} and there were {was}"),
            Some((is, was)) => format!("{:?} stands where {:?} stood", is.name, was.name),
            None => "they are in other groups".to_owned(),
        };
        return Err(Error::input(format!(
            "the classes of {} changed since {} was begun: {what}; restore the data, or begin another run",
            now.id,
            folder.display()
        )));
    }
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = crash::said(panic).unwrap_or("without a message");
    format!("the lab panicked: {text}")
}

/// Keeps the journal, the fold over it, and those who look on up to date, in this order.
struct Notebook {
    folder: RunFolder,
    journal: Journal,
    view: RunView,
    outbox: UnboundedSender<Update>,
}

impl Recorder for Notebook {
    fn record(&mut self, event: Event) -> Result<()> {
        if matches!(event, Event::Step { .. }) {
            crash::on_demand("lab");
        }
        let record = self.journal.append(event)?;
        self.view.apply(&record);
        let _ = self.outbox.send(Update::Record(Box::new(record)));
        Ok(())
    }

    fn in_place(&self) -> Result<()> {
        self.journal.in_place()
    }

    fn settle(&mut self) -> Result<()> {
        if self.view.last_complete().is_some() {
            export::write(&self.view, &self.folder.export_path())?;
        }
        Ok(())
    }

    fn standstill(&mut self, why: String) {
        let _ = self.outbox.send(Update::Standstill(why));
    }

    fn folder(&self) -> &RunFolder {
        &self.folder
    }

    fn snapshot(&mut self) -> Result<String> {
        let after = self.view.last_complete().ok_or_else(|| {
            Error::input("nothing is measured yet, so there is nothing to export")
        })?;
        let training = after.training.and_then(|n| self.view.training(n));
        let folder = self
            .folder
            .new_snapshot(training.map(|t| t.step_id.as_str()))?;
        export::write(&self.view, &folder)?;
        Ok(folder.display().to_string())
    }

    fn pulse(&mut self, pulse: Pulse) {
        let _ = self.outbox.send(Update::Pulse(pulse));
    }
}
