//! [`Places`]: the descriptors of one pool, and the holder of each.
//!
//! The lock of a pool protects this value: nothing here blocks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::descriptors::{CloseReason, Evictable};

/// How long an opening waits for a descriptor that is being closed. A close that takes longer hangs: openings no
/// longer wait for it, and other files are closed to make room.
const PATIENCE: Duration = Duration::from_millis(500);

/// A slab: a place keeps its number until it is free.
#[derive(Default)]
pub(super) struct Places {
    pub(super) places: Vec<Option<Place>>,
    pub(super) free: Vec<usize>,
    /// How many are [`State::Opening`] or [`State::Open`].
    pub(super) in_use: usize,
    /// The descriptors that are being closed, and since when.
    pub(super) closing: Vec<(usize, Instant)>,
}

pub(super) struct Place {
    pub(super) holder: Weak<dyn Evictable>,
    /// The sink's number of files in use.
    pub(super) open: Arc<AtomicUsize>,
    pub(super) state: State,
    /// The last use that was seen, and since when there was no later use.
    pub(super) seen: (i64, Option<Instant>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The descriptor is being opened: there is nothing to release yet.
    Opening,
    Open,
    /// New records do not use the descriptor, and a thread is still writing through it.
    RetiredInUse,
    Closing,
}

/// The released descriptors, and the holders that were inspected. It MUST be dropped when the lock is not held: it
/// may hold the last references.
#[derive(Default)]
pub(super) struct Released {
    pub(super) descriptors: Vec<Arc<dyn Send + Sync>>,
    pub(super) holders: Vec<Arc<dyn Evictable>>,
}

impl Places {
    pub(super) fn taken(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// How long to wait yet for each descriptor that is being closed.
    pub(super) fn patience(&self, now: Instant) -> impl Iterator<Item = Duration> + '_ {
        let left = move |since: Instant| PATIENCE.checked_sub(now.duration_since(since));
        self.closing
            .iter()
            .filter_map(move |(_, since)| left(*since))
            .filter(|left| !left.is_zero())
    }

    /// Releases the `count` least recently used descriptors. One pass over the places serves all of them, so that
    /// with a large limit not every eviction costs a pass.
    pub(super) fn evict(&mut self, count: usize, released: &mut Released) -> usize {
        if count == 0 {
            return 0;
        }
        let mut by_use: Vec<(i64, usize)> = Vec::new();
        for (number, place) in self.places.iter().enumerate() {
            let Some(place) = place.as_ref().filter(|place| place.state == State::Open) else {
                continue;
            };
            let Some(holder) = place.holder.upgrade() else { continue };
            by_use.push((holder.last_used(), number));
            released.holders.push(holder);
        }
        let count = count.min(by_use.len());
        if count == 0 {
            return 0;
        }
        by_use.select_nth_unstable(count - 1);
        for (_, number) in &by_use[..count] {
            self.release(*number, CloseReason::Evicted, released);
        }
        count
    }

    pub(super) fn release(&mut self, number: usize, reason: CloseReason, released: &mut Released) {
        self.leave_use(number);
        let place = self.places[number].as_ref();
        let Some(holder) = place.and_then(|place| place.holder.upgrade()) else { return };
        released.descriptors.extend(holder.release(reason));
        released.holders.push(holder);
    }

    /// `Opening` and `Open` become `RetiredInUse`.
    pub(super) fn leave_use(&mut self, number: usize) {
        let Some(place) = self.places[number].as_mut() else { return };
        let before = std::mem::replace(&mut place.state, State::RetiredInUse);
        match before {
            State::Open => {
                place.open.fetch_sub(1, Ordering::Relaxed);
                self.in_use -= 1;
            }
            State::Opening => self.in_use -= 1,
            State::RetiredInUse | State::Closing => place.state = before,
        }
    }
}
