//! Terminals that go, and terminals that change their size again and again.

use std::time::Duration;

use anyhow::Result;
use pentimento::lab::Event;

use super::driven::Terminal;
use super::random::Random;
use super::runs::{BEGIN, Place, Reference, Verdict, until};

const SIZE: (u16, u16) = (100, 30);
/// Sizes of one storm.
const SIZES: usize = 60;

/// A run that was begun by keys.
fn begin(place: &Place) -> Terminal {
    let mut terminal = Terminal::start_at(SIZE, place.root(), &[]);
    terminal.wait_for("Enter start");
    terminal.press(BEGIN);
    terminal
}

/// Whether the run came to its end. Its export alone does not tell: a stop writes one too.
fn is_finished(place: &Place) -> bool {
    let events = place.events();
    events.is_ok_and(|events| matches!(events.last(), Some(Event::Finished)))
}

/// Takes terminals away from runs, so often in all. Each time another one opens the run: it takes the control of the lab
/// that goes on, or where that was ended by a signal before, takes the run up.
pub fn hang_up(reference: &Reference, count: usize, random: &mut Random) -> Result<Verdict> {
    let span = reference.seconds / 4.0;
    let (mut gone, mut runs, mut taken_up) = (0, 0, 0);
    let mut lost = Vec::new();
    while gone < count {
        runs += 1;
        let place = reference.place()?;
        let mut owner = begin(&place);
        until("the run", || place.events().is_ok_and(|e| !e.is_empty()))?;
        std::thread::sleep(random.within(span));
        owner.vanish();
        gone += 1;
        while gone < count && !is_finished(&place) {
            let takes_up = random.between(0, 1) == 1;
            if takes_up {
                owner.signal("-TERM");
                owner.wait_for_end();
            }
            if is_finished(&place) {
                break;
            }
            let mut next = Terminal::start_at(SIZE, place.root(), &["open", "runs/soak-s0-1"]);
            let answers: &[(&str, &str)] = match takes_up {
                true => &[("go on with it?", "y"), ("p go on", "p")],
                false => &[("g takes the control", "g")],
            };
            for (text, key) in answers {
                until(text, || next.screen().contains(text) || is_finished(&place))?;
                next.press(key);
            }
            std::thread::sleep(random.within(span));
            next.vanish();
            gone += 1;
            if takes_up {
                taken_up += 1;
                owner = next;
            }
        }
        // Nobody looks any more: it goes on to its end by itself.
        until("the end of a run without a terminal", || {
            is_finished(&place)
        })?;
        owner.wait_for_end();
        if let Some(what) = reference.differs(&place.folder()) {
            lost.push(format!("a run whose terminal went: {what}"));
        }
    }
    Ok(Verdict {
        what: "hang-ups",
        count,
        lost,
        seen: format!("{runs} runs, taken up again {taken_up} times"),
    })
}

/// Changes the size of a terminal in storms while a run is at work in it.
pub fn resize(reference: &Reference, count: usize, random: &mut Random) -> Result<Verdict> {
    let place = reference.place()?;
    let mut terminal = begin(&place);
    let screens = [
        "2 Train",
        "3 Matrix",
        "4 Forgetting",
        "5 Log",
        "6 Machine",
        "7 Runs",
    ];
    for screen in screens.iter().cycle().take(count) {
        // A program without room for anything hears no keys.
        terminal.press(&screen[..1]);
        terminal.wait_for(&format!("▸{screen}"));
        for _ in 0..SIZES {
            terminal.resize(random.between(1, 320), random.between(1, 90));
            std::thread::sleep(random.within(0.02));
        }
        terminal.resize(SIZE.0, SIZE.1);
        terminal.wait_for(&format!("▸{screen}"));
        terminal.wait_for("q quit");
        std::thread::sleep(random.within(reference.seconds / count as f64));
    }
    until("the end of the run", || is_finished(&place))?;
    // Its export is written right behind.
    std::thread::sleep(Duration::from_secs(1));
    terminal.press("q");
    terminal.wait_for_end();
    Ok(Verdict {
        what: "resize storms",
        count,
        lost: reference.differs(&place.folder()).into_iter().collect(),
        seen: format!("{} sizes in one run", count * SIZES),
    })
}
