//! From a recipe to its data sets: listed, looked at, and cut down to what the recipe takes of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::common::verdicts;
use super::encoded::{Budget, Encoded};
use super::listing::{self, Held, Listing, Request, Split};
use super::{Class, Dataset, Images, Opened, bundled, check_contexts, groups};
use crate::progress::{Onlooker, Progress};
use crate::random::Key;
use crate::recipe::{DataOptions, DataSource, FoundationRecipe, Layout, LoadingRecipe, Recipe};
use crate::shared::Shared;
use crate::{Error, Result, memory};

/// Threads that decode where the recipe leaves it open: more than these wait for the disk or hold memory.
const MOST_WORKERS: usize = 16;
/// Names that a sentence lists.
const NAMED: usize = 10;

/// Opens what a recipe names; sources that several tasks name are read once.
pub(super) fn all(
    recipe: &Recipe,
    shared: Option<&Shared>,
    onlooker: &mut dyn Onlooker,
) -> Result<Opened> {
    let shelf = Shelf {
        shared,
        ..Shelf::new(&recipe.data)
    };
    opened(recipe, shelf, onlooker)
}

/// The same without looking at any picture.
pub(super) fn listed(recipe: &Recipe, onlooker: &mut dyn Onlooker) -> Result<Opened> {
    let shelf = Shelf {
        peeks: true,
        ..Shelf::new(&recipe.data)
    };
    opened(recipe, shelf, onlooker)
}

fn opened(recipe: &Recipe, mut shelf: Shelf, onlooker: &mut dyn Onlooker) -> Result<Opened> {
    let foundation = &recipe.foundation;
    let tasks = || recipe.tasks.iter().map(|t| (t.data.as_str(), &t.options));
    let train = |data: &str, options| tasks().any(|(d, o)| d == data && Request::same(o, options));
    let known = Wish {
        table: "foundation",
        data: &foundation.data,
        options: &foundation.options,
        train: train(&foundation.data, &foundation.options),
        part: None,
    };
    let key = Key::new(recipe.seed).named("part");
    let mut known = shelf.open(&known, key, onlooker)?;
    if let Some(id) = &foundation.id {
        Arc::make_mut(&mut known).id.clone_from(id);
    }
    if !shelf.peeks {
        check_contexts(recipe, &known.id, &known.classes)?;
    }
    let mut learned = Vec::new();
    for (i, task) in recipe.tasks.iter().enumerate() {
        let wish = Wish {
            table: &format!("task.{i}"),
            data: &task.data,
            options: &task.options,
            train: true,
            part: task.part,
        };
        learned.push(shelf.open(&wish, key, onlooker)?);
    }
    Ok(Opened {
        foundation: known,
        tasks: learned,
        warnings: shelf.warnings,
    })
}

/// Opens what a pretraining learns, with its training images.
pub(super) fn foundation(
    foundation: &FoundationRecipe,
    loading: &LoadingRecipe,
    onlooker: &mut dyn Onlooker,
) -> Result<(Arc<Dataset>, Vec<String>)> {
    let mut shelf = Shelf::new(loading);
    let wish = Wish {
        table: "foundation",
        data: &foundation.data,
        options: &foundation.options,
        train: true,
        part: None,
    };
    let mut dataset = shelf.open(&wish, Key::new(0), onlooker)?;
    if let Some(id) = &foundation.id {
        Arc::make_mut(&mut dataset).id.clone_from(id);
    }
    Ok((dataset, shelf.warnings))
}

/// Opens the test images of a source alone.
pub(super) fn test(
    data: &str,
    options: &DataOptions,
    loading: &LoadingRecipe,
    onlooker: &mut dyn Onlooker,
) -> Result<(Dataset, Vec<String>)> {
    let mut shelf = Shelf::new(loading);
    let wish = Wish {
        table: "data",
        data,
        options,
        train: false,
        part: None,
    };
    let dataset = shelf.open(&wish, Key::new(0), onlooker)?;
    Ok((Arc::unwrap_or_clone(dataset), shelf.warnings))
}

