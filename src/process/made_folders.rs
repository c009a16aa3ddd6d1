//! The folders at and above a `local_root` that this process made, until their entries are on disk.
//!
//! For the process, since after a reload another sink writes below a root that the last one made. The folders below a
//! root are not listed: each log syncs them once. The invariant: a folder is listed from before it is made until its
//! parent was synced, and that sync began after it was made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::sync::LockExt as _;

/// Tells one making of a folder from a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serial(u64);

struct Made {
    folders: BTreeMap<PathBuf, Serial>,
    last: u64,
}

/// Few: one for each part of a path that was missing when the first log below it was made.
static MADE: Mutex<Made> = Mutex::new(Made { folders: BTreeMap::new(), last: 0 });

/// To be called before the folder is made.
pub(crate) fn about_to_make(folder: &Path) {
    let mut made = MADE.lock_any();
    made.last += 1;
    let serial = Serial(made.last);
    made.folders.insert(folder.to_owned(), serial);
}

/// Which of `root` and the folders above it are listed.
pub(crate) fn unsynced(root: &Path) -> Vec<(PathBuf, Serial)> {
    let made = MADE.lock_any();
    let listed = |folder: &Path| Some((folder.to_owned(), *made.folders.get(folder)?));
    match made.folders.is_empty() {
        true => Vec::new(),
        false => root.ancestors().filter_map(listed).collect(),
    }
}

/// The folder's parent was synced after `unsynced` returned this.
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
