//! Work done ahead on several threads, handed over in order.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::{Error, Result, crash};

/// Results of jobs `first..end`, made ahead of their use. Job `first + k` is done by thread `k` modulo the
/// number of threads, so results come in order whatever that number is. Dropped, its threads end after the
/// jobs they are at.
pub struct Prefetch<T> {
    receivers: Vec<Receiver<Result<T>>>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
    end: usize,
    first: usize,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Begins. Each thread makes up to `ahead` results more than are asked for, and the one it is at.
    pub(super) fn new(
        [first, end]: [usize; 2],
        threads: usize,
        ahead: usize,
        job: impl Fn(usize) -> Result<T> + Send + Sync + 'static,
    ) -> Self {
        let threads = threads.clamp(1, end.saturating_sub(first).max(1));
        let job = Arc::new(job);
        let mut all = Self {
            receivers: Vec::new(),
            threads: Vec::new(),
            next: first,
            first,
            end: end.max(first),
        };
        for k in 0..threads {
            let (sender, receiver) = sync_channel(ahead);
            let job = Arc::clone(&job);
            let work = move || {
                for i in (first + k..end).step_by(threads) {
                    crash::on_demand("loader");
                    let result = job(i);
                    let last = result.is_err();
                    // Nobody listens any more, or nothing more will come.
                    if sender.send(result).is_err() || last {
                        return;
                    }
                }
            };
            // Without a thread the receiver finds its sender gone, and says so.
            let thread = std::thread::Builder::new()
                .name("loader".into())
                .spawn(work);
            all.receivers.push(receiver);
            all.threads.extend(thread);
        }
        all
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        let which = (self.next - self.first) % self.receivers.len().max(1);
        let result = self.receivers.get(which).and_then(|r| r.recv().ok());
        let result = result.unwrap_or_else(|| {
            Err(Error::internal(
                "a loader thread ended before its last batch",
            ))
        });
        self.next = if result.is_ok() {
            self.next + 1
        } else {
            self.end
        };
        Some(result)
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        // The receivers first: a thread that waits for room in its queue wakes up when it is gone.
        self.receivers.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
