//! Which classes of the foundation were lost, by which merge, and whether they are those that the task touched.

use ratatui::style::Modifier;

use super::super::actions::Action;
use super::super::app::App;
use super::super::classes::{Losses, are_glyphs, groups, mean};
use super::super::look::{ForgettingLook, Merge};
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::text::{percent, points, ratio, wrap};
use super::super::theme::{Ink, MARKS};
use super::chrome::Figures;
use super::glyphs::{self, Grid};
use super::list;
use crate::export::thousands;
use crate::measure::NOT_INDEPENDENT;

/// Rows above the grid: the merge, the legend.
const HEAD: u16 = 2;
/// Rows below it: the class, the summary.
const FOOT: u16 = 9;
/// As many where the groups are listed in it.
const LIST_FOOT: u16 = 10;
/// Rows below it while there is no summary.
const PROVISIONAL_FOOT: u16 = 5;

/// Draws the screen.
pub fn draw(app: &App, run: &OpenRun, pen: &mut Pen) {
    let theme = &app.theme;
    let chosen = app.forgetting.chosen(run);
    let Some((merge, losses)) = chosen.and_then(|m| Some((m, Losses::of(run, m)?))) else {
        let text =
            "what the first merge costs is shown here as soon as something of it is measured";
        for (y, line) in wrap(text, usize::from(pen.width())).iter().enumerate() {
            pen.text(0, y as u16, line, theme.ink(Ink::Faint));
        }
        return;
    };
    draw_merge(app, run, merge, &losses, pen);
    draw_legend(app, pen);
    let (columns, rows) = (pen.width(), pen.height());
    // The grid keeps its size from a provisional figure to the real one; a list just gets longer.
    let glyphs = are_glyphs(losses.foundation);
    let foot = match (glyphs, losses.provisional()) {
        (true, _) => FOOT,
        (false, true) => PROVISIONAL_FOOT,
        (false, false) => LIST_FOOT,
    };
    let room = class_rows(rows, foot);
    let mut middle = pen.part(0, HEAD, columns, room);
    let used = if glyphs {
        let grid = Grid::new(losses.foundation, columns, room);
        glyphs::draw(app, &losses, &grid, &mut middle)
    } else {
        list::draw(app, run, merge, &losses, &mut middle)
    };
    let top = HEAD + used + u16::from(rows > 16);
    let mut foot = pen.part(0, top, columns, rows.saturating_sub(top));
    let y = draw_class(app, &losses, &mut foot);
    draw_summary(app, &losses, y, &mut foot);
}

/// Rows for the classes on a screen of `rows` rows, `foot` of them wanted below.
fn class_rows(rows: u16, foot: u16) -> u16 {
    rows.saturating_sub(HEAD + foot).max(rows / 3).max(1)
}

/// Moves the cursor over the classes as they are drawn.
pub fn go(run: &OpenRun, look: &mut ForgettingLook, action: Action, size: (u16, u16)) {
    let Some(foundation) = run.foundation() else {
        return;
    };
    let last = foundation.classes.len().saturating_sub(1);
    let (columns, rows) = super::body(size.0, size.1);
    let (down, right) = match action {
        Action::Up => (-1, 0),
        Action::Down => (1, 0),
        Action::Left => (0, -1),
        Action::Right => (0, 1),
        Action::PageUp => (-10, 0),
        Action::PageDown => (10, 0),
        _ => (0, 0),
    };
    if are_glyphs(foundation) {
        look.class = match action {
            Action::Home => 0,
            Action::End => last,
            _ => Grid::new(foundation, columns, class_rows(rows, FOOT))
                .neighbour(look.class, down, right),
        };
        return;
    }
    if right != 0 {
        look.turn(run, right);
        return;
    }
    let Some(losses) = look.chosen(run).and_then(|m| Losses::of(run, m)) else {
        return;
    };
    let order = list::order(&losses, look);
    let at = order.iter().position(|c| *c == look.class).unwrap_or(0);
    let to = match action {
        Action::Home => 0,
        Action::End => last,
        _ => at.saturating_add_signed(down).min(last),
    };
    look.class = order.get(to).copied().unwrap_or(0);
}

fn draw_merge(app: &App, run: &OpenRun, merge: Merge, losses: &Losses, pen: &mut Pen) {
    let theme = &app.theme;
    let name = match merge {
        Merge::Row(row) => format!("merge {row}  {}", losses.task),
        Merge::WouldBe => format!("{}, not merged", losses.task),
    };
    let merges = ForgettingLook::merges(run);
    let at = merges.iter().position(|m| *m == merge).unwrap_or(0);
    let arrow = |there| if there { Ink::Accent } else { Ink::Faint };
    let x = pen.text(0, 0, "[", theme.ink(arrow(at > 0)));
    let x = pen.text(x + 1, 0, &name, theme.bold(Ink::Plain));
    let x = pen.text(x + 1, 0, "]", theme.ink(arrow(at + 1 < merges.len())));
    let since = match app.forgetting.since_start {
        true => "what is lost since the start",
        false => "what this merge cost",
    };
    let x = pen.text(x + 2, 0, since, theme.ink(Ink::Faint));
    if losses.provisional() {
        let step = losses
            .training
            .and_then(|t| t.watched.last())
            .map_or(0, |w| w.step);
        let text = format!("provisional, step {}", thousands(step));
        pen.text(x + 2, 0, &text, theme.ink(Ink::Warning));
    }
}

