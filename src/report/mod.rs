//! `pentimento report`: many runs in one report, by backbone, rank and seed, with the differences that their seeds show.
//!
//! Runs are read through the fold over their journals ([`crate::run::RunView`]) and reduced to matrices; everything shown is
//! computed from these. Equal runs give equal bytes: no time and no place of this machine is in a report.

mod compare;
mod compose;
mod csv;
mod document;
mod draw;
mod figures;
mod gather;
mod html;
mod imported;
mod markdown;
mod out;
mod paired;
mod sentence;
mod series;
mod settings;
mod tables;
mod tex;
mod texts;

use std::path::PathBuf;

use rayon::prelude::*;

use crate::Result;
use crate::measure::Forgetting;
use compose::{Content, Source};
use imported::Imported;
use series::Study;

pub use imported::StudyLog;
pub use out::REPORT_VERSION;
pub use series::Rank;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Html,
    Markdown,
    Latex,
    Csv,
    Svg,
}

impl Format {
    /// In the order in which they are written.
    pub const ALL: [Self; 5] = [
        Self::Html,
        Self::Markdown,
        Self::Latex,
        Self::Csv,
        Self::Svg,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "md",
            Self::Latex => "tex",
            Self::Csv => "csv",
            Self::Svg => "svg",
        }
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        match self {
            Self::Html => "one page with everything in it, figures too",
            Self::Markdown => "the same to read as text",
            Self::Latex => "its tables for a paper, ruled by booktabs",
            Self::Csv => "every figure for programs, every digit",
            Self::Svg => "its figures, 174 mm wide",
        }
    }
}

/// What to report on.
#[derive(Clone, Debug)]
pub struct Request {
    /// Run folders, and folders with runs up to three levels below.
    pub folders: Vec<PathBuf>,
    /// An absent or empty folder, or one with an earlier report.
    pub out: PathBuf,
    /// Each once.
    pub formats: Vec<Format>,
    /// The definition that figures and differences are by.
    pub forgetting: Forgetting,
    /// The study's own logs, to lay over the runs.
    pub logs: Vec<StudyLog>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Each group of files in a line, by their places in the folder.
    pub groups: Vec<String>,
    /// The finding, in sentences.
    pub finding: Vec<String>,
    /// Runs that are in no figure.
    pub left_out: usize,
    /// What is not as it was probably meant, in sentences.
    pub notices: Vec<String>,
}

/// Reads the runs and writes the report.
///
/// # Errors
/// [`crate::Error::Input`] for folders without runs, a log with a line that is none of a study's, or a folder that is
/// not to be written to; and what the file system refuses. Damaged and unfinished runs are no error: the report names them.
pub fn report(request: &Request) -> Result<Written> {
    out::check(&request.out)?;
    let content = content(request)?;
    let (made, groups) = render(&content, &request.formats)?;
    out::write(&request.out, &made)?;
    Ok(Written {
        groups,
        finding: content.finding(),
        left_out: content.left_out.len(),
        notices: content.studies.iter().flat_map(Study::notices).collect(),
    })
}

fn content(request: &Request) -> Result<Content> {
    // What is quickly read is refused first.
    let logs: Vec<Imported> = request
        .logs
        .par_iter()
        .map(StudyLog::read)
        .collect::<Result<_>>()?;
    let sources = logs.iter().map(|log| Source {
        label: log.label.clone(),
        file: log.file.clone(),
        sha256: log.sha256.clone(),
    });
    let sources = sources.collect();
    let (runs, mut left_out) = gather::gather(&request.folders)?;
    let studies = series::studies(runs, logs, &mut left_out)?;
    left_out.sort();
    let comparisons = studies
        .iter()
        .map(|study| compare::comparisons(study, request.forgetting));
    Ok(Content {
        comparisons: comparisons.collect(),
        studies,
        left_out,
        forgetting: request.forgetting,
        sources,
    })
}

/// Files by name, and the lines that name them in groups.
type Rendered = (Vec<(String, Vec<u8>)>, Vec<String>);

fn render(content: &Content, formats: &[Format]) -> Result<Rendered> {
    let document = content.document();
    let pictures = formats.contains(&Format::Svg);
    let (mut made, mut groups) = (Vec::new(), Vec::new());
    for format in Format::ALL.into_iter().filter(|f| formats.contains(f)) {
        let files: Vec<(String, Vec<u8>)> = match format {
            Format::Html => vec![("index.html".into(), html::page(&document).into_bytes())],
            Format::Markdown => {
                let text = markdown::markdown(&document, pictures);
                vec![("report.md".into(), text.into_bytes())]
            }
            Format::Latex => vec![("report.tex".into(), tex::tables(&document).into_bytes())],
            Format::Csv => csv::files(content)?,
            Format::Svg => document
                .figures()
                .map(|f| {
                    (
                        format!("figures/{}.svg", f.stem),
                        f.svg.clone().into_bytes(),
                    )
                })
                .collect(),
        };
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            groups.push(names.join(" "));
        }
        made.extend(files);
    }
    Ok((made, groups))
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
