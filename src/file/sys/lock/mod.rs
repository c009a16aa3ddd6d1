//! The two locks of a log that is rotated, and the one place that picks a platform's.
//!
//! Each platform's file exports the same items:
//!
//! - `take_rotation_lock(File) -> io::Result<Option<Lock>>`: keeps other processes, and other openings in this one,
//!   from renaming the log until the lock is dropped or the process ends; none where another has it. The file was
//!   opened for this lock, as [`ROTATION_LOCK_IS_ON`](LockOn) tells. It MUST NOT wait, MUST NOT keep anybody from
//!   writing, MUST leave no file behind, and MUST be released also where a copy of the process by fork(2) has the
//!   descriptor.
//! - `mark_in_use(&File) -> io::Result<bool>`: tells other processes, until the file is closed, that records may
//!   be written to it. `false` where it is being compressed or deleted: nothing may be written then. An error
//!   where the file system has no locks. Many may mark the same file.
//! - `lock_out_users(File) -> io::Result<Option<Lock>>`: from now on none can mark the file; none where one has.
//!   The file was opened to replace it ([`Purpose::Replace`](super::Purpose)).
//! - `is_in_use(&io::Error)`: whether an open or a deletion was refused since others have the file open. They
//!   will close it.

use std::fs::File;

/// What a lock is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each platform has one of them")]
pub(crate) enum LockOn {
    /// The log itself, opened once more.
    Log,
    /// Its folder.
    Folder,
    /// A file beside it, which only one can have open.
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

/// A lock on a description of its own.
#[derive(Debug)]
pub(crate) struct Lock(File, platform::Kind);

impl Lock {
    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do where no copy of the process has the description (flock(2), fcntl(2)).
        unlock(&self.0, self.1);
    }
}
