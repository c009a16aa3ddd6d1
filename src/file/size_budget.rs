//! [`SizeBudget`]: how much an open file may still grow before it is rotated.
//!
//! The invariant: the known size never becomes smaller, unless the file itself has become smaller.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::answer::{attempt, Call};
use super::rotation::Rotation;

/// How much an open file may still grow.
#[derive(Debug)]
pub(crate) struct SizeBudget {
    /// The size that was last seen, and the bytes that this process has reserved since.
    size: AtomicU64,
    /// Up to this size, bytes are reserved without asking for the file's size again: other processes write to the
    /// file too.
    known_to: AtomicU64,
    limit: AtomicU64,
    step: u64,
}

/// The file's size is asked for again when this process has written this part of the limit: one in this many.
const LOOKS_A_FILE: u64 = 64;

impl SizeBudget {
    pub(super) fn new(file: &File, rotation: Option<Rotation>) -> io::Result<SizeBudget> {
        let (size, limit) = match rotation {
            Some(rotation) => (size_of(file)?, rotation.limit),
            None => (0, u64::MAX),
        };
        let budget = SizeBudget {
            size: size.into(),
            known_to: 0.into(),
            limit: limit.into(),
            step: (limit / 8).max(1),
        };
        budget.set_known_to(size);
        Ok(budget)
    }

    fn set_known_to(&self, size: u64) {
        let limit = self.limit.load(Ordering::Relaxed);
        let next_look = size.saturating_add(limit / LOOKS_A_FILE);
        self.known_to.store(next_look.min(limit), Ordering::Relaxed);
    }

    /// Reserves room for a record, which must be written then. `false`: nothing is reserved, and the file's size must
    /// be asked for first.
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

    /// Whether a record fits. A record that is longer than the limit gets a file of its own.
    pub(super) fn has_room_for(&self, record: &[u8]) -> bool {
        let size = self.size.load(Ordering::Relaxed);
        size == 0 || size.saturating_add(record.len() as u64) <= self.limit.load(Ordering::Relaxed)
    }

    /// How many bytes a batch may write at once. Other processes that write meanwhile do not know of these bytes, so
    /// each process can take the file past its limit by this much.
    pub(super) fn left(&self) -> u64 {
        let size = self.size.load(Ordering::Relaxed);
        self.limit.load(Ordering::Relaxed).saturating_sub(size).min(self.step)
    }

    /// Notes the file's size as a thread has seen it after its write. Threads may call this in another order than
    /// they have seen the sizes, so the largest size counts.
    pub(super) fn observe(&self, size: u64) {
        let before = self.size.fetch_max(size, Ordering::Relaxed);
        self.set_known_to(size.max(before));
    }

    /// Asks for the file's size, which may be smaller than the known size: a tool may have truncated the file.
    pub(super) fn look_again(&self, file: &File) -> io::Result<u64> {
        let size = size_of(file)?;
        self.size.store(size, Ordering::Relaxed);
        self.set_known_to(size);
        Ok(size)
    }

    /// Lets the file grow by several records before the next attempt to rotate it, so that not every record that
    /// waited tries to rotate it again.
    pub(super) fn extend(&self, record: &[u8]) {
        let size = self.size.load(Ordering::Relaxed);
        let step = self.step.max(8 * record.len() as u64);
        self.limit.store(size.saturating_add(step), Ordering::Relaxed);
    }
}

fn size_of(file: &File) -> io::Result<u64> {
    attempt(Call::Read, || Ok(file.metadata()?.len()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::super::{Compress, Keep};
    use super::*;

    fn rotation(limit: u64) -> Option<Rotation> {
        Some(Rotation { every: None, limit, keep: Keep::All, compress: Compress::None })
    }

    #[test]
    fn a_part_of_the_limit_is_reserved_before_the_size_is_asked_for_again() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(100).unwrap();
        let budget = SizeBudget::new(&file, rotation(640)).unwrap();
        assert!(budget.is_limited());
        assert!(budget.try_reserve(&[0; 10]) && !budget.try_reserve(&[0; 1]));
        // 110 bytes are in the file or reserved. At most an eighth of the limit is written at once.
        assert!(budget.has_room_for(&[0; 530]) && !budget.has_room_for(&[0; 531]));
        assert_eq!(budget.left(), 80);
        budget.observe(600);
        assert_eq!(budget.left(), 40);
        assert!(budget.try_reserve(&[0; 10]));
        // Seen before the bytes that are reserved were written.
        budget.observe(500);
        assert_eq!(budget.left(), 30);
        assert!(budget.try_reserve(&[0; 10]) && !budget.try_reserve(&[0; 1]));
        budget.observe(635);
        assert!(budget.try_reserve(&[0; 5]) && !budget.try_reserve(&[0; 1]));
        // A tool has truncated the file.
        assert_eq!(budget.look_again(&file).unwrap(), 100);
        assert!(budget.try_reserve(&[0; 10]) && !budget.try_reserve(&[0; 1]));
    }

    #[test]
    fn a_file_that_could_not_be_rotated_grows_by_several_records() {
        for (record, room) in [(1, 80), (10, 80), (11, 88), (100, 800)] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(700).unwrap();
            let budget = SizeBudget::new(&file, rotation(640)).unwrap();
            assert!(!budget.has_room_for(&[0; 1]) && budget.left() == 0);
            budget.extend(&vec![0; record]);
            assert!(
                budget.has_room_for(&vec![0; room]) && !budget.has_room_for(&vec![0; room + 1])
            );
        }
    }

    #[test]
    fn a_record_above_the_limit_has_a_file_of_its_own_and_without_a_limit_any_fits() {
        let file = tempfile::tempfile().unwrap();
        let budget = SizeBudget::new(&file, rotation(10)).unwrap();
        assert!(budget.has_room_for(&[0; 100]));
        let budget = SizeBudget::new(&file, None).unwrap();
        assert!(!budget.is_limited() && budget.try_reserve(&[0; 1 << 20]));
        assert!(budget.has_room_for(&[0; 1 << 20]));
    }
}
