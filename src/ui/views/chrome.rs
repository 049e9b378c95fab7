//! What every screen has: header, footer, messages, questions.

use super::super::actions::{Action, Screen};
use super::super::app::App;
use super::super::pen::Pen;
use super::super::question::Question;
use super::super::sweep::OpenSweep;
use super::super::text::{fit, fit_end, width, wrap};
use super::super::theme::Ink;
use crate::export::thousands;

/// Two lines: what runs, where and how far; and the screens.
pub fn header(app: &App, pen: &mut Pen) {
    let (columns, theme) = (pen.width(), &app.theme);
    let mut left = pen.part(1, 0, columns.saturating_sub(2), 1);
    let sweep = app.sweep.as_ref().filter(|_| app.screen == Screen::Sweep);
    match &app.run {
        _ if let Some(open) = sweep => sweep_header(app, open, &mut left),
        None => {
            let x = left.text(0, 0, "pentimento", theme.bold(Ink::Accent));
            left.text(x + 2, 0, "nothing runs yet", theme.ink(Ink::Faint));
        }
        Some(run) => {
            let started = run.view.started.as_ref();
            let name = started.map_or("pentimento", |s| s.recipe.name.as_str());
            let device = started.map_or("", |s| s.device.as_str());
            let ink = match () {
                () if run.view.failure.is_some() => Ink::Bad,
                () if run.view.paused || run.view.stopped => Ink::Warning,
                () => Ink::Plain,
            };
            let x = left.fitted(0, 0, 24, name, theme.bold(Ink::Accent));
            let status = if app.leaving {
                "stopping: a checkpoint is written".to_owned()
            } else {
                run.status()
            };
            let x = left.text(x + 2, 0, &status, theme.ink(ink)) + 2;
            let room = usize::from(left.width().saturating_sub(x));
            let place = format!("{device}  {}", run.folder.display());
            if room > 8 {
                let end = left.width();
                left.right(end, 0, &fit_end(&place, room), theme.ink(Ink::Faint));
            }
        }
    }
    for tab in tabs(app, columns) {
        let style = match tab.screen == app.screen {
            true => theme.bold(Ink::Accent),
            false => theme.ink(Ink::Faint),
        };
        pen.text(tab.from, 1, &tab.text, style);
    }
}

/// Which sweep is shown, how many runs it has, and where it lies.
fn sweep_header(app: &App, open: &OpenSweep, pen: &mut Pen) {
    let theme = &app.theme;
    let name = open.folder.file_name().unwrap_or(open.folder.as_os_str());
    let name = name.to_string_lossy();
    let x = pen.fitted(0, 0, 32, &name, theme.bold(Ink::Accent)) + 2;
    let runs = match open.runs.runs.len() {
        0 => "a sweep".to_owned(),
        1 => "a sweep of one run".to_owned(),
        runs => format!("a sweep of {runs} runs"),
    };
    let text = match app.leaving {
        true => "stopping: a checkpoint is written",
        false => &runs,
    };
    let x = pen.text(x, 0, text, theme.ink(Ink::Plain)) + 2;
    let (end, room) = (pen.width(), usize::from(pen.width().saturating_sub(x)));
    let place = open.folder.display().to_string();
    if room > 8 && place != name {
        pen.right(end, 0, &fit_end(&place, room), theme.ink(Ink::Faint));
    }
}

/// A screen's name in the header.
pub struct Tab {
    /// The screen.
    pub screen: Screen,
    /// Its first column.
    pub from: u16,
    /// What is written, the sign of the open one included.
    pub text: String,
}

impl Tab {
    /// The column after it.
    pub fn end(&self) -> u16 {
        self.from + width(&self.text) as u16
    }
}

/// The screens by number and name; by number alone, but the open one, where there is no room.
pub fn tabs(app: &App, columns: u16) -> Vec<Tab> {
    let tabs_with = |gap, names| tabs_with(app.screen, app.sweep.is_some(), gap, names);
    let all = tabs_with(2, true);
    let fits = |tabs: &[Tab]| tabs.last().is_none_or(|tab| tab.end() < columns);
    if fits(&all) {
        return all;
    }
    let close = tabs_with(0, true);
    if fits(&close) {
        return close;
    }
    tabs_with(1, false)
}

