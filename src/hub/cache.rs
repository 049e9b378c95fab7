//! What the hub's cache on this machine holds, asking nobody.

use std::path::{Path, PathBuf};

use hf_hub::resolve_cache_dir;

use super::{Kind, Repo};

/// Whether the cache may hold something of a repository, by its folder alone.
pub fn may_have(repo: &Repo) -> bool {
    let kind = repo.kind.prefix();
    let name = format!("{kind}--{}--{}", repo.owner, repo.name);
    resolve_cache_dir().join(name).join("snapshots").is_dir()
}

/// Models whose branch `main` the cache has with all of `files`, each with the folder of its snapshot, in order of their
/// names.
pub fn cached_models(files: &[&str]) -> Vec<(Repo, PathBuf)> {
    models_in(&resolve_cache_dir(), files)
}

fn models_in(cache: &Path, files: &[&str]) -> Vec<(Repo, PathBuf)> {
    let entries = std::fs::read_dir(cache).into_iter().flatten().flatten();
    let mut found: Vec<(Repo, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (owner, name) = name.strip_prefix("models--")?.split_once("--")?;
            let repo = Repo::parse(Kind::Model, &format!("{owner}/{name}"))?;
            let commit = std::fs::read_to_string(entry.path().join("refs/main")).ok()?;
            let snapshot = entry.path().join("snapshots").join(commit.trim());
            // A link to a blob that is not there is no file.
            let whole = files.iter().all(|file| snapshot.join(file).is_file());
            whole.then_some((repo, snapshot))
        })
        .collect();
    found.sort_by(|a, b| (&a.0.owner, &a.0.name).cmp(&(&b.0.owner, &b.0.name)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_models_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for (name, files) in [
            ("models--timm--b", &["a", "b"][..]),
            ("models--timm--a.x_1", &["a", "b", "c"]),
            ("models--timm--half", &["a"]),
            ("datasets--timm--c", &["a", "b"]),
            ("models--timm--..", &["a", "b"]),
        ] {
            put(&format!("{name}/refs/main"), "1f");
            for file in files {
                put(&format!("{name}/snapshots/1f/{file}"), "");
            }
        }
        put("models--timm--no-main/snapshots/1f/a", "");
        put("version.txt", "1");
        let found = models_in(dir.path(), &["a", "b"]);
        let names: Vec<String> = found.iter().map(|(repo, _)| repo.to_string()).collect();
        assert_eq!(names, ["timm/a.x_1", "timm/b"]);
        assert!(found[0].1.join("c").is_file());
        assert_eq!(models_in(&dir.path().join("none"), &["a"]), []);
    }
}
