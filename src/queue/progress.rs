//! [`Progress`]: how far the writer has come, and who waits for it.
//!
//! Imports the lock, the condition variable and atomics alone, through `super::sync`, so that a model
//! checker can put its own in their place. The invariant: whoever waits is woken when what it waits
//! for has come, or the writer has ended.

use super::sync::{AtomicU32, AtomicU64, Condvar, Mutex, Ordering, PoisonError};

/// Why there is no writer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It ran into a mistake of ours, and panicked.
    Died,
    /// This process is a copy, made by fork(2), which takes one thread along.
    Forked,
}

const RUNS: u32 = 0;
const DIED: u32 = 1;
const FORKED: u32 = 2;

#[derive(Debug)]
pub(crate) struct Progress {
    /// In bytes since the beginning: what was handed over before is in the kernel, or lost.
    written: AtomicU64,
    ended: AtomicU32,
    waiting: Mutex<usize>,
    moved: Condvar,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress {
            written: AtomicU64::new(0),
            ended: AtomicU32::new(RUNS),
            waiting: Mutex::new(0),
            moved: Condvar::new(),
        }
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        match self.ended.load(Ordering::Acquire) {
            RUNS => None,
            DIED => Some(Ended::Died),
            _ => Some(Ended::Forked),
        }
    }

    /// Returns when `enough`, or the writer has ended.
    pub(crate) fn wait(&self, enough: impl Fn(u64) -> bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting += 1;
        while self.ended().is_none() && !enough(self.written()) {
            waiting = self.moved.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        *waiting -= 1;
    }

    /// How many wait now.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By the writer: everything up to here is written.
    pub(crate) fn advance(&self, written: u64) {
        self.written.store(written, Ordering::Release);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if *waiting > 0 {
            self.moved.notify_all();
        }
    }

    /// By the writer, when it ends before its time.
    pub(crate) fn die(&self) {
        self.ended.store(DIED, Ordering::Release);
        let _waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.moved.notify_all();
    }

    /// In the copy of the process. No lock is taken: its holder may not have been copied.
    pub(crate) fn fork(&self) {
        self.ended.store(FORKED, Ordering::Release);
    }
}
