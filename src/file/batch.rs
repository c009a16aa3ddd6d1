//! [`Batch`]: many records for one [`LogFile`], and how they are appended with few writes.
//!
//! Imports `error`. The invariant: every record of a batch is counted once, as written where it is
//! whole in the file and as lost where it is not, and a record that is torn is not gone on with.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::open::{OpenFile, Wrote};
use super::{stamp, sys, LogFile, SayGap};
use crate::error::Error;

/// Records in order, each with its line end, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    pub(crate) fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn clear(&mut self) {
        /// What a very long record needed is not kept, in bytes.
        const KEPT: usize = 1 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT);
        self.ends.clear();
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn start_of(&self, record: usize) -> usize {
        record.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    pub(crate) fn record(&self, record: usize) -> &[u8] {
        &self.bytes[self.start_of(record)..self.ends[record]]
    }
}

impl LogFile {
    /// Appends the records, as many in one write as the file takes, and calls `lost` with each that
    /// is not in the file then. Returns what they were written through, to be synced.
    ///
    /// `durable`: some of them are, so that the path must lead to the file at this moment.
    pub(crate) fn append_batch(
        &self,
        batch: &Batch,
        durable: bool,
        say_gap: SayGap<'_>,
        lost: &mut dyn FnMut(usize, &Error),
    ) -> Option<Arc<OpenFile>> {
        let now_ms = sys::coarse_millis();
        self.last_used.store(stamp(now_ms), Ordering::Relaxed);
        let open = match self.open.load_full() {
            Some(open) if !durable && !open.check_is_due(now_ms) => Ok(open),
            Some(open) if self.still_there(&open) => Ok(open),
            _ => self.open_again(now_ms),
        };
        let open = match open {
            Ok(open) => open,
            Err(err) => {
                self.lose(batch.len() as u64, &err);
                (0..batch.len()).for_each(|record| lost(record, &err));
                return None;
            }
        };
        let mut next = 0;
        while next < batch.len() {
            next = if open.end_unsure.load(Ordering::Acquire) || self.gaps.due() {
                self.append_one(&open, batch, next, say_gap, lost)
            } else {
                self.append_many(&open, batch, next, say_gap, lost)
            };
        }
        Some(open)
    }

    /// Whether each record may be to be the first of a new file: then they are appended one by one.
    pub(crate) fn rotates(&self) -> bool {
        self.root.rotation().is_some()
    }

    /// Appends one of the batch; the place of the next.
    fn append_one(
        &self,
        open: &OpenFile,
        batch: &Batch,
        next: usize,
        say_gap: SayGap<'_>,
        lost: &mut dyn FnMut(usize, &Error),
    ) -> usize {
        let record = batch.record(next);
        let result = self.write(open, record, say_gap);
        self.count(&result);
        if let Err(err) = result {
            lost(next, &err);
        }
        next + 1
    }

    /// Appends all that are left in one write, and what did not fit of them not at all: the first
    /// that is not whole is tried once more, by itself. The place of the next.
    fn append_many(
        &self,
        open: &OpenFile,
        batch: &Batch,
        next: usize,
        say_gap: SayGap<'_>,
        lost: &mut dyn FnMut(usize, &Error),
    ) -> usize {
        let start = batch.start_of(next);
        let (end, fault) = match open.write(&batch.bytes[start..]) {
            Ok(Wrote::Whole) => (batch.bytes.len(), None),
            Ok(Wrote::Part(written)) => (start + written, None),
            Err(err) => (start, Some(err)),
        };
        let whole = next + batch.ends[next..].partition_point(|record_end| *record_end <= end);
        let whole_end = batch.start_of(whole);
        self.tally.written.add((whole - next) as u64);
        if whole == batch.len() {
            return whole;
        }
        if let Some(err) = fault {
            open.end_unsure.store(true, Ordering::Release);
            let err = self.failed(err);
            self.lose(1, &err);
            lost(next, &err);
            return next + 1;
        }
        self.tally.write_failures.add(1);
        self.seal(open, &batch.bytes[whole_end..end]);
        let record = batch.record(whole);
        let result = self.write_again(open, record, say_gap);
        self.count(&result);
        if let Err(err) = result {
            lost(whole, &err);
        }
        whole + 1
    }

    /// Syncs what `append_batch` wrote, those of its records that must be durable, and calls `told`
    /// with what came of each. After a failed sync they are written once more, as one record is.
    pub(crate) fn sync_batch(
        &self,
        open: &Arc<OpenFile>,
        batch: &Batch,
        durable: &[usize],
        say_gap: SayGap<'_>,
        told: &mut dyn FnMut(usize, Result<(), &Error>),
    ) {
        let synced = match self.sync_open(open) {
            Err(err) if err.may_be_synced_elsewhere() => {
                return self.append_and_sync_again(batch, durable, say_gap, told);
            }
            result => result,
        };
        durable.iter().for_each(|record| told(*record, synced.as_ref().copied()));
    }

    fn append_and_sync_again(
        &self,
        batch: &Batch,
        durable: &[usize],
        say_gap: SayGap<'_>,
        told: &mut dyn FnMut(usize, Result<(), &Error>),
    ) {
        let now_ms = sys::coarse_millis();
        let open = match self.open.load_full() {
            Some(open) if self.still_there(&open) => Ok(open),
            _ => self.open_again(now_ms),
        };
        let open = match open {
            Ok(open) => open,
            Err(err) => return durable.iter().for_each(|record| told(*record, Err(&err))),
        };
        // Not counted again: they are the same records.
        let written: Vec<_> =
            durable.iter().map(|at| (*at, self.write(&open, batch.record(*at), say_gap))).collect();
        let synced = self.sync_open(&open);
        for (record, result) in written {
            told(record, result.as_ref().and(synced.as_ref()).copied());
        }
    }
}
