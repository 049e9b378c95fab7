//! Every impossible value, refused in one sentence that names its key.

use std::collections::BTreeSet;

use super::schema::{Fault, join};
use super::{
    Augment, BackboneRecipe, BackboneSource, Budget, DataOptions, DataSource, FoundationRecipe,
    GroupSource, Layout, LoadingRecipe, LoraRecipe, Mode, PretrainRecipe, Recipe, SlurmRecipe,
    TaskRecipe, TrainRecipe,
};
use crate::wordnet;

/// Beyond these a value is a slip of the keyboard, and sums of them would overflow.
const MOST_STEPS: usize = 1_000_000_000;
const MOST_IMAGES: usize = 65_536;
const MOST_SIDE: usize = 4_096;
const MOST_PERMUTATIONS: usize = 10_000_000;
const MOST_CACHE: usize = 16_777_216;
const MOST_CPUS: usize = 4_096;
const MOST_WORKERS: usize = 1_024;
/// Beyond these, squares of gradients overflow and AdamW stands still or diverges.
/// The highest rank: no layer of a supported ViT or ResNet is wider.
pub const MOST_RANK: usize = 8_192;
const MOST_ALPHA: f64 = 1e6;
const MOST_DECAY: f64 = 100.0;
const LONGEST_NAME: usize = 64;

type Check = Result<(), Fault>;

pub(super) fn recipe(recipe: &Recipe) -> Check {
    name("name", &recipe.name)?;
    seed(recipe.seed)?;
    backbone(&recipe.backbone)?;
    if let Some(side) = recipe.backbone.image_size {
        count("backbone.image_size", side, MOST_SIDE)?;
    }
    lora(recipe)?;
    train(&recipe.train, recipe.tasks.len())?;
    lwf(recipe)?;
    if let Some(images) = recipe.measure.batch_size {
        count("measure.batch_size", images, MOST_IMAGES)?;
    }
    count(
        "measure.permutations",
        recipe.measure.permutations,
        MOST_PERMUTATIONS,
    )?;
    let most = MOST_PERMUTATIONS;
    count("measure.resamples", recipe.measure.resamples, most)?;
    let probe = &recipe.measure.probe;
    count("measure.probe.iterations", probe.iterations, MOST_STEPS)?;
    count("measure.probe.batch_size", probe.batch_size, MOST_IMAGES)?;
    positive("measure.probe.lr", probe.lr)?;
    if let Some(clip) = &recipe.measure.clip
        && recipe
            .measure
            .clip_folder()
            .is_none_or(|f| f.as_os_str().is_empty())
    {
        let message = format!("= {clip:?} is not understood: write path:DIR");
        return Err(Fault::at("measure.clip", message));
    }
    synsets(recipe)?;
    slurm(&recipe.slurm)?;
    loading(&recipe.data)?;
    let foundation = foundation(&recipe.foundation)?;
    tasks(&recipe.tasks, &foundation)
}

/// That WordNet has what the recipe asks of it. It is read for recipes that ask alone.
fn synsets(recipe: &Recipe) -> Check {
    let nouns = || wordnet::nouns().map_err(|e| Fault::new("", e.to_string()));
    for (class, id) in &recipe.measure.synsets {
        if nouns()?.synset(id).is_none() {
            let message = format!(
                "= {id:?} is no noun synset of WordNet 3.0: write a wnid as in n02012849, or a name as in crane.n.05"
            );
            return Err(Fault::at(join("measure.synsets", class), message));
        }
    }
    for (i, task) in recipe.tasks.iter().enumerate() {
        if let Some(word) = &task.word
            && nouns()?.resolve(word).synsets.is_empty()
        {
            let message = format!("= {word:?} is no noun of WordNet 3.0: write one, as in \"car\"");
            return Err(Fault::at(join(&join("task", i), "word"), message));
        }
    }
    Ok(())
}

