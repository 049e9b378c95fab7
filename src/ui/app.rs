//! The program without its screen: keys and records in, effects out. Tests drive it as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::actions::{Bindings, Layer, Scope, Screen, Situation};
use super::beside::Beside;
use super::commands::Commands;
use super::curves::Memo;
use super::exporting::ExportMenu;
use super::forgetting::ForgettingLook;
use super::look::{LogLook, MatrixLook, TrainLook};
use super::machine::{History, Sample};
use super::open_run::OpenRun;
use super::pictures::{Made, Pictures};
use super::question::Question;
use super::replay::Replay;
use super::runs::Runs;
use super::settings::Settings;
use super::setup::{Environment, SetUp};
use super::sweep::OpenSweep;
use super::theme::{Ink, Theme};
use super::views::{body, fits, form_rows};
use crate::crash;
use crate::lab::{Event, Level, Pulse, Record, State};
use crate::progress::{Pace, Progress};
use crate::recipe::Mode;
use crate::run::{Machine, RunView};

/// How long a message stays; one of a failure until a key is pressed.
const TOAST: Duration = Duration::from_secs(8);

/// A message that goes away.
#[derive(Clone, Debug)]
pub struct Toast {
    /// One sentence.
    pub text: String,
    /// Its colour.
    pub ink: Ink,
    until: Duration,
}

/// Something that is being prepared.
#[derive(Default)]
pub struct Busy {
    /// What, and how far it is.
    pub text: String,
    /// Whether it can be cancelled.
    pub cancels: bool,
    pace: Pace,
}

impl Busy {
    pub(super) fn with(text: &str, cancels: bool) -> Option<Self> {
        Some(Self {
            text: text.to_owned(),
            cancels,
            pace: Pace::default(),
        })
    }
}

/// Everything that the screen is a function of.
pub struct App {
    /// The screen shown.
    pub screen: Screen,
    /// Colours and markers.
    pub theme: Theme,
    /// The keys in force.
    pub keys: Bindings,
    /// The set-up form.
    pub set_up: SetUp,
    /// The run, if there is one.
    pub run: Option<OpenRun>,
    /// Runs that are compared with it.
    pub beside: Vec<Beside>,
    /// The runs around it.
    pub runs: Runs,
    /// The sweep whose grid is open.
    pub sweep: Option<OpenSweep>,
    /// Where the user looks on the train screen.
    pub train: TrainLook,
    /// Where the user looks on the matrix screen.
    pub matrix: MatrixLook,
    /// Where the user looks on the forgetting screen.
    pub forgetting: ForgettingLook,
    /// Where the user looks on the log screen.
    pub log: LogLook,
    /// First line of the help that is shown, while it is open.
    pub help: Option<usize>,
    /// The export menu, while it is open.
    pub export: Option<ExportMenu>,
    /// The list of everything that can be done, while it is open.
    pub commands: Option<Commands>,
    /// The open question.
    pub question: Option<Question>,
    /// The message at the bottom.
    pub toast: Option<Toast>,
    /// Whether the program is waiting for the lab to end.
    pub leaving: bool,
    /// What is being prepared (a run that starts, an export), until it is there.
    pub busy: Option<Busy>,
    /// Time since the program began.
    pub now: Duration,
    /// Size of the terminal as of the last frame: cursors in grids move by what is drawn.
    pub size: (u16, u16),
    /// What the machine did in the last minutes.
    pub history: History,
    /// Pictures, on terminals that take them.
    pub pictures: Pictures,
    /// Smoothed curves of frames before.
    pub(super) memo: Memo,
    dirty: bool,
    moved: bool,
}

