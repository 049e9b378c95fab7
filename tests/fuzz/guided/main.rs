//! The fuzz targets under libFuzzer; `PENTIMENTO_FUZZ_TARGET` names the one to try. See `run` beside this file.
#![no_main]

#[path = "../targets.rs"]
mod targets;

use std::cell::OnceCell;
use std::path::Path;

use libfuzzer_sys::fuzz_target;

use targets::Target;

thread_local! {
    static TARGET: OnceCell<Target> = const { OnceCell::new() };
}

/// The target that the environment names.
fn named() -> Target {
    let name = std::env::var("PENTIMENTO_FUZZ_TARGET").unwrap_or_default();
    let known = targets::all();
    let names: Vec<&str> = known.iter().map(|t| t.name).collect();
    let sentence = format!("PENTIMENTO_FUZZ_TARGET names none of {}", names.join(", "));
    { known.into_iter() }
        .find(|t| t.name == name)
        .expect(&sentence)
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
        if std::env::var_os("PENTIMENTO_FUZZ_TARGET").is_none() {
            targets::all().iter().for_each(|target| println!("{}", target.name));
            std::process::exit(0);
        }
        if let Some(folder) = std::env::var_os("PENTIMENTO_FUZZ_FOLDER") {
            prepare(&named(), Path::new(&folder)).expect("the folder can be written");
        }
    },
    |bytes: &[u8]| TARGET.with(|target| (target.get_or_init(named).test)(bytes))
);
