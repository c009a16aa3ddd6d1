//! Unix. Relies on the time of the last change of the inode (stat(2), `st_ctime`): a write, a rename and a change of the
//! other times set it to the present time, and no call sets it to another one (utimensat(2)).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

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
