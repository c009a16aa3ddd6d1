//! The folders at and above a `local_root` that this process made, until their entries are on disk.
//!
//! The list belongs to the process, since after a reload another sink may write below a root that the earlier sink
//! made. The folders below a root are not listed: each log syncs them once. The invariant: a folder is listed from
//! before it is made until a sync of its parent has succeeded that began after it was made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::locks::LockExt as _;

/// Tells one making of a folder from a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(u64);

struct Made {
    folders: BTreeMap<PathBuf, Serial>,
    last: u64,
}

/// The list is short: it has one entry for each part of a `local_root` that was missing.
static MADE: Mutex<Made> = Mutex::new(Made { folders: BTreeMap::new(), last: 0 });

/// Lists a folder. MUST be called before the folder is made.
pub(crate) fn about_to_make(folder: &Path) {
    let mut made = MADE.lock_any();
    made.last += 1;
    let serial = Serial(made.last);
    made.folders.insert(folder.to_owned(), serial);
}

/// The listed folders among `root` and those above it.
pub(crate) fn unsynced(root: &Path) -> Vec<(PathBuf, Serial)> {
    let made = MADE.lock_any();
    let listed = |folder: &Path| Some((folder.to_owned(), *made.folders.get(folder)?));
    match made.folders.is_empty() {
        true => Vec::new(),
        false => root.ancestors().filter_map(listed).collect(),
    }
}

/// Notes that the folder's parent was synced, in a sync that began after `unsynced` had returned this serial.
pub(crate) fn synced(folder: &Path, serial: Serial) {
    let mut made = MADE.lock_any();
    if made.folders.get(folder) == Some(&serial) {
        made.folders.remove(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_made_again_during_a_sync_stays_listed() {
        let root = Path::new("/made_folders_test/root");
        about_to_make(root);
        let first = unsynced(root);
        about_to_make(root);
        first.iter().for_each(|(folder, serial)| synced(folder, *serial));
        let second = unsynced(root);
        assert_eq!(second.len(), 1);
        second.iter().for_each(|(folder, serial)| synced(folder, *serial));
        assert_eq!(unsynced(root), []);
    }
}
