//! What this machine has of what the feature `cuda` needs: a toolkit to build with, a driver and libraries to start with.

use std::path::{Path, PathBuf};

/// What the dynamic linker looks into by itself, on the distributions that clusters run.
const SYSTEM: [&str; 6] = [
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib",
    "/usr/lib/wsl/lib",
    "/usr/local/cuda/lib64",
];
/// Libraries of the toolkit that a binary built with `cuda` is linked with.
const LINKED: [&str; 3] = ["libcublas", "libcurand", "libcudart"];

/// Facts by their names, each with what to do where something is missing. `variable` is the environment.
pub fn facts(variable: &dyn Fn(&str) -> Option<String>) -> [(&'static str, String); 4] {
    let variable = |name: &str| variable(name).filter(|v| !v.is_empty());
    [
        ("cuda toolkit", toolkit(&variable)),
        ("cuda target", target(&variable)),
        ("cuda libs", libraries(&variable)),
        ("cuda driver", driver(&variable)),
    ]
}

/// The folders that a variable lists.
fn listed(value: Option<String>) -> Vec<PathBuf> {
    value
        .map(|v| std::env::split_paths(&v).collect())
        .unwrap_or_default()
}

/// A program of the PATH.
fn program(name: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let mut places = listed(variable("PATH"))
        .into_iter()
        .map(|folder| folder.join(name));
    places.find(|path| path.is_file())
}

/// nvcc, where the build looks first; it tries folders such as /usr/local/cuda too, which are not looked into here.
fn toolkit(variable: &dyn Fn(&str) -> Option<String>) -> String {
    let home = |home: String| Path::new(&home).join("bin/nvcc");
    let nvcc = variable("NVCC")
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .or_else(|| program("nvcc", variable))
        .or_else(|| {
            let home = variable("CUDA_HOME").map(home);
            home.filter(|path| path.is_file())
        });
    match nvcc {
        Some(path) => path.display().to_string(),
        None => "no nvcc: to build with --features cuda load the toolkit's module, or set CUDA_HOME to its folder".into(),
    }
}

/// The GPU that a build would be for.
fn target(variable: &dyn Fn(&str) -> Option<String>) -> String {
    if let Some(chosen) = variable("CUDA_COMPUTE_CAP") {
        return format!("{chosen}, by CUDA_COMPUTE_CAP");
    }
    match program("nvidia-smi", variable) {
        Some(_) => "this machine's GPU, by nvidia-smi".into(),
        None => "unknown without nvidia-smi: to build here set CUDA_COMPUTE_CAP (80 for an A100, 90 for an H100)".into(),
    }
}

fn libraries(variable: &dyn Fn(&str) -> Option<String>) -> String {
    let missing: Vec<&str> = LINKED
        .into_iter()
        .filter(|name| library(&format!("{name}.so."), variable).is_none())
        .collect();
    match missing.as_slice() {
        [] => LINKED.join(", "),
        missing => format!(
            "no {}: a binary with cuda does not start without; put their folder into LD_LIBRARY_PATH",
            missing.join(", ")
        ),
    }
}

fn driver(variable: &dyn Fn(&str) -> Option<String>) -> String {
    match library("libcuda.so.1", variable) {
        Some(path) => path.display().to_string(),
        None => {
            "no libcuda.so.1: there is no NVIDIA driver here, and a binary with cuda does not start"
                .into()
        }
    }
}

/// A file whose name begins so, where the linker looks.
fn library(prefix: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folders = listed(variable("LD_LIBRARY_PATH"));
    let folders = folders.into_iter().chain(SYSTEM.map(PathBuf::from));
    let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok());
    let mut files = files.flatten().flatten();
    let found = files.find(|file| file.file_name().to_string_lossy().starts_with(prefix));
    found.map(|file| file.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_what_is_missing_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for name in ["home/bin/nvcc", "tools/nvidia-smi", "libs/libcuda.so.1"] {
            std::fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        for name in LINKED {
            std::fs::write(dir.path().join(format!("libs/{name}.so.13")), "").unwrap();
        }
        let nowhere = facts(&|_| None).map(|(_, fact)| fact);
        assert!(nowhere[0].contains("CUDA_HOME"), "{nowhere:?}");
        assert!(nowhere[1].contains("CUDA_COMPUTE_CAP"), "{nowhere:?}");
        let all = facts(&|name| {
            Some(match name {
                "CUDA_HOME" => at("home"),
                "PATH" => at("tools"),
                "LD_LIBRARY_PATH" => at("libs"),
                _ => return None,
            })
        });
        assert_eq!(all[0].1, at("home/bin/nvcc"));
        assert!(all[1].1.contains("nvidia-smi"), "{all:?}");
        assert_eq!(all[2].1, LINKED.join(", "));
        assert_eq!(all[3].1, at("libs/libcuda.so.1"));
        let chosen = facts(&|name| (name == "CUDA_COMPUTE_CAP").then(|| "80".into()));
        assert!(chosen[1].1.starts_with("80"), "{chosen:?}");
    }

    #[test]
    fn a_library_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let name = "libno-such-library.so.";
        let only = |n: &str| (n == "LD_LIBRARY_PATH").then(|| dir.path().display().to_string());
        assert_eq!(library(name, &only), None);
        let file = dir.path().join(format!("{name}1"));
        std::fs::write(&file, "").unwrap();
        assert_eq!(library(name, &only), Some(file));
    }
}
