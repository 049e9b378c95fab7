//! The last minutes of the machine, and the rate of the last steps.

use ratatui::style::Style;

use super::super::super::app::App;
use super::super::super::machine::Sample;
use super::super::super::open_run::OpenRun;
use super::super::super::pen::Pen;
use super::super::super::plot::{Kind, Plot, Series};
use super::super::super::theme::Ink;
use super::super::titled::{Piece, titled};
use super::PLOT;
use crate::measure::smoothed;

/// Weight of the past in the curve of images a second.
const BETA: f64 = 0.9;

/// Steps whose rate is drawn at most, and by how many the window moves: seldom, so that from frame to frame the curve
/// stays where it is but for its newest end, which is all that then goes to the terminal.
const STEPS: usize = 2000;
const MOVES: usize = 100;
/// Columns from which plots stand side by side.
const SIDE_BY_SIDE: u16 = 70;
/// Bytes in a GB.
const GB: f64 = 1e9;
/// Seconds that are shown at least.
const SHORTEST: f64 = 60.0;

/// Draws as many as there is room for, the most telling first.
pub fn draw(app: &App, run: Option<&OpenRun>, pen: &mut Pen) {
    let mut all = vec![processors(app)];
    all.extend(run.and_then(|run| rate(app, run)));
    all.extend(gpu(app, run));
    all.push(memory(app));
    let (columns, rows) = (pen.width(), pen.height());
    let across = if columns >= SIDE_BY_SIDE { 2 } else { 1 };
    let down = (rows / PLOT).min((all.len() as u16).div_ceil(across));
    let Some(height) = rows.checked_div(down) else {
        return;
    };
    let width = columns / across;
    for (i, (title, plot)) in (0..across * down).zip(&all) {
        let (x, y) = (i % across * width, i / across * height);
        let last = i % across + 1 == across;
        let columns = if last { columns - x } else { width - 1 };
        titled(title, plot, app, &mut pen.part(x, y, columns, height));
    }
}

type Titled = (Vec<Piece>, Plot);

/// A curve's letter, its name and its colour.
type Named = (char, &'static str, Ink);

fn series(app: &App, (letter, _, ink): Named, points: Vec<(f64, f64)>) -> Series {
    Series {
        points,
        style: app.theme.ink(ink),
        kind: Kind::Line,
        letter: Some(letter),
        sign: None,
    }
}

fn title(app: &App, name: &str, unit: &str, curves: &[Named]) -> Vec<Piece> {
    let faint: Style = app.theme.ink(Ink::Faint);
    let head = (name.to_owned(), app.theme.bold(Ink::Plain));
    let mut pieces = vec![vec![head, (format!(" {unit}"), faint)]];
    pieces.extend(curves.iter().map(|(letter, name, ink)| {
        vec![
            (letter.to_string(), app.theme.bold(*ink)),
            (format!(" {name}"), faint),
        ]
    }));
    pieces
}

/// Curves over the last minutes; `top` is what there is of it.
fn minutes(
    app: &App,
    head: (&str, &str),
    top: f64,
    unit: f64,
    curves: Vec<(Named, Vec<(f64, f64)>)>,
) -> Titled {
    let named: Vec<Named> = curves.iter().map(|c| c.0).collect();
    let oldest = curves.iter().flat_map(|c| c.1.first()).map(|p| p.0);
    let oldest = oldest.fold(-SHORTEST, f64::min);
    let curves = curves
        .into_iter()
        .map(|(named, points)| series(app, named, points));
    let plot = Plot {
        x: (oldest, 0.0),
        y: (0.0, 1.05 * top.max(1e-9)),
        unit,
        name: "s",
        series: curves.collect(),
        ..Plot::default()
    };
    (title(app, head.0, head.1, &named), plot)
}

fn processors(app: &App) -> Titled {
    let there = app.history.newest().map_or(1, |s| s.processors);
    let of = |figure: fn(&Sample) -> f64| app.history.curve(|s| Some(figure(s)));
    let curves = vec![
        (('m', "machine", Ink::Faint), of(|s| s.machine_busy)),
        (('p', "this process", Ink::Accent), of(|s| s.process_busy)),
    ];
    let head = ("processors", &*format!("of {there} busy"));
    minutes(app, head, there as f64, 1.0, curves)
}

fn memory(app: &App) -> Titled {
    let there = app.history.newest().map_or(1, |s| s.memory);
    let of = |figure: fn(&Sample) -> u64| app.history.curve(|s| Some(figure(s) as f64 / GB));
    let curves = vec![
        (('m', "machine", Ink::Faint), of(|s| s.machine_memory)),
        (('p', "this process", Ink::Accent), of(|s| s.process_memory)),
    ];
    minutes(app, ("memory", "GB"), there as f64 / GB, 1.0, curves)
}

/// The GPU that the run is on, or else the first.
fn gpu(app: &App, run: Option<&OpenRun>) -> Option<Titled> {
    let there = app.history.newest()?.gpus.as_ref().ok()?.len();
    let device = run.and_then(|run| Some(run.view.started.as_ref()?.device.as_str()));
    let number = device.and_then(|d| d.strip_prefix("cuda:")?.parse().ok());
    let number = number.filter(|n: &usize| *n < there).unwrap_or(0);
    let of = |figure: fn(&super::Gpu) -> Option<f64>| {
        app.history
            .curve(|s| figure(s.gpus.as_ref().ok()?.get(number)?))
    };
    let held = of(|g| g.memory.map(|(used, all)| super::part(used, all)));
    let curves = vec![
        (('m', "memory", Ink::Second), held),
        (('b', "busy", Ink::Accent), of(|g| g.busy)),
    ];
    let head = (&*format!("gpu {number}"), "%");
    Some(minutes(app, head, 1.0, 100.0, curves))
}

/// Images a second over the last steps of the newest training.
fn rate(app: &App, run: &OpenRun) -> Option<Titled> {
    let points = &run.view.trainings.last()?.points;
    let end = points.last()?.step.next_multiple_of(MOVES);
    let begin = end.saturating_sub(STEPS);
    let points = &points[points.partition_point(|p| p.step < begin)..];
    let rates = smoothed(points.iter().map(|p| p.rate), BETA);
    let top = rates.iter().filter(|r| r.is_finite());
    let top = round_up(1.05 * top.copied().fold(1e-9, f64::max));
    let steps = points.iter().map(|p| p.step as f64);
    let curve = Series {
        points: steps.zip(rates).collect(),
        style: app.theme.ink(Ink::Accent),
        kind: Kind::Line,
        letter: None,
        sign: None,
    };
    let plot = Plot {
        x: (begin as f64, end as f64),
        y: (0.0, top),
        unit: 1.0,
        name: "step",
        series: vec![curve],
        ..Plot::default()
    };
    Some((title(app, "images/s", "smoothed", &[]), plot))
}

/// The next quarter of its power of ten: an axis that seldom changes.
fn round_up(top: f64) -> f64 {
    let quarter = 10_f64.powf(top.log10().floor()) / 4.0;
    (top / quarter).ceil() * quarter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_a_little_above_its_values() {
        for (top, end) in [(741.0, 750.0), (1.0, 1.0), (1.1, 1.25), (0.032, 0.0325)] {
            assert!((round_up(top) - end).abs() < 1e-9, "{top}");
        }
    }
}
