//! The card of a class: what it lost merge by merge and to which classes, how similar it is to the task, and the images
//! themselves.

use std::sync::Arc;

use super::super::super::forgetting::{ForgettingLook, Losses, Lost, LostImages, Measure, Merge};
use super::super::super::pen::Pen;
use super::super::super::text::{percent, points, ratio};
use super::super::super::theme::{Ink, Marker, mark};
use super::thumbnails::{Page, Side};
use super::{Scene, draw_text};
use crate::export::thousands;
use crate::measure::WordSimilarity;

/// Row of the screen that a card begins in.
pub const TOP: u16 = 1;
/// Rows of a small picture and its title.
const PICTURE: u16 = 10;
/// Rows of a card from which on its parts are apart.
const ROOMY: u16 = 22;
/// Columns of a row's name, a bar, a figure.
const NAME: u16 = 18;
const BAR: u16 = 10;
const FIGURE: u16 = 8;
/// The most rows of merges where there are images to show.
const MERGES: u16 = 4;

/// Columns and rows of a card on a screen's body of this size.
pub fn area((columns, rows): (u16, u16)) -> (u16, u16) {
    (columns, rows.saturating_sub(TOP))
}

/// A row of the matrix on the card.
struct Line<'a> {
    merge: Option<Merge>,
    name: String,
    losses: Option<Losses<'a>>,
}

/// Where the parts of a card are.
struct Layout {
    /// Lines above the table of merges.
    head: u16,
    /// Merges that are shown.
    merges: u16,
    /// Row of the images' title.
    images: u16,
    columns: u16,
    rows: u16,
}

impl Layout {
    fn new(scene: &Scene, (columns, rows): (u16, u16)) -> Self {
        let all = ForgettingLook::merges(scene.view).len() as u16 + 1;
        let gap = u16::from(rows >= ROOMY);
        let head = 3 + gap;
        let room = rows.saturating_sub(head + gap);
        let merges = match &scene.look.lost {
            Lost::There(_, found) if found.total > 0 => {
                let left = room.saturating_sub(PICTURE);
                all.min(left.max(MERGES))
            }
            _ => all.min(room.saturating_sub(2)),
        };
        let images = head + merges + gap;
        Self {
            head,
            merges,
            images,
            columns,
            rows,
        }
    }

    /// Columns and rows of the images.
    fn pictures(&self) -> (u16, u16) {
        (self.columns, self.rows.saturating_sub(self.images + 1))
    }

    fn pages(&self, found: &LostImages) -> usize {
        let pictures = self.pictures();
        let capacity = Side::fitting(pictures, found.images.len()).capacity(pictures);
        found.images.len().div_ceil(capacity.max(1))
    }
}

/// Pages of lost images on a card of this size.
pub fn pages(scene: &Scene, size: (u16, u16)) -> usize {
    match &scene.look.lost {
        Lost::There(_, found) => Layout::new(scene, size).pages(found),
        _ => 0,
    }
}

/// Draws the card into the whole area.
pub fn draw(scene: &Scene, pen: &mut Pen) {
    let layout = Layout::new(scene, (pen.width(), pen.height()));
    draw_name(scene, pen);
    draw_similarity(scene, pen);
    let (columns, rows) = (layout.columns, layout.merges + 1);
    draw_merges(scene, &mut pen.part(0, layout.head - 1, columns, rows));
    let rows = layout.rows.saturating_sub(layout.images);
    draw_images(
        scene,
        &layout,
        &mut pen.part(0, layout.images, columns, rows),
    );
}

fn draw_name(scene: &Scene, pen: &mut Pen) {
    let (theme, losses, class) = (scene.theme, &scene.losses, scene.look.class);
    let Some(named) = losses.foundation.classes.get(class) else {
        return;
    };
    let room = pen.width() / 2;
    let mut x = pen.fitted(0, 0, room, scene.name(class), theme.bold(Ink::Accent)) + 2;
    if !named.group.is_empty() {
        x = pen.fitted(x, 0, room / 2, &named.group, theme.ink(Ink::Plain)) + 2;
    }
    if losses.in_context(class) {
        let text = format!("in the context of {}", losses.task);
        pen.text(x, 0, &text, theme.ink(Ink::Accent));
    }
}

