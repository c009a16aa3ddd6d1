//! Unix: a thread inherits the signal mask of the thread that starts it (pthread_create(3)), and a signal to
//! the process goes to any thread that does not block it (signal(7)).

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Signals that a thread causes by its own instruction: blocked, they would end the process without a word to
/// its handlers (sigprocmask(2), Notes). SIGPROF: a profiler samples our threads, too.
const OF_THE_THREAD: [Signal; 8] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGABRT,
    Signal::SIGPROF,
];

/// The mask that the thread had before.
pub(super) struct Blocked(Option<SigSet>);

pub(super) fn block_signals() -> Blocked {
    let mut signals = SigSet::all();
    OF_THE_THREAD.into_iter().for_each(|signal| signals.remove(signal));
    Blocked(signals.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            let _ = before.thread_set_mask();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
mod tests {
    use super::*;
    use crate::process::threads;

    #[test]
    fn a_thread_of_ours_takes_no_signal_of_the_application_and_the_caller_keeps_its_mask() {
        let before = SigSet::thread_get_mask().unwrap();
        let theirs = threads::spawn(|| SigSet::thread_get_mask().unwrap()).unwrap();
        let theirs = theirs.join().unwrap();
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
        for signal in [Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
            assert!(theirs.contains(signal) && !before.contains(signal), "{signal}");
        }
        assert!(OF_THE_THREAD.into_iter().all(|signal| !theirs.contains(signal)));
    }
}
