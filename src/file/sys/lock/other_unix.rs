//! Unix other than Linux and Android. There, byte ranges are locked for a process, not for a description (fcntl(2)),
//! so any close of the file would release them. This relies on flock(2), whose lock belongs to a description: one
//! lock is on the file, and one on its folder. Logs in one folder are rotated one after the other, which takes
//! microseconds.

use std::fs::File;
use std::io;

use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;

use super::{Lock, LockOn};

pub(crate) const ROTATION_LOCK_IS_ON: LockOn = LockOn::Folder;

/// A description has one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind;

fn take(file: &File, how: FlockOperation) -> io::Result<bool> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

pub(super) fn unlock(file: &File, Kind: Kind) {
    let _ = flock(file, FlockOperation::Unlock);
}

pub(crate) fn take_rotation_lock(file: File) -> io::Result<Option<Lock>> {
    Ok(take(&file, FlockOperation::NonBlockingLockExclusive)?.then(|| Lock(file, Kind)))
}

pub(crate) fn mark_in_use(file: &File) -> io::Result<bool> {
    take(file, FlockOperation::NonBlockingLockShared)
}

pub(crate) fn lock_out_users(file: File) -> io::Result<Option<Lock>> {
    Ok(take(&file, FlockOperation::NonBlockingLockExclusive)?.then(|| Lock(file, Kind)))
}

pub(crate) fn is_in_use(_: &io::Error) -> bool {
    false
}