/// By every measure that was taken, with the synsets that WordNet's is of.
fn draw_similarity(scene: &Scene, pen: &mut Pen) {
    let (theme, class) = (scene.theme, scene.look.class);
    let Some(training) = scene.losses.training else {
        return;
    };
    let text = format!("similarity to {}", scene.losses.task);
    let mut x = pen.text(0, 1, &text, theme.ink(Ink::Faint)) + 2;
    for measure in Measure::ALL {
        let Some(figures) = measure.of(training) else {
            continue;
        };
        let figure = figures.get(class).map_or(f64::NAN, |s| f64::from(*s));
        x = pen.text(x, 1, measure.name(), theme.ink(Ink::Faint)) + 1;
        x = pen.text(x, 1, &ratio(figure, 2), theme.ink(Ink::Plain)) + 1;
        if let (Measure::WordNet, Some(words)) = (measure, &training.wordnet) {
            x = pen.text(x, 1, &synsets(words, class), theme.ink(Ink::Faint)) + 1;
        }
        x += 1;
    }
    let known = scene.look.ancestry.as_ref().filter(|_| !scene.glyphs);
    if let Some(synset) = known.and_then(|a| a.synset(class))
        && training.wordnet.is_none()
    {
        let text = format!("in WordNet {synset}");
        pen.text(x, 1, &text, theme.ink(Ink::Faint));
    }
}

fn synsets(words: &WordSimilarity, class: usize) -> String {
    let name = |of: &[String]| of.get(class).cloned().unwrap_or_default();
    match (name(&words.class_synsets), name(&words.task_synsets)) {
        (own, _) if own.is_empty() => "(not in it)".into(),
        (own, task) => format!("({own}, {task})"),
    }
}

/// Row 0 and every merge: accuracy, what was lost, and to which classes.
fn draw_merges(scene: &Scene, pen: &mut Pen) {
    let theme = scene.theme;
    let bar = NAME;
    let figures = bar + BAR + FIGURE - 1;
    let heads = [
        (bar, "accuracy"),
        (figures + 1, "   lost"),
        (figures + FIGURE + 1, "errors"),
        (figures + 2 * FIGURE, "  hits"),
        (figures + 3 * FIGURE, "lost to"),
    ];
    for (x, head) in heads {
        pen.text(x, 0, head, theme.ink(Ink::Faint));
    }
    let lines = lines(scene);
    let rows = usize::from(pen.height()).saturating_sub(1);
    let here = |line: &Line| line.merge == Some(scene.merge);
    let at = lines.iter().position(here).unwrap_or(0);
    let from = (at + 1).saturating_sub(rows);
    for (y, line) in (1..).zip(lines.iter().skip(from).take(rows)) {
        draw_line(scene, line, y, pen);
    }
}

fn lines<'a>(scene: &Scene<'a>) -> Vec<Line<'a>> {
    let start = Line {
        merge: None,
        name: "0 start".into(),
        losses: None,
    };
    let merges = ForgettingLook::merges(scene.view).into_iter();
    let merges = merges.map(|merge| {
        let losses = Losses::of(scene.view, merge);
        let task = losses.as_ref().map_or("", |l| l.task);
        let name = match merge {
            Merge::Row(row) => format!("{row} {task}"),
            Merge::WouldBe => format!("~{task}"),
        };
        Line {
            merge: Some(merge),
            name,
            losses,
        }
    });
    std::iter::once(start).chain(merges).collect()
}

fn draw_line(scene: &Scene, line: &Line, y: u16, pen: &mut Pen) {
    let (theme, class) = (scene.theme, scene.look.class);
    let here = line.merge == Some(scene.merge);
    if here {
        pen.text(0, y, "▸", theme.bold(Ink::Accent));
    }
    let ink = if here { Ink::Accent } else { Ink::Plain };
    pen.fitted(1, y, NAME - 2, &line.name, theme.ink(ink));
    let first = |losses: &Losses| losses.classes.get(class).map(|c| c.start);
    let accuracy = match &line.losses {
        Some(losses) => losses.classes.get(class).map(|c| c.after),
        None => first(&scene.losses),
    };
    let accuracy = accuracy.unwrap_or(f64::NAN);
    draw_bar(scene, accuracy, y, pen);
    let figures = NAME + BAR + FIGURE - 1;
    pen.right(figures, y, &percent(accuracy), theme.ink(Ink::Plain));
    let Some(losses) = &line.losses else {
        return;
    };
    let loss = losses.loss(class, scene.look.since_start);
    let text = format!("{}{}", points(loss), mark(loss));
    pen.right(figures + FIGURE, y, &text, theme.loss(loss));
    let Some(evaluation) = losses.evaluation else {
        let text = "not merged: of a part of the test images";
        pen.text(figures + FIGURE + 1, y, text, theme.ink(Ink::Faint));
        return;
    };
    for (i, counts) in (2..).zip([&evaluation.new_errors, &evaluation.new_hits]) {
        let count = counts.get(class).copied().unwrap_or(0);
        let text = thousands(count as usize);
        pen.right(figures + i * FIGURE - 1, y, &text, theme.ink(Ink::Plain));
    }
    let to = evaluation.lost.get(class).map_or(&[][..], Vec::as_slice);
    let to: Vec<String> = to
        .iter()
        .map(|(other, n)| format!("{} ×{n}", scene.name(*other)))
        .collect();
    let room = pen.width();
    let x = figures + 3 * FIGURE;
    pen.fitted(x, y, room, &to.join(" · "), theme.ink(Ink::Plain));
}

