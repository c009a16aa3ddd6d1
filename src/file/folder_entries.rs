//! [`FolderEntries`]: whether the entries of a log's file and of its folders are on disk.
//!
//! The sync of a file does not cover the file's entry in its folder (fsync(2)). The invariant: when `synced` is
//! called with a number that `unsynced` returned, every entry that was made before that call of `unsynced` counts as
//! synced, and no later entry does.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts how often the file, or a folder on its way, may have been made.
#[derive(Debug)]
pub(super) struct FolderEntries {
    made: AtomicU32,
    synced: AtomicU32,
}

impl Default for FolderEntries {
    /// A file that this process opens for the first time may have been made by another process a moment ago: its
    /// entry counts as not synced.
    fn default() -> FolderEntries {
        FolderEntries { made: AtomicU32::new(1), synced: AtomicU32::new(0) }
    }
}

impl FolderEntries {
    /// Notes that the file or a folder was made, or that the path leads to another file than before. MUST be called
    /// before a record is written to that file.
    pub(super) fn made(&self) {
        self.made.fetch_add(1, Ordering::AcqRel);
    }

    /// The number to pass to `synced` when the folders have been synced. None: the folders need no sync.
    pub(super) fn unsynced(&self) -> Option<u32> {
        let made = self.made.load(Ordering::Acquire);
        (self.synced.load(Ordering::Acquire) < made).then_some(made)
    }

    /// Notes that the folders were synced, in a sync that began after `unsynced` had returned `made`.
    pub(super) fn synced(&self, made: u32) {
        self.synced.fetch_max(made, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_made_during_a_sync_needs_another() {
        let entries = FolderEntries::default();
        let first = entries.unsynced().unwrap();
        entries.made();
        entries.synced(first);
        let second = entries.unsynced().unwrap();
        entries.synced(second);
        entries.synced(first);
        assert_eq!(entries.unsynced(), None);
    }
}
