//! All classes at a glance, whatever they are called: each a tile with its name, a mark, or half a character cell,
//! the largest with which everything fits.

use ratatui::style::{Modifier, Style};

use super::super::super::forgetting::{ForgettingLook, Group, Losses, Order};
use super::super::super::pen::Pen;
use super::super::super::text::{points, width};
use super::super::super::theme::{Depth, Ink, Marker, Theme};

/// How a class is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Its name and figure, in so many columns.
    Tile(u16),
    /// A mark of its loss, in so many columns.
    Mark(u16),
    /// Half a character cell, of two colours.
    Half,
}

/// Where the names of groups stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Headings {
    /// Above the classes, after so many empty rows.
    Above(u16),
    /// Left of them, in so many columns.
    Beside(u16),
    /// Nowhere.
    Nowhere,
}

/// A class's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The class.
    pub class: usize,
    /// Column of the area.
    pub x: u16,
    /// Row, of half the height where two classes share a cell.
    pub y: u16,
}

/// Where everything stands.
pub struct Dense {
    /// How a class is drawn.
    pub cell: Cell,
    /// The classes, in the order in which they are shown.
    pub places: Vec<Place>,
    /// Row and number of each group's heading.
    headings: Vec<(u16, usize)>,
    /// Rows in all.
    pub rows: u16,
}

/// The longest name that a tile has room for, and that a small one has.
const NAME: u16 = 20;
const SHORT: u16 = 12;
/// Columns of a tile besides the name: a cursor, a figure, a mark.
const TILE: u16 = 10;
/// The longest name of a group beside its classes, and what stands behind it.
const BESIDE: (u16, u16) = (14, 8);

impl Dense {
    /// The largest cells with which `order` fits into this part of the screen; the smallest if nothing does.
    pub fn new(order: &Order, losses: &Losses, theme: &Theme, (columns, rows): (u16, u16)) -> Self {
        let named = |class: usize| losses.foundation.classes.get(class);
        let names = order.classes().filter_map(|c| Some(width(&named(c)?.name)));
        let longest = names.max().unwrap_or(0).min(usize::from(NAME)) as u16;
        let groups = order.groups.iter().map(|g| width(&g.name)).max();
        let beside = groups.unwrap_or(0).min(usize::from(BESIDE.0)) as u16 + BESIDE.1;
        let halves = matches!(theme.depth, Depth::Indexed | Depth::True);
        let least = match halves && theme.marker != Marker::Ascii {
            true => Cell::Half,
            false => Cell::Mark(1),
        };
        let headings = match order.headings() {
            0 => vec![Headings::Nowhere],
            _ if columns < 3 * beside => vec![Headings::Above(1), Headings::Above(0)],
            _ => vec![
                Headings::Above(1),
                Headings::Above(0),
                Headings::Beside(beside),
            ],
        };
        let cells = [
            Cell::Tile(longest + TILE),
            Cell::Tile(longest.min(SHORT) + TILE),
            Cell::Mark(3),
            Cell::Mark(2),
            least,
        ];
        let choices = cells
            .into_iter()
            .flat_map(|cell| headings.iter().map(move |h| (cell, *h)));
        for (cell, headings) in choices {
            let dense = Self::with(order, cell, headings, columns);
            if dense.rows <= rows && cell.columns() <= columns {
                return dense;
            }
        }
        Self::with(order, least, Headings::Nowhere, columns)
    }

    fn with(order: &Order, cell: Cell, headings: Headings, columns: u16) -> Self {
        let mut dense = Self {
            cell,
            places: Vec::with_capacity(order.len()),
            headings: Vec::new(),
            rows: 0,
        };
        if headings == Headings::Nowhere {
            dense.run_on(order, columns);
            return dense;
        }
        for (number, group) in order.groups.iter().enumerate() {
            let left = match headings {
                Headings::Above(gap) if !group.name.is_empty() => {
                    dense.rows += if number > 0 { gap } else { 0 };
                    dense.headings.push((dense.rows, number));
                    dense.rows += 1;
                    0
                }
                Headings::Beside(left) => {
                    dense.headings.push((dense.rows, number));
                    left
                }
                Headings::Above(_) | Headings::Nowhere => 0,
            };
            dense.lay(&group.classes, left, columns);
        }
        dense
    }

