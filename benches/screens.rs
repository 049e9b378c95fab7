//! A frame of each screen at 200×60: what it costs to build, what to compare it with the one before, and how many bytes
//! go to the terminal; of a run with nine tasks, 1,000 classes and 20,000 steps, a step further each time.
//!
//!     cargo bench --bench screens [-- FILTER]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use pentimento::Result;
use pentimento::data::Class;
use pentimento::lab::{BackboneSummary, Event, JOURNAL_VERSION, Record, TestSet};
use pentimento::lora::Amount;
use pentimento::measure::Counts;
use pentimento::recipe::Recipe;
use pentimento::ui::actions::{Action, Screen};
use pentimento::ui::theme::{Depth, Marker};
use pentimento::ui::{App, Environment, Theme, views};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const AREA: Rect = Rect::new(0, 0, 200, 60);
const TASKS: usize = 9;
const CLASSES: usize = 1000;
const STEPS: usize = 20_000 / TASKS;
/// Steps that are taken while it is measured, again and again.
const MORE: usize = 1000;

/// Nine tasks that one does not need to have.
fn recipe() -> std::result::Result<Recipe, toml::de::Error> {
    let mut text = String::from(
        "name = 'bench'\nbackbone.source = 'bundled:glyph-vit'\nfoundation.data = 'bundled:latin'\nlora.rank = 16\n\
         [train]\nsteps = 2222\nbatch_size = 32\nlr = 1e-3\nweight_decay = 1e-2\nwarmup = 0.1\n",
    );
    for task in 1..=TASKS {
        text.push_str(&format!(
            "[[task]]\nid = 'task-{task}'\ndata = 'bundled:parity'\n"
        ));
    }
    toml::from_str(&text)
}

/// The journal, but for its last steps.
fn events(recipe: Recipe) -> Vec<Event> {
    let classes = |n: usize| -> Vec<Class> {
        let class = |i| Class {
            name: format!("class {i}"),
            group: String::new(),
        };
        (0..n).map(class).collect()
    };
    let set = |id: String, n| TestSet {
        id,
        classes: classes(n),
        images: 50 * n,
        train_images: 4000,
    };
    let mut test_sets = vec![set("foundation".into(), CLASSES)];
    test_sets.extend((1..=TASKS).map(|task| set(format!("task-{task}"), 10)));
    let mut events = vec![Event::RunStarted {
        version: "0".into(),
        recipe: Box::new(recipe),
        recipe_hash: "00".into(),
        device: "cpu".into(),
        automatic: true,
        backbone: BackboneSummary {
            architecture: "vit_tiny_patch16_224".into(),
            parameters: 679_200,
            targets: Vec::new(),
            adapter_parameters: 36_864,
            weights_sha256: "00".into(),
        },
        test_sets,
        ancestry: Vec::new(),
    }];
    events.extend(measured(0));
    for task in 1..=TASKS {
        events.push(Event::TaskStarted {
            index: task,
            step_id: format!("task-{task}"),
            training: task as u32,
            steps: STEPS + MORE * (task / TASKS),
            steps_per_epoch: 125,
            batch_size: 32,
            trainable: 37_155,
        });
        events.extend((1..=STEPS).map(|i| step(task as u32, i)));
        if task < TASKS {
            events.push(Event::Trained {
                index: task,
                training: task as u32,
                adapter: "adapters/1".into(),
                head: "heads/1".into(),
                sha256: Default::default(),
                seconds: 12.0,
            });
            events.push(Event::Merged {
                index: task,
                training: task as u32,
                amount: Amount::WHOLE,
                update: Vec::new(),
                update_total: 0.1,
                fidelity: 1e-6,
                agreement: None,
            });
            events.extend(measured(task));
        }
    }
    events
}

fn step(training: u32, step: usize) -> Event {
    let noise = ((step * 7919) % 101) as f32 / 101.0;
    Event::Step {
        training,
        step,
        loss: 0.1 + 2.0 / (1.0 + 0.01 * step as f32) + 0.3 * noise,
        lr: 1e-3,
        correct: 16 + step % 16,
        images: 32,
        seconds: 0.0174,
        waited: Some(0.001),
    }
}

