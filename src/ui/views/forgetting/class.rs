//! Below the classes: the one under the cursor, and whether those that the task touched lost more.

use super::super::super::app::App;
use super::super::super::forgetting::Way;
use super::super::super::pen::Pen;
use super::super::super::text::{percent, points, ratio, wrap};
use super::super::super::theme::Ink;
use super::super::chrome::Figures;
use super::Scene;
use crate::measure::NOT_INDEPENDENT;
use crate::run::view::Evaluation;

/// Draws both.
pub fn draw(scene: &Scene, app: &App, pen: &mut Pen) {
    if scene.order.is_empty() {
        return;
    }
    let y = draw_class(scene, app, pen);
    let whole = (scene.glyphs && scene.way == Way::Grid) || scene.foot > super::FOOT.0;
    draw_summary(scene, app, y, whole, pen);
}

/// The class under the cursor; returns the next free row.
fn draw_class(scene: &Scene, app: &App, pen: &mut Pen) -> u16 {
    let (theme, losses, look) = (scene.theme, &scene.losses, &scene.look);
    let class = look.class;
    let (Some(named), Some(accuracy)) = (
        losses.foundation.classes.get(class),
        losses.classes.get(class),
    ) else {
        return 0;
    };
    let room = pen.width() / 2;
    let mut x = pen.fitted(0, 0, room, scene.name(class), theme.bold(Ink::Accent)) + 2;
    let group = scene.order.group(class).map_or("", |g| g.name.as_str());
    for name in [group, named.group.as_str()] {
        if !name.is_empty() && (name == group || group.is_empty()) {
            x = pen.text(x, 0, name, theme.ink(Ink::Plain)) + 2;
            break;
        }
    }
    if losses.in_context(class) {
        let text = format!("in the context of {}", losses.task);
        pen.text(x, 0, &text, theme.ink(Ink::Accent));
    }
    let mut figures = Figures::at(1);
    figures.add(pen, app, "start", &percent(accuracy.start));
    if !look.since_start {
        figures.add(pen, app, "before", &percent(accuracy.before));
    }
    let (right, total) = accuracy.count;
    let after = format!("{}  {right}/{total}", percent(accuracy.after));
    figures.add(pen, app, "after", &after);
    let label = if look.since_start {
        "lost since start"
    } else {
        "lost"
    };
    figures.add(pen, app, label, &points(accuracy.loss(look.since_start)));
    if let Some(other) = &scene.other
        && let Some(lost) = other.lost(class, look.since_start)
    {
        figures.add(pen, app, &format!("{} lost", other.name), &lost);
    }
    let measure = look.measure(losses.training);
    if let Some(similarity) = losses.similarities(look).get(class) {
        let label = match measure {
            super::super::super::forgetting::Measure::Features => "similarity".to_owned(),
            other => format!("similarity by {}", other.name()),
        };
        figures.add(pen, app, &label, &ratio(*similarity, 2));
    }
    figures.next_line();
    if let Some(evaluation) = losses.evaluation {
        draw_turned(scene, app, evaluation, &mut figures, pen);
    }
    figures.end() + u16::from(pen.height() > 6)
}

/// What the merge turned, and what the class is mistaken for.
fn draw_turned(
    scene: &Scene,
    app: &App,
    evaluation: &Evaluation,
    figures: &mut Figures,
    pen: &mut Pen,
) {
    let class = scene.look.class;
    let count = |v: &[u32]| v.get(class).copied().unwrap_or(0).to_string();
    let label = if scene.look.since_start {
        "this merge: new errors"
    } else {
        "new errors"
    };
    figures.add(pen, app, label, &count(&evaluation.new_errors));
    figures.add(pen, app, "new hits", &count(&evaluation.new_hits));
    let wrong = evaluation.wrong.get(class).map_or(&[][..], Vec::as_slice);
    let wrong: Vec<String> = wrong
        .iter()
        .map(|(other, n)| format!("{} ×{n}", scene.name(*other)))
        .collect();
    let wrong = if wrong.is_empty() {
        "nothing".into()
    } else {
        wrong.join(" · ")
    };
    figures.add(pen, app, "mistaken for", &wrong);
    figures.next_line();
}

/// Whether the classes that the task touched lost more; in one line without p where there is no room for what a p says.
fn draw_summary(scene: &Scene, app: &App, y: u16, whole: bool, pen: &mut Pen) {
    let Some(c) = scene.losses.contextual else {
        return;
    };
    let mut figures = Figures::at(y);
    figures.add(pen, app, "this merge: in context", &points(c.in_context));
    figures.add(pen, app, "rest", &points(c.rest));
    if !whole {
        return;
    }
    figures.add(pen, app, "p one-sided", &ratio(c.p_one_sided, 4));
    figures.add(pen, app, "two-sided", &ratio(c.p_two_sided, 4));
    figures.next_line();
    let rho = format!("{} (p {})", ratio(c.rho, 2), ratio(c.rho_p, 4));
    figures.add(pen, app, "ρ of drop and similarity", &rho);
    let columns = usize::from(pen.width());
    for (i, line) in wrap(NOT_INDEPENDENT, columns).iter().enumerate() {
        pen.text(0, figures.end() + i as u16, line, app.theme.ink(Ink::Faint));
    }
}
