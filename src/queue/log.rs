//! [`QueuedLog`]: what the queue asks of a log.
//!
//! [`LogFile`] is the one implementation; the queue's own tests have one that needs no disk and hangs when it is told
//! to.

use std::sync::atomic::AtomicU64;

use crate::clock::Time;
use crate::error::Error;
use crate::file::{Batch, BatchOutcome, Gap, LogFile};

/// A log of one queue. All but `append_batch` are short and make no system call: they are called under the
/// inbox's lock.
pub(crate) trait QueuedLog: Send + Sync + 'static {
    /// A number that the queue keeps with the log, 0 at first. Read and written under the inbox's lock alone.
    fn queue_slot(&self) -> &AtomicU64;

    /// Writes the records, and syncs where one is durable. This may hang for as long as the kernel does.
    fn append_batch(&self, batch: &Batch) -> BatchOutcome;

    /// Counts records that are lost, and lets a line in the file report them.
    fn record_loss(&self, records: u64, why: &Error, time: Time);

    /// Counts one record as lost. The gap that it leaves comes later, by `adopt_gap`.
    fn count_dropped(&self);

    /// Lets a line before the log's next record report records that are counted already.
    fn adopt_gap(&self, gap: Gap);
}

impl QueuedLog for LogFile {
    fn queue_slot(&self) -> &AtomicU64 {
        &self.queue_slot
    }

    fn append_batch(&self, batch: &Batch) -> BatchOutcome {
        let outcome = LogFile::append_batch(self, batch);
        self.close_if_handed_on();
        outcome
    }

    fn record_loss(&self, records: u64, why: &Error, time: Time) {
        LogFile::record_loss(self, records, why, time);
    }

    fn count_dropped(&self) {
        self.counters.lost.add(1);
    }

    fn adopt_gap(&self, gap: Gap) {
        LogFile::adopt_gap(self, gap);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::file::{open_files, Access, RootDir};

    /// The queue's threads continue after the sink is gone, and a scope may have cached the log for longer.
    #[test]
    fn a_batch_of_a_sink_that_is_gone_leaves_no_file_open() {
        let dir = tempfile::tempdir().unwrap();
        let access =
            Access { follow_links: false, file_mode: 0o644, dir_mode: 0o755, rotation: None };
        let root = Arc::new(RootDir::new(dir.path().to_owned(), access));
        let log = LogFile::new(&root, "w.log".as_ref(), " [WARN ] ", &open_files(Some(4)));
        let mut batch = Batch::default();
        batch.push(b"record\n", Time::now(), false);
        assert!(QueuedLog::append_batch(&*log, &batch).failed.is_empty());
        assert!(log.is_open());
        log.hand_on();
        assert!(!log.is_open());
        assert!(QueuedLog::append_batch(&*log, &batch).failed.is_empty());
        assert!(!log.is_open());
        let text = std::fs::read_to_string(dir.path().join("w.log")).unwrap();
        assert_eq!(text, "record\nrecord\n");
    }
}