    /// Lays all classes in one stretch, the groups an empty place apart.
    fn run_on(&mut self, order: &Order, columns: u16) {
        let wide = self.cell.columns();
        let most = usize::from(columns / wide).max(1);
        let mut at = 0;
        for (number, group) in order.groups.iter().enumerate() {
            at += usize::from(number > 0 && at % most > 0);
            for class in &group.classes {
                self.places.push(Place {
                    class: *class,
                    x: (at % most) as u16 * wide,
                    y: (at / most).min(usize::from(u16::MAX)) as u16,
                });
                at += 1;
            }
        }
        let lines = at.div_ceil(most).min(usize::from(u16::MAX)) as u16;
        self.rows = lines.div_ceil(self.cell.a_row());
    }

    /// Lays classes side by side from column `left` on, below what is there.
    fn lay(&mut self, classes: &[usize], left: u16, columns: u16) {
        let wide = self.cell.columns();
        let most = usize::from(columns.saturating_sub(left) / wide).max(1);
        // Even lines read better than full ones and a rest.
        let lines = classes.len().div_ceil(most).max(1);
        let each = classes.len().div_ceil(lines).max(1);
        let top = self.rows * self.cell.a_row();
        for (i, class) in classes.iter().enumerate() {
            self.places.push(Place {
                class: *class,
                x: left.saturating_add((i % each) as u16 * wide),
                y: top.saturating_add((i / each) as u16),
            });
        }
        let lines = lines.min(usize::from(u16::MAX / 4)) as u16;
        self.rows = self.rows.saturating_add(lines.div_ceil(self.cell.a_row()));
    }

    /// Whether the names of groups are shown.
    pub fn has_headings(&self) -> bool {
        !self.headings.is_empty()
    }

    /// The class that lies `down` lines and `right` places from `class`.
    pub fn neighbour(&self, class: usize, down: isize, right: isize) -> Option<usize> {
        let at = self.places.iter().position(|p| p.class == class);
        let at = at.unwrap_or(0);
        let last = self.places.len().checked_sub(1)?;
        let mut here = *self.places.get(at.saturating_add_signed(right).min(last))?;
        for _ in 0..down.unsigned_abs() {
            let beyond = |p: &&Place| if down > 0 { p.y > here.y } else { p.y < here.y };
            let near = |p: &&Place| (p.y.abs_diff(here.y), p.x.abs_diff(here.x));
            match self.places.iter().filter(beyond).min_by_key(near) {
                Some(next) => here = *next,
                None => break,
            }
        }
        Some(here.class)
    }

    /// The first row shown, so that `class` is on a screen of `rows` rows.
    fn scroll(&self, class: usize, rows: u16) -> u16 {
        let place = self.places.iter().find(|p| p.class == class);
        let row = place.map_or(0, |p| p.y / self.cell.a_row());
        (row + 1).saturating_sub(rows)
    }
}

impl Cell {
    /// Columns.
    fn columns(self) -> u16 {
        match self {
            Self::Tile(columns) | Self::Mark(columns) => columns,
            Self::Half => 1,
        }
    }

    /// Lines of classes in a row of characters.
    fn a_row(self) -> u16 {
        match self {
            Self::Half => 2,
            Self::Tile(_) | Self::Mark(_) => 1,
        }
    }
}

/// What is drawn, and how it is looked at.
pub struct Shown<'a> {
    /// How everything looks.
    pub theme: &'a Theme,
    /// Where the user looks.
    pub look: &'a ForgettingLook,
    /// What was lost.
    pub losses: &'a Losses<'a>,
    /// In which order.
    pub order: &'a Order,
}

impl Shown<'_> {
    /// What a class lost.
    pub fn loss(&self, class: usize) -> f64 {
        self.losses.loss(class, self.look.since_start)
    }

    /// The ground of a loss, and the underline of a class in context.
    fn style(&self, class: usize) -> Style {
        let style = self.theme.loss(self.loss(class));
        match self.losses.in_context(class) {
            true => style.add_modifier(Modifier::UNDERLINED),
            false => style,
        }
    }

    /// A class's name.
    pub fn name(&self, class: usize) -> &str {
        let class = self.losses.foundation.classes.get(class);
        class.map_or("", |c| c.name.as_str())
    }

    /// A group's name and its mean loss.
    pub fn heading(&self, group: &Group) -> (String, String) {
        let mean = self.losses.mean_loss(&group.classes, self.look.since_start);
        (group.name.clone(), points(mean))
    }
}

