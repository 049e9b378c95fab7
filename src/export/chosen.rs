//! An export of what somebody chose: which artefacts, in which formats, with a manifest of how they were made.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::figures::{Figures, portable};
use super::plot::{self, Picture};
use super::{latex, metrics, sheets, tables};
use crate::folder::RunFolder;
use crate::run::{RunView, Torn, journal};
use crate::{Error, Result, files};

/// The name of the manifest; `manifest.json` is the run's own.
pub const MANIFEST: &str = "export.json";
/// The version of its format.
pub const EXPORT_VERSION: u32 = 1;

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Artefact {
    Matrix,
    Metrics,
    PerClass,
    Contextual,
    Loss,
}

impl Artefact {
    /// In the order of menus and manifests.
    pub const ALL: [Self; 5] = [
        Self::Matrix,
        Self::Metrics,
        Self::PerClass,
        Self::Contextual,
        Self::Loss,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matrix => "matrix",
            Self::Metrics => "metrics",
            Self::PerClass => "per-class",
            Self::Contextual => "contextual",
            Self::Loss => "loss",
        }
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        match self {
            Self::Matrix => "accuracy on each test set after each task",
            Self::Metrics => "means, forgetting by three definitions, transfer, size of the update",
            Self::PerClass => {
                "every class; as a figure, what each merge cost each class of the foundation"
            }
            Self::Contextual => "whether the classes that a task is about lost more",
            Self::Loss => "training loss over all tasks",
        }
    }

    /// Whether it can be had in a format: metrics are a table, the loss is a figure, the others are both.
    pub fn has(self, format: Format) -> bool {
        match self {
            Self::Metrics => !format.is_figure(),
            Self::Loss => format.is_figure(),
            Self::Matrix | Self::PerClass | Self::Contextual => true,
        }
    }
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    Csv,
    Json,
    Markdown,
    Latex,
    Svg,
    Png,
}

impl Format {
    /// In the order of menus and manifests.
    pub const ALL: [Self; 6] = [
        Self::Csv,
        Self::Json,
        Self::Markdown,
        Self::Latex,
        Self::Svg,
        Self::Png,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Markdown => "md",
            Self::Latex => "latex",
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        match self {
            Self::Csv => "tables for programs, every digit",
            Self::Json => "the same with what they were made from",
            Self::Markdown => "tables to read",
            Self::Latex => "tables for a paper, ruled by booktabs",
            Self::Svg => "figures of lines and text",
            Self::Png => "the same figures in pixels, 600 dpi",
        }
    }

    /// Whether it holds figures; the others hold tables.
    pub fn is_figure(self) -> bool {
        matches!(self, Self::Svg | Self::Png)
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Latex => "tex",
            other => other.name(),
        }
    }
}

/// How wide figures are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageWidth {
    /// A column of most journals, 84 mm.
    #[default]
    Column,
    /// Both columns, 174 mm.
    Page,
}

impl PageWidth {
    /// In points.
    fn points(self) -> f64 {
        plot::MM
            * match self {
                Self::Column => 84.0,
                Self::Page => 174.0,
            }
    }
}

/// What somebody chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// In any order, each once.
    pub artefacts: Vec<Artefact>,
    /// In any order, each once.
    pub formats: Vec<Format>,
    /// Of figures.
    pub width: PageWidth,
}

impl Default for Choice {
    /// All there is.
    fn default() -> Self {
        Self {
            artefacts: Artefact::ALL.into(),
            formats: Format::ALL.into(),
            width: PageWidth::Column,
        }
    }
}

impl Choice {
    /// Each artefact in each of the formats that it is to be had in, in the order of menus.
    fn each(&self) -> impl Iterator<Item = (Artefact, Format)> {
        let chosen = |a: &Artefact, f: &Format| {
            self.artefacts.contains(a) && self.formats.contains(f) && a.has(*f)
        };
        let pairs = Artefact::ALL
            .into_iter()
            .flat_map(|a| Format::ALL.map(|f| (a, f)));
        pairs.filter(move |(a, f)| chosen(a, f))
    }
}

/// A file, and what the manifest says of it.
struct Made {
    name: String,
    bytes: Vec<u8>,
    about: Value,
}

