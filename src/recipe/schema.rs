//! Which keys there are and what each holds: what unknown keys, `--set` and wrong types are checked against.

use toml::Value;

use super::nearest::nearest;

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// A string.
    Text,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// An integer, not negative.
    Whole,
    /// A number.
    Real,
    /// `true` or `false`.
    Flag,
    /// An integer, or a list of them.
    Budget,
    /// A list of strings.
    Texts,
    /// A list of so many numbers.
    Reals(usize),
    /// A table of these keys.
    Table(&'static [Field]),
    /// A list of tables of these keys.
    Tables(&'static [Field]),
    /// A table of anything: timm's config.
    Free,
    /// A table of a value of this kind under each of any keys.
    Map(&'static Shape),
}

/// A key of a table.
#[derive(Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub shape: Shape,
    pub required: bool,
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
    }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
    }
}

const AUGMENT: Shape = Shape::Table(&[
    optional("rotate", Shape::Real),
    optional("scale", Shape::Real),
    optional("shear", Shape::Real),
    optional("shift", Shape::Real),
    optional("stroke", Shape::Real),
    optional("crop_scale", Shape::Reals(2)),
    optional("crop_ratio", Shape::Reals(2)),
    optional("flip", Shape::Real),
    optional("jitter", Shape::Reals(3)),
]);

/// The keys of a table that names a data set: those of its own, then those that say what is taken of the data.
macro_rules! keys_with_data {
    ($($own:expr),*) => {
        &[
            $($own,)*
            optional("config", Shape::Text),
            optional("train_split", Shape::Text),
            optional("test_split", Shape::Text),
            optional("image_column", Shape::Text),
            optional("label_column", Shape::Text),
            optional("groups", Shape::Text),
            optional("classes", Shape::Texts),
            optional("per_class", Shape::Whole),
        ]
    };
}

/// The keys of `[foundation]`.
const FOUNDATION: &[Field] =
    keys_with_data!(required("data", Shape::Text), optional("id", Shape::Text));

/// The keys of a `[[task]]`.
const TASK: &[Field] = keys_with_data!(
    required("id", Shape::Text),
    optional("head", Shape::Text),
    required("data", Shape::Text),
    optional("context", Shape::Texts),
    optional("word", Shape::Text),
    optional("part", Shape::Reals(2))
);

const DATA: Shape = Shape::Table(&[
    optional("bad_images", Shape::Whole),
    optional("cache_mb", Shape::Whole),
    optional("workers", Shape::Whole),
]);

const SLURM: Shape = Shape::Table(&[
    optional("account", Shape::Text),
    optional("partition", Shape::Text),
    optional("gres", Shape::Text),
    optional("time", Shape::Text),
    optional("cpus", Shape::Whole),
    optional("mem", Shape::Text),
    optional("options", Shape::Texts),
]);

const PROBE: Shape = Shape::Table(&[
    optional("when", Shape::Choice(&["off", "end", "each"])),
    optional("iterations", Shape::Whole),
    optional("batch_size", Shape::Whole),
    optional("lr", Shape::Real),
]);