/// Draws the classes and returns the rows they took.
pub fn draw(shown: &Shown, dense: &Dense, pen: &mut Pen) -> u16 {
    let scroll = dense.scroll(shown.look.class, pen.height());
    let left = dense.places.iter().map(|p| p.x).min().unwrap_or(0);
    for (row, number) in &dense.headings {
        if let (Some(y), Some(group)) = (row.checked_sub(scroll), shown.order.groups.get(*number)) {
            draw_heading(shown, group, left, y, pen);
        }
    }
    match dense.cell {
        Cell::Half => draw_halves(shown, dense, scroll, pen),
        Cell::Tile(_) | Cell::Mark(_) => {
            for place in &dense.places {
                if let Some(y) = place.y.checked_sub(scroll) {
                    let mut cell = pen.part(place.x, y, dense.cell.columns(), 1);
                    draw_cell(shown, dense.cell, place.class, &mut cell);
                }
            }
        }
    }
    dense.rows.saturating_sub(scroll).min(pen.height())
}

/// A group's name and mean loss, above its classes or in the columns left of them.
pub fn draw_heading(shown: &Shown, group: &Group, left: u16, y: u16, pen: &mut Pen) {
    let theme = shown.theme;
    let (name, lost) = shown.heading(group);
    if left > 0 {
        let name_room = left.saturating_sub(BESIDE.1);
        pen.fitted(0, y, name_room, &name, theme.ink(Ink::Plain));
        pen.right(left.saturating_sub(1), y, &lost, theme.bold(Ink::Plain));
        return;
    }
    let x = pen.text(0, y, &name, theme.ink(Ink::Plain));
    let x = pen.text(x + 1, y, "lost", theme.ink(Ink::Faint));
    let x = pen.text(x + 1, y, &lost, theme.bold(Ink::Plain));
    let inside = group
        .classes
        .iter()
        .filter(|c| shown.losses.in_context(**c));
    let text = match inside.count() {
        0 => return,
        n if n == group.classes.len() => "in context".to_owned(),
        n => format!("{n} of {} in context", group.classes.len()),
    };
    pen.text(x + 2, y, &text, theme.ink(Ink::Accent));
}

fn draw_cell(shown: &Shown, cell: Cell, class: usize, pen: &mut Pen) {
    let theme = shown.theme;
    let (style, loss) = (shown.style(class), shown.loss(class));
    let here = shown.look.class == class;
    let columns = pen.width();
    let sign = theme.mark(loss);
    match cell {
        Cell::Tile(_) => {
            let gap = columns.saturating_sub(1);
            pen.paint(0, 0, gap, 1, style.remove_modifier(Modifier::UNDERLINED));
            pen.fitted(1, 0, columns.saturating_sub(TILE), shown.name(class), style);
            let plain = style.remove_modifier(Modifier::UNDERLINED);
            pen.right(gap.saturating_sub(1), 0, &points(loss), plain);
            pen.text(gap.saturating_sub(1), 0, &sign.to_string(), plain);
        }
        Cell::Mark(1) if here => {
            pen.text(0, 0, theme.pointer(), style);
        }
        Cell::Mark(_) | Cell::Half => {
            let room = usize::from(columns.saturating_sub(1).max(1));
            let sign = seen(sign, loss, style);
            pen.text(0, 0, &format!("{sign:>room$}"), style);
        }
    }
    if here {
        let cursor = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
        let wide = columns.saturating_sub(1).max(1);
        if wide > 1 {
            pen.text(0, 0, theme.pointer(), style);
        }
        pen.paint(0, 0, wide, 1, cursor);
    }
}

/// A mark that is seen where neither a name nor a ground says that there is a class.
pub fn seen(mark: char, loss: f64, style: Style) -> char {
    match (mark, style.bg) {
        (' ', _) if !loss.is_finite() => '?',
        (' ', None) => '-',
        (mark, _) => mark,
    }
}

/// Two classes a character cell: the upper is the sign's colour, the lower its ground.
fn draw_halves(shown: &Shown, dense: &Dense, scroll: u16, pen: &mut Pen) {
    let (columns, rows) = (pen.width(), pen.height());
    let mut cells: Vec<[Option<usize>; 2]> =
        vec![[None; 2]; usize::from(columns) * usize::from(rows)];
    for place in &dense.places {
        let row = (place.y / 2).checked_sub(scroll).filter(|r| *r < rows);
        if let Some(row) = row.filter(|_| place.x < columns) {
            let at = usize::from(row) * usize::from(columns) + usize::from(place.x);
            cells[at][usize::from(place.y % 2)] = Some(place.class);
        }
    }
    for (i, pair) in cells.iter().enumerate().filter(|(_, c)| **c != [None; 2]) {
        let (x, y) = (i % usize::from(columns), i / usize::from(columns));
        let (sign, style) = half(shown, *pair);
        pen.text(x as u16, y as u16, sign, style);
    }
}

