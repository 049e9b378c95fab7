//! The machine: what is left to do, how fast it goes, and what processors, memory and GPUs do meanwhile.

mod plots;

use super::super::app::App;
use super::super::figures::bytes;
use super::super::machine::{Gpu, Sample};
use super::super::open_run::OpenRun;
use super::super::pen::Pen;
use super::super::rest::duration;
use super::super::text::{clock, fit};
use super::super::theme::{Ink, Marker};
use super::chrome::Figures;
use super::train::doing;
use crate::export::thousands;
use crate::lab::State;
use crate::run::view::{Spent, Training};

/// Rows that a plot needs to say something.
const PLOT: u16 = 9;
/// GPUs that have a line, and columns from which it has a name.
const GPUS: usize = 4;
const WITH_NAME: u16 = 100;
/// Columns of the labels.
const LABELS: u16 = 12;

/// Draws the screen; what is of a run only where there is one.
pub fn draw(app: &App, run: Option<&OpenRun>, pen: &mut Pen) {
    let (columns, rows) = (pen.width(), pen.height());
    let mut y = place(app, run, pen);
    if let Some(run) = run {
        y = progress(app, run, y, pen);
    }
    y += u16::from(rows > 12);
    let trainings = run.map_or(&[][..], |run| &run.view.trainings);
    let table = match trainings.len() {
        0 => 0,
        n => (n as u16 + 2).min(rows / 2),
    };
    let free = rows.saturating_sub(y + 3 + table);
    let sparks = free < PLOT;
    y = machine(app, run, y, sparks, pen);
    if table > 2 {
        trained(app, trainings, &mut pen.part(0, y + 1, columns, table - 1));
        y += table;
    }
    if !sparks {
        let free = rows.saturating_sub(y + 1);
        plots::draw(app, run, &mut pen.part(0, y + 1, columns, free));
    }
}

/// Where it runs.
fn place(app: &App, run: Option<&OpenRun>, pen: &mut Pen) -> u16 {
    let mut figures = Figures::at(0);
    let started = run.and_then(|run| run.view.started.as_ref());
    if let Some(started) = started {
        figures.add(pen, app, "device", &started.device);
    }
    if let Some(machine) = run.and_then(|run| run.machine.as_ref()) {
        figures.add(pen, app, "threads", &thousands(machine.threads));
        figures.add(pen, app, "processor", &machine.cpu);
        figures.add(pen, app, "host", &machine.host);
    }
    figures.end()
}

/// What is left, and how fast it goes.
fn progress(app: &App, run: &OpenRun, y: u16, pen: &mut Pen) -> u16 {
    let mut figures = Figures::at(y);
    match (run.rest(), run.view.state) {
        (Some(rest), _) => {
            if let Some(task) = rest.task {
                figures.add(pen, app, "task left", &format!("about {}", duration(task)));
            }
            figures.add(pen, app, "run left", &rest.words());
        }
        (None, State::Finished) => figures.add(pen, app, "left", "nothing"),
        (None, State::Failed) => figures.add(pen, app, "left", "the run has failed"),
        // What the first slow steps do says more than a guess.
        (None, _) => {
            let doing = doing(app, run).unwrap_or_else(|| "waiting for the lab".into());
            figures.add(pen, app, "left", &format!("not known yet: {doing}"));
        }
    }
    let mut figures = Figures::at(figures.end());
    let newest = run.view.trainings.last();
    if let Some(training) = newest.filter(|t| !t.points.is_empty()) {
        let recent = training.recent();
        let now = recent.rate().map_or("—".into(), per_second);
        figures.add(pen, app, "images/s", &now);
        let all = all(&run.view.trainings);
        let mean = all.rate().map_or("—".into(), per_second);
        figures.add(pen, app, "in all", &mean);
        let share = waiting(recent.waiting());
        figures.add(pen, app, "waiting for data", &share);
        figures.add(pen, app, "in all", &waiting(all.waiting()));
    }
    figures.end()
}

/// What all trainings took, those that were thrown away included.
fn all(trainings: &[Training]) -> Spent {
    let spent = trainings.iter().map(Training::spent);
    spent.fold(Spent::NOTHING, |all, s| Spent {
        seconds: all.seconds + s.seconds,
        images: all.images + s.images,
        waited: all.waited.zip(s.waited).map(|(a, b)| a + b),
    })
}

fn per_second(rate: f64) -> String {
    match rate {
        r if r < 10.0 => format!("{r:.1}"),
        r => thousands(r.round() as usize),
    }
}

