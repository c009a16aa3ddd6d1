//! [`Gaps`]: the records that one log lacks, until a line in it has said so.
//!
//! Imports nothing of ours. The invariant: a record counted here is said in exactly one line, or is
//! still counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Records that are missing at one place of a log.
#[derive(Clone, Debug)]
pub(crate) struct Gap {
    pub(crate) records: u64,
    /// When the first of them was lost.
    pub(crate) since: SystemTime,
    /// The OS's words for the first.
    pub(crate) reason: String,
}

/// What a sink that is gone could not say, for the next one of this process that writes there: a reload
/// replaces a sink while its disk is full.
static LEFT: Mutex<BTreeMap<PathBuf, Gap>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Gaps {
    /// Whether there is one: read at every record, without the lock.
    due: AtomicBool,
    /// Apart from what every record reads.
    gap: Mutex<Option<Box<Gap>>>,
}

impl Gaps {
    pub(crate) fn due(&self) -> bool {
        self.due.load(Ordering::Acquire)
    }

    /// Counts lost records.
    pub(crate) fn add(&self, records: u64, reason: impl FnOnce() -> String) {
        let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        match gap.as_mut() {
            Some(gap) => gap.records += records,
            None => {
                let since = SystemTime::now();
                *gap = Some(Box::new(Gap { records, since, reason: reason() }));
            }
        }
        self.due.store(true, Ordering::Release);
    }

    /// Takes the gap, to say it.
    pub(crate) fn take(&self) -> Option<Gap> {
        let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        self.due.store(false, Ordering::Release);
        gap.take().map(|gap| *gap)
    }

    /// Puts back what could not be said: it was lost before what was added meanwhile.
    pub(crate) fn put_back(&self, earlier: Gap) {
        let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        let records = earlier.records + gap.take().map_or(0, |later| later.records);
        *gap = Some(Box::new(Gap { records, ..earlier }));
        self.due.store(true, Ordering::Release);
    }

    /// Nobody will write through this any more.
    pub(crate) fn leave_to_next(&self, path: &Path) {
        let Some(gap) = self.take() else { return };
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        match left.get_mut(path) {
            Some(earlier) => earlier.records += gap.records,
            None => drop(left.insert(path.to_owned(), gap)),
        }
    }

    /// Takes over what others left.
    pub(crate) fn take_over(&self, path: &Path) {
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        left.into_iter().for_each(|gap| self.put_back(gap));
    }

    /// Adds records that were lost elsewhere, later than those that are counted here.
    pub(crate) fn put_later(&self, later: Gap) {
        let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        match gap.as_mut() {
            Some(gap) => gap.records += later.records,
            None => *gap = Some(Box::new(later)),
        }
        self.due.store(true, Ordering::Release);
    }
}
