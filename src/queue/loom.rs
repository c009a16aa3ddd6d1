//! The queue under the model checker loom: its files are compiled here a second time, on loom's locks.
//!
//! loom tries the orders of the threads' steps, and finds a wake-up that is lost as a deadlock. It has no time: a
//! timed wait is over at any moment, after the others had a turn. That a writer is late is an event that the model
//! passes in.

#![allow(
    dead_code,
    clippy::duplicate_mod,
    clippy::unwrap_used,
    reason = "the queue's files, of which a model calls a part; a test says what it expects by failing"
)]

#[path = "completion.rs"]
mod completion;
#[path = "failed.rs"]
mod failed;
#[path = "held.rs"]
mod held;
#[path = "inbox.rs"]
mod inbox;
#[path = "shared.rs"]
mod shared;
#[path = "slots.rs"]
mod slots;
#[path = "watermark.rs"]
mod watermark;
#[path = "writer.rs"]
mod writer;
#[path = "writers.rs"]
mod writers;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use loom::thread::{self, JoinHandle};

use super::{log, QueuedLog, WRITER_FAILED};
use crate::clock::Time;
use crate::config::{QueueSettings, WhenDurable, WhenFull};
use crate::error::Error;
use crate::file::{Batch, BatchOutcome, Gap};
use crate::locks::LockExt as _;
use shared::Shared;
use writer::{run, Role};

/// The locks under the queue, as `locks.rs` has them.
mod locks {
    use std::sync::{PoisonError, TryLockError};
    use std::time::Duration;

    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(super) use loom::thread::{current, ThreadId};

    pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
        match mutex.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(guard)) => Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The model has no pauses.
    pub(super) fn try_lock_again<T>(_: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
        None
    }

    pub(super) fn wait<'a, T>(
        condvar: &Condvar,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> (MutexGuard<'a, T>, bool) {
        match timeout {
            None => (condvar.wait(guard).unwrap_or_else(PoisonError::into_inner), false),
            Some(_) => {
                drop(guard);
                loom::thread::yield_now();
                (lock(mutex), true)
            }
        }
    }
}

/// A model starts its threads itself.
mod threads {
    use std::sync::Arc;

    use super::{QueuedLog, Role, Shared};

    pub(super) fn start<L: QueuedLog>(_: &Arc<Shared<L>>, _: Role) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// A log without a file. It hangs while `hangs` is locked.
struct ModelLog {
    slot: AtomicU64,
    lines: StdMutex<Vec<u8>>,
    hangs: locks::Mutex<()>,
    is_inside: AtomicBool,
    two_were_inside: AtomicBool,
}

impl ModelLog {
    fn new() -> Arc<ModelLog> {
        Arc::new(ModelLog {
            slot: AtomicU64::new(0),
            lines: StdMutex::default(),
            hangs: locks::Mutex::new(()),
            is_inside: AtomicBool::new(false),
            two_were_inside: AtomicBool::new(false),
        })
    }

    fn assert_has(&self, lines: &[u8]) {
        assert_eq!(*self.lines.lock_any(), lines);
        assert!(!self.two_were_inside.load(Ordering::SeqCst));
    }
}

impl QueuedLog for ModelLog {
    fn queue_slot(&self) -> &AtomicU64 {
        &self.slot
    }

    fn append_batch(&self, batch: &Batch) -> BatchOutcome {
        // A panic would pass for a mistake of the log.
        self.two_were_inside
            .fetch_or(self.is_inside.swap(true, Ordering::SeqCst), Ordering::SeqCst);
        drop(locks::lock(&self.hangs));
        let records = (0..batch.len()).map(|record| batch.record(record)[0]);
        self.lines.lock_any().extend(records);
        self.is_inside.store(false, Ordering::SeqCst);
        BatchOutcome::default()
    }

    fn record_loss(&self, _: u64, _: &Error, _: Time) {}

    fn count_dropped(&self) {}

