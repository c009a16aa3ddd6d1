//! [`for_each`]: one call for many logs or file systems, any of which may hang.
//!
//! The invariant: while up to [`HANGING_LOGS`] of them do not answer, every other one still has its turn.

use std::collections::VecDeque;
use std::sync::{mpsc, Arc, Mutex};

use crate::error::Error;
use crate::locks::LockExt as _;
use crate::process::{threads, HANGING_LOGS};

/// The most threads beside the calling one. While [`HANGING_LOGS`] logs hang, one thread is left for the others.
const MOST_HELPERS: usize = HANGING_LOGS;

/// Calls `f` with every item, also after one has failed. Returns the first error, when all have been called.
pub(super) fn for_each<T: Send + 'static>(
    items: Vec<T>,
    f: impl Fn(&T) -> Result<(), Error> + Send + Sync + 'static,
) -> Result<(), Error> {
    let helpers = items.len().saturating_sub(1).min(MOST_HELPERS);
    let turns = Arc::new((Mutex::new(VecDeque::from(items)), f));
    let (failed, failures) = mpsc::channel();
    for _ in 0..helpers {
        let (turns, failed) = (Arc::clone(&turns), failed.clone());
        // Without a thread, this one takes all turns.
        let _ = threads::spawn(move || {
            take_turns(&turns, &failed);
            // Before the caller is told: nothing of the sink is left in a helper when the call returns.
            drop(turns);
        });
    }
    take_turns(&turns, &failed);
    drop(failed);
    let first = failures.recv();
    // Ends when the last helper has.
    failures.iter().for_each(drop);
    first.map_or(Ok(()), Err)
}

type Turns<T, F> = (Mutex<VecDeque<T>>, F);

fn take_turns<T>(
    (items, f): &Turns<T, impl Fn(&T) -> Result<(), Error>>,
    failed: &mpsc::Sender<Error>,
) {
    // Not in the condition of the loop: the lock would be held for the turn.
    let next = || items.lock_any().pop_front();
    while let Some(item) = next() {
        if let Err(err) = f(&item) {
            // The receiver waits for all of them.
            let _ = failed.send(err);
        }
        // Each reference is given back at once: a log can be forgotten only when no other is left.
        drop(item);
    }
}
