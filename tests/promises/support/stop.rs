//! An end for threads that log until they are told: also when the test fails meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether threads that look at it should end.
#[derive(Default)]
pub(crate) struct StopFlag(AtomicBool);

impl StopFlag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it when that is dropped. `thread::scope` waits for its threads before it lets a panic on, so
    /// that a failed assertion would otherwise hang, and say nothing.
    pub(crate) fn stop_on_drop(&self) -> StopOnDrop<'_> {
        StopOnDrop(self)
    }
}

pub(crate) struct StopOnDrop<'a>(&'a StopFlag);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0 .0.store(true, Ordering::Relaxed);
    }
}