/// Opens the test images of a foundation to be looked at.
pub(super) fn peek(
    foundation: &FoundationRecipe,
    loading: &LoadingRecipe,
    onlooker: &mut dyn Onlooker,
) -> Result<Dataset> {
    let mut shelf = Shelf {
        peeks: true,
        ..Shelf::new(loading)
    };
    let wish = Wish {
        table: "foundation",
        data: &foundation.data,
        options: &foundation.options,
        train: false,
        part: None,
    };
    let dataset = shelf.open(&wish, Key::new(0), onlooker)?;
    Ok(Arc::unwrap_or_clone(dataset))
}

/// Brings what a recipe names on the hub into its cache; gives where it lies.
pub(super) fn fetch(recipe: &Recipe, onlooker: &mut dyn Onlooker) -> Result<Vec<PathBuf>> {
    let foundation = &recipe.foundation;
    let tasks = recipe.tasks.iter().map(|t| (&t.data, &t.options, true));
    let mut folders = Vec::new();
    for (data, options, train) in
        std::iter::once((&foundation.data, &foundation.options, false)).chain(tasks)
    {
        if let DataSource::Hub(repo) = DataSource::parse(data).map_err(Error::input)? {
            let folder = listing::bring(&repo, options, train, onlooker)?;
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    Ok(folders)
}

/// What a table of a recipe asks for.
struct Wish<'a> {
    table: &'a str,
    data: &'a str,
    options: &'a DataOptions,
    train: bool,
    part: Option<[f64; 2]>,
}

/// Sources that are open.
struct Shelf<'a> {
    loading: &'a LoadingRecipe,
    budget: Arc<Budget>,
    workers: usize,
    shared: Option<&'a Shared>,
    open: Vec<(Request, Dataset)>,
    warnings: Vec<String>,
    /// Nothing is fetched, and no picture is decoded before it is asked for.
    peeks: bool,
}

impl<'a> Shelf<'a> {
    fn new(loading: &'a LoadingRecipe) -> Self {
        let workers = match loading.workers {
            0 => rayon::current_num_threads().min(MOST_WORKERS),
            n => n,
        };
        Self {
            loading,
            budget: Budget::new(match loading.cache_mb {
                Some(mb) => mb.saturating_mul(1 << 20),
                None => memory::capacity() / 2,
            }),
            workers,
            shared: None,
            open: Vec::new(),
            warnings: Vec::new(),
            peeks: false,
        }
    }

    fn open(&mut self, wish: &Wish, key: Key, onlooker: &mut dyn Onlooker) -> Result<Arc<Dataset>> {
        let source = DataSource::parse(wish.data)
            .map_err(|message| Error::input(format!("`{}.data` {message}", wish.table)))?;
        let (mut whole, request) = match &source {
            DataSource::Bundled(name) => (Arc::unwrap_or_clone(bundled::open(name)?), None),
            DataSource::Local(layout, folder) => {
                let request = Request::new(*layout, folder, wish.options, wish.train);
                let whole = self.whole(&request, &source, wish.data, onlooker)?;
                (whole, Some(request))
            }
            DataSource::Hub(repo) => {
                let folder = match self.peeks {
                    true => listing::held(repo, wish.options, wish.train)?.ok_or_else(|| {
                        Error::input(format!("hub:{repo} is not in the cache of this machine"))
                    })?,
                    false => listing::bring(repo, wish.options, wish.train, onlooker)?,
                };
                let request = Request::new(Layout::Parquet, &folder, wish.options, wish.train);
                let whole = self.whole(&request, &source, wish.data, onlooker)?;
                (whole, Some(request))
            }
        };
        let options = wish.options;
        // Who only looks at pictures needs no groups.
        if let Some(groups) = options.group_source()?.filter(|_| !self.peeks) {
            groups::assign(&mut whole.classes, &groups, request.as_ref())
                .map_err(groups::at(wish.table))?;
        }
        let mut dataset = choose_classes(whole, wish)?;
        if let Some(n) = options.per_class {
            dataset.train = dataset.train.few_of_each(n);
            dataset.test = dataset.test.few_of_each(n);
        }
        if let Some(part) = wish.part {
            dataset.train = dataset.train.stretch(part, key);
        }
        let lacks = |images: &Images| images.is_empty();
        if wish.train && lacks(&dataset.train) || lacks(&dataset.test) {
            let which = if lacks(&dataset.test) {
                "test"
            } else {
                "training"
            };
            return Err(Error::input(format!(
                "`{}` takes no {which} image of {}: take more of it",
                wish.table, wish.data
            )));
        }
        Ok(Arc::new(dataset))
    }

