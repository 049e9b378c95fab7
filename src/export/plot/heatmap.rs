//! What each class of the foundation lost by each merge, as a heatmap.
//!
//! Rows are classes, group by group, in each those that lost most first. As long as names can be read beside their rows
//! all are there; of more classes only those that lost most are named, and where no name fits the group's does.

use super::axis::{BAR, GAP, Heads, Mark, Scale, bar, frame, legend};
use super::colour::{Ramp, hex};
use super::font::{shortened, width};
use super::svg::{Anchor, Area, INK, Letters, Path, SMALL, Svg, TEXT};
use super::{Figures, Picture};
use crate::export::classes::ClassDrops;

/// Height of a row that has its name beside it, in points.
const NAMED: f64 = 7.2;
/// Classes up to which all have theirs.
const MOST_NAMED: usize = 80;
/// Height of all rows together where there are more, in points.
const TALL: f64 = 460.0;
/// Classes that are named where there is no room for all.
const WORST: usize = 16;
/// Room for names of classes, in points.
const NAMES: f64 = 70.0;
/// Room for names of groups where rows have none, in points.
const GROUPS: f64 = 52.0;
/// Colours: as many steps on either side of none, so that a file of 1,000 classes stays small.
const STEPS: i32 = 20;

/// The picture, `width` points wide; `None` where there was no merge.
pub fn picture(figures: &Figures, width: f64) -> Option<Picture> {
    let drops = ClassDrops::of(figures)?;
    let (svg, height) = draw(figures, &drops, width);
    let caption = format!(
        "Drop of top-1 accuracy of each class of {} by each merge, in points of percent (orange: lost, purple: gained), \
         and in all since the start; what is beyond the scale has the colour of its end. Classes are sorted by what they \
         lost in all{}. A bar at the left of a cell: the class is in the context of the task.",
        figures.foundation(),
        match drops.groups().len() {
            0 | 1 => "",
            _ => ", within their groups",
        }
    );
    let title = format!(
        "What {} merges cost {} classes",
        drops.merges.len(),
        drops.classes.len()
    );
    Some(Picture::new(
        figures,
        "heatmap".into(),
        title,
        caption,
        svg,
        height,
    ))
}

/// Where rows and columns are.
struct Layout {
    area: Area,
    row: f64,
    /// Left edge of each column, that of the total last.
    columns: Vec<f64>,
    cell: f64,
}

impl Layout {
    fn cell(&self, row: usize, column: usize) -> Area {
        Area::new(
            self.columns[column],
            self.area.y + self.row * row as f64,
            self.cell,
            self.row,
        )
    }
}

