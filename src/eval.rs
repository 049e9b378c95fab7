//! A backbone and a head on a data set, outside any run: `pentimento eval`.

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::backbone::{Backbone, Config, Weights};
use crate::data::{self, Dataset, Transform};
use crate::folder::RunFolder;
use crate::lab::{merged_backbone, open_backbone};
use crate::measure::{self, Counts};
use crate::progress::{Onlooker, Progress};
use crate::recipe::{BackboneRecipe, DataOptions, LoadingRecipe};
use crate::run::standing_of;
use crate::train::{Head, transform_spec};
use crate::{Error, Result, files};

/// What is measured on what.
#[derive(Clone, Debug)]
pub struct Request {
    /// A source as in a recipe, a folder in timm's hub layout, or a run's folder: its backbone with all that was merged.
    pub backbone: String,
    /// A file `heads/NNN-STEP.safetensors` of a run; without it the pretrained classifier.
    pub head: Option<PathBuf>,
    /// A source as in a recipe, or a folder of class folders.
    pub data: String,
    /// The split, or `all` for a folder without splits.
    pub split: String,
    /// Which data set of several, for sources that hold them.
    pub config: Option<String>,
    /// Images a batch.
    pub batch_size: usize,
}

/// What came of it.
pub struct Evaluation {
    /// Names of the classes that labels stand for.
    pub classes: Vec<String>,
    /// `[images, classes of the head]`, on the CPU.
    pub logits: Tensor,
    /// `[images]`
    pub labels: Vec<u32>,
    /// The most likely class of each image, and its softmax probability.
    pub answers: Vec<(u32, f32)>,
    /// What each image is found by: a path, or a file and a row.
    pub images: Vec<String>,
    /// Right answers by class.
    pub counts: Counts,
    /// What its reader should know.
    pub warnings: Vec<String>,
}

/// Evaluates. The images are in byte-wise order of their paths, preprocessed as the backbone's `pretrained_cfg` says.
/// Labels are positions in config.json's `label_names` where it has them, else in the sorted names of the class folders.
///
/// # Errors
/// [`Error::Input`] where something does not exist or does not fit together; [`Error::Cancelled`] if the onlooker
/// cancels.
pub fn evaluate(
    request: &Request,
    device: &Device,
    onlooker: &mut dyn Onlooker,
) -> Result<Evaluation> {
    check(request)?;
    let mut warnings = Vec::new();
    let (config, weights) = backbone_of(&request.backbone, device, onlooker)?;
    let head = match &request.head {
        Some(file) if !file.is_file() => {
            return Err(Error::input(format!(
                "--head {} is no file: name one of a run's heads/",
                file.display()
            )));
        }
        Some(file) => Head::load(file, device)?,
        None => Head::pretrained(&config, &weights)?,
    };
    let dataset = dataset_of(request, onlooker)?;
    let named = label_names(&config).is_some() || request.head.is_some();
    if !named && dataset.classes.len() < head.classes() {
        warnings.push(format!(
            "the head tells {} classes apart and {} has {}: without label_names in config.json, label i is the i-th \
             class folder by name, whatever the head calls it",
            head.classes(),
            request.data,
            dataset.classes.len()
        ));
    }
    let dataset = match (label_names(&config), &request.head) {
        (Some(names), None) => {
            dataset.labelled_by(&names, "label_names of the backbone's config.json")?
        }
        _ => dataset,
    };
    if dataset.classes.len() > head.classes() {
        return Err(Error::input(format!(
            "{} has {} classes, but the head tells {} apart: take the head or the data that go together",
            request.data,
            dataset.classes.len(),
            head.classes()
        )));
    }
    let backbone = Backbone::new(&config, &weights)?;
    if head.weight.dim(1)? != backbone.dim() {
        return Err(Error::input(format!(
            "the head takes {} features but {} gives {}: it is not of this backbone",
            head.weight.dim(1)?,
            request.backbone,
            backbone.dim()
        )));
    }
    let transform = Transform::new(&transform_spec(&config))?;
    let images = &dataset.test;
    let told = std::cell::RefCell::new(onlooker);
    let features = measure::features(
        &backbone,
        None,
        images,
        &transform,
        request.batch_size,
        &|| told.borrow().cancels(),
        &mut |done| {
            let what = format!("evaluating {}", request.data);
            let progress = Progress::images(&what, done, images.len());
            told.borrow_mut().tell(&progress);
        },
    )?;
    let logits = head.logits(&features.values)?.to_device(&Device::Cpu)?;
    let rows = logits.to_vec2::<f32>()?;
    let answers: Vec<(u32, f32)> = rows.iter().map(|row| measure::answer(row)).collect();
    let predictions: Vec<u32> = answers.iter().map(|a| a.0).collect();
    Ok(Evaluation {
        counts: measure::counts(&predictions, &images.labels, dataset.classes.len()),
        classes: dataset.classes.iter().map(|c| c.name.clone()).collect(),
        labels: images.labels.clone(),
        images: (0..images.len()).map(|i| images.name(i)).collect(),
        answers,
        logits,
        warnings,
    })
}

/// What can be told before anything is read.
fn check(request: &Request) -> Result<()> {
    if request.data.is_empty() || request.backbone.is_empty() || request.split.is_empty() {
        let (name, what) = match () {
            () if request.data.is_empty() => ("data", "a folder or a source"),
            () if request.backbone.is_empty() => ("backbone", "a folder or a source"),
            () => ("split", "test, val or another split, or all"),
        };
        return Err(Error::input(format!("--{name} is empty: name {what}")));
    }
    let folder = Path::new(&request.data);
    let layout = ["train", "test", "val", "validation"];
    let split = layout.iter().find(|s| folder.join(s).is_dir());
    if let (Some(split), "all") = (split, request.split.as_str()) {
        return Err(Error::input(format!(
            "{} holds {split}/, a split: say --split {split}",
            request.data
        )));
    }
    Ok(())
}