/// Every chosen file by name, the manifest last.
///
/// # Errors
/// [`Error::Input`] if nothing is measured yet, or nothing of what was chosen is there.
pub fn render_chosen(view: &RunView, choice: &Choice) -> Result<Vec<(String, Vec<u8>)>> {
    let figures = Figures::of(view)?;
    let (mut made, mut missing) = (Vec::new(), Vec::new());
    for artefact in Artefact::ALL {
        let formats = choice.each().filter(|(a, _)| *a == artefact);
        let formats: Vec<Format> = formats.map(|(_, format)| format).collect();
        let before = made.len();
        made.extend(as_tables(&figures, artefact, &formats)?);
        made.extend(as_pictures(&figures, artefact, &formats, choice.width)?);
        if made.len() == before && !formats.is_empty() {
            missing.push(artefact);
        }
    }
    if made.is_empty() {
        return Err(Error::input(match missing.first() {
            Some(artefact) => format!("there is nothing to export yet: {}", why_missing(*artefact)),
            None => "none of these artefacts is to be had in any of these formats: metrics are tables (csv, json, md, \
                     latex), the loss is a figure (svg, png)"
                .into(),
        }));
    }
    let manifest = manifest(&figures, &made, &missing)?;
    let files = made.into_iter().map(|file| (file.name, file.bytes));
    Ok(files.chain([(MANIFEST.into(), manifest)]).collect())
}

fn why_missing(artefact: Artefact) -> &'static str {
    match artefact {
        Artefact::Loss => "no task was trained",
        _ => "no merge is measured",
    }
}

fn as_tables(figures: &Figures, artefact: Artefact, formats: &[Format]) -> Result<Vec<Made>> {
    let mut made = Vec::new();
    for &format in formats.iter().filter(|f| !f.is_figure()) {
        let people = matches!(format, Format::Markdown | Format::Latex);
        let sheet = match artefact {
            Artefact::Matrix => Some(sheets::matrix(figures)),
            Artefact::Metrics => Some(sheets::metrics(figures)),
            // Programs get every class of every test set, people those of the foundation side by side.
            Artefact::PerClass if people => sheets::class_drops(figures),
            Artefact::PerClass => Some(sheets::per_class(figures)),
            Artefact::Contextual => sheets::contextual(figures),
            Artefact::Loss => None,
        };
        let Some(sheet) = sheet else { continue };
        let text = match (artefact, format) {
            // The files that every run's export has are the same here.
            (Artefact::Matrix, Format::Csv) => tables::matrix(figures)?,
            (Artefact::Metrics, Format::Json) => metrics::json(figures)?,
            (_, Format::Csv) => sheet.csv()?,
            (_, Format::Json) => sheet.json(figures)?,
            (_, Format::Markdown) => sheet.markdown(figures),
            _ => latex::latex(&sheet, figures),
        };
        made.push(Made {
            name: format!("{}.{}", sheet.name, format.ending()),
            bytes: text.into_bytes(),
            about: json!({"artefact": artefact.name(), "format": format.name(), "caption": sheet.caption}),
        });
    }
    Ok(made)
}

fn as_pictures(
    figures: &Figures,
    artefact: Artefact,
    formats: &[Format],
    width: PageWidth,
) -> Result<Vec<Made>> {
    if !formats.iter().any(|f| f.is_figure()) {
        return Ok(Vec::new());
    }
    let width = width.points();
    let pictures: Vec<Picture> = match artefact {
        Artefact::Matrix => vec![plot::matrix(figures, width)],
        Artefact::PerClass => plot::heatmap(figures, width).into_iter().collect(),
        Artefact::Contextual => plot::contextual(figures, width),
        Artefact::Loss => plot::loss(figures, width).into_iter().collect(),
        Artefact::Metrics => Vec::new(),
    };
    let mut made = Vec::new();
    for picture in pictures {
        for &format in formats.iter().filter(|f| f.is_figure()) {
            let mut about = json!({
                "artefact": artefact.name(),
                "format": format.name(),
                "caption": picture.caption,
                "width_mm": round(picture.width_mm),
                "height_mm": round(picture.height_mm),
            });
            let bytes = match format {
                Format::Png => {
                    let (width, height) = plot::pixels(&picture);
                    about["dpi"] = json!(plot::DPI);
                    about["pixels"] = json!([width, height]);
                    plot::png(&picture)?
                }
                _ => picture.svg.clone().into_bytes(),
            };
            let name = format!("{}.{}", picture.stem, format.ending());
            made.push(Made { name, bytes, about });
        }
    }
    Ok(made)
}

