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
            // Not counted again: it is the same record. The record is in the file, so if this second attempt fails,
            // the error of the first sync is returned.
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

    fn sync_failed(&self, err: io::Error) -> Error {
        self.counters.sync_failures.add(1);
        let err = Error::io(Operation::Sync, &self.path, err);
        *self.failed_sync.lock_any() = Some(err.clone());
        err
    }

    /// Closes the file: waits for the records that are being written, through the open descriptor or a retired one,
    /// and then syncs.
    pub(crate) fn close(&self) -> Result<(), Error> {
        drop(self.retire_open());
        let (on_last_drop, last_users) = mpsc::channel();
        let retired: Vec<_> =
            self.retired_in_use.lock_any().iter().filter_map(Weak::upgrade).collect();
        retired.iter().for_each(|open| open.on_last_drop(on_last_drop.clone()));
        drop((retired, on_last_drop));
        let descriptors: Vec<Arc<Descriptor>> = last_users.iter().collect();
        if descriptors.is_empty() {
            return self.covering_all(|| self.sync_closed());
        }
        self.covering_all(|| {
            for descriptor in &descriptors {
                let first = descriptor.sync().map_err(|err| self.sync_failed(err))?;
                self.counters.syncs.add(u64::from(first));
            }
            self.sync_new_entries()
        })
    }
}