fn tabs_with(open: Screen, sweep: bool, gap: u16, names: bool) -> Vec<Tab> {
    let mut from = 1;
    let tab = |(i, screen): (usize, Screen)| {
        let screen = match screen {
            Screen::Runs if sweep => Screen::Sweep,
            screen => screen,
        };
        let sign = if screen == open { "▸" } else { " " };
        let name = match names || screen == open {
            true => format!(" {}", screen.name()),
            false => String::new(),
        };
        let tab = Tab {
            screen,
            from,
            text: format!("{sign}{}{name}", i + 1),
        };
        from = tab.end() + gap;
        tab
    };
    Screen::ALL.into_iter().enumerate().map(tab).collect()
}

/// The keys that make sense, as many as there is room for; help and quit always.
pub fn footer(app: &App, pen: &mut Pen) {
    let theme = &app.theme;
    let rows: Vec<(String, &str)> = app
        .situation()
        .footer()
        .map(|row| (row.short_keys(), row.binding.name))
        .collect();
    let columns = usize::from(pen.width()).saturating_sub(2);
    let needed = |(keys, name): &(String, &str)| width(keys) + 1 + width(name) + 2;
    let last = rows.len().saturating_sub(2);
    let (optional, always) = rows.split_at(last);
    let mut room = columns.saturating_sub(always.iter().map(needed).sum());
    let mut shown: Vec<&(String, &str)> = Vec::new();
    for row in optional {
        // Not the first that fits: an order with holes would hide which key was dropped.
        match room.checked_sub(needed(row)) {
            Some(left) => room = left,
            None => break,
        }
        shown.push(row);
    }
    let mut x = 1;
    for (keys, name) in shown.into_iter().chain(always) {
        let pieces = [
            (keys.as_str(), theme.ink(Ink::Accent)),
            (" ", theme.ink(Ink::Plain)),
            (name, theme.ink(Ink::Faint)),
        ];
        x = pen.pieces(x, 0, &pieces) + 2;
    }
}

/// Where in its journal a run is shown that no lab of this program works on, as a bar above the footer.
pub fn replay(app: &App, pen: &mut Pen) {
    let theme = &app.theme;
    let replay = app.run.as_ref().and_then(|run| run.replay.as_ref());
    let away = matches!(app.screen, Screen::SetUp | Screen::Sweep);
    let Some(replay) = replay.filter(|_| !away) else {
        return;
    };
    let (at, all) = replay.position();
    let sign = if replay.playing { "▶" } else { "▪" };
    let time = replay.time().unwrap_or_default();
    let time = time.split('.').next().unwrap_or_default().replace('T', " ");
    let text = format!("{}/{} records  {time}", thousands(at), thousands(all));
    let end = pen.width();
    pen.right(end, 0, &text, theme.ink(Ink::Faint));
    let room = usize::from(end).saturating_sub(width(&text) + 4);
    if room < 8 || all == 0 {
        return;
    }
    let done = (room - 1) * at / all;
    let x = pen.text(0, 0, sign, theme.ink(Ink::Accent)) + 1;
    let x = pen.text(x, 0, &"━".repeat(done), theme.ink(Ink::Accent));
    let x = pen.text(x, 0, "●", theme.bold(Ink::Accent));
    pen.text(x, 0, &"─".repeat(room - 1 - done), theme.ink(Ink::Faint));
}

/// A message, or what is being prepared, over the last lines.
pub fn toast(app: &App, pen: &mut Pen) {
    let theme = &app.theme;
    let (text, ink) = match (&app.busy, &app.toast) {
        // The footer may have no room for it.
        (Some(busy), _) if busy.cancels => {
            let key = app.keys.of(Action::CancelWork);
            (format!("{} …  {key} gives up", busy.text), Ink::Accent)
        }
        (Some(busy), _) => (format!("{} …", busy.text), Ink::Accent),
        (None, Some(toast)) => (toast.text.clone(), toast.ink),
        (None, None) => return,
    };
    let columns = usize::from(pen.width()).saturating_sub(2);
    let mut lines = wrap(&text, columns);
    lines.truncate(3);
    let (rows, columns) = (lines.len() as u16, pen.width());
    let top = pen.height().saturating_sub(rows);
    let mut pen = pen.part(0, top, columns, rows);
    pen.clear();
    for (y, line) in lines.iter().enumerate() {
        pen.text(1, y as u16, line, theme.ink(ink));
    }
}

