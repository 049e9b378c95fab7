//! The Hugging Face hub: its cache first, then the network, with progress, cancel, and a check of what came.
//!
//! The environment decides as for Python's `huggingface_hub`: HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN,
//! HF_HUB_OFFLINE, and HF_HUB_DOWNLOAD_TIMEOUT (seconds without a byte after which a transfer is given up).

mod cache;
mod check;
mod refusal;
mod search;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};
use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFError};
use tokio::sync::Notify;

use crate::progress::{Onlooker, Progress, Unit};
use crate::{Error, Result};

pub use cache::{cached_models, may_have};
pub use check::other_than;

/// Between two looks at whether the onlooker cancels.
const LOOK: Duration = Duration::from_millis(50);
/// Without a byte for so long, a transfer is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `https://huggingface.co/OWNER/NAME`
    Model,
    /// `https://huggingface.co/datasets/OWNER/NAME`
    Dataset,
}

impl Kind {
    /// What its folders in the cache begin with.
    fn prefix(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }
}

/// A repository at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// What it holds.
    pub kind: Kind,
    /// `timm`
    pub owner: String,
    /// `resnet50.a1_in1k`
    pub name: String,
    /// A branch, a tag or a commit; `main` without one.
    pub revision: Option<String>,
}

impl Repo {
    /// Reads `OWNER/NAME` or `OWNER/NAME@REV`; none where it has another form.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        let (id, revision) = match text.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (text, None),
        };
        let (owner, name) = id.split_once('/')?;
        let plain = |text: &str, more: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && !text.contains("..")
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c) || more.contains(c))
        };
        // A revision such as refs/convert/parquet has slashes.
        (plain(owner, "") && plain(name, "") && revision.is_none_or(|r| plain(r, "/"))).then(|| {
            Self {
                kind,
                owner: owner.into(),
                name: name.into(),
                revision: revision.map(Into::into),
            }
        })
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)?;
        match &self.revision {
            Some(revision) => write!(f, "@{revision}"),
            None => Ok(()),
        }
    }
}

/// The hub as the environment names it.
pub struct Hub {
    client: HFClient,
    offline: bool,
    patience: Duration,
    token: Option<String>,
    endpoint: String,
}

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Within the repository, with `/`.
    pub path: String,
    /// In bytes.
    pub size: u64,
}

impl Hub {
    /// Reads the environment; asks nobody yet.
    ///
    /// # Errors
    /// [`Error::Input`] where HF_ENDPOINT is no URL, or one that would send a token in the clear.
    pub fn new() -> Result<Self> {
        Self::from_environment(|name| std::env::var(name).ok())
    }