impl App {
    /// The program on its set-up screen.
    pub fn new(environment: Environment, theme: Theme) -> Self {
        let mut app = Self {
            screen: Screen::SetUp,
            theme,
            keys: Bindings::default(),
            set_up: SetUp::new(environment),
            run: None,
            beside: Vec::new(),
            runs: Runs::default(),
            sweep: None,
            train: TrainLook::default(),
            matrix: MatrixLook::default(),
            forgetting: ForgettingLook::default(),
            log: LogLook::default(),
            help: None,
            export: None,
            commands: None,
            question: None,
            toast: None,
            leaving: false,
            busy: None,
            now: Duration::ZERO,
            size: (80, 24),
            history: History::default(),
            pictures: Pictures::default(),
            memo: Memo::default(),
            dirty: true,
            moved: false,
        };
        app.on_resize(80, 24);
        app
    }

    /// The program with the keys that its user set.
    pub fn with_keys(self, settings: &Settings) -> Self {
        Self {
            keys: settings.keys.clone(),
            ..self
        }
    }

    /// Shows a run: its past records first, then what [`Self::on_record`] brings if a lab is at work on it.
    pub fn show_run(&mut self, folder: &Path, past: &[Record], lab: bool) {
        crash::is_about(folder);
        let mut run = OpenRun::new(folder.to_path_buf(), lab);
        let before = self.run.take().filter(|before| before.folder == folder);
        run.machine = before.and_then(|before| before.machine);
        past.iter().for_each(|record| run.apply(record));
        run.replay = (!lab).then(|| Replay::new(past));
        self.train = TrainLook::default();
        self.memo = Memo::default();
        self.matrix = MatrixLook::default();
        self.forgetting = ForgettingLook::default();
        self.log = LogLook::default();
        self.beside.retain(|beside| beside.folder != folder);
        self.screen = match past.is_empty() || run.view.open_training().is_some() {
            true => Screen::Train,
            false => Screen::Matrix,
        };
        self.run = Some(run);
        self.dirty = true;
    }

    /// The fold that an export is written from.
    pub fn view(&self) -> Option<&RunView> {
        self.run.as_ref().map(|run| &run.view)
    }

    /// A run has begun in `folder`; a branch has `past` records already.
    pub fn on_started(&mut self, folder: &Path, past: &[Record]) {
        self.busy = None;
        self.toast = None;
        self.show_run(folder, past, true);
    }

    /// A lab is at work on the run shown; `past` is all of its journal.
    pub fn on_taken_up(&mut self, folder: &Path, past: &[Record]) {
        self.busy = None;
        let screen = self.screen;
        self.show_run(folder, past, true);
        self.screen = screen;
    }

    /// An export was written.
    pub fn on_exported(&mut self, folder: &Path) {
        self.busy = None;
        let replay = self.run.as_ref().and_then(|run| run.replay.as_ref());
        let what = match replay.is_none_or(Replay::follows) {
            true => "exported",
            false => "all of the run, not the moment shown, is exported",
        };
        self.say(Ink::Accent, format!("{what} to {}", folder.display()));
    }

    /// What is being prepared is so far.
    pub fn on_progress(&mut self, progress: &Progress) {
        if let Some(busy) = &mut self.busy {
            busy.text = busy.pace.line(progress, self.now);
            self.moved = true;
        }
    }

    /// What was being prepared is given up.
    pub fn on_cancelled(&mut self) {
        self.busy = None;
        self.say(
            Ink::Warning,
            "given up; what came whole stays in the cache".into(),
        );
    }

    /// Something that an effect asked for went wrong.
    pub fn on_problem(&mut self, problem: impl std::fmt::Display) {
        self.busy = None;
        self.say(Ink::Bad, problem.to_string());
    }

    /// Something happened in the run.
    pub fn on_record(&mut self, record: &Record) {
        let Some(run) = &mut self.run else {
            return;
        };
        run.hear(record);
        // Whoever writes here is at work, and what stood still does so no longer.
        run.elsewhere |= !run.lab && run.replay.is_some();
        if matches!(record.event, Event::Resumed { .. }) {
            run.pulse = None;
        }
        let elsewhere = run.elsewhere;
        self.moved = true;
        if run.replay.as_ref().is_some_and(|replay| !replay.follows()) {
            return;
        }
        let asked = self.question.as_ref();
        if let Some(overtaken) = asked.and_then(|q| q.overtaken(&run.view)) {
            self.question = None;
            self.say(Ink::Warning, overtaken);
        }
        match &record.event {
            Event::Note { level, message } => {
                let ink = match level {
                    Level::Info => Ink::Accent,
                    Level::Warning => Ink::Warning,
                    Level::Error => Ink::Bad,
                };
                self.say(ink, message.clone());
            }
            Event::Failed { message } => self.say(Ink::Bad, message.clone()),
            Event::Stopped if elsewhere => self.on_control_lost(),
            _ => {}
        }
    }