fn draw(figures: &Figures, drops: &ClassDrops, page: f64) -> (Svg, f64) {
    let mut svg = Svg::new(page);
    let count = drops.classes.len().max(1);
    let all_named = count <= MOST_NAMED;
    let row = if all_named {
        NAMED
    } else {
        TALL / count as f64
    };
    let grouped = drops.groups().len() > 1;
    let longest = drops
        .classes
        .iter()
        .map(|c| width(c.name, SMALL))
        .fold(0.0, f64::max);
    let names = longest.min(NAMES) + GAP;
    // Names of all are left of the rows, of the worst right of them.
    let group = |most: f64| {
        let wide = drops.groups().into_iter().map(|(g, _)| width(g, SMALL));
        wide.fold(0.0, f64::max).min(most)
    };
    let left = match (all_named, grouped) {
        (true, true) => TEXT + 2.0 * GAP + names,
        (true, false) => GAP + names,
        (false, true) => group(GROUPS) + 2.0 * GAP,
        (false, false) => GAP,
    };
    let right = if all_named { GAP } else { names + 14.0 };
    let merges = drops.merges.len();
    let cell = ((page - left - right - 2.0 * GAP) / (merges + 1) as f64).min(44.0);
    let columns: Vec<f64> = (0..=merges)
        .map(|c| left + cell * c as f64 + if c == merges { 2.0 * GAP } else { 0.0 })
        .collect();
    let tasks: Vec<&str> = drops.merges.iter().map(|&row| figures.after(row)).collect();
    let heads: Vec<&str> = tasks.iter().copied().chain(["in all"]).collect();
    let heads = Heads::over(&heads, &vec![cell; merges + 1]);
    let area = Area::new(
        left,
        TEXT + GAP + heads.height,
        cell * merges as f64,
        row * count as f64,
    );
    let layout = Layout {
        area,
        row,
        columns,
        cell,
    };
    let over = shortened("merge of", TEXT, page);
    svg.text(
        (area.centre().0, 0.8 * TEXT),
        &over,
        Letters::held(Anchor::Middle),
    );
    let centres: Vec<f64> = layout.columns.iter().map(|x| x + cell / 2.0).collect();
    heads.draw(&mut svg, &centres, area.y);

    let scale = symmetric(drops);
    cells(&mut svg, drops, &layout, scale.domain.1);
    contexts(&mut svg, drops, &layout);
    groups(&mut svg, drops, &layout, grouped);
    svg.rect(&area, &frame());
    let total = Area {
        x: layout.columns[merges],
        width: cell,
        ..area
    };
    svg.rect(&total, &frame());
    if all_named {
        for (i, class) in drops.classes.iter().enumerate() {
            let place = (area.x - GAP, layout.cell(i, 0).centre().1 + 0.35 * SMALL);
            svg.text(
                place,
                &shortened(class.name, SMALL, NAMES),
                Letters::small(Anchor::End),
            );
        }
    } else {
        worst(&mut svg, drops, &layout);
    }

    let mut y = area.bottom() + 3.0 * GAP;
    if drops.classes.iter().any(|c| c.context.contains(&true)) {
        let mark = Mark::Box("fill=\"#1a1a1a\"");
        legend(
            &mut svg,
            (area.x, y + 1.0),
            &[(mark, "left edge of a cell: in the task’s context")],
        );
        y += TEXT + GAP;
    }
    let wide = total.right() - area.x;
    let foot = Area::new(area.x, y, wide.max(120.0).min(page - area.x - GAP), 0.0);
    bar(
        &mut svg,
        &foot,
        Ramp::Diverging,
        &scale,
        "drop of accuracy (points)",
    );
    (svg, y + BAR + GAP)
}

/// The scale of the colours, in points of percent: as far down as up, so that nothing lost is in the middle.
/// It is that of single merges: what was lost in all is often more, and would leave them pale.
fn symmetric(drops: &ClassDrops) -> Scale {
    let all = drops.classes.iter().flat_map(|c| c.drops.iter().copied());
    let most = all
        .filter(|d| d.is_finite())
        .map(f64::abs)
        .fold(0.0, f64::max);
    let most = if most == 0.0 { 1.0 } else { 100.0 * most };
    Scale::over([-most, most].into_iter(), 4)
}

/// All cells, a path for each colour.
fn cells(svg: &mut Svg, drops: &ClassDrops, layout: &Layout, most: f64) {
    let mut paths: Vec<Path> = (-STEPS..=STEPS).map(|_| Path::default()).collect();
    for (i, class) in drops.classes.iter().enumerate() {
        for (column, drop) in class
            .drops
            .iter()
            .copied()
            .chain([class.total()])
            .enumerate()
        {
            if drop.is_finite() {
                let step = (100.0 * drop / most * f64::from(STEPS)).round() as i32;
                paths[(step.clamp(-STEPS, STEPS) + STEPS) as usize].rect(&layout.cell(i, column));
            }
        }
    }
    svg.group("shape-rendering=\"crispEdges\" class=\"cells\"", |svg| {
        for (i, path) in paths.iter().enumerate() {
            let colour = hex(Ramp::Diverging.at(i as f64 / f64::from(2 * STEPS)));
            svg.path(path, &format!("fill=\"{colour}\""));
        }
    });
}

/// A bar at the left of every cell whose class is in the context of the merged task.
fn contexts(svg: &mut Svg, drops: &ClassDrops, layout: &Layout) {
    let mut marks = Path::default();
    for column in 0..drops.merges.len() {
        let mut at = 0;
        // Classes next to one another share a bar.
        for run in drops
            .classes
            .chunk_by(|a, b| a.context[column] == b.context[column])
        {
            if run[0].context[column] {
                let first = layout.cell(at, column);
                let height = layout.row * run.len() as f64;
                marks.rect(&Area {
                    width: 1.6,
                    height,
                    ..first
                });
            }
            at += run.len();
        }
    }
    svg.path(
        &marks,
        &format!("fill=\"{INK}\" shape-rendering=\"crispEdges\" class=\"context\""),
    );
}

