//! [`LastSyncs`]: the syncs of those descriptors of a log that are synced before they are closed, on another thread.
//!
//! A forgotten log is synced with its whole file system. Where that is not possible, each descriptor is synced before it
//! is closed. The invariant: a log is not forgotten while such a sync is under way, and its failure is the log's.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::open::{Descriptor, OpenFile};
use super::{sys, LogFile};
use crate::locks::LockExt as _;
use crate::process::threads::ProcessId;

#[derive(Debug)]
pub(super) struct LastSyncs {
    /// The process that has the threads which make the syncs. In a child by fork(2) nobody waits for them.
    process: ProcessId,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    /// The last failure that was not taken.
    failed: Option<io::Error>,
}

/// A descriptor that is synced and then closed when this is dropped.
pub(super) struct LastSync {
    descriptor: Arc<Descriptor>,
    of: Arc<LastSyncs>,
}

impl LastSyncs {
    pub(super) fn new() -> Arc<LastSyncs> {
        let process = ProcessId::current();
        Arc::new(LastSyncs { process, state: Mutex::default(), ended: Condvar::new() })
    }

    pub(super) fn begin(self: &Arc<Self>, descriptor: Arc<Descriptor>) -> LastSync {
        self.state.lock_any().under_way += 1;
        LastSync { descriptor, of: Arc::clone(self) }
    }

    pub(super) fn all_ended(&self) -> bool {
        self.state.lock_any().under_way == 0
    }

    /// Returns when no sync is under way.
    pub(super) fn wait(&self) {
        let mut state = self.state.lock_any();
        while state.under_way > 0 && self.process.is_current() {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.state.lock_any().failed.take()
    }
}

impl Drop for LastSync {
    fn drop(&mut self) {
        let failed = self.descriptor.sync_at_last().err();
        let mut state = self.of.state.lock_any();
        state.under_way -= 1;
        state.failed = failed.or(state.failed.take());
        drop(state);
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
        assert!(log.owes_nothing());
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