/// The accuracy as a bar of [`BAR`] columns.
fn draw_bar(scene: &Scene, accuracy: f64, y: u16, pen: &mut Pen) {
    if !accuracy.is_finite() {
        return;
    }
    let theme = scene.theme;
    let (full, empty) = match theme.marker {
        Marker::Ascii => ("#", "."),
        Marker::Braille | Marker::Dots => ("█", "░"),
    };
    let filled = (accuracy.clamp(0.0, 1.0) * f64::from(BAR)).round() as usize;
    let x = pen.text(NAME, y, &full.repeat(filled), theme.ink(Ink::Second));
    let rest = usize::from(BAR).saturating_sub(filled);
    pen.text(x, y, &empty.repeat(rest), theme.ink(Ink::Faint));
}

fn draw_images(scene: &Scene, layout: &Layout, pen: &mut Pen) {
    let theme = scene.theme;
    let class = scene.look.class;
    let current = scene.look.lost.request().filter(|asked| {
        let after = scene
            .losses
            .evaluation
            .map(|e| (e.file.as_str(), e.sha256.as_str()));
        asked.class == class
            && Some((asked.after.file.as_str(), asked.after.sha256.as_str())) == after
    });
    let (text, ink) = match (&scene.look.lost, current) {
        _ if scene.losses.evaluation.is_none() => (
            "which images are lost is known once the merge is measured".to_owned(),
            Ink::Faint,
        ),
        (Lost::Reading(_, text), Some(_)) => (format!("{text} …"), Ink::Accent),
        (Lost::Failed(_, why), Some(_)) => (
            format!("the lost images cannot be shown: {why}"),
            Ink::Warning,
        ),
        (Lost::There(_, found), Some(_)) => return draw_found(scene, layout, found, pen),
        _ => ("Enter reads the lost images".to_owned(), Ink::Faint),
    };
    draw_text(theme, &text, ink, pen);
}

fn draw_found(scene: &Scene, layout: &Layout, found: &Arc<LostImages>, pen: &mut Pen) {
    let theme = scene.theme;
    let since = match scene.look.since_start {
        true => "at the start",
        false => "before this merge",
    };
    if found.total == 0 {
        let text = format!("no image that was right {since} is wrong after it");
        draw_text(theme, &text, Ink::Faint, pen);
        return;
    }
    let (columns, rows) = layout.pictures();
    let side = Side::fitting((columns, rows), found.images.len());
    let capacity = side.capacity((columns, rows));
    let page = scene.look.page.min(layout.pages(found).saturating_sub(1));
    let from = page * capacity;
    let images = found.images.get(from..).unwrap_or_default();
    let shown = images.len().min(capacity);
    let which = match shown {
        0 => "no room to show them".to_owned(),
        n if n == found.total => "taken for".to_owned(),
        n => format!("{} to {} (PgDn), taken for", from + 1, from + n),
    };
    let first = match found.images.len() {
        n if n < found.total => format!(", the first {n}"),
        _ => String::new(),
    };
    let total = thousands(found.total);
    let text = format!("{total} right {since}, wrong after it{first}: {which}");
    pen.text(0, 0, &text, theme.ink(Ink::Plain));
    let page = Page {
        theme,
        pictures: scene.pictures,
        found,
        from,
        side,
    };
    page.draw(|c| scene.name(c), &mut pen.part(0, 1, columns, rows));
}
