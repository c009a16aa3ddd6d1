//! [`Shared`]: the inbox, the calls and threads that wait for it, and the path of a record into it.
//!
//! The invariant: before a call waits, it has checked that it is not one of this queue's writers and is in the
//! process of the writers, and it has woken a writer if none runs.

use std::sync::{Arc, Mutex as StdMutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::completion::CompletionWaiter;
use super::failed::Failed;
use super::inbox::{Inbox, Unwritten};
use super::locks::{self, Condvar, Mutex, MutexGuard};
use super::log::QueuedLog;
use crate::clock::Time;
use crate::config::{QueueSettings, WhenDurable, WhenFull};
use crate::error::{Error, Kind};
use crate::locks::LockExt as _;
use crate::process::threads::ProcessId;

#[derive(Debug)]
pub(super) struct Shared<L> {
    settings: QueueSettings,
    /// The process of the writers.
    process: ProcessId,
    inbox: Mutex<Inbox<L>>,
    /// Wakes the active writer.
    pub(super) work: Condvar,
    /// Wakes the thread that stands by.
    pub(super) standby: Condvar,
    /// Wakes the calls that wait for room.
    pub(super) room: Condvar,
    /// Wakes the calls that wait for records to be written, or for the threads to end.
    pub(super) written: Condvar,
    /// Taken while no other lock is held, and never by a call that logs.
    pub(super) threads: StdMutex<Vec<JoinHandle<()>>>,
}

impl<L: QueuedLog> Shared<L> {
    pub(super) fn new(settings: QueueSettings) -> Shared<L> {
        Shared {
            settings,
            process: ProcessId::current(),
            // A limit that is larger than the address space has no effect.
            inbox: Mutex::new(Inbox::new(usize::try_from(settings.limit).unwrap_or(usize::MAX))),
            work: Condvar::new(),
            standby: Condvar::new(),
            room: Condvar::new(),
            written: Condvar::new(),
            threads: StdMutex::default(),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Inbox<L>> {
        locks::lock(&self.inbox)
    }

    /// Takes the lock for a call of the application. If the lock is held, its holder may be in the process that this
    /// one was forked from: then no thread would release it.
    #[inline]
    fn lock_or_fail(&self) -> Result<MutexGuard<'_, Inbox<L>>, Error> {
        match locks::try_lock(&self.inbox) {
            Some(inbox) => Ok(inbox),
            None => self.lock_contended(),
        }
    }

    #[cold]
    fn lock_contended(&self) -> Result<MutexGuard<'_, Inbox<L>>, Error> {
        match locks::try_lock_again(&self.inbox) {
            Some(inbox) => Ok(inbox),
            None if self.process.is_current() => Ok(self.lock()),
            None => Err(no_writer(FORKED)),
        }
    }

    /// Waits until `condvar` is notified, or the time is over: `true`.
    pub(super) fn wait<'a>(
        &'a self,
        condvar: &Condvar,
        inbox: MutexGuard<'a, Inbox<L>>,
        timeout: Option<Duration>,
    ) -> (MutexGuard<'a, Inbox<L>>, bool) {
        locks::wait(condvar, &self.inbox, inbox, timeout)
    }

    /// Adds one record of a log. With `durable: wait`, a durable record is on disk when this returns `Ok`.
    #[inline]
    pub(super) fn enqueue(
        &self,
        log: &Arc<L>,
        record: &[u8],
        time: Time,
        durable: bool,
    ) -> Result<(), Error> {
        let mut inbox = match self.lock_or_fail() {
            Ok(inbox) => inbox,
            Err(err) => return Err(lost(&**log, err, time)),
        };
        if durable || inbox.is_closed() || !inbox.has_room(log) {
            return self.enqueue_slow(inbox, log, record, time, durable);
        }
        let earlier = inbox.push(log, record, time, false, None);
        let wakes = inbox.should_wake();
        drop(inbox);
        if wakes {
            self.work.notify_one();
        }
        earlier.map_or(Ok(()), |failed| Err(failed.into_error()))
    }

    /// Slow path of `enqueue`: the record is durable, or there is no room for it.
    #[cold]
    fn enqueue_slow<'a>(
        &'a self,
        inbox: MutexGuard<'a, Inbox<L>>,
        log: &Arc<L>,
        record: &[u8],
        time: Time,
        durable: bool,
    ) -> Result<(), Error> {
        match self.enqueue_with_completion(inbox, log, record, time, durable) {
            Ok((None, earlier)) => earlier.map_or(Ok(()), |failed| Err(failed.into_error())),
            Ok((Some(waiter), earlier)) => {
                let own = waiter.wait();
                let mut inbox = self.lock();
                inbox.waiters.push(waiter);
                match (own, earlier) {
                    (Ok(()), Some(failed)) => Err(failed.into_error()),
                    (own, failed) => {
                        failed.into_iter().for_each(|failed| inbox.keep_failed(log, failed));
                        own
                    }
                }
            }
            Err(err) => Err(lost(&**log, err, time)),
        }
    }

    /// Adds the record. Returns what the caller must wait for, and the failure of earlier records.
    fn enqueue_with_completion<'a>(
        &'a self,
        mut inbox: MutexGuard<'a, Inbox<L>>,
        log: &Arc<L>,
        record: &[u8],
        time: Time,
        durable: bool,
    ) -> Result<(Option<CompletionWaiter>, Option<Box<Failed>>), Error> {
        let waits = durable && self.settings.durable == WhenDurable::Wait;
        self.check_open(&inbox)?;
        if waits {
            self.check_can_wait(&mut inbox)?;
        }
        while !inbox.has_room(log) {
            if self.settings.when_full == WhenFull::Drop && !waits {
                inbox.drop_record(log, time);
                return Ok((None, None));
            }
            self.check_can_wait(&mut inbox)?;
            if inbox.hurry() {
                self.work.notify_one();
            }
            inbox.room_waiters += 1;
            inbox = self.wait(&self.room, inbox, None).0;
            inbox.room_waiters -= 1;
            self.check_open(&inbox)?;
        }
        let waiter = waits.then(|| inbox.waiters.pop().unwrap_or_else(CompletionWaiter::new));
        let completion = waiter.as_ref().map(CompletionWaiter::completion);
        let earlier = inbox.push(log, record, time, durable, completion);
        let wakes = inbox.should_wake();
        drop(inbox);
        if wakes {
            self.work.notify_one();
        }
        Ok((waiter, earlier))
    }

    /// Waits until all records that were enqueued before this call, of one log or of all, are written or known to be
    /// lost. `false`: the deadline came first.
    ///
    /// # Errors
    ///
    /// No writer will write the records.
    pub(super) fn flush(&self, of: Option<&L>, deadline: Option<Instant>) -> Result<bool, Error> {
        let mut inbox = self.lock_or_fail()?;
        if inbox.is_copy {
            return Err(no_writer(FORKED));
        }
        let mut watermark = inbox.watermark(of);
        while let Some(log) = inbox.first_below(&mut watermark) {
            self.check_can_wait(&mut inbox)?;
            let Some(timeout) = time_left(deadline) else { return Ok(false) };
            if inbox.hurry() {
                self.work.notify_one();
            }
            let awaited = inbox.await_log(log);
            inbox = self.wait(&self.written, inbox, timeout).0;
            inbox.no_longer_await(awaited);
        }
        Ok(true)
    }

    /// Lets the writers end when everything is written. It does not wait.
    fn begin_close(&self) {
        let Ok(mut inbox) = self.lock_or_fail() else { return };
        if std::mem::replace(&mut inbox.is_closing, true) {
            return;
        }
        let wakes = inbox.writers.should_wake(true);
        drop(inbox);
        if wakes {
            self.work.notify_one();
        }
        self.standby.notify_all();
        self.room.notify_all();
    }

    /// Waits until the writers have ended, or until the deadline. Returns the records that are not written then. The
    /// writers continue with them while the process runs.
    pub(super) fn close(&self, deadline: Option<Instant>) -> Vec<Unwritten<L>> {
        if !self.process.is_current() {
            // The threads belong to the process that this one was forked from.
            std::mem::forget(std::mem::take(&mut *self.threads.lock_any()));
            return Vec::new();
        }
        self.begin_close();
        let mut inbox = self.lock();
        while !inbox.writers.are_gone() && !inbox.writers.is_one_of_them() {
            let Some(timeout) = time_left(deadline) else { break };
            inbox = self.wait(&self.written, inbox, timeout).0;
        }
        let are_gone = inbox.writers.are_gone();
        let unwritten = inbox.unwritten();
        drop(inbox);
        let threads = std::mem::take(&mut *self.threads.lock_any());
        if are_gone {
            // The threads have only to return.
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        unwritten
    }

    /// The errors that no call has returned. In a copy of the process there are none: the original reports them.
    pub(super) fn take_failed(&self) -> Vec<(Arc<L>, Failed)> {
        match self.process.is_current() {
            true => self.lock().take_failed(),
            false => Vec::new(),
        }
    }

    fn check_open(&self, inbox: &Inbox<L>) -> Result<(), Error> {
        match (inbox.is_copy, inbox.is_closing) {
            (true, _) => Err(no_writer(FORKED)),
            (_, true) => Err(no_writer("the sink is closed")),
            _ => Ok(()),
        }
    }

    /// Checks, by a system call, that a writer of this process will do what the caller waits for.
    ///
    /// A writer that logs, say in a panic hook, must not wait for itself.
    fn check_can_wait(&self, inbox: &mut Inbox<L>) -> Result<(), Error> {
        if !self.process.is_current() {
            let err = no_writer(FORKED);
            if !inbox.is_copy {
                inbox.abandon(&err);
            }
            return Err(err);
        }
        if inbox.writers.is_one_of_them() {
            return Err(no_writer("its writer thread cannot wait for itself"));
        }
        Ok(())
    }
}

/// The time that is left until the deadline. `None`: the deadline is over. `Some(None)`: there is no deadline.
fn time_left(deadline: Option<Instant>) -> Option<Option<Duration>> {
    let Some(deadline) = deadline else { return Some(None) };
    let left = deadline.saturating_duration_since(Instant::now());
    (!left.is_zero()).then_some(Some(left))
}

/// Counts this call's record as lost.
#[cold]
fn lost<L: QueuedLog>(log: &L, why: Error, time: Time) -> Error {
    log.record_loss(1, &why, time);
    why
}

const FORKED: &str = "the queue's writer thread is in the process that this one was forked from";

fn no_writer(why: &'static str) -> Error {
    Error::from(Kind::NoWriter { why })
}