    /// All of a source, listed and looked at now or before.
    fn whole(
        &mut self,
        request: &Request,
        source: &DataSource,
        data: &str,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Dataset> {
        if let Some((_, dataset)) = self.open.iter().find(|(known, _)| known == request) {
            return Ok(dataset.clone());
        }
        onlooker.tell(&Progress::images(&format!("listing {data}"), 0, 0));
        if onlooker.cancels() {
            return Err(Error::Cancelled);
        }
        let Listing {
            classes,
            train,
            test,
        } = listing::list(request, &self.budget)?;
        let mut bad = Vec::new();
        let mut looked_at = 0;
        let mut look = |split: Split, name: &str| -> Result<Images> {
            looked_at += split.labels.len();
            let what = format!("looking at the {name} images of {data}");
            self.images(split, &what, &mut bad, onlooker)
        };
        let dataset = Dataset {
            id: source.id(),
            train: train.map_or_else(|| Ok(Images::none()), |split| look(split, "training"))?,
            test: look(test, "test")?,
            classes: classes
                .into_iter()
                .map(|name| Class {
                    name,
                    group: String::new(),
                })
                .collect(),
        };
        self.judge(data, &bad, looked_at)?;
        self.open.push((request.clone(), dataset.clone()));
        Ok(dataset)
    }

    /// Looks at every picture of a split; what cannot be decoded goes to `bad`.
    fn images(
        &self,
        split: Split,
        what: &str,
        bad: &mut Vec<String>,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Images> {
        let pictures = match split.held {
            Held::Raw { size, pixels } => return Ok(Images::raw(size, pixels, split.labels)),
            Held::Encoded(pictures) => pictures,
        };
        if self.peeks {
            let all = (0..split.labels.len()).collect();
            let encoded = Encoded::new(pictures, Vec::new(), &self.budget, self.workers);
            return Ok(Images::encoded(encoded, all, split.labels));
        }
        let verdicts = verdicts(&*pictures, self.workers, what, self.shared, onlooker)?;
        let (mut picks, mut labels) = (Vec::new(), Vec::new());
        let mut digests = Vec::with_capacity(verdicts.len());
        for (i, (verdict, label)) in verdicts.into_iter().zip(split.labels).enumerate() {
            match &verdict {
                Ok(_) => {
                    picks.push(i);
                    labels.push(label);
                }
                Err(why) => bad.push(format!("{}: {why}", pictures.name(i))),
            }
            digests.push(verdict.unwrap_or_default());
        }
        let encoded = Encoded::new(pictures, digests, &self.budget, self.workers);
        Ok(Images::encoded(encoded, picks, labels))
    }

    /// Refuses more unreadable pictures than the recipe allows, and remembers to tell of fewer.
    fn judge(&mut self, data: &str, bad: &[String], of: usize) -> Result<()> {
        let (n, allowed) = (bad.len(), self.loading.bad_images);
        let Some(first) = bad.first() else {
            return Ok(());
        };
        if n > allowed {
            return Err(Error::input(format!(
                "{n} of the {of} images of {data} cannot be read, and `data.bad_images` allows {allowed}; the first is \
                 {first}: repair what is damaged, or allow more"
            )));
        }
        let more = if n > NAMED {
            format!(" and {} more", n - NAMED)
        } else {
            String::new()
        };
        let named = bad[..n.min(NAMED)].join("; ");
        self.warnings.push(format!(
            "{n} of the {of} images of {data} cannot be read and are left out: {named}{more}"
        ));
        Ok(())
    }
}

/// Keeps the classes that a table names, or all, and refuses one without images.
fn choose_classes(whole: Dataset, wish: &Wish) -> Result<Dataset> {
    let wanted = &wish.options.classes;
    let dataset = if wanted.is_empty() {
        whole
    } else {
        let mut chosen = Vec::new();
        for name in wanted {
            let found = whole.classes.iter().position(|c| c.name == *name);
            chosen.push(found.ok_or_else(|| {
                let some: Vec<&str> = whole.classes.iter().map(|c| c.name.as_str()).collect();
                let more = if some.len() > NAMED { ", …" } else { "" };
                Error::input(format!(
                    "`{}.classes` names {name:?}, which {} does not have: its classes are {}{more}",
                    wish.table,
                    wish.data,
                    some[..some.len().min(NAMED)].join(", ")
                ))
            })?);
        }
        let rename = |label: u32| {
            let new = chosen.iter().position(|&c| c == label as usize)?;
            u32::try_from(new).ok()
        };
        Dataset {
            classes: chosen.iter().map(|&c| whole.classes[c].clone()).collect(),
            train: whole.train.relabelled(rename),
            test: whole.test.relabelled(rename),
            id: whole.id,
        }
    };
    let splits = [
        (wish.train, "training", &dataset.train),
        (true, "test", &dataset.test),
    ];
    for (needed, split, images) in splits {
        let mut seen = vec![!needed; dataset.classes.len()];
        for &label in &images.labels {
            let class = seen.get_mut(label as usize).ok_or_else(|| {
                Error::input(format!(
                    "{} has the label {label} among its {split} images, but only {} classes",
                    wish.data,
                    dataset.classes.len()
                ))
            })?;
            *class = true;
        }
        if let Some(empty) = seen.iter().position(|seen| !seen) {
            return Err(Error::input(format!(
                "the class {:?} of {} has no {split} image: add some, or name the other classes in `{}.classes`",
                dataset.classes[empty].name, wish.data, wish.table
            )));
        }
    }
    Ok(dataset)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::testing::{colours, dataset, opened, png, recipe, refusal, write};
    use crate::data::{TrainBatches, Transform, TransformSpec, eval_batches};
    use crate::progress::{Nobody, Until};
    use crate::recipe::Augment;

    /// What was told, each thing once.
    #[derive(Default)]
    struct Told {
        what: Vec<String>,
        last: Option<Progress>,
    }

    impl Onlooker for Told {
        fn tell(&mut self, progress: &Progress) {
            if self.what.last() != Some(&progress.what) {
                self.what.push(progress.what.clone());
            }
            self.last = Some(progress.clone());
        }

        fn cancels(&self) -> bool {
            false
        }
    }

    /// Forty training pictures and ten test pictures of two classes, in a folder.
    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..50_u8 {
            let split = if i < 40 { "train" } else { "test" };
            let class = ["a", "b"][usize::from(i % 2)];
            let path = dir.path().join(format!("{split}/{class}/{i:02}.png"));
            write(path, &png(5 * i));
        }
        dir
    }

    fn transform() -> Arc<Transform> {
        let spec = TransformSpec {
            size: [3, 4, 4],
            mean: vec![0.0],
            std: vec![1.0 / 255.0],
            interpolation: "bicubic".into(),
            crop_pct: 1.0,
            crop_mode: "center".into(),
        };
        Arc::new(Transform::new(&spec).unwrap())
    }

    #[test]
    fn batches_are_the_same_whatever_the_number_of_workers_and_the_memory() {
        let dir = folder();
        let augment = Augment {
            crop_scale: Some([0.3, 1.0]),
            flip: 0.5,
            jitter: Some([0.4; 3]),
            ..Augment::default()
        };
        let run = |workers: &str, cache: &str| {
            let data = dataset("folder", dir.path(), &[workers, cache]);
            assert_eq!(format!("data.workers={}", data.train.workers()), workers);
            let (key, transform) = (Key::new(3), transform());
            let batches =
                TrainBatches::new(data.clone(), transform.clone(), augment.clone(), 7, key);
            let batches = Arc::new(batches);
            let mut all: Vec<_> = batches.prefetch(0, 14).map(Result::unwrap).collect();
            let resumed: Vec<_> = batches.prefetch(9, 14).map(Result::unwrap).collect();
            assert_eq!(resumed, all[9..]);
            for _ in 0..2 {
                all.extend(eval_batches(&data.test, &transform, 3).map(Result::unwrap));
            }
            assert_eq!(all.len(), 14 + 8);
            (all, data.sha256())
        };
        let one = run("data.workers=1", "data.cache_mb=16");
        assert_ne!(one.0[0].pixels, one.0[6].pixels);
        assert_eq!(one.0[14..18], one.0[18..]);
        for (workers, cache) in [
            ("data.workers=2", "data.cache_mb=16"),
            ("data.workers=5", "data.cache_mb=0"),
            ("data.workers=3", "data.cache_mb=16"),
        ] {
            assert!(run(workers, cache) == one, "{workers} {cache}");
        }
    }

    #[test]
    fn crops_of_test_pictures_are_kept_within_the_budget() {
        let dir = folder();
        let recipe = recipe("folder", dir.path(), &[]);
        let task = &recipe.tasks[4];
        let transform = transform();
        // Seven crops of 4×4×3.
        for (room, kept) in [(7 * 48 + 47, 7), (0, 0), (1 << 20, 10)] {
            let mut shelf = Shelf::new(&recipe.data);
            shelf.budget = Budget::new(room);
            let wish = Wish {
                table: "task.4",
                data: &task.data,
                options: &task.options,
                train: true,
                part: None,
            };
            let data = shelf.open(&wish, Key::new(0), &mut Nobody).unwrap();
            let batches = || -> Vec<_> {
                eval_batches(&data.test, &transform, 4)
                    .map(Result::unwrap)
                    .collect()
            };
            let first = batches();
            assert_eq!(shelf.budget.left(), room - 48 * kept);
            // What is kept is no longer read; what is not kept is.
            std::fs::rename(dir.path().join("test"), dir.path().join("away")).unwrap();
            let again: Vec<_> = eval_batches(&data.test, &transform, 1).collect();
            std::fs::rename(dir.path().join("away"), dir.path().join("test")).unwrap();
            if kept == 10 {
                assert_eq!(again.len(), 10);
                assert!(again.iter().all(Result::is_ok));
            } else {
                let error = again
                    .iter()
                    .find_map(|b| b.as_ref().err())
                    .unwrap()
                    .to_string();
                assert!(
                    error.contains("could be read when the data was opened and no longer can"),
                    "{error}"
                );
            }
            assert_eq!(batches(), first);
        }
    }

    #[test]
    fn runs_that_share_look_and_crop_once_and_see_the_same() {
        let dir = folder();
        let place = tempfile::tempdir().unwrap();
        let shared = Shared::new(place.path(), "").unwrap();
        let transform = transform();
        let recipe = recipe("folder", dir.path(), &["data.cache_mb=0"]);
        let batches = |data: &Dataset| -> Vec<_> {
            eval_batches(&data.test, &transform, 4)
                .map(Result::unwrap)
                .collect()
        };
        let alone = super::all(&recipe, None, &mut Nobody).unwrap();
        let wanted = batches(&alone.tasks[4]);
        let open = || {
            let mut told = Told::default();
            let opened = super::all(&recipe, Some(&shared), &mut told).unwrap();
            opened.share_crops(&transform, &shared, &mut told).unwrap();
            let work = |what: &&String| what.starts_with("looking") || what.starts_with("cropping");
            let work = told.what.iter().filter(work).count();
            (opened.tasks[4].clone(), work)
        };
        let (first, work) = open();
        // Both splits are looked at, one is cropped.
        assert_eq!((work, batches(&first) == wanted), (3, true));
        let (second, work) = open();
        assert_eq!((work, second.sha256()), (0, first.sha256()));
        // Nothing is read of the pictures any more.
        std::fs::rename(dir.path().join("test"), dir.path().join("away")).unwrap();
        assert!(batches(&second) == wanted);
        std::fs::rename(dir.path().join("away"), dir.path().join("test")).unwrap();
        // Another picture in the place of one is looked at with all others.
        write(dir.path().join("test/a/40.png"), &png(7));
        let (third, work) = open();
        assert_eq!(work, 2);
        assert!(batches(&third) != wanted && third.sha256() != first.sha256());
    }

    #[test]
    fn parts_of_one_source_share_its_pictures_and_no_image() {
        let dir = folder();
        let source = format!("data=folder:{}", dir.path().display());
        let mut overrides = vec!["train.steps=1".to_owned()];
        for (task, part) in [(0, "[0, 0.8]"), (1, "[0.8, 1]"), (2, "[0, 1]")] {
            overrides.push(format!("task.{task}.{source}"));
            overrides.push(format!("task.{task}.part={part}"));
            overrides.push(format!("task.{task}.context=digits"));
        }
        let open = |seed: u64| {
            let mut all = overrides.clone();
            all.push(format!("seed={seed}"));
            let mut told = Told::default();
            let opened = super::all(&Recipe::load("demo", &all).unwrap(), None, &mut told).unwrap();
            assert_eq!(told.what.len(), 3, "{:?}", told.what);
            opened.tasks
        };
        let tasks = open(1);
        let [most, rest, whole] = [0, 1, 2].map(|i| colours(&tasks[i].train));
        assert_eq!((most.len(), rest.len(), whole.len()), (32, 8, 40));
        let mut together = [most.clone(), rest].concat();
        together.sort_unstable();
        let mut sorted = whole;
        sorted.sort_unstable();
        assert_eq!(together, sorted);
        assert_eq!(colours(&tasks[0].test), colours(&tasks[1].test));
        assert_ne!(tasks[0].sha256(), tasks[1].sha256());
        assert_ne!(colours(&open(2)[0].train), most);
    }

    #[test]
    fn damage_is_named_counted_and_left_out_as_far_as_allowed() {
        let dir = folder();
        let at = |name: &str| dir.path().join(name);
        write(at("train/a/00.png"), b"");
        write(at("test/b/41.png"), &png(9)[..50]);
        let text = refusal("folder", dir.path(), &[]);
        assert!(text.contains("2 of the 50 images of folder:"), "{text}");
        assert!(
            text.contains("`data.bad_images` allows 0; the first is")
                && text.contains("00.png: it is empty"),
            "{text}"
        );
        let all = opened("folder", dir.path(), &["data.bad_images=2"]).unwrap();
        assert_eq!((all.tasks[4].train.len(), all.tasks[4].test.len()), (39, 9));
        assert!(
            all.warnings[0].contains("41.png: it cannot be decoded"),
            "{:?}",
            all.warnings
        );
        // A picture that comes and goes changes what the data is known by.
        let before = all.tasks[4].sha256();
        write(at("train/a/00.png"), &png(0));
        write(at("test/b/41.png"), &png(205));
        assert_ne!(dataset("folder", dir.path(), &[]).sha256(), before);
    }

    #[test]
    fn opening_tells_how_far_it_is_and_can_be_ended() {
        let dir = folder();
        let recipe = recipe("folder", dir.path(), &["data.workers=2"]);
        let mut told = Told::default();
        super::all(&recipe, None, &mut told).unwrap();
        let last = told.last.unwrap();
        assert!(
            last.what.contains("looking at the test images of folder:"),
            "{last:?}"
        );
        assert_eq!((last.done, last.total), (10, 10));
        for end in [0, 1, 20, 50] {
            let asked = std::cell::Cell::new(0);
            let patience = || asked.replace(asked.get() + 1) >= end;
            let result = super::all(&recipe, None, &mut Until(&patience));
            assert!(matches!(result, Err(Error::Cancelled)), "{end}");
            assert_eq!(asked.get(), end + 1);
        }
    }

    #[test]
    fn a_foundation_needs_no_training_images_and_has_the_name_it_is_given() {
        let dir = folder();
        std::fs::remove_dir_all(dir.path().join("train")).unwrap();
        let source = format!("foundation.data=folder:{}", dir.path().display());
        let mut overrides = vec![source, "foundation.id=known".to_owned()];
        overrides.extend((0..3).map(|i| format!("task.{i}.context=[]")));
        let recipe = Recipe::load("demo", &overrides).unwrap();
        crate::data::check(&recipe).unwrap();
        let opened = super::all(&recipe, None, &mut Nobody).unwrap();
        assert_eq!(opened.foundation.id, "known");
        assert_eq!(
            (opened.foundation.train.len(), opened.foundation.test.len()),
            (0, 10)
        );
    }
}
