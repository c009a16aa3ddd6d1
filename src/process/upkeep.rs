//! The upkeep thread: it does for each log that asks what no log call shall wait for.
//!
//! Imports `sync` and `threads`. One thread for the process: what it does (compression, mostly) needs a processor,
//! and shall not take more than one from the application. It begins with the first request.
//!
//! The thread has a low priority: on a busy machine it may not run for a while, wherever it is. The invariant: it
//! holds no lock that a log call needs. Requests go by a list without locks.

use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

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

struct Request {
    upkeep: Weak<dyn Upkeep>,
    before: Option<Arc<Request>>,
}

/// For the process, since its sinks share the one thread: the last request, which has those before it.
static REQUESTS: ArcSwapOption<Request> = ArcSwapOption::const_empty();

/// The thread of the process, and the process that it is in: a copy by fork(2) has none. Never taken by that thread.
static SERVER: Mutex<Option<(ProcessId, Thread)>> = Mutex::new(None);

/// Lets the upkeep run soon. Where no thread can be started it runs after the next request.
pub(crate) fn ask(upkeep: Weak<dyn Upkeep>) {
    REQUESTS.rcu(|before| {
        Some(Arc::new(Request { upkeep: Weak::clone(&upkeep), before: before.clone() }))
    });
    let mut server = SERVER.lock_any();
    match &*server {
        Some((process, thread)) if process.is_current() => thread.unpark(),
        _ => {
            let started = threads::spawn(serve).ok();
            *server = started.map(|join| (ProcessId::current(), join.thread().clone()));
        }
    }
}

struct Waiting {
    upkeep: Weak<dyn Upkeep>,
    since_last: Duration,
    at: Instant,
}

/// The thread.
fn serve() {
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        let mut request = REQUESTS.swap(None);
        let had_requests = request.is_some();
        while let Some(now) = request {
            // What it waits for may be there by now; and a new request begins with short waits.
            waiting.retain(|other| !Weak::ptr_eq(&other.upkeep, &now.upkeep));
            run(&now.upkeep, FIRST_WAIT, &mut waiting);
            request = now.before.clone();
        }
        let now = Instant::now();
        if let Some(due) = waiting.iter().position(|waiting| waiting.at <= now) {
            let Waiting { upkeep, since_last, .. } = waiting.swap_remove(due);
            run(&upkeep, (since_last * 2).min(LONGEST_WAIT), &mut waiting);
        } else if !had_requests {
            match waiting.iter().map(|waiting| waiting.at).min() {
                Some(next) => thread::park_timeout(next - now),
                None => thread::park(),
            }
        }
    }
}

fn run(upkeep: &Weak<dyn Upkeep>, wait: Duration, waiting: &mut Vec<Waiting>) {
    let next = upkeep.upgrade().map_or(Next::Done, Upkeep::run);
    if next == Next::Later {
        let upkeep = Weak::clone(upkeep);
        waiting.push(Waiting { upkeep, since_last: wait, at: Instant::now() + wait });
    }
}