    fn adopt_gap(&self, _: Gap) {}
}

/// A queue with one writer, as its thread is started.
fn queue(limit: u64) -> (Arc<Shared<ModelLog>>, JoinHandle<()>) {
    let shared = Arc::new(Shared::new(QueueSettings {
        limit,
        when_full: WhenFull::Block,
        durable: WhenDurable::Wait,
        drain_timeout: Duration::ZERO,
    }));
    shared.lock().writers.starts();
    (Arc::clone(&shared), thread::spawn(move || run(&shared, Role::Write(0))))
}

impl Shared<ModelLog> {
    fn log(&self, log: &Arc<ModelLog>, record: u8, durable: bool) {
        let time = Time::from(std::time::UNIX_EPOCH);
        self.enqueue(log, &[record, b'\n'], time, durable).unwrap();
    }
}

#[test]
fn what_two_threads_enqueue_is_written_in_order_and_a_flush_covers_it() {
    crate::locks::model(|| {
        let (shared, writer) = queue(100);
        let logs = [ModelLog::new(), ModelLog::new()];
        let other = {
            let (shared, log) = (Arc::clone(&shared), Arc::clone(&logs[0]));
            thread::spawn(move || shared.log(&log, b'b', false))
        };
        shared.log(&logs[1], b'1', false);
        shared.log(&logs[1], b'2', false);
        assert!(shared.flush(None, None).unwrap());
        logs[1].assert_has(b"12");
        other.join().unwrap();
        assert!(shared.close(None).is_empty());
        writer.join().unwrap();
        logs[0].assert_has(b"b");
    });
}

#[test]
fn a_record_that_is_written_without_a_flush_needs_no_other_call() {
    crate::locks::model(|| {
        let (shared, writer) = queue(100);
        let log = ModelLog::new();
        shared.log(&log, b'1', false);
        while log.lines.lock_any().is_empty() {
            thread::yield_now();
        }
        assert!(shared.close(None).is_empty());
        writer.join().unwrap();
    });
}

#[test]
fn each_call_that_waits_for_its_record_is_woken() {
    crate::locks::model(|| {
        let (shared, writer) = queue(100);
        let log = ModelLog::new();
        let other = {
            let (shared, log) = (Arc::clone(&shared), Arc::clone(&log));
            thread::spawn(move || shared.log(&log, b'1', true))
        };
        shared.log(&log, b'2', true);
        other.join().unwrap();
        assert_eq!(log.lines.lock_any().len(), 2);
        assert!(shared.close(None).is_empty());
        writer.join().unwrap();
    });
}

#[test]
fn each_call_that_waits_for_room_is_woken() {
    crate::locks::model(|| {
        let (shared, writer) = queue(1);
        let log = ModelLog::new();
        let other = {
            let (shared, log) = (Arc::clone(&shared), Arc::clone(&log));
            thread::spawn(move || shared.log(&log, b'1', false))
        };
        shared.log(&log, b'2', false);
        shared.log(&log, b'3', false);
        other.join().unwrap();
        assert!(shared.close(None).is_empty());
        writer.join().unwrap();
        assert_eq!(log.lines.lock_any().len(), 3);
    });
}

/// The thread that stands by, at the moment at which it finds the writer late.
fn relieve_when_late(shared: &Arc<Shared<ModelLog>>) {
    loop {
        let mut inbox = shared.lock();
        if inbox.is_drained() {
            inbox.writers.has_ended();
            return shared.written.notify_all();
        }
        let steps = inbox.writers.steps();
        if let Some(number) = inbox.relieve_if_late(steps) {
            drop(inbox);
            return run(shared, Role::Write(number));
        }
        drop(inbox);
        thread::yield_now();
    }
}

#[test]
fn a_log_that_hangs_holds_up_no_other_and_its_order_is_kept() {
    crate::locks::model(|| {
        let (shared, writer) = queue(100);
        let (bad, good) = (ModelLog::new(), ModelLog::new());
        let standby = {
            let shared = Arc::clone(&shared);
            shared.lock().writers.starts();
            shared.lock().writers.standby = Some(writers::Standby::Watching);
            thread::spawn(move || relieve_when_late(&shared))
        };
        let hangs = bad.hangs.lock().unwrap();
        shared.log(&bad, b'1', false);
        shared.log(&good, b'1', true);
        good.assert_has(b"1");
        shared.log(&bad, b'2', false);
        drop(hangs);
        assert!(shared.close(None).is_empty());
        writer.join().unwrap();
        standby.join().unwrap();
        bad.assert_has(b"12");
    });
}
