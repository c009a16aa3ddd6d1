//! The upkeep threads: they compress and delete the rotated files of each log that asks, so that no log call waits
//! for it.
//!
//! The process has one set of upkeep threads, and one of them works at a time: compression needs a processor, and may
//! not take more than one from the application. The first request starts the server, a thread that touches no file.
//! When a log's folder does not answer, its thread stays with that log, and the server starts another thread for the
//! other logs.
//!
//! ```text
//!            nobody works                 no step for `LATE`
//! asked ──────────────────────► working ────────────────────► hanging
//!   ▲        its time comes        │                             │
//!   └────── waiting ◄──── `Later` ─┴─────────────────────────────┘
//! ```
//!
//! A thread that works has a low priority: on a busy machine it may be interrupted for a while at any point. The
//! invariants: an upkeep thread holds no lock that a log call needs; one thread at a time works on a log. Requests
//! are passed by a list without locks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::threads::{self, ProcessId};
use super::HANGING_LOGS;
use crate::locks::LockExt as _;

/// What needs upkeep: a log that is rotated.
pub(crate) trait Upkeep: Send + Sync {
    /// Does everything that can be done now. It MUST call [`step`] after each part that is done.
    fn run(self: Arc<Self>) -> Next;
}

/// Whether an upkeep is to run again without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Done,
    Later,
}

/// The time until the first repetition. The time doubles with each further repetition.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest time between two repetitions. A file that must be watched for a minute is seen again soon after.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

struct Request {
    upkeep: Weak<dyn Upkeep>,
    before: Option<Arc<Request>>,
}

/// A thread that calls [`step`] no more for this long is treated as hanging.
const LATE: Duration = Duration::from_millis(500);

/// The most threads. While [`HANGING_LOGS`] logs hang, one thread is left for the others.
const MOST: usize = HANGING_LOGS + 1;

/// The last request, which holds the requests before it. One list for the process, since its sinks share the threads.
static REQUESTS: ArcSwapOption<Request> = ArcSwapOption::const_empty();

/// The server thread, and the process that it runs in: a copy by fork(2) has no server. The server thread never takes
/// this lock.
static SERVER: Mutex<Option<(ProcessId, Thread)>> = Mutex::new(None);

/// How many steps were made. One count serves all threads, since a thread that hangs makes no steps.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Lets the upkeep run soon. If no thread can be started, the upkeep runs after the next request.
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

