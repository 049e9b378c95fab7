//! What the program does for its user beside the screen: the lab, and work on other threads.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::Event;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;

use super::actions::Key;
use super::app::App;
use super::effect::Effect;
use super::forgetting::{Gallery, LostImages, LostRequest};
use super::machine::Sample;
use super::pictures::{Job, Made};
use super::pointer::Pointer;
use super::runs;
use super::sampler::{PERIOD, Sampler};
use super::setup::Request;
use super::sweep::{self, News};
use super::terminal;
use super::vigil::Vigil;
use crate::folder::RunFolder;
use crate::hub::{Hub, Repo};
use crate::lab::{self, Command, Record};
use crate::progress::{Onlooker, Progress};
use crate::run::{self, Listed, Manifest, RunView, lock};
use crate::session::{Options, Reopen, Session, Update};
use crate::sweep::listing::{self, Summary};
use crate::{Error, Result, crash, export};

/// The most models that a search shows.
const MODELS: usize = 100;

/// What was done on another thread, so that the screen stood never still.
pub(super) enum Answer {
    Started(Box<Result<Session>>),
    TakenUp(Box<Result<Session>>),
    Exported(Result<PathBuf>),
    Runs(PathBuf, Vec<Listed>),
    Sweeps(PathBuf, Vec<Summary>),
    Swept(PathBuf, Box<News>),
    Beside(PathBuf, Box<Result<RunView>>),
    Opened(PathBuf, Box<Result<Opened>>),
    Found(String, Result<Vec<Repo>>),
    Described(Result<()>),
    Told(Progress),
    Sampled(Box<Sample>),
    Lost(Arc<LostRequest>, Result<LostImages>),
    LookedThrough(Progress),
    Pictures(Vec<Made>),
    /// A defect of this program kept it from being done; there is a report of it.
    Broken,
}

/// A run's records, and whoever looks on where another process works on it.
type Opened = (Vec<Record>, Option<Session>);

/// Passes on what a preparation tells, until its user gives it up.
struct Preparation {
    tell: UnboundedSender<Answer>,
    given_up: Arc<AtomicBool>,
}

impl Onlooker for Preparation {
    fn tell(&mut self, progress: &Progress) {
        let _ = self.tell.send(Answer::Told(progress.clone()));
    }

