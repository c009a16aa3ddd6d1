//! The upkeep thread: it does for each log that asks what no log call shall wait for.
//!
//! Imports `sync` and `threads`. One thread for the process: what it does (compression, mostly) needs a processor,
//! and shall not take more than one from the application. It begins with the first request, and ends when there
//! was none for a while. The invariant: no lock is held while an upkeep runs.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::threads::{self, ProcessId};
use crate::sync::LockExt as _;

/// What needs upkeep: a log that is rotated.
pub(crate) trait Upkeep: Send + Sync {
    /// Does all that can be done now. Runs on the upkeep thread.
    fn run(self: Arc<Self>) -> Next;
}

/// Whether an upkeep is to run again without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Done,
    Later,
}

/// The time until the first repetition. It doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest time between two repetitions.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long the thread waits for another request before it ends.
const LINGER: Duration = Duration::from_secs(10);

struct Waiting {
    upkeep: Weak<dyn Upkeep>,
    since_last: Duration,
    at: Instant,
}

struct State {
    ready: VecDeque<Weak<dyn Upkeep>>,
    waiting: Vec<Waiting>,
    /// The process that has the thread: a copy by fork(2) has the lists and not the thread.
    running_in: Option<ProcessId>,
}

/// For the process, since its sinks share the one thread.
static STATE: Mutex<State> =
    Mutex::new(State { ready: VecDeque::new(), waiting: Vec::new(), running_in: None });

/// Wakes the thread when there is a request.
static ASKED: Condvar = Condvar::new();

/// Lets the upkeep run soon. Where no thread can be started it runs after the next request.
pub(crate) fn ask(upkeep: Weak<dyn Upkeep>) {
    let mut state = STATE.lock_any();
    state.ready.push_back(upkeep);
    if !state.running_in.is_some_and(ProcessId::is_current) && threads::spawn(serve).is_ok() {
        state.running_in = Some(ProcessId::current());
    }
    drop(state);
    ASKED.notify_one();
}

/// The thread.
fn serve() {
    let mut idle_since = Instant::now();
    let mut state = STATE.lock_any();
    loop {
        let now = Instant::now();
        if let Some((upkeep, since_last)) = state.take_due(now) {
            drop(state);
            let next = upkeep.upgrade().map_or(Next::Done, Upkeep::run);
            state = STATE.lock_any();
            if next == Next::Later {
                state.repeat(upkeep, since_last);
            }
            idle_since = Instant::now();
            continue;
        }
        let next = state.waiting.iter().map(|waiting| waiting.at).min();
        if next.is_none() && now.duration_since(idle_since) >= LINGER {
            state.running_in = None;
            return;
        }
        let until = next.unwrap_or(idle_since + LINGER);
        let waited = ASKED.wait_timeout(state, until.saturating_duration_since(now));
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

impl State {
    /// The next one that is to run, and the time that it waited if it is repeated.
    fn take_due(&mut self, now: Instant) -> Option<(Weak<dyn Upkeep>, Option<Duration>)> {
        if let Some(upkeep) = self.ready.pop_front() {
            // What it waits for may be there by now; and a new request begins with short waits.
            self.waiting.retain(|waiting| !Weak::ptr_eq(&waiting.upkeep, &upkeep));
            return Some((upkeep, None));
        }
        let due = self.waiting.iter().position(|waiting| waiting.at <= now)?;
        let Waiting { upkeep, since_last, .. } = self.waiting.swap_remove(due);
        Some((upkeep, Some(since_last)))
    }

    fn repeat(&mut self, upkeep: Weak<dyn Upkeep>, since_last: Option<Duration>) {
        let wait = since_last.map_or(FIRST_WAIT, |last| (last * 2).min(LONGEST_WAIT));
        self.waiting.push(Waiting { upkeep, since_last: wait, at: Instant::now() + wait });
    }
}
