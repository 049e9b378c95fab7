//! A run whose terminal is gone: it goes on, and ends where it would wait for somebody and nobody is there.

use std::time::{Duration, Instant};

use super::open_run::OpenRun;
use crate::session::Session;

/// How long a run may wait for somebody who has its control, or who is just about to take it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Watches over a run that goes on without a terminal.
pub(super) struct Vigil {
    waits_since: Option<Instant>,
    /// Whether the journal was told that the terminal is gone.
    pub told: bool,
}

impl Vigil {
    /// Begins when the terminal goes.
    pub fn new() -> Self {
        Self {
            waits_since: None,
            told: false,
        }
    }

    /// Whether the run waits for nobody: it would hold its lock for ever.
    pub fn is_over(&mut self, run: Option<&OpenRun>, session: Option<&Session>) -> bool {
        let guests = session.map_or(0, Session::guests);
        let waits = run.is_none_or(|run| !run.works() || run.view.paused);
        if !waits || guests > 0 {
            self.waits_since = None;
            return false;
        }
        let since = *self.waits_since.get_or_insert_with(Instant::now);
        session.is_none() || since.elapsed() >= PATIENCE
    }
}