pub(super) fn pretrain(recipe: &PretrainRecipe) -> Check {
    name("name", &recipe.name)?;
    seed(recipe.seed)?;
    loading(&recipe.data)?;
    foundation(&recipe.foundation)?;
    let train = &recipe.train;
    count("train.epochs", train.epochs, MOST_STEPS)?;
    optimiser(train.batch_size, train.lr, train.weight_decay, train.warmup)?;
    range(
        "train.label_smoothing",
        train.label_smoothing,
        0.0,
        Top::Below(1.0),
    )?;
    augment(&train.augment)
}

fn backbone(backbone: &BackboneRecipe) -> Check {
    let source =
        BackboneSource::parse(&backbone.source).map_err(|m| Fault::at("backbone.source", m))?;
    let is_file = matches!(source, BackboneSource::File(_));
    if is_file && backbone.architecture.is_none() {
        let message =
            "is missing: a file of weights needs timm's name of its architecture, such as resnet50";
        return Err(Fault::at("backbone.architecture", message));
    }
    let given = [
        ("backbone.architecture", backbone.architecture.is_some()),
        ("backbone.model_args", !backbone.model_args.is_empty()),
        (
            "backbone.pretrained_cfg",
            !backbone.pretrained_cfg.is_empty(),
        ),
    ];
    match given.iter().find(|(_, given)| *given && !is_file) {
        Some((key, _)) => Err(Fault::at(
            *key,
            "is for `backbone.source = \"file:…\"` only: other sources have a config.json that says it",
        )),
        None => Ok(()),
    }
}

fn lora(recipe: &Recipe) -> Check {
    let lora = &recipe.lora;
    if let Some(alpha) = lora.alpha {
        range("lora.alpha", alpha, 0.0, Top::Including(MOST_ALPHA))?;
        positive("lora.alpha", alpha)?;
    }
    most("lora.rank", lora.rank, MOST_RANK)?;
    patterns(lora)?;
    range("lora.dropout", lora.dropout, 0.0, Top::Below(1.0))?;
    if lora.targets.is_empty() {
        let message = "is empty: write `default`, or a regex that matches names of modules";
        return Err(Fault::at("lora.targets", message));
    }
    regex("lora.targets", &lora.targets)
}

