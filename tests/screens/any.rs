//! Whatever is pressed, clicked, told and resized in whatever order: nothing panics, and nothing is drawn outside.

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use pentimento::lab::Pulse;
use pentimento::ui::App;
use pentimento::ui::actions::Key;
use pentimento::ui::pointer::Pointer;
use pentimento::ui::theme::Depth;

use super::sample::{self, Journal};
use super::stage::*;

/// Something that happens to the program.
#[derive(Clone, Debug)]
pub enum Happening {
    Key(Key),
    Pointer(Pointer),
    Resize(u16, u16),
    /// The next records of the journal.
    Records(usize),
    Pulse,
    Tick(u64),
    Ended,
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

    fn any_keys(case in cases()) {
        live_through(case);
    }
}

/// How the program is begun, and all that happens to it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which journal, and how many of its records are there already.
    which: usize,
    begun: usize,
    size: (u16, u16),
    /// Colours, and how often the palette and the marker are changed.
    look: (Depth, usize, usize),
    happenings: Vec<Happening>,
}

pub fn cases() -> impl Strategy<Value = Case> {
    let look = (select(&Depth::ALL[..]), 0..4_usize, 0..3_usize);
    let parts = (
        0..JOURNALS.len(),
        0..2500_usize,
        size(),
        look,
        vec(happening(), 1..60),
    );
    parts.prop_map(|(which, begun, size, look, happenings)| Case {
        which,
        begun,
        size,
        look,
        happenings,
    })
}

/// Lets it all happen.
pub fn live_through(case: Case) {
    let records = &JOURNALS[case.which].records;
    let begun = case.begun.min(records.len());
    let (depth, palettes, markers) = case.look;
    let mut app = App::new(sample::environment(), theme(depth));
    (0..palettes).for_each(|_| app.theme = app.theme.with_palette(app.theme.palette.next()));
    (0..markers).for_each(|_| app.theme.marker = app.theme.marker.next());
    if begun > 0 {
        app.show_run(Path::new("runs/\u{1b}[31m"), &records[..begun], true);
    }
    let mut coming = records[begun..].iter();
    let mut now = 0;
    let mut size = case.size;
    for (i, happening) in case.happenings.into_iter().enumerate() {
        let effects = match happening {
            Happening::Key(key) => app.on_key(key),
            Happening::Pointer(pointer) => app.on_pointer(pointer),
            Happening::Resize(width, height) => {
                size = (width, height);
                Vec::new()
            }
            Happening::Records(n) => {
                coming.by_ref().take(n).for_each(|r| app.on_record(r));
                Vec::new()
            }
            Happening::Pulse => {
                app.on_pulse(Pulse {
                    what: "measuring".into(),
                    done: 3,
                    total: 0,
                });
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
        };
        for effect in effects {
            answer(&mut app, effect, i % 3 > 0);
        }
        // A buffer has no cell outside: writing there would panic.
        let buffer = drawn(&mut app, size);
        let raw = { buffer.content.iter() }.find(|c| c.symbol().contains(char::is_control));
        assert_eq!(raw, None);
    }
}
