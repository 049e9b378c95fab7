//! A data set of the hub: the parquet files of the splits that are needed, in the hub's cache.

use std::path::{Path, PathBuf};

use super::Request;
use super::parquet::{self, Place};
use crate::hub::{Hub, Repo};
use crate::progress::Onlooker;
use crate::recipe::{DataOptions, Layout};
use crate::{Error, Result};

/// The branch on which the hub keeps parquet copies of data sets that are stored in another form.
const CONVERTED: &str = "refs/convert/parquet";

/// The folder of the cache that holds what is needed, if one does; asks no network.
pub(in crate::data) fn held(
    repo: &Repo,
    options: &DataOptions,
    train: bool,
) -> Result<Option<PathBuf>> {
    let shown = format!("hub:{repo}");
    let request = Request::new(Layout::Parquet, Path::new(&shown), options, train);
    Ok(cached(&Hub::new()?, &branches(repo), &request, true))
}

/// Where a data set's files may lie.
fn branches(repo: &Repo) -> Vec<Repo> {
    let mut branches = vec![repo.clone()];
    if repo.revision.is_none() {
        branches.push(Repo {
            revision: Some(CONVERTED.to_owned()),
            ..repo.clone()
        });
    }
    branches
}

fn cached(hub: &Hub, branches: &[Repo], request: &Request, trusting: bool) -> Option<PathBuf> {
    let mut folders = branches.iter().filter_map(|branch| hub.snapshot(branch));
    folders.find(|folder| parquet::is_complete(request, folder, trusting))
}

/// Brings what is needed into the cache, where it is not there already, and gives the folder that holds it.
pub(in crate::data) fn bring(
    repo: &Repo,
    options: &DataOptions,
    train: bool,
    onlooker: &mut dyn Onlooker,
) -> Result<PathBuf> {
    let hub = Hub::new()?;
    let shown = format!("hub:{repo}");
    let request = Request::new(Layout::Parquet, Path::new(&shown), options, train);
    let branches = branches(repo);
    if let Some(folder) = cached(&hub, &branches, &request, hub.is_offline()) {
        return Ok(folder);
    }
    for branch in &branches {
        let files = match hub.list(branch, "", onlooker) {
            // Not every data set has such a branch; the plain one's answer says more.
            Err(Error::Input(_)) if branch.revision.as_deref() == Some(CONVERTED) => continue,
            Err(Error::Input(why)) if cached(&hub, &branches, &request, true).is_some() => {
                return Err(Error::input(format!(
                    "{why}; with HF_HUB_OFFLINE=1 what the cache has of it is taken"
                )));
            }
            files => files?,
        };
        let places: Vec<Place> = files
            .iter()
            .filter_map(|f| parquet::place(&f.path))
            .collect();
        if places.is_empty() {
            continue;
        }
        let mut folder = None;
        let needed = parquet::needed(&request, &places)?;
        if needed.is_empty() {
            let mut splits: Vec<&str> = places.iter().map(|p| p.split.as_str()).collect();
            splits.sort_unstable();
            splits.dedup();
            return Err(Error::input(format!(
                "{shown} has no parquet files of the splits that are needed: name its own with `train_split` and \
                 `test_split`, of {}",
                splits.join(", ")
            )));
        }
        for place in needed {
            let file = hub.file(branch, &place.path, onlooker)?;
            let depth = place.path.split('/').count();
            folder = file.ancestors().nth(depth).map(Path::to_path_buf);
        }
        return folder.ok_or_else(|| Error::internal("a file of the cache without a folder"));
    }
    Err(Error::input(format!(
        "{shown} has no parquet files, on its own branch and on {CONVERTED}: this program reads no other form from the \
         hub; fetch it and give its folder"
    )))
}