/// The sign and style of a cell of two classes.
fn half(shown: &Shown, [upper, lower]: [Option<usize>; 2]) -> (&'static str, Style) {
    let here = |class: Option<usize>| class == Some(shown.look.class);
    // The cursor takes the whole of the cell and says which half is meant.
    for (class, sign) in [(upper, "▴"), (lower, "▾")] {
        if let Some(class) = class.filter(|_| here(class)) {
            let style = shown.theme.loss(shown.loss(class));
            return (sign, style.add_modifier(Modifier::BOLD));
        }
    }
    let colour = |class: Option<usize>| shown.theme.loss(shown.loss(class?)).bg;
    match (colour(upper), colour(lower)) {
        (Some(upper), Some(lower)) => ("▀", Style::new().fg(upper).bg(lower)),
        (Some(upper), None) => ("▀", Style::new().fg(upper)),
        (None, Some(lower)) => ("▄", Style::new().fg(lower)),
        // Not measured.
        (None, None) => ("·", shown.theme.ink(Ink::Faint)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::forgetting::Merge;
    use super::*;
    use crate::run::testing::sample_view;

    const TRUE: Theme = Theme {
        depth: Depth::True,
        marker: Marker::Braille,
    };

    fn order(groups: &[(&str, usize)]) -> Order {
        let mut next = 0;
        let groups = groups.iter().map(|(name, n)| {
            let classes = (next..next + n).collect();
            next += n;
            Group {
                name: (*name).into(),
                classes,
            }
        });
        Order {
            groups: groups.collect(),
            all: 0,
        }
    }

    fn dense(order: &Order, theme: Theme, size: (u16, u16)) -> Dense {
        let view = sample_view();
        let losses = Losses::of(&view, Merge::Row(1)).unwrap();
        Dense::new(order, &losses, &theme, size)
    }

    #[test]
    fn a_thousand_classes_fit_on_the_smallest_screen() {
        let ten = ["a"; 10].map(|name| (name, 100));
        let grid = dense(&order(&ten), TRUE, (78, 11));
        assert_eq!(
            (grid.cell, grid.rows, grid.places.len()),
            (Cell::Half, 10, 1000)
        );
        assert!(grid.places.iter().all(|p| p.x < 78 && p.y < 20));
        // Too many groups for a line each: the classes still fit, one after the other.
        let fifty = ["a"; 50].map(|name| (name, 20));
        let grid = dense(&order(&fifty), TRUE, (78, 11));
        assert_eq!((grid.headings.len(), grid.places.len()), (0, 1000));
        assert!(grid.rows <= 11);
        // Without colours a class is a character, and what does not fit is scrolled to.
        let none = Theme {
            depth: Depth::None,
            ..TRUE
        };
        let grid = dense(&order(&ten), none, (78, 11));
        assert_eq!((grid.cell, grid.rows), (Cell::Mark(1), 13));
        assert_eq!(grid.scroll(999, 11), 2);
    }

    #[test]
    fn no_two_classes_share_a_place() {
        for size in [(1, 1), (20, 4), (78, 11), (198, 47)] {
            for groups in [&[("", 1000)][..], &[("a", 3), ("", 2), ("c", 700)], &[]] {
                let grid = dense(&order(groups), TRUE, size);
                let mut places: Vec<(u16, u16)> = grid.places.iter().map(|p| (p.x, p.y)).collect();
                let all = places.len();
                places.sort_unstable();
                places.dedup();
                assert_eq!(places.len(), all, "{size:?}");
            }
        }
    }

    #[test]
    fn neighbours_are_what_is_seen_beside_a_class() {
        let grid = dense(&order(&[("", 200)]), TRUE, (78, 4));
        assert_eq!(grid.cell, Cell::Half);
        assert_eq!(grid.neighbour(0, 1, 0), Some(78));
        assert_eq!(grid.neighbour(78, 1, 0), Some(156));
        assert_eq!(grid.neighbour(156, -1, 0), Some(78));
        assert_eq!(grid.neighbour(77, 0, 1), Some(78));
        assert_eq!(grid.neighbour(199, 1, 0), Some(199));
        assert_eq!(grid.neighbour(5, -9, 0), Some(5));
        assert_eq!(dense(&order(&[]), TRUE, (78, 4)).neighbour(0, 1, 0), None);
    }
}
