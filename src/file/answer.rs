//! What each answer of the kernel means, for each kind of call on a record's way.
//!
//! The invariant: every call that may answer with an error is made through [`attempt`], or asks [`answer`] itself. No
//! answer is tried again for ever.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::sys::{self, Cause};

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Opens a file or a folder that is there.
    Open,
    /// Makes a file, which is not there yet.
    Create,
    CreateFolder,
    /// Asks what the path leads to.
    Inspect,
    /// Asks for the metadata of an open file, or reads the file.
    Read,
    Write,
    /// `LogFile::sync_open` retires the descriptor after any failure: the kernel reports a failed write-back once to a
    /// descriptor, and says OK the next time though the data is gone (<https://lwn.net/Articles/752063/>).
    SyncFile,
    SyncFolder,
    Rename,
    /// Takes a lock, without waiting for it. Over NFS a signal may interrupt this call as well (fcntl(2), EINTR).
    Lock,
}

/// What the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Makes the call again: the interrupted call has done nothing.
    Retry,
    /// Makes the call again, for [`LONGEST_WAIT`] at most: another process or a server is asked to give way.
    Wait,
    /// Closes other files and waits for a descriptor.
    FreeDescriptor,
    /// Continues as after a success: the file system has no such operation, and durability is left to it.
    NotSupported,
    /// Nothing is at the path: makes what is missing, or starts again.
    Missing,
    /// Another process or thread made it first: continues with what is there.
    Exists,
    /// Takes the descriptor from use and reports the error. The next record opens the path again.
    Release,
    /// Reports the error. A record that is not written is lost and counted, and the next one tries again.
    Report,
    /// Keeps the descriptor: the answer proves nothing.
    Keep,
}

/// How long a call is repeated whose answer is [`Answer::Wait`]. A log call may take one second longer than the
/// kernel needs, and no more.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long the thread sleeps between two of these calls.
const BETWEEN_CALLS: Duration = Duration::from_millis(1);

/// How often an interrupted call is repeated. A call that is interrupted more often than this is not interrupted by
/// signals.
const MOST_RETRIES: usize = 1000;

struct Row {
    /// None: the row holds for all calls.
    calls: Option<&'static [Call]>,
    cause: Cause,
    answer: Answer,
}

const fn all(cause: Cause, answer: Answer) -> Row {
    Row { calls: None, cause, answer }
}

const fn of(calls: &'static [Call], cause: Cause, answer: Answer) -> Row {
    Row { calls: Some(calls), cause, answer }
}

/// The first row that fits counts. Each comment names the errors of Unix first, and then those of Windows.
const TABLE: &[Row] = &[
    // EINTR. signal(7): a call on a slow device or FUSE may be interrupted by any handler, SA_RESTART or not
    // (libfuse's `intr`). Nothing was done.
    all(Cause::Interrupted, Answer::Retry),
    // EAGAIN of an open with O_NONBLOCK: a lease (fcntl(2), "Leases") is being broken; its holder has
    // /proc/sys/fs/lease-break-time. ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION: a scanner or an editor has it.
    of(&[Call::Open, Call::Create, Call::Write, Call::Rename], Cause::WouldBlock, Answer::Wait),
    // EMFILE, ENFILE (open(2)); ERROR_TOO_MANY_OPEN_FILES. See `LogFile::retry_with_a_descriptor_freed`.
    all(Cause::OutOfDescriptors, Answer::FreeDescriptor),
    // EINVAL, ENOTSUP, EOPNOTSUPP, ENOSYS (fsync(2): "bound to a special file which does not support
    // synchronization"): folders on CIFS, vboxsf and FUSE without FSYNCDIR. ERROR_NOT_SUPPORTED,
    // ERROR_INVALID_FUNCTION of FlushFileBuffers on a redirector that has none.
    of(&[Call::SyncFile, Call::SyncFolder], Cause::NotSupported, Answer::NotSupported),
    of(&[Call::SyncFile, Call::SyncFolder], Cause::Invalid, Answer::NotSupported),
    // ENOENT, ENOTDIR. Another program moved or deleted the path, which a record must notice within a second; or the
    // path does not exist yet.
    of(&[Call::Inspect], Cause::Missing, Answer::Release),
    of(&[Call::Inspect], Cause::NotAFolder, Answer::Release),
    all(Cause::Missing, Answer::Missing),
    // EEXIST (open(2), O_EXCL; mkdir(2)). ERROR_FILE_EXISTS, ERROR_ALREADY_EXISTS.
    of(&[Call::Create, Call::CreateFolder], Cause::Exists, Answer::Exists),
    // ESTALE, ENOTCONN, EIO, ENXIO, ENODEV, ESHUTDOWN, ETIMEDOUT, EBADF: the share came back with other handles
    // (nfs(5)), the FUSE daemon was started again, the disk was pulled. A path that gives one of these errors is
    // released as well. ERROR_NETNAME_DELETED, ERROR_BAD_NETPATH, ERROR_UNEXP_NET_ERR, ERROR_IO_DEVICE,
    // ERROR_NOT_READY, ERROR_INVALID_HANDLE.
    of(&[Call::Inspect, Call::Write], Cause::Unreachable, Answer::Release),
    // EACCES, EPERM and all other errors of stat(2): a path that cannot be inspected may still lead to the open file.
    of(&[Call::Inspect], Cause::Denied, Answer::Keep),
    of(&[Call::Inspect], Cause::Other, Answer::Keep),
    // ENOSPC, EDQUOT, EFBIG (write(2)); ERROR_DISK_FULL, ERROR_DISK_QUOTA_EXCEEDED. The descriptor is good: the
    // next record is tried.
    all(Cause::Full, Answer::Report),
    // EACCES, EPERM, EROFS, ETXTBSY, ELOOP, ENAMETOOLONG (open(2), mkdir(2), rename(2)); ERROR_ACCESS_DENIED,
    // ERROR_WRITE_PROTECT. A person has to correct the permissions; the next record tries again.
    all(Cause::Denied, Answer::Report),
];

