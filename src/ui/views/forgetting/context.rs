//! Similarity to the task against drop, and how the drops in its context and outside it are spread.

use ratatui::style::Style;

use super::super::super::forgetting::{Losses, Measure};
use super::super::super::pen::Pen;
use super::super::super::plot::{Kind, Plot, Series, scale, ticks};
use super::super::super::text::{points, ratio, wrap};
use super::super::super::theme::{Ink, Marker};
use super::cells::Shown;
use super::draw_text;
use crate::measure::{Contextual, NOT_INDEPENDENT, distribution, mean};

/// Columns left of the distributions.
const LABEL: u16 = 19;
/// Columns below which the legend is short.
const LEGEND: u16 = 70;
/// The least rows that a scatter plot says something in.
const SCATTER: u16 = 5;

/// Draws the view of one run into the whole area, to a scale that all runs in view have room in; returns its rows.
pub fn draw(shown: &Shown, in_view: &[&Losses], pen: &mut Pen) -> u16 {
    let (columns, rows) = (pen.width(), pen.height());
    let spread = Spread::new(shown, in_view);
    let measure = shown.look.measure(shown.losses.training);
    let similarity = shown.losses.similarities(shown.look);
    let text = Words::new(shown, measure, &spread, columns);
    let foot = text.lines.len() as u16;
    let high = spread_rows(rows.saturating_sub(foot));
    let scatter = rows.saturating_sub(foot + 2 * high + 2 + 1);
    let mut y = 0;
    if scatter >= SCATTER {
        draw_legend(shown, measure, pen);
        let mut part = pen.part(0, 1, columns, scatter);
        if similarity.iter().any(|s| s.is_finite()) {
            plot(shown, &similarity, in_view).draw(&mut part, shown.theme);
        } else {
            let sentence = "the journal has no similarity of the classes to this task";
            draw_text(shown.theme, sentence, Ink::Faint, &mut part);
        }
        y += 1 + scatter;
    }
    spread.draw(shown, high, &mut pen.part(0, y, columns, 2 * high + 2));
    y += 2 * high + 2;
    for (line, ink) in &text.lines {
        pen.text(0, y, line, shown.theme.ink(*ink));
        y += 1;
    }
    rows
}

/// Rows of a distribution, of `rows` in all.
fn spread_rows(rows: u16) -> u16 {
    match rows {
        0..16 => 1,
        16..26 => 2,
        26..40 => 3,
        _ => 5,
    }
}

fn draw_legend(shown: &Shown, measure: Measure, pen: &mut Pen) {
    let theme = shown.theme;
    let text = match pen.width() < LEGEND {
        true => format!("lost by similarity ({})", measure.name()),
        false => format!("points lost against similarity by {}", measure.name()),
    };
    let x = pen.text(0, 0, &text, theme.ink(Ink::Faint)) + 2;
    let x = pen.text(x, 0, "o", theme.bold(Ink::Accent));
    let x = pen.text(x + 1, 0, "in context", theme.ink(Ink::Faint)) + 2;
    let x = pen.text(x, 0, "·", theme.ink(Ink::Plain));
    let x = pen.text(x + 1, 0, "rest", theme.ink(Ink::Faint)) + 2;
    let x = pen.text(x, 0, "X", theme.bold(Ink::Second));
    let room = pen.width();
    pen.fitted(
        x + 1,
        0,
        room,
        shown.name(shown.look.class),
        theme.bold(Ink::Second),
    );
}

fn plot(shown: &Shown, similarity: &[f64], in_view: &[&Losses]) -> Plot {
    let theme = shown.theme;
    let drops = shown.losses.drops(false);
    let similarities = { in_view.iter() }.flat_map(|losses| losses.similarities(shown.look));
    let at = |class: usize| {
        let similarity = similarity.get(class).copied().unwrap_or(f64::NAN);
        (similarity, drops.get(class).copied().unwrap_or(f64::NAN))
    };
    let side = |inside: bool| -> Vec<(f64, f64)> {
        let classes = shown.order.classes();
        let classes = classes.filter(|c| shown.losses.in_context(*c) == inside);
        classes.map(at).collect()
    };
    let series = |points, style: Style, kind| Series {
        points,
        style,
        kind,
        letter: None,
        sign: None,
    };
    Plot {
        x: scale(similarities, 0.01),
        y: scale(all_drops(in_view), 0.05),
        unit: 100.0,
        series: vec![
            series(side(false), theme.ink(Ink::Plain), Kind::Points),
            series(side(true), theme.bold(Ink::Accent), Kind::Mark('o')),
            series(
                vec![at(shown.look.class)],
                theme.bold(Ink::Second),
                Kind::Mark('X'),
            ),
        ],
        ..Plot::default()
    }
}

