//! Follows a sweep's folder beside the screen: a thread reads what other processes write, and tells what is new.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::arrange::Arrangement;
use super::sight::Sight;
use crate::sweep::{Progress, Seen, Sweep, Watch};

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(500);
/// A file server that takes long to answer is asked less often, but as often as this.
const LONGEST: Duration = Duration::from_secs(3);
/// Between two words to the screen while much is read.
const WORD: Duration = Duration::from_millis(250);
/// A finished run is looked at once in so many looks: it goes on only where its user undoes something.
const SELDOM: usize = 10;

/// What was found since the last word.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// The sweep's runs, where there are others than before.
    pub runs: Option<Arc<Arrangement>>,
    /// Runs of which something is new, by their places in the sweep.
    pub sights: Vec<(usize, Sight)>,
    /// How many runs are read, until all of them are.
    pub reading: Option<usize>,
    /// Why the folder cannot be read now.
    pub trouble: Option<String>,
}

/// Device, number, size and time of change of `sweep.json`.
type Stamp = (u64, u64, u64, i64, i64);

/// Whoever reads the folder.
struct Reader {
    folder: PathBuf,
    stamp: Option<Stamp>,
    sweep: Option<Sweep>,
    watch: Option<Watch>,
    /// Names of the runs that were read at least once since the folder was last away.
    read: BTreeSet<String>,
    looks: usize,
}

/// Reads the folder twice a second on a thread of its own, until nobody wants to hear of it or `over` is set.
pub fn follow(
    folder: PathBuf,
    over: Arc<AtomicBool>,
    tell: impl Fn(News) -> bool + Send + 'static,
) {
    let follow = move || {
        let mut reader = Reader::new(folder);
        let hears = |news| !over.load(Ordering::Relaxed) && tell(news);
        loop {
            let begun = Instant::now();
            if !reader.look(&hears) {
                return;
            }
            std::thread::sleep(begun.elapsed().clamp(PERIOD, LONGEST));
        }
    };
    // Without it the screen says that the folder does not answer.
    let _ = std::thread::Builder::new()
        .name("sweep".into())
        .spawn(follow);
}