/// What an error means for a call. An error that the table does not name, such as ENOMEM or EBUSY, is reported.
pub(super) fn answer(call: Call, err: &io::Error) -> Answer {
    let cause = sys::cause(err);
    let fits =
        |row: &&Row| row.cause == cause && row.calls.is_none_or(|calls| calls.contains(&call));
    TABLE.iter().find(fits).map_or(Answer::Report, |row| row.answer)
}

/// Makes a call, and repeats it while the answer is [`Answer::Retry`] or [`Answer::Wait`].
pub(super) fn attempt<T>(call: Call, mut make: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(err) => attempt_again(call, &mut make, err),
        made => made,
    }
}

/// Makes a sync. `false`: the file system has no such sync, and durability is left to it.
pub(super) fn attempt_sync(call: Call, sync: impl FnMut() -> io::Result<()>) -> io::Result<bool> {
    match attempt(call, sync) {
        Err(err) if answer(call, &err) == Answer::NotSupported => Ok(false),
        synced => synced.map(|()| true),
    }
}

#[cold]
fn attempt_again<T>(
    call: Call,
    make: &mut dyn FnMut() -> io::Result<T>,
    first: io::Error,
) -> io::Result<T> {
    let (mut err, mut retries, begin) = (first, 0, Instant::now());
    loop {
        match answer(call, &err) {
            Answer::Retry if retries < MOST_RETRIES => retries += 1,
            Answer::Wait if begin.elapsed() < LONGEST_WAIT => thread::sleep(BETWEEN_CALLS),
            _ => return Err(err),
        }
        match make() {
            Err(again) => err = again,
            made => return made,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_call_is_made_again_and_not_for_ever() {
        let interrupted = || io::Error::from(io::ErrorKind::Interrupted);
        let mut calls = 0;
        let made = attempt(Call::Write, || {
            calls += 1;
            if calls < 3 {
                Err(interrupted())
            } else {
                Ok(calls)
            }
        });
        assert_eq!(made.unwrap(), 3);
        let never: io::Result<()> = attempt(Call::Open, || Err(interrupted()));
        assert_eq!(never.unwrap_err().kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn a_call_that_another_holds_up_is_made_again_for_a_second() {
        // ERROR_SHARING_VIOLATION, EAGAIN of macOS and of Linux.
        let held = if cfg!(windows) {
            32
        } else if cfg!(target_os = "macos") {
            35
        } else {
            11
        };
        let held = || io::Error::from_raw_os_error(held);
        let begin = Instant::now();
        let made = attempt(Call::Open, || {
            if begin.elapsed() < Duration::from_millis(50) {
                Err(held())
            } else {
                Ok(())
            }
        });
        assert!(made.is_ok());
        let begin = Instant::now();
        let never: io::Result<()> = attempt(Call::Open, || Err(held()));
        assert!(never.is_err() && begin.elapsed() >= LONGEST_WAIT);
        // No call waits whose answer is another.
        let mut calls = 0;
        let never: io::Result<()> = attempt(Call::SyncFile, || {
            calls += 1;
            Err(held())
        });
        assert!(never.is_err() && calls == 1);
    }

    #[test]
    fn what_a_stat_does_not_prove_keeps_the_descriptor() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(answer(Call::Inspect, &denied), Answer::Keep);
        assert_eq!(answer(Call::Open, &denied), Answer::Report);
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(answer(Call::Inspect, &missing), Answer::Release);
        assert_eq!(answer(Call::Create, &missing), Answer::Missing);
    }
}
