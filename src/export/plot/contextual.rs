//! Whether the classes similar to a task lost more by its merge: similarity against drop, and over it how the
//! similarities of all classes and of the new errors are spread.

use super::axis::{BELOW, GAP, Mark, RULE, Scale, below, left, legend, margin, minus, point, zero};
use super::colour::{IN, OUT};
use super::font::width;
use super::svg::{Anchor, Area, Letters, Path, SMALL, Svg, TEXT};
use super::{Figures, Picture};
use crate::measure::{Contextual, distribution};
use crate::run::view::Row;

/// Height of the distributions, in points.
const SPREAD: f64 = 48.0;
/// Height of the scatter, in points.
const SCATTER: f64 = 128.0;
/// Bins over the range of the similarities.
const BINS: usize = 20;

/// A picture for each merge and each measure of similarity that was taken, `width` points wide.
pub fn pictures(figures: &Figures, width: f64) -> Vec<Picture> {
    let rows = figures.rows.iter().filter(|row| !row.skipped);
    let merges = rows.filter_map(|row| Some((row, row.contextual.as_ref()?)));
    merges
        .flat_map(|(row, contextual)| {
            let names = Measured::names(contextual);
            names
                .into_iter()
                .filter_map(move |name| Measured::of(figures, row, contextual, name))
        })
        .map(|measured| measured.picture(figures, width))
        .collect()
}

/// One class: its similarity to the task, its drop in points of percent, its new errors, whether it is in context.
struct Class {
    similarity: f64,
    drop: f64,
    inside: bool,
}

/// What is drawn.
struct Measured<'a> {
    row: &'a Row,
    task: &'a str,
    similarity: &'a str,
    classes: Vec<Class>,
    /// Similarity and new errors of every class.
    similarities: &'a [f32],
    new_errors: &'a [u32],
    images: &'a [u32],
    rho: f64,
    rho_p: f64,
}