/// The keys of an experiment.
pub(super) const RECIPE: &[Field] = &[
    required("name", Shape::Text),
    optional("description", Shape::Text),
    optional("seed", Shape::Whole),
    required(
        "backbone",
        Shape::Table(&[
            required("source", Shape::Text),
            optional("image_size", Shape::Whole),
            optional("precision", Shape::Choice(&["f32", "bf16"])),
            optional("architecture", Shape::Text),
            optional("model_args", Shape::Free),
            optional("pretrained_cfg", Shape::Free),
        ]),
    ),
    required(
        "lora",
        Shape::Table(&[
            optional(
                "mode",
                Shape::Choice(&["merge", "drop", "full", "full_reset"]),
            ),
            required("rank", Shape::Whole),
            optional("alpha", Shape::Real),
            optional("rslora", Shape::Flag),
            optional("rank_pattern", Shape::Map(&Shape::Whole)),
            optional("alpha_pattern", Shape::Map(&Shape::Real)),
            optional("dropout", Shape::Real),
            optional("targets", Shape::Text),
        ]),
    ),
    required(
        "train",
        Shape::Table(&[
            optional("epochs", Shape::Budget),
            optional("steps", Shape::Budget),
            required("batch_size", Shape::Whole),
            required("lr", Shape::Real),
            required("weight_decay", Shape::Real),
            required("warmup", Shape::Real),
            optional("watch_every", Shape::Whole),
            optional("checkpoint_every", Shape::Whole),
            optional("augment", AUGMENT),
            optional(
                "lwf",
                Shape::Table(&[
                    optional("alpha", Shape::Real),
                    optional("temperature", Shape::Real),
                ]),
            ),
        ]),
    ),
    optional(
        "measure",
        Shape::Table(&[
            optional("batch_size", Shape::Whole),
            optional("permutations", Shape::Whole),
            optional("resamples", Shape::Whole),
            optional("synsets", Shape::Map(&Shape::Text)),
            optional("clip", Shape::Text),
            optional("probe", PROBE),
        ]),
    ),
    optional("data", DATA),
    optional("slurm", SLURM),
    required("foundation", Shape::Table(FOUNDATION)),
    required("task", Shape::Tables(TASK)),
];

/// The keys of a pretraining.
pub(super) const PRETRAIN: &[Field] = &[
    required("name", Shape::Text),
    optional("description", Shape::Text),
    optional("seed", Shape::Whole),
    required("backbone", Shape::Free),
    optional("data", DATA),
    required("foundation", Shape::Table(FOUNDATION)),
    required(
        "train",
        Shape::Table(&[
            required("epochs", Shape::Whole),
            required("batch_size", Shape::Whole),
            required("lr", Shape::Real),
            required("weight_decay", Shape::Real),
            required("warmup", Shape::Real),
            optional("label_smoothing", Shape::Real),
            optional("augment", AUGMENT),
        ]),
    ),
];

/// Something wrong at a key.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// `task.1.id`
    pub path: String,
    /// Without the place, which the caller knows.
    pub message: String,
}

impl Fault {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// A message that begins with the key.
    pub fn at(path: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let path = path.into();
        Self {
            message: format!("`{path}` {message}"),
            path,
        }
    }
}

/// `a.b`, or `b` at the top.
pub(super) fn join(parent: &str, key: impl std::fmt::Display) -> String {
    if parent.is_empty() {
        key.to_string()
    } else {
        format!("{parent}.{key}")
    }
}

/// Checks a table against its keys: unknown ones, missing ones, and the type of each.
pub(super) fn check(
    root: &'static [Field],
    fields: &'static [Field],
    path: &str,
    table: &toml::Table,
) -> Result<(), Fault> {
    for (key, value) in table {
        let at = join(path, key);
        match fields.iter().find(|f| f.name == key) {
            None => return Err(unknown(root, fields, path, key)),
            Some(field) => check_value(root, field.shape, &at, value)?,
        }
    }
    match fields
        .iter()
        .find(|f| f.required && !table.contains_key(f.name))
    {
        Some(field) => Err(Fault::at(join(path, field.name), "is missing")),
        None => Ok(()),
    }
}

