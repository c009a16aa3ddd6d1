//! [`Slots`]: the queue's state of each log that it owes something.
//!
//! The invariant: a log has a slot exactly as long as the queue owes it something: records that are not written, or
//! an error that no call has returned. The slot that was freed last is used first, and slots are given up when few
//! are in use. So ten thousand logs cost no search, and a million ids over the life of a program cost no memory.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use super::completion::Completion;
use super::failed::Failed;
use super::held::Held;
use super::log::QueuedLog;
use crate::clock::Time;
use crate::error::Error;
use crate::file::{Batch, Gap};

/// This many free slots are always kept.
const KEPT_SLOTS: usize = 64;

/// Records of one log in their order, which are appended together.
#[derive(Debug, Default)]
pub(super) struct PendingBatch {
    /// Records that were dropped before the first of these.
    pub(super) gap: Option<Box<Gap>>,
    pub(super) batch: Batch,
    /// The records whose log calls wait, in the order of their places in the batch.
    pub(super) completions: Vec<AwaitedRecord>,
}

/// A record whose log call waits.
#[derive(Debug)]
pub(super) struct AwaitedRecord {
    /// Its place in the batch.
    pub(super) record: usize,
    pub(super) completion: Completion,
    /// What the call will return.
    pub(super) result: Result<(), Error>,
}

impl PendingBatch {
    /// What the pushes to this batch have added to the memory that the queue holds.
    pub(super) fn held(&self) -> Held {
        Held::of_batch(self.batch.bytes(), self.batch.len())
    }

    /// Tells the calls that wait what became of their records.
    pub(super) fn complete(&mut self) {
        self.completions.drain(..).for_each(|awaited| awaited.completion.complete(awaited.result));
    }

    /// Empties the batch, and keeps at most this many bytes of memory for the next records.
    pub(super) fn clear(&mut self, kept_bytes: usize) {
        self.gap = None;
        self.batch.clear(kept_bytes);
        self.completions.clear();
    }
}

/// What the queue knows of one log while it owes the log something. A log holds the number of its slot.
#[derive(Debug)]
pub(super) struct Slot<L> {
    /// None: the slot is free.
    pub(super) log: Option<Arc<L>>,
    pub(super) pending: PendingBatch,
    /// The batches behind `pending`: a new one begins at each place where records were dropped.
    behind: VecDeque<PendingBatch>,
    /// The memory of the records that wait or are being written.
    pub(super) held: Held,
    /// How many records were enqueued, and how many of them are written or lost, of all logs that have had this slot.
    pub(super) enqueued: u64,
    pub(super) finished: u64,
    /// Whether a writer is inside the log.
    pub(super) is_writing: bool,
    /// Whether that writer was relieved: the log hangs.
    pub(super) is_stalled: bool,
    pub(super) is_ready: bool,
    pub(super) is_urgent: bool,
    /// How many calls wait for `finished` to grow.
    pub(super) awaited: usize,
    /// The records that were dropped behind all waiting ones.
    pub(super) dropped: Option<Box<Gap>>,
    pub(super) failed: Option<Box<Failed>>,
}

impl<L: QueuedLog> Slot<L> {
    fn new(finished: u64) -> Slot<L> {
        Slot {
            log: None,
            pending: PendingBatch::default(),
            behind: VecDeque::new(),
            held: Held::default(),
            enqueued: finished,
            finished,
            is_writing: false,
            is_stalled: false,
            is_ready: false,
            is_urgent: false,
            awaited: 0,
            dropped: None,
            failed: None,
        }
    }

    /// Adds a record behind all others. Returns the batch that it was added to, and the memory that the queue holds
    /// in addition now.
    pub(super) fn push(
        &mut self,
        record: &[u8],
        time: Time,
        durable: bool,
    ) -> (&mut PendingBatch, Held) {
        if let Some(gap) = self.dropped.take() {
            self.behind.push_back(PendingBatch { gap: Some(gap), ..PendingBatch::default() });
        }
        self.enqueued += 1;
        let pending = self.behind.back_mut().unwrap_or(&mut self.pending);
        let added = Held::of_record(record.len(), pending.batch.len() == 0);
        self.held += added;
        pending.batch.push(record, time, durable);
        (pending, added)
    }

