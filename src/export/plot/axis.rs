//! Scales, axes, the heads of columns, and the bar that says what colours mean.

use super::colour::{Ramp, hex};
use super::font::{shortened, width};
use super::svg::{Anchor, Area, FAINT, INK, Letters, Path, SMALL, Svg, TEXT};

/// Length of a tick, in points.
const TICK: f64 = 2.5;
/// Room between things, in points.
pub const GAP: f64 = 3.0;
/// What figures and axes are drawn with.
pub const RULE: &str = "stroke=\"#1a1a1a\" stroke-width=\"0.6\"";

/// From figures to points.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Ends of the axis, in the axis's unit.
    pub domain: (f64, f64),
    /// Where they are drawn, in points; the second may be the lower number.
    pub range: (f64, f64),
    step: f64,
}

impl Scale {
    /// A scale over all finite `values`, ended by round figures, with about `ticks` of them.
    pub fn over(values: impl Iterator<Item = f64>, ticks: usize) -> Self {
        let finite = values.filter(|v| v.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        let (low, high) = match (low.is_finite(), low < high) {
            (false, _) => (0.0, 1.0),
            (true, false) => (low - 0.5, low + 0.5),
            (true, true) => (low, high),
        };
        let step = round_step((high - low) / ticks.max(1) as f64);
        // A last bit too much is no reason for another step.
        let domain = (
            ((low / step) + 1e-9).floor() * step,
            ((high / step) - 1e-9).ceil() * step,
        );
        Self {
            domain,
            range: (0.0, 1.0),
            step,
        }
    }

    /// The same between other ends of the axis, which need not be round.
    pub fn between(self, domain: (f64, f64)) -> Self {
        Self { domain, ..self }
    }

    /// The same, drawn there.
    pub fn drawn(self, range: (f64, f64)) -> Self {
        Self { range, ..self }
    }

    /// Where a figure is drawn, in points.
    pub fn at(&self, value: f64) -> f64 {
        let share = (value - self.domain.0) / (self.domain.1 - self.domain.0);
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// Round figures within the axis, and how they are written.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let places = (0..6).find(|&p| {
            let scaled = self.step * 10_f64.powi(p);
            (scaled - scaled.round()).abs() < 1e-6
        });
        let places = places.unwrap_or(6) as usize;
        let first = (self.domain.0 / self.step - 1e-9).ceil() as i64;
        let last = (self.domain.1 / self.step + 1e-9).floor() as i64;
        let written = |value: f64| minus(&format!("{value:.places$}"));
        (first..=last)
            .map(|i| i as f64 * self.step)
            .map(|value| (value, written(value)))
            .collect()
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let mut power = 1e-6;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if factor * power >= least * (1.0 - 1e-9) {
                return factor * power;
            }
        }
        power *= 10.0;
    }
}

/// A figure with a minus sign for its hyphen.
pub fn minus(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| matches!(c, '0' | '.')) => zero.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text.to_owned(),
    }
}

/// Width that the figures and the title of a vertical axis take, in points.
pub fn margin(y: &Scale) -> f64 {
    let widest = y
        .ticks()
        .iter()
        .map(|(_, t)| width(t, TEXT))
        .fold(0.0, f64::max);
    TEXT + GAP + widest + GAP + TICK
}

/// Height that those of a horizontal axis take, in points.
pub const BELOW: f64 = TICK + GAP + TEXT + GAP + TEXT;

