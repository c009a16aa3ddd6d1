//! [`SharedSync`]: many threads that share one `fdatasync`.
//!
//! The invariants: when a call returns `Ok`, a sync has succeeded that began after the call did. After one failure,
//! every later call fails without a sync.

use std::sync::{PoisonError, TryLockError};

use super::locks::{Condvar, Mutex};
use crate::process::threads::ProcessId;

/// Shares the syncs of one descriptor. `E` is the reason of a failed sync.
#[derive(Debug)]
pub(crate) struct SharedSync<E> {
    /// The process that the threads are in. In a child by fork(2), a running sync is a copy without its thread.
    process: ProcessId,
    state: Mutex<State<E>>,
    ended: Condvar,
}

#[derive(Debug)]
struct State<E> {
    /// How many syncs have begun: the number of the sync that is running, if one is.
    begun: u64,
    /// The number of the last sync that succeeded.
    done: u64,
    running: bool,
    broken: Option<E>,
}

impl<E: Clone> SharedSync<E> {
    pub(crate) fn new() -> SharedSync<E> {
        let state = State { begun: 0, done: 0, running: false, broken: None };
        let process = ProcessId::current();
        SharedSync { process, state: Mutex::new(state), ended: Condvar::new() }
    }

    /// Whether a sync has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).broken.is_some()
    }

    /// Returns when a sync that began after this call has succeeded. `true` for the one caller whose `sync` it was;
    /// the other callers have waited for it.
    ///
    /// The kernel reports a failed write-back to a descriptor once, and says OK the next time
    /// though the data is gone (<https://lwn.net/Articles/752063/>): so there is no next time.
    pub(crate) fn sync(&self, sync: impl FnOnce() -> Result<(), E>) -> Result<bool, E> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            // In a child by fork(2) the thread that has the lock may be the other process's: nobody here shares
            // its syncs.
            Err(TryLockError::WouldBlock) if !self.process.is_current() => {
                return sync().map(|()| true);
            }
            Err(TryLockError::WouldBlock) => {
                self.state.lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        // A sync that is running now may have begun before the caller's write.
        let wanted = state.begun + 1;
        loop {
            if let Some(err) = &state.broken {
                return Err(err.clone());
            }
            if state.done >= wanted {
                return Ok(false);
            }
            // In a child no thread would end the running sync.
            if !state.running || !self.process.is_current() {
                break;
            }
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.running = true;
        state.begun += 1;
        let number = state.begun;
        drop(state);

        let result = sync();

        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running = false;
        match &result {
            Ok(()) => state.done = number,
            Err(err) => state.broken = Some(err.clone()),
        }
        drop(state);
        self.ended.notify_all();
        result.map(|()| true)
    }
}
