//! What makes a [`LogFile`]'s records durable: syncs of the open file, of one that was closed, and of
//! the folders on the way.
//!
//! Imports `error`. The invariant: `Ok` is said only after a sync that succeeded and began after the
//! records were written.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{mpsc, Arc};

use super::open::{Descriptor, OpenFile};
use super::LogFile;
use crate::error::{Doing, Error};

impl LogFile {
    pub(super) fn sync_open(&self, open: &Arc<OpenFile>) -> Result<(), Error> {
        match open.descriptor().and_then(Descriptor::sync) {
            Ok(first) => self.tally.syncs.add(u64::from(first)),
            Err(err) => {
                self.retire(open);
                return Err(self.unsynced_by(err));
            }
        }
        self.sync_entries(open)
    }

    fn sync_entries(&self, open: &OpenFile) -> Result<(), Error> {
        if !open.entries_synced.load(Ordering::Acquire) {
            self.sync_new_entries()?;
            open.entries_synced.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn sync_new_entries(&self) -> Result<(), Error> {
        self.making_room(|| self.root.sync_entries_of(self.relative()))
            .inspect_err(|_| self.tally.sync_failures.add(1))
    }

    /// Makes durable what was appended so far, at the path.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.covering_all(|| match self.open.load_full() {
            Some(open) => self.sync_open(&open),
            None => self.sync_closed(),
        })
    }

    /// Runs a sync of everything that was written before.
    fn covering_all(&self, sync: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let written = self.tally.written.get();
        if self.synced.load(Ordering::Acquire) < written {
            sync()?;
            self.synced.fetch_max(written, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Syncs what was written before the file was closed. Any descriptor of it will do: fsync(2) is
    /// about the file. One that is not there any more was moved or deleted by somebody else.
    fn sync_closed(&self) -> Result<(), Error> {
        match self.making_room(|| self.root.open_to_sync(self.relative())) {
            Ok(file) => file.sync_data().map_err(|err| self.unsynced_by(err))?,
            Err(err) if err.is_not_found() => return Ok(()),
            Err(err) => return Err(err),
        }
        self.tally.syncs.add(1);
        self.sync_new_entries()
    }

    fn unsynced_by(&self, err: io::Error) -> Error {
        self.tally.sync_failures.add(1);
        Error::io(Doing::Sync, &self.path, err)
    }

    /// Closes the file: waits for the records that are being written, then syncs.
    pub(crate) fn close(&self) -> Result<(), Error> {
        let Some(open) = self.take() else { return self.covering_all(|| self.sync_closed()) };
        let (closer, last_user) = mpsc::channel();
        if open.closer.set(closer).is_err() {
            return Ok(());
        }
        drop(open);
        let Ok(descriptor) = last_user.recv() else { return Ok(()) };
        self.covering_all(|| {
            let first = descriptor.sync().map_err(|err| self.unsynced_by(err))?;
            self.tally.syncs.add(u64::from(first));
            self.sync_new_entries()
        })
    }
}