/// A horizontal axis below `area`, with its title; without one only the ticks.
pub fn below(svg: &mut Svg, area: &Area, x: &Scale, title: &str) {
    let y = area.bottom();
    svg.line((area.x, y), (area.right(), y), RULE);
    for (value, text) in x.ticks() {
        let at = x.at(value);
        svg.line((at, y), (at, y + TICK), RULE);
        if !title.is_empty() {
            // The figure at an end stays within the picture.
            let half = width(&text, TEXT) / 2.0 + 0.5;
            let at = at.min(svg.width - half).max(half);
            let place = (at, y + TICK + GAP + 0.7 * TEXT);
            svg.text(place, &text, Letters::held(Anchor::Middle));
        }
    }
    if !title.is_empty() {
        let place = (area.centre().0, y + BELOW - 0.1 * TEXT);
        let title = shortened(title, TEXT, svg.width);
        svg.text(place, &title, Letters::held(Anchor::Middle));
    }
}

/// A vertical axis left of `area`, its title read upwards at the left edge of the picture.
pub fn left(svg: &mut Svg, area: &Area, y: &Scale, title: &str) {
    svg.line((area.x, area.y), (area.x, area.bottom()), RULE);
    for (value, text) in y.ticks() {
        let at = y.at(value);
        svg.line((area.x - TICK, at), (area.x, at), RULE);
        let place = (area.x - TICK - GAP, at + 0.35 * TEXT);
        svg.text(place, &text, Letters::held(Anchor::End));
    }
    upright(svg, area, title);
}

/// A title read upwards at the left edge of the picture, beside `area`.
pub fn upright(svg: &mut Svg, area: &Area, title: &str) {
    let letters = Letters {
        upright: true,
        ..Letters::held(Anchor::Middle)
    };
    svg.text((0.8 * TEXT, area.centre().1), title, letters);
}

/// Names over columns: level if all fit, otherwise read upwards.
pub struct Heads {
    names: Vec<String>,
    upright: bool,
    /// Room that they take, in points.
    pub height: f64,
}

impl Heads {
    /// The longest name in points.
    const LONGEST: f64 = 80.0;

    /// Each of `names` over a column of its width.
    pub fn over(names: &[&str], widths: &[f64]) -> Self {
        let wide = |name: &&str| width(name, TEXT);
        let upright = names.iter().zip(widths).any(|(n, w)| wide(n) + GAP > *w);
        let names: Vec<String> = names
            .iter()
            .map(|name| shortened(name, TEXT, Self::LONGEST))
            .collect();
        let longest = names.iter().map(|n| width(n, TEXT)).fold(0.0, f64::max);
        Self {
            names,
            upright,
            height: GAP + if upright { longest } else { TEXT },
        }
    }

    /// Draws them with their centres at `centres`, above `bottom`.
    pub fn draw(&self, svg: &mut Svg, centres: &[f64], bottom: f64) {
        for (name, &x) in self.names.iter().zip(centres) {
            let (place, anchor) = match self.upright {
                true => ((x + 0.35 * TEXT, bottom - GAP), Anchor::Start),
                false => ((x, bottom - GAP - 0.15 * TEXT), Anchor::Middle),
            };
            let letters = Letters {
                upright: self.upright,
                ..Letters::held(anchor)
            };
            svg.text(place, name, letters);
        }
    }
}

/// Height of a bar with its figures and its title, in points.
pub const BAR: f64 = 6.0 + BELOW;

/// A bar of all colours of a ramp, with the figures of `scale` below it, which is drawn from 0 to 1.
pub fn bar(svg: &mut Svg, area: &Area, ramp: Ramp, scale: &Scale, title: &str) {
    const PARTS: usize = 64;
    let bar = Area {
        height: 6.0,
        ..*area
    };
    svg.group("shape-rendering=\"crispEdges\"", |svg| {
        for i in 0..PARTS {
            let from = bar.x + bar.width * i as f64 / PARTS as f64;
            let part = Area::new(from, bar.y, bar.right() - from, bar.height);
            let colour = hex(ramp.at((i as f64 + 0.5) / PARTS as f64));
            svg.rect(&part, &format!("fill=\"{colour}\""));
        }
    });
    below(svg, &bar, &scale.drawn((bar.x, bar.right())), title);
}