/// A share of time; journals of before do not tell it.
pub fn waiting(share: Option<f64>) -> String {
    share.map_or("—".into(), |s| format!("{:.1} %", 100.0 * s))
}

/// A line each for processors, memory and GPUs, with what they did in the last minute where no plot shows it.
fn machine(app: &App, run: Option<&OpenRun>, y: u16, sparks: bool, pen: &mut Pen) -> u16 {
    let faint = app.theme.ink(Ink::Faint);
    let Some(sample) = app.history.newest() else {
        pen.text(0, y, "the machine is looked at in a moment", faint);
        return y + 1;
    };
    let per_processor = 1.0 / sample.processors.max(1) as f64;
    let busy = move |s: &Sample| Some(per_processor * s.machine_busy);
    let held = |s: &Sample| Some(part(s.machine_memory, s.memory));
    let mut lines: Vec<Line> = vec![
        ("processors".into(), processors(sample), Box::new(busy)),
        ("memory".into(), memory(app, sample), Box::new(held)),
    ];
    match &sample.gpus {
        Err(why) => lines.push(("gpu".into(), vec![("", (*why).into())], Box::new(|_| None))),
        Ok(gpus) => lines.extend(gpus.iter().take(GPUS).enumerate().map(|(i, gpu)| -> Line {
            let busy = move |s: &Sample| s.gpus.as_ref().ok()?.get(i)?.busy;
            let figures = of_gpu(gpu, pen.width() >= WITH_NAME);
            (format!("gpu {i}"), figures, Box::new(busy))
        })),
    }
    if run.is_some_and(|run| !run.lab) {
        let text = "the lab of this run, if one is at work, is another process".into();
        lines.push(("".into(), vec![("", text)], Box::new(|_| None)));
    }
    let mut end = 0;
    for (i, line) in lines.iter().enumerate() {
        let (columns, y) = (pen.width(), y + i as u16);
        end = end.max(write(app, line, &mut pen.part(0, y, columns, 1)));
    }
    let room = usize::from(pen.width().saturating_sub(end)).min(60);
    if sparks && room >= 8 {
        for (i, (_, _, figure)) in lines.iter().enumerate() {
            let curve = app.history.curve(figure);
            let text = spark(&curve, room, app.theme.marker);
            pen.text(end, y + i as u16, &text, app.theme.ink(Ink::Accent));
        }
    }
    y + lines.len() as u16
}

/// Writes a line and returns the column after its figures; a lone one is a sentence, beside which no curve stands.
fn write(app: &App, (label, figures, _): &Line, pen: &mut Pen) -> u16 {
    let (faint, plain) = (app.theme.ink(Ink::Faint), app.theme.ink(Ink::Plain));
    pen.text(0, 0, label, faint);
    if let [(_, sentence)] = figures.as_slice() {
        pen.text(LABELS, 0, sentence, faint);
        return 0;
    }
    figures.iter().fold(LABELS, |x, (name, value)| {
        let x = pen.text(x, 0, name, faint) + u16::from(!name.is_empty());
        pen.text(x, 0, value, plain) + 2
    })
}

