//! An end for threads that log until they are told: also when the test fails meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether it is said.
#[derive(Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    pub(crate) fn is_said(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Says it when that is dropped. `thread::scope` waits for its threads before it lets a panic on, so
    /// that a failed assertion would otherwise hang, and say nothing.
    pub(crate) fn at_the_end(&self) -> AtTheEnd<'_> {
        AtTheEnd(self)
    }
}

pub(crate) struct AtTheEnd<'a>(&'a Stop);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0 .0.store(true, Ordering::Relaxed);
    }
}
