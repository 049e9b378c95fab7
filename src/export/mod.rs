//! What a run found, as files: pure functions of its fold.
//!
//! Equal runs export equal bytes. So nothing here knows the time, how long anything took, the machine, or a
//! path: those are in the journal and in the manifest. Rows that are not wholly measured are left out.

mod chosen;
mod classes;
mod figures;
pub(crate) mod latex;
mod metrics;
pub(crate) mod plot;
pub(crate) mod sheet;
mod sheets;
pub(crate) mod summary;
mod tables;

use std::path::{Path, PathBuf};

use crate::folder::RunFolder;
use crate::run::{RunView, Torn, journal};
use crate::{Result, files};
use figures::Figures;

pub use chosen::{
    Artefact, Choice, EXPORT_VERSION, Format, MANIFEST, PageWidth, clipboard, write_chosen,
    write_journal_chosen,
};
pub use metrics::METRICS_VERSION;
pub(crate) use metrics::definitions;
pub use sheet::TABLE_VERSION;
pub use summary::thousands;

/// The files of an export, by name, in the order in which [`write()`] writes them.
///
/// # Errors
/// [`crate::Error::Input`] if nothing is measured yet.
pub fn render(view: &RunView) -> Result<Vec<(&'static str, String)>> {
    let figures = Figures::of(view)?;
    let mut files = vec![
        ("matrix.csv", tables::matrix(&figures)?),
        ("per_class.csv", sheets::per_class(&figures).csv()?),
        ("metrics.json", metrics::json(&figures)?),
        ("summary.md", summary::markdown(&figures)),
        ("lost.csv", tables::lost(&figures)?),
    ];
    files.extend(tables::probes(&figures)?.map(|text| ("probes.csv", text)));
    files.extend(tables::synsets(&figures)?.map(|text| ("synsets.csv", text)));
    Ok(files)
}

/// Writes `matrix.csv`, `per_class.csv`, `metrics.json`, `summary.md`, `lost.csv` and, where there is something
/// in them, `probes.csv` and `synsets.csv` into `folder`, each atomically over the one that is there; gives their paths. Nothing else in the folder is touched.
///
/// # Errors
/// As [`render`], and what the file system refuses.
pub fn write(view: &RunView, folder: &Path) -> Result<Vec<PathBuf>> {
    render(view)?
        .into_iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            files::write_atomic(&path, text.as_bytes())?;
            Ok(path)
        })
        .collect()
}

/// Writes the export of what a run's journal holds at this moment into `folder`; also what was torn off at the
/// journal's end.
///
/// # Errors
/// As [`journal::read`] and [`write()`].
pub fn write_journal(run: &RunFolder, folder: &Path) -> Result<(Vec<PathBuf>, Option<Torn>)> {
    let reading = journal::read(&run.journal_path())?;
    let written = write(&RunView::replay(&reading.records), folder)?;
    Ok((written, reading.torn))
}

/// What a file was made from, in one line: program, preset, recipe and seed.
fn provenance(figures: &Figures) -> String {
    let recipe = &figures.started.recipe;
    format!(
        "pentimento {}, preset {}, recipe {}, seed {}",
        figures.started.version, recipe.name, figures.started.recipe_hash, recipe.seed
    )
}

#[cfg(test)]
mod chosen_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
