//! The lines above the classes: which merge, which classes in which order, and what marks and colours mean.

use ratatui::style::Modifier;

use super::super::super::forgetting::{ForgettingLook, Grouping, Merge, Sort, Way};
use super::super::super::pen::Pen;
use super::super::super::text::fit_end;
use super::super::super::theme::{Ink, MARKS, Marker, mark};
use super::super::typed;
use super::Scene;
use super::cells::seen;
use super::dense::{Cell, Dense};
use crate::export::thousands;

/// Draws as many lines as the scene has above its classes.
pub fn draw(scene: &Scene, pen: &mut Pen) {
    draw_merge(scene, pen);
    let glyphs = scene.glyphs && scene.way == Way::Grid;
    if glyphs && scene.head == 2 && pen.height() >= super::LOW {
        draw_legend(scene, 1, pen);
        return;
    }
    draw_order(scene, pen);
    if scene.head > 2 {
        draw_legend(scene, 2, pen);
    }
}

/// Which merge is looked at, and what it is compared with.
pub fn draw_merge(scene: &Scene, pen: &mut Pen) {
    let (theme, losses) = (scene.theme, &scene.losses);
    let name = match scene.merge {
        Merge::Row(row) => format!("merge {row}  {}", losses.task),
        Merge::WouldBe => format!("{}, not merged", losses.task),
    };
    let merges = ForgettingLook::merges(scene.view);
    let at = merges.iter().position(|m| *m == scene.merge).unwrap_or(0);
    let arrow = |there| if there { Ink::Accent } else { Ink::Faint };
    let x = pen.text(0, 0, "[", theme.ink(arrow(at > 0)));
    let x = pen.text(x + 1, 0, &name, theme.bold(Ink::Plain));
    let x = pen.text(x + 1, 0, "]", theme.ink(arrow(at + 1 < merges.len())));
    let since = match scene.look.since_start {
        true => "what is lost since the start",
        false => "what this merge cost",
    };
    let x = pen.text(x + 2, 0, since, theme.ink(Ink::Faint));
    if losses.provisional() {
        let watched = losses.training.and_then(|t| t.watched.last());
        let step = watched.map_or(0, |w| w.step);
        let text = format!("provisional, step {}", thousands(step));
        pen.text(x + 2, 0, &text, theme.ink(Ink::Warning));
    }
}

/// How many classes are shown, in which order and groups; or the filter that is being typed.
fn draw_order(scene: &Scene, pen: &mut Pen) {
    let (theme, look) = (scene.theme, &scene.look);
    let mut x = 0;
    if look.typing || !look.filter.is_empty() {
        let room = usize::from(pen.width() / 3);
        let style = theme.bold(Ink::Accent);
        x = pen.text(0, 1, "/", style);
        x = match look.typing {
            true => typed::draw(theme, &look.filter, (x, 1), room, style, pen),
            false => pen.text(x, 1, &fit_end(look.filter.text(), room), style),
        };
        x += 2;
    }
    let (shown, all) = (thousands(scene.order.len()), thousands(scene.order.all));
    let count = match scene.order.len() == scene.order.all {
        true => format!("{all} classes"),
        false => format!("{shown} of {all} classes"),
    };
    let x = pen.text(x, 1, &count, theme.ink(Ink::Plain)) + 2;
    let sorted = match look.sort {
        Sort::Own => "in the data's order".to_owned(),
        Sort::Drop => "by loss".to_owned(),
        Sort::Similarity => format!(
            "by similarity ({})",
            look.measure(scene.losses.training).name()
        ),
        Sort::Name => "by name".to_owned(),
    };
    let x = pen.text(x, 1, &sorted, theme.ink(Ink::Plain)) + 2;
    pen.text(x, 1, &grouped(scene), theme.ink(Ink::Faint));
}

fn grouped(scene: &Scene) -> String {
    let groups = scene.order.groups.len();
    match (scene.look.grouping, &scene.look.ancestry) {
        (Grouping::Meaning, Some(ancestry)) => {
            let depth = scene.look.depth;
            let missing = match ancestry.missing() {
                0 => String::new(),
                1 => ", 1 name not in it".into(),
                n => format!(", {} names not in it", thousands(n)),
            };
            format!("{groups} WordNet groups at depth {depth}{missing}")
        }
        _ if scene.order.headings() > 0 => match &scene.dense {
            Some(dense) if !dense.has_headings() => format!("{groups} groups, a gap between them"),
            _ => format!("{groups} groups"),
        },
        _ => "not grouped".into(),
    }
}

fn draw_legend(scene: &Scene, y: u16, pen: &mut Pen) {
    let theme = scene.theme;
    let mut x = pen.text(0, y, "points lost", theme.ink(Ink::Faint)) + 2;
    let ascii = theme.marker == Marker::Ascii;
    let cell = scene.dense.as_ref().map(|dense| dense.cell);
    let marks = matches!(cell, Some(Cell::Mark(_)));
    for (_, label, value) in MARKS {
        let label = match ascii {
            true => label.replace('±', "+-"),
            false => label.into(),
        };
        let style = theme.loss(value);
        let sign = match mark(value) {
            sign if marks => seen(sign, value, style),
            sign => sign,
        };
        x = pen.text(x, y, &format!(" {sign} "), style);
        x = pen.text(x + 1, y, &label, theme.ink(Ink::Faint)) + 2;
    }
    // Half a cell has no underline, but the name of its group may have one.
    let headed = scene.dense.as_ref().is_some_and(Dense::has_headings);
    if cell != Some(Cell::Half) || headed {
        let style = theme.ink(Ink::Faint);
        pen.text(x, y, "in context", style.add_modifier(Modifier::UNDERLINED));
    }
}
