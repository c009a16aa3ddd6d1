//! What makes a [`LogFile`]'s records durable: the append that waits, and syncs of the open file, of
//! one that was closed, and of the folders on the way.
//!
//! Imports `error` and `sys`. The invariant: `Ok` is said only after a sync that succeeded and began
//! after the records were written.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{mpsc, Arc};

use super::open::{Descriptor, OpenFile};
use super::rotate::Appended;
use super::{stamp, sys, LogFile, SayGap};
use crate::error::{Doing, Error};

impl LogFile {
    /// Appends one record. When this returns `Ok` it is on disk, at the path.
    ///
    /// After a failed sync the record is written once more, through a new descriptor, and that is
    /// synced once: the old one would say OK the next time though the data is gone.
    pub(crate) fn append_durable(&self, record: &[u8], say_gap: SayGap<'_>) -> Result<(), Error> {
        let written = self.append_to_sync(record, say_gap);
        self.count(&written);
        let Appended { open, trouble } = written?;
        match self.sync_open(&open) {
            // Not counted again: it is the same record.
            Err(err) if err.may_be_synced_elsewhere() => {
                self.append_to_sync(record, say_gap).and_then(|again| self.sync_open(&again.open))
            }
            result => result,
        }
        .and(trouble)
    }

    fn append_to_sync(&self, record: &[u8], say_gap: SayGap<'_>) -> Result<Appended, Error> {
        let now_ms = sys::coarse_millis();
        self.last_used.store(stamp(now_ms), Ordering::Relaxed);
        if let Some(rotation) = self.root.rotation() {
            return self.append_rotating_durably(rotation, now_ms, record, say_gap);
        }
        let open = match self.open.load_full() {
            Some(open) if self.still_there(&open) => open,
            _ => self.open_again(now_ms)?,
        };
        self.write(&open, record, say_gap)?;
        Ok(Appended { open, trouble: Ok(()) })
    }

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
            self.sync_kept()?;
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

    /// Syncs what was written before the log was rotated, by whomever. From the newest on: what moves
    /// meanwhile moves to where it is met later.
    fn sync_kept(&self) -> Result<(), Error> {
        for kept in self.root.kept_of(self.relative()) {
            match self.making_room(|| self.root.open_to_sync(&kept)) {
                Ok(file) => file.sync_data().map_err(|err| self.unsynced_by(err))?,
                Err(err) if err.is_not_found() => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
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
