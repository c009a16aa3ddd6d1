//! [`Piles`]: the records that wait, in as many places as keep threads out of each other's way.
//!
//! Imports `file` for what a gap is. The invariant: the records of one pile are in the order of their
//! tickets, and a ticket that was given is on a pile when the pile's lock is free.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::reply::Reply;
use crate::file::Gap;

/// More threads than this share piles.
pub(super) const PILES: usize = 8;

/// Room of an empty pile, so that the first records need not make it: bytes, and records.
const ROOM: (usize, usize) = (64 << 10, 640);

/// One record that waits. Its bytes are beside it.
#[derive(Debug)]
pub(super) struct Entry {
    /// The bytes that were handed over before it.
    pub(super) ticket: u64,
    /// The number of its log.
    pub(super) log: u32,
    pub(super) bytes: usize,
    pub(super) durable: Durable,
    /// Records that were dropped before it.
    pub(super) gap: Option<Box<Gap>>,
}

/// What must be done for a record once it is written.
#[derive(Debug, Default)]
pub(super) enum Durable {
    #[default]
    No,
    /// It is synced, and nobody waits.
    Sync,
    /// It is synced, and somebody is told.
    Reply(Reply),
}

#[derive(Debug)]
pub(super) struct Pile {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

impl Pile {
    pub(super) fn new() -> Pile {
        Pile { bytes: Vec::with_capacity(ROOM.0), entries: Vec::with_capacity(ROOM.1) }
    }

    pub(super) fn clear(&mut self) {
        if !self.entries.is_empty() {
            clear(&mut self.bytes, ROOM.0);
            clear(&mut self.entries, ROOM.1);
        }
    }

    /// Takes everything before `until` from a pile; this one is empty.
    pub(super) fn take_from(&mut self, other: &mut Pile, until: u64) {
        std::mem::swap(self, other);
        let taken = self.entries.partition_point(|entry| entry.ticket < until);
        let left: usize = self.entries[taken..].iter().map(|entry| entry.bytes).sum();
        let at = self.bytes.len() - left;
        other.entries.extend(self.entries.drain(taken..));
        other.bytes.extend_from_slice(&self.bytes[at..]);
        self.bytes.truncate(at);
    }
}

/// Empties it, and gives back room that is many times what was needed.
pub(super) fn clear<T>(used: &mut Vec<T>, least: usize) {
    let keep = (4 * used.len()).max(least);
    used.clear();
    used.shrink_to(keep);
}

#[derive(Debug)]
#[repr(align(128))]
struct Place(Mutex<Pile>);

#[derive(Debug)]
pub(super) struct Piles([Place; PILES]);

impl Piles {
    pub(super) fn new() -> Piles {
        Piles(std::array::from_fn(|_| Place(Mutex::new(Pile::new()))))
    }

    /// The pile of this thread, if nobody else has it just now.
    pub(super) fn try_own(&self) -> Option<MutexGuard<'_, Pile>> {
        match self.0[own_number()].0.try_lock() {
            Ok(pile) => Some(pile),
            Err(TryLockError::Poisoned(pile)) => Some(pile.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn own(&self) -> MutexGuard<'_, Pile> {
        self.lock(own_number())
    }

    pub(super) fn lock(&self, number: usize) -> MutexGuard<'_, Pile> {
        self.0[number].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads take the piles in turn. Any would do: the tickets alone give the order.
fn own_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed) % PILES;
    }
    NUMBER.try_with(|number| *number).unwrap_or_default()
}