fn all_drops(in_view: &[&Losses]) -> impl Iterator<Item = f64> {
    in_view.iter().flat_map(|losses| losses.drops(false))
}

/// The drops of the classes in context, and of the others.
struct Spread {
    inside: Vec<f32>,
    rest: Vec<f32>,
    /// From and to, of both.
    range: (f64, f64),
}

impl Spread {
    fn new(shown: &Shown, in_view: &[&Losses]) -> Self {
        let drops = shown.losses.drops(false);
        let side = |inside: bool| -> Vec<f32> {
            let classes = shown.order.classes();
            let classes = classes.filter(|c| shown.losses.in_context(*c) == inside);
            let drops = classes.filter_map(|c| drops.get(c).filter(|d| d.is_finite()));
            drops.map(|drop| *drop as f32).collect()
        };
        let finite = || all_drops(in_view).filter(|d| d.is_finite());
        let low = finite().fold(0.0, f64::min);
        let high = finite().fold(0.0, f64::max);
        Self {
            inside: side(true),
            rest: side(false),
            range: (low, high.max(low + 0.05)),
        }
    }

    fn draw(&self, shown: &Shown, high: u16, pen: &mut Pen) {
        let theme = shown.theme;
        let room = pen.width().saturating_sub(LABEL);
        if room < 10 || pen.height() < 2 * high + 2 {
            return;
        }
        let sides = [
            ("i in context", &self.inside, Ink::Accent),
            ("r rest", &self.rest, Ink::Plain),
        ];
        let axis = 2 * high;
        let line = "─".repeat(usize::from(room));
        pen.text(LABEL, axis, &line, theme.ink(Ink::Faint));
        for (i, (label, drops, ink)) in (0..).zip(sides) {
            let mean = mean(drops.iter().map(|d| f64::from(*d)));
            let y = (i + 1) * high - 1;
            let x = pen.text(0, y, label, theme.ink(ink));
            let figure = format!("mean {}", points(mean));
            match high {
                1 => pen.right(LABEL - 1, y, &points(mean), theme.bold(ink)),
                _ => pen.right(LABEL - 1, y - 1, &figure, theme.bold(ink)),
            }
            let count = drops.len().to_string();
            if high > 1 || x + 2 + count.len() as u16 + 6 < LABEL {
                pen.text(x + 1, y, &format!("({count})"), theme.ink(Ink::Faint));
            }
            let mut bars = pen.part(LABEL, i * high, room, high);
            draw_bars(drops, self.range, theme.marker, theme.ink(ink), &mut bars);
            if let Some(at) = self.column(mean, room) {
                pen.text(LABEL + at, axis, &label[..1], theme.bold(ink));
            }
        }
        pen.text(0, axis, "means", theme.ink(Ink::Faint));
        pen.text(0, axis + 1, "points lost", theme.ink(Ink::Faint));
        self.draw_ticks(room, axis + 1, theme.ink(Ink::Faint), pen);
    }

    fn column(&self, drop: f64, room: u16) -> Option<u16> {
        let (low, high) = self.range;
        let part = (drop - low) / (high - low);
        // As the bars: they end where no bin more has room.
        let wide = (usize::from(room) / BINS).max(1) as u16;
        let at = (part * f64::from(room - room % wide)).floor();
        at.is_finite()
            .then(|| at.clamp(0.0, f64::from(room.saturating_sub(1))) as u16)
    }

