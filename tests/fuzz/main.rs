//! Whatever bytes a preset, a journal, a header or a config has: a value or a sentence, never a panic.
//!
//! Sound files are changed at random, a few hundred times each; for longer by
//! `PENTIMENTO_FUZZ_SECONDS=60 cargo test --test fuzz` (for so many seconds each). The keys and events of the screens are
//! in tests/screens/any.rs, which hears the same variable. What guides here is that changes are of the kinds that files
//! suffer, and that numbers are put where numbers were; tests/fuzz/guided/run tries the same targets guided by coverage.

mod changes;
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

use pentimento::{Error, files};
use proptest::test_runner::{Config, TestRunner};

use changes::{apply, changes};
use targets::Target;

/// Changed copies that are tried of each target.
const CASES: u32 = 300;

/// Tries a target with changed copies of its seeds: a few hundred, or for as long as the environment says.
fn fuzz(target: Target) {
    let seconds = std::env::var("PENTIMENTO_FUZZ_SECONDS").ok();
    let seconds = seconds.map(|s| {
        s.parse()
            .expect("PENTIMENTO_FUZZ_SECONDS is a number of seconds")
    });
    let (begun, mut tried) = (Instant::now(), 0);
    let strategy = (0..target.seeds.len(), changes(target.words));
    loop {
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        };
        let tested = TestRunner::new(config).run(&strategy, |(seed, changes)| {
            (target.test)(&apply(&target.seeds[seed], &changes));
            Ok(())
        });
        if let Err(failure) = tested {
            panic!("{failure}");
        }
        tried += CASES;
        if seconds.is_none_or(|s| begun.elapsed() >= Duration::from_secs(s)) {
            let (name, seconds) = (target.name, begun.elapsed().as_secs_f64());
            println!("{name}: {tried} cases in {seconds:.0} s");
            return;
        }
    }
}

/// Each target is a test of its own, so that they run beside one another.
macro_rules! tests {
    ($($target:ident),+) => {
        $(#[test]
        fn $target() {
            fuzz(targets::$target());
        })+

        #[test]
        fn every_target_is_tried() {
            let names: Vec<_> = targets::all().iter().map(|t| t.name.replace('-', "_")).collect();
            assert_eq!(names, [$(stringify!($target)),+]);
        }
    };
}

tests!(
    recipe,
    setting,
    journal,
    order_of_records,
    weights,
    backbone_config,
    adapter_config,
    adapter_weights,
    idx_pictures,
    idx_labels
);

/// A sentence names what it is about; the file is one that may change under the reader.
#[test]
fn a_file_that_is_gone_is_refused() {
    let gone = files::read(Path::new("no such file"));
    assert!(matches!(gone, Err(Error::Input(sentence)) if sentence.contains("no such file")));
}
