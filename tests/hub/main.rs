//! Models of the hub, from a hub of our own: what comes, what is kept, what is said when nothing comes.

mod search;
mod security;
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use server::{COMMIT, How, Server};

const REPO: &str = "timm/glyph_vit.latin";

const ONE_TASK: &str = r#"
name = "one"
[backbone]
source = "bundled:glyph-vit"
[lora]
rank = 4
[train]
steps = 2
batch_size = 8
lr = 1e-3
weight_decay = 1e-2
warmup = 0.1
[measure]
permutations = 9
[foundation]
data = "bundled:latin"
[[task]]
id = "parity"
data = "bundled:parity"
"#;

fn asset(file: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join("assets/backbones/glyph-vit").join(file)).unwrap()
}

/// A hub with one model, and a cache of our own.
struct World {
    server: Server,
    dir: tempfile::TempDir,
}

impl World {
    fn with(how: How) -> Self {
        let server = Server::start();
        server.put(REPO, "config.json", &asset("config.json"), How::Small);
        server.put(REPO, "model.safetensors", &asset("model.safetensors"), how);
        Self {
            server,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pentimento"));
        for name in [
            "HF_TOKEN",
            "HF_HUB_CACHE",
            "HUGGINGFACE_HUB_CACHE",
            "HF_HUB_OFFLINE",
            "HF_HUB_DOWNLOAD_TIMEOUT",
            "HF_TOKEN_PATH",
            "http_proxy",
            "HTTP_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            command.env_remove(name);
        }
        command
            .current_dir(self.dir.path())
            .env("HF_ENDPOINT", &self.server.endpoint)
            .env("HF_HOME", self.dir.path().join("hf"))
            .args(arguments);
        command
    }

    fn fetch(&self) -> Command {
        let source = format!("backbone.source=hub:{REPO}");
        self.command(&["fetch", "demo", "--set", &source])
    }

    fn snapshot(&self) -> PathBuf {
        let name = REPO.replace('/', "--");
        let cache = self.dir.path().join("hf/hub");
        cache.join(format!("models--{name}/snapshots")).join(COMMIT)
    }

    /// Files of the cache that somebody could take for the model.
    fn kept(&self) -> Vec<u64> {
        let blobs = self.snapshot().join("../../blobs");
        let entries = std::fs::read_dir(blobs).into_iter().flatten().flatten();
        let whole = entries.filter(|e| !e.file_name().to_string_lossy().ends_with(".incomplete"));
        let mut sizes: Vec<u64> = whole.map(|e| e.metadata().unwrap().len()).collect();
        sizes.sort_unstable();
        sizes
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One sentence, and the exit code of a mistake that is not ours.
fn refused(output: &Output, wanted: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for want in wanted {
        assert!(text.contains(want), "{want:?} is not in {text}");
    }
    let own = text.lines().filter(|l| l.starts_with("pentimento: "));
    assert_eq!(own.count(), 1, "{text}");
}

#[test]
fn a_model_is_fetched_once_and_then_used_without_a_network() {
    let world = World::with(How::Large);
    let fetched = world.fetch().output().unwrap();
    assert!(fetched.status.success(), "{}", stderr(&fetched));
    let told = String::from_utf8_lossy(&fetched.stdout).into_owned();
    assert_eq!(Path::new(told.trim()), world.snapshot());
    let requests = world.server.requests();
    let weights = |r: &&String| r.starts_with("GET elsewhere/");
    assert_eq!(requests.iter().filter(weights).count(), 1, "{requests:?}");
    // A run finds it in the cache, and asks nobody.
    let recipe = world.dir.path().join("one.toml");
    std::fs::write(&recipe, ONE_TASK).unwrap();
    let run = |out: &str, set: &[&str]| {
        let mut command = world.command(&["run", "one.toml", "--device", "cpu", "--out", out]);
        for set in set {
            command.args(["--set", set]);
        }
        command.env("HF_ENDPOINT", "http://127.0.0.1:9");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    };
    run("hub", &[&format!("backbone.source=hub:{REPO}")]);
    run("bundled", &[]);
    // The weights alone, with what their config.json said of them.
    std::fs::write(
        world.dir.path().join("alone.safetensors"),
        asset("model.safetensors"),
    )
    .unwrap();
    let config: serde_json::Value = serde_json::from_slice(&asset("config.json")).unwrap();
    let inline = |value: &serde_json::Value| {
        let table: toml::Table = serde_json::from_value(value.clone()).unwrap();
        let keys = table.iter().map(|(k, v)| format!("{k} = {v}"));
        format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
    };
    run(
        "file",
        &[
            "backbone.source=file:alone.safetensors",
            &format!("backbone.architecture={}", config["architecture"]),
            &format!("backbone.model_args={}", inline(&config["model_args"])),
            &format!(
                "backbone.pretrained_cfg={}",
                inline(&config["pretrained_cfg"])
            ),
        ],
    );
    assert_eq!(world.server.requests(), requests);
    let row = |run: &str| {
        let matrix = world.dir.path().join(run).join("export/matrix.csv");
        let text = std::fs::read_to_string(matrix).unwrap();
        let rows = text.lines().filter(|l| !l.starts_with('#'));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("hub"), row("bundled"));
    assert_eq!(row("file"), row("bundled"));
}

#[test]
fn a_revision_that_is_not_there_and_a_name_that_is_not_there_are_named() {
    let world = World::with(How::Large);
    for name in ["timm/none", "timm/glyph_vit.latin@v9"] {
        let source = format!("backbone.source=hub:{name}");
        let output = world
            .command(&["fetch", "demo", "--set", &source])
            .output()
            .unwrap();
        refused(&output, &["the hub has no config.json of", name]);
    }
}

#[test]
fn a_gated_model_says_what_to_do_and_a_token_is_sent_but_never_shown() {
    let world = World::with(How::Gated);
    refused(
        &world.fetch().output().unwrap(),
        &[
            "is gated (401)",
            "accept its terms on huggingface.co/timm/",
            "set HF_TOKEN",
        ],
    );
    let output = world.fetch().env("HF_TOKEN", "hf_SeCrEt").output().unwrap();
    refused(&output, &["with the account of HF_TOKEN"]);
    assert!(!stderr(&output).contains("SeCrEt"));
    let sent = |r: &String| r.contains("bearer hf_secret");
    assert!(world.server.requests().iter().any(sent));
}

#[test]
fn half_a_model_never_counts_and_the_next_try_brings_it() {
    for (how, want) in [
        (How::Cut, "could not be fetched"),
        (How::Changed, "came damaged"),
    ] {
        let world = World::with(how);
        refused(
            &world.fetch().output().unwrap(),
            &[want, "model.safetensors"],
        );
        let config = asset("config.json").len() as u64;
        assert_eq!(world.kept(), [config]);
        assert!(!world.snapshot().join("model.safetensors").exists());
        let bytes = asset("model.safetensors");
        world
            .server
            .put(REPO, "model.safetensors", &bytes, How::Large);
        let again = world.fetch().output().unwrap();
        assert!(again.status.success(), "{}", stderr(&again));
        let model = std::fs::read(world.snapshot().join("model.safetensors")).unwrap();
        assert_eq!(model, bytes);
    }
}

#[test]
fn a_slow_line_tells_how_far_it_is_and_can_be_given_up() {
    let world = World::with(How::Slow);
    let begun = Instant::now();
    let mut child = world.fetch().stderr(Stdio::piped()).spawn().unwrap();
    while !world
        .server
        .requests()
        .iter()
        .any(|r| r.starts_with("GET") && r.contains("model"))
    {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    let status = child.wait().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut text).unwrap();
    assert_eq!(status.code(), Some(130), "{text}");
    assert!(text.contains("model.safetensors  "), "{text}");
    assert!(text.contains(" of 2.7 MB"), "{text}");
    assert!(
        text.contains("stopped before anything was written"),
        "{text}"
    );
    assert!(!world.snapshot().join("model.safetensors").exists());
}

#[test]
fn a_silent_line_is_given_up() {
    let world = World::with(How::Silent);
    let output = world
        .fetch()
        .env("HF_HUB_DOWNLOAD_TIMEOUT", "1")
        .output()
        .unwrap();
    refused(&output, &["nothing came from the hub for 1 s"]);
}

#[test]
fn an_architecture_that_is_not_supported_is_refused_before_its_weights_come() {
    let world = World::with(How::Large);
    let config = br#"{"architecture": "swin_tiny_patch4_window7_224", "num_classes": 10}"#;
    world.server.put(REPO, "config.json", config, How::Small);
    let output = world.fetch().output().unwrap();
    refused(
        &output,
        &[
            "swin_tiny_patch4_window7_224",
            "is not supported",
            "resnetN",
        ],
    );
    let asked = |r: &String| r.contains("model.safetensors");
    assert!(!world.server.requests().iter().any(asked));
}

#[test]
fn the_environment_is_heard() {
    let world = World::with(How::Large);
    let plain = world
        .fetch()
        .env("HF_ENDPOINT", "http://hub.example")
        .output()
        .unwrap();
    refused(&plain, &["HF_ENDPOINT", "is not encrypted"]);
    let none = world.fetch().env("HF_ENDPOINT", "hub").output().unwrap();
    refused(&none, &["HF_ENDPOINT", "is no address of a hub"]);
    let offline = world.fetch().env("HF_HUB_OFFLINE", "1").output().unwrap();
    refused(&offline, &["HF_HUB_OFFLINE is set"]);
    let away = world
        .fetch()
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .output()
        .unwrap();
    refused(
        &away,
        &[
            "could not be fetched",
            "see whether this machine reaches the hub",
        ],
    );
}

fn parquet(split: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let name = format!("{split}-00000-of-00001.parquet");
    std::fs::read(root.join("tests/fixtures/parquet").join(name)).unwrap()
}

#[test]
fn a_data_set_is_fetched_by_the_splits_that_are_needed_and_then_learned_offline() {
    let world = World::with(How::Large);
    for (split, how) in [
        ("train", How::Large),
        ("test", How::Small),
        ("extra", How::Large),
    ] {
        let bytes = match split {
            "extra" => vec![0; 100],
            split => parquet(split),
        };
        let path = format!("data/{split}-00000-of-00001.parquet");
        world.server.put_data("me/shades", &path, &bytes, how);
    }
    world
        .server
        .put_data("me/shades", "README.md", b"shades", How::Small);
    let recipe = world.dir.path().join("one.toml");
    std::fs::write(&recipe, ONE_TASK).unwrap();
    let set = [
        "--set",
        "task.0.id=shades",
        "--set",
        "task.0.data=hub:me/shades",
    ];
    let mut fetch = world.command(&["fetch", "one.toml"]);
    let fetched = fetch.args(set).output().unwrap();
    assert!(fetched.status.success(), "{}", stderr(&fetched));
    let told = String::from_utf8_lossy(&fetched.stdout).into_owned();
    assert!(told.contains("datasets--me--shades"), "{told}");
    let asked = world.server.requests();
    let of = |part: &str| asked.iter().filter(|r| r.contains(part)).count();
    assert_eq!((of("extra-00000"), of("README")), (0, 0), "{asked:?}");
    assert!(of("train-00000") > 0 && of("test-00000") > 0, "{asked:?}");
    // Offline, without a wait, from what was brought.
    let mut run = world.command(&["run", "one.toml", "--device", "cpu", "--out", "R"]);
    run.args(set).env("HF_HUB_OFFLINE", "1");
    let output = run.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(world.server.requests(), asked);
    let matrix = std::fs::read_to_string(world.dir.path().join("R/export/matrix.csv")).unwrap();
    assert!(
        matrix.contains("after_index,after_task,latin,shades"),
        "{matrix}"
    );
    // Another one is not there, and says so.
    let mut other = world.command(&["fetch", "one.toml", "--set", "task.0.data=hub:me/nothing"]);
    refused(&other.output().unwrap(), &["the hub has no", "me/nothing"]);
}

#[test]
fn a_data_set_with_a_name_is_not_taken_for_the_only_one_because_it_alone_was_fetched() {
    let world = World::with(How::Large);
    for (config, split) in [
        ("first", "train"),
        ("first", "test"),
        ("second", "train"),
        ("second", "test"),
    ] {
        let path = format!("{config}/{split}-00000-of-00001.parquet");
        world
            .server
            .put_data("me/two", &path, &parquet(split), How::Small);
    }
    std::fs::write(world.dir.path().join("one.toml"), ONE_TASK).unwrap();
    let fetch = |set: &[&str], environment: &[(&str, &str)]| {
        let mut fetch = world.command(&["fetch", "one.toml", "--set", "task.0.data=hub:me/two"]);
        for set in set {
            fetch.args(["--set", set]);
        }
        fetch.envs(environment.iter().copied()).output().unwrap()
    };
    let named = fetch(&["task.0.config=first"], &[]);
    assert!(named.status.success(), "{}", stderr(&named));
    refused(
        &fetch(&[], &[]),
        &["choose one with `config`, of first, second"],
    );
    // Nobody can be asked: the user decides.
    let away = ("HF_ENDPOINT", "http://127.0.0.1:9");
    refused(&fetch(&[], &[away]), &["HF_HUB_OFFLINE=1"]);
    let offline = fetch(&[], &[away, ("HF_HUB_OFFLINE", "1")]);
    assert!(offline.status.success(), "{}", stderr(&offline));
    // What is named needs no answer.
    let named = fetch(&["task.0.config=first"], &[away]);
    assert!(named.status.success(), "{}", stderr(&named));
}
