//! The threads on which descriptors are closed.
//!
//! close(2) may wait for a server or a FUSE daemon that does not answer. Therefore no log call closes a file, and no
//! thread that other threads wait for does. The process has one list of descriptors to close. The invariant: each of
//! at most [`MOST`] threads closes one descriptor at a time, so that all other descriptors are closed while
//! [`HANGING_LOGS`] closes hang.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::threads::{self, ProcessId};
use super::HANGING_LOGS;
use crate::locks::LockExt as _;

/// The most threads. While [`HANGING_LOGS`] closes hang, one thread is left for the others.
const MOST: usize = HANGING_LOGS + 1;

/// How long a thread waits for another descriptor before it ends.
const LINGER: Duration = Duration::from_secs(1);

struct Closers {
    waiting: VecDeque<Box<dyn Send>>,
    threads: usize,
    /// How many of the threads wait for a descriptor.
    idle: usize,
    /// The process that has the threads. A child by fork(2) has a copy of the list, and none of the threads.
    process: Option<ProcessId>,
}

/// The process has one list, since threads that close for one sink alone would be idle most of the time.
static CLOSERS: Mutex<Closers> =
    Mutex::new(Closers { waiting: VecDeque::new(), threads: 0, idle: 0, process: None });

/// Wakes a thread when a descriptor waits.
static WORK: Condvar = Condvar::new();

/// Closes a descriptor on another thread, by dropping it there. If no thread can be started, it is closed on this
/// thread.
pub(crate) fn close_elsewhere(descriptor: Box<dyn Send>) {
    let mut closers = CLOSERS.lock_any();
    if closers.threads > 0 && !closers.process.is_some_and(ProcessId::is_current) {
        (closers.threads, closers.idle) = (0, 0);
    }
    closers.waiting.push_back(descriptor);
    if closers.idle < closers.waiting.len() && closers.threads < MOST {
        if threads::spawn(run).is_ok() {
            closers.threads += 1;
            closers.process = Some(ProcessId::current());
        } else if closers.threads == 0 {
            let descriptor = closers.waiting.pop_back();
            drop(closers);
            drop(descriptor);
            return;
        }
    }
    drop(closers);
    WORK.notify_one();
}

fn run() {
    let mut closers = CLOSERS.lock_any();
    loop {
        if let Some(descriptor) = closers.waiting.pop_front() {
            drop(closers);
            drop(descriptor);
            closers = CLOSERS.lock_any();
            continue;
        }
        closers.idle += 1;
        let (waited, timeout) = match WORK.wait_timeout(closers, LINGER) {
            Ok(waited) => waited,
            Err(poisoned) => poisoned.into_inner(),
        };
        closers = waited;
        closers.idle -= 1;
        if timeout.timed_out() && closers.waiting.is_empty() {
            closers.threads -= 1;
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::sync::mpsc::{channel, Receiver, Sender};

    use super::*;

    /// A close that ends when its channel says so.
    struct Hangs(Receiver<()>, Sender<()>);

    impl Drop for Hangs {
        fn drop(&mut self) {
            let _ = self.0.recv();
            let _ = self.1.send(());
        }
    }

    #[test]
    fn eight_closes_that_hang_hold_up_no_other() {
        let (closed, closes) = channel();
        let hang = || {
            let (end, ends) = channel();
            close_elsewhere(Box::new(Hangs(ends, closed.clone())));
            end
        };
        let hung: Vec<Sender<()>> = (0..8).map(|_| hang()).collect();
        for _ in 0..100 {
            drop(hang());
            closes.recv().unwrap();
        }
        hung.into_iter().for_each(|end| {
            drop(end);
            closes.recv().unwrap();
        });
    }
}
