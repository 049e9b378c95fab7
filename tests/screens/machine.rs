//! The machine screen.

use super::*;
use pentimento::run::Machine;
use pentimento::ui::machine::{Gpu, Sample};

fn sample(second: u64, gpus: Result<Vec<Gpu>, &'static str>) -> Sample {
    let wave = |period: u64| (second % period) as f64 / period as f64;
    Sample {
        processors: 8,
        process_busy: 5.0 + wave(40),
        machine_busy: 5.5 + 2.0 * wave(60),
        process_memory: 1_200_000_000 + 1_000_000 * second,
        process_peak: Some(1_640_000_000),
        machine_memory: 9_100_000_000 + 4_000_000 * second,
        memory: 33_600_000_000,
        gpus,
    }
}

fn gpu(second: u64) -> Gpu {
    Gpu {
        name: "NVIDIA H100 80GB HBM3".into(),
        busy: Some(0.9 + (second % 9) as f64 / 90.0),
        memory: Some((12_000_000_000, 80_000_000_000)),
        power: Some(341.7),
        temperature: Some(61),
    }
}

/// Two minutes of looking at the machine, with the run's manifest.
fn watched(app: &mut App, gpus: impl Fn(u64) -> Result<Vec<Gpu>, &'static str>) {
    for second in 0..120 {
        app.on_tick(Duration::from_secs(second));
        app.on_sample(sample(second, gpus(second)));
    }
    if let Some(run) = &mut app.run {
        run.machine = Some(Machine {
            host: "lab-3".into(),
            cpu: "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz".into(),
            threads: 8,
        });
    }
}

const NO_GPU: &str = "no GPU is seen: there is no library of NVIDIA's driver";

#[test]
fn what_is_left_and_what_the_machine_does() {
    for size in SIZES {
        let mut app = app(&in_training(), Depth::True);
        watched(&mut app, |_| Err(NO_GPU));
        keys(&mut app, "6");
        snapshot("machine", &mut app, size);
        let mut app = super::app(&after(3), Depth::True);
        watched(&mut app, |second| Ok(vec![gpu(second)]));
        keys(&mut app, "6");
        snapshot("machine-gpu", &mut app, size);
    }
}

/// Before there is a pace the screen says what is slow, not a number.
#[test]
fn the_first_step_is_no_estimate() {
    let mut journal = after(0);
    journal.measure();
    journal.begin();
    journal.train(0, 3);
    let mut app = app(&journal, Depth::True);
    app.on_pulse(Pulse {
        what: "training parity: the first step".into(),
        done: 0,
        total: 600,
    });
    app.on_tick(Duration::from_secs(12));
    keys(&mut app, "6");
    let text = text(&drawn(&mut app, SIZES[0]));
    let said = "not known yet: training parity: the first step  0/600  for 12 s";
    assert!(text.contains(said), "{text}");
    assert!(text.contains("the machine is looked at in a moment"));
}

#[test]
fn a_machine_can_be_looked_at_without_a_run() {
    let mut app = App::new(sample::environment(), theme(Depth::None));
    watched(&mut app, |_| Err(NO_GPU));
    keys(&mut app, "6");
    let text = text(&drawn(&mut app, SIZES[1]));
    assert!(
        text.contains("this process 6.0") && text.contains(NO_GPU),
        "{text}"
    );
    assert!(text.contains("peak 1.6 GB") && !text.contains("nothing runs yet: choose"));
}

/// Journals of before do not say how long steps waited.
#[test]
fn what_a_journal_does_not_tell_is_a_dash() {
    let mut journal = in_training();
    for record in &mut journal.records {
        if let Event::Step { waited, .. } = &mut record.event {
            *waited = None;
        }
    }
    let mut app = app(&journal, Depth::True);
    keys(&mut app, "6");
    assert!(text(&drawn(&mut app, SIZES[0])).contains("waiting for data —"));
    let mut finished = after(5);
    finished.write(Event::Finished);
    let mut app = super::app(&finished, Depth::True);
    keys(&mut app, "6");
    let text = text(&drawn(&mut app, SIZES[0]));
    assert!(
        text.contains("left nothing") && text.contains("waiting for data 6.9 %"),
        "{text}"
    );
}

/// A frame only where samples are shown.
#[test]
fn samples_are_drawn_where_they_are_looked_at() {
    let mut app = app(&after(1), Depth::True);
    app.take_dirty();
    app.on_sample(sample(0, Err(NO_GPU)));
    assert!(!app.take_dirty());
    keys(&mut app, "6");
    app.take_dirty();
    app.on_sample(sample(1, Ok(Vec::new())));
    assert!(app.take_dirty());
    drawn(&mut app, SIZES[2]);
}

/// A driver that tells nothing, more GPUs than lines, names that try to reach the terminal, at every small size.
#[test]
fn no_machine_brings_the_screen_down() {
    let odd = Gpu {
        name: "\u{1b}[31mred\u{202e} GPU with a name that does not end".into(),
        busy: Some(f64::NAN),
        memory: Some((u64::MAX, 0)),
        ..Gpu::default()
    };
    let mut app = app(&in_training(), Depth::None);
    watched(&mut app, |_| Ok(vec![odd.clone(); 9]));
    let mut zero = sample(9, Ok(Vec::new()));
    (zero.processors, zero.memory) = (0, 0);
    for screen in [Screen::Machine, Screen::Train, Screen::Machine] {
        app.on_action(Action::Go(screen));
        for (width, height) in (30..130)
            .step_by(7)
            .flat_map(|w| (8..60).map(move |h| (w, h)))
        {
            let buffer = drawn(&mut app, (width, height));
            assert!(!buffer.content.iter().any(|c| c.symbol().contains('\u{1b}')));
        }
        app.on_sample(zero.clone());
    }
}

#[test]
fn with_ascii_markers_the_sparks_are_ascii() {
    let mut app = app(&in_training(), Depth::None);
    app.theme.marker = Marker::Ascii;
    watched(&mut app, |_| Err(NO_GPU));
    keys(&mut app, "6");
    let buffer = drawn(&mut app, SIZES[0]);
    let (_, y) = find(&buffer, "processors");
    let line: String = (0..80).map(|x| buffer[(x, y)].symbol()).collect();
    assert!(line.is_ascii() && line.contains("****"), "{line}");
}
