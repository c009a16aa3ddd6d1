//! [`SizeBudget`]: how much an open file may still grow before it is due.
//!
//! The invariant: a size that was seen is never forgotten for a smaller one, unless the file itself is smaller.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::rotation::Rotation;

/// How much an open file may still grow.
#[derive(Debug)]
pub(crate) struct SizeBudget {
    /// The size as it was last seen, and what this process has taken since.
    size: AtomicU64,
    /// Up to this size a record may be taken without another look: others write to the file too.
    known_to: AtomicU64,
    limit: AtomicU64,
    step: u64,
}

/// A look at the size is due when this process has written so much of the limit since the last.
const LOOKS_A_FILE: u64 = 64;

impl SizeBudget {
    pub(super) fn new(file: &File, rotation: Option<Rotation>) -> io::Result<SizeBudget> {
        let (size, limit) = match rotation {
            Some(rotation) => (file.metadata()?.len(), rotation.limit),
            None => (0, u64::MAX),
        };
        let budget = SizeBudget {
            size: size.into(),
            known_to: 0.into(),
            limit: limit.into(),
            step: (limit / 8).max(1),
        };
        budget.knows(size);
        Ok(budget)
    }

    fn knows(&self, size: u64) {
        let limit = self.limit.load(Ordering::Relaxed);
        let next_look = size.saturating_add(limit / LOOKS_A_FILE);
        self.known_to.store(next_look.min(limit), Ordering::Relaxed);
    }

    /// Takes room for a record. `false` where the size must be looked at first; nothing is taken then.
    #[inline]
    pub(super) fn try_reserve(&self, record: &[u8]) -> bool {
        let (length, order) = (record.len() as u64, Ordering::Relaxed);
        if self.size.load(order).saturating_add(length) > self.known_to.load(order) {
            return false;
        }
        self.size.fetch_add(length, order);
        true
    }

    /// Whether the size matters at all.
    pub(super) fn is_limited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != u64::MAX
    }

    /// Whether a record fits. One that is longer than the limit has a file to itself.
    pub(super) fn has_room_for(&self, record: &[u8]) -> bool {
        let size = self.size.load(Ordering::Relaxed);
        size == 0 || size.saturating_add(record.len() as u64) <= self.limit.load(Ordering::Relaxed)
    }

    /// How many bytes of several records may be written at once: others that write meanwhile do not
    /// know of them, so that each may take the file past its limit by so much.
    pub(super) fn left(&self) -> u64 {
        let size = self.size.load(Ordering::Relaxed);
        self.limit.load(Ordering::Relaxed).saturating_sub(size).min(self.step)
    }

    /// Others may have written too. What was seen last by one thread may be told after what another
    /// saw later.
    pub(super) fn observe(&self, size: u64) {
        let before = self.size.fetch_max(size, Ordering::Relaxed);
        self.knows(size.max(before));
    }

    /// A tool may have cut the file.
    pub(super) fn look_again(&self, file: &File) -> io::Result<u64> {
        let size = file.metadata()?.len();
        self.size.store(size, Ordering::Relaxed);
        self.knows(size);
        Ok(size)
    }

    /// Lets the file grow somewhat further, before the next attempt to rotate it: by several records,
    /// so that those who waited meanwhile need not try each by itself.
    pub(super) fn extend(&self, record: &[u8]) {
        let size = self.size.load(Ordering::Relaxed);
        let step = self.step.max(8 * record.len() as u64);
        self.limit.store(size.saturating_add(step), Ordering::Relaxed);
    }
}
