//! [`for_each_log`]: one call for many logs, any of which may hang.
//!
//! The invariant: while the file systems of up to [`HANGING_LOGS`] logs do not answer, every other log still has its
//! turn.

use std::collections::VecDeque;
use std::sync::{mpsc, Arc, Mutex};

use crate::error::Error;
use crate::file::LogFile;
use crate::locks::LockExt as _;
use crate::process::{threads, HANGING_LOGS};

/// The most threads beside the calling one. While [`HANGING_LOGS`] logs hang, one thread is left for the others.
const MOST_HELPERS: usize = HANGING_LOGS;

/// Calls `f` with every log, also after one has failed. Returns the first error, when all have been called.
pub(super) fn for_each_log(
    logs: Vec<Arc<LogFile>>,
    f: impl Fn(&LogFile) -> Result<(), Error> + Send + Sync + 'static,
) -> Result<(), Error> {
    let helpers = logs.len().saturating_sub(1).min(MOST_HELPERS);
    let turns = Arc::new((Mutex::new(VecDeque::from(logs)), f));
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

type Turns<F> = (Mutex<VecDeque<Arc<LogFile>>>, F);

fn take_turns(
    (logs, f): &Turns<impl Fn(&LogFile) -> Result<(), Error>>,
    failed: &mpsc::Sender<Error>,
) {
    // Not in the condition of the loop: the lock would be held for the turn.
    let next = || logs.lock_any().pop_front();
    while let Some(log) = next() {
        if let Err(err) = f(&log) {
            // The receiver waits for all of them.
            let _ = failed.send(err);
        }
        // Each reference is given back at once: a log can be forgotten only when no other is left.
        drop(log);
    }
}
