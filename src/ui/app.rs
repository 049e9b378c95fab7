//! The program without its screen: keys and records in, effects out. Tests drive it as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::actions::{Action, Bindings, Key, Layer, Scope, Screen, Situation};
use super::beside::Beside;
use super::commands::Commands;
use super::curves::Memo;
use super::effect::Effect;
use super::exporting::ExportMenu;
use super::forgetting::ForgettingLook;
use super::look::{LogLook, MatrixLook, TrainLook};
use super::machine::{History, Sample};
use super::open_run::OpenRun;
use super::question::Question;
use super::replay::Replay;
use super::runs::Runs;
use super::settings::Settings;
use super::setup::{Environment, Request, SetUp};
use super::theme::{Depth, Ink, Theme};
use super::views::{body, fits, form_rows, help};
use crate::lab::{Command, Event, Level, Pulse, Record, State};
use crate::progress::{Pace, Progress};
use crate::run::RunView;

/// How long a message stays; one of a failure until a key is pressed.
const TOAST: Duration = Duration::from_secs(8);
/// Lines that a page key moves.
pub(super) const PAGE: isize = 10;

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
        let mut run = OpenRun::new(folder.to_path_buf(), lab);
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
        self.say(Ink::Accent, format!("exported to {}", folder.display()));
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

    /// The lab's thread has ended.
    pub fn on_ended(&mut self) {
        if let Some(run) = &mut self.run {
            (run.lab, run.elsewhere) = (false, false);
            run.pulse = None;
        }
        self.dirty = true;
    }

    /// The machine was looked at.
    pub fn on_sample(&mut self, sample: Sample) {
        self.history.push(self.now, sample);
        self.moved |= self.screen == Screen::Machine;
    }

    /// Time passes.
    pub fn on_tick(&mut self, now: Duration) {
        let expired = self.toast.as_ref().is_some_and(|t| t.until <= now);
        if expired {
            self.toast = None;
        }
        // Only what a clock is shown for needs a frame a second.
        let clock = self.run.as_ref().is_some_and(OpenRun::works) || self.busy.is_some();
        if expired || (clock && now.as_secs() != self.now.as_secs()) {
            self.dirty = true;
        }
        self.now = now;
        self.play();
    }

    /// The terminal has another size.
    pub fn on_resize(&mut self, width: u16, height: u16) {
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
            listed: self.runs.chosen().is_some(),
            previewed: view.is_some_and(|v| v.preview.as_ref().is_some_and(|p| !p.done.is_empty())),
            closable: self.forgetting.card || !self.forgetting.filter.is_empty(),
        }
    }

    /// A key was pressed.
    pub fn on_key(&mut self, key: Key) -> Vec<Effect> {
        self.dirty = true;
        if self.toast.as_ref().is_some_and(|t| t.ink == Ink::Bad) {
            self.toast = None;
        }
        if key == Key::Interrupt {
            return self.interrupt();
        }
        let situation = self.situation();
        let (layer, action) = (situation.layer, situation.action(key));
        match (layer, action) {
            // Nothing else can be seen there.
            (Layer::TooSmall, Some(Action::Quit)) => return self.interrupt(),
            (Layer::TooSmall, _) => return Vec::new(),
            (Layer::Typing | Layer::Commands, _) => self.on_typed_key(layer, key),
            _ => {}
        }
        match action {
            Some(action) => self.on_action(action),
            None => Vec::new(),
        }
    }

    fn on_typed_key(&mut self, layer: Layer, key: Key) {
        match (key, layer) {
            (Key::Char(c), Layer::Commands) => self.type_command(c),
            (Key::Backspace, Layer::Commands) => self.erase_command(),
            (key, _) if self.screen == Screen::Forgetting => self.type_filter(key),
            (Key::Char(c), _) if self.screen == Screen::Log => self.log.type_character(c),
            (Key::Backspace, _) if self.screen == Screen::Log => self.log.erase(),
            (Key::Char(c), _) => self.set_up.type_character(c),
            (Key::Backspace, _) => self.set_up.erase(),
            _ => {}
        }
    }

    /// Control and C leaves from everywhere: asked twice it means it.
    fn interrupt(&mut self) -> Vec<Effect> {
        match self.question {
            Some(Question::Quit) => self.on_action(Action::Confirm),
            _ => {
                (self.question, self.commands, self.help) = (None, None, None);
                self.quit()
            }
        }
    }

    /// The user does something.
    pub fn on_action(&mut self, action: Action) -> Vec<Effect> {
        self.dirty = true;
        if let Some(question) = self.question.take() {
            return match action {
                Action::Confirm => self.answered(question),
                Action::Cancel => Vec::new(),
                _ => {
                    self.question = Some(question);
                    Vec::new()
                }
            };
        }
        if self.commands.is_some() {
            return self.on_commands(action);
        }
        if let Some(line) = self.help {
            let (width, height) = self.size;
            let last = help::last_start(&self.keys, body(width, height));
            self.help = scrolled(line, last, action);
            return Vec::new();
        }
        if self.export.is_some() {
            return self.on_export_menu(action);
        }
        if let Some(refusal) = self.situation().refuses(action) {
            self.say(Ink::Warning, refusal);
            return Vec::new();
        }
        match action {
            Action::Go(screen) => return self.go(screen),
            Action::NextScreen => return self.go(self.screen.further(1)),
            Action::PreviousScreen => return self.go(self.screen.further(Screen::ALL.len() - 1)),
            Action::Help => self.help = Some(0),
            Action::Quit => return self.quit(),
            Action::Lab(Command::Discard) => {
                self.question = self.view().and_then(Question::discard);
            }
            Action::Lab(Command::Undo) => self.question = self.view().and_then(Question::undo),
            Action::Lab(command) => return vec![Effect::Send(command)],
            Action::Preview(amounts) => return self.preview(amounts),
            Action::Take => return self.take_amount(),
            Action::Branch => self.set_up_branch(),
            Action::CancelWork => return vec![Effect::Cancel],
            Action::TakeUp => return self.take_up(),
            Action::Export if self.busy.is_none() => {
                self.busy = Busy::with("exporting", false);
                return vec![Effect::Export];
            }
            Action::Rewind
            | Action::Advance
            | Action::PreviousEvent
            | Action::NextEvent
            | Action::Play => self.scrub(action),
            Action::ExportMenu => self.export = Some(ExportMenu::default()),
            Action::Copy => return self.copy_matrix(),
            Action::Start => return self.start(),
            Action::Marker => self.theme.marker = self.theme.marker.next(),
            Action::NextTheme => self.next_theme(),
            Action::Commands => self.open_commands(),
            _ => return self.on_screen(action),
        }
        Vec::new()
    }

    pub(super) fn go(&mut self, screen: Screen) -> Vec<Effect> {
        self.screen = screen;
        match screen {
            Screen::Runs => self.list_runs(),
            _ => Vec::new(),
        }
    }

    fn next_theme(&mut self) {
        if self.theme.depth == Depth::None {
            let text = "NO_COLOR is set: there are no colours to change";
            self.say(Ink::Warning, text.into());
            return;
        }
        self.theme = self.theme.with_palette(self.theme.palette.next());
        let text = format!("colours: {}", self.theme.palette.name());
        self.say(Ink::Accent, text);
    }

    fn answered(&mut self, question: Question) -> Vec<Effect> {
        match question {
            Question::Quit => {
                self.leaving = true;
                vec![Effect::Quit]
            }
            Question::Discard { .. } => vec![Effect::Send(Command::Discard)],
            Question::Undo { .. } => vec![Effect::Send(Command::Undo)],
            Question::Reweigh { row, amount, .. } => {
                vec![Effect::Send(Command::Reweigh(row, amount))]
            }
            Question::Leave(request) => self.begin(request),
            Question::TakeUp => self.take_up(),
            Question::Replace { path, recipe } => vec![Effect::Save {
                path,
                recipe,
                replace: true,
            }],
        }
    }

    fn take_up(&mut self) -> Vec<Effect> {
        match self.prepare("reading the backbone, the data and the run's adapters") {
            true => vec![Effect::TakeUp],
            false => Vec::new(),
        }
    }

    fn quit(&mut self) -> Vec<Effect> {
        if self.leaving {
            return vec![Effect::Abandon];
        }
        if self.run.as_ref().is_some_and(OpenRun::works) {
            self.question = Some(Question::Quit);
            return Vec::new();
        }
        self.leaving = true;
        vec![Effect::Quit]
    }

    fn start(&mut self) -> Vec<Effect> {
        if self.busy.is_some() {
            return Vec::new();
        }
        let request = match self.set_up.request() {
            Ok(request) => request,
            Err(problem) => {
                self.say(Ink::Bad, problem.to_string());
                return Vec::new();
            }
        };
        let unfinished = |run: &OpenRun| {
            run.lab && !run.elsewhere && !matches!(run.view.state, State::Finished | State::Failed)
        };
        if self.run.as_ref().is_some_and(unfinished) {
            self.question = Some(Question::Leave(request));
            return Vec::new();
        }
        self.begin(request)
    }

    fn begin(&mut self, request: Request) -> Vec<Effect> {
        self.busy = Busy::with("starting: reading the backbone and the data", true);
        vec![Effect::Start(request)]
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

/// The help's first line after an action, `None` once it is closed.
fn scrolled(line: usize, last: usize, action: Action) -> Option<usize> {
    // The terminal may have grown since.
    let line = line.min(last);
    let to = |by: isize| line.saturating_add_signed(by).min(last);
    match action {
        Action::Up => Some(to(-1)),
        Action::Down => Some(to(1)),
        Action::PageUp => Some(to(-PAGE)),
        Action::PageDown => Some(to(PAGE)),
        Action::Home => Some(0),
        Action::End => Some(last),
        Action::Cancel | Action::Help => None,
        _ => Some(line),
    }
}
