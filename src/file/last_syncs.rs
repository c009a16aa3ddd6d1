//! [`LastSyncs`]: the syncs of those descriptors of a log that are synced before they are closed, on another thread.
//!
//! A forgotten log is synced with its whole file system. Where that is not possible, each descriptor is synced before it
//! is closed. The invariant: a log is not forgotten while such a sync is under way, and its failure is the log's.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use super::open::{Descriptor, OpenFile};
use super::{sys, LogFile};
use crate::locks::LockExt as _;
use crate::process::threads::ProcessId;

#[derive(Debug)]
pub(super) struct LastSyncs {
    log: Weak<LogFile>,
    /// The process that has the threads which make the syncs. In a child by fork(2) nobody waits for them.
    process: ProcessId,
    under_way: Mutex<usize>,
    ended: Condvar,
}

/// A descriptor that is synced and then closed when this is dropped.
pub(super) struct LastSync {
    /// None only while this is dropped.
    descriptor: Option<Arc<Descriptor>>,
    of: Arc<LastSyncs>,
}

impl LastSyncs {
    pub(super) fn new(log: &Weak<LogFile>) -> Arc<LastSyncs> {
        let (log, process) = (Weak::clone(log), ProcessId::current());
        Arc::new(LastSyncs { log, process, under_way: Mutex::default(), ended: Condvar::new() })
    }

    /// The log, as a reference that does not keep it.
    pub(super) fn log(&self) -> &Weak<LogFile> {
        &self.log
    }

    pub(super) fn begin(self: &Arc<Self>, descriptor: Arc<Descriptor>) -> LastSync {
        *self.under_way.lock_any() += 1;
        LastSync { descriptor: Some(descriptor), of: Arc::clone(self) }
    }

    pub(super) fn all_ended(&self) -> bool {
        *self.under_way.lock_any() == 0
    }

    /// Returns when no sync is under way.
    pub(super) fn wait(&self) {
        let mut under_way = self.under_way.lock_any();
        while *under_way > 0 && self.process.is_current() {
            under_way = self.ended.wait(under_way).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for LastSync {
    fn drop(&mut self) {
        let Some(descriptor) = self.descriptor.take() else { return };
        let synced = descriptor.sync_at_last();
        // Closed first: the sync of a folder needs a descriptor.
        drop(descriptor);
        // No reference is kept until this has ended: a log can be forgotten only when no other is left.
        if let Some(log) = self.of.log.upgrade() {
            log.after_last_sync(synced);
        }
        *self.of.under_way.lock_any() -= 1;
        self.of.ended.notify_all();
    }
}

impl LogFile {
    /// Decides what makes durable what is written through a new descriptor, if the log is forgotten before a sync: that of
    /// the file system, or one before the descriptor is closed.
    pub(super) fn choose_last_sync(&self, open: &mut OpenFile) {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let file = open.file().ok();
        match file.and_then(|file| sys::synced_as_a_whole(file, &open.identity, folder)) {
            Some(number) => self.file_system.store(number, Ordering::Relaxed),
            None => open.sync_before_close(&self.last_syncs),
        }
    }

    /// Completes the sync of a file that is closed: makes durable the entries of the file and of its folders, and keeps a
    /// failure for the call that returns it. A folder that no longer exists was moved or deleted by another program.
    fn after_last_sync(&self, synced: io::Result<()>) {
        if let Err(err) = synced {
            self.sync_failed(err);
            return;
        }
        let Some(made) = self.folder_entries.unsynced() else { return };
        let sync = || self.root.sync_entries_of(self.relative());
        match self.retry_with_a_descriptor_freed(sync) {
            Ok(()) => self.folder_entries.synced(made),
            Err(err) if err.is_not_found() => {}
            Err(err) => {
                self.counters.sync_failures.add(1);
                *self.failed_sync.lock_any() = Some(err);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::super::open_files;
    use super::*;
    use crate::clock::Time;
    use crate::file::{Access, RootDir};

    #[test]
    fn a_log_is_not_forgotten_and_a_sync_does_not_return_before_the_last_sync_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let access =
            Access { follow_links: false, file_mode: 0o666, dir_mode: 0o777, rotation: None };
        let root = Arc::new(RootDir::new(dir.path().to_owned(), access));
        let log = LogFile::new(&root, Path::new("w.log"), "", &open_files(Some(4)));
        log.append(b"record\n", Time::now()).unwrap();
        let open = log.retire_open().unwrap();
        assert!(!log.owes_nothing());
        let (on_last_drop, descriptors) = channel();
        open.on_last_drop(on_last_drop);
        drop(open);
        let last_sync = log.last_syncs.begin(descriptors.recv().unwrap());
        assert!(!log.owes_nothing());
        let (returned, returns) = channel();
        let syncing = Arc::clone(&log);
        let sync = thread::spawn(move || returned.send(syncing.sync().is_ok()).unwrap());
        // The file itself is synced before.
        while log.counters.counts().syncs == 0 {
            thread::yield_now();
        }
        assert!(returns.try_recv().is_err());
        drop(last_sync);
        assert!(returns.recv().unwrap());
        sync.join().unwrap();
        assert!(log.owes_nothing());
    }
}
