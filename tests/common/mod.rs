//! A short run through the same code and assets as the demo.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pentimento::lab::{Command, Event, Record};
use pentimento::progress::Nobody;
use pentimento::recipe::Recipe;
use pentimento::run::RunView;
use pentimento::session::{Options, Session, Update};

/// Two tasks of a few steps each; the data and the backbone are the demo's.
pub const SHORT: &str = r#"
name = "short"
description = "two tasks of a few steps"

[backbone]
source = "bundled:glyph-vit"

[lora]
rank = 4
dropout = 0.1

[train]
steps = 5
batch_size = 16
lr = 1e-3
weight_decay = 1e-2
warmup = 0.2
watch_every = 3
checkpoint_every = 2

[train.augment]
rotate = 8.0
scale = 0.1
shear = 0.12
shift = 2.0
stroke = 0.2

[measure]
batch_size = 64
permutations = 99

[foundation]
data = "bundled:latin"

[[task]]
id = "parity"
data = "bundled:parity"
context = ["digits"]

[[task]]
id = "hebrew"
data = "bundled:hebrew"
"#;

pub fn short(overrides: &[&str]) -> Recipe {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    Recipe::from_toml(SHORT, "short.toml", &overrides).unwrap()
}

pub fn manual() -> Options {
    Options {
        device: Some("cpu".into()),
        automatic: false,
        leave_when_finished: false,
        shared: None,
    }
}

pub fn automatic() -> Options {
    Options {
        automatic: true,
        leave_when_finished: true,
        shared: None,
        ..manual()
    }
}

/// A session whose updates are waited for.
pub struct Driver {
    pub session: Session,
    pub view: RunView,
    pub records: Vec<Record>,
}

impl Driver {
    pub fn new(session: Session) -> Self {
        Self {
            view: RunView::replay(&session.past),
            records: Vec::new(),
            session,
        }
    }

    /// Reads updates until one is wanted. A lab that says nothing for minutes hangs: that fails the test.
    pub fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            match self.next() {
                Some(record) if wanted(&record.event) => return record.event,
                Some(_) => {}
                None => panic!("the lab ended; log: {:#?}", self.view.log),
            }
        }
    }

    /// The next record, `None` when the lab has ended.
    pub fn next(&mut self) -> Option<Record> {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            match self.session.updates.try_recv() {
                Ok(Update::Record(record)) => {
                    self.view.apply(&record);
                    self.records.push((*record).clone());
                    return Some(*record);
                }
                Ok(Update::Pulse(_)) => {}
                Ok(Update::Standstill(why)) => eprintln!("{why}"),
                Ok(Update::Ended) => return None,
                Err(_) => {
                    assert!(Instant::now() < deadline, "the lab is silent");
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    pub fn measured(&mut self, row: usize) {
        self.until(|e| matches!(e, Event::Measured { index, .. } if *index == row));
    }

    pub fn trained(&mut self) {
        self.until(|e| matches!(e, Event::Trained { .. }));
    }

    pub fn send(&mut self, command: Command) {
        self.session.send(command).unwrap();
    }

    /// Stops the lab and gives what it said until then.
    pub fn stop(mut self) -> RunView {
        self.send(Command::Stop);
        while self.next().is_some() {}
        let failure = self.session.join();
        assert!(failure.is_none(), "{failure:?}");
        self.view
    }
}

/// A whole run in `folder`.
pub fn run(recipe: Recipe, folder: &Path) -> RunView {
    let mut driver =
        Driver::new(Session::create(recipe, Some(folder), &automatic(), &mut Nobody).unwrap());
    while driver.next().is_some() {}
    let failure = driver.session.join();
    assert!(failure.is_none(), "{failure:?}");
    driver.view
}

/// Every file below a folder, by its path within it.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_path_buf();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// What equal runs have in common, byte for byte.
pub fn outcome(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for part in ["adapters", "heads", "export"] {
        for (name, bytes) in files(&run.join(part)) {
            all.insert(Path::new(part).join(name), bytes);
        }
    }
    assert!(all.len() >= 6, "{:?}", all.keys());
    all
}

/// Asserts equality by file, so that a failure names the files and not their bytes.
pub fn assert_same(a: &BTreeMap<PathBuf, Vec<u8>>, b: &BTreeMap<PathBuf, Vec<u8>>) {
    assert_eq!(
        a.keys().collect::<Vec<_>>(),
        b.keys().collect::<Vec<_>>(),
        "the same files"
    );
    let different: Vec<_> = a.keys().filter(|k| a[*k] != b[*k]).collect();
    assert!(different.is_empty(), "different bytes: {different:?}");
}