/// A question in the middle, in a box, since it stops everything else.
pub fn question(question: &Question, app: &App, pen: &mut Pen) {
    let theme = &app.theme;
    let (title, text) = question.text();
    let columns = pen.width().saturating_sub(4).min(60);
    let lines = wrap(text, usize::from(columns.saturating_sub(4)));
    let rows = (lines.len() as u16 + 5).min(pen.height());
    let (x, y) = ((pen.width() - columns) / 2, (pen.height() - rows) / 2);
    let mut pen = pen.part(x, y, columns, rows);
    pen.clear();
    frame(&mut pen, app);
    let room = columns.saturating_sub(4);
    pen.fitted(2, 1, room, &title, theme.bold(Ink::Plain));
    for (i, line) in lines.iter().enumerate() {
        pen.text(2, 2 + i as u16, line, theme.ink(Ink::Plain));
    }
    let y = rows.saturating_sub(2);
    let x = pen.text(2, y, &app.keys.of(Action::Confirm), theme.bold(Ink::Accent));
    let x = pen.text(x + 1, y, "yes", theme.ink(Ink::Plain));
    let x = pen.text(
        x + 3,
        y,
        &app.keys.of(Action::Cancel),
        theme.bold(Ink::Accent),
    );
    pen.text(x + 1, y, "no", theme.ink(Ink::Plain));
}

/// The lines around a box.
pub fn frame(pen: &mut Pen, app: &App) {
    let style = app.theme.ink(Ink::Accent);
    let (columns, rows) = (pen.width(), pen.height());
    let inner = "─".repeat(usize::from(columns.saturating_sub(2)));
    pen.text(0, 0, &format!("╭{inner}╮"), style);
    pen.text(0, rows.saturating_sub(1), &format!("╰{inner}╯"), style);
    for y in 1..rows.saturating_sub(1) {
        pen.text(0, y, "│", style);
        pen.text(columns.saturating_sub(1), y, "│", style);
    }
}

/// What a screen of a run shows while there is no run.
pub fn nothing_yet(app: &App, pen: &mut Pen) {
    let text = format!(
        "nothing runs yet: choose a preset on the set-up screen ({}) and start it there with {}",
        app.keys.of(Action::Go(Screen::SetUp)),
        app.keys.of(Action::Start)
    );
    for (y, line) in wrap(&text, usize::from(pen.width())).iter().enumerate() {
        pen.text(0, y as u16, line, app.theme.ink(Ink::Faint));
    }
}

/// `label` and `value` one after the other, for lines of figures; returns the column after them.
pub fn figure(pen: &mut Pen, app: &App, at: (u16, u16), label: &str, value: &str) -> u16 {
    let theme = &app.theme;
    let x = pen.text(at.0, at.1, label, theme.ink(Ink::Faint));
    pen.text(x + 1, at.1, value, theme.ink(Ink::Plain)) + 3
}

/// As [`figure`], on the next line where it would not fit on this one.
pub struct Figures {
    at: (u16, u16),
}

impl Figures {
    /// Begins a block of figures on line `y`.
    pub fn at(y: u16) -> Self {
        Self { at: (0, y) }
    }

    /// Adds one; moves to the next line first if it does not fit.
    pub fn add(&mut self, pen: &mut Pen, app: &App, label: &str, value: &str) {
        let needed = (width(label) + 1 + width(value)) as u16;
        if self.at.0 > 0 && self.at.0 + needed > pen.width() {
            self.at = (0, self.at.1 + 1);
        }
        self.at.0 = figure(
            pen,
            app,
            self.at,
            label,
            &fit(value, usize::from(pen.width())),
        );
    }

    /// Goes to the next line.
    pub fn next_line(&mut self) {
        self.at = (0, self.at.1 + 1);
    }

    /// The line after the last one.
    pub fn end(&self) -> u16 {
        self.at.1 + u16::from(self.at.0 > 0)
    }
}