/// The steps beyond the first ones are void.
fn again() -> Event {
    Event::Resumed {
        training: Some(TASKS as u32),
        from_step: STEPS,
    }
}

/// A row of the matrix.
fn measured(index: usize) -> Vec<Event> {
    let evaluated = |id: String, n: usize| {
        let lost = |class: usize| ((class * 31 + 17 * index) % 50) as u32 * index as u32 / 10;
        Event::Evaluated {
            index,
            test_set: id,
            counts: Counts {
                correct: (0..n).map(|c| 50 - lost(c).min(50)).collect(),
                total: vec![50; n],
            },
            new_errors: (0..n).map(|c| lost(c).min(50)).collect(),
            new_hits: vec![0; n],
            wrong: (0..n).map(|c| vec![((c + 1) % n, lost(c))]).collect(),
            lost: Vec::new(),
            file: "predictions".into(),
            sha256: "00".into(),
            seconds: 1.3,
        }
    };
    let tasks = (1..=index).map(|task| evaluated(format!("task-{task}"), 10));
    let mut events = vec![evaluated("foundation".into(), CLASSES)];
    events.extend(tasks);
    events.push(Event::Measured {
        index,
        contextual: None,
    });
    events
}

fn record(seq: usize, event: Event) -> Record {
    let time = 1_790_000_000_000 + 20 * seq as i64;
    let time = jiff::Timestamp::from_millisecond(time).expect("within this century");
    Record {
        v: JOURNAL_VERSION,
        seq: seq as u64,
        time: format!("{time:.3}"),
        event,
    }
}

fn app() -> Result<App> {
    let environment = Environment::of_this_program(Path::new("runs"))?;
    let theme = Theme {
        depth: Depth::True,
        marker: Marker::Braille,
        ..Theme::default()
    };
    let mut app = App::new(environment, theme);
    let recipe = recipe().map_err(|e| pentimento::Error::input(e.to_string()))?;
    let events = events(recipe).into_iter().enumerate();
    let records: Vec<Record> = events.map(|(seq, event)| record(seq, event)).collect();
    app.show_run(Path::new("runs/bench"), &records, true);
    app.on_resize(AREA.width, AREA.height);
    Ok(app)
}

fn drawn(app: &App) -> Buffer {
    let mut buffer = Buffer::empty(AREA);
    views::draw(app, &mut buffer);
    buffer
}

/// What a frame writes after the one before.
fn bytes(before: &Buffer, after: &Buffer) -> usize {
    let mut bytes = Vec::new();
    let written = CrosstermBackend::new(&mut bytes).draw(before.diff(after).into_iter());
    written.map_or(0, |()| bytes.len())
}

fn measure(bench: &mut Criterion) -> Result<()> {
    let mut app = app()?;
    let mut group = bench.benchmark_group("200x60");
    let mut taken = STEPS;
    let screens = Screen::ALL.map(|screen| (screen.name(), vec![Action::Go(screen)]));
    let whole_run = vec![Action::Go(Screen::Train), Action::Span];
    let views = screens.into_iter().chain([("Train, whole run", whole_run)]);
    for (name, actions) in views {
        for action in actions {
            app.on_action(action);
        }
        let before = drawn(&app);
        let mut further = |app: &mut App| {
            if taken == STEPS + MORE {
                taken = STEPS;
                app.on_record(&record(200_000, again()));
            }
            taken += 1;
            app.on_record(&record(100_000 + taken, step(TASKS as u32, taken)));
        };
        further(&mut app);
        let after = drawn(&app);
        let whole = bytes(&Buffer::empty(AREA), &after);
        println!(
            "{name}: {whole} bytes at first, {} for a step more",
            bytes(&before, &after)
        );
        group.bench_function(format!("{name}, built"), |b| {
            b.iter(|| {
                further(&mut app);
                drawn(black_box(&app))
            });
        });
        group.bench_function(format!("{name}, compared and written"), |b| {
            b.iter(|| bytes(black_box(&before), black_box(&after)));
        });
    }
    group.finish();
    Ok(())
}

fn benches(bench: &mut Criterion) {
    if let Err(error) = measure(bench) {
        eprintln!("no screen could be measured: {error}");
    }
}

criterion_group!(screens, benches);
criterion_main!(screens);