/// A length to a hundredth.
fn round(x: f64) -> f64 {
    (100.0 * x).round() / 100.0
}

/// How the files were made: the run, its rows, each file with its hash, the definition of every figure.
fn manifest(figures: &Figures, made: &[Made], missing: &[Artefact]) -> Result<Vec<u8>> {
    let started = figures.started;
    let rows = figures.rows.iter().map(|row| {
        json!({"after_index": row.index, "after_task": figures.after(row.index), "left_out": row.skipped})
    });
    let files = made.iter().map(|file| {
        let mut entry = json!({"file": file.name, "bytes": file.bytes.len(), "sha256": files::sha256(&file.bytes)});
        if let (Value::Object(entry), Value::Object(about)) = (&mut entry, &file.about) {
            entry.extend(about.clone());
        }
        entry
    });
    let missing = missing
        .iter()
        .map(|a| json!({"artefact": a.name(), "why": why_missing(*a)}));
    let manifest = json!({
        "format": "pentimento export",
        "version": EXPORT_VERSION,
        "exported_by": env!("CARGO_PKG_VERSION"),
        "run_by": started.version,
        "preset": started.recipe.name,
        "recipe_hash": started.recipe_hash,
        "seed": started.recipe.seed,
        "backbone": {
            "source": portable(&started.recipe.backbone.source),
            "architecture": started.backbone.architecture,
            "weights_sha256": started.backbone.weights_sha256,
        },
        "rows": rows.collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
        "not_there": missing.collect::<Vec<_>>(),
        "definitions": metrics::definitions(),
    });
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|e| Error::internal(format!("{MANIFEST} could not be written: {e}")))?;
    Ok((files::plain_json(text) + "\n").into_bytes())
}

/// Writes what was chosen and its manifest into `folder`, each file atomically over the one that is there; gives their
/// paths. Nothing else in the folder is touched.
///
/// # Errors
/// [`Error::Input`] if nothing is measured yet or nothing of what was chosen is there, and what the file system refuses.
pub fn write_chosen(view: &RunView, choice: &Choice, folder: &Path) -> Result<Vec<PathBuf>> {
    let files = render_chosen(view, choice)?.into_iter();
    let written = files.map(|(name, bytes)| {
        let path = folder.join(name);
        files::write_atomic(&path, &bytes)?;
        Ok(path)
    });
    written.collect()
}

/// As [`write_chosen`] from what a run's journal holds at this moment; also what was torn off at the journal's end.
///
/// # Errors
/// As [`journal::read`] and [`write_chosen`].
pub fn write_journal_chosen(
    run: &RunFolder,
    choice: &Choice,
    folder: &Path,
) -> Result<(Vec<PathBuf>, Option<Torn>)> {
    let reading = journal::read(&run.journal_path())?;
    let written = write_chosen(&RunView::replay(&reading.records), choice, folder)?;
    Ok((written, reading.torn))
}

/// The accuracy matrix as a spreadsheet takes it from the clipboard: columns apart by tabs, the tasks in the first line,
/// fractions with every digit, empty where nothing was measured.
///
/// # Errors
/// [`Error::Input`] if nothing is measured yet.
pub fn clipboard(view: &RunView) -> Result<String> {
    let figures = Figures::of(view)?;
    let sheet = sheets::matrix(&figures);
    // The task alone, not its number too: a matrix is pasted to be looked at.
    let line = |cells: &mut dyn Iterator<Item = String>| -> String {
        let cells: Vec<String> = cells.skip(1).map(|cell| plot::clean(&cell)).collect();
        cells.join("\t") + "\n"
    };
    let head = line(&mut sheet.columns.iter().map(|c| c.key.clone()));
    let rows = sheet
        .rows
        .iter()
        .map(|row| line(&mut row.iter().map(|cell| cell.exact())));
    Ok(head + &rows.collect::<String>())
}
