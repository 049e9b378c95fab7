//! A hub that lies, and a token that nobody but the hub may see.

use std::path::Path;

use super::server::How;
use super::{ONE_TASK, REPO, World, asset, refused, stderr};

const TOKEN: &str = "hf_SeCrEtSeCrEtSeCrEt";

/// Everything below a folder, as bytes.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        all.extend(path.as_os_str().as_encoded_bytes());
        match path.is_dir() {
            true => all.extend(all_bytes(&path)),
            false => all.extend(std::fs::read(&path).unwrap_or_default()),
        }
    }
    all
}

fn has(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|w| w == part.as_bytes())
}

#[test]
fn other_bytes_never_become_a_model() {
    for (how, want) in [
        (How::Other, "came damaged from the hub"),
        (How::Unsigned, "gives no hash for model.safetensors"),
        (How::Outside, "gives no hash for model.safetensors"),
        (How::OutsideCommit, "gives no hash for model.safetensors"),
        (
            How::Unencrypted,
            "it sends on to http://, which is not encrypted",
        ),
    ] {
        let world = World::with(how);
        let output = world.fetch().output().unwrap();
        refused(&output, &[want, "model.safetensors", REPO]);
        assert_eq!(world.kept(), [asset("config.json").len() as u64], "{want}");
        assert!(
            !world.snapshot().join("model.safetensors").exists(),
            "{want}"
        );
        // Nothing beside the cache, wherever a name would have led.
        let here: Vec<_> = std::fs::read_dir(world.dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(here, ["hf"], "{want}");
        assert!(!world.dir.path().join("../outside").exists());
        assert!(!world.dir.path().join("hf/outside").exists());
    }
}

#[test]
fn a_model_that_was_changed_in_the_cache_is_not_taken() {
    let world = World::with(How::Large);
    assert!(world.fetch().output().unwrap().status.success());
    let blob = std::fs::canonicalize(world.snapshot().join("model.safetensors")).unwrap();
    let mut bytes = std::fs::read(&blob).unwrap();
    // The lowest bit of a weight.
    let at = bytes.len() - 4;
    bytes[at] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    std::fs::write(world.dir.path().join("one.toml"), ONE_TASK).unwrap();
    let source = format!("backbone.source=hub:{REPO}");
    let run = [
        "run", "one.toml", "--device", "cpu", "--out", "R", "--set", &source,
    ];
    let output = world.command(&run).output().unwrap();
    refused(
        &output,
        &["is not the file that the hub gave", blob.to_str().unwrap()],
    );
}

#[test]
fn a_file_that_would_leave_the_cache_is_not_fetched() {
    let world = World::with(How::Large);
    let bytes = b"not a parquet file";
    for name in ["../../../../train.parquet", "data\\..\\train.parquet"] {
        world.server.put_data("me/shades", name, bytes, How::Small);
        world.server.put_data(
            "me/shades",
            &name.replace("train", "test"),
            bytes,
            How::Small,
        );
        let set = ["--set", "task.0.data=hub:me/shades"];
        let output = world
            .command(&["fetch", "demo"])
            .args(set)
            .output()
            .unwrap();
        let want = match name.contains('/') {
            true => "which would leave the cache",
            false => "has no parquet files of the splits",
        };
        refused(&output, &["me/shades", want]);
        assert!(!has(&all_bytes(world.dir.path()), "not a parquet file"));
    }
}

#[test]
fn an_address_that_is_not_encrypted_is_for_this_machine_alone() {
    let world = World::with(How::Large);
    for (endpoint, want) in [
        ("http://huggingface.co", "is not encrypted"),
        ("http://127.0.0.1.example", "is not encrypted"),
        ("http://localhost.example", "is not encrypted"),
        ("http://10.0.0.1:8080", "is not encrypted"),
        ("ftp://127.0.0.1", "is not encrypted"),
        ("file:///etc", "is not encrypted"),
        ("huggingface.co", "is no address of a hub"),
    ] {
        let output = world.fetch().env("HF_ENDPOINT", endpoint).output().unwrap();
        refused(&output, &["HF_ENDPOINT", want]);
    }
    let password = "http://me:hf_SeCrEt@hub.example";
    let output = world.fetch().env("HF_ENDPOINT", password).output().unwrap();
    refused(&output, &["is not encrypted"]);
    assert!(!stderr(&output).contains("SeCrEt"), "{}", stderr(&output));
}

#[test]
fn a_token_goes_to_the_hub_and_nowhere_else() {
    let world = World::with(How::Away);
    let output = world.fetch().env("HF_TOKEN", TOKEN).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let requests = world.server.requests();
    let (away, home): (Vec<&String>, Vec<&String>) =
        requests.iter().partition(|r| r.starts_with("localhost "));
    let sent = |r: &&&String| r.contains(&TOKEN.to_ascii_lowercase());
    assert!(!away.is_empty());
    assert_eq!(away.iter().filter(sent).count(), 0, "{away:?}");
    assert_eq!(home.iter().filter(sent).count(), home.len(), "{home:?}");
}

#[test]
fn no_output_and_no_file_has_the_token() {
    let mut said = Vec::new();
    for how in [
        How::Gated,
        How::Cut,
        How::Changed,
        How::Other,
        How::Unsigned,
        How::Outside,
        How::Unencrypted,
        How::Echo,
        How::Silent,
        How::Large,
    ] {
        let world = World::with(how);
        let recipe = world.dir.path().join("one.toml");
        std::fs::write(&recipe, ONE_TASK).unwrap();
        let source = format!("backbone.source=hub:{REPO}");
        let mut commands = vec![
            vec!["fetch", "one.toml", "--set", &source],
            vec!["inspect", "hub:timm/none"],
            vec!["doctor"],
        ];
        if how == How::Large {
            let set = [
                "--set",
                "foundation.per_class=1",
                "--set",
                "task.0.per_class=1",
            ];
            let run = [
                "run", "one.toml", "--device", "cpu", "--out", "R", "--set", &source,
            ];
            commands.push([&run[..], &set].concat());
        }
        for arguments in commands {
            let mut command = world.command(&arguments);
            command
                .env("HF_TOKEN", TOKEN)
                .env("HF_HUB_DOWNLOAD_TIMEOUT", "1")
                .env("RUST_LOG", "trace");
            let output = command.output().unwrap();
            said.extend([output.stdout, output.stderr].concat());
        }
        assert!(how != How::Large || world.dir.path().join("R/export/matrix.csv").exists());
        assert!(!has(&all_bytes(world.dir.path()), "SeCrEt"));
    }
    assert!(has(&said, "is gated") && has(&said, "HF_TOKEN is set"));
    assert!(!has(&said, "SeCrEt"), "{}", String::from_utf8_lossy(&said));
    assert!(!has(
        &said.to_ascii_lowercase(),
        &TOKEN.to_ascii_lowercase()
    ));
}
