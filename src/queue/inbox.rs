//! [`Inbox`]: the waiting records of each log, and the order in which the logs are written.
//!
//! The whole inbox is under one lock. Nothing here waits or makes a system call. The invariants: a log with waiting
//! records is in `ready`, unless a writer is inside the log. One writer at a time is inside a log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::completion::{Completion, CompletionWaiter};
use super::failed::Failed;
use super::held::Held;
use super::log::QueuedLog;
use super::slots::{full_gap, AwaitedRecord, PendingBatch, Slot, Slots};
use super::writers::Writers;
use crate::clock::Time;
use crate::error::Error;

/// How long the writer rests between two rounds if no call waits, so that one write takes many records.
const LINGER: Duration = Duration::from_millis(1);

/// How much longer the writer rests for each log that the last round wrote: among thousands of logs, each gets more
/// than one record.
const LINGER_PER_LOG: Duration = Duration::from_micros(1);

/// This part of `limit` wakes a writer that lingers: an eighth, so that one log alone stays below its half while a
/// writer has an eighth of it in its hands.
const WAKE_PART: usize = 8;

#[derive(Debug)]
pub(super) struct Inbox<L> {
    pub(super) slots: Slots<L>,
    pub(super) writers: Writers,
    /// The logs with waiting records, in the order of their first waiting record. A log that cannot be written now is
    /// skipped.
    ready: VecDeque<usize>,
    /// The logs with a waiting durable record. A log of this list and a log of `ready` are written in turn, this list
    /// first.
    urgent: VecDeque<usize>,
    urgent_was_last: bool,
    /// How many logs of `ready` belong to this round. The other logs wait until the writer has lingered.
    round_left: usize,
    written_in_round: u32,
    /// Whether a call waits for a record: then the next round begins at once.
    call_waits: bool,
    /// The memory of the records that wait or are being written, without the records of logs that hang.
    held: Held,
    limit: Held,
    /// How many records are neither written nor lost.
    unwritten: u64,
    /// The waiters that no call uses now. There are as many as calls have ever waited at once.
    pub(super) waiters: Vec<CompletionWaiter>,
    /// How many calls wait for room.
    pub(super) room_waiters: usize,
    /// Whether the sink is gone: no more records come.
    pub(super) is_closing: bool,
    /// Whether this process is a copy made by fork(2), in which the queue's threads do not exist.
    pub(super) is_copy: bool,
}

impl<L: QueuedLog> Inbox<L> {
    pub(super) fn new(limit: usize) -> Inbox<L> {
        Inbox {
            slots: Slots::new(limit),
            writers: Writers::new(),
            ready: VecDeque::new(),
            urgent: VecDeque::new(),
            urgent_was_last: false,
            round_left: 0,
            written_in_round: 0,
            call_waits: false,
            held: Held::default(),
            limit: Held::at_most(limit),
            unwritten: 0,
            waiters: Vec::new(),
            room_waiters: 0,
            is_closing: false,
            is_copy: false,
        }
    }

    /// Whether a record of this log is accepted: the log holds less than half of `limit`, and all logs that do not
    /// hang hold less than `limit` together. A record of any size is accepted then.
    #[inline]
    pub(super) fn has_room(&mut self, log: &L) -> bool {
        let (all, half) = (self.held.is_below(self.limit), self.limit.half());
        match self.slots.find(log) {
            Some(slot) => slot.held.is_below(half) && (all || slot.is_stalled),
            None => all,
        }
    }

    /// Adds a record. Returns the failure of earlier records of the log, if no call has returned that failure yet.
    #[inline]
    pub(super) fn push(
        &mut self,
        log: &Arc<L>,
        record: &[u8],
        time: Time,
        durable: bool,
        completion: Option<Completion>,
    ) -> Option<Box<Failed>> {
        let (at, slot) = self.slots.slot_of(log);
        let (pending, added) = slot.push(record, time, durable);
        if let Some(completion) = completion {
            let record = pending.batch.len() - 1;
            pending.completions.push(AwaitedRecord { record, completion, result: Ok(()) });
        }
        if !slot.is_stalled {
            self.held += added;
        }
        self.unwritten += 1;
        if !slot.is_writing {
            if !slot.is_ready {
                slot.is_ready = true;
                self.ready.push_back(at);
            }
            if durable && !slot.is_urgent {
                slot.is_urgent = true;
                self.urgent.push_back(at);
            }
        }
        self.call_waits |= durable;
        slot.failed.take()
    }

