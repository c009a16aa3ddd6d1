//! [`Watermark`]: the records that were enqueued before a moment.
//!
//! The invariant: the watermark is reached when each log has finished the records that were enqueued for it by then.
//! Later records are not waited for.

use super::inbox::Inbox;
use super::log::QueuedLog;
use super::slots::Slot;

/// The slots of a moment, and how many records each had got by then. A slot's counts only grow, whichever logs have
/// it.
#[derive(Debug)]
pub(super) struct Watermark(Vec<(usize, u64)>);

/// A log that the caller waits for.
#[derive(Debug)]
pub(super) struct Awaited {
    at: usize,
    shrunk: u64,
}

impl<L: QueuedLog> Inbox<L> {
    /// What was enqueued before now: for one log, or for all.
    pub(super) fn watermark(&self, of: Option<&L>) -> Watermark {
        let mark = |(at, slot): (usize, &Slot<L>)| (at, slot.enqueued);
        Watermark(match of {
            Some(log) => self.slots.of(log).map(mark).into_iter().collect(),
            None => self.slots.iter().enumerate().map(mark).collect(),
        })
    }

    /// A log that has not reached the mark.
    pub(super) fn first_below(&self, Watermark(logs): &mut Watermark) -> Option<usize> {
        while let Some((at, enqueued)) = logs.last() {
            if self.slots.get(*at).is_some_and(|slot| slot.finished < *enqueued) {
                return Some(*at);
            }
            logs.pop();
        }
        None
    }

    /// The caller is woken when this log has finished some records.
    pub(super) fn await_log(&mut self, at: usize) -> Awaited {
        if let Some(slot) = self.slots.get_mut(at) {
            slot.awaited += 1;
        }
        Awaited { at, shrunk: self.slots.shrunk }
    }

    pub(super) fn no_longer_await(&mut self, Awaited { at, shrunk }: Awaited) {
        if self.slots.shrunk == shrunk {
            self.slots.get_mut(at).into_iter().for_each(|slot| slot.awaited -= 1);
        }
    }
}
