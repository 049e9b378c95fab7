//! Every picture of a set looked at once, so that which ones can be used is settled before anything is learned.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::decode::decode;
use super::encoded::Pictures;
use crate::progress::{Onlooker, Progress};
use crate::{Error, Result};

/// How long a cancel may go unnoticed.
const LOOK: Duration = Duration::from_millis(50);

/// SHA-256 of the bytes of a picture that can be decoded, or why it cannot.
pub(super) type Verdict = Result<[u8; 32], String>;

/// Reads and decodes every picture on `threads` threads. `onlooker` is told how far it is and may end it.
pub(super) fn inspect(
    pictures: &dyn Pictures,
    threads: usize,
    what: &str,
    onlooker: &mut dyn Onlooker,
) -> Result<Vec<Verdict>> {
    let n = pictures.len();
    let verdict = |i: usize| -> Verdict {
        let bytes = pictures.bytes(i)?;
        decode(&bytes)?;
        Ok(Sha256::digest(&bytes).into())
    };
    let unseen = || Err("nobody looked at it".to_string());
    let mut verdicts: Vec<Verdict> = (0..n).map(|_| unseen()).collect();
    let (next, left) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = channel();
    let mut seen = 0;
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, n.max(1)) {
            let sender = sender.clone();
            scope.spawn(|| {
                let sender = sender;
                while !left.load(Ordering::Relaxed) {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= n || sender.send((i, verdict(i))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok((i, verdict)) => {
                    verdicts[i] = verdict;
                    seen += 1;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            onlooker.tell(&Progress::images(what, seen, n));
            if onlooker.cancels() {
                left.store(true, Ordering::Relaxed);
                break;
            }
        }
    });
    if left.into_inner() {
        return Err(Error::Cancelled);
    }
    if seen < n {
        return Err(Error::internal(format!(
            "only {seen} of {n} pictures were looked at"
        )));
    }
    Ok(verdicts)
}