fn backbone_of(
    source: &str,
    device: &Device,
    onlooker: &mut dyn Onlooker,
) -> Result<(Config, Weights)> {
    if let Some(run) = RunFolder::at(Path::new(source))? {
        let (recipe, standing) = standing_of(&run)?;
        return merged_backbone(&recipe, &standing, &run, device, onlooker);
    }
    let (config, weights, _) =
        open_backbone(&BackboneRecipe::from_argument(source), device, onlooker)?;
    Ok((config, weights))
}

fn dataset_of(request: &Request, onlooker: &mut dyn Onlooker) -> Result<Dataset> {
    let split = match request.split.as_str() {
        "all" => ".",
        split => split,
    };
    // A bundled set has two splits, and its test split is the one that is meant.
    let bundled = request.data.starts_with("bundled:");
    let options = DataOptions {
        config: request.config.clone(),
        test_split: (!bundled).then(|| split.to_owned()),
        train_split: (!bundled).then(|| split.to_owned()),
        ..DataOptions::default()
    };
    let source = match request.data.split_once(':') {
        Some(_) if !Path::new(&request.data).is_dir() => request.data.clone(),
        _ => format!("folder:{}", request.data),
    };
    let (dataset, warnings) =
        data::open_test(&source, &options, &LoadingRecipe::default(), onlooker)
            .map_err(by_arguments)?;
    debug_assert!(warnings.is_empty(), "no bad image is allowed");
    Ok(dataset)
}

/// A recipe's keys in a refusal as the command line's options.
fn by_arguments(error: Error) -> Error {
    let Error::Input(text) = error else {
        return error;
    };
    Error::Input(
        text.replace("`data.data`", "--data")
            .replace("`train_split`", "--split")
            .replace("`test_split`", "--split")
            .replace(", and `data.bad_images` allows 0;", ";")
            .replace(", or allow more", "")
            .replace(
                ", or name the other classes in `data.classes`",
                ", or take its folder away",
            ),
    )
}

/// timm's list of what the classes are called, in the order of the head.
fn label_names(config: &Config) -> Option<Vec<String>> {
    let lists = [&config.other, &config.pretrained_cfg.other];
    let names = lists
        .iter()
        .find_map(|l| l.get("label_names")?.as_array())?;
    names
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect()
}

impl Evaluation {
    /// Writes `logits` `[images, classes]` f32 and `labels` `[images]` i64 as safetensors.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write_logits(&self, path: &Path) -> Result<()> {
        let invalid = |e: &dyn std::fmt::Display| Error::internal(format!("logits: {e}"));
        let logits = self.logits.flatten_all()?.to_vec1::<f32>()?;
        let logits: Vec<u8> = logits.iter().flat_map(|v| v.to_le_bytes()).collect();
        let labels = self.labels.iter().map(|&l| i64::from(l));
        let labels: Vec<u8> = labels.flat_map(i64::to_le_bytes).collect();
        let (shape, images) = (self.logits.dims().to_vec(), vec![self.labels.len()]);
        let views = [
            ("logits", TensorView::new(Dtype::F32, shape, &logits)),
            ("labels", TensorView::new(Dtype::I64, images, &labels)),
        ];
        let views = views.map(|(name, view)| view.map(|view| (name, view)));
        let views: Vec<_> = views
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|e| invalid(&e))?;
        let bytes = safetensors::serialize(views, None).map_err(|e| invalid(&e))?;
        files::write_atomic(path, &bytes)
    }

    /// Writes a line for each image: its name, its label, what it was taken for, and how surely.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write_predictions(&self, path: &Path) -> Result<()> {
        let mut table = vec![["image", "label", "prediction", "confidence"].map(str::to_owned)];
        for ((image, label), (class, confidence)) in
            self.images.iter().zip(&self.labels).zip(&self.answers)
        {
            let numbers = [label.to_string(), class.to_string(), confidence.to_string()];
            let [label, class, confidence] = numbers;
            table.push([image.clone(), label, class, confidence]);
        }
        write_csv(path, &table)
    }

    /// Writes a line for each class: its index, name, images, right answers and accuracy.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write_classes(&self, path: &Path) -> Result<()> {
        let mut table = vec![["class", "name", "images", "right", "accuracy"].map(str::to_owned)];
        table.extend(self.per_class().map(|(i, name, right, total)| {
            let accuracy = match total {
                0 => String::new(),
                n => (f64::from(right) / f64::from(n)).to_string(),
            };
            [
                i.to_string(),
                name.to_owned(),
                total.to_string(),
                right.to_string(),
                accuracy,
            ]
        }));
        write_csv(path, &table)
    }

    /// Index, name, right answers and images of each class.
    pub fn per_class(&self) -> impl Iterator<Item = (usize, &str, u32, u32)> {
        let counts = self.counts.correct.iter().zip(&self.counts.total);
        let named = self.classes.iter().zip(counts).enumerate();
        named.map(|(i, (name, (right, total)))| (i, name.as_str(), *right, *total))
    }
}

fn write_csv<const N: usize>(path: &Path, table: &[[String; N]]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in table {
        writer
            .write_record(row)
            .map_err(|e| Error::internal(format!("a table cannot be written: {e}")))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|e| Error::internal(format!("a table cannot be written: {e}")))?;
    files::write_atomic(path, &bytes)
}
