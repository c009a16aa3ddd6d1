//! How the records of a [`LogFile`] are made durable: the append that waits, and the syncs of the open file, of a
//! closed file, and of the folders.
//!
//! The invariant: `Ok` is returned only after a sync that began after the records were written, and that succeeded.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{mpsc, Arc, Weak};

use super::answer::{attempt_sync, Call};
use super::open::{Descriptor, OpenFile};
use super::rotation::FileFor;
use super::{LogFile, PathCheck};
use crate::clock::Time;
use crate::error::{Error, Operation};
use crate::locks::LockExt as _;

impl LogFile {
    /// Appends one record. When this returns `Ok`, the record is on disk, in the file that the path leads to.
    ///
    /// After a failed sync, the record is written once more through a new descriptor, and that descriptor is synced.
    /// A second sync of the old descriptor would return OK though the data is gone.
    pub(crate) fn append_durable(&self, record: &[u8], time: Time) -> Result<(), Error> {
        self.last_used.store(time.nanos(), Ordering::Relaxed);
        let written = self.append_to_current(record, time, PathCheck::Now);
        self.count(&written, time);
        let FileFor { open, rotation_error } = written?;
        match self.sync_open(&open) {
            // Not counted again: it is the same record. The record is in the file, so if the second append fails, the
            // error of the first sync is returned.
            Err(err) if err.may_be_synced_elsewhere() => {
                match self.append_to_current(record, time, PathCheck::Now) {
                    Ok(again) => self.sync_open(&again.open),
                    Err(_) => Err(err),
                }
            }
            result => result,
        }
        .and(rotation_error)
    }

    pub(super) fn sync_open(&self, open: &Arc<OpenFile>) -> Result<(), Error> {
        match open.descriptor().and_then(Descriptor::sync) {
            Ok(first) => self.counters.syncs.add(u64::from(first)),
            Err(err) => {
                self.retire(open);
                return Err(self.sync_failed(err));
            }
        }
        self.sync_new_entries()
    }

    /// Makes the entries of the file and of its folders durable, if any was made since the last sync of them.
    fn sync_new_entries(&self) -> Result<(), Error> {
        let Some(made) = self.folder_entries.unsynced() else { return Ok(()) };
        self.retry_with_a_descriptor_freed(|| self.root.sync_entries_of(self.relative()))
            .inspect_err(|_| self.counters.sync_failures.add(1))?;
        self.folder_entries.synced(made);
        Ok(())
    }