/// A label, figures by name, and what is shown of it as a curve, in [0, 1].
type Line = (
    String,
    Vec<(&'static str, String)>,
    Box<dyn Fn(&Sample) -> Option<f64>>,
);

fn processors(sample: &Sample) -> Vec<(&'static str, String)> {
    vec![
        ("this process", format!("{:.1}", sample.process_busy)),
        (
            "machine",
            format!("{:.1} of {}", sample.machine_busy, sample.processors),
        ),
    ]
}

fn memory(app: &App, sample: &Sample) -> Vec<(&'static str, String)> {
    vec![
        ("this process", amount(sample.process_memory)),
        ("peak", amount(app.history.peak())),
        ("machine", of(sample.machine_memory, sample.memory)),
    ]
}

fn of_gpu(gpu: &Gpu, named: bool) -> Vec<(&'static str, String)> {
    let told = [
        gpu.busy.map(|b| ("busy", format!("{:.0} %", 100.0 * b))),
        gpu.memory.map(|(used, all)| ("memory", of(used, all))),
        gpu.power.map(|w| ("power", format!("{w:.0} W"))),
        gpu.temperature.map(|t| ("", format!("{t} °C"))),
        named.then(|| ("", fit(&gpu.name, 24))),
    ];
    told.into_iter().flatten().collect()
}

fn part(used: u64, all: u64) -> f64 {
    used as f64 / all.max(1) as f64
}

fn amount(n: u64) -> String {
    bytes(usize::try_from(n).unwrap_or(usize::MAX))
}

/// `9.6 of 34 GB`: the unit once where it is the same.
fn of(used: u64, all: u64) -> String {
    let (used, all) = (amount(used), amount(all));
    let unit = all.split_once(' ').map_or("", |(_, unit)| unit);
    let used = used.strip_suffix(unit).map_or(&*used, str::trim_end);
    format!("{used} of {all}")
}

/// The last values, in [0, 1], a sign each.
fn spark(curve: &[(f64, f64)], room: usize, marker: Marker) -> String {
    let signs: &[char] = match marker {
        Marker::Ascii => &['_', '.', ':', '-', '=', '+', '*', '#'],
        _ => &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    };
    let last = signs.len() - 1;
    let sign = |value: f64| match value.is_finite() {
        true => signs[((value.clamp(0.0, 1.0) * last as f64).round() as usize).min(last)],
        false => ' ',
    };
    let from = curve.len().saturating_sub(room);
    curve[from..]
        .iter()
        .map(|(_, value)| sign(*value))
        .collect()
}

/// A line for each of the last trainings.
fn trained(app: &App, trainings: &[Training], pen: &mut Pen) {
    let faint = app.theme.ink(Ink::Faint);
    let plain = app.theme.ink(Ink::Plain);
    let ends = [30, 41, 52, 63];
    pen.text(0, 0, "training", faint);
    for (end, name) in ends.iter().zip(["steps", "images/s", "waiting", "time"]) {
        pen.right(*end, 0, name, faint);
    }
    let rows = usize::from(pen.height()).saturating_sub(1);
    let from = trainings.len().saturating_sub(rows);
    for (y, training) in (1..).zip(&trainings[from..]) {
        let spent = training.spent();
        let name = format!("{:>2} {}", training.number, training.step_id);
        pen.fitted(0, y, 22, &name, plain);
        let figures = [
            thousands(training.points.last().map_or(0, |p| p.step)),
            spent.rate().map_or("—".into(), per_second),
            waiting(spent.waiting()),
            clock(spent.seconds),
        ];
        for (end, figure) in ends.iter().zip(&figures) {
            pen.right(*end, y, figure, plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::view::Point;

    fn training(seconds: &[f64]) -> Training {
        let mut spent = Spent::NOTHING;
        let point = |(i, seconds): (usize, &f64)| {
            spent = Spent {
                seconds: spent.seconds + seconds,
                images: spent.images + 32,
                waited: spent.waited.map(|w| w + seconds / 4.0),
            };
            Point {
                step: i + 1,
                loss: 1.0,
                lr: 1e-3,
                accuracy: 0.5,
                rate: 32.0 / seconds,
                spent,
            }
        };
        Training {
            points: seconds.iter().enumerate().map(point).collect(),
            ..Training::default()
        }
    }

    #[test]
    fn the_rate_of_now_forgets_the_first_steps_and_that_of_all_does_not() {
        let mut seconds = vec![40.0; 5];
        seconds.extend([0.5; 200]);
        let one = training(&seconds);
        assert!((one.recent().rate().unwrap() - 64.0).abs() < 1e-9);
        assert_eq!(one.recent().seconds, 25.0);
        assert_eq!(one.recent().waiting(), Some(0.25));
        let both = all(&[one, training(&[1.0])]);
        assert_eq!((both.seconds, both.images), (301.0, 206 * 32));
        assert_eq!(waiting(both.waiting()), "25.0 %");
        assert_eq!(training(&[]).recent().rate(), None);
        assert_eq!(waiting(training(&[]).recent().waiting()), "—");
    }

    #[test]
    fn a_spark_has_the_last_values() {
        let curve = [(-3.0, 0.0), (-2.0, 1.0), (-1.0, 0.5), (0.0, 7.0)];
        assert_eq!(spark(&curve, 9, Marker::Dots), "▁█▅█");
        assert_eq!(spark(&curve, 2, Marker::Ascii), "=#");
        assert_eq!(spark(&[(0.0, f64::NAN)], 2, Marker::Ascii), " ");
        assert_eq!(spark(&[], 2, Marker::Ascii), "");
    }

    #[test]
    fn a_unit_is_said_once() {
        assert_eq!(of(9_600_000_000, 34_000_000_000), "9.6 of 34 GB");
        assert_eq!(of(800_000_000, 34_000_000_000), "800 MB of 34 GB");
    }

    #[test]
    fn rates_have_the_decimals_that_matter() {
        assert_eq!(per_second(1838.6), "1,839");
        assert_eq!(per_second(0.42), "0.4");
    }
}
