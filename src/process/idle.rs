//! [`IdleWatch`]: closes the files of a sink that had no record for a while, also when nothing at all is logged.
//!
//! The process has one thread for all sinks with an `idle_timeout`. The thread ends with the last of these sinks. The
//! invariant: the thread holds no lock while it closes a file, and holds no sink for longer than one pass.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use super::threads::{self, ProcessId};
use crate::error::Error;
use crate::locks::LockExt as _;

/// How often the thread checks within one timeout: a file is closed at most a quarter of the timeout late.
const LOOKS: u32 = 4;

/// The shortest and the longest time between two checks.
const BETWEEN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(3600));

/// A holder of files that may be idle.
pub(crate) trait Idle: Send + Sync {
    /// Closes each file that had no record for this long, and forgets its log. It MUST NOT wait for a file.
    fn close_idle(&self, timeout: Duration);
}

struct IdleReaper {
    sinks: Vec<Watched>,
    /// The number of the next watch. A sink may have two watches during an edit of its configuration.
    next_number: u64,
    /// The process that has the thread. A child by fork(2) has a copy of the list, and not the thread.
    running_in: Option<ProcessId>,
}

struct Watched {
    number: u64,
    files: Weak<dyn Idle>,
    timeout: Duration,
    /// None: the watch has not begun.
    next_look: Option<Instant>,
}

/// The sinks whose idle files one thread closes: a thread for each sink would do nothing most of the time.
static REAPER: Mutex<IdleReaper> =
    Mutex::new(IdleReaper { sinks: Vec::new(), next_number: 0, running_in: None });

/// Wakes the thread when the list has changed.
static CHANGED: Condvar = Condvar::new();

fn reaper() -> MutexGuard<'static, IdleReaper> {
    REAPER.lock_any()
}

/// From [`begin`](IdleWatch::begin) until this is dropped, the idle files of a sink are closed. It is the number of the
/// watch.
pub(crate) struct IdleWatch(u64);

impl IdleWatch {
    /// Starts the thread, if it does not run. The watch itself has still to begin.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub(crate) fn new(files: Arc<dyn Idle>, timeout: Duration) -> Result<IdleWatch, Error> {
        let mut reaper = reaper();
        let this_process = ProcessId::current();
        if reaper.running_in != Some(this_process) {
            threads::spawn(reap).map_err(|err| {
                let why = format!("the thread that closes idle files cannot be started: {err}");
                Error::config("idle_timeout", why)
            })?;
            reaper.running_in = Some(this_process);
        }
        let number = reaper.next_number;
        reaper.next_number += 1;
        let files = Arc::downgrade(&files);
        reaper.sinks.push(Watched { number, files, timeout, next_look: None });
        Ok(IdleWatch(number))
    }

    pub(crate) fn begin(&self) {
        if let Some(sink) = reaper().sinks.iter_mut().find(|sink| sink.number == self.0) {
            sink.next_look = Some(Instant::now() + between_looks(sink.timeout));
        }
        CHANGED.notify_all();
    }
}

impl Drop for IdleWatch {
    fn drop(&mut self) {
        reaper().sinks.retain(|sink| sink.number != self.0);
        CHANGED.notify_all();
    }
}

fn between_looks(timeout: Duration) -> Duration {
    (timeout / LOOKS).clamp(BETWEEN.0, BETWEEN.1)
}

/// The thread.
fn reap() {
    let mut state = reaper();
    loop {
        let now = Instant::now();
        let due = state.sinks.iter_mut().find(|sink| sink.next_look.is_some_and(|at| at <= now));
        if let Some(sink) = due {
            sink.next_look = Some(now + between_looks(sink.timeout));
            let (files, timeout) = (sink.files.upgrade(), sink.timeout);
            drop(state);
            if let Some(files) = files {
                files.close_idle(timeout);
            }
            state = reaper();
            continue;
        }
        if state.sinks.is_empty() {
            state.running_in = None;
            return;
        }
        let next = state.sinks.iter().filter_map(|sink| sink.next_look).min();
        let wait = next.map_or(BETWEEN.1, |next| next - now);
        state = match CHANGED.wait_timeout(state, wait) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
}
