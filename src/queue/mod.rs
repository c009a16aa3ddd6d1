//! [`Queue`]: one inbox, ordered by log, and the threads that write what waits in it.
//!
//! The invariants: of two records of one log, the one that was enqueued first is written first, from whichever threads
//! they came; one thread at a time writes a log; a log that hangs holds up no other log.
//!
//! # A record's way
//!
//! ```text
//! enqueue(log, record)   lock; while there is no room { wait or drop }; copy the record to the log's slot;
//!                        the log becomes ready; wake the writer if it is time; unlock
//! active writer          lock; take a ready log's records; unlock; append and sync them; lock; finish: wake who waits
//! ```
//!
//! # The active writer
//!
//! ```text
//!              every log of the round is written           nothing came
//!   ┌─────────┐ ─────────────────────────► ┌───────────┐ ────────────────► ┌────────┐
//!   │ Running │                            │ Lingering │                   │ Parked │
//!   └─────────┘ ◄───────────────────────── └───────────┘                   └────────┘
//!        ▲        1 ms is over, or much                                       │
//!        │        waits, or somebody waits                                     │
//!        └─────────────────────────────────────────────────────────────────────┘
//!                                    a record came
//! ```
//!
//! A round is all logs that are ready at its beginning. Where somebody waits (a durable record, a flush, a full
//! queue), the next round begins without lingering. The call that finds the writer Lingering or Parked, and must
//! wake it, sets Running: it alone wakes it.
//!
//! # The thread that stands by
//!
//! ```text
//!   not started ──► Watching ◄──► Resting ──► ended        Resting: while the active writer is Parked, 10 s at most
//!                      │
//!                      │ the active writer took no step between two looks, and other logs are ready
//!                      ▼
//!        it becomes the active writer, and the next thread stands by
//! ```
//!
//! The writer that was relieved finishes the log that it is inside. Then it stands by if no other thread does, or
//! ends. Eight writers can be inside logs that hang. The bytes of a log that hangs do not count against `limit`: it
//! has a half of `limit` to itself, as every log has at most. Each of its own calls waits or drops.
//!
//! # Locks
//!
//! The inbox's lock comes first. Under it are taken, each by itself: a log's lock of its gap, a completion's lock.
//! None of them is held over a system call of a file. `Shared::threads` is taken while no other lock is held.

mod completion;
mod failed;
mod held;
mod inbox;
mod locks;
mod log;
mod shared;
mod slots;
mod threads;
mod watermark;
mod writer;
mod writers;

#[cfg(test)]
mod loom;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use self::inbox::Unwritten;
pub(crate) use self::log::QueuedLog;
use self::shared::Shared;
use self::writer::Role;
use crate::clock::Time;
use crate::config::QueueSettings;
use crate::error::Error;
use crate::file::LogFile;

/// What a call gets whose record the writer dropped by a mistake of ours.
const WRITER_FAILED: &str = "the queue's writer thread has failed";

/// The logging threads' side.
///
/// Dropped, it waits until everything is written, for `drain_timeout` at most: [`close`](Queue::close) also tells
/// what is not.
#[derive(Debug)]
pub(crate) struct Queue<L: QueuedLog = LogFile> {
    shared: Arc<Shared<L>>,
    drain_timeout: Duration,
}

impl<L: QueuedLog> Queue<L> {
    /// Starts a queue with one thread.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`]: the thread cannot be started.
    pub(crate) fn start(settings: QueueSettings) -> Result<Queue<L>, Error> {
        let drain_timeout = settings.drain_timeout;
        let shared = Arc::new(Shared::new(settings));
        shared.lock().writers.starts();
        threads::start(&shared, Role::Write(writers::FIRST_WRITER))
            .map_err(|err| Error::config("queue", format!("cannot start its thread: {err}")))?;
        Ok(Queue { shared, drain_timeout })
    }

    /// Adds one record of a log, which ends with `\n`. With `durable: wait`, a durable one is on disk when this
    /// returns `Ok`.
    ///
    /// # Errors
    ///
    /// [`Error::is_earlier_record`] and [`Error::is_rotation`]: this record is queued, or on disk if it is durable, and
    /// one before it failed after its call had returned. [`Error::is_queue`]: the record is lost, since this process has no
    /// writer (fork(2)). Others: why a durable record is not on disk.
    #[inline]
    pub(crate) fn enqueue(
        &self,
        log: &Arc<L>,
        record: &[u8],
        time: Time,
        durable: bool,
    ) -> Result<(), Error> {
        self.shared.enqueue(log, record, time, durable)
    }

    /// Returns when everything that was enqueued before is in the kernel, or known to be lost.
    ///
    /// # Errors
    ///
    /// [`Error::is_queue`]: no writer will write it.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.shared.flush(None, None).map(drop)
    }

    /// Returns when everything that was enqueued before for one log is in the kernel, or known to be lost.
    ///
    /// # Errors
    ///
    /// [`Error::is_queue`]: no writer will write it.
    pub(crate) fn flush_log(&self, log: &L) -> Result<(), Error> {
        self.shared.flush(Some(log), None).map(drop)
    }

    /// The same for at most this long: whether everything is.
    pub(crate) fn flush_timeout(&self, timeout: Duration) -> bool {
        // A time that the clock cannot hold is none.
        let deadline = Instant::now().checked_add(timeout);
        self.shared.flush(None, deadline).unwrap_or(false)
    }

    /// How long a drop waits.
    pub(crate) fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }

    /// How many records of which log are not written.
    pub(crate) fn unwritten(&self) -> Vec<Unwritten<L>> {
        self.shared.lock().unwritten()
    }

    /// Why records failed whose calls had returned, of each log: what no later call was there to return.
    pub(crate) fn take_errors(&self) -> Vec<Error> {
        let failed = self.shared.take_failed();
        failed.into_iter().map(|(_, failed)| failed.into_last_error()).collect()
    }

    /// Closes the queue: waits for at most this long until all is written. Returns what is not; the threads go on
    /// with it for as long as the process runs.
    pub(crate) fn close(&mut self, timeout: Duration) -> Vec<Unwritten<L>> {
        // The drop waits no second time.
        self.drain_timeout = Duration::ZERO;
        self.shared.close(Instant::now().checked_add(timeout))
    }
}

impl<L: QueuedLog> Drop for Queue<L> {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.close(self.drain_timeout);
    }
}