fn check_value(
    root: &'static [Field],
    shape: Shape,
    path: &str,
    value: &Value,
) -> Result<(), Fault> {
    let whole = |v: &Value| v.as_integer().is_some_and(|n| n >= 0);
    let fits = match (shape, value) {
        (Shape::Table(fields), Value::Table(table)) => return check(root, fields, path, table),
        (Shape::Tables(fields), Value::Array(list)) => {
            for (i, item) in list.iter().enumerate() {
                check_value(root, Shape::Table(fields), &join(path, i), item)?;
            }
            true
        }
        (Shape::Map(each), Value::Table(table)) => {
            for (key, item) in table {
                check_value(root, *each, &join(path, key), item)?;
            }
            true
        }
        (Shape::Text, Value::String(_)) | (Shape::Free, Value::Table(_)) => true,
        (Shape::Flag, Value::Boolean(_)) => true,
        (Shape::Choice(names), Value::String(name)) => names.contains(&name.as_str()),
        (Shape::Real, value) => value.is_integer() || value.is_float(),
        (Shape::Budget, Value::Array(list)) => list.iter().all(whole),
        (Shape::Whole | Shape::Budget, value) => whole(value),
        (Shape::Texts, Value::Array(list)) => list.iter().all(Value::is_str),
        (Shape::Reals(n), Value::Array(list)) => {
            list.len() == n && list.iter().all(|v| v.is_integer() || v.is_float())
        }
        _ => false,
    };
    let digits = |v: &Value| {
        let text = v.as_str().unwrap_or_default();
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
    };
    if fits {
        Ok(())
    } else if matches!(shape, Shape::Whole | Shape::Budget) && digits(value) {
        // What TOML cannot hold as a number comes from `--set` as a string.
        let most = i64::MAX;
        Err(Fault::at(
            path,
            format_args!("= {} is too large: the largest is {most}", describe(value)),
        ))
    } else {
        let wanted = wanted(shape, path);
        Err(Fault::at(
            path,
            format_args!("must be {wanted}, not {}", describe(value)),
        ))
    }
}

fn wanted(shape: Shape, path: &str) -> String {
    match shape {
        Shape::Text => "a string".into(),
        Shape::Choice(names) => format!("one of \"{}\"", names.join("\", \"")),
        Shape::Whole => "a whole number of at least 0".into(),
        Shape::Real => "a number".into(),
        Shape::Budget => "a whole number, or a list of one for each task".into(),
        Shape::Texts => "a list of strings".into(),
        Shape::Reals(n) => format!("a list of {n} numbers"),
        Shape::Table(fields) => {
            let keys: Vec<_> = fields.iter().map(|f| join(path, f.name)).collect();
            format!("a table with the keys {}", keys.join(", "))
        }
        Shape::Tables(_) => format!("a list of tables, each headed [[{path}]]"),
        Shape::Free => "a table".into(),
        Shape::Flag => "true or false".into(),
        Shape::Map(each) => format!("a table of names, each with {}", wanted(*each, path)),
    }
}

fn describe(value: &Value) -> String {
    let text = value.to_string();
    if value.is_table() {
        "a table".into()
    } else if text.chars().count() > 40 {
        format!("{}…", text.chars().take(40).collect::<String>())
    } else {
        text
    }
}

/// The error for a key that does not exist, with the nearest that does: a neighbour in its table, a key of
/// the same name elsewhere, or the neighbours themselves.
pub(super) fn unknown(
    root: &'static [Field],
    fields: &'static [Field],
    path: &str,
    key: &str,
) -> Fault {
    let at = join(path, key);
    let mut elsewhere = Vec::new();
    collect(root, "", &mut elsewhere);
    let last = |p: &str| p.rsplit('.').next().unwrap_or_default().to_string();
    let meant = nearest(key, fields.iter().map(|f| f.name))
        .map(|name| join(path, name))
        .or_else(|| elsewhere.iter().find(|p| last(p) == key).cloned())
        .or_else(|| nearest(&at, elsewhere.iter().map(String::as_str)).map(String::from));
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            let names: Vec<_> = fields.iter().map(|f| join(path, f.name)).collect();
            format!("known here: {}", names.join(", "))
        }
    };
    Fault::new(&at, format!("unknown key `{}`; {hint}", at.escape_debug()))
}