    fn draw_ticks(&self, room: u16, y: u16, style: Style, pen: &mut Pen) {
        let (low, high) = self.range;
        let mut free = 0;
        for tick in ticks(100.0 * low, 100.0 * high, usize::from(room / 10).max(1)) {
            let label = format!("{tick:.0}");
            let (at, wide) = (self.column(tick / 100.0, room), label.len() as u16);
            if let Some(at) = at.filter(|at| *at >= free && at + wide <= room) {
                pen.text(LABEL + at, y, &label, style);
                free = at + wide + 1;
            }
        }
    }
}

/// Bins of a distribution, about: fewer than the steps in which an image more or less changes an accuracy.
const BINS: usize = 25;
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SIGNS: [char; 9] = [' ', '.', ',', ':', '-', '=', '+', '*', '#'];

/// How drops are spread over the columns, each the higher the more classes are in it.
fn draw_bars(drops: &[f32], range: (f64, f64), marker: Marker, style: Style, pen: &mut Pen) {
    let (columns, rows) = (usize::from(pen.width()), pen.height());
    let wide = (columns / BINS).max(1);
    let shares = distribution(drops, &|_| 1.0, range, columns / wide);
    let most = shares.iter().copied().fold(0.0, f64::max);
    let signs = if marker == Marker::Ascii {
        SIGNS
    } else {
        BLOCKS
    };
    for (x, share) in shares.iter().enumerate().filter(|(_, s)| **s > 0.0) {
        // One class of a thousand is to be seen.
        let eighths = (share / most * f64::from(8 * rows)).ceil() as u16;
        for row in 0..rows {
            let above = 8 * (rows - 1 - row);
            let level = usize::from(eighths.saturating_sub(above).min(8));
            let sign = signs.get(level).copied().unwrap_or(' ');
            if level > 0 {
                let bar = sign.to_string().repeat(wide);
                pen.text((x * wide) as u16, row, &bar, style);
            }
        }
    }
}

/// The figures and what they mean.
struct Words {
    lines: Vec<(String, Ink)>,
}

impl Words {
    fn new(shown: &Shown, measure: Measure, spread: &Spread, columns: u16) -> Self {
        let mut lines = Vec::new();
        let mut say = |text: &str, ink| {
            let wrapped = wrap(text, usize::from(columns));
            lines.extend(wrapped.into_iter().map(|line| (line, ink)));
        };
        say(&of_class(shown, measure), Ink::Second);
        match shown.losses.contextual {
            Some(contextual) => {
                let (rho, rho_p) = correlation(contextual, measure);
                let text = format!(
                    "ρ of drop and similarity by {} {} (p {}) · in context {} · rest {} · p one-sided {}, two-sided {}",
                    measure.name(),
                    ratio(rho, 2),
                    ratio(rho_p, 4),
                    points(contextual.in_context),
                    points(contextual.rest),
                    ratio(contextual.p_one_sided, 4),
                    ratio(contextual.p_two_sided, 4),
                );
                say(&text, Ink::Plain);
                say(NOT_INDEPENDENT, Ink::Faint);
            }
            None => say(
                "ρ and p are computed when the merge is measured",
                Ink::Faint,
            ),
        }
        if shown.order.len() < shown.order.all {
            say(
                "drawn are the classes that are found; ρ, p and the means beside them are of all",
                Ink::Faint,
            );
        }
        if spread.inside.is_empty() {
            say(
                "no class that is drawn is in the task's context",
                Ink::Faint,
            );
        }
        Self { lines }
    }
}

/// The class under the cursor in a line.
fn of_class(shown: &Shown, measure: Measure) -> String {
    let class = shown.look.class;
    let losses: &Losses = shown.losses;
    let similarity = losses.similarities(shown.look);
    let similarity = similarity.get(class).copied().unwrap_or(f64::NAN);
    format!(
        "{}: {} points lost, similarity by {} {}",
        shown.name(class),
        points(losses.loss(class, false)),
        measure.name(),
        ratio(similarity, 2)
    )
}

/// ρ and its p by the measure that is shown.
fn correlation(contextual: &Contextual, measure: Measure) -> (f64, f64) {
    let mut effects = contextual.effects.iter();
    let effect = effects.find(|e| e.similarity == measure.id());
    match (effect, measure) {
        (Some(effect), _) => (effect.rho, effect.rho_p),
        (None, Measure::Features) => (contextual.rho, contextual.rho_p),
        (None, _) => (f64::NAN, f64::NAN),
    }
}
