//! The README's pictures, made from the real program: it goes through the demo by keys alone in a pseudo-terminal, and
//! what is seen is written as SVG, still and moving, and as a recording that asciinema plays.
//!
//!     cargo build --release && cargo run --release --example pictures -- assets/pictures

mod cast;
mod cells;
mod recorder;
mod scenes;
mod svg;
#[path = "../../../tests/terminal/mod.rs"]
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

fn main() -> Result<()> {
    let to = std::env::args_os().nth(1).map(PathBuf::from);
    let to = to.context("where are the pictures to be written?")?;
    let program = program()?;
    fs::create_dir_all(&to)?;
    let folder = tempfile::tempdir()?;
    scenes::record(&program, folder.path(), &to)
}

/// The program that was built beside this one.
fn program() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().and_then(Path::parent);
    let program = folder
        .context("no folder around this program")?
        .join("pentimento");
    ensure!(program.is_file(), "{} is not built", program.display());
    Ok(program)
}