/// Rules between groups, and their names where they fit.
fn groups(svg: &mut Svg, drops: &ClassDrops, layout: &Layout, grouped: bool) {
    if !grouped {
        return;
    }
    let area = &layout.area;
    let end = layout.columns[drops.merges.len()] + layout.cell;
    for (name, range) in drops.groups() {
        let (top, bottom) = (layout.cell(range.start, 0).y, layout.cell(range.end, 0).y);
        if range.start > 0 && bottom - top > 2.0 {
            for (from, to) in [(area.x, area.right()), (end - layout.cell, end)] {
                let attributes = "stroke=\"#1a1a1a\" stroke-width=\"0.5\"";
                svg.line((from, top), (to, top), attributes);
            }
        }
        let middle = (top + bottom) / 2.0;
        let room = bottom - top - GAP;
        if layout.row == NAMED {
            // The rows' own names stand between the group's and the rows.
            let name = shortened(name, TEXT, room);
            if name != "…" {
                let letters = Letters {
                    upright: true,
                    ..Letters::held(Anchor::Middle)
                };
                svg.text((0.8 * TEXT, middle), &name, letters);
            }
            let x = TEXT + GAP;
            let attributes = "stroke=\"#1a1a1a\" stroke-width=\"0.6\"";
            svg.line((x, top + 1.0), (x, bottom - 1.0), attributes);
        } else if room > SMALL {
            let place = (area.x - GAP, middle + 0.35 * SMALL);
            let name = shortened(name, SMALL, GROUPS);
            svg.text(place, &name, Letters::small(Anchor::End));
        }
    }
}

/// The names of the classes that lost most, right of their rows with a line to each, spread so that none covers
/// another.
fn worst(svg: &mut Svg, drops: &ClassDrops, layout: &Layout) {
    let mut rows: Vec<usize> = (0..drops.classes.len())
        .filter(|&i| drops.classes[i].total() > 0.0)
        .collect();
    let total = |i: usize| drops.classes[i].total();
    rows.sort_by(|&a, &b| total(b).total_cmp(&total(a)).then(a.cmp(&b)));
    rows.truncate(WORST);
    rows.sort_unstable();
    let wanted: Vec<f64> = rows.iter().map(|&i| layout.cell(i, 0).centre().1).collect();
    let from = layout.columns[drops.merges.len()] + layout.cell;
    for (&i, (&row, y)) in
        rows.iter()
            .zip(wanted.iter().zip(spread(&wanted, SMALL + 1.0, layout.area)))
    {
        let mut line = Path::default();
        line.through([
            (from, row),
            (from + 3.0, row),
            (from + 9.0, y),
            (from + 11.0, y),
        ]);
        svg.path(
            &line,
            "fill=\"none\" stroke=\"#8c8c8c\" stroke-width=\"0.4\"",
        );
        let name = shortened(drops.classes[i].name, SMALL, NAMES);
        svg.text(
            (from + 12.5, y + 0.35 * SMALL),
            &name,
            Letters::small(Anchor::Start),
        );
    }
}

/// Ascending places, moved apart to be at least `apart` from one another and within the height of `area`.
fn spread(wanted: &[f64], apart: f64, area: Area) -> Vec<f64> {
    let mut places = wanted.to_vec();
    let mut least = area.y + apart / 2.0;
    for place in &mut places {
        *place = place.max(least);
        least = *place + apart;
    }
    let mut most = area.bottom() - apart / 2.0;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - apart;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_moved_apart_and_stay_within() {
        let area = Area::new(0.0, 0.0, 1.0, 100.0);
        let places = spread(&[1.0, 1.5, 50.0, 99.0, 99.5], 8.0, area);
        assert!(
            places.windows(2).all(|w| w[1] - w[0] >= 8.0 - 1e-9),
            "{places:?}"
        );
        assert!(places[0] >= 4.0 && places[4] <= 96.0);
        assert_eq!(places[2], 50.0);
    }
}
