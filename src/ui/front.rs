//! The terminal's side of the program: its screen and its keys, while they are there.

use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures::StreamExt;

use super::app::App;
use super::terminal::Screen;
use crate::signals::{self, Terminals};
use crate::{Error, Result, crash};

/// Between two looks at whether the terminal is there.
const LOOK: Duration = Duration::from_millis(250);

/// Lets go of the terminal as soon as it is gone, whatever the program does at that moment: whoever reads keys just then
/// reads a terminal that is gone again and again, and hears no signal.
fn watch(terminals: Terminals) {
    let look = move || {
        while !signals::terminal_is_gone() {
            std::thread::sleep(LOOK);
        }
        // Where the system refuses, it is as if nobody had looked.
        let _ = terminals.let_go();
    };
    // Without it a terminal that goes at a bad moment holds the program up; mostly it does not.
    let _ = std::thread::Builder::new()
        .name("terminal".into())
        .spawn(look);
}

/// The terminal, taken, lent to a shell, or gone.
pub(super) struct Front {
    mouse: bool,
    farewell: Option<String>,
    terminals: Terminals,
    /// `None` while a shell has the terminal, and once it is gone.
    taken: Option<(Screen, EventStream)>,
    gone: bool,
}

impl Front {
    /// As [`Screen::take`].
    pub fn take(mouse: bool, farewell: Option<String>) -> Result<Self> {
        let mut front = Self {
            mouse,
            farewell,
            terminals: Terminals::now(),
            taken: None,
            gone: false,
        };
        front.take_again()?;
        watch(front.terminals);
        Ok(front)
    }

    fn take_again(&mut self) -> Result<()> {
        let screen = Screen::take(self.mouse, self.farewell.clone())?;
        self.taken = Some((screen, EventStream::new()));
        Ok(())
    }

    /// What the user does next; `None` once the terminal is gone, and never anything while a shell has it.
    pub async fn next(&mut self) -> Option<Event> {
        match &mut self.taken {
            Some((screen, keys)) => {
                let event = keys.next().await.and_then(std::result::Result::ok);
                if let Some(Event::Resize(..)) = event {
                    screen.on_resize();
                }
                event
            }
            None => std::future::pending().await,
        }
    }

    /// Whether the screen is there to be drawn on.
    pub fn is_here(&self) -> bool {
        self.taken.is_some()
    }

    /// Draws what has changed; false where the terminal is gone.
    pub fn draw(&mut self, app: &mut App) -> bool {
        if app.run.is_some() {
            crash::on_demand("screen");
        }
        let drawn = self.taken.as_mut().map(|(screen, _)| screen.draw(app));
        drawn.is_none_or(|drawn| drawn.is_ok())
    }

    /// Gives the terminal to the shell and stands still, with all that the shell started in one line with this program
    /// where `with_group` says so. Returns once the program is let go on; [`Front::return_to`] takes the terminal again.
    ///
    /// # Errors
    /// [`Error::Input`] where no shell could let it go on.
    pub fn suspend(&mut self, with_group: bool) -> Result<()> {
        if self.gone {
            return Ok(());
        }
        if with_group && !signals::can_be_continued() {
            return Err(Error::input(
                "no shell could let the program go on: it is all that this terminal was opened for",
            ));
        }
        // The thread that reads keys goes too: what is typed meanwhile is the shell's.
        self.taken = None;
        signals::stop_here(with_group)
    }

    /// Takes the terminal again if it is this program's turn: after a shell's `fg`, not after its `bg`.
    pub fn return_to(&mut self, app: &mut App) {
        if self.gone || !signals::in_foreground() {
            return;
        }
        // Others may have written over the screen even where this program had not given it back.
        self.taken = None;
        if self.take_again().is_ok() {
            app.pictures.forget();
            app.touch();
        }
    }

    /// Looks now and then: false where the terminal is gone. One that a shell has given back without a word, as after `bg`
    /// and `fg`, is taken again.
    pub fn look(&mut self, app: &mut App) -> bool {
        if self.gone {
            return true;
        }
        if signals::terminal_is_gone() {
            return false;
        }
        if self.taken.is_none() {
            self.return_to(app);
        }
        true
    }

    /// Gives the terminal back for good: nothing reads or writes it any more.
    pub fn leave(&mut self) {
        self.gone = true;
        self.taken = None;
        // Where the system refuses, what is written goes to a terminal that is gone; no reason to lose the run.
        let _ = self.terminals.let_go();
    }

    /// Whether it was left for good.
    pub fn is_left(&self) -> bool {
        self.gone
    }
}