    /// Makes all records durable that were appended before this call.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.covering_all(|| match self.open.load_full() {
            Some(open) => self.sync_open(&open),
            None => self.sync_closed(),
        })
    }

    /// Runs `sync`, unless every written record is covered by an earlier sync, and then notes what it covers. A second
    /// caller waits for the first: what that one is syncing is not on disk yet.
    ///
    /// # Errors
    ///
    /// That of `sync`, or else of a sync that failed since the last call.
    fn covering_all(&self, sync: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let _syncing = self.syncing.lock_any();
        let written = self.counters.written.get();
        let is_covered = self.synced.load(Ordering::Acquire) >= written;
        let synced = if is_covered { Ok(()) } else { sync().and_then(|()| self.sync_rotated()) };
        self.last_syncs.wait();
        let failed = self.take_failed_sync();
        synced?;
        self.synced.store(written, Ordering::Release);
        failed.map_or(Ok(()), Err)
    }

    /// A failed sync that no `sync` or `close` has returned: the kernel may have dropped records that were written
    /// before it, and no later sync brings them back.
    pub(crate) fn take_failed_sync(&self) -> Option<Error> {
        self.failed_sync.lock_any().take()
    }

    /// Syncs what was written before the file was closed. Any descriptor of the file will do: fsync(2) syncs the
    /// file, not the descriptor. A file that no longer exists was moved or deleted by another program.
    fn sync_closed(&self) -> Result<(), Error> {
        match self.retry_with_a_descriptor_freed(|| self.root.open_to_sync(self.relative())) {
            Ok(file) => self.sync_file(&file)?,
            Err(err) if err.is_not_found() => return Ok(()),
            Err(err) => return Err(err),
        }
        self.counters.syncs.add(1);
        self.sync_new_entries()
    }

    /// Syncs a descriptor that was opened for this sync alone.
    pub(super) fn sync_file(&self, file: &File) -> Result<(), Error> {
        let synced = attempt_sync(Call::SyncFile, || file.sync_data());
        synced.map(drop).map_err(|err| self.sync_failed(err))
    }

    pub(super) fn sync_failed(&self, err: io::Error) -> Error {
        self.counters.sync_failures.add(1);
        let err = Error::io(Operation::Sync, &self.path, err);
        *self.failed_sync.lock_any() = Some(err.clone());
        err
    }

    /// Closes the file: waits for the records that are being written, through the open descriptor or a retired one,
    /// and then syncs.
    pub(crate) fn close(&self) -> Result<(), Error> {
        // This thread drops its own reference when the last user of each descriptor is known, so that the descriptor is
        // closed before this returns.
        let own = self.retire_open();
        let has_own = own.is_some();
        let (on_last_drop, last_users) = mpsc::channel();
        let retired: Vec<_> =
            self.retired_in_use.lock_any().iter().filter_map(Weak::upgrade).collect();
        retired.iter().for_each(|open| open.on_last_drop(on_last_drop.clone()));
        drop((own, retired, on_last_drop));
        let descriptors: Vec<Arc<Descriptor>> = last_users.iter().collect();
        self.covering_all(|| {
            for descriptor in &descriptors {
                let first = descriptor.sync().map_err(|err| self.sync_failed(err))?;
                self.counters.syncs.add(u64::from(first));
            }
            // If the file was closed before, the others are those of older files.
            if has_own {
                self.sync_new_entries()
            } else {
                self.sync_closed()
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::{Receiver, Sender};
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    use super::super::{open_files, Access, Compress, Every, Keep, RootDir, Rotation};
    use super::*;
    use crate::process::descriptors::{CloseReason, Evictable, OpenFiles};

    /// A log that is rotated with each record.
    fn log(root: &Path, open_files: &Arc<OpenFiles>) -> Arc<LogFile> {
        let rotation =
            Rotation { every: None::<Every>, limit: 8, keep: Keep::All, compress: Compress::None };
        let access = Access {
            follow_links: false,
            file_mode: 0o644,
            dir_mode: 0o755,
            rotation: Some(rotation),
        };
        let root = Arc::new(RootDir::new(root.to_owned(), access));
        let log = LogFile::new(&root, "w.log".as_ref(), " [WARN ] ", open_files);
        log.append(b"record\n", Time::now()).unwrap();
        log
    }

    /// Holds the lock of the descriptor pool while it is asked for its last use.
    #[derive(Debug)]
    struct Slow {
        asked: Mutex<Sender<()>>,
        answers: Mutex<Receiver<()>>,
    }

    impl Evictable for Slow {
        fn last_used(&self) -> i64 {
            let _ = self.asked.lock().unwrap().send(());
            let _ = self.answers.lock().unwrap().recv();
            i64::MIN
        }

        fn release(&self, _: CloseReason) -> Option<Arc<dyn Send + Sync>> {
            None
        }
    }

    /// Calls `f` while another thread has the lock of the pool.
    fn while_the_pool_is_locked(open_files: &Arc<OpenFiles>, f: impl FnOnce()) {
        let ((asked, is_asked), (answer, answers)) = (mpsc::channel(), mpsc::channel());
        let slow = Arc::new(Slow { asked: Mutex::new(asked), answers: Mutex::new(answers) });
        let holder: Weak<dyn Evictable> = Weak::<Slow>::clone(&Arc::downgrade(&slow));
        let permit = open_files.register(holder);
        permit.opened();
        let theirs = Arc::clone(open_files);
        let evictor = thread::spawn(move || theirs.evict_some());
        // Also where `f` panics, this is dropped first.
        let answer = answer;
        is_asked.recv().unwrap();
        f();
        drop(answer);
        evictor.join().unwrap();
    }

    /// Waits until another thread has retired the open descriptor.
    fn await_retired(log: &LogFile) {
        while log.is_open() {
            thread::yield_now();
        }
        // That thread has this lock until it has noted the descriptor.
        drop(log.retired_in_use.lock_any());
    }

    #[test]
    #[cfg_attr(
        windows,
        ignore = "an open file is not renamed there: nothing is rotated in between"
    )]
    fn a_sync_covers_a_file_that_another_thread_is_just_retiring() {
        let (root, open_files) = (tempfile::tempdir().unwrap(), open_files(Some(8)));
        let log = log(root.path(), &open_files);
        let mut rotator = None;
        while_the_pool_is_locked(&open_files, || {
            let theirs = Arc::clone(&log);
            rotator = Some(thread::spawn(move || theirs.append(b"second\n", Time::now())));
            await_retired(&log);
            assert_eq!(log.unsynced_files(), 1);
        });
        rotator.unwrap().join().unwrap().unwrap();
    }

    #[test]
    fn close_waits_for_a_thread_in_a_file_that_another_is_just_retiring() {
        let (root, open_files) = (tempfile::tempdir().unwrap(), open_files(Some(8)));
        let log = log(root.path(), &open_files);
        let in_use = log.open.load_full().unwrap();
        let has_closed = Arc::new(AtomicBool::new(false));
        let (mut reopener, mut closer) = (None, None);
        while_the_pool_is_locked(&open_files, || {
            let theirs = Arc::clone(&log);
            reopener = Some(thread::spawn(move || theirs.reopen()));
            await_retired(&log);
            let (theirs, closed) = (Arc::clone(&log), Arc::clone(&has_closed));
            closer = Some(thread::spawn(move || {
                theirs.close().unwrap();
                closed.store(true, Ordering::SeqCst);
            }));
            // Time for a close that does not wait.
            thread::sleep(Duration::from_millis(100));
            assert!(!has_closed.load(Ordering::SeqCst));
        });
        drop(in_use);
        closer.unwrap().join().unwrap();
        reopener.unwrap().join().unwrap();
    }

    #[test]
    fn close_syncs_the_live_file_also_while_a_thread_is_in_an_older_one() {
        let (root, open_files) = (tempfile::tempdir().unwrap(), open_files(Some(8)));
        let log = log(root.path(), &open_files);
        let in_use = log.open.load_full().unwrap();
        log.append(b"second\n", Time::now()).unwrap();
        assert_eq!(log.counters.rotated.get(), 1);
        drop(log.release(CloseReason::Evicted));
        let theirs = Arc::clone(&log);
        let closer = thread::spawn(move || theirs.close());
        while !in_use.is_awaited() {
            thread::yield_now();
        }
        drop(in_use);
        closer.join().unwrap().unwrap();
        assert_eq!(log.counters.syncs.get(), 2, "of both files");
    }
}