/// Every key below these, lists by their first entry.
pub(super) fn collect(fields: &[Field], path: &str, into: &mut Vec<String>) {
    for field in fields {
        let at = join(path, field.name);
        match field.shape {
            Shape::Table(fields) => collect(fields, &at, into),
            Shape::Tables(fields) => collect(fields, &join(&at, 0), into),
            _ => {}
        }
        into.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Budget, PretrainRecipe, Recipe};

    #[test]
    fn the_schema_is_that_of_the_types() {
        fn keys(value: &toml::Value, path: &str, into: &mut Vec<String>) {
            match value {
                toml::Value::Table(table) => {
                    for (key, value) in table {
                        let at = join(path, key);
                        keys(value, &at, into);
                        into.push(at);
                    }
                }
                toml::Value::Array(list) if list.iter().all(toml::Value::is_table) => {
                    keys(&list[0], &join(path, 0), into);
                }
                _ => {}
            }
        }
        let common = [
            "train.augment.crop_scale=[0.5, 1]",
            "train.augment.crop_ratio=[1, 1]",
            "train.augment.flip=0.5",
            "train.augment.jitter=[0.1, 0.1, 0.1]",
            "data.bad_images=1",
            "data.cache_mb=1",
            "data.workers=1",
            "foundation.id=known",
            "foundation.config=c",
            "foundation.train_split=a",
            "foundation.test_split=b",
            "foundation.image_column=i",
            "foundation.label_column=l",
            "foundation.groups=column:g",
            "foundation.classes=x",
            "foundation.per_class=1",
            "foundation.data=parquet:d",
        ];
        let common = common.map(String::from);
        let mut all = vec![
            "lora.alpha=1",
            "backbone.image_size=32",
            "backbone.precision=bf16",
            "measure.resamples=9",
            "measure.synsets.A=n13637376",
            "task.0.word=digit",
            "measure.probe.when=each",
            "lora.rslora=true",
            "lora.rank_pattern.qkv=1",
            "lora.alpha_pattern.qkv=1",
            "train.lwf.alpha=5",
            "task.0.head=first",
            "measure.clip=path:clip",
            "slurm.account=a",
            "slurm.partition=p",
            "slurm.gres=gpu:1",
            "slurm.time=1:00:00",
            "slurm.cpus=8",
            "slurm.mem=32G",
            "slurm.options=[\"--hold\"]",
        ]
        .into_iter()
        .map(String::from)
        .collect::<Vec<_>>();
        all.extend(common.clone());
        all.push("task.0.part=[0, 0.5]".into());
        for key in common.iter().filter(|k| k.starts_with("foundation.")) {
            let key = key.replacen("foundation", "task.0", 1);
            all.extend((key != "task.0.id=known").then_some(key));
        }
        let mut recipe = Recipe::load("demo", &all).unwrap();
        recipe.train.epochs = Some(Budget::All(1));
        recipe.backbone.architecture = Some("resnet50".into());
        for free in [
            &mut recipe.backbone.model_args,
            &mut recipe.backbone.pretrained_cfg,
        ] {
            free.insert("anything".into(), 1.into());
        }
        let (mut typed, mut known) = (Vec::new(), Vec::new());
        keys(&toml::Value::try_from(&recipe).unwrap(), "", &mut typed);
        typed.retain(|key| !key.starts_with("measure.synsets."));
        collect(RECIPE, "", &mut known);
        typed.retain(|key| !key.ends_with(".anything"));
        typed.retain(|key| !key.contains("_pattern."));
        typed.sort();
        known.sort();
        assert_eq!(typed, known);

        let pretrain = PretrainRecipe::load("glyph-vit", &common).unwrap();
        let (mut typed, mut known) = (Vec::new(), Vec::new());
        keys(&toml::Value::try_from(&pretrain).unwrap(), "", &mut typed);
        typed.retain(|key| !key.starts_with("backbone."));
        collect(PRETRAIN, "", &mut known);
        typed.sort();
        known.sort();
        assert_eq!(typed, known);
    }
}
