//! Windows. Relies on the modes of sharing (CreateFileW): a handle that does not share writing cannot be opened
//! while another has the file open to write, and none can be opened to write while it is there. So an open log is
//! in use by itself, and the lock of a rotation is a file beside the log that only one can have open, which the
//! system deletes with its handle. `LockFileEx` needs `unsafe`, or keeps others from writing.

use std::fs::File;
use std::io;

use super::{Lock, LockOn};

pub(crate) const ROTATION_LOCK_IS_ON: LockOn = LockOn::FileBeside;

/// The handle is the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind;

pub(super) fn unlock(_: &File, Kind: Kind) {}

pub(crate) fn take_rotation_lock(file: File) -> io::Result<Option<Lock>> {
    Ok(Some(Lock(file, Kind)))
}

pub(crate) fn mark_in_use(_: &File) -> io::Result<bool> {
    Ok(true)
}

pub(crate) fn lock_out_users(file: File) -> io::Result<Option<Lock>> {
    Ok(Some(Lock(file, Kind)))
}

pub(crate) fn is_in_use(err: &io::Error) -> bool {
    /// `ERROR_SHARING_VIOLATION`, and `ERROR_ACCESS_DENIED` while the file is being deleted or one that is
    /// deleted is still open.
    const IN_USE: [Option<i32>; 2] = [Some(32), Some(5)];
    IN_USE.contains(&err.raw_os_error())
}