impl Reader {
    fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            stamp: None,
            sweep: None,
            watch: None,
            read: BTreeSet::new(),
            looks: 0,
        }
    }

    fn stamp(&self) -> Result<Stamp, String> {
        let why = |e: std::io::Error| {
            // The number says nothing that the words do not.
            let text = e.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        };
        let found = fs::metadata(self.folder.join("sweep.json")).map_err(why)?;
        Ok((
            found.dev(),
            found.ino(),
            found.len(),
            found.mtime(),
            found.mtime_nsec(),
        ))
    }

    /// The folder is away: what is read of its runs when it comes back is told, whatever was told before.
    fn is_away(&mut self, why: &str) -> News {
        self.read.clear();
        News {
            trouble: Some(format!(
                "the folder cannot be read now: {why}; last seen is shown"
            )),
            ..News::default()
        }
    }

    /// Looks at everything once, and says what is new, at the end in any case; false once nobody listens.
    fn look(&mut self, tell: &dyn Fn(News) -> bool) -> bool {
        let stamp = match self.stamp() {
            Ok(stamp) => stamp,
            Err(why) => {
                let news = self.is_away(&why);
                return tell(news);
            }
        };
        if self.stamp != Some(stamp) {
            match Sweep::open(&self.folder) {
                Ok(sweep) => {
                    match &mut self.watch {
                        Some(watch) => watch.follow(&sweep),
                        None => self.watch = Some(Watch::new(&sweep)),
                    }
                    let runs = Some(Arc::new(Arrangement::of(&sweep)));
                    (self.stamp, self.sweep) = (Some(stamp), Some(sweep));
                    let news = News {
                        runs,
                        reading: self.reading(),
                        ..News::default()
                    };
                    if !tell(news) {
                        return false;
                    }
                }
                Err(problem) => {
                    let trouble = Some(problem.to_string());
                    return tell(News {
                        trouble,
                        ..News::default()
                    });
                }
            }
        }
        self.look_at_runs(tell)
    }

    fn reading(&self) -> Option<usize> {
        let runs = self.sweep.as_ref().map_or(0, |s| s.cells.len());
        (self.read.len() < runs).then_some(self.read.len())
    }

    fn look_at_runs(&mut self, tell: &dyn Fn(News) -> bool) -> bool {
        let Some(mut watch) = self.watch.take() else {
            return true;
        };
        let runs = watch.seen().len();
        let mut new: Vec<usize> = Vec::new();
        let mut told = Instant::now();
        let mut unread = None;
        let mut heard = true;
        for run in 0..runs {
            let id = self.sweep.as_ref().map(|s| s.cells[run].id.clone());
            let known = id.as_ref().is_some_and(|id| self.read.contains(id));
            let finished = |seen: &Seen| seen.progress == Progress::Finished;
            let rests = known && watch.seen().nth(run).is_some_and(finished);
            if rests && !self.looks.is_multiple_of(SELDOM) {
                continue;
            }
            let changed = watch.look_at(run);
            unread = unread.or_else(|| watch.unread().map(str::to_owned));
            if changed || !known {
                new.push(run);
                self.read.extend(id);
            }
            if told.elapsed() > WORD && run + 1 < runs {
                heard = tell(self.news(&watch, &mut new, None));
                told = Instant::now();
                if !heard {
                    break;
                }
            }
        }
        self.looks += 1;
        let news = self.news(&watch, &mut new, unread);
        self.watch = Some(watch);
        heard && tell(news)
    }

    /// What is new of these runs; nothing where the folder went away while they were read.
    fn news(&mut self, watch: &Watch, new: &mut Vec<usize>, unread: Option<String>) -> News {
        if let Err(why) = self.stamp() {
            new.clear();
            return self.is_away(&why);
        }
        let sights = watch.seen().enumerate();
        let sights = sights.filter(|(run, _)| new.contains(run));
        let sights = sights.map(|(run, seen)| (run, Sight::from(seen))).collect();
        new.clear();
        News {
            sights,
            reading: self.reading(),
            trouble: unread.map(|why| format!("a journal cannot be read now: {why}")),
            runs: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;
    use crate::run::journal::to_line;
    use crate::run::testing::sample;
    use crate::sweep::Axes;

    fn sweep(root: &Path, seeds: &[u64]) -> Sweep {
        let axes = Axes {
            presets: vec!["demo".into()],
            seeds: seeds.to_vec(),
            ..Axes::default()
        };
        let (sweep, _) = Sweep::with(root, axes.cells().unwrap()).unwrap();
        sweep.write().unwrap();
        sweep
    }

    fn run(sweep: &Sweep, cell: usize, records: usize) {
        let run = sweep.run(&sweep.cells[cell]);
        fs::create_dir_all(&run).unwrap();
        let lines = sample().into_iter().take(records);
        let lines: String = lines.map(|r| to_line(&r).unwrap() + "\n").collect();
        fs::write(run.join("journal.jsonl"), lines).unwrap();
    }

    fn look(reader: &mut Reader) -> Vec<News> {
        let told = RefCell::new(Vec::new());
        assert!(reader.look(&|news| {
            told.borrow_mut().push(news);
            true
        }));
        told.into_inner()
    }

    fn places(news: &News) -> Vec<usize> {
        news.sights.iter().map(|(run, _)| *run).collect()
    }

    #[test]
    fn each_look_tells_only_what_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("S");
        let sweep = sweep(&root, &[1, 2, 3]);
        run(&sweep, 1, 20);
        let mut reader = Reader::new(root);
        let first = look(&mut reader);
        assert_eq!(first[0].runs.as_ref().unwrap().runs.len(), 3);
        assert_eq!((first[0].reading, first[1].reading), (Some(0), None));
        assert_eq!(places(&first[1]), [0, 1, 2]);
        let second = look(&mut reader);
        assert_eq!((second.len(), places(&second[0])), (1, Vec::new()));
        run(&sweep, 2, usize::MAX);
        let third = look(&mut reader);
        assert_eq!(places(&third[0]), [2]);
        assert_eq!(third[0].sights[0].1.progress, Progress::Finished);
    }

    #[test]
    fn runs_that_are_added_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        sweep(dir.path(), &[1]);
        let mut reader = Reader::new(dir.path().to_path_buf());
        look(&mut reader);
        let more = sweep(dir.path(), &[1, 5]);
        run(&more, 1, 9);
        let news = look(&mut reader);
        assert_eq!(news[0].runs.as_ref().unwrap().runs.len(), 2);
        assert_eq!(news[0].reading, Some(1));
        assert_eq!(places(&news[1]), [1]);
    }

    /// While the folder is away nothing is told of its runs; when it is back everything is told again.
    #[test]
    fn a_folder_may_vanish_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let (root, away) = (dir.path().join("S"), dir.path().join("away"));
        let sweep = sweep(&root, &[1, 2]);
        run(&sweep, 0, usize::MAX);
        let mut reader = Reader::new(root.clone());
        look(&mut reader);
        fs::rename(&root, &away).unwrap();
        for _ in 0..2 {
            let gone = look(&mut reader);
            assert!(
                gone[0]
                    .trouble
                    .as_ref()
                    .unwrap()
                    .contains("cannot be read now")
            );
            assert!(gone[0].sights.is_empty() && gone.len() == 1);
        }
        fs::rename(&away, &root).unwrap();
        let back = look(&mut reader);
        let last = back.last().unwrap();
        assert_eq!((places(last), &last.trouble), (vec![0, 1], &None));
        assert_eq!(last.sights[0].1.progress, Progress::Finished);
        fs::write(root.join("sweep.json"), "{").unwrap();
        let damaged = look(&mut reader);
        assert!(damaged[0].trouble.as_ref().unwrap().contains("is damaged"));
    }

    #[test]
    fn the_thread_ends_when_nobody_listens() {
        let dir = tempfile::tempdir().unwrap();
        sweep(dir.path(), &[1]);
        let (tell, hear) = std::sync::mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        follow(dir.path().to_path_buf(), Arc::clone(&over), move |news| {
            tell.send(news).is_ok()
        });
        assert!(hear.recv().unwrap().runs.is_some());
        over.store(true, Ordering::Relaxed);
        // The channel closes with the thread.
        while hear.recv().is_ok() {}
    }
}
