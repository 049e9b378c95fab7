//! All classes at a glance, whatever they are called: each a tile with its name, a mark, or half a character cell,
//! the largest with which everything fits.

use super::super::super::forgetting::Order;
use super::super::super::text::width;
use super::super::super::theme::{Depth, Marker, Theme};

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
    pub headings: Vec<(u16, usize)>,
    /// Rows in all.
    pub rows: u16,
}

/// The longest name that a tile has room for, and that a small one has.
const NAME: u16 = 20;
const SHORT: u16 = 12;
/// Columns of a tile besides the name: a cursor, a figure, a mark.
pub const TILE: u16 = 10;
/// The longest name of a group beside its classes, and what stands behind it.
pub const BESIDE: (u16, u16) = (14, 8);

impl Dense {
    /// The largest cells with which `order` fits into this part of the screen; the smallest if nothing does.
    pub fn new<'a>(
        order: &Order,
        name: impl Fn(usize) -> &'a str,
        theme: &Theme,
        (columns, rows): (u16, u16),
    ) -> Self {
        let names = order.classes().map(|c| width(name(c)));
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
                    dense.rows = dense.rows.saturating_add(if number > 0 { gap } else { 0 });
                    dense.headings.push((dense.rows, number));
                    dense.rows = dense.rows.saturating_add(1);
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
        let top = self.rows.saturating_mul(self.cell.a_row());
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
    pub fn scroll(&self, class: usize, rows: u16) -> u16 {
        let place = self.places.iter().find(|p| p.class == class);
        let row = place.map_or(0, |p| p.y / self.cell.a_row());
        (row + 1).saturating_sub(rows)
    }
}

impl Cell {
    /// Columns.
    pub fn columns(self) -> u16 {
        match self {
            Self::Tile(columns) | Self::Mark(columns) => columns,
            Self::Half => 1,
        }
    }

    /// Lines of classes in a row of characters.
    pub fn a_row(self) -> u16 {
        match self {
            Self::Half => 2,
            Self::Tile(_) | Self::Mark(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::forgetting::Group;
    use super::super::super::super::theme::Palette;
    use super::*;

    const TRUE: Theme = Theme {
        depth: Depth::True,
        marker: Marker::Braille,
        palette: Palette::Dark,
        painted: false,
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
        Dense::new(order, |_| "some name", &theme, size)
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