impl<'a> Measured<'a> {
    /// The measures of similarity of a merge. Journals of before have that by features alone.
    fn names(contextual: &'a Contextual) -> Vec<&'a str> {
        match contextual.effects.as_slice() {
            [] => vec!["features"],
            effects => effects.iter().map(|e| e.similarity.as_str()).collect(),
        }
    }

    fn of(
        figures: &Figures<'a>,
        row: &'a Row,
        contextual: &'a Contextual,
        name: &'a str,
    ) -> Option<Self> {
        let after = row.evaluations.get(figures.foundation())?;
        let before = figures.before(row, figures.foundation())?;
        let similarities = figures.similarity(row, name)?;
        let context = figures
            .training(row)
            .map_or(&[][..], |t| t.context.as_slice());
        let classes = similarities
            .iter()
            .enumerate()
            .map(|(c, &similarity)| Class {
                similarity: f64::from(similarity),
                drop: 100.0 * (before.counts.class_accuracy(c) - after.counts.class_accuracy(c)),
                inside: context.contains(&c),
            });
        let classes: Vec<Class> = classes
            .filter(|c| c.similarity.is_finite() && c.drop.is_finite())
            .collect();
        let effect = contextual.effects.iter().find(|e| e.similarity == name);
        let (rho, rho_p) = effect.map_or((contextual.rho, contextual.rho_p), |e| (e.rho, e.rho_p));
        (!classes.is_empty()).then_some(Self {
            row,
            task: figures.after(row.index),
            similarity: name,
            classes,
            similarities,
            new_errors: &after.new_errors,
            images: &after.counts.total,
            rho,
            rho_p,
        })
    }

    fn picture(&self, figures: &Figures, width: f64) -> Picture {
        let errors: u32 = self.new_errors.iter().sum();
        let (svg, height) = self.draw(width);
        let caption = format!(
            "Above: the similarity of all {} classes of {} to {}, and of what its merge newly lost ({errors} test images, \
             each counting for its class), in {BINS} bins. Below: similarity and drop of accuracy by the merge; triangles \
             are classes in the task's context. {}. Spearman's rho with its two-sided p by permutation of classes, which \
             are not independent of one another.",
            self.classes.len(),
            figures.foundation(),
            self.task,
            meaning(self.similarity),
        );
        let title = format!(
            "Similarity to {} and drop, by {}",
            self.task, self.similarity
        );
        let stem = format!(
            "contextual-{}-{}-{}",
            self.row.index, self.task, self.similarity
        );
        Picture::new(figures, stem, title, caption, svg, height)
    }

    fn draw(&self, page: f64) -> (Svg, f64) {
        let mut svg = Svg::new(page);
        let x = Scale::over(self.classes.iter().map(|c| c.similarity), 5);
        let zero_and_drops = self.classes.iter().map(|c| c.drop).chain([0.0]);
        let drops = Scale::over(zero_and_drops, 5);
        let of_classes = self.spread(&x, |c| {
            f64::from(u8::from(self.images.get(c).is_some_and(|&n| n > 0)))
        });
        let of_errors = self.spread(&x, |c| {
            self.new_errors.get(c).copied().map_or(0.0, f64::from)
        });
        let shares = Scale::over(of_classes.iter().chain(&of_errors).copied().chain([0.0]), 2);

        let from = margin(&drops).max(margin(&shares));
        let wide = page - from - 2.0 * GAP;
        let above = Area::new(from, TEXT + 2.0 * GAP, wide, SPREAD);
        let scatter = Area::new(from, above.bottom() + TEXT + 3.0 * GAP, wide, SCATTER);
        let x = x.drawn((scatter.x, scatter.right()));
        let shares = shares.drawn((above.bottom(), above.y));
        let drops = drops.drawn((scatter.bottom(), scatter.y));

        let filled =
            format!("fill=\"{IN}\" fill-opacity=\"0.35\" stroke=\"{IN}\" stroke-width=\"0.6\"");
        let outline = format!("fill=\"none\" stroke=\"{OUT}\" stroke-width=\"0.9\"");
        let marks = [
            (Mark::Box(&outline), "all classes"),
            (Mark::Box(&filled), "new errors"),
        ];
        legend(&mut svg, (from, 0.5 * TEXT), &marks);
        steps(&mut svg, &x, &shares, &of_errors, &filled);
        steps(&mut svg, &x, &shares, &of_classes, &outline);
        below(&mut svg, &above, &x, "");
        left(&mut svg, &above, &shares, "share (%)");

        let marks = [
            (Mark::Point { inside: true }, "in context"),
            (Mark::Point { inside: false }, "other classes"),
        ];
        let y = above.bottom() + GAP + 0.7 * TEXT;
        let used = legend(&mut svg, (from, y), &marks);
        let figure = self.figure();
        if used + width(&figure, SMALL) <= scatter.right() {
            let place = (scatter.right(), y + 0.35 * SMALL);
            svg.text(place, &figure, Letters::small(Anchor::End));
        }
        zero(&mut svg, &scatter, &drops);
        // Many are small, and what is in context lies on top.
        let size = if self.classes.len() > 300 { 0.65 } else { 1.0 };
        for inside in [false, true] {
            for class in self.classes.iter().filter(|c| c.inside == inside) {
                point(
                    &mut svg,
                    (x.at(class.similarity), drops.at(class.drop)),
                    inside,
                    size,
                );
            }
        }
        let title = format!("similarity to {} ({})", self.task, unit(self.similarity));
        below(&mut svg, &scatter, &x, &title);
        left(&mut svg, &scatter, &drops, "drop of accuracy (points)");
        (svg, scatter.bottom() + BELOW + GAP)
    }

    /// Shares in percent, by bin of the axis.
    fn spread(&self, x: &Scale, weight: impl Fn(usize) -> f64) -> Vec<f64> {
        let shares = distribution(self.similarities, &weight, x.domain, BINS);
        shares.into_iter().map(|s| 100.0 * s).collect()
    }

    /// ρ with its p, as papers write it; nothing where there is none.
    fn figure(&self) -> String {
        if !self.rho.is_finite() {
            return String::new();
        }
        let rho = minus(&format!("{:.2}", self.rho));
        match self.rho_p.is_finite() {
            true => format!("ρ = {rho}, p = {:.4}", self.rho_p),
            false => format!("ρ = {rho}"),
        }
    }
}

/// A distribution as steps from the axis up and back to it.
fn steps(svg: &mut Svg, x: &Scale, y: &Scale, shares: &[f64], attributes: &str) {
    let (low, high) = x.domain;
    let edge = |bin: usize| x.at(low + (high - low) * bin as f64 / shares.len() as f64);
    let tops = shares.iter().enumerate();
    let tops =
        tops.flat_map(|(bin, &share)| [(edge(bin), y.at(share)), (edge(bin + 1), y.at(share))]);
    let ends = [(edge(0), y.at(0.0)), (edge(shares.len()), y.at(0.0))];
    let mut path = Path::default();
    path.through([ends[0]].into_iter().chain(tops).chain([ends[1]]));
    path.close();
    svg.path(&path, attributes);
    svg.line(ends[0], ends[1], RULE);
}

/// What a similarity is measured in, for an axis.
fn unit(similarity: &str) -> &str {
    match similarity {
        "features" => "cosine of features",
        "wordnet" => "Wu–Palmer",
        "clip" => "cosine by CLIP",
        other => other,
    }
}

/// What a similarity is, for a caption.
fn meaning(similarity: &str) -> &str {
    match similarity {
        "features" => {
            "Similarity is the cosine of class prototypes of the pretrained features, the nearest of the task's"
        }
        "wordnet" => "Similarity is Wu and Palmer's in WordNet 3.0",
        "clip" => "Similarity is the cosine of CLIP's embeddings of both names",
        other => other,
    }
}