/// Notes that the calling thread makes progress.
pub(crate) fn step() {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// An upkeep that is to run again.
struct Waiting {
    upkeep: Weak<dyn Upkeep>,
    since_last: Duration,
    at: Instant,
}

/// An upkeep that a thread is running.
struct Running {
    number: u64,
    upkeep: Weak<dyn Upkeep>,
    /// If the upkeep is to run again, how long it waits before.
    wait: Duration,
    asked_again: bool,
    hangs: bool,
}

type Job = (u64, Weak<dyn Upkeep>);

type Ended = (u64, Next);

struct Schedule {
    /// The requests in their order. A log makes one request at a time, until its upkeep has begun.
    asked: VecDeque<Weak<dyn Upkeep>>,
    waiting: Vec<Waiting>,
    running: Vec<Running>,
    last_number: u64,
    /// The channel to the working thread. When it is dropped, that thread ends after its present upkeep.
    worker: Option<Sender<Job>>,
    ended: (Sender<Ended>, Receiver<Ended>),
    /// The number of steps at the last look, and since when that number has not changed.
    seen: (u64, Instant),
}

/// The server thread: it starts the working threads, and gives each its next upkeep.
fn serve() {
    let mut schedule = Schedule {
        asked: VecDeque::new(),
        waiting: Vec::new(),
        running: Vec::new(),
        last_number: 0,
        worker: None,
        ended: mpsc::channel(),
        seen: (0, Instant::now()),
    };
    loop {
        schedule.take_requests();
        schedule.take_ended();
        let now = Instant::now();
        if schedule.is_somebody_working(now) {
            thread::park_timeout(LATE);
        } else if let Some((upkeep, wait)) = schedule.next(now) {
            schedule.start(upkeep, wait, now);
        } else {
            match schedule.waiting.iter().map(|waiting| waiting.at).min() {
                Some(next) => thread::park_timeout(next - now),
                None => thread::park(),
            }
        }
    }
}

/// A working thread.
fn work(jobs: &Receiver<Job>, ended: &Sender<Ended>, server: &Thread) {
    for (number, upkeep) in jobs {
        let next = upkeep.upgrade().map_or(Next::Done, Upkeep::run);
        // The server does not end.
        let _ = ended.send((number, next));
        server.unpark();
    }
}

impl Schedule {
    fn take_requests(&mut self) {
        let mut request = REQUESTS.swap(None);
        let mut newest_first = Vec::new();
        while let Some(now) = request {
            newest_first.push(Weak::clone(&now.upkeep));
            request = now.before.clone();
        }
        for upkeep in newest_first.into_iter().rev() {
            match self.running.iter_mut().find(|it| Weak::ptr_eq(&it.upkeep, &upkeep)) {
                Some(running) => running.asked_again = true,
                None => {
                    // The file that the upkeep waited for may be free by now. A new request begins with short waits.
                    self.waiting.retain(|other| !Weak::ptr_eq(&other.upkeep, &upkeep));
                    self.asked.push_back(upkeep);
                }
            }
        }
    }

    fn take_ended(&mut self) {
        while let Ok((ended, next)) = self.ended.1.try_recv() {
            let Some(at) = self.running.iter().position(|it| it.number == ended) else { continue };
            let Running { upkeep, wait, asked_again, .. } = self.running.swap_remove(at);
            if asked_again {
                self.asked.push_back(upkeep);
            } else if next == Next::Later {
                self.waiting.push(Waiting { upkeep, since_last: wait, at: Instant::now() + wait });
            }
        }
    }

    /// Whether a working thread makes progress. A thread that hangs is not counted from here on.
    fn is_somebody_working(&mut self, now: Instant) -> bool {
        let all = self.running.len();
        let Some(working) = self.running.iter_mut().find(|running| !running.hangs) else {
            return false;
        };
        let steps = STEPS.load(Ordering::Relaxed);
        if steps != self.seen.0 {
            self.seen = (steps, now);
        }
        working.hangs = now.duration_since(self.seen.1) >= LATE && all < MOST;
        if working.hangs {
            self.worker = None;
        }
        !working.hangs
    }

    /// Returns the next upkeep that is due, and how long that upkeep waits before it runs again.
    fn next(&mut self, now: Instant) -> Option<(Weak<dyn Upkeep>, Duration)> {
        if let Some(asked) = self.asked.pop_front() {
            return Some((asked, FIRST_WAIT));
        }
        let due = self.waiting.iter().position(|waiting| waiting.at <= now)?;
        let Waiting { upkeep, since_last, .. } = self.waiting.swap_remove(due);
        Some((upkeep, (since_last * 2).min(LONGEST_WAIT)))
    }

    fn start(&mut self, upkeep: Weak<dyn Upkeep>, wait: Duration, now: Instant) {
        self.last_number += 1;
        let number = self.last_number;
        let job = (number, Weak::clone(&upkeep));
        if self.worker().is_some_and(|worker| worker.send(job).is_ok()) {
            self.seen = (STEPS.load(Ordering::Relaxed), now);
            self.running.push(Running { number, upkeep, wait, asked_again: false, hangs: false });
        } else {
            // The system has no thread left.
            self.worker = None;
            self.waiting.push(Waiting { upkeep, since_last: wait, at: now + wait });
        }
    }

    /// The working thread. If there is none, it is started now.
    fn worker(&mut self) -> Option<&Sender<Job>> {
        if self.worker.is_none() {
            let (worker, jobs) = mpsc::channel();
            let (ended, server) = (self.ended.0.clone(), thread::current());
            threads::spawn(move || work(&jobs, &ended, &server)).ok()?;
            self.worker = Some(worker);
        }
        self.worker.as_ref()
    }
}
