//! How a descriptor is retired: new records do not use it, and it is closed when the last thread that is writing through
//! it has finished.
//!
//! The invariant: `sync` and `close` find each descriptor open or on the list of retired ones. So a descriptor is retired
//! while that list is locked.

use std::sync::{Arc, Weak};

use super::open::OpenFile;
use super::LogFile;
use crate::locks::LockExt as _;

impl LogFile {
    /// Retires this descriptor. `false`: it had been retired already.
    pub(super) fn retire(&self, open: &Arc<OpenFile>) -> bool {
        let mut retired = self.retired_in_use.lock_any();
        let before = self.open.compare_and_swap(open, None);
        if !before.as_ref().is_some_and(|before| Arc::ptr_eq(before, open)) {
            return false;
        }
        self.track_retired_in_use(&mut retired, open);
        drop(retired);
        open.out_of_use();
        true
    }

    /// Retires the open descriptor, if there is one, and returns it.
    pub(super) fn retire_open(&self) -> Option<Arc<OpenFile>> {
        self.retire_evicted().inspect(|open| open.out_of_use())
    }

    /// Retires the open descriptor, which its pool counts as out of use already.
    pub(super) fn retire_evicted(&self) -> Option<Arc<OpenFile>> {
        let mut retired = self.retired_in_use.lock_any();
        let open = self.open.swap(None)?;
        self.track_retired_in_use(&mut retired, &open);
        Some(open)
    }

    /// Remembers a retired descriptor through which other threads may still be writing: the thread that closes the
    /// log waits for them, and `sync` syncs the file.
    fn track_retired_in_use(&self, retired: &mut Vec<Weak<OpenFile>>, open: &Arc<OpenFile>) {
        self.retired_unsynced(open);
        retired.retain(|other| other.strong_count() > 0);
        retired.push(Arc::downgrade(open));
    }

    /// Whether a thread may still be writing through a retired descriptor, or is about to close it.
    pub(super) fn has_retired_in_use(&self) -> bool {
        self.retired_in_use.lock_any().iter().any(|open| open.strong_count() > 0)
    }
}