    fn cancels(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

/// Passes on how far the reading of lost images is, until others are asked for.
struct Reading(Preparation);

impl Onlooker for Reading {
    fn tell(&mut self, progress: &Progress) {
        let _ = self.0.tell.send(Answer::LookedThrough(progress.clone()));
    }

    fn cancels(&self) -> bool {
        self.0.cancels()
    }
}

/// Looks at the machine now and then, as long as somebody listens: on a thread of its own, for a driver may let it wait.
fn watch_machine(tell: UnboundedSender<Answer>) {
    let watch = move || {
        let mut sampler = Sampler::new();
        sampler.sample();
        loop {
            std::thread::sleep(PERIOD);
            let sample = Box::new(sampler.sample());
            if tell.send(Answer::Sampled(sample)).is_err() {
                return;
            }
        }
    };
    // Without it the screen goes on saying that the machine is looked at in a moment.
    let _ = std::thread::Builder::new()
        .name("sampler".into())
        .spawn(watch);
}

/// What the program holds besides the screen.
pub(super) struct Desk {
    session: Option<Session>,
    starting: bool,
    given_up: Arc<AtomicBool>,
    gallery: Gallery,
    /// Whether the lost images that are being read are still wanted: not once this is set.
    looked_away: Arc<AtomicBool>,
    /// Whether pictures are being made.
    makes_pictures: bool,
    answer_to: UnboundedSender<Answer>,
    /// How long the journals of the runs beside the shown one were when they were read.
    seen: BTreeMap<PathBuf, u64>,
    /// The run whose manifest was read.
    known: Option<PathBuf>,
    /// The sweep that is followed; that thread ends once this is set.
    swept: Option<(PathBuf, Arc<AtomicBool>)>,
    /// Whether its user wants the terminal for the shell.
    pub suspends: bool,
    /// Whether the program is to end.
    pub left: bool,
}

/// Bytes of a run's journal; 0 where there is none.
fn journal_size(folder: &Path) -> u64 {
    let journal = RunFolder::open(folder).map(|run| run.journal_path());
    let size = journal.ok().and_then(|path| path.metadata().ok());
    size.map_or(0, |metadata| metadata.len())
}

/// Whether a process is at work on the run in a folder.
fn is_in_use(folder: &Path) -> bool {
    lock::holder(folder).is_some()
}

impl Desk {
    /// The desk of a run's session; answers of other threads go to `answer_to`, and are given back to
    /// [`Desk::on_answer`].
    pub fn new(session: Option<Session>, answer_to: UnboundedSender<Answer>) -> Self {
        watch_machine(answer_to.clone());
        Self {
            session,
            starting: false,
            given_up: Arc::default(),
            gallery: Gallery::default(),
            looked_away: Arc::default(),
            makes_pictures: false,
            answer_to,
            seen: BTreeMap::new(),
            known: None,
            swept: None,
            suspends: false,
            left: false,
        }
    }

    /// Whether a lab of this program is at work, or will be in a moment.
    pub fn works(&self, app: &App) -> bool {
        let own = app
            .run
            .as_ref()
            .is_some_and(|run| run.lab && !run.elsewhere);
        self.starting || (own && self.session.is_some())
    }

    /// Looks after a run without a terminal: its journal says so, and whether it is to end is told.
    pub fn watch(&mut self, vigil: &mut Vigil, app: &App) -> bool {
        if self.starting {
            return false;
        }
        if let Some(session) = self.session.as_mut().filter(|_| !vigil.told) {
            vigil.told = true;
            // A lab that has ended hears nothing, and says so by its end.
            let _ = session.send(Command::Unattended);
        }
        vigil.is_over(app.run.as_ref(), self.session.as_ref())
    }

    /// The user did something.
    pub fn on_event(&mut self, event: Event, app: &mut App) {
        let effects = match event {
            Event::Key(key) => Key::from_event(key).map(|key| app.on_key(key)),
            Event::Mouse(event) => Pointer::from_event(event).map(|p| app.on_pointer(p)),
            Event::Resize(width, height) => {
                app.on_resize(width, height);
                None
            }
            Event::FocusGained | Event::FocusLost | Event::Paste(_) => None,
        };
        for effect in effects.unwrap_or_default() {
            self.carry_out(effect, app);
        }
    }

    /// The lab's next word; never one where no lab is at work.
    pub async fn update(&mut self) -> Option<Update> {
        match &mut self.session {
            Some(session) => session.updates.recv().await,
            None => std::future::pending().await,
        }
    }

    /// Reads where the run that is shown was made, once.
    pub fn read_manifest(&mut self, app: &mut App) {
        let folder = app.folder();
        if folder == self.known {
            return;
        }
        let path = folder.as_deref().map(|f| f.join("manifest.json"));
        let manifest = path.and_then(|path| Manifest::read(&path).ok());
        app.on_manifest(manifest.map(|m| m.machine));
        self.known = folder;
    }

    /// Follows the sweep that is open, and no other.
    pub fn follow_sweep(&mut self, app: &App) {
        let folder = app.sweep.as_ref().map(|open| &open.folder);
        if folder == self.swept.as_ref().map(|(followed, _)| followed) {
            return;
        }
        if let Some((_, over)) = self.swept.take() {
            over.store(true, Ordering::Relaxed);
        }
        let Some(folder) = folder.cloned() else {
            return;
        };
        let over = Arc::new(AtomicBool::new(false));
        self.swept = Some((folder.clone(), Arc::clone(&over)));
        let tell = self.answer_to.clone();
        sweep::follow(folder.clone(), over, move |news| {
            tell.send(Answer::Swept(folder.clone(), Box::new(news)))
                .is_ok()
        });
    }

    /// The lab said something.
    pub fn on_update(&mut self, update: Option<Update>, app: &mut App) {
        match update {
            Some(Update::Record(record)) => app.on_record(&record),
            Some(Update::Pulse(pulse)) => app.on_pulse(pulse),
            Some(Update::Standstill(why)) => app.on_standstill(why),
            Some(Update::Ended) | None => {
                let failure = self.session.take().and_then(Session::join);
                app.on_ended();
                if let Some(failure) = failure {
                    app.on_problem(failure);
                }
                self.left = app.leaving && !self.starting;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, app: &mut App) {
        match effect {
            Effect::Send(command) => {
                let sent = self.session.as_mut().map(|session| session.send(command));
                if let Some(Err(problem)) = sent {
                    app.on_control_lost();
                    app.on_problem(problem);
                }
            }
            Effect::Start(request) => self.start(request),
            Effect::TakeUp => self.take_up(app),
            Effect::Export => self.export(app, None),
            Effect::ExportChosen(choice) => self.export(app, Some(choice)),
            Effect::Copy(text) => {
                if let Err(problem) = terminal::copy(&text) {
                    app.on_problem(problem);
                }
            }
            Effect::ListRuns(base) => {
                let sweeps = base.clone();
                self.read(move || {
                    let listed = listing::list(&sweeps, runs::MOST);
                    Answer::Sweeps(sweeps, listed)
                });
                self.read(move || {
                    let listed = run::list(&base, runs::MOST);
                    Answer::Runs(base, listed)
                });
            }
            Effect::LayBeside(folder) => self.lay_beside(folder),
            Effect::Open(folder) => self.read(move || {
                let opened = Session::open(&folder);
                Answer::Opened(folder, Box::new(opened))
            }),
            Effect::Quit => self.leave(),
            Effect::Suspend => self.suspends = true,
            Effect::Abandon => self.left = true,
            Effect::Cancel => self.given_up.store(true, Ordering::Relaxed),
            Effect::Save {
                path,
                recipe,
                replace,
            } => match recipe.save(&path, replace) {
                Ok(true) => app.on_saved(&path, &recipe),
                Ok(false) => app.on_taken(path, recipe),
                Err(problem) => app.on_problem(problem),
            },
            Effect::Search(text) => self.ask(move |onlooker| {
                let found = Hub::new().and_then(|hub| hub.search("timm", &text, MODELS, onlooker));
                Answer::Found(text, found)
            }),
            Effect::Describe(backbone) => self.ask(move |onlooker| {
                Answer::Described(lab::fetch_config(&backbone, onlooker).map(drop))
            }),
            Effect::Lost(request) => self.look_at(request),
        }
    }

    /// Reads lost images on another thread; those that were asked for before are not wanted any more.
    fn look_at(&mut self, request: Arc<LostRequest>) {
        self.looked_away.store(true, Ordering::Relaxed);
        self.looked_away = Arc::default();
        let gallery = self.gallery.clone();
        let mut reading = Reading(Preparation {
            tell: self.answer_to.clone(),
            given_up: Arc::clone(&self.looked_away),
        });
        self.read(move || {
            let found = gallery.lost(&request, &mut reading);
            Answer::Lost(request, found)
        });
    }

    /// Makes pictures that the last frame wanted, on another thread; one thread at a time, for a training wants the rest.
    pub fn make_pictures(&mut self, app: &App) {
        if self.makes_pictures {
            return;
        }
        let jobs = app.pictures.wanted();
        if jobs.is_empty() {
            return;
        }
        self.makes_pictures = true;
        self.read(move || Answer::Pictures(jobs.iter().map(Job::make).collect()));
    }

    /// Does on another thread what its user waits for, and can give up.
    fn ask(&mut self, work: impl FnOnce(&mut Preparation) -> Answer + Send + 'static) {
        self.given_up = Arc::default();
        let mut preparation = Preparation {
            tell: self.answer_to.clone(),
            given_up: Arc::clone(&self.given_up),
        };
        self.read(move || work(&mut preparation));
    }

    /// Does on another thread what takes a moment; whatever else is being prepared can still be given up.
    fn read(&self, work: impl FnOnce() -> Answer + Send + 'static) {
        let answer_to = self.answer_to.clone();
        spawn_blocking(move || {
            let done = catch_unwind(AssertUnwindSafe(|| {
                crash::on_demand("answer");
                work()
            }));
            // The receiver is gone only when the program is.
            let _ = answer_to.send(done.unwrap_or(Answer::Broken));
        });
    }

    /// Asks the lab to stop; its end is the program's. Without one, this is the end.
    pub fn leave(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.looked_away.store(true, Ordering::Relaxed);
        match &self.session {
            Some(session) => session.leave(),
            // Whoever is being started is stopped when it is there.
            None => self.left = !self.starting,
        }
    }

    fn start(&mut self, request: Request) {
        self.starting = true;
        // The run that is left goes on until the new one is there: one that cannot begin must not end it.
        self.ask(move |onlooker| {
            let options = Options {
                device: Some(request.device),
                automatic: request.automatic,
                leave_when_finished: false,
                shared: None,
            };
            let folder = request.folder.as_deref();
            let recipe = *request.recipe;
            let session = match &request.branch {
                Some((parent, at)) => {
                    Session::branch(parent, *at, recipe, folder, &options, onlooker)
                }
                None => Session::create(recipe, folder, &options, onlooker),
            };
            Answer::Started(Box::new(session))
        });
    }

    fn take_up(&mut self, app: &mut App) {
        let Some(folder) = app.folder() else {
            return;
        };
        // Another process is at work on it: that one is asked then.
        if let Some(session) = &mut self.session {
            if is_in_use(&folder) {
                match session.take_control() {
                    Ok(()) => app.on_control(),
                    Err(problem) => app.on_problem(problem),
                }
                return;
            }
            session.leave();
            self.session = None;
        }
        let options = Options {
            // Where it ran before, so that it goes on with the same bits.
            device: None,
            automatic: false,
            leave_when_finished: false,
            shared: None,
        };
        self.starting = true;
        self.ask(move |onlooker| {
            let session = Session::reopen(&folder, &options, Reopen::Hold, onlooker);
            Answer::TakenUp(Box::new(session))
        });
    }

    /// Reads a run that lies beside the one that is shown.
    fn lay_beside(&mut self, folder: PathBuf) {
        self.seen.insert(folder.clone(), journal_size(&folder));
        self.read(move || {
            let view = RunFolder::open(&folder).and_then(|run| RunView::of(&run));
            Answer::Beside(folder, Box::new(view))
        });
    }

    /// Notices when the process at work on the run shown is gone, and reads those runs again that lie beside it and whose
    /// journals have grown.
    pub fn look_around(&mut self, app: &mut App) {
        let run = app.run.as_ref().filter(|run| run.elsewhere);
        if run.is_some_and(|run| !is_in_use(&run.folder)) {
            app.on_lab_gone();
        }
        for beside in &app.beside {
            let folder = beside.folder.clone();
            if self.seen.get(&folder) != Some(&journal_size(&folder)) {
                self.lay_beside(folder);
            }
        }
    }

    /// Writes the usual export, or what was chosen.
    fn export(&mut self, app: &App, choice: Option<export::Choice>) {
        let Some(folder) = app.folder() else {
            return;
        };
        self.read(move || {
            // From the journal as it is now: another process may have gone on with the run.
            let written = RunFolder::open(&folder).and_then(|folder| {
                let to = folder.export_path();
                match &choice {
                    Some(choice) => export::write_journal_chosen(&folder, choice, &to)?,
                    None => export::write_journal(&folder, &to)?,
                };
                Ok(to)
            });
            Answer::Exported(written)
        });
    }

    /// Another thread has done something.
    pub fn on_answer(&mut self, answer: Answer, app: &mut App) {
        match answer {
            Answer::Started(session) => {
                self.on_session(*session, app, |app, session| {
                    app.on_started(&session.folder, &session.past)
                });
            }
            Answer::TakenUp(session) => self.on_session(*session, app, |app, session| {
                app.on_taken_up(&session.folder, &session.past);
            }),
            Answer::Broken => {
                (self.starting, self.makes_pictures) = (false, false);
                self.left |= app.leaving && self.session.is_none();
                app.on_problem(
                    "a defect of this program ended that: leaving says where the report is",
                );
            }
            Answer::Told(progress) => app.on_progress(&progress),
            Answer::Sampled(sample) => app.on_sample(*sample),
            Answer::Lost(request, found) => app.on_lost(&request, found),
            Answer::LookedThrough(progress) => app.on_looked_through(&progress),
            Answer::Pictures(made) => {
                self.makes_pictures = false;
                app.on_pictures(made);
            }
            Answer::Exported(Ok(folder)) => app.on_exported(&folder),
            Answer::Runs(base, listed) => app.on_runs(base, listed),
            Answer::Sweeps(base, listed) => app.on_sweeps(base, listed),
            Answer::Swept(folder, news) => app.on_swept(&folder, *news),
            Answer::Beside(folder, view) => app.on_beside(&folder, *view),
            Answer::Opened(folder, opened) => match *opened {
                Ok((past, session)) => {
                    // Whoever only looked on at the run before is not needed any more.
                    let live = session.is_some();
                    if let Some(before) = std::mem::replace(&mut self.session, session) {
                        before.leave();
                    }
                    app.on_opened(&folder, &past, live);
                }
                Err(problem) => give_up(problem, app),
            },
            Answer::Found(text, Ok(found)) => app.on_found(&text, &found),
            Answer::Described(Ok(())) => app.on_described(),
            Answer::Exported(Err(problem))
            | Answer::Found(_, Err(problem))
            | Answer::Described(Err(problem)) => give_up(problem, app),
        }
    }

    fn on_session(
        &mut self,
        session: Result<Session>,
        app: &mut App,
        show: impl FnOnce(&mut App, &Session),
    ) {
        self.starting = false;
        match session {
            Ok(session) => {
                show(app, &session);
                if let Some(before) = self.session.replace(session) {
                    before.leave();
                    // How it ended stands in its journal; the program's own end waits for it.
                    spawn_blocking(move || before.join());
                }
                if app.leaving {
                    self.leave();
                }
            }
            Err(problem) => {
                give_up(problem, app);
                self.left = app.leaving;
            }
        }
    }
}

/// Says why what was prepared is not there.
fn give_up(problem: Error, app: &mut App) {
    match problem {
        Error::Cancelled => app.on_cancelled(),
        problem => app.on_problem(problem),
    }
}
