//! How a record is written whole to an open file: in one write, with a repair before it if an earlier write left a
//! fragment.
//!
//! The invariants: only a line end is ever appended to a fragment. The next write reports the records that are
//! missing.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::answer::{answer, Answer, Call};
use super::gap::write_gap_line;
use super::open::{OpenFile, Wrote};
use super::{sys, LogFile};
use crate::clock::Time;
use crate::error::{Error, Kind, Operation};
use crate::sync::LockExt as _;

impl LogFile {
    /// Makes one write. If only a part of the record fitted, the whole record is written a second time, on a line of
    /// its own: either it fits now, or the operating system reports the reason.
    #[inline]
    pub(super) fn write(
        &self,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
    ) -> Result<(), Error> {
        match self.write_once(open, record, time) {
            Ok(Wrote::Whole) => Ok(()),
            Ok(Wrote::Part(_)) => self.write_again(open, record, time),
            Err(err) => Err(self.write_failed(open, err)),
        }
    }

    /// Counts the first write of a record, which left a part of it, as failed, and makes the second.
    #[cold]
    pub(super) fn write_again(
        &self,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
    ) -> Result<(), Error> {
        self.counters.write_failures.add(1);
        match self.write_once(open, record, time) {
            Ok(Wrote::Whole) => Ok(()),
            Ok(Wrote::Part(written)) => {
                open.tail_unverified.store(true, Ordering::Release);
                let (path, length) = (self.path.to_path_buf(), record.len());
                Err(Error::from(Kind::Short { path, written, length }))
            }
            Err(err) => Err(self.write_failed(open, err)),
        }
    }

    /// Counts a failed write. If the descriptor can no longer be used, it is retired, and the next record opens the
    /// path again.
    #[cold]
    pub(super) fn write_failed(&self, open: &Arc<OpenFile>, err: io::Error) -> Error {
        self.counters.write_failures.add(1);
        // The fragment of another process may have caused the failure.
        open.tail_unverified.store(true, Ordering::Release);
        if answer(Call::Write, &err) == Answer::Release && self.retire(open) {
            self.folder_entries.made();
            self.counters.reopened.add(1);
        }
        Error::io(Operation::Write, &self.path, err)
    }

    /// Whether a line end, or the line that reports a gap, must be written before the next record.
    #[inline]
    pub(super) fn needs_repair(&self, open: &OpenFile) -> bool {
        open.tail_unverified.load(Ordering::Acquire) || self.pending_gap.is_some()
    }

    #[inline]
    fn write_once(&self, open: &Arc<OpenFile>, record: &[u8], time: Time) -> io::Result<Wrote> {
        if self.needs_repair(open) {
            return self.write_with_repair(open, record, time);
        }
        let wrote = open.write(record)?;
        if let Wrote::Part(written) = wrote {
            self.terminate_fragment(open, &record[..written]);
        }
        Ok(wrote)
    }

    /// Writes the record, and before it in the same write a line end if the file ends in a fragment, and the line
    /// that reports missing records.
    #[cold]
    fn write_with_repair(
        &self,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
    ) -> io::Result<Wrote> {
        let _repairing = open.repairing.lock_any();
        let mut bytes = Vec::new();
        if open.tail_unverified.load(Ordering::Acquire) && open.is_torn() {
            bytes.push(b'\n');
        }
        self.pending_gap.adopt(&self.path);
        let gap = self.pending_gap.take();
        if let Some(gap) = &gap {
            write_gap_line(&mut bytes, &self.gap_head, gap, time);
        }
        let reported_at = bytes.len();
        bytes.extend_from_slice(record);

        let wrote = open.write(&bytes);
        let written = match &wrote {
            Ok(Wrote::Whole) => bytes.len(),
            Ok(Wrote::Part(written)) => *written,
            Err(_) => 0,
        };
        if written > 0 {
            open.tail_unverified.store(false, Ordering::Release);
        }
        if written < reported_at {
            gap.into_iter().for_each(|gap| self.pending_gap.put_back(gap));
        }
        if let Ok(Wrote::Part(written)) = wrote {
            self.terminate_fragment(open, &bytes[..written]);
        }
        wrote
    }

    /// Replaces the last byte of our own fragment by a line end. This needs no space on the disk, and is right
    /// whatever other processes have appended behind the fragment meanwhile. If it is not possible, the next write
    /// checks the end of the file.
    #[cold]
    pub(super) fn terminate_fragment(&self, open: &OpenFile, fragment: &[u8]) {
        let is_terminated = matches!(fragment.last(), None | Some(b'\n'));
        if !is_terminated && self.try_to_terminate(open, fragment).is_none() {
            open.tail_unverified.store(true, Ordering::Release);
        }
    }

    fn try_to_terminate(&self, open: &OpenFile, fragment: &[u8]) -> Option<()> {
        let end = sys::end_of_own_write(open.file().ok()?)?;
        let start = end.checked_sub(fragment.len() as u64)?;
        // `pwrite` on a descriptor with `O_APPEND` appends (pwrite(2), BUGS), so the path is opened without it.
        let file = self.root.open_to_overwrite(self.relative()).ok()?;
        let mut found = vec![0; fragment.len()];
        sys::read_at(&file, &mut found, start).ok()?;
        let is_ours = sys::identity(&file).ok()? == open.identity && found == fragment;
        is_ours.then(|| sys::overwrite(&file, b'\n', end - 1).ok())?
    }
}
