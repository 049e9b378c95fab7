//! Whatever is pressed, clicked, told and resized in whatever order: nothing panics, and nothing is drawn outside.

use std::sync::LazyLock;
use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use pentimento::ui::pointer::Pointer;

use super::set_up::answer;
use super::*;

/// Something that happens to the program.
#[derive(Clone, Debug)]
enum Happening {
    Key(Key),
    Pointer(Pointer),
    Resize(u16, u16),
    /// The next records of the journal.
    Records(usize),
    Pulse,
    Tick(u64),
    Ended,
    /// A sweep is opened, or something of it is new.
    Sweep(usize),
}

/// Keys that are pressed besides those that every terminal sends.
const OTHERS: [Key; 4] = [
    Key::Enter,
    Key::Interrupt,
    Key::Control('p'),
    Key::Function(5),
];

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => select([&NAMED[..], &OTHERS].concat()),
        6 => (b' '..=b'~').prop_map(|c| Key::Char(char::from(c))),
        1 => any::<char>().prop_map(Key::Char),
    ]
}

fn size() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        2 => (1..=300_u16, 1..=100_u16),
        3 => (60..=120_u16, 16..=40_u16),
        1 => (1..=62_u16, 1..=18_u16),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        12 => key().prop_map(Happening::Key),
        2 => (0..310_u16, 0..110_u16).prop_map(|(x, y)| Happening::Pointer(Pointer::Click { x, y })),
        1 => any::<bool>().prop_map(|down| Happening::Pointer(Pointer::Wheel { down })),
        2 => size().prop_map(|(width, height)| Happening::Resize(width, height)),
        3 => (1..60_usize).prop_map(Happening::Records),
        1 => Just(Happening::Pulse),
        1 => (0..20_u64).prop_map(Happening::Tick),
        1 => Just(Happening::Ended),
        1 => (0..3_usize).prop_map(Happening::Sweep),
    ]
}

static JOURNALS: LazyLock<[Journal; 4]> = LazyLock::new(|| {
    let mut undone = after(3);
    undone.undo();
    let nothing = Journal::with(Vec::new(), "");
    [in_training(), words(), nothing, undone]
});

/// For so many seconds, where the environment asks for it.
fn seconds() -> Option<u64> {
    let seconds = std::env::var("PENTIMENTO_FUZZ_SECONDS").ok()?;
    Some(
        seconds
            .parse()
            .expect("PENTIMENTO_FUZZ_SECONDS is a number of seconds"),
    )
}

#[test]
fn nothing_brings_the_program_down() {
    let begun = Instant::now();
    any_keys();
    while seconds().is_some_and(|s| begun.elapsed() < Duration::from_secs(s)) {
        any_keys();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    fn any_keys(
        which in 0..4_usize,
        begun in 0..2500_usize,
        (mut width, mut height) in size(),
        look in (select(&Depth::ALL[..]), 0..4_usize, 0..3_usize),
        happenings in vec(happening(), 1..60),
    ) {
        let records = &JOURNALS[which].records;
        let begun = begun.min(records.len());
        let mut app = App::new(sample::environment(), theme(look.0));
        (0..look.1).for_each(|_| app.theme = app.theme.with_palette(app.theme.palette.next()));
        (0..look.2).for_each(|_| app.theme.marker = app.theme.marker.next());
        if begun > 0 {
            app.show_run(Path::new("runs/\u{1b}[31m"), &records[..begun], true);
        }
        let mut coming = records[begun..].iter();
        let mut now = 0;
        for (i, happening) in happenings.into_iter().enumerate() {
            let effects = match happening {
                Happening::Key(key) => app.on_key(key),
                Happening::Pointer(pointer) => app.on_pointer(pointer),
                Happening::Resize(w, h) => {
                    (width, height) = (w, h);
                    Vec::new()
                }
                Happening::Records(n) => {
                    coming.by_ref().take(n).for_each(|r| app.on_record(r));
                    Vec::new()
                }
                Happening::Pulse => {
                    app.on_pulse(Pulse { what: "measuring".into(), done: 3, total: 0 });
                    Vec::new()
                }
                Happening::Tick(seconds) => {
                    now += seconds;
                    app.on_tick(Duration::from_secs(now));
                    Vec::new()
                }
                Happening::Ended => {
                    app.on_ended();
                    Vec::new()
                }
                Happening::Sweep(ranks) => {
                    let folder = Path::new("runs/ranks");
                    app.open_sweep(folder);
                    let runs = sweep::ranks_and_seeds(ranks + 1, 3);
                    app.on_swept(folder, sweep::news(runs, sweep::sights(3 * ranks)));
                    Vec::new()
                }
            };
            for effect in effects {
                answer(&mut app, effect, i % 3 > 0);
            }
            // A buffer has no cell outside: writing there would panic.
            let buffer = drawn(&mut app, (width, height));
            let raw = buffer.content.iter().find(|c| c.symbol().contains(char::is_control));
            prop_assert_eq!(raw, None);
        }
    }
}