    /// The lab says what it is doing.
    pub fn on_pulse(&mut self, pulse: Pulse) {
        if let Some(run) = &mut self.run {
            let since = match &run.pulse {
                Some((before, since)) if before.what == pulse.what => *since,
                _ => self.now,
            };
            run.pulse = Some((pulse, since));
            self.moved = true;
        }
    }

    /// The disk refuses to be written to, and the lab waits for it.
    pub fn on_standstill(&mut self, why: String) {
        self.say(Ink::Bad, why);
    }

    /// The lab of another process hears this program now: what it does is shown as it happens.
    pub fn on_control(&mut self) {
        self.busy = None;
        self.follow();
        if let Some(run) = &mut self.run {
            (run.lab, run.elsewhere, run.replay) = (true, true, None);
        }
        let text = "this terminal controls the run too; leaving it leaves the run at work";
        self.say(Ink::Accent, text.into());
    }

    /// It hears it no longer.
    pub fn on_control_lost(&mut self) {
        if let Some(run) = &mut self.run {
            (run.lab, run.elsewhere) = (false, false);
        }
        self.dirty = true;
    }

    /// The process that was at work on the run shown is gone without a word.
    pub fn on_lab_gone(&mut self) {
        self.on_control_lost();
        let left = |view: &RunView| view.state != State::Finished && !view.stopped;
        // The grid says of each run that nobody works on it, and has no key for it.
        if self.screen != Screen::Sweep && self.view().is_some_and(left) {
            let text = "the process at work on this run is gone: {take-up} goes on from its last checkpoint";
            self.say(Ink::Warning, text.into());
        }
    }

    /// The lab's thread has ended.
    pub fn on_ended(&mut self) {
        if let Some(run) = &mut self.run {
            (run.lab, run.elsewhere) = (false, false);
            run.pulse = None;
        }
        self.dirty = true;
    }

    /// The manifest of the run shown says where it was made.
    pub fn on_manifest(&mut self, machine: Option<Machine>) {
        if let Some(run) = &mut self.run {
            run.machine = machine;
        }
    }

    /// The machine was looked at.
    pub fn on_sample(&mut self, sample: Sample) {
        self.history.push(self.now, sample);
        self.moved |= self.screen == Screen::Machine;
    }

    /// Something of the sweep has changed.
    pub(super) fn on_sweep_moved(&mut self) {
        self.moved |= self.screen == Screen::Sweep;
    }

    /// Pictures were made that a frame had wanted.
    pub fn on_pictures(&mut self, made: Vec<Made>) {
        self.pictures.keep(made);
        self.dirty = true;
    }

    /// Time passes.
    pub fn on_tick(&mut self, now: Duration) {
        let expired = self.toast.as_ref().is_some_and(|t| t.until <= now);
        if expired {
            self.toast = None;
        }
        // Only what a clock is shown for needs a frame a second.
        let silent = |open: &OpenSweep| open.silence(now).is_some();
        let silent = self.screen == Screen::Sweep && self.sweep.as_ref().is_some_and(silent);
        let works = self.run.as_ref().is_some_and(OpenRun::works);
        let clock = works || silent || self.busy.is_some();
        if expired || (clock && now.as_secs() != self.now.as_secs()) {
            self.dirty = true;
        }
        self.now = now;
        self.play();
    }

