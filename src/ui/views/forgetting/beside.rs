//! Two runs side by side: the same classes in the same order, under the same cursor and filter.

use super::super::super::forgetting::{Losses, Merge, foundation};
use super::super::super::pen::Pen;
use super::super::super::text::points;
use super::super::super::theme::Ink;
use super::cells::Shown;
use super::{Scene, draw_text};
use crate::lab::TestSet;
use crate::run::RunView;

/// Empty columns between the two.
const GAP: u16 = 3;

/// A run beside the one shown, and what the same merge cost it.
pub struct Other<'a> {
    /// What it is called.
    pub name: &'a str,
    view: &'a RunView,
    merge: Merge,
    /// What it lost, or why that cannot be set beside the run shown.
    pub losses: Result<Losses<'a>, String>,
}

impl<'a> Other<'a> {
    /// The run `view`, at the merge of the run shown or, where that is not measured yet, at its own newest.
    pub fn new(name: &'a str, view: &'a RunView, merge: Merge, losses: &Losses) -> Self {
        let found = match foundation(view) {
            None => Err(format!("{name} has not begun")),
            Some(known) if !same_classes(losses, known) => Err(format!(
                "{name} was measured on other classes: they cannot be set side by side"
            )),
            Some(_) => Losses::of(view, merge).ok_or_else(|| match merge {
                Merge::Row(row) => format!("{name} has not measured merge {row}"),
                Merge::WouldBe => format!("{name} is not in training"),
            }),
        };
        Self {
            name,
            view,
            merge,
            losses: found,
        }
    }

    /// The points that a class lost in it, where that is known.
    pub fn lost(&self, class: usize, since_start: bool) -> Option<String> {
        let losses = self.losses.as_ref().ok()?;
        Some(points(losses.loss(class, since_start)))
    }
}

fn same_classes(losses: &Losses, other: &TestSet) -> bool {
    let ours = losses.foundation.classes.iter().map(|c| &c.name);
    ours.eq(other.classes.iter().map(|c| &c.name))
}

/// Columns of each of the two.
pub fn columns(all: u16) -> u16 {
    all.saturating_sub(GAP) / 2
}

/// Draws the classes of both, each below its run's name; returns the rows they took.
pub fn draw(scene: &Scene, other: &Other, pen: &mut Pen) -> u16 {
    let theme = scene.theme;
    let (wide, rows) = (columns(pen.width()), pen.height());
    let started = scene.view.started.as_ref();
    let name = started.map_or("this run", |s| s.recipe.name.as_str());
    pen.fitted(0, 0, wide, name, theme.bold(Ink::Accent));
    let right = wide + GAP;
    pen.fitted(right, 0, wide, other.name, theme.bold(Ink::Second));
    let below = rows.saturating_sub(1);
    let used = scene.draw_run(
        scene.view,
        scene.merge,
        &scene.shown(),
        &mut pen.part(0, 1, wide, below),
    );
    let mut part = pen.part(right, 1, wide, below);
    let beside = match &other.losses {
        Ok(losses) => {
            let shown = Shown {
                losses,
                ..scene.shown()
            };
            scene.draw_run(other.view, other.merge, &shown, &mut part)
        }
        Err(why) => draw_text(theme, why, Ink::Warning, &mut part),
    };
    1 + used.max(beside)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    use super::super::super::super::app::App;
    use super::super::super::super::forgetting::Way;
    use super::super::super::super::line::Line;
    use super::super::super::super::setup::Environment;
    use super::super::super::super::theme::{Depth, Marker, Theme};
    use super::super::{Scene, draw_with};
    use super::*;
    use crate::lab::Event;
    use crate::run::testing::sample;

    fn app() -> App {
        let theme = Theme {
            depth: Depth::None,
            marker: Marker::Braille,
            ..Theme::default()
        };
        let environment = Environment::of_this_program(Path::new("runs")).unwrap();
        let mut app = App::new(environment, theme);
        app.show_run(Path::new("runs/one"), &sample(), false);
        app
    }

    fn drawn(app: &App, other: (&str, &RunView), (width, height): (u16, u16)) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let mut pen = Pen::new(&mut buffer, area);
        draw_with(app, app.run.as_ref().unwrap(), Some(other), &mut pen);
        let line = |y| {
            (0..width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..height).map(|y| line(y) + "\n").collect()
    }

    /// The sample, in which everything learned cost the first class all that it had.
    fn worse() -> RunView {
        let mut records = sample();
        for record in &mut records {
            if let Event::Evaluated { index, counts, .. } = &mut record.event
                && *index > 0
            {
                counts.correct[0] = 0;
            }
        }
        RunView::replay(&records)
    }

    #[test]
    fn two_runs_share_order_filter_and_cursor() {
        let mut app = app();
        let other = worse();
        app.forgetting.merge = Some(Merge::Row(1));
        for way in [Way::Grid, Way::List] {
            app.forgetting.way = Some(way);
            let text = drawn(&app, ("a resnet", &other), (100, 24));
            let name = text.lines().find(|l| l.contains("a resnet")).unwrap();
            assert!(name.find("a resnet").unwrap() > 45, "{text}");
            // The first class is lost on the right alone, and under the cursor on both sides.
            let line = text.lines().find(|l| l.matches('▸').count() == 2);
            let line: Vec<char> = line.unwrap_or_else(|| panic!("{text}")).chars().collect();
            let side = |from: usize, to: usize| line[from..to.min(line.len())].contains(&'#');
            assert_eq!((side(0, 48), side(51, 100)), (false, true), "{text}");
            assert!(text.contains("a resnet lost"), "{text}");
        }
        app.forgetting.filter = Line::new("lower");
        let text = drawn(&app, ("a resnet", &other), (100, 24));
        assert!(text.contains("4 of 12 classes") && !text.contains("digits"));
        for size in [(1, 1), (5, 3), (30, 8), (60, 12), (200, 60)] {
            drawn(&app, ("a resnet", &other), size);
        }
    }

    #[test]
    fn what_cannot_be_set_beside_says_why() {
        let mut app = app();
        app.forgetting.merge = Some(Merge::Row(1));
        let text = drawn(&app, ("empty", &RunView::default()), (100, 24));
        assert!(text.contains("empty has not begun"));
        let mut short = worse();
        short.rows.truncate(1);
        let text = drawn(&app, ("short", &short), (100, 24));
        assert!(text.contains("short has not measured merge 1"));
        let mut strange = worse();
        let sets = &mut strange.started.as_mut().unwrap().test_sets;
        sets[0].classes[3].name = "other".into();
        let text = drawn(&app, ("strange", &strange), (120, 24));
        assert!(text.contains("strange was measured on other classes"));
    }

    #[test]
    fn the_cursor_moves_over_what_is_drawn_in_half_the_width() {
        let app = app();
        let run = app.view().unwrap();
        let other = worse();
        let alone = Scene::new(&app, run, None, (100, 24)).unwrap();
        let both = Scene::new(&app, run, Some(("b", &other)), (100, 24)).unwrap();
        assert_eq!((alone.columns, both.columns), (100, 48));
    }
}
