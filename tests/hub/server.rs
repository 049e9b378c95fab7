//! A hub of one's own: what the real one answers to HEAD and GET of `resolve`, and how lines fail.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha1::Digest;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How a file is given.
#[derive(Clone, Copy, PartialEq)]
pub enum How {
    /// At once, by its git hash, as small files are.
    Small,
    /// By a redirect to another place, by its SHA-256, as large files are.
    Large,
    /// 401, as of a repository whose terms are not accepted.
    Gated,
    /// The line is cut half way.
    Cut,
    /// The head is in order, and then another page comes.
    Changed,
    /// 64 KiB at a time, with rests.
    Slow,
    /// The head comes, and then nothing.
    Silent,
    /// By an ETag that is no hash.
    Unsigned,
    /// By an ETag that leads out of the cache.
    Outside,
    /// By a commit that leads out of the cache.
    OutsideCommit,
    /// Another file of the same length.
    Other,
    /// By a redirect to an address that is not encrypted.
    Unencrypted,
    /// By a redirect to this machine under another name, as large files are.
    Away,
    /// 500, with all that was sent repeated.
    Echo,
}

type Files = BTreeMap<String, (Vec<u8>, How)>;

#[derive(Clone)]
pub struct Server {
    pub endpoint: String,
    files: Arc<Mutex<Files>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            files: Arc::default(),
            log: Arc::default(),
        };
        let shared = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || shared.converse(stream));
            }
        });
        server
    }

    /// Puts a file into a repository, or changes how it is given.
    pub fn put(&self, repo: &str, path: &str, bytes: &[u8], how: How) {
        let at = format!("{repo}/resolve/main/{path}");
        self.files.lock().unwrap().insert(at, (bytes.to_vec(), how));
    }

    /// Puts a file into a data set, whose tree lists it.
    pub fn put_data(&self, repo: &str, path: &str, bytes: &[u8], how: How) {
        self.put(&format!("datasets/{repo}"), path, bytes, how);
    }

    /// The tree of a repository as the hub lists it, if there is such a repository.
    fn tree(&self, path: &str) -> Option<String> {
        let repo = path.strip_prefix("api/")?.split_once("/tree/main")?.0;
        let prefix = format!("{repo}/resolve/main/");
        let files = self.files.lock().unwrap();
        let entries: Vec<serde_json::Value> = files
            .iter()
            .filter_map(|(at, (bytes, _))| {
                let path = at.strip_prefix(&prefix)?;
                Some(serde_json::json!({
                    "type": "file", "path": path, "size": bytes.len(), "oid": "0".repeat(40)
                }))
            })
            .collect();
        (!entries.is_empty()).then(|| serde_json::Value::from(entries).to_string())
    }

    /// What the hub's search answers: its models of an author with `search` in their names, as many as are asked for.
    fn search(&self, path: &str) -> Option<String> {
        let query = path.strip_prefix("api/models?")?;
        let of = |key: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(k, _)| *k == key).map(|(_, value)| value)
        };
        let files = self.files.lock().unwrap();
        let author = format!("{}/", of("author")?);
        let names = files.keys().filter_map(|at| {
            let name = at.strip_suffix("/resolve/main/config.json")?;
            let found = name.starts_with(&author) && name.contains(of("search")?);
            // As the hub does it: more than is read, and other types where nothing is known.
            found.then(|| serde_json::json!({"_id": "1", "id": name, "modelId": name, "gated": false, "likes": 3}))
        });
        let most = of("limit")?.parse().ok()?;
        let models: Vec<serde_json::Value> = names.take(most).collect();
        Some(serde_json::Value::from(models).to_string())
    }

    /// `METHOD path token`, in order.
    pub fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn converse(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut out = stream;
        loop {
            let mut head = String::new();
            loop {
                let mut line = String::new();
                match reader.read_line(&mut line) {
                    Ok(n) if n > 0 => {}
                    _ => return,
                }
                if line == "\r\n" {
                    break;
                }
                head.push_str(&line);
            }
            let mut words = head.split_whitespace();
            let method = words.next().unwrap_or("").to_owned();
            let path = words
                .next()
                .unwrap_or("")
                .trim_start_matches('/')
                .to_owned();
            let host = head.contains("localhost:");
            let token = head
                .lines()
                .find_map(|l| {
                    l.to_ascii_lowercase()
                        .strip_prefix("authorization: ")
                        .map(str::to_owned)
                })
                .unwrap_or_default();
            self.log.lock().unwrap().push(format!(
                "{}{method} {path} {token}",
                if host { "localhost " } else { "" }
            ));
            if !self.answer(&mut out, &method, &path, &head) {
                return;
            }
        }
    }

    /// Whether the connection goes on.
    fn answer(&self, out: &mut TcpStream, method: &str, path: &str, asked: &str) -> bool {
        if path.starts_with("api/models?search=silence") {
            std::thread::sleep(Duration::from_secs(30));
            return false;
        }
        if let Some(json) = self.tree(path).or_else(|| self.search(path)) {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                json.len()
            );
            return out.write_all(head.as_bytes()).is_ok()
                && out.write_all(json.as_bytes()).is_ok();
        }
        let elsewhere = path.strip_prefix("elsewhere/");
        let found = self
            .files
            .lock()
            .unwrap()
            .get(elsewhere.unwrap_or(path))
            .cloned();
        let Some((bytes, how)) = found else {
            let head = "HTTP/1.1 404 Not Found\r\nX-Error-Code: EntryNotFound\r\nContent-Length: 0\r\n\r\n";
            return out.write_all(head.as_bytes()).is_ok();
        };
        let sha256 = hex(&sha2::Sha256::digest(&bytes));
        let git = {
            let mut hash = sha1::Sha1::new();
            hash.update(format!("blob {}\0", bytes.len()));
            hash.update(&bytes);
            hex(&hash.finalize())
        };
        if how == How::Gated {
            let head =
                "HTTP/1.1 401 Unauthorized\r\nX-Error-Code: GatedRepo\r\nContent-Length: 0\r\n\r\n";
            return out.write_all(head.as_bytes()).is_ok();
        }
        if how == How::Echo {
            let said = serde_json::json!({ "error": asked }).to_string();
            let length = said.len();
            let head = format!(
                "HTTP/1.1 400 Bad Request\r\nX-Error-Message: {}\r\nContent-Length: {length}\r\n\r\n",
                asked.replace("\r\n", " ")
            );
            return out.write_all(head.as_bytes()).is_ok()
                && (method == "HEAD" || out.write_all(said.as_bytes()).is_ok());
        }
        let moved = match how {
            How::Large => Some(self.endpoint.clone()),
            How::Away => Some(self.endpoint.replace("127.0.0.1", "localhost")),
            How::Unencrypted => Some("http://hub.example".to_owned()),
            _ => None,
        };
        if let Some(place) = moved.filter(|_| elsewhere.is_none()) {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: {place}/elsewhere/{path}\r\nX-Linked-Etag: \"{sha256}\"\r\n\
                 X-Linked-Size: {}\r\nETag: \"other\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Length: 0\r\n\r\n",
                bytes.len()
            );
            return out.write_all(head.as_bytes()).is_ok();
        }
        let etag = match how {
            How::Small => &git,
            How::Unsigned => "an-etag",
            How::Outside => "../../../../outside",
            _ => &sha256,
        };
        let commit = match how {
            How::OutsideCommit => "../../../../outside",
            _ => COMMIT,
        };
        let head = |length: usize| {
            format!(
                "HTTP/1.1 200 OK\r\nETag: \"{etag}\"\r\nX-Repo-Commit: {commit}\r\nContent-Length: {length}\r\n\r\n"
            )
        };
        if method == "HEAD" {
            return out.write_all(head(bytes.len()).as_bytes()).is_ok();
        }
        let half = &bytes[..bytes.len() / 2];
        match how {
            How::Cut => {
                let _ = out.write_all(head(bytes.len()).as_bytes());
                let _ = out.write_all(half);
                false
            }
            How::Changed => {
                let page = b"<html>the hub is being repaired</html>";
                out.write_all(head(page.len()).as_bytes()).is_ok() && out.write_all(page).is_ok()
            }
            How::Other => {
                let other: Vec<u8> = bytes.iter().map(|b| b ^ 1).collect();
                out.write_all(head(bytes.len()).as_bytes()).is_ok() && out.write_all(&other).is_ok()
            }
            How::Silent => {
                let _ = out.write_all(head(bytes.len()).as_bytes());
                std::thread::sleep(Duration::from_secs(30));
                false
            }
            How::Slow => {
                let mut fine = out.write_all(head(bytes.len()).as_bytes()).is_ok();
                for part in bytes.chunks(1 << 16) {
                    std::thread::sleep(Duration::from_millis(100));
                    fine = fine && out.write_all(part).is_ok();
                }
                fine
            }
            _ => {
                out.write_all(head(bytes.len()).as_bytes()).is_ok() && out.write_all(&bytes).is_ok()
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
