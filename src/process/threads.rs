//! The threads that this crate starts: one name, no signals, and the process that they are in.
//!
//! The invariant: a thread of this crate runs no signal handler of the application. Signals that belong to a thread's
//! own fault (SIGSEGV, SIGBUS, …) are not blocked.
//!
//! Each platform's file exports `block_signals()`. While the returned guard lives, the calling thread takes no signal
//! that it need not take, and a thread that it starts begins with the same mask. When the guard is dropped, it MUST
//! restore the mask that the thread had before.

use std::io;
use std::thread::{Builder, JoinHandle};

#[cfg_attr(unix, path = "threads/unix.rs")]
#[cfg_attr(not(unix), path = "threads/other.rs")]
mod signals;

/// Whether the other threads still run when exit(3) calls a thread-local's destructor. On Windows, ExitProcess ends
/// them before: <https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-exitprocess>.
pub(crate) const EXIT_WAITS_FOR_THREADS: bool = cfg!(unix);

/// The name of all threads of this crate, which is easily found in a list of threads. Linux keeps 15 bytes.
pub(crate) const THREAD_NAME: &str = "equipment-log";

/// Starts a thread of this crate.
///
/// # Errors
///
/// The system has no thread left (`EAGAIN`, see pthread_create(3)).
pub(crate) fn spawn<T: Send + 'static>(
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    // Before the thread begins: a thread that blocked them itself could take one until then.
    let _blocked = signals::block_signals();
    Builder::new().name(THREAD_NAME.to_owned()).spawn(run)
}

/// A process, as fork(2) tells processes apart. The threads of a process are not in its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId(u32);

impl ProcessId {
    /// The process of the caller. This makes a system call.
    pub(crate) fn current() -> ProcessId {
        ProcessId(std::process::id())
    }

    /// Whether the caller is in this process, and not in a copy of it. This makes a system call.
    pub(crate) fn is_current(self) -> bool {
        self == ProcessId::current()
    }
}
