//! Kills, which no program can see coming.

use std::time::Instant;

use anyhow::Result;
use pentimento::lab::Event;

use super::random::Random;
use super::runs::{Place, Reference, Verdict, said, wait};

/// Kills of one run, about: so many that they fall everywhere.
const OF_ONE: f64 = 12.0;

/// Kills runs at random moments, so often in all, and lets each go on to its end.
pub fn disturb(reference: &Reference, count: usize, random: &mut Random) -> Result<Verdict> {
    let span = 2.0 * reference.seconds / OF_ONE;
    let (mut killed, mut repeated, mut runs, mut unbegun) = (0, 0, 0, 0);
    let mut lost = Vec::new();
    while killed < count {
        runs += 1;
        let place = reference.place()?;
        let mut begun = false;
        loop {
            let mut program = if begun { place.resume() } else { place.run() };
            let mut child = program.spawn()?;
            if killed < count {
                let moment = Instant::now() + random.within(span);
                while Instant::now() < moment && child.try_wait()?.is_none() {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
            let alive = child.try_wait()?.is_none();
            if killed < count && alive {
                child.kill()?;
                wait(child)?;
                killed += 1;
                begun = place.events().is_ok_and(|events| !events.is_empty());
                if !begun {
                    // Nothing of the run was there yet: it says so and is begun anew.
                    unbegun += 1;
                    let _ = std::fs::remove_dir_all(place.folder());
                }
                continue;
            }
            let words = said(child)?;
            match reference.differs(&place.folder()) {
                Some(what) => {
                    lost.push(format!("a run killed up to kill {killed}: {what}; {words}"))
                }
                None => repeated = repeated.max(repeats(&place)?),
            }
            break;
        }
    }
    Ok(Verdict {
        what: "kills",
        count,
        lost,
        seen: format!(
            "{runs} runs, {unbegun} before they began, at most {repeated} steps repeated"
        ),
    })
}

/// The most steps that one of a run's resumptions took again.
fn repeats(place: &Place) -> Result<usize> {
    let (mut newest, mut most) = (0, 0);
    for event in place.events()? {
        match event {
            Event::Step { step, .. } => newest = step,
            Event::TaskStarted { .. } | Event::Trained { .. } => newest = 0,
            // One that is for no training takes none of its steps again.
            Event::Resumed {
                from_step,
                training: Some(_),
                ..
            } => most = most.max(newest.saturating_sub(from_step)),
            _ => {}
        }
    }
    Ok(most)
}