    /// The terminal has another size.
    pub fn on_resize(&mut self, width: u16, height: u16) {
        if self.size != (width, height) {
            self.pictures.forget();
        }
        self.size = (width, height);
        self.set_up.fit(form_rows(body(width, height)));
        self.dirty = true;
    }

    /// A frame is due.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Shows that something is being prepared which can be given up; false where something is already.
    pub(super) fn prepare(&mut self, text: &str) -> bool {
        if self.busy.is_some() {
            return false;
        }
        self.busy = Busy::with(text, true);
        true
    }

    /// Whether a frame is due.
    pub fn is_dirty(&self) -> bool {
        self.dirty || self.moved
    }

    /// Whether its user waits for it: it shows more than that the lab has gone on.
    pub(super) fn is_awaited(&self) -> bool {
        self.dirty
    }

    /// Whether a frame was due; it is not any more.
    pub fn take_dirty(&mut self) -> bool {
        let due = self.is_dirty();
        (self.dirty, self.moved) = (false, false);
        due
    }

    /// What decides which keys hold.
    pub fn situation(&self) -> Situation<'_> {
        let layer = match () {
            () if self.question.is_some() => Layer::Question,
            () if !fits(self.size) => Layer::TooSmall,
            () if self.commands.is_some() => Layer::Commands,
            () if self.help.is_some() => Layer::Help,
            () if self.export.is_some() => Layer::Menu,
            () if self.screen == Screen::Matrix && self.matrix.typed.is_some() => Layer::Typing,
            () if self.screen == Screen::Log && self.log.before.is_some() => Layer::Typing,
            () if self.screen == Screen::Forgetting && self.forgetting.typing => Layer::Typing,
            () if self.screen != Screen::SetUp => Layer::Screen,
            () if self.set_up.prompt().is_some() => Layer::Typing,
            () if self.set_up.picker().is_some() => Layer::List,
            () => Layer::Screen,
        };
        let view = self.view();
        Situation {
            keys: &self.keys,
            layer,
            screen: self.screen,
            run: view.is_some(),
            lab: self.run.as_ref().is_some_and(|run| run.lab),
            elsewhere: self.run.as_ref().is_some_and(|run| run.elsewhere),
            state: view.map_or(State::Idle, |v| v.state),
            paused: view.is_some_and(|v| v.paused),
            automatic: view.is_some_and(|v| v.automatic),
            next: view.and_then(RunView::next_index),
            undoable: view.is_some_and(|v| v.rows.len() > 1),
            preparing: self.busy.as_ref().is_some_and(|b| b.cancels),
            beside: !self.beside.is_empty(),
            listed: match (self.screen, &self.sweep) {
                (Screen::Sweep, Some(open)) => open.run().is_some(),
                _ => self.runs.chosen().is_some(),
            },
            on_sweep: self.screen == Screen::Runs && self.runs.chosen_sweep().is_some(),
            sweep: self.sweep.is_some(),
            failed: self.sweep.as_ref().is_some_and(OpenSweep::has_failed),
            on_shown: self.runs.chosen().map(|run| &run.folder) == self.folder().as_ref(),
            stored: self.previewed_mode() == Some(Mode::Drop),
            previewed: view.is_some_and(|v| v.preview.as_ref().is_some_and(|p| !p.done.is_empty())),
            closable: match self.screen {
                Screen::Log => !self.log.line.is_empty(),
                _ => self.forgetting.card || !self.forgetting.filter.is_empty(),
            },
        }
    }

    /// Shows a message for a while; `{action}` in it stands for the action's key.
    pub fn say(&mut self, ink: Ink, text: String) {
        let until = match ink {
            Ink::Bad => Duration::MAX,
            _ => self.now + TOAST,
        };
        let text = self.keys.fill(&text, Scope::On(self.screen));
        self.toast = Some(Toast { text, ink, until });
        self.dirty = true;
    }

    /// The path of the run, for those who end the program.
    pub fn folder(&self) -> Option<PathBuf> {
        self.run.as_ref().map(|run| run.folder.clone())
    }
}