    /// Counts a record that found the queue full.
    pub(super) fn drop_record(&mut self, time: Time) {
        match &mut self.dropped {
            Some(gap) => gap.records += 1,
            None => self.dropped = Some(Box::new(full_gap(time))),
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        self.pending.batch.len() > 0 || !self.behind.is_empty()
    }

    /// Whether a writer may take records now.
    pub(super) fn can_be_written(&self) -> bool {
        !self.is_writing && self.has_pending()
    }

    /// Takes the batch that is written next, and leaves `empty` in its place.
    pub(super) fn take(&mut self, empty: &mut PendingBatch) {
        if self.pending.batch.len() == 0 {
            // The next batch begins behind dropped records.
            if let Some(next) = self.behind.pop_front() {
                self.pending = next;
            }
        }
        std::mem::swap(&mut self.pending, empty);
        self.is_writing = true;
    }

    /// How many records are neither written nor lost.
    pub(super) fn unwritten(&self) -> u64 {
        self.enqueued - self.finished
    }

    /// Gives up the records that no writer will write, and returns their number.
    pub(super) fn abandon(&mut self) -> u64 {
        let lost = self.unwritten();
        self.finished = self.enqueued;
        // The calls that wait are in the process that this one was forked from, and their locks may be held.
        std::mem::forget(std::mem::take(&mut self.pending));
        std::mem::forget(std::mem::take(&mut self.behind));
        lost
    }
}

/// One record that was dropped.
pub(super) fn full_gap(time: Time) -> Gap {
    Gap { records: 1, since: time, reason: "the queue was full".to_owned() }
}

#[derive(Debug)]
pub(super) struct Slots<L> {
    slots: Vec<Slot<L>>,
    free: Vec<usize>,
    /// The most slots that were in use since the last moment when none was.
    most_in_use: usize,
    /// No slot that was given up has a greater `finished`.
    finished: u64,
    /// How often slots were given up.
    pub(super) shrunk: u64,
    /// The `limit` of the queue, in bytes.
    limit: usize,
}

/// The place of the log's slot, or one behind all slots where it has none.
#[inline]
fn place_of<L: QueuedLog>(log: &L) -> usize {
    usize::try_from(log.queue_slot().load(Ordering::Relaxed).wrapping_sub(1)).unwrap_or(usize::MAX)
}

impl<L: QueuedLog> Slots<L> {
    pub(super) fn new(limit: usize) -> Slots<L> {
        Slots { slots: Vec::new(), free: Vec::new(), most_in_use: 0, finished: 0, shrunk: 0, limit }
    }

    /// How many bytes of memory each slot may keep for records to come: together no more than `limit`.
    pub(super) fn share(&self) -> usize {
        self.limit / self.slots.len().max(1)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn in_use(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Slot<L>> {
        self.slots.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Slot<L>> {
        self.slots.get_mut(at)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot<L>> {
        self.slots.iter_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot<L>> {
        self.slots.iter()
    }

    /// The log's slot, if it has one.
    #[inline]
    pub(super) fn find(&mut self, log: &L) -> Option<&mut Slot<L>> {
        self.slots.get_mut(place_of(log))
    }

    /// The log's slot and its place, if it has one.
    pub(super) fn of(&self, log: &L) -> Option<(usize, &Slot<L>)> {
        let at = place_of(log);
        Some((at, self.slots.get(at)?))
    }

    /// The log's slot, given to it now if it has none.
    #[inline]
    pub(super) fn slot_of(&mut self, log: &Arc<L>) -> (usize, &mut Slot<L>) {
        let mut at = place_of(&**log);
        if at >= self.slots.len() {
            at = self.give_slot(log);
        }
        (at, &mut self.slots[at])
    }

    fn give_slot(&mut self, log: &Arc<L>) -> usize {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::new(self.finished));
            self.slots.len() - 1
        });
        self.slots[at].log = Some(Arc::clone(log));
        log.queue_slot().store(at as u64 + 1, Ordering::Relaxed);
        self.most_in_use = self.most_in_use.max(self.in_use());
        at
    }

    /// Takes the slot back if the queue owes the log nothing. The caller MUST have a reference to the log, so that
    /// the log is not closed here.
    pub(super) fn take_back(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        if slot.unwritten() > 0 || slot.is_writing || slot.failed.is_some() {
            return;
        }
        let Some(log) = slot.log.take() else { return };
        if let Some(gap) = slot.dropped.take() {
            // All records before the gap are written.
            log.adopt_gap(*gap);
        }
        log.queue_slot().store(0, Ordering::Relaxed);
        self.free.push(at);
    }

    /// If no slot is in use, gives up half of the slots, unless more than that half have been needed since the last
    /// time. `true`: slots were given up, and no slot is ready, urgent or awaited any more. All of their records are
    /// finished, and the caller wakes the calls that wait for them.
    pub(super) fn shrink(&mut self) -> bool {
        if self.in_use() > 0 {
            return false;
        }
        let needed = std::mem::take(&mut self.most_in_use).max(KEPT_SLOTS);
        let half = self.slots.len() / 2;
        if needed > half {
            return false;
        }
        let gone = self.slots.drain(half..).map(|slot| slot.finished);
        self.finished = gone.fold(self.finished, u64::max);
        self.slots.shrink_to_fit();
        self.free = (0..half).rev().collect();
        for slot in &mut self.slots {
            (slot.is_ready, slot.is_urgent) = (false, false);
            slot.awaited = 0;
        }
        self.shrunk += 1;
        true
    }
}