fn patterns(lora: &LoraRecipe) -> Check {
    for (pattern, rank) in &lora.rank_pattern {
        let key = join("lora.rank_pattern", pattern);
        regex("lora.rank_pattern", pattern)?;
        count(&key, *rank, MOST_RANK)?;
    }
    for (pattern, alpha) in &lora.alpha_pattern {
        let key = join("lora.alpha_pattern", pattern);
        regex("lora.alpha_pattern", pattern)?;
        range(&key, *alpha, 0.0, Top::Including(MOST_ALPHA))?;
        positive(&key, *alpha)?;
    }
    let given = [
        ("lora.rank_pattern", !lora.rank_pattern.is_empty()),
        ("lora.alpha_pattern", !lora.alpha_pattern.is_empty()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((key, _)) if lora.mode.is_full() => {
            let message = "means nothing where `lora.mode` trains modules at full rank: leave one of them out";
            Err(Fault::at(key, message))
        }
        Some((key, _)) if lora.rank == 0 => {
            let message = "means nothing with `lora.rank` 0, which freezes every module: leave one of them out";
            Err(Fault::at(key, message))
        }
        _ => Ok(()),
    }
}

fn regex(key: &str, pattern: &str) -> Check {
    regex::Regex::new(pattern).map(drop).map_err(|e| {
        // The last line says what is wrong, those before it draw the pattern.
        let text = e.to_string();
        let reason = text.lines().last().unwrap_or_default().trim();
        let reason = reason.trim_start_matches("error: ");
        Fault::at(key, format_args!("= {pattern:?} is no regex: {reason}"))
    })
}

fn train(train: &TrainRecipe, tasks: usize) -> Check {
    match (&train.epochs, &train.steps) {
        (Some(epochs), None) => budget("train.epochs", epochs, tasks)?,
        (None, Some(steps)) => budget("train.steps", steps, tasks)?,
        (Some(_), Some(_)) => {
            let message = "and `train.steps` are both given: keep one of the two";
            return Err(Fault::at("train.epochs", message));
        }
        (None, None) => {
            let message = "and `train.steps` are both missing: give one of the two";
            return Err(Fault::at("train.epochs", message));
        }
    }
    optimiser(train.batch_size, train.lr, train.weight_decay, train.warmup)?;
    count("train.checkpoint_every", train.checkpoint_every, MOST_STEPS)?;
    augment(&train.augment)
}

fn lwf(recipe: &Recipe) -> Check {
    let Some(lwf) = &recipe.train.lwf else {
        return Ok(());
    };
    range(
        "train.lwf.alpha",
        lwf.alpha,
        0.0,
        Top::Including(MOST_ALPHA),
    )?;
    positive("train.lwf.alpha", lwf.alpha)?;
    let key = "train.lwf.temperature";
    range(key, lwf.temperature, 0.0, Top::Including(MOST_ALPHA))?;
    positive(key, lwf.temperature)?;
    let message = if recipe.lora.mode == Mode::Drop {
        "means nothing in mode drop, where no earlier head sees what a task trains: leave one of them out"
    } else if recipe.lora.is_frozen() {
        "means nothing with `lora.rank` 0, which changes no feature: leave one of them out"
    } else {
        return Ok(());
    };
    Err(Fault::at("train.lwf", message))
}

fn budget(key: &str, budget: &Budget, tasks: usize) -> Check {
    match budget {
        Budget::All(n) => count(key, *n, MOST_STEPS),
        Budget::Each(list) if list.len() != tasks => Err(Fault::at(
            key,
            format_args!(
                "lists {} numbers for {tasks} tasks: give one number, or one for each task",
                list.len()
            ),
        )),
        Budget::Each(list) => list
            .iter()
            .enumerate()
            .try_for_each(|(i, n)| count(&join(key, i), *n, MOST_STEPS)),
    }
}

fn optimiser(batch_size: usize, lr: f64, weight_decay: f64, warmup: f64) -> Check {
    count("train.batch_size", batch_size, MOST_IMAGES)?;
    positive("train.lr", lr)?;
    range(
        "train.weight_decay",
        weight_decay,
        0.0,
        Top::Including(MOST_DECAY),
    )?;
    range("train.warmup", warmup, 0.0, Top::Including(1.0))
}

fn augment(augment: &Augment) -> Check {
    range(
        "train.augment.rotate",
        augment.rotate,
        0.0,
        Top::Including(180.0),
    )?;
    range("train.augment.scale", augment.scale, 0.0, Top::Below(1.0))?;
    range(
        "train.augment.shear",
        augment.shear,
        0.0,
        Top::Including(2.0),
    )?;
    range(
        "train.augment.shift",
        augment.shift,
        0.0,
        Top::Including(32.0),
    )?;
    range(
        "train.augment.stroke",
        augment.stroke,
        0.0,
        Top::Including(1.0),
    )?;
    if let Some(scale) = augment.crop_scale {
        ascending("train.augment.crop_scale", scale, 1e-4, 1.0)?;
    }
    if let Some(ratio) = augment.crop_ratio {
        if augment.crop_scale.is_none() {
            let message = "is of a random crop, which `train.augment.crop_scale` asks for";
            return Err(Fault::at("train.augment.crop_ratio", message));
        }
        ascending("train.augment.crop_ratio", ratio, 0.01, 100.0)?;
    }
    range("train.augment.flip", augment.flip, 0.0, Top::Including(1.0))?;
    for (i, &jitter) in augment.jitter.iter().flatten().enumerate() {
        let key = join("train.augment.jitter", i);
        range(&key, jitter, 0.0, Top::Including(1.0))?;
    }
    Ok(())
}

/// Two numbers from `low` to `high`, the second not below the first.
fn ascending(key: &str, [from, to]: [f64; 2], low: f64, high: f64) -> Check {
    range(&join(key, 0), from, low, Top::Including(high))?;
    range(&join(key, 1), to, low, Top::Including(high))?;
    if from > to {
        let message = format_args!("must be the least, then the most, not [{from}, {to}]");
        return Err(Fault::at(key, message));
    }
    Ok(())
}

/// What of sbatch a sweep decides by itself.
const OWN_OPTIONS: [&str; 14] = [
    "--array",
    "-a",
    "--output",
    "-o",
    "--open-mode",
    "--signal",
    "--requeue",
    "--no-requeue",
    "--ntasks",
    "-n",
    "--wrap",
    "--parsable",
    "--wait",
    "-W",
];

/// Lines of a script for sbatch: one each, and options only.
pub(super) fn slurm(slurm: &SlurmRecipe) -> Check {
    let texts = [
        ("account", &slurm.account),
        ("partition", &slurm.partition),
        ("gres", &slurm.gres),
        ("time", &slurm.time),
        ("mem", &slurm.mem),
    ];
    for (name, text) in texts {
        let Some(text) = text else { continue };
        let plain = |c: char| c.is_ascii_graphic() && !"'\"\\`$#;|&<>".contains(c);
        if text.is_empty() || text.starts_with('-') || !text.chars().all(plain) {
            let message = format_args!("is what sbatch takes behind --{name}=, not {text:?}");
            return Err(Fault::at(join("slurm", name), message));
        }
    }
    if let Some(cpus) = slurm.cpus {
        count("slurm.cpus", cpus, MOST_CPUS)?;
    }
    for (i, option) in slurm.options.iter().enumerate() {
        let name = option.split(['=', ' ']).next().unwrap_or_default();
        if OWN_OPTIONS.contains(&name) {
            let message = format_args!("cannot have {name}, which every sweep says itself");
            return Err(Fault::at(join("slurm.options", i), message));
        }
        let plain = |c: char| c == ' ' || c.is_ascii_graphic();
        if !option.starts_with('-') || !option.chars().all(plain) {
            let message =
                format_args!("is an option of sbatch, as --constraint=h100, not {option:?}");
            return Err(Fault::at(join("slurm.options", i), message));
        }
    }
    Ok(())
}

fn loading(data: &LoadingRecipe) -> Check {
    most("data.bad_images", data.bad_images, MOST_STEPS)?;
    if let Some(cache) = data.cache_mb {
        most("data.cache_mb", cache, MOST_CACHE)?;
    }
    most("data.workers", data.workers, MOST_WORKERS)
}

/// Checks `[foundation]` and gives its id.
fn foundation(foundation: &FoundationRecipe) -> Result<String, Fault> {
    let source = source("foundation", &foundation.data, &foundation.options)?;
    match &foundation.id {
        Some(id) => name("foundation.id", id).map(|()| id.clone()),
        None => Ok(source.id()),
    }
}

/// Checks a source, and that the options beside it are for such a source.
fn source(table: &str, data: &str, options: &DataOptions) -> Result<DataSource, Fault> {
    let at = |key: &str| join(table, key);
    let source = DataSource::parse(data).map_err(|m| Fault::at(at("data"), m))?;
    let layout = match &source {
        DataSource::Bundled(_) => None,
        DataSource::Local(layout, _) => Some(*layout),
        DataSource::Hub(_) => Some(Layout::Parquet),
    };
    let parquet = layout == Some(Layout::Parquet);
    let aircraft = layout == Some(Layout::Aircraft);
    let split = !matches!(
        layout,
        None | Some(Layout::Idx | Layout::Cars | Layout::Cub)
    );
    for (key, value, allowed) in [
        ("config", &options.config, parquet || aircraft),
        ("train_split", &options.train_split, split),
        ("test_split", &options.test_split, split),
        ("image_column", &options.image_column, parquet),
        ("label_column", &options.label_column, parquet),
    ] {
        let Some(value) = value else { continue };
        if !allowed {
            let message = format_args!("means nothing to {data}: leave it out");
            return Err(Fault::at(at(key), message));
        }
        if value.is_empty() || value.split('+').any(str::is_empty) {
            return Err(Fault::at(at(key), "is empty: give a name or leave it out"));
        }
    }
    if let Some(groups) = &options.groups {
        let groups = GroupSource::parse(groups).map_err(|m| Fault::at(at("groups"), m))?;
        if let GroupSource::Column(column) = groups
            && !parquet
        {
            let message = format_args!(
                "= \"column:{column}\" names a column, which {data} does not have: write `file:FILE`, FILE a CSV file"
            );
            return Err(Fault::at(at("groups"), message));
        }
    }
    let mut names = BTreeSet::new();
    if let Some(class) = options.classes.iter().find(|&c| !names.insert(c)) {
        return Err(Fault::at(
            at("classes"),
            format_args!("names the class {class:?} twice"),
        ));
    }
    if let Some(n) = options.per_class {
        count(&at("per_class"), n, MOST_STEPS)?;
    }
    Ok(source)
}

fn tasks(tasks: &[TaskRecipe], foundation: &str) -> Check {
    if tasks.is_empty() {
        let message = "lists nothing: a sequence has at least one [[task]]";
        return Err(Fault::at("task", message));
    }
    let mut ids = BTreeSet::from([foundation]);
    for (i, task) in tasks.iter().enumerate() {
        let at = |key: &str| join(&join("task", i), key);
        name(&at("id"), &task.id)?;
        if !ids.insert(&task.id) {
            let owner = if task.id == foundation {
                "the foundation has"
            } else {
                "an earlier task has"
            };
            let message = format!(
                "= {:?} is the name that {owner}: each needs its own",
                task.id
            );
            return Err(Fault::at(at("id"), message));
        }
        source(&join("task", i), &task.data, &task.options)?;
        if let Some([from, to]) = task.part {
            range(&at("part.0"), from, 0.0, Top::Below(1.0))?;
            range(&at("part.1"), to, 0.0, Top::Including(1.0))?;
            if from >= to {
                let message = format_args!("must be from where to where, not [{from}, {to}]");
                return Err(Fault::at(at("part"), message));
            }
        }
        if let Some(head) = &task.head {
            name(&at("head"), head)?;
            if head == foundation {
                let message = format!("= {head:?} is the foundation's, which is never trained");
                return Err(Fault::at(at("head"), message));
            }
        }
        let mut groups = BTreeSet::new();
        for group in &task.context {
            if group.is_empty() || !groups.insert(group) {
                let message = format!("names the group {group:?} twice or not at all");
                return Err(Fault::at(at("context"), message));
            }
        }
    }
    Ok(())
}

/// Names become names of files and folders.
fn name(key: &str, name: &str) -> Check {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.chars().all(plain)
        && !name.starts_with('.')
        && !name.starts_with('-')
    {
        return Ok(());
    }
    let shown: String = match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    };
    let message = format!(
        "= {shown:?} cannot name files: use 1 to {LONGEST_NAME} letters and digits of ASCII, `-`, `_` and `.`, the first a letter, a digit or `_`"
    );
    Err(Fault::at(key, message))
}

