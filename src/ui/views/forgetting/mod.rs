//! Which classes of the foundation were lost, by which merge, and whether they are those that the task touched.

mod beside;
mod card;
mod cells;
mod class;
mod context;
mod dense;
mod glyphs;
mod head;
mod list;
mod thumbnails;

use super::super::actions::{Action, PAGE};
use super::super::app::App;
use super::super::forgetting::{
    ForgettingLook, Losses, Merge, Order, Sort, Way, are_glyphs, foundation,
};
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::pictures::Pictures;
use super::super::text::wrap;
use super::super::theme::{Ink, Theme};
use crate::run::RunView;
use beside::Other;
use cells::Shown;
use dense::Dense;
use glyphs::Grid;

/// Rows below a grid of characters: the class, the summary.
const GLYPH_FOOT: u16 = 9;
/// Rows below other classes: the class, a line of summary; and with the whole of it where there is room.
const FOOT: (u16, u16) = (6, 10);
/// Body rows from which on there is room.
const TALL: u16 = 30;
/// Body rows below which there is no room for a legend.
const LOW: u16 = 12;

/// What is shown, and how it is laid out.
struct Scene<'a> {
    theme: &'a Theme,
    pictures: &'a Pictures,
    view: &'a RunView,
    merge: Merge,
    losses: Losses<'a>,
    order: Order,
    /// Where the user looks, the cursor on a class that is shown.
    look: ForgettingLook,
    way: Way,
    glyphs: bool,
    /// The run beside it.
    other: Option<Other<'a>>,
    /// Columns for the classes of a run, rows above the classes, for them, and below.
    columns: u16,
    head: u16,
    room: u16,
    foot: u16,
    /// Where classes stand that are more than a character each, in a grid.
    dense: Option<Dense>,
}

impl<'a> Scene<'a> {
    fn new(
        app: &'a App,
        view: &'a RunView,
        beside: Option<(&'a str, &'a RunView)>,
        (columns, rows): (u16, u16),
    ) -> Option<Self> {
        let mut look = app.forgetting.clone();
        let merge = look.chosen(view)?;
        let losses = Losses::of(view, merge)?;
        let order = Order::of(&losses, &look);
        let glyphs = are_glyphs(losses.foundation);
        let foot = if rows >= TALL { FOOT.1 } else { FOOT.0 };
        let head = if rows < LOW { 2 } else { 3 };
        let room = |head: u16, foot| rows.saturating_sub(head + foot).max(rows / 3).max(1);
        let whole = losses.foundation.classes.len() + 1 + order.headings();
        let way = look.way.unwrap_or(match () {
            () if !glyphs && whole <= usize::from(room(head, foot)) => Way::List,
            () => Way::Grid,
        });
        let asked = look.typing || !look.filter.is_empty() || look.sort != Sort::Own;
        let plain = look.grouping == super::super::forgetting::Grouping::Groups;
        let (head, foot) = match (way, glyphs) {
            (Way::Context, _) => (2, 0),
            // The characters say what they are.
            (Way::Grid, true) if !asked && plain => (2, GLYPH_FOOT),
            (Way::Grid, true) => (head, GLYPH_FOOT),
            _ => (head, foot),
        };
        look.class = order.nearest(look.class).unwrap_or(look.class);
        // The journal's figures are of the merge.
        look.since_start &= way != Way::Context;
        let other = beside.map(|(name, view)| Other::new(name, view, merge, &losses));
        let room = room(head, foot);
        let (columns, high) = match &other {
            Some(_) => (beside::columns(columns), room.saturating_sub(1)),
            None => (columns, room),
        };
        let dense = (way == Way::Grid && !glyphs).then(|| {
            Dense::new(
                &order,
                |c| look.name(losses.foundation, c),
                &app.theme,
                (columns, high),
            )
        });
        Some(Self {
            theme: &app.theme,
            pictures: &app.pictures,
            view,
            merge,
            losses,
            order,
            look,
            way,
            glyphs,
            other,
            columns,
            head,
            room,
            foot,
            dense,
        })
    }

    /// The screen of the run shown, as large as the terminal was at the last frame.
    fn of(app: &'a App) -> Option<Self> {
        let (width, height) = app.size;
        Self::new(app, app.view()?, in_view(app), super::body(width, height))
    }

    /// What a class is called.
    fn name(&self, class: usize) -> &str {
        self.look.name(self.losses.foundation, class)
    }

