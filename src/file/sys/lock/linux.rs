//! Linux. Relies on:
//!
//! - Open file description locks (fcntl(2)): they belong to the description, not to the process, so that two
//!   openings in one process keep each other out, and the lock of a description that was opened for it is not
//!   taken away by a close elsewhere. A copy of the process by fork(2) shares the description; an explicit unlock
//!   releases it for both.
//! - They are on ranges of bytes, so that two bytes make two locks. flock(2) has one, and over NFS and SMB it is
//!   turned into a lock of the whole file, which keeps others from writing on an SMB server.
//! - The two bytes are the last that a file can have: no file has them, so no read or write meets a lock
//!   that a server enforces.

use std::fs::File;
use std::io;

use nix::fcntl::{fcntl, FcntlArg};
use nix::libc;

use super::{Lock, LockOn};

pub(crate) const ROTATION_LOCK_IS_ON: LockOn = LockOn::Log;

/// One of the two locks, by its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(libc::off_t);

const IN_USE: Kind = Kind(libc::off_t::MAX - 1);
const ROTATION: Kind = Kind(libc::off_t::MAX - 2);

/// `false` where others have a lock that stands in the way.
fn set(file: &File, how: libc::c_int, Kind(byte): Kind) -> io::Result<bool> {
    let lock = libc::flock {
        l_type: how as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

pub(super) fn unlock(file: &File, kind: Kind) {
    let _ = set(file, libc::F_UNLCK, kind);
}

pub(crate) fn take_rotation_lock(file: File) -> io::Result<Option<Lock>> {
    Ok(set(&file, libc::F_WRLCK, ROTATION)?.then(|| Lock(file, ROTATION)))
}

pub(crate) fn mark_in_use(file: &File) -> io::Result<bool> {
    set(file, libc::F_RDLCK, IN_USE)
}

pub(crate) fn lock_out_users(file: File) -> io::Result<Option<Lock>> {
    Ok(set(&file, libc::F_WRLCK, IN_USE)?.then(|| Lock(file, IN_USE)))
}

pub(crate) fn is_in_use(err: &io::Error) -> bool {
    // A lease of another process (fcntl(2), F_SETLEASE).
    err.kind() == io::ErrorKind::WouldBlock
}