fn seed(seed: u64) -> Check {
    if i64::try_from(seed).is_ok() {
        return Ok(());
    }
    Err(Fault::at(
        "seed",
        format_args!("= {seed} is too large: the largest is {}", i64::MAX),
    ))
}

fn count(key: &str, n: usize, most: usize) -> Check {
    if (1..=most).contains(&n) {
        return Ok(());
    }
    Err(Fault::at(key, format_args!("must be 1 to {most}, not {n}")))
}

fn most(key: &str, n: usize, most: usize) -> Check {
    if n <= most {
        return Ok(());
    }
    Err(Fault::at(key, format_args!("must be 0 to {most}, not {n}")))
}

fn positive(key: &str, x: f64) -> Check {
    if x > 0.0 && x.is_finite() {
        return Ok(());
    }
    Err(Fault::at(
        key,
        format_args!("must be a positive number, not {x}"),
    ))
}

enum Top {
    Including(f64),
    Below(f64),
}

fn range(key: &str, x: f64, low: f64, top: Top) -> Check {
    let (fits, wanted) = match top {
        Top::Including(high) => (x <= high, format!("{low} to {high}")),
        Top::Below(high) => (x < high, format!("at least {low} and below {high}")),
    };
    if x >= low && fits {
        return Ok(());
    }
    Err(Fault::at(key, format_args!("must be {wanted}, not {x}")))
}