    fn shown(&self) -> Shown<'_> {
        Shown {
            theme: self.theme,
            look: &self.look,
            losses: &self.losses,
            order: &self.order,
        }
    }

    /// What the runs that are in view have lost: figures of all are drawn to one scale.
    fn in_view(&self) -> Vec<&Losses<'_>> {
        let other = self.other.as_ref().and_then(|o| o.losses.as_ref().ok());
        [Some(&self.losses), other].into_iter().flatten().collect()
    }

    fn grid(&self) -> Grid<'_> {
        let room = self.room.saturating_sub(u16::from(self.other.is_some()));
        Grid::new(&self.order, self.losses.foundation, self.columns, room)
    }

    /// Draws the classes; returns the rows they took.
    fn draw(&self, pen: &mut Pen) -> u16 {
        match &self.other {
            _ if self.order.is_empty() => draw_nothing(self.theme, &self.look, pen),
            Some(other) => beside::draw(self, other, pen),
            None => self.draw_run(self.view, self.merge, &self.shown(), pen),
        }
    }

    /// Draws the classes as one run has lost them; returns the rows they took.
    fn draw_run(&self, view: &RunView, merge: Merge, shown: &Shown, pen: &mut Pen) -> u16 {
        match (self.way, &self.dense) {
            (Way::Grid, Some(dense)) => cells::draw(shown, dense, pen),
            (Way::Grid, None) => glyphs::draw(shown, &self.grid(), pen),
            (Way::List, _) => list::draw(view, merge, shown, pen),
            (Way::Context, _) => context::draw(shown, &self.in_view(), pen),
        }
    }

    /// The class that an action leads to.
    fn moved(&self, action: Action) -> Option<usize> {
        let (down, right) = match action {
            Action::Up => (-1, 0),
            Action::Down => (1, 0),
            Action::Left => (0, -1),
            Action::Right => (0, 1),
            Action::PageUp => (-PAGE, 0),
            Action::PageDown => (PAGE, 0),
            Action::Home => return self.order.classes().next(),
            Action::End => return self.order.classes().last(),
            _ => return None,
        };
        let class = self.look.class;
        match (self.way, &self.dense) {
            (Way::Grid, Some(dense)) => dense.neighbour(class, down, right),
            (Way::Grid, None) => Some(self.grid().neighbour(class, down, right)),
            (Way::List | Way::Context, _) => self.order.further(class, down + right),
        }
    }
}

/// Draws the screen.
pub fn draw(app: &App, run: &OpenRun, pen: &mut Pen) {
    draw_with(app, run, in_view(app), pen);
}

/// The run that is shown beside the one that is open, with its name: the first of those that lie there.
fn in_view(app: &App) -> Option<(&str, &RunView)> {
    let first = app.beside.first()?;
    Some((first.name.as_str(), &first.view))
}

/// Draws the screen with another run beside the one that is open.
fn draw_with(app: &App, run: &OpenRun, other: Option<(&str, &RunView)>, pen: &mut Pen) {
    let theme = &app.theme;
    let Some(scene) = Scene::new(app, &run.view, other, (pen.width(), pen.height())) else {
        let text =
            "what the first merge costs is shown here as soon as something of it is measured";
        draw_text(theme, text, Ink::Faint, pen);
        return;
    };
    if scene.look.card && !scene.order.is_empty() {
        head::draw_merge(&scene, pen);
        let (columns, rows) = card::area((pen.width(), pen.height()));
        card::draw(&scene, &mut pen.part(0, card::TOP, columns, rows));
        return;
    }
    head::draw(&scene, pen);
    let (columns, rows) = (pen.width(), pen.height());
    let used = scene.draw(&mut pen.part(0, scene.head, columns, scene.room));
    if scene.way == Way::Context {
        return;
    }
    let gap = u16::from(rows > 16);
    let top = scene.head + used + gap;
    let mut foot = pen.part(0, top, columns, rows.saturating_sub(top));
    class::draw(&scene, app, &mut foot);
}

fn draw_text(theme: &Theme, text: &str, ink: Ink, pen: &mut Pen) -> u16 {
    let lines = wrap(text, usize::from(pen.width()));
    for (y, line) in lines.iter().enumerate() {
        pen.text(0, y as u16, line, theme.ink(ink));
    }
    lines.len() as u16
}

fn draw_nothing(theme: &Theme, look: &ForgettingLook, pen: &mut Pen) -> u16 {
    let text = match look.filter.text().trim() {
        "" => "the foundation has no classes".to_owned(),
        filter => {
            format!("no class and no group has \"{filter}\" in its name: Esc shows all again")
        }
    };
    draw_text(theme, &text, Ink::Warning, pen)
}

/// How the classes are shown now.
pub fn way(app: &App) -> Option<Way> {
    Scene::of(app).map(|scene| scene.way)
}

/// Pages of the lost images of the card that is open.
pub fn pages(app: &App) -> usize {
    let (width, height) = app.size;
    Scene::of(app).map_or(0, |scene| {
        card::pages(&scene, card::area(super::body(width, height)))
    })
}

/// The class that the cursor comes to by an action; `None` where it moves nothing.
pub fn moved(app: &App, action: Action) -> Option<usize> {
    Scene::of(app)?.moved(action)
}

/// The class under the cursor as it is drawn; `None` where no class is shown.
pub fn shown(app: &App) -> Option<usize> {
    let view = app.view()?;
    foundation(view)?;
    let scene = Scene::of(app)?;
    (!scene.order.is_empty()).then_some(scene.look.class)
}
