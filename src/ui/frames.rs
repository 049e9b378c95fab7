//! How soon a frame may follow the one before.

use std::time::Duration;

use super::actions::Screen;
use super::app::App;

/// Where a key or its like has changed something.
const AWAITED: Duration = Duration::from_millis(20);
/// Where the lab alone has gone on: more often would take from training what nobody can read.
const CALM: Duration = Duration::from_millis(125);
/// Where curves are drawn anew with every step and nothing is acted on.
const CALMER: Duration = Duration::from_millis(250);

impl App {
    /// Between two frames at least, as things are.
    pub fn pause(&self) -> Duration {
        match self.screen {
            _ if self.is_awaited() => AWAITED,
            Screen::Machine => CALMER,
            _ => CALM,
        }
    }
}
