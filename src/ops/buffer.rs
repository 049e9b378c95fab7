//! Memory that is used again.
//!
//! Fresh memory is given page by page at the first touch, which costs more than what most operations do with it; so what
//! an operation keeps for its backward pass, and what it needs meanwhile, goes from one training step to the next.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// What is free, the longest unused first.
static FREE: Mutex<VecDeque<Vec<f32>>> = Mutex::new(VecDeque::new());

/// Some f32 values, which are unknown at first; they are free for others once this is dropped.
pub(super) struct Buffer(Vec<f32>);

impl Buffer {
    /// `n` values. Where none of this size is free, as much as it takes is taken from what was not used for longest: so
    /// all buffers together grow no larger than the most that was in use at a time.
    pub(super) fn new(n: usize) -> Self {
        if n == 0 {
            return Self(Vec::new());
        }
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = free.iter().rposition(|b| b.len() == n)
            && let Some(mut found) = free.remove(at)
        {
            if cfg!(debug_assertions) {
                // Whoever reads what was never written is found out by the tests.
                found.fill(f32::NAN);
            }
            return Self(found);
        }
        let mut dropped = 0;
        while dropped < n
            && let Some(oldest) = free.pop_front()
        {
            dropped += oldest.len();
        }
        drop(free);
        Self(vec![0.0; n])
    }
}

/// Gives back the memory that operations keep for their next use: for the end of a training.
pub fn give_back() {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    free.clear();
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            let values = std::mem::take(&mut self.0);
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            free.push_back(values);
        }
    }
}
