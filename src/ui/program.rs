//! The loop between keys, the lab, signals and the screen.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;

use super::app::App;
use super::desk::Desk;
use super::front::Front;
use super::vigil::Vigil;
use crate::Result;
use crate::lab::State;
use crate::session::Session;
use crate::signals::{Caught, Hangup, Signals};

/// Between two looks at the clock.
const CLOCK: Duration = Duration::from_millis(500);
/// Between two looks at the runs that lie beside the shown one.
const LOOK: Duration = Duration::from_secs(3);
/// How long a lab may take to stop once a signal ends the program.
const GRACE: Duration = Duration::from_secs(20);

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its user left.
    Left,
    /// A signal ended it; the process ends with 128 + its number.
    Signal(u8),
}

/// How the terminal is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// Whether the mouse is listened to.
    pub mouse: bool,
    /// What becomes of a run when the terminal goes.
    pub hangup: Hangup,
}

/// Shows `app` until its user leaves or a signal ends it; `session` is that of the run shown. The terminal is
/// given back on every way out, errors and panics included. Where it goes before, the run goes on or ends as `manners`
/// has it.
pub async fn run(app: &mut App, session: Option<Session>, manners: Manners) -> Result<Ending> {
    let mut signals = Signals::with_suspension()?;
    let mut clock = tokio::time::interval(CLOCK);
    let mut look = tokio::time::interval(LOOK);
    let (answer_to, mut answers) = unbounded_channel();
    let mut program = Program {
        front: Front::take(manners.mouse, app.pictures.farewell())?,
        desk: Desk::new(session, answer_to),
        hangup: manners.hangup,
        caught: None,
        vigil: None,
        app,
    };
    let begin = Instant::now();
    let mut last_frame: Option<Instant> = None;
    while !program.is_over() {
        // What its user waits for comes sooner than what goes by itself.
        let frame_at = last_frame.map_or(begin, |last| last + program.app.pause());
        let Program {
            app, desk, front, ..
        } = &mut program;
        tokio::select! {
            event = front.next() => match event {
                Some(event) => desk.on_event(event, app),
                None => program.on_terminal_gone(),
            },
            update = desk.update() => desk.on_update(update, app),
            Some(answer) = answers.recv() => desk.on_answer(answer, app),
            signal = signals.next() => program.on_signal(signal)?,
            _ = clock.tick() => if !front.look(app) {
                program.on_terminal_gone();
            },
            _ = look.tick() => desk.look_around(app),
            () = tokio::time::sleep_until(frame_at.into()), if app.is_dirty() && front.is_here() => {
                if !program.draw() {
                    program.on_terminal_gone();
                }
                last_frame = Some(Instant::now());
            }
        }
        program.settle(begin.elapsed());
    }
    Ok(program.ending())
}

/// What the loop goes round.
struct Program<'a> {
    app: &'a mut App,
    desk: Desk,
    front: Front,
    hangup: Hangup,
    /// What ends the program, and since when.
    caught: Option<(Caught, Instant)>,
    /// Looks after the run once the terminal is gone.
    vigil: Option<Vigil>,
}

impl Program<'_> {
    fn on_signal(&mut self, signal: Caught) -> Result<()> {
        match signal {
            // A second one does not wait for the lab.
            Caught::Interrupt | Caught::Terminate if self.caught.is_some() => self.desk.left = true,
            Caught::Interrupt | Caught::Terminate => self.end_by(signal),
            Caught::Hangup => self.on_terminal_gone(),
            Caught::Suspend => self.front.suspend(false)?,
            Caught::Continue => self.front.return_to(self.app),
        }
        Ok(())
    }

    /// The run goes on without a terminal, or ends with it.
    fn on_terminal_gone(&mut self) {
        if self.front.is_left() {
            return;
        }
        self.front.leave();
        let works = self.desk.works(self.app) && !self.app.leaving;
        match self.hangup {
            // What ends already goes on to its end.
            _ if self.caught.is_some() => {}
            Hangup::GoOn if works => self.vigil = Some(Vigil::new()),
            Hangup::GoOn | Hangup::Stop => self.end_by(Caught::Hangup),
        }
    }

    /// Stops the lab with a checkpoint, then the program.
    fn end_by(&mut self, signal: Caught) {
        self.caught = Some((signal, Instant::now()));
        self.app.leaving = true;
        self.desk.leave();
    }

    /// False where the terminal is gone.
    fn draw(&mut self) -> bool {
        self.desk.read_manifest(self.app);
        let drawn = self.front.draw(self.app);
        self.app.take_dirty();
        self.desk.make_pictures(self.app);
        drawn
    }

    /// What is to be done after whatever happened; `now` is the time since the program began.
    fn settle(&mut self, now: Duration) {
        self.app.on_tick(now);
        self.desk.follow_sweep(self.app);
        if std::mem::take(&mut self.desk.suspends)
            && let Err(refusal) = self.front.suspend(true)
        {
            self.app.on_problem(refusal);
        }
        if let Some(vigil) = &mut self.vigil
            && self.caught.is_none()
            && self.desk.watch(vigil, self.app)
        {
            self.end_by(Caught::Hangup);
        }
    }

    fn is_over(&self) -> bool {
        let waited = self.caught.map(|(_, since)| since.elapsed());
        self.desk.left || waited.is_some_and(|waited| waited > GRACE)
    }

    fn ending(&self) -> Ending {
        let finished = |app: &App| app.view().is_some_and(|v| v.state == State::Finished);
        match self.caught {
            // That was all that it went on for.
            Some((Caught::Hangup, _)) if self.vigil.is_some() && finished(self.app) => Ending::Left,
            Some((signal, _)) => Ending::Signal(signal.number()),
            None => Ending::Left,
        }
    }
}