/// What a mark in a legend looks like.
#[derive(Clone, Copy)]
pub enum Mark<'a> {
    /// A filled area with these attributes.
    Box(&'a str),
    /// A line with these attributes.
    Line(&'a str),
    /// One class of a scatter: in the task's context or not.
    Point { inside: bool },
}

/// Marks and what they mean, in one line from `x` on; `y` is the middle of the line. Gives where it ends.
pub fn legend(svg: &mut Svg, (mut x, y): (f64, f64), entries: &[(Mark, &str)]) -> f64 {
    for (mark, text) in entries {
        match mark {
            Mark::Box(attributes) => svg.rect(&Area::new(x, y - 2.5, 8.0, 5.0), attributes),
            Mark::Line(attributes) => svg.line((x, y), (x + 8.0, y), attributes),
            Mark::Point { inside } => point(svg, (x + 4.0, y), *inside, 1.0),
        }
        svg.text(
            (x + 11.0, y + 0.35 * SMALL),
            text,
            Letters::small(Anchor::Start),
        );
        x += 11.0 + width(text, SMALL) + 3.0 * GAP;
    }
    x
}

/// A class of a scatter; told apart by shape too. `size` is 1 for the usual one.
pub fn point(svg: &mut Svg, (x, y): (f64, f64), inside: bool, size: f64) {
    if !inside {
        let attributes = format!(
            "fill=\"none\" stroke=\"{}\" stroke-width=\"0.6\"",
            super::colour::OUT
        );
        svg.circle((x, y), 1.6 * size, &attributes);
        return;
    }
    let mut triangle = Path::default();
    triangle.through([
        (x, y - 2.6 * size),
        (x + 2.3 * size, y + 1.5 * size),
        (x - 2.3 * size, y + 1.5 * size),
    ]);
    triangle.close();
    let attributes = format!(
        "fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"0.3\"",
        super::colour::IN
    );
    svg.path(&triangle, &attributes);
}

/// A thin line where an axis is zero, if it is within it.
pub fn zero(svg: &mut Svg, area: &Area, y: &Scale) {
    if y.domain.0 < 0.0 && y.domain.1 > 0.0 {
        let at = y.at(0.0);
        let attributes = format!("stroke=\"{FAINT}\" stroke-width=\"0.4\"");
        svg.line((area.x, at), (area.right(), at), &attributes);
    }
}

/// Attributes of a frame around cells.
pub fn frame() -> String {
    format!("fill=\"none\" stroke=\"{INK}\" stroke-width=\"0.6\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn axes_end_at_round_figures() {
        let scale = Scale::over([0.03, 2.31].into_iter(), 5);
        assert_eq!(scale.domain, (0.0, 2.5));
        assert_eq!(texts(scale), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
        let drops = Scale::over([-12.0, 61.0, f64::NAN].into_iter(), 4);
        assert_eq!(texts(drops), ["−20", "0", "20", "40", "60", "80"]);
        assert_eq!(drops.drawn((10.0, 0.0)).at(80.0), 0.0);
    }

    #[test]
    fn nothing_and_one_figure_have_an_axis_too() {
        assert_eq!(Scale::over(std::iter::empty(), 5).domain, (0.0, 1.0));
        let one = Scale::over([f64::NAN, 3.0].into_iter(), 4);
        assert!(one.domain.0 < 3.0 && one.domain.1 > 3.0);
        assert!(texts(Scale::over([1e9, 3e9].into_iter(), 4)).len() > 1);
        assert!(texts(Scale::over([1e-9, 2e-9].into_iter(), 4)).len() < 9);
    }

    #[test]
    fn names_stand_upright_where_they_do_not_fit() {
        let level = Heads::over(&["a", "b"], &[40.0, 40.0]);
        let upright = Heads::over(&["a", "a much longer name than its column"], &[40.0, 40.0]);
        assert!(!level.upright && upright.upright);
        assert!(upright.height > level.height && upright.height < 90.0);
    }
}
