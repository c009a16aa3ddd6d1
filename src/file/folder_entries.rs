//! [`FolderEntries`]: whether the folders on the way to a log's file hold its entry on disk.
//!
//! A file's own sync does not cover its entry in the folder (fsync(2)). The invariant: what `unsynced` returned and
//! `synced` was given covers every making before that `unsynced`.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts how often the file, or a folder on its way, may have been made.
#[derive(Debug)]
pub(super) struct FolderEntries {
    made: AtomicU32,
    synced: AtomicU32,
}

impl Default for FolderEntries {
    /// A log that had no record in this process may have been made a moment ago, by whom is not known.
    fn default() -> FolderEntries {
        FolderEntries { made: AtomicU32::new(1), synced: AtomicU32::new(0) }
    }
}

impl FolderEntries {
    /// The file or a folder was made, or the path leads to another file than before. To be called before
    /// a record is written there.
    pub(super) fn made(&self) {
        self.made.fetch_add(1, Ordering::AcqRel);
    }

    /// What must be given to `synced` when the folders were synced; none where they need no sync.
    pub(super) fn unsynced(&self) -> Option<u32> {
        let made = self.made.load(Ordering::Acquire);
        (self.synced.load(Ordering::Acquire) < made).then_some(made)
    }

    /// The folders were synced after `unsynced` returned this.
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
