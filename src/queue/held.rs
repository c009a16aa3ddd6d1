//! [`Held`]: the memory that waiting records need.
//!
//! The invariant: what the pushes of a batch have added is subtracted when the batch ends.

use std::ops::{AddAssign, SubAssign};

/// The memory of a record beside its text: its end, its time, and room for the vector to grow.
const RECORD_OVERHEAD: usize = 32;

/// What a log needs while a record of it waits: its slot, its buffers, and what is known of the log itself, which is
/// forgotten only when nothing waits. Less than is needed (some 1.5 kB), since a log that is open has the most of it
/// anyway: with the default `limit`, 16,000 logs can have records that wait.
const LOG_OVERHEAD: usize = 512;

/// The overhead that any queue may hold, however small its `limit` is.
const LEAST_OVERHEAD: usize = 64 << 10;

/// Of the records that wait or are being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// The bytes of the records' text.
    pub(super) bytes: usize,
    /// The bytes that the queue needs beside the text.
    pub(super) overhead: usize,
}

impl Held {
    /// What a queue holds at most: `limit` of records, and as much again beside them.
    pub(super) fn at_most(limit: usize) -> Held {
        Held { bytes: limit.max(1), overhead: limit.max(LEAST_OVERHEAD) }
    }

    /// One more record of a batch, of which it may be the first.
    #[inline]
    pub(super) fn of_record(bytes: usize, is_first: bool) -> Held {
        let log = if is_first { LOG_OVERHEAD } else { 0 };
        Held { bytes, overhead: RECORD_OVERHEAD + log }
    }

    /// A batch of which at least one record was pushed.
    pub(super) fn of_batch(bytes: usize, records: usize) -> Held {
        Held { bytes, overhead: LOG_OVERHEAD + RECORD_OVERHEAD * records }
    }

    pub(super) fn half(self) -> Held {
        Held { bytes: self.bytes.div_ceil(2), overhead: self.overhead.div_ceil(2) }
    }

    /// Whether there is room for another record of any size.
    #[inline]
    pub(super) fn is_below(self, limit: Held) -> bool {
        self.bytes < limit.bytes && self.overhead < limit.overhead
    }
}

impl AddAssign for Held {
    #[inline]
    fn add_assign(&mut self, other: Held) {
        self.bytes += other.bytes;
        self.overhead += other.overhead;
    }
}

impl SubAssign for Held {
    #[inline]
    fn sub_assign(&mut self, other: Held) {
        self.bytes -= other.bytes;
        self.overhead -= other.overhead;
    }
}