fn draw_legend(app: &App, pen: &mut Pen) {
    let theme = &app.theme;
    let mut x = pen.text(0, 1, "points lost", theme.ink(Ink::Faint)) + 2;
    for (sign, label, value) in MARKS {
        x = pen.text(x, 1, &format!(" {sign} "), theme.loss(value));
        x = pen.text(x + 1, 1, label, theme.ink(Ink::Faint)) + 2;
    }
    let style = theme.ink(Ink::Faint);
    pen.text(x, 1, "in context", style.add_modifier(Modifier::UNDERLINED));
}

/// The class under the cursor; returns the next free row.
fn draw_class(app: &App, losses: &Losses, pen: &mut Pen) -> u16 {
    let theme = &app.theme;
    let class = app
        .forgetting
        .class
        .min(losses.classes.len().saturating_sub(1));
    let (Some(named), Some(accuracy)) = (
        losses.foundation.classes.get(class),
        losses.classes.get(class),
    ) else {
        return 0;
    };
    let room = pen.width() / 2;
    let mut x = pen.fitted(0, 0, room, &named.name, theme.bold(Ink::Accent)) + 2;
    if !named.group.is_empty() {
        x = pen.text(x, 0, &named.group, theme.ink(Ink::Plain)) + 2;
    }
    if losses.in_context(class) {
        let text = format!("in the context of {}", losses.task);
        pen.text(x, 0, &text, theme.ink(Ink::Accent));
    }
    let mut figures = Figures::at(1);
    figures.add(pen, app, "start", &percent(accuracy.start));
    let since_start = app.forgetting.since_start;
    if !since_start {
        figures.add(pen, app, "before", &percent(accuracy.before));
    }
    let (right, total) = accuracy.count;
    let after = format!("{}  {right}/{total}", percent(accuracy.after));
    figures.add(pen, app, "after", &after);
    let label = if since_start {
        "lost since start"
    } else {
        "lost"
    };
    figures.add(pen, app, label, &points(accuracy.loss(since_start)));
    let similarity = losses.training.and_then(|t| t.similarity.get(class));
    if let Some(similarity) = similarity {
        figures.add(pen, app, "similarity", &ratio(f64::from(*similarity), 2));
    }
    figures.next_line();
    if let Some(evaluation) = losses.evaluation {
        let count = |v: &[u32]| v.get(class).copied().unwrap_or(0).to_string();
        let label = if since_start {
            "this merge: new errors"
        } else {
            "new errors"
        };
        figures.add(pen, app, label, &count(&evaluation.new_errors));
        figures.add(pen, app, "new hits", &count(&evaluation.new_hits));
        let names = &losses.foundation.classes;
        let wrong = evaluation.wrong.get(class).map_or(&[][..], Vec::as_slice);
        let wrong: Vec<String> = wrong
            .iter()
            .filter_map(|(other, n)| Some(format!("{} ×{n}", names.get(*other)?.name)))
            .collect();
        let wrong = if wrong.is_empty() {
            "nothing".into()
        } else {
            wrong.join(" · ")
        };
        figures.add(pen, app, "mistaken for", &wrong);
        figures.next_line();
    }
    figures.end() + u16::from(pen.height() > 6)
}

/// Whether the classes that the task touched lost more.
fn draw_summary(app: &App, losses: &Losses, y: u16, pen: &mut Pen) {
    let theme = &app.theme;
    let mut figures = Figures::at(y);
    let since_start = app.forgetting.since_start;
    if !are_glyphs(losses.foundation) {
        for (name, classes) in groups(losses.foundation) {
            let lost = classes.iter().filter_map(|c| losses.classes.get(*c));
            let lost = points(mean(lost.map(|c| c.loss(since_start))));
            figures.add(pen, app, if name.is_empty() { "all" } else { name }, &lost);
        }
        figures.next_line();
    }
    let Some(c) = losses.contextual else {
        return;
    };
    figures.add(pen, app, "this merge: in context", &points(c.in_context));
    figures.add(pen, app, "rest", &points(c.rest));
    figures.add(pen, app, "p one-sided", &ratio(c.p_one_sided, 4));
    figures.add(pen, app, "two-sided", &ratio(c.p_two_sided, 4));
    figures.next_line();
    let rho = format!("{} (p {})", ratio(c.rho, 2), ratio(c.rho_p, 4));
    figures.add(pen, app, "ρ of drop and similarity", &rho);
    let columns = usize::from(pen.width());
    for (i, line) in wrap(NOT_INDEPENDENT, columns).iter().enumerate() {
        pen.text(0, figures.end() + i as u16, line, theme.ink(Ink::Faint));
    }
}
