//! [`Batch`]: many records for one [`LogFile`], and how they are appended with few writes.
//!
//! Imports `error`. The invariant: every record of a batch is counted once, as written where it is
//! whole in the file and as lost where it is not, and a record that is torn is not gone on with.

use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::open::{OpenFile, Wrote};
use super::rotate::Appended;
use super::rotation::Rotation;
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

    /// The place behind the records from `first` on that are not more than so many bytes together.
    fn fitting(&self, first: usize, bytes: u64) -> usize {
        let most = (self.start_of(first) as u64).saturating_add(bytes);
        first + self.ends[first..].partition_point(|end| *end as u64 <= most)
    }

    fn record(&self, record: usize) -> &[u8] {
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
                self.append_many(&open, batch, next..batch.len(), say_gap, lost)
            };
        }
        Some(open)
    }

    /// Whether any record may be to be the first of a new file: then [`append_rotating_batch`] appends
    /// them, as many at once as there is room for.
    ///
    /// [`append_rotating_batch`]: LogFile::append_rotating_batch
    pub(crate) fn rotation(&self) -> Option<Rotation> {
        self.root.rotation()
    }

    /// Appends the record at `next`, to a new file where it must be, and with a second write those
    /// behind it that have room. Calls `lost` with each that is not in the file then. Returns what they
    /// were written through, to be synced, and the place of the next.
    pub(crate) fn append_rotating_batch(
        &self,
        rotation: Rotation,
        batch: &Batch,
        next: usize,
        durable: bool,
        say_gap: SayGap<'_>,
        lost: &mut dyn FnMut(usize, &Error),
    ) -> (Option<Arc<OpenFile>>, usize) {
        let now_ms = sys::coarse_millis();
        self.last_used.store(stamp(now_ms), Ordering::Relaxed);
        let first = if durable {
            self.append_rotating_durably(rotation, now_ms, batch.record(next), say_gap)
        } else {
            self.append_rotating(rotation, now_ms, batch.record(next), say_gap)
        };
        self.count(&first);
        let Appended { open, trouble } = match first {
            Ok(appended) => appended,
            Err(err) => {
                lost(next, &err);
                return (None, next + 1);
            }
        };
        if let Err(err) = trouble {
            self.queued.fail(1, &err);
        }
        let first = next + 1;
        let until = batch.fitting(first, open.room.left());
        if until == first || open.end_unsure.load(Ordering::Acquire) || self.gaps.due() {
            return (Some(open), first);
        }
        let next = self.append_many(&open, batch, first..until, say_gap, lost);
        if !self.is_kept(&open) {
            // Others have filled so many files meanwhile that this one is gone. Counted they are.
            for record in first..next {
                let again = self.append_rotating(rotation, now_ms, batch.record(record), say_gap);
                if let Err(err) = again {
                    self.lose(1, &err);
                    lost(record, &err);
                }
            }
        }
        (Some(open), next)
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

    /// Appends several in one write, and what did not fit of them not at all: the first that is not
    /// whole is tried once more, by itself. The place of the next.
    fn append_many(
        &self,
        open: &OpenFile,
        batch: &Batch,
        Range { start: next, end: until }: Range<usize>,
        say_gap: SayGap<'_>,
        lost: &mut dyn FnMut(usize, &Error),
    ) -> usize {
        let (start, all) = (batch.start_of(next), batch.start_of(until));
        let (end, fault) = match open.write(&batch.bytes[start..all]) {
            Ok(Wrote::Whole) => (all, None),
            Ok(Wrote::Part(written)) => (start + written, None),
            Err(err) => (start, Some(err)),
        };
        let whole = next + batch.ends[next..until].partition_point(|record_end| *record_end <= end);
        let whole_end = batch.start_of(whole);
        self.tally.written.add((whole - next) as u64);
        if whole == until {
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
