//! The two locks of a log that is rotated, and the one place that picks a platform's.
//!
//! Each platform's file exports the same items:
//!
//! - `take_rotation_lock(File) -> io::Result<Option<Lock>>`: keeps other processes, and other openings in this
//!   process, from renaming the log until the lock is dropped or the process ends. None: another opening has the
//!   lock. The file was opened for this lock, as [`ROTATION_LOCK_IS_ON`](LockOn) says. It MUST NOT wait, MUST NOT
//!   keep anybody from writing, and MUST leave no file behind. Dropping the lock MUST release it also if a copy of
//!   the process by fork(2) has the descriptor.
//! - `mark_in_use(&File) -> io::Result<bool>`: tells other processes that records may be written to the file, until
//!   the file is closed. Several processes can mark the same file. `false`: the file is being compressed or deleted,
//!   and nothing may be written to it. An error: the file system has no locks.
//! - `lock_out_users(File) -> io::Result<Option<Lock>>`: keeps all processes from marking the file until the lock is
//!   dropped. None: a process has marked it. The file was opened to be replaced
//!   ([`Purpose::Replace`](super::Purpose)).
//! - `is_in_use(&io::Error) -> bool`: whether an open or a deletion was refused because another process has the file
//!   open, which will close it.
//! - `ROTATION_LOCK_IS_ON: LockOn`: what the file of `take_rotation_lock` is opened on.
//! - `Kind` and `unlock(&File, Kind)`: which of its locks a [`Lock`] is, and how it is released. `unlock` is called
//!   once, when the lock is dropped.

use std::fs::File;

/// What a lock is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each platform has one of them")]
pub(crate) enum LockOn {
    /// The log itself, opened once more.
    Log,
    /// The log's folder.
    Folder,
    /// A file beside the log, which only one process can have open.
    FileBeside,
}

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "linux.rs")]
#[cfg_attr(all(unix, not(any(target_os = "linux", target_os = "android"))), path = "other_unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use platform::unlock;
pub(crate) use platform::{
    is_in_use, lock_out_users, mark_in_use, take_rotation_lock, ROTATION_LOCK_IS_ON,
};

/// One of the two locks, on a file description of its own.
#[derive(Debug)]
pub(crate) struct Lock(File, platform::Kind);

impl Lock {
    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would be enough if no copy of the process had the description (flock(2), fcntl(2)).
        unlock(&self.0, self.1);
    }
}
