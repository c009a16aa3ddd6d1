//! [`Queue`]: the writer thread of one sink, and what waits for it.
//!
//! Imports `config`, `line`, `scope` and `file`. The logging thread puts its line on a pile; the
//! writer takes all piles, puts their records in the order of their tickets, and appends those of
//! each log with one write. The invariant: of two records for one log, the one that was handed over
//! first stands first, whichever threads they came from.

mod bell;
mod elders;
mod piles;
mod progress;
mod reply;
mod shared;
mod writer;

/// The locks and threads under the state machines of this folder.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    pub(super) use std::sync::{Condvar, Mutex, PoisonError};
    pub(super) use std::thread::{park, park_timeout, Thread};
}

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

pub(crate) use elders::Elders;
use shared::Shared;
use writer::Writer;

use crate::clock::Time;
use crate::config::QueueSettings;
use crate::context::Scope;
use crate::error::{Error, Kind};
use crate::file::LogFile;

/// One thread for all queues that are made, and it is easily found in a list of threads.
const THREAD_NAME: &str = "equipment-log";

/// The logging threads' side. Dropped, it returns when everything is written.
#[derive(Debug)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the writer of a queue for the files that `pattern` stands for.
    pub(crate) fn start(settings: QueueSettings, pattern: &Path) -> Result<Queue, Error> {
        Queue::start_with(settings, pattern, Writer::run)
    }

    fn start_with(
        settings: QueueSettings,
        pattern: &Path,
        run: impl FnOnce(Writer) + Send + 'static,
    ) -> Result<Queue, Error> {
        let shared = Arc::new(Shared::new(settings));
        let elders = Elders::of(pattern);
        let writer = Writer::new(Arc::clone(&shared), elders);
        let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned());
        let thread = thread
            .spawn(move || {
                writer.shared().is_written_by_this_thread();
                run(writer);
            })
            .map_err(|err| Error::config("queue", format!("cannot start its thread: {err}")))?;
        shared.bell.belongs_to(thread.thread().clone());
        elders::add(pattern, &shared);
        Ok(Queue { shared, writer: Some(thread) })
    }

    /// Hands over one record, which ends with `\n`. With `durable: wait`, a durable one is on disk
    /// when this returns `Ok`.
    pub(crate) fn append(
        &self,
        scope: &Scope,
        file: &LogFile,
        record: &[u8],
        durable: bool,
    ) -> Result<(), Error> {
        // Taken before: what is found here is not of this record.
        let earlier = file.queued.take_failed();
        match (self.append_own(scope, file, record, durable), earlier) {
            (own, None) => own,
            (Ok(()), Some((_, rotation))) if rotation.is_rotation() => Err(rotation),
            (Ok(()), Some((records, source))) => {
                Err(Error::from(Kind::Earlier { records, source }))
            }
            (Err(own), Some((records, source))) => {
                file.queued.fail(records, &source);
                Err(own)
            }
        }
    }

    fn append_own(
        &self,
        scope: &Scope,
        file: &LogFile,
        record: &[u8],
        durable: bool,
    ) -> Result<(), Error> {
        match self.shared.hand_over(scope, file, record, durable) {
            // It is counted by whoever lost it.
            Ok(Some(awaited)) => awaited.wait(),
            Ok(None) => Ok(()),
            Err(err) => {
                file.record_loss(1, &err, Time::now());
                Err(err)
            }
        }
    }

    /// Whether the writer is in this process and lives, by a system call.
    pub(crate) fn check_process(&self) -> Result<(), Error> {
        self.shared.check_writer()
    }

    /// Returns when everything that was handed over before is in the kernel, or known to be lost.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.shared.flush()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        if self.shared.is_copy() {
            // The thread is the other process's.
            std::mem::forget(writer);
            return;
        }
        self.shared.bell.stop();
        // It does not panic; if it did, whoever waited was told.
        let _ = writer.join();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::config::{WhenDurable, WhenFull};
    use crate::file::{self, Access, RootDir};

    fn log(root: &Path) -> Arc<LogFile> {
        let access =
            Access { follow_links: false, file_mode: 0o644, dir_mode: 0o755, rotation: None };
        let root = Arc::new(RootDir::new(root.to_owned(), access));
        LogFile::new(&root, Path::new("w.log"), " [WARN ] ", &file::open_files(4))
    }

    fn settings(limit: u64) -> QueueSettings {
        QueueSettings {
            limit,
            when_full: WhenFull::Block,
            durable: WhenDurable::Wait,
            drain_timeout: Duration::from_secs(10),
        }
    }

    /// Nobody waits for a thread that is gone, whatever they waited for, and nobody is told OK.
    #[test]
    fn a_writer_that_panics_is_an_error_to_everyone_and_no_hang() {
        let root = tempfile::tempdir().unwrap();
        let (file, scope) = (log(root.path()), Scope::new("DIES").unwrap());
        let (die, dies) = mpsc::channel::<()>();
        // Full with the first record.
        let queue = Queue::start_with(settings(1), root.path(), move |writer| {
            let _writer = writer;
            let _ = dies.recv();
            std::panic::resume_unwind(Box::new("as if by a mistake of ours"));
        })
        .unwrap();
        let shared = Arc::clone(&queue.shared);
        let (tell, told) = mpsc::channel();
        let append = |durable| queue.append(&scope, &file, b"record\n", durable);
        append(false).unwrap();
        thread::scope(|threads| {
            threads.spawn(|| tell.send(append(false)).unwrap());
            threads.spawn(|| tell.send(append(true)).unwrap());
            threads.spawn(|| tell.send(queue.flush()).unwrap());
            while shared.progress.waiting() < 3 {
                thread::yield_now();
            }
            die.send(()).unwrap();
            for _ in 0..3 {
                let result = told.recv_timeout(Duration::from_secs(30)).unwrap();
                assert!(result.unwrap_err().is_queue());
            }
        });
        assert!(append(false).unwrap_err().is_queue());
        assert!(append(true).unwrap_err().is_queue());
        assert!(queue.flush().unwrap_err().is_queue());
        // What is left is counted by the time the thread has ended.
        drop(queue);
        // What waited, the two that waited for room, and the two after.
        assert_eq!((file.counters.written.get(), file.counters.lost.get()), (0, 5));
    }

    /// As in a panic hook that logs.
    #[test]
    fn a_writer_that_logs_does_not_wait_for_itself() {
        let root = tempfile::tempdir().unwrap();
        let (file, scope) = (log(root.path()), Scope::new("LOGS").unwrap());
        let (hear, heard) = mpsc::channel::<Arc<Queue>>();
        let (tell, told) = mpsc::channel();
        let theirs = (Arc::clone(&file), scope.clone());
        let queue = Queue::start_with(settings(100), root.path(), move |writer| {
            let queue = heard.recv().unwrap();
            let (file, scope) = theirs;
            tell.send(queue.append(&scope, &file, b"info\n", false)).unwrap();
            tell.send(queue.append(&scope, &file, b"error\n", true)).unwrap();
            tell.send(queue.flush()).unwrap();
            drop(queue);
            tell.send(Ok(())).unwrap();
            writer.run();
        });
        let queue = Arc::new(queue.unwrap());
        hear.send(Arc::clone(&queue)).unwrap();
        let next = || told.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(next().is_ok());
        assert!(next().unwrap_err().is_queue());
        assert!(next().unwrap_err().is_queue());
        assert!(next().is_ok());
        drop(queue);
        assert_eq!((file.counters.written.get(), file.counters.lost.get()), (1, 1));
    }
}
