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
use super::LogFile;
use crate::clock::Time;
use crate::error::{Doing, Error, Kind};
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
            first => self.write_second(open, record, time, first),
        }
    }

    #[cold]
    fn write_second(
        &self,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
        first: io::Result<Wrote>,
    ) -> Result<(), Error> {
        match first {
            Ok(_) => {
                self.counters.write_failures.add(1);
                self.write_last(open, record, time)
            }
            Err(err) => Err(self.write_failed(open, err)),
        }
        .inspect_err(|_| {
            // The fragment of another process may have caused the failure.
            open.tail_unverified.store(true, Ordering::Release);
        })
    }

    /// Writes a record again after a first write has left a part of it.
    pub(super) fn write_again(
        &self,
        open: &Arc<OpenFile>,
        record: &[u8],
        time: Time,
    ) -> Result<(), Error> {
        self.write_last(open, record, time).inspect_err(|_| {
            open.tail_unverified.store(true, Ordering::Release);
        })
    }

    /// The second write of a record.
    fn write_last(&self, open: &Arc<OpenFile>, record: &[u8], time: Time) -> Result<(), Error> {
        let wrote =
            self.write_once(open, record, time).map_err(|err| self.write_failed(open, err))?;
        let Wrote::Part(written) = wrote else { return Ok(()) };
        Err(Error::from(Kind::Short {
            path: self.path.to_path_buf(),
            written,
            length: record.len(),
        }))
    }

    /// Counts a failed write. If the descriptor can no longer be used, it is retired, and the next record opens the
    /// path again.
    pub(super) fn write_failed(&self, open: &Arc<OpenFile>, err: io::Error) -> Error {
        self.counters.write_failures.add(1);
        if answer(Call::Write, &err) == Answer::Release && self.retire(open) {
            self.folder_entries.made();
            self.counters.reopened.add(1);
        }
        Error::io(Doing::Write, &self.path, err)
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

    #[cold]
    pub(super) fn terminate_fragment(&self, open: &Arc<OpenFile>, fragment: &[u8]) {
        if !open.terminate_fragment(fragment, || self.root.open_to_overwrite(self.relative())) {
            open.tail_unverified.store(true, Ordering::Release);
        }
    }
}