    /// Counts a record that found no room, and remembers its place for the line that reports it.
    pub(super) fn drop_record(&mut self, log: &L, time: Time) {
        log.count_dropped();
        match self.slots.find(log).filter(|slot| slot.unwritten() > 0) {
            Some(slot) => slot.drop_record(time),
            None => log.adopt_gap(full_gap(time)),
        }
    }

    /// Whether the caller must wake the active writer; `true` for one caller each time.
    #[inline]
    pub(super) fn should_wake(&mut self) -> bool {
        let is_much = self.call_waits || self.held.bytes >= self.limit.bytes / WAKE_PART;
        !self.ready.is_empty() && self.writers.should_wake(is_much)
    }

    /// Lets the writer write without lingering, since a call waits. Whether the caller must wake the writer, as in
    /// `should_wake`.
    pub(super) fn hurry(&mut self) -> bool {
        self.call_waits = true;
        self.should_wake()
    }

    #[cfg(test)]
    pub(super) fn unwritten_records(&self) -> u64 {
        self.unwritten
    }

    /// Whether records are no longer accepted.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.is_closing | self.is_copy
    }

    /// Keeps a failure for the log's next call.
    pub(super) fn keep_failed(&mut self, log: &Arc<L>, failed: Box<Failed>) {
        let (_, slot) = self.slots.slot_of(log);
        failed.keep_in(&mut slot.failed);
    }

    /// Relieves the active writer if it has taken no step since there were `steps`, and another log is ready, or a
    /// call waits for room. Returns the number of the new active writer.
    pub(super) fn relieve_if_late(&mut self, steps: u64) -> Option<usize> {
        let is_needed = self.has_ready() || self.room_waiters > 0;
        (is_needed && self.writers.is_late(steps)).then(|| self.relieve())
    }

    /// The logs with records that are not written, and how many.
    pub(super) fn unwritten(&self) -> Vec<Unwritten<L>> {
        let owing = self.slots.iter().filter(|slot| slot.unwritten() > 0);
        let of =
            |slot: &Slot<L>| Some(Unwritten { log: slot.log.clone()?, records: slot.unwritten() });
        owing.filter_map(of).collect()
    }

    /// The errors that no call has returned. The logs are dropped when the inbox is unlocked.
    pub(super) fn take_failed(&mut self) -> Vec<(Arc<L>, Failed)> {
        let mut taken = Vec::new();
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(at) else { continue };
            let Some(log) = slot.log.clone().filter(|_| slot.failed.is_some()) else { continue };
            taken.extend(slot.failed.take().map(|failed| (log, *failed)));
            self.slots.take_back(at);
        }
        taken
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Begins a round, which writes everything that waits now. `false`: nothing waits.
    pub(super) fn begin_round(&mut self) -> bool {
        self.round_left = self.ready.len();
        self.written_in_round = 0;
        self.call_waits = false;
        self.has_ready()
    }

    /// Whether a round begins without lingering.
    pub(super) fn must_hurry(&self) -> bool {
        self.call_waits || self.is_closing || self.held.bytes >= self.limit.bytes / WAKE_PART
    }

    /// How long the active writer lingers now.
    pub(super) fn linger(&self) -> Duration {
        LINGER + LINGER_PER_LOG * self.written_in_round
    }

    /// Takes the log that is written next in this round out of its list.
    pub(super) fn next_ready(&mut self) -> Option<usize> {
        loop {
            let is_urgents_turn = !self.urgent_was_last || self.round_left == 0;
            let at = match self.urgent.front() {
                Some(&at) if is_urgents_turn => {
                    self.urgent.pop_front();
                    self.urgent_was_last = true;
                    self.slots.get_mut(at)?.is_urgent = false;
                    at
                }
                _ if self.round_left > 0 => {
                    self.round_left -= 1;
                    self.urgent_was_last = false;
                    let at = self.ready.pop_front()?;
                    self.slots.get_mut(at)?.is_ready = false;
                    at
                }
                _ => return None,
            };
            if self.slots.get(at)?.can_be_written() {
                return Some(at);
            }
        }
    }

    /// Takes the log's next records, and leaves `empty` in their place. Also returns how many bytes of their memory a
    /// writer may keep.
    pub(super) fn take(&mut self, at: usize, empty: &mut PendingBatch) -> Option<(Arc<L>, usize)> {
        let kept = self.slots.share();
        let slot = self.slots.get_mut(at)?;
        let log = slot.log.clone()?;
        slot.take(empty);
        self.written_in_round = self.written_in_round.saturating_add(1);
        self.writers.enter(at);
        Some((log, kept))
    }

    /// Replaces the active writer, which hangs inside a log. The memory of that log no longer counts against the
    /// other logs.
    pub(super) fn relieve(&mut self) -> usize {
        let (number, inside) = self.writers.relieve();
        if let Some(slot) = inside.and_then(|at| self.slots.get_mut(at)) {
            slot.is_stalled = true;
            self.held -= slot.held;
        }
        number
    }

    /// Notes that a writer has left a log, and what became of the records that it took. Returns who must be woken.
    pub(super) fn finish(&mut self, number: usize, at: usize, done: Done) -> Wakes {
        self.writers.leave(number);
        let Some(slot) = self.slots.get_mut(at) else { return Wakes::default() };
        let written = slot.awaited > 0;
        slot.is_writing = false;
        slot.finished += done.records;
        slot.held -= done.held;
        match std::mem::take(&mut slot.is_stalled) {
            true => self.held += slot.held,
            false => self.held -= done.held,
        }
        if let Some(failed) = done.failed {
            failed.keep_in(&mut slot.failed);
        }
        self.unwritten -= done.records;
        if slot.has_pending() && !slot.is_ready {
            slot.is_ready = true;
            self.ready.push_back(at);
        }
        if !slot.pending.completions.is_empty() && !slot.is_urgent {
            slot.is_urgent = true;
            self.urgent.push_back(at);
        }
        self.slots.take_back(at);
        if self.slots.shrink() {
            self.ready = VecDeque::new();
            self.urgent = VecDeque::new();
            self.round_left = 0;
        }
        let work = self.should_wake() || (self.is_drained() && self.writers.should_wake(true));
        Wakes { work, written }
    }

    /// Whether the sink is gone and no record is left.
    pub(super) fn is_drained(&self) -> bool {
        self.is_closing && self.unwritten == 0
    }
}

impl<L: QueuedLog> Inbox<L> {
    /// Called in a copy of the process, where no thread writes the waiting records. All of them are counted as lost
    /// here, also those that the original process writes.
    pub(super) fn abandon(&mut self, why: &Error) {
        self.is_copy = true;
        for slot in self.slots.iter_mut() {
            let lost = slot.abandon();
            if let Some(log) = slot.log.as_ref().filter(|_| lost > 0) {
                log.record_loss(lost, why, Time::now());
            }
        }
    }
}

/// The records of one log that were not written in time.
#[derive(Debug)]
pub(crate) struct Unwritten<L> {
    pub(crate) log: Arc<L>,
    pub(crate) records: u64,
}

/// Who is to be woken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wakes {
    /// The active writer.
    pub(super) work: bool,
    /// The calls that wait for records to be written.
    pub(super) written: bool,
}

/// What became of the records that a writer took.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) records: u64,
    pub(super) held: Held,
    pub(super) failed: Option<Box<Failed>>,
}

impl Done {
    /// Adds records that failed and whose calls have returned, or with 0 a rotation that failed.
    pub(super) fn fail(&mut self, records: u64, why: Error) {
        Box::new(Failed { records, why }).keep_in(&mut self.failed);
    }
}
