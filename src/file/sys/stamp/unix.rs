//! Unix. Relies on the time of the last change of the inode (stat(2), `st_ctime`): a write, a rename and a change of the
//! other times set it to the present time, and no call sets it to another one (utimensat(2)).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

pub(crate) fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Some file systems take the time of the last write for that of the last change (FAT), so both times are looked at.
pub(crate) fn is_as_before(file: &Metadata, other: &Metadata) -> bool {
    let (Ok(file_made), Ok(other_made)) = (file.created(), other.created()) else { return false };
    let nanoseconds = u32::try_from(file.ctime_nsec()).unwrap_or(0);
    let since_1970 = u64::try_from(file.ctime()).map(|it| Duration::new(it, nanoseconds));
    let changed = since_1970.ok().and_then(|it| SystemTime::UNIX_EPOCH.checked_add(it));
    file_made < other_made && changed.is_some_and(|changed| changed < other_made)
}
