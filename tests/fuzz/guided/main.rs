//! The fuzz targets under libFuzzer; `PENTIMENTO_FUZZ_TARGET` names the one to try. See `run` beside this file.
#![no_main]

#[path = "../../screens/any.rs"]
mod any;
#[allow(dead_code)]
#[path = "../../screens/sample.rs"]
mod sample;
#[path = "../../screens/stage.rs"]
mod stage;
#[path = "../targets.rs"]
mod targets;

use std::cell::OnceCell;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use targets::Target;

thread_local! {
    static TARGET: OnceCell<Target> = const { OnceCell::new() };
}

/// The name by which keys, clicks, sizes and records are tried; the bytes stand for the choices among them.
const SCREENS: &str = "screens";

/// The target that the environment names.
fn named() -> Target {
    let name = std::env::var("PENTIMENTO_FUZZ_TARGET").unwrap_or_default();
    if name == SCREENS {
        return screens_target();
    }
    let known = targets::all();
    let names: Vec<&str> = known.iter().map(|t| t.name).collect();
    let sentence = format!(
        "PENTIMENTO_FUZZ_TARGET names none of {} and {SCREENS}",
        names.join(", ")
    );
    { known.into_iter() }
        .find(|t| t.name == name)
        .expect(&sentence)
}

fn screens_target() -> Target {
    let cases = any::cases();
    Target {
        name: SCREENS,
        seeds: (0..8_u32).map(|i| bytes_of(i).collect()).collect(),
        words: &[],
        test: Box::new(move |bytes| {
            let rng = TestRng::from_seed(RngAlgorithm::PassThrough, bytes);
            let mut runner = TestRunner::new_with_rng(Config::default(), rng);
            if let Ok(case) = cases.new_tree(&mut runner) {
                any::live_through(case.current());
            }
        }),
    }
}

/// Bytes without an order.
fn bytes_of(seed: u32) -> impl Iterator<Item = u8> {
    let key = pentimento::random::Key::new(u64::from(seed));
    (0..2000).map(move |i| key.bits(i) as u8)
}

/// Puts into a folder what libFuzzer begins with: `corpus`, and the words as `words.dict`.
fn prepare(target: &Target, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder.join("corpus"))?;
    for (i, seed) in target.seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("corpus/seed-{i}")), seed)?;
    }
    // libFuzzer takes no empty dictionary.
    let mut words = String::from("# words\n");
    for word in target.words {
        let bytes: String = word.bytes().map(|b| format!("\\x{b:02x}")).collect();
        words.push_str(&format!("\"{bytes}\"\n"));
    }
    std::fs::write(folder.join("words.dict"), words)
}

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("PENTIMENTO_FUZZ_FOLDER") {
            prepare(&named(), Path::new(&folder)).expect("the folder can be written");
        }
    },
    |bytes: &[u8]| TARGET.with(|target| (target.get_or_init(named).test)(bytes))
);