    /// The same from other variables than the process's; where the cache is and which token is sent, hf-hub reads itself.
    ///
    /// # Errors
    /// As [`Hub::new`].
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variable = |name: &str| variable(name).filter(|v| !v.is_empty());
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let address = reqwest::Url::parse(&endpoint).map_err(|e| {
            Error::input(format!(
                "HF_ENDPOINT={:?} is no address of a hub ({e}): write one like https://huggingface.co",
                check::without_password(&endpoint)
            ))
        })?;
        let loopback = check::is_loopback(&address);
        if address.scheme() != "https" && !(address.scheme() == "http" && loopback) {
            return Err(Error::input(format!(
                "HF_ENDPOINT={:?} is not encrypted: give an https:// address; http:// is for this machine alone",
                check::without_password(&endpoint)
            )));
        }
        let client = reqwest::Client::builder()
            .https_only(!loopback)
            .redirect(check::redirects())
            .user_agent(concat!("pentimento/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(20))
            .build()
            .map_err(|e| Error::internal(format!("no HTTP client: {e}")))?;
        let client = HFClient::builder()
            .endpoint(endpoint.clone())
            .client(client)
            .build()
            .map_err(|e| Error::input(format!("the hub's client cannot be made: {e}")))?;
        let yes =
            |v: String| matches!(v.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on");
        let seconds = variable("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|v| v.parse::<u64>().ok());
        Ok(Self {
            client,
            offline: variable("HF_HUB_OFFLINE").is_some_and(yes),
            patience: seconds
                .filter(|s| *s > 0)
                .map_or(PATIENCE, Duration::from_secs),
            token: variable("HF_TOKEN"),
            endpoint,
        })
    }

    /// A file of the cache, without asking the network.
    pub fn cached(&self, repo: &Repo, path: &str) -> Option<PathBuf> {
        let call = self.download(repo, path, true, None);
        wait(call, self.patience, &mut crate::progress::Nobody, "", None)
            .ok()?
            .ok()
    }

    /// What the environment says, in a line; never the token.
    pub fn describe(&self) -> String {
        let reach = if self.offline { "offline" } else { "online" };
        let token = if self.token.is_some() {
            "set"
        } else {
            "not set"
        };
        let address = check::without_password(&self.endpoint);
        format!("{address}, {reach}, HF_TOKEN is {token}")
    }

    /// Whether HF_HUB_OFFLINE forbids the network.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// The folder of the cache that holds what was fetched of a repository at its revision.
    pub fn snapshot(&self, repo: &Repo) -> Option<PathBuf> {
        let (client, repo) = (self.client.clone(), repo.clone());
        let call = async move {
            macro_rules! send {
                ($repository:expr) => {
                    $repository
                        .snapshot_download()
                        .maybe_revision(repo.revision)
                        .local_files_only(true)
                        .send()
                        .await
                };
            }
            match repo.kind {
                Kind::Model => send!(client.model(repo.owner, repo.name)),
                Kind::Dataset => send!(client.dataset(repo.owner, repo.name)),
            }
        };
        wait(call, self.patience, &mut crate::progress::Nobody, "", None)
            .ok()?
            .ok()
    }

    /// A file of a repository: the cache's where it is there, else downloaded into it and checked.
    ///
    /// # Errors
    /// [`Error::Input`], one sentence, where the file is not to be had; [`Error::Cancelled`] as soon as the
    /// onlooker cancels. A file that is not whole is never given, and not kept.
    pub fn file(&self, repo: &Repo, path: &str, onlooker: &mut dyn Onlooker) -> Result<PathBuf> {
        if !check::is_inside(path) {
            return Err(Error::input(format!(
                "the hub's {repo} names the file {path:?}, which would leave the cache: it is not fetched"
            )));
        }
        if let Some(file) = self.cached(repo, path) {
            return Ok(file);
        }
        self.online(repo, path)?;
        let hash = self.hash(repo, path, onlooker)?;
        let (news, reports) = channel();
        let call = self.download(repo, path, false, Some(news));
        let what = format!("{repo} {path}");
        let file = wait(call, self.patience, onlooker, &what, Some(reports))?
            .map_err(|e| self.refusal(repo, path, &e))?;
        check::verify(&file, &hash).map_err(|why| {
            check::discard(&file);
            Error::input(format!(
                "{path} of {repo} came damaged from the hub ({why}); nothing of it is kept: try again"
            ))
        })?;
        Ok(file)
    }

    /// The hash that the hub gives for a file, by which it is checked and called in the cache.
    fn hash(&self, repo: &Repo, path: &str, onlooker: &mut dyn Onlooker) -> Result<String> {
        let (client, asked, wanted) = (self.client.clone(), repo.clone(), path.to_owned());
        let call = async move {
            macro_rules! send {
                ($repository:expr) => {
                    $repository
                        .get_file_metadata()
                        .filepath(wanted)
                        .maybe_revision(asked.revision.as_deref())
                        .send()
                        .await
                };
            }
            match asked.kind {
                Kind::Model => send!(client.model(asked.owner, asked.name)),
                Kind::Dataset => send!(client.dataset(asked.owner, asked.name)),
            }
        };
        let what = format!("{repo} {path}");
        let found = wait(call, self.patience, onlooker, &what, None)?
            .map_err(|e| self.refusal(repo, path, &e))?;
        if check::is_hash(&found.etag) && check::is_hash(&found.commit_hash) {
            return Ok(found.etag);
        }
        Err(Error::input(format!(
            "the hub gives no hash for {path} of {repo} by which it could be checked (ETag {:?}, commit {:?}): see \
             whether HF_ENDPOINT is a hub",
            found.etag, found.commit_hash
        )))
    }

    /// The files of a repository below `folder` (all with `""`), in byte-wise order of their paths.
    ///
    /// # Errors
    /// As [`Hub::file`]; what the cache holds cannot tell what the repository has, so this asks the network.
    pub fn list(
        &self,
        repo: &Repo,
        folder: &str,
        onlooker: &mut dyn Onlooker,
    ) -> Result<Vec<Entry>> {
        self.online(repo, "the list of its files")?;
        let (client, repo_, folder) = (self.client.clone(), repo.clone(), folder.to_owned());
        let call = async move {
            let below = (!folder.is_empty()).then_some(folder);
            let mut entries = Vec::new();
            macro_rules! collect {
                ($repository:expr) => {{
                    let repository = $repository;
                    let stream = repository
                        .list_tree()
                        .maybe_revision(repo_.revision)
                        .maybe_path_in_repo(below)
                        .recursive(true)
                        .send()?;
                    futures::pin_mut!(stream);
                    while let Some(entry) = stream.try_next().await? {
                        if let RepoTreeEntry::File { path, size, .. } = entry {
                            entries.push(Entry { path, size });
                        }
                    }
                }};
            }
            match repo_.kind {
                Kind::Model => collect!(client.model(repo_.owner, repo_.name)),
                Kind::Dataset => collect!(client.dataset(repo_.owner, repo_.name)),
            }
            entries.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(entries)
        };
        let what = format!("{repo} files");
        wait(call, self.patience, onlooker, &what, None)?
            .map_err(|e| self.refusal(repo, "the list of its files", &e))
    }

    fn online(&self, repo: &Repo, what: &str) -> Result<()> {
        if !self.offline {
            return Ok(());
        }
        Err(Error::input(format!(
            "{what} of {repo} is not in the hub's cache and HF_HUB_OFFLINE is set: run `pentimento fetch` where \
             there is a network, or unset it"
        )))
    }

    fn download(
        &self,
        repo: &Repo,
        path: &str,
        local: bool,
        news: Option<Sender<(u64, u64)>>,
    ) -> impl Future<Output = Result<PathBuf, HFError>> + Send + 'static {
        let (client, repo, path) = (self.client.clone(), repo.clone(), path.to_owned());
        async move {
            macro_rules! send {
                ($repository:expr) => {
                    $repository
                        .download_file()
                        .filename(path)
                        .maybe_revision(repo.revision)
                        .local_files_only(local)
                        .maybe_progress(news.map(Reporter))
                        .send()
                        .await
                };
            }
            match repo.kind {
                Kind::Model => send!(client.model(repo.owner, repo.name)),
                Kind::Dataset => send!(client.dataset(repo.owner, repo.name)),
            }
        }
    }
}

/// Sends what hf-hub reports; never waits.
struct Reporter(Sender<(u64, u64)>);

impl ProgressHandler for Reporter {
    fn on_progress(&self, event: &ProgressEvent) {
        let ProgressEvent::Download(event) = event else {
            return;
        };
        let report = match event {
            DownloadEvent::Start { total_bytes, .. } => (0, *total_bytes),
            DownloadEvent::Progress { files } => match files.last() {
                Some(file) => (file.bytes_completed, file.total_bytes),
                None => return,
            },
            DownloadEvent::AggregateProgress {
                bytes_completed,
                total_bytes,
                ..
            } => (*bytes_completed, *total_bytes),
            DownloadEvent::Complete => return,
        };
        // Whoever listened may be gone.
        let _ = self.0.send(report);
    }
}

/// Runs `call` on a thread with a runtime of its own, so that the caller may itself be inside one, and tells the
/// onlooker what comes through `reports`.
fn wait<T: Send + 'static>(
    call: impl Future<Output = Result<T, HFError>> + Send + 'static,
    patience: Duration,
    onlooker: &mut dyn Onlooker,
    what: &str,
    reports: Option<std::sync::mpsc::Receiver<(u64, u64)>>,
) -> Result<Result<T, HFError>> {
    let stop = Arc::new(Notify::new());
    let (answer, answers) = channel();
    let heard = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("hub".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let result = runtime.map(|runtime| {
                runtime.block_on(async {
                    tokio::select! {
                        result = call => Some(result),
                        () = heard.notified() => None,
                    }
                })
            });
            let _ = answer.send(result);
        })
        .map_err(Error::io("the hub's thread"))?;
    let mut last = Instant::now();
    let mut moved = 0;
    let stalled = loop {
        match answers.recv_timeout(LOOK) {
            Ok(Ok(Some(result))) => {
                let _ = thread.join();
                return Ok(result);
            }
            Ok(Ok(None)) => break false,
            Ok(Err(e)) => return Err(Error::io("the hub's runtime")(e)),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::internal("the hub's thread ended without an answer"));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Of many reports the newest says it all.
        if let Some((done, total)) = reports.as_ref().and_then(|r| r.try_iter().last()) {
            if done != moved {
                (moved, last) = (done, Instant::now());
            }
            onlooker.tell(&Progress {
                what: what.to_owned(),
                done,
                total,
                unit: Unit::Bytes,
            });
        }
        if onlooker.cancels() {
            stop.notify_one();
            break false;
        }
        if last.elapsed() > patience {
            stop.notify_one();
            break true;
        }
    };
    // The call is dropped at its next await, and with it its connection and its lock.
    let _ = thread.join();
    if stalled {
        return Err(Error::input(format!(
            "{what} could not be fetched: nothing came from the hub for {} s (HF_HUB_DOWNLOAD_TIMEOUT); nothing half \
             counts as the file: try again",
            patience.as_secs()
        )));
    }
    Err(Error::Cancelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_owner_and_name_with_a_revision() {
        let repo = Repo::parse(Kind::Model, "timm/resnet50.a1_in1k").unwrap();
        assert_eq!(
            (repo.owner.as_str(), repo.name.as_str()),
            ("timm", "resnet50.a1_in1k")
        );
        assert_eq!(repo.to_string(), "timm/resnet50.a1_in1k");
        let repo = Repo::parse(Kind::Dataset, "a/b@refs/convert/parquet").unwrap();
        assert_eq!(repo.revision.as_deref(), Some("refs/convert/parquet"));
        for bad in [
            "", "timm", "timm/", "/x", "a/b/c", "a/../b", "a/b@", "a/b@../x", "a b/c", "a/b@x y",
        ] {
            assert_eq!(Repo::parse(Kind::Model, bad), None, "{bad}");
        }
    }
}
